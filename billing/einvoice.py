"""A bill or a credit note as an electronic one for businesses: UBL 2.1 in the shape of Peppol BIS Billing 3.0 (EN
16931). Pure.

What is taxed in the United States is no value added tax. So every line is of category O ("not subject to VAT"), and
each tax is a charge on the document with its base and its percentage (BG-21). What was owed before stays on the bill.

A credit note says by its type (381) that it takes back: its amounts are those of the invoice it names, not negated.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from xml.etree import ElementTree

from billing import documents
from billing.documents.content import plain
from billing.views import BillLine

CUSTOMIZATION = "urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0"
PROFILE = "urn:fdc:peppol.eu:2017:poacc:billing:01:1.0"
_UBL = "urn:oasis:names:specification:ubl:schema:xsd:"
INVOICE, CREDIT_NOTE = f"{_UBL}Invoice-2", f"{_UBL}CreditNote-2"
CAC, CBC = f"{_UBL}CommonAggregateComponents-2", f"{_UBL}CommonBasicComponents-2"
_UNITS = {
    "kWh": "KWH",
    "kW": "KWT",
    "day": "DAY",
    "month": "MON",
}  # UN/ECE recommendation 20; anything else is C62, "one"
_ADDRESS = re.compile(r"(?P<street>.+), (?P<city>[^,]+), (?P<state>[A-Z]{2}) (?P<zip>[0-9-]{5,10})")
_INVOICE, _CREDIT_NOTE, _TRANSFER, _UNDEFINED = "380", "381", "30", "1"  # UNTDID 1001 and 4461

Node = ElementTree.Element
for _prefix, _uri in (("cac", CAC), ("cbc", CBC)):
    ElementTree.register_namespace(_prefix, _uri)


@dataclass(frozen=True)
class _Kind:
    """What the two kinds of document call the same."""

    namespace: str
    name: str
    quantity: str


_AS_INVOICE = _Kind(INVOICE, "Invoice", "InvoicedQuantity")
_AS_CREDIT_NOTE = _Kind(CREDIT_NOTE, "CreditNote", "CreditedQuantity")


def invoice_xml(document: documents.BillDocument, locale: str) -> bytes:
    """This will write a bill as a UBL invoice; its totals are the sums of its lines and charges, to the cent."""
    d = document
    head = (
        ("ID", d.bill_number),
        ("IssueDate", d.issued_on.isoformat()),
        ("DueDate", d.due_on.isoformat()),
        ("InvoiceTypeCode", _INVOICE),
    )
    before = (d.replaces.bill_number, d.replaces.billed_on) if d.replaces else None
    return _written(_AS_INVOICE, head, d, before, locale)


def credit_note_xml(document: documents.CreditNoteDocument, locale: str) -> bytes:
    """This will write a credit note in UBL: the invoice it names, line by line and charge by charge."""
    d = document
    head = (
        ("ID", d.number),
        ("IssueDate", d.issued_on.isoformat()),
        ("CreditNoteTypeCode", _CREDIT_NOTE),
        ("Note", documents.cause(d, locale)),
    )
    return _written(_AS_CREDIT_NOTE, head, d.bill, (d.bill.bill_number, d.bill.issued_on), locale)


def _written(
    kind: _Kind, head: Sequence[tuple[str, str]], d: documents.BillDocument, before: tuple[str, date] | None,
    locale: str,
) -> bytes:  # fmt: skip
    """`before`: the invoice that this one comes after or takes back (BG-3)."""
    lines = [line for line in d.lines if line.component != "tax"]
    taxes = [line for line in d.lines if line.component == "tax"]
    root = Node(kind.name, {"xmlns": kind.namespace})
    for name, text in (
        ("CustomizationID", CUSTOMIZATION),
        ("ProfileID", PROFILE),
        *head,
        ("DocumentCurrencyCode", d.house.currency),
        ("AccountingCost", d.account_number),
        ("BuyerReference", d.account_number),
    ):
        _basic(root, name, text)
    period = _group(root, "InvoicePeriod")
    _basic(period, "StartDate", d.starts_on.isoformat())
    _basic(period, "EndDate", documents.last_day(d.ends_on).isoformat())
    if before:
        reference = _group(_group(root, "BillingReference"), "InvoiceDocumentReference")
        _basic(reference, "ID", before[0])
        _basic(reference, "IssueDate", before[1].isoformat())
    _party(root, "AccountingSupplierParty", d.house.name, d.postal_address, d.email)
    _party(root, "AccountingCustomerParty", d.customer_name, d.mailing_address, d.customer_email)
    if kind is _AS_INVOICE:
        _payment(root, d)
    for tax in taxes:
        _charge(root, d, tax, locale)
    lines_sum, tax_sum = _sum(lines), _sum(taxes)
    _no_vat(root, d, lines_sum + tax_sum)
    total = _group(root, "LegalMonetaryTotal")
    for name, amount in (
        ("LineExtensionAmount", lines_sum),
        ("TaxExclusiveAmount", lines_sum + tax_sum),
        ("TaxInclusiveAmount", lines_sum + tax_sum),
        ("ChargeTotalAmount", tax_sum),
        ("PayableAmount", lines_sum + tax_sum),
    ):
        _amount(total, name, amount, d)
    for number, line in enumerate(lines, start=1):
        _line(root, kind, d, number, line, locale)
    return bytes(ElementTree.tostring(root, encoding="UTF-8", xml_declaration=True))


def _party(root: Node, role: str, name: str, address: str, email: str) -> None:
    party = _group(_group(root, role), "Party")
    if email:
        _basic(party, "EndpointID", plain(email)).set("schemeID", "EM")
    _basic(_group(party, "PartyName"), "Name", plain(name) or "-")
    place = _group(party, "PostalAddress")
    found = _ADDRESS.fullmatch(plain(address))
    if found:
        for tag, part in (("StreetName", "street"), ("CityName", "city"), ("PostalZone", "zip")):
            _basic(place, tag, found[part])
        _basic(place, "CountrySubentity", found["state"])
    else:
        _basic(place, "StreetName", plain(address) or "-")
    _basic(_group(place, "Country"), "IdentificationCode", "US")
    _basic(_group(party, "PartyLegalEntity"), "RegistrationName", plain(name) or "-")


def _payment(root: Node, d: documents.BillDocument) -> None:
    means = _group(root, "PaymentMeans")
    _basic(means, "PaymentMeansCode", _TRANSFER if d.bank_details else _UNDEFINED)
    _basic(means, "PaymentID", d.account_number)
    if d.bank_details:
        _basic(_group(means, "PayeeFinancialAccount"), "ID", plain(d.bank_details))


def _charge(root: Node, d: documents.BillDocument, tax: BillLine, locale: str) -> None:
    charge = _group(root, "AllowanceCharge")
    _basic(charge, "ChargeIndicator", "true")
    _basic(charge, "AllowanceChargeReason", documents.line_name(tax, locale=locale, house=d.house))
    _basic(charge, "MultiplierFactorNumeric", _exact(tax.unit_price))
    _amount(charge, "Amount", tax.amount, d)
    _amount(charge, "BaseAmount", tax.quantity.quantize(Decimal("0.01"), ROUND_HALF_UP), d)
    _category(charge, "TaxCategory")


def _no_vat(root: Node, d: documents.BillDocument, taxable: Decimal) -> None:
    total = _group(root, "TaxTotal")
    _amount(total, "TaxAmount", documents.ZERO, d)
    part = _group(total, "TaxSubtotal")
    _amount(part, "TaxableAmount", taxable, d)
    _amount(part, "TaxAmount", documents.ZERO, d)
    category = _group(part, "TaxCategory")
    _basic(category, "ID", "O")
    _basic(category, "TaxExemptionReasonCode", "VATEX-EU-O")
    _basic(_group(category, "TaxScheme"), "ID", "VAT")


def _line(root: Node, kind: _Kind, d: documents.BillDocument, number: int, line: BillLine, locale: str) -> None:
    """A price is never below zero (BR-27): what is given back is a quantity below zero."""
    node = _group(root, f"{kind.name}Line")
    _basic(node, "ID", str(number))
    if line.unit == "%":
        quantity, price, unit = Decimal(1), line.amount, "C62"
    else:
        quantity, price, unit = line.quantity, line.unit_price, _UNITS.get(line.unit, "C62")
    if price < 0:
        quantity, price = -quantity, -price
    _basic(node, kind.quantity, _exact(quantity)).set("unitCode", unit)
    _amount(node, "LineExtensionAmount", line.amount, d)
    item = _group(node, "Item")
    name = documents.line_name(line, locale=locale, house=d.house, among=d.lines, step_limit=d.step_limit)
    _basic(item, "Name", plain(name))
    _category(item, "ClassifiedTaxCategory")
    _basic(_group(node, "Price"), "PriceAmount", _exact(price)).set("currencyID", d.house.currency)


def _category(parent: Node, name: str) -> None:
    category = _group(parent, name)
    _basic(category, "ID", "O")
    _basic(_group(category, "TaxScheme"), "ID", "VAT")


def _group(parent: Node, name: str) -> Node:
    return ElementTree.SubElement(parent, f"{{{CAC}}}{name}")


def _basic(parent: Node, name: str, text: str) -> Node:
    node = ElementTree.SubElement(parent, f"{{{CBC}}}{name}")
    node.text = text
    return node


def _amount(parent: Node, name: str, amount: Decimal, d: documents.BillDocument) -> None:
    _basic(parent, name, f"{amount:.2f}").set("currencyID", d.house.currency)


def _exact(value: Decimal) -> str:
    return f"{value.normalize():f}"


def _sum(lines: list[BillLine]) -> Decimal:
    return sum((line.amount for line in lines), documents.ZERO)
