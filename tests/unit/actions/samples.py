"""What each kind is given, as it arrives through the assistant: strings for amounts and days."""

from typing import Any

AT = "2026-11-20T14:30:00+00:00"
DRIVERS = [{"kind": "USAGE", "amount": "31.20"}, {"kind": "DAYS", "amount": "-4.10"}]
BILL: dict[str, Any] = {
    "number": "B-2026-000123", "starts_on": "2026-10-05", "last_day": "2026-11-04", "days": 31, "kwh": "812.4",
    "total": "132.18", "due_on": "2026-11-30", "estimated": True,
}  # fmt: skip
WHY: dict[str, Any] = {
    **BILL, "previous_total": "105.08", "difference": "27.10", "drivers": DRIVERS,
    "lines": [{"component": "energy", "amount": "98.20"}, {"component": "fixed", "amount": "11.00"}],
    "busiest": {"day": "2026-10-31", "kwh": "48.2", "amount": "7.10"}, "daily_kwh": "26.2",
    "previous_daily_kwh": "21.0", "hours": None,
}  # fmt: skip
HOUR: dict[str, Any] = {"starts_at": "2026-10-09T06:00:00Z", "ends_at": "2026-10-09T07:00:00Z", "price": "0.081"}
HOURS: dict[str, Any] = {"average": "0.12", "cheapest": HOUR, "dearest": HOUR}
DAY_OF_PRICES: dict[str, Any] = {
    "today": True, "cheap": [HOUR], "dear": [{**HOUR, "price": "0.214"}], "price": "0.10",
}  # fmt: skip
SAME_ALL_DAY: dict[str, Any] = {"today": False, "cheap": [], "dear": [], "price": "0.10"}
LOADS = [{"code": code, "kwh": kwh, "cheap": HOUR, "dear": HOUR, "saving": saving}
         for code, kwh, saving in (("dishwasher", "1.2", "0.13"), ("car", "20", "2.16"))]  # fmt: skip
SHIFT = {"days": 28, "dear_share": "0.24", "dear_kwh": "140.2", "share": "0.30", "saving": "4.55"}
FIRST: dict[str, Any] = {**WHY, "previous_total": None, "difference": "0.00", "drivers": [], "busiest": None}
OPTION: dict[str, Any] = {
    "name": "tariff.RES-TOU.name", "code": "RES-TOU", "annual_cost": "1204.55", "saving": "88.12",
    "worst_month": "142.00", "best_month": "71.30", "low": "1098.20", "high": "1310.90",
}  # fmt: skip
OWN: dict[str, Any] = {**OPTION, "name": "tariff.RES-FLAT.name", "code": "RES-FLAT", "saving": "0.00"}
UP_TO: dict[str, Any] = {"least": None, "most": "20"}
FROM: dict[str, Any] = {"least": "50", "most": None}
WHOM: dict[str, dict[str, Any]] = {
    "class": {"customer_kind": "BUSINESS"}, "city": {"places": ["Millbrook", "Brightwater"]},
    "county": {"places": ["Harbor"]}, "jurisdiction": {"places": ["US-PA", "US-NY"]}, "sends_out": {},
    "takes_only": {}, "meter": {}, "program": {"names": ["program.ev_off_peak.name", "program.heat_pump.name"]},
    "months": {"months": 12}, "demand": {"least": "20", "most": "50"}, "use": {"least": "2000", "most": "12000"},
    "until": {"on": "2026-12-31"},
}  # fmt: skip
WHY_NOT: dict[str, list[dict[str, Any]]] = {
    "class": [WHOM["class"], {"customer_kind": "RESIDENTIAL"}], "opens": [{"on": "2027-01-01"}],
    "closed": [{"on": "2026-10-01"}], "city": [{**WHOM["city"], "own": "Elsewhere"}],
    "county": [{**WHOM["county"], "own": "Delaware"}], "jurisdiction": [{**WHOM["jurisdiction"], "own": "US-DE"}],
    "sends_out": [{}], "takes_only": [{}], "meter": [{}], "program": [WHOM["program"]],
    "months": [{"months": 12, "since": "2026-05-01"}],
    "demand": [{**UP_TO, "kw": "34.2", "on": "2026-08-03"}, {**FROM, "kw": "34.2", "on": "2026-08-03"}],
    "demand_unknown": [UP_TO], "use": [{**UP_TO, "kwh": "9312"}, {**FROM, "kwh": "12"}], "use_unknown": [FROM],
}  # fmt: skip
NOT_OPEN: dict[str, Any] = {
    "name": "tariff.BUS-SMALL.name", "code": "BUS-SMALL",
    "reasons": [{"kind": f"eligibility.not.{code}", "data": WHY_NOT[code][0]} for code in ("demand", "closed")],
}  # fmt: skip
EXPECTED = {"kwh": "160.0", "actual": "191.0", "days": 8, "percent": 19}
ALIKE = {"percent": 7, "homes": 31, "kwh": "18.2"}
PERIOD = {"starts_on": "2026-11-05", "last_day": "2026-11-22", "days": 18, "kwh": "412.0", "daily_kwh": "22.9"}
SUMMARY = {"lowest_price": "0.1160", "highest_price": "0.2760", "fixed_monthly": "11.00", "steps": []}
LINK = "https://brightwater.example/pay/Zk3v9QpXw2LrT8mNc4Hs7Bdy"
PAY: dict[str, Any] = {
    "amount": "132.18", "link": LINK, "expires_at": AT, "texted": True, "autopay": False, "autopay_on": None,
    "pending": "0.00",
}  # fmt: skip
PARTS = [{"due_on": "2026-12-07", "amount": "44.06"}, {"due_on": "2027-01-07", "amount": "44.06"}]
TOLD = {
    "overdue": "80.00",
    "amount": "132.18",
    "allowed": False,
    "reasons": ["disconnect_notice", "disconnect_contact"],
    "warned_on": "2026-11-10",
    "back_by": None,
    "held_through": None,
    "citation": "66 Pa.C.S. 1406",
}
METER = {"number": "BW100011", "smart": True, "minutes": 60, "installed_on": "2021-03-01", "fresh_until": AT}

SPLIT = {"starts_on": "2026-11-20", "ends_on": "2026-12-20", "days_before": 15, "days_after": 15, "likely": "98.10",
         "likely_unchanged": "104.30"}  # fmt: skip
SPLIT_DAY = {"today": True, "split": SPLIT}
SWITCH_DAY = {"old": "tariff.RES-FLAT.name", "starts_on": "2026-12-05", "today": False, "exit_fee": "0.00",
              "cooling_off_until": "2026-12-19", "split": None}  # fmt: skip

SAMPLES: dict[str, list[dict[str, Any]]] = {
    "talk.greet": [{"name": None}, {"name": "Maya"}],
    "talk.repeat": [{"said": "You owe $12."}],
    "talk.complaint_filed": [{"number": "SR-000123"}],
    "billing.balance_owed": [
        {"amount": "132.18", "overdue": "80.00", "due_on": "2026-11-30", "autopay": True, "pending": "20.00"},
        {"amount": "132.18", "overdue": "0.00", "due_on": None, "autopay": False, "pending": "0.00"},
    ],
    "billing.balance_clear": [
        {"credit": "12.00", "last_bill": "88.10", "pending": "5.00"},
        {"credit": "0.00", "last_bill": None, "pending": "0.00"},
    ],
    "billing.bill": [
        {**BILL, "open": "132.18", "link": LINK, "replaces": "2611-0000041",
         "earlier": [{"on": "2026-10-10", "total": "105.08"}]},
        {**BILL, "open": "0.00", "link": LINK, "replaces": None, "earlier": [], "estimated": False},
    ],
    "billing.explanation": [{**WHY, "hours": HOURS}, WHY, FIRST, {**WHY, "difference": "-27.10"}],
    "billing.high_bill": [
        {**WHY, "main": DRIVERS[0]},
        {**FIRST, "main": None, "previous_daily_kwh": None},
        {**WHY, "difference": "-27.10", "main": None},
    ],
    **{f"billing.driver.{k}": [{"amount": "1"}, {"amount": "-1"}] for k in
       ("DAYS", "USAGE", "WEATHER", "RATE", "FIXED", "TAX", "EXPORT")},
    "billing.pay_link": [PAY, {**PAY, "texted": False, "autopay": True, "autopay_on": "2026-11-30", "pending": "5.00"}],
    "billing.pay_link_text": [{"amount": "132.18", "link": LINK}],
    "billing.phone_payment_paid": [{"amount": "90.00", "status": s} for s in ("SUCCEEDED", "PROCESSING")],
    "billing.phone_payment_failed": [
        {"amount": "90.00", "reason": r, "payable": None}
        for r in ("DECLINED", "CANCELLED", "TIMEOUT", "TOO_MANY_TRIES", "CONNECTOR", "USED")
    ],
    "billing.phone_payment_unsure": [{"amount": "90.00"}],
    "billing.nothing_to_pay": [{"credit": "3.00", "pending": "1.00"}],
    "billing.payment": [
        {"status": status, "amount": "90.00", "at": AT, "failure": None, "refunded": "10.00",
         "earlier": [{"amount": "80.00", "at": AT, "status": "SUCCEEDED"}]}
        for status in ("PROCESSING", "SUCCEEDED", "FAILED", "RETURNED", "REFUNDED")
    ],
    "billing.payment.REFUNDED": [{"refunded": "10.00"}],
    "billing.late_fee": [
        {"charged": "2.10", "next_amount": "1.65", "next_on": "2026-12-06", "blocked_by": None, "rule": "52 Pa. Code"},
        {"charged": "0.00", "next_amount": "0.00", "next_on": None, "blocked_by": "ARRANGEMENT", "rule": "52 Pa. Code"},
    ],
    "billing.prepay": [
        {"credit": "50.00", "daily_cost": "4.10", "days_left": 12},
        {"credit": "0.00", "daily_cost": None, "days_left": None},
    ],
    "choice.pay_amount": [{"amount": "50"}],
    "billing.plan_current": [
        {"total": "132.18", "paid": "44.06", "left": "88.12", "next_on": "2026-12-07", "next_amount": "44.06"}
    ],
    "billing.plan_start": [{"amount": "132.18", "overdue": "80.00"}],
    "billing.plan_ask_months": [
        {"total": "132.18", "most": 12, "until": None}, {"total": "132.18", "most": 1, "until": "2026-12-07"},
    ],
    "billing.plan_confirm": [
        {"total": "132.18", "months": 3, "instalments": PARTS},
        {"total": "44.06", "months": 1, "instalments": PARTS[:1]},
    ],
    "billing.plan_opened": [
        {"total": "132.18", "months": months, "first_on": "2026-12-07", "first_amount": "44.06"} for months in (3, 1)
    ],
    "choice.plan_months": [
        {"months": 3, "amount": "44.06", "due_on": "2026-12-07"},
        {"months": 1, "amount": "1132.18", "due_on": "2026-12-17"},
    ],
    "billing.autopay_is_on": [{"amount": "132.18", "due_on": "2026-11-30"}],
    "billing.autopay_confirm": [
        {"on": False, "method": "CARD", "last4": "4242"}, {"on": True, "method": None, "last4": None}
    ],
    "billing.autopay_done": [{"on": True}, {"on": False}],
    "billing.paperless_confirm": [{"on": True, "address": "12 Elm St"}, {"on": False, "address": "12 Elm St"}],
    "billing.paperless_done": [{"on": True}, {"on": False}],
    "billing.dispute_start": [{"total": "132.18", "issued_on": "2026-11-07"}],
    "billing.dispute_confirm": [
        {"total": "132.18", "issued_on": "2026-11-07", "code": "METER", "words": None},
        {"total": "132.18", "issued_on": "2026-11-07", "code": None, "words": "I was away"},
    ],
    "billing.dispute_opened": [{"number": "D-000017", "total": "132.18"}],
    "billing.disconnect_risk": [
        {**TOLD, "medical": False},
        {**TOLD, "allowed": True, "reasons": [], "warned_on": None, "medical": True},
        {**TOLD, "allowed": False, "reasons": ["medical_hold"], "medical": True, "held_through": "2026-11-29"},
    ],
    "billing.disconnected": [{**TOLD, "medical": False}, {**TOLD, "medical": False, "back_by": AT}],
    "notice.medical_held": [{"hold": h, "through": "2026-12-26", "days": 30} for h in ("WORD", "CERTIFICATE")],
    "notice.medical_ending": [
        {"hold": h, "through": "2026-12-26", "days": 30, "renewable": r}
        for h, r in (("WORD", True), ("CERTIFICATE", True), ("CERTIFICATE", False))
    ],
    "notice.late_fee_charged": [{"amount": "1.84", "overdue": o, "account": "0011"} for o in ("122.65", "0.00")],
    "notice.due_soon": [{"amount": "80.00", "due_on": "2026-11-30", "days": days} for days in (5, 1)],
    "notice.instalment_due": [{"amount": "44.06", "due_on": "2026-12-07"}],
    **{f"notice.dunning_{step}": [
        {"overdue": "80.00", "account": "0011", "not_before": "2026-12-07", "citation": "66 Pa.C.S. 1406"}
    ] for step in ("reminder", "overdue", "termination_notice", "contact")},
    "notice.plan_expiry": [{"name": "tariff.BUS-FLAT.name", "ends_on": "2027-01-07"}],
    "notice.arrangement_broken": [{"catch_up": "44.06"}],
    "billing.budget": [
        {"level": "127.00", "next_level": None, "next_on": None, "balance": "12.20", "ends_on": "2027-01-03"},
        {"level": "127.00", "next_level": "140.00", "next_on": "2026-12-30", "balance": "-3.10",
         "ends_on": "2027-01-03"},
    ],
    "notice.budget_bill": [{"total": "249.48", "budget_due": "127.00", "due_on": "2026-11-23"}],
    "notice.budget_opened": [{"level": "127.00", "ends_on": "2027-01-03"}],
    "notice.budget_changed": [
        {"level": "127.00", "before": "110.00", "from_on": "2027-01-03", "balance": each} for each in ("12.20", "-3.10")
    ],
    "notice.budget_settled": [{"balance": each} for each in ("12.20", "-3.10")],
    "notice.budget_ended": [
        {"balance": each, "reason": why} for each, why in (("12.20", "MISSED"), ("-3.10", "LEFT"), ("0.00", "MOVED"))
    ],
    "notice.arrangement_kept": [{"amount": "132.18"}],
    "notice.bill_corrected": [
        {"number": "2611-12", "before": "115.27", "after": "185.43", "difference": "70.16", "fees_waived": "0.00",
         "credit_note": "CN2611-0000003"},
        {"number": "2611-12", "before": "122.65", "after": "104.19", "difference": "-18.46", "fees_waived": "1.84",
         "credit_note": "CN2611-0000003"},
    ],
    "notice.deposit_returned": [{"amount": "205.23", "interest": "5.23", "months": 12}],
    "notice.bill_cancelled": [{"number": "2611-12", "total": "122.65", "credit_note": "CN2611-0000003"}],
    "notice.dispute_closed": [
        {"number": "D-000012", "bill_number": "2611-12", "total": "122.65", "regulator_phone": phone}
        for phone in ("+18006927380", "")
    ],
    "notice.service_disconnected": [{"amount": "80.00"}],
    "billing.assistance": [{"programs": [], "overdue": "80.00"}, {"programs": [], "overdue": None}],
    "usage.lately": [
        {"starts_on": "2026-11-15", "last_day": "2026-11-21", "kwh": "161.4", "cost": "24.10", "daily_kwh": "23.1",
         "busiest_day": "2026-11-17", "busiest_kwh": "31.0", "estimated": True, "missing_days": missing,
         "fresh_until": AT, "today_kwh": today, "today_usual_kwh": "8.0", "today_until": AT, "today_cost": cost,
         "link": LINK}
        for missing, today, cost in ((0, "7.5", "1.12"), (1, "7.5", None), (2, None, None))
    ],
    "usage.compared": [
        {"this": PERIOD, "previous": PERIOD, "last_year": PERIOD, "change_previous": 12, "change_last_year": -8,
         "busiest": {"day": "2026-11-17", "kwh": "31.0"}, "expected": {**EXPECTED, "how": "more"},
         "similar": {**ALIKE, "how": "less"}},
        {"this": PERIOD, "previous": PERIOD, "last_year": {**PERIOD, "daily_kwh": None}, "change_previous": 0,
         "change_last_year": None, "busiest": None, "expected": None, "similar": None},
    ],
    **{f"usage.expected_{how}": [EXPECTED] for how in ("same", "more", "less")},
    **{f"usage.similar_{how}": [ALIKE] for how in ("same", "more", "less")},
    "usage.change": [{"percent": 3}, {"percent": 0}],
    "usage.forecast": [
        {"low": "110.00", "likely": "128.40", "high": "150.10", "so_far": "71.00", "so_far_kwh": "412.0",
         "last_day": "2026-12-04", "confidence": "LOW", "previous": "132.18", "prices_guessed": True}
    ],
    "usage.download": [{"link": LINK}],
    "usage.meter": [{**METER, "quiet_hours": 60}, {**METER, "smart": False, "minutes": None, "quiet_hours": None}],
    "usage.reading_not_needed": [{"number": "BW100011"}],
    "usage.reading_ask": [{"number": "BW100011", "digits": 5}],
    "usage.reading_confirm": [{"value": "48213"}],
    "usage.reading_taken": [
        {"status": "ACCEPTED", "reason": None, "value": "48213", "kwh": "412.0", "previous": "47801.000"},
        *({"status": status, "reason": reason, "value": "48213", "kwh": None, "previous": "47801.000"}
          for status, reason in (("REJECTED", "NOT_A_NUMBER"), ("REJECTED", "TOO_MANY_DIGITS"),
                                 ("REJECTED", "LOWER_THAN_PREVIOUS"), ("CHECK", "TOO_HIGH"), ("CHECK", "TOO_LOW"),
                                 ("CHECK", "DIFFERS_FROM_METER"))),
    ],
    "usage.reading.LOWER_THAN_PREVIOUS": [{"previous": "47801.000"}],
    "usage.tip": [
        {"code": "weekend", "tip": {"more": "0.40"}, "saving_year": "61.00"},
        {"code": "better_plan", "tip": {"name_key": "tariff.RES-TOU.name"}, "saving_year": "88.12"},
    ],
    "tip.shift_peak": [{"peak_share": "0.31", "moved_kwh": "200.0", "share": "0.30"}],
    "tip.night_base": [{"watts": "320", "cut_watts": "80", "kwh": "700.0"}],
    "tip.tier_overrun": [{"limit_kwh": "600", "months_over": "4", "over_kwh": "510.0", "trim": "0.05"}],
    "tip.weekend": [{"more": "0.40"}],
    "tip.better_plan": [{"name_key": "tariff.RES-TOU.name"}],
    "usage.alert_is_on": [{"threshold": "150.00"}],
    "usage.alert_ask": [{"likely": "128.40", "channel": "SMS"}, {"likely": None, "channel": None}],
    "usage.alert_set": [{"threshold": "150.00", "channel": "SMS"}],
    "usage.alert_crossed": [{"likely": "161.00", "threshold": "150.00", "so_far": "98.00", "ends_on": "2026-12-05"}],
    "choice.amount": [{"amount": "140"}],
    "plans.current": [
        {"name": "tariff.RES-TOU.name", "about": "tariff.RES-TOU.about", "summary": SUMMARY, "since": "2025-05-05",
         "exit_fee": fee, "term_months": 0, "hours": hours}
        for fee, hours in (("0.00", []), ("25.00", [DAY_OF_PRICES, {**DAY_OF_PRICES, "today": False}]))
    ],
    "plans.hours": [DAY_OF_PRICES, {**DAY_OF_PRICES, "today": False}, SAME_ALL_DAY],
    "plans.spans": [{"spans": [HOUR]}, {"spans": [HOUR, HOUR]}],
    "plans.cheap_hours": [
        {"days": [DAY_OF_PRICES, SAME_ALL_DAY], "best": [HOUR, HOUR], "saving_today": True, "savings": LOADS,
         "shift": SHIFT},
        {"days": [SAME_ALL_DAY], "best": [], "saving_today": False, "savings": [], "shift": None},
        {"days": [], "best": [], "saving_today": False, "savings": [], "shift": SHIFT},
    ],
    "plans.prices": [{"summary": SUMMARY}, {"summary": {**SUMMARY, "index": {"multiplier": "1.04", "beside": "0.08"}}}],
    "plans.cents": [{"price": "0.1160"}],
    "plans.compared": [
        {"current": OWN, "best": OPTION, "stays": False, "options": [OPTION, OWN], "days": 365, "estimated": True,
         "not_open": [], "spread": "0.14"},
        {"current": OWN, "best": OWN, "stays": True, "options": [OWN, {**OPTION, "saving": "-9.10"}], "days": 365,
         "estimated": False, "not_open": [NOT_OPEN], "spread": "0.10"},
    ],
    "plans.not_open": [NOT_OPEN],
    "plans.why_not": [{"reasons": NOT_OPEN["reasons"]}],
    **{f"eligibility.{code}": [data] for code, data in WHOM.items()},
    **{f"eligibility.not.{code}": list(data) for code, data in WHY_NOT.items()},
    "plans.switch_ask": [{"options": [OPTION, {**OWN, "saving": "-10.00"}]}],
    "plans.switch_ask_date": [
        {"name": "tariff.RES-TOU.name", "days": [{**SWITCH_DAY, **SPLIT_DAY}, {**SWITCH_DAY, "exit_fee": "25.00"}]},
        {"name": "tariff.RES-TOU.name", "days": [SWITCH_DAY]},
    ],
    "plans.switch_day": [SWITCH_DAY, {**SWITCH_DAY, **SPLIT_DAY, "exit_fee": "25.00"}],
    "plans.switch_split": [
        {**SPLIT_DAY, "old": "tariff.RES-FLAT.name"},
        {"split": {**SPLIT, "days_before": 1, "likely": None}, "old": "tariff.RES-FLAT.name"},
    ],
    "plans.switch_not_that_day": [{"day": "2026-12-04"}],
    "choice.switch_from": [{"day": "2026-12-25", "today": True}, {"day": "2026-12-25", "today": False}],
    "plans.switch_confirm": [
        {**OPTION, **SWITCH_DAY, **SPLIT_DAY, "exit_fee": "25.00", "later_fee": "25.00", "term_months": 12},
        {**OPTION, **SWITCH_DAY, "saving": "-3.10", "later_fee": None, "term_months": 0},
    ],
    "plans.switched": [
        {"to": "tariff.RES-TOU.name", "starts_on": "2026-12-05", "cooling_off_until": "2026-12-19", "exit_fee": fee,
         "today": today}
        for fee, today in (("0.00", True), ("25.00", False))
    ],
    "plans.switch_recent": [
        {"name": "tariff.RES-TOU.name", "old": "tariff.RES-FLAT.name", "starts_on": "2026-12-05", "begun": begun,
         "until": "2026-12-19", "exit_fee": fee}
        for fee, begun in (("0.00", True), ("25.00", False))
    ],
    "plans.switch_undone": [{"name": "tariff.RES-FLAT.name", "starts_on": "2026-12-05"}],
    "choice.switch_to": [{"name": "tariff.RES-TOU.name"}],
}  # fmt: skip
