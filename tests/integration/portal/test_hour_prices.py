"""A home that pays by the hour sees what the hours cost; nobody else is shown them."""

import re
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing import index_loading
from billing.price_models import IndexPriceRow
from core import periods
from ops_admin.seed import market

OTTO, MAYA = "5500010144", "5500010011"
ZONE = "America/New_York"


def test_todays_hours_are_drawn_and_said_in_both_languages(enter):
    otto = enter(OTTO)
    page = otto.get("/portal/plans")
    assert "Prices by the hour" in page and "Hour by Hour" in page
    today = page[page.index('id="hour-prices"') :].replace("\u202f", " ")
    said = re.search(
        r"Cheapest from (\d+:00 [AP]M) to (\d+:00 [AP]M), at ([\d.]+)¢ per kWh", today.replace("\u202f", " ")
    )
    assert said is not None
    assert today.count("<rect") >= 2 * 24 and 'role="img" aria-label="What a kWh costs by the hour' in today
    hours = re.findall(r"<li>([^<]+): (-?[\d.]+)¢</li>", today)
    assert len(hours) in (24, 48)
    # what is said is the mean of three hours that are listed
    first = next(n for n, (at, _) in enumerate(hours) if at == said[1])
    assert abs(sum(float(price) for _, price in hours[first : first + 3]) / 3 - float(said[3])) < 0.11
    spanish = otto.get("/portal/plans", lang="es")
    assert "Precios por hora" in spanish and "Más barato de" in spanish


def test_a_bill_says_what_its_hours_cost(enter):
    otto = enter(OTTO)
    found = re.search(r"/portal/bills/\d+", otto.get("/portal/bills"))
    assert found is not None
    page = otto.get(found[0])
    assert "on average for each kWh at the price of the hour" in page and "Energy at the price of the hour" in page
    assert "Supplement to the price of the hour" in page
    usage = otto.get("/portal/usage")
    assert "The prices of some hours to come are not known yet" in usage


def test_who_pays_one_price_is_shown_no_hours(enter):
    assert "Prices by the hour" not in enter(MAYA).get("/portal/plans")


def test_tomorrow_is_shown_once_it_is_published(enter, hub, connection):
    with Session(connection) as session:
        last = session.scalars(select(IndexPriceRow.day).order_by(IndexPriceRow.day.desc()).limit(1)).one()
    today = periods.civil_day(hub.now(), ZONE)
    otto = enter(OTTO)
    if last == today:
        assert "Tomorrow&#39;s prices stand here" in otto.get("/portal/plans")
        days = periods.Days(today + timedelta(days=1), today + timedelta(days=2))
        with hub.transaction() as session:
            index_loading.load(
                session, code=market.CODE, parsed=market.parsed(days, ZONE, 7), source="t", by="t", now=hub.now()
            )
    page = otto.get("/portal/plans")
    assert "Tomorrow, " in page and "Tomorrow&#39;s prices stand here" not in page
