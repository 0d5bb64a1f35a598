"""Reads of service points in bulk, as the network sees them: by transformer, by postcode, with who is served."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import BigInteger, and_, any_, func, literal, or_, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from core.accounts import models


@dataclass(frozen=True)
class Place:
    """A service point without its address: enough to place it in the network, too little to find a door."""

    service_point_id: int
    transformer_id: int | None
    city: str
    postcode: str
    county: str
    timezone: str


def list_places(
    session: Session,
    *,
    service_point_ids: Sequence[int] | None = None,
    transformer_ids: Sequence[int] | None = None,
    postcode: str | None = None,
) -> tuple[Place, ...]:
    """This will list service points by id, narrowed by whatever is given; tens of thousands of ids are fine."""
    query = _places().order_by(models.ServicePointRow.id)
    if transformer_ids is not None:
        query = query.where(models.ServicePointRow.transformer_id == any_(_bigints(transformer_ids)))
    if postcode is not None:
        query = query.where(models.PremiseRow.postcode == postcode)
    if service_point_ids is not None:
        query = query.where(models.ServicePointRow.id == any_(_bigints(service_point_ids)))
    return tuple(Place(*row) for row in session.execute(query))


def list_unserved(session: Session, *, cities: Sequence[str], counties: Sequence[str]) -> tuple[str, ...]:
    """This will give those of some cities and counties in which no premise stands, however they are capitalised."""
    premise = models.PremiseRow
    out = []
    for column, names in ((premise.city, cities), (premise.county, counties)):
        for name in names:
            if session.scalar(select(premise.id).where(func.lower(column) == name.lower()).limit(1)) is None:
                out.append(name)
    return tuple(out)


def count_served(session: Session, *, on: date) -> dict[int | None, int]:
    """This will count the service points under agreement on a day, by transformer id (None: on no transformer)."""
    agreement = models.ServiceAgreementRow
    alive = and_(agreement.starts_on <= on, or_(agreement.ends_on.is_(None), agreement.ends_on > on))
    rows = session.execute(
        select(models.ServicePointRow.transformer_id, func.count())
        .join(agreement, agreement.service_point_id == models.ServicePointRow.id)
        .where(alive)
        .group_by(models.ServicePointRow.transformer_id)
    )
    return dict(rows.tuples().all())


def _places() -> Any:
    return select(
        models.ServicePointRow.id,
        models.ServicePointRow.transformer_id,
        models.PremiseRow.city,
        models.PremiseRow.postcode,
        models.PremiseRow.county,
        models.PremiseRow.timezone,
    ).join(models.PremiseRow, models.PremiseRow.id == models.ServicePointRow.premise_id)


def _bigints(ids: Sequence[int]) -> Any:
    """One array, not one parameter an id: a protocol message holds 65,535 parameters."""
    return literal(list(ids), ARRAY(BigInteger()))
