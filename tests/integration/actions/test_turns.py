"""Turns as the assistant runs them: who may see what, forms to their end, and what happens when something breaks."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from actions import frame, registry
from billing import alert_jobs, index_loading
from billing import operations as charging
from billing import queries as billing
from core import errors, periods, wording
from core.conversations import queries as conversations
from core.conversations.house import house
from ops_admin.seed import market
from tests.integration.actions.conftest import EXECUTOR, PHONE, Talk
from tests.integration.misread import put_right

Open = Callable[..., Talk]
INTENTS = (
    "greet", "goodbye", "affirm", "deny", "thanks", "help", "repeat", "bot_challenge", "complaint",
    "out_of_scope", "change_language", "check_balance", "view_bill", "explain_bill", "high_bill", "pay_bill",
    "payment_problem", "late_fee", "payment_plan", "set_up_autopay", "paperless_billing", "bill_dispute",
    "disconnection", "financial_assistance", "prepay", "view_usage", "compare_usage", "usage_forecast",
    "meter_reading", "download_usage", "usage_alerts", "smart_meter", "tariff_info", "compare_tariffs",
    "switch_tariff", "talk_to_human", "emergency",
)  # fmt: skip
YES, NO = ("/affirm", "affirm"), ("/deny", "deny")


def balance(talk: Talk) -> Decimal:
    with talk.hub.transaction() as session:
        return billing.get_balance(session, account_id=talk.house.account_id, now=talk.hub.now()).amount


def test_a_stranger_is_asked_who_they_are_whatever_the_slots_say(talk: Open) -> None:
    stranger = talk("WEB", known=False)
    stranger.slots = {"claimed_account": "5500010011", "account_id": stranger.house.account_id}
    said = stranger.act("action_check_balance", "what do I owe", "check_balance")
    assert (said.kinds, said.followup) == ([], "identify_form")
    assert said.slots["resume_action"] == "action_check_balance"
    assert said.slots["flow"] == "IDENTIFY"
    assert said.slots["claimed_account"] is None


def test_a_known_number_gets_a_code_and_then_the_answer(talk: Open) -> None:
    maya = talk("SMS")
    asked = maya.act("action_check_balance", "what do I owe", "check_balance")
    assert asked.kinds == ["verify.code_sent"]
    assert asked.slots["flow"] == "STOP"
    maya.verify()
    resumed = maya.act("action_resume", "/identity_verified", "identity_verified")
    assert resumed.followup == "action_check_balance"
    said = maya.act(resumed.followup, "/identity_verified", "identity_verified", latest_action="action_resume")
    assert Decimal(said.data("billing.balance_owed")["amount"]) == balance(maya) > 0
    assert said.followup == "action_listen"


def test_a_claimed_number_answers_the_same_whether_it_exists_or_not(talk: Open) -> None:
    stranger = talk("WEB", known=False)
    stranger.slots["resume_action"] = "action_check_balance"
    answers = []
    for number in ("5500010011", "9999999999"):
        stranger.answer("identify_form", "claimed_account", number)
        answers.append(stranger.act("action_start_verification", number).replies)
    assert answers[0] == answers[1]
    assert answers[0][0]["kind"] == "verify.code_sent"


def test_every_question_is_answered_in_both_languages_and_every_medium(talk: Open) -> None:
    maya = talk("WEB")
    maya.verify()
    said: list[tuple[str, dict[str, Any]]] = []
    for intent in INTENTS:
        turn = maya.act(f"action_{intent}", f"/{intent}", intent)
        assert turn.replies or turn.slots.get("flow") == "GO", intent
        assert not [kind for kind in turn.kinds if kind.startswith("error.")], (intent, turn.replies)
        said += [(intent, reply) for reply in turn.replies]
        form = next((a.form for a in registry.every_action() if a.name() == f"action_{intent}"), None)
        if turn.slots.get("flow") == "GO" and form:
            question = maya.act(f"action_ask_{form}_{frame.FORMS[form][0]}")
            assert question.kinds and not question.kinds[0].startswith("error."), (intent, question.replies)
            said += [(intent, reply) for reply in question.replies]
    for locale in ("en", "es"):
        for intent, reply in said:
            for medium in wording.MEDIA:
                worded = wording.render(
                    reply["kind"], reply["data"], locale=locale, medium=medium, house=house(maya.hub.settings)
                )
                assert worded.text and "None" not in worded.text.replace("None is", ""), (intent, worded)
            for choice in reply["choices"]:
                assert wording.label(choice["label"], choice["data"], locale=locale, house=house(maya.hub.settings))
                assert choice["payload"].startswith("/")


def test_a_payment_plan_from_the_question_to_its_end_only_once(talk: Open) -> None:
    rosa = talk("WHATSAPP")
    rosa.verify()
    owed = balance(rosa)
    assert rosa.act("action_payment_plan", "/payment_plan", "payment_plan").slots["flow"] == "GO"
    offered = rosa.act("action_ask_payment_plan_form_plan_months").replies[0]
    assert [c["data"]["months"] for c in offered["choices"]] == [3, 6, 12, 1]
    too_many = rosa.answer("payment_plan_form", "plan_months", "60")
    assert (too_many.kinds, too_many.slots) == (["error.arrangement.instalments"], {"plan_months": None})
    assert rosa.answer("payment_plan_form", "plan_months", "3 months please").slots == {"plan_months": 3}
    shown = rosa.act("action_ask_payment_plan_form_confirm").data("billing.plan_confirm")
    assert sum(Decimal(part["amount"]) for part in shown["instalments"]) == owed
    assert rosa.answer("payment_plan_form", "confirm", *YES).slots == {"confirm": "YES"}
    slots = dict(rosa.slots)
    first = rosa.act("action_submit_payment_plan", *YES, turn="the-turn")
    rosa.slots = slots  # the same turn again: the assistant was restarted in the middle
    again = rosa.act("action_submit_payment_plan", *YES, turn="the-turn")
    assert first.replies == again.replies
    assert first.slots == {"plan_months": None, "confirm": None, "flow": "STOP"}
    assert rosa.act("action_payment_plan").kinds == ["billing.plan_current"]


def test_no_means_that_nothing_changes(talk: Open) -> None:
    sam = talk("WEB")
    sam.verify()
    sam.act("action_switch_tariff", "/switch_tariff", "switch_tariff")
    sam.answer("switch_form", "tariff_choice", "the time of day one")
    assert sam.slots["tariff_choice"] == "RES-TOU"
    sam.answer("switch_form", "service_date", "today")
    sam.answer("switch_form", "confirm", *NO)
    assert sam.act("action_submit_switch", *NO).kinds == ["forms.nothing_changed"]
    with sam.hub.transaction() as session:
        held = billing.current_tariff(session, agreement_id=sam.house.agreement_id, on=sam.hub.now().date())
    assert held.code == "RES-FLAT"


def test_who_pays_by_the_hour_is_told_when_it_is_cheap(talk: Open) -> None:
    sam = talk("WEB")
    sam.verify()
    assert sam.act("action_tariff_info", "my plan", "tariff_info").replies[0]["data"]["hours"] == []
    today, zone = sam.hub.now().date(), sam.hub.settings.utility_timezone
    with sam.hub.transaction() as session:
        charging.assign_tariff(
            session, agreement_id=sam.house.agreement_id, tariff_code="RES-HOUR", starts_on=today, now=sam.hub.now()
        )
        prices = market.parsed(periods.Days(today, today + timedelta(days=2)), zone, 7)
        index_loading.load(
            session, code=market.CODE, parsed=prices, source="test", by="test", now=sam.hub.now()
        )  # fmt: skip
    (reply,) = sam.act("action_tariff_info", "my plan", "tariff_info").replies
    assert [day["today"] for day in reply["data"]["hours"]] == [True, False]
    for locale, word in (("en", "cheapest from"), ("es", "más barato de")):
        for medium in ("text", "voice", "sms"):
            said = wording.render(
                reply["kind"], reply["data"], locale=locale, medium=medium, house=house(sam.hub.settings)
            ).text
            assert (word in said) == (medium != "sms")
            assert ("price of the hour times 1.04" if locale == "en" else "precio de la hora por 1.04") in said


def test_a_switch_is_priced_made_and_taken_back(talk: Open) -> None:
    sam = talk("WEB")
    sam.verify()
    compared = sam.act("action_compare_tariffs", "/compare_tariffs", "compare_tariffs").data("plans.compared")
    costs = [Decimal(option["annual_cost"]) for option in compared["options"]]
    assert costs == sorted(costs) and len(costs) >= 3
    best = compared["best"]
    for locale in ("en", "es"):
        for medium in ("text", "voice"):
            said = wording.render(
                "plans.compared", compared, locale=locale, medium=medium, house=house(sam.hub.settings)
            ).text
            assert all(f"${Decimal(best[end]):,.2f}" in said for end in ("low", "high"))
    sam.act("action_switch_tariff", "/switch_tariff", "switch_tariff", entities=[_choice("RES-TOU")])
    assert sam.slots["tariff_choice"] == "RES-TOU"
    sam.answer("switch_form", "service_date", "2")
    sam.answer("switch_form", "confirm", *YES)
    done = sam.act("action_submit_switch", *YES)
    assert done.data("plans.switched")["to"] == "tariff.RES-TOU.name"
    undone = sam.act("action_switch_tariff", "/switch_tariff", "switch_tariff", entities=[_choice("UNDO")])
    assert undone.data("plans.switch_undone")["name"] == "tariff.RES-FLAT.name"


def test_a_plan_that_is_not_open_is_answered_with_the_reason(talk: Open) -> None:
    sam = talk("WEB")
    sam.verify()
    compared = sam.act("action_compare_tariffs", "/compare_tariffs", "compare_tariffs").data("plans.compared")
    shut = {plan["code"]: plan["reasons"][0]["kind"] for plan in compared["not_open"]}
    assert shut == {"RES-CAR": "eligibility.not.program", "RES-SOLAR": "eligibility.not.sends_out"}
    said = sam.act("action_switch_tariff", "/switch_tariff", "switch_tariff", entities=[_choice("RES-CAR")])
    assert said.kinds == ["plans.not_open"] and said.slots["flow"] == "STOP"
    sam.act("action_switch_tariff", "/switch_tariff", "switch_tariff")
    named = sam.answer("switch_form", "tariff_choice", "the car club")
    assert (named.kinds, named.slots) == (["plans.not_open"], {"tariff_choice": None})
    for locale, words in (("en", "Car Club is not open to you. For those who"), ("es", "Club del Auto no está disp")):
        for medium in wording.MEDIA:
            reply = named.replies[0]
            worded = wording.render(
                reply["kind"], reply["data"], locale=locale, medium=medium, house=house(sam.hub.settings)
            )
            assert words in worded.text
    assert sam.answer("switch_form", "tariff_choice", "number 99").kinds == ["forms.hint_choice"]


def test_another_wish_in_the_middle_of_a_form_is_answered_instead(talk: Open) -> None:
    maya = talk("WEB")
    maya.verify()
    maya.act("action_meter_reading", "/meter_reading", "meter_reading")
    left = maya.answer("reading_form", "meter_value", "actually I want to pay", "pay_bill", confidence=0.9)
    assert left.slots == {"meter_value": None, "requested_slot": None}
    assert left.replies == []
    end = maya.act("action_submit_reading", "actually I want to pay", "pay_bill")
    assert (end.kinds, end.followup) == ([], "action_pay_bill")


def test_yes_means_what_was_asked_even_when_it_is_said_twice(talk: Open) -> None:
    maya = talk("WEB")
    maya.verify()
    maya.act("action_paperless_billing", "/paperless_billing", "paperless_billing")
    asked = maya.act("action_ask_paperless_form_confirm").data("billing.paperless_confirm")
    assert asked["on"] is False
    for _ in range(2):
        maya.answer("paperless_form", "confirm", *YES)
        assert maya.act("action_submit_paperless", *YES).data("billing.paperless_done") == {"on": True}


def test_on_the_phone_a_link_is_sent_as_a_text_and_not_read_aloud(talk: Open) -> None:
    omar = talk("VOICE")
    omar.verify()
    said = omar.act("action_pay_bill", "I want to pay", "pay_bill")
    assert said.data("billing.pay_link")["texted"] is True
    with omar.hub.transaction() as session:
        texts = conversations.find_open_conversation(
            session, channel="SMS", identity_kind="PHONE", identity=PHONE, now=omar.hub.now()
        )
        assert texts is not None
        sent = conversations.list_messages(session, conversation_id=texts.id)
    assert [message.kind for message in sent] == ["billing.pay_link_text"]
    data = said.data("billing.pay_link")
    assert data["link"] in sent[0].text
    spoken = wording.render("billing.pay_link", data, locale="en", medium="voice", house=house(omar.hub.settings))
    assert "http" not in (spoken.ssml or "")


def test_an_alert_tells_once_a_period(talk: Open) -> None:
    maya = talk("SMS")
    maya.verify()
    maya.act("action_usage_alerts", "/usage_alerts", "usage_alerts")
    maya.act("action_ask_alerts_form_alert_threshold")
    maya.answer("alerts_form", "alert_threshold", "20 dollars")
    assert maya.act("action_submit_alerts", "20 dollars").data("usage.alert_set")["threshold"] == "20.00"
    for _ in range(2):
        alert_jobs.watch_bills(maya.hub)
    with maya.hub.transaction() as session:
        told = conversations.list_messages(session, conversation_id=maya.conversation_id)
    assert [m.kind for m in told].count("usage.alert_crossed") == 1


def test_what_breaks_is_undone_before_the_apology_and_a_person_takes_over(talk: Open) -> None:
    class Broken(frame.HubAction):
        name_, needs = "action_broken", 2

        def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
            charging.open_payment_link(
                ask.session, account_id=ask.account().id, amount=Decimal(5), key="broken", now=ask.now
            )
            raise RuntimeError("a bug")

    class Ruled(Broken):
        name_ = "action_ruled"

        def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
            raise errors.Refused("arrangement.open")

    for action in (Broken, Ruled):
        EXECUTOR.register_action(action)
    maya = talk("SMS")
    maya.verify()
    assert maya.act("action_ruled").kinds == ["error.arrangement.open"]
    assert maya.speaker().floor == "BOT"
    said = maya.act("action_broken")
    assert said.replies[0]["kind"] == "error.internal"
    assert said.data("error.internal") == {"handed_over": True}
    assert maya.speaker().floor == "WAITING"
    with maya.hub.transaction() as session:  # the first link under this key is a new one: the broken one is gone
        link = charging.open_payment_link(
            session, account_id=maya.house.account_id, amount=Decimal(7), key="broken", now=maya.hub.now()
        )
    assert link.amount == Decimal("7.00")


@pytest.mark.parametrize("text", ["48213", "/inform"])
def test_a_reading_is_taken_or_asked_again(talk: Open, text: str) -> None:
    nora = talk("SMS")
    nora.verify()
    nora.act("action_meter_reading", "/meter_reading", "meter_reading")
    checked = nora.answer("reading_form", "meter_value", text, "inform")
    if text.isdigit():
        assert checked.slots == {"meter_value": "48213"}
        nora.answer("reading_form", "confirm", *YES)
        assert nora.act("action_submit_reading", *YES).data("usage.reading_taken")["value"] == "48213"
    else:
        assert (checked.kinds, checked.slots) == (["forms.hint_digits"], {"meter_value": None})


def _choice(value: str) -> dict[str, str]:
    return {"entity": "choice", "value": value}


@pytest.mark.parametrize("locale", ["en", "es"])
def test_the_bill_that_is_told_stands_and_says_which_it_replaces(talk: Open, locale: str) -> None:
    maya = talk("SMS")
    maya.verify()
    before = maya.act("action_view_bill", "show me my bill", "view_bill").data("billing.bill")
    assert before["replaces"] is None
    with maya.hub.transaction() as session:
        old = billing.list_bills(session, account_id=maya.house.account_id)[0]
        put_right(session, old, maya.hub.now())
        fresh = charging.rebill(session, bill_id=old.id, actor="staff:ana", reason="x", now=maya.hub.now()).bill
    said = maya.act("action_view_bill", "show me my bill", "view_bill").data("billing.bill")
    assert (said["number"], said["replaces"]) == (fresh.number, old.number)
    assert len(said["earlier"]) == len(before["earlier"])  # what was cancelled is not among the bills before
    text = wording.render("billing.bill", said, locale=locale, medium="text", house=house(maya.hub.settings))
    assert old.number in text.text and fresh.number in text.text
    assert Decimal(said["open"]) == fresh.total
