"""The console's pages for reads that want a look, and for corrections that reads suggest."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import flask
from sqlalchemy.orm import Session

from billing import operations as billing
from billing import queries as bills
from channels import edge
from core import errors, money
from core.hub import Hub
from metering import deciding, worklist
from metering.validation import sentences
from ops_admin import refusals
from ops_admin.console import day_chart, fields

_SHOWN = 25
_Page = flask.typing.ResponseReturnValue


def add(pages: flask.Blueprint, hub: Hub) -> None:
    """This will add the pages to the console's own, behind the same door."""

    def shown(template: str, code: int = 200, **said: Any) -> _Page:
        done = flask.request.args.get("done", "")[:120]
        return flask.render_template(f"console/{template}.html", words=sentences, done=done, **said), code

    def unknown() -> _Page:
        return shown("sorry", 404, sorry="That is not here, or not any more.")

    def decided(act: Callable[[Session, str, str], str], back: str) -> _Page:
        """One change, told on the page it came from; what is refused is said in plain words and changes nothing."""
        why = flask.request.form.get("why", "").strip()[:400]
        try:
            actor = fields.actor(hub)
        except errors.Refused as refused:
            return shown("sorry", 403, sorry=refusals.to_staff(hub, refused), back=back)
        if not why:
            return shown("sorry", 422, sorry=sentences.REFUSALS["read_exception.reason"], back=back)
        try:
            with hub.transaction() as session:
                done = act(session, actor, why)
        except errors.NotFound:
            return unknown()
        except errors.WattlineError as refused:
            said = sentences.REFUSALS.get(refused.code) or refusals.in_words(hub, refused)
            return shown("sorry", 409 if isinstance(refused, errors.Refused) else 422, sorry=said, back=back)
        return flask.redirect(f"{back}{'&' if '?' in back else '?'}done={done.replace(' ', '+')}")

    @pages.get("/ops/reads")
    def reads() -> _Page:
        asked = flask.request.args
        filters = worklist.Filters(
            code=asked.get("code", "") if asked.get("code", "") in sentences.SENTENCES else None,
            severity=asked.get("severity", "") if asked.get("severity", "") in sentences.SEVERITIES else None,
            meter_number=asked.get("meter", "").strip()[:40] or None, resolved=asked.get("resolved") == "1",
            before_id=asked.get("before", type=int),
        )  # fmt: skip
        with hub.transaction() as session:
            found = worklist.list_exceptions(session, filters=filters)
            counts = worklist.count_open(session)
            waiting = bills.count_proposals(session)
        more = found[-1].id if len(found) == worklist.PAGE else None
        return shown("reads", found=found, counts=counts, filters=filters, more=more, waiting=waiting)

    @pages.post("/ops/reads/accept")
    def accept_many() -> _Page:
        ids = [int(i) for i in flask.request.form.getlist("id") if i.isascii() and i.isdigit() and len(i) < 16]

        def act(session: Session, actor: str, why: str) -> str:
            count = deciding.accept_exceptions(session, exception_ids=ids, actor=actor, reason=why, now=hub.now())
            return f"{count} accepted."

        return decided(act, "/ops/reads")

    @pages.get("/ops/reads/<int:exception_id>")
    def read(exception_id: int) -> _Page:
        with hub.transaction() as session:
            try:
                one = worklist.get_exception(session, exception_id=exception_id)
            except errors.NotFound:
                return unknown()
            day = worklist.show_day(session, entry=one, now=hub.now())
            moments: tuple[worklist.Moment, ...] = ()
            if day is not None and one.meter_id is not None:
                moments = worklist.interval_history(
                    session, meter_id=one.meter_id, starts_at=one.starts_at or day.starts_at
                )  # fmt: skip
        chart = None if day is None else day_chart.draw(day, starts_at=one.starts_at, ends_at=one.ends_at)
        return shown("read", one=one, day=day, chart=chart, moments=moments, step=timedelta)

    @pages.post("/ops/reads/<int:exception_id>/<any(accept, estimate, edit, undo):deed>")
    def decide(exception_id: int, deed: str) -> _Page:
        def act(session: Session, actor: str, why: str) -> str:
            common: dict[str, Any] = {"exception_id": exception_id, "actor": actor, "reason": why, "now": hub.now()}
            if deed == "accept":
                deciding.accept_exception(session, **common)
                return "Accepted."
            if deed == "undo":
                deciding.undo_exception(session, **common)
                return "Taken back. It waits again."
            starts_at, ends_at = _span(session, exception_id, hub)
            if deed == "estimate":
                made = deciding.estimate_exception(session, starts_at=starts_at, ends_at=ends_at, **common)
                return f"{made} intervals estimated."
            made = deciding.edit_exception(
                session, starts_at=starts_at, ends_at=ends_at, wh=_wh(flask.request.form.get("kwh", "")),
                each=flask.request.form.get("how") != "total", **common,
            )  # fmt: skip
            return f"{made} intervals written."

        return decided(act, f"/ops/reads/{exception_id}")

    @pages.get("/ops/corrections")
    def corrections() -> _Page:
        status = flask.request.args.get("status", "OPEN")
        status = status if status in ("OPEN", "ACCEPTED", "REJECTED", "OVERTAKEN") else "OPEN"
        with hub.transaction() as session:
            found = bills.list_proposals(session, status=status, limit=_SHOWN)
        return shown("corrections", found=found, status=status)

    @pages.post("/ops/corrections/<int:proposal_id>/<any(accept, reject, refresh):deed>")
    def correct(proposal_id: int, deed: str) -> _Page:
        def act(session: Session, actor: str, why: str) -> str:
            if deed == "refresh":
                billing.refresh_correction(session, proposal_id=proposal_id, now=hub.now())
                return "Brought up to date."
            if deed == "reject":
                billing.reject_correction(session, proposal_id=proposal_id, actor=actor, note=why, now=hub.now())
                return "Rejected. The bill stays as it is."
            at_fault = flask.request.form.get("at_fault") == "1"
            made = billing.accept_correction(
                session, proposal_id=proposal_id, actor=actor, note=why, now=hub.now(), customer_at_fault=at_fault
            )
            return (
                f"Bill {made.bill.number} stands for {made.cancelled.number} (credit note {made.credit_note.number}); "
                f"difference {made.difference}."
            )

        return decided(act, "/ops/corrections")


def _span(session: Session, exception_id: int, hub: Hub) -> tuple[Any, Any]:
    """The part of the day that the two lists of the form name, by the numbers of its intervals."""
    one = worklist.get_exception(session, exception_id=exception_id)
    day = worklist.show_day(session, entry=one, now=hub.now())
    if day is None:
        raise errors.Refused("read_exception.no_day")
    first, last = (
        edge.whole(flask.request.form.get(name), wrong="read_exception.span") for name in ("first", "last")
    )  # fmt: skip
    if not first <= last < len(day.wh):
        raise errors.Invalid("read_exception.span")
    return day.at(first), day.at(last + 1)


def _wh(text: str) -> int:
    try:
        value = money.parse(text.strip().replace(",", "."))
    except ValueError:
        raise errors.Invalid("read_exception.value") from None
    if abs(value) > 10**9:
        raise errors.Invalid("read_exception.value")
    return int((value * 1000).to_integral_value())
