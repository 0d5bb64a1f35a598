"""The ladder: from a friendly reminder to an order, one dated rung at a time, as the jurisdiction's data has it.

A rung is taken at most once in a round and at most one on a day. A rung that a rule stands against waits and is tried
again; a warning that ran out is given anew in another round. What is disputed, arranged or paid climbs no ladder.
"""

from datetime import date, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing import disconnection, models, once, owed
from core import audit, errors, money, outbox, periods, wording
from core.accounts import queries as accounts
from core.compliance import rules
from core.conversations import operations as conversing
from core.conversations import queries as conversations
from core.fieldwork import operations as fieldwork
from core.fieldwork import queries as work

CONTACTS = ("CONTACT_1", "CONTACT_2")
WARNING = "TERMINATION_NOTICE"
ORDER = "ORDER"
HOW = ("PHONE", "IN_PERSON")
PROOF_WITHIN = timedelta(days=3)  # a warning that nobody confirmed by then is sent again, as a letter
# short, and at hand; a warning has to be kept, so it goes where it can be
_AT_HAND = ("SMS", "WHATSAPP", "EMAIL")
_IN_WRITING = ("EMAIL", "WHATSAPP", "SMS")


def walk(session: Session, *, account_id: int, house: wording.House, now: datetime) -> str | None:
    """This will take the rung of an account's ladder that is due today, if one is; gives its name.

    It closes the case of an account that is behind no more, and sees to reconnection.
    """
    once.lock_account(session, account_id)
    today = owed.civil_today(session, account_id=account_id, now=now)
    late = disconnection.overdue_of(session, account_id=account_id, today=today)
    plan = owed.get_arrangement(session, account_id=account_id)
    arranged = plan is not None and plan.status == "ACTIVE"
    case = open_case(session, account_id)
    if late.since is None or arranged:
        _close(session, case, "ARRANGEMENT" if arranged else _why(session, account_id), now)
        disconnection.review(session, account_id=account_id, now=now)
        return None
    account = accounts.get_account(session, account_id=account_id)
    ladder = rules.rule(account.jurisdiction, "dunning", today).values["steps"]
    age = (today - late.since).days
    if case is None:
        if age < min(int(rung["days"]) for rung in ladder):
            return None
        case = models.DunningCaseRow(account_id=account_id, status="OPEN", opened_at=now)
        session.add(case)
        session.flush()
    disconnection.review(session, account_id=account_id, now=now)
    _follow_proof(session, case, now)
    _follow_order(session, case, now)
    taken = {row.step: row for row in _steps(session, case)}
    zone = _zone(session, account_id, today)
    if any(periods.civil_day(row.taken_at, zone) == today and row.status != "BLOCKED" for row in taken.values()):
        return None
    for rung in ladder:
        step = str(rung["step"])
        if case.round > 1 and step in ("REMINDER", "OVERDUE"):
            continue
        before = taken.get(step)
        if before is not None and before.status != "BLOCKED":
            continue
        if age < int(rung["days"]):
            return None
        return _take(session, case, account, step, before, late.cents, today, house, now)
    return None


def record_contact(session: Session, *, account_id: int, how: str, actor: str, note: str, now: datetime) -> None:
    """This will note that a person called or stood at the door; it counts as the next contact that is owed.

    Invalid contact.how; Refused contact.none_owed when the ladder asks for none now.
    """
    if how not in HOW:
        raise errors.Invalid("contact.how", how=how)
    row = _owed(session, account_id, "OWED", CONTACTS)
    if row is None:
        raise errors.Refused("contact.none_owed")
    _prove(session, row, f"{how}: {note.strip()}".rstrip(": "), actor, account_id, now)


def record_letter(session: Session, *, account_id: int, actor: str, proof: str, now: datetime) -> None:
    """This will note that the letter an account is owed was posted, with the number that proves it.

    Invalid letter.proof without one; Refused letter.none_owed.
    """
    if not proof.strip():
        raise errors.Invalid("letter.proof")
    row = _owed(session, account_id, "LETTER", None)
    if row is None:
        raise errors.Refused("letter.none_owed")
    _prove(session, row, f"LETTER: {proof.strip()}", actor, account_id, now)


def open_case(session: Session, account_id: int) -> models.DunningCaseRow | None:
    """This will give the open case of an account, if it has one."""
    case = models.DunningCaseRow
    return session.scalars(select(case).where(case.account_id == account_id, case.status == "OPEN")).one_or_none()


def list_cases(session: Session, *, limit: int) -> list[int]:
    """This will list the accounts that have an open case, the oldest first."""
    case = models.DunningCaseRow
    return list(session.scalars(select(case.account_id).where(case.status == "OPEN").order_by(case.id).limit(limit)))


def list_behind(session: Session, *, today: date, after: int = 0, limit: int = 500) -> list[int]:
    """This will list accounts with a bill past due and not paid in full, or with a case that may end; by id."""
    bill, alloc, case = models.BillRow, models.AllocationRow, models.DunningCaseRow
    paid = select(func.coalesce(func.sum(alloc.amount_cents), 0)).where(alloc.bill_id == bill.id).scalar_subquery()
    late = select(bill.account_id).where(
        bill.status == "ISSUED", bill.due_on < today, bill.account_id > after, bill.total_cents > paid
    )
    cases = select(case.account_id).where(case.status == "OPEN", case.account_id > after)
    both = late.union(cases).subquery()
    return list(session.scalars(select(both.c.account_id).order_by(both.c.account_id).limit(limit)))


def _take(
    session: Session,
    case: models.DunningCaseRow,
    account: accounts.Account,
    step: str,
    before: models.DunningStepRow | None,
    cents: int,
    today: date,
    house: wording.House,
    now: datetime,
) -> str | None:
    row = before or models.DunningStepRow(case_id=case.id, round=case.round, step=step, actor=disconnection.CLOCK)
    row.overdue_cents, row.taken_at = cents, now
    if step in (WARNING, *CONTACTS, ORDER):
        verdict = disconnection.may_disconnect(session, account_id=account.id, now=now)
        against = [block.name for block in verdict.blocks]
        if step != ORDER:
            against = [name for name in against if name in disconnection.ABOUT_THE_DEBT]
        if against or not verdict.connected:
            row.status, row.blocked_by = "BLOCKED", against[0] if against else "disconnected"
            if before is None:
                session.add(row)
            session.flush()
            if step == ORDER and "disconnect_notice" in against and _ran_out(account, verdict, today):
                case.round += 1  # the warning is older than it may be: it is given anew
                session.flush()
            return None
    if step == ORDER:
        request = disconnection.order_disconnection(session, account_id=account.id, actor=row.actor, now=now)
        row.status, row.request_number, row.blocked_by = "ORDERED", request.number, None
    else:
        key = f"dunning:{case.id}:{case.round}:{step}"
        sent = _say(session, account, step, key, cents, today, house, now)
        row.status = "OWED" if step in CONTACTS else "SENT" if sent is not None else "LETTER"
        row.notice_key, row.blocked_by = key if sent is not None else None, None
    if before is None:
        session.add(row)
    session.flush()
    outbox.record_fact(
        session,
        "dunning.step_taken",
        key=f"account:{account.id}",
        payload={
            "account_id": account.id,
            "customer_id": account.customer_id,
            "step": step,
            "status": row.status,
            "amount": str(money.from_cents(cents)),
        },
        now=now,
    )
    return step


def _say(
    session: Session,
    account: accounts.Account,
    step: str,
    key: str,
    cents: int,
    today: date,
    house: wording.House,
    now: datetime,
) -> int | None:
    notice = rules.rule(account.jurisdiction, "disconnect_notice", today)
    return conversing.notify_customer(
        session,
        customer_id=account.customer_id,
        kind=f"notice.dunning_{'contact' if step in CONTACTS else step.lower()}",
        data={
            "overdue": str(money.from_cents(cents)),
            "account": account.number[-4:],
            "not_before": (today + timedelta(days=notice.days("days"))).isoformat(),
            "citation": notice.citation,
        },
        purpose="SERVICE",
        key=key,
        now=now,
        house=house,
        channels=_IN_WRITING if step == WARNING else _AT_HAND,
    )


def _follow_proof(session: Session, case: models.DunningCaseRow, now: datetime) -> None:
    """What the vendors said since: a warning that arrived is proven, one that got lost is owed as a letter."""
    sent = [row for row in _steps(session, case) if row.status == "SENT" and row.notice_key]
    proofs = conversations.notice_proofs(session, keys=[str(row.notice_key) for row in sent])
    for row in sent:
        told = proofs.get(str(row.notice_key))
        if told is not None and told.arrived_at is not None:
            row.status, row.proven_at = "PROVEN", told.arrived_at
            row.proof = f"{told.channel} {told.status}, message {told.message_id}"
        elif row.step == WARNING and (told is None or told.lost or now - row.taken_at >= PROOF_WITHIN):
            row.status = "LETTER"
    session.flush()


def _follow_order(session: Session, case: models.DunningCaseRow, now: datetime) -> None:
    """An order whose warning ran out is taken back; one that was taken back leaves its rung open again."""
    row = next((row for row in _steps(session, case) if row.step == ORDER and row.status == "ORDERED"), None)
    if row is None:
        return
    request = work.get_request(session, number=str(row.request_number))
    if request.status == "DONE":
        return
    if request.status != "CANCELLED":
        verdict = disconnection.may_disconnect(session, account_id=case.account_id, now=now)
        if not any(block.name == "disconnect_notice" for block in verdict.blocks):
            return
        fieldwork.add_update(session, request_id=request.id, note="disconnect_notice", status="CANCELLED", now=now)
    row.status, row.blocked_by = "BLOCKED", "withdrawn"
    session.flush()


def _ran_out(account: accounts.Account, verdict: disconnection.Verdict, today: date) -> bool:
    notice_on = verdict.facts.get("notice_on")
    valid = rules.rule(account.jurisdiction, "disconnect_notice", today).values.get("valid_days")
    return notice_on is not None and valid is not None and (today - notice_on).days > int(valid)


def _prove(
    session: Session, row: models.DunningStepRow, proof: str, actor: str, account_id: int, now: datetime
) -> None:
    row.status, row.proof, row.proven_at, row.actor = "PROVEN", proof, now, actor
    session.flush()
    audit.record(
        session, actor=actor, action="dunning.proven", subject="account", subject_id=account_id, now=now,
        detail={"step": row.step, "proof": proof},
    )  # fmt: skip


def _owed(
    session: Session, account_id: int, status: str, steps: tuple[str, ...] | None
) -> models.DunningStepRow | None:
    once.lock_account(session, account_id)
    case = open_case(session, account_id)
    if case is None:
        return None
    return next(
        (row for row in _steps(session, case) if row.status == status and (steps is None or row.step in steps)), None
    )


def _steps(session: Session, case: models.DunningCaseRow) -> list[models.DunningStepRow]:
    step = models.DunningStepRow
    return list(
        session.scalars(select(step).where(step.case_id == case.id, step.round == case.round).order_by(step.id))
    )


def _close(session: Session, case: models.DunningCaseRow | None, reason: str, now: datetime) -> None:
    if case is not None:
        case.status, case.reason, case.closed_at = "CLOSED", reason, now
        session.flush()


def _why(session: Session, account_id: int) -> str:
    disputes = owed.list_disputes(session, account_id=account_id)
    return "DISPUTE" if any(dispute.status == "OPEN" for dispute in disputes) else "PAID"


def _zone(session: Session, account_id: int, today: date) -> str:
    points = accounts.list_service_points(session, account_id=account_id, on=today)
    return points[0].timezone if points else "UTC"
