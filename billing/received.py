"""What becomes of a payment in the books: it arrives, comes back, or is given back. Its row is locked by the caller."""

from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from billing import arrangements, cash_models, credits, ledger, methods, models, owed, rules, saved_methods, settling
from core import money, outbox
from core.accounts import queries as accounts

FEE_EVERY = timedelta(days=30)
DEBITS = methods.DEBITS
# a debit that came back for want of money may be shown to the bank again; any other reason ends the mandate's use
RETRIED = frozenset({"insufficient_funds", "R01", "R09", "processing_error", "card_declined"})
# the bank knows of no mandate, or no account, any more: nothing is debited under it again
ENDED = frozenset({"debit_not_authorized", "account_closed", "no_account", "bank_ownership_changed"})


def succeed(session: Session, row: models.PaymentRow, now: datetime) -> None:
    """This will put a payment into the books and let it pay what is open, and what was written off before."""
    row.status, row.failure_code, row.settled_at = "SUCCEEDED", None, now
    session.flush()
    on = owed.civil_today(session, account_id=row.account_id, now=row.settled_at or now)
    ledger.post_journals(session, [journal(row, on)], now=now)
    settling.settle(session, account_ids=[row.account_id], now=now)
    credits.recover(session, account_id=row.account_id, now=now)
    mark_link(session, row.link_id, "SUCCEEDED")
    tell(session, "payment.received", row, now)
    arrangements.follow(session, account_id=row.account_id, now=now)


def news(
    session: Session, row: models.PaymentRow, *, status: str, failure_code: str | None, at: datetime, now: datetime
) -> None:
    """This will bring a payment up to what the gateway tells, by the gateway's own time of it.

    A try that failed before the one that succeeded is old news; a return that is heard of before its payment's success
    lets the success in and takes it out again.
    """
    newer = row.told_at is None or at >= row.told_at
    if status == "SUCCEEDED" and row.status in ("PROCESSING", "FAILED"):
        code = row.failure_code or "returned"
        succeed(session, row, now)
        if not newer:
            come_back(session, row, code, now)
    elif status == "FAILED" and row.status == "PROCESSING":
        fail(session, row, failure_code, now)
    elif status == "FAILED" and row.status == "SUCCEEDED" and newer:
        come_back(session, row, failure_code, now)
    row.told_at = at if newer and status != "PROCESSING" else row.told_at
    session.flush()


def fail(session: Session, row: models.PaymentRow, failure_code: str | None, now: datetime) -> None:
    """This will note that a payment on its way never arrived; a debit that a bank returned has its consequences."""
    row.status, row.failure_code = "FAILED", failure_code
    _reopen_link(session, row)
    if row.method in DEBITS:
        _returned_debit(session, row, now)
    else:
        tell(session, "payment.failed", row, now)


def come_back(session: Session, row: models.PaymentRow, failure_code: str | None, now: datetime) -> None:
    """This will take a payment that had arrived out of the books again: what it paid is owed again.

    The bank takes what is left of it. A refund that turns out to have gone before lessens that: see `give_back`.
    """
    left = net(row)
    row.returned_cents += left
    row.status, row.failure_code = "RETURNED", failure_code
    _post(session, row, "PAYMENT_RETURNED", f"payment-returned:{row.id}", left, now)
    reopen(session, row, now)
    _returned_debit(session, row, now)


def give_back(session: Session, row: models.PaymentRow, cents: int, *, key: str, now: datetime) -> str | None:
    """This will put into the books that so much of a payment was given back; gives why it cannot be (yet), or None.

    EARLY: a dispute holds the money; TWICE: more would be gone than ever came, which is for a person to look at.
    """
    held = held_cents(session, row.id)
    room, bank = net(row) - held, row.returned_cents - lost_cents(session, row.id)
    if cents > room + bank:
        return "EARLY" if held else "TWICE"
    # the bank took "all that was left" before we knew of this refund: then it took that much less
    from_bank = max(0, cents - room)
    row.refunded_cents += cents
    row.returned_cents -= from_bank
    restate(row, held)
    _post(session, row, "REFUND", key, cents - from_bank, now)
    reopen(session, row, now)
    tell(session, "payment.refunded", row, now)
    return None


def take_again(session: Session, row: models.PaymentRow, cents: int, *, key: str, now: datetime) -> None:
    """This will put money that we had given back, and that came back to us, into the books again."""
    held = held_cents(session, row.id)
    row.refunded_cents -= cents
    restate(row, held)
    _post(session, row, "REFUND_FAILED", key, -cents, now)
    settling.settle(session, account_ids=[row.account_id], now=now)
    credits.recover(session, account_id=row.account_id, now=now)


def net(row: models.PaymentRow) -> int:
    """This will give what of a payment is neither given nor taken back."""
    return row.amount_cents - row.refunded_cents - row.returned_cents


def restate(row: models.PaymentRow, held: int) -> None:
    """This will give an arrived payment, so much of it held in dispute, the state that its sums say."""
    if net(row) == 0:
        row.status = "RETURNED" if row.returned_cents else "REFUNDED"
    else:
        row.status = "DISPUTED" if held else "SUCCEEDED"


def lost_cents(session: Session, payment_id: int) -> int:
    """This will give what lost disputes took of a payment."""
    return _of_chargebacks(session, payment_id, "LOST")


def held_cents(session: Session, payment_id: int) -> int:
    """This will give what of a payment is held in an open dispute."""
    return _of_chargebacks(session, payment_id, "OPEN")


def reopen(session: Session, row: models.PaymentRow, now: datetime) -> None:
    """This will let what a payment paid be open again, and pay it anew with whatever is left anywhere."""
    settling.release(session, payment_ids=[row.id])
    settling.settle(session, account_ids=[row.account_id], now=now)


def journal(row: models.PaymentRow, on: date) -> ledger.Journal:
    """This will give the journal of a payment that arrived on a day."""
    return ledger.Journal(
        key=f"payment:{row.id}",
        kind="PAYMENT",
        account_id=row.account_id,
        effective_on=on,
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


def stop_debits(session: Session, row: models.PaymentRow, code: str | None, now: datetime) -> None:
    """This will pause automatic payment after a debit that came back for a reason that another try does not mend.

    Where the bank says that nothing was agreed, or the account is gone, it is forgotten with its mandate.
    """
    if code in RETRIED:
        return
    pause_autopay(session, account_id=row.account_id, code=code or "returned", now=now)
    if code in ENDED:
        saved_methods.end_mandate(session, account_id=row.account_id, external_id=row.external_id, now=now)


def _returned_debit(session: Session, row: models.PaymentRow, now: datetime) -> None:
    """The fee that the rule allows, automatic payment paused where trying again is of no use, and the customer told."""
    cents, today = 0, owed.civil_today(session, account_id=row.account_id, now=now)
    if row.method in DEBITS:
        place = accounts.get_account(session, account_id=row.account_id).jurisdiction
        cents, rule = rules.returned_fee(place, today, failure_code=row.failure_code)
        if cents and not _charged_lately(session, row.account_id, today):
            credits.charge(
                session, kind="RETURN_FEE", account_id=row.account_id, cents=cents, rule=rule, on=today,
                key=f"return-fee:{row.id}", now=now,
            )  # fmt: skip
        else:
            cents = 0
        stop_debits(session, row, row.failure_code, now)
    tell(session, "payment.returned", row, now, fee=str(money.from_cents(cents)))


def _post(session: Session, row: models.PaymentRow, kind: str, key: str, cents: int, now: datetime) -> None:
    """Money out of our hands (below nothing: into them again): owed by the account again, and no cash of ours."""
    session.flush()
    moved = {ledger.RECEIVABLE: cents, ledger.CASH: -cents}
    on = owed.civil_today(session, account_id=row.account_id, now=now)
    journal = ledger.Journal(key=key, kind=kind, account_id=row.account_id, effective_on=on, amounts=moved)
    ledger.post_journals(session, [journal], now=now)


def _of_chargebacks(session: Session, payment_id: int, status: str) -> int:
    chargeback = cash_models.ChargebackRow
    session.flush()
    found = select(func.coalesce(func.sum(chargeback.held_cents), 0)).where(
        chargeback.payment_id == payment_id, chargeback.status == status
    )
    return int(session.scalar(found) or 0)


def _charged_lately(session: Session, account_id: int, today: date) -> bool:
    """One failing debit is tried thrice; it costs its fee once."""
    charge = models.ChargeRow
    found = select(charge.id).where(
        charge.account_id == account_id,
        charge.kind == "RETURN_FEE",
        charge.charged_on > today - FEE_EVERY,
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
