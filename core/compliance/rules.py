"""The one evaluator: may we, and by when? Rules are dated, cited data in ``packs/``; no state is known by name here.

Actions and what they need in `facts` (besides ``jurisdiction``; everything else is optional):

==================  ===================================================================================================
BILL_DUE            issued_on, holidays -> results due_on, late_fee_from
LATE_FEE            overdue, days_overdue, customer_kind, charged, disputed_estimate, government -> amount
PAYMENT_PLAN        amount -> results instalments
DISCONNECT          weekday is read from `on`; holiday, holiday_eve, notice_on, contact_on, temperature_high_f,
                    forecast_high_f, heat_advisory_days_ago, medical_hold_until, low_income, arrangement, disputed,
                    assistance_pending, overdue and days_overdue, hour -> results blocks: every rule against it
MEDICAL_HOLD        starts_on, renewals, bills_paid, certified_days -> until
MEDICAL_WORD        starts_on, words -> until
BACK_BILL           oldest_on, at_fault -> earliest_on
DEPOSIT             average_bill -> amount
COOLING_OFF         agreed_on -> until
OUTAGE_CREDIT       minutes -> amount
==================  ===================================================================================================
"""

import functools
import pathlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import yaml

from core import errors, money, periods
from core.compliance import pack as shape

_HERE = pathlib.Path(__file__).parent / "packs"


@dataclass(frozen=True)
class Decision:
    """Whether, by which rule, read where, and from what. `verified`: the citation was read in its source."""

    action: str
    jurisdiction: str
    allowed: bool
    rule: str
    citation: str
    verified: bool
    inputs: Mapping[str, Any]
    results: Mapping[str, Any] = field(default_factory=dict)
    id: int | None = None


@functools.lru_cache(maxsize=64)
def pack(jurisdiction: str) -> shape.Pack:
    """This will load a jurisdiction's pack, or the default one for a place that has none."""
    path = _HERE / f"{jurisdiction.lower()}.yaml"
    if path.parent != _HERE or not path.exists():
        path = _HERE / "us-default.yaml"
    return shape.Pack.model_validate(yaml.safe_load(path.read_text()))


def rule(jurisdiction: str, name: str, on: date) -> shape.Rule:
    """This will give the rule of a name in force on a day: the jurisdiction's own, or else the default one."""
    for code in (jurisdiction, "US-DEFAULT"):
        for found in pack(code).rules:
            if found.name == name and found.holds(on):
                return found
    raise errors.NotFound("compliance.no_rule", name=name, jurisdiction=jurisdiction)


def in_force(jurisdiction: str, on: date) -> tuple[shape.Rule, ...]:
    """This will list the rules in force on a day, by name: the jurisdiction's own, and the default one of what it
    leaves open.
    """
    found: dict[str, shape.Rule] = {}
    for code in ("US-DEFAULT", jurisdiction):
        found |= {each.name: each for each in pack(code).rules if each.holds(on)}
    return tuple(found[name] for name in sorted(found))


def decide(action: str, facts: Mapping[str, Any], on: date) -> Decision:
    """This will decide an action on a day. Invalid when a needed fact is missing, or the action is unknown."""
    decider = _DECIDERS.get(action)
    if decider is None:
        raise errors.Invalid("compliance.action", action=action)
    try:
        return decider(facts, on)
    except KeyError as exc:
        raise errors.Invalid("compliance.missing_fact", action=action, fact=str(exc.args[0])) from None


def next_business_day(day: date, holidays: frozenset[date] = frozenset()) -> date:
    """This will give the day itself, or the next that is neither weekend nor holiday."""
    while day.weekday() >= 5 or day in holidays:
        day += timedelta(days=1)
    return day


def add_business_days(day: date, count: int, holidays: frozenset[date] = frozenset()) -> date:
    """This will give the `count`-th business day after a day."""
    for _ in range(count):
        day = next_business_day(day + timedelta(days=1), holidays)
    return day


def _bill_due(facts: Mapping[str, Any], on: date) -> Decision:
    found = rule(facts["jurisdiction"], "due_days", on)
    due_on = next_business_day(facts["issued_on"] + timedelta(days=found.days("days")), _holidays(facts))
    fee_from = due_on + timedelta(days=found.days("late_fee_grace_days") + 1)
    return _say("BILL_DUE", facts, found, True, due_on=due_on, late_fee_from=fee_from)


def _late_fee(facts: Mapping[str, Any], on: date) -> Decision:
    found = rule(facts["jurisdiction"], "late_fee", on)
    kinds = found.values.get("customer_kinds")
    refused = (
        (facts.get("disputed_estimate") and found.flag("not_on_disputed_estimates"))
        or (facts.get("government") and found.flag("not_on_government"))
        or (facts.get("charged") and found.flag("once"))
        or (kinds is not None and facts.get("customer_kind") not in kinds)
        or facts["days_overdue"] <= found.days("grace_days")
        or Decimal(facts["overdue"]) <= 0
    )
    amount = Decimal("0.00")
    if not refused:
        amount = money.from_cents(money.cents(Decimal(facts["overdue"]) * found.number("percent") / 100))
        cap = found.values.get("percent_a_year")
        if cap is not None and "charged_last_year" in facts:
            room = Decimal(facts["overdue"]) * Decimal(str(cap)) / 100 - Decimal(facts["charged_last_year"])
            amount = max(Decimal("0.00"), min(amount, money.from_cents(money.cents(room))))
    return _say("LATE_FEE", facts, found, amount > 0, amount=amount)


def _payment_plan(facts: Mapping[str, Any], on: date) -> Decision:
    found = rule(facts["jurisdiction"], "payment_plan", on)
    wanted = facts.get("instalments")
    most = found.days("most_instalments")
    return _say("PAYMENT_PLAN", facts, found, wanted is None or 2 <= wanted <= most, most_instalments=most)


def _disconnect(facts: Mapping[str, Any], on: date) -> Decision:
    """Every reason not to is asked, in the order a person would; the first that holds is the answer."""
    against = []
    for name, holds in _DISCONNECT_CHECKS:
        try:
            found = rule(facts["jurisdiction"], name, on)
        except errors.NotFound:
            continue
        if holds(found, facts, on):
            against.append(found)
    first = against[0] if against else rule(facts["jurisdiction"], "disconnect_notice", on)
    return _say("DISCONNECT", facts, first, not against, blocks=tuple(found.name for found in against))


def _amount(found: shape.Rule, facts: Mapping[str, Any], on: date) -> bool:
    if "overdue" not in facts:
        return False
    little = Decimal(facts["overdue"]) < found.number("amount")
    return little or int(facts.get("days_overdue", 0)) < found.days("days_overdue")


def _hours(found: shape.Rule, facts: Mapping[str, Any], on: date) -> bool:
    hour = facts.get("hour")
    return hour is not None and not found.days("from") <= hour < found.days("to")


def _weekday(found: shape.Rule, facts: Mapping[str, Any], on: date) -> bool:
    holiday = facts.get("holiday") or on in _holidays(facts)
    eve = facts.get("holiday_eve") or on + timedelta(days=1) in _holidays(facts)
    return bool(
        on.strftime("%a").upper() in found.values["weekdays"]
        or (holiday and found.flag("holidays"))
        or (eve and found.flag("holiday_eves"))
    )


def _held(found: shape.Rule, facts: Mapping[str, Any], on: date) -> bool:
    until = facts.get("medical_hold_until")
    return until is not None and on < until


def _season(found: shape.Rule, facts: Mapping[str, Any], on: date) -> bool:
    return _in_season(found, on) and (not found.flag("low_income_only") or bool(facts.get("low_income", True)))


def _weather(found: shape.Rule, facts: Mapping[str, Any], on: date) -> bool:
    """A weather rule that cannot be checked forbids: nobody is cut off because a forecast was missing."""
    highs = [facts.get("temperature_high_f"), facts.get("forecast_high_f")]
    freezing = found.values.get("freezing_f")
    if freezing is not None and None in highs:
        return True
    cold = freezing is not None and all(high <= freezing for high in highs if high is not None)
    advisory = facts.get("heat_advisory_days_ago")
    days = found.values.get("heat_advisory_days")
    return bool(cold or (days is not None and advisory is not None and advisory <= days))


def _notice(found: shape.Rule, facts: Mapping[str, Any], on: date) -> bool:
    notice_on = facts.get("notice_on")
    if notice_on is None or (on - notice_on).days < found.days("days"):
        return True
    valid = found.values.get("valid_days")
    return valid is not None and (on - notice_on).days > valid


def _contact(found: shape.Rule, facts: Mapping[str, Any], on: date) -> bool:
    if "from" in found.values and not _in_season(found, on):
        return False
    contact_on = facts.get("contact_on")
    if facts.get("contact_attempts", 0) < int(found.values.get("attempts", 0)):
        return True
    return contact_on is None or (on - contact_on).days < found.days("days")


def _in_season(found: shape.Rule, on: date) -> bool:
    """Both days included; a season may run over the turn of the year."""
    starts, ends, day = found.values["from"], found.values["to"], on.strftime("%m-%d")
    return bool(starts <= day <= ends if starts <= ends else day >= starts or day <= ends)


_DISCONNECT_CHECKS: tuple[tuple[str, Callable[[shape.Rule, Mapping[str, Any], date], bool]], ...] = (
    ("disconnect_dispute", lambda found, facts, on: bool(facts.get("disputed"))),
    ("disconnect_arrangement", lambda found, facts, on: bool(facts.get("arrangement"))),
    ("disconnect_assistance", lambda found, facts, on: bool(facts.get("assistance_pending"))),
    ("disconnect_amount", _amount),
    ("medical_hold", _held),
    ("no_disconnect_days", _weekday),
    ("disconnect_hours", _hours),
    ("no_disconnect_season", _season),
    ("no_disconnect_weather", _weather),
    ("disconnect_notice", _notice),
    ("disconnect_contact", _contact),
)


def _medical_hold(facts: Mapping[str, Any], on: date) -> Decision:
    """A doctor's certificate: for the days it names, at most the rule's."""
    found = rule(facts["jurisdiction"], "medical_hold", on)
    renewals = facts.get("renewals", 0)
    most = found.values.get("renewals_if_unpaid")
    allowed = renewals == 0 or most is None or bool(facts.get("bills_paid")) or renewals <= most
    days = min(found.days("days"), facts.get("certified_days") or found.days("days"))
    until = facts["starts_on"] + timedelta(days=days)
    return _say("MEDICAL_HOLD", facts, found, allowed, until=until if allowed else None)


def _medical_word(facts: Mapping[str, Any], on: date) -> Decision:
    """What a customer says of an illness at home, until a doctor confirms it: not over and over against one debt."""
    found = rule(facts["jurisdiction"], "medical_word", on)
    allowed = facts.get("words", 0) < found.days("times")
    until = facts["starts_on"] + timedelta(days=found.days("days"))
    return _say("MEDICAL_WORD", facts, found, allowed, until=until if allowed else None)


def _back_bill(facts: Mapping[str, Any], on: date) -> Decision:
    found = rule(facts["jurisdiction"], "back_billing", on)
    if facts.get("customer_at_fault") and found.flag("unless_customer_at_fault"):
        return _say("BACK_BILL", facts, found, True, earliest_on=facts["oldest_on"])
    months = found.days("months")
    earliest = periods.add_months(on, -months)
    return _say("BACK_BILL", facts, found, facts["oldest_on"] >= earliest, earliest_on=earliest)


def _deposit(facts: Mapping[str, Any], on: date) -> Decision:
    found = rule(facts["jurisdiction"], "deposit", on)
    months = found.number("months_of_average_bill")
    amount = money.from_cents(money.cents(Decimal(facts["average_bill"]) * months))
    return _say("DEPOSIT", facts, found, not facts.get("low_income", False), amount=amount)


def _cooling_off(facts: Mapping[str, Any], on: date) -> Decision:
    found = rule(facts["jurisdiction"], "cooling_off", on)
    day = facts["agreed_on"]
    days = found.days("days")
    if found.flag("business_days"):
        until = add_business_days(day, days, _holidays(facts))
    else:
        until = day + timedelta(days=days)
    return _say("COOLING_OFF", facts, found, on <= until, until=until)


def _outage_credit(facts: Mapping[str, Any], on: date) -> Decision:
    found = rule(facts["jurisdiction"], "outage_credit", on)
    per, after = found.number("amount"), found.days("after_hours") * 60
    beyond = facts["minutes"] - after
    units = beyond // (found.days("every_hours") * 60) if beyond > 0 and per else 0
    amount = money.from_cents(money.cents(per * units))
    return _say("OUTAGE_CREDIT", facts, found, amount > 0, amount=amount)


_DECIDERS: Mapping[str, Callable[[Mapping[str, Any], date], Decision]] = {
    "BILL_DUE": _bill_due,
    "LATE_FEE": _late_fee,
    "PAYMENT_PLAN": _payment_plan,
    "DISCONNECT": _disconnect,
    "MEDICAL_HOLD": _medical_hold,
    "MEDICAL_WORD": _medical_word,
    "BACK_BILL": _back_bill,
    "DEPOSIT": _deposit,
    "COOLING_OFF": _cooling_off,
    "OUTAGE_CREDIT": _outage_credit,
}


def _say(action: str, facts: Mapping[str, Any], found: shape.Rule, allowed: bool, **results: Any) -> Decision:
    return Decision(
        action, facts["jurisdiction"], allowed, found.id, found.citation, found.verified, dict(facts), results
    )


def _holidays(facts: Mapping[str, Any]) -> frozenset[date]:
    return frozenset(facts.get("holidays", ()))
