"""Every notice in both languages, on every medium; a text message fits one segment of 160."""

from datetime import UTC, datetime

import pytest

from core import wording
from core.conversations.house import house
from core.settings import Settings

HOUSE = house(Settings())
START, END = datetime(2026, 12, 24, 15, 30, tzinfo=UTC), datetime(2026, 12, 24, 19, 30, tzinfo=UTC)
LONG = {
    "area": "Brightwater North 12",
    "starts_at": START,
    "ends_at": END,
    "back_at": END,
    "at": END,
    "crew": True,
    "total": "1284.12",
    "amount": "1284.12",
    "refunded": "1000.00",
    "fee": "20.00",
    "interest": "5.23",
    "months": 12,
    "collect_on": "2026-12-28",
    "mandate": "A1B2C3D4E5F6A7B8",
    "creditor": "DE98ZZZ09999999999",
    "last4": "3000",
    "credit_note": "CN2612-0001234",
    "due_on": "2026-12-28",
    "day": "2026-12-28",
    "excess_kwh": "112.4",
    "cost": "38.10",
    "number": "SR-001234",
    "work": "NEW_CONNECTION",
    "status": "IN_PROGRESS",
    "tariff": "tariff.RES-FLAT.name",
    "starts_on": "2026-12-28",
    "until": "2027-01-28",
    "program": "program.appliance_recycling.name",
    "instalments": [{"due_on": "2026-12-28", "amount": "321.03"}] * 4,
    "what": "PHONE",
    "masked": "•••1001",
    "overdue": "1284.12",
    "account": "0011",
    "not_before": "2026-12-28",
    "citation": "66 Pa.C.S. 1406",
    "days": 5,
    "catch_up": "321.03",
    "before": "1284.12",
    "after": "1184.12",
    "difference": "-100.00",
    "fees_waived": "18.40",
    "name": "tariff.RES-TIER.name",
    "ends_on": "2026-12-28",
    "level": "1284.12",
    "from_on": "2026-12-28",
    "balance": "1284.12",
    "reason": "MISSED",
    "budget_due": "1284.12",
    "kind": "SPIKE",
    "start": "2026-12-28T18:00:00+00:00",
    "end": "2026-12-28T21:00:00+00:00",
    "so_far": "284.12",
    "kwh": "112.4",
    "likely": "1284.12",
    "last": "1184.12",
    "share": 41,
    "hold": "WORD",
    "through": "2026-12-28",
    "renewable": False,
    "bill_number": "2611-0000012",
    "regulator_phone": "+18006927380",
}
KINDS = sorted(kind for kind in wording.kinds("en") if kind.startswith("notice."))


def test_both_languages_have_the_same_notices() -> None:
    assert sorted(kind for kind in wording.kinds("es") if kind.startswith("notice.")) == KINDS
    assert {"notice.appointment_reminder", "notice.tariff_switched", "notice.contact_changed"} <= set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("locale", ["en", "es"])
def test_a_notice_is_worded(kind: str, locale: str) -> None:
    for medium in wording.MEDIA:
        said = wording.render(kind, LONG, locale=locale, medium=medium, house=HOUSE)
        assert said.text and "{" not in said.text and said.subject
    text = wording.render(kind, LONG, locale=locale, medium="sms", house=HOUSE).text
    assert len(text) <= 160, (len(text), text)
    for hold, renewable in (("WORD", True), ("CERTIFICATE", True), ("CERTIFICATE", False)):
        other = {**LONG, "hold": hold, "renewable": renewable}
        assert len(wording.render(kind, other, locale=locale, medium="sms", house=HOUSE).text) <= 160
    for later in ("back_at", "until", "cost"):
        wording.render(kind, {**LONG, later: None}, locale=locale, medium="sms", house=HOUSE)
