"""The reference a payer writes on a transfer: ISO 11649, "RF", two check digits, the account's number. Pure."""

import re

_FOUND = re.compile(r"RF[0-9]{2}[0-9A-Z]{1,21}")


def make(account_number: str) -> str:
    """This will give the reference of an account."""
    number = account_number.upper()
    return f"RF{98 - _remainder(f'{number}RF00'):02d}{number}"


def find(text: str) -> tuple[str, ...]:
    """This will give the account numbers of every right reference in a text, however it was spaced."""
    packed = re.sub(r"[^0-9A-Z]", "", text.upper())
    found = []
    for start in (match.start() for match in re.finditer("RF", packed)):
        match = _FOUND.match(packed, start)
        whole = match.group() if match else ""
        # what stands after it may have run into it: our numbers are ten digits, so that length is looked for first
        for end in (14, len(whole)):
            part = whole[:end]
            if len(part) > 4 and _remainder(part[4:] + part[:4]) == 1:
                found.append(part[4:])
                break
    return tuple(dict.fromkeys(found))


def _remainder(text: str) -> int:
    return int("".join(str(int(sign, 36)) for sign in text)) % 97
