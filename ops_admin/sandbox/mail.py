"""The mailboxes: what people receive, read, answer and write; and the posting of their mail to the hub."""

import base64
import html
import json
import secrets
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr
from typing import Any

import requests

from ops_admin.sandbox import signing
from ops_admin.sandbox.courier import Letter
from ops_admin.sandbox.world import World


def put(world: World, *, mailbox: str, folder: str, document: Mapping[str, Any]) -> dict[str, Any]:
    """This will lay a mail into a mailbox."""
    key = secrets.token_hex(8)
    return keep(
        world,
        {**document, "id": key, "mailbox": mailbox.lower(), "folder": folder, "at": world.now()},
    )


def keep(world: World, document: dict[str, Any]) -> dict[str, Any]:
    return world.store.put(
        "mail", document["id"], document, mailbox=document["mailbox"], message_id=document["message_id"]
    )


def mailbox(world: World, address: str) -> list[dict[str, Any]]:
    """This will list a mailbox, sent and received, oldest first."""
    return world.store.find("mail", "mailbox", address.lower())


def write(
    world: World,
    *,
    sender: str,
    name: str,
    text: str,
    subject: str = "",
    to: str = "",
    in_reply_to: str | None = None,
    page: str = "",
    attachments: Sequence[Mapping[str, str]] = (),
    quote: bool = True,
    headers: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """This will send a person's mail to the utility. An answer quotes what it answers, as mail programs do."""
    answered = _answered(world, sender, in_reply_to) if in_reply_to else None
    if answered:
        to = to or answered["reply_to"] or answered["from"]
        subject = subject or _re(answered["subject"])
    to = to or world.config.email_from
    message = EmailMessage(policy=SMTP)
    message["From"] = formataddr((name, sender))
    message["To"] = to
    message["Subject"] = subject
    message["Date"] = format_datetime(datetime.fromtimestamp(world.now(), UTC))
    message["Message-ID"] = f"<{secrets.token_hex(12)}@mail.{sender.rsplit('@', 1)[-1]}>"
    if answered:
        message["In-Reply-To"] = answered["message_id"]
        earlier = {key.lower(): value for key, value in answered["headers"].items()}.get("references", "")
        message["References"] = f"{earlier} {answered['message_id']}".strip()
    for key, value in (headers or {}).items():
        message[key] = value
    quoted = _quoted_text(answered) if answered and quote else ""
    message.set_content(text + quoted, charset="utf-8")
    markup = page or "".join(f"<div>{html.escape(line) or '<br>'}</div>" for line in text.split("\n"))
    message.add_alternative(
        f'<div dir="ltr">{markup}</div>{_quoted_html(answered) if answered and quote else ""}', subtype="html"
    )
    for item in attachments:
        kind, _, subtype = (item.get("content_type") or "application/octet-stream").partition("/")
        message.add_attachment(
            base64.b64decode(item["content_base64"], validate=True),
            maintype=kind, subtype=subtype or "octet-stream", filename=item.get("name", "file"),
        )  # fmt: skip
    stored = put(
        world, mailbox=sender, folder="sent",
        document={
            "message_id": message["Message-ID"], "from": sender, "from_name": name, "to": to, "to_name": "",
            "reply_to": None, "subject": subject, "text": text, "html": "", "headers": dict(message.items()),
            "attachments": [{"name": item.get("name", "file")} for item in attachments], "read": True,
        },
    )  # fmt: skip
    _post(world, message, sender, to)
    return stored


def mark_read(world: World, key: str) -> bool:
    """This will note that a mail was opened; True the first time."""
    with world.store.change():
        found = world.store.get("mail", key)
        if found is None or found["read"]:
            return False
        keep(world, {**found, "read": True})
    return bool(found.get("event_base"))


def unsubscribe(world: World, key: str) -> int | None:
    """This will press the mail program's own unsubscribe button (RFC 8058); the answer's status, None without one."""
    found = world.store.get("mail", key)
    headers = {name.lower(): value for name, value in (found or {}).get("headers", {}).items()}
    target = headers.get("list-unsubscribe", "")
    links = [part.strip(" <>") for part in target.split(",")]
    url = next((link for link in links if link.startswith(world.config.hub_public + "/")), None)
    if url is None or "list-unsubscribe-post" not in headers:
        return None
    response = requests.post(
        world.config.reach(url), data={"List-Unsubscribe": "One-Click"}, timeout=10, allow_redirects=False
    )
    return response.status_code


def signed(private_key: str, body: bytes, content_type: str) -> dict[str, str]:
    """This will give the headers of a signed SendGrid post."""
    timestamp = str(int(time.time()))
    plain = {"Content-Type": content_type, "User-Agent": "SendGrid Event API"}
    if not private_key:
        return plain  # a webhook without a security policy is not signed
    return {
        **plain,
        "X-Twilio-Email-Event-Webhook-Signature": signing.sendgrid(private_key, timestamp, body),
        "X-Twilio-Email-Event-Webhook-Timestamp": timestamp,
    }


def _post(world: World, message: EmailMessage, sender: str, to: str) -> None:
    domain = sender.rsplit("@", 1)[-1]
    fields = {
        "dkim": f"{{@{domain} : pass}}",
        "email": message.as_bytes(policy=SMTP).decode("utf-8", "surrogateescape"),
        "to": to,
        "from": str(message["From"]),
        "sender_ip": "192.0.2.25",
        "spam_score": "0.1",
        "envelope": json.dumps({"to": [to], "from": sender}),
        "subject": str(message["Subject"]),
        "charsets": json.dumps({"to": "UTF-8", "subject": "UTF-8", "from": "UTF-8"}),
        "SPF": "pass",
    }
    boundary = "xYzZY" + secrets.token_hex(8)
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode(
            "utf-8", "surrogateescape"
        )
        for name, value in fields.items()
    ]
    body = b"".join(parts) + f"--{boundary}--\r\n".encode()
    kind = f"multipart/form-data; boundary={boundary}"
    url = world.config.hub_public + world.config.mail_path
    world.courier.post(
        Letter(
            "sendgrid", "mail in", url, body,
            lambda sent: signed(world.config.sendgrid_inbound_private_key, sent, kind), timeout=20,
        )
    )  # fmt: skip


def _answered(world: World, owner: str, reference: str) -> dict[str, Any] | None:
    found = world.store.get("mail", reference)
    candidates = [found] if found else world.store.find("mail", "message_id", reference)
    return next((item for item in candidates if item["mailbox"] == owner.lower()), None)


def _re(subject: str) -> str:
    return subject if subject.lower().startswith("re:") else f"Re: {subject}"


def _line(answered: Mapping[str, Any]) -> str:
    at = datetime.fromtimestamp(answered["at"], UTC)
    who = answered["from_name"] or answered["from"]
    return f"On {at:%a, %b} {at.day}, {at:%Y at %H:%M}, {who} <{answered['from']}> wrote:"


def _quoted_text(answered: Mapping[str, Any]) -> str:
    lines = "\n".join(f"> {line}" for line in answered["text"].splitlines())
    return f"\n\n{_line(answered)}\n\n{lines}\n"


def _quoted_html(answered: Mapping[str, Any]) -> str:
    inner = "<br>".join(html.escape(line) for line in answered["text"].splitlines())
    return (
        f'<br><div class="gmail_quote"><div dir="ltr" class="gmail_attr">{html.escape(_line(answered))}</div>'
        f'<blockquote class="gmail_quote" style="margin:0 0 0 .8ex;border-left:1px solid #ccc;padding-left:1ex">'
        f"{inner}</blockquote></div>"
    )
