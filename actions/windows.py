"""Windows of a crew's time: offering the next ones, and reading which of them is meant."""

from datetime import UTC, date, datetime, timedelta

from actions import forms, frame
from core import periods
from core.fieldwork import queries as fieldwork

OFFERED = 4  # windows at once
_AHEAD = 400  # windows among which an answer may be


def offer_slots(ask: frame.Ask, kind: str, *, but: datetime | None = None) -> None:
    """This will offer the next free windows, or those from the day on that was just asked for."""
    free = free_slots(ask, kind, but=but)
    after = _wanted_from(ask)
    later = [slot for slot in free if after is None or slot.starts_at >= after] or free
    offered = later[:OFFERED]
    if not offered:
        ask.say("fieldwork.no_slots", choices=(frame.person(),))
        return
    choices = [forms.choice("fieldwork.slot_choice", str(slot.id), starts_at=slot.starts_at) for slot in offered]
    if len(later) > OFFERED:
        choices.append(forms.choice("choice.later", f"AFTER:{later[OFFERED].starts_at.astimezone(UTC):%Y%m%dT%H%M}"))
    ask.say(
        "fieldwork.ask_slot",
        choices=choices,
        slots=[{"id": slot.id, "starts_at": slot.starts_at, "ends_at": slot.ends_at} for slot in offered],
    )


def read_slot(ask: frame.Ask, kind: str, *, but: datetime | None = None) -> str | None:
    """This will read which window is meant: its button, its number in the list, or a day with one free window.

    A day with several is answered by offering that day's; it says so, and the question is asked again.
    """
    free = free_slots(ask, kind, but=but)
    if ask.choice is not None:
        if ask.choice.startswith("AFTER:"):
            ask.say("fieldwork.slots_later")
            return None
        return ask.choice if ask.choice in {str(slot.id) for slot in free} else None
    last = forms.last_asked(ask, "fieldwork.ask_slot").get("slots") or ()
    offered = [slot for slot in free if str(slot.id) in {str(told["id"]) for told in last}]
    said = forms.read_choice(
        ask, [forms.choice("fieldwork.slot_choice", str(s.id), starts_at=s.starts_at) for s in offered]
    )
    if said is not None:
        return said
    day = forms.read_date(ask)
    if day is None:
        return None
    there = [slot for slot in free if day_of(slot.starts_at, ask) == day]
    if len(there) == 1:
        return str(there[0].id)
    ask.say("fieldwork.slots_that_day" if there else "fieldwork.slots_none_that_day", on=day)
    return None


def free_slots(ask: frame.Ask, kind: str, *, but: datetime | None = None) -> list[fieldwork.Slot]:
    """This will list free windows for a kind of work, without the one the visit has already."""
    found = fieldwork.list_slots(ask.session, kind=kind, after=ask.now, limit=_AHEAD)
    return [slot for slot in found if slot.starts_at != but]


def _wanted_from(ask: frame.Ask) -> datetime | None:
    if ask.choice and ask.choice.startswith("AFTER:"):
        said = ask.choice.removeprefix("AFTER:")
        return datetime.fromisoformat(f"{said}00+00:00") if len(said) == 13 else None
    day = forms.read_date(ask) if ask.choice is None else None
    if day is None or not ask.today <= day <= ask.today + timedelta(days=365):
        return None
    return periods.midnight(day, ask.hub.settings.utility_timezone)


def day_of(at: datetime, ask: frame.Ask) -> date:
    """This will give the civil day of an instant where we are."""
    return periods.civil_day(at, ask.hub.settings.utility_timezone)
