"""Who is behind, how far up the ladder, why each may or may not be disconnected today, and what illness holds off."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import flask
from sqlalchemy.orm import Session

from billing import dunning, medical
from billing import queries as billing
from channels import edge
from core import errors
from core.accounts import queries as accounts
from core.hub import Hub
from ops_admin import refusals
from ops_admin.console import fields

_SHOWN = 20
DONE = {
    "word": "Held on the customer's word.",
    "used": "Not held: the customer's word was used against this debt. A certificate is needed.",
    "certificate": "The certificate is noted, and the customer is told until when it holds.",
    "end": "The hold has ended, and the customer is told.",
}


@dataclass(frozen=True)
class Behind:
    """An account and its verdict of this moment."""

    number: str
    verdict: billing.Verdict


@dataclass(frozen=True)
class Asked(Behind):
    """An account somebody asks for: with its medical holds, newest first, and what is in force."""

    holds: tuple[billing.MedicalHold, ...]
    held: billing.MedicalHold | None


def read(session: Session, *, now: datetime) -> tuple[Behind, ...]:
    """This will give the accounts that have been on the ladder longest."""
    found = []
    for account_id in dunning.list_cases(session, limit=_SHOWN):
        verdict = billing.may_disconnect(session, account_id=account_id, now=now)
        found.append(Behind(accounts.get_account(session, account_id=account_id).number, verdict))
    return tuple(found)


def find(session: Session, *, number: str, now: datetime) -> Asked | None:
    """This will give the verdict of one account, behind or not; None when nobody bears the number."""
    account = accounts.find_account_by_number(session, number=number)
    if account is None:
        return None
    verdict = billing.may_disconnect(session, account_id=account.id, now=now)
    return Asked(
        account.number,
        verdict,
        billing.list_medical_holds(session, account_id=account.id),
        billing.current_medical_hold(session, account_id=account.id, on=verdict.on),
    )


def add(pages: flask.Blueprint, hub: Hub, page: Callable[..., flask.typing.ResponseReturnValue]) -> None:
    """This will add what staff note of illness at home; a refusal is said on the `page` it was tried on."""

    @pages.post("/ops/medical/<act>")
    def note_medical(act: str) -> flask.typing.ResponseReturnValue:
        form, work = flask.request.form, _ACTS.get(act)
        if work is None:
            flask.abort(404)
        number = form.get("account", "")[:20]
        try:
            actor = fields.actor(hub)
            with hub.transaction() as session:
                account = accounts.get_account_by_number(session, number=number)
                done = work(session, account.id, actor, hub.now())
        except errors.WattlineError as refused:
            return page(asked=number, wrong=refusals.to_staff(hub, refused), status=422)
        return flask.redirect(flask.url_for("console.console", account=number, done=done, _anchor="arrears"))


def _word(session: Session, account_id: int, actor: str, now: datetime) -> str:
    held = medical.note_word(session, account_id=account_id, actor=actor, now=now)
    return "word" if held is not None else "used"


def _certificate(session: Session, account_id: int, actor: str, now: datetime) -> str:
    form = flask.request.form
    days = form.get("days", "").strip()
    medical.certify(
        session, account_id=account_id, doctor=form.get("doctor", "")[:120], actor=actor, now=now,
        days=edge.whole(days, wrong="medical.days") if days else None,
    )  # fmt: skip
    return "certificate"


def _end(session: Session, account_id: int, actor: str, now: datetime) -> str:
    medical.end(session, account_id=account_id, reason=flask.request.form.get("reason", "")[:500], actor=actor, now=now)
    return "end"


_ACTS: dict[str, Callable[[Session, int, str, datetime], str]] = {
    "word": _word,
    "certificate": _certificate,
    "end": _end,
}
