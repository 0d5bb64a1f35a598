"""What a home is compared by: its kind, its size, how it is heated. Known only where somebody has said."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from core import errors
from core.accounts import models

DWELLINGS = ("HOUSE", "APARTMENT")
HEATINGS = ("ELECTRIC", "OTHER")
SMALLEST_SQFT, LARGEST_SQFT = 100, 50_000


@dataclass(frozen=True)
class Home:
    """A home that takes service: nothing in it names anybody."""

    service_point_id: int
    county: str
    timezone: str
    jurisdiction: str
    dwelling: str | None
    floor_sqft: int | None
    heating: str | None


def list_homes(session: Session, *, on: date, after: int = 0, limit: int = 5000) -> tuple[Home, ...]:
    """This will list the homes under agreement on a day in the order of their service points, a page at a time."""
    point = models.ServicePointRow.id
    return _homes(session, _query(on).where(point > after).order_by(point).limit(limit))


def find_home(session: Session, *, service_point_id: int, on: date) -> Home | None:
    """This will give a home, or None where no household takes service (a business is none)."""
    found = _homes(session, _query(on).where(models.ServicePointRow.id == service_point_id))
    return found[0] if found else None


def describe_home(
    session: Session, *, premise_id: int, dwelling: str | None, floor_sqft: int | None, heating: str | None
) -> None:
    """This will keep what a customer says of the home; None is "not known". Invalid home.description."""
    wrong = (
        dwelling not in (None, *DWELLINGS)
        or heating not in (None, *HEATINGS)
        or (floor_sqft is not None and not SMALLEST_SQFT <= floor_sqft <= LARGEST_SQFT)
    )
    if wrong:
        raise errors.Invalid("home.description")
    row = session.get(models.PremiseRow, premise_id, with_for_update=True)
    if row is None:
        raise errors.NotFound("premise.unknown")
    row.dwelling, row.floor_sqft, row.heating = dwelling, floor_sqft, heating
    session.flush()


def _query(on: date) -> Any:
    agreement = models.ServiceAgreementRow
    return (
        select(
            models.ServicePointRow.id,
            models.PremiseRow.county,
            models.PremiseRow.timezone,
            models.AccountRow.jurisdiction,
            models.PremiseRow.dwelling,
            models.PremiseRow.floor_sqft,
            models.PremiseRow.heating,
        )
        .join(models.PremiseRow, models.PremiseRow.id == models.ServicePointRow.premise_id)
        .join(agreement, agreement.service_point_id == models.ServicePointRow.id)
        .join(models.AccountRow, models.AccountRow.id == agreement.account_id)
        .join(models.CustomerRow, models.CustomerRow.id == models.AccountRow.customer_id)
        .where(
            models.CustomerRow.kind == "RESIDENTIAL",
            agreement.starts_on <= on,
            (agreement.ends_on.is_(None)) | (agreement.ends_on > on),
        )
    )


def _homes(session: Session, query: Any) -> tuple[Home, ...]:
    return tuple(Home(*row) for row in session.execute(query))
