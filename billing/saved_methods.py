"""Kept cards and bank accounts, and the mandates without which no bank account is debited."""

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from billing import cash_models, models, once, views
from core import errors, outbox
from core.accounts import queries as accounts

MANDATE_TEXT = "web-debit-2026-01"  # the text the hosted page shows; a new text is a new version
NOTICE_DAYS = 10  # a bill names its amount and day this long before it is debited


def keep_method(
    session: Session,
    *,
    account_id: int,
    gateway: str,
    method_id: str,
    gateway_customer_id: str,
    kind: str,
    last4: str,
    now: datetime,
    accepted_how: str = "HOSTED_PAGE",
    text_version: str = MANDATE_TEXT,
    scheme: str = "ACH",
) -> views.SavedMethod:
    """This will keep a card or bank account's name at the gateway; the same one again is given back.

    A bank account is kept together with the mandate that its holder accepted, and how.
    """
    row = session.scalars(
        select(models.SavedMethodRow).where(
            models.SavedMethodRow.gateway == gateway, models.SavedMethodRow.method_id == method_id
        )
    ).one_or_none()
    if row is None:
        row = models.SavedMethodRow(
            account_id=account_id, gateway=gateway, method_id=method_id, gateway_customer_id=gateway_customer_id,
            kind=kind, last4=last4, saved_at=now,
        )  # fmt: skip
        session.add(row)
        session.flush()
        if kind == "BANK":
            session.add(
                cash_models.MandateRow(
                    saved_method_id=row.id, scheme=scheme, text_version=text_version, accepted_at=now,
                    accepted_how=accepted_how, notice_days=NOTICE_DAYS,
                )
            )  # fmt: skip
            session.flush()
    return views.SavedMethod(row.id, row.account_id, row.kind, row.last4, row.saved_at)


def remove_method(session: Session, *, account_id: int, saved_method_id: int, now: datetime) -> None:
    """This will forget a kept method: its mandate is revoked, and automatic payment with it ends.

    NotFound method.unknown when it is not the account's. Again changes nothing.
    """
    once.lock_account(session, account_id)
    row = session.get(models.SavedMethodRow, saved_method_id)
    if row is None or row.account_id != account_id:
        raise errors.NotFound("method.unknown")
    if row.removed_at is not None:
        return
    row.removed_at = now
    mandate, autopay = cash_models.MandateRow, models.AutopayRow
    session.execute(
        update(mandate).where(mandate.saved_method_id == row.id, mandate.revoked_at.is_(None)).values(revoked_at=now)
    )
    session.execute(
        update(autopay)
        .where(autopay.account_id == account_id, autopay.saved_method_id == row.id)
        .values(enabled=False, saved_method_id=None, changed_at=now)
    )
    outbox.record_fact(
        session,
        "method.removed",
        key=f"account:{account_id}",
        payload={
            "account_id": account_id,
            "customer_id": accounts.get_account(session, account_id=account_id).customer_id,
            "saved_method_id": row.id,
        },
        now=now,
    )


def may_debit(session: Session, *, method: models.SavedMethodRow) -> bool:
    """This will say whether a kept method may be charged: a bank account only under a mandate that stands."""
    if method.removed_at is not None:
        return False
    if method.kind != "BANK":
        return True
    mandate = cash_models.MandateRow
    found = session.scalar(select(mandate.id).where(mandate.saved_method_id == method.id, mandate.revoked_at.is_(None)))
    return found is not None
