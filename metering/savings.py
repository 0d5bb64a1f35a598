"""Facts about a load that a tip can stand on, without weather and without guessing at appliances. Pure."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_LEAST_DAYS = 28


@dataclass(frozen=True)
class Load:
    """Yearly figures extrapolated from `basis_days` whole days. Shares are of all use, in percent.

    `base_wh` runs every hour (the level of the quietest hours); `peak` is 16 to 21 h on weekdays, `night` 22
    to 6 h. `summer_excess` and `winter_excess` compare an average day of June to August, or December to
    February, with spring and autumn: what cooling or heating may be. None where a season has not been seen.
    """

    basis_days: int
    annual_wh: int
    daily_wh: int
    base_wh: int
    base_share: int
    night_share: int
    peak_share: int
    weekend_share: int
    highest_hour_wh: int
    summer_excess: int | None
    winter_excess: int | None


def facts(
    wh: NDArray[np.int64],
    interval_minutes: int,
    hour: NDArray[np.int8],
    month: NDArray[np.int8],
    weekend: NDArray[np.bool_],
) -> Load | None:
    """This will describe a load from its intervals (-1 missing) on the local calendar; None with less than
    four weeks.
    """
    known = wh >= 0
    per_day = 1440 // interval_minutes
    days = int(known.sum()) // per_day
    if days < _LEAST_DAYS:
        return None
    total = int(wh[known].sum())
    daily = total / days
    base = base_of(wh[known]) * 60 / interval_minutes
    shoulder = _daily(wh, known & np.isin(month, (2, 3, 4, 8, 9, 10)), per_day)
    return Load(
        basis_days=days,
        annual_wh=round(daily * 365.25),
        daily_wh=round(daily),
        base_wh=round(base),
        base_share=_percent(base * 24, daily),
        night_share=_percent(int(wh[known & ((hour >= 22) | (hour < 6))].sum()), total),
        peak_share=_percent(int(wh[known & ~weekend & (hour >= 16) & (hour < 21)].sum()), total),
        weekend_share=_percent(int(wh[known & weekend].sum()), total),
        highest_hour_wh=round(int(wh[known].max()) * 60 / interval_minutes),
        summer_excess=_excess(_daily(wh, known & np.isin(month, (5, 6, 7)), per_day), shoulder),
        winter_excess=_excess(_daily(wh, known & np.isin(month, (11, 0, 1)), per_day), shoulder),
    )


def base_of(known: NDArray[np.int64]) -> float:
    """This will give the Wh of an interval in which nothing but what always runs is on."""
    return float(np.quantile(known, 0.08))


def _daily(wh: NDArray[np.int64], which: NDArray[np.bool_], per_day: int) -> float | None:
    """The average day of a season; None unless two weeks of it are known."""
    return float(wh[which].mean()) * per_day if which.sum() >= 14 * per_day else None


def _excess(season: float | None, shoulder: float | None) -> int | None:
    return None if season is None or not shoulder else round(100 * (season - shoulder) / shoulder)


def _percent(part: float, whole: float) -> int:
    return round(100 * part / whole) if whole else 0
