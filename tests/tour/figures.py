"""Figures as a reader finds them in a sentence, English or Spanish: money, kWh, days, times, percentages, numbers.

Nothing here knows the catalogues: a sentence is read as a stranger would read it, and every figure in it has to be
explained by a fact that was found in another way (`facts.py`).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from typing import Any
from zoneinfo import ZoneInfo

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan january ene enero", "feb february febrero", "mar march marzo", "apr april abr abril", "may mayo",
            "jun june junio", "jul july julio", "aug august ago agosto", "sep sept september septiembre",
            "oct october octubre", "nov november noviembre", "dec december dic diciembre",
        ),
        1,
    )
    for name in names.split()
}  # fmt: skip
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))

# what is said in every house and is no figure of an account: telephone numbers, addresses of pages, safety distances
_ASIDE = re.compile(
    r"https?://\S+|[\w.+-]+@[\w-]+\.[\w.]+|\(\d{3}\) \d{3}-\d{4}|\b911\b|\b9 1 1\b|\+\d{7,15}"
    r"|•+ ?\d{4}|\S+•\S*|35 (?:feet|pies) \(10 (?:meters|metros)\)|\b10 (?:metros|meters) \(35 (?:feet|pies)\)"
)
_LISTED = re.compile(r"^\s*(?:(?:Reply|Responda|Responde|Press|Pulse) )?\d+[.:] .*$", re.M)  # numbered quick replies
_KEYS = re.compile(r"(?:press|pulse|marque|oprima|presione) (?:el )?\d", re.I)

_PATTERNS: tuple[tuple[str, str], ...] = (
    ("money", r"(?P<sign>[-−+]?)(?:US)?\$ ?(?P<sign2>[-−]?)(?P<amount>\d{1,3}(?:,\d{3})*(?:\.\d+)?|\d+(?:\.\d+)?)"),
    ("kwh", r"(?P<amount>\d[\d,]*(?:\.\d+)?) ?kWh"),
    ("kw", r"(?P<amount>\d[\d,]*(?:\.\d+)?) ?kW\b"),
    ("cents", r"(?P<amount>\d+(?:\.\d+)?) ?(?:¢|cents|centavos)"),
    ("percent", r"(?P<amount>\d+(?:\.\d+)?) ?%"),
    ("code", r"\b(?P<text>[A-Z]{1,4}-[A-Z0-9]*\d[\w-]*|[A-Z]{2,4}\d{5,}|\d{4}-\d{5,})"),
    ("clock", r"\b(?P<hour>\d{1,2}):(?P<minute>\d\d)(?: ?(?P<half>[ap])\.? ?m\.?)?"),
    ("day", rf"\b(?P<month>{_MONTH})\.? (?P<day>\d{{1,2}})\b(?:,? (?P<year>20\d\d))?"),
    ("day", rf"\b(?P<day>\d{{1,2}}) (?:de )?(?P<month>{_MONTH})\b\.?(?:,? (?:de )?(?P<year>20\d\d))?"),
    ("number", r"(?<![\w.])(?P<amount>\d+(?:,\d{3})*(?:\.\d+)?)(?![\w])"),
)


@dataclass(frozen=True)
class Figure:
    """One figure of a sentence. `value`: Decimal, (month, day), (hour, minute) or text; `shown` as it stood."""

    kind: str
    value: Any
    shown: str
    year: int | None = None


@dataclass(frozen=True)
class Fact:
    """What is true, and where that was read. A fact that `may` be said need not be."""

    kind: str
    value: Any
    what: str
    may: bool = False
    near: Decimal = Decimal(0)  # how far a figure may be off (an estimate that is priced by another engine)


def read(text: str) -> list[Figure]:
    """This will list the figures of a text."""
    plain = text.replace("\xa0", " ").replace("\u202f", " ").replace("\u2009", " ")
    plain = _KEYS.sub(" ", _LISTED.sub(" ", _ASIDE.sub(" ", plain)))
    plain = re.sub(r"\b(?:\d ){2,}\d\b", lambda spelled: spelled.group(0).replace(" ", ""), plain)  # digits read out
    found: list[tuple[int, Figure]] = []
    for kind, pattern in _PATTERNS:
        flags = 0 if kind == "code" else re.I
        while match := re.search(pattern, plain, flags):
            found.append((match.start(), _figure(kind, match)))
            plain = plain[: match.start()] + " " * (match.end() - match.start()) + plain[match.end() :]
    return [figure for _, figure in sorted(found, key=lambda item: item[0])]


def unexplained(text: str, facts: Sequence[Fact]) -> Iterator[str]:
    """This will tell every figure of a text that no fact explains, and every fact that was to be said and was not."""
    said = read(text)
    for figure in said:
        if not any(agrees(figure, fact) for fact in facts):
            close = ", ".join(f"{f.what} = {shown(f)}" for f in facts if f.kind == figure.kind)
            yield f"says {figure.shown!r}, which nothing explains (known: {close or 'nothing of the kind'})"
    for fact in facts:
        if not fact.may and not any(agrees(figure, fact) for figure in said):
            yield f"does not say {fact.what}: {shown(fact)}"


def agrees(figure: Figure, fact: Fact) -> bool:
    """This will say whether a figure is the fact, to the places it is shown with."""
    if figure.kind != fact.kind:
        return fact.kind == "count" and figure.kind == "number" and figure.value == Decimal(str(fact.value))
    if isinstance(figure.value, Decimal):
        exact = abs(Decimal(str(fact.value))) if figure.kind == "money" else Decimal(str(fact.value))
        if fact.near and abs(figure.value - exact) <= fact.near:
            return True
        unit = Decimal(1).scaleb(figure.value.as_tuple().exponent)  # type: ignore[arg-type]
        return any(
            exact.quantize(unit, way) == figure.value for way in (ROUND_HALF_UP, ROUND_HALF_EVEN, ROUND_HALF_DOWN)
        )
    if figure.kind == "day":
        return bool(figure.value == (fact.value.month, fact.value.day) and figure.year in (None, fact.value.year))
    return bool(figure.value == fact.value)


def shown(fact: Fact) -> str:
    return f"{fact.value:%H:%M}" if isinstance(fact.value, datetime) else str(fact.value)


# --- facts, made --------------------------------------------------------------------------------------------------


def money(amount: Decimal, what: str, **more: Any) -> Fact:
    return Fact("money", amount, what, **more)


def kwh(wh: int, what: str, **more: Any) -> Fact:
    return Fact("kwh", Decimal(wh) / 1000, what, **more)


def day(on: date, what: str, **more: Any) -> Fact:
    return Fact("day", on, what, **more)


def instant(at: datetime, zone: str, what: str, **more: Any) -> tuple[Fact, Fact]:
    """This will give the day and the clock of an instant as a zone's wall shows it."""
    local = at.astimezone(ZoneInfo(zone))
    return Fact("day", local.date(), what, **more), Fact("clock", (local.hour, local.minute), what, **more)


def count(number: int | Decimal, what: str, **more: Any) -> Fact:
    return Fact("count", number, what, **more)


def code(text: str, what: str, **more: Any) -> Fact:
    return Fact("code", text, what, **more)


def _figure(kind: str, match: re.Match[str]) -> Figure:
    parts = match.groupdict()
    text = match.group(0).strip()
    if kind == "clock":
        hour = int(parts["hour"])
        if parts["half"]:
            hour = hour % 12 + (12 if parts["half"].lower() == "p" else 0)
        return Figure(kind, (hour, int(parts["minute"])), text)
    if kind == "day":
        year = int(parts["year"]) if parts["year"] else None
        return Figure(kind, (_MONTHS[parts["month"].lower()], int(parts["day"])), text, year)
    if kind == "code":
        return Figure(kind, parts["text"], text)
    return Figure(kind, Decimal(parts["amount"].replace(",", "")), text)
