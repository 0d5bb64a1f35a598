"""Changes to outages. Whoever changes one holds its feeder's row first: calls of a storm queue up by feeder."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core import errors
from core.accounts import places
from core.outages import grouping, models, queries, reliability, telling


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
        outage = grouping.open_for(session, transformer, place.service_point_id, now, source="REPORT")
        grouping.hold(session, outage, [place.service_point_id], now)
        telling.announce(session, outage, now)
    else:
        row.grouped = True
        row.duplicate = _reported(session, outage.id, place.service_point_id)
        grouping.hold(session, outage, [place.service_point_id], now)
    row.outage_id = outage.id
    session.add(row)
    session.flush()
    if row.grouped and not row.duplicate:
        grouping.grow(session, outage, now)
    outage = grouping.lift(session, outage, now)
    if outage.announced_at is None:  # the meters knew already; a person who calls has waited long enough
        telling.announce(session, outage, now)
    if hazard and not outage.hazard:
        outage.hazard = True
        telling.change(session, outage, now, note=None)
    outage.priority = grouping.priority(session, outage)
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
                outage = grouping.open_for(session, transformer, points[0], at, source="LAST_GASP")
            grouping.hold(session, outage, points, at)
            outage = grouping.lift(session, outage, now)
            outage.priority = grouping.priority(session, outage)
            if outage.announced_at is not None:
                outage.status = "CONFIRMED" if outage.status == "REPORTED" else outage.status
                telling.change(session, outage, now, note=None)
            touched.add(outage.id)
    alive = {row.id for row in _rows(session, touched) if row.status != "MERGED"}
    return tuple(queries.get_outage(session, outage_id=outage_id) for outage_id in sorted(alive))


def announce_silent(session: Session, *, now: datetime) -> int:
    """This will announce outages that meters told of, once they are older than a blink; gives how many."""
    rows = session.scalars(
        select(models.OutageRow)
        .where(
            models.OutageRow.announced_at.is_(None),
            models.OutageRow.status.in_(grouping.CHANGEABLE),
            models.OutageRow.started_at < now - reliability.MOMENTARY,
        )
        .order_by(models.OutageRow.id)
        .with_for_update(skip_locked=True)
    ).all()
    for row in rows:
        row.status = "CONFIRMED" if row.status == "REPORTED" else row.status
        telling.announce(session, row, now)
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
            models.OutageRow.status.in_(grouping.CHANGEABLE),
            models.OutageRow.feeder_id == feeder_id,
            models.OutageRow.transformer_id == transformer_id
            if transformer_id is not None
            else models.OutageRow.transformer_id.is_(None),
        )
    ).one_or_none()
    if open_here is not None:
        raise errors.Refused("outage.open_already", number=open_here.number)
    row = grouping.new(
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
        grouping.merge_feeder(session, row, now)
    grouping.hold(session, row, grouping.points_of(session, row), row.started_at)
    row.priority = grouping.priority(session, row)
    telling.announce(session, row, now)
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
    if row.status not in grouping.CHANGEABLE:
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
        telling.change(session, row, now, note=note)
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
        _give_back(session, point.outage_id == row.id, point.service_point_id.in_(service_point_ids), at=at)
        if queries.count_affected(session, outage_id=row.id):
            row.priority = grouping.priority(session, row)
            telling.change(session, row, now, note=None)
        else:
            telling.close(session, row, max(at, row.started_at), now)
    return tuple(queries.get_outage(session, outage_id=outage_id) for outage_id in sorted(held))


def restore_outage(session: Session, *, outage_id: int, at: datetime, now: datetime) -> queries.Outage:
    """This will end an outage: whoever is still without power has it back at `at`. Twice is once."""
    row = _locked(session, outage_id)
    if row.status == "RESTORED":
        return queries.get_outage(session, outage_id=row.id)
    point = models.OutageServicePointRow
    _give_back(session, point.outage_id == row.id, at=at)
    last = session.scalar(select(func.max(point.restored_at)).where(point.outage_id == row.id))
    telling.close(session, row, last or max(at, row.started_at), now)
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


def _give_back(session: Session, *which: ColumnElement[bool], at: datetime) -> None:
    """Power is back at these points at an instant, though never before it went."""
    point = models.OutageServicePointRow
    session.execute(
        update(point).where(*which, point.restored_at.is_(None)).values(restored_at=func.greatest(at, point.started_at))
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


def _place(session: Session, service_point_id: int) -> places.Place:
    found = places.list_places(session, service_point_ids=[service_point_id])
    if not found:
        raise errors.NotFound("service_point.unknown")
    return found[0]


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
