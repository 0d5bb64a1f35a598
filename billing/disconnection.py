"""Whether service may be cut off for debt, on which facts, and the orders to do so and to undo it.

There is one evaluator, `core.compliance`; here stand the facts it is asked with. An order is a request in fieldwork
that carries the decision it stood on. Who ordered one may not carry it out, and it is asked again when it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing import ledger, medical_holds, models, news, once, owed, settling
from billing import rules as house_rules
from core import audit, errors, money, periods
from core.accounts import operations as connecting
from core.accounts import queries as accounts
from core.compliance import operations as compliance
from core.compliance import queries as decided
from core.compliance import rules
from core.conversations import queries as conversations
from core.fieldwork import operations as fieldwork
from core.fieldwork import queries as work
from core.programs import queries as programs

CLOCK = "clock"
# what stands against even a warning: the debt itself is in question, or somebody is being helped
ABOUT_THE_DEBT = frozenset(
    ("disconnect_dispute", "disconnect_arrangement", "disconnect_assistance", "disconnect_amount", "medical_hold")
)
_DAY = timedelta(days=1)
_OPEN = ("OPEN", "SCHEDULED", "IN_PROGRESS")


@dataclass(frozen=True)
class Block:
    """A rule that stands against cutting service off today."""

    name: str
    rule: str
    citation: str
    verified: bool


@dataclass(frozen=True)
class Notice:
    """A rung of the ladder that was taken, and what proves that it reached anybody."""

    step: str
    round: int
    status: str
    taken_at: datetime
    amount: Decimal
    channel: str | None
    message_id: int | None
    message_status: str | None
    proof: str | None
    proven_at: datetime | None
    blocked_by: str | None
    request_number: str | None


@dataclass(frozen=True)
class Verdict:
    """Whether an account may be disconnected at a moment: every rule against it, and the facts that were asked."""

    account_id: int
    on: date
    allowed: bool
    rule: str
    citation: str
    overdue: Decimal
    days_overdue: int
    blocks: tuple[Block, ...]
    facts: Mapping[str, Any]
    notices: tuple[Notice, ...]
    connected: bool
    decision_id: int | None = None


def may_disconnect(session: Session, *, account_id: int, now: datetime, keep: bool = False) -> Verdict:
    """This will say whether an account may be disconnected now, by every rule of its jurisdiction.

    `keep`: the decision, with its facts, is kept for ever.
    """
    account = accounts.get_account(session, account_id=account_id)
    today = owed.civil_today(session, account_id=account_id, now=now)
    points = accounts.list_service_points(session, account_id=account_id, on=today)
    notices = list_notices(session, account_id=account_id)
    facts = _facts(session, account, points, notices, today, now)
    decision = compliance.evaluate(
        session if keep else None, "DISCONNECT", facts, today, subject="account", subject_id=account_id, now=now
    )
    blocks = []
    for name in decision.results["blocks"]:
        found = rules.rule(account.jurisdiction, name, today)
        blocks.append(Block(name, found.id, found.citation, found.verified))
    return Verdict(
        account_id=account_id,
        on=today,
        allowed=decision.allowed,
        rule=decision.rule,
        citation=decision.citation,
        overdue=Decimal(facts["overdue"]),
        days_overdue=facts["days_overdue"],
        blocks=tuple(blocks),
        facts=facts,
        notices=notices,
        connected=all(point.connected for point in points),
        decision_id=decision.id,
    )


def order_disconnection(session: Session, *, account_id: int, actor: str, now: datetime) -> work.ServiceRequest:
    """This will order a disconnection, if every rule lets it; an order that is open already is given back.

    Refused disconnect.not_allowed, with the rule, its citation and all that stands against it.
    """
    once.lock_account(session, account_id)
    standing = _open_order(session, account_id, "DISCONNECT")
    if standing is not None:
        return standing
    verdict = may_disconnect(session, account_id=account_id, now=now, keep=True)
    _must(verdict)
    account = accounts.get_account(session, account_id=account_id)
    request = fieldwork.open_request(
        session,
        kind="DISCONNECT",
        account_id=account_id,
        customer_id=account.customer_id,
        description=f"{verdict.overdue} past due for {verdict.days_overdue} days",
        data={"decision_id": verdict.decision_id, "ordered_by": actor, "overdue": str(verdict.overdue)},
        key=f"disconnect:{account_id}:{verdict.decision_id}",
        now=now,
    )
    news.tell(
        session, "disconnection.ordered", account, {"request_id": request.id, "amount": str(verdict.overdue)}, now
    )
    return request


def complete_disconnection(session: Session, *, number: str, actor: str, now: datetime) -> Verdict:
    """This will cut off what an order names, when the rules still let it at this very hour.

    Refused disconnect.same_person (who ordered it), disconnect.not_allowed, request.closed.
    """
    request = _order(session, number, "DISCONNECT")
    account_id = int(request.account_id or 0)
    once.lock_account(session, account_id)
    if audit.same_person(str(request.data.get("ordered_by") or ""), actor):
        raise errors.Refused("disconnect.same_person", number=number)
    verdict = may_disconnect(session, account_id=account_id, now=now, keep=True)
    _must(verdict)
    for point in accounts.list_service_points(session, account_id=account_id, on=verdict.on):
        connecting.set_connected(session, service_point_id=point.id, connected=False, actor=actor, now=now)
    note = f"decision {verdict.decision_id}"
    fieldwork.add_update(session, request_id=request.id, note=note, status="DONE", now=now)
    account = accounts.get_account(session, account_id=account_id)
    news.tell(session, "service.disconnected", account, {"request_id": request.id, "amount": str(verdict.overdue)}, now)
    return verdict


def review(session: Session, *, account_id: int, now: datetime) -> work.ServiceRequest | None:
    """This will take back an order that has lost its ground, and order reconnection when the debt is settled.

    For everything that may change the answer: a payment, an arrangement, a dispute, an application for help, a doctor's
    certificate, the day. Gives the reconnection that was ordered, if one was.
    """
    once.lock_account(session, account_id)
    verdict = may_disconnect(session, account_id=account_id, now=now)
    grounds = ABOUT_THE_DEBT.intersection(block.name for block in verdict.blocks)
    if not grounds:
        return None
    order = _open_order(session, account_id, "DISCONNECT")
    if order is not None:
        fieldwork.add_update(session, request_id=order.id, note=", ".join(sorted(grounds)), status="CANCELLED", now=now)
    if verdict.connected:
        return None
    if verdict.overdue <= 0 or verdict.facts["arrangement"]:
        return _reconnect(session, account_id, "PAID" if verdict.overdue <= 0 else "ARRANGEMENT", verdict.on, now)
    certified = verdict.facts.get("medical_hold") == medical_holds.CERTIFICATE
    if certified and rules.rule(verdict.facts["jurisdiction"], "medical_hold", verdict.on).flag("restores"):
        return _reconnect(session, account_id, "MEDICAL", verdict.on, now)
    return None


def complete_reconnection(session: Session, *, number: str, actor: str, now: datetime) -> work.ServiceRequest:
    """This will connect what was cut off again, and stop the clock that ran for it."""
    request = _order(session, number, "RECONNECT")
    account_id = int(request.account_id or 0)
    for point_id in request.data.get("service_point_ids", ()):
        connecting.set_connected(session, service_point_id=int(point_id), connected=True, actor=actor, now=now)
    if "deadline_id" in request.data:
        compliance.meet_deadline(session, deadline_id=int(request.data["deadline_id"]), now=now)
    done = fieldwork.add_update(session, request_id=request.id, note=None, status="DONE", now=now)
    account = accounts.get_account(session, account_id=account_id)
    news.tell(session, "service.reconnected", account, {"request_id": request.id}, now)
    return done


def reconnects_by(session: Session, *, account_id: int) -> datetime | None:
    """This will give until when service has to be back, when its reconnection has been ordered."""
    order = _open_order(session, account_id, "RECONNECT")
    return datetime.fromisoformat(order.data["due_at"]) if order is not None and "due_at" in order.data else None


def list_notices(session: Session, *, account_id: int) -> tuple[Notice, ...]:
    """This will list the rungs taken in an account's open case, oldest first, each with its proof."""
    case, step = models.DunningCaseRow, models.DunningStepRow
    rows = session.scalars(
        select(step)
        .join(case, case.id == step.case_id)
        .where(case.account_id == account_id, case.status == "OPEN")
        .order_by(step.round, step.taken_at, step.id)
    ).all()
    proofs = conversations.notice_proofs(session, keys=[row.notice_key for row in rows if row.notice_key])
    out = []
    for row in rows:
        told = proofs.get(row.notice_key or "")
        arrived = row.proven_at or (told.arrived_at if told else None)
        proof = row.proof or (f"{told.channel} {told.status}" if told and told.arrived_at else None)
        out.append(
            Notice(
                step=row.step, round=row.round, status=row.status, taken_at=row.taken_at,
                amount=money.from_cents(row.overdue_cents), channel=told.channel if told else None,
                message_id=told.message_id if told else None, message_status=told.status if told else None,
                proof=proof, proven_at=arrived, blocked_by=row.blocked_by, request_number=row.request_number,
            )
        )  # fmt: skip
    return tuple(out)


def _facts(
    session: Session,
    account: accounts.Account,
    points: tuple[accounts.ServicePoint, ...],
    notices: tuple[Notice, ...],
    today: date,
    now: datetime,
) -> dict[str, Any]:
    zone = points[0].timezone if points else "UTC"
    late = overdue_of(session, account_id=account.id, today=today)
    plan = owed.get_arrangement(session, account_id=account.id)
    customer = accounts.get_customer(session, customer_id=account.customer_id)
    helped = programs.list_enrolments(session, account_id=account.id)
    facts: dict[str, Any] = {
        "jurisdiction": account.jurisdiction,
        "overdue": str(money.from_cents(late.cents)),
        "days_overdue": (today - late.since).days if late.since else 0,
        "arrangement": plan is not None and plan.status == "ACTIVE",
        "disputed": any(d.status == "OPEN" for d in owed.list_disputes(session, account_id=account.id)),
        "assistance_pending": any(e.status == "REQUESTED" and e.program.kind == "ASSISTANCE" for e in helped),
        "hour": periods.local(now, zone).hour,
        "holidays": sorted(decided.public_holidays(account.jurisdiction, today.year) & {today, today + _DAY}),
        **_told(notices, zone, house_rules.contact_hours(account.jurisdiction, today)),
    }
    held = medical_holds.current(session, account_id=account.id, on=today)
    if held is not None:
        facts["medical_hold_until"], facts["medical_hold"] = held.until, held.kind
    if customer.medical_equipment:
        facts["medical_equipment"] = True  # stands against nothing by itself; who decides must know
    if any(e.status == "ACTIVE" and "LOW_INCOME" in e.program.requires for e in helped):
        facts["low_income"] = True
    for point in points[:1]:
        facts |= decided.weather_facts(session, county=point.county, on=today)
    return facts


def _told(notices: tuple[Notice, ...], zone: str, hours: range) -> dict[str, Any]:
    """When the notice reached the customer, and when somebody spoke with them: only what is proven counts, and a call
    only at an hour that may be called at.
    """
    if not notices:
        return {}
    last = max(notice.round for notice in notices)
    proven = [(n.step, n.proven_at) for n in notices if n.round == last and n.proven_at is not None]
    facts: dict[str, Any] = {}
    given = [at for step, at in proven if step == "TERMINATION_NOTICE"]
    spoken = [periods.local(at, zone) for step, at in proven if step in ("CONTACT_1", "CONTACT_2")]
    calls = sorted({at.date() for at in spoken if at.hour in hours})
    if given:
        facts["notice_on"] = periods.civil_day(max(given), zone)
    if calls:
        facts["contact_on"], facts["contact_attempts"] = calls[-1], len(calls)
    return facts


@dataclass(frozen=True)
class Late:
    """What is past due, undisputed, and not already on its way to us; and since when."""

    cents: int
    since: date | None


def overdue_of(session: Session, *, account_id: int, today: date) -> Late:
    """This will give what an account is behind with."""
    return list_overdue(session, account_ids=[account_id], today=today)[account_id]


def list_overdue(session: Session, *, account_ids: Sequence[int], today: date) -> dict[int, Late]:
    """This will give what accounts are behind with, each; as many questions for many as for one."""
    found = settling.open_items(session, account_ids=account_ids)
    owed_cents = ledger.balances_cents(session, account_ids=account_ids)
    coming = settling.on_the_way(session, account_ids=account_ids)
    out = {}
    for account_id in account_ids:
        items = [i for i in found.get(account_id, ()) if i.due_on < today and not i.disputed]
        late = min(sum(item.open_cents for item in items), owed_cents[account_id])
        cents = max(0, late - coming.get(account_id, 0))
        out[account_id] = Late(cents, min((item.due_on for item in items), default=None) if cents else None)
    return out


def _reconnect(
    session: Session, account_id: int, reason: str, today: date, now: datetime
) -> work.ServiceRequest | None:
    """Only what we cut off for debt is connected again; the order says until when."""
    cut = [
        request
        for request in work.list_requests(session, account_id=account_id, limit=100)
        if request.kind == "DISCONNECT" and request.status == "DONE"
    ]
    points = [p for p in accounts.list_service_points(session, account_id=account_id, on=today) if not p.connected]
    if not cut or not points:
        return None
    standing = _open_order(session, account_id, "RECONNECT")
    if standing is not None:
        return standing
    account = accounts.get_account(session, account_id=account_id)
    clock = compliance.open_deadline(
        session, kind="RECONNECT", subject="account", subject_id=account_id, key=f"reconnect:{cut[0].id}",
        jurisdiction=account.jurisdiction, timezone=points[0].timezone, now=now,
    )  # fmt: skip
    request = fieldwork.open_request(
        session,
        kind="RECONNECT",
        account_id=account_id,
        customer_id=account.customer_id,
        description=reason,
        data={
            "reason": reason,
            "service_point_ids": [point.id for point in points],
            "deadline_id": clock.id,
            "due_at": clock.due_at.isoformat(),
            "citation": clock.citation,
        },
        key=f"reconnect:{cut[0].id}",
        now=now,
    )
    news.tell(
        session, "reconnection.ordered", account, {"request_id": request.id, "due_at": clock.due_at.isoformat()}, now
    )
    return request


def _must(verdict: Verdict) -> None:
    if not verdict.allowed:
        raise errors.Refused(
            "disconnect.not_allowed", rule=verdict.rule, citation=verdict.citation,
            blocks=[block.name for block in verdict.blocks],
        )  # fmt: skip


def _open_order(session: Session, account_id: int, kind: str) -> work.ServiceRequest | None:
    found = work.list_requests(session, account_id=account_id, limit=100)
    return next((r for r in found if r.kind == kind and r.status in _OPEN), None)


def _order(session: Session, number: str, kind: str) -> work.ServiceRequest:
    request = work.get_request(session, number=number)
    if request.kind != kind:
        raise errors.NotFound("request.unknown")
    if request.status not in _OPEN:
        raise errors.Refused("request.closed", number=number)
    return request
