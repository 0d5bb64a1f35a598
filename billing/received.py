"""What becomes of a payment in the books: it arrives, comes back, or is given back. Its row is locked by the caller."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from billing import arrangements, cash_models, credits, ledger, models, rules, settling
from core import money, outbox
from core.accounts import queries as accounts

FEE_EVERY = timedelta(days=30)
DEBITS = ("us_bank_account", "sepa_debit")
# a debit that came back for want of money may be shown to the bank again; any other reason ends the mandate's use
RETRIED = frozenset({"insufficient_funds", "R01", "R09", "processing_error", "card_declined"})


def succeed(session: Session, row: models.PaymentRow, now: datetime) -> None:
    """This will put a payment into the books and let it pay what is open, and what was written off before."""
    row.status, row.failure_code, row.settled_at = "SUCCEEDED", None, now
    session.flush()
    ledger.post_journals(session, [journal(row)], now=now)
    settling.settle(session, account_ids=[row.account_id], now=now)
    credits.recover(session, account_id=row.account_id, now=now)
    mark_link(session, row.link_id, "SUCCEEDED")
    tell(session, "payment.received", row, now)
    arrangements.follow(session, account_id=row.account_id, now=now)


def fail(session: Session, row: models.PaymentRow, failure_code: str | None, now: datetime) -> None:
    """This will note that a payment on its way never arrived; a debit that a bank returned has its consequences."""
    row.status, row.failure_code = "FAILED", failure_code
    _reopen_link(session, row)
    if row.method in DEBITS:
        _returned_debit(session, row, now)
    else:
        tell(session, "payment.failed", row, now)


def come_back(session: Session, row: models.PaymentRow, failure_code: str | None, now: datetime) -> None:
    """This will take a payment that had arrived out of the books again: what it paid is owed again."""
    left = row.amount_cents - row.refunded_cents
    row.status, row.failure_code = "RETURNED", failure_code
    session.flush()
    back = ledger.Journal(
        key=f"payment-returned:{row.id}",
        kind="PAYMENT_RETURNED",
        account_id=row.account_id,
        effective_on=now.date(),
        amounts={ledger.RECEIVABLE: left, ledger.CASH: -left},
    )
    ledger.post_journals(session, [back], now=now)
    reopen(session, row, now)
    _returned_debit(session, row, now)


def refund_to(session: Session, row: models.PaymentRow, total: int, now: datetime) -> None:
    """This will bring what has been given back of a payment up to `total`; less than that changes nothing."""
    cents = total - row.refunded_cents
    if cents <= 0:
        return
    row.refunded_cents = total
    row.status = "REFUNDED" if total == row.amount_cents else row.status
    session.flush()
    back = ledger.Journal(
        key=f"refund:{row.id}:{total}",
        kind="REFUND",
        account_id=row.account_id,
        effective_on=now.date(),
        amounts={ledger.RECEIVABLE: cents, ledger.CASH: -cents},
    )
    ledger.post_journals(session, [back], now=now)
    reopen(session, row, now)
    tell(session, "payment.refunded", row, now)


def lost_cents(session: Session, payment_id: int) -> int:
    """This will give what lost disputes took of a payment: it counts as given back, though no refund did it."""
    chargeback = cash_models.ChargebackRow
    lost = select(func.coalesce(func.sum(chargeback.amount_cents), 0)).where(
        chargeback.payment_id == payment_id, chargeback.status == "LOST"
    )
    return int(session.scalar(lost) or 0)


def reopen(session: Session, row: models.PaymentRow, now: datetime) -> None:
    """This will let what a payment paid be open again, and pay it anew with whatever is left anywhere."""
    settling.release(session, payment_ids=[row.id])
    settling.settle(session, account_ids=[row.account_id], now=now)


def journal(row: models.PaymentRow) -> ledger.Journal:
    """This will give the journal of a payment that has arrived."""
    return ledger.Journal(
        key=f"payment:{row.id}",
        kind="PAYMENT",
        account_id=row.account_id,
        effective_on=(row.settled_at or row.received_at).date(),
        amounts={ledger.CASH: row.amount_cents, ledger.RECEIVABLE: -row.amount_cents},
    )


def tell(session: Session, name: str, row: models.PaymentRow, now: datetime, **more: Any) -> None:
    """This will record a fact about a payment."""
    outbox.record_fact(
        session,
        name,
        key=f"account:{row.account_id}",
        payload={
            "payment_id": row.id,
            "account_id": row.account_id,
            "customer_id": accounts.get_account(session, account_id=row.account_id).customer_id,
            "amount": str(money.from_cents(row.amount_cents)),
            "refunded": str(money.from_cents(row.refunded_cents)),
            "failure_code": row.failure_code,
            **more,
        },
        now=now,
    )


def mark_link(session: Session, link_id: int | None, status: str) -> None:
    """This will let a payment link follow its payment."""
    state = {"SUCCEEDED": "PAID", "PROCESSING": "PROCESSING"}.get(status)
    if link_id is None or state is None:
        return
    link = models.PaymentLinkRow
    session.execute(update(link).where(link.id == link_id, link.status != "PAID").values(status=state))


def pause_autopay(session: Session, *, account_id: int, code: str, now: datetime) -> None:
    """This will keep automatic payment from trying again until the customer has looked at it."""
    autopay = models.AutopayRow
    paused = session.execute(
        update(autopay)
        .where(autopay.account_id == account_id, autopay.enabled, autopay.paused_for.is_(None))
        .values(paused_for=code, changed_at=now)
        .returning(autopay.account_id)
    ).all()
    if paused:
        customer_id = accounts.get_account(session, account_id=account_id).customer_id
        outbox.record_fact(
            session, "autopay.paused", key=f"account:{account_id}",
            payload={"account_id": account_id, "customer_id": customer_id, "failure_code": code}, now=now,
        )  # fmt: skip


def _returned_debit(session: Session, row: models.PaymentRow, now: datetime) -> None:
    """The fee that the rule allows, automatic payment paused where trying again is of no use, and the customer told."""
    cents = 0
    if row.method in DEBITS:
        place = accounts.get_account(session, account_id=row.account_id).jurisdiction
        cents, rule = rules.returned_fee(place, now.date(), failure_code=row.failure_code)
        if cents and not _charged_lately(session, row.account_id, now):
            credits.charge(
                session, kind="RETURN_FEE", account_id=row.account_id, cents=cents, rule=rule, on=now.date(),
                key=f"return-fee:{row.id}", now=now,
            )  # fmt: skip
        else:
            cents = 0
        if row.failure_code not in RETRIED:
            pause_autopay(session, account_id=row.account_id, code=row.failure_code or "returned", now=now)
    tell(session, "payment.returned", row, now, fee=str(money.from_cents(cents)))


def _charged_lately(session: Session, account_id: int, now: datetime) -> bool:
    """One failing debit is tried thrice; it costs its fee once."""
    charge = models.ChargeRow
    found = select(charge.id).where(
        charge.account_id == account_id,
        charge.kind == "RETURN_FEE",
        charge.charged_on > now.date() - FEE_EVERY,
        charge.waived_at.is_(None),
    )
    return session.scalar(found.limit(1)) is not None


def _reopen_link(session: Session, row: models.PaymentRow) -> None:
    """A payment that failed leaves its link open for another try, with a page of its own."""
    link = models.PaymentLinkRow
    if row.link_id is not None:
        session.execute(
            update(link)
            .where(link.id == row.link_id, link.status != "PAID")
            .values(status="OPEN", attempt=link.attempt + 1, checkout_id=None, checkout_url=None)
        )
