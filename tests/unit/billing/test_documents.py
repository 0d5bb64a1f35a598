"""The printed bill: readable, in two languages, the same bytes every time."""

import io
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pypdf
import pytest

from billing import documents
from billing.views import BillLine
from core import wording

D = Decimal


def line(component, code, quantity, unit, price, amount, **args):
    return BillLine(component, code, code, args, D(quantity), unit, D(price), D(amount))


@pytest.fixture
def document():
    return documents.BillDocument(
        house=wording.House(
            "Brightwater Power", "+15550100100", "+15550100911", "USD", "America/New_York", "https://brightwater.example"
        ),
        postal_address="1 Turbine Way, Brightwater, PA 19000",
        email="care@brightwater.example",
        customer_name="Luis Ortega",
        mailing_address="42 Elm Street, Brightwater, PA 19000",
        service_address="42 Elm Street, Brightwater 19000",
        account_number="5500010029",
        bill_number="2611-0000042",
        starts_on=date(2026, 10, 1),
        ends_on=date(2026, 11, 1),
        issued_on=date(2026, 11, 3),
        due_on=date(2026, 11, 23),
        total=D("138.33"),
        balance_before=D("124.10"),
        payments=D("-124.10"),
        kwh=D("812.4"),
        days=31,
        peak_kw=None,
        tariff_code="RES-TOU",
        estimated=True,
        autopay=False,
        lines=(
            line("fixed", "fixed.month", "1", "month", "11", "11.00"),
            line("energy", "energy", "120.2", "kWh", "0.186", "22.36", period="winter_peak"),
            line("energy", "energy", "692.2", "kWh", "0.086", "59.53", period="winter_off_peak"),
            line("rider", "rider.per_kwh", "812.4", "kWh", "0.0268", "21.77", rider="FUEL",
                 **{"from": "2026-10-01", "to": "2026-10-16"}),
            line("rider", "rider.per_kwh", "812.4", "kWh", "0.0032", "2.60", rider="EFFICIENCY"),
            line("tax", "tax", "117.26", "%", "5.9", "6.92", tax="GROSS_RECEIPTS"),
            line("tax", "tax", "117.26", "%", "2", "2.35", tax="CITY_UTILITY"),
        ),
        history=tuple(
            documents.Month(date(2025 + (10 + n) // 12, (10 + n) % 12 + 1, 1), D(600 + 45 * ((n * 7) % 11)), 30, n == 5)
            for n in range(13)
        ),
        late_fee_percent=D("1.5"),
        regulator="US-PA",
    )  # fmt: skip


def read(pdf):
    reader = pypdf.PdfReader(io.BytesIO(pdf))
    return reader, " ".join(" ".join(page.extract_text() for page in reader.pages).split())


@pytest.mark.parametrize(
    ("locale", "said"),
    [
        ("en", ["Amount due", "$138.33", "Please pay by Nov 23, 2026", "Energy, winter peak",
                "State gross receipts tax", "Oct 1 - Oct 15", "Pennsylvania Public Utility Commission",
                "5500010029", "Time of Day"]),
        ("es", ["Total a pagar", "$138.33", "Energía, hora pico de invierno", "Pensilvania", "Cómo pagar"]),
    ],
)  # fmt: skip
def test_a_bill_is_one_page_and_says_what_matters(document, locale, said):
    pdf = documents.bill_pdf(document, locale)
    reader, text = read(pdf)
    assert len(reader.pages) == 1
    for words in said:
        assert words in text
    assert reader.metadata.title.endswith("2611-0000042")
    assert reader.trailer["/Root"]["/Lang"] == {"en": "en-US", "es": "es-US"}[locale]
    assert documents.bill_pdf(document, locale) == pdf


def test_many_lines_take_a_second_page_and_none_is_lost(document):
    many = tuple(line("energy", "energy", "1", "kWh", "0.1", f"{n}.07", period="winter_peak") for n in range(30))
    reader, text = read(documents.bill_pdf(replace(document, lines=many), "en"))
    assert len(reader.pages) == 2
    assert all(f"${n}.07" in text for n in range(30))


def test_a_credit_asks_for_nothing(document):
    _, text = read(documents.bill_pdf(replace(document, payments=D("-400.00")), "en"))
    assert "Your credit" in text and "Nothing to pay" in text and "$137.57" in text
