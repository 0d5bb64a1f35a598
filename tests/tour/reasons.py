"""Why a bill is what it is, worked out a second time: the drivers, the busiest day, a year on each plan, the tips.

The rules are the product's published ones (one thing changed at a time, on the earlier bill's own terms); the prices
come from the oracle, the use from decoded bytes. Cents have to agree.
"""

import copy
import itertools
import statistics
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from tests.tour.facts import Bill, Books, months_before, span

_BY_USE = ("energy", "demand", "rider", "credit", "minimum")
Row = list[int]


def drivers(books: Books, now: Bill, before: Bill) -> dict[str, Decimal]:
    """This will give money per reason; they add up to the difference of the two bills."""
    document = _frozen(books.document(before.tariff), before.ends_on - timedelta(days=1))
    then = [books.wh(d, d + timedelta(days=1)) for d in span(before.starts_on, before.ends_on)]
    today = [books.wh(d, d + timedelta(days=1)) for d in span(now.starts_on, now.ends_on)]
    shift = (before.starts_on.weekday() - now.starts_on.weekday()) % 7
    turned = [today[(i + shift) % len(today)] for i in range(len(today))]
    as_long = before.starts_on + timedelta(days=now.days)
    cost_then = _by_use(books, document, before.starts_on, before.ends_on, then)
    cost_longer = _by_use(books, document, before.starts_on, as_long, _stretch(then, now.days))
    cost_today = _by_use(books, document, before.starts_on, as_long, turned)
    printed = {n: books.component(now.id, n) - books.component(before.id, n) for n in ("fixed", "tax")}
    by_use = books.component(now.id, *_BY_USE) - books.component(before.id, *_BY_USE)
    days, usage = Decimal(cost_longer - cost_then) / 100, Decimal(cost_today - cost_longer) / 100
    return {
        "DAYS": days, "USAGE": usage, "RATE": by_use - days - usage, "FIXED": printed["fixed"], "TAX": printed["tax"],
    }  # fmt: skip


@dataclass(frozen=True)
class Busiest:
    day: date
    wh: int
    cost: Decimal


def busiest(books: Books, bill: Bill) -> Busiest:
    """This will give the day of most use, and what it cost: its share by what leaving it out would have saved."""
    document = books.document(bill.tariff)
    days = span(bill.starts_on, bill.ends_on)
    rows = [books.wh(d, d + timedelta(days=1)) for d in days]

    def total(of: Sequence[Row]) -> int:
        return books.price(bill.starts_on, bill.ends_on, [wh for row in of for wh in row], document)["total"]

    whole, base = total(rows), total([[0] * len(row) for row in rows])
    saved = [
        max(0, whole - total([[0] * len(r) if i == out else r for i, r in enumerate(rows)])) for out in range(len(rows))
    ]
    each, rest = _split(base, [1] * len(rows)), _split(whole - base, saved)
    top = max(range(len(days)), key=lambda i: (sum(rows[i]), -i))
    return Busiest(days[top], sum(rows[top]), Decimal(each[top] + rest[top]) / 100)


@dataclass(frozen=True)
class Year:
    """A year of one's own use on one plan."""

    code: str
    cost: Decimal
    best_month: Decimal
    worst_month: Decimal


def months_of_year(books: Books) -> list[tuple[date, date]]:
    """This will cut the twelve months up to today at months."""
    first = months_before(books.today, 12)
    edges = [months_before(first, -n) for n in range(13)]
    return [(a, min(b, books.today)) for a, b in itertools.pairwise(edges) if a < books.today]


def year_on(books: Books, code: str, use: Sequence[Row] | None = None) -> Year:
    """This will price the last twelve months of use (or another use of the same months) on a plan."""
    document, months = books.document(code), months_of_year(books)
    rows = use if use is not None else [books.wh(a, b) for a, b in months]
    cents = [books.price(a, b, wh, document)["total"] for (a, b), wh in zip(months, rows, strict=True)]
    whole = [c for c, (a, b) in zip(cents, months, strict=True) if (b - a).days >= 28] or cents
    return Year(code, _a_year(sum(cents), months), Decimal(min(whole)) / 100, Decimal(max(whole)) / 100)


def spread(books: Books) -> int:
    """This will say in per cent how far a year may lie from this one: 1.2816 times how weeks (the last one whole, and
    those before it) lie from the five around them, or 8 %, whichever is more.
    """
    months = months_of_year(books)
    used = list(books.by_day(months[0][0], months[-1][1]).values())
    count = len(used) // 7
    weeks = [sum(used[len(used) - 7 * (count - n) :][:7]) for n in range(count)]
    around = [statistics.fmean(weeks[max(0, n - 2) : n + 3]) for n in range(count)]
    own = statistics.pstdev(week / mean for week, mean in zip(weeks, around, strict=True))
    short = max(1.0, 364 / len(used)) ** 0.5
    return round(100 * min(0.5, 1.2816 * max(0.08, own) * short))


def year_of(books: Books, code: str, percent: int) -> Decimal:
    """This will price the last twelve months with so many per cent of the use, hour by hour, on a plan."""
    rows = [[(wh * percent + 50) // 100 for wh in books.wh(a, b)] for a, b in months_of_year(books)]
    return year_on(books, code, rows).cost


def plans_on_sale(books: Books) -> dict[str, Year]:
    found = books.rows(
        "SELECT t.code FROM tariff t WHERE t.customer_kind = :kind AND t.sold_from <= :on"
        " AND (t.sold_to IS NULL OR t.sold_to > :on)"
        " AND NOT t.eligibility ?| ARRAY['sends_out', 'programs', 'demand_kw']",  # for panels, for members, by size
        kind=books.kind, on=books.today,
    )  # fmt: skip
    return {row.code: year_on(books, row.code) for row in found}


def split_today(books: Books, code: str, until: date) -> dict[str, Decimal]:
    """This will price the running bill period, which ends on a day, on its own plan (`unchanged`) and on another from
    today on (`likely`): days and money. The expected use is the hub's guess.
    """
    first, today, wh = months_before(until, 1), books.today, books.expected()
    old, new = books.document(), books.document(code)
    at, whole = len(books.hours(first, today)), (until - first).days
    parts = [books.price(first, today, wh[:at], old, whole), books.price(today, until, wh[at:], new, whole)]
    assert not any(part.get("minimum") for part in parts), "a minimum is the whole bill's: the tour does not price it"
    unchanged = books.price(first, until, wh, old)
    return {
        "days before": Decimal((today - first).days), "days after": Decimal((until - today).days),
        "likely": Decimal(sum(part["total"] for part in parts)) / 100, "unchanged": Decimal(unchanged["total"]) / 100,
    }  # fmt: skip


def best_tip(books: Books) -> dict[str, Decimal]:
    """This will find the tip that saves most: what is said of the use, and the `saving` of a year."""
    return max(_tips(books), key=lambda tip: tip["saving"])


def _tips(books: Books) -> Iterator[dict[str, Decimal]]:
    """Each tip is a changed year, priced like the real one. (A shift of the dear hours needs a plan that has such.)"""
    months = months_of_year(books)
    hours = [books.hours(a, b) for a, b in months]
    rows = [books.wh(a, b) for a, b in months]
    own, zone = year_on(books, books.tariff(), rows).cost, ZoneInfo(books.zone)

    def saving(changed: Sequence[Row]) -> Decimal:
        return own - year_on(books, books.tariff(), changed).cost

    assert len(books.document()["energyratestructure"]) == 1, "the tour does not price a shift of hours"
    pairs = [list(zip(hs, row, strict=True)) for hs, row in zip(hours, rows, strict=True)]
    base = int(np.percentile([wh for pair in pairs for h, wh in pair if h.astimezone(zone).hour in (1, 2, 3, 4)], 25))
    if base >= 150:
        cut = base * 25 // 100
        changed = [[max(0, wh - cut) for wh in row] for row in rows]
        yield {"watts": Decimal(base), "watts less": Decimal(cut), "saving": saving(changed)}
    steps = books.document()["energyratestructure"][0]
    if len(steps) > 1:
        over = [row for row in rows if Decimal(sum(row)) / 1000 > steps[0]["max"]]
        changed = [[wh * 95 // 100 for wh in row] for row in rows]
        if over:
            limit = Decimal(str(steps[0]["max"]))
            yield {"months": Decimal(len(over)), "limit": limit, "percent": Decimal(5), "saving": saving(changed)}
    days: dict[bool, dict[date, int]] = {False: {}, True: {}}
    for pair in pairs:
        for h, wh in pair:
            day = h.astimezone(zone).date()
            days[day.weekday() >= 5][day] = days[day.weekday() >= 5].get(day, 0) + wh
    ratio = _mean(days[True].values()) / _mean(days[False].values())
    if ratio >= Decimal("1.35"):
        keep = int((1 + 1 / ratio) / 2 * 1000)
        changed = [[wh * keep // 1000 if h.astimezone(zone).weekday() >= 5 else wh for h, wh in pair] for pair in pairs]
        yield {"percent": ((ratio - 1) * 100).quantize(Decimal(1)), "saving": saving(changed)}
    yield {"saving": own - min(year.cost for year in plans_on_sale(books).values())}


def _mean(values: Collection[int]) -> Decimal:
    return Decimal(sum(values)) / len(values)


def _frozen(document: Mapping[str, Any], last: date) -> dict[str, Any]:
    """The document with the riders of one day in force for ever, and no taxes."""
    out = copy.deepcopy(dict(document))
    kept = []
    for rider in out["wattline"].get("riders", ()):
        after = not rider.get("starts_on") or date.fromisoformat(rider["starts_on"]) <= last
        if after and (not rider.get("ends_on") or last < date.fromisoformat(rider["ends_on"])):
            kept.append({k: v for k, v in rider.items() if k not in ("starts_on", "ends_on")})
    out["wattline"] |= {"riders": kept, "taxes": []}
    return out


def _by_use(books: Books, document: Mapping[str, Any], first: date, until: date, rows: Sequence[Row]) -> int:
    out: Row = []
    for day, row in zip(span(first, until), rows, strict=True):
        wanted = len(books.hours(day, day + timedelta(days=1)))
        fitted = row[:wanted] + [0] * (wanted - len(row))
        fitted[-1] += sum(row[wanted:])
        out += fitted
    cents = books.price(first, until, out, document)
    return sum(cents.get(name, 0) for name in _BY_USE)


def _stretch(rows: Sequence[Row], count: int) -> list[Row]:
    total = sum(sum(row) for row in rows)
    out = [list(rows[i if i < len(rows) else i - 7 * (1 + (i - len(rows)) // 7)]) for i in range(count)]
    flat = [wh for row in out for wh in row]
    target, have = round(total * count / len(rows)), sum(flat)
    if have not in (0, target):
        flat = [wh * target // have for wh in flat]
        flat[max(range(len(flat)), key=lambda i: (flat[i], -i))] += target - sum(flat)
    shaped, at = [], 0
    for row in out:
        shaped.append(flat[at : at + len(row)])
        at += len(row)
    return shaped


def _split(cents: int, weights: Sequence[int]) -> list[int]:
    whole = sum(weights)
    out = [cents * w // whole for w in weights]
    order = sorted(range(len(weights)), key=lambda i: (-(cents * weights[i] % whole), i))
    for i in order[: cents - sum(out)]:
        out[i] += 1
    return out


def _a_year(cents: int, months: Sequence[tuple[date, date]]) -> Decimal:
    days = sum((b - a).days for a, b in months)
    return Decimal(round(cents * 365 / days)) / 100
