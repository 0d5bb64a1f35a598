"""What a rule refuses, said to staff: of a command it is one line, not a trace."""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from core import errors

if TYPE_CHECKING:
    from core.hub import Hub

Command = Callable[..., None]
# what a rule says to those who work with it, where a customer would be told something else or nothing
_TO_STAFF = {
    "account.unknown": "No account bears that number.",
    "bill.back_billing": "The bill reaches further back than a correction may.",
    "bill.not_held": "Somebody was quicker: that bill is not held any more.",
    "bill.release_reason": "Please say why the bill is right.",
    "bill.unchanged": "Nothing has changed: correct the reads, the plan or the terms first. To give something all the "
    "same, a credit: wattline cash credit.",
    "bill.unknown": "That bill has been made anew since. Please look again.",
    "charge.unknown": "No fee bears that number.",
    "console.form": "That form was too old, or made for somebody else. Please look again and repeat it.",
    "console.name": "Nobody decides here without a name that is signed: please open the console under yours.",
    "console.reason": "Please say why: it is kept with what you decide.",
    "credit.amount": "Please give an amount such as 12.34, and say why.",
    "deposit.too_high": "That is more than the rules let us ask of this account, with what it was asked for before.",
    "dispute.closed": "That dispute has been decided otherwise.",
    "ledger.earlier_open": "Months close in order: an earlier one is still open.",
    "ledger.empty": "There is nothing in the books yet.",
    "ledger.month_not_over": "That month is not over.",
    "letter.not_sent": "That bill has not gone to the printer.",
    "letter.returned": "Somebody was quicker: that letter is known to have come back.",
    "letter.unknown": "No bill that went by post bears that number.",
    "letter.why": "Please say why it came back, as it stands on the envelope.",
    "medical.days": "Please give whole days, one or more.",
    "money.amount": "Please give an amount such as 12.34.",
    "payment.unknown": "No payment bears that number.",
    "payment_event.decided": "Somebody was quicker: this has been resolved.",
    "refund.amount": "That is more than is left of the payment and not asked for already.",
    "refund.decided": "Somebody was quicker: this refund has been decided.",
    "refund.not_settled": "That payment has not arrived, or is in dispute or gone: nothing of it can be given back.",
    "refund.reason": "Please say why.",
    "refund.same_person": "Somebody else has to decide: you, or this account of the machine, asked for this refund.",
    "refund.used": "That credit has paid something since.",
    "transfer.at_shop": "Money paid at a shop cannot be sent back: assign it, and refund it from there.",
    "transfer.currency": "It came in another currency: it has to go back.",
    "transfer.decided": "Somebody was quicker: this transfer has been assigned, or sent back.",
    "transfer.reason": "Please say why.",
    "transfer.unknown": "No transfer bears that number.",
    "write_off.not_due": "That account is not to be given up: it pays, it came back, or somebody was quicker.",
    "write_off.reason": "Please say why.",
}


def told(say: Callable[[errors.WattlineError], str]) -> Callable[[Command], Command]:
    """This will let a command end with what `say` makes of a refusal."""

    def frame(command: Command) -> Command:
        @functools.wraps(command)
        def run(*args: Any, **kwargs: Any) -> None:
            try:
                command(*args, **kwargs)
            except errors.WattlineError as refused:
                raise click.ClickException(say(refused)) from refused

        return run

    return frame


def code(refused: errors.WattlineError) -> str:
    """This will name the rule and what it was about."""
    return f"{refused.code} {dict(refused.data) or ''}".strip()


def staff(refused: errors.WattlineError) -> str:
    """This will say what a rule says to staff, its name and what it was about."""
    return f"{to_staff(click.get_current_context().obj(), refused)} [{code(refused)}]"


def to_staff(hub: "Hub", refused: errors.WattlineError) -> str:
    """This will say what a rule says to staff: in words of theirs, else in those for a customer."""
    return _TO_STAFF.get(refused.code) or in_words(hub, refused)


def sentence(refused: errors.WattlineError) -> str:
    """This will say what a customer would be told, and the rule's name."""
    return f"{in_words(click.get_current_context().obj(), refused)} [{refused.code}]"


def in_words(hub: "Hub", refused: errors.WattlineError) -> str:
    """This will say what a customer would be told."""
    from core import wording
    from core.conversations import operations as conversing

    try:
        return wording.label(f"error.{refused.code}", refused.data, locale="en", house=conversing.house(hub.settings))
    except wording.MissingWording:
        return str(refused)
