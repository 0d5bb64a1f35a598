"""Proposed corrections: kept, compared line by line, shown. Deciding them is `billing.rerating`'s."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from billing import correction_models, models, owed, single, views
from core import errors, money


@dataclass(frozen=True)
class Line:
    """One printed line of the bill that stands beside the same line of the one that would."""

    component: str
    code: str
    description: str
    unit: str
    quantity_before: Decimal
    quantity_after: Decimal
    before: Decimal
    after: Decimal

    @property
    def difference(self) -> Decimal:
        return self.after - self.before


@dataclass(frozen=True)
class Proposal:
    """A bill that reads have overtaken, what it would be, and whether it may be. `difference`: new less old."""

    id: int
    bill: views.Bill
    status: str
    first_day: date
    last_day: date
    changed_by: str
    before: Decimal
    after: Decimal
    difference: Decimal
    kwh_before: Decimal
    kwh_after: Decimal
    lines: tuple[Line, ...]
    estimated: bool
    allowed: bool
    earliest_on: date | None
    citation: str
    proposed_at: datetime
    decided_at: datetime | None
    decided_by: str | None
    note: str | None
    new_bill_id: int | None


@dataclass(frozen=True)
class Reason:
    """What changed and who changed it, and what the jurisdiction says of raising the bill."""

    first_day: date
    last_day: date
    changed_by: str
    allowed: bool
    earliest_on: date | None
    citation: str


def propose(
    session: Session, *, bill: models.BillRow, priced: single.Priced, reason: Reason, now: datetime
) -> int | None:
    """This will propose to make an issued bill anew as it would be priced now, and give the proposal's id.

    One that waits is brought up to date. None when a person has already said no to the very same.
    """
    row = correction_models.BillCorrectionRow
    said_no = session.scalar(
        select(row.id).where(
            row.bill_id == bill.id, row.status == "REJECTED", row.input_hash == priced.input_hash
        ).limit(1)
    )  # fmt: skip
    if said_no is not None:
        overtake(session, bill_id=bill.id, now=now)
        return None
    lines = [_stored(line) for line in compare(owed.list_bill_lines(session, bill_id=bill.id), _lines(priced))]
    found = session.scalars(select(row).where(row.bill_id == bill.id, row.status == "OPEN")).one_or_none()
    if found is None:
        found = row(bill_id=bill.id, account_id=bill.account_id, first_day=reason.first_day, last_day=reason.last_day)
        session.add(found)
    found.first_day, found.last_day = min(found.first_day, reason.first_day), max(found.last_day, reason.last_day)
    found.changed_by, found.proposed_at = reason.changed_by, now
    found.before_cents, found.after_cents = bill.total_cents, priced.total_cents
    found.difference_cents = priced.total_cents - bill.total_cents
    found.before_wh, found.after_wh = bill.wh, priced.wh
    found.lines = lines
    found.estimated, found.input_hash = priced.estimated, priced.input_hash
    found.allowed, found.earliest_on, found.citation = reason.allowed, reason.earliest_on, reason.citation
    session.flush()
    return found.id


def compare(before: Iterable[views.BillLine], after: Iterable[views.BillLine]) -> tuple[Line, ...]:
    """This will put the lines of two bills side by side: the same component and code, in the order they are printed.

    A line that only one of them has stands beside nothing. The differences add up to that of the totals.
    """
    old, new = _numbered(before), _numbered(after)
    keys = [*new, *(key for key in old if key not in new)]
    nothing = Decimal(0)
    out = []
    for key in keys:
        one = new.get(key) or old[key]
        a, b = old.get(key), new.get(key)
        out.append(
            Line(
                one.component, one.code, one.description, one.unit, a.quantity if a else nothing,
                b.quantity if b else nothing, a.amount if a else Decimal("0.00"), b.amount if b else Decimal("0.00"),
            )
        )  # fmt: skip
    return tuple(out)


def overtake(session: Session, *, bill_id: int, now: datetime, but: int | None = None) -> None:
    """This will close what is proposed for a bill: it has been made anew, or the reads are what was billed again."""
    row = correction_models.BillCorrectionRow
    session.execute(
        update(row)
        .where(row.bill_id == bill_id, row.status == "OPEN", row.id != (but or 0))
        .values(status="OVERTAKEN", decided_at=now, decided_by="clock")
    )


def list_proposals(session: Session, *, status: str = "OPEN", limit: int = 100) -> tuple[Proposal, ...]:
    """This will list proposed corrections, those that wait oldest first, decided ones newest first."""
    row = correction_models.BillCorrectionRow
    order = row.id if status == "OPEN" else row.id.desc()
    rows = session.scalars(select(row).where(row.status == status).order_by(order).limit(limit)).all()
    return tuple(view(session, each) for each in rows)


def count_open(session: Session) -> int:
    """This will count the corrections that wait for a decision."""
    row = correction_models.BillCorrectionRow
    return int(session.scalar(select(func.count()).where(row.status == "OPEN")) or 0)


def get_proposal(session: Session, *, proposal_id: int) -> Proposal:
    """This will give a proposed correction, or raise NotFound."""
    row = session.get(correction_models.BillCorrectionRow, proposal_id)
    if row is None:
        raise errors.NotFound("correction.unknown")
    return view(session, row)


def view(session: Session, row: correction_models.BillCorrectionRow) -> Proposal:
    """This will give a row as others see it."""
    return Proposal(
        id=row.id, bill=owed.get_bill(session, bill_id=row.bill_id), status=row.status, first_day=row.first_day,
        last_day=row.last_day, changed_by=row.changed_by, before=money.from_cents(row.before_cents),
        after=money.from_cents(row.after_cents), difference=money.from_cents(row.difference_cents),
        kwh_before=Decimal(row.before_wh) / 1000, kwh_after=Decimal(row.after_wh) / 1000,
        lines=tuple(_line(each) for each in row.lines), estimated=row.estimated, allowed=row.allowed,
        earliest_on=row.earliest_on, citation=row.citation, proposed_at=row.proposed_at, decided_at=row.decided_at,
        decided_by=row.decided_by, note=row.note, new_bill_id=row.new_bill_id,
    )  # fmt: skip


def _numbered(lines: Iterable[views.BillLine]) -> dict[tuple[str, str, int], views.BillLine]:
    seen: Counter[tuple[str, str]] = Counter()
    out = {}
    for line in lines:
        key = (line.component, line.code)
        out[*key, seen[key]] = line
        seen[key] += 1
    return out


def _lines(priced: single.Priced) -> Sequence[views.BillLine]:
    return [
        views.BillLine(
            x.component, x.code, x.description, dict(x.args), x.quantity, x.unit, x.unit_price,
            money.from_cents(x.amount_cents),
        )
        for x in priced.lines
    ]  # fmt: skip


def _stored(line: Line) -> dict[str, str]:
    return {
        "component": line.component, "code": line.code, "description": line.description, "unit": line.unit,
        "quantity_before": str(line.quantity_before), "quantity_after": str(line.quantity_after),
        "before": str(line.before), "after": str(line.after),
    }  # fmt: skip


def _line(stored: Mapping[str, Any]) -> Line:
    return Line(
        stored["component"], stored["code"], stored["description"], stored["unit"], Decimal(stored["quantity_before"]),
        Decimal(stored["quantity_after"]), Decimal(stored["before"]), Decimal(stored["after"]),
    )  # fmt: skip
