"""What is true of an account, read from the hub's tables with plain SQL and worked out the long way.

Nothing here goes through the hub's own queries, but the guess of what will be used. Reads are decoded from their
bytes; prices come from the published document and the oracle of the engine's tests: one interval at a time, in
fractions.
"""

import dataclasses
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from billing import catalogue, pricing, running, runs
from tests.stack.running import RunningStack
from tests.unit.rating.oracle import Oracle

CENT = Decimal(100)


@dataclass(frozen=True)
class Bill:
    id: int
    number: str
    starts_on: date
    ends_on: date
    issued_on: date
    due_on: date
    total: Decimal
    wh: int
    open: Decimal
    tariff: str

    @property
    def days(self) -> int:
        return (self.ends_on - self.starts_on).days

    @property
    def last_day(self) -> date:
        return self.ends_on - timedelta(days=1)


class Books:
    """One account, as its rows have it."""

    def __init__(self, stack: RunningStack, number: str) -> None:
        self.stack = stack
        row = self.one(
            "SELECT a.id AS account, a.customer_id, a.bill_cycle_day, c.kind, sa.id AS agreement, sp.id AS point,"
            " p.timezone, p.city, p.address FROM account a JOIN customer c ON c.id = a.customer_id"
            " JOIN service_agreement sa ON sa.account_id = a.id AND sa.ends_on IS NULL"
            " JOIN service_point sp ON sp.id = sa.service_point_id JOIN premise p ON p.id = sp.premise_id"
            " WHERE a.number = :number",
            number=number,
        )
        self.row = row
        self.number = number
        self.account, self.customer, self.agreement, self.point = row.account, row.customer_id, row.agreement, row.point
        self.zone, self.city, self.kind = row.timezone, row.city, row.kind

    # --- asking ---------------------------------------------------------------------------------------------------

    def rows(self, sql: str, **more: Any) -> list[Any]:
        return self.stack.rows(sql, **more)

    def one(self, sql: str, **more: Any) -> Any:
        found = self.rows(sql, **more)
        assert len(found) == 1, f"{len(found)} rows for {more}: {sql}"
        return found[0]

    def value(self, sql: str, **more: Any) -> Any:
        return self.one(sql, **more)[0]

    @property
    def today(self) -> date:
        now: datetime = self.value("SELECT now()")
        return now.astimezone(ZoneInfo(self.zone)).date()

    # --- money ----------------------------------------------------------------------------------------------------

    def balance(self) -> Decimal:
        cents = self.value(
            "SELECT coalesce(sum(debit_cents - credit_cents), 0) FROM ledger_entry"
            " WHERE account_id = :a AND code = 'RECEIVABLE'",
            a=self.account,
        )
        return Decimal(cents) / CENT

    def bills(self) -> list[Bill]:
        """Issued bills, newest first, with what payments have left open of each."""
        found = self.rows(
            "SELECT b.*, b.total_cents - coalesce("
            "(SELECT sum(x.amount_cents) FROM allocation x WHERE x.bill_id = b.id), 0) AS left_cents"
            " FROM bill b WHERE b.account_id = :a AND b.status = 'ISSUED' ORDER BY b.ends_on DESC, b.id DESC",
            a=self.account,
        )
        return [
            Bill(
                r.id, r.number, r.starts_on, r.ends_on, r.issued_on, r.due_on, Decimal(r.total_cents) / CENT, r.wh,
                Decimal(r.left_cents) / CENT, r.tariff_code,
            )
            for r in found
        ]  # fmt: skip

    def charges(self) -> list[tuple[date, Decimal]]:
        """Late fees and such that are still open: (due, open)."""
        found = self.rows(
            "SELECT c.charged_on, c.amount_cents - coalesce("
            "(SELECT sum(x.amount_cents) FROM allocation x WHERE x.charge_id = c.id), 0) AS left_cents"
            " FROM charge c WHERE c.account_id = :a AND c.waived_at IS NULL",
            a=self.account,
        )
        return [(r.charged_on, Decimal(r.left_cents) / CENT) for r in found if r.left_cents > 0]

    def open_items(self) -> list[tuple[date, Decimal]]:
        return sorted([(b.due_on, b.open) for b in self.bills() if b.open > 0] + self.charges())

    def overdue(self) -> Decimal:
        return sum((left for due, left in self.open_items() if due < self.today), Decimal(0))

    def due_on(self) -> date | None:
        return min((due for due, _ in self.open_items()), default=None)

    def lines(self, bill_id: int) -> list[Any]:
        return self.rows("SELECT * FROM bill_line WHERE bill_id = :b ORDER BY position", b=bill_id)

    def component(self, bill_id: int, *names: str) -> Decimal:
        return sum((Decimal(r.amount_cents) for r in self.lines(bill_id) if r.component in names), Decimal(0)) / CENT

    # --- use ------------------------------------------------------------------------------------------------------

    @cached_property
    def meter(self) -> Any:
        return self.one("SELECT * FROM meter WHERE service_point_id = :p AND removed_on IS NULL", p=self.point)

    @cached_property
    def reads(self) -> Mapping[datetime, int]:
        """Wh of every hour there is a read of, by the hour's start in UTC."""
        out: dict[datetime, int] = {}
        for row in self.rows("SELECT day, wh FROM read_day WHERE meter_id = :m ORDER BY day", m=self.meter.id):
            values = struct.unpack(f"<{len(row.wh) // 4}i", bytes(row.wh))
            step = timedelta(minutes=24 * 60 // len(values))
            at = datetime(row.day.year, row.day.month, row.day.day, tzinfo=UTC)
            for number, wh in enumerate(values):
                if wh >= 0:
                    out[at + step * number] = wh
        return out

    def hours(self, first: date, until: date) -> list[datetime]:
        """The hours of civil days, `until` out; 23 or 25 of them where the clock is changed."""
        at = datetime(first.year, first.month, first.day, tzinfo=ZoneInfo(self.zone)).astimezone(UTC)
        end = datetime(until.year, until.month, until.day, tzinfo=ZoneInfo(self.zone)).astimezone(UTC)
        return [at + timedelta(hours=n) for n in range(int((end - at).total_seconds() // 3600))]

    def wh(self, first: date, until: date) -> list[int]:
        """Wh by the hour; KeyError where a read is missing (the stories' homes have them all)."""
        return [self.reads[hour] for hour in self.hours(first, until)]

    def by_day(self, first: date, until: date) -> dict[date, int]:
        return {d: sum(self.wh(d, d + timedelta(days=1))) for d in span(first, until)}

    def expected(self) -> list[int]:
        """Wh of every hour of the running bill period, as the hub guesses it: of a guess there is no second way."""
        with Session(self.stack.engine) as session:
            place = pricing.place_of(session, account_id=self.account, now=self.value("SELECT now()"))
            found = running.expected_use(session, place, runs.open_period(place.agreement, place.today))
        assert found is not None, "nothing is expected of a home that has reads"
        return [int(wh) for wh in found[1].wh[running.LIKELY]]

    # --- prices ---------------------------------------------------------------------------------------------------

    def document(self, tariff: str | None = None) -> dict[str, Any]:
        """The published document of a tariff; of the account's own when none is named."""
        if tariff is None:
            tariff = self.tariff()
        return self.value(  # type: ignore[no-any-return]
            "SELECT v.plan FROM tariff_version v JOIN tariff t ON t.id = v.tariff_id"
            " WHERE t.code = :code AND v.starts_on <= :on AND (v.ends_on IS NULL OR v.ends_on > :on)",
            code=tariff,
            on=self.today,
        )

    def tariff(self) -> str:
        return str(
            self.value(
                "SELECT t.code FROM agreement_tariff x JOIN tariff t ON t.id = x.tariff_id WHERE x.agreement_id = :g"
                " AND x.starts_on <= :on AND (x.ends_on IS NULL OR x.ends_on > :on)",
                g=self.agreement,
                on=self.today,
            )
        )

    def price(
        self, first: date, until: date, wh: Sequence[int], document: Mapping[str, Any], whole: int | None = None
    ) -> dict[str, int]:
        """Cents by component, and `total`, of use over civil days (of a bill period of `whole` days, where they are a
        part of one) on a document, by the long way.
        """
        plan = catalogue.plan_of(document)
        taxes = tuple(tax for tax in plan.taxes if not self._spared(document, tax.code))
        days = tuple(holiday for year in range(first.year, until.year + 1) for holiday in holidays(document, year))
        plan = dataclasses.replace(plan, taxes=taxes, holidays=dataclasses.replace(plan.holidays, names=(), dates=days))
        micros = () if plan.index is None else self._prices(plan.index.code, first, until)
        return Oracle(plan, first, until, self.zone, 60, micros=micros, whole=whole).bill(list(wh))

    def _prices(self, code: str, first: date, until: date) -> list[int]:
        """Millionths a kWh of each hour, from the rows as they stand."""
        days = self.rows(
            "SELECT DISTINCT ON (day) micros FROM index_price WHERE code = :code AND day >= :first AND day < :until"
            " ORDER BY day, version DESC", code=code, first=first, until=until,
        )  # fmt: skip
        return [price for (hours,) in days for price in hours]

    def _spared(self, document: Mapping[str, Any], code: str) -> bool:
        tax = next(t for t in document["wattline"]["taxes"] if t["code"] == code)
        return (self.city not in tax.get("cities", [self.city])) or (
            self.kind not in tax.get("customer_kinds", [self.kind])
        )


def span(first: date, until: date) -> list[date]:
    return [first + timedelta(days=n) for n in range((until - first).days)]


def months_before(day: date, months: int) -> date:
    """The same day some months earlier (or the last of a shorter month)."""
    index = day.year * 12 + day.month - 1 - months
    year, month = index // 12, index % 12 + 1
    for number in range(day.day, 0, -1):
        try:
            return date(year, month, number)
        except ValueError:
            continue
    raise AssertionError


def holidays(document: Mapping[str, Any], year: int) -> list[date]:
    """The days a document prices like a weekend, from the names in it."""
    rules = document["wattline"].get("holidays", {})
    names = {
        "NEW_YEARS_DAY": date(year, 1, 1),
        "MEMORIAL_DAY": _last_monday_of_may(year),
        "INDEPENDENCE_DAY": date(year, 7, 4),
        "LABOR_DAY": _nth(year, 9, 0, 1),
        "THANKSGIVING": _nth(year, 11, 3, 4),
        "CHRISTMAS_DAY": date(year, 12, 25),
    }
    found = [names[name] for name in rules.get("names", ())]
    if rules.get("observance") == "SUNDAY_TO_MONDAY":
        found = [day + timedelta(days=1) if day.weekday() == 6 else day for day in found]
    return found


def _nth(year: int, month: int, weekday: int, number: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (number - 1))


def _last_monday_of_may(year: int) -> date:
    last = date(year, 5, 31)
    return last - timedelta(days=last.weekday())
