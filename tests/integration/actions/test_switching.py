"""Switching plans in talk: the day that is wanted, what it means, the yes, and the way back, through every door."""

import re
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select

from billing import operations as charging
from billing import queries as billing
from channels.email import render as mail
from channels.sms import render as sms
from channels.voice import render as voice
from channels.whatsapp import render as whatsapp
from core import outbox, wording
from core.conversations import models, notices
from core.conversations.house import house
from core.ports import Outbound
from core.settings import Settings
from tests.integration.actions.conftest import Said, Talk

Open = Callable[..., Talk]
YES = ("/affirm", "affirm")
TODAY, NEXT, LATER = date(2026, 11, 23), date(2026, 12, 1), date(2027, 1, 1)
SETTINGS = Settings()
HOUSE = house(SETTINGS)
DOORS = ("WEB", "WHATSAPP", "SMS", "EMAIL", "VOICE")


def picked(value: str) -> dict[str, Any]:
    return {"intent": "inform", "entities": [{"entity": "choice", "value": value}]}


def pick(talk: Talk, slot: str, value: str) -> Said:
    return talk.answer("switch_form", slot, f'/inform{{"choice":"{value}"}}', **picked(value))


def wish(talk: Talk, value: str | None = None, **more: Any) -> Said:
    entities = [{"entity": "choice", "value": value}] if value else []
    payload = f'/switch_tariff{{"choice":"{value}"}}' if value else "/switch_tariff"
    return talk.act("action_switch_tariff", payload, "switch_tariff", entities=entities, **more)


def switch(talk: Talk, plan: str, day: date) -> Said:
    """From the wish to the yes, as buttons are tapped."""
    wish(talk, plan)
    pick(talk, "service_date", day.isoformat())
    talk.act("action_ask_switch_form_confirm")
    talk.answer("switch_form", "confirm", *YES)
    return talk.act("action_submit_switch", *YES)


def held(talk: Talk, on: date) -> str:
    with talk.hub.transaction() as session:
        return billing.current_tariff(session, agreement_id=talk.house.agreement_id, on=on).code


def undo_of(said: Said, kind: str) -> str:
    """The value of the undo button below what was said."""
    choices = next(reply["choices"] for reply in said.replies if reply["kind"] == kind)
    (payload,) = [c["payload"] for c in choices if c["label"] == "choice.undo_switch"]
    return str(payload).removeprefix('/switch_tariff{"choice":"').removesuffix('"}')


@pytest.mark.parametrize("channel", DOORS)
def test_through_every_door_the_plan_begins_on_the_day_that_was_chosen(talk: Open, channel: str) -> None:
    sam = talk(channel)
    sam.verify()
    assert wish(sam, "RES-TOU").slots["tariff_choice"] == "RES-TOU"
    asked = sam.act("action_ask_switch_form_service_date")
    assert [c["payload"] for c in asked.replies[0]["choices"]] == [
        f'/inform{{"choice":"{day}"}}' for day in (TODAY, NEXT, LATER)
    ]
    assert pick(sam, "service_date", TODAY.isoformat()).slots == {"service_date": "2026-11-23"}
    shown = sam.act("action_ask_switch_form_confirm").data("plans.switch_confirm")
    assert (shown["today"], shown["old"], shown["cooling_off_until"]) == (True, "tariff.RES-FLAT.name", "2026-12-07")
    sam.answer("switch_form", "confirm", *YES)
    done = sam.act("action_submit_switch", *YES).data("plans.switched")
    assert (done["starts_on"], done["today"]) == ("2026-11-23", True)
    assert [held(sam, day) for day in (TODAY - timedelta(days=1), TODAY)] == ["RES-FLAT", "RES-TOU"]


def test_each_day_says_what_it_would_mean(talk: Open) -> None:
    sam = talk("WEB")
    sam.verify()
    wish(sam, "RES-TOU")
    today, following, later = sam.act("action_ask_switch_form_service_date").data("plans.switch_ask_date")["days"]
    split = today["split"]
    assert (split["starts_on"], split["days_before"], split["days_after"]) == ("2026-11-01", 22, 8)
    assert following["split"] is later["split"] is None
    with sam.hub.transaction() as session:
        forecast = billing.forecast_bill(session, account_id=sam.house.account_id, now=sam.hub.now())
    # without the switch it is the forecast of every other page; with it, cheap hours for eight days
    assert Decimal(split["likely_unchanged"]) == forecast.likely
    assert Decimal(0) < Decimal(split["likely"]) < forecast.likely


def outbound(reply: dict[str, Any], channel: str, medium: str, locale: str, labels: list[str]) -> Outbound:
    text = wording.render(reply["kind"], reply["data"], locale=locale, medium=medium, house=HOUSE).text
    return Outbound(
        message_id=1, conversation="c", channel=channel, to="+15550101001", locale=locale, text=text,
        choices=tuple((f"t{n}", label) for n, label in enumerate(labels)),
    )  # fmt: skip


@pytest.mark.parametrize("locale", ["en", "es"])
def test_the_question_is_put_as_each_door_can(talk: Open, locale: str) -> None:
    sam = talk("WEB")
    sam.verify()
    wish(sam, "RES-EV")
    (asked,) = sam.act("action_ask_switch_form_service_date").replies
    pick(sam, "service_date", TODAY.isoformat())
    (sure,) = sam.act("action_ask_switch_form_confirm").replies
    names = {"en": "Today, Nov 23", "es": "Hoy, 23 nov"}
    for reply, first in ((asked, names[locale]), (sure, {"en": "Yes", "es": "Sí"}[locale])):
        labels = [wording.label(c["label"], c["data"], locale=locale, house=HOUSE) for c in reply["choices"]]
        assert labels[0] == first
        text = "\n".join(sms.render(outbound(reply, "SMS", "sms", locale, labels), HOUSE))
        for number, label in enumerate(labels, 1):
            assert re.search(rf"\b{number}\b.{{0,3}}{label}", text), text
        chat = outbound(reply, "WHATSAPP", "chat", locale, labels)
        assert "22" in chat.text and "8" in chat.text  # days at the old and the new prices
        tapped = whatsapp.render(chat, {f"choices_{len(labels)}": "HX1"}, HOUSE)
        assert tapped.template == "HX1" and tapped.variables["2"] == labels[0]  # they fit on buttons
        said = wording.render(reply["kind"], reply["data"], locale=locale, medium="voice", house=HOUSE)
        spoken = voice.Spoken(said.text, ssml=said.ssml, labels=tuple(labels), kind=reply["kind"])
        place = voice.Place(turn=2, locale=locale, question=voice.question_of([spoken]))
        heard = voice.Call(SETTINGS).answer((spoken,), place)
        assert f"q={len(labels)}" in heard and labels[0].split(",")[0] in heard
        assert labels[-1] in mail.render(outbound(reply, "EMAIL", "email", locale, labels), SETTINGS).text


@pytest.mark.parametrize(
    ("said", "more", "day"),
    [
        ("today", {}, TODAY),
        ("hoy", {}, TODAY),
        ("2", {}, NEXT),
        ("from Jan 1", {}, LATER),
        ("December 1st", {"entities": [{"entity": "date", "value": "2026-12-01T00:00:00.000-05:00"}]}, NEXT),
    ],
)
def test_a_day_may_be_said_in_words(talk: Open, said: str, more: dict[str, Any], day: date) -> None:
    sam = talk("WEB")
    sam.verify()
    wish(sam, "RES-TOU")
    assert sam.answer("switch_form", "service_date", said, **more).slots == {"service_date": day.isoformat()}


def test_a_button_of_yesterday_changes_nothing_and_the_question_is_put_again(talk: Open) -> None:
    sam = talk("WEB")
    sam.verify()
    wish(sam, "RES-TOU")
    sam.hub.clock.move(days=1)
    sam.verify()
    late = pick(sam, "service_date", TODAY.isoformat())
    assert (late.kinds, late.slots) == (["plans.switch_not_that_day"], {"service_date": None})
    asked = sam.act("action_ask_switch_form_service_date")
    assert '"2026-11-24"' in asked.replies[0]["choices"][0]["payload"]
    for other in ("2026-12-02", "2026-02-31", "RES-TOU"):
        assert pick(sam, "service_date", other).slots == {"service_date": None}


def test_a_yes_after_midnight_does_not_switch_on_a_day_that_is_over(talk: Open) -> None:
    sam = talk("WEB")
    sam.verify()
    wish(sam, "RES-TOU")
    pick(sam, "service_date", TODAY.isoformat())
    sam.answer("switch_form", "confirm", *YES)
    sam.hub.clock.move(days=1)
    sam.verify()
    (said,) = sam.act("action_submit_switch", *YES).replies
    assert said["kind"] == "plans.switch_not_that_day"
    assert said["choices"][0]["payload"] == '/switch_tariff{"choice":"RES-TOU"}'
    assert held(sam, LATER) == "RES-FLAT"


def test_a_switch_is_confirmed_in_writing_and_made_once(talk: Open) -> None:
    sam = talk("SMS")
    sam.verify()
    wish(sam, "RES-TOU")
    pick(sam, "service_date", NEXT.isoformat())
    sam.answer("switch_form", "confirm", *YES)
    slots = dict(sam.slots)
    first = sam.act("action_submit_switch", *YES, turn="one")
    sam.slots = slots  # the assistant was restarted in the middle of the turn
    assert sam.act("action_submit_switch", *YES, turn="one").replies == first.replies
    with sam.hub.transaction() as session:
        rows = session.scalars(select(outbox.FactRow).where(outbox.FactRow.name == "tariff.switched")).all()
    (row,) = rows
    notices.notify_switch(sam.hub, outbox.Fact(row.id, row.name, row.order_key, row.payload, row.recorded_at))
    with sam.hub.transaction() as session:
        told = session.scalars(
            select(models.MessageRow).where(models.MessageRow.kind == "notice.tariff_switched")
        ).all()
    assert told and {(t.data or {})["until"] for t in told} == {"2026-12-15"}


def test_undo_is_offered_after_the_switch_and_when_the_plan_is_asked_about(talk: Open) -> None:
    sam = talk("WHATSAPP")
    sam.verify()
    done = switch(sam, "RES-TOU", NEXT)
    value = undo_of(done, "plans.switched")
    about = sam.act("action_tariff_info", "my plan", "tariff_info")
    again = wish(sam)
    assert about.kinds == ["plans.current", "plans.switch_recent"]
    assert again.kinds == ["plans.switch_recent"]
    assert undo_of(about, "plans.switch_recent") == undo_of(again, "plans.switch_recent") == value
    told = again.data("plans.switch_recent")
    assert (told["name"], told["begun"], told["until"]) == ("tariff.RES-TOU.name", False, "2026-12-15")
    first = wish(sam, value, turn="undo")
    assert first.data("plans.switch_undone")["name"] == "tariff.RES-FLAT.name"
    assert wish(sam, value, turn="undo").replies == first.replies  # the same turn again
    assert held(sam, LATER) == "RES-FLAT"
    assert wish(sam, value).kinds == ["error.tariff.no_cooling_off"]  # the button again
    assert sam.act("action_tariff_info", "my plan", "tariff_info").kinds == ["plans.current"]


def test_what_was_taken_back_is_not_in_the_way_of_another_switch(talk: Open) -> None:
    sam = talk("WEB")
    sam.verify()
    old = undo_of(switch(sam, "RES-TOU", NEXT), "plans.switched")
    assert wish(sam, "RES-EV").kinds == ["plans.switch_recent"]  # one switch at a time
    wish(sam, old)
    new = undo_of(switch(sam, "RES-TIER", LATER), "plans.switched")
    assert held(sam, LATER) == "RES-TIER"
    assert wish(sam, old).kinds == ["error.tariff.another_switch"]  # the button of the first one
    assert held(sam, LATER) == "RES-TIER"
    assert wish(sam, new).kinds == ["plans.switch_undone"]


def test_a_plan_that_has_begun_is_left_again_or_kept_for_another(talk: Open) -> None:
    sam = talk("WEB")
    sam.verify()
    value = undo_of(switch(sam, "RES-TOU", TODAY), "plans.switched")
    sam.hub.clock.move(days=3)
    sam.verify()
    asked = wish(sam)
    assert asked.data("plans.switch_recent")["begun"] is True
    another = next(c for c in asked.replies[0]["choices"] if c["label"] == "choice.another_switch")
    assert wish(sam, "ANOTHER").slots["flow"] == "GO" and '"ANOTHER"' in another["payload"]
    undone = wish(sam, value).data("plans.switch_undone")
    assert undone["starts_on"] == "2026-11-26"
    # what was used meanwhile stays under the new plan
    assert [held(sam, TODAY + timedelta(days=n)) for n in (-1, 0, 2, 3)] == [
        "RES-FLAT",
        "RES-TOU",
        "RES-TOU",
        "RES-FLAT",
    ]


def test_after_the_cooling_off_days_there_is_nothing_to_take_back(talk: Open) -> None:
    sam = talk("WEB")
    sam.verify()
    value = undo_of(switch(sam, "RES-TOU", TODAY), "plans.switched")
    sam.hub.clock.move(days=14)  # 7 December is the last day
    sam.verify()
    assert wish(sam).kinds == ["plans.switch_recent"]
    sam.hub.clock.move(days=1)
    sam.verify()
    assert wish(sam, value).kinds == ["error.tariff.no_cooling_off"]
    assert held(sam, LATER) == "RES-TOU"


def test_the_word_undo_is_understood_without_being_taught(talk: Open) -> None:
    sam = talk("SMS")
    sam.verify()
    assert sam.act("action_cancel_dialog", "undo", "cancel_dialog").kinds == ["talk.cancelled"]  # nothing to take back
    value = undo_of(switch(sam, "RES-TOU", NEXT), "plans.switched")
    sam.act("action_check_balance", "what do I owe", "check_balance")
    for action, text, intent in (
        ("action_cancel_dialog", "undo that please", "cancel_dialog"), ("action_affirm", "undo", "affirm"),
        ("action_deny", "no, undo it", "deny"), ("action_out_of_scope", "deshacer", "out_of_scope"),
        ("action_unsure", "anule el cambio", "nlu_fallback"),
    ):  # fmt: skip
        offered = sam.act(action, text, intent)
        assert offered.kinds == ["plans.switch_recent"] and undo_of(offered, "plans.switch_recent") == value
    assert held(sam, NEXT) == "RES-TOU"  # offered, and not done
    sam.act("action_check_balance", "what do I owe", "check_balance")
    assert sam.act("action_cancel_dialog", "never mind", "cancel_dialog").kinds == ["talk.cancelled"]
    # said in the middle of a form it leaves that form
    sam.events += [{"event": "active_loop", "name": "paperless_form"}, {"event": "user"}]
    sam.events += [{"event": "active_loop", "name": None}]
    assert sam.act("action_cancel_dialog", "undo", "cancel_dialog").kinds == ["talk.cancelled"]


def test_who_is_not_known_is_told_of_no_switch(talk: Open) -> None:
    sam = talk("SMS")
    with sam.hub.transaction() as session:
        charging.switch_tariff(
            session, account_id=sam.house.account_id, tariff_code="RES-TOU", starts_on=NEXT, key="k", now=sam.hub.now()
        )
    assert sam.act("action_cancel_dialog", "undo", "cancel_dialog").kinds == ["talk.cancelled"]
    assert wish(sam, "UNDO").kinds == ["verify.code_sent"]
    assert held(sam, NEXT) == "RES-TOU"


def test_a_button_of_another_switch_leaves_the_form_it_meets(talk: Open) -> None:
    sam = talk("WEB")
    sam.verify()
    wish(sam, "RES-TOU")
    left = sam.answer(
        "switch_form", "service_date", '/switch_tariff{"choice":"RES-EV"}', "switch_tariff",
        entities=[{"entity": "choice", "value": "RES-EV"}],
    )  # fmt: skip
    assert (left.kinds, left.slots) == ([], {"service_date": None, "requested_slot": None})
    end = sam.act("action_submit_switch", '/switch_tariff{"choice":"RES-EV"}', "switch_tariff")
    assert end.followup == "action_switch_tariff"
