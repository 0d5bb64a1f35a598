"""Kept cards and bank accounts, and the mandates without which no bank account is debited."""

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from billing import cash_models, models, once, rules, views
from core import errors, outbox
from core.accounts import queries as accounts

# the texts the hosted page shows; a new text is a new version
MANDATE_TEXT = "web-debit-2026-01"
SEPA_TEXT = "sepa-core-2026-01"  # agrees to a shorter notice of each debit
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
    text_version: str | None = None,
    scheme: str = "ACH",
    reference: str | None = None,
) -> views.SavedMethod:
    """This will keep a card or bank account's name at the gateway; the same one again is given back.

    A bank account is kept together with the mandate that its holder accepted, and how. A SEPA mandate has a reference
    (Invalid mandate.reference without); its notice is the shorter one where the page's text agreed to that.
    """
    if kind == "BANK" and scheme == "SEPA" and not reference:
        raise errors.Invalid("mandate.reference")
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
                    saved_method_id=row.id, scheme=scheme, reference=reference, accepted_at=now,
                    text_version=text_version or (SEPA_TEXT if scheme == "SEPA" else MANDATE_TEXT),
                    accepted_how=accepted_how, notice_days=_notice_days(session, account_id, scheme, accepted_how, now),
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


def mandate_of(session: Session, *, method: models.SavedMethodRow) -> cash_models.MandateRow | None:
    """This will give the mandate that stands for a kept bank account; None for a card, or when it was revoked."""
    mandate = cash_models.MandateRow
    return session.scalars(
        select(mandate).where(mandate.saved_method_id == method.id, mandate.revoked_at.is_(None))
    ).one_or_none()


def may_debit(session: Session, *, method: models.SavedMethodRow) -> bool:
    """This will say whether a kept method may be charged: a bank account only under a mandate that stands."""
    if method.removed_at is not None:
        return False
    return method.kind != "BANK" or mandate_of(session, method=method) is not None


def end_mandate(session: Session, *, account_id: int, external_id: str, now: datetime) -> None:
    """This will forget the bank account that a payment was debited from: its bank knows no mandate, or no account."""
    request = models.BillingRequestRow
    charged = session.scalars(
        select(request.result["method"].as_integer()).where(
            request.operation == "autopay", request.account_id == account_id,
            request.result["external_id"].as_string() == external_id,
        )
    )  # fmt: skip
    for saved_method_id in charged.all():
        remove_method(session, account_id=account_id, saved_method_id=saved_method_id, now=now)


def _notice_days(session: Session, account_id: int, scheme: str, accepted_how: str, now: datetime) -> int:
    if scheme != "SEPA":
        return NOTICE_DAYS
    terms = rules.sepa_debit(accounts.get_account(session, account_id=account_id).jurisdiction, now.date())
    return terms.agreed_notice_days if accepted_how == "HOSTED_PAGE" else terms.notice_days
