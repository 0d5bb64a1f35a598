"""The payment twin's tokens for cards that somebody else took: good for one use."""

from ops_admin.sandbox.stripe_forms import StripeError
from ops_admin.sandbox.stripe_money import Thing, get, keep, new_id, new_method
from ops_admin.sandbox.world import World


def new_token(world: World, last4: str, brand: str = "visa") -> Thing:
    """This will make a token for a card, good for one use; of the number only its last four digits are ever kept."""
    return keep(
        world,
        {
            "id": new_id("tok"), "object": "token", "type": "card", "created": int(world.now()), "livemode": False,
            "used": False, "card": {"brand": brand, "last4": last4},
        },
    )  # fmt: skip


def spend_token(world: World, key: str) -> Thing:
    """This will make the payment method that a token stands for, once."""
    token = get(world, "token", key, "card[token]")
    if token["used"]:
        raise StripeError(
            400, "invalid_request_error", f"You cannot use a Stripe token more than once: {key}.",
            code="token_already_used",
        )  # fmt: skip
    token["used"] = True
    keep(world, token)
    return new_method(world, "card", token["card"]["last4"], token["card"]["brand"])
