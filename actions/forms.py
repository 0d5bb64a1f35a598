"""What forms share: reading an answer (yes or no, a choice, a date, an amount, digits) and the two bases of a form.

A form is three kinds of action: a question (``action_ask_<form>_<slot>``, a plain HubAction), a check of the answers
(`Check`) and the end (`Submit`). A customer may change the subject at any time: an answer that cannot be read but is
plainly another wish ends the form and the other wish is answered.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar

from rasa_sdk.events import FollowupAction, SlotSet

from actions import frame
from core import errors, wording
from core.ports import Choice, Reply

YES, NO = "YES", "NO"

_YES = {
    "en": "yes y yeah yep yup sure ok okay confirm confirmed correct right agreed please absolutely definitely go",
    "es": "si s sip claro vale ok okey dale confirmo confirmar correcto exacto acepto bueno adelante seguro",
}
_NO = {
    "en": "no n nope nah not never dont stop cancel wrong",
    "es": "no n nunca nada cancelar cancela incorrecto tampoco",
}
_UNDO = frozenset(("undo", "revert", "deshacer", "deshaz", "deshaga"))
_CALL_OFF = frozenset(("anular", "anula", "anule"))  # of a visit, too: there it may be a yes
# wishes that are no change of subject in the middle of a form
_SMALL_TALK = frozenset(
    ("", "affirm", "deny", "inform", "greet", "thanks", "help", "repeat", "nlu_fallback", "out_of_scope")
) | frozenset(("bot_challenge", "goodbye", "identity_verified", "returned_from_staff"))
_SURE = 0.75


def is_small_talk(intent: str) -> bool:
    """This will say whether an intent is no change of subject in the middle of a form."""
    return intent in _SMALL_TALK


def yes_no_choices() -> tuple[Choice, Choice]:
    """This will give the two quick replies of a yes-or-no question."""
    return Choice("choice.yes", "/affirm"), Choice("choice.no", "/deny")


def choice(label: str, value: str, **data: Any) -> Choice:
    """This will give a quick reply that answers a form's question. Values hold no quotes."""
    return Choice(label, '/inform{"choice":"' + value + '"}', data)


# --- reading answers -------------------------------------------------------------------------------------------------


def read_yes_no(ask: frame.Ask) -> str | None:
    """This will read YES or NO from an intent, a choice or plain words; None when it is neither, or both."""
    if ask.choice in (YES, NO):
        return ask.choice
    if not ask.text.startswith("/") and not _UNDO.isdisjoint(fold(ask.text).split()):
        return None  # to the classifier it sounds like a yes
    if ask.intent in ("affirm", "deny") and (ask.text.startswith("/") or ask.confidence >= _SURE):
        return YES if ask.intent == "affirm" else NO
    words = fold(ask.text).split()
    if not words or len(words) > 8:
        return None
    said = {
        answer: any(word in table[locale].split() for word in words for locale in table)
        for answer, table in ((YES, _YES), (NO, _NO))
    }
    if said[YES] == said[NO]:
        return None
    return YES if said[YES] else NO


def says_undo(ask: frame.Ask) -> bool:
    """This will say whether words, and no button, ask to take something back."""
    return not ask.text.startswith("/") and not (_UNDO | _CALL_OFF).isdisjoint(fold(ask.text).split())


def read_choice(ask: frame.Ask, choices: Sequence[Choice]) -> str | None:
    """This will read which of the offered choices is meant: its button, its number, or its label."""
    text, offered = fold(ask.text), [value_of(option) for option in choices]
    if ask.choice is None and text.isdigit() and 1 <= int(text) <= len(offered):
        return offered[int(text) - 1]
    return read_named(ask, choices)


def read_named(ask: frame.Ask, choices: Sequence[Choice]) -> str | None:
    """This will read which of some choices is meant by its button or its label, of choices that bear no numbers."""
    text, offered = fold(ask.text), [value_of(option) for option in choices]
    if ask.choice is not None:
        return ask.choice if ask.choice in offered else None
    if not text:
        return None
    house = frame.house(ask.hub)
    labels = [fold(wording.label(o.label, frame.plain(o.data), locale=ask.locale, house=house)) for o in choices]
    for meant in (
        [value for value in offered if fold(value) == text],
        [value for value, label in zip(offered, labels, strict=True) if label == text],
        [value for value, label in zip(offered, labels, strict=True) if text in label or label in text],
    ):
        if len(meant) == 1:
            return meant[0]
    return None


def value_of(option: Choice) -> str:
    """This will give the value inside a choice's payload."""
    found = re.search(r'"choice":"([^"]*)"', option.payload)
    return found.group(1) if found else option.payload.lstrip("/")


def read_date(ask: frame.Ask) -> date | None:
    """This will read a civil day: a choice, what Duckling found, an ISO or US date, or today and tomorrow."""
    found: dict[str, Any] = next(
        (e for e in ask.tracker.latest_message.get("entities") or () if e.get("entity") == "date"), {}
    )
    vague = (found.get("additional_info") or {}).get("grain") in ("month", "quarter", "year")
    for said in (ask.choice, None if vague else found.get("value"), ask.text):
        if isinstance(said, dict):  # an interval: its beginning
            said = said.get("from") or said.get("to")
        day = _day(str(said or ""), ask.today, day_first=ask.locale == "es")
        if day is not None:
            return day
    return None


def read_amount(ask: frame.Ask) -> Decimal | None:
    """This will read an amount of money: what Duckling found, or the one number of the text."""
    said = ask.entity("amount")
    if isinstance(said, dict):
        said = said.get("from") or said.get("to")
    if said is not None:
        return _decimal(str(said))
    found = re.findall(r"\d[\d,]*(?:\.\d{1,2})?", "" if ask.text.startswith("/") else ask.text)
    return _decimal(found[0].replace(",", "")) if len(found) == 1 else None


def read_number(ask: frame.Ask) -> int | None:
    """This will read one whole number: a choice, the digits of the text, or a number word Duckling knew."""
    if ask.choice is not None:
        return int(ask.choice) if ask.choice.isdigit() else None
    found = re.findall(r"\d+", ask.text)
    if len(found) == 1:
        return int(found[0])
    said = ask.entity("number")
    if not found and isinstance(said, int | float) and said == int(said):
        return int(said)
    return None


def read_digits(ask: frame.Ask) -> str | None:
    """This will read the digits of a display ("48 213"); None for a fraction, a sign, or several numbers."""
    text = ask.text
    if text.startswith("/") or re.search(r"\d[.,]\d|[-+]\s*\d", text):
        return None
    found = re.findall(r"\d+(?: \d+)*", text)
    return found[0].replace(" ", "") if len(found) == 1 else None


def read_text(ask: frame.Ask, *, least: int = 4, most: int = 1000) -> str | None:
    """This will read free words, cleaned of control characters; None when there is too little to go by."""
    if ask.text.startswith("/"):
        return None
    text = "".join(c for c in ask.text if c in "\n\t" or unicodedata.category(c)[0] != "C").strip()
    return text[:most] if len(re.sub(r"\W", "", text)) >= least else None


def last_asked(ask: frame.Ask, kind: str) -> dict[str, Any]:
    """This will give the data of the question as it was put, so that "yes" means what the customer read."""
    for event in reversed(ask.tracker.events):
        said = (event.get("data") or {}).get("custom") if event.get("event") == "bot" else None
        if said and said.get("kind") == kind:
            return dict(said.get("data") or {})
    return {}


def fold(text: str) -> str:
    """This will give text without case, accents and punctuation, for comparing."""
    bare = unicodedata.normalize("NFKD", text.casefold())
    kept = "".join(c for c in bare if not unicodedata.combining(c))
    return re.sub(r"[^\w]+", " ", kept.replace("'", "")).strip()


# --- the three kinds of action a form is made of ------------------------------------------------------------------


class Question(frame.HubAction):
    """``action_ask_<form>_<slot>``: a subclass gives `form`, `slot`, `subject` and says the question in `answer`."""

    slot: ClassVar[str]
    subject: ClassVar[str]  # the intent that starts the form

    def name(self) -> str:
        return f"action_ask_{self.form}_{self.slot}"

    def resume_as(self, tracker: Any) -> str:
        return f"action_{self.subject}"

    def stop(self, **slots: Any) -> list[frame.Event]:
        """A question does not touch `flow`."""
        return []


class Check(frame.HubAction):
    """``validate_<form>``: a subclass gives `form`, `subject` and one ``check_<slot>(ask) -> value | None`` per slot.

    None means that the answer could not be read; the check may have said why (`ask.say`), else the form's hint is
    said. The question is then asked again by the form itself.
    """

    subject: ClassVar[str]
    hint: ClassVar[str] = "forms.hint"
    free_text: ClassVar[frozenset[str]] = frozenset()  # slots whose words may look like any other wish

    def name(self) -> str:
        return f"validate_{self.form}"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        events: list[frame.Event] = []
        for slot in self._candidates(ask.tracker):
            value = self._checked(ask, slot)
            if value is None and self._other_wish(ask, slot):
                ask.replies.clear()
                return [SlotSet(slot, None), SlotSet("requested_slot", None)]
            if value is None and not ask.replies and ask.intent not in ("repeat", "identity_verified"):
                ask.say("forms.hint_yes_no" if slot == "confirm" else self.hint)
            ask.tracker.slots[slot] = value
            events.append(SlotSet(slot, value))
        return events

    def check_confirm(self, ask: frame.Ask) -> str | None:
        return read_yes_no(ask)

    def failed(self, tracker: Any) -> list[frame.Event]:
        """What could not be checked counts as not answered: an unchecked answer must never stay in its slot."""
        return [SlotSet(slot, None) for slot in self._candidates(tracker)]

    def _candidates(self, tracker: Any) -> list[str]:
        """The form's slots that hold the words just said. What `go` emptied or filled is no answer to check."""
        slots, said = frame.FORMS[self.form or ""], str(tracker.latest_message.get("text") or "")
        return [slot for slot, value in tracker.slots_to_validate().items() if slot in slots and value == said]

    def _checked(self, ask: frame.Ask, slot: str) -> Any:
        check: Callable[[frame.Ask], Any] = getattr(self, f"check_{slot}")
        try:
            return check(ask)
        except errors.Invalid as exc:
            ask.replies.extend(self.explain(exc))
            return None

    def _other_wish(self, ask: frame.Ask, slot: str) -> bool:
        if ask.intent in _SMALL_TALK or ask.intent == self.subject:
            return False
        if ask.text.startswith("/"):
            return True
        return slot not in self.free_text and ask.confidence >= _SURE

    def _identify(self, hub: Any, tracker: Any) -> tuple[list[Reply], list[frame.Event]]:
        """Who is speaking is no longer known: leave the form; its end asks for identity and starts over."""
        return [], [*self.failed(tracker), SlotSet("requested_slot", None)]


class Submit(frame.HubAction):
    """``action_submit_<x>``: a subclass gives `form`, `subject` and `submit`, called once all is confirmed."""

    subject: ClassVar[str]

    def resume_as(self, tracker: Any) -> str:
        return self.name() if self._complete(tracker) else f"action_{self.subject}"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        slots = frame.FORMS[self.form or ""]
        empty = dict.fromkeys(slots)
        if not self._complete(ask.tracker):
            return self._left(ask, empty)
        if "confirm" in slots and ask.slot("confirm") == NO:
            ask.say("forms.nothing_changed", choices=(Choice("choice.menu", "/help"),))
            return self.stop(**empty)
        self.submit(ask)
        return self.stop(**empty)

    def submit(self, ask: frame.Ask) -> None:
        """This will do what the form was for, and say so."""
        raise NotImplementedError

    def failed(self, tracker: Any) -> list[frame.Event]:
        return self.stop(**dict.fromkeys(frame.FORMS[self.form or ""]))

    def _complete(self, tracker: Any) -> bool:
        return all(tracker.slots.get(name) is not None for name in frame.FORMS[self.form or ""])

    def _left(self, ask: frame.Ask, empty: dict[str, None]) -> list[frame.Event]:
        """The form was left half-way: answer the other wish, or say that nothing was changed."""
        if ask.intent in _SMALL_TALK:
            ask.say("forms.nothing_changed", choices=(Choice("choice.menu", "/help"),))
            return self.stop(**empty)
        return [*self.stop(**empty), FollowupAction(f"action_{ask.intent}")]


# --- reading parts ---------------------------------------------------------------------------------------------------


def _day(said: str, today: date, *, day_first: bool) -> date | None:
    text = fold(said)
    if text in ("today", "hoy"):
        return today
    if text in ("tomorrow", "manana"):
        return today + timedelta(days=1)
    iso = re.search(r"\b(\d{4})-(\d{2})-(\d{2})(?!\d)", said)
    us = re.fullmatch(r"\s*(\d{1,2})[/-](\d{1,2})(?:[/-](\d{2}|\d{4}))?\s*", said)
    try:
        if iso:
            return date(int(iso[1]), int(iso[2]), int(iso[3]))
        if us:
            year = int(us[3] or today.year)
            month, number = (int(us[2]), int(us[1])) if day_first else (int(us[1]), int(us[2]))
            day = date(year + 2000 if year < 100 else year, month, number)
            return day if us[3] or day >= today else day.replace(year=day.year + 1)
    except ValueError:
        return None
    return None


def _decimal(text: str) -> Decimal | None:
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    return value.quantize(Decimal("0.01")) if value.is_finite() and value < 10**9 else None
