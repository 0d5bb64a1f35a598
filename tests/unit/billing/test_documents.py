"""The printed bill and the credit note that takes one back: readable, in two languages, the same bytes every time."""

import io
from dataclasses import replace
from datetime import date
from decimal import Decimal
from xml.etree import ElementTree

import pypdf
import pytest

from billing import credit_note_models, documents, einvoice
from billing.documents import words
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
        tariff_name="tariff.RES-TOU.name",
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
            documents.Month(
                date(2025 + (10 + n) // 12, (10 + n) % 12 + 1, 1), D(600 + 45 * ((n * 7) % 11)), 30, n == 5, D(90 + n)
            )
            for n in range(13)
        ),
        late_fee_percent=D("1.5"),
        late_fee_grace_days=5,
        regulator=documents.Regulator("US-PA", "+18006927380", "puc.pa.gov"),
        bill_id=42,
        bank_details="First Turbine Bank, routing 021000000, account 5500 1000",
    )  # fmt: skip


def read(pdf):
    reader = pypdf.PdfReader(io.BytesIO(pdf))
    return reader, " ".join(" ".join(page.extract_text() for page in reader.pages).split())


def every_figure(document, locale):
    """What must stand on the bill, written by the catalogue's own filters."""

    def write(name, value):
        return wording.filtered(name, value, locale=locale, house=document.house)

    amounts = [document.total, document.due, document.balance_before, document.payments]
    said = [write("money", amount) for amount in [*amounts, *(line.amount for line in document.lines)]]
    for line in document.lines:
        if line.unit == "kWh":
            said.append(write("number", f"{line.quantity:.1f}") + " kWh")
    return [*said, write("kwh", document.kwh), write("kwh", document.kwh / document.days)]


@pytest.mark.parametrize(
    ("locale", "said"),
    [
        ("en", ["Amount due", "$126.53", "Please pay by Nov 23, 2026", "Energy, winter peak", "$0.0268",
                "State gross receipts tax", "Oct 1 – Oct 15", "the Pennsylvania Public Utility Commission",
                "(800) 692-7380", "5500010029", "Time of Day", "Reference: 5500010029", "Last month", "A year ago",
                "5 days after the due date a late fee of 1.5 %", "no contract term", "E: part"]),
        ("es", ["Total a pagar", "$126.53", "Energía, hora pico de invierno", "Pensilvania", "Cómo pagar",
                "Referencia: 5500010029", "Hace un año", "23 nov de 2026", "recargo del 1.5 %"]),
    ],
)  # fmt: skip
def test_a_bill_says_what_matters_on_paper_and_on_the_screen(document, locale, said):
    document = replace(document, total=sum(line.amount for line in document.lines), estimated=False)
    pdf, html = documents.bill_pdf(document, locale), documents.bill_html(document, locale).decode()
    reader, text = read(pdf)
    assert len(reader.pages) == 1
    for each in [*said, *every_figure(document, locale)]:
        assert each in text
        assert each in html
    assert reader.metadata.title.endswith("2611-0000042")
    assert documents.bill_pdf(document, locale) == pdf
    assert documents.bill_html(document, locale).decode() == html


def test_an_estimate_is_marked(document):
    _, text = read(documents.bill_pdf(document, "en"))
    assert "part of this bill rests on an estimate" in text
    assert "part of this bill rests on an estimate" in documents.bill_html(document, "en").decode()


def structure(reader):
    """The elements of the structure tree, and every piece of marked content they own, by page."""
    root = reader.trailer["/Root"]["/StructTreeRoot"]
    found, owned = [], set()
    pages = {page.indirect_reference.idnum: n for n, page in enumerate(reader.pages)}

    def walk(element, path):
        found.append((path, element))
        for kid in element["/K"]:
            kid = kid.get_object()
            if "/MCID" in kid:
                owned.add((pages[kid.raw_get("/Pg").idnum], kid["/MCID"]))
            else:
                walk(kid, [*path, kid["/S"]])

    top = root["/K"].get_object()
    walk(top, [top["/S"]])
    return found, owned, root


@pytest.mark.parametrize("many", [1, 6])
def test_a_pdf_is_tagged_through_and_through(document, many):
    assert_tagged(documents.bill_pdf(replace(document, lines=document.lines * many), "es"), tables=3)


@pytest.mark.parametrize("many", [1, 9])
def test_a_credit_note_is_tagged_as_bills_are(document, many):
    assert_tagged(documents.note_pdf(note_of(replace(document, lines=document.lines * many)), "es"), tables=2)


def assert_tagged(pdf, *, tables):
    """What PDF/UA-1 asks that can be read off the file."""
    reader, _ = read(pdf)
    catalog = reader.trailer["/Root"]
    assert catalog["/Lang"] == "es-US"
    assert catalog["/MarkInfo"]["/Marked"] == True  # noqa: E712 - an object of the reader
    assert catalog["/ViewerPreferences"]["/DisplayDocTitle"] == True  # noqa: E712
    assert b"<pdfuaid:part>1</pdfuaid:part>" in catalog["/Metadata"].get_data()
    found, owned, root = structure(reader)
    tags = [path[-1] for path, _ in found]
    assert tags[0] == "/Document" and tags.count("/H1") == 1 and "/H2" in tags and tags.count("/Table") == tables
    for path, element in found:
        if path[-1] == "/Figure":
            assert element["/Alt"] and len(element["/A"]["/BBox"]) == 4
        if path[-1] == "/TH":
            assert element["/A"]["/Scope"] in ("/Row", "/Column")
        if path[-1] in ("/TH", "/TD"):
            assert path[-2] == "/TR" and path[-3] == "/Table"
    shown = set()
    for n, page in enumerate(reader.pages):
        assert page["/Tabs"] == "/S"
        depth = 0
        for operands, operator in pypdf.generic.ContentStream(page.get_contents(), reader).operations:
            if operator in (b"BDC", b"BMC"):
                depth += 1
                if operator == b"BDC" and "/MCID" in operands[1]:
                    shown.add((n, operands[1]["/MCID"]))
            elif operator == b"EMC":
                depth -= 1
            elif operator in (b"Tj", b"f", b"S", b"s"):
                assert depth >= 1, "nothing is drawn outside the structure or the decoration"
        assert depth == 0
        for font in page["/Resources"]["/Font"].values():
            below = font["/DescendantFonts"][0].get_object()
            assert "/FontFile2" in below["/FontDescriptor"] and "/ToUnicode" in font
    assert shown == owned
    numbers = root["/ParentTree"]["/Nums"]
    assert numbers[0::2] == list(range(len(reader.pages)))
    assert sum(len(each) for each in numbers[1::2]) == len(owned)


def test_many_lines_take_a_second_page_and_none_is_lost(document):
    many = tuple(line("energy", "energy", "1", "kWh", "0.1", f"{n}.07", period="winter_peak") for n in range(30))
    reader, text = read(documents.bill_pdf(replace(document, lines=many), "en"))
    assert len(reader.pages) == 2
    assert all(f"${n}.07" in text for n in range(30))
    assert "Page 1 of 2" in text and "Page 2 of 2" in text


def test_a_credit_asks_for_nothing(document):
    _, text = read(documents.bill_pdf(replace(document, payments=D("-400.00")), "en"))
    assert "Your credit" in text and "Nothing to pay" in text and "$137.57" in text


def test_arrears_are_said_apart(document):
    _, text = read(documents.bill_pdf(replace(document, payments=D("-24.10"), adjustments=D("1.50")), "en"))
    assert "$101.50 is overdue" in text and "Fees and corrections" in text and "$239.83" in text


@pytest.mark.parametrize(
    ("used", "limit", "names"),
    [
        (["600", "212.4"], None, ["Energy, first 600 kWh", "Energy, over 600 kWh"]),
        (["609.7", "400", "12"], None,
         ["Energy, first 609.7 kWh", "Energy, from 609.7 to 1,009.7 kWh", "Energy, over 1,009.7 kWh"]),
        (["412.4"], D(600), ["Energy, first 600 kWh"]),
        (["412.4"], None, ["Energy, step 1"]),
    ],
)  # fmt: skip
def test_a_step_says_where_it_begins_and_ends(document, used, limit, names):
    lines = tuple(
        line("energy", "energy.tier", kwh, "kWh", "0.1", "1.00", period="", tier=str(n))
        for n, kwh in enumerate(used, start=1)
    )
    said = [
        documents.line_name(each, locale="en", house=document.house, among=lines, step_limit=limit) for each in lines
    ]
    assert said == names


@pytest.mark.parametrize(("locale", "said"), [("en", "hour by hour"), ("es", "hora a hora")])
def test_energy_at_the_price_of_the_hour_has_no_one_price(document, locale, said):
    lines = (*document.lines, line("energy", "energy.index", "2411", "", "0.01", "24.11"))
    _, text = read(documents.bill_pdf(replace(document, lines=lines), locale))
    assert f"{said} $24.11" in text and "2,411" not in text


def test_steps_shared_by_periods_do_not_guess(document):
    lines = tuple(
        line("energy", "energy.tier", "100", "kWh", "0.1", "1.00", period=period, tier=tier)
        for period in ("summer_peak", "off_peak")
        for tier in ("1", "2")
    )
    said = documents.line_name(lines[1], locale="en", house=document.house, among=lines)
    assert said == "Energy, summer peak, step 2"


@pytest.mark.parametrize("amount", ["0.00", "0.05", "-0.05", "1234.50", "-9876543.21", "100000.00"])
@pytest.mark.parametrize("locale", ["en", "es"])
def test_the_short_way_to_write_money_is_the_catalogues(document, locale, amount):
    say = words.words(locale, document.house)
    assert say.money(D(amount)) == wording.filtered("money", D(amount), locale=locale, house=document.house)


TYPED = [
    "<script>alert(1)</script> & Sons",
    "שלום עולם",
    "أحمد بن محمد",
    "Zoë 👩‍🔬 Łukasz Ñandú",
    "␀ NUL\u0000 and \u0007 bell",
    "\u202eright to left\u202c",
    "lone \ud800 surrogate",
    "W" * 400,
    "",
]


@pytest.mark.parametrize("typed", TYPED)
def test_nothing_a_customer_typed_breaks_a_document(document, typed):
    evil = replace(
        document, customer_name=typed, mailing_address=typed, service_address=typed, customer_kind="BUSINESS",
        customer_email="a<b>@example.com",
    )  # fmt: skip
    for locale in ("en", "es"):
        reader, text = read(documents.bill_pdf(evil, locale))
        assert "$138.33" in text and len(reader.pages) <= 2
        html = documents.bill_html(evil, locale).decode()
        assert "<script" not in html and "\x00" not in html and "$138.33" in html
        root = ElementTree.fromstring(einvoice.invoice_xml(evil, locale))
        assert root.tag.endswith("Invoice")


def test_what_the_font_lacks_is_still_read_aloud(document):
    _, text = read(documents.bill_pdf(replace(document, customer_name="Ana שלום"), "en"))
    pdf = documents.bill_pdf(replace(document, customer_name="Ana שלום"), "en")
    stream = pypdf.PdfReader(io.BytesIO(pdf)).pages[0].get_contents().get_data()
    assert "Ana שלום".encode("utf-16-be").hex().encode() in stream
    assert "Ana" in text


@pytest.mark.parametrize("many", [1, 6, 30])
def test_pages_are_counted_as_readers_count_them(document, many):
    pdf = documents.bill_pdf(replace(document, lines=document.lines * many, customer_name="/Type/Pages/Count 9"), "en")
    assert documents.page_count(pdf) == len(read(pdf)[0].pages)
    with pytest.raises(ValueError):
        documents.page_count(b"%PDF-1.7")


def note_of(document, cause="DISPUTE", replaced_by="2611-0000055"):
    dispute = "D-000012" if cause == "DISPUTE" else None
    return documents.CreditNoteDocument(
        document, "CN2611-0000007", date(2026, 11, 23), cause, dispute=dispute, replaced_by=replaced_by
    )


@pytest.mark.parametrize(
    ("locale", "said"),
    [
        ("en", ["Credit note CN2611-0000007", "Nov 23, 2026", "Cancels bill 2611-0000042", "Nov 3, 2026",
                "Oct 1 – Oct 31", "You disputed the bill (D-000012), and you were right.",
                "Bill 2611-0000055 replaces it.", "Charges before taxes", "-$117.26",
                "State gross receipts tax", "-$6.92", "City utility tax", "-$2.35",
                "Energy, winter peak", "-120.2 kWh", "$0.186", "-$22.36", "-1 month", "Credited to your account"]),
        ("es", ["Nota de crédito CN2611-0000007", "23 nov de 2026", "Anula la factura 2611-0000042",
                "Usted reclamó la factura (D-000012) y tenía razón.", "La factura 2611-0000055 la sustituye.",
                "Cargos antes de impuestos", "-$117.26", "Energía, hora pico de invierno", "-$22.36", "-1 mes"]),
    ],
)  # fmt: skip
def test_a_credit_note_says_what_it_takes_back_and_why(document, locale, said):
    note = note_of(replace(document, total=sum(line.amount for line in document.lines)))
    pdf, html = documents.note_pdf(note, locale), documents.note_html(note, locale).decode()
    reader, text = read(pdf)
    assert len(reader.pages) == 1 and reader.metadata.title.endswith("CN2611-0000007")
    assert reader.trailer["/Root"]["/Lang"] == {"en": "en-US", "es": "es-US"}[locale]
    for each in [*said, wording.filtered("money", note.total, locale=locale, house=document.house)]:
        assert each in text
        assert each in html
    assert "<footer" not in html and "None" not in text  # nothing is to be paid, so there is no slip
    assert documents.note_pdf(note, locale) == pdf and documents.note_html(note, locale).decode() == html


@pytest.mark.parametrize("locale", ["en", "es"])
def test_every_cause_has_words_of_its_own(document, locale):
    said = {documents.cause(note_of(document, cause), locale) for cause in credit_note_models.CAUSES}
    assert len(said) == len(credit_note_models.CAUSES)
    assert not any("document." in each for each in said)


def test_a_note_takes_back_line_by_line_and_tax_by_tax(document):
    note = note_of(document)
    assert note.total == -document.total
    for was, back in zip(document.lines, note.lines, strict=True):
        assert was.amount + back.amount == 0 and was.quantity + back.quantity == 0
        assert (was.code, was.unit_price, was.args) == (back.code, back.unit_price, back.args)


def test_steps_are_called_on_the_note_what_they_are_called_on_the_bill(document):
    lines = tuple(
        line("energy", "energy.tier", kwh, "kWh", "0.1", "1.00", period="", tier=str(n))
        for n, kwh in enumerate(["600", "212.4"], start=1)
    )
    _, text = read(documents.note_pdf(note_of(replace(document, lines=lines)), "en"))
    assert "Energy, first 600 kWh -600.0 kWh" in text and "Energy, over 600 kWh -212.4 kWh" in text


def test_a_withdrawn_bill_names_no_other_and_a_credit_is_taken_back(document):
    _, text = read(documents.note_pdf(note_of(document, "WITHDRAWN", None), "en"))
    assert "we have withdrawn it" in text and "No bill replaces it now" in text
    _, text = read(documents.note_pdf(note_of(replace(document, total=D("-20.00"))), "en"))
    assert "Taken back from your credit $20.00" in text and "need not be paid" not in text


@pytest.mark.parametrize(("locale", "said"), [("en", "Replaces bill"), ("es", "Sustituye a")])
def test_a_new_bill_says_in_a_line_which_it_replaces(document, locale, said):
    fresh = replace(document, replaces=documents.Replaced("2611-0000041", date(2026, 11, 2), "CN2611-0000007"))
    number = {"en": "2611-0000041 (note CN2611-0000007)", "es": "2611-0000041 (nota CN2611-0000007)"}[locale]
    assert f"{said} {number}" in read(documents.bill_pdf(fresh, locale))[1]
    assert number in documents.bill_html(fresh, locale).decode()
    assert said not in documents.bill_html(document, locale).decode()


@pytest.mark.parametrize("typed", TYPED)
def test_nothing_a_customer_typed_breaks_a_credit_note(document, typed):
    evil = note_of(replace(document, customer_name=typed, mailing_address=typed, service_address=typed))
    for locale in ("en", "es"):
        assert "CN2611-0000007" in read(documents.note_pdf(evil, locale))[1]
        html = documents.note_html(evil, locale).decode()
        assert "<script" not in html and "\x00" not in html
        assert ElementTree.fromstring(einvoice.credit_note_xml(evil, locale)).tag.endswith("CreditNote")
