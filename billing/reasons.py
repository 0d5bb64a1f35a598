"""Why a bill is what it is, what its dearest days were, and what would make the next one smaller. Public through
`queries.py`."""

from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy.orm import Session

from billing import advice, catalogue, explanation, hourly, metered, owed, prices, pricing, rating, tariffs, views
from core import errors, money, periods

MIN_TIP = Decimal("12.00")  # a year; less is not worth a customer's time
MAX_TIPS = 4


def explain_bill(
    session: Session, *, account_id: int, bill_id: int | None = None, now: datetime | None = None
) -> views.Explanation:
    """This will say why a bill (the newest, unless one is named) differs from the one before; NotFound bill.none.

    The drivers add up to the difference to the cent, largest first; a driver of nothing is left out.
    """
    bills = owed.list_bills(session, account_id=account_id, limit=26)
    bill = next((b for b in bills if bill_id in (None, b.id)), None)
    if bill is None:
        raise errors.NotFound("bill.none")
    earlier = [b for b in bills if b.agreement_id == bill.agreement_id and b.ends_on <= bill.starts_on]
    previous = earlier[0] if earlier else None
    place = pricing.place_of(session, account_id=account_id, now=now, agreement_id=bill.agreement_id)
    days = periods.Days(bill.starts_on, bill.ends_on)
    reads = pricing.read(session, place, days)
    costs = pricing.day_costs(session, place, days, reads)
    top = tuple(sorted(costs, key=lambda c: (-c.kwh, c.day))[:3])
    drivers: tuple[views.Driver, ...] = ()
    if previous is not None:
        longest = max(bill.days, previous.days)
        now_side, before_side = (
            _side(session, place, each, longest, own) for each, own in ((bill, reads), (previous, None))
        )
        cents = explanation.drivers(now_side, before_side)
        drivers = tuple(
            views.Driver(kind, money.from_cents(amount))
            for kind, amount in sorted(cents.items(), key=lambda item: -abs(item[1]))
            if amount
        )
    lines = owed.list_bill_lines(session, bill_id=bill.id)
    year_ago = periods.add_months(bill.ends_on, -12)
    return views.Explanation(
        bill=bill,
        previous=previous,
        difference=bill.total - previous.total if previous else Decimal("0.00"),
        drivers=drivers,
        lines=tuple(sorted(lines, key=lambda line: -line.amount)),
        busiest_day=top[0] if top else None,
        daily_kwh=(bill.kwh / bill.days).quantize(Decimal("0.1")),
        previous_daily_kwh=(previous.kwh / previous.days).quantize(Decimal("0.1")) if previous else None,
        same_month_last_year=next((b for b in earlier if abs((b.ends_on - year_ago).days) <= 5), None),
        top_days=top,
        hours=_hours(session, place, days, reads.usage),
    )


def list_tips(session: Session, *, account_id: int, now: datetime) -> tuple[views.Tip, ...]:
    """This will give what would save the account most in a year, each saving found by pricing the changed use."""
    year = pricing.year_use(session, account_id=account_id, now=now)
    place = year.place
    terms = tariffs.list_terms(
        session, agreement_ids=[place.agreement.id], days=periods.Days(place.today, periods.add_months(place.today, 1))
    ).get(place.agreement.id, ())
    if not terms:
        raise errors.NotFound("tariff.none")
    document = terms[0].document
    usages = tuple(used for _, used in year.months)
    changes = advice.changes(catalogue.plan_of(document), usages)
    own, *changed = (sum(cents) for cents in pricing.year_cents(year, document, [c.usages for c in changes]))
    tips = [
        views.Tip(change.code, year.scaled(own - cents), change.data)
        for change, cents in zip(changes, changed, strict=True)
    ]
    comparison = pricing.compare_year(session, year)
    best = comparison.best
    if best.tariff.code != comparison.current.tariff.code:
        data = {"tariff": best.tariff.code, "name_key": best.tariff.name_key, "current": comparison.current.tariff.code}
        tips.append(views.Tip("better_plan", best.saving, data))
    worth = [tip for tip in tips if tip.saving_year >= MIN_TIP]
    return tuple(sorted(worth, key=lambda tip: -tip.saving_year)[:MAX_TIPS])


def _side(
    session: Session, place: pricing.Place, bill: views.Bill, longest: int, reads: metered.Metered | None
) -> explanation.Side:
    days = periods.Days(bill.starts_on, bill.ends_on)
    segments = _segments(session, bill.agreement_id, days)
    printed: dict[str, int] = {}
    for line in owed.list_bill_lines(session, bill_id=bill.id):
        printed[line.component] = printed.get(line.component, 0) + money.cents(line.amount)
    used = (reads or pricing.read(session, place, days)).usage
    # the last plan prices the whole of either bill here, from this one's first day on
    whole = rating.Segment(periods.Days(days.starts_on, days.starts_on + timedelta(days=longest)), segments[-1].plan)
    return explanation.Side(
        days, segments, used, printed, prices.Book(session).likely([whole], place.timezone)
    )  # fmt: skip


def _hours(
    session: Session, place: pricing.Place, days: periods.Days, used: rating.Usage
) -> views.HourPrices | None:  # fmt: skip
    """The average price of the hours of a bill, the cheapest and the dearest; None where it did not go by them."""
    segments = _segments(session, place.agreement.id, days)
    if any(s.plan.index is None for s in segments):
        return None
    try:
        known = prices.Book(session).exact(segments, place.timezone)
    except errors.Refused:
        return None
    return hourly.of_bill(segments, known, used)


def _segments(session: Session, agreement_id: int, days: periods.Days) -> tuple[rating.Segment, ...]:
    terms = tariffs.list_terms(session, agreement_ids=[agreement_id], days=days).get(agreement_id, ())
    segments = tariffs.segments(terms, days)
    if segments is None:
        raise errors.NotFound("tariff.none")
    return segments
