"""The books as accountants and customers read them: an account's statement, the trial balance, a month's close."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing import cash_models, credit_notes, ledger, models, periods_open, views
from core import audit, errors, money, periods


def account_statement(session: Session, *, account_id: int, starts_on: date, ends_on: date) -> views.AccountStatement:
    """This will list what changed an account's balance in [starts_on, ends_on), with the balance after each event.

    By the days on which things took effect, whatever month of the books they were booked in. Invalid statement.period.
    """
    if starts_on >= ends_on:
        raise errors.Invalid("statement.period")
    entry, journal = models.LedgerEntryRow, models.LedgerJournalRow
    change = func.sum(entry.debit_cents - entry.credit_cents)
    own = (entry.account_id == account_id, entry.code == ledger.RECEIVABLE)
    before = session.scalar(
        select(func.coalesce(change, 0))
        .join(journal, journal.id == entry.journal_id)
        .where(*own, journal.effective_on < starts_on)
    )
    running = opening = int(before or 0)
    lines = []
    rows = session.execute(
        select(journal.effective_on, journal.kind, journal.key, change)
        .join(journal, journal.id == entry.journal_id)
        .where(*own, journal.effective_on >= starts_on, journal.effective_on < ends_on)
        .group_by(journal.id)
        .order_by(journal.effective_on, journal.id)
    ).all()
    numbers = _numbers(session, [row.key for row in rows if row.kind in ("BILL", "BILL_CANCELLED")])
    for on, kind, key, cents in rows:
        running += int(cents)
        lines.append(
            views.StatementLine(
                on, kind, money.from_cents(int(cents)), money.from_cents(running), number=numbers.get(key, "")
            )
        )
    return views.AccountStatement(
        account_id, starts_on, ends_on, money.from_cents(opening), tuple(lines), money.from_cents(running)
    )


def _numbers(session: Session, keys: Sequence[str]) -> Mapping[str, str]:
    """The numbers of the bills and credit notes that journals were posted for."""
    billed, cancelled = (
        {key: int(key.removeprefix(head)) for key in keys if key.startswith(head)}
        for head in ("bill:", "bill-cancelled:")
    )
    bill = models.BillRow
    numbers = dict(session.execute(select(bill.id, bill.number).where(bill.id.in_(billed.values()))).tuples().all())
    notes = credit_notes.list_notes(session, bill_ids=list(cancelled.values()))
    return {
        **{key: numbers[bill_id] for key, bill_id in billed.items()},
        **{key: notes[bill_id].number for key, bill_id in cancelled.items()},
    }


def trial_balance(session: Session, *, month: date) -> tuple[views.TrialLine, ...]:
    """This will give every ledger account over a month. A closed month is as it was when it was closed."""
    month = month.replace(day=1)
    period, entry, journal = cash_models.LedgerPeriodRow, models.LedgerEntryRow, models.LedgerJournalRow
    closed = {
        row.starts_on: row.totals for row in session.scalars(select(period).where(period.starts_on <= month)).all()
    }
    counted = func.date_trunc("month", func.coalesce(journal.booked_on, journal.effective_on))
    first = periods_open.first_open(session)
    opening: dict[str, int] = {}
    moved: dict[str, tuple[int, int]] = {}
    for day, totals in closed.items():
        for code, (debit, credit) in totals.items():
            if day < month:
                opening[code] = opening.get(code, 0) + debit - credit
            else:
                moved[code] = (debit, credit)
    if month not in closed:
        rows = session.execute(
            select(
                entry.code,
                func.sum(entry.debit_cents - entry.credit_cents).filter(counted < month),
                func.sum(entry.debit_cents).filter(counted == month),
                func.sum(entry.credit_cents).filter(counted == month),
            )
            .join(journal, journal.id == entry.journal_id)
            .where(counted <= month, *((counted >= first,) if first else ()))
            .group_by(entry.code)
        )
        for code, before, debit, credit in rows:
            opening[code] = opening.get(code, 0) + int(before or 0)
            moved[code] = (int(debit or 0), int(credit or 0))
    return tuple(
        views.TrialLine(code, opening.get(code, 0), *moved.get(code, (0, 0))) for code in sorted({*opening, *moved})
    )


def is_closed(session: Session, *, month: date) -> bool:
    """This will say whether a month is closed."""
    return session.get(cash_models.LedgerPeriodRow, month.replace(day=1)) is not None


def close_month(
    session: Session, *, month: date, actor: str, timezone: str, now: datetime
) -> tuple[views.TrialLine, ...]:
    """This will close a month and keep its trial balance; what comes later counts in the next open month.

    A month is over when it is so in the utility's `timezone`: until then its last evening is still being booked.

    Refused ledger.month_not_over, ledger.earlier_open (months close in order), ledger.empty. A closed month is given
    back as it is. Invalid ledger.out_of_balance cannot be, and closes nothing if it is.
    """
    month = month.replace(day=1)
    first = periods_open.hold_closed(session)
    if session.get(cash_models.LedgerPeriodRow, month) is not None:
        return trial_balance(session, month=month)
    if periods.add_months(month, 1) > periods.civil_day(now, timezone):
        raise errors.Refused("ledger.month_not_over")
    if first is None:
        oldest = session.scalar(select(func.min(models.LedgerJournalRow.effective_on)))
        if oldest is None:
            raise errors.Refused("ledger.empty")
        first = oldest.replace(day=1)
    if month != first:
        raise errors.Refused("ledger.earlier_open", month=first.isoformat())
    lines = trial_balance(session, month=month)
    if sum(line.debit for line in lines) != sum(line.credit for line in lines):
        raise errors.Invalid("ledger.out_of_balance")
    session.add(
        cash_models.LedgerPeriodRow(
            starts_on=month, totals={line.code: [line.debit, line.credit] for line in lines}, closed_by=actor,
            closed_at=now,
        )
    )  # fmt: skip
    session.flush()
    audit.record(
        session, actor=actor, action="ledger.month_closed", subject="ledger_period", subject_id=month.isoformat(),
        now=now,
    )  # fmt: skip
    return lines
