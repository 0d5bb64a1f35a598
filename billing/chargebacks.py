"""Chargebacks: the payer's bank takes a payment back. While that is open the customer owes nothing more for it.

The money is held in dispute, not owed again: a customer who asked the bank is not also dunned. Won, it is ours again;
lost, what it paid is owed again.
"""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing import cash_models, ledger, models, owed, received, settling
from core import money, ports

Outcome = tuple[str, str | None]


def opened(session: Session, row: models.PaymentRow, event: ports.GatewayEvent, now: datetime) -> Outcome:
    """This will hold a payment in dispute."""
    if _find(session, row, event) is not None:
        return "STALE", None
    refused = _fits(session, row, event)
    if refused:
        return "PARKED", refused
    _open(session, row, event, now)
    return "APPLIED", None


def closed(session: Session, row: models.PaymentRow, event: ports.GatewayEvent, now: datetime, *, won: bool) -> Outcome:
    """This will end a dispute, also one that we are told of only now."""
    found = _find(session, row, event)
    if found is not None and found.status != "OPEN":
        return "STALE", None
    if found is None:
        refused = _fits(session, row, event)
        if refused:
            return "PARKED", refused
        found = _open(session, row, event, now)
    session.flush()
    found.status, found.closed_at = "WON" if won else "LOST", now
    if won:
        received.restate(row, 0)
        _post(session, row, found, "DISPUTE_WON", {ledger.CASH: 1, ledger.DISPUTED_CASH: -1}, now)
        settling.settle(session, account_ids=[row.account_id], now=now)
        received.tell(session, "payment.dispute_won", row, now)
        return "APPLIED", None
    row.returned_cents += found.held_cents
    row.failure_code = f"dispute_{found.reason or 'lost'}"
    received.restate(row, 0)
    _post(session, row, found, "DISPUTE_LOST", {ledger.RECEIVABLE: 1, ledger.DISPUTED_CASH: -1}, now)
    if found.held_cents:
        received.reopen(session, row, now)
        if row.method in received.DEBITS:  # a payer's refund of a debit: what they took back is not taken again
            received.stop_debits(session, row, found.reason, now)
        received.tell(session, "payment.returned", row, now, fee="0.00")
    return "APPLIED", None


def _open(
    session: Session, row: models.PaymentRow, event: ports.GatewayEvent, now: datetime
) -> cash_models.ChargebackRow:
    """What is no longer here (given back, or returned by the bank meanwhile) cannot be held."""
    found = cash_models.ChargebackRow(
        gateway=row.gateway, external_id=_name(event), payment_id=row.id, amount_cents=money.cents(event.amount),
        held_cents=min(money.cents(event.amount), received.net(row)), reason=event.failure_code, status="OPEN",
        opened_at=event.at or now,
    )  # fmt: skip
    session.add(found)
    received.restate(row, found.held_cents)
    _post(session, row, found, "DISPUTE", {ledger.DISPUTED_CASH: 1, ledger.CASH: -1}, now)
    received.tell(session, "payment.disputed", row, now)
    return found


def _fits(session: Session, row: models.PaymentRow, event: ports.GatewayEvent) -> str | None:
    if row.status in ("PROCESSING", "FAILED"):
        return "EARLY"
    chargeback = cash_models.ChargebackRow
    other = select(chargeback.id).where(chargeback.payment_id == row.id, chargeback.status == "OPEN")
    if session.scalar(other) is not None:
        return "EARLY"  # one at a time: this one is looked at when the other has ended
    return None if 0 < money.cents(event.amount) <= row.amount_cents else "AMOUNT"


def _find(session: Session, row: models.PaymentRow, event: ports.GatewayEvent) -> cash_models.ChargebackRow | None:
    chargeback = cash_models.ChargebackRow
    return session.scalars(
        select(chargeback).where(chargeback.gateway == row.gateway, chargeback.external_id == _name(event))
    ).one_or_none()


def _name(event: ports.GatewayEvent) -> str:
    return event.metadata.get("dispute") or event.external_id


def _post(
    session: Session, row: models.PaymentRow, found: cash_models.ChargebackRow, kind: str, signs: dict[str, int],
    now: datetime,
) -> None:  # fmt: skip
    session.flush()
    journal = ledger.Journal(
        key=f"{kind.lower()}:{found.id}",
        kind=kind,
        account_id=row.account_id,
        effective_on=owed.civil_today(session, account_id=row.account_id, now=now),
        amounts={code: sign * found.held_cents for code, sign in signs.items()},
    )
    ledger.post_journals(session, [journal], now=now)
