"""What must never be kept: card numbers, security codes, one-time codes.

Run over every inbound text before it is stored, logged, understood or synced. An account or meter number is never
blanked: only a run that passes Luhn and starts like a card is.
"""

import re

_DIGIT_RUN = re.compile(r"(?<![\d])(?:\d[ \-\u00a0\n.]?){12,18}\d(?!\d)")
_CARD_PREFIX = re.compile(r"^(4|5[1-5]|2[2-7]|3[47]|6(?:011|5|4[4-9])|3(?:0[0-5]|[68])|35)")
_CVV = re.compile(r"\b(cvv2?|cvc2?|security code|c[oó]digo de seguridad)(\W{0,4}(?:is|es)?\W{0,3})(\d{3,4})\b", re.I)
_CODE = re.compile(r"(?<!\d)(\d{3}[ \-]?\d{3})(?!\d)")
_WORDS = {
    **{
        w: str(n)
        for n, w in enumerate(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])
    },
    **{
        w: str(n)
        for n, w in enumerate(["cero", "uno", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve"])
    },
    "oh": "0",
}
_SPOKEN = re.compile(rf"\b(?:(?:{'|'.join(_WORDS)})\b[\s,\-]*){{12,19}}", re.I)


def redact(text: str) -> tuple[str, bool]:
    """This will blank card numbers (keeping the last four) and security codes; gives the text and whether it did."""
    clean = _SPOKEN.sub(_spoken_card, text)
    clean = _DIGIT_RUN.sub(_card, clean)
    clean = _CVV.sub(lambda m: f"{m.group(1)}{m.group(2)}•••", clean)
    return clean, clean != text


def take_code(text: str) -> tuple[str, str | None]:
    """This will lift a six-digit one-time code out of a text; gives the text without it, and the code."""
    found = _CODE.search(_as_digits(text))
    if found is None:
        return text, None
    code = re.sub(r"\D", "", found.group(1))
    blanked = _CODE.sub("••••••", text)
    return (blanked if blanked != text else "••••••"), code


def _card(match: re.Match[str]) -> str:
    digits = re.sub(r"\D", "", match.group(0))
    if _CARD_PREFIX.match(digits) and _luhn(digits):
        return f"[card ••••{digits[-4:]}]"
    return match.group(0)


def _spoken_card(match: re.Match[str]) -> str:
    digits = "".join(_WORDS[w.lower()] for w in re.findall(r"[^\W\d_]+", match.group(0)))
    if 13 <= len(digits) <= 19 and _CARD_PREFIX.match(digits) and _luhn(digits):
        return f"[card ••••{digits[-4:]}] "
    return match.group(0)


def _as_digits(text: str) -> str:
    words = re.findall(r"[^\W\d_]+", text.lower())
    if words and all(w in _WORDS for w in words):
        return "".join(_WORDS[w] for w in words)
    return text


def _luhn(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0
