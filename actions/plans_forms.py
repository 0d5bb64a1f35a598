"""Switching plans: which one, from what day on and what that means, and taking a switch back."""

import re
from collections.abc import Sequence
from datetime import date
from typing import Any

from actions import asked, forms, frame, menu, plans
from billing import operations as charging
from billing import queries as billing
from billing import views
from core import errors, wording
from core.ports import Choice

ANOTHER = "ANOTHER"
_UNDO = re.compile(r"UNDO(?: (\S+) (\d{4}-\d{2}-\d{2}))?")  # without a name, as it was once offered: the newest


class SwitchTariff(frame.HubAction):
    """Starts a switch, and takes one back; who has just switched is first told of that one."""

    name_, needs, form = "action_switch_tariff", 2, "switch_form"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        wished = asked.choice(ask, "switch_tariff") or ""
        undoing = _UNDO.fullmatch(wished)
        if undoing:
            meant = (undoing[1], date.fromisoformat(undoing[2])) if undoing[1] else None
            undone = charging.cancel_switch(
                ask.session, account_id=ask.account().id, key=ask.key, now=ask.now, meant=meant
            )
            ask.say(
                "plans.switch_undone",
                choices=menu.wishes("switch_tariff", "tariff_info"),
                name=undone.to_name,
                starts_on=undone.starts_on,
            )
            return self.stop()
        recent = billing.recent_switch(ask.session, account_id=ask.account().id, now=ask.now)
        if recent and (not recent.begun or not wished):
            say_recent(ask, recent)
            return self.stop()
        compared = billing.compare_tariffs(ask.session, account_id=ask.account().id, now=ask.now)
        not_open = next((plan for plan in compared.not_open if plan.tariff_code == wished), None)
        if not_open is not None:
            ask.say("plans.not_open", choices=menu.wishes("compare_tariffs"), **plans.not_open_data(not_open))
            return self.stop()
        others = plans.others_of(compared)
        if not others:
            ask.say("plans.no_other", choices=menu.wishes("tariff_info"))
            return self.stop()
        return self.go(tariff_choice=wished if wished in [option.tariff.code for option in others] else None)


class AskTariffChoice(forms.Question):
    form, slot, subject = "switch_form", "tariff_choice", "switch_tariff"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        others = plans.other_plans(ask)
        ask.say(
            "plans.switch_ask",
            choices=tariff_choices(others),
            options=[plans.option_data(option) for option in others],
        )
        return []


class AskSwitchDate(forms.Question):
    form, slot, subject = "switch_form", "service_date", "switch_tariff"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        offered = previews(ask)
        ask.say(
            "plans.switch_ask_date",
            choices=date_choices([day.starts_on for day in offered]),
            name=offered[0].to_name,
            days=[preview_data(day) for day in offered],
        )
        return []


class CheckSwitch(forms.Check):
    form, subject, hint = "switch_form", "switch_tariff", "forms.hint_choice"

    def check_tariff_choice(self, ask: frame.Ask) -> str | None:
        compared = billing.compare_tariffs(ask.session, account_id=ask.account().id, now=ask.now)
        wanted = forms.read_choice(ask, tariff_choices(plans.others_of(compared)))
        if wanted is None and compared.not_open:  # a plan that is named, but not open, is not simply misunderstood
            named = forms.read_named(ask, [_named(plan.name_key, plan.tariff_code) for plan in compared.not_open])
            for plan in compared.not_open:
                if plan.tariff_code == named:
                    ask.say("plans.not_open", **plans.not_open_data(plan))
        return wanted

    def check_service_date(self, ask: frame.Ask) -> str | None:
        """A day counts if it can be had now: a button may be from yesterday, when its "today" was another day."""
        days = switch_dates(ask)
        said = None if ask.choice else forms.read_choice(ask, date_choices(days))
        day = date.fromisoformat(said) if said else forms.read_date(ask)
        if day is not None and day not in days:
            ask.say("plans.switch_not_that_day", day=day)
            return None
        return day.isoformat() if day else None

    def _other_wish(self, ask: frame.Ask, slot: str) -> bool:
        """A button that begins a switch, or takes one back, is no answer to a question of this one."""
        return ask.text.startswith("/switch_tariff") or super()._other_wish(ask, slot)


class AskSwitchConfirm(forms.Question):
    form, slot, subject = "switch_form", "confirm", "switch_tariff"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        code, day = str(ask.slot("tariff_choice")), str(ask.slot("service_date"))
        wanted = next((option for option in plans.other_plans(ask) if option.tariff.code == code), None)
        preview = next((each for each in previews(ask) if each.starts_on.isoformat() == day), None)
        if wanted is None or preview is None:
            raise errors.NotFound("tariff.unknown")
        ask.say(
            "plans.switch_confirm",
            choices=forms.yes_no_choices(),
            **plans.option_data(wanted),
            **preview_data(preview),
            later_fee=wanted.tariff.exit_fee if wanted.tariff.term_months else None,
            term_months=wanted.tariff.term_months,
        )
        return []


class SubmitSwitch(forms.Submit):
    name_, needs, form, subject = "action_submit_switch", 2, "switch_form", "switch_tariff"

    def submit(self, ask: frame.Ask) -> None:
        code, day = str(ask.slot("tariff_choice")), date.fromisoformat(str(ask.slot("service_date")))
        days = switch_dates(ask)
        if day not in days:  # midnight passed between the question and the yes
            again = Choice("choice.another_day", f'/switch_tariff{{"choice":"{code}"}}')
            ask.say("plans.switch_not_that_day", choices=(again,), day=day)
            return
        switch = charging.switch_tariff(
            ask.session,
            account_id=ask.account().id,
            tariff_code=code,
            starts_on=day,
            key=ask.key,
            now=ask.now,
        )
        ask.say(
            "plans.switched",
            choices=(plans.undo(switch), *menu.wishes("tariff_info")),
            to=switch.to_name,
            today=switch.starts_on == days[0],
            starts_on=switch.starts_on,
            cooling_off_until=switch.cooling_off_until,
            exit_fee=switch.exit_fee,
        )


def offer_undo(ask: frame.Ask, *, dropped: bool = False) -> bool:
    """This will answer "undo" with the switch that can be taken back, where no form was left by it; False otherwise.

    It takes nothing back by itself: the word may have meant something else. With `dropped` ("never mind") it counts
    without the word, right after that switch was spoken of.
    """
    if ask.speaker.level < 2 or _in_form(ask.tracker):
        return False
    meant = forms.says_undo(ask) or (dropped and _last_kind(ask.tracker) in ("plans.switched", "plans.switch_recent"))
    recent = billing.recent_switch(ask.session, account_id=ask.account().id, now=ask.now) if meant else None
    if recent is None:
        return False
    say_recent(ask, recent)
    return True


def _in_form(tracker: Any) -> bool:
    """Whether a form was open when the message came; what it was left by has closed it meanwhile."""
    before = False
    for event in reversed(tracker.events):
        before = before or event.get("event") == "user"
        if before and event.get("event") == "active_loop":
            return event.get("name") is not None
    return False


def _last_kind(tracker: Any) -> str | None:
    said = (event.get("data") or {} for event in reversed(tracker.events) if event.get("event") == "bot")
    return next((str(each["custom"].get("kind")) for each in said if each.get("custom")), None)


def say_recent(ask: frame.Ask, recent: views.RecentSwitch) -> None:
    """This will tell of a switch lately made and how it is taken back; a further one only when that one has begun."""
    another = Choice("choice.another_switch", f'/switch_tariff{{"choice":"{ANOTHER}"}}')
    choices = (plans.undo(recent), *([another] if recent.begun else []), *menu.wishes("tariff_info"))
    ask.say("plans.switch_recent", choices=choices, **plans.recent_data(recent))


def previews(ask: frame.Ask) -> tuple[views.SwitchPreview, ...]:
    """This will work out what switching to the chosen plan would mean, day by day."""
    return billing.preview_switch(
        ask.session, account_id=ask.account().id, tariff_code=str(ask.slot("tariff_choice")), now=ask.now
    )


def switch_dates(ask: frame.Ask) -> tuple[date, ...]:
    """This will give the days a switch can start on, as of now."""
    return billing.switch_dates(ask.session, account_id=ask.account().id, now=ask.now)


def date_choices(days: Sequence[date]) -> tuple[Choice, ...]:
    """This will give one quick reply per day of `switch_dates`, of which the first is today."""
    return tuple(
        forms.choice("choice.switch_from", day.isoformat(), day=day, today=number == 0)
        for number, day in enumerate(days)
    )


def tariff_choices(options: Sequence[views.Option]) -> tuple[Choice, ...]:
    """This will give one quick reply per plan."""
    return tuple(_named(option.tariff.name_key, option.tariff.code) for option in options)


def _named(name: wording.Kind, code: str) -> Choice:
    return forms.choice("choice.switch_to", code, name=name)


def preview_data(preview: views.SwitchPreview) -> dict[str, Any]:
    """This will give what is said of a switch from a day on. `old` is worded, as plans are called."""
    return {
        "old": preview.from_name,
        "starts_on": preview.starts_on,
        "today": preview.today,
        "exit_fee": preview.exit_fee,
        "cooling_off_until": preview.cooling_off_until,
        "split": frame.plain(preview.split),
    }


ACTIONS = (
    SwitchTariff,
    AskTariffChoice,
    AskSwitchDate,
    CheckSwitch,
    AskSwitchConfirm,
    SubmitSwitch,
)
