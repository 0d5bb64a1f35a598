"""Alerts: what was unusual and what the customer says to it, and what they want to hear, where and when."""

from datetime import timedelta

import flask
from sqlalchemy.orm import Session

from billing import alert_settings
from billing import alerts as bill_alerts
from channels import edge
from channels.portal.visitor import Visitor, signed_in
from core import errors, money
from core.accounts import queries as accounts
from core.hub import Hub
from metering import operations as metering_work
from metering import queries as metering

_LISTED = timedelta(days=365)
_AHEAD = (alert_settings.PROJECTED, alert_settings.PEAK)


def add(pages: flask.Blueprint, hub: Hub) -> None:
    """This will add the page about alerts."""

    @pages.get("/portal/alerts")
    @signed_in(hub)
    def alerts(session: Session, visitor: Visitor) -> flask.typing.ResponseReturnValue:
        point = visitor.point
        found = () if point is None else metering.list_anomalies(
            session, service_point_id=point.id, since=visitor.today - _LISTED
        )  # fmt: skip
        budget = bill_alerts.find_bill_alert(session, account_id=visitor.account.id)
        return flask.render_template(
            "portal/alerts.html",
            alerts=found,
            patience={} if point is None else metering.list_patience(session, service_point_id=point.id),
            wants=alert_settings.get_alert_settings(session, account_id=visitor.account.id),
            budget=budget,
            unusual=alert_settings.UNUSUAL,
            ahead=_AHEAD,
            channels=alert_settings.CHANNELS,
            reachable=any(
                accounts.may_notify(
                    session, customer_id=visitor.customer.id, channel=channel, purpose="ALERTS", now=hub.now()
                )
                for channel in alert_settings.CHANNELS
            ),
            from_cents=money.from_cents,
        )

    @pages.post("/portal/alerts")
    @signed_in(hub)
    def change_alerts(session: Session, visitor: Visitor) -> flask.typing.ResponseReturnValue:
        form, now = flask.request.form, hub.now()
        act = form.get("act", "")
        if act == "settings":
            alert_settings.set_alert_settings(
                session,
                account_id=visitor.account.id,
                wanted=form.getlist("wanted"),
                channel=form.get("channel") or None,
                quiet_from=edge.whole(form.get("quiet_from"), wrong="alert.quiet"),
                quiet_to=edge.whole(form.get("quiet_to"), wrong="alert.quiet"),
                now=now,
            )
            bill_alerts.set_bill_alert(
                session,
                account_id=visitor.account.id,
                threshold=edge.number(form.get("budget", ""), wrong="alert.threshold"),
                now=now,
            )
        elif act == "feedback":
            if visitor.point is None:
                raise errors.NotFound("alert.none")
            metering_work.give_feedback(
                session,
                usage_alert_id=edge.whole(form.get("alert"), wrong="alert.none"),
                service_point_id=visitor.point.id,
                ours=form.get("word") == "OURS",
                now=now,
            )
        else:
            raise errors.Invalid("form.choice")
        return flask.redirect(flask.url_for("portal.alerts", saved="yes"))
