"""Energy at the price of the hour: use times a series of prices, exact to the millionth, rounded once."""

from collections.abc import Sequence
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


def columns(s: scene.Scene, index: terms.Index, prices: usage.Prices | Sequence[usage.Prices]) -> list[usage.Column]:
    """This will give the line of the indexed price, and that of the adder; a missing price is refused."""
    micros = _on(s, index, prices)
    wh: NDArray[np.object_] | Ints = s.wh
    highest = int(np.abs(micros).max(initial=0)) * int(s.wh.max(initial=0)) * max(1, len(micros))
    cost = (wh @ micros) if highest < _SAFE else np.array([sum(map(_times, row, micros)) for row in wh], dtype=object)
    ratio = Fraction(index.multiplier) * 100 / (s.per_kwh * _MICRO)
    cents = exact.divide(cost, ratio.numerator, ratio.denominator, s.plan.rounding)
    said, description = {"index": index.code}, "Energy at the price of the hour"
    if s.split:
        said |= {"from": s.days.starts_on.isoformat(), "to": s.days.ends_on.isoformat()}
        description = f"{description} ({s.days.starts_on} to {s.days.ends_on - timedelta(days=1)})"
    line = usage.Column(
        component="energy",
        code="energy.index",
        description=description,
        unit="",
        unit_price=Decimal("0.01"),
        quantity=cents,
        scale=1,
        cents=cents,
        present=cents != 0,
        args=said,
    )
    adder = s.column(
        "rider", "rider.per_kwh", "Supplement to the price of the hour", "kWh", index.adder, s.used, s.per_kwh,
        args={"rider": "INDEX"},
    )  # fmt: skip
    return [column for column in (line, adder) if column.present.any()]


def _times(grains: int, micros: int) -> int:
    return int(grains) * int(micros)


def _on(s: scene.Scene, index: terms.Index, known: usage.Prices | Sequence[usage.Prices]) -> Ints:
    """The price of each interval of the segment, from the first series that covers it."""
    own = [p for p in ([known] if isinstance(known, usage.Prices) else known) if p.code == index.code]
    if not own:
        raise errors.Invalid("rating.prices", reason=f"the prices of {index.code} are needed", where="index")
    for prices in own:
        first = (s.starts_at - prices.starts_at) // timedelta(minutes=1)
        at = (first + np.arange(s.wh.shape[1]) * s.interval_minutes) // prices.interval_minutes
        if not len(at) or (at[0] >= 0 and at[-1] < len(prices.micros)):
            return np.asarray(prices.micros, dtype=np.int64)[at]
    raise errors.Invalid("rating.prices", reason=f"the prices of {index.code} do not cover the period", where="index")
