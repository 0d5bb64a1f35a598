"""The difference between what is billed and what is due, as charges, credits and journals."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy.orm import Session

from billing import budget_models, cash_models, ledger, models


@dataclass(frozen=True)
class Difference:
    """So many cents to be made due (above zero) or held back (below), and the row that says why."""

    account_id: int
    cents: int
    on: date
    due_on: date
    row: budget_models.BudgetMonthRow | budget_models.BudgetSettlementRow
    bill_id: int | None = None


def post(
    session: Session, differences: Sequence[Difference], *, kind: str, key: Callable[[Difference], str], now: datetime
) -> None:
    """This will write the charges, credits and journals of differences, and the rows that say why."""
    charges = [(d, _charge(d)) for d in differences if d.cents > 0]
    credits = [(d, _credit(d, key(d), now)) for d in differences if d.cents < 0]
    session.add_all([row for _, row in charges])
    session.add_all([row for _, row in credits])
    session.flush()
    for d, charge in charges:
        d.row.charge_id = charge.id
    for d, credit in credits:
        d.row.credit_id = credit.id
        if d.bill_id is not None:  # it pays this bill and no other
            session.add(
                models.AllocationRow(
                    credit_id=credit.id, bill_id=d.bill_id, amount_cents=credit.amount_cents, allocated_at=now
                )
            )
    session.add_all([d.row for d in differences])
    session.flush()
    journals = [
        ledger.Journal(
            key=key(d),
            kind=kind,
            account_id=d.account_id,
            effective_on=d.on,
            amounts={ledger.RECEIVABLE: d.cents, ledger.BUDGET_DEFERRED: -d.cents},
        )
        for d in differences
    ]
    ledger.post_journals(session, journals, now=now)


def _charge(d: Difference) -> models.ChargeRow:
    return models.ChargeRow(
        kind="BUDGET", account_id=d.account_id, bill_id=None, amount_cents=d.cents, rule="budget", charged_on=d.on,
        due_on=d.due_on,
    )  # fmt: skip


def _credit(d: Difference, key: str, now: datetime) -> cash_models.CreditRow:
    return cash_models.CreditRow(
        key=key, account_id=d.account_id, kind="BUDGET", amount_cents=-d.cents, reason="budget", given_by="budget",
        given_at=now,
    )  # fmt: skip
