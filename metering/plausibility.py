"""Can this reading of a dial be right? Pure.

A dial counts up and starts again at zero after its last digit. A value below the last one is believed only
when the dial was near its end and the use in between is an ordinary one; otherwise somebody read another
dial, or a digit wrong.
"""

import re
from dataclasses import dataclass
from decimal import Decimal

FREE_WH_PER_DAY = 20_000  # use up to this is believed without history
_GENEROUS, _ABSURD = 3, 15
_SCANT = Decimal("0.2")
_LONG_ENOUGH = 7


@dataclass(frozen=True)
class Judgement:
    """ACCEPTED without a reason, CHECK (a person looks) or REJECTED (ask again) with one."""

    status: str
    reason: str | None
    value: Decimal | None
    usage_wh: int | None


def parse(text: str, digits: int) -> tuple[Decimal | None, str | None]:
    """This will read what a person said a dial shows; else the reason: NOT_A_NUMBER or TOO_MANY_DIGITS.

    Spaces are dropped. A comma or a point before three digits groups thousands; otherwise what follows are
    tenths, which the dial shows in red and which do not count.
    """
    bare = re.sub(r"(?i)\s|kwh", "", text)
    match = re.fullmatch(r"([0-9]{1,3}(?:[.,][0-9]{3})+|[0-9]+)(?:[.,][0-9]{1,2})?", bare)
    if match is None:
        return None, "NOT_A_NUMBER"
    whole = re.sub(r"[.,]", "", match.group(1))
    if len(whole.lstrip("0")) > digits:
        return None, "TOO_MANY_DIGITS"
    return Decimal(whole), None


def used(previous: Decimal, value: Decimal, *, digits: int, multiplier: Decimal) -> int:
    """This will give the Wh between two readings; a value below the one before means that the dial turned over."""
    units = value - previous + (Decimal(10) ** digits if value < previous else 0)
    return int(units * multiplier * 1000)


def judge(
    value: Decimal,
    *,
    previous: Decimal | None,
    days: float,
    daily_wh: int | None,
    digits: int,
    multiplier: Decimal,
) -> Judgement:
    """This will weigh a value against the previous one, `days` ago, and the use that is usual in a day.

    Reasons: LOWER_THAN_PREVIOUS and TOO_HIGH (REJECTED when absurd), TOO_HIGH and TOO_LOW (CHECK).
    """
    if previous is None:
        return Judgement("ACCEPTED", None, value, None)
    turns = value < previous
    wh = used(previous, value, digits=digits, multiplier=multiplier)
    usual = Decimal(daily_wh if daily_wh else FREE_WH_PER_DAY)
    span = Decimal(str(max(days, 1.0)))
    bound = max(usual * _GENEROUS, Decimal(FREE_WH_PER_DAY)) * span
    if turns and wh > bound:
        return Judgement("REJECTED", "LOWER_THAN_PREVIOUS", value, None)
    if wh > max(usual, Decimal(FREE_WH_PER_DAY)) * _ABSURD * span:
        return Judgement("REJECTED", "TOO_HIGH", value, wh)
    if wh > bound:
        return Judgement("CHECK", "TOO_HIGH", value, wh)
    if daily_wh and days >= _LONG_ENOUGH and wh < usual * span * _SCANT:
        return Judgement("CHECK", "TOO_LOW", value, wh)
    return Judgement("ACCEPTED", None, value, wh)
