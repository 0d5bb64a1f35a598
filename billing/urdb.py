"""Reads a rate of the US Utility Rate Database (JSON, versions 7 and 8) into a plan. Pure.

What the engine cannot price is refused in words, with the place in the file; nothing that costs money is
skipped. Fields that only describe are left out. What had to be decided is kept in the plan's `notes`.
"""

import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NoReturn

import numpy as np

from billing.rating import terms
from core import errors

_ENDLESS = Decimal("1e30")  # SAM and URDB write "no limit" as 1e38
_PLACES = 9
_NOISE = Decimal("1e-12")  # what 64-bit floats leave behind in a price
_TIER_UNITS: dict[str, terms.TierUnit] = {"kwh": "KWH", "kwh daily": "KWH_DAILY", "kwh/kw": "KWH_PER_KW"}
_EXPORT = {
    "net metering": terms.Export("NET_METERING"),
    "net billing instantaneous": terms.Export("NET_BILLING"),
    "net billing hourly": terms.Export("NET_BILLING", net_minutes=60),
    "buy all sell all": terms.Export("BUY_ALL_SELL_ALL"),
}


def parse(text: str, *, label: str | None = None, tier_scope: terms.TierScope = "TOTAL_PRORATA") -> terms.Plan:
    """This will read the text of a URDB file: one rate object, or a response with ``items``.

    `label` chooses among several. `tier_scope` says how steps and periods meet, which URDB leaves open; the
    default is what SAM does. Raises Invalid ``tariff.unpriceable`` with `reason` and `where`.
    """
    try:
        data = json.loads(text, parse_float=Decimal, parse_int=Decimal)
        if isinstance(data, str):  # a response that was written out as one string
            data = json.loads(data, parse_float=Decimal, parse_int=Decimal)
    except (ValueError, RecursionError):
        _refuse("the file is not JSON", "file")
    return plan(_choose(data, label), tier_scope=tier_scope)


def plan(rate: Mapping[str, Any], *, tier_scope: terms.TierScope = "TOTAL_PRORATA") -> terms.Plan:
    """This will turn one rate object into a plan."""
    notes: list[str] = []
    _refuse_extras(rate)
    energy = _energy(rate, notes)
    demand = _demand(rate, notes)
    monthly, daily = _per(rate, "fixedchargefirstmeter", "fixedchargeunits", notes)
    minimum, minimum_daily, minimum_annual = _minimum(rate, notes)
    rule = _export(rate, energy, notes)
    nets = rule.metering not in ("NONE", "BUY_ALL_SELL_ALL")  # bought and sold over two meters, they are two bills
    if nets and (minimum or minimum_daily or minimum_annual):
        notes.append("what is paid for export counts towards the minimum, which the file does not say")
    scoped = any(len(period.tiers) > 1 for period in energy) and len(energy) > 1
    if scoped:
        notes.append(f"steps and periods meet by {tier_scope}, which the file does not say")
    if _number(rate, "fixedchargeeaaddl", notes):
        notes.append("the charge for further meters is left out: one meter is priced")
    return terms.Plan(
        code=str(rate.get("label") or rate.get("name") or "URDB"),
        name=str(rate.get("name") or rate.get("label") or "URDB rate"),
        energy=energy,
        weekday=_schedule(rate, "energyweekdayschedule", len(energy)),
        weekend=_schedule(rate, "energyweekendschedule", len(energy)),
        fixed_monthly=monthly + _number(rate, "fixedmonthlycharge", notes),
        fixed_daily=daily,
        minimum_monthly=minimum,
        minimum_daily=minimum_daily,
        minimum_annual=minimum_annual,
        demand=demand,
        riders=_fuel(rate, notes),
        export=rule,
        minimum_over=("fixed", "energy", "demand", "credit") if nets else ("fixed", "energy", "demand"),
        tier_scope=tier_scope,
        notes=tuple(dict.fromkeys(notes)),
    )


def _choose(data: Any, label: str | None) -> Mapping[str, Any]:
    items = data.get("items", [data]) if isinstance(data, dict) else data
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items) or not items:
        _refuse("the file holds no rate", "items")
    chosen = [item for item in items if label is None or item.get("label") == label]
    if len(chosen) != 1:
        _refuse(f"the file holds {len(items)} rates; name the label of one", "items")
    rate: Mapping[str, Any] = chosen[0]
    return rate


def _energy(rate: Mapping[str, Any], notes: list[str]) -> tuple[terms.EnergyPeriod, ...]:
    structure = _structure(rate, "energyratestructure")
    if not structure:
        _refuse("there are no energy prices: this is not a URDB rate", "energyratestructure")
    periods = []
    for p, steps in enumerate(structure):
        tiers = []
        for t, step in enumerate(steps):
            where = f"energyratestructure[{p}][{t}]"
            unit = str(step.get("unit") or "kWh").strip().lower()
            if unit not in _TIER_UNITS:
                _refuse(f"a step measured in {step.get('unit')} cannot be priced", f"{where}.unit")
            limit = _limit(step, where, last=t == len(steps) - 1, notes=notes)
            if "rate" not in step and "adj" not in step and "sell" not in step:
                _refuse("the step has no rate", f"{where}.rate")
            price = _number(step, "rate", notes, where) + _number(step, "adj", notes, where)
            sell = _number(step, "sell", notes, where) if step.get("sell") is not None else None
            tiers.append(terms.Tier(price=price, limit=limit, unit=_TIER_UNITS[unit], sell=sell))
        periods.append(terms.EnergyPeriod(name=_name(p, len(structure)), tiers=_rising(tiers, p)))
    return tuple(periods)


def _rising(tiers: list[terms.Tier], period: int) -> tuple[terms.Tier, ...]:
    limits = [tier.limit for tier in tiers if tier.limit is not None]
    if any(low >= high for low, high in zip([Decimal(0), *limits], limits, strict=False)):
        _refuse("the limits of the steps do not rise", f"energyratestructure[{period}]")
    if len({tier.unit for tier in tiers[:-1]}) > 1:
        _refuse("the steps of one period are measured in different units", f"energyratestructure[{period}]")
    return tuple(tiers)


def _demand(rate: Mapping[str, Any], notes: list[str]) -> terms.Demand | None:
    flat = _ladders(rate, "flatdemandstructure", notes)
    timed = _ladders(rate, "demandratestructure", notes)
    paid = [period for period in (*flat, *timed) if any(tier.price for tier in period.tiers)]
    if not paid:
        return None
    for key, structure in (
        ("flatdemandunit", "flatdemandstructure"),
        ("demandrateunit", "demandratestructure"),
        ("demandunits", "demandratestructure"),
    ):
        unit = str(rate.get(key) or "kW").strip().lower()
        if unit != "kw" and _structure(rate, structure):
            _refuse(f"demand measured in {rate[key]} cannot be priced from energy reads", key)
    window = _number(rate, "demandwindow", notes)
    if window and window != int(window):
        _refuse("the demand window is not whole minutes", "demandwindow")
    months = rate.get("flatdemandmonths") or [0] * 12
    return terms.Demand(
        flat=flat,
        flat_months=_indices(months, 12, len(flat) or 1, "flatdemandmonths"),
        periods=timed,
        weekday=_schedule(rate, "demandweekdayschedule", len(timed)) if timed else (),
        weekend=_schedule(rate, "demandweekendschedule", len(timed)) if timed else (),
        window_minutes=int(window) or None,
        ratchet=_ratchet(rate, flat, notes),
    )


def _ladders(rate: Mapping[str, Any], key: str, notes: list[str]) -> tuple[terms.DemandPeriod, ...]:
    structure = _structure(rate, key)
    out = []
    for p, steps in enumerate(structure):
        tiers = []
        for t, step in enumerate(steps):
            where = f"{key}[{p}][{t}]"
            unit = str(step.get("unit") or "kW").strip().lower()
            if unit != "kw":
                _refuse(f"demand measured in {step['unit']} cannot be priced from energy reads", f"{where}.unit")
            limit = _limit(step, where, last=t == len(steps) - 1, notes=notes)
            price = _number(step, "rate", notes, where) + _number(step, "adj", notes, where)
            tiers.append(terms.DemandTier(price=price, limit=limit))
        limits = [tier.limit for tier in tiers if tier.limit is not None]
        if any(low >= high for low, high in zip([Decimal(0), *limits], limits, strict=False)):
            _refuse("the limits of the steps do not rise", f"{key}[{p}]")
        name = _name(p, len(structure)) if key == "demandratestructure" else ""
        out.append(terms.DemandPeriod(name=name, tiers=tuple(tiers)))
    return tuple(out)


def _ratchet(rate: Mapping[str, Any], flat: tuple[terms.DemandPeriod, ...], notes: list[str]) -> terms.Ratchet | None:
    percent = _share(_number(rate, "lookbackpercent", notes))
    months = int(_number(rate, "lookbackrange", notes))
    of_months = rate.get("lookbackmonths") or []
    chosen = tuple(n + 1 for n, flag in enumerate(of_months) if flag not in (0, False, None))
    if not percent or not (months or chosen):
        return None
    if not any(tier.price for period in flat for tier in period.tiers):
        _refuse("looking back at demand is priced for flat demand charges only", "lookbackpercent")
    return terms.Ratchet(percent=percent, months=months or 11, of_months=chosen)


def _minimum(rate: Mapping[str, Any], notes: list[str]) -> tuple[Decimal, Decimal, Decimal]:
    unit = str(rate.get("minchargeunits") or "$/month").strip().lower()
    charge = _number(rate, "mincharge", notes)
    monthly = _number(rate, "minmonthlycharge", notes)
    annual = _number(rate, "annualmincharge", notes)
    if charge and unit not in ("$/month", "$/day", "$/year"):
        _refuse(f"a minimum charge in {rate['minchargeunits']} cannot be priced", "minchargeunits")
    daily = charge if unit == "$/day" else Decimal(0)
    return monthly + (charge if unit == "$/month" else 0), daily, annual + (charge if unit == "$/year" else 0)


def _per(rate: Mapping[str, Any], key: str, unit_key: str, notes: list[str]) -> tuple[Decimal, Decimal]:
    """A fixed charge as (per month, per day)."""
    unit = str(rate.get(unit_key) or "$/month").strip().lower()
    charge = _number(rate, key, notes)
    if not charge or unit == "$/month":
        return charge, Decimal(0)
    if unit == "$/day":
        return Decimal(0), charge
    if unit == "$/year":
        notes.append("the yearly fixed charge is spread over twelve months")
        return (charge / 12).quantize(Decimal(1).scaleb(-_PLACES)), Decimal(0)
    return _refuse(f"a fixed charge in {rate[unit_key]} cannot be priced", unit_key)


def _fuel(rate: Mapping[str, Any], notes: list[str]) -> tuple[terms.Rider, ...]:
    given = rate.get("fueladjustmentsmonthly") or []
    if not isinstance(given, list) or len(given) not in (0, 12):
        _refuse("monthly fuel adjustments are twelve numbers", "fueladjustmentsmonthly")
    riders = []
    for month, value in enumerate(given):
        price = _decimal(value, f"fueladjustmentsmonthly[{month}]", notes)
        if price:
            riders.append(terms.Rider("FUEL", "Fuel adjustment", "PER_KWH", price, of_months=(month + 1,)))
    return tuple(riders)


def _export(rate: Mapping[str, Any], energy: tuple[terms.EnergyPeriod, ...], notes: list[str]) -> terms.Export:
    rules = str(rate.get("dgrules") or "").strip().lower()
    if not rules and rate.get("usenetmetering"):
        rules = "net metering"
    if not rules and any(tier.sell for period in energy for tier in period.tiers):
        rules = "net billing instantaneous"
    if rules and rules not in _EXPORT:
        _refuse(f"export under {rate['dgrules']} cannot be priced", "dgrules")
    if rules == "net metering":
        notes.append("a surplus of kWh is carried period by period, and never settled: the file does not say when")
    return _EXPORT.get(rules, terms.Export())


def _refuse_extras(rate: Mapping[str, Any]) -> None:
    """Charges that the engine has no words for."""
    if _decimal(rate.get("demandreactivepowercharge") or 0, "demandreactivepowercharge", []):
        _refuse("a reactive power charge needs reactive reads", "demandreactivepowercharge")
    for p, steps in enumerate(_structure(rate, "coincidentratestructure")):
        for t, step in enumerate(steps):
            where = f"coincidentratestructure[{p}][{t}]"
            if _number(step, "rate", [], where) + _number(step, "adj", [], where):
                _refuse("a coincident peak charge needs the system's peak hours", where)
    ratchets = rate.get("demandratchetpercentage") or []
    if any(_decimal(value, "demandratchetpercentage", []) for value in ratchets):
        _refuse("a demand ratchet by month does not say how far it looks back", "demandratchetpercentage")


def _structure(rate: Mapping[str, Any], key: str) -> list[list[Mapping[str, Any]]]:
    structure = rate.get(key) or []
    shaped = isinstance(structure, list) and all(
        isinstance(steps, list) and steps and all(isinstance(step, dict) for step in steps) for steps in structure
    )
    if not shaped:
        _refuse("it must be a list of periods, each a list of steps", key)
    return structure


def _schedule(rate: Mapping[str, Any], key: str, count: int) -> terms.Schedule:
    given = rate.get(key)
    if given is None and count == 1:
        return terms.EVERY_HOUR
    if not isinstance(given, list) or len(given) != 12:
        _refuse("a schedule is 12 months of 24 hours", key)
    return tuple(_indices(hours, 24, count, f"{key}[{month}]") for month, hours in enumerate(given))


def _indices(given: Any, length: int, count: int, where: str) -> tuple[int, ...]:
    if not isinstance(given, list) or len(given) != length:
        _refuse(f"there must be {length} numbers", where)
    numbers = [_decimal(value, f"{where}[{n}]", []) for n, value in enumerate(given)]
    for n, number in enumerate(numbers):
        if number != int(number) or not 0 <= number < count:
            _refuse(f"it names period {number}, which has no price", f"{where}[{n}]")
    return tuple(int(number) for number in numbers)


def _limit(step: Mapping[str, Any], where: str, *, last: bool, notes: list[str]) -> Decimal | None:
    limit = _number(step, "max", notes, where) if step.get("max") is not None else None
    if limit is not None and limit >= _ENDLESS:
        limit = None
    if last and limit is not None:
        _refuse(f"there is no price beyond {limit.normalize():f}", f"{where}.max")
    if not last and limit is None:
        _refuse("a step before the last has no limit", f"{where}.max")
    return limit


def _number(holder: Mapping[str, Any], key: str, notes: list[str], where: str = "") -> Decimal:
    value = holder.get(key)
    return Decimal(0) if value is None else _decimal(value, f"{where}.{key}" if where else key, notes)


def _decimal(value: Any, where: str, notes: list[str]) -> Decimal:
    plain = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    if not plain and not (isinstance(value, str) and re.fullmatch(r"-?\d+(\.\d+)?", value.strip())):
        _refuse(f"{value!r} is not a number", where)
    number = Decimal(str(value).strip())
    if not number.is_finite():
        _refuse(f"{value!r} is not a number", where)
    exponent = number.as_tuple().exponent
    if abs(number) >= _ENDLESS or not isinstance(exponent, int) or -exponent <= _PLACES:
        return number
    # 19.538999557495117 is 19.539 after a 32-bit float: meant is the shortest number that gives the same float
    short = np.float32(float(number))
    if Decimal(float(short)) == Decimal(float(number)):
        return Decimal(str(short))
    rounded = number.quantize(Decimal(1).scaleb(-_PLACES)).normalize()
    if abs(number - rounded) > _NOISE:
        notes.append(f"{where} is rounded to {_PLACES} places")
    return rounded


def _share(percent: Decimal) -> Decimal:
    """URDB writes a look-back of 80 % as 0.8 or as 80."""
    return percent * 100 if 0 < percent <= 1 else percent


def _name(number: int, count: int) -> str:
    return f"period {number + 1}" if count > 1 else ""


def _refuse(reason: str, where: str) -> NoReturn:
    raise errors.Invalid("tariff.unpriceable", reason=reason, where=where)


__all__: Sequence[str] = ("parse", "plan")
