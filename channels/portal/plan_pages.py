"""Plans: what each would have cost, what a switch means on each day it may start, and the way back."""

from datetime import date, datetime

import flask
from sqlalchemy.orm import Session

from billing import operations as billing
from billing import queries as bills
from billing import views
from channels.portal import price_view
from channels.portal.visitor import Visitor, signed_in
from core import crypto, errors
from core.hub import Hub


def add(pages: flask.Blueprint, hub: Hub) -> None:
    """This will add the comparison, a page for each plan, and the two forms."""

    @pages.get("/portal/plans")
    @signed_in(hub)
    def plans(session: Session, visitor: Visitor) -> flask.typing.ResponseReturnValue:
        account_id, now = visitor.account.id, hub.now()
        outlook = bills.price_outlook(session, account_id=account_id, now=now)
        return flask.render_template(
            "portal/plans.html",
            comparison=bills.compare_tariffs(session, account_id=account_id, now=now),
            outlook=outlook,
            price_days=price_view.days(hub, outlook) if outlook else (),
            recent=bills.recent_switch(session, account_id=account_id, now=now),
        )

    @pages.get("/portal/plans/<code>")
    @signed_in(hub)
    def plan(session: Session, visitor: Visitor, code: str) -> flask.typing.ResponseReturnValue:
        """A plan by itself: what it costs, who may have it; and where it is open, what a switch to it would mean."""
        account_id, now = visitor.account.id, hub.now()
        found = bills.find_tariff(session, account_id=account_id, tariff_code=code[:40], now=now)
        days: tuple[views.SwitchPreview, ...] = ()
        comparison = refusal = None
        if not found.held and not found.reasons:
            try:
                days = bills.preview_switch(session, account_id=account_id, tariff_code=found.tariff.code, now=now)
                comparison = _comparison(session, account_id, now)
            except errors.Refused as refused:  # another switch is on its way, or the service ends
                refusal = refused
        return flask.render_template(
            "portal/plan.html", found=found, tariff=found.tariff, days=days, comparison=comparison, refusal=refusal
        )

    @pages.post("/portal/plans")
    @signed_in(hub)
    def switch(session: Session, visitor: Visitor) -> flask.typing.ResponseReturnValue:
        billing.switch_tariff(
            session,
            account_id=visitor.account.id,
            tariff_code=flask.request.form.get("tariff", "")[:40],
            starts_on=_day(flask.request.form.get("on", "")),
            key=f"portal:{crypto.token(9)}",
            now=hub.now(),
        )
        return flask.redirect(flask.url_for("portal.plans", done="switch"))

    @pages.post("/portal/plans/undo")
    @signed_in(hub)
    def undo_switch(session: Session, visitor: Visitor) -> flask.typing.ResponseReturnValue:
        """The form names the switch it is of: sent twice, or late, it does not take back another one."""
        billing.cancel_switch(
            session,
            account_id=visitor.account.id,
            key=f"portal:{crypto.token(9)}",
            now=hub.now(),
            meant=(flask.request.form.get("tariff", ""), _day(flask.request.form.get("on", "")) or date.min),
        )
        return flask.redirect(flask.url_for("portal.plans", done="switch_undone"))


def _comparison(session: Session, account_id: int, now: datetime) -> views.Comparison | None:
    """What a year would cost on each plan; nothing where too little is known for that: one may switch all the same."""
    try:
        return bills.compare_tariffs(session, account_id=account_id, now=now)
    except errors.NotFound:
        return None


def _day(text: str) -> date | None:
    """The day a form names; none when it is left out: the next bill period then."""
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise errors.Invalid("tariff.starts_on") from None
