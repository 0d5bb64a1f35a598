"""Everything that differs between one installation and another. Read from the environment by ops_admin alone."""

from datetime import date
from decimal import Decimal
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator


class Settings(BaseModel):
    """Plain values, frozen. Defaults are those of the demonstration utility on loopback."""

    model_config = ConfigDict(frozen=True)

    # the house
    utility_name: str = "Brightwater Power"
    utility_phone: str = "+15550100100"
    emergency_phone: str = "+15550100911"
    utility_timezone: str = "America/New_York"
    jurisdiction: str = "US-PA"
    currency: str = "USD"
    default_locale: str = "en"
    locales: tuple[str, ...] = ("en", "es")
    postal_address: str = "1 Turbine Way, Brightwater, PA 19000"
    bank_details: str = ""  # where transfers go, as bills print it; empty: bills offer none
    bill_paper: Literal["LETTER", "A4"] = "LETTER"
    log_level: str = "INFO"

    # where things are
    database_url: str = ""
    redis_url: str = ""
    public_base_url: str = "http://127.0.0.1:8080"
    allowed_origins: tuple[str, ...] = ()
    secret_key: str = "development-only-not-a-secret"  # noqa: S105 - `wattline up` refuses it outside the demo
    # the assistant
    rasa_urls: tuple[str, ...] = ("http://127.0.0.1:5005",)
    rasa_token: str = ""
    assistant_timeout: float = 8.0

    # Twilio
    twilio_account_sid: str = "AC" + "0" * 32
    twilio_auth_token: str = ""
    twilio_api_base: str | None = None
    sms_from: str = "+15550100200"
    whatsapp_from: str = "whatsapp:+15550100300"
    voice_from: str = "+15550100400"
    voice_transfer_to: str = "+15550100500"
    voice_pay_connector: str = ""  # the Pay connector by which callers pay by keypad; empty: by a link they are sent
    whatsapp_templates: dict[str, str] = {}

    # SendGrid
    sendgrid_api_key: str = ""
    sendgrid_api_base: str | None = None
    sendgrid_event_public_key: str = ""
    sendgrid_inbound_public_key: str = ""
    email_from: str = "care@brightwater.example"
    email_domain: str = "brightwater.example"

    # HubSpot
    hubspot_access_token: str = ""
    hubspot_api_base: str | None = None
    hubspot_client_secret: str = ""
    hubspot_api_version: str = "v3"
    hubspot_mode: Literal["custom_channel", "ticket_webhook", "ticket_polling"] = "ticket_webhook"
    hubspot_channel_id: str = ""
    hubspot_channel_account_id: str = ""
    hubspot_requests_per_10s: int = 100

    # payments (Stripe)
    stripe_api_key: str = ""
    stripe_api_base: str | None = None
    stripe_webhook_secret: str = ""
    # what may be paid with, of card, us_bank_account, sepa_debit, link; empty: what suits the currency
    payment_methods: tuple[str, ...] = ()
    sepa_creditor_id: str = ""  # as announcements of SEPA debits name it; the gateway's own when it is the creditor

    # cash at shops; without a partner there is none
    cash_partner: str = ""  # the shops as customers know them
    cash_partner_gln: str = ""  # the 13 digits (GS1 GLN) under which the partner knows us
    cash_webhook_secret: str = ""
    cash_most: Decimal = Decimal("1500.00")  # that a shop takes at once; a payment of more waits for a person

    letter_folder: str = ""  # where bills on paper are dropped for the printer; empty: nothing goes by post

    # how many years interval reads are kept, each from its day on; what is unbilled or disputed stays longer
    reads_kept_years: tuple[tuple[date, int], ...] = ((date(2000, 1, 1), 7),)
    write_off_after_days: int = 120  # after the first reminder, what a closed account owes is proposed to be given up
    index_folder: str = ""  # where files of prices by the hour are left to be taken in; empty: nowhere
    bill_run_processes: int = 0  # that share a bill run of many chunks; 0: as many as there are cores

    # how long things last, in seconds
    burst_chat: float = 0.7
    burst_text: float = 1.2
    segment_idle: int = 30 * 60
    verified_for: int = 30 * 60
    code_valid_for: int = 10 * 60
    handoff_timeout: int = 10 * 60
    web_session_for: int = 12 * 3600
    demo: bool = False

    @model_validator(mode="after")
    def _cash_is_whole(self) -> Self:
        if self.cash_partner:
            if not _is_gln(self.cash_partner_gln):
                raise ValueError("CASH_PARTNER_GLN is to be a GS1 GLN: 13 digits, the last of them a check digit")
            if not self.cash_webhook_secret:
                raise ValueError("CASH_WEBHOOK_SECRET is missing: anybody could say that they paid")
        return self


def _is_gln(text: str) -> bool:
    if not (text.isascii() and text.isdigit() and len(text) == 13):
        return False
    return sum(int(digit) * (3 if n % 2 else 1) for n, digit in enumerate(text)) % 10 == 0
