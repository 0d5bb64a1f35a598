"""Promises to pay, later or in parts: PROPOSED -> ACTIVE -> KEPT or BROKEN, and once more ACTIVE when caught up.

What has been paid is read off what was open when the promise was made, so a payment that is returned counts by itself.
"""

from datetime import date, datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from billing import allocation, models, once, owed, rules, settling, views
from core import errors, money, outbox, periods
from core.accounts import queries as accounts

FIRST_AFTER = timedelta(days=14)
GRACE = timedelta(days=3)
YEAR = timedelta(days=365)


def preview_arrangement(
    session: Session, *, account_id: int, instalments: int, now: datetime
) -> views.ArrangementPreview:
    """This will lay out what is owed in equal monthly parts that add up to the cent.

    Refused arrangement.nothing_owed, arrangement.open; Invalid arrangement.instalments with the `most` there may be.
    """
    account = accounts.get_account(session, account_id=account_id)
    today = owed.civil_today(session, account_id=account_id, now=now)
    total = _to_arrange(session, account_id)
    most = min(rules.most_instalments(account.jurisdiction, today), total // rules.MIN_INSTALMENT_CENTS)
    if most < 2:
        raise errors.Refused("arrangement.too_small", amount=str(money.from_cents(total)))
    if not 2 <= instalments <= most:
        raise errors.Invalid("arrangement.instalments", most=most, least=2)
    return views.ArrangementPreview(
        account_id=account_id,
        total=money.from_cents(total),
        instalments=tuple(
            views.Instalment(i + 1, _due(today, i), money.from_cents(cents))
            for i, cents in enumerate(allocation.instalments(total, instalments))
        ),
        max_instalments=most,
    )


def open_arrangement(
    session: Session, *, account_id: int, instalments: int, key: str, now: datetime
) -> views.Arrangement:
    """This will propose an arrangement and accept it in one step, for when the customer has said yes."""
    proposed = propose_arrangement(session, account_id=account_id, instalments=instalments, key=key, now=now)
    if proposed.status != "PROPOSED":
        return proposed
    return accept_arrangement(session, arrangement_id=proposed.id, now=now)


def propose_arrangement(
    session: Session, *, account_id: int, instalments: int, key: str, now: datetime
) -> views.Arrangement:
    """This will write an arrangement that holds nothing up until it is accepted. The same key gives the same one."""
    once.lock_account(session, account_id)
    before = session.scalars(select(models.ArrangementRow).where(models.ArrangementRow.key == key)).one_or_none()
    if before is not None:
        return owed.arrangement_view(session, before)
    plan = preview_arrangement(session, account_id=account_id, instalments=instalments, now=now)
    return owed.arrangement_view(session, _write(session, plan, key, now))


def preview_extension(
    session: Session, *, account_id: int, until: date | None, now: datetime
) -> views.ArrangementPreview:
    """This will lay out more time to pay all that is owed, until a day (the latest that may be, when none is named).

    Refused arrangement.nothing_owed, arrangement.open, extension.too_often; Invalid extension.until with the `latest`.
    """
    account = accounts.get_account(session, account_id=account_id)
    today = owed.civil_today(session, account_id=account_id, now=now)
    total = _to_arrange(session, account_id)
    days, a_year = rules.extension(account.jurisdiction, today)
    if _extensions(session, account_id, since=now - YEAR) >= a_year:
        raise errors.Refused("extension.too_often", times=a_year)
    latest = today + timedelta(days=days)
    until = until or latest
    if not today < until <= latest:
        raise errors.Invalid("extension.until", latest=latest.isoformat())
    part = views.Instalment(1, until, money.from_cents(total))
    return views.ArrangementPreview(account_id, part.amount, (part,), 1)


def open_extension(
    session: Session, *, account_id: int, until: date | None, key: str, now: datetime
) -> views.Arrangement:
    """This will give a customer more time, in one step. The same key gives the same promise."""
    once.lock_account(session, account_id)
    before = session.scalars(select(models.ArrangementRow).where(models.ArrangementRow.key == key)).one_or_none()
    if before is not None:
        return owed.arrangement_view(session, before)
    plan = preview_extension(session, account_id=account_id, until=until, now=now)
    return accept_arrangement(session, arrangement_id=_write(session, plan, key, now).id, now=now)


def reinstate_if_caught_up(session: Session, *, account_id: int, now: datetime) -> bool:
    """This will let a broken arrangement live again when all that was due on it has been paid, if the rules let it."""
    once.lock_account(session, account_id)
    row = session.scalars(
        select(models.ArrangementRow)
        .where(models.ArrangementRow.account_id == account_id)
        .order_by(models.ArrangementRow.id.desc())
        .limit(1)
        .with_for_update()
    ).one_or_none()
    if row is None or row.status != "BROKEN" or row.ended_at is None:
        return False
    today = owed.civil_today(session, account_id=account_id, now=now)
    jurisdiction = accounts.get_account(session, account_id=account_id).jurisdiction
    days, a_year = rules.reinstatement(jurisdiction, today)
    if now - row.ended_at > timedelta(days=days) or _reinstated(session, account_id, since=now - YEAR) >= a_year:
        return False
    parts = _parts(session, row)
    left = _still_open(session, row)
    due = sum(part.amount_cents for part in parts if part.due_on <= today)
    if not any(part.status == "MISSED" for part in parts) or left == 0 or row.total_cents - left < due:
        return False
    row.status, row.ended_at, row.reinstated_at = "ACTIVE", None, now
    session.flush()
    _tell(session, "arrangement.reinstated", row, now)
    follow(session, account_id=account_id, now=now)
    return True


def accept_arrangement(session: Session, *, arrangement_id: int, now: datetime) -> views.Arrangement:
    """This will make a proposed arrangement binding: no late fees while it is kept."""
    row = session.get(models.ArrangementRow, arrangement_id, with_for_update=True)
    if row is None:
        raise errors.NotFound("arrangement.unknown")
    if row.status not in ("PROPOSED", "ACTIVE"):
        raise errors.Refused("arrangement.ended", status=row.status)
    if row.status == "PROPOSED":
        row.status, row.opened_at = "ACTIVE", now
        session.flush()
        _tell(session, "arrangement.opened", row, now)
    return owed.arrangement_view(session, row)


def follow(session: Session, *, account_id: int, now: datetime) -> str | None:
    """This will bring an account's active arrangement up to what has been paid; gives its status, None without one."""
    row = _open(session, account_id)
    if row is None or row.status != "ACTIVE":
        return None
    today = owed.civil_today(session, account_id=account_id, now=now)
    left = paid = row.total_cents - _still_open(session, row)
    parts = _parts(session, row)
    for part in parts:
        covered = left >= part.amount_cents
        left -= part.amount_cents
        late = part.due_on + GRACE < today
        part.status = "PAID" if covered else "MISSED" if late else "DUE"
    session.flush()
    if all(part.status == "PAID" for part in parts):
        row.status, row.ended_at = "KEPT", now
        _tell(session, "arrangement.kept", row, now)
    elif any(part.status == "MISSED" for part in parts):
        row.status, row.ended_at = "BROKEN", now
        due = sum(part.amount_cents for part in parts if part.due_on <= today)
        _tell(session, "arrangement.broken", row, now, catch_up_cents=due - paid)
    session.flush()
    return row.status


def list_active(session: Session) -> list[int]:
    """This will list the accounts that have an active arrangement."""
    return list(
        session.scalars(select(models.ArrangementRow.account_id).where(models.ArrangementRow.status == "ACTIVE"))
    )


def drop_proposals(session: Session, *, before: datetime) -> None:
    """This will end proposals nobody answered."""
    row = models.ArrangementRow
    session.execute(
        update(row).where(row.status == "PROPOSED", row.opened_at < before).values(status="BROKEN", ended_at=before)
    )


def _write(session: Session, plan: views.ArrangementPreview, key: str, now: datetime) -> models.ArrangementRow:
    row = models.ArrangementRow(
        key=key, account_id=plan.account_id, status="PROPOSED", total_cents=money.cents(plan.total), opened_at=now
    )
    session.add(row)
    session.flush()
    session.add_all(
        models.ArrangementInstalmentRow(
            arrangement_id=row.id, position=part.position, due_on=part.due_on, amount_cents=money.cents(part.amount)
        )
        for part in plan.instalments
    )
    session.flush()
    return row


def _parts(session: Session, row: models.ArrangementRow) -> list[models.ArrangementInstalmentRow]:
    part = models.ArrangementInstalmentRow
    return list(session.scalars(select(part).where(part.arrangement_id == row.id).order_by(part.position)))


def _extensions(session: Session, account_id: int, *, since: datetime) -> int:
    """How often more time was given: a promise in one part."""
    row, part = models.ArrangementRow, models.ArrangementInstalmentRow
    single = select(part.arrangement_id).group_by(part.arrangement_id).having(func.count() == 1)
    return int(
        session.scalar(
            select(func.count()).where(
                row.account_id == account_id,
                row.opened_at >= since,
                row.id.in_(single.where(part.arrangement_id == row.id).correlate(row)),
            )
        )
        or 0
    )


def _reinstated(session: Session, account_id: int, *, since: datetime) -> int:
    row = models.ArrangementRow
    return int(
        session.scalar(select(func.count()).where(row.account_id == account_id, row.reinstated_at >= since)) or 0
    )


def _open(session: Session, account_id: int) -> models.ArrangementRow | None:
    row = models.ArrangementRow
    return session.scalars(
        select(row).where(row.account_id == account_id, row.status.in_(("PROPOSED", "ACTIVE"))).with_for_update()
    ).one_or_none()


def _to_arrange(session: Session, account_id: int) -> int:
    """What is owed, in cents, where no arrangement is open; Refused when one is, or when nothing is owed."""
    if _open(session, account_id) is not None:
        raise errors.Refused("arrangement.open")
    total = _debt(session, account_id)
    if total <= 0:
        raise errors.Refused("arrangement.nothing_owed")
    return total


def _debt(session: Session, account_id: int) -> int:
    items = settling.open_items(session, account_ids=[account_id]).get(account_id, [])
    return sum(item.open_cents for item in items if not item.disputed)


def _still_open(session: Session, row: models.ArrangementRow) -> int:
    """What was open at the promise and is so still: bills and charges that are newer do not count."""
    items = settling.open_items(session, account_ids=[row.account_id]).get(row.account_id, [])
    ids = [settling.bill_id(i) for i in items if i.kind == "BILL"]
    journal = models.LedgerJournalRow
    found = session.execute(
        select(journal.key, journal.posted_at).where(journal.key.in_([f"bill:{bill_id}" for bill_id in ids]))
    )
    issued = {row.key: row.posted_at for row in found}
    opened_on = row.opened_at.date()
    cents = 0
    for item in items:
        if item.kind == "BILL":
            cents += item.open_cents if issued[item.key] <= row.opened_at else 0
        elif item.due_on <= opened_on:
            cents += item.open_cents
    return min(cents, row.total_cents)


def _due(today: date, position: int) -> date:
    return periods.add_months(today + FIRST_AFTER, position)


def _tell(
    session: Session, name: str, row: models.ArrangementRow, now: datetime, catch_up_cents: int | None = None
) -> None:
    parts = _parts(session, row)
    outbox.record_fact(
        session,
        name,
        key=f"account:{row.account_id}",
        payload={
            "arrangement_id": row.id,
            "account_id": row.account_id,
            "customer_id": accounts.get_account(session, account_id=row.account_id).customer_id,
            "amount": str(money.from_cents(row.total_cents)),
            "instalments": [
                {"due_on": part.due_on.isoformat(), "amount": str(money.from_cents(part.amount_cents))}
                for part in parts
            ],
            **({} if catch_up_cents is None else {"catch_up": str(money.from_cents(catch_up_cents))}),
        },
        now=now,
    )
