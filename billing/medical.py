"""Illness at home: a customer's word holds a shut-off off for some days, a doctor's certificate for the rule's.

How long, and how often against one debt, is the jurisdiction's data (`medical_word`, `medical_hold`). A certificate
that follows another against the same debt is a renewal; when that debt is paid they are counted from the start again.
That medical equipment is in a home (`Customer.medical_equipment`) is another thing: it stands, and holds nothing off.
"""

from datetime import date, datetime
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from billing import disconnection, medical_models, news, once, owed, settling
from billing.medical_holds import CERTIFICATE, WORD, Hold, current, view
from core import audit, errors
from core.accounts import queries as accounts
from core.compliance import operations as compliance
from core.compliance import rules

_Row = medical_models.MedicalHoldRow


def note_word(session: Session, *, account_id: int, actor: str, now: datetime) -> Hold | None:
    """This will hold a shut-off off on a customer's own word; gives what holds, or None when the word was used.

    Where something holds already, that is given back: a word adds nothing to it.
    """
    once.lock_account(session, account_id)
    today = owed.civil_today(session, account_id=account_id, now=now)
    held = current(session, account_id=account_id, on=today)
    if held is not None:
        return held
    words = _used(session, account_id, WORD, today)
    facts = {"jurisdiction": _place(session, account_id), "starts_on": today, "words": len(words)}
    decision = compliance.evaluate(
        session, "MEDICAL_WORD", facts, today, subject="account", subject_id=account_id, now=now
    )
    return _hold(session, account_id, WORD, decision, actor, now) if decision.allowed else None


def certify(
    session: Session, *, account_id: int, doctor: str, actor: str, now: datetime, days: int | None = None
) -> Hold:
    """This will note a doctor's certificate, of `days` when it names them; after another one it is a renewal.

    It holds from today, a renewal from the day the one before ends. The same doctor's again on one day is the same.
    Invalid medical.doctor, medical.days; Refused medical.renewals when the rule gives no more against this debt.
    """
    doctor = doctor.strip()
    if not doctor:
        raise errors.Invalid("medical.doctor")
    if days is not None and days < 1:
        raise errors.Invalid("medical.days")
    once.lock_account(session, account_id)
    today = owed.civil_today(session, account_id=account_id, now=now)
    held = current(session, account_id=account_id, on=today)
    after = held if held is not None and held.kind == CERTIFICATE else None
    if after is not None and after.certified_by == doctor and owed.civil_today(
        session, account_id=account_id, now=after.recorded_at
    ) == today:  # fmt: skip
        return after
    facts = _facts(session, account_id, today) | {"starts_on": after.until if after else today, "certified_days": days}
    decision = compliance.evaluate(
        session, "MEDICAL_HOLD", facts, today, subject="account", subject_id=account_id, now=now
    )
    if not decision.allowed:
        raise errors.Refused("medical.renewals", renewals=facts["renewals"] - 1, citation=decision.citation)
    return _hold(session, account_id, CERTIFICATE, decision, actor, now, doctor=doctor)


def end(session: Session, *, account_id: int, reason: str, actor: str, now: datetime) -> None:
    """This will end what holds, from today on. Invalid medical.reason; Refused medical.none when nothing does."""
    if not reason.strip():
        raise errors.Invalid("medical.reason")
    once.lock_account(session, account_id)
    today = owed.civil_today(session, account_id=account_id, now=now)
    if current(session, account_id=account_id, on=today) is None:
        raise errors.Refused("medical.none")
    session.execute(
        update(_Row)
        .where(_Row.account_id == account_id, _Row.until > today, _Row.ended_on.is_(None))
        .values(ended_on=today, ended_by=actor, ended_why=reason.strip())
    )
    session.expire_all()
    news.tell(session, "medical.ended", accounts.get_account(session, account_id=account_id), {}, now)
    audit.record(
        session, actor=actor, action="medical.ended", subject="account", subject_id=account_id, now=now,
        detail={"reason": reason.strip()},
    )  # fmt: skip


def may_renew(session: Session, *, account_id: int, today: date) -> bool:
    """This will say whether another certificate would hold, as things stand today."""
    return rules.decide("MEDICAL_HOLD", _facts(session, account_id, today) | {"starts_on": today}, today).allowed


def _hold(
    session: Session, account_id: int, kind: str, decision: rules.Decision, actor: str, now: datetime,
    doctor: str | None = None,
) -> Hold:  # fmt: skip
    row = _Row(
        account_id=account_id, kind=kind, starts_on=decision.inputs["starts_on"], until=decision.results["until"],
        renewal=decision.inputs.get("renewals", 0), certified_by=doctor, decision_id=decision.id, recorded_by=actor,
        recorded_at=now,
    )  # fmt: skip
    session.add(row)
    session.flush()
    made = view(row)
    most = rules.rule(decision.jurisdiction, "medical_hold", made.starts_on).days("days")
    account = accounts.get_account(session, account_id=account_id)
    told = {"hold": kind, "through": made.through.isoformat(), "days": most}
    news.tell(session, "medical.held", account, told, now)
    audit.record(
        session, actor=actor, action=f"medical.{kind.lower()}", subject="account", subject_id=account_id, now=now,
        detail={"until": made.until, "renewal": made.renewal, "certified_by": doctor, "rule": decision.rule},
    )  # fmt: skip
    return made


def _facts(session: Session, account_id: int, today: date) -> dict[str, Any]:
    """How many certificates held against the debt that stands, and whether what came due since the first is paid."""
    before = _used(session, account_id, CERTIFICATE, today)
    facts: dict[str, Any] = {"jurisdiction": _place(session, account_id), "renewals": len(before)}
    if before:
        items = settling.open_items(session, account_ids=[account_id]).get(account_id, ())
        since = [i.open_cents for i in items if before[0].starts_on <= i.due_on < today and not i.disputed]
        on_the_way = settling.on_the_way(session, account_ids=[account_id]).get(account_id, 0)
        facts["bills_paid"] = sum(since) <= on_the_way
    return facts


def _used(session: Session, account_id: int, kind: str, today: date) -> list[_Row]:
    """The holds of a kind that stood against what is past due now, oldest first; not one that never began to hold."""
    since = disconnection.overdue_of(session, account_id=account_id, today=today).since
    if since is None:
        return []
    began = or_(_Row.ended_on.is_(None), _Row.ended_on > _Row.starts_on)
    return list(
        session.scalars(
            select(_Row)
            .where(_Row.account_id == account_id, _Row.kind == kind, _Row.until > since, began)
            .order_by(_Row.starts_on, _Row.id)
        )
    )


def _place(session: Session, account_id: int) -> str:
    return accounts.get_account(session, account_id=account_id).jurisdiction
