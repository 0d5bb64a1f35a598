"""Reads of the network and its outages. Whatever is public is told by area, never by address."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import and_, any_, func, or_, select
from sqlalchemy.orm import Session

from core import errors, periods
from core.accounts import places
from core.accounts import queries as accounts
from core.compliance import rules
from core.outages import models, reliability

CLOSURE_LOG = timedelta(days=7)
FEWEST_TOLD = 5  # in public, a smaller number of homes is told as this one: "up to 5"


@dataclass(frozen=True)
class Outage:
    """`affected` counts the service points still without power (all it took, once restored)."""

    id: int
    number: str
    status: str  # "REPORTED", "CONFIRMED", "CREW_ASSIGNED", "RESTORED"
    cause: str
    started_at: datetime
    estimated_restoration_at: datetime | None
    restored_at: datetime | None
    affected: int
    area: str
    crew_status: str
    updated_at: datetime
    planned: bool
    hazard: bool = False
    momentary: bool = False
    announced: bool = True
    parent_id: int | None = None
    feeder_id: int | None = None
    transformer_id: int | None = None


@dataclass(frozen=True)
class Area:
    """What the public may know of a postcode. `affected` is never below FEWEST_TOLD: `few` says it is a ceiling."""

    postcode: str
    city: str
    outages: int
    affected: int
    few: bool
    started_at: datetime
    estimated_restoration_at: datetime | None
    updated_at: datetime


@dataclass(frozen=True)
class OutageUpdate:
    at: datetime
    status: str
    crew_status: str
    estimated_restoration_at: datetime | None
    note: str | None


@dataclass(frozen=True)
class OutageReport:
    """`grouped`: joined what others had told already. `duplicate`: this premise had told us itself."""

    id: int
    outage: Outage | None
    grouped: bool
    duplicate: bool
    hazard: bool


@dataclass(frozen=True)
class Planned:
    id: int
    number: str
    status: str
    reason: str
    starts_at: datetime
    ends_at: datetime
    area: str
    outage_id: int | None


@dataclass(frozen=True)
class Interruption:
    """One service point without power, from `started_at` until `restored_at` (None: still)."""

    outage_id: int
    service_point_id: int
    feeder_id: int
    feeder_code: str
    cause: str
    started_at: datetime
    restored_at: datetime | None


@dataclass(frozen=True)
class Credit:
    """What a rule gives back for a long outage. `amount` is 0 when no rule does, `rule` says which was asked."""

    amount: Decimal
    minutes: int
    outage_id: int | None
    rule: str
    citation: str
    verified: bool


def get_outage(session: Session, *, outage_id: int) -> Outage:
    """This will give an outage, or the one that continues it; NotFound when there is none."""
    row = session.get(models.OutageRow, outage_id)
    while row is not None and row.merged_into_id is not None:
        row = session.get(models.OutageRow, row.merged_into_id)
    if row is None:
        raise errors.NotFound("outage.unknown")
    return _outages(session, [row])[0]


def find_outage_by_number(session: Session, *, number: str) -> Outage | None:
    """This will find an outage by its number, following merges."""
    outage_id = session.scalar(select(models.OutageRow.id).where(models.OutageRow.number == number.strip().upper()))
    return get_outage(session, outage_id=outage_id) if outage_id is not None else None


def find_outage_at(session: Session, *, service_point_id: int, now: datetime) -> Outage | None:
    """This will find the open outage a service point is in.

    First one that counts this point; then one of its transformer that does not count it yet (the neighbour's call came
    first). A point whose power is back within an outage still open elsewhere is not in it any more.
    """
    row = find_open_row(session, service_point_id=service_point_id)
    if row is None or row.started_at > now:
        return None
    return _outages(session, [row])[0]


def list_open_outages(session: Session, *, postcode: str | None = None) -> tuple[Outage, ...]:
    """This will list announced open outages, worst first; of one postcode when given."""
    query = select(models.OutageRow).where(_open(), models.OutageRow.announced_at.is_not(None))
    if postcode is not None:
        query = query.where(models.OutageRow.id.in_(_outage_ids_in(session, postcode)))
    rows = session.scalars(query.order_by(models.OutageRow.priority.desc(), models.OutageRow.started_at))
    found = _outages(session, list(rows))
    return tuple(sorted(found, key=lambda o: (-o.hazard, -o.affected, o.started_at, o.id)))


def list_areas(session: Session, *, postcode: str | None = None) -> tuple[Area, ...]:
    """This will add up open outages by postcode, for anybody to see: no address, no small number, no number of one."""
    point, outage = models.OutageServicePointRow, models.OutageRow
    rows = session.execute(
        select(
            point.service_point_id,
            outage.id,
            outage.started_at,
            outage.estimated_restoration_at,
            outage.updated_at,
        )
        .join(outage, outage.id == point.outage_id)
        .where(point.restored_at.is_(None), _open(), outage.announced_at.is_not(None))
    ).all()
    where = {
        place.service_point_id: place
        for place in places.list_places(session, service_point_ids=[row[0] for row in rows], postcode=postcode)
    }
    grouped: dict[str, list[Any]] = {}
    for row in rows:
        if row[0] in where:
            grouped.setdefault(where[row[0]].postcode, []).append(row)
    return tuple(
        Area(
            postcode=code,
            city=where[group[0][0]].city,
            outages=len({row[1] for row in group}),
            affected=max(len(group), FEWEST_TOLD),
            few=len(group) < FEWEST_TOLD,
            started_at=min(row[2] for row in group),
            estimated_restoration_at=max((row[3] for row in group if row[3]), default=None),
            updated_at=max(row[4] for row in group),
        )
        for code, group in sorted(grouped.items())
    )


def list_recent_outages(
    session: Session, *, service_point_id: int | None = None, postcode: str | None = None, since: datetime
) -> tuple[Outage, ...]:
    """This will list announced outages that were open at or after `since`, latest first: the closure log.

    Of one service point, one postcode, or everywhere.
    """
    outage = models.OutageRow
    query = select(outage).where(
        outage.status != "MERGED",
        outage.announced_at.is_not(None),
        or_(outage.restored_at.is_(None), outage.restored_at >= since),
    )
    if service_point_id is not None:
        query = query.where(
            outage.id.in_(
                select(models.OutageServicePointRow.outage_id).where(
                    models.OutageServicePointRow.service_point_id == service_point_id
                )
            )
        )
    if postcode is not None:
        query = query.where(outage.id.in_(_outage_ids_in(session, postcode)))
    return tuple(_outages(session, list(session.scalars(query.order_by(outage.started_at.desc(), outage.id)))))


def list_updates(session: Session, *, outage_id: int) -> tuple[OutageUpdate, ...]:
    """This will list what was said of an outage, oldest first."""
    row = models.OutageUpdateRow
    return tuple(
        OutageUpdate(*values)
        for values in session.execute(
            select(row.at, row.status, row.crew_status, row.estimated_restoration_at, row.note)
            .where(row.outage_id == outage_id)
            .order_by(row.id)
        )
    )


def list_planned(
    session: Session, *, service_point_id: int | None = None, postcode: str | None = None, now: datetime
) -> tuple[Planned, ...]:
    """This will list planned work that has not ended, soonest first; of a service point or a postcode when given."""
    row = models.PlannedOutageRow
    query = (
        select(row, models.FeederRow.name)
        .join(models.FeederRow, models.FeederRow.id == row.feeder_id)
        .where(row.status.in_(("SCHEDULED", "STARTED")), row.ends_at > now)
        .order_by(row.starts_at, row.id)
    )
    if service_point_id is not None:
        transformer = _transformer_of(session, service_point_id)
        if transformer is None:
            return ()
        query = query.where(
            row.feeder_id == transformer.feeder_id,
            or_(row.transformer_id.is_(None), row.transformer_id == transformer.id),
        )
    if postcode is not None:
        here = [p.transformer_id for p in places.list_places(session, postcode=postcode)]
        query = query.where(
            or_(
                row.transformer_id.in_(here),
                and_(row.transformer_id.is_(None), any_(models.FeederRow.postcodes) == postcode),
            )
        )
    return tuple(
        Planned(p.id, p.number or "", p.status, p.reason, p.starts_at, p.ends_at, name, p.outage_id)
        for p, name in session.execute(query)
    )


def get_planned(session: Session, *, planned_id: int) -> Planned:
    """This will give planned work by its id, or raise NotFound."""
    row = session.get(models.PlannedOutageRow, planned_id)
    if row is None:
        raise errors.NotFound("outage.unknown")
    area = session.get_one(models.FeederRow, row.feeder_id).name
    return Planned(row.id, row.number or "", row.status, row.reason, row.starts_at, row.ends_at, area, row.outage_id)


def list_planned_points(session: Session, *, planned_id: int) -> tuple[int, ...]:
    """This will list the service points planned work will leave without power, by id."""
    row = session.get(models.PlannedOutageRow, planned_id)
    if row is None:
        raise errors.NotFound("outage.unknown")
    below = [row.transformer_id] if row.transformer_id is not None else None
    if below is None:
        transformer = models.TransformerRow
        below = list(session.scalars(select(transformer.id).where(transformer.feeder_id == row.feeder_id)))
    return tuple(sorted(place.service_point_id for place in places.list_places(session, transformer_ids=below)))


def list_affected(session: Session, *, outage_id: int, still: bool = False) -> tuple[int, ...]:
    """This will list the service points an outage took, by id; with `still`, those it still holds."""
    row = models.OutageServicePointRow
    query = select(row.service_point_id).where(row.outage_id == outage_id).order_by(row.service_point_id)
    if still:
        query = query.where(row.restored_at.is_(None))
    return tuple(session.scalars(query))


def count_affected(session: Session, *, outage_id: int) -> int:
    """This will count the service points an outage still holds."""
    row = models.OutageServicePointRow
    return session.scalar(select(func.count()).where(row.outage_id == outage_id, row.restored_at.is_(None))) or 0


def list_interruptions(
    session: Session, *, starts_at: datetime, ends_at: datetime, service_point_id: int | None = None
) -> tuple[Interruption, ...]:
    """This will list the interruptions that started in a span, planned ones too, by start; the regulator's raw rows."""
    point, outage, feeder = models.OutageServicePointRow, models.OutageRow, models.FeederRow
    query = (
        select(
            outage.id,
            point.service_point_id,
            feeder.id,
            feeder.code,
            outage.cause,
            point.started_at,
            point.restored_at,
        )
        .join(outage, outage.id == point.outage_id)
        .join(feeder, feeder.id == outage.feeder_id)
        .where(point.started_at >= starts_at, point.started_at < ends_at, outage.status != "MERGED")
        .order_by(point.started_at, point.id)
    )
    if service_point_id is not None:
        query = query.where(point.service_point_id == service_point_id)
    return tuple(Interruption(*row) for row in session.execute(query))


def credit_for(session: Session, *, service_point_id: int, now: datetime) -> Credit:
    """This will estimate what the account's jurisdiction gives back for the longest outage of the last 60 days."""
    on = accounts.get_service_point(session, service_point_id=service_point_id, on=now.date())
    jurisdiction = "US-DEFAULT"
    if on.account_id is not None:
        jurisdiction = accounts.get_account(session, account_id=on.account_id).jurisdiction
    longest, outage_id = 0, None
    for row in list_interruptions(
        session, starts_at=now - timedelta(days=60), ends_at=now, service_point_id=service_point_id
    ):
        lasted = reliability.minutes_between(row.started_at, row.restored_at or now)
        if row.cause != "PLANNED" and lasted > longest:
            longest, outage_id = int(lasted), row.outage_id
    decision = rules.decide(
        "OUTAGE_CREDIT",
        {"jurisdiction": jurisdiction, "minutes": longest},
        periods.civil_day(now, on.timezone),
    )
    amount = Decimal(str(decision.results.get("amount", "0.00")))
    return Credit(amount, longest, outage_id, decision.rule, decision.citation, decision.verified)


def find_threshold(session: Session, *, year: int) -> reliability.Threshold | None:
    """This will find the T_MED that was kept for a year."""
    row = session.scalars(
        select(models.MajorEventThresholdRow).where(models.MajorEventThresholdRow.year == year)
    ).one_or_none()
    if row is None:
        return None
    deviation: reliability.Deviation = "SAMPLE" if row.deviation == "SAMPLE" else "POPULATION"
    return reliability.Threshold(float(row.threshold), float(row.alpha), float(row.beta), row.days, deviation)


def feeder_codes(session: Session) -> dict[int, str]:
    """This will map feeder ids to their codes."""
    return dict(session.execute(select(models.FeederRow.id, models.FeederRow.code)).tuples().all())


def count_served(session: Session, *, on: date) -> dict[int | None, int]:
    """This will count the service points under agreement on a day, by feeder id (None: not in the network)."""
    transformer = models.TransformerRow
    feeder_of = dict(session.execute(select(transformer.id, transformer.feeder_id)).tuples().all())
    served: dict[int | None, int] = {}
    for transformer_id, count in places.count_served(session, on=on).items():
        feeder_id = feeder_of.get(transformer_id) if transformer_id is not None else None
        served[feeder_id] = served.get(feeder_id, 0) + count
    return served


def find_open_row(session: Session, *, service_point_id: int) -> models.OutageRow | None:
    """This will find the open outage row a point belongs to (at home only)."""
    point, outage = models.OutageServicePointRow, models.OutageRow
    counted = session.scalars(
        select(outage)
        .join(point, point.outage_id == outage.id)
        .where(point.service_point_id == service_point_id, point.restored_at.is_(None), _open())
    ).one_or_none()
    if counted is not None:
        return counted
    transformer = _transformer_of(session, service_point_id)
    if transformer is None:
        return None
    restored_here = select(point.outage_id).where(
        point.service_point_id == service_point_id, point.restored_at.is_not(None)
    )
    return session.scalars(
        select(outage)
        .where(
            _open(),
            outage.id.not_in(restored_here),
            or_(
                outage.transformer_id == transformer.id,
                and_(outage.transformer_id.is_(None), outage.feeder_id == transformer.feeder_id),
            ),
        )
        .order_by(outage.transformer_id.is_(None), outage.id)
        .limit(1)
    ).one_or_none()


def _transformer_of(session: Session, service_point_id: int) -> models.TransformerRow | None:
    found = places.list_places(session, service_point_ids=[service_point_id])
    if not found or found[0].transformer_id is None:
        return None
    return session.get(models.TransformerRow, found[0].transformer_id)


def _outage_ids_in(session: Session, postcode: str) -> list[int]:
    point = models.OutageServicePointRow
    here = [place.service_point_id for place in places.list_places(session, postcode=postcode)]
    return list(session.scalars(select(point.outage_id).where(point.service_point_id.in_(here)).distinct()))


def _open() -> Any:
    return models.OutageRow.status.not_in(("RESTORED", "MERGED"))


def _outages(session: Session, rows: Sequence[models.OutageRow]) -> list[Outage]:
    ids = [row.id for row in rows]
    point = models.OutageServicePointRow
    counts = {
        outage_id: (still, ever)
        for outage_id, still, ever in session.execute(
            select(point.outage_id, func.count().filter(point.restored_at.is_(None)), func.count())
            .where(point.outage_id.in_(ids))
            .group_by(point.outage_id)
        )
    }
    feeder = models.FeederRow
    wanted = select(feeder.id, feeder.name).where(feeder.id.in_({row.feeder_id for row in rows}))
    names = dict(session.execute(wanted).tuples().all())
    return [_outage(row, names[row.feeder_id], *counts.get(row.id, (0, 0))) for row in rows]


def _outage(row: models.OutageRow, area: str, still: int, ever: int) -> Outage:
    return Outage(
        id=row.id,
        number=row.number or "",
        status=row.status,
        cause=row.cause,
        started_at=row.started_at,
        estimated_restoration_at=row.estimated_restoration_at,
        restored_at=row.restored_at,
        affected=ever if row.restored_at else still,
        area=area,
        crew_status=row.crew_status,
        updated_at=row.updated_at,
        planned=row.cause == "PLANNED",
        hazard=row.hazard,
        momentary=row.restored_at is not None and not reliability.is_sustained(row.started_at, row.restored_at),
        announced=row.announced_at is not None,
        parent_id=row.parent_id,
        feeder_id=row.feeder_id,
        transformer_id=row.transformer_id,
    )
