"""Bank transfers: each credit of a statement once, paid in by its reference; the rest waits for a person.

Payments at shops wait here too, see `shop_payments`.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, time

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing import bank_entries, cash_models, payments, references, views
from core import audit, errors, money
from core.accounts import queries as accounts


def load(
    session: Session, *, bank: str, entries: Sequence[bank_entries.Entry], currency: str, now: datetime
) -> dict[str, int]:
    """This will take in a statement's credits: MATCHED are in the books, UNMATCHED and PARKED wait, KNOWN came before.

    An entry matches when its text bears exactly one right reference of ours; another currency is parked.
    """
    counts = {"MATCHED": 0, "UNMATCHED": 0, "PARKED": 0, "KNOWN": 0}
    transfer = cash_models.TransferRow
    names = [entry.entry_id for entry in entries]
    known = set(session.scalars(select(transfer.entry_id).where(transfer.bank == bank, transfer.entry_id.in_(names))))
    for entry in entries:
        if entry.entry_id in known:
            counts["KNOWN"] += 1
            continue
        row = transfer(
            bank=bank, entry_id=entry.entry_id, amount_cents=money.cents(entry.amount), currency=entry.currency,
            booked_on=entry.booked_on, payer=entry.payer, remittance=entry.remittance, status="UNMATCHED",
            loaded_at=now, method="bank_transfer",
        )  # fmt: skip
        session.add(row)
        found = [accounts.find_account_by_number(session, number=n) for n in references.find(entry.remittance)]
        own = [account for account in found if account is not None]
        if entry.currency != currency.upper():
            row.status, row.reason = "PARKED", "CURRENCY"
        elif len(own) == 1:
            pay(session, row, account_id=own[0].id, by="reference", now=now)
        else:
            row.reason = "SEVERAL_REFERENCES" if own else "NO_REFERENCE"
        session.flush()
        counts[row.status] += 1
    return counts


def assign(session: Session, *, transfer_id: int, account_number: str, actor: str, now: datetime) -> views.Transfer:
    """This will pay an unmatched transfer in for the account a person names; Refused transfer.decided the second time.

    Refused transfer.currency for one in another currency: it goes back.
    """
    row = _waiting(session, transfer_id)
    if row.status == "PARKED":
        raise errors.Refused("transfer.currency", currency=row.currency)
    account = accounts.get_account_by_number(session, number=account_number)
    pay(session, row, account_id=account.id, by=actor, now=now)
    session.flush()
    audit.record(
        session, actor=actor, action="transfer.assigned", subject="bank_transfer", subject_id=row.id, now=now,
        detail={"account_id": account.id, "amount": str(money.from_cents(row.amount_cents))},
    )  # fmt: skip
    return _view(row)


def send_back(session: Session, *, transfer_id: int, reason: str, actor: str, now: datetime) -> views.Transfer:
    """This will note that a transfer that waits was sent back to its payer, and why: it waits no more.

    What waits has never been in the books, so nothing is booked. Invalid transfer.reason; Refused transfer.decided the
    second time, transfer.at_shop for cash in our own currency: nobody can be sent it, it is assigned and refunded.
    """
    if not reason.strip():
        raise errors.Invalid("transfer.reason")
    row = _waiting(session, transfer_id)
    if row.method == "cash" and row.status != "PARKED":
        raise errors.Refused("transfer.at_shop")
    row.status = "SENT_BACK"
    session.flush()
    audit.record(
        session, actor=actor, action="transfer.sent_back", subject="bank_transfer", subject_id=row.id, now=now,
        detail={
            "amount": str(money.from_cents(row.amount_cents)), "currency": row.currency, "payer": row.payer,
            "reason": reason.strip(),
        },
    )  # fmt: skip
    return _view(row)


def list_waiting(session: Session, *, limit: int = 100) -> tuple[views.Transfer, ...]:
    """This will list the transfers that wait for a person, oldest first."""
    row = cash_models.TransferRow
    rows = session.scalars(select(row).where(row.status.in_(("UNMATCHED", "PARKED"))).order_by(row.id).limit(limit))
    return tuple(_view(each) for each in rows)


def pay(
    session: Session,
    row: cash_models.TransferRow,
    *,
    account_id: int,
    by: str,
    now: datetime,
    at: datetime | None = None,
    link_id: int | None = None,
) -> None:
    """This will pay one in for an account, `at` when it was paid: a bank tells no more than the day."""
    paid = payments.record_payment(
        session, gateway=row.bank, external_id=row.entry_id, account_id=account_id,
        amount=money.from_cents(row.amount_cents), method=row.method, status="SUCCEEDED",
        at=at or datetime.combine(row.booked_on, time(12), UTC), link_id=link_id, now=now,
    )  # fmt: skip
    row.status, row.reason, row.payment_id, row.matched_by = "MATCHED", None, paid.id, by


def _waiting(session: Session, transfer_id: int) -> cash_models.TransferRow:
    row = session.get(cash_models.TransferRow, transfer_id, with_for_update=True)
    if row is None:
        raise errors.NotFound("transfer.unknown")
    if row.status not in ("UNMATCHED", "PARKED"):
        raise errors.Refused("transfer.decided", status=row.status)
    return row


def _view(row: cash_models.TransferRow) -> views.Transfer:
    return views.Transfer(
        row.id, row.entry_id, money.from_cents(row.amount_cents), row.currency, row.booked_on, row.payer,
        row.remittance, row.status, row.reason, row.method,
    )  # fmt: skip
