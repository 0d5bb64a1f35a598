"""Tariffs as they stand in the rows: which is in force, who is on what, and the days of a period they split it into."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import and_, func, or_, select, text
from sqlalchemy.orm import Session

from billing import catalogue, eligibility, models, rating, views
from billing.price_models import IndexPriceRow
from core import db, errors, money, periods, wording
from core.accounts import places

OPENS_WITHIN = timedelta(days=90)  # a plan to come is spoken of
CLOSED_WITHIN = timedelta(days=365)  # one that is closed is missed for a while


@dataclass(frozen=True)
class Term:
    """Days of an agreement under one version of one tariff; `sha256` names the document."""

    starts_on: date
    ends_on: date
    tariff_code: str
    sha256: str
    document: Any

    @property
    def plan(self) -> rating.Plan:
        return catalogue.plan_of(self.document)


def list_terms(session: Session, *, agreement_ids: Sequence[int], days: periods.Days) -> dict[int, tuple[Term, ...]]:
    """This will list, per agreement, its terms over a period in order of time; set-based, for thousands."""
    held, tariff, version = models.AgreementTariffRow, models.TariffRow, models.TariffVersionRow
    rows = session.execute(
        select(
            held.agreement_id, held.starts_on, held.ends_on, tariff.code, version.id, version.starts_on, version.ends_on
        )
        .join(tariff, tariff.id == held.tariff_id)
        .join(version, version.tariff_id == tariff.id)
        .where(
            held.agreement_id.in_(agreement_ids),
            held.starts_on < days.ends_on,
            or_(held.ends_on.is_(None), held.ends_on > days.starts_on),
            version.starts_on < days.ends_on,
            or_(version.ends_on.is_(None), version.ends_on > days.starts_on),
        )
        .order_by(held.agreement_id, held.starts_on, version.starts_on)
    ).all()
    documents = {v.id: v for v in session.scalars(select(version).where(version.id.in_({row[4] for row in rows})))}
    out: dict[int, list[Term]] = {}
    for agreement_id, held_from, held_to, code, version_id, sold_from, sold_to in rows:
        first = max(held_from, sold_from, days.starts_on)
        last = min(held_to or days.ends_on, sold_to or days.ends_on, days.ends_on)
        if first < last:
            row = documents[version_id]
            out.setdefault(agreement_id, []).append(Term(first, last, code, row.sha256, row.plan))
    return {agreement_id: tuple(terms) for agreement_id, terms in out.items()}


def list_terms_alike(
    session: Session, *, agreement_ids: NDArray[np.int64], days: periods.Days
) -> tuple[list[tuple[Term, ...]], NDArray[np.int64]]:
    """This will sort agreements, whose ids rise, into those with the same terms over a period: every list of terms, in
    order of time, and for each agreement which is its own. Who holds no tariff has a list without any. For millions.
    """
    asked = {"ids": db.array_of(agreement_ids), "first": days.starts_on, "last": days.ends_on}
    held = session.execute(_HELD, asked).all()
    sold = _sold(session, {row.tariff_id for row in held}, days)
    at = [np.searchsorted(agreement_ids, db.ints(row.ids)) for row in held]
    times = np.bincount(np.concatenate(at), minlength=len(agreement_ids)) if at else np.zeros(len(agreement_ids))
    places: dict[tuple[int, ...], int] = {(): 0}
    of = np.zeros(len(agreement_ids), dtype=np.int64)
    changed: dict[int, tuple[int, ...]] = {}  # few change their tariff within a month
    for number, own in enumerate(at):
        of[own] = places.setdefault((number,), len(places))
        for one in own[times[own] > 1].tolist():
            changed[one] = (*changed.get(one, ()), number)
    for one, numbers in changed.items():
        of[one] = places.setdefault(numbers, len(places))
    under = [clip(sold.get(row.tariff_id, ()), periods.Days(row.starts_on, row.ends_on)) for row in held]
    return [tuple(term for number in numbers for term in under[number]) for numbers in places], of


_HELD = text(
    """
    SELECT tariff_id, starts_on, ends_on, string_agg(int8send(agreement_id), ''::bytea) AS ids
      FROM (SELECT agreement_id, tariff_id, greatest(starts_on, :first) AS starts_on, least(ends_on, :last) AS ends_on
              FROM agreement_tariff
             WHERE agreement_id = ANY(CAST(:ids AS bigint[])) AND starts_on < :last
               AND (ends_on IS NULL OR ends_on > greatest(starts_on, :first))) AS held
     GROUP BY tariff_id, starts_on, ends_on
     ORDER BY starts_on, tariff_id, ends_on
    """
)


def _sold(session: Session, tariff_ids: Collection[int], days: periods.Days) -> dict[int, list[Term]]:
    """The versions of some tariffs over a period, by tariff, in order of time."""
    version, tariff = models.TariffVersionRow, models.TariffRow
    out: dict[int, list[Term]] = {}
    for row, code in session.execute(
        select(version, tariff.code)
        .join(tariff, tariff.id == version.tariff_id)
        .where(
            version.tariff_id.in_(tariff_ids),
            version.starts_on < days.ends_on,
            or_(version.ends_on.is_(None), version.ends_on > days.starts_on),
        )
        .order_by(version.starts_on)
    ):
        ends_on = row.ends_on or days.ends_on
        out.setdefault(row.tariff_id, []).append(Term(row.starts_on, ends_on, code, row.sha256, row.plan))
    return out


def list_held(session: Session, *, agreement_id: int, days: periods.Days) -> tuple[Term, ...]:
    """This will list an agreement's terms over days and the day before them, whose plan says what is handed on."""
    known = periods.Days(days.starts_on - timedelta(days=1), days.ends_on)
    return list_terms(session, agreement_ids=[agreement_id], days=known).get(agreement_id, ())


def clip(terms: Sequence[Term], days: periods.Days) -> tuple[Term, ...]:
    """This will give what of some terms lies in some days."""
    return tuple(
        replace(t, starts_on=max(t.starts_on, days.starts_on), ends_on=min(t.ends_on, days.ends_on))
        for t in terms
        if t.starts_on < days.ends_on and t.ends_on > days.starts_on
    )


def segments(terms: Sequence[Term], days: periods.Days) -> tuple[rating.Segment, ...] | None:
    """This will cut a period by its terms; None when they do not cover it."""
    cut = [t for t in terms if t.starts_on < days.ends_on and t.ends_on > days.starts_on]
    if not cut:
        return None
    out = []
    at = days.starts_on
    for term in cut:
        if max(term.starts_on, days.starts_on) != at:
            return None
        at = min(term.ends_on, days.ends_on)
        out.append(rating.Segment(periods.Days(max(term.starts_on, days.starts_on), at), term.plan))
    return tuple(out) if at == days.ends_on else None


def list_on_sale(session: Session, *, customer_kind: str | None, on: date) -> tuple[tuple[models.TariffRow, Any], ...]:
    """This will list the tariffs on sale on a day with the document in force, by code: whoever may have them."""
    tariff, version = models.TariffRow, models.TariffVersionRow
    query = (
        select(tariff, version.plan)
        .join(version, version.tariff_id == tariff.id)
        .where(
            tariff.sold_from <= on,
            or_(tariff.sold_to.is_(None), tariff.sold_to > on),
            version.starts_on <= on,
            or_(version.ends_on.is_(None), version.ends_on > on),
        )
        .order_by(tariff.code)
    )
    if customer_kind is not None:
        query = query.where(tariff.customer_kind == customer_kind)
    return tuple((row[0], row[1]) for row in session.execute(query))


def list_in_reach(
    session: Session, *, customer_kind: str, on: date, held: str
) -> tuple[tuple[models.TariffRow, Any | None], ...]:
    """This will list the tariffs of a class worth speaking of on a day, by code, with the document in force: those on
    sale, about to be, or closed not long ago; and the one that is `held`, whatever it is.
    """
    tariff, version = models.TariffRow, models.TariffVersionRow
    in_force = and_(
        version.tariff_id == tariff.id, version.starts_on <= on, or_(version.ends_on.is_(None), version.ends_on > on)
    )
    spoken_of = and_(
        tariff.customer_kind == customer_kind,
        tariff.sold_from <= on + OPENS_WITHIN,
        or_(tariff.sold_to.is_(None), tariff.sold_to > on - CLOSED_WITHIN),
    )
    query = (
        select(tariff, version.plan)
        .outerjoin(version, in_force)
        .where(or_(tariff.code == held, spoken_of))
        .order_by(tariff.code)
    )
    return tuple((row[0], row[1]) for row in session.execute(query))


def find(session: Session, *, code: str, on: date) -> tuple[models.TariffRow, Any] | None:
    """This will find a tariff with the document in force on a day; before and after, with its first or its last."""
    tariff, version = models.TariffRow, models.TariffVersionRow
    rows = session.execute(
        select(tariff, version)
        .join(version, version.tariff_id == tariff.id)
        .where(tariff.code == code)
        .order_by(version.starts_on)
    ).all()
    if not rows:
        return None
    begun = [row for row in rows if row[1].starts_on <= on]
    row, found = begun[-1] if begun else rows[0]
    return row, found.plan


def rules_of(row: models.TariffRow) -> eligibility.Rules:
    """This will give who may have a tariff."""
    days = {key: day.isoformat() for key, day in (("sold_from", row.sold_from), ("sold_to", row.sold_to)) if day}
    sold = {"customer_kind": row.customer_kind, "eligibility": row.eligibility, **days}
    return eligibility.read({"tariff": sold}, opens_on=row.sold_from)


def name_of(row: models.TariffRow) -> wording.Kind:
    """This will give what a plan is called: words of its document, else the kind under which the catalogues have it."""
    return row.names or f"tariff.{row.code}.name"


def about_of(row: models.TariffRow) -> wording.Kind:
    """This will give what is said of a plan, as `name_of` gives its name."""
    return row.about or f"tariff.{row.code}.about"


def list_names(session: Session, *, codes: Collection[str]) -> dict[str, wording.Kind]:
    """This will give what plans are called, by code."""
    rows = session.scalars(select(models.TariffRow).where(models.TariffRow.code.in_(codes)))
    return {row.code: name_of(row) for row in rows}


def view(row: models.TariffRow, document: Any, on: date, since: date | None = None) -> views.Tariff:
    """This will give a tariff as other packages see it."""
    return views.Tariff(
        id=row.id,
        code=row.code,
        name_key=name_of(row),
        about_key=about_of(row),
        kind=row.kind,
        customer_kind=row.customer_kind,
        summary=catalogue.summary(catalogue.plan_of(document), on),
        exit_fee=money.from_cents(row.exit_fee_cents),
        term_months=row.term_months,
        cooling_off_days=row.cooling_off_days,
        conditions=eligibility.conditions(rules_of(row)),
        since=since,
    )


def list_tariffs(session: Session, *, customer_kind: str | None, on: date) -> tuple[views.Tariff, ...]:
    """This will list the tariffs on sale to a class of customer on a day, by code; None is every class."""
    return tuple(view(row, doc, on) for row, doc in list_on_sale(session, customer_kind=customer_kind, on=on))


def current_tariff(session: Session, *, agreement_id: int, on: date) -> views.Tariff:
    """This will give the tariff an agreement is on, on a day; NotFound tariff.none when it is on none."""
    held, tariff, version = models.AgreementTariffRow, models.TariffRow, models.TariffVersionRow
    row = session.execute(
        select(tariff, version.plan, held.term_starts_on)
        .join(held, held.tariff_id == tariff.id)
        .join(version, version.tariff_id == tariff.id)
        .where(
            held.agreement_id == agreement_id,
            held.starts_on <= on,
            or_(held.ends_on.is_(None), held.ends_on > on),
            version.starts_on <= on,
            or_(version.ends_on.is_(None), version.ends_on > on),
        )
    ).one_or_none()
    if row is None:
        raise errors.NotFound("tariff.none")
    return view(row[0], row[1], on, row[2])


def publish(session: Session, *, document: dict[str, Any], starts_on: date, now: datetime) -> int:
    """This will publish a tariff, or a new version of it from a day on; gives the tariff's id.

    A document that cannot be priced is refused (Invalid tariff.unpriceable), so is one that goes by prices in another
    currency, one whose rules of who may have it contradict themselves or name a place where nobody is served
    (Invalid tariff.eligibility), and one that customers could not be told of (Invalid tariff.unnamed); the same
    document again changes nothing. The prices themselves may come later.
    """
    sold, words = catalogue.sold_of(document), catalogue.words_of(document)
    plan = catalogue.plan_of(document)
    code = str(document.get("label") or "")
    if not code:
        raise errors.Invalid("tariff.unpriceable", reason="it has no name to be sold under", where="label")
    if plan.index is not None:
        currency = session.scalar(select(IndexPriceRow.currency).where(IndexPriceRow.code == plan.index.code).limit(1))
        if currency not in (None, plan.currency):
            reason = f"it is in {plan.currency}, and the prices of {plan.index.code} are in {currency}"
            raise errors.Invalid("tariff.unpriceable", reason=reason, where="index")
    row = session.scalars(select(models.TariffRow).where(models.TariffRow.code == code).with_for_update()).one_or_none()
    rules = _sold_under(session, row, document, starts_on)
    if row is None:
        row = models.TariffRow(code=code, kind=sold.kind)
        session.add(row)
    row.sold_from, row.sold_to = rules.sold_from, rules.sold_to
    row.customer_kind, row.eligibility = str(rules.customer_kind), eligibility.stored(rules)
    row.names, row.about = words.names, words.about
    row.exit_fee_cents, row.term_months = sold.exit_fee_cents, sold.term_months
    row.cooling_off_days = sold.cooling_off_days
    session.flush()
    version = models.TariffVersionRow
    last = session.scalars(
        select(version).where(version.tariff_id == row.id).order_by(version.version.desc()).limit(1)
    ).one_or_none()
    sha256 = catalogue.digest(document)
    if last is not None:
        if last.sha256 == sha256:
            return row.id
        if last.starts_on >= starts_on:
            raise errors.Refused("tariff.version_order", tariff=code)
        last.ends_on = starts_on
        session.flush()
    session.add(
        version(
            tariff_id=row.id,
            version=1 if last is None else last.version + 1,
            starts_on=starts_on,
            ends_on=None,
            plan=document,
            sha256=sha256,
            published_at=now,
        )
    )
    session.flush()
    return row.id


def _sold_under(
    session: Session, row: models.TariffRow | None, document: dict[str, Any], starts_on: date
) -> eligibility.Rules:
    """The rules of a document, checked against the book; open from no day before its first prices are in force."""
    rules = catalogue.rules_of(document, opens_on=starts_on)
    if rules.customer_kind is None:
        _unsold("it does not say to whom it is sold", "tariff.customer_kind")
    unserved = places.list_unserved(session, cities=rules.cities, counties=rules.counties)
    if unserved:
        _unsold(f"nobody is served in {', '.join(unserved)}", "eligibility")
    opens_on = max(rules.sold_from, starts_on)
    if row is not None:  # that a later version starts later does not close the plan until then
        version = models.TariffVersionRow
        first = session.scalar(select(func.min(version.starts_on)).where(version.tariff_id == row.id)) or starts_on
        opens_on = max(rules.sold_from, first) if "sold_from" in document["tariff"] else row.sold_from
    if rules.sold_to is not None and rules.sold_to <= opens_on:
        _unsold(f"it closes on {rules.sold_to}, and its prices begin on {opens_on}", "tariff.sold_to")
    return replace(rules, sold_from=opens_on)


def _unsold(reason: str, where: str) -> NoReturn:
    raise errors.Invalid("tariff.eligibility", reason=reason, where=where)


def load_published(session: Session, *, today: date, now: datetime) -> dict[str, int]:
    """This will publish the utility's own tariffs (`plans/*.json`); gives their ids by code."""
    out: dict[str, int] = {}
    for document in catalogue.published(today):
        starts_on = date.fromisoformat(document["tariff"]["sold_from"])
        out[document["label"]] = publish(session, document=document, starts_on=starts_on, now=now)
    return out


def assign(
    session: Session,
    *,
    agreement_id: int,
    tariff_code: str,
    starts_on: date,
    now: datetime,
    cooling_off_until: date | None = None,
    term_starts_on: date | None = None,
) -> None:
    """This will put an agreement on a tariff from a day on; what it was on ends, what was planned for later goes.

    A term begins with it, unless an earlier one goes on (`term_starts_on`).
    """
    tariff_id = session.scalar(select(models.TariffRow.id).where(models.TariffRow.code == tariff_code))
    if tariff_id is None:
        raise errors.NotFound("tariff.unknown", tariff=tariff_code)
    held = models.AgreementTariffRow
    for row in session.scalars(
        select(held)
        .where(held.agreement_id == agreement_id, or_(held.ends_on.is_(None), held.ends_on > starts_on))
        .with_for_update()
    ):
        if row.starts_on >= starts_on:
            session.delete(row)
        else:
            row.ends_on = starts_on
    session.flush()
    session.add(
        held(
            agreement_id=agreement_id,
            tariff_id=tariff_id,
            starts_on=starts_on,
            ends_on=None,
            term_starts_on=term_starts_on or starts_on,
            cooling_off_until=cooling_off_until,
            recorded_at=now,
        )
    )
    session.flush()


def count_on(session: Session, *, on: date) -> dict[str, int]:
    """This will count the agreements on each tariff on a day, by code."""
    held, tariff = models.AgreementTariffRow, models.TariffRow
    rows = session.execute(
        select(tariff.code, func.count())
        .join(held, held.tariff_id == tariff.id)
        .where(held.starts_on <= on, or_(held.ends_on.is_(None), held.ends_on > on))
        .group_by(tariff.code)
        .order_by(tariff.code)
    )
    return {code: int(count) for code, count in rows}
