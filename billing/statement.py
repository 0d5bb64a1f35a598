"""Everything a printed bill says, gathered from the rows of many bills at once. Public through `queries.py`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session, aliased

from billing import budget_models, credit_notes, documents, models, owed, tariffs, views
from core import errors, money, periods
from core.accounts import queries as accounts
from core.compliance import rules as compliance
from core.settings import Settings
from core.wording import House

MONTHS_SHOWN = 13
_PAYMENTS = frozenset(["PAYMENT", "PAYMENT_RETURNED", "REFUND"])


def bill_document(session: Session, *, bill_id: int, settings: Settings | None = None) -> documents.BillDocument:
    """This will gather what is printed on a bill; NotFound when there is none, Refused bill.not_issued for a draft."""
    row = session.get(models.BillRow, bill_id)
    if row is None:
        raise errors.NotFound("bill.unknown")
    if row.issued_on is None or row.due_on is None:
        raise errors.Refused("bill.not_issued", status=row.status)
    return bill_documents(session, bill_ids=[bill_id], settings=settings or Settings())[0]


def credit_note_document(session: Session, *, bill_id: int, settings: Settings) -> documents.CreditNoteDocument:
    """This will gather what is printed on the credit note of a cancelled bill; NotFound credit_note.unknown."""
    note = credit_notes.list_notes(session, bill_ids=[bill_id]).get(bill_id)
    if note is None:
        raise errors.NotFound("credit_note.unknown")
    bill = bill_document(session, bill_id=bill_id, settings=settings)
    return documents.CreditNoteDocument(
        bill, note.number, note.issued_on, note.cause, dispute=note.dispute, replaced_by=note.replaced_by
    )


def bill_documents(
    session: Session, *, bill_ids: Sequence[int], settings: Settings
) -> tuple[documents.BillDocument, ...]:
    """This will gather what is printed on some hundred bills, by id; those that were never issued are left out."""
    bill = models.BillRow
    rows = session.scalars(
        select(bill).where(bill.id.in_(bill_ids), bill.issued_on.is_not(None)).order_by(bill.id)
    ).all()
    if not rows:
        return ()
    desk = _Desk(session, rows)
    house = House(
        name=settings.utility_name,
        phone=settings.utility_phone,
        emergency_phone=settings.emergency_phone,
        currency=settings.currency,
        timezone=settings.utility_timezone,
        base_url=settings.public_base_url,
    )
    return tuple(desk.document(row, house, settings) for row in rows)


@dataclass(frozen=True)
class _Held:
    """The tariff an agreement is on: since when, and what binds it."""

    starts_on: date
    ends_on: date | None
    term_starts_on: date
    term_months: int
    exit_fee_cents: int


class _Desk:
    """What all the bills of a batch need, read in one query each."""

    def __init__(self, session: Session, rows: Sequence[models.BillRow]) -> None:
        self.session = session
        span = periods.Days(min(r.starts_on for r in rows), max(r.ends_on for r in rows))
        account_ids = sorted({r.account_id for r in rows})
        self.agreement_ids = sorted({r.agreement_id for r in rows})
        self.accounts = {a.id: a for a in accounts.list_accounts_of(session, account_ids=account_ids)}
        people = sorted({a.customer_id for a in self.accounts.values()})
        self.customers = {c.id: c for c in accounts.list_customers(session, customer_ids=people)}
        self.agreements = {a.id: a for a in accounts.list_agreements(session, period=span, account_ids=account_ids)}
        self.emails = {
            c.id: point.value
            for c in self.customers.values()
            if c.kind == "BUSINESS"
            for point in reversed(accounts.list_contact_points(session, customer_id=c.id))
            if point.kind == "EMAIL"
        }
        self.points = self._points(rows)
        self.lines = _lines(session, [r.id for r in rows])
        self.history = self._history(span)
        self.journals = self._journals(account_ids)
        self.held = self._held(span)
        self.limits = self._step_limits(rows)
        self.plans = tariffs.list_names(session, codes={r.tariff_code for r in rows})
        autopay = models.AutopayRow
        self.budgets = self._budgets([r.id for r in rows])
        later = [r.id for r in rows if r.version > 1]  # a first version stands in no other's place
        self.replaced = credit_notes.list_replaced(session, bill_ids=later)
        self.autopay = set(
            session.scalars(select(autopay.account_id).where(autopay.account_id.in_(account_ids), autopay.enabled))
        )

    def document(self, row: models.BillRow, house: House, settings: Settings) -> documents.BillDocument:
        assert row.issued_on is not None and row.due_on is not None
        account = self.accounts[row.account_id]
        customer = self.customers[account.customer_id]
        point = self.points[row.starts_on, self.agreements[row.agreement_id].service_point_id]
        before, paid, other = self._carried(row, row.issued_on)
        percent, grace = _late_fee(account.jurisdiction, account.customer_kind, row.issued_on)
        contact = compliance.rule(account.jurisdiction, "regulator", row.issued_on).values
        plan_ends_on, exit_fee = self._contract(row)
        return documents.BillDocument(
            house=house,
            postal_address=settings.postal_address,
            email=settings.email_from,
            customer_name=customer.full_name,
            mailing_address=account.mailing_address,
            service_address=f"{point.address}, {point.city} {point.postcode}",
            account_number=account.number,
            bill_number=row.number,
            starts_on=row.starts_on,
            ends_on=row.ends_on,
            issued_on=row.issued_on,
            due_on=row.due_on,
            total=money.from_cents(row.total_cents),
            balance_before=before,
            payments=paid,
            kwh=Decimal(row.wh) / 1000,
            days=(row.ends_on - row.starts_on).days,
            peak_kw=None if row.peak_watts is None else Decimal(row.peak_watts) / 1000,
            tariff_code=row.tariff_code,
            estimated=row.estimated,
            autopay=row.account_id in self.autopay,
            lines=self.lines.get(row.id, ()),
            history=self._months(row),
            late_fee_percent=percent,
            regulator=documents.Regulator(account.jurisdiction, str(contact["phone"]), str(contact["web"])),
            tariff_name=self.plans.get(row.tariff_code),
            bill_id=row.id,
            customer_kind=account.customer_kind,
            adjustments=other,
            late_fee_grace_days=grace,
            plan_ends_on=plan_ends_on,
            exit_fee=exit_fee,
            step_limit=self.limits.get(row.id),
            bank_details=settings.bank_details,
            paper=settings.bill_paper,
            customer_email=self.emails.get(customer.id, ""),
            budget=self.budgets.get(row.id, (documents.ZERO, None))[0],
            budget_balance=self.budgets.get(row.id, (documents.ZERO, None))[1],
            replaces=self._replaces(row),
        )

    def _replaces(self, row: models.BillRow) -> documents.Replaced | None:
        note = self.replaced.get(row.id)
        return documents.Replaced(note.bill_number, note.billed_on, note.number) if note else None

    def _months(self, row: models.BillRow) -> tuple[documents.Month, ...]:
        """A cancelled bill shows itself as its month, not what stands in its place."""
        found = [m for m in self.history.get(row.agreement_id, ()) if m.ends_on <= row.ends_on]
        if row.status == "CANCELLED":
            own = documents.Month(
                row.ends_on, Decimal(row.wh) / 1000, (row.ends_on - row.starts_on).days, row.estimated,
                money.from_cents(row.total_cents),
            )  # fmt: skip
            found = [*(m for m in found if m.ends_on < row.ends_on), own]
        return tuple(found[-MONTHS_SHOWN:])

    def _budgets(self, bill_ids: Sequence[int]) -> Mapping[int, tuple[Decimal, Decimal]]:
        """What a budget does to these bills, and its balance after each; of cancelled ones, what it did."""
        month, before = budget_models.BudgetMonthRow, aliased(budget_models.BudgetMonthRow)
        held, bill = aliased(models.BillRow), models.BillRow
        running = (
            select(func.coalesce(func.sum(before.actual_cents - before.due_cents), 0))
            .join(held, held.id == before.bill_id)
            .where(
                before.plan_id == month.plan_id,
                or_(
                    before.bill_id == month.bill_id,
                    and_(before.undone_at.is_(None), held.ends_on < bill.ends_on),
                ),
            )
            .scalar_subquery()
        )
        settled = budget_models.BudgetSettlementRow
        over = (
            select(func.coalesce(func.sum(settled.cents), 0))
            .where(settled.plan_id == month.plan_id, settled.settled_on <= bill.issued_on)
            .scalar_subquery()
        )
        rows = self.session.execute(
            select(month.bill_id, month.due_cents - month.actual_cents, running - over)
            .join(bill, bill.id == month.bill_id)
            .where(month.bill_id.in_(bill_ids))
        )
        return {n: (money.from_cents(int(cents)), money.from_cents(int(balance))) for n, cents, balance in rows}

    def _points(self, rows: Sequence[models.BillRow]) -> Mapping[tuple[date, int], accounts.ServicePoint]:
        wanted: dict[date, set[int]] = {}
        for row in rows:
            wanted.setdefault(row.starts_on, set()).add(self.agreements[row.agreement_id].service_point_id)
        return {
            (on, point.id): point
            for on, ids in wanted.items()
            for point in accounts.list_service_points_of(self.session, service_point_ids=sorted(ids), on=on)
        }

    def _history(self, span: periods.Days) -> Mapping[int, list[documents.Month]]:
        bill = models.BillRow
        rows = self.session.execute(
            select(
                bill.agreement_id, bill.ends_on, bill.wh, (bill.ends_on - bill.starts_on).label("days"),
                bill.estimated, bill.total_cents,
            )
            .where(
                bill.agreement_id.in_(self.agreement_ids),
                bill.status == "ISSUED",
                bill.ends_on <= span.ends_on,
                bill.ends_on > periods.add_months(span.starts_on, -MONTHS_SHOWN - 1),
            )
            .order_by(bill.agreement_id, bill.ends_on)
        )  # fmt: skip
        out: dict[int, list[documents.Month]] = {}
        for r in rows:
            month = documents.Month(
                r.ends_on, Decimal(r.wh) / 1000, int(r.days), bool(r.estimated), money.from_cents(r.total_cents)
            )
            out.setdefault(r.agreement_id, []).append(month)
        return out

    def _journals(self, account_ids: Sequence[int]) -> Mapping[int, list[Any]]:
        entry, journal = models.LedgerEntryRow, models.LedgerJournalRow
        rows = self.session.execute(
            select(
                entry.account_id, journal.key, journal.kind, journal.effective_on, journal.posted_at,
                func.sum(entry.debit_cents - entry.credit_cents).label("cents"),
            )
            .join(journal, journal.id == entry.journal_id)
            .where(entry.account_id.in_(account_ids), entry.code == "RECEIVABLE")
            .group_by(entry.account_id, journal.id)
        )  # fmt: skip
        out: dict[int, list[Any]] = {}
        for r in rows:
            out.setdefault(r.account_id, []).append(r)
        return out

    def _carried(self, row: models.BillRow, issued_on: date) -> tuple[Decimal, Decimal, Decimal]:
        """What was owed after the bill before; since then, payments (below zero), and fees and corrections.

        The days of the journals count, not the order they were loaded in: a bank's file may come late. A cancelled bill
        knows nothing of its own end, nor of what came with it.
        """
        own = (f"bill:{row.id}", f"budget:{row.id}")
        booked = [
            j
            for j in self.journals.get(row.account_id, ())
            if j.key not in own and (row.cancelled_at is None or j.posted_at < row.cancelled_at)
        ]
        before = [j.effective_on for j in booked if j.kind == "BILL" and j.effective_on < issued_on]
        last = max(before, default=None)
        then = paid = other = 0
        for j in booked:
            if last is not None and j.effective_on <= last:
                then += int(j.cents)
            elif j.effective_on <= issued_on and j.kind in _PAYMENTS:
                paid += int(j.cents)
            elif j.effective_on <= issued_on:
                other += int(j.cents)
        return money.from_cents(then), money.from_cents(paid), money.from_cents(other)

    def _held(self, span: periods.Days) -> Mapping[int, list[_Held]]:
        held, tariff = models.AgreementTariffRow, models.TariffRow
        rows = self.session.execute(
            select(
                held.agreement_id,
                held.starts_on,
                held.ends_on,
                held.term_starts_on,
                tariff.term_months,
                tariff.exit_fee_cents,
            )
            .join(tariff, tariff.id == held.tariff_id)
            .where(
                held.agreement_id.in_(self.agreement_ids),
                held.starts_on < span.ends_on,
                or_(held.ends_on.is_(None), held.ends_on > span.starts_on),
            )
        )
        out: dict[int, list[_Held]] = {}
        for r in rows:
            out.setdefault(r.agreement_id, []).append(_Held(*r[1:]))
        return out

    def _contract(self, row: models.BillRow) -> tuple[date | None, Decimal]:
        for held in self.held.get(row.agreement_id, ()):
            if held.starts_on < row.ends_on and (held.ends_on is None or held.ends_on >= row.ends_on):
                if not held.term_months:
                    break
                ends_on = periods.add_months(held.term_starts_on, held.term_months)
                return ends_on, money.from_cents(held.exit_fee_cents)
        return None, documents.ZERO

    def _step_limits(self, rows: Sequence[models.BillRow]) -> Mapping[int, Decimal]:
        """The top of the first step, where a bill of one calendar month used no more than that (then no line tells)."""
        asked = [
            row
            for row in rows
            if {line.args.get("tier") for line in self.lines.get(row.id, ()) if line.code == "energy.tier"} == {"1"}
            and row.starts_on.day == 1
            and row.ends_on == periods.add_months(row.starts_on, 1)
        ]
        out: dict[int, Decimal] = {}
        for days in {periods.Days(row.starts_on, row.ends_on) for row in asked}:
            own = [row for row in asked if (row.starts_on, row.ends_on) == (days.starts_on, days.ends_on)]
            terms = tariffs.list_terms(self.session, agreement_ids=[row.agreement_id for row in own], days=days)
            for row in own:
                limit = _first_limit([term.document for term in terms.get(row.agreement_id, ())])
                if limit is not None:
                    out[row.id] = limit
        return out


def _first_limit(plans: Sequence[Mapping[str, Any]]) -> Decimal | None:
    if len(plans) != 1 or len(plans[0]["energyratestructure"]) != 1:
        return None
    first = plans[0]["energyratestructure"][0][0]
    if first.get("unit", "kWh") != "kWh" or first.get("max") is None:
        return None
    return Decimal(str(first["max"]))


def _lines(session: Session, bill_ids: Sequence[int]) -> Mapping[int, tuple[views.BillLine, ...]]:
    line = models.BillLineRow
    out: dict[int, list[views.BillLine]] = {}
    for r in session.scalars(select(line).where(line.bill_id.in_(bill_ids)).order_by(line.bill_id, line.position)):
        out.setdefault(r.bill_id, []).append(owed.line_view(r))
    return {bill_id: tuple(lines) for bill_id, lines in out.items()}


def _late_fee(jurisdiction: str, customer_kind: str, on: date) -> tuple[Decimal | None, int]:
    rule = compliance.rule(jurisdiction, "late_fee", on)
    kinds = rule.values.get("customer_kinds")
    if kinds is not None and customer_kind not in kinds:
        return None, 0
    return rule.number("percent"), rule.days("grace_days")
