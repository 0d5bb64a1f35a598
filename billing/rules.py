"""The money questions billing puts to the jurisdiction's rules: when is it due, what may a delay cost, how many parts.

The answers, with their citations, are compliance's; here they only become dates and cents.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from billing import allocation
from core import errors, money
from core.compliance import queries as calendar
from core.compliance import rules as compliance

MIN_INSTALMENT_CENTS = 1000


def due_on(jurisdiction: str, issued_on: date) -> date:
    """This will give the day a bill issued on a day is due."""
    facts = {
        "jurisdiction": jurisdiction,
        "issued_on": issued_on,
        "holidays": calendar.public_holidays(jurisdiction, issued_on.year),
    }
    decision = compliance.decide("BILL_DUE", facts, issued_on)
    due: date = decision.results["due_on"]
    return due


def late_fee(
    jurisdiction: str,
    on: date,
    *,
    open_cents: int,
    days_overdue: int,
    customer_kind: str,
    charged_cents: int = 0,
    estimated_and_disputed: bool = False,
) -> tuple[int, str]:
    """This will give the late fee in cents (0: none may be charged) and the rule that says so."""
    decision = compliance.decide(
        "LATE_FEE",
        {
            "jurisdiction": jurisdiction,
            "customer_kind": customer_kind,
            "overdue": money.from_cents(open_cents),
            "days_overdue": days_overdue,
            "charged": charged_cents > 0,
            "charged_last_year": money.from_cents(charged_cents),
            "disputed_estimate": estimated_and_disputed,
        },
        on,
    )
    return money.cents(Decimal(decision.results["amount"])) if decision.allowed else 0, decision.citation


def grace_days(jurisdiction: str, on: date) -> int:
    """This will give how many days after the due date no late fee is charged."""
    return compliance.rule(jurisdiction, "late_fee", on).days("grace_days")


def cooling_off(jurisdiction: str, agreed_on: date) -> date:
    """This will give the last day on which a customer may go back on a plan agreed on a day, whatever the plan says."""
    facts = {
        "jurisdiction": jurisdiction,
        "agreed_on": agreed_on,
        "holidays": calendar.public_holidays(jurisdiction, agreed_on.year),
    }
    until: date = compliance.decide("COOLING_OFF", facts, agreed_on).results["until"]
    return until


def most_instalments(jurisdiction: str, on: date) -> int:
    """This will give into how many parts a debt may be cut at most."""
    decision = compliance.decide("PAYMENT_PLAN", {"jurisdiction": jurisdiction}, on)
    return int(decision.results["most_instalments"])


def extension(jurisdiction: str, on: date) -> tuple[int, int]:
    """This will give how many days more a customer may have, and how often in twelve months."""
    found = compliance.rule(jurisdiction, "payment_extension", on)
    return found.days("days"), found.days("a_year")


def reinstatement(jurisdiction: str, on: date) -> tuple[int, int]:
    """This will give for how many days a broken arrangement can live again, and how often in twelve months."""
    found = compliance.rule(jurisdiction, "reinstatement", on)
    return found.days("days"), found.days("a_year")


def contact_hours(jurisdiction: str, on: date) -> range:
    """This will give the hours of the day in which speaking with a customer counts before they are disconnected."""
    try:
        found = compliance.rule(jurisdiction, "disconnect_contact", on)
    except errors.NotFound:
        return range(24)
    return range(int(found.values.get("hours_from", 0)), int(found.values.get("hours_to", 24)))


def allocation_order(jurisdiction: str, on: date) -> allocation.Order:
    """This will give the order in which a payment pays what is owed; what a rule leaves open is the house's own."""
    found, own = compliance.rule(jurisdiction, "allocation", on), allocation.Order()
    return allocation.Order(
        kinds=tuple(found.values.get("kinds", own.kinds)),
        disputed_last=bool(found.values.get("disputed_last", own.disputed_last)),
        kinds_first=found.flag("kinds_first"),
    )


def returned_fee(jurisdiction: str, on: date, *, failure_code: str | None) -> tuple[int, str]:
    """This will give the fee in cents for a debit that came back (0: none) and the rule that says so."""
    found = compliance.rule(jurisdiction, "returned_payment_fee", on)
    codes = found.values.get("codes")
    charged = codes is None or failure_code in codes
    return money.cents(found.number("amount")) if charged else 0, found.citation


@dataclass(frozen=True)
class SepaDebit:
    """What a SEPA debit owes its payer: word ahead (shorter where the mandate says so), and how long it may go back."""

    notice_days: int
    agreed_notice_days: int
    refund_weeks: int
    unauthorised_months: int


def sepa_debit(jurisdiction: str, on: date) -> SepaDebit:
    """This will give the terms of SEPA debits in force on a day."""
    found = compliance.rule(jurisdiction, "sepa_debit", on)
    return SepaDebit(**{name: found.days(name) for name in SepaDebit.__dataclass_fields__})


def deposit_interest(jurisdiction: str, *, cents: int, held_from: date, until: date) -> int:
    """This will give the simple interest, in cents, on a deposit held over days: each day at the rate of that day."""
    days: dict[Decimal, int] = defaultdict(int)
    for number in range((until - held_from).days):
        on = held_from + timedelta(days=number)
        days[compliance.rule(jurisdiction, "deposit_interest", on).number("percent")] += 1
    return money.cents(sum((money.from_cents(cents) * rate * n for rate, n in days.items()), Decimal(0)) / 36500)
