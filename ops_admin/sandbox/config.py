"""What the sandbox must know: where the hub is, the credentials it is shown, and the people of the demonstration."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ops_admin.sandbox.people import PEOPLE, Person


@dataclass(frozen=True)
class SandboxConfig:
    """Plain values. The private keys are PEM; the hub is given the matching public keys."""

    hub_base_url: str  # where webhooks are posted
    data_dir: Path
    public_url: str = ""  # where a browser reaches the sandbox; taken from the request when empty
    hub_public_url: str = ""  # what the hub calls itself, and what Twilio signs; hub_base_url when empty

    twilio_account_sid: str = "AC" + "0" * 32
    twilio_auth_token: str = "sandbox-twilio-token"  # noqa: S105 - a sandbox credential, worth nothing outside
    sms_from: str = "+15550100200"
    whatsapp_from: str = "whatsapp:+15550100300"
    voice_from: str = "+15550100400"
    voice_transfer_to: str = "+15550100500"
    voice_pay_connector: str = "Sandbox"  # the one Pay connector there is; it leads to the payment twin
    whatsapp_templates: Mapping[str, str] = field(default_factory=dict)  # the hub's own: name -> ContentSid

    sendgrid_api_key: str = "SG.sandbox"
    sendgrid_event_private_key: str = ""
    sendgrid_inbound_private_key: str = ""
    email_from: str = "care@brightwater.example"
    email_domain: str = "brightwater.example"

    hubspot_access_token: str = "sandbox-hubspot-token"  # noqa: S105
    hubspot_client_secret: str = "sandbox-hubspot-secret"  # noqa: S105
    hubspot_portal_id: int = 48105551
    hubspot_app_id: int = 2741
    hubspot_channel_id: str = "8000"
    agent_reply_property: str = "hub_agent_reply"
    customer_key_property: str = "hub_customer_id"

    stripe_api_key: str = "sk_test_sandbox"
    stripe_webhook_secret: str = "whsec_sandbox"  # noqa: S105
    cash_webhook_secret: str = "shop_sandbox"  # noqa: S105

    sms_path: str = "/hooks/twilio/sms"
    whatsapp_path: str = "/hooks/twilio/whatsapp"
    voice_path: str = "/hooks/twilio/voice"
    voice_status_path: str = "/hooks/twilio/voice/status"
    mail_path: str = "/hooks/sendgrid/inbound"
    mail_events_path: str = "/hooks/sendgrid/events"
    hubspot_path: str = "/hooks/hubspot"
    stripe_path: str = "/hooks/payments/stripe"
    shop_path: str = "/hooks/shop-payments"
    widget_path: str = "/chat/widget.js"
    portal_path: str = "/portal/"
    console_path: str = "/ops/"

    utility_name: str = "Brightwater Power"
    people: tuple[Person, ...] = PEOPLE
    pace: float = 1.0  # how long the vendors take for a delivery step; tests set it near nought
    retry_delays: tuple[float, ...] = (1, 2, 4, 8, 15, 30, 60, 120, 300, 600)  # the vendors' hours, shortened
    workers: int = 6

    @property
    def hub_public(self) -> str:
        return (self.hub_public_url or self.hub_base_url).rstrip("/")

    def reach(self, url: str) -> str:
        """This will give the address at which a URL of the hub can really be posted to."""
        if self.hub_public_url and url.startswith(self.hub_public):
            return self.hub_base_url.rstrip("/") + url[len(self.hub_public) :]
        return url
