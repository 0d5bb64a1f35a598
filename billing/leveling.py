"""The arithmetic of a level amount: pure, in whole cents. What is due over a year is what the year costs."""

from decimal import ROUND_HALF_UP, Decimal


def level(cents: int, months: int, *, step: int) -> int:
    """This will spread an amount over months, each rounded half up to a whole `step` of cents and never nothing."""
    if months < 1:
        raise ValueError(f"{cents} cents over {months} months")
    each = (Decimal(cents) / months / step).quantize(Decimal(1), ROUND_HALF_UP)
    return max(step, int(each) * step)


def capped(current: int, wanted: int, *, percent: Decimal, step: int) -> int:
    """This will bring a level towards another by no more than so many per cent of itself, in whole steps."""
    most = int(Decimal(current) * percent / 100) // step * step
    return max(step, min(max(wanted, current - most), current + most))


def part(cents: int, months: int) -> int:
    """This will give the next of so many monthly parts of an amount (which may be below nothing): they add up to it."""
    if not months:
        return 0
    sign = -1 if cents < 0 else 1
    return sign * -(-abs(cents) // months)
