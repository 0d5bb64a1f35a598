"""The numbers by which use is judged, in one place. How they were chosen stands in docs/alerts.md."""

from dataclasses import dataclass

SPIKE, HIGH_DAY, STEP_UP, NIGHT_BASE = "SPIKE", "HIGH_DAY", "STEP_UP", "NIGHT_BASE"
DRIFT_UP, LEAK, FLAT, ZERO, DEAD_METER = "DRIFT_UP", "LEAK", "FLAT", "ZERO", "DEAD_METER"

KINDS = (SPIKE, HIGH_DAY, STEP_UP, NIGHT_BASE, DRIFT_UP, LEAK, FLAT, ZERO, DEAD_METER)
LASTING = (STEP_UP, NIGHT_BASE, DRIFT_UP, LEAK)  # a new level of use: one of them at a time
STUCK = (FLAT, ZERO, DEAD_METER)  # the meter says nothing new, or nothing


@dataclass(frozen=True)
class Rules:
    """Levels are compared as logarithms: 0.35 is four tenths more.

    A statistic speaks when it passes the highest of a floor, what this place itself has shown before (its record,
    which fades), and a multiple of the usual spread from day to day. While history is short all of them are wider.
    """

    quiet_days: int = 42  # days of reads before anything but a stuck meter is told
    stuck_days: int = 14  # days of reads before a stuck meter is told
    learn_days: int = 28  # days of reads before records are kept
    settled_days: int = 150  # from then on margins are no longer widened
    early: float = 0.4  # how much wider they are at the beginning
    fade: float = 0.9985  # a day's loss of a record
    learn: float = 1.05  # how much of what was told becomes part of the record
    hold_days: int = 28  # a new level is the ordinary one after that
    above: float = 1.45  # a record must be passed by so much
    drift_lag: int = 28  # days until a drift becomes part of the record: else it hides itself as it grows
    day_floor: float = 0.38
    day_spread: float = 2.6
    step_floor: float = 0.28
    step_spreads: tuple[float, float, float] = (1.7, 1.4, 1.1)  # over 5, 9 and 14 days
    night_floor: float = 0.3
    night_spreads: tuple[float, float, float] = (1.2, 0.8, 0.55)
    drift_floor: float = 0.225
    drift_spread: float = 0.7
    spike_floor: float = 1.6  # times the highest of five weeks at that time of day
    spike_above: float = 1.3
    spike_learn: float = 2.0  # how much of a spike becomes part of the record, times the limit it passed
    spike_cap: float = 2.0  # what the first weeks may set as a record
    ever_days: int = 90  # days of reads before the highest hour of all says something
    ever_above: float = 1.3  # it must be passed by so much
    ever_learn: float = 1.3  # how much of what passed it becomes part of it
    zero_hours: int = 6
    flat_hours: int = 10
    dead_hours: int = 72


RULES = Rules()
