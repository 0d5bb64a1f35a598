"""The card of cheap hours: drawn, said and listed for who pays by the hour, and shown to nobody else."""

import re

from billing import queries as bills
from core.accounts import queries as accounts

LUIS, OTTO, MAYA = "5500010029", "5500010144", "5500010011"  # by time of day, by the market, at one price


def card(page: str) -> str:
    return page[page.index('aria-labelledby="cheap-hours"') :].split("</section>")[0].replace("\u202f", " ")


def advice(hub, number: str) -> bills.HourAdvice:
    with hub.transaction() as session:
        account = accounts.find_account_by_number(session, number=number)
        found = bills.hour_advice(session, account_id=account.id, now=hub.now())
    assert found is not None
    return found


def test_the_hours_are_drawn_said_and_listed_alike(enter, hub):
    found = advice(hub, LUIS)
    shown = card(enter(LUIS).get("/portal/usage", lang="en"))
    assert len(found.days) == 2 and found.savings and found.shift
    tables = re.findall(r"<tbody>(.*?)</tbody>", shown)
    assert len(tables) == 2
    for day, table in zip(found.days, tables, strict=True):
        listed = re.findall(r'<th scope="row">([^<]+)</th><td class="num">([\d.]+)¢</td><td>([a-z ]+)</td>', table)
        assert len(listed) == len(day.hours)
        assert [float(price) for _, price, _ in listed] == [round(float(h.price) * 100, 1) for h in day.hours]
        words = {word for _, _, word in listed}
        assert words == ({"cheapest", "dearest"} if day.cheap else {"the same"})
        for (_, _, word), hour in zip(listed, day.hours, strict=True):
            if day.cheap:
                assert (word == "dearest") == any(s.starts_at <= hour.starts_at < s.ends_at for s in day.dear)
    # two drawings a day, for a desk and for a phone; what is told by colour is told by a pattern, too
    drawings = re.findall(r'<svg class="chart hours .*?</svg>', shown)
    assert len(drawings) == 4 and all('role="img" aria-label="' in one for one in drawings)
    for one in drawings:
        assert one.count('class="high"') == one.count("-high)")  # each dear hour and its word in the legend is striped
        assert one.count('class="low"') == one.count("-low)")
    assert any("-high)" in one for one in drawings)
    ids = re.findall(r'id="([^"]+)"', shown)
    assert len(ids) == len(set(ids))
    for load in found.savings:
        assert f"${load.saving:,.2f} less" in shown
    assert f"${found.shift.saving:,.2f} less" in shown


def test_in_spanish_too(enter):
    shown = card(enter(LUIS).get("/portal/usage", lang="es"))
    assert "Cuándo la luz es barata" in shown and "Cargar un auto" in shown and "menos" in shown
    assert not re.search(r"\b(cheapest|dearest|less|Hour)\b", re.sub(r"<[^>]+>", " ", shown))


def test_by_the_market_todays_hours_and_when_tomorrows_come(enter, hub):
    found, shown = advice(hub, OTTO), card(enter(OTTO).get("/portal/usage", lang="en"))
    assert found.by_index and "in between" in shown
    assert ("Tomorrow&#39;s prices stand here" in shown) == (len(found.days) == 1)


def test_who_pays_one_price_sees_no_card(enter):
    assert "cheap-hours" not in enter(MAYA).get("/portal/usage")
