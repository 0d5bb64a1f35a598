"""The money questions billing puts to the jurisdiction's rules: when is it due, what may a delay cost, how many parts.

The answers, with their citations, are compliance's; here they only become dates and cents.
"""

from datetime import date
from decimal import Decimal

from core import money
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
