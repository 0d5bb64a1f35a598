"""Plans as data: a published document (URDB v8 with our own part under `wattline`) becomes the terms that are priced.

`tariff` in the document says how it is sold; days may be written relative to the day it is loaded (``-4 months``).
"""

import dataclasses
import functools
import hashlib
import json
import pathlib
import re
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from billing import eligibility, rating, urdb
from billing.rating import check
from core import errors, money, periods, wording

FOLDER = pathlib.Path(__file__).parent / "plans"
_KINDS = ("FLAT", "TIERED", "TOU", "DEMAND", "HOURLY")
_RELATIVE = re.compile(r"^([+-]?\d+) months$")


def published(today: date) -> tuple[dict[str, Any], ...]:
    """This will give the utility's own documents, their relative days fixed against `today`, by code."""
    return tuple(resolve(json.loads(path.read_text()), today) for path in sorted(FOLDER.glob("*.json")))


def resolve(document: Any, today: date) -> Any:
    """This will turn every relative day in a document into a date (the first of that month)."""
    if isinstance(document, dict):
        return {key: resolve(value, today) for key, value in document.items()}
    if isinstance(document, list):
        return [resolve(value, today) for value in document]
    found = _RELATIVE.match(document) if isinstance(document, str) else None
    if found is None:
        return document
    return periods.add_months(today.replace(day=1), int(found.group(1))).isoformat()


def canonical(document: Mapping[str, Any]) -> str:
    """This will write a document in the one way its digest is taken of."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"))


def digest(document: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical(document).encode()).hexdigest()


def plan_of(document: Mapping[str, Any]) -> rating.Plan:
    """This will compile a document; Invalid tariff.unpriceable, with a reason, when it cannot be priced."""
    return _compile(canonical(document))


@functools.lru_cache(maxsize=512)
def _compile(text: str) -> rating.Plan:
    document = json.loads(text, parse_float=Decimal)
    ours = document.get("wattline", {})
    _only_known(ours)
    plan = urdb.plan(document, tier_scope=ours.get("tier_scope", "TOTAL_PRORATA"))
    if plan.demand is not None and plan.demand.ratchet is not None and "ratchet" in ours:
        ratchet = _ratchet(plan.demand.ratchet, ours["ratchet"])
        plan = dataclasses.replace(plan, demand=dataclasses.replace(plan.demand, ratchet=ratchet))
    names = ours.get("period_names")
    if names:
        energy = tuple(dataclasses.replace(p, name=n) for p, n in zip(plan.energy, names, strict=True))
        plan = dataclasses.replace(plan, energy=energy)
    names = ours.get("demand_period_names")
    if names and plan.demand is not None:
        demand = tuple(dataclasses.replace(p, name=n) for p, n in zip(plan.demand.periods, names, strict=True))
        plan = dataclasses.replace(plan, demand=dataclasses.replace(plan.demand, periods=demand))
    if ours.get("demand_minimum_kw") and plan.demand is not None:
        least = Decimal(ours["demand_minimum_kw"])
        plan = dataclasses.replace(plan, demand=dataclasses.replace(plan.demand, minimum_kw=least))
    holidays = ours.get("holidays", {})
    plan = dataclasses.replace(
        plan,
        holidays=rating.Holidays(
            names=tuple(holidays.get("names", ())),
            observance=holidays.get("observance", "ACTUAL"),
            dates=tuple(date.fromisoformat(d) for d in holidays.get("dates", ())),
        ),
        riders=(*plan.riders, *(_rider(r) for r in ours.get("riders", ())), *map(_discount, ours.get("discounts", ()))),
        taxes=tuple(_tax(t) for t in ours.get("taxes", ())),
        proration=ours.get("proration", plan.proration),
        prorates=tuple(ours.get("prorates", plan.prorates)),
        proration_window=tuple(ours["proration_window"]) if ours.get("proration_window") else plan.proration_window,
        rounding=ours.get("rounding", plan.rounding),
        minimum_over=tuple(ours.get("minimum_over", plan.minimum_over)),
        annual_minimum_counts=ours.get("annual_minimum_counts", plan.annual_minimum_counts),
        currency=ours.get("currency", plan.currency),
        export=_export(ours["export"]) if "export" in ours else plan.export,
        index=_index(ours["index"]) if "index" in ours else plan.index,
    )
    try:
        check.terms_of(plan)
    except errors.Invalid as wrong:
        raise errors.Invalid("tariff.unpriceable", **wrong.data) from wrong
    return plan


def _names_of(kind: type) -> frozenset[str]:
    return frozenset(field.name for field in dataclasses.fields(kind))


_RIDER = _names_of(rating.Rider)
_PARTS = {
    "riders": _RIDER, "discounts": _RIDER - {"kind", "price"} | {"percent", "amount"}, "taxes": _names_of(rating.Tax),
    "export": _names_of(rating.Export), "index": _names_of(rating.Index), "holidays": _names_of(rating.Holidays),
    "ratchet": frozenset(("percents", "shared_months", "over")),
}  # fmt: skip
_OURS = frozenset(_PARTS) | {
    "about", "annual_minimum_counts", "currency", "demand_minimum_kw", "demand_period_names", "minimum_over", "names",
    "period_names", "prorates", "proration", "proration_window", "rounding", "tier_scope",
}  # fmt: skip


def _only_known(ours: Mapping[str, Any]) -> None:
    """A word of ours that is spelled wrong would be left out, and with it what it was to charge."""
    for name, part in (("", ours), *((key, ours[key]) for key in _PARTS if key in ours)):
        for each in part if isinstance(part, list) else [part]:
            unknown = sorted(set(each) - (_PARTS[name] if name else _OURS))
            if unknown:
                where = f"wattline.{name}" if name else "wattline"
                raise errors.Invalid("tariff.unpriceable", reason=f"there is no {unknown[0]!r} here", where=where)


@dataclasses.dataclass(frozen=True)
class Sold:
    """On what conditions a tariff is sold, and left."""

    kind: str
    exit_fee_cents: int
    term_months: int
    cooling_off_days: int


def sold_of(document: Mapping[str, Any]) -> Sold:
    """This will read the conditions of a document; Invalid tariff.eligibility for what cannot be read."""
    sold = document.get("tariff") or {}
    if sold.get("kind") not in _KINDS:
        _unsold(f"it has to be one of {', '.join(_KINDS)}", "tariff.kind")
    try:
        fee = Decimal(str(sold.get("exit_fee", "0")))
        months, days = int(sold.get("term_months", 0)), int(sold.get("cooling_off_days", 14))
    except (ArithmeticError, TypeError, ValueError):
        _unsold("the exit fee, the months and the days of cooling off are numbers", "tariff")
    if fee < 0 or months < 0 or days < 0 or fee != fee.quantize(money.CENT):
        _unsold("a fee is whole cents, and no fee, month or day is below zero", "tariff")
    return Sold(sold["kind"], money.cents(fee), months, days)


@dataclasses.dataclass(frozen=True)
class Words:
    """What customers are told a plan is, by locale; nothing where the catalogues say it."""

    names: dict[str, str]
    about: dict[str, str]


def words_of(document: Mapping[str, Any]) -> Words:
    """This will give a plan's name and what is said of it, from `names` and `about` of our part of its document.

    Invalid tariff.unnamed where a locale has no words, and the catalogues, which know the plans of ours, none either.
    """
    ours = document.get("wattline") or {}
    return Words(*(_said(document, ours, key, kind, most) for key, kind, most in _WORDS))


_WORDS = (("names", "name", 60), ("about", "about", 400))


def _said(document: Mapping[str, Any], ours: Mapping[str, Any], key: str, kind: str, most: int) -> dict[str, str]:
    told = ours.get(key)
    if told is None:
        entry = f"tariff.{document.get('label')}.{kind}"
        lacking = [locale for locale in wording.LOCALES if entry not in wording.kinds(locale)]
        if lacking:
            _unnamed(f"customers are told of it in {', '.join(lacking)}, and it has no words for that", key)
        return {}
    if not isinstance(told, dict) or set(told) != set(wording.LOCALES):
        _unnamed(f"it has to be said in {' and '.join(wording.LOCALES)}, and in nothing else", key)
    for locale, text in told.items():
        if not isinstance(text, str) or not text.strip() or len(text) > most or not text.isprintable():
            _unnamed(f"it is a line of 1 to {most} characters", f"{key}.{locale}")
    return {locale: text.strip() for locale, text in told.items()}


def _unnamed(reason: str, where: str) -> NoReturn:
    raise errors.Invalid("tariff.unnamed", reason=reason, where=f"wattline.{where}")


def _unsold(reason: str, where: str) -> NoReturn:
    raise errors.Invalid("tariff.eligibility", reason=reason, where=where)


def rules_of(document: Mapping[str, Any], *, opens_on: date) -> eligibility.Rules:
    """This will give who may have a document's plan; Invalid tariff.eligibility where it contradicts itself.

    A program or a jurisdiction is known once it has a name in both catalogues: customers are told of it by that.
    """
    rules = eligibility.read(document, opens_on=opens_on)
    kinds = wording.kinds("en") & wording.kinds("es")
    eligibility.check(
        rules,
        programs=[k.removeprefix("program.").removesuffix(".name") for k in kinds if k.startswith("program.")],
        jurisdictions=[k.removeprefix("place.") for k in kinds if k.startswith("place.")],
        pays_for_export=plan_of(document).export.pays,
    )
    return rules


def _discount(discount: Mapping[str, Any]) -> rating.Rider:
    """A discount is a rider below zero: `percent` of the components in `over`, or `amount` a month."""
    kind, key = ("PERCENT", "percent") if "percent" in discount else ("PER_MONTH", "amount")
    price = Decimal(discount[key])
    if price < 0:
        raise errors.Invalid(
            "tariff.unpriceable", reason="a discount is written as what is taken off", where="discounts"
        )
    return _rider({**discount, "kind": kind, "price": str(-price)})


def _export(rule: Mapping[str, Any]) -> rating.Export:
    minutes, month = rule.get("net_minutes"), rule.get("true_up_month")
    return rating.Export(
        metering=rule["metering"],
        net_minutes=None if minutes is None else int(minutes),
        true_up_month=None if month is None else int(month),
        year_end_sell=Decimal(rule.get("year_end_sell", "0")),
        true_up_over=rule.get("true_up_over", "PERIODS"),
        credit_over=tuple(rule.get("credit_over", ("energy",))),
        credit_applies=rule.get("credit_applies", "SAME_BILL"),
        credits_expire=bool(rule.get("credits_expire", False)),
        carry_by=rule.get("carry_by", "PERIOD"),
        settlement=rule.get("settlement", "PAID"),
    )


def _ratchet(ratchet: rating.Ratchet, ours: Mapping[str, Any]) -> rating.Ratchet:
    return dataclasses.replace(
        ratchet,
        percents=tuple(Decimal(percent) for percent in ours.get("percents", ())),
        shared_months=tuple(int(month) for month in ours.get("shared_months", ())),
        over=tuple(ours.get("over", ratchet.over)),
    )


def _index(index: Mapping[str, Any]) -> rating.Index:
    return rating.Index(
        code=index["code"],
        multiplier=Decimal(index.get("multiplier", "1")),
        adder=Decimal(index.get("adder", "0")),
    )


def _rider(rider: Mapping[str, Any]) -> rating.Rider:
    return rating.Rider(
        code=rider["code"],
        description=rider["description"],
        kind=rider["kind"],
        price=Decimal(rider["price"]),
        over=tuple(rider.get("over", ("fixed", "energy", "demand"))),
        of_months=tuple(int(month) for month in rider.get("of_months", ())),
        starts_on=_day(rider.get("starts_on")),
        ends_on=_day(rider.get("ends_on")),
    )


def _tax(tax: Mapping[str, Any]) -> rating.Tax:
    return rating.Tax(
        code=tax["code"],
        description=tax["description"],
        percent=Decimal(tax["percent"]),
        over=tuple(tax.get("over", ("fixed", "energy", "demand", "minimum", "credit", "rider"))),
        starts_on=_day(tax.get("starts_on")),
        ends_on=_day(tax.get("ends_on")),
        cities=tuple(tax.get("cities", ())),
        customer_kinds=tuple(tax.get("customer_kinds", ())),
    )


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


def exempt(
    document: Mapping[str, Any], cities: Sequence[str], customer_kinds: Sequence[str]
) -> dict[str, NDArray[np.bool_]]:
    """This will say, by the key of each tax, which of n accounts do not pay it: a tax may name cities and classes."""
    out: dict[str, NDArray[np.bool_]] = {}
    for tax in plan_of(document).taxes:
        owes = [tax.owed_by(city, kind) for city, kind in zip(cities, customer_kinds, strict=True)]
        if not all(owes):
            out[tax.key] = ~np.array(owes, dtype=np.bool_)
    return out


def summary(plan: rating.Plan, on: date) -> dict[str, Any]:
    """This will give a plan's prices for showing, as strings: per kWh with the riders of the day included.

    What goes by the price of the hour has `index`: how many times that price, and what comes `beside` it per kWh.
    """
    riders = sum((r.price for r in plan.riders if r.kind == "PER_KWH" and _in_force(r, on)), Decimal(0))
    steps: list[dict[str, Any]] = [
        {
            "period": period.name,
            "price": _money(tier.price + riders),
            "up_to": None if tier.limit is None else str(tier.limit),
        }
        for period in plan.energy
        for tier in period.tiers
    ]
    out: dict[str, Any] = {
        "fixed_monthly": f"{plan.fixed_monthly:.2f}",
        "minimum_monthly": f"{plan.minimum_monthly:.2f}",
        "steps": steps,
        "lowest_price": min((s["price"] for s in steps), key=Decimal),
        "highest_price": max((s["price"] for s in steps), key=Decimal),
    }
    if plan.index is not None:
        beside = Decimal(out["lowest_price"]) + plan.index.adder
        out["index"] = {"multiplier": str(plan.index.multiplier), "beside": _money(beside)}
    if plan.demand is not None:
        out["demand"] = [
            {"period": period.name, "price": f"{tier.price:.2f}"}
            for period in (*plan.demand.flat, *plan.demand.periods)
            for tier in period.tiers
            if tier.price
        ]
    return out


def _in_force(rider: rating.Rider, on: date) -> bool:
    return (rider.starts_on is None or rider.starts_on <= on) and (rider.ends_on is None or on < rider.ends_on)


def _money(price: Decimal) -> str:
    return f"{price:.4f}"
