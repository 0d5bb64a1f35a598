"""What use costs an account, by its own tariff and taxes and the engine of its bills. Public through `queries.py`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from billing import advice, carried, catalogue, daily, metered, prices, rating, runs, single, standing, tariffs, views
from core import errors, money, periods
from core.accounts import queries as accounts
from metering import forecast
from metering import queries as metering

Ints = NDArray[np.int64]
YEAR = 365
_ABOVE_ANY_MINIMUM = 10**12


@dataclass(frozen=True)
class Place:
    """Where and how an account takes service: everything pricing needs to know about it."""

    agreement: accounts.Agreement
    timezone: str
    today: date


def place_of(
    session: Session, *, account_id: int, now: datetime | None = None, agreement_id: int | None = None
) -> Place:
    """This will give an account's agreement (its newest, unless one is named); NotFound agreement.none.

    Without `now` there is no today: enough for what lies in the past.
    """
    ever = periods.Days(date(1970, 1, 1), date(9999, 1, 1) if now is None else now.date() + timedelta(days=400))
    found = [
        a
        for a in accounts.list_agreements(session, period=ever, account_ids=[account_id])
        if agreement_id in (None, a.id)
    ]
    if not found:
        raise errors.NotFound("agreement.none")
    agreement = max(found, key=lambda a: (a.starts_on, a.id))
    today = date.max if now is None else periods.civil_day(now, agreement.timezone)
    return Place(agreement, agreement.timezone, today)


def read(session: Session, place: Place, days: periods.Days) -> metered.Metered:
    """This will read one agreement's usage over civil days, with what it sent out where it has a meter for that."""
    point = place.agreement.service_point_id
    reads = metered.read(session, service_point_ids=[point], days=days, timezone=place.timezone)
    if metering.find_meter(session, service_point_id=point, direction="RECEIVED") is None:
        return reads
    used, _ = carried.sent_out(session, points=np.array([point]), days=days, used=reads.usage)
    return reads if used.interval_minutes != reads.usage.interval_minutes else replace(reads, usage=used)


def price(
    session: Session, place: Place, days: periods.Days, used: rating.Usage, book: prices.Book | None = None
) -> rating.Rated:
    """This will price usage (any number of variants of it) over any days by the agreement's own terms.

    Hours whose price is not known yet are priced as those of the last weeks; `book` tells whether any were.
    """
    terms = tariffs.list_terms(session, agreement_ids=[place.agreement.id], days=days).get(place.agreement.id, ())
    segments = tariffs.segments(terms, days)
    if segments is None:
        raise errors.NotFound("tariff.none")
    hourly = (book or prices.Book(session)).likely(segments, place.timezone)
    return price_segments(segments, terms, place, used, hourly=hourly)


def price_bill(
    session: Session,
    place: Place,
    days: periods.Days,
    used: rating.Usage,
    book: prices.Book | None = None,
    held: tuple[tariffs.Term, ...] | None = None,
) -> rating.Rated:
    """This will price usage as the bill of these days would: a bill period, or what there is of it from its first day.

    What `price` leaves to the bill counts: kWh and money brought from the bill before, the year so far towards its
    minimum, the demand a ratchet looks back at, and that the last bill settles. `held` are the terms from the day
    before on, where they are not to be those of the books. NotFound tariff.none.
    """
    if held is None:
        held = tariffs.list_held(session, agreement_id=place.agreement.id, days=days)
    terms = tariffs.clip(held, days)
    segments = tariffs.segments(terms, days)
    if segments is None:
        raise errors.NotFound("tariff.none")
    hourly = (book or prices.Book(session)).likely(segments, place.timezone)
    opened = single.opening(
        session, agreement=place.agreement, days=days, segments=segments, held=held,
        overdue=days.starts_on <= place.today,
    )  # fmt: skip
    return price_segments(single.settled(segments, place.agreement, days), terms, place, used, hourly, opened)


def price_segments(
    segments: tuple[rating.Segment, ...],
    terms: tuple[tariffs.Term, ...],
    place: Place,
    used: rating.Usage,
    hourly: Sequence[rating.Prices] = (),
    opened: single.Opening | None = None,
) -> rating.Rated:
    """This will price usage by given terms, with the taxes of the place; what is not `opened` is left to the bill: a
    year's minimum, and what a ratchet looks back at.
    """
    count = len(used.wh)
    free = runs.exempt_of(terms, [place.agreement])
    many = {code: np.repeat(mask, count) for code, mask in free.items()}
    used = carried.paid_for(segments, used)
    opened = (opened or single.Opening()).rows(count)
    year = opened.year_to_date
    return rating.rate_segments(
        segments, used, history=opened.history or _no_history(segments, count), exempt=many, state=opened.state,
        year_to_date=np.full(count, _ABOVE_ANY_MINIMUM) if year is None else year, prices=hourly,
    )  # fmt: skip


def cost_of_usage(
    session: Session, *, account_id: int, days: periods.Days, now: datetime | None = None
) -> tuple[views.DayCost, ...]:
    """This will give what each civil day cost by the account's own tariff; the days add up to the price of the period.

    Fixed charges fall on every day alike; the rest goes by what leaving the day out would have saved.
    """
    place = place_of(session, account_id=account_id, now=now)
    days = served(place, days)
    if len(days) == 0:
        return ()
    return day_costs(session, place, days, read(session, place, days))


def day_costs(
    session: Session, place: Place, days: periods.Days, reads: metered.Metered, *, of_bill: bool = False
) -> tuple[views.DayCost, ...]:
    """This will share out what days cost over them; `of_bill` when they are a bill period, or its first days."""
    laid = daily.lay(reads.usage, days)
    variants = daily.usage_of(reads.usage, daily.leave_one_out(laid))
    rated = (price_bill if of_bill else price)(session, place, days, variants)
    totals = [int(c) for c in rated.total_cents]
    shares = daily.share(totals[0], totals[1], [totals[0] - t for t in totals[2:]], laid.per_day.tolist())
    return tuple(
        views.DayCost(day, Decimal(int(wh)) / 1000, money.from_cents(cents), bool(reads.estimated[0]))
        for day, wh, cents in zip(days, laid.per_day, shares, strict=True)
    )


@dataclass(frozen=True)
class YearUse:
    """The last twelve months (or what there is of them), month by month, ready to be priced on any tariff."""

    place: Place
    months: tuple[tuple[periods.Days, rating.Usage], ...]
    days: int
    estimated: bool
    book: prices.Book  # of plans that go by the price of the hour

    def spread(self) -> int:
        """This will say in whole per cent how much less or more than this a year's use plausibly is."""
        days = np.concatenate([daily.lay(used, days).per_day for days, used in self.months])
        return round(100 * forecast.year_spread(days.tolist()))

    def times(self, percent: int) -> tuple[rating.Usage, ...]:
        """This will give the months with so many per cent of the use, hour by hour."""
        return tuple(daily.usage_of(used, (used.wh * percent + 50) // 100) for _, used in self.months)

    def scaled(self, cents: int) -> Decimal:
        """This will bring an amount over the days there are to a year."""
        return money.from_cents(round(cents * YEAR / self.days))


def year_use(session: Session, *, account_id: int, now: datetime) -> YearUse:
    """This will read the use of the twelve months up to today, cut at months; NotFound usage.none without any."""
    place = place_of(session, account_id=account_id, now=now)
    first = max(periods.add_months(place.today, -12), place.agreement.starts_on)
    months: list[tuple[periods.Days, rating.Usage]] = []
    estimated = False
    start = first
    while start < place.today:
        end = min(periods.add_months(first, len(months) + 1), place.today)
        days = periods.Days(start, end)
        reads = read(session, place, days)
        if int(reads.filled[0]) * 2 < reads.intervals:
            estimated = estimated or bool(reads.estimated[0])
            months.append((days, reads.usage))
        elif months:
            months.append((days, reads.usage))
            estimated = True
        else:
            first = end  # nothing is known yet: begin with the first month that is
        start = end
    if not months:
        raise errors.NotFound("usage.none")
    return YearUse(place, tuple(months), sum(len(days) for days, _ in months), estimated, prices.Book(session))


def year_cents(
    year: YearUse, document: Any, variants: Sequence[Sequence[rating.Usage]] = ()
) -> tuple[tuple[int, ...], ...]:
    """This will price a year on a tariff document: cents per month, as it was and then for each variant.

    What a year's minimum adds is in the last month, by the share of a year there is; a ratchet looks back at the same
    months of this year, as if the one before had been like it.
    """
    plan = catalogue.plan_of(document)
    rated = _year(year, document, variants, None)
    if plan.demand is not None and plan.demand.ratchet is not None:
        peaks = [(days.starts_on.month, r.peak_watts) for (days, _), r in zip(year.months, rated, strict=True)]
        rated = _year(year, document, variants, [(m, watts) for m, watts in peaks if watts is not None])
    cents = np.stack([r.total_cents for r in rated])
    if plan.minimum_annual:
        counted = sum((r.toward_minimum for r in rated if r.toward_minimum is not None), np.zeros_like(cents[0]))
        least = round(money.cents(plan.minimum_annual) * min(year.days, YEAR) / YEAR)
        cents[-1] += np.maximum(least - counted, 0)
    return tuple(tuple(int(c) for c in column) for column in cents.T)


def _year(
    year: YearUse, document: Any, variants: Sequence[Sequence[rating.Usage]], peaks: Sequence[tuple[int, Ints]] | None
) -> list[rating.Rated]:
    term = tariffs.Term(date.min, date.max, "", "", document)
    out: list[rating.Rated] = []
    for i, (days, used) in enumerate(year.months):
        wh = np.concatenate([used.wh, *(variant[i].wh for variant in variants)])
        segments = (rating.Segment(days, catalogue.plan_of(document)),)
        hourly = year.book.likely(segments, year.place.timezone)
        state = out[-1].state if out else None
        seen = _no_history(segments, len(wh))
        if seen is not None and peaks:
            watts = [np.max([w for m, w in peaks if m == month], axis=0, initial=0) for _, month in seen.months]
            seen = replace(seen, watts=np.stack([np.broadcast_to(w, len(wh)) for w in watts], axis=1))
        opened = single.Opening(state, None, seen)
        out.append(price_segments(segments, (term,), year.place, daily.usage_of(used, wh), hourly, opened))
    return out


def compare_tariffs(session: Session, *, account_id: int, now: datetime) -> views.Comparison:
    """This will price the account's own last twelve months on every tariff it could take, cheapest first."""
    return compare_year(session, year_use(session, account_id=account_id, now=now))


def compare_year(session: Session, year: YearUse) -> views.Comparison:
    """This will compare the tariffs on a year that has been read already."""
    place = year.place
    held = tariffs.current_tariff(session, agreement_id=place.agreement.id, on=place.today)
    offers = standing.list_offers(session, agreement=place.agreement, today=place.today, held=held.code)
    spread = year.spread()
    ends = [year.times(100 - spread), year.times(100 + spread)]
    usages = [used for _, used in year.months]
    priced = {}
    for row, doc in ((offer.row, offer.document) for offer in offers if not offer.reasons):
        if doc is None:
            continue  # no version of it is in force today
        try:
            shifted = advice.shift_peak(catalogue.plan_of(doc), usages)
            variants = ends if shifted is None else [*ends, shifted.usages]
            priced[row.code] = (row, doc, year_cents(year, doc, variants))
        except errors.NotFound as unknown:
            if unknown.code != "prices.none" or row.code == held.code:
                raise  # a plan whose prices nobody knows yet is not compared
    if held.code not in priced:
        raise errors.NotFound("tariff.none")
    own = year.scaled(sum(priced[held.code][2][0]))

    def option(code: str) -> views.Option:
        row, document, rows = priced[code]
        cents, cost = rows[0], year.scaled(sum(rows[0]))
        ends = [cost, *(year.scaled(sum(end)) for end in rows[1:3])]
        shifted = cost - year.scaled(sum(rows[3])) if len(rows) > 3 else Decimal(0)
        whole = [c for c, (days, _) in zip(cents, year.months, strict=True) if len(days) >= 28] or list(cents)
        return views.Option(
            tariff=tariffs.view(row, document, place.today),
            annual_cost=cost,
            saving=own - cost,
            worst_month=money.from_cents(max(whole)),
            best_month=money.from_cents(min(whole)),
            low=min(ends),  # where an hour's price is below zero, more use is not dearer
            high=max(ends),
            shift_saving=shifted if shifted > 0 else None,
            months=tuple(money.from_cents(c) for c in cents),
        )

    options = sorted((option(code) for code in priced), key=lambda o: (o.annual_cost, o.tariff.code != held.code))
    return views.Comparison(
        account_id=place.agreement.account_id,
        current=next(o for o in options if o.tariff.code == held.code),
        options=tuple(options),
        basis_days=year.days,
        estimated=year.estimated or bool(year.book.guessed),
        spread=Decimal(spread) / 100,
        shift_share=advice.SHIFT_SHARE,
        not_open=tuple(
            views.NotOpen(o.row.code, tariffs.name_of(o.row), tariffs.about_of(o.row), o.reasons)
            for o in offers
            if o.reasons
        ),
    )


def served(place: Place, days: periods.Days) -> periods.Days:
    """This will cut days to those of the agreement."""
    starts_on = max(days.starts_on, place.agreement.starts_on)
    ends_on = min(days.ends_on, place.agreement.ends_on or days.ends_on)
    return periods.Days(starts_on, max(starts_on, ends_on))


def _no_history(segments: tuple[rating.Segment, ...], n: int) -> rating.History | None:
    """Estimates do not look back at earlier peaks: the ratchet is left to the bill itself."""
    ratchets = [s.plan.demand.ratchet for s in segments if s.plan.demand and s.plan.demand.ratchet]
    if not ratchets:
        return None
    first = segments[0].days.starts_on.replace(day=1)
    months = [periods.add_months(first, -k) for k in range(max(r.months for r in ratchets), 0, -1)]
    return rating.History(tuple((m.year, m.month) for m in months), np.zeros((n, len(months)), dtype=np.int64))
