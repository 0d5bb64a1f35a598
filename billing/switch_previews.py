"""What a switch of plans would mean on each of the days it may start. Public through `queries.py`."""

from datetime import date, datetime, timedelta
from decimal import Decimal

from sqlalchemy.orm import Session

from billing import changes, pricing, rating, running, runs, tariffs, views
from core import errors, money, periods


def preview_switch(
    session: Session, *, account_id: int, tariff_code: str, now: datetime
) -> tuple[views.SwitchPreview, ...]:
    """This will say for each of `switch_dates` what a switch would mean; refused as the switch itself would be.

    It gives one day at least: where none is left, the next bill period is asked for, and refused.
    """
    return tuple(
        _preview(session, changes.consider(
            session, account_id=account_id, tariff_code=tariff_code, starts_on=day, now=now
        ), tariff_code)
        for day in changes.switch_dates(session, account_id=account_id, now=now) or (None,)
    )  # fmt: skip


def _preview(session: Session, asked: changes.Considered, tariff_code: str) -> views.SwitchPreview:
    names = tariffs.list_names(session, codes=[asked.current.code, tariff_code])
    return views.SwitchPreview(
        from_code=asked.current.code,
        to_code=tariff_code,
        starts_on=asked.starts_on,
        today=asked.starts_on == asked.place.today,
        cooling_off_until=asked.cooling_off_until,
        exit_fee=money.from_cents(asked.fee_cents),
        split=_split(session, asked, tariff_code),
        from_name=names[asked.current.code],
        to_name=names[tariff_code],
    )


def _split(session: Session, asked: changes.Considered, tariff_code: str) -> views.SplitPeriod | None:
    place, day = asked.place, asked.starts_on
    whole = runs.open_period(place.agreement, day)
    if day == whole.starts_on:
        return None
    terms = tariffs.list_held(session, agreement_id=place.agreement.id, days=whole)
    both = (
        *tariffs.clip(terms, periods.Days(whole.starts_on - timedelta(days=1), day)),
        tariffs.Term(day, whole.ends_on, tariff_code, "", asked.document),
    )
    found = running.expected_use(session, place, whole)
    likely, unchanged = (
        None if found is None else _priced(session, place, whole, each, found[1]) for each in (both, terms)
    )
    return views.SplitPeriod(
        whole.starts_on, whole.ends_on, _days(whole.starts_on, day), _days(day, whole.ends_on), likely, unchanged
    )


def _priced(
    session: Session, place: pricing.Place, whole: periods.Days, terms: tuple[tariffs.Term, ...], used: rating.Usage
) -> Decimal | None:
    try:
        return pricing.price_bill(session, place, whole, used, held=terms).total(running.LIKELY)
    except errors.NotFound:  # no plan for all of the days, or one by the hour whose prices nobody knows yet
        return None


def _days(first: date, last: date) -> int:
    return (last - first).days
