"""Reads a rate of the US Utility Rate Database (JSON, versions 7 and 8) into a plan. Pure.

What the engine cannot price is refused in words, with the place in the file; nothing that costs money is
skipped. Fields that only describe are left out. What had to be decided is kept in the plan's `notes`: where the
format is silent, as NREL's SAM decides, unless a `Reading` says otherwise.
"""

import itertools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Literal, NoReturn

import numpy as np

from billing.rating import terms
from core import errors

_ENDLESS = Decimal("1e30")  # SAM and URDB write "no limit" as 1e38
_PLACES = 9
_NOISE = Decimal("1e-12")  # what 64-bit floats leave behind in a price
_TIER_UNITS: dict[str, terms.TierUnit] = {
    "kwh": "KWH",
    "kwh daily": "KWH_DAILY",
    "kwh/kw": "KWH_PER_KW",
    "kwh/kw daily": "KWH_PER_KW_DAILY",
}
_EXPORT = {
    "net metering": terms.Export("NET_METERING"),
    "net billing instantaneous": terms.Export("NET_BILLING"),
    "net billing hourly": terms.Export(
        "NET_BILLING_CREDIT", net_minutes=60, true_up_month=12, credit_applies="NEXT_BILL"
    ),
    "buy all sell all": terms.Export("BUY_ALL_SELL_ALL"),
}
_TIMED = ("NET_BILLING", "NET_BILLING_CREDIT", "BUY_ALL_SELL_ALL")


@dataclass(frozen=True)
class Reading:
    """How what the format leaves open is read.

    `tier_scope` says how steps and periods meet; None is as SAM does: by the month's total, under net billing in the
    order of time. `daily_charges` are by the day, as the tariff says, or MONTHLY: 365/12 days each month, as SAM's
    importer has them. `export` stands for a missing rule. `ratchet` takes a month's OWN_IN_FULL, or SHARED: by the
    percentage of the months looked back at (SAM's importer; it also takes every month, whichever are named).
    `windows` False takes the reads as they come. `power_factor` turns a price per kVA into one per kW.
    """

    tier_scope: terms.TierScope | None = None
    daily_charges: Literal["BY_DAY", "MONTHLY"] = "BY_DAY"
    export: terms.Metering | None = None
    ratchet: Literal["OWN_IN_FULL", "SHARED"] = "OWN_IN_FULL"
    windows: bool = True
    power_factor: Decimal | None = None


SAM = Reading(daily_charges="MONTHLY", export="NET_METERING", ratchet="SHARED", windows=False)


def parse(
    text: str, *, label: str | None = None, tier_scope: terms.TierScope | None = None, reading: Reading | None = None
) -> terms.Plan:
    """This will read the text of a URDB file: one rate object, or a response with ``items``.

    `label` chooses among several. Raises Invalid ``tariff.unpriceable`` with `reason` and `where`.
    """
    return plan(choose(load(text), label), tier_scope=tier_scope, reading=reading)


def load(text: str) -> Any:
    """This will read JSON with every number exact; Invalid when it is none."""
    try:
        data = json.loads(text, parse_float=Decimal, parse_int=Decimal)
        if isinstance(data, str):  # a response that was written out as one string
            data = json.loads(data, parse_float=Decimal, parse_int=Decimal)
    except (ValueError, RecursionError):
        _refuse("the file is not JSON", "file")
    return data


def plan(
    rate: Mapping[str, Any], *, tier_scope: terms.TierScope | None = None, reading: Reading | None = None
) -> terms.Plan:
    """This will turn one rate object into a plan."""
    read = reading or Reading()
    notes: list[str] = []
    _refuse_extras(rate)
    energy = _energy(rate, notes)
    demand = _demand(rate, read, notes)
    monthly, daily = _per(rate, read, "fixedchargefirstmeter", "fixedchargeunits", notes)
    minimum, minimum_daily, minimum_annual = _minimum(rate, read, notes)
    rule, energy = _export(rate, read, energy, notes)
    nets = rule.metering not in ("NONE", "BUY_ALL_SELL_ALL")  # bought and sold over two meters, they are two bills
    if nets and (minimum or minimum_daily or minimum_annual):
        notes.append("what is paid for export counts towards the minimum, which the file does not say")
    both = minimum_annual and (minimum or minimum_daily)
    if both:
        notes.append("what a monthly minimum adds does not count towards the yearly one, which the file does not say")
    scope = tier_scope or read.tier_scope or ("CHRONOLOGICAL" if rule.metering in _TIMED else "TOTAL_PRORATA")
    if any(len(period.tiers) > 1 for period in energy) and len(energy) > 1:
        notes.append(f"steps and periods meet by {scope}, which the file does not say")
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
        annual_minimum_counts="CHARGES" if both else "CHARGES_AND_MINIMUM",
        demand=demand,
        riders=_fuel(rate, notes),
        export=rule,
        minimum_over=("fixed", "energy", "demand", "credit") if nets else ("fixed", "energy", "demand"),
        tier_scope=scope,
        notes=tuple(dict.fromkeys(notes)),
    )


def choose(data: Any, label: str | None) -> Mapping[str, Any]:
    """This will pick the one rate of a file, or the one named."""
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
            limit = _limit(step, where, last=t == len(steps) - 1 or _block_ends(steps, t), notes=notes)
            if "rate" not in step and "adj" not in step and "sell" not in step:
                _refuse("the step has no rate", f"{where}.rate")
            price = _number(step, "rate", notes, where) + _number(step, "adj", notes, where)
            sell = _number(step, "sell", notes, where) if step.get("sell") is not None else None
            tiers.append(terms.Tier(price=price, limit=limit, unit=_TIER_UNITS[unit], sell=sell))
        periods.append(terms.EnergyPeriod(name=_name(p, len(structure)), tiers=_rising(tiers, p)))
    return tuple(periods)


def _block_ends(steps: Sequence[Mapping[str, Any]], t: int) -> bool:
    """A step in kWh may be endless where the next is per kW: the block ends it."""
    own, following = (str(steps[n].get("unit") or "kWh").strip().lower() for n in (t, min(t + 1, len(steps) - 1)))
    return _TIER_UNITS.get(own) not in terms.PER_KW and _TIER_UNITS.get(following) in terms.PER_KW


def _rising(tiers: list[terms.Tier], period: int) -> tuple[terms.Tier, ...]:
    where = f"energyratestructure[{period}]"
    if any(tier.unit in terms.PER_KW for tier in tiers[:-1]) and tiers[0].unit not in terms.PER_KW:
        _refuse("steps that begin in kWh and go on per kW do not say where one ends and the other begins", where)
    for unit in _TIER_UNITS.values():
        limits = [tier.limit for tier in tiers if tier.unit == unit and tier.limit is not None]
        if any(low >= high for low, high in itertools.pairwise([Decimal(0), *limits])):
            _refuse("the limits of the steps do not rise", where)
    return tuple(tiers)


def _demand(rate: Mapping[str, Any], read: Reading, notes: list[str]) -> terms.Demand | None:
    flat = _ladders(rate, read, "flatdemandstructure", ("flatdemandunit",), notes)
    timed = _ladders(rate, read, "demandratestructure", ("demandrateunit", "demandunits"), notes)
    ratchet = _ratchet(rate, read, flat, timed, notes)
    paid = any(tier.price for period in (*flat, *timed) for tier in period.tiers)
    if not paid and (ratchet is None or not _per_kw(rate)):
        return None
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
        window_minutes=int(window) or None if read.windows else None,
        ratchet=ratchet,
    )


def _per_kw(rate: Mapping[str, Any]) -> bool:
    steps = [step for period in _structure(rate, "energyratestructure") for step in period]
    return any(str(step.get("unit") or "").strip().lower().startswith("kwh/kw") for step in steps)


def _ladders(
    rate: Mapping[str, Any], read: Reading, key: str, unit_keys: tuple[str, ...], notes: list[str]
) -> tuple[terms.DemandPeriod, ...]:
    structure = _structure(rate, key)
    if not any(_number(step, "rate", []) + _number(step, "adj", []) for steps in structure for step in steps):
        unit_keys = ()  # what costs nothing may be measured in anything
    out = []
    for p, steps in enumerate(structure):
        tiers = []
        for t, step in enumerate(steps):
            where = f"{key}[{p}][{t}]"
            factor = Decimal(1)
            for holder, name, place in ((step, "unit", f"{where}.unit"), *((rate, k, k) for k in unit_keys)):
                factor = min(factor, _power(holder.get(name), read, place))
            limit = _limit(step, where, last=t == len(steps) - 1, notes=notes)
            price = _number(step, "rate", notes, where) + _number(step, "adj", notes, where)
            if factor != 1:
                price, limit = _nine(price / factor), None if limit is None else _nine(limit * factor)
                notes.append(f"kVA are taken as kW at a power factor of {factor}")
            tiers.append(terms.DemandTier(price=price, limit=limit))
        limits = [tier.limit for tier in tiers if tier.limit is not None]
        if any(low >= high for low, high in zip([Decimal(0), *limits], limits, strict=False)):
            _refuse("the limits of the steps do not rise", f"{key}[{p}]")
        name = _name(p, len(structure)) if key == "demandratestructure" else ""
        out.append(terms.DemandPeriod(name=name, tiers=tuple(tiers)))
    return tuple(out)


def _power(unit: Any, read: Reading, where: str) -> Decimal:
    """How many kW one of the unit is."""
    name = str(unit or "kW").strip().lower()
    if name == "kw":
        return Decimal(1)
    if name == "kva" and read.power_factor is not None:
        return read.power_factor
    hint = "; a power factor is needed" if name == "kva" else ""
    return _refuse(f"demand measured in {unit} cannot be priced from energy reads{hint}", where)


def _nine(value: Decimal) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-_PLACES)).normalize()


def _ratchet(
    rate: Mapping[str, Any],
    read: Reading,
    flat: tuple[terms.DemandPeriod, ...],
    timed: tuple[terms.DemandPeriod, ...],
    notes: list[str],
) -> terms.Ratchet | None:
    percent = _share(_number(rate, "lookbackpercent", notes))
    months = int(_number(rate, "lookbackrange", notes))
    of_months = rate.get("lookbackmonths") or []
    chosen = tuple(n + 1 for n, flag in enumerate(of_months) if flag not in (0, False, None))
    if not percent or not (months or chosen):
        return None
    if read.ratchet == "SHARED":
        every = tuple(range(1, 13))
        over: tuple[terms.RatchetOver, ...] = ("FLAT", "PERIODS_BY_MONTH", "STEPS")
        months = 12 if months == 11 else months  # that engine looks back at twelve where eleven are named
        return terms.Ratchet(percent=percent, months=months, shared_months=every, over=over)
    if any(tier.price for period in flat for tier in period.tiers):
        over = ("FLAT",)
    else:
        over = ("PERIODS",) if any(tier.price for period in timed for tier in period.tiers) else ("STEPS",)
        notes.append("looking back goes by the highest demand of a month at any hour, which the file does not say")
    return terms.Ratchet(percent=percent, months=months or 11, of_months=chosen, over=over)


def _minimum(rate: Mapping[str, Any], read: Reading, notes: list[str]) -> tuple[Decimal, Decimal, Decimal]:
    unit = str(rate.get("minchargeunits") or "$/month").strip().lower()
    charge = _number(rate, "mincharge", notes)
    monthly = _number(rate, "minmonthlycharge", notes)
    annual = _number(rate, "annualmincharge", notes)
    if charge and unit not in ("$/month", "$/day", "$/year"):
        _refuse(f"a minimum charge in {rate['minchargeunits']} cannot be priced", "minchargeunits")
    if unit == "$/day" and read.daily_charges == "MONTHLY":
        unit, charge = "$/month", _nine(charge * 365 / 12)
    daily = charge if unit == "$/day" else Decimal(0)
    return monthly + (charge if unit == "$/month" else 0), daily, annual + (charge if unit == "$/year" else 0)


def _per(rate: Mapping[str, Any], read: Reading, key: str, unit_key: str, notes: list[str]) -> tuple[Decimal, Decimal]:
    """A fixed charge as (per month, per day)."""
    unit = str(rate.get(unit_key) or "$/month").strip().lower()
    charge = _number(rate, key, notes)
    if not charge or unit == "$/month":
        return charge, Decimal(0)
    if unit == "$/day":
        return (Decimal(0), charge) if read.daily_charges == "BY_DAY" else (_nine(charge * 365 / 12), Decimal(0))
    if unit == "$/year":
        notes.append("the yearly fixed charge is spread over twelve months")
        return _nine(charge / 12), Decimal(0)
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


def _export(
    rate: Mapping[str, Any], read: Reading, energy: tuple[terms.EnergyPeriod, ...], notes: list[str]
) -> tuple[terms.Export, tuple[terms.EnergyPeriod, ...]]:
    """What becomes of export; where it is paid for and a price is missing, that price is nothing."""
    rules = str(rate.get("dgrules") or "").strip().lower()
    if not rules and rate.get("usenetmetering"):
        rules = "net metering"
    if not rules and read.export is None and any(tier.sell for period in energy for tier in period.tiers):
        rules = "net billing instantaneous"
    if rules and rules not in _EXPORT:
        _refuse(f"export under {rate['dgrules']} cannot be priced", "dgrules")
    rule = _EXPORT.get(rules, terms.Export(read.export or "NONE"))
    if rule.metering == "NET_METERING":
        notes.append("a surplus of kWh is carried to the next bill, and never settled: the file does not say when")
        if len(energy) > 1:
            notes.append("it is carried to the period at the same time of day, which the file does not say")
            rule = replace(rule, carry_by="TIME_OF_DAY")
    if rule.metering == "NET_BILLING_CREDIT":
        notes.append("credits are carried to the next bill, and paid out in December, which the file does not say")
        rule = rule if read.windows else replace(rule, net_minutes=None)
    if rule.metering not in ("NONE", "NET_METERING") and any(t.sell is None for p in energy for t in p.tiers):
        notes.append("where the file gives no price for export, nothing is paid")
        energy = tuple(replace(p, tiers=tuple(replace(t, sell=t.sell or Decimal(0)) for t in p.tiers)) for p in energy)
    return rule, energy


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
        notes.append(f"{where} ends at {limit.normalize():f}: beyond it there is no price, and such use is refused")
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
