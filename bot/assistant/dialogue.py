"""The dialogue in two tables (which intent is answered by which action and form), written out as domain and rules.

`python dialogue.py` writes domain.yml and data/rules.yml; both stand in the repository, and a test compares them.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Dict, List, Text, Tuple

import yaml

HERE = Path(__file__).parent


def _words(text: Text) -> Tuple[Text, ...]:
    return tuple(text.split())


INTENTS = _words("""
greet goodbye affirm deny thanks help repeat bot_challenge talk_to_human complaint out_of_scope change_language
cancel_dialog check_balance view_bill explain_bill high_bill pay_bill payment_problem late_fee payment_plan
set_up_autopay paperless_billing bill_dispute disconnection financial_assistance prepay account_info update_contact
start_service stop_service move_service privacy_request communication_preferences view_usage compare_usage
usage_forecast meter_reading download_usage usage_alerts smart_meter report_outage outage_status outage_credit
emergency planned_outage tariff_info compare_tariffs switch_tariff new_connection request_repair book_appointment
reschedule_appointment cancel_appointment request_status office_hours savings_tips list_programs enroll_program
rebate_status medical_equipment
""")
"""What a customer may want. Each one X is answered by `action_X`."""

INTERNAL = ("inform", "identity_verified", "returned_from_staff")
"""Issued by the hub as payloads; never understood from a text (see components/gate.py)."""

FORMS: Dict[Text, Tuple[Tuple[Text, ...], Text, Text]] = {
    # form: (slots in order, the action at its end, the intent that starts it)
    "identify_form": (("claimed_account",), "action_start_verification", ""),
    "report_outage_form": (("outage_location", "outage_hazard"), "action_submit_outage", "report_outage"),
    "payment_plan_form": (("plan_months", "confirm"), "action_submit_payment_plan", "payment_plan"),
    "autopay_form": (("confirm",), "action_submit_autopay", "set_up_autopay"),
    "paperless_form": (("confirm",), "action_submit_paperless", "paperless_billing"),
    "dispute_form": (("dispute_reason", "confirm"), "action_submit_dispute", "bill_dispute"),
    "reading_form": (("meter_value", "confirm"), "action_submit_reading", "meter_reading"),
    "alerts_form": (("alert_threshold",), "action_submit_alerts", "usage_alerts"),
    "start_service_form": (
        ("service_address", "service_date", "confirm"),
        "action_submit_start_service",
        "start_service",
    ),
    "stop_service_form": (("service_date", "confirm"), "action_submit_stop_service", "stop_service"),
    "move_service_form": (("service_address", "service_date", "confirm"), "action_submit_move_service", "move_service"),
    "switch_form": (("tariff_choice", "service_date", "confirm"), "action_submit_switch", "switch_tariff"),
    "connection_form": (("service_address", "service_date", "confirm"), "action_submit_connection", "new_connection"),
    "repair_form": (("problem", "confirm"), "action_submit_repair", "request_repair"),
    "booking_form": (("appointment_kind", "appointment_slot", "confirm"), "action_submit_booking", "book_appointment"),
    "reschedule_form": (
        ("appointment_choice", "appointment_slot", "confirm"),
        "action_submit_reschedule",
        "reschedule_appointment",
    ),
    "cancel_appointment_form": (
        ("appointment_choice", "confirm"),
        "action_submit_cancel_appointment",
        "cancel_appointment",
    ),
    "enroll_form": (("program_choice", "confirm"), "action_submit_enroll", "enroll_program"),
    "medical_form": (("medical_detail", "confirm"), "action_submit_medical", "medical_equipment"),
    "complaint_form": (("complaint_text",), "action_submit_complaint", "complaint"),
    "location_form": (("outage_location",), "action_show_outages", "outage_status"),
}

FREE_TEXT = ("complaint_text", "dispute_reason", "problem", "medical_detail", "service_address", "outage_location")
"""Slots whose words may sound like any wish: only a way out interrupts them."""

ALWAYS_INTERRUPT = ("emergency", "talk_to_human", "cancel_dialog")
INTERRUPT_ANY = (*ALWAYS_INTERRUPT, "identity_verified", "returned_from_staff")
QUESTIONS = _words("""
office_hours bot_challenge change_language check_balance late_fee tariff_info outage_status planned_outage
savings_tips list_programs smart_meter view_bill high_bill
""")
"""Asked in the middle of a form: answered, and then the form asks again."""

NEIGHBOURS = {
    # an answer to this form may sound like these questions: they do not interrupt it
    "report_outage_form": ("outage_status", "planned_outage"),
    "location_form": ("outage_status", "planned_outage"),
    "payment_plan_form": ("check_balance", "late_fee", "view_bill", "high_bill"),
    "autopay_form": ("check_balance", "view_bill"),
    "paperless_form": ("view_bill",),
    "dispute_form": ("view_bill", "high_bill", "late_fee"),
    "reading_form": ("smart_meter",),
    "alerts_form": ("check_balance", "view_bill", "high_bill"),
    "switch_form": ("tariff_info",),
    "booking_form": ("office_hours", "smart_meter"),
    "reschedule_form": ("office_hours",),
    "cancel_appointment_form": ("office_hours",),
    "enroll_form": ("list_programs", "savings_tips"),
}

NEVER_SETS_FLOW = _words("""
greet goodbye affirm deny thanks help repeat bot_challenge talk_to_human out_of_scope change_language cancel_dialog
emergency office_hours
""")
"""Their actions say something and that is all: no form, no identity."""

OTHER_ACTIONS = ("action_unsure", "action_resume", "action_returned_from_staff")


def domain() -> Dict[Text, Any]:
    """This will give the domain."""
    slots: Dict[Text, Any] = {
        "flow": {
            "type": "categorical",
            "values": ["GO", "STOP", "IDENTIFY"],
            "influence_conversation": True,
            "mappings": [{"type": "custom"}],
        },
        "resume_action": {"type": "text", "influence_conversation": False, "mappings": [{"type": "custom"}]},
    }
    for name in dict.fromkeys(slot for slots_, _, _ in FORMS.values() for slot in slots_):
        slots[name] = {"type": "any", "influence_conversation": False, "mappings": _mappings(name)}
    forms = {form: {"required_slots": list(required)} for form, (required, _, _) in FORMS.items()}
    asks = [f"action_ask_{form}_{slot}" for form, (required, _, _) in FORMS.items() for slot in required]
    actions = [
        *(f"action_{intent}" for intent in INTENTS),
        *OTHER_ACTIONS,
        *(end for _, end, _ in FORMS.values()),
        *(f"validate_{form}" for form in FORMS),
        *asks,
    ]
    return {
        "version": "3.1",
        "session_config": {"session_expiration_time": 0, "carry_over_slots_to_new_session": True},
        "intents": [{intent: {"use_entities": []}} for intent in (*INTENTS, *INTERNAL, "nlu_fallback")],
        "entities": ["choice", "date", "amount", "number", "account_number", "postcode", "meter_value_text"],
        "slots": slots,
        "forms": forms,
        "actions": actions,
    }


def rules() -> Dict[Text, Any]:
    """This will give the rules."""
    out: List[Dict[Text, Any]] = []
    starts = {intent: form for form, (_, _, intent) in FORMS.items() if intent}
    for intent in INTENTS:
        if intent in ALWAYS_INTERRUPT:
            out.append(_leave(intent, f"action_{intent}"))
        elif intent in NEVER_SETS_FLOW:
            out.append(_rule(intent, [{"intent": intent}, {"action": f"action_{intent}"}]))
        else:
            out += _flow(intent, starts.get(intent))
    out.append(_leave("identity_verified", "action_resume"))
    out.append(_leave("returned_from_staff", "action_returned_from_staff"))
    out.append(_rule("unsure", [{"intent": "nlu_fallback"}, {"action": "action_unsure"}]))
    out.append(_rule("an answer to nothing", [{"intent": "inform"}, {"action": "action_unsure"}]))
    for form, (_, end, _) in FORMS.items():
        steps = [
            {"action": form},
            {"active_loop": None},
            {"slot_was_set": [{"requested_slot": None}]},
            {"action": end},
        ]
        out.append({"rule": f"{form} is complete", "condition": [{"active_loop": form}], "steps": steps})
    return {"version": "3.1", "rules": out}


def write() -> None:
    """This will write both files."""
    for path, content in ((HERE / "domain.yml", domain()), (HERE / "data" / "rules.yml", rules())):
        path.write_text(text(content), encoding="utf-8")


def text(content: Dict[Text, Any]) -> Text:
    """This will give a file's text."""
    head = "# Written by `python dialogue.py` from its tables: change those.\n"
    return head + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110)


def _flow(intent: Text, form: Any) -> List[Dict[Text, Any]]:
    """The action runs on its intent; what follows hangs on the `flow` it set, whether or not the intent came last."""
    action = f"action_{intent}"
    nexts = {"STOP": None, "IDENTIFY": "identify_form", **({"GO": form} if form else {})}
    out = [_rule(intent, [{"intent": intent}, {"action": action}], last=False)]
    for flow, then in nexts.items():
        steps: List[Dict[Text, Any]] = [{"action": action}, {"slot_was_set": [{"flow": flow}]}]
        if then:
            steps += [{"action": then}, {"active_loop": then}]
        out.append(_rule(f"{intent}: {flow}", steps))
    return out


def _leave(intent: Text, action: Text) -> Dict[Text, Any]:
    steps = [{"intent": intent}, {"action": "action_deactivate_loop"}, {"active_loop": None}, {"action": action}]
    return _rule(f"{intent} leaves any form", steps)


def _rule(name: Text, steps: List[Dict[Text, Any]], last: bool = True) -> Dict[Text, Any]:
    return {"rule": name, "steps": steps, **({} if last else {"wait_for_user_input": False})}


def _mappings(slot: Text) -> List[Dict[Text, Any]]:
    out = []
    for form, (required, _, _) in FORMS.items():
        if slot in required:
            interrupts = list(INTERRUPT_ANY)
            if slot not in FREE_TEXT:
                interrupts += [question for question in QUESTIONS if question not in NEIGHBOURS.get(form, ())]
            out.append(
                {
                    "type": "from_text",
                    "not_intent": interrupts,
                    "conditions": [{"active_loop": form, "requested_slot": slot}],
                }
            )
    return out


if __name__ == "__main__":
    write()
    sys.stdout.write("domain.yml and data/rules.yml written\n")
