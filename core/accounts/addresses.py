"""Phones, e-mails and street addresses as people write them, and as we keep them. Pure."""

import re

import phonenumbers

_POSTCODE = re.compile(r"\b(\d{5})(?:-\d{4})?\b")
_STREETS = {
    "street": "st",
    "avenue": "ave",
    "road": "rd",
    "drive": "dr",
    "lane": "ln",
    "court": "ct",
    "boulevard": "blvd",
    "place": "pl",
    "terrace": "ter",
    "apartment": "apt",
    "unit": "apt",
    "suite": "ste",
    "north": "n",
    "south": "s",
    "east": "e",
    "west": "w",
}


def normalise(kind: str, value: str, *, region: str = "US") -> str | None:
    """This will give a phone as E.164 or an e-mail in small letters; None when it is not one."""
    if kind == "PHONE":
        return phone(value, region=region)
    if kind == "EMAIL":
        return email(value)
    return None


def phone(value: str, *, region: str = "US") -> str | None:
    """This will give a phone number as E.164; numbers of a plausible length pass, also fictional ones."""
    try:
        number = phonenumbers.parse(value.removeprefix("whatsapp:").strip(), region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def email(value: str) -> str | None:
    """This will give an e-mail address in small letters, without the name around it."""
    inner = re.search(r"<([^<>]+)>\s*$", value)
    address = (inner.group(1) if inner else value).strip().lower()
    return address if re.fullmatch(r"[^@\s<>\",;]+@[^@\s<>\",;]+", address) else None


def masked(kind: str, value: str) -> str:
    """This will give enough of an address to know one's own by, and no more."""
    if kind == "PHONE":
        return f"••• {value[-4:]}"
    local, _, domain = value.partition("@")
    host, _, ending = domain.rpartition(".")
    return f"{local[:1]}•••@{host[:1]}•••.{ending}"


def digits(value: str) -> str:
    """This will keep the ASCII digits of a text."""
    return re.sub(r"[^0-9]", "", value)


def street_key(value: str) -> str:
    """This will give the form under which street addresses are compared."""
    words = re.findall(r"[^\W_]+", value.lower().replace("#", " apt "))
    return " ".join(_STREETS.get(word, word) for word in words)


def split(value: str) -> tuple[str, str | None]:
    """This will part a typed address into its street key and its postcode; the city after the first comma is dropped.

    A house number can look like a postcode: only one that does not start the text is taken for one.
    """
    codes = [m for m in _POSTCODE.finditer(value) if m.start() > 0]
    postcode = codes[-1].group(1) if codes else None
    rest = value[: codes[-1].start()] + value[codes[-1].end() :] if codes else value
    return street_key(rest.split(",")[0]), postcode


def with_check_digit(number: str) -> str:
    """This will append the digit that makes a number pass Luhn: a mistyped account number is then mostly nobody's."""
    total = 0
    for place, digit in enumerate(reversed(number)):
        value = int(digit) * (1 if place % 2 else 2)
        total += value - 9 if value > 9 else value
    return number + str(-total % 10)
