"""Plans: the one a home is on, what each would have cost for its own last year, and switching."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from actions import forms, frame, menu
from billing import operations as charging
from billing import queries as billing
from billing import views
from core import errors
from core.ports import Choice


class TariffInfo(frame.HubAction):
    name_, needs = "action_tariff_info", 2

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        point = ask.service_point()
        if point.agreement_id is None:
            raise errors.NotFound("account.no_service_point")
        plan = billing.current_tariff(ask.session, agreement_id=point.agreement_id, on=ask.today)
        outlook = billing.price_outlook(ask.session, account_id=ask.account().id, now=ask.now)
        ask.say(
            "plans.current",
            choices=menu.wishes("compare_tariffs", "switch_tariff"),
            hours=hours_data(outlook, ask.today),
            **plan_data(plan),
        )
        return self.stop()


class CompareTariffs(frame.HubAction):
    """Every plan open to the account, priced on the account's own use: what a year would have cost."""

    name_, needs = "action_compare_tariffs", 2

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        account = ask.account()
        compared = billing.compare_tariffs(ask.session, account_id=account.id, now=ask.now)
        best = compared.best
        stays = best.tariff.code == compared.current.tariff.code
        choices: tuple[Choice, ...] = menu.wishes("tariff_info", "savings_tips")
        if not stays:
            choices = (switch_to(best.tariff), *choices)
        ask.say(
            "plans.compared",
            choices=choices,
            current=option_data(compared.current),
            best=option_data(best),
            stays=stays,
            options=[option_data(option) for option in compared.options],
            not_open=[not_open_data(plan) for plan in compared.not_open],
            days=compared.basis_days,
            estimated=compared.estimated,
        )
        return self.stop()


class SwitchTariff(frame.HubAction):
    name_, needs, form = "action_switch_tariff", 2, "switch_form"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        if ask.choice == "UNDO":
            undone = charging.cancel_switch(ask.session, account_id=ask.account().id, key=ask.key, now=ask.now)
            ask.say("plans.switch_undone", name=f"tariff.{undone.to_code}.name", starts_on=undone.starts_on)
            return self.stop()
        compared = billing.compare_tariffs(ask.session, account_id=ask.account().id, now=ask.now)
        not_open = next((plan for plan in compared.not_open if plan.tariff_code == ask.choice), None)
        if not_open is not None:
            ask.say("plans.not_open", choices=menu.wishes("compare_tariffs"), **not_open_data(not_open))
            return self.stop()
        others = others_of(compared)
        if not others:
            ask.say("plans.no_other", choices=menu.wishes("tariff_info"))
            return self.stop()
        wanted = ask.choice if ask.choice in [option.tariff.code for option in others] else None
        return self.go(tariff_choice=wanted)


class AskTariffChoice(forms.Question):
    form, slot, subject = "switch_form", "tariff_choice", "switch_tariff"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        others = other_plans(ask)
        ask.say(
            "plans.switch_ask",
            choices=tariff_choices(others),
            options=[option_data(option) for option in others],
        )
        return []


class CheckSwitch(forms.Check):
    form, subject, hint = "switch_form", "switch_tariff", "forms.hint_choice"

    def check_tariff_choice(self, ask: frame.Ask) -> str | None:
        compared = billing.compare_tariffs(ask.session, account_id=ask.account().id, now=ask.now)
        wanted = forms.read_choice(ask, tariff_choices(others_of(compared)))
        if wanted is None and compared.not_open:  # a plan that is named, but not open, is not simply misunderstood
            named = forms.read_named(ask, [forms.choice(plan.name_key, plan.tariff_code) for plan in compared.not_open])
            for plan in compared.not_open:
                if plan.tariff_code == named:
                    ask.say("plans.not_open", **not_open_data(plan))
        return wanted


class AskSwitchConfirm(forms.Question):
    form, slot, subject = "switch_form", "confirm", "switch_tariff"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        wanted = next((o for o in other_plans(ask) if o.tariff.code == ask.slot("tariff_choice")), None)
        if wanted is None:
            raise errors.NotFound("tariff.unknown")
        ask.say(
            "plans.switch_confirm",
            choices=forms.yes_no_choices(),
            **option_data(wanted),
            exit_fee=wanted.tariff.exit_fee,
            cooling_off_days=wanted.tariff.cooling_off_days,
        )
        return []


class SubmitSwitch(forms.Submit):
    name_, needs, form, subject = "action_submit_switch", 2, "switch_form", "switch_tariff"

    def submit(self, ask: frame.Ask) -> None:
        switch = charging.switch_tariff(
            ask.session,
            account_id=ask.account().id,
            tariff_code=str(ask.slot("tariff_choice")),
            starts_on=None,
            key=ask.key,
            now=ask.now,
        )
        ask.say(
            "plans.switched",
            choices=(Choice("choice.undo_switch", '/switch_tariff{"choice":"UNDO"}'), *menu.wishes("tariff_info")),
            to=f"tariff.{switch.to_code}.name",
            starts_on=switch.starts_on,
            cooling_off_until=switch.cooling_off_until,
            exit_fee=switch.exit_fee,
        )


def other_plans(ask: frame.Ask) -> tuple[views.Option, ...]:
    """This will give the plans the account could move to, cheapest first."""
    return others_of(billing.compare_tariffs(ask.session, account_id=ask.account().id, now=ask.now))


def others_of(compared: views.Comparison) -> tuple[views.Option, ...]:
    """This will give what a comparison offers beside the plan the account has."""
    return tuple(o for o in compared.options if o.tariff.code != compared.current.tariff.code)


def tariff_choices(options: Sequence[views.Option]) -> tuple[Choice, ...]:
    """This will give one quick reply per plan."""
    return tuple(forms.choice(option.tariff.name_key, option.tariff.code) for option in options)


def switch_to(tariff: views.Tariff) -> Choice:
    """This will give the quick reply that starts a switch to a plan."""
    payload = '/switch_tariff{"choice":"' + tariff.code + '"}'
    return Choice("choice.switch_to", payload, {"name": tariff.name_key})


def option_data(option: views.Option) -> dict[str, Any]:
    """This will give what is said of a plan's cost. `name` is a catalogue kind."""
    return {
        "name": option.tariff.name_key,
        "code": option.tariff.code,
        "annual_cost": option.annual_cost,
        "saving": option.saving,
        "worst_month": option.worst_month,
        "best_month": option.best_month,
    }


def not_open_data(plan: views.NotOpen) -> dict[str, Any]:
    """This will give what is said of a plan that is not open to the account. `reasons` are catalogue kinds."""
    return {
        "name": plan.name_key,
        "code": plan.tariff_code,
        "reasons": [{"kind": reason.kind, "data": dict(reason.data)} for reason in plan.reasons],
    }


def hours_data(outlook: views.PriceOutlook | None, today: date) -> list[dict[str, Any]]:
    """This will give what is said of the prices by the hour of today and tomorrow; nothing for all other plans."""
    days = outlook.days if outlook else ()
    return [{"today": d.day == today, "cheapest": d.cheapest, "dearest": d.dearest} for d in days]


def plan_data(plan: views.Tariff) -> dict[str, Any]:
    """This will give what is said of a plan. `name` and `about` are catalogue kinds."""
    return {
        "name": plan.name_key,
        "about": plan.about_key,
        "summary": dict(plan.summary),
        "since": plan.since,
        "exit_fee": plan.exit_fee,
        "term_months": plan.term_months,
    }


ACTIONS = (
    TariffInfo,
    CompareTariffs,
    SwitchTariff,
    AskTariffChoice,
    CheckSwitch,
    AskSwitchConfirm,
    SubmitSwitch,
)
