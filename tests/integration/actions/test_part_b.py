"""Outages, visits, moving, programs and the account, as the assistant runs them."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from actions import frame, registry
from billing import owed
from billing import queries as billing
from core import wording
from core.accounts import operations as accounts
from core.accounts import queries as people
from core.compliance import queries as compliance
from core.conversations import queries as conversations
from core.conversations.house import house
from core.fieldwork import operations as working
from core.fieldwork import queries as fieldwork
from core.outages import operations as network
from core.outages import queries as outages
from core.programs import catalogue
from core.programs import queries as programs
from tests.integration.actions.conftest import Said, Talk

Open = Callable[..., Talk]
YES, NO = ("/affirm", "affirm"), ("/deny", "deny")
INTENTS = (
    "account_info", "update_contact", "start_service", "stop_service", "move_service", "privacy_request",
    "communication_preferences", "report_outage", "outage_status", "outage_credit", "planned_outage",
    "new_connection", "request_repair", "book_appointment", "reschedule_appointment", "cancel_appointment",
    "request_status", "office_hours", "savings_tips", "list_programs", "enroll_program", "rebate_status",
    "medical_equipment",
)  # fmt: skip


@pytest.fixture
def wired(talk: Open) -> Open:
    """The home hangs on a transformer of a feeder, and one crew has windows from tomorrow on."""

    def open_talk(channel: str = "SMS", **more: Any) -> Talk:
        found = talk(channel, bills=False, **more)
        with found.hub.transaction() as session:
            feeder = network.add_feeder(session, code="F1", name="Mill Hill", substation="Mill", postcodes=["19000"])
            transformer = network.add_transformer(
                session, feeder_id=feeder, code="T1", lat=Decimal("40.1"), lon=Decimal("-75.1")
            )
            accounts.set_transformer(
                session, service_point_ids=[found.house.service_point_id], transformer_id=transformer
            )
            found.slots["_feeder"], found.slots["_transformer"] = feeder, transformer
            crew = working.add_crew(session, code="C1", name="North", skills=["REPAIR", "METER_TEST"])
            for day in range(1, 9):
                at = datetime(2026, 11, 23, 13, 0, tzinfo=UTC) + timedelta(days=day)
                for hour in (0, 2):
                    starts = at + timedelta(hours=hour)
                    working.open_slot(
                        session, crew_id=crew, starts_at=starts, ends_at=starts + timedelta(hours=2), capacity=1
                    )
            catalogue.load(session, opens_on=date(2026, 1, 1))
        return found

    return open_talk


def wish(talk: Talk, intent: str, choice: str | None = None, text: str | None = None) -> Said:
    entities = [{"entity": "choice", "value": choice}] if choice else []
    return talk.act(f"action_{intent}", text or f"/{intent}", intent, entities=entities)


def pick(talk: Talk, form: str, slot: str, choice: str) -> Said:
    return talk.answer(form, slot, "/inform", "inform", entities=[{"entity": "choice", "value": choice}])


def open_outage(talk: Talk, *, estimate: datetime | None = None) -> outages.Outage:
    with talk.hub.transaction() as session:
        return network.open_outage(
            session,
            feeder_id=talk.slots["_feeder"],
            transformer_id=talk.slots["_transformer"],
            estimated_restoration_at=estimate,
            now=talk.hub.now(),
        )


def test_every_question_of_part_b_is_said_in_both_languages_and_every_medium(wired: Open) -> None:
    maya = wired("WEB")
    maya.verify()
    forms = {action.name(): action.form for action in registry.every_action()}
    said: list[dict[str, Any]] = []
    for intent in INTENTS:
        turn = wish(maya, intent)
        assert turn.replies or turn.slots.get("flow") == "GO", intent
        assert not [kind for kind in turn.kinds if kind.startswith("error.")], (intent, turn.replies)
        said += turn.replies
        form = forms[f"action_{intent}"]
        if turn.slots.get("flow") == "GO" and form:
            waiting = [slot for slot in frame.FORMS[form] if maya.slots.get(slot) is None]
            question = maya.act(f"action_ask_{form}_{waiting[0]}")
            assert question.kinds and not question.kinds[0].startswith("error."), (intent, question.replies)
            said += question.replies
    for locale in ("en", "es"):
        for reply in said:
            for medium in wording.MEDIA:
                worded = wording.render(
                    reply["kind"], reply["data"], locale=locale, medium=medium, house=house(maya.hub.settings)
                )
                assert worded.text and "None" not in worded.text, (reply["kind"], worded)
            for choice in reply["choices"]:
                assert wording.label(choice["label"], choice["data"], locale=locale, house=house(maya.hub.settings))
                assert choice["payload"].startswith("/")


# --- outages ---------------------------------------------------------------------------------------------------------


def test_a_known_number_is_asked_about_danger_only_and_hears_no_address(wired: Open) -> None:
    ben = wired("SMS")
    estimate = ben.hub.now() + timedelta(hours=3)
    known = open_outage(ben, estimate=estimate)
    said = wish(ben, "report_outage", text="my power is out")
    assert said.data("outage.known")["number"] == known.number
    assert datetime.fromisoformat(said.data("outage.known")["estimate"]) == estimate
    assert (said.slots["flow"], said.slots["outage_hazard"]) == ("GO", None)
    assert said.slots["outage_location"] == f"POINT:{ben.house.service_point_id}"
    asked = ben.act("action_ask_report_outage_form_outage_hazard")
    assert asked.kinds == ["outage.ask_hazard"]
    assert ben.answer("report_outage_form", "outage_hazard", *NO).slots == {"outage_hazard": "NO"}
    slots = dict(ben.slots)
    done = ben.act("action_submit_outage", *NO, turn="once")
    assert done.data("outage.reported_known")["number"] == known.number
    assert not done.data("outage.reported_known")["again"]
    ben.slots = slots
    assert ben.act("action_submit_outage", *NO, turn="once").replies == done.replies
    every_word = str(said.replies + asked.replies + done.replies)
    assert "Elm St" not in every_word and "Test House" not in every_word and "Mill Hill" not in every_word
    assert ben.speaker().floor == "BOT"


@pytest.mark.parametrize(
    ("text", "intent", "kind"), [("/affirm", "affirm", "danger"), ("yes there is a wire down", "", "wire")]
)
def test_danger_comes_first_and_calls_a_person(wired: Open, text: str, intent: str, kind: str) -> None:
    ben = wired("SMS")
    wish(ben, "report_outage")
    assert ben.answer("report_outage_form", "outage_hazard", text, intent).slots == {"outage_hazard": "YES"}
    done = ben.act("action_submit_outage", text, intent)
    assert done.kinds == [f"emergency.{kind}", "outage.reported_new"]
    assert ben.speaker().floor == "WAITING"
    with ben.hub.transaction() as session:
        handoff = conversations.find_open_handoff(session, conversation_id=ben.conversation_id)
        found = outages.find_outage_at(session, service_point_id=ben.house.service_point_id, now=ben.hub.now())
    assert handoff is not None and handoff.reason == "EMERGENCY"
    assert found is not None and found.hazard


def test_a_stranger_reports_by_address_or_zip_and_is_asked_again_for_anything_else(wired: Open) -> None:
    stranger = wired("WEB", known=False)
    assert wish(stranger, "report_outage").slots["outage_location"] is None
    lost = stranger.answer("report_outage_form", "outage_location", "at my place")
    assert (lost.kinds, lost.slots) == (["outage.hint_where"], {"outage_location": None})
    forged = pick(stranger, "report_outage_form", "outage_location", f"POINT:{stranger.house.service_point_id}")
    assert forged.slots == {"outage_location": None}
    by_zip = stranger.answer("report_outage_form", "outage_location", "somewhere in 19000")
    assert by_zip.slots == {"outage_location": "POSTCODE:19000"}
    address = f"it's dark at {stranger.house.account_id} Elm Street, Brightwater 19000"
    there = stranger.answer("report_outage_form", "outage_location", address)
    assert there.slots == {"outage_location": f"POINT:{stranger.house.service_point_id}"}
    stranger.answer("report_outage_form", "outage_hazard", *NO)
    assert stranger.act("action_submit_outage", *NO).kinds == ["outage.reported_new"]
    assert stranger.speaker().level == 0


def test_another_place_takes_the_form_back_to_where(wired: Open) -> None:
    ben = wired("SMS")
    wish(ben, "report_outage")
    moved = pick(ben, "report_outage_form", "outage_hazard", "ELSEWHERE")
    assert (moved.slots, moved.replies) == ({"outage_location": None, "outage_hazard": None}, [])


def test_status_says_number_estimate_crew_and_then_that_power_is_back(wired: Open) -> None:
    ben = wired("SMS")
    assert wish(ben, "outage_status").kinds == ["outage.none_home"]
    known = open_outage(ben, estimate=ben.hub.now() + timedelta(hours=1))
    with ben.hub.transaction() as session:
        network.update_outage(session, outage_id=known.id, crew_status="EN_ROUTE", now=ben.hub.now())
    told = wish(ben, "outage_status").data("outage.status")
    assert (told["number"], told["crew"], told["status"]) == (known.number, "EN_ROUTE", "CREW_ASSIGNED")
    assert (told["few"], told["affected"], told["late"]) == (True, outages.FEWEST_TOLD, False)
    ben.hub.clock.move(hours=2)
    late = wish(ben, "outage_status").data("outage.status")
    assert (late["estimate"], late["late"]) == (None, True)
    with ben.hub.transaction() as session:
        network.restore_outage(session, outage_id=known.id, at=ben.hub.now(), now=ben.hub.now())
    assert wish(ben, "outage_status").kinds == ["outage.restored"]
    named = wish(ben, "outage_status", text=f"what about {known.number.lower()}?")
    assert named.data("outage.restored")["number"] == known.number


def test_a_stranger_asks_about_a_place_through_the_form(wired: Open) -> None:
    stranger = wired("WEB", known=False)
    open_outage(stranger)
    assert wish(stranger, "outage_status").slots["flow"] == "GO"
    stranger.answer("location_form", "outage_location", "19000")
    area = stranger.act("action_show_outages", "19000").data("outage.area")
    assert (area["outages"], area["affected"], area["few"]) == (1, outages.FEWEST_TOLD, True)
    assert wish(stranger, "outage_status", text="any outage in 19044?").kinds == ["outage.none_area"]


# --- visits ----------------------------------------------------------------------------------------------------------


def test_a_visit_is_booked_moved_and_cancelled_without_asking_which(wired: Open) -> None:
    ivy = wired("WEB")
    ivy.verify()
    assert wish(ivy, "book_appointment").slots["appointment_kind"] is None
    kinds = ivy.act("action_ask_booking_form_appointment_kind").replies[0]["choices"]
    assert [c["label"] for c in kinds] == ["fieldwork.kind.REPAIR", "fieldwork.kind.METER_TEST"]
    pick(ivy, "booking_form", "appointment_kind", "METER_TEST")
    offered = ivy.act("action_ask_booking_form_appointment_slot").replies[0]["choices"]
    assert [c["label"] for c in offered] == ["fieldwork.slot_choice"] * 4 + ["choice.later"]
    assert pick(ivy, "booking_form", "appointment_slot", "999999").slots == {"appointment_slot": None}
    second = offered[1]["payload"].split('"')[3]
    assert ivy.answer("booking_form", "appointment_slot", "2").slots == {"appointment_slot": second}
    ivy.answer("booking_form", "confirm", *YES)
    slots = dict(ivy.slots)
    booked = ivy.act("action_submit_booking", *YES, turn="book")
    ivy.slots = slots
    assert ivy.act("action_submit_booking", *YES, turn="book").replies == booked.replies
    assert wish(ivy, "book_appointment").kinds == ["fieldwork.booked_already"]

    moving = wish(ivy, "reschedule_appointment")
    assert moving.kinds == ["fieldwork.move_start"] and moving.slots["appointment_choice"] is not None
    ivy.act("action_ask_reschedule_form_appointment_slot")
    day = {"entity": "date", "value": "2026-11-27T00:00:00.000-05:00", "additional_info": {"grain": "day"}}
    several = ivy.answer("reschedule_form", "appointment_slot", "friday", entities=[day])
    assert (several.kinds, several.slots) == (["fieldwork.slots_that_day"], {"appointment_slot": None})
    again = ivy.act("action_ask_reschedule_form_appointment_slot", "friday", entities=[day]).replies[0]
    assert again["data"]["slots"][0]["starts_at"].startswith("2026-11-27")
    ivy.answer("reschedule_form", "appointment_slot", "1")
    ivy.answer("reschedule_form", "confirm", *YES)
    moved = ivy.act("action_submit_reschedule", *YES)
    assert moved.data("fieldwork.moved")["starts_at"].startswith("2026-11-27")

    assert wish(ivy, "cancel_appointment").slots["appointment_choice"] is not None
    ivy.answer("cancel_appointment_form", "confirm", *YES)
    assert ivy.act("action_submit_cancel_appointment", *YES).kinds == ["fieldwork.cancelled"]
    assert wish(ivy, "cancel_appointment").kinds == ["fieldwork.no_visit"]
    # the request waits for a visit again: the next booking is for it
    number = moved.data("fieldwork.moved")["number"]
    assert wish(ivy, "book_appointment").slots["appointment_kind"] == f"REQUEST:{number}"


def booked(talk: Talk) -> fieldwork.Appointment:
    with talk.hub.transaction() as session:
        request = working.open_request(
            session,
            kind="REPAIR",
            account_id=talk.house.account_id,
            customer_id=talk.house.customer_id,
            description="x",
            key="r",
            now=talk.hub.now(),
        )
        slot = fieldwork.list_slots(session, kind="REPAIR", after=talk.hub.now(), limit=1)[0]
        return working.book_appointment(session, request_id=request.id, slot_id=slot.id, key="b", now=talk.hub.now())


def test_too_late_is_said_in_words_and_a_stranger_s_visit_is_not_there(wired: Open) -> None:
    ivy = wired("WEB")
    ivy.verify()
    visit = booked(ivy)
    ivy.slots.update(appointment_choice=str(visit.id + 1), confirm="YES")
    assert ivy.act("action_submit_cancel_appointment", *YES).kinds == ["error.appointment.unknown"]
    ivy.hub.clock.at = visit.starts_at - timedelta(hours=1)
    ivy.verify()
    for intent in ("reschedule_appointment", "cancel_appointment"):
        said = wish(ivy, intent)
        assert said.kinds == ["error.appointment.too_late"] and said.slots["flow"] == "STOP"
        assert datetime.fromisoformat(said.replies[0]["data"]["starts_at"]) == visit.starts_at


def test_requests_are_told_by_their_owner_only(wired: Open) -> None:
    ivy = wired("WEB")
    ivy.verify()
    visit = booked(ivy)
    told = wish(ivy, "request_status").data("fieldwork.request")
    assert (told["number"], told["status"], told["work"]) == (visit.request_number, "SCHEDULED", "REPAIR")
    assert wish(ivy, "request_status", text="my case is SR-999999").kinds == ["error.request.unknown"]
    assert wish(ivy, "request_status", choice=visit.request_number).kinds == ["fieldwork.request"]


# --- moving in and out -----------------------------------------------------------------------------------------------


def test_a_new_customer_asks_for_service_and_a_known_one_proves_it_first(wired: Open) -> None:
    known = wired("SMS")
    assert wish(known, "start_service").kinds == ["verify.code_sent"]
    known.verify()
    wish(known, "stop_service")
    past = known.answer("stop_service_form", "service_date", "2026-11-01")
    assert (past.kinds, past.slots) == (["error.service.starts_in_past"], {"service_date": None})
    known.answer("stop_service_form", "service_date", "2026-12-15")
    known.answer("stop_service_form", "confirm", *YES)
    assert known.act("action_submit_stop_service", *YES).data("service.stopped")["on"] == "2026-12-15"
    assert wish(known, "stop_service").kinds == ["service.ends_already"]


def test_a_stranger_starts_service_and_may_say_that_they_are_a_customer(wired: Open) -> None:
    stranger = wired("WEB", known=False)
    wish(stranger, "start_service")
    assert stranger.answer("start_service_form", "service_address", "my new flat").kinds == ["fieldwork.hint_address"]
    stranger.answer("start_service_form", "service_address", "99 Oak Street, Brightwater 19000")
    stranger.answer("start_service_form", "service_date", "12/1")
    stranger.answer("start_service_form", "confirm", *YES)
    asked = stranger.act("action_submit_start_service", *YES).data("service.start_asked")
    with stranger.hub.transaction() as session:
        request = fieldwork.get_request(session, number=asked["number"])
    assert (request.kind, request.account_id, request.data["on"]) == ("START_SERVICE", None, "2026-12-01")
    wish(stranger, "start_service")
    left = pick(stranger, "start_service_form", "service_address", "CUSTOMER")
    assert left.slots == {"service_address": None, "requested_slot": None}
    choice = [{"entity": "choice", "value": "CUSTOMER"}]
    end = stranger.act("action_submit_start_service", "/inform", "inform", entities=choice)
    assert (end.followup, end.slots["resume_action"]) == ("identify_form", "action_start_service")


# --- the account -----------------------------------------------------------------------------------------------------


def test_contacts_are_masked_and_changed_on_the_website_only(wired: Open) -> None:
    maya = wired("VOICE")
    assert wish(maya, "account_info").kinds == ["verify.code_sent"]
    maya.verify()
    told = wish(maya, "account_info").data("account.info")
    assert told["contacts"] == ["••• 1001", "m•••@e•••.com"]
    changed = wish(maya, "update_contact").data("account.update_contact")
    assert changed["link"].endswith("/portal/account") and changed["texted"]


def test_a_privacy_request_waits_for_the_code_and_starts_both_clocks_once(wired: Open) -> None:
    maya = wired("SMS")
    assert wish(maya, "privacy_request").kinds == ["account.privacy"]
    assert wish(maya, "privacy_request", "DELETE").kinds == ["verify.code_sent"]
    maya.verify()
    parsed = {"intent": {"name": "privacy_request"}, "entities": [{"entity": "choice", "value": "DELETE"}]}
    maya.events.append({"event": "user", "text": "/privacy_request", "parse_data": parsed})
    opened = maya.act("action_privacy_request", "/identity_verified", "identity_verified")
    told = opened.data("account.privacy_opened")
    assert (told["right"], told["again"], told["answer_by"]) == ("DELETE", False, "2027-01-07")
    again = wish(maya, "privacy_request", "DELETE").data("account.privacy_opened")
    assert (again["number"], again["again"]) == (told["number"], True)
    with maya.hub.transaction() as session:
        kinds = [deadline.kind for deadline in compliance.list_deadlines(session)]
    assert sorted(kinds) == ["DSAR_ACKNOWLEDGE", "DSAR_ANSWER"]


def test_what_we_send_is_switched_in_the_ledger(wired: Open) -> None:
    maya = wired("SMS")
    assert wish(maya, "communication_preferences").data("account.preferences_how") == {"texting": True}
    maya.verify()

    def may(channel: str) -> bool:
        with maya.hub.transaction() as session:
            found = people.may_notify(
                session, customer_id=maya.house.customer_id, channel=channel, purpose="ALERTS", now=maya.hub.now()
            )
        return found is not None

    assert not may("SMS")
    said = wish(maya, "communication_preferences", "ALERTS:ON")
    assert said.data("account.preferences")["changed"] == "ALERTS" and may("SMS") and may("EMAIL")
    off = [c["payload"] for c in said.replies[0]["choices"] if '"ALERTS:OFF"' in c["payload"]]
    assert off
    wish(maya, "communication_preferences", "ALERTS:OFF")
    assert not may("SMS") and not may("EMAIL")


def test_medical_equipment_is_registered_once_confirmed(wired: Open) -> None:
    maya = wired("WEB")
    maya.verify()
    wish(maya, "medical_equipment")
    maya.answer("medical_form", "medical_detail", "oxygen concentrator, two hours of battery")
    maya.answer("medical_form", "confirm", *YES)
    done = maya.act("action_submit_medical", *YES)
    assert done.kinds == ["account.medical_done"]
    with maya.hub.transaction() as session:
        today = owed.civil_today(session, account_id=maya.house.account_id, now=maya.hub.now())
        (hold,) = billing.list_medical_holds(session, account_id=maya.house.account_id)
    assert (hold.kind, hold.starts_on) == ("WORD", today) and hold.until == today + timedelta(days=3)
    assert hold.recorded_by == f"customer:{maya.house.customer_id}"
    said = {"through": hold.through.isoformat(), "certified": False}
    assert done.data("account.medical_done") == said
    assert wish(maya, "medical_equipment").data("account.medical_is_on") == said


# --- programs --------------------------------------------------------------------------------------------------------


def test_programs_say_who_may_join_and_a_yes_is_the_declaration(wired: Open) -> None:
    maya = wired("WEB")
    maya.verify()
    listed = {p["name"]: p["standing"] for p in wish(maya, "list_programs").data("programs.list")["programs"]}
    assert listed["program.ev_off_peak.name"] == "TARIFF"
    assert listed["program.budget_help.name"] == "DECLARE"
    assert "program.business_lighting.name" not in listed
    assert wish(maya, "enroll_program", "ev_off_peak").kinds == ["error.program.tariff"]
    wish(maya, "enroll_program", text="sign me up for help with your bill")
    assert maya.slots["program_choice"] == "budget_help"
    asked = maya.act("action_ask_enroll_form_confirm").data("programs.enroll_confirm")
    assert asked["declares"] == ["LOW_INCOME"]
    maya.answer("enroll_form", "confirm", *YES)
    done = maya.act("action_submit_enroll", *YES).data("programs.enrolled")
    assert not done["active"]  # it has to be approved first
    with maya.hub.transaction() as session:
        (held,) = programs.list_enrolments(session, account_id=maya.house.account_id)
    assert (held.program.code, held.status) == ("budget_help", "REQUESTED")
    assert wish(maya, "enroll_program", "budget_help").kinds == ["error.program.enrolled_already"]


def test_tips_are_the_home_s_own_once_it_is_known(wired: Open) -> None:
    maya = wired("WEB", known=False)
    assert wish(maya, "savings_tips").kinds == ["programs.tips_general"]
    assert wish(maya, "savings_tips", "MINE").followup == "identify_form"
    maya.verify()
    tips = wish(maya, "savings_tips").data("programs.tips")["tips"]
    savings = [Decimal(tip["saving_year"]) for tip in tips]
    assert savings == sorted(savings, reverse=True) and savings[-1] > 0
