"""How a bill puts things: fixed labels looked up once, amounts and days as the catalogues' filters write them. Pure."""

import functools
import re
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from billing.views import BillLine
from core import wording

_SAMPLE = Decimal("1234567.89")
_REMEMBERED = 20_000
_DATES = re.compile(r" \(\d{4}-\d\d-\d\d to \d{4}-\d\d-\d\d\)$")  # as the engine ends a description


class Words:
    """A language's way with bills. Amounts take a short way that writes what the catalogue's filter writes."""

    def __init__(self, locale: str, house: wording.House) -> None:
        self.locale, self.house = locale, house
        self.known = wording.kinds(locale)
        self._said: dict[tuple[Any, ...], str] = {}
        amounts = [wording.filtered("money", sample, locale=locale, house=house) for sample in (_SAMPLE, -_SAMPLE)]
        self._signs = [self._around(written) for written in amounts]
        self._short = wording.filtered("number", _SAMPLE, locale=locale, house=house) == "1,234,567.89"

    def __call__(self, kind: str, **data: Any) -> str:
        """This will say a kind of ``document.``; the same words with the same data are put together once."""
        key = (kind, *data.values())
        said = self._said.get(key)
        if said is None:
            if len(self._said) > _REMEMBERED:
                self._said.clear()
            said = wording.label(f"document.{kind}", data, locale=self.locale, house=self.house)
            self._said[key] = said
        return said

    def money(self, amount: Decimal) -> str:
        """This will write an amount of cents."""
        around = self._signs[amount < 0]
        if around is None:
            return wording.filtered("money", amount, locale=self.locale, house=self.house)
        return f"{around[0]}{abs(amount):,.2f}{around[1]}"

    def number(self, value: Decimal, places: int) -> str:
        """This will write a number with a count of places."""
        if not self._short:
            return wording.filtered("number", f"{value:.{places}f}", locale=self.locale, house=self.house)
        return f"{value:,.{places}f}"

    def trimmed(self, value: Decimal, places: int) -> str:
        """This will write a number with a count of places at most."""
        said = self.number(value, places)
        return said.rstrip("0").rstrip(".,") if "." in said else said

    def price(self, value: Decimal) -> str:
        """This will write a unit price: as many places as it has, two at least."""
        exponent = value.normalize().as_tuple().exponent
        places = min(6, max(2, -exponent if isinstance(exponent, int) else 2))
        sign, around = "-" if value < 0 else "", self._signs[0] or ("", "")
        return f"{sign}{around[0]}{self.number(abs(value), places)}{around[1]}"

    def on(self, day: date) -> str:
        """This will write a day with its year."""
        return self("date", day=day)

    def short(self, day: date) -> str:
        """This will write a day without its year."""
        return self("day", day=day)

    def month(self, day: date) -> str:
        """This will write a month in a few letters."""
        return self("month", day=day)

    def span(self, starts_on: date, ends_on: date) -> str:
        """This will write the days from `starts_on` to the last before `ends_on`."""
        return self("span", first=self.short(starts_on), last=self.on(ends_on - timedelta(days=1)))

    @staticmethod
    def _around(written: str) -> tuple[str, str] | None:
        """What stands before and after an amount, or None where it is grouped in another way than ours."""
        before, found, after = written.partition("1,234,567.89")
        return (before, after) if found else None


@functools.lru_cache(maxsize=16)
def words(locale: str, house: wording.House) -> Words:
    """This will give a language's words for a house, made once."""
    return Words(locale, house)


def line_name(
    line: BillLine,
    *,
    locale: str,
    house: wording.House,
    among: Sequence[BillLine] = (),
    step_limit: Decimal | None = None,
) -> str:
    """This will word what a line of a bill is for; `among` are all its lines, from which a step knows its bounds."""
    say, args = words(locale, house), dict(line.args)
    kind = f"document.line.{line.code}"
    if kind not in say.known:
        return line.description
    name = args.get("period") or args.get("rider") or args.get("tax") or ""
    if f"document.name.{name}" in say.known:
        said = say(f"name.{name}")
    else:
        plain = _DATES.sub("", line.description)
        said = name.replace("_", " ") if line.component in ("energy", "demand", "credit") else plain
    step = _step(line, among, step_limit, say) if "tier" in args else ""
    text = say(f"line.{line.code}", name=said, step=step)
    days = _days(args)
    return text if days is None else f"{text} ({say.short(days[0])} – {say.short(days[1])})"


def line_measure(line: BillLine, *, locale: str, house: wording.House) -> tuple[str, str]:
    """This will word how much of it there was, and the price of one; two empty words where neither is said."""
    say = words(locale, house)
    if line.component == "minimum":
        return "", ""
    if line.code == "energy.index":  # money alone, of as many prices as hours
        return "", say("price.hourly")
    if line.unit == "%":
        return say.money(line.quantity.quantize(Decimal("0.01"))), f"{say.trimmed(line.unit_price, 4)} %"
    places = 3 if line.unit in ("month", "day") else 1
    unit = say(f"unit.{line.unit}" if abs(line.quantity) == 1 else f"units.{line.unit}") if line.unit else ""
    quantity = say.trimmed(line.quantity, places) if places == 3 else say.number(line.quantity, places)
    return f"{quantity} {unit}".strip(), say.price(line.unit_price)


def _step(line: BillLine, among: Sequence[BillLine], limit: Decimal | None, say: Words) -> str:
    """The bounds of a step. What was used of the steps below a used one is where that begins, prorated or not."""
    number = int(line.args["tier"])

    def ladder(of: BillLine) -> tuple[str | None, ...]:
        return of.code, of.unit, of.args.get("from"), of.args.get("to")

    same = [other for other in among if ladder(other) == ladder(line)]
    if len({other.args.get("period") for other in same}) > 1:
        return say("step.number", number=number)  # the steps may go over all periods or each alone: not said here
    below = sum((o.quantity for o in same if int(o.args["tier"]) < number), Decimal(0))
    more = any(int(o.args["tier"]) > number for o in same)
    top = below + line.quantity if more else (limit if number == 1 and not below else None)
    unit = say(f"units.{line.unit}")
    if top is not None and number == 1:
        return say("step.first", top=say.trimmed(top, 1), unit=unit)
    if number == 1 or not below:
        return say("step.number", number=number)
    if top is None:
        return say("step.over", bottom=say.trimmed(below, 1), unit=unit)
    return say("step.between", bottom=say.trimmed(below, 1), top=say.trimmed(top, 1), unit=unit)


def _days(args: dict[str, str]) -> tuple[date, date] | None:
    """The days a line is for, where they are not the whole period."""
    if "from" not in args or "to" not in args:
        return None
    return date.fromisoformat(args["from"]), date.fromisoformat(args["to"]) - timedelta(days=1)
