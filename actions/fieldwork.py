"""Work at a place: connections and repairs asked for, how far a request is, when we are open."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from actions import forms, frame, menu
from core import errors
from core.conversations import operations as conversing
from core.fieldwork import operations as working
from core.fieldwork import queries as fieldwork
from core.ports import Choice

_OPEN = ("OPEN", "SCHEDULED", "IN_PROGRESS")
_MOST = 4  # requests told of at once
# the words by which a problem falls to a kind of crew; what has none of them is a repair
_KINDS = (
    ("STREETLIGHT", r"street ?-?lights?|street lamps?|lamp ?posts?|farolas?|alumbrado|luminarias?|luz de la calle"),
    ("TREE", r"trees?|branch(?:es)?|limbs?|trimming|arbol(?:es)?|ramas?|poda\w*"),
    ("METER_TEST", r"(?:test|check|inspect|verify)\w* (?:\w+ ){0,2}meter|meter (?:test|check|inspection|accuracy)|"
                   r"(?:probar|revisar|prueba|revision)\w* (?:\w+ ){0,2}medidor"),
    ("MAINTENANCE", r"maintenance|mantenimiento"),
)  # fmt: skip


class NewConnection(frame.HubAction):
    """A new line, or more power: nobody has to be a customer to ask for one."""

    name_, form = "action_new_connection", "connection_form"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        ask.say("fieldwork.connection_start")
        return self.go()


class AskConnectionAddress(forms.Question):
    form, slot, subject = "connection_form", "service_address", "new_connection"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        ask.say("fieldwork.connection_ask_address")
        return []


class AskConnectionDate(forms.Question):
    form, slot, subject = "connection_form", "service_date", "new_connection"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        ask.say("fieldwork.connection_ask_date")
        return []


class CheckConnection(forms.Check):
    form, subject, hint = "connection_form", "new_connection", "forms.hint_date"
    free_text = frozenset(("service_address",))

    def check_service_address(self, ask: frame.Ask) -> str | None:
        return read_address(ask)

    def check_service_date(self, ask: frame.Ask) -> str | None:
        return read_coming_day(ask)


class AskConnectionConfirm(forms.Question):
    form, slot, subject = "connection_form", "confirm", "new_connection"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        ask.say(
            "fieldwork.connection_confirm",
            choices=forms.yes_no_choices(),
            address=ask.slot("service_address"),
            on=ask.slot("service_date"),
        )
        return []


class SubmitConnection(forms.Submit):
    name_, form, subject = "action_submit_connection", "connection_form", "new_connection"

    def submit(self, ask: frame.Ask) -> None:
        address, on = str(ask.slot("service_address")), str(ask.slot("service_date"))
        request = open_request(ask, "NEW_CONNECTION", f"{address}, {on}", address=address, on=on)
        ask.say("fieldwork.connection_opened", choices=after(ask), number=request.number, address=address)


class RequestRepair(frame.HubAction):
    name_, form = "action_request_repair", "repair_form"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        ask.say("fieldwork.repair_start")
        return self.go()


class AskProblem(forms.Question):
    form, slot, subject = "repair_form", "problem", "request_repair"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        ask.say("fieldwork.repair_ask", choices=(frame.person(),), home=ask.speaker.level >= 2)
        return []


class CheckRepair(forms.Check):
    form, subject, hint = "repair_form", "request_repair", "forms.hint_words"
    free_text = frozenset(("problem",))

    def check_problem(self, ask: frame.Ask) -> str | None:
        return forms.read_text(ask, least=6)


class AskRepairConfirm(forms.Question):
    form, slot, subject = "repair_form", "confirm", "request_repair"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        problem = str(ask.slot("problem"))
        ask.say(
            "fieldwork.repair_confirm",
            choices=forms.yes_no_choices(),
            work=kind_of(problem),
            problem=problem,
        )
        return []


class SubmitRepair(forms.Submit):
    name_, form, subject = "action_submit_repair", "repair_form", "request_repair"

    def submit(self, ask: frame.Ask) -> None:
        problem = str(ask.slot("problem"))
        request = open_request(ask, kind_of(problem), problem)
        ask.say("fieldwork.repair_opened", choices=after(ask), number=request.number, work=request.kind)


class RequestStatus(frame.HubAction):
    """How far the account's requests are: the one named, else the open ones, else the latest."""

    name_, needs = "action_request_status", 2

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        account = ask.account()
        named = re.search(r"\bSR[- ]?(\d{1,9})\b", ask.choice or ask.text, re.IGNORECASE)
        if named:
            say_request(ask, fieldwork.get_request(ask.session, number=named[1], account_id=account.id))
            return self.stop()
        requests = fieldwork.list_requests(ask.session, account_id=account.id)
        waiting = [request for request in requests if request.status in _OPEN]
        if not requests:
            ask.say("fieldwork.no_request", choices=menu.wishes("request_repair", "book_appointment"))
        elif len(waiting) <= 1:
            say_request(ask, waiting[0] if waiting else requests[0])
        else:
            ask.say(
                "fieldwork.requests",
                choices=[Choice("fieldwork.request_choice", _status_of(r), {"number": r.number})
                         for r in waiting[:_MOST]],
                requests=[request_data(request) for request in waiting[:_MOST]],
                more=max(0, len(waiting) - _MOST),
            )  # fmt: skip
        return self.stop()


class OfficeHours(frame.HubAction):
    """When people answer, and how to reach them; the assistant and the emergency line are always there."""

    name_ = "action_office_hours"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        opens_at = conversing.staff_opens_at(ask.hub.settings, ask.now)
        ask.say(
            "fieldwork.office_hours",
            choices=(frame.person(), *menu.wishes("book_appointment")),
            open_now=opens_at <= ask.now,
            opens_at=opens_at,
            address=ask.hub.settings.postal_address,
            email=ask.hub.settings.email_from,
        )
        return []


# --- shared with the forms -------------------------------------------------------------------------------------------


def open_request(ask: frame.Ask, kind: str, description: str, **data: Any) -> fieldwork.ServiceRequest:
    """This will open a request in the name of the verified account, or of nobody; staff find its conversation."""
    return working.open_request(
        ask.session,
        kind=kind,
        account_id=ask.speaker.account_id,
        customer_id=ask.speaker.customer_id,
        description=description,
        data={**data, "channel": ask.speaker.channel, "conversation": ask.speaker.conversation_id},
        key=ask.key,
        now=ask.now,
    )


def after(ask: frame.Ask) -> Sequence[Choice]:
    """This will offer what comes after a request: a visit and its status, where we know whose it is."""
    if ask.speaker.account_id is None:
        return (frame.person(),)
    return menu.wishes("book_appointment", "request_status")


def kind_of(problem: str) -> str:
    """This will say which kind of crew a problem is for."""
    text = forms.fold(problem)
    return next((kind for kind, words in _KINDS if re.search(rf"\b(?:{words})\b", text)), "REPAIR")


def read_address(ask: frame.Ask) -> str | None:
    """This will read a street address: it has a number and a name; what it lacks is asked for."""
    text = forms.read_text(ask, least=5, most=200)
    if text is None or not re.search(r"\d", text) or not re.search(r"[^\W\d]{2,}", text):
        ask.say("fieldwork.hint_address")
        return None
    return " ".join(text.split())


def read_coming_day(ask: frame.Ask) -> str | None:
    """This will read a day from today to a year ahead, as ISO; Invalid for one that is past."""
    day = forms.read_date(ask)
    if day is None:
        return None
    if day < ask.today:
        raise errors.Invalid("service.starts_in_past")
    if (day - ask.today).days > 365:
        ask.say("fieldwork.hint_too_far")
        return None
    return day.isoformat()


def say_request(ask: frame.Ask, request: fieldwork.ServiceRequest) -> None:
    """This will say how far one request is."""
    visit = request.appointment
    if visit is not None and visit.may_change(ask.now):
        offers = ("reschedule_appointment", "cancel_appointment")
    elif visit is None and request.status == "OPEN":
        offers = ("book_appointment", "office_hours")
    else:
        offers = ("office_hours", "complaint")
    ask.say("fieldwork.request", choices=(*menu.wishes(*offers), frame.person()), **request_data(request))


def request_data(request: fieldwork.ServiceRequest) -> dict[str, Any]:
    """This will give what is said of a request; `note` is the last thing a person wrote."""
    notes = [update for update in request.updates if update.note]
    visit = request.appointment
    last: datetime = request.updates[-1].at if request.updates else request.opened_at
    return {
        "number": request.number,
        "work": request.kind,
        "status": request.status,
        "opened_at": request.opened_at,
        "changed_at": last,
        "note": notes[-1].note if notes else None,
        "starts_at": visit.starts_at if visit else None,
        "ends_at": visit.ends_at if visit else None,
    }


def _status_of(request: fieldwork.ServiceRequest) -> str:
    return '/request_status{"choice":"' + request.number + '"}'


ACTIONS = (
    NewConnection,
    AskConnectionAddress,
    AskConnectionDate,
    CheckConnection,
    AskConnectionConfirm,
    SubmitConnection,
    RequestRepair,
    AskProblem,
    CheckRepair,
    AskRepairConfirm,
    SubmitRepair,
    RequestStatus,
    OfficeHours,
)
