"""The bill itself: what stands on it (`content`), on paper (`pdf`) and on the screen (`page`); a credit note likewise
(`credit`). Pure.

One description serves both: `content.content` puts a bill's figures in the words of a language, once.
"""

from billing.documents import barcode, credit, page, pdf
from billing.documents import content as contents
from billing.documents.content import TEMPLATE_VERSION, Content
from billing.documents.credit import cause
from billing.documents.facts import (
    ZERO,
    BillDocument,
    CreditNoteDocument,
    Month,
    Regulator,
    Replaced,
    ShopSlip,
    last_day,
)
from billing.documents.words import line_measure, line_name
from billing.documents.writer import page_count

__all__ = [
    "TEMPLATE_VERSION",
    "ZERO",
    "BillDocument",
    "Content",
    "CreditNoteDocument",
    "Month",
    "Regulator",
    "Replaced",
    "ShopSlip",
    "barcode",
    "bill_html",
    "bill_pdf",
    "cause",
    "html_policy",
    "last_day",
    "line_measure",
    "line_name",
    "note_html",
    "note_pdf",
    "page_count",
]


def bill_pdf(document: BillDocument, locale: str) -> bytes:
    """This will draw a bill in a language ("en", "es") as a tagged PDF."""
    return pdf.bill_pdf(contents.content(document, locale), document.issued_on)


def bill_html(document: BillDocument, locale: str) -> bytes:
    """This will write a bill in a language as one HTML page."""
    return page.bill_html(contents.content(document, locale))


def note_pdf(document: CreditNoteDocument, locale: str) -> bytes:
    """This will draw a credit note in a language as a tagged PDF."""
    return pdf.bill_pdf(credit.content(document, locale), document.issued_on)


def note_html(document: CreditNoteDocument, locale: str) -> bytes:
    """This will write a credit note in a language as one HTML page."""
    return page.bill_html(credit.content(document, locale))


def html_policy() -> str:
    """This will give the Content-Security-Policy that page needs."""
    return page.policy()
