"""A plan's own page says for whom it is; the comparison folds away those one cannot have, with the reason."""

import html
import re
from collections.abc import Callable

from sqlalchemy import text

from tests.integration.portal.conftest import Browser

Enter = Callable[[str], Browser]
MAYA, NORA, CAFE, PAULA = "5500010011", "5500010094", "5500010128", "5500010136"


def words(page: str) -> str:
    return html.unescape(re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", page)))


def folded(page: str) -> str:
    found = re.search(
        r"<details class=\"card\"><summary>(?:Plans you cannot|Planes que usted).*?</details>", page, re.S
    )
    assert found is not None
    return words(found[0])


def test_a_firm_too_large_for_a_plan_reads_its_own_peak(enter: Enter, connection) -> None:
    cafe = enter(CAFE)
    page = cafe.get("/portal/plans", lang="en")
    told = re.search(r"Corner Shop .*?For services up to 20 kW; yours reached ([\d.]+) kW", folded(page))
    assert told is not None and float(told[1]) > 20
    highest = connection.execute(
        text(
            "SELECT max(peak_watts) FROM bill b JOIN account a ON a.id = b.account_id"
            " WHERE a.number = :n AND b.starts_on > now() - interval '330 days'"
        ),
        {"n": CAFE},
    ).scalar_one()
    assert float(told[1]) >= round(highest / 1000, 1)  # the bills of these months saw no higher one
    assert 'href="?switch=BUS-SMALL"' not in page
    own = cafe.get("/portal/plans/BUS-SMALL", lang="es")
    assert "Tienda de la Esquina" in own and "Para servicios de hasta 20 kW; el suyo llegó a" in words(own)
    assert "switch=BUS-SMALL" not in own
    refused = cafe.post("/portal/plans", status=409, tariff="BUS-SMALL")
    assert "de hasta 20 kW; el suyo llegó a" in words(refused) or "up to 20 kW; yours reached" in words(refused)


def test_a_home_sees_what_each_plan_asks_and_why_one_is_not_open(enter: Enter) -> None:
    maya = enter(MAYA)
    page = maya.get("/portal/plans", lang="en")
    why = folded(page)
    assert "Sunny Side" in why and "over a meter for it; yours has none." in why
    assert "Car Club" in why and "For those who take part in EV off-peak charging; you do not yet." in why
    assert "Corner Shop" not in words(page)  # a home is not told of the plans of firms
    assert "Who may have it: For services with a smart meter" in words(page) and "it: For homes" not in words(page)
    open_one = words(maya.get("/portal/plans/RES-TOU", lang="en"))
    assert (
        "You may have this plan." in open_one and "For homes" in open_one and "You can leave it at any time" in open_one
    )
    assert "Your plan" in words(maya.get("/portal/plans/RES-FLAT", lang="en"))
    assert "For businesses." in words(maya.get("/portal/plans/BUS-FLAT", lang="en"))
    maya.get("/portal/plans/NO-SUCH-PLAN", status=404)


def test_a_dial_is_offered_no_plan_by_the_hour_and_panels_are_offered_theirs(enter: Enter) -> None:
    nora = enter(NORA).get("/portal/plans", lang="en")
    assert "switch=RES-TOU" not in nora and "switch=RES-TIER" in nora
    assert "a smart meter that is read at least every hour; yours is not." in folded(nora)
    paula = enter(PAULA).get("/portal/plans", lang="en")
    assert "Sunny Side" not in folded(paula)


def test_a_stranger_is_asked_who_they_are(stranger: Browser) -> None:
    assert "/portal/sign-in" in stranger.client.get("/portal/plans/RES-TOU").headers["Location"]
