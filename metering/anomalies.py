"""Use that is out of the ordinary for this place.

Pure, and causal: a day is judged by the days before it alone.

The ordinary is the median of the same hour of the same weekday in the last eight weeks, the yardstick its
median absolute deviation (never less than a tenth of the median, or 50 Wh): one odd day neither hides the
next nor becomes the norm.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

Hours = NDArray[np.float64]  # [days, 24] Wh by the local clock; NaN where missing

WEEKS = 8
_LEAST_DAYS = 14
_MAD = 1.4826
_SPIKE_Z, _SPIKE_WH = 8.0, 2000.0
_BEYOND, _BEYOND_DAY = 1.25, 1.05  # times the highest of the eight weeks
_DAY_Z, _DAY_SHARE, _DAY_WH = 4.0, 0.35, 4000.0
_STEP_SHARE, _STEP_DAYS = 0.35, 7
_NIGHT = slice(1, 5)
_NIGHT_WH, _NIGHT_DAYS = 150.0, 3
_ZERO_WH = 2000.0


@dataclass(frozen=True)
class Finding:
    """SPIKE (an hour), HIGH_DAY, STEP_UP (a week at a new level), NIGHT_BASE (something runs at night), FLAT,
    ZERO.
    """

    kind: str
    excess_wh: int
    expected_wh: int
    score: float


def detect(days: Sequence[date], hours: Hours) -> tuple[Finding, ...]:
    """This will judge the last of some consecutive days (oldest first) by those before it.

    Nothing is said with less than two weeks of history, or about a day with a missing hour.
    """
    before, today = hours[:-1], hours[-1]
    whole: NDArray[np.bool_] = np.asarray(~np.isnan(before).any(axis=1))
    if len(days) != len(hours) or whole.sum() < _LEAST_DAYS or np.isnan(today).any():
        return ()
    totals = before[whole].sum(axis=1)
    usual = float(np.median(totals))
    stuck = _stuck(today, before[whole], usual)
    if stuck is not None:
        return (stuck,)
    found = [
        _spike(today, float(before[whole].max()), *_ordinary(days, before)),
        _high_day(float(today.sum()), totals, usual),
        _step_up(hours, whole),
        _night_base(hours, whole),
    ]
    return tuple(finding for finding in found if finding is not None)


def by_local_hour(wh: NDArray[np.int64], day: NDArray[Any], hour: NDArray[Any], first: int, count: int) -> Hours:
    """This will lay intervals out as [days, 24]: `day` and `hour` are each one's local ordinal and clock
    hour.

    The hour that daylight saving doubles is halved, the one it skips is the mean of its neighbours.
    """
    sums = np.zeros((count, 24))
    seen = np.zeros((count, 24))
    at = (np.asarray(day) - first, np.asarray(hour))
    np.add.at(sums, at, np.where(wh < 0, np.nan, wh))
    np.add.at(seen, at, 1)
    each = np.bincount(seen.astype(int).ravel())[1:].argmax() + 1 if seen.any() else 1
    with np.errstate(invalid="ignore", divide="ignore"):
        out = sums / np.maximum(seen / each, 1)
    for row, column in zip(*np.nonzero(seen == 0), strict=True):
        complete = seen[row].sum() >= 22 * each and 0 < column < 23
        out[row, column] = (out[row, column - 1] + out[row, column + 1]) / 2 if complete else np.nan
    return np.asarray(out, dtype=np.float64)


def _ordinary(days: Sequence[date], before: Hours) -> tuple[Hours, Hours]:
    """Median and yardstick of each hour for the weekday of the last day; of every day where the weekday is
    too rare.
    """
    alike = np.array([day.weekday() == days[-1].weekday() for day in days[:-1]])
    known = alike & ~np.isnan(before).any(axis=1)
    sample = before[known] if known.sum() >= 4 else before[~np.isnan(before).any(axis=1)]
    middle = np.median(sample, axis=0)
    return middle, _yardstick(sample, middle)


def _yardstick(sample: Hours, middle: Any) -> Any:
    spread = _MAD * np.median(np.abs(sample - middle), axis=0)
    return np.maximum(np.maximum(spread, 0.1 * middle), 50.0)


def _stuck(today: Hours, before: Hours, usual: float) -> Finding | None:
    if today.max() == 0:
        never = (before.sum(axis=1) == 0).mean()
        return Finding("ZERO", -round(usual), round(usual), 0.0) if usual >= _ZERO_WH and never < 0.05 else None
    constant = today.max() == today.min()
    often = (before.max(axis=1) == before.min(axis=1)).mean()
    if constant and often < 0.1:
        return Finding("FLAT", round(float(today.sum()) - usual), round(usual), 0.0)
    return None


def _spike(today: Hours, highest: float, middle: Hours, yardstick: Hours) -> Finding | None:
    """An hour far from what it usually is, and above any hour of the eight weeks: a late bath is neither."""
    excess = today - middle
    score = excess / yardstick
    at = int(excess.argmax())
    if score[at] < _SPIKE_Z or excess[at] < _SPIKE_WH or today[at] < _BEYOND * highest:
        return None
    return Finding("SPIKE", round(float(excess[at])), round(float(middle[at])), float(score[at]))


def _high_day(total: float, totals: Hours, usual: float) -> Finding | None:
    score = (total - usual) / float(_yardstick(totals, usual))
    excess = total - usual
    if score < _DAY_Z or excess < max(_DAY_WH, _DAY_SHARE * usual) or total < _BEYOND_DAY * float(totals.max()):
        return None
    return Finding("HIGH_DAY", round(excess), round(usual), float(score))


def _step_up(hours: Hours, whole: NDArray[np.bool_]) -> Finding | None:
    """A week that lies above nearly all of the weeks before, day after day."""
    recent = hours[-_STEP_DAYS:].sum(axis=1)
    earlier = hours[:-_STEP_DAYS][whole[: len(hours) - _STEP_DAYS]].sum(axis=1)
    if np.isnan(recent).any() or len(earlier) < _LEAST_DAYS:
        return None
    usual, now = float(np.median(earlier)), float(np.median(recent))
    above = (recent > np.quantile(earlier, 0.9)).sum()
    if above < _STEP_DAYS - 1 or now - usual < max(_STEP_SHARE * usual, _DAY_WH):
        return None
    return Finding("STEP_UP", round(now - usual), round(usual), (now - usual) / float(_yardstick(earlier, usual)))


def _night_base(hours: Hours, whole: NDArray[np.bool_]) -> Finding | None:
    """Several nights in a row in which something keeps running that did not before."""
    nights = np.median(hours[:, _NIGHT], axis=1)
    recent = nights[-_NIGHT_DAYS:]
    earlier = nights[:-_NIGHT_DAYS][whole[: len(hours) - _NIGHT_DAYS]]
    if np.isnan(recent).any() or len(earlier) < _LEAST_DAYS:
        return None
    usual = float(np.median(earlier))
    yardstick = float(_yardstick(earlier, usual))
    excess = float(recent.min()) - usual
    if excess < max(3 * yardstick, _NIGHT_WH):
        return None
    return Finding("NIGHT_BASE", round(excess * 24), round(usual * 24), excess / yardstick)
