"""The e-invoice and its credit note against structural rules of EN 16931 and Peppol BIS Billing 3.0, each by number."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from xml.etree import ElementTree

import pytest

from billing import documents, einvoice
from billing.views import BillLine
from core import wording

D = Decimal
NS = {"cac": einvoice.CAC, "cbc": einvoice.CBC}
# the order in which UBL 2.1's schema wants the children of an Invoice that we use
ORDER = [
    "CustomizationID", "ProfileID", "ID", "IssueDate", "DueDate", "InvoiceTypeCode", "DocumentCurrencyCode",
    "AccountingCost", "BuyerReference", "InvoicePeriod", "BillingReference", "AccountingSupplierParty",
    "AccountingCustomerParty", "PaymentMeans", "AllowanceCharge", "TaxTotal", "LegalMonetaryTotal", "InvoiceLine",
]  # fmt: skip
# and of a CreditNote
NOTE_ORDER = [
    "CustomizationID", "ProfileID", "ID", "IssueDate", "CreditNoteTypeCode", "Note", "DocumentCurrencyCode",
    "AccountingCost", "BuyerReference", "InvoicePeriod", "BillingReference", "AccountingSupplierParty",
    "AccountingCustomerParty", "AllowanceCharge", "TaxTotal", "LegalMonetaryTotal", "CreditNoteLine",
]  # fmt: skip


def line(component, code, quantity, unit, price, amount, **args):
    return BillLine(component, code, code, args, D(quantity), unit, D(price), D(amount))


LINES = (
    line("fixed", "fixed.month", "1", "month", "60", "60.00"),
    line("energy", "energy", "38250.5", "kWh", "0.064", "2448.03", period=""),
    line("demand", "demand.flat", "142.4", "kW", "8.5", "1210.40", period=""),
    line("credit", "credit.export", "100.5", "kWh", "-0.05", "-5.03", period=""),
    line("rider", "rider.per_kwh", "38250.5", "kWh", "0.0268", "1025.11", rider="FUEL"),
    line("rider", "rider.percent", "3718.43", "%", "-1.5", "-55.78", rider="EFFICIENCY"),
    line("minimum", "minimum", "1234", "", "0.01", "12.34", minimum="90", per="month"),
    line("tax", "tax", "4695.07", "%", "5.9", "277.01", tax="GROSS_RECEIPTS"),
    line("tax", "tax", "4695.07", "%", "6", "281.70", tax="SALES"),
)


@pytest.fixture
def bill():
    return documents.BillDocument(
        house=wording.House(
            "Brightwater Power", "+15550100100", "+15550100911", "USD", "America/New_York", "https://brightwater.example"
        ),
        postal_address="1 Turbine Way, Brightwater, PA 19000",
        email="care@brightwater.example",
        customer_name="Cold Storage & Sons, Inc.",
        mailing_address="1200 Industrial Parkway, Building 4, Brightwater, PA 19000",
        service_address="1200 Industrial Parkway, Brightwater 19000",
        account_number="5500010029",
        bill_number="2611-0000042",
        starts_on=date(2026, 10, 1),
        ends_on=date(2026, 11, 1),
        issued_on=date(2026, 11, 3),
        due_on=date(2026, 11, 23),
        total=sum(each.amount for each in LINES),
        balance_before=D("10.00"),
        payments=D("0.00"),
        kwh=D("38250.5"),
        days=31,
        peak_kw=D("142.4"),
        tariff_code="BUS-DEMAND",
        tariff_name="tariff.BUS-DEMAND.name",
        estimated=False,
        autopay=False,
        lines=LINES,
        history=(),
        late_fee_percent=None,
        regulator=documents.Regulator("US-PA"),
        customer_kind="BUSINESS",
        customer_email="books@cold.example",
        bank_details="First Turbine Bank, account 5500 1000",
    )  # fmt: skip


def read(bill, locale="en"):
    return ElementTree.fromstring(einvoice.invoice_xml(bill, locale))


def text(node, path):
    found = node.find(path, NS)
    assert found is not None and found.text, path
    return found.text


def amount(node, path):
    found = node.find(path, NS)
    assert found is not None and found.get("currencyID") == "USD"
    value = D(found.text)
    assert -value.as_tuple().exponent <= 2 or path.endswith("PriceAmount")  # BR-DEC-*
    return value


@pytest.mark.parametrize("locale", ["en", "es"])
def test_totals_are_exact(bill, locale):
    root = read(bill, locale)
    total = root.find("cac:LegalMonetaryTotal", NS)
    lines = [amount(each, "cbc:LineExtensionAmount") for each in root.findall("cac:InvoiceLine", NS)]
    charges = [amount(each, "cbc:Amount") for each in root.findall("cac:AllowanceCharge", NS)]
    assert amount(total, "cbc:LineExtensionAmount") == sum(lines)  # BR-CO-10
    assert amount(total, "cbc:ChargeTotalAmount") == sum(charges)  # BR-CO-12
    assert amount(total, "cbc:TaxExclusiveAmount") == sum(lines) + sum(charges)  # BR-CO-13
    assert amount(total, "cbc:TaxInclusiveAmount") == sum(lines) + sum(charges)  # BR-CO-15, no VAT
    assert amount(total, "cbc:PayableAmount") == bill.total  # BR-CO-16: what was owed before is not invoiced again
    assert amount(root, "cac:TaxTotal/cac:TaxSubtotal/cbc:TaxableAmount") == bill.total  # BR-O-08
    assert amount(root, "cac:TaxTotal/cbc:TaxAmount") == 0  # BR-O-09, BR-CO-14


def test_lines_reckon(bill):
    for node in read(bill).findall("cac:InvoiceLine", NS):
        quantity, price = D(text(node, "cbc:InvoicedQuantity")), amount(node, "cac:Price/cbc:PriceAmount")
        assert price >= 0  # BR-27
        assert abs(quantity * price - amount(node, "cbc:LineExtensionAmount")) <= D("0.02")  # PEPPOL-EN16931-R120
        assert node.find("cbc:InvoicedQuantity", NS).get("unitCode") in ("KWH", "KWT", "MON", "C62")  # BR-23
        assert text(node, "cbc:ID") and text(node, "cac:Item/cbc:Name")  # BR-21, BR-25
        assert text(node, "cac:Item/cac:ClassifiedTaxCategory/cbc:ID") == "O"  # BR-CO-04


def test_taxes_are_charges_with_base_and_percentage(bill):
    for node in read(bill).findall("cac:AllowanceCharge", NS):
        assert text(node, "cbc:ChargeIndicator") == "true"
        assert text(node, "cbc:AllowanceChargeReason")  # BR-38
        percent, base = D(text(node, "cbc:MultiplierFactorNumeric")), amount(node, "cbc:BaseAmount")  # R041, R042
        assert abs(base * percent / 100 - amount(node, "cbc:Amount")) <= D("0.02")  # PEPPOL-EN16931-R040
        assert node.find("cac:TaxCategory/cbc:Percent", NS) is None  # BR-O-07


def test_head_parties_and_payment(bill):
    root = read(bill)
    assert text(root, "cbc:CustomizationID").startswith("urn:cen.eu:en16931:2017#compliant#")  # BR-01, R004
    assert text(root, "cbc:ProfileID") == einvoice.PROFILE  # R001, R007
    assert (text(root, "cbc:ID"), text(root, "cbc:InvoiceTypeCode")) == ("2611-0000042", "380")  # BR-02, BR-04
    assert text(root, "cbc:IssueDate") == "2026-11-03" and text(root, "cbc:DueDate") == "2026-11-23"  # BR-03, BR-CO-25
    assert text(root, "cbc:BuyerReference") == bill.account_number  # R003
    assert text(root, "cac:InvoicePeriod/cbc:EndDate") == "2026-10-31"  # BR-29: after the start
    for role, name in (("Supplier", "Brightwater Power"), ("Customer", "Cold Storage & Sons, Inc.")):
        party = root.find(f"cac:Accounting{role}Party/cac:Party", NS)
        assert text(party, "cac:PartyLegalEntity/cbc:RegistrationName") == name  # BR-06, BR-07
        assert text(party, "cac:PostalAddress/cac:Country/cbc:IdentificationCode") == "US"  # BR-09, BR-11
        assert text(party, "cac:PostalAddress/cbc:PostalZone") == "19000"
        assert party.find("cbc:EndpointID", NS).get("schemeID") == "EM"  # R010, R020, BR-62, BR-63
        assert party.find("cac:PartyTaxScheme", NS) is None  # BR-O-02: no VAT number where nothing is subject to it
    assert text(root, "cac:PaymentMeans/cbc:PaymentMeansCode") == "30"  # BR-49
    assert text(root, "cac:PaymentMeans/cac:PayeeFinancialAccount/cbc:ID")  # BR-50, BR-61
    assert text(root, "cac:TaxTotal/cac:TaxSubtotal/cac:TaxCategory/cbc:TaxExemptionReasonCode") == "VATEX-EU-O"


def test_children_stand_in_the_order_of_the_schema_and_none_is_empty(bill):
    root = read(bill)
    names = [child.tag.partition("}")[2] for child in root]
    assert names == sorted(names, key=ORDER.index)
    for node in root.iter():
        assert len(node) or (node.text or "").strip()  # R008


def test_without_a_bank_account_no_transfer_is_promised(bill):
    root = read(replace(bill, bank_details="", customer_email=""))
    assert text(root, "cac:PaymentMeans/cbc:PaymentMeansCode") == "1"
    assert root.find("cac:PaymentMeans/cac:PayeeFinancialAccount", NS) is None


def test_an_invoice_that_replaces_another_names_it(bill):
    replaced = documents.Replaced("2611-0000041", date(2026, 11, 2), "CN2611-0000007")
    root = read(replace(bill, replaces=replaced))
    assert text(root, "cac:BillingReference/cac:InvoiceDocumentReference/cbc:ID") == "2611-0000041"  # BR-55
    names = [child.tag.partition("}")[2] for child in root]
    assert names == sorted(names, key=ORDER.index)
    assert read(bill).find("cac:BillingReference", NS) is None


def read_note(bill, locale="en"):
    note = documents.CreditNoteDocument(
        bill, "CN2611-0000007", date(2026, 11, 23), "DATA", replaced_by="2611-0000055"
    )  # fmt: skip
    return ElementTree.fromstring(einvoice.credit_note_xml(note, locale))


@pytest.mark.parametrize("locale", ["en", "es"])
def test_a_credit_note_is_a_381_that_names_its_invoice(bill, locale):
    root = read_note(bill, locale)
    assert root.tag == f"{{{einvoice.CREDIT_NOTE}}}CreditNote"
    assert (
        text(root, "cbc:CustomizationID") == einvoice.CUSTOMIZATION and text(root, "cbc:ProfileID") == einvoice.PROFILE
    )
    assert (text(root, "cbc:ID"), text(root, "cbc:CreditNoteTypeCode")) == ("CN2611-0000007", "381")  # BR-02, BR-04
    assert text(root, "cbc:IssueDate") == "2026-11-23" and root.find("cbc:DueDate", NS) is None
    reference = root.find("cac:BillingReference/cac:InvoiceDocumentReference", NS)
    assert (text(reference, "cbc:ID"), text(reference, "cbc:IssueDate")) == ("2611-0000042", "2026-11-03")  # BR-55
    assert {"en": "corrected", "es": "corregido"}[locale] in text(root, "cbc:Note")
    assert root.find("cac:PaymentMeans", NS) is None  # nothing is to be paid
    names = [child.tag.partition("}")[2] for child in root]
    assert names == sorted(names, key=NOTE_ORDER.index)
    for node in root.iter():
        assert len(node) or (node.text or "").strip()  # R008


def test_a_credit_note_takes_back_what_its_invoice_says_to_the_cent(bill):
    """Its type takes back: the amounts of both are the same, line by line and charge by charge."""
    invoice, note = read(bill), read_note(bill)
    for path in ("cac:LegalMonetaryTotal", "cac:TaxTotal", "cac:AllowanceCharge", "cac:AccountingCustomerParty"):
        assert [ElementTree.tostring(x) for x in invoice.findall(path, NS)] == [
            ElementTree.tostring(x) for x in note.findall(path, NS)
        ]
    lines, back = invoice.findall("cac:InvoiceLine", NS), note.findall("cac:CreditNoteLine", NS)
    assert len(lines) == len(back) == 7
    for was, now in zip(lines, back, strict=True):
        assert amount(was, "cbc:LineExtensionAmount") == amount(now, "cbc:LineExtensionAmount")
        assert text(was, "cbc:InvoicedQuantity") == text(now, "cbc:CreditedQuantity")
        assert now.find("cbc:CreditedQuantity", NS).get("unitCode")  # BR-23
        assert amount(now, "cac:Price/cbc:PriceAmount") >= 0  # BR-27
    total = note.find("cac:LegalMonetaryTotal", NS)
    assert amount(total, "cbc:LineExtensionAmount") == sum(
        amount(x, "cbc:LineExtensionAmount") for x in back
    )  # BR-CO-10
    assert amount(total, "cbc:PayableAmount") == bill.total
