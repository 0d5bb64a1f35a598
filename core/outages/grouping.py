"""Which calls and silent meters belong together, as a control room groups them by hand.

The first call of a transformer opens an outage that holds that premise; the second premise makes it the whole
transformer's; calls from three transformers of one feeder within 15 minutes make it the feeder's. "Still out" after
restoration opens a new outage of the transformer, with the old one as its parent. The caller holds the feeder's row.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core.accounts import places
from core.outages import models, queries, telling

LIFT_WITHIN = timedelta(minutes=15)
LIFT_AT = 3  # transformers
STILL_OUT_WITHIN = timedelta(hours=24)
CHANGEABLE = ("REPORTED", "CONFIRMED", "CREW_ASSIGNED")
_HAZARD_PRIORITY = 1000


def open_for(
    session: Session, transformer: models.TransformerRow, service_point_id: int, at: datetime, *, source: str
) -> models.OutageRow:
    """This will open the outage a premise's call or meter tells of.

    A call that follows a restoration at the same premise is "still out": the new outage names the old one.
    """
    point = models.OutageServicePointRow
    parent = session.scalar(
        select(point.outage_id)
        .where(point.service_point_id == service_point_id, point.restored_at >= at - STILL_OUT_WITHIN)
        .order_by(point.restored_at.desc())
        .limit(1)
    )
    return new(
        session,
        feeder_id=transformer.feeder_id,
        transformer_id=transformer.id,
        status="REPORTED",
        source=source,
        cause="UNKNOWN",
        started_at=at,
        updated_at=at,
        parent_id=parent,
    )


def new(session: Session, **columns: object) -> models.OutageRow:
    """This will add an outage and number it."""
    row = models.OutageRow(**columns)
    session.add(row)
    session.flush()
    row.number = f"OUT-{row.id:06d}"
    session.flush()
    return row


def hold(session: Session, outage: models.OutageRow, service_point_ids: Sequence[int], at: datetime) -> None:
    """This will hold points in an outage: those in an open one stay there, those given back in this one are not taken
    again.
    """
    ordered = sorted(service_point_ids)
    for start in range(0, len(ordered), 5_000):
        session.execute(
            insert(models.OutageServicePointRow)
            .values(
                [
                    {"outage_id": outage.id, "service_point_id": point, "started_at": at}
                    for point in ordered[start : start + 5_000]
                ]
            )
            .on_conflict_do_nothing()
        )


def grow(session: Session, outage: models.OutageRow, now: datetime) -> None:
    """This will make an outage the transformer's, since its first call, when a second premise has called."""
    if outage.transformer_id is None or outage.status != "REPORTED":
        return
    hold(session, outage, points_of(session, outage), outage.started_at)
    outage.status = "CONFIRMED"
    telling.change(session, outage, now, note=None)


def lift(session: Session, outage: models.OutageRow, now: datetime) -> models.OutageRow:
    """This will turn outages of three transformers within 15 minutes into one of the feeder, the eldest of them."""
    if outage.transformer_id is None:
        return outage
    siblings = session.scalars(
        select(models.OutageRow)
        .where(
            models.OutageRow.feeder_id == outage.feeder_id,
            models.OutageRow.transformer_id.is_not(None),
            models.OutageRow.parent_id.is_(None),
            models.OutageRow.status.in_(("REPORTED", "CONFIRMED")),
            models.OutageRow.source.in_(("REPORT", "LAST_GASP")),
            models.OutageRow.started_at >= outage.started_at - LIFT_WITHIN,
            models.OutageRow.started_at <= outage.started_at + LIFT_WITHIN,
        )
        .order_by(models.OutageRow.started_at, models.OutageRow.id)
    ).all()
    latest = max((row.started_at for row in siblings), default=now)
    close = [row for row in siblings if latest - row.started_at <= LIFT_WITHIN]
    if len(close) < LIFT_AT or _feeder_outage(session, outage.feeder_id) is not None:
        return outage
    eldest = close[0]
    eldest.transformer_id = None
    eldest.status = "CONFIRMED"
    eldest.hazard = any(row.hazard for row in close)
    session.flush()
    merge_feeder(session, eldest, now)
    hold(session, eldest, points_of(session, eldest), eldest.started_at)
    if eldest.announced_at is None and any(row.announced_at for row in close):
        telling.announce(session, eldest, now)
    elif eldest.announced_at is not None:
        telling.change(session, eldest, now, note=None)
    return eldest


def merge_feeder(session: Session, into: models.OutageRow, now: datetime) -> None:
    """This will let the outages of a feeder's transformers go on in its own, with their points and reports."""
    others = session.scalars(
        select(models.OutageRow)
        .where(
            models.OutageRow.feeder_id == into.feeder_id,
            models.OutageRow.id != into.id,
            models.OutageRow.status.in_(CHANGEABLE),
            models.OutageRow.parent_id.is_(None),
        )
        .order_by(models.OutageRow.id)
    ).all()
    point, report = models.OutageServicePointRow, models.OutageReportRow
    ids = [other.id for other in others]
    for held in (point, report):
        session.execute(update(held).where(held.outage_id.in_(ids)).values(outage_id=into.id))
    for other in others:
        other.status, other.merged_into_id, other.updated_at = "MERGED", into.id, now
        into.hazard = into.hazard or other.hazard
    session.flush()


def priority(session: Session, row: models.OutageRow) -> int:
    """This will give how urgent an outage is: how many it holds, and danger above all."""
    return queries.count_affected(session, outage_id=row.id) + _HAZARD_PRIORITY * row.hazard


def points_of(session: Session, row: models.OutageRow) -> list[int]:
    """This will list the service points that hang on an outage's transformer, or on its whole feeder."""
    if row.transformer_id is not None:
        below = [row.transformer_id]
    else:
        transformer = models.TransformerRow
        below = list(session.scalars(select(transformer.id).where(transformer.feeder_id == row.feeder_id)))
    return [place.service_point_id for place in places.list_places(session, transformer_ids=below)]


def _feeder_outage(session: Session, feeder_id: int) -> models.OutageRow | None:
    return session.scalars(
        select(models.OutageRow).where(
            models.OutageRow.feeder_id == feeder_id,
            models.OutageRow.transformer_id.is_(None),
            models.OutageRow.status.in_(CHANGEABLE),
        )
    ).one_or_none()
