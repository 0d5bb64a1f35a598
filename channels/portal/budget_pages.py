"""A level amount a month: what it would be, how it stands, and the way out of it."""

from decimal import Decimal

import flask
from sqlalchemy.orm import Session

from billing import operations as billing
from billing import queries as bills
from channels import edge
from channels.portal.visitor import Visitor, signed_in
from core import errors
from core.hub import Hub


def add(pages: flask.Blueprint, hub: Hub) -> None:
    """This will add the page of budget billing and its two forms."""

    @pages.get("/portal/budget")
    @signed_in(hub)
    def budget(session: Session, visitor: Visitor) -> flask.typing.ResponseReturnValue:
        account_id, now = visitor.account.id, hub.now()
        held = bills.find_budget(session, account_id=account_id, now=now)
        offer, refusal = None, None
        if held is None or held.status == "ENDED":
            try:
                offer = billing.preview_budget(
                    session, account_id=account_id, now=now, monthly_kwh=_kwh(flask.request.args.get("kwh", ""))
                )
            except errors.WattlineError as refused:
                refusal = refused
        return flask.render_template(
            "portal/budget.html", budget=held, offer=offer, refusal=refusal, kwh=flask.request.args.get("kwh", "")[:9]
        )

    @pages.post("/portal/budget")
    @signed_in(hub)
    def join_budget(session: Session, visitor: Visitor) -> flask.typing.ResponseReturnValue:
        billing.open_budget(
            session,
            account_id=visitor.account.id,
            key=f"portal:budget:{visitor.account.id}:{visitor.today}",
            now=hub.now(),
            monthly_kwh=_kwh(flask.request.form.get("kwh", "")),
        )
        return flask.redirect(flask.url_for("portal.budget", done="budget"))

    @pages.post("/portal/budget/leave")
    @signed_in(hub)
    def quit_budget(session: Session, visitor: Visitor) -> flask.typing.ResponseReturnValue:
        billing.leave_budget(session, account_id=visitor.account.id, now=hub.now())
        return flask.redirect(flask.url_for("portal.budget", done="budget_left"))


def _kwh(text: str) -> Decimal | None:
    """A stated use a month; nothing typed stands for the home's own last twelve months."""
    return edge.number(text, wrong="budget.kwh")
