"""One chunk of a bill run, in one transaction: agreements sorted by what prices them, read, rated, looked at, written.

Nothing here is done per agreement but the digest of its input; what comes out of a chunk the database checks as it is
written. Where the operator lets bills go out unseen, those that no check holds are issued in the same transaction.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from billing import (
    bulk,
    carried,
    catalogue,
    cycles,
    forms,
    history,
    issuing,
    ledger,
    metered,
    models,
    prices,
    rating,
    records,
    rules,
    tariffs,
    validations,
)
from core import db, errors, log, periods
from core.accounts import cohorts

logger = log.get(__name__)

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class _Group:
    """Agreements billed for the same days of the same zone under the same terms; `kinds` and `cities` are by `of`."""

    days: periods.Days
    timezone: str
    terms: tuple[tariffs.Term, ...]
    agreement_ids: Ints
    account_ids: Ints
    points: Ints
    of: Ints
    alike: tuple[cohorts.Alike, ...]
    due: Ints | None  # by `of`
    carries: bool

    def only(self, rows: Ints) -> "_Group":
        return replace(
            self, agreement_ids=self.agreement_ids[rows], account_ids=self.account_ids[rows],
            points=self.points[rows], of=self.of[rows],
        )  # fmt: skip


def bill(
    session: Session, *, chunk_id: int, run_id: int, period_end_on: date, now: datetime,
    release: issuing.Release | None = None,
) -> None:  # fmt: skip
    """This will bill one chunk. The caller's transaction holds the chunk's row; it is DONE when this returns."""
    chunk = session.get_one(models.BillRunChunkRow, chunk_id, with_for_update=True)
    counts, chunk.parked = make(
        session, agreement_ids=chunk.agreement_ids, run_id=run_id, period_end_on=period_end_on, now=now, release=release
    )  # fmt: skip
    chunk.counts = counts | {"agreements": len(chunk.agreement_ids)}
    chunk.status, chunk.finished_at = "DONE", now


def make(
    session: Session, *, agreement_ids: Sequence[int], run_id: int, period_end_on: date, now: datetime,
    release: issuing.Release | None,
) -> tuple[dict[str, int], dict[str, str]]:  # fmt: skip
    """This will make the bills of some agreements; gives how many became what, and who is parked with which code."""
    groups, parked = _groups(session, agreement_ids, period_end_on, release)
    batches: list[records.Batch] = []
    book = prices.Book(session, holding=True)
    for zone_groups in _by_days(groups):
        batches += _rate_read(session, zone_groups, book, parked)
    made = records.Made(run_id, now, release.issued_on if release else None)
    counts, owed = _write(session, batches, made)
    if release:
        issuing.book(session, owed=owed, release=release, now=now)
    return counts | {"parked": len(parked)}, {str(each): code for each, code in sorted(parked.items())}


def _groups(
    session: Session, agreement_ids: Sequence[int], period_end_on: date, release: issuing.Release | None
) -> tuple[list[_Group], dict[int, str]]:
    """Sorted by days, zone and terms; who cannot be billed is parked with a code."""
    back = cycles.reach(period_end_on)
    parked: dict[int, str] = {}
    cohort = cohorts.list_alike(session, period=back, agreement_ids=agreement_ids)
    ids, of, alike = cohort.ids, cohort.of, cohort.alike
    spans = [cycles.period_of(a, period_end_on) for a in alike]
    due = None
    if release:
        places = {a.jurisdiction: rules.due_on(a.jurisdiction, release.issued_on) for a in alike}
        due = np.array([db.day_number(places[a.jurisdiction]) for a in alike])
    term_lists, term_of = tariffs.list_terms_alike(session, agreement_ids=ids, days=back)
    members: dict[Any, tuple[tuple[tariffs.Term, ...], list[Ints]]] = {}
    both = of * len(term_lists) + term_of
    for each in np.unique(both).tolist():
        rows = np.flatnonzero(both == each)
        cls, term = int(of[rows[0]]), int(term_of[rows[0]])
        days = spans[cls]
        if days is None:
            continue
        terms = tariffs.clip(term_lists[term], days)
        segments = tariffs.segments(terms, days)
        if segments is None:
            parked.update(dict.fromkeys(ids[rows].tolist(), "NO_TARIFF"))
            continue
        carries = carried.needs(segments, carried.plan_before(term_lists[term], days))
        members.setdefault((days, alike[cls].timezone, _named(terms), carries), (terms, []))[1].append(rows)
    groups = []
    for (days, timezone, _, carries), (terms, parts) in members.items():
        rows = np.sort(records.join(parts))
        groups.append(_Group(days, timezone, terms, ids[rows], cohort.account_ids[rows], cohort.service_point_ids[rows],
                             of[rows], alike, due, carries))  # fmt: skip
    billed = records.join([group.agreement_ids for group in groups])
    for agreement_id in np.setdiff1d(np.asarray(agreement_ids, dtype=np.int64), billed).tolist():
        parked.setdefault(agreement_id, "NO_SERVICE")
    return groups, parked


def _named(terms: Sequence[tariffs.Term]) -> tuple[tuple[str, date, date], ...]:
    return tuple((t.sha256, t.starts_on, t.ends_on) for t in terms)


def _by_days(groups: Sequence[_Group]) -> list[list[_Group]]:
    out: dict[Any, list[_Group]] = {}
    for group in groups:
        out.setdefault((group.days, group.timezone), []).append(group)
    return list(out.values())


def _rate_read(
    session: Session, groups: Sequence[_Group], book: prices.Book, parked: dict[int, str]
) -> list[records.Batch]:
    """Groups of the same days and zone are read together, each agreement on the grid of its own meters."""
    points = records.join([g.points for g in groups])
    batches = []
    for read in metered.read_grids(
        session, service_point_ids=points.tolist(), days=groups[0].days, timezone=groups[0].timezone
    ):
        known = np.array(read.service_point_ids, dtype=np.int64)
        order = np.argsort(known)
        for group in groups:
            at = np.minimum(np.searchsorted(known, group.points, sorter=order), len(known) - 1)
            here = np.flatnonzero(known[order[at]] == group.points)
            rows = order[at[here]]
            bare = read.filled[rows] == read.intervals
            parked.update(dict.fromkeys(group.agreement_ids[here[bare]].tolist(), "NO_READS"))
            if not bare.all():
                batches += _rate(session, group.only(here[~bare]), read, rows[~bare], book, parked)
    return batches


def _rate(
    session: Session, group: _Group, read: metered.Metered, rows: Ints, book: prices.Book, parked: dict[int, str]
) -> list[records.Batch]:
    segments = tariffs.segments(group.terms, group.days)
    assert segments is not None  # _groups parked those that are not covered
    try:
        hourly = book.exact(segments, group.timezone)
    except errors.Refused as lacking:
        logger.warning("no_prices", extra={**lacking.data, "agreements": len(rows)})
        parked.update(dict.fromkeys(group.agreement_ids.tolist(), "NO_PRICES"))
        return []
    exempt: dict[str, NDArray[np.bool_]] = {}
    cities, kinds = [a.city for a in group.alike], [a.customer_kind for a in group.alike]
    for term in group.terms:
        exempt |= {code: free[group.of] for code, free in catalogue.exempt(term.document, cities, kinds).items()}
    used = read.only(rows)
    brought = None
    if group.carries:
        brought = carried.bring(
            session, agreement_ids=group.agreement_ids, points=group.points, days=group.days, segments=segments,
            used=used,
        )  # fmt: skip
        if brought.broken.any():
            parked.update(dict.fromkeys(group.agreement_ids[brought.broken].tolist(), "CARRIED"))
            left = np.flatnonzero(~brought.broken)
            return _rate(session, group.only(left), read, rows[left], book, parked) if len(left) else []
        last = np.array([a.ends_on == group.days.ends_on for a in group.alike], dtype=np.bool_)[group.of]
        if last.any() and not last.all():
            halves = [np.flatnonzero(last), np.flatnonzero(~last)]
            return [b for half in halves for b in _rate(session, group.only(half), read, rows[half], book, parked)]
        segments = carried.final(segments) if last.all() else segments
        used = brought.usage
    try:
        before = history.demand(session, group.agreement_ids, group.days, segments)
        rated = rating.rate_segments(
            segments, used, history=before, exempt=exempt, state=None if brought is None else brought.state,
            year_to_date=None if brought is None else brought.year_to_date, prices=hourly,
        )  # fmt: skip
    except errors.Invalid as refused:
        logger.warning("unpriceable", extra={"reason": refused.data.get("reason"), "agreements": len(rows)})
        parked.update(dict.fromkeys(group.agreement_ids.tolist(), "UNPRICEABLE"))
        return []
    hashes = digests(group.days, group.terms, exempt, used.wh, hourly)
    hashes = hashes if brought is None else brought.mixed(hashes)
    versions, fresh = _standing(session, group, hashes)
    known = history.facts(
        session, agreement_ids=group.agreement_ids, customer_kind=np.array(kinds)[group.of], days=group.days, read=read,
        rows=rows, used=used, rated=rated, versions=versions, segments=len(segments),
    )  # fmt: skip
    batch = records.Batch(
        starts_on=group.days.starts_on, ends_on=group.days.ends_on, tariff_code=group.terms[-1].tariff_code,
        rounding=segments[0].plan.rounding, agreement_ids=group.agreement_ids, account_ids=group.account_ids,
        versions=versions, rated=rated, estimated=read.estimated[rows] > 0, hashes=hashes,
        struck=validations.look(known), fresh=fresh, due=None if group.due is None else group.due[group.of],
    )  # fmt: skip
    return [batch]


def _standing(session: Session, group: _Group, hashes: bulk.Octets) -> tuple[Ints, NDArray[np.bool_]]:
    """The version each bill would have, and whether it is new: none stands yet, or a draft of another input, which
    goes. What has been issued stays as it is.
    """
    row = models.BillRow
    versions = np.ones(len(hashes), dtype=np.int64)
    fresh = np.ones(len(hashes), dtype=np.bool_)
    stale: list[int] = []
    for old in session.execute(
        select(row.id, row.agreement_id, row.version, row.status, row.input_hash)
        .where(row.agreement_id == db.any_of(group.agreement_ids), row.starts_on == group.days.starts_on)
        .order_by(row.version)
    ):
        at = int(np.searchsorted(group.agreement_ids, old.agreement_id))
        if old.status == "CANCELLED":
            versions[at] = old.version + 1
        elif old.status == "ISSUED" or old.input_hash == hashes[at].tobytes():
            fresh[at] = False
        else:
            stale.append(old.id)
            versions[at] = old.version
    if stale:
        session.execute(delete(row).where(row.id.in_(stale)))
    return versions, fresh


def _write(
    session: Session, batches: Sequence[records.Batch], made: records.Made
) -> tuple[dict[str, int], ledger.Owed]:
    """What is new is written, and what nothing holds is given; ids rise from batch to batch."""
    counts: Counter[str] = Counter({"billed": 0, "held": 0, "unchanged": 0})
    fresh = [b for b in (records.fresh(batch) for batch in batches) if len(b.agreement_ids)]
    total = sum(len(b.agreement_ids) for b in fresh)
    counts["unchanged"] = sum(len(b.agreement_ids) for b in batches) - total
    if not total:
        return dict(counts), ledger.join([])
    ids = bulk.take_ids(session, "bill", total)
    formed = [(batch, form) for batch in fresh for form in records.forms(batch)]
    form_ids = forms.keep(session, [form.columns for _, form in formed])
    own = np.split(ids, np.cumsum([len(form.rows) for _, form in formed])[:-1])
    # before the bills: once issued, nothing may say what a bill hands on
    carried.write(session, ((b.rated, f.rows, some) for (b, f), some in zip(formed, own, strict=True)))
    db.copy_laid_out(
        session, "bill", records.BILL_COLUMNS,
        (
            block.tobytes()
            for (b, f), form_id, some in zip(formed, form_ids, own, strict=True)
            for block in records.bills(b, f, form_id, some, made)
        ),
    )  # fmt: skip
    for _, form in formed:
        counts["held" if form.hold_code else "billed"] += len(form.rows)
    for batch in fresh:
        for check, times in zip(validations.ORDERED, batch.struck.sum(axis=0).tolist(), strict=True):
            if times:
                counts[f"found.{check.code}"] += times
    free = [
        ledger.Owed(some, b.account_ids[f.rows], b.rated.total_cents[f.rows], b.rated.sum_cents("tax")[f.rows])
        for (b, f), some in zip(formed, own, strict=True)
        if not f.hold_code
    ]
    return dict(counts), ledger.join(free)


def digests(
    days: periods.Days, terms: Sequence[tariffs.Term], exempt: Mapping[str, NDArray[np.bool_]], wh: NDArray[Any],
    hourly: Sequence[rating.Prices] = (),
) -> bulk.Octets:  # fmt: skip
    """This will give the digest of everything each bill is made of: its days, its terms, its exemptions, its reads, and
    the prices of its hours where it goes by them.

    Reads go in as int32, or as int64 where one does not fit: [n, 32].
    """
    span = [str(days.starts_on), str(days.ends_on)]
    if hourly:
        span.append(str(prices.digest(hourly)))
    own = [(t.sha256, str(t.starts_on), str(t.ends_on)) for t in terms]
    codes = sorted(exempt)
    marks = np.stack([exempt[c] for c in codes], axis=1) if codes else np.zeros((len(wh), 0), dtype=np.bool_)
    out = np.empty((len(wh), 32), dtype=np.uint8)
    wide = wh.max(axis=1, initial=0) > np.iinfo(np.int32).max
    for mark, alike in bulk.patterns(marks):
        free = [code for code, yes in zip(codes, mark, strict=True) if yes]
        head = hashlib.sha256(json.dumps([*span, own, free]).encode())
        for rows, width in ((alike[~wide[alike]], "<i4"), (alike[wide[alike]], "<i8")):
            out[rows] = bulk.digests(head, np.ascontiguousarray(wh[rows], dtype=width))
    return out
