"""The assistant on cheap hours: with the tips and the plan of who pays by the hour, and never otherwise."""

from collections.abc import Callable

import pytest

from core import wording
from core.conversations.house import house
from tests.integration.actions.conftest import Talk

Open = Callable[..., Talk]


@pytest.mark.parametrize("channel", ["WEB", "SMS", "VOICE"])
def test_the_tips_of_who_pays_by_the_hour_begin_with_the_hours(talk: Open, channel: str) -> None:
    ben = talk(channel, tariff="RES-TOU")
    ben.verify()
    said = ben.act("action_savings_tips", "how can I save", "savings_tips")
    assert said.kinds == ["plans.cheap_hours", "programs.tips"]
    told = said.data("plans.cheap_hours")
    assert [day["today"] for day in told["days"]] == [True, False]
    assert [(load["code"], load["saving"]) for load in told["savings"]] == [("dishwasher", "0.13"), ("car", "2.16")]
    assert (told["shift"]["dear_share"], told["shift"]["saving"]) == ("0.18", "3.91")
    assert said.replies[-1]["choices"]  # the question what next stands last
    for locale, word in (("en", "Charging a car"), ("es", "Cargar un auto")):
        for medium in wording.MEDIA:
            text = wording.render(
                "plans.cheap_hours", told, locale=locale, medium=medium, house=house(ben.hub.settings)
            ).text
            assert word in text and "$2.16" in text and "$0.13" in text, (locale, medium, text)
    about = ben.act("action_tariff_info", "my plan", "tariff_info").data("plans.current")
    assert [len(day["cheap"]) for day in about["hours"]] == [2, 2]  # before two and after eight


def test_a_weekend_at_one_price_is_said_to_be_one(talk: Open) -> None:
    ben = talk("WEB", tariff="RES-TOU")
    ben.hub.clock.move(days=-2)  # Saturday, 21 November
    ben.verify()
    (reply,) = ben.act("action_tariff_info", "my plan", "tariff_info").replies
    said = wording.render(reply["kind"], reply["data"], locale="en", medium="chat", house=house(ben.hub.settings)).text
    assert said.count("every hour costs the same, 11.6¢ per kWh") == 2


def test_who_pays_one_price_hears_nothing_of_hours(talk: Open) -> None:
    sam = talk("WEB")
    sam.verify()
    assert sam.act("action_savings_tips", "how can I save", "savings_tips").kinds == ["programs.tips"]
    assert sam.act("action_tariff_info", "my plan", "tariff_info").data("plans.current")["hours"] == []


def test_a_stranger_is_told_no_home_s_hours(talk: Open) -> None:
    stranger = talk("WEB", known=False, tariff="RES-TOU")
    assert stranger.act("action_savings_tips", "how can I save", "savings_tips").kinds == ["programs.tips_general"]
