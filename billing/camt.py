"""A bank's statement as ISO 20022 camt.053, of any version: the credits that are booked. Pure.

https://www.iso20022.org/catalogue-messages (Bank-to-Customer Statement). A collected entry is taken apart into its
transactions; the reference a payer gave may stand in words (Ustrd) or by itself (Strd/CdtrRefInf/Ref).
"""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from xml.etree import ElementTree  # only its builder: the text is read by expat, below, which sees what is no data
from xml.parsers import expat

from billing.bank_entries import Entry, checked
from core import errors, money

_LINE = "line"


def parse(body: bytes) -> tuple[Entry, ...]:
    """This will read a statement whole, or raise Invalid bank_file.* with the line of the entry that is wrong."""
    statements = _read(body).findall("BkToCstmrStmt/Stmt")
    if not statements:
        raise errors.Invalid("bank_file.unreadable", reason="it is XML, but no camt.053")
    return checked([entry for statement in statements for entry in _credits(statement)])


def _read(body: bytes) -> ElementTree.Element:
    builder, parser = ElementTree.TreeBuilder(), expat.ParserCreate()
    parser.buffer_text = True

    def start(name: str, attributes: dict[str, str]) -> None:
        builder.start(_local(name), {**attributes, _LINE: str(parser.CurrentLineNumber)})

    def no_declarations(*_: object) -> None:
        raise errors.Invalid("bank_file.unreadable", reason="it carries a DTD")  # entities are how XML explodes

    parser.StartElementHandler, parser.CharacterDataHandler = start, builder.data
    parser.EndElementHandler = lambda name: builder.end(_local(name))
    parser.StartDoctypeDeclHandler = no_declarations
    try:
        parser.Parse(body, True)
    except expat.ExpatError as wrong:
        raise errors.Invalid("bank_file.unreadable", line=wrong.lineno) from wrong
    return builder.close()


def _local(name: str) -> str:
    return name.rpartition(":")[2]


def _credits(statement: ElementTree.Element) -> Iterator[Entry]:
    for number, booked in enumerate(statement.iterfind("Ntry"), 1):
        if _words(booked, "CdtDbtInd") != "CRDT" or _words(booked, "Sts/Cd", "Sts") != "BOOK":
            continue
        own = f"{_words(statement, 'Id')}:{number}"
        try:
            yield from _parts(booked, own)
        except (ValueError, LookupError, TypeError) as wrong:
            raise errors.Invalid("bank_file.line", line=int(booked.attrib[_LINE])) from wrong


def _parts(booked: ElementTree.Element, own: str) -> Iterator[Entry]:
    amount, currency = _money(booked.find("Amt"))
    day = date.fromisoformat(_words(booked, "BookgDt/Dt", "BookgDt/DtTm")[:10])
    name = _words(booked, "AcctSvcrRef") or own
    parts = booked.findall("NtryDtls/TxDtls")
    if len(parts) < 2:
        yield Entry(name, day, amount, currency, *_payer(parts[0] if parts else booked))
        return
    sums = [_money(_first(part, "Amt", "AmtDtls/TxAmt/Amt")) for part in parts]
    if sum(each for each, _ in sums) != amount or any(other != currency for _, other in sums):
        raise ValueError("the transactions do not add up to the entry")
    for number, (part, (each, _)) in enumerate(zip(parts, sums, strict=True), 1):
        yield Entry(f"{name}:{number}", day, each, currency, *_payer(part))


def _payer(part: ElementTree.Element) -> tuple[str, str]:
    """Who paid, and what they wrote."""
    written = _words(part, "RmtInf/Ustrd", "RmtInf/Strd/CdtrRefInf/Ref")
    written = written or _words(part, "Refs/EndToEndId").replace("NOTPROVIDED", "")
    return _words(part, "RltdPties/Dbtr/Pty/Nm", "RltdPties/Dbtr/Nm"), written


def _first(part: ElementTree.Element, *paths: str) -> ElementTree.Element | None:
    return next((found for path in paths if (found := part.find(path)) is not None), None)


def _words(part: ElementTree.Element, *paths: str) -> str:
    """What stands in all the elements of these paths; a version has one of two, or both have their share."""
    found = [each.text or "" for path in paths for each in part.iterfind(path)]
    return " ".join(" ".join(found).split())


def _money(amount: ElementTree.Element | None) -> tuple[Decimal, str]:
    if amount is None:
        raise LookupError("an amount is missing")
    return money.parse((amount.text or "").strip()), amount.attrib["Ccy"].strip().upper()
