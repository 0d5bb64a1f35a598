"""From which day to which a bill goes. Pure."""

from datetime import date
from typing import Protocol

from core import periods


class Served(Protocol):
    """What has a bill cycle and days of service: an agreement, or agreements that are alike."""

    @property
    def starts_on(self) -> date: ...
    @property
    def ends_on(self) -> date | None: ...
    @property
    def bill_cycle_day(self) -> int: ...


def reach(period_end_on: date) -> periods.Days:
    """This will give the days that any last bill period by a day can lie in."""
    return periods.Days(periods.add_months(period_end_on, -2), period_end_on)


def period_of(agreement: Served, on_or_before: date) -> periods.Days | None:
    """This will give the last bill period of an agreement that ended by a day; None when it took no service in it."""
    ends_on = on_or_before.replace(day=agreement.bill_cycle_day)
    if ends_on > on_or_before:
        ends_on = periods.add_months(ends_on, -1)
    starts_on = max(periods.add_months(ends_on, -1), agreement.starts_on)
    ends_on = min(ends_on, agreement.ends_on or ends_on)
    return periods.Days(starts_on, ends_on) if starts_on < ends_on else None


def open_period(agreement: Served, on: date) -> periods.Days:
    """This will give the bill period a day lies in, cut to the days of service it lies in."""
    starts_on = on.replace(day=agreement.bill_cycle_day)
    if starts_on > on:
        starts_on = periods.add_months(starts_on, -1)
    ends_on = periods.add_months(starts_on, 1)
    if agreement.ends_on is not None and on < agreement.ends_on:
        ends_on = min(ends_on, agreement.ends_on)
    return periods.Days(max(starts_on, min(agreement.starts_on, on)), ends_on)
