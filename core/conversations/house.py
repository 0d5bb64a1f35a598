"""What every sentence may name, and which wording a channel takes."""

from core import wording
from core.settings import Settings

MEDIA = {"WEB": "chat", "WHATSAPP": "chat", "SMS": "sms", "EMAIL": "email", "VOICE": "voice"}


def house(settings: Settings) -> wording.House:
    """This will give the house as the catalogues know it."""
    return wording.House(
        name=settings.utility_name,
        phone=settings.utility_phone,
        emergency_phone=settings.emergency_phone,
        currency=settings.currency,
        timezone=settings.utility_timezone,
        base_url=settings.public_base_url,
        cash_partner=settings.cash_partner,
    )
