"""Plans: the one a home is on, and what each would have cost for its own last year."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from actions import frame, menu
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
        advice = billing.hour_advice(ask.session, account_id=ask.account().id, now=ask.now)
        recent = billing.recent_switch(ask.session, account_id=ask.account().id, now=ask.now)
        wishes = menu.wishes("compare_tariffs", "switch_tariff")
        ask.say(
            "plans.current",
            choices=() if recent else wishes,
            hours=hours_data(advice, ask.today),
            **plan_data(plan),
        )
        if recent:
            ask.say("plans.switch_recent", choices=(undo(recent), *wishes), **recent_data(recent))
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
            spread=compared.spread,
        )
        return self.stop()


def other_plans(ask: frame.Ask) -> tuple[views.Option, ...]:
    """This will give the plans the account could move to, cheapest first."""
    return others_of(billing.compare_tariffs(ask.session, account_id=ask.account().id, now=ask.now))


def others_of(compared: views.Comparison) -> tuple[views.Option, ...]:
    """This will give what a comparison offers beside the plan the account has."""
    return tuple(o for o in compared.options if o.tariff.code != compared.current.tariff.code)


def switch_to(tariff: views.Tariff) -> Choice:
    """This will give the quick reply that starts a switch to a plan."""
    payload = '/switch_tariff{"choice":"' + tariff.code + '"}'
    return Choice("choice.switch_to", payload, {"name": tariff.name_key})


def undo(recent: views.RecentSwitch | views.Switch) -> Choice:
    """This will give the quick reply that takes a switch back: that one, and none that is made later."""
    payload = f'/switch_tariff{{"choice":"UNDO {recent.to_code} {recent.starts_on.isoformat()}"}}'
    return Choice("choice.undo_switch", payload)


def recent_data(recent: views.RecentSwitch) -> dict[str, Any]:
    """This will give what is said of a switch that can be taken back. `name` and `old` are catalogue kinds."""
    return {
        "name": recent.to_name,
        "old": recent.from_name,
        "starts_on": recent.starts_on,
        "begun": recent.begun,
        "until": recent.until,
        "exit_fee": recent.exit_fee,
    }


def option_data(option: views.Option) -> dict[str, Any]:
    """This will give what is said of a plan's cost. `name` is a catalogue kind."""
    return {
        "name": option.tariff.name_key,
        "code": option.tariff.code,
        "annual_cost": option.annual_cost,
        "saving": option.saving,
        "worst_month": option.worst_month,
        "best_month": option.best_month,
        "low": option.low,
        "high": option.high,
    }


def not_open_data(plan: views.NotOpen) -> dict[str, Any]:
    """This will give what is said of a plan that is not open to the account. `reasons` are catalogue kinds."""
    return {
        "name": plan.name_key,
        "code": plan.tariff_code,
        "reasons": [{"kind": reason.kind, "data": dict(reason.data)} for reason in plan.reasons],
    }


def hours_data(advice: views.HourAdvice | None, today: date) -> list[dict[str, Any]]:
    """This will give what is said of the hours of today and tomorrow; nothing where they make no difference."""
    days = advice.days if advice else ()
    return [
        {"today": day.day == today, "cheap": day.cheap, "dear": day.dear, "price": day.hours[0].price} for day in days
    ]


def say_cheap_hours(ask: frame.Ask, choices: Sequence[Choice] = ()) -> bool:
    """This will say when power is cheap for the account and what moving use is worth to it; False where the hour makes
    no difference, or nothing is known of it yet.
    """
    advice = billing.hour_advice(ask.session, account_id=ask.account().id, now=ask.now)
    if advice is None or not (advice.days or advice.shift):
        return False
    ask.say(
        "plans.cheap_hours",
        choices=choices,
        days=hours_data(advice, ask.today),
        best=next((day.cheap for day in advice.days if day.cheap), ()),
        saving_today=advice.saving_on == ask.today,
        savings=advice.savings,
        shift=advice.shift,
    )
    return True


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
)
