"""Usage: today as it comes in, its pictures, what stands behind it, and the figures to take home."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import flask
from sqlalchemy.orm import Session

from billing import queries as bills
from channels import edge
from channels.portal import charts, figures, hour_view, usage_live, usage_views
from channels.portal.visitor import Visitor, find, locale, signed_in, speaker, writer
from channels.web_chat import wakeups
from core import errors, periods, wording
from core.accounts import homes
from core.accounts import queries as accounts
from core.hub import Hub
from metering import insight, similar_homes, views
from metering import operations as readings
from metering import queries as metering
from metering.formats import csv, greenbutton, workbook
from metering.quality import Quality

_TAKEN_HOME = 395  # days
_DIRECTIONS: tuple[views.Direction, ...] = ("DELIVERED", "RECEIVED")
_BOOK = (*workbook.KEYS, *_DIRECTIONS, *(code.name for code in Quality if code))  # every word of a workbook
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def add(pages: flask.Blueprint, hub: Hub, wakes: wakeups.Wakeups | None = None) -> None:
    """This will add the pages about usage."""
    stream = usage_live.Stream(wakes)

    @pages.get("/portal/usage")
    @signed_in(hub)
    def usage(session: Session, visitor: Visitor) -> flask.typing.ResponseReturnValue:
        point = _point(visitor)
        on = usage_views.day_of(flask.request.args.get("on"), visitor.today)
        told = now(session, visitor, hub)
        forecast = usage_views.none_if(
            lambda: bills.forecast_bill(session, account_id=visitor.account.id, now=hub.now())
        )
        view = usage_views.build(
            hub,
            session,
            visitor,
            name=flask.request.args.get("view", "month"),
            on=on,
            running=told.running,
            forecast=forecast,
        )
        compared = metering.compare_usage(
            session, service_point_id=point.id, timezone=point.timezone, today=visitor.today
        )
        period = periods.Days(compared.this_period.starts_on, compared.this_period.ends_on)
        behind = insight.find_insight(session, service_point_id=point.id, period=period, now=hub.now())
        advice = usage_views.none_if(lambda: bills.hour_advice(session, account_id=visitor.account.id, now=hub.now()))
        alike = similar_homes.find_similar(session, service_point_id=point.id, on=visitor.today)
        return flask.render_template(
            "portal/usage.html",
            view=view,
            field_days=[writer(hub)("day", day) for day, _ in view.field],
            field_hours=[[None if kwh is None else float(kwh) for kwh in row] for _, row in view.field],
            clock=("00", "06", "12", "18"),
            views=usage_views.VIEWS,
            told=told,
            compared=compared,
            compared_rows=_compared(hub, compared, behind),
            insight=behind,
            similar=alike,
            similar_rows=_similar(hub, alike),
            forecast=forecast,
            reach=None if forecast is None else usage_views.reach(forecast, writer(hub)),
            parts=_parts(hub, told.running),
            advice=advice,
            hour_days=hour_view.days(hub, advice) if advice else (),
            home=homes.find_home(session, service_point_id=point.id, on=visitor.today),
            alerts=metering.list_anomalies(
                session, service_point_id=point.id, since=visitor.today - timedelta(days=60)
            ),
        )

    @pages.get("/portal/usage/live")
    def live() -> flask.typing.ResponseReturnValue:
        """Server-sent events: the card of the day, each time reads have come in."""
        with hub.transaction() as session:
            visitor = find(hub, session)
        if visitor is None or visitor.point is None:
            flask.abort(403)
        flask.g.visitor = visitor

        def look() -> tuple[str, str]:
            with hub.transaction() as session:
                told = now(session, visitor, hub)
            return told.mark, flask.render_template("portal/usage_now.html", told=told)

        events = flask.stream_with_context(stream.events(visitor.point.id, look))
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return flask.Response(events, mimetype="text/event-stream", headers=headers)

    @pages.get("/portal/usage.csv")
    @signed_in(hub)
    def usage_csv(session: Session, visitor: Visitor) -> flask.typing.ResponseReturnValue:
        point, series = _point(visitor), _series(session, visitor, hub)
        step = timedelta(minutes=series.interval_minutes)
        starts = [periods.local(series.starts_at + n * step, point.timezone) for n in range(len(series.wh))]
        body = csv.write(starts, series.wh.tolist(), [Quality(code).name for code in series.quality.tolist()])
        return _download(body.encode(), "text/csv", f"usage-{visitor.account.number}.csv")

    @pages.get("/portal/usage.xml")
    @signed_in(hub)
    def usage_xml(session: Session, visitor: Visitor) -> flask.typing.ResponseReturnValue:
        point, series = _point(visitor), _series(session, visitor, hub)
        body = greenbutton.export(series, usage_point=str(point.id), timezone=point.timezone, now=hub.now())
        return _download(body, "application/xml", f"usage-{visitor.account.number}.xml")

    @pages.get("/portal/usage.xlsx")
    @signed_in(hub)
    def usage_xlsx(session: Session, visitor: Visitor) -> flask.typing.ResponseReturnValue:
        point, say = _point(visitor), speaker(hub)
        meters = metering.list_meters(session, service_point_id=point.id)
        sheets = [
            workbook.Sheet(of[-1].number, direction, _series(session, visitor, hub, direction))
            for direction in _DIRECTIONS
            if (of := [m for m in meters if m.direction == direction])
        ]
        words = {name: say(f"portal.book.{name.lower()}") for name in _BOOK}
        body = workbook.write(sheets, timezone=point.timezone, now=hub.now(), words=words)
        return _download(body, _XLSX, f"usage-{visitor.account.number}.xlsx")

    @pages.post("/portal/usage/home")
    @signed_in(hub)
    def describe(session: Session, visitor: Visitor) -> flask.typing.ResponseReturnValue:
        form = flask.request.form
        floor = form.get("floor", "").strip().replace(",", "")
        homes.describe_home(
            session,
            premise_id=_point(visitor).premise_id,
            dwelling=form.get("dwelling") or None,
            floor_sqft=edge.whole(floor, wrong="home.description") if floor else None,
            heating=form.get("heating") or None,
        )
        return flask.redirect(flask.url_for("portal.usage", done="home_described"))

    @pages.post("/portal/usage/reading")
    @signed_in(hub)
    def submit(session: Session, visitor: Visitor) -> flask.typing.ResponseReturnValue:
        value = edge.whole(flask.request.form.get("value", "").strip().replace(",", ""), wrong="reading.digits")
        done = readings.submit_reading(
            session,
            service_point_id=_point(visitor).id,
            value=value,
            source="PORTAL",
            key=f"portal:{visitor.account.id}:{visitor.today}:{value}",
            now=hub.now(),
        )
        return flask.redirect(flask.url_for("portal.usage", done=f"reading_{done.status.lower()}"))


@dataclass(frozen=True)
class Now:
    """The day so far, as the card shows it. `fresh` is the end of the newest read, `minutes` how long ago that is."""

    latest: views.LatestUsage
    running: bills.Running | None
    fresh: datetime | None
    minutes: int
    stale: bool
    dial: bool  # read about once a month
    bars: tuple[charts.Bar, ...]

    @property
    def mark(self) -> str:
        """What tells one state of the day from another; that time has passed is none."""
        return f"{self.latest.day} {self.latest.wh} {self.latest.until} {self.fresh} {self.stale}"


def now(session: Session, visitor: Visitor, hub: Hub) -> Now:
    """This will gather the day so far, in kWh and money."""
    at, point, write = hub.now(), _point(visitor), writer(hub)
    latest = metering.latest_usage(session, service_point_id=point.id, now=at)
    fresh = metering.freshness(session, service_point_id=point.id)
    meter = metering.find_meter(session, service_point_id=point.id)
    dial = meter is not None and meter.interval_minutes is None
    bars = [
        charts.Bar(
            f"{periods.local(start, point.timezone):%H}", wh / 1000, f"{write('clock', start)}: {wh / 1000:g} kWh"
        )
        for start, wh in latest.intervals
    ]
    return Now(
        latest=latest,
        running=usage_views.none_if(lambda: bills.running_period(session, account_id=visitor.account.id, now=at)),
        fresh=fresh,
        minutes=max(0, int((at - fresh).total_seconds() // 60)) if fresh else 0,
        stale=fresh is not None and not dial and at - fresh > metering.STALE_AFTER,
        dial=dial,
        bars=tuple(bars),
    )


def _compared(hub: Hub, compared: views.UsageComparison, behind: insight.Insight) -> tuple[figures.Row, ...]:
    """This period, the one before, a year ago, and what the weather lets one expect: kWh a day."""
    this = compared.this_period
    sides: list[tuple[str, int | None]] = [
        ("portal.compared.this", this.daily_wh),
        ("portal.compared.expected", behind.expected.expected_wh // behind.expected.days if behind.expected else None),
        ("portal.compared.before", compared.previous.daily_wh),
        ("portal.compared.last_year", compared.last_year.daily_wh),
    ]
    if this.daily_wh is None:
        return ()
    return tuple(_row(hub, kind, wh, mine=n == 0) for n, (kind, wh) in enumerate(sides) if wh is not None)


def _similar(hub: Hub, alike: views.SimilarHomes | None) -> tuple[figures.Row, ...]:
    if alike is None:
        return ()
    return (
        _row(hub, "portal.similar.you", alike.own_wh, mine=True),
        _row(hub, "portal.similar.others", alike.mean_wh),
        _row(hub, "portal.similar.frugal", alike.frugal_wh),
    )


def _parts(hub: Hub, running: bills.Running | None) -> tuple[figures.Row, ...]:
    """The time-of-use periods of the account's own plan."""
    if running is None:
        return ()
    say, write = speaker(hub), writer(hub)
    return tuple(
        figures.Row(
            say("portal.part", name=_part_name(hub, part.name), percent=part.percent),
            float(part.kwh),
            f"{write('kwh', part.kwh)} · {write('money', part.amount)}",
            mine=True,
        )
        for part in running.parts
    )


def _part_name(hub: Hub, name: str) -> str:
    """A period of a plan as its bills call it; one that the catalogues do not know by its own name."""
    kind = f"document.name.{name}"
    return speaker(hub)(kind) if kind in wording.kinds(locale(hub)) else name.replace("_", " ")


def _row(hub: Hub, kind: str, wh: int, *, mine: bool = False) -> figures.Row:
    say = speaker(hub)
    return figures.Row(say(kind), wh / 1000, say("portal.a_day", kwh=Decimal(wh) / 1000), mine)


def _series(session: Session, visitor: Visitor, hub: Hub, direction: views.Direction = "DELIVERED") -> metering.Series:
    point = _point(visitor)
    first = periods.midnight(visitor.today - timedelta(days=_TAKEN_HOME), point.timezone)
    return metering.usage_series(
        session, service_point_id=point.id, starts_at=first, ends_at=hub.now(), direction=direction
    )


def _point(visitor: Visitor) -> accounts.ServicePoint:
    if visitor.point is None:
        raise errors.NotFound("account.no_service")
    return visitor.point


def _download(body: bytes, kind: str, name: str) -> flask.Response:
    return flask.Response(body, mimetype=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})
