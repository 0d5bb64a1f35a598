"""How a text message is cut and counted: GSM 03.38 (3GPP TS 23.038) or UCS-2, and what each costs."""

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = frozenset("^{}\\[~]|€\f")  # two septets each
# typographic signs that would make the whole message UCS-2 and have a plain twin
_PLAIN = str.maketrans(
    {
        "\u2018": "'", "\u2019": "'", "\u201a": "'", "\u201c": '"', "\u201d": '"', "\u201e": '"',
        "\u2013": "-", "\u2014": "-", "\u2212": "-", "\u2026": "...", "\u00a0": " ", "\u202f": " ", "\u2009": " ",
        "\u2022": "-", "\u00b7": "-", "\u2011": "-", "\u200b": None,
    }
)  # fmt: skip

HARD_CAP = 1600  # characters: Twilio's own limit for one message


def is_gsm(text: str) -> bool:
    """This will say whether a text fits the GSM 7-bit alphabet."""
    return all(c in _BASIC or c in _EXTENDED for c in text)


def plain(text: str) -> str:
    """This will give typographic signs their GSM twins (a curly quote would double the cost of the whole message)."""
    return text.translate(_PLAIN)


def units(text: str) -> int:
    """This will count septets (GSM) or UTF-16 code units (UCS-2), whichever the text needs."""
    if is_gsm(text):
        return sum(2 if c in _EXTENDED else 1 for c in text)
    return len(text.encode("utf-16-be")) // 2


def count(text: str) -> int:
    """This will count the segments a text is billed as; a concatenated one loses room to its header.

    A pair that a segment cannot hold whole (an escape sequence, a surrogate pair) moves to the next.
    """
    if not text:
        return 0
    gsm = is_gsm(text)
    single, joined = (160, 153) if gsm else (70, 67)
    if units(text) <= single:
        return 1
    segments, room = 1, joined
    for c in text:
        size = (2 if c in _EXTENDED else 1) if gsm else (2 if ord(c) > 0xFFFF else 1)
        if size > room:
            segments, room = segments + 1, joined
        room -= size
    return segments


def split(text: str, cap: int = HARD_CAP) -> list[str]:
    """This will cut a long text into messages of at most `cap` code units, at line or word ends where there are any.

    A word longer than a message is cut, but never through a surrogate pair or a joined emoji's parts.
    """
    parts: list[str] = []
    rest = text.strip()
    while _length(rest) > cap:
        head = _head(rest, cap)
        parts.append(head.rstrip())
        rest = rest[len(head) :].lstrip()
    return [*parts, rest] if rest else parts


def _length(text: str) -> int:
    return len(text.encode("utf-16-be", "surrogatepass")) // 2


def _head(text: str, cap: int) -> str:
    end, size = 0, 0
    for c in text:
        size += 2 if ord(c) > 0xFFFF else 1
        if size > cap:
            break
        end += 1
    for mark in ("\n\n", "\n", " "):
        at = text.rfind(mark, 0, end + 1)
        if at > end // 2:
            return text[:at]
    while 1 < end < len(text) and (text[end] in "\u200d\ufe0f\u0301" or text[end - 1] == "\u200d"):
        end -= 1
    return text[:end]
