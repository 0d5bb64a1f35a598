"""The reference a shop takes cash for: a kind, a number of ours, two check digits (ISO 7064 MOD 97-10). Pure.

It is all digits, so that a cashier can type it and a barcode stays short. An account's reference takes any amount;
those of a bill and of a payment link take the amount they were made for, once.
"""

import re
from typing import Literal

Kind = Literal["ACCOUNT", "BILL", "LINK"]

_CODES: dict[Kind, str] = {"ACCOUNT": "10", "BILL": "20", "LINK": "30"}
_KINDS: dict[str, Kind] = {code: kind for kind, code in _CODES.items()}
_WIDTH = 10  # numbers of ours are padded to it; GS1 allows a reference of 25 characters
_FORM = re.compile(r"[0-9]{14,25}")


def make(kind: Kind, number: int | str) -> str:
    """This will give the reference of an account (by its number), a bill or a payment link (by its id)."""
    body = _CODES[kind] + str(number).rjust(_WIDTH, "0")
    made = f"{body}{98 - int(body) * 100 % 97:02d}"
    if not _FORM.fullmatch(made):
        raise ValueError(f"no reference can be made of {number!r}")
    return made


def read(text: str) -> tuple[Kind, str] | None:
    """This will give what a reference names, its number padded as it was; None for what is no reference of ours."""
    packed = re.sub(r"[\s-]", "", text)
    if not _FORM.fullmatch(packed) or int(packed) % 97 != 1:
        return None
    kind = _KINDS.get(packed[:2])
    return (kind, packed[2:-2]) if kind else None


def spoken(reference: str) -> str:
    """This will set a reference in groups of four, as it is printed beneath the bars and read aloud."""
    return " ".join(reference[n : n + 4] for n in range(0, len(reference), 4))
