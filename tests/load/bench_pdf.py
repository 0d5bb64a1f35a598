"""How many bills a core draws in a second: bills of every plan, rated by the engine, in both languages, warm.

Beside them, in the same run, stands a yardstick: one line of text on a page by reportlab. `--write` keeps the numbers.
"""

import argparse
import io
import pathlib
import platform
import re
import statistics
import time
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
from reportlab.pdfgen import canvas

from billing import catalogue, documents, einvoice, rating
from billing.views import BillLine
from core import periods, wording

ZONE = "America/New_York"
MONTH = periods.Days(date(2026, 10, 1), date(2026, 11, 1))
HOUSE = wording.House(
    "Brightwater Power", "+15550100100", "+15550100911", "USD", ZONE, "https://brightwater.example"
)  # fmt: skip
BENCHMARKS = pathlib.Path(__file__).parents[2] / "docs/benchmarks.md"
FROM, TO = "<!-- bench-pdf -->", "<!-- /bench-pdf -->"


def bills(count: int, seed: int = 7) -> list[documents.BillDocument]:
    """This will rate a month of seeded use on every plan and give `count` bills, no two alike."""
    plans = catalogue.published(date(2026, 11, 23))
    each = -(-count // len(plans))
    starts_at = periods.midnight(MONTH.starts_on, ZONE)
    hours = int((periods.midnight(MONTH.ends_on, ZONE) - starts_at) / timedelta(hours=1))
    random = np.random.default_rng(seed)
    out = []
    for number, plan in enumerate(plans):
        business = plan["tariff"]["customer_kind"] == "BUSINESS"
        wh = random.integers(100, 60_000 if business else 2_500, size=(each, hours), dtype=np.int64)
        terms = catalogue.plan_of(plan)
        by_hour = (
            [rating.Prices(terms.index.code, starts_at, 60, random.integers(0, 90_000, hours))] if terms.index else []
        )
        rated = rating.rate(terms, rating.Usage(starts_at, 60, ZONE, wh), period=MONTH, prices=by_hour)
        out += [_bill(rated, n, plan["label"], business, number * each + n) for n in range(each)]
    return out[:count]


def _bill(rated: rating.Rated, n: int, code: str, business: bool, serial: int) -> documents.BillDocument:
    lines = tuple(
        BillLine(r.component, r.code, r.description, r.args, r.quantity, r.unit, r.unit_price, r.amount)
        for r in rated.lines(n)
    )
    kwh, total = rated.kwh(n), rated.total(n)
    history = tuple(
        documents.Month(
            periods.add_months(MONTH.ends_on, back), kwh * (100 + 3 * back + serial % 7) / 100, 30, back == -5, total
        )
        for back in range(-12, 0)
    )
    return documents.BillDocument(
        house=HOUSE,
        postal_address="1 Turbine Way, Brightwater, PA 19000",
        email="care@brightwater.example",
        customer_name=f"Customer Number {serial}",
        mailing_address=f"{serial + 1} Elm Street, Brightwater, PA 19000",
        service_address=f"{serial + 1} Elm Street, Brightwater 19000",
        account_number=f"55{serial:08d}",
        bill_number=f"2611-{serial:07d}",
        starts_on=MONTH.starts_on,
        ends_on=MONTH.ends_on,
        issued_on=date(2026, 11, 3),
        due_on=date(2026, 11, 23),
        total=total,
        balance_before=total,
        payments=-total if serial % 5 else Decimal("0.00"),
        kwh=kwh,
        days=len(MONTH),
        peak_kw=None if rated.peak_watts is None else Decimal(int(rated.peak_watts[n])) / 1000,
        tariff_code=code,
        tariff_name=f"tariff.{code}.name",
        estimated=serial % 9 == 0,
        autopay=serial % 4 == 0,
        lines=lines,
        history=(*history, documents.Month(MONTH.ends_on, kwh, len(MONTH), serial % 9 == 0, total)),
        late_fee_percent=Decimal("1.5"),
        regulator=documents.Regulator("US-PA", "+18006927380", "puc.pa.gov"),
        bill_id=serial,
        customer_kind="BUSINESS" if business else "RESIDENTIAL",
        late_fee_grace_days=5,
        bank_details="First Turbine Bank, routing 021000000, account 5500 1000",
    )


def one_line(text: str) -> bytes:
    """This will draw the yardstick: reportlab's page with one line on it."""
    out = io.BytesIO()
    page = canvas.Canvas(out)
    page.drawString(72, 720, text)
    page.showPage()
    page.save()
    return out.getvalue()


def _machine() -> str:
    info = pathlib.Path("/proc/cpuinfo")
    named = re.search(r"model name\s*:\s*(.*)", info.read_text()) if info.exists() else None
    return f"{named.group(1).strip() if named else platform.machine()}, Python {platform.python_version()}"


def measure(draw: Callable[[int], bytes], count: int) -> tuple[float, float]:
    """This will give documents per CPU second and the mean size of one in bytes."""
    sizes = []
    before = time.process_time()
    for n in range(count):
        sizes.append(len(draw(n)))
    return count / (time.process_time() - before), statistics.mean(sizes)


def main(arguments: Sequence[str] | None = None) -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--bills", type=int, default=600)
    asked.add_argument("--write", action="store_true", help=f"keep the numbers in {BENCHMARKS.name}")
    options = asked.parse_args(arguments)
    made = bills(options.bills + 60)
    warm, cold = made[:60], made[60:]
    draws: dict[str, Callable[[documents.BillDocument, str], bytes]] = {
        "bill, tagged PDF": documents.bill_pdf,
        "bill, HTML": documents.bill_html,
        "bill, UBL e-invoice": einvoice.invoice_xml,
    }
    rows = []
    for name, draw in draws.items():
        for n, bill in enumerate(warm):
            draw(bill, ("en", "es")[n % 2])
        rows.append((name, *measure(lambda n, draw=draw: draw(cold[n], ("en", "es")[n % 2]), len(cold))))
    yardstick = measure(lambda n: one_line(f"Bill {n}"), len(cold))
    rows.append(("yardstick: reportlab, one line on a page", *yardstick))
    said = [
        f"Measured on {datetime.now(UTC):%Y-%m-%d}: {len(cold)} bills of all plans, "
        f"both languages, one core, CPU seconds; {_machine()}.",
        "",
        "| document | per second | bytes each | times the yardstick |",
        "|---|---:|---:|---:|",
        *(f"| {name} | {rate:,.0f} | {size:,.0f} | {yardstick[0] / rate:.1f} |" for name, rate, size in rows),
    ]
    print("\n".join(said))
    if options.write:
        text = BENCHMARKS.read_text()
        before, _, rest = text.partition(FROM)
        _, _, after = rest.partition(TO)
        BENCHMARKS.write_text(f"{before}{FROM}\n\n" + "\n".join(said) + f"\n\n{TO}{after}")


if __name__ == "__main__":
    main()
