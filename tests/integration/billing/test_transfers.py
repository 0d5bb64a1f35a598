"""A bank's file: paid in by its reference once; what bears none, or the wrong money, waits."""

from datetime import date

import pytest
from sqlalchemy import select

from billing import bank_files, books, models, references, transfers
from core import audit, errors
from core.accounts import queries as accounts
from tests.integration.billing import books_check
from tests.integration.billing.test_payments import AT, D, house, owes  # noqa: F401

HEAD = "entry_id,booked_on,amount,currency,payer,remittance\n"


def test_a_reference_has_the_check_digits_of_the_standard():
    assert references.make("539007547034") == "RF18539007547034"  # the example of ISO 11649
    assert references.find("inv. rf18 5390 0754 7034") == ("539007547034",)
    assert references.find("RF19 5390 0754 7034") == ()


def test_a_file_is_paid_in_by_reference_once_and_the_rest_waits(session, house):  # noqa: F811
    number = accounts.get_account(session, account_id=house.account_id).number
    body = HEAD + f"e1,2026-11-03,100.00,USD,Omar,for {references.make(number)} thanks\n"
    body += f"e2,2026-11-03,30.68,USD,Omar,power bill\ne3,2026-11-03,9.00,EUR,Omar,{references.make(number)}\n"
    entries = bank_files.parse_csv(body.encode())
    counts = transfers.load(session, bank="bank", entries=entries, currency="USD", now=AT)
    assert counts == {"MATCHED": 1, "UNMATCHED": 1, "PARKED": 1, "KNOWN": 0}
    again = transfers.load(session, bank="bank", entries=entries, currency="USD", now=AT)
    assert again == {"MATCHED": 0, "UNMATCHED": 0, "PARKED": 0, "KNOWN": 3}
    assert owes(session, house) == D("30.68")  # 130.68 - 100.00
    unmatched, euros = transfers.list_waiting(session)
    assert (unmatched.reason, euros.reason) == ("NO_REFERENCE", "CURRENCY")
    how = {"account_number": number, "actor": "staff:ana", "now": AT}
    assert transfers.assign(session, transfer_id=unmatched.id, **how).status == "MATCHED"
    with pytest.raises(errors.Refused, match=r"transfer\.decided"):
        transfers.assign(session, transfer_id=unmatched.id, **how)
    with pytest.raises(errors.Refused, match=r"transfer\.currency"):
        transfers.assign(session, transfer_id=euros.id, **how)
    assert owes(session, house) == D("0.00")
    books_check.check(session)


def test_what_cannot_be_paid_in_is_sent_back_once_and_moves_nothing_in_the_books(session, house):  # noqa: F811
    body = HEAD + "e1,2026-11-03,9.00,EUR,Omar,power\ne2,2026-11-03,30.68,USD,Unknown,no reference\n"
    entries = bank_files.parse_csv(body.encode())
    transfers.load(session, bank="bank", entries=entries, currency="USD", now=AT)
    euros, unknown = transfers.list_waiting(session)
    before = books.trial_balance(session, month=date(2026, 11, 1)), owes(session, house)
    how = {"actor": "staff:ana", "now": AT}
    with pytest.raises(errors.Invalid, match=r"transfer\.reason"):
        transfers.send_back(session, transfer_id=euros.id, reason=" ", **how)
    assert transfers.send_back(session, transfer_id=euros.id, reason="no euro account", **how).status == "SENT_BACK"
    transfers.send_back(session, transfer_id=unknown.id, reason="nobody of ours", **how)
    assert transfers.list_waiting(session) == ()
    for act in (
        lambda: transfers.send_back(session, transfer_id=euros.id, reason="again", **how),
        lambda: transfers.assign(session, transfer_id=unknown.id, account_number="1", **how),
    ):
        with pytest.raises(errors.Refused, match=r"transfer\.decided"):
            act()
    with pytest.raises(errors.NotFound, match=r"transfer\.unknown"):
        transfers.send_back(session, transfer_id=10**9, reason="x", **how)
    again = transfers.load(session, bank="bank", entries=entries, currency="USD", now=AT)
    assert again["KNOWN"] == 2 and transfers.list_waiting(session) == ()  # the file once more brings nothing back
    assert (books.trial_balance(session, month=date(2026, 11, 1)), owes(session, house)) == before
    assert session.query(models.PaymentRow).count() == 0
    entry = session.scalars(select(audit.AuditRow).where(audit.AuditRow.action == "transfer.sent_back")).first()
    assert entry is not None and (entry.actor, entry.subject_id) == ("staff:ana", str(euros.id))
    assert entry.detail == {"amount": "9.00", "currency": "EUR", "payer": "Omar", "reason": "no euro account"}
    books_check.check(session)


@pytest.mark.parametrize(
    "line",
    [
        "e1,2026-11-03,-1.00,USD,O,x", "e1,2026-11-33,1.00,USD,O,x", "e1,2026-11-03,1.001,USD,O,x", "e1,2026",
        f"e1,2026-11-03,{'9' * 40}.00,USD,O,x", "e1,2026-11-03,1.00,USD,O,x,more",
    ],
)  # fmt: skip
def test_a_file_with_a_wrong_line_is_no_file(session, line):
    with pytest.raises(errors.Invalid, match=r"bank_file\.line") as wrong:
        bank_files.parse_csv((HEAD + "e0,2026-11-03,1.00,USD,O,x\n\n" + line + "\n").encode())
    assert wrong.value.data["line"] == 4  # as an editor counts them
    assert session.query(models.PaymentRow).count() == 0
