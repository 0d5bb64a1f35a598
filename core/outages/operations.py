"""Changes to outages. Whoever changes one holds its feeder's row first: calls of a storm queue up by feeder.

Grouping, as a control room does it by hand: the first call of a transformer opens an outage that holds that premise;
the second premise makes it the whole transformer's; calls from three transformers of one feeder within 15 minutes make
it the feeder's. "Still out" after restoration opens a new outage of the transformer, with the old one as its parent.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core import errors, outbox
from core.accounts import places
from core.outages import models, queries, reliability

LIFT_WITHIN = timedelta(minutes=15)
LIFT_AT = 3  # transformers
STILL_OUT_WITHIN = timedelta(hours=24)
_HAZARD_PRIORITY = 1000
_CHANGEABLE = ("REPORTED", "CONFIRMED", "CREW_ASSIGNED")


def add_feeder(session: Session, *, code: str, name: str, substation: str, postcodes: Sequence[str]) -> int:
    """This will add a feeder to the network and give its id."""
    row = models.FeederRow(code=code, name=name, substation=substation, postcodes=list(postcodes))
    session.add(row)
    session.flush()
    return row.id


def add_transformer(session: Session, *, feeder_id: int, code: str, lat: Decimal, lon: Decimal) -> int:
    """This will hang a transformer on a feeder and give its id."""
    row = models.TransformerRow(feeder_id=feeder_id, code=code, lat=lat, lon=lon)
    session.add(row)
    session.flush()
    return row.id


def report_outage(
    session: Session,
    *,
    service_point_id: int | None = None,
    postcode: str | None = None,
    hazard: bool = False,
    channel: str,
    key: str,
    now: datetime,
) -> queries.OutageReport:
    """This will take a report: join the outage it belongs to, or open one. The same key gives the first answer.

    A report that only names a postcode opens nothing (nobody could be sent); it is kept, and answered with the one
    outage that is open there, if it is one.
    """
    known = session.scalars(select(models.OutageReportRow).where(models.OutageReportRow.key == key)).one_or_none()
    if known is not None:
        return _report(session, known)
    if service_point_id is None and not postcode:
        raise errors.Invalid("outage.where")
    place = _place(session, service_point_id) if service_point_id is not None else None
    row = models.OutageReportRow(
        key=key,
        service_point_id=service_point_id,
        postcode=place.postcode if place else postcode,
        hazard=hazard,
        channel=channel,
        reported_at=now,
    )
    if place is None or place.transformer_id is None:
        here = queries.list_open_outages(session, postcode=row.postcode)
        if len(here) == 1:
            row.outage_id, row.grouped = here[0].id, True
        session.add(row)
        session.flush()
        return _report(session, row)
    transformer = session.get_one(models.TransformerRow, place.transformer_id)
    _lock_feeder(session, transformer.feeder_id)
    outage = queries.find_open_row(session, service_point_id=place.service_point_id)
    if outage is None:
        outage = _open_for(session, transformer, place.service_point_id, now, source="REPORT")
        _hold(session, outage, [place.service_point_id], now)
        _announce(session, outage, now)
    else:
        row.grouped = True
        row.duplicate = _reported(session, outage.id, place.service_point_id)
        _hold(session, outage, [place.service_point_id], now)
    row.outage_id = outage.id
    session.add(row)
    session.flush()
    if row.grouped and not row.duplicate:
        _grow(session, outage, now)
    outage = _lift(session, outage, now)
    if outage.announced_at is None:  # the meters knew already; a person who calls has waited long enough
        _announce(session, outage, now)
    if hazard and not outage.hazard:
        outage.hazard = True
        _changed(session, outage, now, note=None)
    outage.priority = _priority(session, outage)
    session.flush()
    return _report(session, row)


def detect_from_last_gasp(
    session: Session, *, service_point_ids: Sequence[int], at: datetime, now: datetime
) -> tuple[queries.Outage, ...]:
    """This will open or grow outages from meters that fell silent at an instant; gives the outages, by id.

    They are announced when five minutes have passed without power (`announce_silent`): most blinks end before.
    Several transformers of one feeder at the same instant are one outage of the feeder, once there are three.
    """
    by_feeder: dict[int, dict[int, list[int]]] = {}
    for place in places.list_places(session, service_point_ids=service_point_ids):
        if place.transformer_id is not None:
            transformer = session.get_one(models.TransformerRow, place.transformer_id)
            group = by_feeder.setdefault(transformer.feeder_id, {})
            group.setdefault(transformer.id, []).append(place.service_point_id)
    touched: set[int] = set()
    for feeder_id in sorted(by_feeder):
        _lock_feeder(session, feeder_id)
        for transformer_id, points in sorted(by_feeder[feeder_id].items()):
            transformer = session.get_one(models.TransformerRow, transformer_id)
            outage = queries.find_open_row(session, service_point_id=points[0])
            if outage is None:
                outage = _open_for(session, transformer, points[0], at, source="LAST_GASP")
            _hold(session, outage, points, at)
            outage = _lift(session, outage, now)
            outage.priority = _priority(session, outage)
            if outage.announced_at is not None:
                outage.status = "CONFIRMED" if outage.status == "REPORTED" else outage.status
                _changed(session, outage, now, note=None)
            touched.add(outage.id)
    alive = {row.id for row in _rows(session, touched) if row.status != "MERGED"}
    return tuple(queries.get_outage(session, outage_id=outage_id) for outage_id in sorted(alive))


def announce_silent(session: Session, *, now: datetime) -> int:
    """This will announce outages that meters told of, once they are older than a blink; gives how many."""
    rows = session.scalars(
        select(models.OutageRow)
        .where(
            models.OutageRow.announced_at.is_(None),
            models.OutageRow.status.in_(_CHANGEABLE),
            models.OutageRow.started_at < now - reliability.MOMENTARY,
        )
        .order_by(models.OutageRow.id)
        .with_for_update(skip_locked=True)
    ).all()
    for row in rows:
        row.status = "CONFIRMED" if row.status == "REPORTED" else row.status
        _announce(session, row, now)
    return len(rows)


def open_outage(
    session: Session,
    *,
    feeder_id: int,
    transformer_id: int | None = None,
    cause: str = "UNKNOWN",
    estimated_restoration_at: datetime | None = None,
    source: str = "STAFF",
    started_at: datetime | None = None,
    now: datetime,
) -> queries.Outage:
    """This will open a confirmed outage of a transformer, or of a whole feeder, and hold every point on it."""
    _lock_feeder(session, feeder_id)
    open_here = session.scalars(
        select(models.OutageRow).where(
            models.OutageRow.status.in_(_CHANGEABLE),
            models.OutageRow.feeder_id == feeder_id,
            models.OutageRow.transformer_id == transformer_id
            if transformer_id is not None
            else models.OutageRow.transformer_id.is_(None),
        )
    ).one_or_none()
    if open_here is not None:
        raise errors.Refused("outage.open_already", number=open_here.number)
    row = _new(
        session,
        feeder_id=feeder_id,
        transformer_id=transformer_id,
        status="CONFIRMED",
        source=source,
        cause=cause,
        started_at=started_at or now,
        updated_at=now,
        estimated_restoration_at=estimated_restoration_at,
    )
    if transformer_id is None:
        _merge_feeder(session, row, now)
    _hold(session, row, _points_of(session, row), row.started_at)
    row.priority = _priority(session, row)
    _announce(session, row, now)
    return queries.get_outage(session, outage_id=row.id)


def update_outage(
    session: Session,
    *,
    outage_id: int,
    estimated_restoration_at: datetime | None = None,
    crew_status: str | None = None,
    cause: str | None = None,
    note: str | None = None,
    now: datetime,
) -> queries.Outage:
    """This will tell news of an open outage: when it should end, where the crew is, why. Nothing new, no fact."""
    row = _locked(session, outage_id)
    if row.status not in _CHANGEABLE:
        raise errors.Refused("outage.closed", number=row.number)
    before = (row.estimated_restoration_at, row.crew_status, row.cause, row.status)
    if estimated_restoration_at is not None:
        if estimated_restoration_at <= row.started_at:
            raise errors.Invalid("outage.estimate_in_the_past")
        row.estimated_restoration_at = estimated_restoration_at
    row.crew_status = crew_status or row.crew_status
    row.cause = cause or row.cause
    if row.crew_status != "UNASSIGNED":
        row.status = "CREW_ASSIGNED"
    if (row.estimated_restoration_at, row.crew_status, row.cause, row.status) != before or note:
        _changed(session, row, now, note=note)
    return queries.get_outage(session, outage_id=row.id)


def restore_points(
    session: Session, *, service_point_ids: Sequence[int], at: datetime, now: datetime
) -> tuple[queries.Outage, ...]:
    """This will note that power is back at some points: one step of a restoration. The last one ends the outage."""
    point = models.OutageServicePointRow
    held = session.scalars(
        select(point.outage_id)
        .where(point.service_point_id.in_(service_point_ids), point.restored_at.is_(None))
        .distinct()
    ).all()
    for outage_id in sorted(held):
        row = _locked(session, outage_id)
        steps = session.scalars(
            select(point).where(
                point.outage_id == outage_id,
                point.service_point_id.in_(service_point_ids),
                point.restored_at.is_(None),
            )
        ).all()
        for step in steps:
            step.restored_at = max(at, step.started_at)
        session.flush()
        if queries.list_affected(session, outage_id=row.id, still=True):
            row.priority = _priority(session, row)
            _changed(session, row, now, note=None)
        else:
            _close(session, row, max(at, row.started_at), now)
    return tuple(queries.get_outage(session, outage_id=outage_id) for outage_id in sorted(held))


def restore_outage(session: Session, *, outage_id: int, at: datetime, now: datetime) -> queries.Outage:
    """This will end an outage: whoever is still without power has it back at `at`. Twice is once."""
    row = _locked(session, outage_id)
    if row.status == "RESTORED":
        return queries.get_outage(session, outage_id=row.id)
    point = models.OutageServicePointRow
    for step in session.scalars(select(point).where(point.outage_id == row.id, point.restored_at.is_(None))).all():
        step.restored_at = max(at, step.started_at)
    session.flush()
    last = session.scalar(select(func.max(point.restored_at)).where(point.outage_id == row.id))
    _close(session, row, last or max(at, row.started_at), now)
    return queries.get_outage(session, outage_id=row.id)


def set_threshold(session: Session, *, year: int, threshold: reliability.Threshold, now: datetime) -> None:
    """This will keep T_MED of a year, once: a year is not judged by a threshold made afterwards."""
    session.execute(
        insert(models.MajorEventThresholdRow)
        .values(
            year=year,
            threshold=Decimal(f"{threshold.t_med:.6f}"),
            alpha=Decimal(f"{threshold.alpha:.6f}"),
            beta=Decimal(f"{threshold.beta:.6f}"),
            days=threshold.days,
            deviation=threshold.deviation,
            computed_at=now,
        )
        .on_conflict_do_nothing(index_elements=["year"])
    )


def _open_for(
    session: Session, transformer: models.TransformerRow, service_point_id: int, at: datetime, *, source: str
) -> models.OutageRow:
    """A call that follows a restoration at the same premise is "still out": the new outage names the old one."""
    point = models.OutageServicePointRow
    parent = session.scalar(
        select(point.outage_id)
        .where(point.service_point_id == service_point_id, point.restored_at >= at - STILL_OUT_WITHIN)
        .order_by(point.restored_at.desc())
        .limit(1)
    )
    return _new(
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


def _new(session: Session, **columns: object) -> models.OutageRow:
    row = models.OutageRow(**columns)
    session.add(row)
    session.flush()
    row.number = f"OUT-{row.id:06d}"
    session.flush()
    return row


def _hold(session: Session, outage: models.OutageRow, service_point_ids: Sequence[int], at: datetime) -> None:
    """Points already in an open outage stay where they are; those given back in this one are not taken again."""
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


def _grow(session: Session, outage: models.OutageRow, now: datetime) -> None:
    """A second premise of the transformer has called: then it is the transformer, since the first call."""
    if outage.transformer_id is None or outage.status != "REPORTED":
        return
    _hold(session, outage, _points_of(session, outage), outage.started_at)
    outage.status = "CONFIRMED"
    _changed(session, outage, now, note=None)


def _lift(session: Session, outage: models.OutageRow, now: datetime) -> models.OutageRow:
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
    _merge_feeder(session, eldest, now)
    _hold(session, eldest, _points_of(session, eldest), eldest.started_at)
    if eldest.announced_at is None and any(row.announced_at for row in close):
        _announce(session, eldest, now)
    elif eldest.announced_at is not None:
        _changed(session, eldest, now, note=None)
    return eldest


def _merge_feeder(session: Session, into: models.OutageRow, now: datetime) -> None:
    """Open outages of the feeder's transformers go on in the feeder's own; their points and reports go with them."""
    others = session.scalars(
        select(models.OutageRow)
        .where(
            models.OutageRow.feeder_id == into.feeder_id,
            models.OutageRow.id != into.id,
            models.OutageRow.status.in_(_CHANGEABLE),
            models.OutageRow.parent_id.is_(None),
        )
        .order_by(models.OutageRow.id)
    ).all()
    point, report = models.OutageServicePointRow, models.OutageReportRow
    for other in others:
        for moved in session.scalars(select(point).where(point.outage_id == other.id)).all():
            moved.outage_id = into.id
        for told in session.scalars(select(report).where(report.outage_id == other.id)).all():
            told.outage_id = into.id
        other.status, other.merged_into_id, other.updated_at = "MERGED", into.id, now
        into.hazard = into.hazard or other.hazard
    session.flush()


def _close(session: Session, row: models.OutageRow, at: datetime, now: datetime) -> None:
    row.status, row.crew_status, row.restored_at, row.updated_at = "RESTORED", "DONE", at, now
    _log(session, row, now, None)
    session.flush()
    if row.announced_at is None and reliability.is_sustained(row.started_at, at):
        row.announced_at = now  # it is in the closure log, though it ended before anybody was told
    elif row.announced_at is not None:
        outbox.record_fact(session, "outage.restored", key=f"outage:{row.id}", payload={"outage_id": row.id}, now=now)
    planned = session.scalars(
        select(models.PlannedOutageRow).where(models.PlannedOutageRow.outage_id == row.id)
    ).one_or_none()
    if planned is not None:
        planned.status = "DONE"
    session.flush()


def _announce(session: Session, row: models.OutageRow, now: datetime) -> None:
    row.announced_at, row.updated_at = now, now
    _log(session, row, now, None)
    session.flush()
    outbox.record_fact(session, "outage.opened", key=f"outage:{row.id}", payload={"outage_id": row.id}, now=now)


def _changed(session: Session, row: models.OutageRow, now: datetime, *, note: str | None) -> None:
    row.updated_at = now
    _log(session, row, now, note)
    session.flush()
    if row.announced_at is not None:
        outbox.record_fact(session, "outage.updated", key=f"outage:{row.id}", payload={"outage_id": row.id}, now=now)


def _log(session: Session, row: models.OutageRow, now: datetime, note: str | None) -> None:
    session.add(
        models.OutageUpdateRow(
            outage_id=row.id,
            status=row.status,
            crew_status=row.crew_status,
            estimated_restoration_at=row.estimated_restoration_at,
            note=note,
            at=now,
        )
    )


def _report(session: Session, row: models.OutageReportRow) -> queries.OutageReport:
    outage = queries.get_outage(session, outage_id=row.outage_id) if row.outage_id is not None else None
    return queries.OutageReport(row.id, outage, row.grouped, row.duplicate, row.hazard)


def _reported(session: Session, outage_id: int, service_point_id: int) -> bool:
    report = models.OutageReportRow
    return bool(
        session.scalar(
            select(func.count()).where(report.outage_id == outage_id, report.service_point_id == service_point_id)
        )
    )


def _priority(session: Session, row: models.OutageRow) -> int:
    return len(queries.list_affected(session, outage_id=row.id, still=True)) + _HAZARD_PRIORITY * row.hazard


def _points_of(session: Session, row: models.OutageRow) -> list[int]:
    if row.transformer_id is not None:
        below = [row.transformer_id]
    else:
        transformer = models.TransformerRow
        below = list(session.scalars(select(transformer.id).where(transformer.feeder_id == row.feeder_id)))
    return [place.service_point_id for place in places.list_places(session, transformer_ids=below)]


def _place(session: Session, service_point_id: int) -> places.Place:
    found = places.list_places(session, service_point_ids=[service_point_id])
    if not found:
        raise errors.NotFound("service_point.unknown")
    return found[0]


def _feeder_outage(session: Session, feeder_id: int) -> models.OutageRow | None:
    return session.scalars(
        select(models.OutageRow).where(
            models.OutageRow.feeder_id == feeder_id,
            models.OutageRow.transformer_id.is_(None),
            models.OutageRow.status.in_(_CHANGEABLE),
        )
    ).one_or_none()


def _rows(session: Session, ids: set[int]) -> Sequence[models.OutageRow]:
    return session.scalars(select(models.OutageRow).where(models.OutageRow.id.in_(ids))).all()


def _lock_feeder(session: Session, feeder_id: int) -> None:
    locked = session.get(models.FeederRow, feeder_id, with_for_update={"key_share": True})
    if locked is None:
        raise errors.NotFound("feeder.unknown")


def _locked(session: Session, outage_id: int) -> models.OutageRow:
    """The feeder first, then the outage; a merged one is followed to where it goes on."""
    row = session.get(models.OutageRow, outage_id)
    while row is not None and row.merged_into_id is not None:
        row = session.get(models.OutageRow, row.merged_into_id)
    if row is None:
        raise errors.NotFound("outage.unknown")
    _lock_feeder(session, row.feeder_id)
    session.refresh(row, with_for_update=True)
    if row.merged_into_id is not None:
        return _locked(session, row.merged_into_id)
    return row
