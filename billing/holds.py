"""Bills that a person should look at before they go out. Pure."""

from dataclasses import dataclass

MISSING_SHARE = 0.10  # of the intervals of the period
HIGH_TIMES = 3.0  # times the usual day
HIGH_FLOOR_CENTS = 5000  # and at least this much above it
ZERO_USUAL_DAILY_WH = 500  # nothing used is only odd where something used to be


@dataclass(frozen=True)
class Usual:
    """An ordinary day of the agreement, from its issued bills."""

    daily_wh: float
    daily_cents: float


def code(*, days: int, wh: int, total_cents: int, filled_share: float, usual: Usual | None) -> str | None:
    """This will give why a bill should be held, or None."""
    if total_cents < 0:
        return "NEGATIVE_BILL"
    if filled_share > MISSING_SHARE:
        return "MISSING_READS"
    if usual is None:
        return None
    if wh == 0 and usual.daily_wh > ZERO_USUAL_DAILY_WH:
        return "ZERO_USAGE"
    expected = usual.daily_cents * days
    if total_cents > HIGH_TIMES * expected and total_cents - expected > HIGH_FLOOR_CENTS:
        return "HIGH_BILL"
    return None
