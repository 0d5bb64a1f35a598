"""The usage page over a seeded town: live, in money, compared, in pictures; and honest where it cannot say."""

import json
import re
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import flask
import pytest
from sqlalchemy import text

from billing import queries as bills
from channels.portal import usage_live
from channels.portal import web as portal
from channels.web_chat import wakeups
from core import periods
from core.accounts import homes
from core.accounts import queries as accounts
from core.compliance import queries as compliance
from metering import insight, picture_links, settling, similar_homes
from metering import operations as recording
from metering import queries as metering
from tests.conftest import FakeHub
from tests.integration.portal.conftest import Browser
from tests.integration.portal.test_money import account_id

Enter = Callable[[str], Browser]
MAYA, LUIS, NORA, CAFE, SAM = "5500010011", "5500010029", "5500010094", "5500010128", "5500010086"
ZONE = "America/New_York"


def point_of(hub: FakeHub, number: str) -> accounts.ServicePoint:
    with hub.transaction() as session:
        found = accounts.list_service_points(session, account_id=account_id(hub, number), on=hub.now().date())
    return found[0]


def words(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


# --- today, and the running bill --------------------------------------------------------------------------------------


def test_the_card_of_the_day_says_how_fresh_it_is_and_what_today_adds_to_the_bill(hub: FakeHub, enter: Enter) -> None:
    page = words(enter(MAYA).get("/portal/usage", lang="en"))
    assert re.search(r"As of \d+:00\s[AP]M, (\d+ (minutes|hours) ago|just now)", page)
    with hub.transaction() as session:
        running = bills.running_period(session, account_id=account_id(hub, MAYA), now=hub.now())
        latest = metering.latest_usage(session, service_point_id=point_of(hub, MAYA).id, now=hub.now())
    assert running.today_kwh == Decimal(latest.wh) / 1000 and running.until == latest.until
    assert f"${running.today_amount}" in page and f"${running.amount}" in page
    assert 0 < running.today_amount < running.amount


def test_what_today_adds_is_the_price_of_the_period_with_it_less_without(hub: FakeHub) -> None:
    """Through the bill's own price: taking today's reads away lowers it by exactly what was said."""
    own, point = account_id(hub, LUIS), point_of(hub, LUIS)
    with hub.transaction() as session:
        now = bills.running_period(session, account_id=own, now=hub.now())
        meter = metering.find_meter(session, service_point_id=point.id)
        latest = metering.latest_usage(session, service_point_id=point.id, now=hub.now())
        assert meter is not None and latest.until is not None
        recording.record_reads(
            session, meter_id=meter.id, starts_at=periods.midnight(now.today, ZONE), interval_minutes=60,
            wh=[0] * len(latest.intervals), quality="ACTUAL", source="TEST", now=hub.now(),
        )  # fmt: skip
        without = bills.running_period(session, account_id=own, now=hub.now())
    assert without.today_amount == 0 and without.today_kwh == 0
    assert now.amount - without.amount == now.today_amount > 0


def test_the_parts_of_the_plan_are_all_of_the_period(hub: FakeHub, enter: Enter) -> None:
    with hub.transaction() as session:
        running = bills.running_period(session, account_id=account_id(hub, LUIS), now=hub.now())
        flat = bills.running_period(session, account_id=account_id(hub, MAYA), now=hub.now())
    assert len(running.parts) >= 2 and sum(part.kwh for part in running.parts) == running.kwh
    assert flat.parts == ()  # one price all day: there is nothing to tell apart
    page = words(enter(LUIS).get("/portal/usage", lang="en"))
    assert "peak" in page and str(running.parts[0].amount) in page


def test_the_forecast_holds_what_is_sure_and_says_how_sure_it_is(hub: FakeHub, enter: Enter) -> None:
    with hub.transaction() as session:
        coming = bills.forecast_bill(session, account_id=account_id(hub, SAM), now=hub.now())
        running = bills.running_period(session, account_id=account_id(hub, SAM), now=hub.now())
    assert coming.so_far == running.amount <= coming.low <= coming.likely <= coming.high
    assert coming.daily_kwh[0][0] == running.today and coming.days_left == len(coming.daily_kwh)
    page = words(enter(SAM).get("/portal/usage", lang="en"))
    assert f"Between ${coming.low} and ${coming.high}" in page and "ight times in ten" in page


def test_a_bill_periods_days_cost_what_its_bill_says(hub: FakeHub) -> None:
    """The month that is over: its days add up to the total of the bill that was issued for it."""
    with hub.transaction() as session:
        (bill, *_) = bills.list_bills(session, account_id=account_id(hub, MAYA), limit=1)
        days, costs = bills.period_costs(session, account_id=account_id(hub, MAYA), on=bill.starts_on, now=hub.now())
    assert (days.starts_on, days.ends_on) == (bill.starts_on, bill.ends_on)
    assert sum(cost.amount for cost in costs) == bill.total


# --- what stands behind it --------------------------------------------------------------------------------------------


def test_the_weather_is_taken_into_account_and_its_absence_is_said(hub: FakeHub, enter: Enter) -> None:
    point = point_of(hub, SAM)
    with hub.transaction() as session:
        today = periods.civil_day(hub.now(), ZONE)
        known = compliance.daily_means(
            session, county=point.county, days=periods.Days(today - timedelta(days=300), today)
        )
        assert len(known) == 300 and min(known.values()) < 40 < 70 < max(known.values())
        period = periods.Days(today - timedelta(days=10), today)
        found = insight.find_insight(session, service_point_id=point.id, period=period, now=hub.now())
        assert found.expected is not None and found.expected.days == 10 and found.reason is None
        assert 0 < (found.base_watts or 0) < 2000 and 0 < (found.weather_percent or 0) < 90
    assert "For the weather of these" in words(enter(SAM).get("/portal/usage", lang="en"))
    with hub.transaction() as session:
        session.execute(text("DELETE FROM weather_day"))
    page = words(enter(SAM).get("/portal/usage", lang="en"))
    assert "The weather of your county is not known" in page and "For the weather of these" not in page


def test_a_dial_is_not_spoken_of_as_if_its_hours_were_known(enter: Enter) -> None:
    page = words(enter(NORA).get("/portal/usage", lang="en"))
    assert "a dial that is read about once a month" in page and "always on, day and night" not in page
    assert "Reads are late" not in page
    assert "No reads for these days" in words(enter(NORA).get("/portal/usage", lang="en", view="hours"))


def test_a_new_customer_and_late_reads_are_told_so(hub: FakeHub, enter: Enter) -> None:
    with hub.transaction() as session:
        session.execute(text("DELETE FROM read_day WHERE day < current_date - 3000 OR true"))
        session.execute(text("UPDATE meter SET last_read_at = NULL"))
    for view in ("day", "week", "month", "year", "hours"):
        page = words(enter(MAYA).get("/portal/usage", lang="en", view=view))
        assert "No reads have reached us from your meter yet" in page and "No reads for these days" in page
    assert "the next bill is forecast here" in page and "after two weeks of reads" in page
    with hub.transaction() as session:
        session.execute(text("UPDATE meter SET last_read_at = :at"), {"at": hub.now() - timedelta(days=5)})
    assert "Reads are late" in words(enter(MAYA).get("/portal/usage", lang="en"))


def test_homes_alike_are_shown_only_where_enough_of_them_are(hub: FakeHub, enter: Enter) -> None:
    """Twelve homes of the stories are too few for fifteen; with a smaller rule they would be shown."""
    with hub.transaction() as session:
        assert session.execute(text("SELECT count(*) FROM similar_homes")).scalar() == 0
        assert similar_homes.find_similar(session, service_point_id=point_of(hub, MAYA).id, on=hub.now().date()) is None
    assert "There are not enough homes like yours" in words(enter(MAYA).get("/portal/usage", lang="en"))
    assert "Businesses differ too much" in words(enter(CAFE).get("/portal/usage", lang="en"))


def test_an_average_of_homes_is_the_average_of_their_reads(
    hub: FakeHub, enter: Enter, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = similar_homes.rules.rule

    def lenient(jurisdiction: str, name: str, on: Any) -> Any:
        found = real(jurisdiction, name, on)
        return found.model_copy(update={"values": {"members": 3, "share_percent": 60}})

    monkeypatch.setattr(similar_homes.rules, "rule", lenient)
    assert similar_homes.compare_homes(hub) > 0
    assert similar_homes.compare_homes(hub) > 0  # again changes nothing but the day
    today = periods.civil_day(hub.now(), ZONE)
    days = periods.Days(today - timedelta(days=30), today)
    with hub.transaction() as session:
        found = similar_homes.find_similar(session, service_point_id=point_of(hub, SAM).id, on=today)
        assert found is not None
        alike = [home for home in homes.list_homes(session, on=today) if home.dwelling == "HOUSE"]
        if found.size_from is not None:
            alike = [
                home for home in alike
                if home.floor_sqft is not None and found.size_from <= home.floor_sqft < (found.size_until or 10**6)
            ]  # fmt: skip
        if found.heating is not None:
            alike = [home for home in alike if home.heating == found.heating]
        daily = [
            sum(d.wh for d in metering.daily_usage(
                session, service_point_id=home.service_point_id, days=days, timezone=ZONE
            )) / 30
            for home in alike
        ]  # fmt: skip
    assert found.homes == len(alike) and found.mean_wh == round(sum(daily) / len(daily))
    page = words(enter(SAM).get("/portal/usage", lang="en"))
    assert f"{found.homes} houses in your county" in page
    monkeypatch.setattr(similar_homes.rules, "rule", real)
    similar_homes.compare_homes(hub)
    assert "houses in your county" not in words(enter(SAM).get("/portal/usage", lang="en"))


def test_a_home_is_described_by_who_lives_there(hub: FakeHub, enter: Enter) -> None:
    browser = enter(NORA)
    told = {"dwelling": "APARTMENT", "floor": "1,050", "heating": "ELECTRIC"}
    assert "done=home_described" in browser.post("/portal/usage/home", **told)
    assert "The comparison takes it into account" in words(
        browser.get("/portal/usage", done="home_described", lang="en")
    )
    assert 'class="done"' not in browser.get("/portal/usage", done="<b>nothing</b>")
    with hub.transaction() as session:
        home = homes.find_home(session, service_point_id=point_of(hub, NORA).id, on=hub.now().date())
    assert home is not None and (home.dwelling, home.floor_sqft, home.heating) == ("APARTMENT", 1050, "ELECTRIC")
    for wrong in ({"dwelling": "CASTLE"}, {"floor": "9"}, {"floor": "-5"}, {"heating": "<b>"}, {"floor": "1e9"}):
        browser.post("/portal/usage/home", status=422, **wrong)
    browser.post("/portal/usage/home", status=409, csrf=False, **told)


# --- live -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def wakes(redis_url: str) -> Any:
    made = wakeups.Wakeups(redis_url)
    yield made
    made.close()


def events(browser: Browser, count: int, out: list[tuple[float, str]]) -> None:
    response = browser.client.get("/portal/usage/live", buffered=False)
    for chunk in response.response:
        said = chunk.decode() if isinstance(chunk, bytes) else chunk
        if said.startswith("event: now"):
            out.append((time.monotonic(), json.loads(said.split("data: ", 1)[1])["html"]))
            if len(out) == count:
                break
    response.close()


def test_stored_reads_wake_the_page_and_what_it_is_sent_is_what_a_reload_shows(
    hub: FakeHub, enter: Enter, wakes: wakeups.Wakeups
) -> None:
    live = hub.with_(publish=wakes.publish)
    app = flask.Flask("live-under-test")
    app.register_blueprint(portal.blueprint(live, wakes))
    browser, heard = enter(MAYA), list[tuple[float, str]]()
    watching = Browser(hub, app.test_client(), browser.token)
    watching.client.set_cookie("wattline_session", browser.token)
    listener = threading.Thread(target=events, args=(watching, 2, heard), daemon=True)
    listener.start()
    deadline = time.monotonic() + 20
    while not heard and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(1.2)  # the listener of the process hears Redis by now
    with live.transaction() as session:
        point = point_of(hub, MAYA)
        meter = metering.find_meter(session, service_point_id=point.id)
        fresh = metering.freshness(session, service_point_id=point.id)
        assert meter is not None and fresh is not None
        recording.record_reads(
            session, meter_id=meter.id, starts_at=fresh - timedelta(hours=1), interval_minutes=60, wh=[9_870],
            quality="ACTUAL", source="TEST", now=hub.now(),
        )  # fmt: skip
    stored = time.monotonic()
    listener.join(10)
    assert len(heard) == 2 and heard[0][1] != heard[1][1]
    assert heard[1][0] - stored < 2.0
    shown = re.search(r"data-now>([^<]+)<", heard[1][1])
    assert shown is not None and shown.group(1) in browser.get("/portal/usage")


def test_a_page_that_finds_no_seat_is_told_to_come_again(hub: FakeHub, wakes: wakeups.Wakeups) -> None:
    stream = usage_live.Stream(wakes, seats=1)
    first = stream.events(1, lambda: ("a", "<p>one</p>"))
    assert next(first).startswith("retry: 2000") and "one" in next(first)
    second = list(stream.events(1, lambda: ("a", "<p>two</p>")))
    assert second[0].startswith("retry: 10000") and "two" in second[1] and len(second) == 2
    first.close()
    again = stream.events(1, lambda: ("a", "<p>three</p>"))
    assert next(again).startswith("retry: 2000")  # the seat was given back
    again.close()
    assert next(usage_live.Stream(None).events(1, lambda: ("a", "<p>four</p>"))).startswith("retry: 10000")


def test_many_reads_are_one_word_and_a_transaction_that_fails_none(hub: FakeHub) -> None:
    said: list[str] = []
    live = hub.with_(publish=lambda topic, text_: said.append(topic))
    with live.transaction() as session:
        settling.wake(session, [3, 4])
        assert said == []
    assert said == ["reads:3", "reads:4"]
    said.clear()
    with live.transaction() as session:
        settling.wake(session, range(1000))
    assert said == [settling.MANY]
    said.clear()
    with pytest.raises(RuntimeError), live.transaction() as session:
        settling.wake(session, [3])
        raise RuntimeError
    assert said == []


def test_strangers_hear_nothing(stranger: Browser) -> None:
    stranger.get("/portal/usage/live", status=403)


# --- pictures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", picture_links.KINDS)
def test_a_picture_is_fetched_by_its_link_alone(hub: FakeHub, stranger: Browser, kind: str) -> None:
    today = periods.civil_day(hub.now(), ZONE)
    wanted = picture_links.Picture(
        kind, account_id(hub, SAM), point_of(hub, SAM).id, (today - timedelta(days=7)).isoformat(), today.isoformat(),
        "es",
    )  # fmt: skip
    path = picture_links.path(hub.settings.secret_key, wanted, now=hub.now())
    response = stranger.client.get(path)
    assert response.status_code == 200 and response.mimetype == "image/png"
    assert response.data[:8] == b"\x89PNG\r\n\x1a\n" and 5_000 < len(response.data) < 300_000
    late = picture_links.path(hub.settings.secret_key, wanted, now=hub.now() - timedelta(days=8))
    for wrong in (late, path[:-8] + "AAAA.png", "/pictures/x.png"):
        assert stranger.client.get(wrong).status_code == 404
