"""Writes a plan as a rate of the US Utility Rate Database (version 8), with our own part under `wattline`. Pure.

What URDB has no word for (riders, taxes, rounding, how a broken month counts) stands in our part, so that a
document read back by `billing.catalogue` gives an equal plan; other readers leave that part alone.
"""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from billing.rating import terms

_UNITS = {
    "KWH": "kWh",
    "KWH_DAILY": "kWh daily",
    "KWH_PER_KW": "kWh/kW",
    "KWH_PER_KW_DAILY": "kWh/kW daily",
}
_RULES = {
    "NET_METERING": "Net Metering",
    "NET_METERING_CREDIT": "Net Metering",
    "NET_BILLING": "Net Billing Instantaneous",
    "NET_BILLING_CREDIT": "Net Billing Instantaneous",
    "BUY_ALL_SELL_ALL": "Buy All Sell All",
}


def document(plan: terms.Plan) -> dict[str, Any]:
    """This will give the document of a plan; `catalogue.plan_of` makes the same plan of it again."""
    out: dict[str, Any] = {
        "label": plan.code,
        "name": plan.name,
        "energyratestructure": [[_tier(tier) for tier in period.tiers] for period in plan.energy],
        "energyweekdayschedule": _schedule(plan.weekday),
        "energyweekendschedule": _schedule(plan.weekend),
        "fixedmonthlycharge": _number(plan.fixed_monthly),
        "minmonthlycharge": _number(plan.minimum_monthly),
        "annualmincharge": _number(plan.minimum_annual),
    }
    if plan.fixed_daily:
        out |= {"fixedchargefirstmeter": _number(plan.fixed_daily), "fixedchargeunits": "$/day"}
    if plan.minimum_daily:
        out |= {"mincharge": _number(plan.minimum_daily), "minchargeunits": "$/day"}
    if plan.demand is not None:
        out |= _demand(plan.demand)
    if plan.export.pays:
        out["dgrules"] = "Net Billing Hourly" if plan.export.net_minutes == 60 else _RULES[plan.export.metering]
    return out | {"wattline": _ours(plan)}


def _tier(tier: terms.Tier) -> dict[str, Any]:
    out: dict[str, Any] = {"rate": _number(tier.price), "unit": _UNITS[tier.unit]}
    if tier.limit is not None:
        out["max"] = _number(tier.limit)
    if tier.sell is not None:
        out["sell"] = _number(tier.sell)
    return out


def _demand(demand: terms.Demand) -> dict[str, Any]:
    out: dict[str, Any] = {}
    if demand.flat:
        out |= {"flatdemandstructure": _ladders(demand.flat), "flatdemandmonths": list(demand.flat_months)}
    if demand.periods:
        out |= {
            "demandratestructure": _ladders(demand.periods),
            "demandweekdayschedule": _schedule(demand.weekday),
            "demandweekendschedule": _schedule(demand.weekend),
        }
    if demand.window_minutes is not None:
        out["demandwindow"] = demand.window_minutes
    if demand.ratchet is not None:
        percent = demand.ratchet.percent
        out |= {
            "lookbackpercent": _number(percent if percent > 100 else percent / 100),
            "lookbackrange": demand.ratchet.months,
        }
        if demand.ratchet.of_months:
            out["lookbackmonths"] = [int(month in demand.ratchet.of_months) for month in range(1, 13)]
    return out


def _ladders(ladders: Sequence[terms.DemandPeriod]) -> list[list[dict[str, Any]]]:
    return [
        [
            {"rate": _number(tier.price)} | ({} if tier.limit is None else {"max": _number(tier.limit)})
            for tier in period.tiers
        ]
        for period in ladders
    ]


def _ours(plan: terms.Plan) -> dict[str, Any]:
    out: dict[str, Any] = {
        "currency": plan.currency,
        "tier_scope": plan.tier_scope,
        "period_names": [period.name for period in plan.energy],
        "proration": plan.proration,
        "prorates": list(plan.prorates),
        "rounding": plan.rounding,
        "minimum_over": list(plan.minimum_over),
        "annual_minimum_counts": plan.annual_minimum_counts,
        "riders": [_rider(rider) for rider in plan.riders],
        "taxes": [_tax(tax) for tax in plan.taxes],
        "holidays": {
            "names": list(plan.holidays.names),
            "observance": plan.holidays.observance,
            "dates": [day.isoformat() for day in plan.holidays.dates],
        },
        "export": {
            "metering": plan.export.metering,
            "net_minutes": plan.export.net_minutes,
            "true_up_month": plan.export.true_up_month,
            "year_end_sell": str(plan.export.year_end_sell),
            "true_up_over": plan.export.true_up_over,
            "credit_over": list(plan.export.credit_over),
            "credit_applies": plan.export.credit_applies,
            "credits_expire": plan.export.credits_expire,
            "carry_by": plan.export.carry_by,
            "settlement": plan.export.settlement,
        },
    }
    if plan.proration_window is not None:
        out["proration_window"] = list(plan.proration_window)
    if plan.demand is not None:
        out["demand_period_names"] = [period.name for period in plan.demand.periods]
        out["demand_minimum_kw"] = str(plan.demand.minimum_kw)
        if plan.demand.ratchet is not None:
            ratchet = plan.demand.ratchet
            out["ratchet"] = {
                "percents": [str(percent) for percent in ratchet.percents],
                "shared_months": list(ratchet.shared_months),
                "over": list(ratchet.over),
            }
    if plan.index is not None:
        index = plan.index
        out["index"] = {"code": index.code, "multiplier": str(index.multiplier), "adder": str(index.adder)}
    return out


def _rider(rider: terms.Rider) -> dict[str, Any]:
    return {
        "code": rider.code,
        "description": rider.description,
        "kind": rider.kind,
        "price": str(rider.price),
        "over": list(rider.over),
        "of_months": list(rider.of_months),
        **_dated(rider.starts_on, rider.ends_on),
    }


def _tax(tax: terms.Tax) -> dict[str, Any]:
    return {
        "code": tax.code,
        "description": tax.description,
        "percent": str(tax.percent),
        "over": list(tax.over),
        **({"cities": list(tax.cities)} if tax.cities else {}),
        **({"customer_kinds": list(tax.customer_kinds)} if tax.customer_kinds else {}),
        **_dated(tax.starts_on, tax.ends_on),
    }


def _dated(starts_on: date | None, ends_on: date | None) -> dict[str, str]:
    days = {"starts_on": starts_on, "ends_on": ends_on}
    return {key: day.isoformat() for key, day in days.items() if day is not None}


def _schedule(schedule: terms.Schedule) -> list[list[int]]:
    return [list(hours) for hours in schedule]


def _number(value: Decimal) -> int | float | str:
    """As a JSON number where that loses no digit, else as text, which the reader takes as well."""
    if value == value.to_integral_value():
        return int(value)
    return float(value) if Decimal(repr(float(value))) == value else f"{value:f}"
