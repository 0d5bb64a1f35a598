"""Credit notes: every cancel makes one, filed like a bill; the books and what customers are told stay one truth.

RES-FLAT, a kilowatt in every hour of October: 744 kWh.
"""

import hashlib
import io
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from xml.etree import ElementTree

import pypdf
import pytest
from sqlalchemy import event, exc, func, select, text

from billing import archive, arrears_handlers, books, credit_note_models, models, queries, statement
from billing import operations as billing
from core import errors, outbox
from core.accounts import operations as people
from core.conversations import models as talks
from tests.integration.billing.conftest import record

D = Decimal
NOW = datetime(2026, 11, 3, 15, 0, tzinfo=UTC)
LATER = NOW + timedelta(days=7)
TELLS = {"bill.cancelled": arrears_handlers.tell_cancelled, "bill.corrected": arrears_handlers.tell_arrears}
NOTES = ("NOTE_HTML", "NOTE_PDF", "NOTE_UBL")


def run(hub, now=NOW, ends_on=date(2026, 11, 1)):
    report = billing.run_bills(hub, period_end_on=ends_on, now=now)
    billing.issue_bills(hub, run_id=report.run_id, now=now)


def bill_of(session, house):
    return queries.list_bills(session, account_id=house.account_id)[0]


def less(session, house, wh=900):
    """The meter is read again: less was used on one day, and in another hour each time."""
    record(session, house.meter_id, date(2026, 10, 10), date(2026, 10, 11), wh)


def rebilled(session, house, wh=900, now=LATER):
    less(session, house, wh)
    done = billing.rebill(session, bill_id=bill_of(session, house).id, actor="staff:ana", reason="misread", now=now)
    session.commit()
    return done


def file_all(hub, session):
    for name, handler in (("bills.issued", archive.file_issued), ("credit_note.issued", archive.file_note)):
        for row in session.scalars(select(outbox.FactRow).where(outbox.FactRow.name == name)).all():
            handler(hub, outbox.Fact(row.id, row.name, row.order_key, row.payload, row.recorded_at))
    session.commit()


def document_of(hub, session, bill_id, kind, locale="en"):
    return archive.get_document(
        session, bill_id=bill_id, kind=kind, locale=locale, settings=hub.settings, now=LATER
    ).body


def words(pdf):
    return " ".join(" ".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf)).pages).split())


def test_a_cancelled_bill_has_a_note_with_a_number_a_day_and_a_cause(hub, session, make_house):
    house = make_house()
    run(hub)
    bill = bill_of(session, house)
    billing.cancel_bill(session, bill_id=bill.id, actor="staff:ana", reason="wrong account", now=LATER)
    billing.cancel_bill(session, bill_id=bill.id, actor="staff:ana", reason="again", now=LATER)  # it has been
    note = queries.list_credit_notes(session, bill_ids=[bill.id])[bill.id]
    assert note.number.startswith("CN2611-") and note.issued_on == date(2026, 11, 10)
    assert (note.bill_number, note.total, note.cause, note.replaced_by) == (bill.number, -bill.total, "WITHDRAWN", None)
    assert session.scalar(select(func.count()).select_from(credit_note_models.CreditNoteRow)) == 1
    # neither is found as the other, whoever types it
    assert queries.find_bill_by_number(session, number=note.number) is None


def test_bill_and_note_add_up_to_nothing_by_line_by_tax_and_in_the_books(hub, session, make_house):
    house = make_house()
    run(hub)
    done = rebilled(session, house)
    note = statement.credit_note_document(session, bill_id=done.cancelled.id, settings=hub.settings)
    lines = queries.list_bill_lines(session, bill_id=done.cancelled.id)
    assert len(lines) == len(note.lines) > 3
    for was, back in zip(lines, note.lines, strict=True):
        assert (was.component, was.code, was.args) == (back.component, back.code, back.args)
        assert was.amount + back.amount == 0
    assert note.total + done.cancelled.total == 0 == note.total - sum(line.amount for line in note.lines)

    entry, journal = models.LedgerEntryRow, models.LedgerJournalRow
    sums = {}
    for key in (f"bill:{done.cancelled.id}", f"bill-cancelled:{done.cancelled.id}"):
        posted = session.execute(
            select(entry.code, entry.debit_cents - entry.credit_cents)
            .join(journal, journal.id == entry.journal_id)
            .where(journal.key == key)
        ).all()
        assert len(posted) == 3
        for code, cents in posted:
            sums[code] = sums.get(code, 0) + cents
    assert sums == {"RECEIVABLE": 0, "REVENUE": 0, "TAX_PAYABLE": 0}
    taxes = sum(line.amount for line in note.lines if line.component == "tax")
    owed = session.scalar(
        select(entry.debit_cents - entry.credit_cents)
        .join(journal, journal.id == entry.journal_id)
        .where(journal.key == f"bill-cancelled:{done.cancelled.id}", entry.code == "TAX_PAYABLE")
    )
    assert D(owed) / 100 == -taxes
    # the cancel posts, the note does not: bill, its cancel, and the bill anew
    assert session.scalar(select(func.count()).where(journal.account_id == house.account_id)) == 3
    assert queries.get_balance(session, account_id=house.account_id, now=LATER).amount == done.bill.total


def test_rebilled_twice_there_are_two_notes_each_naming_its_own(hub, session, make_house):
    house = make_house()
    run(hub)
    first = rebilled(session, house, 900)
    second = rebilled(session, house, 800, now=LATER + timedelta(days=1))
    notes = queries.list_credit_notes(session, bill_ids=[first.cancelled.id, second.cancelled.id])
    assert [first.credit_note, second.credit_note] == [notes[first.cancelled.id], notes[second.cancelled.id]]
    assert first.credit_note.number < second.credit_note.number
    assert first.credit_note.replaced_by == second.cancelled.number == first.bill.number
    assert second.credit_note.replaced_by == second.bill.number
    assert first.credit_note.total != second.credit_note.total == -first.bill.total
    # and each new bill says which it replaces
    for done in (first, second):
        said = queries.bill_document(session, bill_id=done.bill.id, settings=hub.settings).replaces
        assert (said.bill_number, said.note_number) == (done.cancelled.number, done.credit_note.number)
        assert done.cancelled.number in words(document_of(hub, session, done.bill.id, "PDF"))
    assert queries.bill_document(session, bill_id=first.cancelled.id, settings=hub.settings).replaces is None
    # asked again of what is cancelled, nothing more is written
    again = billing.rebill(session, bill_id=first.cancelled.id, actor="staff:ana", reason="again", now=LATER)
    assert again.credit_note == first.credit_note
    assert session.scalar(select(func.count()).select_from(credit_note_models.CreditNoteRow)) == 2


def test_a_run_that_bills_the_days_again_names_the_withdrawn_bill(hub, session, make_house):
    house = make_house()
    run(hub)
    old = bill_of(session, house)
    billing.cancel_bill(session, bill_id=old.id, actor="staff:ana", reason="wrong", now=LATER)
    session.commit()
    before = document_of(hub, session, old.id, "NOTE_PDF")
    run(hub, LATER)
    session.expire_all()
    fresh = bill_of(session, house)
    assert fresh.version == 2
    replaces = queries.bill_document(session, bill_id=fresh.id, settings=hub.settings).replaces
    assert replaces.bill_number == old.number
    # what the note says does not depend on when it is drawn
    assert "No bill replaces it now" in words(before)
    assert "Por ahora ninguna factura la sustituye" in words(document_of(hub, session, old.id, "NOTE_PDF", "es"))


def test_an_upheld_dispute_is_named_on_the_note(hub, session, make_house):
    house = make_house()
    run(hub)
    bill = bill_of(session, house)
    dispute = billing.open_dispute(
        session, account_id=house.account_id, bill_id=bill.id, reason="too high", key="d", now=NOW
    )
    less(session, house)
    done = billing.uphold(session, dispute_id=dispute.id, actor="staff:ana", now=LATER)
    assert (done.credit_note.cause, done.credit_note.dispute) == ("DISPUTE", dispute.number)
    assert f"You disputed the bill ({dispute.number})" in words(document_of(hub, session, bill.id, "NOTE_PDF"))


def test_notes_are_filed_once_in_the_kinds_of_bills(hub, session, make_house):
    houses = make_house(), make_house(tariff="BUS-DEMAND", kind="BUSINESS", hourly_wh=20_000)
    run(hub)
    done = [rebilled(session, house) for house in houses]
    file_all(hub, session)
    file_all(hub, session)
    session.expire_all()
    filed = models.BillDocumentRow
    rows = session.scalars(select(filed).where(filed.kind.in_(NOTES)).order_by(filed.kind)).all()
    assert [(r.kind, r.locale) for r in rows] == [
        ("NOTE_HTML", "en"), ("NOTE_HTML", "en"), ("NOTE_PDF", "en"), ("NOTE_PDF", "en"), ("NOTE_UBL", "en"),
    ]  # fmt: skip
    assert all(hashlib.sha256(r.body).hexdigest() == r.sha256 for r in rows)
    assert archive.check(session).broken == () and archive.check(session).documents == 15
    (home, shop) = done
    assert home.credit_note.number in words(document_of(hub, session, home.cancelled.id, "NOTE_PDF"))
    root = ElementTree.fromstring(document_of(hub, session, shop.cancelled.id, "NOTE_UBL"))
    invoice = ElementTree.fromstring(document_of(hub, session, shop.cancelled.id, "UBL"))
    payable = ".//{*}PayableAmount"
    assert D(root.findtext(payable)) == D(invoice.findtext(payable)) == shop.cancelled.total
    assert root.findtext(".//{*}InvoiceDocumentReference/{*}ID") == shop.cancelled.number
    fresh = ElementTree.fromstring(document_of(hub, session, shop.bill.id, "UBL"))
    assert fresh.findtext(".//{*}InvoiceDocumentReference/{*}ID") == shop.cancelled.number
    with pytest.raises(errors.NotFound, match=r"document\.none"):
        document_of(hub, session, home.cancelled.id, "NOTE_UBL", "es")
    with pytest.raises(errors.NotFound, match=r"credit_note\.unknown"):
        document_of(hub, session, home.bill.id, "NOTE_PDF")


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE credit_note SET cause = 'DATA'",
        "DELETE FROM credit_note",
        "UPDATE bill_document SET body = body || '\\x00' WHERE kind = 'NOTE_PDF'",
        "DELETE FROM bill_document WHERE kind = 'NOTE_HTML'",
    ],
)
def test_the_database_refuses_to_change_a_note_or_its_documents(hub, session, make_house, change):
    house = make_house()
    run(hub)
    rebilled(session, house)
    file_all(hub, session)
    with pytest.raises(exc.IntegrityError, match="rows never change"):
        session.execute(text(change))


def test_the_database_refuses_a_note_of_a_bill_that_stands(hub, session, make_house):
    house = make_house()
    run(hub)
    row = credit_note_models.CreditNoteRow(
        id=7, number="CN2611-0000007", bill_id=bill_of(session, house).id, issued_on=date(2026, 11, 3), cause="REBILL",
        issued_at=NOW,
    )  # fmt: skip
    session.add(row)
    with pytest.raises(exc.IntegrityError, match="is not cancelled"):
        session.flush()


def test_a_cancelled_bill_drawn_late_in_another_language_is_as_it_went_out(hub, session, make_house):
    house = make_house()
    run(hub, NOW - timedelta(days=31), date(2026, 10, 1))
    run(hub)
    bill = bill_of(session, house)
    before = queries.bill_document(session, bill_id=bill.id, settings=hub.settings)
    rebilled(session, house, now=NOW + timedelta(minutes=1))  # on the very day it was issued
    session.expire_all()
    after = queries.bill_document(session, bill_id=bill.id, settings=hub.settings)
    assert len(before.history) == 2 and after.due == before.due > bill.total
    assert replace(after, autopay=before.autopay) == before


def test_the_statement_names_the_bill_its_note_and_the_bill_anew(hub, session, make_house):
    house = make_house()
    run(hub)
    done = rebilled(session, house)
    found = books.account_statement(
        session, account_id=house.account_id, starts_on=date(2026, 11, 1), ends_on=date(2026, 12, 1)
    )
    assert [(line.kind, line.number, line.amount) for line in found.lines] == [
        ("BILL", done.cancelled.number, done.cancelled.total),
        ("BILL_CANCELLED", done.credit_note.number, done.credit_note.total),
        ("BILL", done.bill.number, done.bill.total),
    ]
    assert found.closing == done.bill.total


def test_a_withdrawn_bill_is_told_alone_and_one_made_anew_with_the_new_one(hub, session, make_house):
    houses = make_house(), make_house()
    run(hub)
    for house in houses:
        people.update_contact_point(
            session, customer_id=house.customer_id, kind="EMAIL", value=f"{house.account_id}@x.example", now=NOW
        )
    withdrawn = bill_of(session, houses[0])
    billing.cancel_bill(session, bill_id=withdrawn.id, actor="staff:ana", reason="wrong", now=LATER)
    done = rebilled(session, houses[1])
    hub.clock.at = LATER
    for row in session.scalars(select(outbox.FactRow).where(outbox.FactRow.name.in_(list(TELLS)))).all():
        TELLS[row.name](hub, outbox.Fact(row.id, row.name, row.order_key, row.payload, row.recorded_at))
    session.expire_all()
    said = dict(session.execute(select(talks.MessageRow.kind, talks.MessageRow.text)).tuples().all())
    assert set(said) == {"notice.bill_cancelled", "notice.bill_corrected"}
    note = queries.list_credit_notes(session, bill_ids=[withdrawn.id])[withdrawn.id]
    for word in (withdrawn.number, note.number, f"${withdrawn.total}"):
        assert word in said["notice.bill_cancelled"]
    for word in (done.cancelled.number, done.credit_note.number, f"${done.cancelled.total}", f"${done.bill.total}"):
        assert word in said["notice.bill_corrected"]


def test_a_run_asks_nothing_of_credit_notes(hub, session, make_house):
    """A bill that is the first of its days costs no question, neither made nor issued nor filed."""
    make_house(), make_house(tariff="BUS-DEMAND", kind="BUSINESS", hourly_wh=20_000)
    asked = []
    engine = session.get_bind().engine

    def hear(connection, cursor, statement, parameters, context, executemany):
        asked.append(statement)

    event.listen(engine, "before_cursor_execute", hear)
    try:
        run(hub)
        file_all(hub, session)
    finally:
        event.remove(engine, "before_cursor_execute", hear)
    assert len(asked) > 20 and not [each for each in asked if "credit_note" in each]
