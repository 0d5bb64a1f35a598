"""Alerts on the website and to the customer: settings, quiet hours, once for an event, what it cost, feedback."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select

from billing import alert_jobs, alert_settings, alerts, unusual
from core import errors, outbox, periods
from core.accounts import operations as keeping
from core.accounts import queries as accounts
from core.conversations import models as speaking
from metering import models, queries
from tests.conftest import FakeHub
from tests.integration.portal.conftest import Browser
from tests.integration.portal.test_money import account_id

Enter = Callable[[str], Browser]
MAYA, BEN = "5500010011", "5500010060"


def event(hub: FakeHub, number: str, kind: str = "HIGH_DAY") -> outbox.Fact:
    """This will put an alert about the day before yesterday where the watch would, and give its fact."""
    own = account_id(hub, number)
    with hub.transaction() as session:
        account = accounts.get_account(session, account_id=own)
        (point, *_) = accounts.list_service_points(session, account_id=own, on=hub.now().date())
        day = periods.civil_day(hub.now(), point.timezone) - timedelta(days=2)
        starts_at, ends_at = (periods.midnight(day + timedelta(days=n), point.timezone) for n in (0, 1))
        row = models.UsageAlertRow(
            service_point_id=point.id, day=day, kind=kind, starts_at=starts_at, ends_at=ends_at, closed_at=ends_at,
            excess_wh=6000, expected_wh=9000, score=Decimal(2), recorded_at=hub.now(),
        )  # fmt: skip
        session.add(row)
        session.flush()
        payload = {
            "usage_alert_id": row.id, "service_point_id": point.id, "account_id": own, "excess_kwh": 6.0,
            "customer_id": account.customer_id, "kind": kind, "cost": None, "day": day.isoformat(),
            "starts_at": starts_at.isoformat(), "ends_at": ends_at.isoformat(),
        }  # fmt: skip
        outbox.record_fact(session, "usage.unusual", key=f"service_point:{point.id}", payload=payload, now=hub.now())
        fact_id = session.scalar(select(outbox.FactRow.id).order_by(outbox.FactRow.id.desc()).limit(1))
        keeping.record_consent(
            session, contact_value=_email(hub, number), customer_id=account.customer_id, channel="EMAIL",
            purpose="ALERTS", granted=True, source="test", now=hub.now(),
        )  # fmt: skip
    assert fact_id is not None
    return outbox.Fact(fact_id, "usage.unusual", f"service_point:{point.id}", payload, hub.now())


def _email(hub: FakeHub, number: str) -> str:
    with hub.transaction() as session:
        account = accounts.get_account(session, account_id=account_id(hub, number))
        points = accounts.list_contact_points(session, customer_id=account.customer_id)
        return next(point.value for point in points if point.kind == "EMAIL")


def said(hub: FakeHub, number: str) -> list[str | None]:
    """This will list what was told of alerts to an account's holder, in any conversation."""
    message, talk = speaking.MessageRow, speaking.ConversationRow
    with hub.transaction() as session:
        who = accounts.get_account(session, account_id=account_id(hub, number)).customer_id
        rows = session.scalars(
            select(message.kind)
            .join(talk, talk.id == message.conversation_id)
            .where(message.purpose == "ALERTS", (talk.customer_id == who) | (talk.recognised_customer_id == who))
        )
        return list(rows)


def wants(hub: FakeHub, number: str, **given: object) -> None:
    chosen = {"wanted": alert_settings.UNUSUAL, "channel": "EMAIL", "quiet_from": 21, "quiet_to": 8, **given}
    with hub.transaction() as session:
        alert_settings.set_alert_settings(
            session,
            account_id=account_id(hub, number),
            now=hub.now(),
            **chosen,  # type: ignore[arg-type]
        )


def test_an_event_is_priced_and_told_once_where_it_is_wanted(hub: FakeHub) -> None:
    fact = event(hub, MAYA)
    wants(hub, MAYA)
    for _ in range(2):
        unusual.tell_unusual(hub, fact)
    assert said(hub, MAYA).count("notice.usage_unusual") == 1
    with hub.transaction() as session:
        (alert,) = [
            one
            for one in queries.list_anomalies(session, service_point_id=int(fact.payload["service_point_id"]))
            if one.id == fact.payload["usage_alert_id"]
        ]
    assert alert.cost_cents is not None and 20 <= alert.cost_cents <= 400  # six kWh by a household's tariff


def test_what_is_not_wanted_is_not_told(hub: FakeHub) -> None:
    fact = event(hub, MAYA)
    wants(hub, MAYA, wanted=("ZERO", "LEAK"))
    unusual.tell_unusual(hub, fact)
    assert "notice.usage_unusual" not in said(hub, MAYA)


def test_at_night_it_waits_for_the_morning(hub: FakeHub) -> None:
    fact = event(hub, MAYA)
    wants(hub, MAYA)
    zone = hub.settings.utility_timezone
    late = periods.midnight(periods.civil_day(hub.now(), zone), zone) + timedelta(hours=23, minutes=30)
    hub.clock.at = late
    with pytest.raises(errors.Later) as later:
        unusual.tell_unusual(hub, fact)
    assert later.value.seconds == 8.5 * 3600
    assert "notice.usage_unusual" not in said(hub, MAYA)
    hub.clock.at = late + timedelta(seconds=later.value.seconds)
    unusual.tell_unusual(hub, fact)
    assert said(hub, MAYA).count("notice.usage_unusual") == 1


@pytest.mark.parametrize(
    ("quiet", "hour", "seconds"),
    [
        ((21, 8), 21, 11 * 3600),
        ((21, 8), 7, 3600),
        ((21, 8), 8, 0),
        ((21, 8), 20, 0),
        ((0, 0), 3, 0),
        ((1, 5), 2, 10800),
    ],
)
def test_how_long_it_is_quiet(quiet: tuple[int, int], hour: int, seconds: float) -> None:
    settings = alert_settings.AlertSettings(1, (), None, *quiet)
    now = periods.midnight(datetime(2026, 6, 1).date(), "UTC") + timedelta(hours=hour)
    assert alert_settings.quiet_for(settings, timezone="UTC", now=now) == seconds


def test_the_page_lists_keeps_settings_and_takes_feedback(enter: Enter, hub: FakeHub) -> None:
    fact = event(hub, MAYA, kind="NIGHT_BASE")
    browser = enter(MAYA)
    page = browser.get("/portal/alerts", lang="en")
    assert "more than usual at night" in page and "That was us" in page
    assert "/portal/alerts" in browser.get("/portal/usage")
    browser.post(
        "/portal/alerts", act="settings", wanted=["LEAK", "PROJECTED_HIGH_BILL"], channel="EMAIL", quiet_from="22",
        quiet_to="7", budget="150",
    )  # fmt: skip
    with hub.transaction() as session:
        own = account_id(hub, MAYA)
        held = alert_settings.get_alert_settings(session, account_id=own)
        budget = alerts.find_bill_alert(session, account_id=own)
    assert (held.wanted, held.channel, held.quiet_from, held.quiet_to) == (
        ("LEAK", "PROJECTED_HIGH_BILL"), "EMAIL", 22, 7,
    )  # fmt: skip
    assert budget is not None and budget.threshold == Decimal(150)
    browser.post("/portal/alerts", act="feedback", alert=str(fact.payload["usage_alert_id"]), word="OURS")
    assert "You said it was you." in browser.get("/portal/alerts", lang="en")
    assert "25 %" in browser.get("/portal/alerts", lang="es")


def test_what_is_no_setting_and_whose_alert_it_is_not(enter: Enter, hub: FakeHub) -> None:
    fact = event(hub, MAYA)
    browser = enter(BEN)
    good = {"act": "settings", "wanted": ["ZERO"], "channel": "", "quiet_from": "21", "quiet_to": "8", "budget": ""}
    for bad in (
        {"wanted": ["NOISE"]}, {"channel": "PIGEON"}, {"quiet_from": "24"}, {"quiet_to": "x"}, {"budget": "much"},
        {"budget": "NaN"}, {"act": "nothing"},
    ):  # fmt: skip
        browser.post("/portal/alerts", status=422, **{**good, **bad})
    browser.post("/portal/alerts", status=404, act="feedback", alert=str(fact.payload["usage_alert_id"]), word="OURS")
    with hub.transaction() as session:
        assert alert_settings.get_alert_settings(session, account_id=account_id(hub, BEN)).wanted == (
            alert_settings.UNUSUAL
        )


def test_looking_ahead_tells_once_in_a_period_and_only_who_asked(hub: FakeHub) -> None:
    event(hub, MAYA)
    alert_jobs.watch_ahead(hub)
    before = said(hub, MAYA)
    assert not any(kind and kind.startswith("notice.ahead") for kind in before)
    wants(hub, MAYA, wanted=alert_settings.KINDS)
    for _ in range(2):
        alert_jobs.watch_ahead(hub)
    ahead = [kind for kind in said(hub, MAYA) if kind and kind.startswith("notice.ahead")]
    assert len(ahead) == len(set(ahead))
