from datetime import UTC, date, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from actions import forms, frame, identity, talk
from core.conversations import queries as conversations
from core.settings import Settings
from tests.unit.actions.trackers import tracker

NOW = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)


def ask(text: str = "", intent: str = "", *, locale: str = "en", **more: Any) -> frame.Ask:
    speaker = conversations.Speaker(1, "t", "WEB", locale, 2, 1, 1, 1, "BOT", None)
    hub: Any = SimpleNamespace(settings=Settings())
    session: Any = None
    return frame.Ask(hub, session, tracker(text, intent, **more), speaker, NOW, "key")


@pytest.mark.parametrize(
    ("text", "intent", "answer"),
    [
        ("/affirm", "affirm", "YES"),
        ("/deny", "deny", "NO"),
        ("Yes, please!", "", "YES"),
        ("sí, claro", "", "YES"),
        ("No, gracias", "", "NO"),
        ("no", "affirm", "NO"),
        ("undo", "affirm", None),
        ("sí, anule la visita", "", "YES"),
        ("yes and no", "", None),
        ("I am not sure", "", None),
        ("what would it cost me in all if I said yes to this", "", None),
        ("", "", None),
    ],
)
def test_yes_and_no_are_read_and_doubt_is_not(text: str, intent: str, answer: str | None) -> None:
    # a typed word beats a classifier that is not sure
    assert forms.read_yes_no(ask(text, intent, confidence=0.5 if text == "no" else 1.0)) == answer


def test_a_choice_is_read_from_its_button_its_number_and_its_label() -> None:
    offered = (
        forms.choice("tariff.RES-FLAT.name", "RES-FLAT"),
        forms.choice("tariff.RES-TOU.name", "RES-TOU"),
    )
    by_button = ask('/inform{"choice":"RES-TOU"}', "inform", entities=[{"entity": "choice", "value": "RES-TOU"}])
    assert forms.read_choice(by_button, offered) == "RES-TOU"
    assert forms.read_choice(ask("2"), offered) == "RES-TOU"
    assert forms.read_choice(ask("time of day please"), offered) == "RES-TOU"
    assert forms.read_choice(ask("el plan según la hora", locale="es"), offered) == "RES-TOU"
    assert forms.read_choice(ask("3"), offered) is None
    stranger = ask('/inform{"choice":"FREE"}', "inform", entities=[{"entity": "choice", "value": "FREE"}])
    assert forms.read_choice(stranger, offered) is None


@pytest.mark.parametrize(
    ("text", "locale", "day"),
    [
        ("tomorrow", "en", date(2026, 11, 24)),
        ("mañana", "es", date(2026, 11, 24)),
        ("2026-12-01", "en", date(2026, 12, 1)),
        ("12/1", "en", date(2026, 12, 1)),
        ("1/12", "es", date(2026, 12, 1)),
        ("2/1", "en", date(2027, 2, 1)),
        ("13/45", "en", None),
        ("asdkjfh", "en", None),
    ],
)
def test_days_are_read(text: str, locale: str, day: date | None) -> None:
    assert forms.read_date(ask(text, locale=locale)) == day


def test_a_month_is_no_day_and_what_was_understood_beats_the_words() -> None:
    first = {"entity": "date", "value": "2026-12-01T00:00:00.000-05:00", "additional_info": {"grain": "day"}}
    assert forms.read_date(ask("the first of december", entities=[first])) == date(2026, 12, 1)
    month = {**first, "additional_info": {"grain": "month"}}
    assert forms.read_date(ask("in december", entities=[month])) is None


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("48213", "48213"),
        ("it shows 048 213", "048213"),
        ("48213.5", None),
        ("-48213", None),
        ("48213 or 48214", None),
        ("/inform", None),
        ("nothing", None),
    ],
)
def test_only_the_digits_of_one_display_are_a_reading(text: str, digits: str | None) -> None:
    assert forms.read_digits(ask(text)) == digits


def test_amounts_are_read() -> None:
    assert forms.read_amount(ask("warn me at $1,250.50")) == Decimal("1250.50")
    said = {"entity": "amount", "value": 50, "additional_info": {"unit": "$"}}
    assert forms.read_amount(ask("fifty bucks", entities=[said])) == Decimal("50.00")
    assert forms.read_amount(ask("between 50 and 60")) is None


@pytest.mark.parametrize(
    ("text", "claim"),
    [
        ("my account is 5500010011", "5500010011"),
        ("55-0001-0011", "5500010011"),
        ("(555) 010-1001", "+15550101001"),
        ("+1 555 010 1001", "+15550101001"),
        ("Maya.Chen@Example.com.", "maya.chen@example.com"),
        ("12345", None),
        ("/check_balance", None),
    ],
)
def test_a_claim_is_a_number_a_phone_or_an_address(text: str, claim: str | None) -> None:
    assert identity.read_claim(text) == claim


def test_wishes_are_offered_by_likelihood_without_internal_ones() -> None:
    ranking = [
        {"name": "nlu_fallback", "confidence": 0.7},
        {"name": "high_bill", "confidence": 0.3},
        {"name": "greet", "confidence": 0.2},
        {"name": "explain_bill", "confidence": 0.15},
        {"name": "late_fee", "confidence": 0.01},
    ]
    assert talk.likely_intents(ranking) == ["high_bill", "explain_bill"]


def test_the_second_time_in_a_row_is_noticed() -> None:
    before = [
        {"event": "user"},
        {"event": "action", "name": "action_unsure"},
        {"event": "action", "name": "action_listen"},
        {"event": "user"},
    ]
    assert talk.unsure_before(tracker(events=before))
    answered = [before[0], {"event": "action", "name": "action_check_balance"}, *before[2:]]
    assert not talk.unsure_before(tracker(events=answered))
    long_ago = [*before[:3], {"event": "user"}, {"event": "action", "name": "action_help"}, {"event": "user"}]
    assert not talk.unsure_before(tracker(events=long_ago))


@pytest.mark.parametrize(
    ("text", "locale", "wanted"),
    [
        ("en español por favor", "en", "es"),
        ("English please", "es", "en"),
        ("another language", "en", "es"),
        ("do you speak french?", "en", None),
    ],
)
def test_the_language_asked_for_is_found(text: str, locale: str, wanted: str | None) -> None:
    assert talk.wanted_locale(ask(text, "change_language", locale=locale)) == wanted


def test_what_travels_is_json_and_nothing_else() -> None:
    sent = frame.plain({"a": Decimal("1.50"), "d": date(2026, 1, 2), "n": [NOW, None, True], "t": (1, "x")})
    assert sent == {"a": "1.50", "d": "2026-01-02", "n": [NOW.isoformat(), None, True], "t": [1, "x"]}
    with pytest.raises(TypeError):
        frame.plain({"a": object()})
