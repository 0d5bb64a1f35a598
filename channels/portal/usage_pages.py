"""Usage: pictures, live reads, and the figures to take home."""

import csv
import io
import json
import time
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal

import flask
from sqlalchemy.orm import Session

from billing import queries as bills
from channels.portal import charts
from channels.portal.visitor import Visitor, find, signed_in, writer
from core import errors, periods
from core.accounts import queries as accounts
from core.hub import Hub
from metering import operations as readings
from metering import queries as metering
from metering.formats import greenbutton

_VIEWS = {"day": 1, "week": 7, "month": 31, "year": 365}
_LIVE_SECONDS = 55  # then the browser comes again: no stream is held for ever


def add(pages: flask.Blueprint, hub: Hub) -> None:
    """This will add the pages about usage."""

    @pages.get("/portal/usage")
    @signed_in(hub)
    def usage(session: Session, visitor: Visitor) -> flask.typing.ResponseReturnValue:
        point = _point(visitor)
        view = flask.request.args.get("view", "month")
        if view not in _VIEWS:
            raise errors.Invalid("usage.view")
        on = _day(flask.request.args.get("on"), visitor.today)
        now = hub.now()
        first = on - timedelta(days=_VIEWS[view] - 1)
        if view == "day":
            series, cost = _hours(hub, session, point, on), None
        elif view == "year":
            series, cost = _months(hub, session, point, periods.Days(first, _next(on))), None
        else:
            series, cost = _days(hub, session, visitor, periods.Days(first, _next(on)))
        return flask.render_template(
            "portal/usage.html",
            view=view,
            on=on,
            first=first,
            total=sum(bar.value for bar in series),
            cost=cost,
            earlier=on - timedelta(days=_VIEWS[view]),
            later=min(on + timedelta(days=_VIEWS[view]), visitor.today),
            series=series,
            latest=metering.latest_usage(session, service_point_id=point.id, now=now),
            compared=metering.compare_usage(
                session, service_point_id=point.id, timezone=point.timezone, today=visitor.today
            ),
            forecast=_forecast(session, visitor, hub),
            alerts=metering.list_anomalies(
                session, service_point_id=point.id, since=visitor.today - timedelta(days=60)
            ),
            fresh=metering.freshness(session, service_point_id=point.id),
            meters=metering.list_meters(session, service_point_id=point.id),
        )

    @pages.get("/portal/usage/live")
    def live() -> flask.typing.ResponseReturnValue:
        """Server-sent events: today so far, each time a new read is in."""
        with hub.transaction() as session:
            visitor = find(hub, session)
        if visitor is None or visitor.point is None:
            flask.abort(403)
        point = visitor.point

        def stream() -> Iterator[str]:
            yield "retry: 2000\n\n"
            seen, deadline = "", time.monotonic() + _LIVE_SECONDS
            while time.monotonic() < deadline:
                with hub.transaction() as session:
                    latest = metering.latest_usage(session, service_point_id=point.id, now=hub.now())
                told = json.dumps(
                    {
                        "kwh": f"{latest.wh / 1000:.2f}",
                        "until": latest.until.isoformat() if latest.until else None,
                        "hours": [[at.isoformat(), wh] for at, wh in latest.intervals],
                    }
                )
                if told != seen:
                    seen = told
                    yield f"data: {told}\n\n"
                else:
                    yield ": still here\n\n"
                time.sleep(1.0)

        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        return flask.Response(stream(), mimetype="text/event-stream", headers=headers)

    @pages.get("/portal/usage.csv")
    @signed_in(hub)
    def usage_csv(session: Session, visitor: Visitor) -> flask.typing.ResponseReturnValue:
        point = _point(visitor)
        first = periods.midnight(visitor.today - timedelta(days=395), point.timezone)
        series = metering.usage_series(session, service_point_id=point.id, starts_at=first, ends_at=hub.now())
        out = io.StringIO()
        table = csv.writer(out)
        table.writerow(["start", "kwh", "quality"])
        for index, wh in enumerate(series.wh.tolist()):
            if wh >= 0:
                at = series.starts_at + timedelta(minutes=index * series.interval_minutes)
                local = periods.local(at, point.timezone).isoformat()
                table.writerow([local, f"{wh / 1000:.3f}", int(series.quality[index])])
        return _download(out.getvalue().encode(), "text/csv", f"usage-{visitor.account.number}.csv")

    @pages.get("/portal/usage.xml")
    @signed_in(hub)
    def usage_xml(session: Session, visitor: Visitor) -> flask.typing.ResponseReturnValue:
        point = _point(visitor)
        first = periods.midnight(visitor.today - timedelta(days=395), point.timezone)
        series = metering.usage_series(session, service_point_id=point.id, starts_at=first, ends_at=hub.now())
        body = greenbutton.export(series, usage_point=str(point.id), timezone=point.timezone, now=hub.now())
        return _download(body, "application/xml", f"usage-{visitor.account.number}.xml")

    @pages.post("/portal/usage/reading")
    @signed_in(hub)
    def submit(session: Session, visitor: Visitor) -> flask.typing.ResponseReturnValue:
        value = flask.request.form.get("value", "").strip().replace(",", "")
        if not value.isascii() or not value.isdigit() or len(value) > 9:
            raise errors.Invalid("reading.digits")
        done = readings.submit_reading(
            session,
            service_point_id=_point(visitor).id,
            value=int(value),
            source="PORTAL",
            key=f"portal:{visitor.account.id}:{visitor.today}:{value}",
            now=hub.now(),
        )
        return flask.redirect(flask.url_for("portal.usage", done=f"reading_{done.status.lower()}"))


def _point(visitor: Visitor) -> accounts.ServicePoint:
    if visitor.point is None:
        raise errors.NotFound("account.no_service")
    return visitor.point


def _next(day: date) -> date:
    return day + timedelta(days=1)


def _day(text: str | None, today: date) -> date:
    try:
        wanted = date.fromisoformat(text) if text else today
    except ValueError:
        raise errors.Invalid("usage.day") from None
    return min(max(wanted, today - timedelta(days=800)), today)


def _hours(hub: Hub, session: Session, point: accounts.ServicePoint, on: date) -> list[charts.Bar]:
    starts, ends = periods.midnight(on, point.timezone), periods.midnight(_next(on), point.timezone)
    series = metering.usage_series(session, service_point_id=point.id, starts_at=starts, ends_at=ends)
    write, bars = writer(hub), []
    for index, wh in enumerate(series.wh.tolist()):
        at = series.starts_at + timedelta(minutes=index * series.interval_minutes)
        said = f"{write('clock', at)}: {write('kwh', max(wh, 0) / 1000)}"
        bars.append(charts.Bar(f"{periods.local(at, point.timezone):%H}", max(wh, 0) / 1000, said))
    return bars


def _days(hub: Hub, session: Session, visitor: Visitor, days: periods.Days) -> tuple[list[charts.Bar], Decimal | None]:
    """Each day with its cost on the account's own plan, and what they cost together. Today is not over: no cost yet."""
    assert visitor.point is not None
    write, point = writer(hub), visitor.point
    over = periods.Days(days.starts_on, min(days.ends_on, visitor.today))
    costs = {c.day: c.amount for c in bills.cost_of_usage(session, account_id=visitor.account.id, days=over)}
    bars = []
    for day in metering.daily_usage(session, service_point_id=point.id, days=days, timezone=point.timezone):
        said = f"{write('day', day.day)}: {write('kwh', day.wh / 1000)}"
        if day.day in costs:
            said += f" · {write('money', costs[day.day])}"
        lacks = day.estimated > 0 or (day.missing > 0 and day.day < visitor.today)
        bars.append(charts.Bar(f"{day.day:%-d}", day.wh / 1000, said, apart=lacks))
    return bars, sum(costs.values(), Decimal(0)) if costs else None


def _months(hub: Hub, session: Session, point: accounts.ServicePoint, days: periods.Days) -> list[charts.Bar]:
    write, months = writer(hub), dict[str, float]()
    for day in metering.daily_usage(session, service_point_id=point.id, days=days, timezone=point.timezone):
        label = f"{day.day:%m/%y}"
        months[label] = months.get(label, 0.0) + day.wh / 1000
    return [charts.Bar(label, kwh, f"{label}: {write('kwh', kwh)}") for label, kwh in months.items()]


def _forecast(session: Session, visitor: Visitor, hub: Hub) -> bills.BillForecast | None:
    try:
        return bills.forecast_bill(session, account_id=visitor.account.id, now=hub.now())
    except (errors.NotFound, errors.Refused):
        return None


def _download(body: bytes, kind: str, name: str) -> flask.Response:
    return flask.Response(body, mimetype=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})
