"""The shape of a jurisdiction pack: dated rules, each with its citation, checked when it is loaded."""

import itertools
from datetime import date
from decimal import Decimal
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, model_validator

RuleName = Literal[
    "due_days", "late_fee", "payment_plan", "disconnect_notice", "disconnect_contact", "disconnect_dispute",
    "disconnect_arrangement", "disconnect_assistance", "disconnect_amount", "disconnect_hours", "no_disconnect_days",
    "no_disconnect_season", "no_disconnect_weather", "medical_hold", "medical_word", "reconnect", "reminders",
    "dunning", "payment_extension", "reinstatement", "plan_expiry", "back_billing", "deposit", "cooling_off",
    "outage_credit", "call_answer", "estimates", "allocation", "e_bill", "dsar", "opt_out", "regulator",
    "doe_417_alert", "doe_417_normal", "doe_417_final", "returned_payment_fee", "deposit_interest", "deposit_return",
    "usage_privacy",
    "budget_billing", "sepa_debit",
]  # fmt: skip

# what a rule of a name must bring; the rest of `values` is free
NEEDED: dict[str, tuple[str, ...]] = {
    "due_days": ("days", "late_fee_grace_days"),
    "late_fee": ("percent", "grace_days"),
    "payment_plan": ("most_instalments",),
    "disconnect_notice": ("days",),
    "disconnect_contact": ("days",),
    "disconnect_amount": ("amount", "days_overdue"),
    "disconnect_hours": ("from", "to"),
    "reconnect": ("hours",),
    "reminders": ("before_days",),
    "dunning": ("steps",),
    "payment_extension": ("days", "a_year"),
    "reinstatement": ("days", "a_year"),
    "plan_expiry": ("days",),
    "no_disconnect_days": ("weekdays", "holidays", "holiday_eves"),
    "no_disconnect_season": ("from", "to"),
    "medical_hold": ("days", "remind_days"),
    "medical_word": ("days", "times", "remind_days"),
    "back_billing": ("months",),
    "returned_payment_fee": ("amount",),
    "deposit_interest": ("percent",),
    "deposit_return": ("months", "most_late"),
    "sepa_debit": ("notice_days", "agreed_notice_days", "refund_weeks", "unauthorised_months"),
    "usage_privacy": ("members", "share_percent"),
    "budget_billing": (
        "step",
        "review_months",
        "cap_percent",
        "least_percent",
        "notice_days",
        "anniversary",
        "spread_from",
        "spread_months",
        "missed_bills",
        "rejoin_months",
    ),
    "deposit": ("months_of_average_bill",),
    "cooling_off": ("days",),
    "outage_credit": ("amount", "after_hours", "every_hours"),
    "dsar": ("acknowledge_business_days", "answer_days", "extension_days"),
    "opt_out": ("business_days",),
    "regulator": ("phone", "web"),
    "doe_417_alert": ("hours",),
    "doe_417_normal": ("hours", "customers", "minutes"),
    "doe_417_final": ("hours",),
}


class Rule(BaseModel):
    """One rule. `verified` is true only when its text was read in the source it cites. `unasked` names those of its
    values that are kept for whoever reads them: the hub does nothing by them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    name: RuleName
    citation: str
    verified: bool
    valid_from: date
    valid_to: date | None = None
    note: str = ""
    values: dict[str, Any]
    unasked: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _complete(self) -> "Rule":
        missing = [key for key in NEEDED.get(self.name, ()) if key not in self.values]
        if missing:
            raise ValueError(f"{self.id}: {self.name} needs {', '.join(missing)}")
        if unknown := set(self.unasked) - set(self.values):
            raise ValueError(f"{self.id}: it has no {', '.join(sorted(unknown))}")
        if not self.citation.strip():
            raise ValueError(f"{self.id}: no citation")
        if self.valid_to is not None and self.valid_to <= self.valid_from:
            raise ValueError(f"{self.id}: ends before it starts")
        return self

    def holds(self, on: date) -> bool:
        """This will say whether the rule is in force on a day."""
        return self.valid_from <= on and (self.valid_to is None or on < self.valid_to)

    def days(self, key: str) -> int:
        """This will give a whole number of the rule."""
        return int(self.values[key])

    def number(self, key: str) -> Decimal:
        """This will give a number of the rule, exactly as written."""
        return Decimal(str(self.values[key]))

    def flag(self, key: str) -> bool:
        """This will say whether the rule sets a flag."""
        return bool(self.values.get(key, False))


class Pack(BaseModel):
    """The rules of one jurisdiction. No two of one name may be in force on one day."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    jurisdiction: str
    title: str
    rules: tuple[Rule, ...]

    @model_validator(mode="after")
    def _one_at_a_time(self) -> "Pack":
        ids = [rule.id for rule in self.rules]
        if len(set(ids)) != len(ids):
            raise ValueError(f"{self.jurisdiction}: a rule id stands twice")
        spans: dict[str, list[Rule]] = {}
        for rule in self.rules:
            spans.setdefault(rule.name, []).append(rule)
        for name, rules in spans.items():
            rules.sort(key=lambda r: r.valid_from)
            for earlier, later in itertools.pairwise(rules):
                if earlier.valid_to is None or later.valid_from < earlier.valid_to:
                    raise ValueError(f"{self.jurisdiction}: two rules {name} on one day")
        return self
