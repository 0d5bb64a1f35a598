"""Everything billing can do, on one page."""

from billing.arrangements import (
    accept_arrangement,
    open_arrangement,
    open_extension,
    preview_arrangement,
    preview_extension,
    propose_arrangement,
)
from billing.changes import cancel_switch, close_dispute, open_dispute, set_autopay, switch_tariff
from billing.corrections import bill_outstanding, rebill, uphold
from billing.disconnection import complete_disconnection, complete_reconnection, order_disconnection
from billing.dunning import record_contact, record_letter
from billing.issuing import cancel_bill, issue_bill, issue_bills, release_bill
from billing.payments import (
    FilePayment,
    begin_checkout,
    keep_method,
    open_payment_link,
    record_payment,
    record_payment_file,
    refund_payment,
    settle_gateway_event,
)
from billing.runs import run_bills
from billing.tariffs import assign as assign_tariff
from billing.tariffs import load_published, publish

__all__ = [
    "FilePayment",
    "accept_arrangement",
    "assign_tariff",
    "begin_checkout",
    "bill_outstanding",
    "cancel_bill",
    "cancel_switch",
    "close_dispute",
    "complete_disconnection",
    "complete_reconnection",
    "issue_bill",
    "issue_bills",
    "keep_method",
    "load_published",
    "open_arrangement",
    "open_dispute",
    "open_extension",
    "open_payment_link",
    "order_disconnection",
    "preview_arrangement",
    "preview_extension",
    "propose_arrangement",
    "publish",
    "rebill",
    "record_contact",
    "record_letter",
    "record_payment",
    "record_payment_file",
    "refund_payment",
    "release_bill",
    "run_bills",
    "set_autopay",
    "settle_gateway_event",
    "switch_tariff",
    "uphold",
]
