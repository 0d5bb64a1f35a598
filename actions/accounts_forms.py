"""Moving in, out and house, and medical equipment in the home."""

from collections.abc import Sequence
from datetime import date

from actions import asked, fieldwork, forms, frame, menu
from billing import operations as billing
from billing import queries as billing_queries
from core import errors
from core.accounts import operations as keeping
from core.accounts import queries as accounts
from core.fieldwork import moves
from core.ports import Choice

# --- starting service ------------------------------------------------------------------------------------------------


class StartService(frame.HubAction):
    """Anybody may ask for service. Who has an account proves it first, and is served under it."""

    name_, form = "action_start_service", "start_service_form"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        known = ask.speaker.recognised_customer_id is not None
        if ask.speaker.level < 2 and (known or asked.choice(ask, "start_service") == "CUSTOMER"):
            raise errors.Refused("identity.unverified")
        ask.say("service.start", known=ask.speaker.level >= 2)
        return self.go()


class AskStartAddress(forms.Question):
    form, slot, subject = "start_service_form", "service_address", "start_service"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        choices = () if ask.speaker.level >= 2 else (forms.choice("choice.have_account", "CUSTOMER"),)
        ask.say("service.ask_address", choices=choices)
        return []


class AskStartDate(forms.Question):
    form, slot, subject = "start_service_form", "service_date", "start_service"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        ask.say("service.ask_start_date")
        return []


class CheckStartService(forms.Check):
    form, subject, hint = "start_service_form", "start_service", "forms.hint_date"
    free_text = frozenset(("service_address",))

    def check_service_address(self, ask: frame.Ask) -> str | None:
        if ask.choice == "CUSTOMER" and ask.speaker.level < 2:
            raise errors.Refused("identity.unverified")  # leaves the form; its end asks who it is
        return fieldwork.read_address(ask)

    def check_service_date(self, ask: frame.Ask) -> str | None:
        return fieldwork.read_coming_day(ask)


class AskStartConfirm(forms.Question):
    form, slot, subject = "start_service_form", "confirm", "start_service"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        ask.say(
            "service.start_confirm",
            choices=forms.yes_no_choices(),
            address=ask.slot("service_address"),
            on=ask.slot("service_date"),
        )
        return []


class SubmitStartService(forms.Submit):
    name_, form, subject = "action_submit_start_service", "start_service_form", "start_service"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        if ask.choice == "CUSTOMER" and ask.speaker.level < 2:
            raise errors.Refused("identity.unverified")
        return super().answer(ask)

    def submit(self, ask: frame.Ask) -> None:
        address, on = str(ask.slot("service_address")), date.fromisoformat(str(ask.slot("service_date")))
        if ask.speaker.level < 2:
            request = fieldwork.open_request(
                ask, "START_SERVICE", f"{address}, {on}", address=address, on=on.isoformat(), settled=False
            )
            ask.say("service.start_asked", choices=(frame.person(),), number=request.number, address=address, on=on)
            return
        change = moves.start_service(
            ask.session, account_id=ask.account().id, address=address, starts_on=on, key=ask.key, now=ask.now
        )
        ask.say(
            "service.started",
            choices=menu.wishes("tariff_info", "request_status"),
            number=change.request_number,
            settled=change.settled,
            address=address,
            on=on,
        )


# --- ending service --------------------------------------------------------------------------------------------------


class StopService(frame.HubAction):
    """Ends service at the one home of the account; of several, a person ends the right one."""

    name_, needs, form = "action_stop_service", 2, "stop_service_form"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        points = homes(ask)
        if len(points) > 1:
            ask.say("service.several", choices=(frame.person(),), count=len(points))
            return self.stop()
        ending = points[0].ends_on
        if ending is not None:
            ask.say("service.ends_already", choices=(*menu.wishes("start_service"), frame.person()), on=ending)
            return self.stop()
        ask.say("service.stop", address=points[0].address)
        return self.go()


class AskStopDate(forms.Question):
    form, slot, subject = "stop_service_form", "service_date", "stop_service"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        ask.say("service.ask_stop_date")
        return []


class CheckStopService(forms.Check):
    form, subject, hint = "stop_service_form", "stop_service", "forms.hint_date"

    def check_service_date(self, ask: frame.Ask) -> str | None:
        return fieldwork.read_coming_day(ask)


class AskStopConfirm(forms.Question):
    form, slot, subject = "stop_service_form", "confirm", "stop_service"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        customer = ask.customer()
        ask.say(
            "service.stop_confirm",
            choices=forms.yes_no_choices(),
            address=homes(ask)[0].address,
            on=ask.slot("service_date"),
            medical=customer.medical_equipment,
        )
        return []


class SubmitStopService(forms.Submit):
    name_, needs, form, subject = "action_submit_stop_service", 2, "stop_service_form", "stop_service"

    def submit(self, ask: frame.Ask) -> None:
        on = date.fromisoformat(str(ask.slot("service_date")))
        change = moves.stop_service(ask.session, account_id=ask.account().id, ends_on=on, key=ask.key, now=ask.now)
        ask.say(
            "service.stopped",
            choices=menu.wishes("check_balance", "request_status"),
            number=change.request_number,
            on=on,
        )


# --- moving ----------------------------------------------------------------------------------------------------------


class MoveService(frame.HubAction):
    name_, needs, form = "action_move_service", 2, "move_service_form"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        points = homes(ask)
        if len(points) > 1:
            ask.say("service.several", choices=(frame.person(),), count=len(points))
            return self.stop()
        ask.say("service.move", address=points[0].address)
        return self.go()


class AskMoveAddress(forms.Question):
    form, slot, subject = "move_service_form", "service_address", "move_service"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        ask.say("service.ask_new_address")
        return []


class AskMoveDate(forms.Question):
    form, slot, subject = "move_service_form", "service_date", "move_service"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        ask.say("service.ask_move_date")
        return []


class CheckMoveService(forms.Check):
    form, subject, hint = "move_service_form", "move_service", "forms.hint_date"
    free_text = frozenset(("service_address",))

    def check_service_address(self, ask: frame.Ask) -> str | None:
        return fieldwork.read_address(ask)

    def check_service_date(self, ask: frame.Ask) -> str | None:
        return fieldwork.read_coming_day(ask)


class AskMoveConfirm(forms.Question):
    form, slot, subject = "move_service_form", "confirm", "move_service"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        ask.say(
            "service.move_confirm",
            choices=forms.yes_no_choices(),
            from_address=homes(ask)[0].address,
            address=ask.slot("service_address"),
            on=ask.slot("service_date"),
        )
        return []


class SubmitMoveService(forms.Submit):
    name_, needs, form, subject = "action_submit_move_service", 2, "move_service_form", "move_service"

    def submit(self, ask: frame.Ask) -> None:
        address, on = str(ask.slot("service_address")), date.fromisoformat(str(ask.slot("service_date")))
        change = moves.move_service(
            ask.session, account_id=ask.account().id, address=address, moves_on=on, key=ask.key, now=ask.now
        )
        ask.say(
            "service.moved",
            choices=menu.wishes("request_status", "update_contact"),
            number=change.request_number,
            settled=change.settled,
            address=address,
            on=on,
        )


def homes(ask: frame.Ask) -> tuple[accounts.ServicePoint, ...]:
    """This will give where the verified account takes service today; NotFound when nowhere."""
    ask.service_point()
    return accounts.list_service_points(ask.session, account_id=ask.account().id, on=ask.today)


# --- medical equipment -----------------------------------------------------------------------------------------------


class MedicalEquipment(frame.HubAction):
    """Registers that somebody in the home lives by electric equipment; where it is on file, says what that means, and
    until when it holds a shut-off off."""

    name_, needs, form = "action_medical_equipment", 2, "medical_form"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        if ask.customer().medical_equipment and asked.choice(ask, "medical_equipment") != "CHANGE":
            change = Choice("choice.medical_change", '/medical_equipment{"choice":"CHANGE"}')
            held = billing_queries.current_medical_hold(ask.session, account_id=ask.account().id, on=ask.today)
            choices = (change, *menu.wishes("planned_outage"), frame.person())
            ask.say("account.medical_is_on", choices=choices, **_holding(held))
            return self.stop()
        ask.say("account.medical_start")
        return self.go()


class AskMedicalDetail(forms.Question):
    form, slot, subject = "medical_form", "medical_detail", "medical_equipment"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        ask.say("account.medical_ask")
        return []


class CheckMedical(forms.Check):
    form, subject, hint = "medical_form", "medical_equipment", "forms.hint_words"
    free_text = frozenset(("medical_detail",))

    def check_medical_detail(self, ask: frame.Ask) -> str | None:
        return forms.read_text(ask, most=300)


class AskMedicalConfirm(forms.Question):
    form, slot, subject = "medical_form", "confirm", "medical_equipment"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        ask.say(
            "account.medical_confirm",
            choices=forms.yes_no_choices(),
            detail=ask.slot("medical_detail"),
            address=homes(ask)[0].address,
        )
        return []


class SubmitMedical(forms.Submit):
    name_, needs, form, subject = "action_submit_medical", 2, "medical_form", "medical_equipment"

    def submit(self, ask: frame.Ask) -> None:
        keeping.register_medical_equipment(
            ask.session,
            customer_id=ask.account().customer_id,
            detail=str(ask.slot("medical_detail")),
            now=ask.now,
        )
        held = billing.note_medical_word(
            ask.session, account_id=ask.account().id, actor=f"customer:{ask.account().customer_id}", now=ask.now
        )
        support = Choice("program.medical_backup.name", '/enroll_program{"choice":"medical_backup"}')
        ask.say("account.medical_done", choices=(support, *menu.wishes("planned_outage")), **_holding(held))


def _holding(held: billing_queries.MedicalHold | None) -> dict[str, object]:
    """The last day on which nothing is shut off, and whether a doctor has confirmed it."""
    certified = held is not None and held.certified_by is not None
    return {"through": held.through if held else None, "certified": certified}


ACTIONS = (
    StartService,
    AskStartAddress,
    AskStartDate,
    CheckStartService,
    AskStartConfirm,
    SubmitStartService,
    StopService,
    AskStopDate,
    CheckStopService,
    AskStopConfirm,
    SubmitStopService,
    MoveService,
    AskMoveAddress,
    AskMoveDate,
    CheckMoveService,
    AskMoveConfirm,
    SubmitMoveService,
    MedicalEquipment,
    AskMedicalDetail,
    CheckMedical,
    AskMedicalConfirm,
    SubmitMedical,
)
