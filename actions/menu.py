"""What we offer next: quick replies that stand for an intent."""

from core.ports import Choice

# intents that are never offered: internal ones, and words that only mean something in their place
UNOFFERED = frozenset(
    (
        "affirm",
        "deny",
        "inform",
        "identity_verified",
        "returned_from_staff",
        "nlu_fallback",
        "out_of_scope",
        "cancel_dialog",
        "greet",
        "goodbye",
        "thanks",
        "repeat",
        "bot_challenge",
    )
)


def wish(intent: str) -> Choice:
    """This will give the quick reply that stands for an intent."""
    return Choice(f"intent.{intent}", f"/{intent}")


def wishes(*intents: str) -> tuple[Choice, ...]:
    """This will give quick replies for several intents, in order."""
    return tuple(wish(intent) for intent in intents)


def short() -> tuple[Choice, ...]:
    """This will give what most people want."""
    return wishes("check_balance", "pay_bill", "report_outage")


def full() -> tuple[Choice, ...]:
    """This will give one door per area of what we do."""
    return wishes(
        "check_balance",
        "pay_bill",
        "explain_bill",
        "view_usage",
        "report_outage",
        "compare_tariffs",
        "book_appointment",
        "talk_to_human",
    )
