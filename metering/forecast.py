"""How much a bill period will come to, with an honest range. Pure.

A day to come is the median of its weekday in the last eight weeks, leaning on how the last two weeks differ
from those medians and, where a year ago is known, on how the season went on from here then. The range is the
spread of single days, and a common error that does not average out, because a cold week is cold every day:
how much the weeks of the past differ.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

import numpy as np

from core import periods

_WEEKS = 8
_RECENT = 14
_COMMON_ERROR = 0.08  # of the mean day, in every day to come at once; at least
_BLIND = 1.6  # times as wide where nothing is known of the season to come
_YEAR = timedelta(days=364)  # the same weekday
_WHOLE_YEAR = 364
_WIDEST = 0.5
_REACH = 1.2816  # would hold eight times in ten; on seven real loads it held in seven to eight


@dataclass(frozen=True)
class Forecast:
    """Wh of a whole bill period. `daily` has the likely use of each day to come."""

    so_far_wh: int
    low_wh: int
    likely_wh: int
    high_wh: int
    days_left: int
    basis_days: int
    confidence: Literal["LOW", "MEDIUM", "HIGH"]
    daily: tuple[tuple[date, int], ...]


def forecast(daily_wh: Mapping[date, int], period: periods.Days, today: date) -> Forecast | None:
    """This will forecast a period from whole days that are over (missing ones left out of the mapping).

    Today counts as a day to come. Days of the period that are over but unknown are forecast too. None without
    any history.
    """
    known = {day: wh for day, wh in daily_wh.items() if day < today}
    history = {d: wh for d, wh in known.items() if d >= today - timedelta(weeks=_WEEKS)} or known
    if not history:
        return None
    typical = _by_weekday(history)
    to_come = [day for day in period if day not in known]
    season = _season(known, history, to_come)
    lean = _lean(history, typical, today) * (season or 1.0)
    so_far = sum(wh for day, wh in known.items() if day in period)
    daily = tuple((day, round(typical[day.weekday()] * lean)) for day in to_come)
    likely = so_far + sum(wh for _, wh in daily)
    misses = np.array([wh - typical[day.weekday()] for day, wh in history.items()])
    spread = 1.4826 * float(np.median(np.abs(misses - np.median(misses)))) if len(misses) > 2 else 0.0
    mean = sum(history.values()) / len(history)
    common = _common(history) * (1.0 if season is not None else _BLIND)
    short = max(1.0, 28 / len(history)) ** 0.5  # less history, wider
    sigma = short * float(np.hypot(spread * len(daily) ** 0.5, common * mean * len(daily)))
    reach = _REACH * sigma
    return Forecast(
        so_far_wh=so_far,
        low_wh=max(so_far, round(likely - reach)),
        likely_wh=likely,
        high_wh=round(likely + reach),
        days_left=len(to_come),
        basis_days=len(history),
        confidence=_confidence(len(history), reach / likely if likely else 0.0),
        daily=daily,
    )


def year_spread(daily_wh: Sequence[int]) -> float:
    """This will say how far a year's use may plausibly lie from the year these days on end are of, as a share of it.

    It goes by how much the home's own weeks differ from the weeks around them, so that a season is no difference. As in
    `forecast` all days are off together, by no less than a common error; by more where the year is not whole.
    """
    count = len(daily_wh) // 7
    if count < 5:
        return _WIDEST  # a month says next to nothing of a year
    weeks = np.array(daily_wh[-7 * count :], dtype=np.float64).reshape(count, 7).mean(axis=1)
    around = np.convolve(weeks, np.ones(5), "same") / np.convolve(np.ones(count), np.ones(5), "same")
    ratios = weeks[around > 0] / around[around > 0]
    own = float(np.std(ratios)) if len(ratios) else 0.0
    short = math.sqrt(max(1.0, _WHOLE_YEAR / len(daily_wh)))
    return min(_REACH * max(_COMMON_ERROR, own) * short, _WIDEST)


def _by_weekday(history: Mapping[date, int]) -> list[float]:
    """The median of each weekday; of all days for a weekday never seen."""
    overall = float(np.median(list(history.values())))
    days: list[list[int]] = [[] for _ in range(7)]
    for day, wh in history.items():
        days[day.weekday()].append(wh)
    return [float(np.median(values)) if values else overall for values in days]


def _lean(history: Mapping[date, int], typical: list[float], today: date) -> float:
    """How the last two weeks compare with the medians, believed half, within a third either way."""
    recent = [(day, wh) for day, wh in history.items() if day >= today - timedelta(days=_RECENT)]
    expected = sum(typical[day.weekday()] for day, _ in recent)
    if len(recent) < 5 or expected <= 0:
        return 1.0
    return min(max(1 + (sum(wh for _, wh in recent) / expected - 1) / 2, 2 / 3), 4 / 3)


def _season(known: Mapping[date, int], history: Mapping[date, int], to_come: list[date]) -> float | None:
    """How the days to come compared with the weeks before them a year ago, believed half."""
    then = [known[day - _YEAR] for day in history if day - _YEAR in known]
    next_ = [known[day - _YEAR] for day in to_come if day - _YEAR in known]
    if (
        len(then) < 0.8 * len(history)
        or len(next_) < 0.8 * len(to_come)
        or len(then) < 28
        or not next_
        or not sum(then)
    ):
        return None
    ratio = (sum(next_) / len(next_)) / (sum(then) / len(then))
    return float(min(max(ratio, 0.4), 2.5) ** 0.5)


def _common(history: Mapping[date, int]) -> float:
    """What all days to come may be off by together: how much whole weeks of the history differ from each
    other.
    """
    first = min(history)
    weeks: dict[int, list[int]] = {}
    for day, wh in history.items():
        weeks.setdefault((day - first).days // 7, []).append(wh)
    means = [sum(days) / len(days) for days in weeks.values() if len(days) >= 5]
    if len(means) < 3 or not sum(means):
        return 2 * _COMMON_ERROR
    return max(_COMMON_ERROR, float(np.std(means) / np.mean(means)))


def _confidence(days: int, reach: float) -> Literal["LOW", "MEDIUM", "HIGH"]:
    if days < 14 or reach > 0.25:
        return "LOW"
    return "HIGH" if days >= 28 and reach <= 0.10 else "MEDIUM"
