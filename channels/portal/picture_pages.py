"""Pictures by their address alone: what a messenger or a mail reader fetches. The link is the permission."""

from datetime import timedelta
from decimal import Decimal

import flask
from markupsafe import Markup
from sqlalchemy.orm import Session

from billing import queries as bills
from channels.portal import charts, figures, pictures, usage_views
from channels.portal.visitor import speaker, writer
from core import errors, periods
from core.accounts import queries as accounts
from core.hub import Hub
from metering import picture_links
from metering import queries as metering


def add(pages: flask.Blueprint, hub: Hub) -> None:
    """This will add the door for pictures."""

    @pages.get("/pictures/<token>.png")
    def picture(token: str) -> flask.typing.ResponseReturnValue:
        now = hub.now()
        try:
            wanted = picture_links.read(hub.settings.secret_key, token, now=now)
        except errors.NotFound:
            flask.abort(404)
        with hub.transaction() as session:
            drawing, kind, data = _DRAWN[wanted.kind](hub, session, wanted)
            fresh = metering.freshness(session, service_point_id=wanted.service_point_id)
        say = speaker(hub, wanted.locale)
        body = pictures.png(
            drawing,
            title=say(f"{kind}.title", **data),
            gist=say(f"{kind}.gist", **data),
            foot=say("picture.foot", at=fresh) if fresh else hub.settings.utility_name,
        )
        response = flask.Response(body, mimetype="image/png")
        response.headers["Cache-Control"] = "private, max-age=300"
        response.headers["X-Robots-Tag"] = "noindex"
        return response


_Drawn = tuple[Markup, str, dict[str, object]]


def _days(hub: Hub, session: Session, wanted: picture_links.Picture) -> _Drawn:
    """A bar for each day, and what they come to."""
    write, days = writer(hub, wanted.locale), wanted.days
    point = _point(session, wanted)
    used = metering.daily_usage(session, service_point_id=point.id, days=days, timezone=point.timezone)
    cost = sum(
        (c.amount for c in bills.cost_of_usage(session, account_id=wanted.account_id, days=days, now=hub.now())),
        Decimal(0),
    )
    bars = [charts.Bar(write("day", d.day), d.wh / 1000, "", apart=d.estimated > 0 or d.missing > 0) for d in used]
    total = Decimal(sum(d.wh for d in used)) / 1000
    data: dict[str, object] = {
        "starts_on": days.starts_on,
        "last_day": days.ends_on - timedelta(days=1),
        "kwh": total,
        "cost": cost,
    }
    return charts.bars(bars, title="", unit="kWh"), "picture.days", data


def _compared(hub: Hub, session: Session, wanted: picture_links.Picture) -> _Drawn:
    """The period, the one before and a year ago, a day."""
    say, point = speaker(hub, wanted.locale), _point(session, wanted)
    today = periods.civil_day(hub.now(), point.timezone)
    compared = metering.compare_usage(session, service_point_id=point.id, timezone=point.timezone, today=today)
    sides = (
        ("portal.compared.this", compared.this_period),
        ("portal.compared.before", compared.previous),
        ("portal.compared.last_year", compared.last_year),
    )
    rows = [
        figures.Row(say(kind), side.daily_wh / 1000, say("portal.a_day", kwh=Decimal(side.daily_wh) / 1000), n == 0)
        for n, (kind, side) in enumerate(sides)
        if side.daily_wh is not None
    ]
    this = compared.this_period
    data: dict[str, object] = {"starts_on": this.starts_on, "last_day": this.ends_on - timedelta(days=1)}
    return figures.rows(rows, title=""), "picture.compared", data


def _forecast(hub: Hub, session: Session, wanted: picture_links.Picture) -> _Drawn:
    """What the running bill will come to, with its range."""
    coming = bills.forecast_bill(session, account_id=wanted.account_id, now=hub.now())
    drawn = usage_views.reach(coming, writer(hub, wanted.locale))
    data: dict[str, object] = {
        "low": coming.low,
        "likely": coming.likely,
        "high": coming.high,
        "last_day": coming.ends_on - timedelta(days=1),
    }
    return figures.span(drawn, title=""), "picture.forecast", data


_DRAWN = {"DAYS": _days, "COMPARED": _compared, "FORECAST": _forecast}


def _point(session: Session, wanted: picture_links.Picture) -> accounts.ServicePoint:
    return accounts.get_service_point(session, service_point_id=wanted.service_point_id, on=wanted.days.starts_on)
