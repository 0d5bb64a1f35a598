"""Looks at a tariff document before it is published: what it would charge, or why it cannot be priced.

Needs no database. A document is URDB with our part under `wattline`, as the ones under `billing/plans` are.
"""

import json
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from billing import catalogue, eligibility, rate_command, rating, urdb_export
from core import errors, periods, wording

_EVEN = (100, 500, 1000, 2000)  # kWh of the month in an even load
_NOBODY = wording.House("", "", "", "USD", "Etc/UTC", "")  # no sentence of who may have a plan names the utility


def read(path: str | Path, today: date) -> dict[str, Any]:
    """This will read a document, relative days fixed against `today`; Invalid, with the place, when it is none."""
    try:
        document: Any = json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except OSError as exc:
        raise errors.Invalid("file.unreadable", reason=exc.strerror or "it cannot be read", where=str(path)) from exc
    except (ValueError, RecursionError) as exc:
        raise errors.Invalid("file.unreadable", reason="the file is not JSON", where=str(path)) from exc
    if not isinstance(document, dict):
        raise errors.Invalid("tariff.unpriceable", reason="the document is not a rate", where="file")
    resolved: dict[str, Any] = catalogue.resolve(document, today)
    return resolved


def plan_of(document: dict[str, Any], today: date) -> rating.Plan:
    """This will compile a document as publishing would; Invalid when it cannot be priced."""
    try:
        return catalogue.plan_of(catalogue.resolve(document, today))
    except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError) as exc:
        reason = f"our own part of the document cannot be read: {type(exc).__name__} {exc}"
        raise errors.Invalid("tariff.unpriceable", reason=reason, where="wattline") from exc


def for_whom(document: dict[str, Any], today: date) -> tuple[str, ...]:
    """This will say who may have the plan of a document; Invalid when its rules cannot be, or it is sold unnamed.

    That somebody is served in a city or county it names is asked when it is published: here is no database.
    """
    rules = catalogue.rules_of(catalogue.resolve(document, today), opens_on=today)
    if "kind" in document.get("tariff", {}):
        catalogue.sold_of(document)
        catalogue.words_of(document)
    return tuple(wording.label(s.kind, s.data, locale="en", house=_NOBODY) for s in eligibility.conditions(rules))


def taxed(plan: rating.Plan, document: dict[str, Any], today: date, city: str) -> rating.Plan:
    """This will leave a plan with the taxes that a customer it is sold to owes in a city, as a bill there has them."""
    kind = str(catalogue.rules_of(catalogue.resolve(document, today), opens_on=today).customer_kind)
    return replace(plan, taxes=tuple(tax for tax in plan.taxes if tax.owed_by(city, kind)))


def trial(plan: rating.Plan, today: date, timezone: str) -> list[dict[str, Any]]:
    """This will give what even loads of the month of `today` would cost."""
    month = periods.month_of(today)
    starts_at = periods.midnight(month.starts_on, timezone)
    hours = (periods.midnight(month.ends_on, timezone) - starts_at) // timedelta(hours=1)
    history = None
    if plan.demand is not None and plan.demand.ratchet is not None:
        before = [periods.add_months(month.starts_on, -n) for n in range(1, plan.demand.ratchet.months + 1)]
        months = tuple((day.year, day.month) for day in before)
        history = rating.History(months, np.zeros((len(_EVEN), len(months)), dtype=np.int64))
    wh = np.array([[kwh * 1000 // hours] * hours for kwh in _EVEN], dtype=np.int64)
    used = rating.Usage(starts_at, 60, timezone, wh)
    year_to_date = np.zeros(len(_EVEN), dtype=np.int64)
    prices: tuple[rating.Prices, ...] = ()
    if plan.index is not None:
        prices = (rating.Prices(plan.index.code, starts_at, 60, np.zeros(hours, dtype=np.int64)),)
    rated = rating.rate(plan, used, month, history=history, year_to_date=year_to_date, prices=prices)
    return [
        {"kwh": str(rated.kwh(n).quantize(Decimal("0.001"))), "total": str(rated.total(n)), "currency": plan.currency}
        for n in range(len(_EVEN))
    ]


def priced(plan: rating.Plan, usage: str | Path, starts_on: date, ends_on: date, timezone: str) -> dict[str, Any]:
    """This will price a file of reads under the document."""
    if ends_on <= starts_on:
        raise errors.Invalid("rating.uncovered", reason="the period has no days", where="period")
    return rate_command.price(plan, usage, starts_on, ends_on, timezone)


def published(code: str, today: date) -> dict[str, Any]:
    """This will write one of the utility's own tariffs as a URDB document; NotFound tariff.unknown."""
    for document in catalogue.published(today):
        if document["label"] == code:
            rules = eligibility.published(catalogue.rules_of(document, opens_on=today))
            return {**urdb_export.document(catalogue.plan_of(document)), **rules, "tariff": document["tariff"]}
    raise errors.NotFound("tariff.unknown", tariff=code)
