"""A worded message as a mail: plain text and HTML from one template, safe headers, threading. Pure."""

import pathlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import jinja2
import markupsafe

from channels import edge
from channels.email import addressing, unsubscribing
from core import wording
from core.conversations import numbering
from core.ports import Outbound
from core.settings import Settings

_TEMPLATE = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True).from_string(
    (pathlib.Path(__file__).parent / "template.html").read_text()
)
_LINK = re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,;:!?)\]]")
_HEADER_BREAK = re.compile(r"[\x00-\x1f\x7f\u0085\u2028\u2029]+")
# what a message may set besides what we set: never an address, never a second content type
_THREADING = ("In-Reply-To", "References", "Auto-Submitted")
_SUBJECT_CAP = 200
_HEADER_CAP = 4000


@dataclass(frozen=True)
class Rendered:
    """A mail ready for the vendor."""

    subject: str
    text: str
    html: str
    reply_to: str
    headers: Mapping[str, str] = field(default_factory=dict)


def render(message: Outbound, settings: Settings) -> Rendered:
    """This will compose a mail. A message whose data name a purpose but SERVICE carries a one-click way out."""
    house = edge.house(settings)
    ours = addressing.Addressing(settings.secret_key, settings.email_domain)
    say = _Words(message.locale, house)
    subject = _one_line(message.subject or "") or say("channels.email_subject")
    if message.headers.get("In-Reply-To") and not re.match(r"(?i)re\s*:", subject):
        subject = f"Re: {subject}"
    out = unsubscribing.link(settings, address=message.to, purpose=purpose(message)) if is_proactive(message) else None
    labels = [edge.clean(label, 200) for _, label in message.choices]
    text = edge.clean(message.text, 100_000)
    footer = say("channels.email_footer")
    html = _TEMPLATE.render(
        locale=message.locale,
        subject=subject,
        utility=house,
        body=_body(message, text, house.base_url),
        choices=list(zip(numbering.numbers(labels), labels, strict=True)),
        choose=say("channels.email_choose"),
        footer=footer,
        postal_address=settings.postal_address,
        unsubscribe=out,
        unsubscribe_label=say("channels.email_unsubscribe"),
    )
    lines = [text]
    if labels:
        lines += [
            "",
            say("channels.email_choose"),
            *(f"{n}. {label}" for n, label in zip(numbering.numbers(labels), labels, strict=True)),
        ]
    lines += ["", "-- ", footer, settings.postal_address]
    if out:
        lines += [f"{say('channels.email_unsubscribe')}: {out}"]
    return Rendered(
        subject=_one_line(subject)[:_SUBJECT_CAP],
        text="\n".join(lines),
        html=html,
        reply_to=ours.recipient(settings.email_from, message.conversation),
        headers=_headers(message, ours, out),
    )


def _body(message: Outbound, text: str, base_url: str) -> markupsafe.Markup:
    """The words, and the pictures that show the same; who does not see or load them misses nothing."""
    body = markupsafe.Markup(message.html) if message.html else paragraphs(text, base_url)  # noqa: S704
    for each in message.pictures:
        body += markupsafe.Markup(
            '\n<p><img src="{}" alt="{}" width="520" style="max-width:100%;height:auto;border:0"></p>'
        ).format(each["url"], each["name"])
    return body


def purpose(message: Outbound) -> str:
    """This will give what a message is sent for; an answer is service."""
    return str(message.data.get("purpose") or "SERVICE").upper()


def is_proactive(message: Outbound) -> bool:
    """This will say whether nobody asked for the message, so that it must carry a way out (RFC 8058)."""
    return purpose(message) != "SERVICE"


def paragraphs(text: str, base_url: str) -> markupsafe.Markup:
    """This will give plain text as HTML paragraphs; only links to our own pages become links."""
    blocks = [_linked(block, base_url) for block in re.split(r"\n{2,}", text) if block.strip()]
    return markupsafe.Markup("\n").join(markupsafe.Markup("<p>{}</p>").format(block) for block in blocks)


def _linked(block: str, base_url: str) -> markupsafe.Markup:
    out = markupsafe.Markup("")
    at = 0
    for found in _LINK.finditer(block):
        out += _lines(block[at : found.start()])
        url = found.group(0)
        if url == base_url or url.startswith((base_url + "/", base_url + "?")):
            out += markupsafe.Markup('<a href="{0}">{0}</a>').format(url)
        else:
            out += markupsafe.escape(url)
        at = found.end()
    return out + _lines(block[at:])


def _lines(text: str) -> markupsafe.Markup:
    return markupsafe.Markup("<br>\n").join(markupsafe.escape(line) for line in text.split("\n"))


def _headers(message: Outbound, ours: addressing.Addressing, out: str | None) -> dict[str, str]:
    headers = {
        name: value
        for name in _THREADING
        if (value := _bounded(_one_line(str(message.headers.get(name) or "")))) and value.isascii()
    }
    headers["Message-ID"] = ours.message_id(message.conversation, message.message_id)
    headers.setdefault("Auto-Submitted", "auto-generated" if out else "auto-replied")
    headers["X-Auto-Response-Suppress"] = "All"
    headers["X-Wattline-Loop"] = "1"
    if out:
        headers["List-Unsubscribe"] = f"<{out}>"
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return headers


def _bounded(value: str) -> str:
    """A long thread keeps its first mail and its latest (RFC 5322 lets References be trimmed so)."""
    ids = value.split()
    kept = ids if len(ids) <= 12 else [ids[0], *ids[-11:]]
    return " ".join(kept) if len(value) <= _HEADER_CAP or len(ids) > 12 else ids[-1][:_HEADER_CAP]


def _one_line(text: str) -> str:
    """No line end of any kind survives: a header can hold nothing but its own value."""
    return _HEADER_BREAK.sub(" ", text).strip()


class _Words:
    def __init__(self, locale: str, house: wording.House) -> None:
        self._locale = locale
        self._house = house

    def __call__(self, kind: str) -> str:
        return wording.render(kind, {}, locale=self._locale, medium="email", house=self._house).text
