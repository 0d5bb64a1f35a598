"""Reads of what is owed and paid: balances, bills, payments, promises. Public through `queries.py`."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing import cash_models, ledger, models, rules, settling, views
from core import errors, money, periods
from core.accounts import queries as accounts


def get_balance(session: Session, *, account_id: int, now: datetime, timezone: str | None = None) -> views.Balance:
    """This will give what an account owes today, what of it is late, and when the next of it is due."""
    account = accounts.get_account(session, account_id=account_id)
    today = civil_today(session, account_id=account.id, now=now, timezone=timezone)
    owed = ledger.balance_cents(session, account_id=account_id)
    items = settling.open_items(session, account_ids=[account_id]).get(account_id, [])
    late = sum(i.open_cents for i in items if i.due_on < today and not i.disputed)
    last = session.scalars(_bills(account_id).where(models.BillRow.status == "ISSUED").limit(1)).one_or_none()
    autopay = session.get(models.AutopayRow, account_id)
    pending = session.scalar(
        select(func.coalesce(func.sum(models.PaymentRow.amount_cents), 0)).where(
            models.PaymentRow.account_id == account_id, models.PaymentRow.status == "PROCESSING"
        )
    )
    return views.Balance(
        account_id=account_id,
        amount=money.from_cents(owed),
        overdue=money.from_cents(max(0, min(late, owed))),
        due_on=min((i.due_on for i in items), default=None) if owed > 0 else None,
        last_bill_id=last.id if last else None,
        last_bill_amount=money.from_cents(last.total_cents) if last else None,
        autopay=bool(autopay and autopay.enabled),
        pending_payments=money.from_cents(int(pending or 0)),
    )


def civil_today(session: Session, *, account_id: int, now: datetime, timezone: str | None = None) -> date:
    """This will give the day it is where the account takes service (UTC's when it takes none)."""
    if timezone is None:
        points = accounts.list_service_points(session, account_id=account_id, on=now.date())
        timezone = points[0].timezone if points else "UTC"
    return periods.civil_day(now, timezone)


def civil_days(session: Session, *, moments: Sequence[tuple[int, datetime]]) -> tuple[date, ...]:
    """This will give for each account and moment the day it is there, as `civil_today` does; for thousands at once."""
    if not moments:
        return ()
    utc = [at.astimezone(UTC).date() for _, at in moments]
    some = periods.Days(min(utc), max(utc) + timedelta(days=1))
    own: dict[int, list[accounts.Agreement]] = {}
    for agreement in accounts.list_agreements(session, period=some, account_ids=sorted({a for a, _ in moments})):
        own.setdefault(agreement.account_id, []).append(agreement)

    def zone(account_id: int, on: date) -> str:
        alive = [a for a in own.get(account_id, ()) if a.starts_on <= on and (a.ends_on is None or on < a.ends_on)]
        return min(alive, key=lambda a: (a.starts_on, a.id)).timezone if alive else "UTC"

    return tuple(periods.civil_day(at, zone(account_id, on)) for (account_id, at), on in zip(moments, utc, strict=True))


def list_bills(session: Session, *, account_id: int, limit: int = 13) -> tuple[views.Bill, ...]:
    """This will list an account's issued bills, newest first."""
    rows = session.scalars(_bills(account_id).where(models.BillRow.status == "ISSUED").limit(limit)).all()
    return _bill_views(session, rows)


def list_open_bills(session: Session, *, account_id: int) -> tuple[views.Bill, ...]:
    """This will list the issued bills of an account on which something is open, oldest first, however old."""
    items = settling.open_items(session, account_ids=[account_id]).get(account_id, [])
    ids = [settling.bill_id(item) for item in items if item.kind == "BILL"]
    bill = models.BillRow
    return _bill_views(session, session.scalars(select(bill).where(bill.id.in_(ids)).order_by(bill.due_on)).all())


def list_cancelled_bills(session: Session, *, account_id: int, since: date | None = None) -> tuple[views.Bill, ...]:
    """This will list an account's cancelled bills, newest first: all, or those of days from `since` on."""
    bill = models.BillRow
    asked = _bills(account_id).where(bill.status == "CANCELLED")
    rows = session.scalars(asked if since is None else asked.where(bill.starts_on >= since)).all()
    return _bill_views(session, rows)


def get_bill(session: Session, *, bill_id: int) -> views.Bill:
    """This will give a bill in any state, or raise NotFound."""
    row = session.get(models.BillRow, bill_id)
    if row is None:
        raise errors.NotFound("bill.unknown")
    return _bill_views(session, [row])[0]


def find_bill_by_number(session: Session, *, number: str) -> views.Bill | None:
    """This will find a bill by the number printed on it."""
    wanted = number.strip()
    bill_id = wanted.rpartition("-")[2]
    if not bill_id.isascii() or not bill_id.isdecimal() or len(bill_id) > 18:
        return None
    row = session.get(models.BillRow, int(bill_id))  # the id is part of the number
    return _bill_views(session, [row])[0] if row and row.number == wanted else None


def list_held_bills(session: Session, *, limit: int = 200) -> tuple[views.Bill, ...]:
    """This will list the bills a person should look at, oldest first; each says why in `findings`."""
    rows = session.scalars(
        select(models.BillRow).where(models.BillRow.status == "HELD").order_by(models.BillRow.id).limit(limit)
    ).all()
    return _bill_views(session, rows)


def list_bill_lines(session: Session, *, bill_id: int) -> tuple[views.BillLine, ...]:
    """This will list the lines of a bill as they are printed."""
    rows = session.scalars(
        select(models.BillLineRow).where(models.BillLineRow.bill_id == bill_id).order_by(models.BillLineRow.position)
    )
    return tuple(line_view(row) for row in rows)


def line_view(r: models.BillLineRow) -> views.BillLine:
    """This will give a line as others see it."""
    return views.BillLine(
        component=r.component,
        code=r.code,
        description=r.description,
        args=dict(r.args),
        quantity=r.quantity,
        unit=r.unit,
        unit_price=r.unit_price,
        amount=money.from_cents(r.amount_cents),
    )


def list_payments(session: Session, *, account_id: int, limit: int = 20) -> tuple[views.Payment, ...]:
    """This will list an account's payments, newest first."""
    rows = session.scalars(
        select(models.PaymentRow)
        .where(models.PaymentRow.account_id == account_id)
        .order_by(models.PaymentRow.received_at.desc(), models.PaymentRow.id.desc())
        .limit(limit)
    )
    return tuple(payment_view(row) for row in rows)


def get_payment(session: Session, *, payment_id: int) -> views.Payment:
    """This will give a payment, or raise NotFound."""
    row = session.get(models.PaymentRow, payment_id)
    if row is None:
        raise errors.NotFound("payment.unknown")
    return payment_view(row)


def get_payment_link(session: Session, *, token: str, now: datetime) -> views.PaymentLink:
    """This will give a payment link by its token; NotFound when there is none, Refused payment_link.expired."""
    row = session.scalars(select(models.PaymentLinkRow).where(models.PaymentLinkRow.token == token)).one_or_none()
    if row is None:
        raise errors.NotFound("payment_link.unknown")
    if row.expires_at <= now and row.status == "OPEN":
        raise errors.Refused("payment_link.expired")
    return link_view(row)


def list_saved_methods(session: Session, *, account_id: int) -> tuple[views.SavedMethod, ...]:
    """This will list the cards and bank accounts kept for an account, newest first."""
    method, mandate, autopay = models.SavedMethodRow, cash_models.MandateRow, models.AutopayRow
    rows = session.execute(
        select(method, autopay.enabled, mandate)
        .outerjoin(autopay, autopay.saved_method_id == method.id)
        .outerjoin(mandate, (mandate.saved_method_id == method.id) & mandate.revoked_at.is_(None))
        .where(method.account_id == account_id, method.removed_at.is_(None))
        .order_by(method.id.desc())
    )
    return tuple(
        views.SavedMethod(
            row.id, row.account_id, row.kind, row.last4, row.saved_at,
            autopay=bool(pays), agreed_at=agreed.accepted_at if agreed else None,
            notice_days=agreed.notice_days if agreed else None, scheme=agreed.scheme if agreed else None,
            mandate=agreed.reference if agreed else None,
        )
        for row, pays, agreed in rows
    )  # fmt: skip


def get_arrangement(session: Session, *, account_id: int) -> views.Arrangement | None:
    """This will give an account's open arrangement, else its last one, or None."""
    row = session.scalars(
        select(models.ArrangementRow)
        .where(models.ArrangementRow.account_id == account_id)
        .order_by(models.ArrangementRow.id.desc())
        .limit(1)
    ).one_or_none()
    return arrangement_view(session, row) if row else None


def arrangement_view(session: Session, row: models.ArrangementRow) -> views.Arrangement:
    """This will give an arrangement with its instalments."""
    parts = session.scalars(
        select(models.ArrangementInstalmentRow)
        .where(models.ArrangementInstalmentRow.arrangement_id == row.id)
        .order_by(models.ArrangementInstalmentRow.position)
    ).all()
    return views.Arrangement(
        id=row.id,
        account_id=row.account_id,
        status=row.status,
        total=money.from_cents(row.total_cents),
        paid=money.from_cents(sum(p.amount_cents for p in parts if p.status == "PAID")),
        instalments=tuple(
            views.Instalment(p.position, p.due_on, money.from_cents(p.amount_cents), p.status) for p in parts
        ),
        opened_at=row.opened_at,
    )


def list_disputes(session: Session, *, account_id: int) -> tuple[views.Dispute, ...]:
    """This will list an account's disputes, newest first."""
    rows = session.scalars(
        select(models.DisputeRow)
        .where(models.DisputeRow.account_id == account_id)
        .order_by(models.DisputeRow.id.desc())
    )
    return tuple(dispute_view(row) for row in rows)


def late_fee_status(session: Session, *, account_id: int, now: datetime) -> views.LateFeeStatus:
    """This will say which late fees stand, which is next and when, and what keeps one from being charged."""
    account = accounts.get_account(session, account_id=account_id)
    today = civil_today(session, account_id=account_id, now=now)
    charged = session.scalar(
        select(func.coalesce(func.sum(models.ChargeRow.amount_cents), 0)).where(
            models.ChargeRow.account_id == account_id,
            models.ChargeRow.kind == "LATE_FEE",
            models.ChargeRow.waived_at.is_(None),
        )
    )
    items = [i for i in settling.open_items(session, account_ids=[account_id]).get(account_id, []) if i.kind == "BILL"]
    plain = [i for i in items if not i.disputed]
    first = min((i.due_on for i in plain), default=None)
    blocked = blocked_by(session, account_id=account_id)
    if blocked is None and items and not plain:
        blocked = "DISPUTE"
    grace = rules.grace_days(account.jurisdiction, today)
    fees = [
        rules.late_fee(
            account.jurisdiction, today, open_cents=i.open_cents, days_overdue=grace + 1,
            customer_kind=account.customer_kind,
        )
        for i in plain
        if i.due_on == first
    ]  # fmt: skip
    next_amount = 0 if blocked else sum(cents for cents, _ in fees)
    return views.LateFeeStatus(
        account_id=account_id,
        charged=money.from_cents(int(charged or 0)),
        next_amount=money.from_cents(next_amount),
        next_on=first + timedelta(days=grace + 1) if first is not None and next_amount else None,
        blocked_by=blocked,
        rule=fees[0][1] if fees else "",
    )


def blocked_by(session: Session, *, account_id: int) -> str | None:
    """This will say what keeps late fees from the whole account: ARRANGEMENT, or None."""
    kept = session.scalar(
        select(models.ArrangementRow.id).where(
            models.ArrangementRow.account_id == account_id, models.ArrangementRow.status == "ACTIVE"
        )
    )
    return "ARRANGEMENT" if kept else None


def prepay_status(session: Session, *, account_id: int, now: datetime) -> views.PrepayStatus:
    """This will say how many usual days an account's credit lasts, by the bills of the last three months."""
    owed = ledger.balance_cents(session, account_id=account_id)
    bills = list_bills(session, account_id=account_id, limit=3)
    days = sum(b.days for b in bills)
    daily = (sum((b.total for b in bills), Decimal(0)) / days).quantize(money.CENT) if days else None
    credit = money.from_cents(max(0, -owed))
    return views.PrepayStatus(account_id, credit, daily, int(credit / daily) if daily and daily > 0 else None)


def sales_by_class(session: Session, *, year: int) -> tuple[views.ClassSales, ...]:
    """This will give what was billed in a calendar year by class of customer: customers, kWh, revenue without taxes."""
    bill, line = models.BillRow, models.BillLineRow
    taxes = (
        select(line.bill_id, func.sum(line.amount_cents).label("cents"))
        .where(line.component == "tax")
        .group_by(line.bill_id)
        .subquery()
    )
    rows = session.execute(
        select(
            models.TariffRow.customer_kind,
            func.count(bill.account_id.distinct()),
            func.sum(bill.wh),
            func.sum(bill.total_cents - func.coalesce(taxes.c.cents, 0)),
        )
        .join(models.TariffRow, models.TariffRow.code == bill.tariff_code)
        .outerjoin(taxes, taxes.c.bill_id == bill.id)
        .where(bill.status == "ISSUED", func.extract("year", bill.ends_on) == year)
        .group_by(models.TariffRow.customer_kind)
        .order_by(models.TariffRow.customer_kind)
    )
    return tuple(
        views.ClassSales(kind, int(n), Decimal(int(wh)) / 1000, money.from_cents(int(cents)))
        for kind, n, wh, cents in rows
    )


def payment_view(row: models.PaymentRow) -> views.Payment:
    return views.Payment(
        id=row.id,
        gateway=row.gateway,
        external_id=row.external_id,
        account_id=row.account_id,
        amount=money.from_cents(row.amount_cents),
        refunded=money.from_cents(row.refunded_cents),
        method=row.method,
        status=row.status,
        failure_code=row.failure_code,
        received_at=row.received_at,
    )


def link_view(row: models.PaymentLinkRow) -> views.PaymentLink:
    return views.PaymentLink(
        token=row.token,
        path=f"/pay/{row.token}",
        amount=money.from_cents(row.amount_cents),
        expires_at=row.expires_at,
        account_id=row.account_id,
        status=row.status,
    )


def dispute_view(row: models.DisputeRow) -> views.Dispute:
    return views.Dispute(row.id, row.number, row.account_id, row.bill_id, row.reason, row.status, row.opened_at)


def _bills(account_id: int) -> Any:
    bill = models.BillRow
    return select(bill).where(bill.account_id == account_id).order_by(bill.ends_on.desc(), bill.id.desc())


def _bill_views(session: Session, rows: Sequence[models.BillRow]) -> tuple[views.Bill, ...]:
    alloc = models.AllocationRow
    paid = {
        bill_id: int(cents)
        for bill_id, cents in session.execute(
            select(alloc.bill_id, func.sum(alloc.amount_cents))
            .where(alloc.bill_id.in_([row.id for row in rows]))
            .group_by(alloc.bill_id)
        )
    }
    return tuple(
        views.Bill(
            id=r.id,
            number=r.number,
            account_id=r.account_id,
            agreement_id=r.agreement_id,
            starts_on=r.starts_on,
            ends_on=r.ends_on,
            issued_on=r.issued_on,
            due_on=r.due_on,
            total=money.from_cents(r.total_cents),
            kwh=Decimal(r.wh) / 1000,
            status=r.status,
            days=(r.ends_on - r.starts_on).days,
            tariff_code=r.tariff_code,
            estimated=r.estimated,
            version=r.version,
            hold_code=r.hold_code,
            findings=tuple(r.findings),
            open_amount=money.from_cents(r.total_cents - paid.get(r.id, 0) if r.status == "ISSUED" else 0),
            peak_kw=None if r.peak_watts is None else Decimal(r.peak_watts) / 1000,
        )
        for r in rows
    )
