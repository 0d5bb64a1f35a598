"""Mails out, through SendGrid's v3 Mail Send."""

from typing import Any

from python_http_client.exceptions import HTTPError
from sendgrid import SendGridAPIClient
from sendgrid.helpers.mail import (
    Attachment,
    Content,
    CustomArg,
    Disposition,
    Email,
    FileContent,
    FileName,
    FileType,
    Header,
    Mail,
    Personalization,
    ReplyTo,
    To,
)

from channels.email import render
from core import errors, http
from core.ports import Outbound, Sent
from core.settings import Settings

DEFAULT_BASE = "https://api.sendgrid.com"


class SendGrid:
    """The mail channel."""

    name = "EMAIL"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def send(self, message: Outbound) -> Sent:
        """This will have SendGrid take one mail. The Message-ID is the same on every try, so readers see it once."""
        mail = compose(message, self._settings)
        http.leave()
        client = SendGridAPIClient(
            self._settings.sendgrid_api_key or "-", host=self._settings.sendgrid_api_base or DEFAULT_BASE
        )
        client.client.timeout = http.READ_SECONDS
        try:
            response = client.send(mail)
        except HTTPError as exc:
            raise _translate(exc) from exc
        except TimeoutError as exc:
            raise errors.ProviderError("unknown_outcome") from exc
        except OSError as exc:  # URLError and the socket's own
            raise errors.ProviderError("sendgrid.unreachable") from exc
        return Sent(response.headers.get("X-Message-Id"), "SENT")


def compose(message: Outbound, settings: Settings) -> Any:
    """This will build the request from a message."""
    made = render.render(message, settings)
    mail = Mail()
    mail.from_email = Email(settings.email_from, settings.utility_name)
    mail.subject = made.subject
    mail.reply_to = ReplyTo(made.reply_to, settings.utility_name)
    to = Personalization()
    to.add_to(To(message.to))
    to.add_custom_arg(CustomArg("message", str(message.message_id)))
    to.add_custom_arg(CustomArg("purpose", render.purpose(message)))
    for name, value in made.headers.items():
        to.add_header(Header(name, value))
    mail.add_personalization(to)
    mail.add_content(Content("text/plain", made.text))
    mail.add_content(Content("text/html", made.html))
    for attached in message.attachments:
        if attached.get("content_base64"):
            mail.add_attachment(
                Attachment(
                    FileContent(attached["content_base64"]),
                    FileName(str(attached["name"])),
                    FileType(str(attached["content_type"])),
                    Disposition("attachment"),
                )
            )
    return mail


def _translate(exc: Any) -> errors.WattlineError:
    status = int(exc.status_code)
    if status == 429:
        return errors.ProviderError("sendgrid.busy", retry_after=5.0)
    if status >= 500:
        return errors.ProviderError("sendgrid.failed")
    if status in (401, 403):
        return errors.ProviderError("sendgrid.credentials", retry_after=300.0)
    return errors.Refused("channel.rejected", vendor_status=status)
