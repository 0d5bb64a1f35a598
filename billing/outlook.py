"""Today's prices by the hour as a home pays them, and tomorrow's once published. Public through `queries.py`."""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from billing import hourly, prices, pricing, rating, tariffs, views
from core import errors, periods


def price_outlook(session: Session, *, account_id: int, now: datetime) -> views.PriceOutlook | None:
    """This will give the prices of today and tomorrow by the hour; None where the plan does not go by the hour.

    A day is given whole or not at all, so `days` is empty while nothing is published. NotFound agreement.none.
    """
    place = pricing.place_of(session, account_id=account_id, now=now)
    days = periods.Days(place.today, place.today + timedelta(days=2))
    terms = tariffs.list_terms(session, agreement_ids=[place.agreement.id], days=days).get(place.agreement.id, ())
    if not any(term.plan.index is not None for term in terms):
        return None
    book, found = prices.Book(session), []
    for day in days:
        term = next((t for t in terms if t.starts_on <= day < t.ends_on), None)
        if term is None or term.plan.index is None:
            continue
        try:
            whole = rating.Segment(periods.Days(day, day + timedelta(days=1)), term.plan)
            (own,) = book.exact([whole], place.timezone)
        except errors.Refused:
            continue  # not published yet
        found.append(hourly.of_day(term.plan, own, day, place.timezone))
    return views.PriceOutlook(place.timezone, terms[0].plan.currency, tuple(found))
