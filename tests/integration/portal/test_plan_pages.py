"""A plan's own page says for whom it is and what a switch means on each day; the comparison folds away those one cannot
have, with the reason.
"""

import copy
import html
import re
from collections.abc import Callable
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import select, text

from actions import plans
from billing import catalogue, documents, models, views
from billing import operations as billing
from billing import queries as bills
from core import errors, outbox
from core.accounts import operations as accounts
from core.accounts import queries as known
from tests.conftest import FakeHub
from tests.integration.portal.conftest import Browser

Enter = Callable[[str], Browser]
MAYA, SAM, NORA, CAFE, PAULA = "5500010011", "5500010086", "5500010094", "5500010128", "5500010136"


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
    assert "/portal/plans/BUS-SMALL#switch" not in page and "/portal/plans/BUS-FLAT#switch" in page
    own = cafe.get("/portal/plans/BUS-SMALL", lang="es")
    assert "Tienda de la Esquina" in own and "Para servicios de hasta 20 kW; el suyo llegó a" in words(own)
    assert 'name="on"' not in own
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
    assert "RES-TOU#switch" not in nora and "RES-TIER#switch" in nora
    assert "a smart meter that is read at least every hour; yours is not." in folded(nora)
    paula = enter(PAULA).get("/portal/plans", lang="en")
    assert "Sunny Side" not in folded(paula)


def test_a_stranger_is_asked_who_they_are(stranger: Browser) -> None:
    assert "/portal/sign-in" in stranger.client.get("/portal/plans/RES-TOU").headers["Location"]


def account_of(hub: FakeHub, number: str) -> int:
    with hub.transaction() as session:
        found = known.find_account_by_number(session, number=number)
    assert found is not None
    return found.id


def previews(hub: FakeHub, number: str, plan: str) -> tuple[views.SwitchPreview, ...]:
    own = account_of(hub, number)
    with hub.transaction() as session:
        return bills.preview_switch(session, account_id=own, tariff_code=plan, now=hub.now())


def agreement_of(hub: FakeHub, number: str) -> int:
    own = account_of(hub, number)
    with hub.transaction() as session:
        return int(
            session.execute(text("SELECT id FROM service_agreement WHERE account_id = :a"), {"a": own}).scalar_one()
        )


def offered(page: str) -> list[tuple[str, str, str, bool]]:
    """Each day a switch may start: its value, its label, what is said to belong to it, and whether it is chosen."""
    found = re.findall(
        r'<div class="day"><label><input type="radio" name="on" ([^>]*)>(.*?)</label>'
        r'\s*<div id="([^"]+)">(.*?)</div></div>\n',
        page,
        re.S,
    )
    out = []
    for attributes, label, of, means in found:
        assert f'aria-describedby="{of}"' in attributes and "required" in attributes
        value = re.search(r'value="([^"]+)"', attributes)
        assert value is not None
        out.append((value[1], words(label).strip(), words(means), "checked" in attributes))
    assert page.count('type="radio"') == len(out)
    return out


def test_each_day_a_switch_may_start_says_what_it_would_mean(hub: FakeHub, enter: Enter) -> None:
    today, following, later = previews(hub, SAM, "RES-TOU")
    split = today.split
    assert split is not None and split.likely is not None and split.likely_unchanged is not None
    sam = enter(SAM)
    page = sam.get("/portal/plans/RES-TOU", lang="en")
    days = offered(page)
    assert [day[0] for day in days] == [str(each.starts_on) for each in (today, following, later)]
    assert [day[1] for day in days] == ["Today, Nov 23", "From Dec 15", "From Jan 15"]
    assert [day[3] for day in days] == [False, True, False]
    means = days[0][2]
    assert "from Nov 15 to Dec 14" in means
    assert f"{split.days_before} days on Simple Home" in means and f"{split.days_after} days on Time of Day" in means
    assert f"Likely bill ${split.likely}" in means and f"Without a switch ${split.likely_unchanged}" in means
    less = split.likely_unchanged - split.likely
    assert f"likely be ${abs(less)} {'less' if less > 0 else 'more'}" in means
    assert "Leaving Simple Home costs nothing." in means and "undo it until Dec 7, at no cost" in means
    for _, _, whole, _ in days[1:]:
        assert "Until then nothing changes: you stay on Simple Home." in whole and "days on" not in whole
    assert "undo it until Dec 29" in days[1][2]
    own = offered(sam.get("/portal/plans/RES-TOU", lang="es"))[0]
    assert own[1] == "Hoy, 23 nov" and f"{split.days_before} días con Hogar Simple" in own[2]
    assert f"Factura probable ${split.likely} Sin el cambio ${split.likely_unchanged}" in own[2]
    assert "Puede deshacerlo hasta el 7 dic, sin costo." in own[2]


def test_on_the_first_day_of_a_bill_there_is_nothing_to_split(hub: FakeHub, enter: Enter) -> None:
    hub.clock.at = datetime(2026, 11, 15, 15, tzinfo=UTC)
    (_, label, means, _), *_ = offered(enter(SAM).get("/portal/plans/RES-TOU", lang="en"))
    assert label == "Today, Nov 15" and "A new bill begins today, all of it at the new prices." in means
    assert "Likely bill" not in means


def test_a_term_left_early_shows_its_fee_on_the_days_it_is_asked_for(hub: FakeHub, enter: Enter) -> None:
    agreement_id = agreement_of(hub, SAM)
    with hub.transaction() as session:  # twelve months from 1 January: over by the last of the days
        billing.assign_tariff(
            session, agreement_id=agreement_id, tariff_code="RES-EV", starts_on=date(2026, 1, 1), now=hub.now()
        )
    days = offered(enter(SAM).get("/portal/plans/RES-FLAT", lang="en"))
    fee = "Leaving Night Drive on that day costs $50.00."
    assert [fee in means for _, _, means, _ in days] == [True, True, False]
    assert "Leaving Night Drive costs nothing." in days[2][2]


def test_a_plan_of_the_utility_is_named_by_its_own_document_wherever_it_is_spoken_of(
    hub: FakeHub, enter: Enter
) -> None:
    flat = next(d for d in catalogue.published(hub.now().date()) if d["label"] == "RES-FLAT")
    document = copy.deepcopy(flat) | {"label": "RES-OURS", "energyratestructure": [[{"rate": 0.09, "unit": "kWh"}]]}
    unnamed = copy.deepcopy(document)
    document["wattline"] |= {
        "names": {"en": "Harbor <b>", "es": "Puerto"}, "about": {"en": "For the harbor.", "es": "Para el puerto."},
    }  # fmt: skip
    first = hub.now().date().replace(day=1)
    with hub.transaction() as session:
        with pytest.raises(errors.Invalid, match=r"tariff\.unnamed"):
            billing.publish(session, document=unnamed, starts_on=first, now=hub.now())
        billing.publish(session, document=document, starts_on=first, now=hub.now())
    sam = enter(SAM)
    for path in ("/portal/plans", "/portal/plans/RES-OURS"):
        page = sam.get(path, lang="en")
        assert "Harbor &lt;b&gt;" in page and "For the harbor." in page and "<b>" not in page
        page = sam.get(path, lang="es")
        assert "Puerto" in page and "Para el puerto." in page and "Harbor" not in page
    with hub.transaction() as session:
        account = known.find_account_by_number(session, number=SAM)
        assert account is not None
        switch = billing.switch_tariff(
            session, account_id=account.id, tariff_code="RES-OURS", starts_on=None, key="ours", now=hub.now()
        )
        again = billing.switch_tariff(
            session, account_id=account.id, tariff_code="RES-OURS", starts_on=None, key="ours", now=hub.now()
        )
        assert switch == again and switch.to_name == {"en": "Harbor <b>", "es": "Puerto"}
        recent = bills.recent_switch(session, account_id=account.id, now=hub.now())
        assert recent is not None and plans.recent_data(recent)["name"] == switch.to_name
        assert plans.recent_data(recent)["old"] == "tariff.RES-FLAT.name"
        (fact,) = session.scalars(select(outbox.FactRow).where(outbox.FactRow.name == "tariff.switched"))
        assert fact.payload["to_name"] == switch.to_name
    assert "Puerto" in sam.get("/portal/plans", lang="es")


def test_a_plan_that_came_with_us_may_be_named_anew_and_its_bills_say_so(hub: FakeHub, enter: Enter) -> None:
    flat = next(d for d in catalogue.published(hub.now().date()) if d["label"] == "RES-FLAT")
    renamed = copy.deepcopy(flat)
    renamed["wattline"]["names"] = {"en": "Plain", "es": "Llano"}
    with hub.transaction() as session:
        account = known.find_account_by_number(session, number=SAM)
        assert account is not None
        newest = bills.list_bills(session, account_id=account.id, limit=1)[0]
        before = bills.bill_document(session, bill_id=newest.id)
        billing.publish(session, document=renamed, starts_on=date(2027, 1, 1), now=hub.now())
        after = bills.bill_document(session, bill_id=newest.id)
    assert (before.tariff_name, after.tariff_name) == ("tariff.RES-FLAT.name", {"en": "Plain", "es": "Llano"})
    assert "Simple Home" in documents.bill_html(before, "en").decode()
    assert "Llano" in documents.bill_html(after, "es").decode()
    page = enter(SAM).get("/portal/plans/RES-FLAT", lang="en")
    assert "Plain" in page and "One price at every hour." in page and "Simple Home" not in page


def test_what_is_not_known_is_said_to_be_so(hub: FakeHub, enter: Enter) -> None:
    with hub.transaction() as session:
        version = session.scalars(
            select(models.TariffVersionRow)
            .join(models.TariffRow, models.TariffRow.id == models.TariffVersionRow.tariff_id)
            .where(models.TariffRow.code == "RES-HOUR")
        ).one()
        document = copy.deepcopy(version.plan)
        document["wattline"]["index"]["code"] = "A-MARKET-WITHOUT-PRICES"
        billing.publish(session, document=document, starts_on=date(2026, 11, 20), now=hub.now())
    split = previews(hub, SAM, "RES-HOUR")[0].split
    assert split is not None and split.likely is None
    page = enter(SAM).get("/portal/plans/RES-HOUR", lang="en")
    means = offered(page)[0][2]
    assert f"Likely bill not known yet Without a switch ${split.likely_unchanged}" in means
    assert "Nobody can say yet what the hours of Hour by Hour will cost." in means and "likely be" not in means
    assert "On your own use" not in words(page)  # nor what a year of it would cost


def test_a_home_without_reads_may_switch_and_is_told_that_nothing_is_known(
    hub: FakeHub, enter: Enter, connection
) -> None:
    connection.execute(text(
        "DELETE FROM read_day WHERE meter_id IN (SELECT m.id FROM meter m JOIN service_agreement g"
        " ON g.service_point_id = m.service_point_id WHERE g.id = :g)"
    ), {"g": agreement_of(hub, SAM)})  # fmt: skip
    page = enter(SAM).get("/portal/plans/RES-TOU", lang="en")
    means = offered(page)[0][2]
    assert "8 days on Simple Home" in means and "cannot be told yet" in means and "$" not in means


@pytest.mark.parametrize(
    ("lang", "says"),
    [
        ("en", "Your service ends on Thursday, December 10, 2026"),
        ("es", "Su servicio termina el jueves, 10 de diciembre"),
    ],
)
def test_who_moves_out_is_offered_the_days_before_and_none_after(
    hub: FakeHub, enter: Enter, lang: str, says: str
) -> None:
    with hub.transaction() as session:
        accounts.end_agreement(session, agreement_id=agreement_of(hub, SAM), ends_on=date(2026, 12, 10), now=hub.now())
    sam = enter(SAM)
    ((value, _, means, chosen),) = offered(sam.get("/portal/plans/RES-TOU", lang=lang))
    assert value == "2026-11-23" and chosen
    assert ("17 days on Time of Day" if lang == "en" else "17 días con Según la Hora") in means  # up to the last day
    assert says in words(sam.post("/portal/plans", status=409, tariff="RES-TOU", on="2026-12-15"))
    hub.clock.at = datetime(2026, 12, 12, 15, tzinfo=UTC)
    gone = enter(SAM).get("/portal/plans/RES-TOU", lang=lang)
    assert says in words(gone) and offered(gone) == []


def test_a_switch_from_the_chosen_day_and_back_once_and_no_further(hub: FakeHub, enter: Enter) -> None:
    sam, own = enter(SAM), account_of(hub, SAM)
    assert "done=switch" in sam.post("/portal/plans", tariff="RES-TOU", on="2026-12-15")
    pending = sam.get("/portal/plans/RES-EV", lang="en")
    assert "A switch is already on its way." in words(pending) and offered(pending) == []
    page = sam.get("/portal/plans", lang="en")
    assert "You will move to Time of Day on Dec 15. You can take that back until Dec 29, at no cost." in words(page)
    named = dict(re.findall(r'<input type="hidden" name="(tariff|on)" value="([^"]+)">', page))
    assert named == {"tariff": "RES-TOU", "on": "2026-12-15"}
    sam.post("/portal/plans/undo", status=409, tariff="RES-TOU", on="2026-11-23")
    sam.post("/portal/plans/undo", status=409)
    assert "done=switch_undone" in sam.post("/portal/plans/undo", **named)
    assert "Taken back." in sam.get("/portal/plans", lang="en", done="switch_undone")
    sam.post("/portal/plans/undo", status=409, **named)
    with hub.transaction() as session:
        assert bills.recent_switch(session, account_id=own, now=hub.now()) is None
