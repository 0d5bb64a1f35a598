"""Things the channel tests make again and again."""

from datetime import UTC, datetime
from typing import Any

from core.ports import Outbound
from core.settings import Settings

NOW = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
SETTINGS = Settings(secret_key="a-test-secret", twilio_auth_token="12345", public_base_url="https://hub.example")


def outbound(**changes: Any) -> Outbound:
    values: dict[str, Any] = {
        "message_id": 7,
        "conversation": "tok_EN-1",
        "channel": "SMS",
        "to": "+15550101001",
        "locale": "en",
        "text": "Your balance is $84.12, due Dec 1.",
    }
    return Outbound(**{**values, **changes})
