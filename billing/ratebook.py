"""Reads a tariff as the ratebook data set writes it (schema version 0) into a plan. Pure.

It holds what URDB holds under other names, so it is read by way of it; what it has besides (charges in several units,
holidays, one ladder of steps for each period) is its own.
"""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from billing import urdb
from billing.rating import terms
from core import errors

_RULES = {
    "net_metering": "Net Metering",
    "net_billing": "Net Billing Instantaneous",
    "buy_all_sell_all": "Buy All Sell All",
}
_HOLIDAYS = {
    "new_years_day": "NEW_YEARS_DAY",
    "martin_luther_king_day": "MARTIN_LUTHER_KING_DAY",
    "washingtons_birthday": "PRESIDENTS_DAY",
    "good_friday": "GOOD_FRIDAY",
    "memorial_day": "MEMORIAL_DAY",
    "juneteenth": "JUNETEENTH",
    "independence_day": "INDEPENDENCE_DAY",
    "labor_day": "LABOR_DAY",
    "columbus_day": "COLUMBUS_DAY",
    "veterans_day": "VETERANS_DAY",
    "thanksgiving": "THANKSGIVING",
    "day_after_thanksgiving": "DAY_AFTER_THANKSGIVING",
    "christmas_eve": "CHRISTMAS_EVE",
    "christmas": "CHRISTMAS_DAY",
}
_OBSERVANCE: dict[str | None, terms.Observance] = {
    None: "ACTUAL",
    "actual_day": "ACTUAL",
    "sunday_to_monday": "SUNDAY_TO_MONDAY",
    "nearest_weekday": "NEAREST_WEEKDAY",
}


def is_one(document: Any) -> bool:
    """This will say whether a document is written this way."""
    return isinstance(document, dict) and isinstance(document.get("energy"), dict) and "schedule" in document


def plan(document: Mapping[str, Any], *, reading: urdb.Reading | None = None) -> terms.Plan:
    """This will turn one document into a plan; Invalid tariff.unpriceable with `reason` and `where`."""
    read = reading or urdb.Reading()
    for left_out in document.get("unsupported") or ():
        reason = f"it has a charge that the file only names: {left_out.get('detail') or left_out.get('kind')}"
        raise errors.Invalid("tariff.unpriceable", reason=reason, where="unsupported")
    try:
        rate, schedule = _urdb(document), document["schedule"]
    except (KeyError, TypeError, AttributeError) as exc:
        reason = f"the document has no {exc}" if isinstance(exc, KeyError) else "the document has another shape"
        raise errors.Invalid("tariff.unpriceable", reason=reason, where="file") from exc
    made = urdb.plan(rate, tier_scope=read.tier_scope or "PER_PERIOD", reading=read)
    monthly = daily = Decimal(0)
    for charge in document.get("fixed_charges") or ():
        one = urdb.plan({**_bare(rate), "fixedchargefirstmeter": charge["amount"], "fixedchargeunits": charge["unit"]},
                        reading=read)  # fmt: skip
        monthly, daily = monthly + one.fixed_monthly, daily + one.fixed_daily
    return replace(
        made, fixed_monthly=monthly, fixed_daily=daily, holidays=_holidays(schedule) if read.windows else made.holidays
    )


def _bare(rate: Mapping[str, Any]) -> dict[str, Any]:
    return {key: rate[key] for key in ("energyratestructure", "energyweekdayschedule", "energyweekendschedule")}


def _urdb(document: Mapping[str, Any]) -> dict[str, Any]:
    identity = document.get("identity") or {}
    out: dict[str, Any] = {
        "label": identity.get("plan_code") or identity.get("plan_name"),
        "name": identity.get("plan_name"),
        "energyratestructure": [[_step(tier) for tier in period["tiers"]] for period in document["energy"]["periods"]],
        "energyweekdayschedule": document["schedule"]["weekday"],
        "energyweekendschedule": document["schedule"]["weekend"],
    }
    if document.get("metering") in _RULES:
        out["dgrules"] = _RULES[document["metering"]]
    least = document.get("min_charge")
    if least:
        out |= {"mincharge": least["amount"], "minchargeunits": least["unit"]}
    return out


def _step(tier: Mapping[str, Any]) -> dict[str, Any]:
    out = {"rate": tier["rate"], "adj": tier.get("adj"), "unit": tier.get("max_unit"), "max": tier.get("max")}
    return out if tier.get("sell") is None else out | {"sell": tier["sell"]}


def _holidays(schedule: Mapping[str, Any]) -> terms.Holidays:
    names = (schedule.get("holidays") or ()) if schedule.get("holiday_policy") == "as_weekend" else ()
    unknown = [name for name in names if name not in _HOLIDAYS]
    observance = schedule.get("holiday_observance")
    if unknown or observance not in _OBSERVANCE:
        raise errors.Invalid(
            "tariff.unpriceable", reason=f"the holiday rule {unknown or observance} is not known", where="schedule"
        )
    return terms.Holidays(tuple(_HOLIDAYS[name] for name in names), _OBSERVANCE[observance])
