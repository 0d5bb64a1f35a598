"""A worded message as WhatsApp takes it: buttons where a template stands ready, numbered text where none does. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from channels import edge
from core import errors, wording
from core.conversations import numbering
from core.ports import Outbound

BODY_CAP = 1600  # Twilio; WhatsApp itself allows 4096
_TEMPLATE_CAP = 900  # template and variables together may have 1024 (error 63021)
_BUTTON_TITLE = 20
_LIST_TITLE = 24
_MOST_BUTTONS = 3
_MOST_LISTED = 10


@dataclass(frozen=True)
class Content:
    """Either a body, or a template and its variables."""

    body: str | None = None
    template: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)


def render(message: Outbound, templates: Mapping[str, str], house: wording.House) -> Content:
    """This will give what to send. Refused('whatsapp.window_closed'): it may only be a template, and there is none.

    `templates` maps names to content ids. For choices: ``choices_<n>``, whose variables are 1 the text, then a title
    and an id for each choice. For words outside the 24 hours: ``<kind>:<locale>``, ``<kind>``, ``notice:<locale>`` or
    ``notice``, whose variable 1 is the text.
    """
    text = edge.clean(message.text, 100_000)
    if not message.window_open:
        template = _notice(message, templates)
        if template is None:
            raise errors.Refused("whatsapp.window_closed")
        return Content(template=template, variables={"1": _one_line(text)})
    if message.choices:
        template = templates.get(f"choices_{len(message.choices)}")
        # a template with buttons cannot carry a picture that is not its own
        if template is not None and _buttons_fit(message) and not message.attachments:
            return Content(template=template, variables=_button_variables(message, text))
        text = f"{text}\n\n{_numbered(message, house)}"
    return Content(body=_shortened(text))


def _notice(message: Outbound, templates: Mapping[str, str]) -> str | None:
    names = [f"notice:{message.locale}", "notice"]
    if message.kind:
        names = [f"{message.kind}:{message.locale}", message.kind, *names]
    return next((templates[name] for name in names if name in templates), None)


def _buttons_fit(message: Outbound) -> bool:
    room = _BUTTON_TITLE if len(message.choices) <= _MOST_BUTTONS else _LIST_TITLE
    titles = [edge.clean(label, 500) for _, label in message.choices]
    return (
        len(titles) <= _MOST_LISTED
        and all(0 < len(title) <= room for title in titles)
        and len(set(titles)) == len(titles)
        and 0 < len(message.text) <= _TEMPLATE_CAP
    )


def _button_variables(message: Outbound, text: str) -> dict[str, str]:
    values = {"1": text}
    for n, (token, label) in enumerate(message.choices):
        values[str(2 * n + 2)] = edge.clean(label, 500)
        values[str(2 * n + 3)] = token
    return values


def _numbered(message: Outbound, house: wording.House) -> str:
    numbers = numbering.numbers([label for _, label in message.choices])
    return "\n".join(
        wording.render(
            "channels.choice_numbered",
            {"number": n, "label": edge.clean(label, 200)},
            locale=message.locale,
            medium="chat",
            house=house,
        ).text
        for n, (_, label) in zip(numbers, message.choices, strict=True)
    )


def _one_line(text: str) -> str:
    """Variables may hold no line ends and no run of spaces."""
    return _cut(re.sub(r"\s+", " ", text), _TEMPLATE_CAP)


def _shortened(text: str) -> str:
    return _cut(text, BODY_CAP)


def _cut(text: str, cap: int) -> str:
    if len(text) <= cap:
        return text
    head = text[: cap - 1]
    at = max(head.rfind(" "), head.rfind("\n"))
    return (head[:at] if at > cap // 2 else head).rstrip() + "…"
