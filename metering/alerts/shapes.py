"""What a new level of use looks like over the day: at night only, the same in every hour, or in proportion."""

import numpy as np

from metering.alerts import rules
from metering.alerts.robust import TINY, Floats, quantile


def kind(hours: Floats, day: int, quiet: int) -> str:
    """This will name the new level that the last three days of [days, 24] have: NIGHT_BASE, LEAK or STEP_UP.

    Which of three shapes fits best what was added, hour by hour: only at night, the same always, a share of the usual.
    """
    now, before = _profiles(hours, day, 3, 7)
    more = now - before
    if np.isnan(more).any():
        return rules.STEP_UP
    usual = np.maximum(before, TINY)
    night = np.isin(np.arange(24), (quiet + np.arange(5)) % 24)
    edge = np.isin(np.arange(24), (quiet + np.array([-1, 5])) % 24)
    weight = np.where(edge, 0.3, 1.0) / (0.3 * usual + 0.1 * usual.mean())
    errors = {}
    for name, shape in ((rules.NIGHT_BASE, night * 1.0), (rules.LEAK, np.ones(24)), (rules.STEP_UP, usual)):
        size = max(0.0, float((weight * more * shape).sum() / (weight * shape * shape).sum()))
        errors[name] = float((weight * (more - size * shape) ** 2).sum())
    return min(errors, key=lambda name: errors[name])


def began(hours: Floats, day: int, quiet: int) -> int:
    """This will give the day on which the new level of the last days of [days, 24] began; by night where it is told."""
    seen = hours if quiet < 0 else hours[:, (quiet + np.arange(5)) % 24]
    level = quantile(seen[max(0, day - 40) : day + 1], least=3)
    middle = (quantile(level[:-7]) + quantile(level[-3:])) / 2
    above = np.nonzero(level[-5:] > middle)[0]
    return day - 4 + int(above[0]) if len(above) else day - 2


def excess(hours: Floats, day: int, days: int, ago: int) -> tuple[float, float]:
    """This will give what the last days used beyond the usual, and the usual, in kWh."""
    now, before = _profiles(hours, day, days, ago)
    usual = float(np.nansum(before))
    return days * (float(np.nansum(now)) - usual), days * usual


def _profiles(hours: Floats, day: int, days: int, ago: int) -> tuple[Floats, Floats]:
    now = quantile(hours[max(0, day - days + 1) : day + 1].T, least=2)
    before = quantile(hours[max(0, day - ago - 33) : day - ago + 1].T, least=4)
    return now, before
