"""The figures of each view of the usage page: a day, a week, a bill period, a year, and the hours of a month."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from billing import queries as bills
from channels.portal import charts, figures
from channels.portal.visitor import Visitor, writer
from core import errors, periods
from core.accounts import queries as accounts
from core.hub import Hub
from metering import insight
from metering import queries as metering

VIEWS = ("day", "week", "month", "year", "hours")
_BACK = 800  # days that can be looked back
_Found = TypeVar("_Found")


@dataclass(frozen=True)
class View:
    """What a view shows. `ends_on` is out; `cost` is None where nothing can be priced."""

    name: str
    on: date
    starts_on: date
    ends_on: date
    series: tuple[charts.Bar, ...]
    total: Decimal
    cost: Decimal | None
    earlier: date
    later: date | None
    field: tuple[tuple[date, tuple[Decimal | None, ...]], ...] = ()  # hours view: each day's 24 hours

    @property
    def last(self) -> date:
        return self.ends_on - timedelta(days=1)

    @property
    def coming(self) -> bool:
        """Whether part of it is still to come."""
        return any(bar.coming for bar in self.series)

    @property
    def lacking(self) -> bool:
        """Whether part of it is estimated or missing."""
        return any(bar.apart for bar in self.series)


def none_if(ask: Callable[[], _Found]) -> _Found | None:
    """This will give what billing or metering says; None where there is nothing yet to say it of."""
    try:
        return ask()
    except (errors.NotFound, errors.Refused):
        return None


def reach(coming: bills.BillForecast, write: Callable[[str, Any], str]) -> figures.Range:
    """This will give the running bill as a range to be drawn."""
    return figures.Range(
        so_far=float(coming.so_far),
        low=float(coming.low),
        likely=float(coming.likely),
        high=float(coming.high),
        so_far_said=write("money", coming.so_far),
        low_said=write("money", coming.low),
        likely_said=write("money", coming.likely),
        high_said=write("money", coming.high),
    )


def day_of(text: str | None, today: date) -> date:
    """This will read the day a view is asked for; Invalid usage.day."""
    try:
        wanted = date.fromisoformat(text) if text else today
    except ValueError:
        raise errors.Invalid("usage.day") from None
    return min(max(wanted, today - timedelta(days=_BACK)), today)


def build(
    hub: Hub,
    session: Session,
    visitor: Visitor,
    *,
    name: str,
    on: date,
    running: bills.Running | None,
    forecast: bills.BillForecast | None,
) -> View:
    """This will gather a view; Invalid usage.view. The running period is shown with the days it will still have."""
    if name not in VIEWS or visitor.point is None:
        raise errors.Invalid("usage.view")
    point, today = visitor.point, visitor.today
    if name == "day":
        return _day(hub, session, visitor, point, on)
    if name == "week":
        first = on - timedelta(days=6)
        days = periods.Days(first, on + timedelta(days=1))
        over = periods.Days(first, max(first, min(days.ends_on, today)))
        costs = _costs(session, visitor, hub, over)
        return _of_days(hub, session, visitor, point, "week", on, days, costs)
    if name == "month":
        month = _month(hub, session, visitor, point, on)
        return month if running is None else _with_days_to_come(hub, month, running, forecast)
    if name == "year":
        return _year(hub, session, visitor, point, on)
    return _hours(session, point, on, today)


def _day(hub: Hub, session: Session, visitor: Visitor, point: accounts.ServicePoint, on: date) -> View:
    write, end = writer(hub), on + timedelta(days=1)
    series = metering.usage_series(
        session,
        service_point_id=point.id,
        starts_at=periods.midnight(on, point.timezone),
        ends_at=periods.midnight(end, point.timezone),
    )
    bars, total = [], 0
    for index, wh in enumerate(series.wh.tolist()):
        at = series.starts_at + timedelta(minutes=index * series.interval_minutes)
        known = wh >= 0
        said = f"{write('clock', at)}: {write('kwh', wh / 1000) if known else '–'}"
        total += max(wh, 0)
        bars.append(charts.Bar(f"{periods.local(at, point.timezone):%H}", max(wh, 0) / 1000, said))
    cost = _period(session, visitor, hub, on)[1].get(on)
    amount = cost.amount if cost else None
    return View(
        "day",
        on,
        on,
        end,
        tuple(bars),
        Decimal(total) / 1000,
        amount,
        on - timedelta(days=1),
        _until(end, visitor.today),
    )


def _month(hub: Hub, session: Session, visitor: Visitor, point: accounts.ServicePoint, on: date) -> View:
    """A bill period: its days add up to what its bill comes to."""
    days, costs = _period(session, visitor, hub, on)
    return _of_days(hub, session, visitor, point, "month", on, days, costs)


def _with_days_to_come(hub: Hub, month: View, running: bills.Running, forecast: bills.BillForecast | None) -> View:
    """The running period up to its newest read, and the days that are forecast."""
    if month.starts_on != running.starts_on:
        return month
    write, coming = writer(hub), dict(forecast.daily_kwh) if forecast else {}
    days = periods.Days(month.starts_on, month.ends_on)
    bars = tuple(
        charts.Bar(bar.label, float(coming[day]), f"{write('day', day)}: ≈ {write('kwh', coming[day])}", coming=True)
        if day in coming and day > running.today
        else bar
        for day, bar in zip(days, month.series, strict=True)
    )
    return replace(month, series=bars, cost=running.amount)


def _of_days(
    hub: Hub,
    session: Session,
    visitor: Visitor,
    point: accounts.ServicePoint,
    name: str,
    on: date,
    days: periods.Days,
    costs: Mapping[date, bills.DayCost],
) -> View:
    write, bars, total = writer(hub), [], 0
    for day in metering.daily_usage(session, service_point_id=point.id, days=days, timezone=point.timezone):
        said = f"{write('day', day.day)}: {write('kwh', day.wh / 1000)}"
        if day.day in costs:
            said += f" · {write('money', costs[day.day].amount)}"
        lacks = day.day < visitor.today and (day.estimated > 0 or day.missing > 0)
        total += day.wh
        bars.append(charts.Bar(f"{day.day:%-d}", day.wh / 1000, said, apart=lacks))
    amount = sum((cost.amount for cost in costs.values()), Decimal(0)) if costs else None
    earlier = days.starts_on - timedelta(days=1)
    shown = Decimal(total) / 1000
    later = _until(days.ends_on if name == "month" else on + timedelta(days=7), visitor.today)
    if name == "week" and later is None and on < visitor.today:
        later = visitor.today
    return View(name, on, days.starts_on, days.ends_on, tuple(bars), shown, amount, earlier, later)


def _year(hub: Hub, session: Session, visitor: Visitor, point: accounts.ServicePoint, on: date) -> View:
    """Twelve bill periods, each with what was billed for it; the running one is no bill yet."""
    write = writer(hub)
    last, _ = _period(session, visitor, hub, on, priced=False)
    first = periods.add_months(last.ends_on, -12)
    whole = periods.Days(first, last.ends_on)
    used = metering.daily_usage(session, service_point_id=point.id, days=whole, timezone=point.timezone)
    billed = {bill.ends_on: bill for bill in bills.list_bills(session, account_id=visitor.account.id, limit=40)}
    bars, cost = [], Decimal(0)
    for n in range(12):
        part = periods.Days(periods.add_months(first, n), periods.add_months(first, n + 1))
        inside = [day for day in used if day.day in part]
        wh = sum(day.wh for day in inside)
        known = any(day.missing < day.intervals for day in inside)
        said = f"{write('day', part.starts_on)} – {write('day', part.ends_on - timedelta(days=1))}: "
        said += write("kwh", wh / 1000) if known else "–"
        bill = billed.get(part.ends_on)
        if bill is not None:
            said += f" · {write('money', bill.total)}"
            cost += bill.total
        running = part.ends_on > visitor.today
        bars.append(charts.Bar(f"{part.ends_on:%m/%y}", wh / 1000, said, apart=running))
    total = Decimal(sum(day.wh for day in used)) / 1000
    earlier = first - timedelta(days=1)
    return View(
        "year", on, first, last.ends_on, tuple(bars), total, cost or None, earlier, _until(last.ends_on, visitor.today)
    )


def _hours(session: Session, point: accounts.ServicePoint, on: date, today: date) -> View:
    days = periods.Days(on - timedelta(days=29), on + timedelta(days=1))
    wh = insight.by_day_and_hour(session, service_point_id=point.id, days=days, timezone=point.timezone)
    field = tuple(
        (day, tuple(None if value < 0 else Decimal(value) / 1000 for value in row))
        for day, row in zip(days, wh.tolist(), strict=True)
    )
    total = sum((value for _, row in field for value in row if value is not None), Decimal(0))
    later = min(on + timedelta(days=30), today) if on < today else None
    return View("hours", on, days.starts_on, days.ends_on, (), total, None, on - timedelta(days=30), later, field)


def _period(
    session: Session, visitor: Visitor, hub: Hub, on: date, *, priced: bool = True
) -> tuple[periods.Days, dict[date, bills.DayCost]]:
    """The bill period a day lies in and its costs by day; a month without costs where there is no tariff."""
    days, costs = none_if(
        lambda: bills.period_costs(session, account_id=visitor.account.id, on=on, now=hub.now(), priced=priced)
    ) or (periods.month_of(on), ())
    return days, {cost.day: cost for cost in costs}


def _costs(session: Session, visitor: Visitor, hub: Hub, days: periods.Days) -> dict[date, bills.DayCost]:
    costs = none_if(lambda: bills.cost_of_usage(session, account_id=visitor.account.id, days=days, now=hub.now()))
    return {cost.day: cost for cost in costs or ()}


def _until(day: date, today: date) -> date | None:
    """The day a view after this one stands on, when there is one yet."""
    return day if day <= today else None
