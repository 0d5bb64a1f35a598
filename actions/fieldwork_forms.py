"""Visits: booking one, moving it, cancelling it. One open visit is meant without asking which."""

from collections.abc import Sequence
from typing import Any

from actions import asked, forms, frame, menu, windows
from core import errors
from core.fieldwork import operations as working
from core.fieldwork import queries as fieldwork
from core.ports import Choice, Reply

VISITS = ("REPAIR", "METER_TEST", "MAINTENANCE", "NEW_CONNECTION", "SOLAR", "TREE")

# --- booking ---------------------------------------------------------------------------------------------------------


class BookAppointment(frame.HubAction):
    """Books for the open request that waits for a visit; without one, asks what the visit is for."""

    name_, needs, form = "action_book_appointment", 2, "booking_form"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        new = asked.choice(ask, "book_appointment") == "NEW"
        booked = visits(ask)
        if booked and not new:
            more = Choice("choice.another_visit", '/book_appointment{"choice":"NEW"}')
            ask.say(
                "fieldwork.booked_already",
                choices=(*menu.wishes("reschedule_appointment", "cancel_appointment"), more),
                **visit_data(booked[0]),
            )
            return self.stop()
        waiting = waiting_requests(ask)
        if len(waiting) == 1 and not new:
            ask.say("fieldwork.book_for", number=waiting[0].number, work=waiting[0].kind)
            return self.go(appointment_kind=f"REQUEST:{waiting[0].number}")
        if not waiting and not kinds_with_room(ask):
            ask.say("fieldwork.no_slots", choices=(frame.person(),))
            return self.stop()
        return self.go()


class AskVisitKind(forms.Question):
    form, slot, subject = "booking_form", "appointment_kind", "book_appointment"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        ask.say("fieldwork.ask_kind", choices=kind_choices(ask))
        return []


class AskBookingSlot(forms.Question):
    form, slot, subject = "booking_form", "appointment_slot", "book_appointment"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        windows.offer_slots(ask, work_kind(ask))
        return []


class CheckBooking(forms.Check):
    form, subject, hint = "booking_form", "book_appointment", "forms.hint_choice"

    def check_appointment_kind(self, ask: frame.Ask) -> str | None:
        return forms.read_choice(ask, kind_choices(ask))

    def check_appointment_slot(self, ask: frame.Ask) -> str | None:
        return windows.read_slot(ask, work_kind(ask))


class AskBookingConfirm(forms.Question):
    form, slot, subject = "booking_form", "confirm", "book_appointment"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        slot = fieldwork.get_slot(ask.session, slot_id=int(ask.slot("appointment_slot") or 0))
        ask.say(
            "fieldwork.book_confirm",
            choices=forms.yes_no_choices(),
            work=work_kind(ask),
            starts_at=slot.starts_at,
            ends_at=slot.ends_at,
        )
        return []


class SubmitBooking(forms.Submit):
    name_, needs, form, subject = "action_submit_booking", 2, "booking_form", "book_appointment"

    def submit(self, ask: frame.Ask) -> None:
        account, wanted = ask.account(), str(ask.slot("appointment_kind"))
        if wanted.startswith("REQUEST:"):
            request = fieldwork.get_request(ask.session, number=wanted.partition(":")[2], account_id=account.id)
        else:
            request = working.open_request(
                ask.session,
                kind=wanted,
                account_id=account.id,
                customer_id=account.customer_id,
                description=wanted,
                data={"channel": ask.speaker.channel},
                key=ask.key,
                now=ask.now,
            )
        visit = working.book_appointment(
            ask.session,
            request_id=request.id,
            slot_id=int(ask.slot("appointment_slot") or 0),
            key=f"{ask.key}:book",
            now=ask.now,
        )
        ask.say(
            "fieldwork.booked",
            choices=menu.wishes("reschedule_appointment", "cancel_appointment"),
            **visit_data(visit),
        )

    def explain(self, exc: errors.WattlineError) -> list[Reply]:
        return try_again(super().explain(exc), exc, "book_appointment")


# --- moving ----------------------------------------------------------------------------------------------------------


class RescheduleAppointment(frame.HubAction):
    name_, needs, form = "action_reschedule_appointment", 2, "reschedule_form"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        return start_with_visit(self, ask, "fieldwork.move_start")


class AskMoveChoice(forms.Question):
    form, slot, subject = "reschedule_form", "appointment_choice", "reschedule_appointment"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        ask.say("fieldwork.ask_which", choices=visit_choices(ask))
        return []


class AskMoveSlot(forms.Question):
    form, slot, subject = "reschedule_form", "appointment_slot", "reschedule_appointment"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        visit = chosen_visit(ask)
        windows.offer_slots(ask, visit.kind, but=visit.starts_at)
        return []


class CheckReschedule(forms.Check):
    form, subject, hint = "reschedule_form", "reschedule_appointment", "forms.hint_choice"

    def check_appointment_choice(self, ask: frame.Ask) -> str | None:
        return read_visit(ask)

    def check_appointment_slot(self, ask: frame.Ask) -> str | None:
        visit = chosen_visit(ask)
        return windows.read_slot(ask, visit.kind, but=visit.starts_at)


class AskMoveConfirm(forms.Question):
    form, slot, subject = "reschedule_form", "confirm", "reschedule_appointment"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        slot = fieldwork.get_slot(ask.session, slot_id=int(ask.slot("appointment_slot") or 0))
        ask.say(
            "fieldwork.move_confirm",
            choices=forms.yes_no_choices(),
            **visit_data(chosen_visit(ask)),
            to_starts_at=slot.starts_at,
            to_ends_at=slot.ends_at,
        )
        return []


class SubmitReschedule(forms.Submit):
    name_, needs, form, subject = "action_submit_reschedule", 2, "reschedule_form", "reschedule_appointment"

    def submit(self, ask: frame.Ask) -> None:
        visit = working.move_appointment(
            ask.session,
            appointment_id=chosen_visit(ask).id,
            slot_id=int(ask.slot("appointment_slot") or 0),
            key=ask.key,
            now=ask.now,
        )
        ask.say(
            "fieldwork.moved",
            choices=menu.wishes("cancel_appointment", "request_status"),
            **visit_data(visit),
        )

    def explain(self, exc: errors.WattlineError) -> list[Reply]:
        return try_again(super().explain(exc), exc, "reschedule_appointment")


# --- cancelling ------------------------------------------------------------------------------------------------------


class CancelAppointment(frame.HubAction):
    name_, needs, form = "action_cancel_appointment", 2, "cancel_appointment_form"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        return start_with_visit(self, ask, None)


class AskCancelChoice(forms.Question):
    form, slot, subject = "cancel_appointment_form", "appointment_choice", "cancel_appointment"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        ask.say("fieldwork.ask_which", choices=visit_choices(ask))
        return []


class CheckCancelAppointment(forms.Check):
    form, subject, hint = "cancel_appointment_form", "cancel_appointment", "forms.hint_choice"

    def check_appointment_choice(self, ask: frame.Ask) -> str | None:
        return read_visit(ask)


class AskCancelConfirm(forms.Question):
    form, slot, subject = "cancel_appointment_form", "confirm", "cancel_appointment"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        ask.say("fieldwork.cancel_confirm", choices=forms.yes_no_choices(), **visit_data(chosen_visit(ask)))
        return []


class SubmitCancelAppointment(forms.Submit):
    name_, needs = "action_submit_cancel_appointment", 2
    form, subject = "cancel_appointment_form", "cancel_appointment"

    def submit(self, ask: frame.Ask) -> None:
        visit = working.cancel_appointment(ask.session, appointment_id=chosen_visit(ask).id, key=ask.key, now=ask.now)
        ask.say(
            "fieldwork.cancelled",
            choices=menu.wishes("book_appointment", "request_status"),
            **visit_data(visit),
        )


# --- visits ----------------------------------------------------------------------------------------------------------


def visits(ask: frame.Ask) -> tuple[fieldwork.Appointment, ...]:
    """This will give the verified account's visits to come, soonest first."""
    return fieldwork.list_appointments(ask.session, account_id=ask.account().id, now=ask.now)


def start_with_visit(action: frame.HubAction, ask: frame.Ask, told: str | None) -> list[frame.Event]:
    """This will start a form about a visit: there may be none, one (then it is that), or several (then it asks).

    Refused('appointment.too_late') when the only one is too near.
    """
    found = visits(ask)
    if not found:
        ask.say("fieldwork.no_visit", choices=menu.wishes("book_appointment", "request_status"))
        return action.stop()
    changeable = [visit for visit in found if visit.may_change(ask.now)]
    if not changeable:
        raise errors.Refused("appointment.too_late", starts_at=found[0].starts_at)
    named = [visit for visit in changeable if str(visit.id) == ask.choice]
    visit = (named or changeable)[0]
    if len(found) > 1 and not named:
        return action.go()
    if told is not None:
        ask.say(told, **visit_data(visit))
    return action.go(appointment_choice=str(visit.id))


def chosen_visit(ask: frame.Ask) -> fieldwork.Appointment:
    """This will give the visit the form is about; NotFound when it is not the account's."""
    said = str(ask.slot("appointment_choice") or "0")
    return fieldwork.get_appointment(ask.session, appointment_id=int(said), account_id=ask.account().id)


def visit_choices(ask: frame.Ask) -> tuple[Choice, ...]:
    """This will give one quick reply per visit to come."""
    return tuple(
        forms.choice("fieldwork.slot_choice", str(visit.id), starts_at=visit.starts_at) for visit in visits(ask)
    )


def read_visit(ask: frame.Ask) -> str | None:
    """This will read which visit is meant: its button, its number in the list, its words, or its day."""
    said = forms.read_choice(ask, visit_choices(ask))
    if said is None and ask.choice is None:
        day = forms.read_date(ask)
        there = [visit for visit in visits(ask) if windows.day_of(visit.starts_at, ask) == day]
        said = str(there[0].id) if len(there) == 1 else None
    if said is not None:
        visit = next(visit for visit in visits(ask) if str(visit.id) == said)
        if not visit.may_change(ask.now):
            raise errors.Invalid("appointment.too_late", starts_at=visit.starts_at)
    return said


def visit_data(visit: fieldwork.Appointment) -> dict[str, Any]:
    """This will give what is said of a visit."""
    return {
        "number": visit.request_number,
        "work": visit.kind,
        "starts_at": visit.starts_at,
        "ends_at": visit.ends_at,
    }


# --- what a visit is for ---------------------------------------------------------------------------------------------


def waiting_requests(ask: frame.Ask) -> list[fieldwork.ServiceRequest]:
    """This will give the account's open requests that a crew visits and that have no visit yet, latest first."""
    return [
        request
        for request in fieldwork.list_requests(ask.session, account_id=ask.account().id)
        if request.status in ("OPEN", "IN_PROGRESS") and request.appointment is None and has_room(ask, request.kind)
    ]


def has_room(ask: frame.Ask, kind: str) -> bool:
    """This will say whether any crew has time for a kind of work."""
    return bool(fieldwork.list_slots(ask.session, kind=kind, after=ask.now, limit=1))


def kinds_with_room(ask: frame.Ask) -> list[str]:
    """This will give the kinds of visit that can be booked now."""
    return [kind for kind in VISITS if has_room(ask, kind)]


def kind_choices(ask: frame.Ask) -> tuple[Choice, ...]:
    """This will give what a visit may be for: the requests that wait for one, then the kinds of work."""
    waiting = [
        forms.choice("fieldwork.request_choice", f"REQUEST:{request.number}", number=request.number)
        for request in waiting_requests(ask)[:3]
    ]
    return (*waiting, *(forms.choice(f"fieldwork.kind.{kind}", kind) for kind in kinds_with_room(ask)))


def work_kind(ask: frame.Ask) -> str:
    """This will give the kind of work the booking is for."""
    wanted = str(ask.slot("appointment_kind"))
    if not wanted.startswith("REQUEST:"):
        return wanted
    number = wanted.partition(":")[2]
    return fieldwork.get_request(ask.session, number=number, account_id=ask.account().id).kind


def try_again(said: list[Reply], exc: errors.WattlineError, intent: str) -> list[Reply]:
    """This will offer other times where somebody else was faster."""
    if exc.code == "appointment.slot_full":
        return [Reply(reply.kind, reply.data, (*menu.wishes(intent), frame.person())) for reply in said]
    return said


ACTIONS = (
    BookAppointment,
    AskVisitKind,
    AskBookingSlot,
    CheckBooking,
    AskBookingConfirm,
    SubmitBooking,
    RescheduleAppointment,
    AskMoveChoice,
    AskMoveSlot,
    CheckReschedule,
    AskMoveConfirm,
    SubmitReschedule,
    CancelAppointment,
    AskCancelChoice,
    CheckCancelAppointment,
    AskCancelConfirm,
    SubmitCancelAppointment,
)
