"""What the weather makes of a home's use: a regression on its own days, and what it expects of others. Pure.

Use of a day = base + weekend + heating x (degrees below a balance point) + cooling x (degrees above one). Both
balance points are searched for. Days far off the line (holidays, guests, a faulty meter) weigh less (Huber), so
that they do not bend it. A fit knows only the days it is given: give it those before the period to be judged.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEAST_DAYS = 60
LEAST_RANGE_F = 12.0  # between the coldest and the warmest tenth: with less there is nothing to learn from
_COLD = np.arange(46.0, 67.0, 2.0)  # balance points of heating and of cooling, degrees Fahrenheit
_WARM = np.arange(60.0, 81.0, 2.0)
_HUBER = 1.345
_ROUNDS = 8
_MONTH = 28
_LEAST_DRIFT = 0.08  # of the mean day
_REACH = 1.2816  # would hold eight times in ten


@dataclass(frozen=True)
class Fit:
    """Wh a day. `error_wh` is the usual miss of one day, `drift_wh` that of a whole month of days at once (habits
    change with the months), `explained` the share of the days' differences that the weather accounts for (0 to 1).
    """

    base_wh: float
    weekend_wh: float
    heating_wh: float
    heating_below_f: float
    cooling_wh: float
    cooling_above_f: float
    error_wh: float
    drift_wh: float
    explained: float
    days: int

    def weather_wh(self, mean_f: float) -> float:
        """This will give what heating and cooling take on a day of that temperature."""
        below, above = max(0.0, self.heating_below_f - mean_f), max(0.0, mean_f - self.cooling_above_f)
        return self.heating_wh * below + self.cooling_wh * above

    def expected_wh(self, day: date, mean_f: float) -> float:
        """This will give what a day of that temperature would be expected to take."""
        weekend = self.weekend_wh if day.weekday() >= 5 else 0.0
        return max(0.0, self.base_wh + weekend + self.weather_wh(mean_f))


@dataclass(frozen=True)
class Expected:
    """What some days were expected to take, and did. `reach_wh`: four times in five the miss is smaller."""

    days: int
    expected_wh: int
    actual_wh: int
    reach_wh: int
    weather_wh: int

    @property
    def percent(self) -> int:
        """How much more was used than expected, in percent."""
        return round(100 * (self.actual_wh - self.expected_wh) / self.expected_wh) if self.expected_wh else 0

    @property
    def notable(self) -> bool:
        """Whether the difference is more than chance."""
        return abs(self.actual_wh - self.expected_wh) > self.reach_wh

    @property
    def weather_percent(self) -> int:
        """How much of the expected use is heating and cooling, in percent."""
        return round(100 * self.weather_wh / self.expected_wh) if self.expected_wh else 0


def fit(daily_wh: Mapping[date, int], mean_f: Mapping[date, float]) -> Fit | None:
    """This will fit a home's days to their weather; None when there are too few, or the weather hardly differed."""
    days = sorted(day for day in daily_wh if day in mean_f)
    if len(days) < LEAST_DAYS:
        return None
    used = np.array([daily_wh[day] for day in days], dtype=np.float64)
    felt = np.array([mean_f[day] for day in days], dtype=np.float64)
    if float(np.quantile(felt, 0.9) - np.quantile(felt, 0.1)) < LEAST_RANGE_F or not used.sum():
        return None
    weekend = np.array([day.weekday() >= 5 for day in days], dtype=np.float64)
    cold, warm = _balance(used, felt, weekend)
    columns = _columns(felt, weekend, cold, warm)
    found, weights = _robust(columns, used)
    columns, found = _without_negative(columns, found, used, weights)
    base, more, heating, cooling = found
    miss = used - columns @ found
    error = _spread(miss)
    scatter = _spread(used - np.median(used))
    return Fit(
        base_wh=float(base),
        weekend_wh=float(more),
        heating_wh=float(heating),
        heating_below_f=cold,
        cooling_wh=float(cooling),
        cooling_above_f=warm,
        error_wh=error,
        drift_wh=_drift(miss, float(used.mean())),
        explained=max(0.0, 1 - (error / scatter) ** 2) if scatter > 0 else 0.0,
        days=len(days),
    )


def expect(
    model: Fit, daily_wh: Mapping[date, int], mean_f: Mapping[date, float], days: Iterable[date]
) -> Expected | None:
    """This will set what some days took beside what the fit expects; days without a read or weather do not count."""
    known = [day for day in days if day in daily_wh and day in mean_f]
    if not known:
        return None
    count = len(known)
    return Expected(
        days=count,
        expected_wh=round(sum(model.expected_wh(day, mean_f[day]) for day in known)),
        actual_wh=sum(daily_wh[day] for day in known),
        reach_wh=round(_REACH * float(np.hypot(model.error_wh * count**0.5, model.drift_wh * count))),
        weather_wh=round(sum(model.weather_wh(mean_f[day]) for day in known)),
    )


def _columns(felt: Floats, weekend: Floats, cold: float, warm: float) -> Floats:
    return np.column_stack([np.ones_like(felt), weekend, np.maximum(0.0, cold - felt), np.maximum(0.0, felt - warm)])


def _balance(used: Floats, felt: Floats, weekend: Floats) -> tuple[float, float]:
    """The balance points whose line is nearest, days beyond the usual spread drawn in first."""
    middle, spread = float(np.median(used)), _spread(used - np.median(used))
    tame = np.clip(used, middle - 4 * spread, middle + 4 * spread) if spread > 0 else used
    best, least = (60.0, 66.0), np.inf
    for cold in _COLD:
        for warm in _WARM[cold <= _WARM]:
            columns = _columns(felt, weekend, float(cold), float(warm))
            found = np.linalg.lstsq(columns, tame, rcond=None)[0]
            miss = float(np.square(tame - columns @ np.concatenate([found[:2], np.maximum(found[2:], 0)])).sum())
            if miss < least * (1 - 1e-9):
                best, least = (float(cold), float(warm)), miss
    return best


def _robust(columns: Floats, used: Floats) -> tuple[Floats, Floats]:
    weights = np.ones_like(used)
    found = np.zeros(columns.shape[1])
    for _ in range(_ROUNDS):
        found = _weighted(columns, used, weights)
        miss = used - columns @ found
        scale = _spread(miss)
        if scale <= 0:
            break
        weights = np.minimum(1.0, _HUBER * scale / np.maximum(np.abs(miss), 1e-9))
    return found, weights


def _without_negative(columns: Floats, found: Floats, used: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """A home does not use less for being colder: such a slope is chance, and taken out."""
    for which in (2, 3):
        if found[which] < 0 or not columns[:, which].any():
            columns = columns.copy()
            columns[:, which] = 0.0
            found = _weighted(columns, used, weights)
    found = found.copy()
    found[2:] = np.maximum(found[2:], 0.0)
    return columns, found


def _weighted(columns: Floats, used: Floats, weights: Floats) -> Floats:
    root: Floats = np.sqrt(weights)
    return np.asarray(np.linalg.lstsq(columns * root[:, None], used * root, rcond=None)[0], dtype=np.float64)


def _spread(miss: Floats) -> float:
    """The standard deviation that a few days far off do not raise."""
    return 1.4826 * float(np.median(np.abs(miss - np.median(miss))))


def _drift(miss: Floats, mean: float) -> float:
    """How much months differ from the line as a whole."""
    months = [float(np.median(miss[start : start + _MONTH])) for start in range(0, len(miss) - _MONTH + 1, _MONTH)]
    own = float(np.std(months)) if len(months) >= 3 else 2 * _LEAST_DRIFT * mean
    return max(own, _LEAST_DRIFT * mean)
