"""What the caller hears, as TwiML. Every word is escaped by Twilio's own builder. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from twilio.twiml.voice_response import Gather, VoiceResponse

from channels import edge
from channels.voice import speech
from core import wording
from core.conversations import numbering
from core.settings import Settings

HINTS = {
    "en": "balance, bill, pay my bill, outage, power is out, usage, appointment, meter reading, agent, yes, no, "
    "payment plan, pay by phone, repeat",
    "es": "saldo, factura, pagar, apagón, no hay luz, consumo, cita, lectura del medidor, agente, sí, no, "
    "plan de pago, pagar por teléfono, repetir",
}
PAY_LANGUAGES = {"en": "en-US", "es": "es-MX"}  # of the languages that <Pay> knows
_PAY_STEPS = (
    ("payment-card-number", "channels.voice_pay_number"),
    ("expiration-date", "channels.voice_pay_expiry"),
    ("postal-code", "channels.voice_pay_postcode"),
    ("security-code", "channels.voice_pay_security"),
)
_FAREWELLS = frozenset({"talk.goodbye"})
_OFFERS = frozenset({"billing.pay_link", "billing.phone_payment_failed"})
_MOST_CHOICES_BESIDE = 7  # of an offer to pay: its own key is 8
_ASKING = frozenset({"ask", "confirm", "verify", "forms"})  # words of a kind that is a question
_NOT_ASKING = frozenset({"verify.locked", "verify.already", "forms.nothing_changed"})


@dataclass(frozen=True)
class Spoken:
    """One message to say. `ssml` when the wording has it; `labels` of its choices in order."""

    text: str
    ssml: str | None = None
    labels: tuple[str, ...] = ()
    kind: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    seq: int = 0


@dataclass(frozen=True)
class Place:
    """Where in the call we are; it travels in the URLs, which Twilio signs."""

    turn: int = 1
    silence: int = 0
    locale: str = "en"
    conversation_id: int | None = None
    after: int = 0  # the sequence number after which the last answer stands
    question: int = 0  # 0 none open, -1 one that is answered in words or digits, n one of the numbers up to n
    tries: int = 0
    attempt: int = 0  # which try to pay by keypad; its amount never travels

    def url(self, step: str) -> str:
        """This will give the path of a step with this place in its query."""
        query = {"n": self.turn, "s": self.silence, "l": self.locale, "a": self.after, "q": self.question}
        if self.conversation_id is not None:
            query["c"] = self.conversation_id
        if self.tries:
            query["t"] = self.tries
        if self.attempt:
            query["p"] = self.attempt
        return f"/hooks/twilio/voice/{step}?{urlencode(query)}"


def read_place(query: Mapping[str, str], settings: Settings) -> Place:
    """This will read a place back from a query; what is missing or odd is as at the start."""

    def number(name: str, least: int, most: int, otherwise: int) -> int:
        text = query.get(name, "")
        value = int(text) if text.lstrip("-").isdigit() and len(text) < 19 else otherwise
        return min(max(value, least), most)

    return Place(
        turn=number("n", 1, 500, 1),
        silence=number("s", 0, 9, 0),
        locale=edge.known_locale(settings, query.get("l")),
        conversation_id=number("c", 1, 10**18, 1) if "c" in query else None,
        after=number("a", 0, 10**9, 0),
        question=number("q", -1, 30, 0),
        tries=number("t", 0, 30, 0),
        attempt=number("p", 0, 999, 0),
    )


def question_of(spoken: Sequence[Spoken]) -> int:
    """This will say what the last thing said asks for: n choices, words or digits (-1), or nothing (0)."""
    if not spoken:
        return 0
    last = spoken[-1]
    if last.labels:
        return max(numbering.numbers(last.labels))
    kind = last.kind or ""
    asks = kind not in _NOT_ASKING and not _ASKING.isdisjoint(re.split(r"[._]", kind))
    return -1 if asks or last.data.get("expects") else 0


def offer_of(spoken: Sequence[Spoken]) -> Spoken | None:
    """This will give the newest of what was said that offers to pay something, if it still can be paid."""
    newest = next((one for one in reversed(spoken) if one.kind in _OFFERS), None)
    return newest if newest is not None and newest.data.get("payable") else None


def is_farewell(spoken: Sequence[Spoken]) -> bool:
    """This will say whether the talk has come to its end."""
    return bool(spoken) and spoken[-1].kind in _FAREWELLS


class Call:
    """Builds the answers of one call."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._house = edge.house(settings)

    def greet(self, place: Place) -> str:
        """This will greet: who answers (an automated assistant), the other language, and the menu."""
        gather = self._gather(place, digits=1)
        self._say(gather, "channels.voice_greeting", place.locale)
        for other in self._settings.locales:
            if other != place.locale:
                self._say(gather, "channels.voice_language", other)
        self._say(gather, "channels.voice_menu", place.locale)
        return self._closed(gather)

    def answer(self, spoken: Sequence[Spoken], place: Place) -> str:
        """This will say an answer and listen for what comes next."""
        if is_farewell(spoken):
            response = VoiceResponse()
            for one in spoken:
                response.append(self._spoken(one, place.locale))
            response.hangup()
            return str(response)
        question = place.question
        gather = self._gather(place, digits=1 if 0 <= question <= 9 else None)
        for one in spoken:
            gather.append(self._spoken(one, place.locale))
            for number, label in zip(numbering.numbers(one.labels), one.labels, strict=True):
                self._say(gather, "channels.voice_choice", place.locale, number=number, label=label)
        if self.offers(spoken, question):
            self._say(gather, "channels.voice_pay_offer", place.locale)
        if question == 0:
            self._say(gather, "channels.voice_anything_else", place.locale)
        return self._closed(gather)

    def offers(self, spoken: Sequence[Spoken], question: int) -> bool:
        """This will say whether what was said can be paid by keypad, and the key for it is free."""
        return (
            bool(self._settings.voice_pay_connector)
            and 0 <= question <= _MOST_CHOICES_BESIDE
            and offer_of(spoken) is not None
        )

    def pay(self, amount: Decimal, place: Place) -> str:
        """This will let Twilio ask for a card by keypad and hand it to the card processor; we get a token for it."""
        response = VoiceResponse()
        self._say(response, "channels.voice_pay_intro", place.locale, amount=str(amount))
        action = place.url("paid")
        pay = response.pay(
            input="dtmf",
            action=action,
            status_callback="/hooks/twilio/voice/pay-status",
            payment_connector=self._settings.voice_pay_connector,
            payment_method="credit-card",
            token_type="one-time",  # noqa: S106 - Twilio's word for a token that is good for one charge
            charge_amount="0",  # nothing is charged there: the hub charges what it said
            currency=self._settings.currency.lower(),
            language=PAY_LANGUAGES.get(place.locale, "en-US"),
            valid_card_types="visa mastercard amex discover",
            security_code=True,
            postal_code=True,
            min_postal_code_length=5,
            timeout=8,
            max_attempts=3,
        )
        for step, kind in _PAY_STEPS:
            self._say(pay.prompt(for_=step, attempt="1"), kind, place.locale)
            again = pay.prompt(for_=step, attempt="2 3")
            self._say(again, "channels.voice_pay_sorry", place.locale)
            self._say(again, kind, place.locale)
        self._say(pay.prompt(for_="payment-processing"), "channels.voice_pay_processing", place.locale)
        response.redirect(action, method="POST")  # where a <Pay> that ran out of tries goes on
        return str(response)

    def ask_again(self, place: Place) -> str:
        """This will say that nothing was heard, and listen again."""
        gather = self._gather(place, digits=1 if 0 <= place.question <= 9 else None)
        self._say(gather, "channels.voice_silence", place.locale)
        if place.question == 0:
            self._say(gather, "channels.voice_menu", place.locale)
        return self._closed(gather)

    def wait(self, place: Place, step: str = "poll") -> str:
        """This will fill the time of a slow answer, and come back for it."""
        response = VoiceResponse()
        self._say(response, "channels.voice_moment" if place.tries <= 1 else "channels.voice_still", place.locale)
        response.redirect(place.url(step), method="POST")
        return str(response)

    def transfer(self, spoken: Sequence[Spoken], place: Place, *, trouble: bool = False) -> str:
        """This will put the caller through to a person; where nobody can be called, take a message."""
        response = VoiceResponse()
        for one in spoken:
            response.append(self._spoken(one, place.locale))
        if trouble:
            self._say(response, "channels.voice_trouble", place.locale)
        if not self._settings.voice_transfer_to:
            return str(self._recorded(response, place))
        self._say(response, "channels.voice_transfer", place.locale)
        dial = response.dial(
            timeout=25, action=place.url("dialled"), method="POST", caller_id=self._settings.voice_from
        )
        dial.number(self._settings.voice_transfer_to)
        return str(response)

    def voicemail(self, place: Place) -> str:
        """This will ask leave to record, and record a message."""
        return str(self._recorded(VoiceResponse(), place))

    def end(self, kind: str | None, place: Place) -> str:
        """This will say a last sentence, if any, and hang up."""
        response = VoiceResponse()
        if kind:
            self._say(response, kind, place.locale)
        response.hangup()
        return str(response)

    def _recorded(self, response: Any, place: Place) -> Any:
        self._say(response, "channels.voice_voicemail", place.locale)
        response.record(
            action=place.url("voicemail"),
            method="POST",
            max_length=120,
            timeout=5,
            finish_on_key="#",
            play_beep=True,
        )
        self._say(response, "channels.voice_nothing_recorded", place.locale)
        response.hangup()
        return response

    def _gather(self, place: Place, *, digits: int | None) -> Any:
        options: dict[str, Any] = {"num_digits": digits} if digits else {"finish_on_key": "#"}
        return Gather(
            input="dtmf speech",
            action=place.url("turn"),
            method="POST",
            timeout=6,
            speech_timeout="2",
            language=speech.LANGUAGES.get(place.locale, "en-US"),
            hints=HINTS.get(place.locale, HINTS["en"]),
            action_on_empty_result=True,
            **options,
        )

    def _closed(self, gather: Any) -> str:
        response = VoiceResponse()
        response.append(gather)
        return str(response)

    def _say(self, parent: Any, kind: str, locale: str, **data: Any) -> None:
        words = wording.render(kind, data, locale=locale, medium="voice", house=self._house)
        parent.append(speech.say(words.ssml or "", locale))

    def _spoken(self, one: Spoken, locale: str) -> Any:
        return speech.say(one.ssml, locale) if one.ssml else speech.say_text(one.text, locale)
