"""Prices a file of reads under a URDB tariff, without a database: what ``wattline rate`` does.

Pure but for the two files.
"""

from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from billing import ratebook, rating, urdb
from billing.rating import exact
from core import errors, money, periods
from metering.formats import csv

_SHOWN = Decimal("1E-9")


def run(
    tariff_path: str | Path,
    usage_path: str | Path,
    starts_on: date,
    ends_on: date,
    timezone: str,
    *,
    label: str | None = None,
    reading: urdb.Reading | None = None,
    before_kw: Decimal | None = None,
) -> dict[str, Any]:
    """This will price the days from `starts_on` (in) to `ends_on` (out), one bill per calendar month.

    Gives currency, total, kwh, lines (each component, description, quantity, unit, unit_price, amount: text,
    so that no digit is lost), notes, and `left_out`: what of our own part of a document (riders, taxes) is no URDB and
    was not priced. `reading` says how what the tariff leaves open is read; `before_kw` is the
    highest demand of each month before the reads begin, where a ratchet looks back at them. Raises Invalid with a
    `reason` in words for what cannot be read or priced.
    """
    if ends_on <= starts_on:
        raise errors.Invalid("rating.uncovered", reason="the period has no days", where="period")
    rate = urdb.choose(urdb.load(_text(tariff_path)), label)
    bill = price(_plan(rate, reading), usage_path, starts_on, ends_on, timezone, before_kw)
    ours = rate.get("wattline") or ()
    return {**bill, "left_out": sorted(ours) if isinstance(ours, dict) else []}


def plan_of(text: str, label: str | None, reading: urdb.Reading | None) -> rating.Plan:
    """This will read a tariff, written as URDB or as the ratebook data set has it."""
    return _plan(urdb.choose(urdb.load(text), label), reading)


def _plan(rate: Any, reading: urdb.Reading | None) -> rating.Plan:
    return ratebook.plan(rate, reading=reading) if ratebook.is_one(rate) else urdb.plan(rate, reading=reading)


def price(
    plan: rating.Plan,
    usage_path: str | Path,
    starts_on: date,
    ends_on: date,
    timezone: str,
    before_kw: Decimal | None = None,
) -> dict[str, Any]:
    """This will price the reads of a file under a plan, as `run` does; what a bill carries goes to the next."""
    reads = csv.parse(_text(usage_path))
    used = usage_of(reads, timezone)
    months = months_of(periods.Days(starts_on, ends_on))
    lines: list[dict[str, str]] = []
    total, kwh = 0, Decimal(0)
    state: rating.State | None = None
    year_to_date: int | None = None  # known from the first 1 January on
    for month in months:
        if (month.starts_on.month, month.starts_on.day) == (1, 1):
            year_to_date = 0
        rated = rating.rate(
            plan,
            used,
            month,
            history=_history(plan, used, month, before_kw),
            year_to_date=None if year_to_date is None else np.array([year_to_date]),
            state=state,
        )
        state = rated.state
        if year_to_date is not None and rated.toward_minimum is not None:
            year_to_date += int(rated.toward_minimum[0])
        total += int(rated.total_cents[0])
        kwh += rated.kwh()
        when = f"{month.starts_on:%Y-%m}: " if len(months) > 1 else ""
        lines += [_line(line, when) for line in rated.lines()]
    return {
        "currency": plan.currency,
        "total": str(money.from_cents(total)),
        "kwh": _plain(kwh),
        "lines": lines,
        "notes": list(plan.notes),
    }


def usage_of(reads: csv.Reads, timezone: str) -> rating.Usage:
    """This will turn the reads of a file into whole numbers: Wh, or as fine as the file is, down to a
    millionth of a kWh.
    """
    per_kwh = 10 ** min(6, max(3, reads.places))

    def whole(values: tuple[Decimal, ...]) -> Any:
        grains = [int((value * per_kwh).quantize(Decimal(1), rounding=ROUND_HALF_UP)) for value in values]
        return np.array(grains, dtype=np.int64)

    return rating.Usage(
        starts_at=reads.starts_at,
        interval_minutes=reads.interval_minutes,
        timezone=timezone,
        wh=whole(reads.kwh),
        export_wh=None if reads.export_kwh is None else whole(reads.export_kwh),
        per_kwh=per_kwh,
    )


def months_of(days: periods.Days) -> list[periods.Days]:
    """This will cut days into bills of calendar months: URDB prices demand and steps by the month."""
    bills = []
    start = days.starts_on
    while start < days.ends_on:
        end = min(periods.month_of(start).ends_on, days.ends_on)
        bills.append(periods.Days(start, end))
        start = end
    return bills


def _history(
    plan: rating.Plan, used: rating.Usage, month: periods.Days, before_kw: Decimal | None
) -> rating.History | None:
    """Highest demand of the months before: as far back as the file goes, and beyond it what was told."""
    ratchet = plan.demand.ratchet if plan.demand is not None else None
    if ratchet is None:
        return None
    months: list[tuple[int, int]] = []
    watts: list[int] = []
    first = month.starts_on.replace(day=1)
    step = timedelta(minutes=used.interval_minutes)
    for back in range(1, ratchet.months + 1):
        days = periods.month_of(periods.add_months(first, -back))
        begin, end = (
            -((used.starts_at - periods.midnight(day, used.timezone)) // step) for day in (days.starts_on, days.ends_on)
        )
        if begin < 0 or end > used.wh.shape[-1]:
            if before_kw is None:
                break
            months.append((days.starts_on.year, days.starts_on.month))
            watts.append(exact.whole(Fraction(before_kw) * 1000))
            continue
        highest = int(used.wh[begin:end].max(initial=0))
        months.append((days.starts_on.year, days.starts_on.month))
        watts.append(exact.whole(Fraction(highest * 60 * 1000, used.per_kwh * used.interval_minutes)))
    return rating.History(tuple(months), np.array([watts], dtype=np.int64).reshape(1, -1))


def _line(line: rating.Line, when: str) -> dict[str, str]:
    return {
        "component": line.component,
        "description": when + line.description,
        "quantity": _plain(line.quantity),
        "unit": line.unit,
        "unit_price": _plain(line.unit_price),
        "amount": str(line.amount),
    }


def _plain(value: Decimal) -> str:
    """At most nine places, without exponent or idle zeros."""
    text = f"{value.quantize(_SHOWN, rounding=ROUND_HALF_UP):f}"
    return text.rstrip("0").rstrip(".") or "0"


def _text(path: str | Path) -> str:
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except OSError as exc:
        raise errors.Invalid("file.unreadable", reason=exc.strerror or "it cannot be read", where=str(path)) from exc
    except UnicodeDecodeError as exc:
        raise errors.Invalid("file.unreadable", reason="it is not UTF-8 text", where=str(path)) from exc
