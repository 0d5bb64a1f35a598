"""Everything billing can do, on one page."""

from billing.arrangements import (
    accept_arrangement,
    open_arrangement,
    open_extension,
    preview_arrangement,
    preview_extension,
    propose_arrangement,
)
from billing.budgets import leave_budget, open_budget, preview_budget
from billing.by_phone import begin as begin_phone_payment
from billing.by_phone import fail as fail_phone_payment
from billing.by_phone import take_card as take_phone_card
from billing.by_phone import tell_unsure as tell_phone_payment_unsure
from billing.changes import cancel_switch, close_dispute, open_dispute, set_autopay, switch_tariff
from billing.corrections import bill_outstanding, rebill, uphold
from billing.credits import give_credit, waive_charge, write_off
from billing.deposits import ask as ask_deposit
from billing.deposits import charge_deposit, return_deposit
from billing.disconnection import complete_disconnection, complete_reconnection, order_disconnection
from billing.dunning import record_contact, record_letter
from billing.gateway_news import resolve_parked, settle_gateway_event
from billing.issuing import cancel_bill, issue_bill, issue_bills, release_bill
from billing.medical import certify as certify_illness
from billing.medical import end as end_medical_hold
from billing.medical import note_word as note_medical_word
from billing.methods import DEBITS
from billing.methods import kept as kept_methods
from billing.payments import (
    FilePayment,
    begin_checkout,
    begin_setup,
    open_payment_link,
    record_payment,
    record_payment_file,
)
from billing.refunds import decide_refund, request_refund, send_refund
from billing.rerating import accept as accept_correction
from billing.rerating import refresh as refresh_correction
from billing.rerating import reject as reject_correction
from billing.runs import run_bills
from billing.saved_methods import keep_method, remove_method
from billing.tariffs import assign as assign_tariff
from billing.tariffs import load_published, publish

__all__ = [
    "DEBITS",
    "FilePayment",
    "accept_arrangement",
    "accept_correction",
    "ask_deposit",
    "assign_tariff",
    "begin_checkout",
    "begin_phone_payment",
    "begin_setup",
    "bill_outstanding",
    "cancel_bill",
    "cancel_switch",
    "certify_illness",
    "charge_deposit",
    "close_dispute",
    "complete_disconnection",
    "complete_reconnection",
    "decide_refund",
    "end_medical_hold",
    "fail_phone_payment",
    "give_credit",
    "issue_bill",
    "issue_bills",
    "keep_method",
    "kept_methods",
    "leave_budget",
    "load_published",
    "note_medical_word",
    "open_arrangement",
    "open_budget",
    "open_dispute",
    "open_extension",
    "open_payment_link",
    "order_disconnection",
    "preview_arrangement",
    "preview_budget",
    "preview_extension",
    "propose_arrangement",
    "publish",
    "rebill",
    "record_contact",
    "record_letter",
    "record_payment",
    "record_payment_file",
    "refresh_correction",
    "reject_correction",
    "release_bill",
    "remove_method",
    "request_refund",
    "resolve_parked",
    "return_deposit",
    "run_bills",
    "send_refund",
    "set_autopay",
    "settle_gateway_event",
    "switch_tariff",
    "take_phone_card",
    "tell_phone_payment_unsure",
    "uphold",
    "waive_charge",
    "write_off",
]
