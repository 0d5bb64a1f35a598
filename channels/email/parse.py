"""What SendGrid's Inbound Parse posts, read into an `Inbound`: charsets, threads, quotes, robots. Pure."""

import email
import email.policy
import hashlib
import html.parser
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import getaddresses, parsedate_to_datetime
from typing import Any

import mailparser_reply

from channels import edge
from channels.email import addressing
from core import redaction
from core.conversations import operations as conversations

_LANGUAGES = ["en", "es", "fr", "de", "it", "pt", "pl", "nl"]
_MOST_ATTACHMENTS = 50
_SPACE = re.compile(r"[ \t]+")
_MANY_LINES = re.compile(r"\n{3,}")
# "On … wrote:" and its kin, over at most three lines, with what is quoted below it: the parser misses some
_ATTRIBUTION = re.compile(
    r"^(?:El|On|Le|Am|Il|Em|Op)\b[^\n]*(?:\n[^\n>]+){0,2}?(?:escribió|wrote|a écrit|schrieb|ha scritto|escreveu)"
    r"[^\n]{0,80}:[ \t]*\n\s*>",
    re.M,
)
_ADDRESS = re.compile(r"[^@\s<>\"',;:]+@[^@\s<>\"',;:]+\.[^@\s<>\"',;:]+")


@dataclass(frozen=True)
class Mail:
    """One mail as it came. `text` is what was newly written; `original` the whole readable body."""

    sender: str
    recipients: tuple[str, ...]  # of the envelope
    subject: str
    message_id: str
    text: str
    original: str
    references: tuple[str, ...]
    automatic: bool
    sent_at: datetime | None
    attachments: tuple[Mapping[str, Any], ...]
    aligned: bool  # SPF or DKIM vouches for the domain of From
    raw: Mapping[str, Any]


def parse(fields: Mapping[str, str | bytes], files: Iterable[Mapping[str, Any]] = ()) -> Mail | None:
    """This will read one Inbound Parse post, raw (field `email`) or parsed; None when it has no usable sender."""
    envelope = _json(fields.get("envelope"))
    raw = fields.get("email")
    if raw is not None:
        octets = raw if isinstance(raw, bytes) else raw.encode("utf-8", "surrogateescape")
        message = _message(octets.lstrip(b"\r\n"))
        body, attachments = _body(message), _attachments(message)
    else:
        message = _message(_text(fields.get("headers")).strip().encode("utf-8", "surrogateescape") + b"\n\n")
        body = _text(fields.get("text")) or readable(_text(fields.get("html")))
        attachments = tuple(files)[:_MOST_ATTACHMENTS]
    sender = _sender(message, _text(fields.get("from")))
    if sender is None:
        return None
    body = _even(body)
    recipients = _addresses(envelope["to"] if isinstance(envelope.get("to"), list) else [])
    if not recipients:
        recipients = _addresses([_text(fields.get("to"))])
    return Mail(
        sender=sender,
        recipients=recipients,
        subject=_header(message, "Subject") or edge.clean(_text(fields.get("subject")), 500),
        message_id=_message_id(message, body, sender),
        text=new_part(body),
        original=body,
        references=_references(message),
        automatic=is_automatic(message, envelope, sender),
        sent_at=_sent_at(message),
        attachments=attachments,
        aligned=_aligned(sender, _text(fields.get("SPF")), _text(fields.get("dkim")), envelope),
        raw=edge.kept(
            {k: v for k, v in fields.items() if isinstance(v, str)},
            without=frozenset({"email", "text", "html", "headers", "subject"}),
        ),
    )


def inbound(mail: Mail, *, secret: str, domain: str, now: datetime) -> conversations.Inbound:
    """This will make the `Inbound` of a mail. Its thread is named only by a token or Message-ID that we signed."""
    ours = addressing.Addressing(secret, domain)
    thread = next((t for a in mail.recipients if (t := ours.read_recipient(a))), None)
    if thread is None:
        # the newest of the references first: a long thread may have begun with an older case
        ids = list(dict.fromkeys(reversed(mail.references)))
        thread = next((t for reference in ids if (t := ours.read_message_id(reference))), None)
    headers = {"Message-ID": mail.message_id, "References": " ".join(mail.references)}
    if mail.automatic:
        headers["Auto-Submitted"] = "auto-replied"
    return conversations.Inbound(
        channel="EMAIL",
        identity_kind="EMAIL",
        identity=mail.sender,
        external_id=mail.message_id,
        text=mail.text or mail.subject,
        attachments=_with_original(mail),
        provider_ts=min(mail.sent_at, now) if mail.sent_at else now,
        raw={**mail.raw, "aligned": mail.aligned, "automatic": mail.automatic},
        thread_hint=thread,
        subject=mail.subject,
        headers=headers,
    )


def _with_original(mail: Mail) -> tuple[Mapping[str, Any], ...]:
    """Where quotes or a signature were cut off, the whole body stays beside the message."""
    if mail.original == mail.text:
        return mail.attachments
    whole, _ = redaction.redact(mail.original)
    kept = {"name": "original.txt", "kind": "original", "content_type": "text/plain", "text": whole[:20_000]}
    return (*mail.attachments, kept)


def new_part(body: str) -> str:
    """This will give what the writer newly wrote, without quotes and signature; the whole body when that is nothing."""
    if not body:
        return ""
    cut = _ATTRIBUTION.search(body)
    newest = body[: cut.start()] if cut and body[: cut.start()].strip() else body
    parser = mailparser_reply.EmailReplyParser(languages=_LANGUAGES)
    replies = parser.read(text=newest[: edge.TEXT_CAP * 2]).replies
    fresh = str(replies[0].body) if replies else ""
    return edge.clean(fresh) or edge.clean(newest)


def is_automatic(message: EmailMessage, envelope: Mapping[str, Any], sender: str) -> bool:
    """This will say whether a machine wrote the mail (RFC 3834): it is kept, and never answered.

    ``Auto-Submitted: no`` says that a person wrote it.
    """
    submitted = _header(message, "Auto-Submitted").split(";")[0].strip().lower()
    if submitted:
        return submitted != "no"
    if any(message.get(name) for name in ("X-Autoreply", "X-Autorespond", "List-Id", "X-Wattline-Loop")):
        return True
    if _header(message, "Precedence").lower() in ("bulk", "junk", "list", "auto_reply"):
        return True
    if "from" in envelope and not envelope["from"]:
        return True
    if message.get_content_type() == "multipart/report" or _header(message, "Return-Path") == "<>":
        return True
    local = sender.split("@")[0]
    return local in ("mailer-daemon", "postmaster", "noreply", "no-reply", "donotreply", "do-not-reply")


def readable(markup: str) -> str:
    """This will give the words of an HTML body: no scripts, no styles, lines where blocks end."""
    reader = _Words()
    reader.feed(markup[: 2 * edge.MEGABYTE])
    reader.close()
    return _MANY_LINES.sub("\n\n", _SPACE.sub(" ", "".join(reader.words))).strip()


class _Words(html.parser.HTMLParser):
    _SILENT = frozenset({"script", "style", "head", "title", "template"})
    _BLOCKS = frozenset({"p", "div", "br", "tr", "li", "h1", "h2", "h3", "h4", "table", "blockquote", "hr"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self._SILENT:
            self._silent += 1
        elif tag in self._BLOCKS:
            self.words.append("\n")
            if tag == "blockquote":
                self.words.append("> ")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._SILENT:
            self._silent = max(0, self._silent - 1)
        elif tag in self._BLOCKS:
            self.words.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.words.append(data)


def _message(octets: bytes) -> EmailMessage:
    message = email.message_from_bytes(octets, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def _body(message: EmailMessage) -> str:
    part = message.get_body(preferencelist=("plain", "html"))
    if part is None:
        return ""
    text = _content(part)
    if part.get_content_subtype() == "html":
        return readable(text)
    if not text.strip() and (other := message.get_body(preferencelist=("html",))) is not None:
        return readable(_content(other))
    return text


def _content(part: Any) -> str:
    """A charset nobody knows, or octets that are not of it, must not lose the mail."""
    try:
        return str(part.get_content())
    except (LookupError, UnicodeError, ValueError, KeyError):
        octets = part.get_payload(decode=True) or b""
        for charset in ("utf-8", "cp1252"):
            try:
                return bytes(octets).decode(charset)
            except UnicodeError:
                continue
        return bytes(octets).decode("latin-1")


def _attachments(message: EmailMessage) -> tuple[Mapping[str, Any], ...]:
    found: list[Mapping[str, Any]] = []
    for part in message.walk():
        if part.is_multipart() or (part.get_content_disposition() != "attachment" and not part.get_filename()):
            continue
        octets = part.get_payload(decode=True)
        content = octets if isinstance(octets, bytes) else b""
        found.append(
            {
                "name": edge.clean(part.get_filename() or f"attachment-{len(found) + 1}", 200).replace("/", "_"),
                "content_type": part.get_content_type(),
                "size": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
            }
        )
        if len(found) == _MOST_ATTACHMENTS:
            break
    return tuple(found)


def _header(message: EmailMessage, name: str) -> str:
    try:
        value = message.get(name)
    except (ValueError, IndexError, AttributeError, TypeError):  # headers the parser itself trips over
        return ""
    return edge.clean(str(value or ""), 500).replace("\n", " ")


def _sender(message: EmailMessage, fallback: str) -> str | None:
    for source in (_header(message, "From"), fallback):
        for _, address in getaddresses([source]):
            if len(address) <= 254 and _ADDRESS.fullmatch(address):
                return edge.clean(address.lower(), 254)
    return None


def _addresses(values: Iterable[Any]) -> tuple[str, ...]:
    pairs = getaddresses([str(v) for v in values])
    return tuple(a for _, a in pairs if _ADDRESS.fullmatch(a))[:50]


def _message_id(message: EmailMessage, body: str, sender: str) -> str:
    """The mail's own id; a digest of the mail where it has none, so that a second delivery is still known."""
    found = re.search(r"<[^<>\s]{1,300}>", _header(message, "Message-ID"))
    if found:
        return found.group(0)
    digest = hashlib.sha256("\x00".join([sender, _header(message, "Date"), body]).encode("utf-8", "replace"))
    return f"<{digest.hexdigest()[:32]}@missing.invalid>"


def _references(message: EmailMessage) -> tuple[str, ...]:
    ids: list[str] = []
    for name in ("References", "In-Reply-To"):
        try:
            value = str(message.get(name) or "")
        except (ValueError, IndexError, AttributeError, TypeError):
            value = ""
        ids += re.findall(r"<[^<>\s]{1,300}>", value[:20_000])
    return tuple(dict.fromkeys(ids))[-100:]


def _sent_at(message: EmailMessage) -> datetime | None:
    try:
        moment = parsedate_to_datetime(_header(message, "Date"))
    except (ValueError, TypeError, IndexError):
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _aligned(sender: str, spf: str, dkim: str, envelope: Mapping[str, Any]) -> bool:
    domain = sender.rpartition("@")[2]
    signed = re.findall(r"@([\w.-]+)\s*:\s*pass", dkim)
    if any(domain == d.lower() or domain.endswith("." + d.lower()) for d in signed):
        return True
    return spf.strip().lower() == "pass" and str(envelope.get("from", "")).lower().rpartition("@")[2] == domain


def _json(value: str | bytes | None) -> dict[str, Any]:
    try:
        parsed = json.loads(value or "{}")
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _text(value: str | bytes | None) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value or ""


def _even(text: str) -> str:
    return _MANY_LINES.sub("\n\n", edge.clean(text, 100_000))
