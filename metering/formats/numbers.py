"""Numbers as people write them, to whole watt-hours. Pure."""

import re
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

_LARGEST = Decimal(1 << 53)
_WHOLE = Decimal(1)
_GROUPED = {".": re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?"), ",": re.compile(r"[+-]?\d{1,3}([. ]\d{3})+(,\d+)?")}


def plain(text: str, decimal: str | None) -> Decimal:
    """This will read a number with a point or a comma, also with thousands grouped. ValueError in words."""
    sign = decimal or "."
    if sign == "," or "," in text:
        other = "." if sign == "," else ","
        if _GROUPED[sign].fullmatch(text):
            text = text.replace(other, "").replace(" ", "")
        elif other in text:
            raise ValueError(f"{text[:20]!r} is not a number")
        text = text.replace(",", ".")
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{text[:20]!r} is not a number") from None
    if not value.is_finite() or value.adjusted() > 15:
        raise ValueError(f"{text[:20]!r} is not a number that something could have been read")
    return value


def watt_hours(text: str, power: int, decimal: str | None) -> int:
    """This will read energy in Wh times ten to a power, to the nearest Wh, halves away from zero."""
    value = plain(text, decimal).scaleb(power)
    if not -_LARGEST < value < _LARGEST:
        raise ValueError(f"{text[:20]!r} is larger than any reading")
    return int(value.quantize(_WHOLE, ROUND_HALF_UP))
