"""Paying at a shop: the reference checks itself, and a scanner reads the barcode on paper and on the screen."""

import io
import re
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pypdf
import pytest
import resvg_py
import zxingcpp
from PIL import Image

from billing import documents, shop_references
from billing.documents import barcode
from tests.unit.billing.test_documents import document, read  # noqa: F401

D = Decimal
GLN = "5412345000013"


def scanned(image):
    (found,) = zxingcpp.read_barcodes(image)
    assert found.content_type == zxingcpp.ContentType.GS1
    return found.text


@pytest.mark.parametrize(("kind", "number"), [("ACCOUNT", "5500010029"), ("BILL", 42), ("LINK", 9_999_999_999)])
def test_a_reference_names_what_it_was_made_of(kind, number):
    made = shop_references.make(kind, number)
    assert shop_references.read(made) == (kind, f"{number:>010}")
    assert shop_references.read(shop_references.spoken(made)) == (kind, f"{number:>010}")


def test_a_slip_of_the_finger_is_no_reference():
    made = shop_references.make("ACCOUNT", "5500010029")
    for n, digit in enumerate(made):
        for other in "0123456789".replace(digit, ""):
            assert shop_references.read(made[:n] + other + made[n + 1 :]) is None
    for n in range(len(made) - 1):
        if made[n] != made[n + 1]:
            assert shop_references.read(made[:n] + made[n + 1] + made[n] + made[n + 2 :]) is None
    for odd in ("", "RF18539007547034", made[:-1], "٣" * 14, made * 3):
        assert shop_references.read(odd) is None
    with pytest.raises(ValueError):
        shop_references.make("ACCOUNT", "12 34")


@pytest.mark.parametrize("number", ["5500010029", "55000100299"])  # of even and of odd length
@pytest.mark.parametrize(("amount", "told"), [(None, ""), (D("126.53"), "(3902)0000012653")])
def test_a_scanner_reads_the_screen(number, amount, told):
    reference = shop_references.make("ACCOUNT", number)
    drawn = str(barcode.svg(barcode.bars(GLN, reference, amount), 'a <bar> "code"'))
    assert 'aria-label="a &lt;bar&gt; &#34;code&#34;"' in drawn
    svg = drawn.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    picture = Image.open(io.BytesIO(bytes(resvg_py.svg_to_bytes(svg_string=svg, zoom=3)))).convert("L")
    assert scanned(picture) == f"(415){GLN}(8020){reference}{told}"


@pytest.mark.parametrize(("paper", "size"), [("LETTER", (612, 792)), ("A4", (595.3, 841.9))])
@pytest.mark.parametrize("locale", ["en", "es"])
def test_a_scanner_reads_the_paper_of_a_bill_at_home_on_one_page(document, locale, paper, size):  # noqa: F811
    slip = documents.ShopSlip("QuickCash shops", GLN, shop_references.make("BILL", 42), document.due)
    sales_tax = replace(document.lines[-1], args={"tax": "SALES"})
    document = replace(document, shop=slip, paper=paper, lines=(*document.lines, sales_tax))
    pdf = documents.bill_pdf(document, locale)
    reader, text = read(pdf)
    assert [(float(p.mediabox.width), float(p.mediabox.height)) for p in reader.pages] == [size]
    assert shop_references.spoken(slip.reference) in text and "QuickCash shops" in text
    assert scanned(_bars_of(reader)) == f"(415){GLN}(8020){slip.reference}(3902){int(document.due * 100):010d}"
    html = documents.bill_html(replace(document, shop=slip), locale).decode()
    assert shop_references.spoken(slip.reference) in html
    assert (
        barcode.svg(barcode.bars(GLN, slip.reference, slip.amount), re.findall(r'"barcode".*?label="(.*?)"', html)[0])
        in html
    )


def test_without_a_partner_nothing_speaks_of_shops(document):  # noqa: F811
    assert "shop" not in documents.bill_html(document, "en").decode().split("</style>")[1]
    assert "shop" not in read(documents.bill_pdf(document, "en"))[1]


def _bars_of(reader: pypdf.PdfReader) -> np.ndarray:
    """What the page draws at its foot in black, as a scanner's line sees it: 0.1 points a pixel."""
    stream = reader.pages[0].get_contents().get_data().decode("latin-1")
    (drawn,) = re.findall(r"cm 0 0 0 rg ((?:[\d.]+ 0 [\d.]+ 36\.00 re )+)f", stream)
    line = np.full((200, 2800), 255, np.uint8)
    for x, wide in re.findall(r"([\d.]+) 0 ([\d.]+) 36\.00 re", drawn):
        line[:, 150 + round(float(x) * 10) : 150 + round((float(x) + float(wide)) * 10)] = 0
    return line
