"""What each kind about outages, work, the account and programs is given, as it arrives through the assistant."""

from typing import Any

AT, LATER = "2026-11-23T13:30:00+00:00", "2026-11-23T18:00:00+00:00"
OUTAGE: dict[str, Any] = {
    "number": "OUT-000123", "status": "CREW_ASSIGNED", "crew": "EN_ROUTE", "cause": "TREE", "planned": False,
    "started_at": AT, "estimate": LATER, "late": False, "affected": 214, "few": False,
}  # fmt: skip
FEW = {
    **OUTAGE,
    "status": "REPORTED",
    "crew": "UNASSIGNED",
    "cause": "UNKNOWN",
    "estimate": None,
    "affected": 5,
    "few": True,
}
OUTAGES = [OUTAGE, FEW, {**OUTAGE, "planned": True, "cause": "PLANNED"}, {**FEW, "late": True}]
WORK = {"number": "PLAN-000007", "starts_at": AT, "ends_at": LATER, "area": None}
VISIT = {"number": "SR-000123", "work": "METER_TEST", "starts_at": AT, "ends_at": LATER}
REQUEST: dict[str, Any] = {
    **VISIT, "status": "SCHEDULED", "opened_at": AT, "changed_at": AT, "note": "Parts ordered, they come along",
}  # fmt: skip
BARE = {**REQUEST, "status": "OPEN", "note": None, "starts_at": None, "ends_at": None}
PLACE = {"address": "12 Oak Street Apt 4, Brightwater 19001", "on": "2026-12-01", "number": "SR-000123"}
TIPS = [
    {"code": "better_plan", "tip": {"name_key": "tariff.RES-TOU.name"}, "saving_year": "188.12"},
    {"code": "night_base", "tip": {"watts": "320", "cut_watts": "80", "kwh": "700.0"}, "saving_year": "101.00"},
    {"code": "weekend", "tip": {"more": "0.40"}, "saving_year": "61.00"},
    {"code": "tier_overrun", "saving_year": "12.00",
     "tip": {"limit_kwh": "600", "months_over": "4", "over_kwh": "510.0", "trim": "0.05"}},
    {"code": "shift_peak", "saving_year": "9.00", "tip": {"peak_share": "0.31", "moved_kwh": "200.0", "share": "0.30"}},
]  # fmt: skip
PROGRAMS = [
    {"name": f"program.{code}.name", "about": f"program.{code}.about", "rebate": rebate, "standing": standing}
    for code, rebate, standing in (
        ("home_audit", "0.00", "OPEN"), ("heat_pump", "600.00", "ASKED"), ("ev_off_peak", "0.00", "TARIFF"),
        ("budget_help", "0.00", "DECLARE"), ("smart_thermostat", "75.00", "IN"),
    )
]  # fmt: skip
NEWS = [
    {"purpose": "OUTAGE", "sms": True, "email": True},
    {"purpose": "ALERTS", "sms": False, "email": True},
    {"purpose": "PROGRAMS", "sms": False, "email": False},
]
CONTACTS = ["••• 1001", "m•••@e•••.com"]
ENROLL = {
    "name": "program.budget_help.name", "about": "program.budget_help.about", "rebate": "0.00",
    "declares": ["LOW_INCOME", "MEDICAL"], "approval": True,
}  # fmt: skip
REBATES = [
    {"name": "program.heat_pump.name", "amount": "600.00", "status": status, "at": AT}
    for status in ("CLAIMED", "APPROVED", "PAID", "DECLINED")
]
UNCLAIMED = [{"name": "program.appliance_recycling.name", "amount": "50.00"}]
INFO = {
    "name": "Maya Chen", "number": "5500010011", "active": True, "since": "2021-03-01",
    "addresses": ["12 Oak Street Apt 4, Brightwater 19001"], "mailing": "PO Box 12, Brightwater", "others": 1,
    "plan": "tariff.RES-FLAT.name", "paperless": True, "contacts": CONTACTS, "link": "https://b.example/portal/account",
}  # fmt: skip

SAMPLES: dict[str, list[dict[str, Any]]] = {
    "outage.known": OUTAGES,
    "outage.back": OUTAGES,
    "outage.ask_hazard": [{"home": True}, {"home": False}],
    "outage.reported_new": [FEW, OUTAGE],
    "outage.reported_known": [{**outage, "again": again} for outage in OUTAGES for again in (True, False)],
    "outage.reported_area": [{"postcode": "19001"}],
    "outage.status": [*OUTAGES, *({**OUTAGE, "cause": c} for c in
                                  ("WEATHER", "EQUIPMENT", "ANIMAL", "VEHICLE", "LOSS_OF_SUPPLY", "OTHER"))],
    "outage.restored": [{"number": "OUT-000123", "at": AT}],
    "outage.none_area": [{"postcode": "19001"}],
    "outage.area": [
        {"postcode": "19001", "outages": n, "affected": 5 * n, "few": n == 1, "started_at": AT, "estimate": None}
        for n in (1, 3)
    ],
    "outage.place": [{"address": "12 Oak Street Apt 4, Brightwater"}],
    "outage.planned": [
        {"scope": "HOME", "postcode": None, "works": [WORK], "more": 0},
        {"scope": "POSTCODE", "postcode": "19001", "works": [WORK, {**WORK, "area": "Mill Hill"}], "more": 2},
        {"scope": "ALL", "postcode": None, "works": [WORK] * 3, "more": 0},
        {"scope": "ADDRESS", "postcode": None, "works": [WORK], "more": 0},
    ],
    "outage.planned_none": [
        {"scope": scope, "postcode": "19001"} for scope in ("HOME", "POSTCODE", "ADDRESS", "ALL")
    ],
    **{f"outage.{kind}": [
        {"number": "OUT-000123", "hours": 81, "minutes": 12, "amount": "25.00", "citation": citation}
        for citation in ("NY PSL 73", None)
    ] for kind in ("credit", "credit_none", "credit_no_outage")},
    "fieldwork.connection_confirm": [PLACE],
    "fieldwork.connection_opened": [PLACE],
    "fieldwork.repair_ask": [{"home": True}, {"home": False}],
    "fieldwork.repair_confirm": [{"work": "TREE", "problem": "A branch touches the wire behind my house"}],
    "fieldwork.repair_opened": [{"work": "TREE", "number": "SR-000123"}],
    "fieldwork.request": [REQUEST, BARE],
    "fieldwork.requests": [{"requests": [REQUEST, BARE], "more": 0}, {"requests": [REQUEST] * 4, "more": 3}],
    "fieldwork.request_choice": [{"number": "SR-000123"}],
    "fieldwork.office_hours": [
        {"open_now": now, "opens_at": AT, "address": "1 Turbine Way", "email": "c@b.example"} for now in (True, False)
    ],
    "fieldwork.book_for": [{"number": "SR-000123", "work": "REPAIR"}],
    "fieldwork.ask_slot": [{"slots": [{"id": 1, "starts_at": AT, "ends_at": LATER}] * 4}],
    "fieldwork.slot_choice": [{"starts_at": AT}],
    **{f"fieldwork.{kind}": [{"on": "2026-12-01"}] for kind in ("slots_that_day", "slots_none_that_day")},
    **{f"fieldwork.{kind}": [{**VISIT, "to_starts_at": AT, "to_ends_at": LATER}] for kind in
       ("booked_already", "book_confirm", "booked", "move_start", "move_confirm", "moved", "cancel_confirm",
        "cancelled")},
    "service.start": [{"known": True}, {"known": False}],
    **{f"service.{kind}": [{**PLACE, "from_address": "1 Elm St", "settled": s, "medical": s} for s in (True, False)]
       for kind in
       ("start_confirm", "start_asked", "started", "ends_already", "stop", "stop_confirm", "stopped", "move",
        "move_confirm", "moved")},
    "service.several": [{"count": 2}],
    "account.info": [INFO, {**INFO, "others": 0, "plan": None, "addresses": [], "contacts": [], "active": False,
                            "paperless": False}],
    "account.other": [{"number": "5500010011"}],
    "account.update_contact": [{"link": INFO["link"], "contacts": c, "texted": bool(c)} for c in (CONTACTS, [])],
    "account.contact_text": [{"link": INFO["link"]}],
    "account.privacy_opened": [
        {"number": "SR-000123", "right": right, "again": again, "acknowledge_by": "2026-12-08",
         "answer_by": "2027-01-07"} for right in ("ACCESS", "DELETE") for again in (True, False)
    ],
    "account.preferences_how": [{"texting": True}, {"texting": False}],
    "account.preferences": [{"changed": c, "news": NEWS, "contacts": CONTACTS} for c in ("ALERTS", None)],
    **{f"account.news_{turn}": [{"purpose": item["purpose"]} for item in NEWS] for turn in ("on", "off")},
    **{f"account.medical_{news}": [
        {"through": "2026-12-26", "certified": True}, {"through": "2026-11-29", "certified": False},
        {"through": None, "certified": False},
    ] for news in ("is_on", "done")},
    "account.medical_confirm": [{"detail": "oxygen concentrator, battery for two hours", "address": "1 Elm St"}],
    "programs.tips": [{"tips": TIPS}, {"tips": TIPS[:1]}],
    "programs.list": [{"programs": PROGRAMS, "joinable": 1}, {"programs": PROGRAMS[:1], "joinable": 0}],
    "programs.enroll_confirm": [ENROLL, {**ENROLL, "declares": [], "approval": False, "rebate": "75.00"}],
    "programs.enrolled": [{"name": ENROLL["name"], "active": a, "rebate": "75.00"} for a in (True, False)],
    "programs.rebates": [{"rebates": REBATES, "unclaimed": UNCLAIMED}, {"rebates": REBATES[:1], "unclaimed": []}],
    "programs.rebates_none": [{"rebates": [], "unclaimed": u} for u in (UNCLAIMED, [])],
}  # fmt: skip
