"""Energy at the price of the hour: use times a series of prices, exact to the millionth, rounded once."""

from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from billing.rating import exact, scene, terms, usage
from core import errors

Ints = NDArray[np.int64]
_MICRO = 1_000_000
_SAFE = 2**61


def columns(s: scene.Scene, index: terms.Index, prices: usage.Prices | None) -> list[usage.Column]:
    """This will give the line of the indexed price, and that of the adder; a missing price is refused."""
    micros = _on(s, index, prices)
    wh: NDArray[np.object_] | Ints = s.wh
    highest = int(np.abs(micros).max(initial=0)) * int(s.wh.max(initial=0)) * max(1, len(micros))
    cost = (wh @ micros) if highest < _SAFE else np.array([sum(map(_times, row, micros)) for row in wh], dtype=object)
    ratio = Fraction(index.multiplier) * 100 / (s.per_kwh * _MICRO)
    cents = exact.divide(cost, ratio.numerator, ratio.denominator, s.plan.rounding)
    line = usage.Column(
        component="energy",
        code="energy.index",
        description="Energy at the price of the hour",
        unit="",
        unit_price=Decimal("0.01"),
        quantity=cents,
        scale=1,
        cents=cents,
        present=cents != 0,
        args={"index": index.code},
    )
    used = s.wh.sum(axis=1)
    adder = s.column(
        "rider", "rider.per_kwh", "Supplement to the price of the hour", "kWh", index.adder, used, s.per_kwh
    )
    return [column for column in (line, adder) if column.present.any()]


def _times(grains: int, micros: int) -> int:
    return int(grains) * int(micros)


def _on(s: scene.Scene, index: terms.Index, prices: usage.Prices | None) -> Ints:
    """The price of each interval of the segment."""
    if prices is None or prices.code != index.code:
        raise errors.Invalid("rating.prices", reason=f"the prices of {index.code} are needed", where="index")
    first = (s.starts_at - prices.starts_at) // timedelta(minutes=1)
    at = (first + np.arange(s.wh.shape[1]) * s.interval_minutes) // prices.interval_minutes
    if len(at) and (at[0] < 0 or at[-1] >= len(prices.micros)):
        raise errors.Invalid(
            "rating.prices", reason=f"the prices of {index.code} do not cover the period", where="index"
        )
    return np.asarray(prices.micros, dtype=np.int64)[at]
