"""The sandbox as a server process: its configuration comes from the demonstration's environment."""

import os
import pathlib

import flask

from core import log
from ops_admin import config
from ops_admin.sandbox.app import create_app
from ops_admin.sandbox.config import SandboxConfig


def wsgi() -> flask.Flask:
    """This will build the sandbox; it refuses to start where real vendors are in use."""
    settings = config.load()
    if not settings.demo:
        raise RuntimeError("the sandbox stands for the vendors of the demonstration: DEMO is not set")
    log.set_up(settings.log_level)
    return create_app(
        SandboxConfig(
            hub_base_url=settings.public_base_url,
            data_dir=pathlib.Path(os.environ["SANDBOX_DATA"]),
            twilio_account_sid=settings.twilio_account_sid,
            twilio_auth_token=settings.twilio_auth_token,
            sms_from=settings.sms_from,
            whatsapp_from=settings.whatsapp_from,
            voice_from=settings.voice_from,
            voice_transfer_to=settings.voice_transfer_to,
            voice_pay_connector=settings.voice_pay_connector or SandboxConfig.voice_pay_connector,
            whatsapp_templates=settings.whatsapp_templates,
            sendgrid_api_key=settings.sendgrid_api_key,
            sendgrid_event_private_key=os.environ["SANDBOX_SENDGRID_EVENT_KEY"],
            sendgrid_inbound_private_key=os.environ["SANDBOX_SENDGRID_INBOUND_KEY"],
            email_from=settings.email_from,
            email_domain=settings.email_domain,
            hubspot_access_token=settings.hubspot_access_token,
            hubspot_client_secret=settings.hubspot_client_secret,
            hubspot_channel_id=settings.hubspot_channel_id or SandboxConfig.hubspot_channel_id,
            stripe_api_key=settings.stripe_api_key,
            stripe_webhook_secret=settings.stripe_webhook_secret,
            cash_webhook_secret=settings.cash_webhook_secret,
            utility_name=settings.utility_name,
        )
    )
