"""Money on its long way in and on its way back: debits and their mandates, returns, refunds, disputes."""

import re
import secrets
from collections.abc import Mapping
from typing import Any

from ops_admin.sandbox import stripe_money as money
from ops_admin.sandbox.stripe_forms import StripeError
from ops_admin.sandbox.world import World

Thing = dict[str, Any]
RETURNED = {"1116": "account_closed", "2227": "insufficient_funds", "3331": "debit_not_authorized"}
# the German test IBANs by their last four digits; 3002 is paid and then disputed at once
SEPA_RETURNED = {
    "3001": "generic_could_not_process", "3004": "generic_could_not_process", "2227": "insufficient_funds",
    "3434": "charge_exceeds_source_limit", "1212": "charge_exceeds_weekly_limit",
}  # fmt: skip
SEPA_DISPUTED = "3002"
REFUND_DAYS, UNAUTHORISED_DAYS = 56, 396  # how long a payer may take a SEPA debit back: for no reason, unauthorised


def settle_debits(world: World) -> int:
    """This will let the next banking day come: debits whose days are over succeed, or are returned."""
    settled = 0
    for debit in world.store.all("stripe-debit"):
        sepa = debit["sort"] == "sepa_debit"
        if debit["days"] > 1:
            world.store.put("stripe-debit", debit["intent"], {**debit, "days": debit["days"] - 1})
            continue
        intent = money.get(world, "payment_intent", debit["intent"])
        _settle(world, intent, (SEPA_RETURNED if sepa else RETURNED).get(debit["last4"]))
        if sepa and debit["last4"] == SEPA_DISPUTED:
            dispute(world, intent)
        settled += 1
    return settled


def return_debit(world: World, intent: Thing, code: str = "insufficient_funds") -> Thing:
    """This will let the payer's bank send a debit under way back. ValueError for one that is not under way."""
    if world.store.get("stripe-debit", intent["id"]) is None:
        raise ValueError("only a debit under way can be returned")
    _settle(world, intent, code)
    return intent


def mandate(world: World, method: Thing) -> Thing:
    """This will write down that a holder agreed to debits, under a reference their bank will see."""
    key, sort = money.new_id("mandate"), method["type"]
    terms = {"reference": secrets.token_hex(8).upper(), "url": f"{world.here()}/stripe/mandate/{key}"}
    return money.keep(
        world,
        {
            "id": key, "object": "mandate", "livemode": False, "multi_use": {}, "payment_method": method["id"],
            "payment_method_details": {"type": sort, sort: terms if sort == "sepa_debit" else {}},
            "status": "active", "type": "multi_use",
            "customer_acceptance": {"accepted_at": int(world.now()), "type": "online", "online": {}},
        },
    )  # fmt: skip


def _settle(world: World, intent: Thing, returned: str | None) -> None:
    """A debit under way ends: paid, or returned with a code."""
    world.store.delete("stripe-debit", intent["id"])
    charge, session = money.get(world, "charge", intent["latest_charge"]), money.session_of(world, intent["id"])
    if returned:
        method = money.get(world, "payment_method", intent["payment_method"])
        money.fail(world, intent, method, (returned, returned, "The bank returned the debit."), charge)
        if session:
            money.tell(world, "checkout.session.async_payment_failed", session)
        return
    money.succeed(world, intent, charge)
    if session:
        session["payment_status"] = "paid"
        money.keep(world, session)
        money.tell(world, "checkout.session.async_payment_succeeded", session)


def refund(world: World, intent: Thing, amount: int | None, reason: str | None, metadata: Mapping[str, str]) -> Thing:
    """This will give money back, never more than was taken."""
    if intent["status"] != "succeeded":
        raise StripeError(
            400, "invalid_request_error",
            f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund.",
            code="charge_not_refundable", param="payment_intent",
        )  # fmt: skip
    charge = money.get(world, "charge", intent["latest_charge"])
    left = charge["amount"] - charge["amount_refunded"]
    if left == 0:
        raise StripeError(
            400, "invalid_request_error", f"Charge {charge['id']} has already been refunded.",
            code="charge_already_refunded",
        )  # fmt: skip
    wanted = left if amount is None else amount
    if wanted > left:
        raise StripeError(
            400, "invalid_request_error",
            f"Refund amount ({wanted}) is greater than unrefunded amount on charge ({left})",
            param="amount",
        )  # fmt: skip
    back: Thing = {
        "id": money.new_id("re"), "object": "refund", "amount": wanted, "balance_transaction": None,
        "charge": charge["id"], "created": int(world.now()), "currency": charge["currency"], "metadata": dict(metadata),
        "payment_intent": intent["id"], "reason": reason, "receipt_number": None, "status": "succeeded",
        "source_transfer_reversal": None, "transfer_reversal": None,
        "destination_details": {"type": "card", "card": {"type": "refund"}},
    }  # fmt: skip
    money.keep(world, back)
    charge["amount_refunded"] += wanted
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]
    money.keep(world, charge)
    money.move(world, back, "refund", -wanted)
    money.tell(world, "refund.created", back)
    money.tell(world, "charge.refunded", charge)
    return back


def dispute(world: World, intent: Thing) -> Thing:
    """This will let the payer's bank take the money back. A SEPA debit goes back at once, and there is no appeal: for
    eight weeks without a reason, for thirteen months when it was not authorised, and not any more after that."""
    charge = money.get(world, "charge", intent["latest_charge"] or "none")
    sepa, age = charge["payment_method_details"]["type"] == "sepa_debit", int(world.now()) - charge["created"]
    if sepa and age > UNAUTHORISED_DAYS * 86_400:
        raise ValueError("a SEPA debit cannot be taken back after thirteen months")
    unauthorised = "debit_not_authorized" if age > REFUND_DAYS * 86_400 else "customer_initiated"
    reason = unauthorised if sepa else "fraudulent"
    charge["disputed"] = True
    money.keep(world, charge)
    thing: Thing = {
        "id": money.new_id("dp"), "object": "dispute", "amount": charge["amount"], "charge": charge["id"],
        "currency": charge["currency"], "created": int(world.now()), "payment_intent": intent["id"],
        "reason": reason, "status": "needs_response", "livemode": False, "metadata": charge["metadata"],
        "balance_transactions": [], "evidence_details": {"due_by": int(world.now()) + 7 * 86_400},
    }  # fmt: skip
    money.keep(world, thing)
    money.move(world, thing, "adjustment", -thing["amount"])
    money.tell(world, "charge.dispute.created", thing)
    return end_dispute(world, thing, won=False) if sepa else thing


def end_dispute(world: World, thing: Thing, won: bool) -> Thing:
    """This will let the bank decide: won, the money comes back; lost, it stays away."""
    if thing["status"] in ("won", "lost"):
        return thing
    thing["status"] = "won" if won else "lost"
    money.keep(world, thing)
    if won:
        money.move(world, thing, "adjustment", thing["amount"])
        money.tell(world, "charge.dispute.funds_reinstated", thing)
    money.tell(world, "charge.dispute.closed", thing)
    return thing


def iban(text: str) -> bool:
    """This will say whether an account number is a well-formed IBAN (ISO 13616: its check digits fit)."""
    if not re.fullmatch(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}", text):
        return False
    return int("".join(str(int(sign, 36)) for sign in text[4:] + text[:4])) % 97 == 1
