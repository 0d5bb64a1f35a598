"""The two forms about outages: reporting one (where, and is there danger), and asking about a place."""

from collections.abc import Sequence

from rasa_sdk.events import SlotSet

from actions import forms, frame, menu, outages
from core import errors
from core.conversations import emergency
from core.conversations import operations as conversing
from core.outages import operations as network
from core.ports import Choice


class AskReportLocation(forms.Question):
    form, slot, subject = "report_outage_form", "outage_location", "report_outage"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        ask.say("outage.ask_where", choices=own_places(ask))
        return []


class AskHazard(forms.Question):
    form, slot, subject = "report_outage_form", "outage_hazard", "report_outage"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        at_home = str(ask.slot("outage_location")) in {f"POINT:{point.id}" for point in outages.homes(ask)}
        choices: tuple[Choice, ...] = forms.yes_no_choices()
        if at_home:
            choices = (*choices, forms.choice("choice.another_place", "ELSEWHERE"))
        ask.say("outage.ask_hazard", choices=choices, home=at_home)
        return []


class CheckReportOutage(forms.Check):
    form, subject, hint = "report_outage_form", "report_outage", "outage.hint_where"
    free_text = frozenset(("outage_location",))

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        if ask.choice == "ELSEWHERE":  # not the home we know: ask where after all
            return [SlotSet("outage_location", None), SlotSet("outage_hazard", None)]
        return super().answer(ask)

    def check_outage_location(self, ask: frame.Ask) -> str | None:
        return place_said(ask)

    def check_outage_hazard(self, ask: frame.Ask) -> str | None:
        """What sounds like danger is danger, whatever the question was."""
        if emergency.recognise(ask.text) is not None:
            return forms.YES
        said = forms.read_yes_no(ask)
        if said is None and not self._other_wish(ask, "outage_hazard"):
            ask.say("outage.hint_hazard")
        return said


class SubmitOutage(forms.Submit):
    """Takes the report. With danger, safety comes first and a person is alerted before anything else is said."""

    name_, form, subject = "action_submit_outage", "report_outage_form", "report_outage"

    def submit(self, ask: frame.Ask) -> None:
        place, hazard = str(ask.slot("outage_location")), ask.slot("outage_hazard") == forms.YES
        if hazard:
            danger = emergency.recognise(ask.text)
            ask.say(f"emergency.{danger.kind if danger else 'danger'}")
            conversing.request_handoff(
                ask.session,
                conversation_id=ask.speaker.conversation_id,
                reason="EMERGENCY",
                now=ask.now,
                key=f"{ask.key}:handoff",
            )
        report = network.report_outage(
            ask.session,
            service_point_id=outages.point_id(place) if place.startswith("POINT:") else None,
            postcode=place.partition(":")[2] if place.startswith("POSTCODE:") else None,
            hazard=hazard,
            channel=ask.speaker.channel,
            key=ask.key,
            now=ask.now,
        )
        offers = () if hazard else menu.wishes("outage_status", "outage_credit")
        if report.outage is None:
            ask.say("outage.reported_area", choices=(*offers[:1], frame.person()), postcode=place.partition(":")[2])
            return
        kind = "outage.reported_known" if report.grouped else "outage.reported_new"
        told = outages.outage_data(report.outage, ask)
        ask.say(kind, choices=offers, again=report.duplicate, **told)


class AskLocation(forms.Question):
    form, slot, subject = "location_form", "outage_location", "outage_status"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        ask.say("outage.ask_where", choices=own_places(ask))
        return []


class CheckLocation(forms.Check):
    form, subject, hint = "location_form", "outage_status", "outage.hint_where"
    free_text = frozenset(("outage_location",))

    def check_outage_location(self, ask: frame.Ask) -> str | None:
        return place_said(ask)


class ShowOutages(forms.Submit):
    name_, form, subject = "action_show_outages", "location_form", "outage_status"

    def submit(self, ask: frame.Ask) -> None:
        outages.say_place(ask, str(ask.slot("outage_location")))


def place_said(ask: frame.Ask) -> str | None:
    """This will read where: one of the speaker's own places by its button, else an address or a ZIP code."""
    if ask.choice is not None:
        offered = [forms.value_of(option) for option in own_places(ask)]
        if ask.choice not in offered:
            raise errors.Invalid("form.choice")
        return ask.choice
    return outages.read_place(ask, ask.text)


def own_places(ask: frame.Ask) -> tuple[Choice, ...]:
    """This will give the speaker's own places as quick replies; nobody below level 2 is told an address."""
    if ask.speaker.level < 2:
        return ()
    return tuple(
        forms.choice("outage.place", f"POINT:{point.id}", address=point.address) for point in outages.homes(ask)
    )


ACTIONS = (
    AskReportLocation,
    AskHazard,
    CheckReportOutage,
    SubmitOutage,
    AskLocation,
    CheckLocation,
    ShowOutages,
)
