"""A bank's statement in its own form: the credits that are booked, with what the payers wrote; or no file at all."""

from datetime import date
from decimal import Decimal

import pytest

from billing import bank_files
from billing.bank_entries import Entry
from core import errors

D = Decimal
HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.{version}"><BkToCstmrStmt>
<GrpHdr><MsgId>M1</MsgId><CreDtTm>2026-11-03T18:00:00Z</CreDtTm></GrpHdr>
<Stmt><Id>S-77</Id><Acct><Id><IBAN>DE75512108001245126199</IBAN></Id></Acct>
<Bal><Amt Ccy="USD">10.00</Amt><CdtDbtInd>CRDT</CdtDbtInd></Bal>
"""
FOOT = "</Stmt></BkToCstmrStmt></Document>"


def entry(
    amount: str, more: str = "", *, details: str = "", sign: str = "CRDT", status: str = "BOOK", currency: str = "USD"
) -> str:
    return (
        f'<Ntry><Amt Ccy="{currency}">{amount}</Amt><CdtDbtInd>{sign}</CdtDbtInd><Sts>{status}</Sts>'
        f"<BookgDt><Dt>2026-11-03</Dt></BookgDt>{more}<NtryDtls>{details}</NtryDtls></Ntry>\n"
    )


def statement(*entries: str, version: str = "02") -> bytes:
    return (HEAD.format(version=version) + "".join(entries) + FOOT).encode()


def test_a_credit_has_its_name_day_money_payer_and_words() -> None:
    words = "<RmtInf><Ustrd>for RF18 5390</Ustrd><Ustrd>0754 7034</Ustrd></RmtInf>"
    details = f"<TxDtls><RltdPties><Dbtr><Nm> Omar Haddad </Nm></Dbtr></RltdPties>{words}</TxDtls>"
    body = statement(entry("100.00", "<AcctSvcrRef>B-1</AcctSvcrRef>", details=details))
    expected = Entry("B-1", date(2026, 11, 3), D("100.00"), "USD", "Omar Haddad", "for RF18 5390 0754 7034")
    assert bank_files.parse(body) == (expected,)
    assert bank_files.parse(b"\xef\xbb\xbf" + body) == (expected,)


def test_the_forms_of_the_later_versions_are_read_too() -> None:
    details = (
        "<TxDtls><Refs><EndToEndId>NOTPROVIDED</EndToEndId></Refs>"
        "<RltdPties><Dbtr><Pty><Nm>Ana</Nm></Pty></Dbtr></RltdPties>"
        "<RmtInf><Strd><CdtrRefInf><Ref>RF18539007547034</Ref></CdtrRefInf></Strd></RmtInf></TxDtls>"
    )
    booked = entry("5.5", details=details, status="<Cd>BOOK</Cd>").replace(
        "<Dt>2026-11-03</Dt>", "<DtTm>2026-11-03T23:30:00-05:00</DtTm>"
    )
    (found,) = bank_files.parse(statement(booked, version="08"))
    assert found == Entry("S-77:1", date(2026, 11, 3), D("5.5"), "USD", "Ana", "RF18539007547034")


def test_a_collected_entry_is_taken_apart() -> None:
    def part(amount: str, payer: str) -> str:
        return (
            f'<TxDtls><AmtDtls><TxAmt><Amt Ccy="USD">{amount}</Amt></TxAmt></AmtDtls>'
            f"<RltdPties><Dbtr><Nm>{payer}</Nm></Dbtr></RltdPties>"
            f"<Refs><EndToEndId>of {payer}</EndToEndId></Refs></TxDtls>"
        )

    both = part("60.00", "Ana") + part("40.00", "Omar")
    found = bank_files.parse(statement(entry("100.00", "<AcctSvcrRef>B-1</AcctSvcrRef>", details=both)))
    assert [(e.entry_id, e.amount, e.payer, e.remittance) for e in found] == [
        ("B-1:1", D("60.00"), "Ana", "of Ana"), ("B-1:2", D("40.00"), "Omar", "of Omar"),
    ]  # fmt: skip
    with pytest.raises(errors.Invalid, match=r"bank_file\.line"):
        bank_files.parse(statement(entry("100.01", details=both)))


def test_debits_and_what_is_not_booked_yet_are_left_aside() -> None:
    body = statement(entry("1.00", sign="DBIT"), entry("2.00", status="PDNG"), entry("3.00"))
    assert [(each.entry_id, each.amount) for each in bank_files.parse(body)] == [("S-77:3", D("3.00"))]
    assert bank_files.parse(statement()) == ()


@pytest.mark.parametrize("wrong", ["", "-1.00", "0", "1.001", "NaN", "1e40", "eleven"])
def test_an_amount_that_cannot_be_right_names_its_line(wrong: str) -> None:
    with pytest.raises(errors.Invalid, match=r"bank_file\.line") as refused:
        bank_files.parse(statement(entry("1.00"), entry(wrong)))
    assert refused.value.data["line"] == 7


@pytest.mark.parametrize(
    "body",
    [
        b"<Document>", b"<a/>", b"\xff\xfe<\x00", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', b"\x00", b"",
        statement(entry("1.00"))[:-20],
    ],
)  # fmt: skip
def test_what_is_no_statement_is_refused(body: bytes) -> None:
    with pytest.raises(errors.Invalid, match=r"bank_file\.(unreadable|columns)"):
        bank_files.parse(body)


@pytest.mark.parametrize("gone", ['Ccy="USD"', "<Dt>2026-11-03</Dt>"])
def test_what_an_entry_must_have_it_has(gone: str) -> None:
    with pytest.raises(errors.Invalid, match=r"bank_file\.line"):
        bank_files.parse(statement(entry("1.00").replace(gone, "")))


def test_a_name_stands_once() -> None:
    twice = entry("1.00", "<AcctSvcrRef>B-1</AcctSvcrRef>")
    with pytest.raises(errors.Invalid, match=r"entry_twice"):
        bank_files.parse(statement(twice, twice))
