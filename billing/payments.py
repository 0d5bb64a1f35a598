"""Money coming in: links, the gateway's page, a bank's file. What the gateway tells us is in `gateway_news`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from billing import ledger, models, once, owed, received, settling, views
from billing import methods as ways
from core import crypto, errors, http, money, ports
from core.accounts import queries as accounts
from core.hub import Hub

LINK_VALID_FOR = timedelta(days=7)
MAX_LINK = Decimal("100000")


def open_payment_link(
    session: Session, *, account_id: int, amount: Decimal | None, key: str, now: datetime
) -> views.PaymentLink:
    """This will open a page on which the amount (or all that is owed) can be paid for seven days.

    Refused payment.nothing_owed when no amount is given and none is owed; Invalid payment.amount when out of range.
    """
    before = session.scalars(select(models.PaymentLinkRow).where(models.PaymentLinkRow.key == key)).one_or_none()
    if before is not None:
        return owed.link_view(before)
    accounts.get_account(session, account_id=account_id)
    if amount is None:
        cents = ledger.balance_cents(session, account_id=account_id)
        if cents <= 0:
            raise errors.Refused("payment.nothing_owed")
    else:
        if not 0 < amount <= MAX_LINK:
            raise errors.Invalid("payment.amount", amount=str(amount))
        cents = money.cents(amount)
        if cents <= 0:
            raise errors.Invalid("payment.amount", amount=str(amount))
    row = models.PaymentLinkRow(
        token=crypto.token(18),
        key=key,
        account_id=account_id,
        amount_cents=cents,
        opened_at=now,
        expires_at=now + LINK_VALID_FOR,
    )
    session.add(row)
    session.flush()
    return owed.link_view(row)


def begin_checkout(
    hub: Hub,
    *,
    token: str,
    return_url: str,
    methods: Sequence[str] = (),
    locale: str = "en",
) -> ports.Checkout:
    """This will open the gateway's own payment page for a link: read, call, write. The same attempt opens one page.

    Without `methods`, the page offers what the house does; Invalid payment.method for one that it does not.
    """
    now = hub.now()
    methods = _offered(methods, ways.offered(hub.settings))
    with hub.transaction() as session:
        row = _link(session, token)
        if row.status != "OPEN":
            raise errors.Refused("payment_link.used", status=row.status)
        if row.expires_at <= now:
            raise errors.Refused("payment_link.expired")
        link_id, cents, attempt = row.id, row.amount_cents, row.attempt
        number = accounts.get_account(session, account_id=row.account_id).number
    http.leave()
    checkout = hub.payments.start_checkout(
        amount=money.from_cents(cents),
        currency=hub.settings.currency,
        reference=f"link:{link_id}",
        description=f"{hub.settings.utility_name} {number}",
        methods=methods,
        return_url=return_url,
        locale=locale,
        key=f"checkout-{link_id}-{attempt}-{locale}-{'-'.join(methods)}",
    )
    with hub.transaction() as session:
        session.execute(
            update(models.PaymentLinkRow)
            .where(models.PaymentLinkRow.id == link_id, models.PaymentLinkRow.attempt == attempt)
            .values(checkout_id=checkout.external_id, checkout_url=checkout.url)
        )
    return checkout


def begin_setup(hub: Hub, *, account_id: int, method: str, return_url: str, locale: str, key: str) -> ports.Checkout:
    """This will open the gateway's own page that keeps a method for later; what it kept comes as news.

    Invalid payment.method for one that the house does not keep.
    """
    http.leave()
    return hub.payments.start_setup(
        currency=hub.settings.currency, reference=f"account:{account_id}", return_url=return_url, locale=locale,
        methods=_offered((method,), ways.kept(hub.settings)), key=key,
    )  # fmt: skip


def record_payment(
    session: Session,
    *,
    gateway: str,
    external_id: str,
    account_id: int,
    amount: Decimal,
    method: str | None,
    status: str,
    at: datetime,
    now: datetime,
    failure_code: str | None = None,
    link_id: int | None = None,
) -> views.Payment:
    """This will record what is known of a payment, `at` the gateway's own time of it. PROCESSING may become SUCCEEDED
    or FAILED; news older than what is known changes nothing, and a success that fails afterwards (a returned debit) is
    taken back from the books.
    """
    cents = money.cents(amount)
    # the account is locked first, so that two payments of one account are allocated one after the other
    once.lock_account(session, account_id)
    row = session.scalars(
        select(models.PaymentRow)
        .where(models.PaymentRow.gateway == gateway, models.PaymentRow.external_id == external_id)
        .with_for_update()
    ).one_or_none()
    if row is None:
        row = models.PaymentRow(
            gateway=gateway, external_id=external_id, account_id=account_id, amount_cents=cents, method=method,
            status="PROCESSING", received_at=at, link_id=link_id,
        )  # fmt: skip
        session.add(row)
        session.flush()
    row.method = row.method or method
    received.news(session, row, status=status, failure_code=failure_code, at=at, now=now)
    return owed.payment_view(row)


@dataclass(frozen=True)
class FilePayment:
    """One line of a bank's file."""

    account_id: int
    external_id: str
    amount: Decimal
    method: str
    at: datetime


def record_payment_file(session: Session, *, gateway: str, payments: Sequence[FilePayment], now: datetime) -> int:
    """This will record the settled payments of a bank's file as a set, but for lines known already; gives how many.

    No fact is recorded: a file is news of yesterday.
    """
    known = set(
        session.scalars(
            select(models.PaymentRow.external_id).where(
                models.PaymentRow.gateway == gateway,
                models.PaymentRow.external_id.in_([p.external_id for p in payments]),
            )
        )
    )
    fresh = {p.external_id: p for p in payments if p.external_id not in known}
    rows = [
        models.PaymentRow(
            gateway=gateway, external_id=p.external_id, account_id=p.account_id, amount_cents=money.cents(p.amount),
            method=p.method, status="SUCCEEDED", received_at=p.at, settled_at=p.at,
        )
        for p in fresh.values()
    ]  # fmt: skip
    session.add_all(rows)
    session.flush()
    days = owed.civil_days(session, moments=[(row.account_id, row.received_at) for row in rows])
    ledger.post_journals(session, [received.journal(row, day) for row, day in zip(rows, days, strict=True)], now=now)
    settling.settle(session, account_ids=sorted({row.account_id for row in rows}), now=now)
    return len(rows)


def _offered(wanted: Sequence[str], offered: tuple[str, ...]) -> tuple[str, ...]:
    unknown = sorted(set(wanted) - set(offered))
    if unknown:
        raise errors.Invalid("payment.method", methods=unknown)
    return tuple(wanted) or offered


def _link(session: Session, token: str) -> models.PaymentLinkRow:
    row = session.scalars(select(models.PaymentLinkRow).where(models.PaymentLinkRow.token == token)).one_or_none()
    if row is None:
        raise errors.NotFound("payment_link.unknown")
    return row
