"""A worded message as text messages: plain signs, numbered choices, whole words. Pure."""

from channels import edge
from channels.sms import segments
from core import wording
from core.conversations import numbering
from core.ports import Outbound


def render(message: Outbound, house: wording.House) -> list[str]:
    """This will give the bodies to send, in order: one when it fits Twilio's limit, else as few as can be."""
    text = edge.clean(message.text, 100_000)
    listed = numbered(message, house)
    body = f"{text}\n{listed}".strip() if listed else text
    body = segments.plain(body)
    return segments.split(body)


def numbered(message: Outbound, house: wording.House) -> str:
    """This will list the choices with the number to answer with; in one line when they are short."""
    if not message.choices:
        return ""
    numbers = numbering.numbers([label for _, label in message.choices])
    lines = [
        wording.render(
            "channels.choice_numbered",
            {"number": n, "label": edge.clean(label, 200)},
            locale=message.locale,
            medium="sms",
            house=house,
        ).text
        for n, (_, label) in zip(numbers, message.choices, strict=True)
    ]
    return "\n".join(lines)
