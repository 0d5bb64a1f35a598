"""The archive: documents of issued bills, filed once, the same bytes ever after."""

import hashlib
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from sqlalchemy import exc, select, text

from billing import archive, models, queries
from billing import operations as billing
from billing.documents import bill_html, bill_pdf
from core import errors, outbox

D = Decimal
NOW = datetime(2026, 11, 3, 15, 0, tzinfo=UTC)


def run(hub, ends_on=date(2026, 11, 1)):
    report = billing.run_bills(hub, period_end_on=ends_on, now=NOW)
    billing.issue_bills(hub, run_id=report.run_id, now=NOW)


def facts(session):
    asked = select(outbox.FactRow).where(outbox.FactRow.name == "bills.issued").order_by(outbox.FactRow.id)
    return [outbox.Fact(r.id, r.name, r.order_key, r.payload, r.recorded_at) for r in session.scalars(asked)]


@pytest.fixture
def filed(hub, session, make_house):
    home, shop = make_house(tariff="RES-TIER"), make_house(tariff="BUS-DEMAND", kind="BUSINESS", hourly_wh=20_000)
    run(hub)
    for fact in facts(session):
        archive.file_issued(hub, fact)
    session.commit()
    return home, shop


def rows_of(session):
    return session.scalars(select(models.BillDocumentRow).order_by(models.BillDocumentRow.id)).all()


def test_a_run_files_each_bill_in_its_kinds_once(hub, session, filed):
    rows = rows_of(session)
    assert sorted((r.kind, r.locale) for r in rows) == [
        ("HTML", "en"), ("HTML", "en"), ("PDF", "en"), ("PDF", "en"), ("UBL", "en"),
    ]  # fmt: skip
    for row in rows:
        assert hashlib.sha256(row.body).hexdigest() == row.sha256 and len(row.body) == row.size
    for fact in facts(session):
        archive.file_issued(hub, fact)
    assert len(rows_of(session)) == len(rows)
    assert archive.check(session) == archive.Check(5, sum(r.size for r in rows), ())


def test_figures_are_those_of_the_rows(hub, session, filed):
    home, shop = filed
    for house in (home, shop):
        bill = queries.list_bills(session, account_id=house.account_id)[0]
        document = queries.bill_document(session, bill_id=bill.id, settings=hub.settings)
        row = session.get(models.BillRow, bill.id)
        assert document.total == D(row.total_cents) / 100 == sum(line.amount for line in document.lines)
        assert document.due == queries.get_balance(session, account_id=house.account_id, now=NOW).amount
        assert document.lines == queries.list_bill_lines(session, bill_id=bill.id)
    tiered = queries.bill_document(
        session, bill_id=queries.list_bills(session, account_id=home.account_id)[0].id, settings=hub.settings
    )
    assert b"Energy, first 600 kWh" in bill_html(tiered, "en") and b"Energy, over 600 kWh" in bill_html(tiered, "en")


def test_many_bills_gathered_at_once_say_what_each_says_alone(hub, session, filed):
    ids = sorted(queries.list_bills(session, account_id=house.account_id)[0].id for house in filed)
    together = queries.bill_documents(session, bill_ids=ids, settings=hub.settings)
    alone = tuple(queries.bill_document(session, bill_id=each, settings=hub.settings) for each in ids)
    assert together == alone


def test_what_was_filed_stays_though_the_world_moves_on(hub, session, filed):
    home, _ = filed
    bill = queries.list_bills(session, account_id=home.account_id)[0]
    asked = {"bill_id": bill.id, "kind": "PDF", "locale": "en", "settings": hub.settings, "now": NOW}
    before = archive.get_document(session, **asked)
    session.execute(text("UPDATE customer SET full_name = 'Somebody Else'"))
    session.expire_all()
    assert archive.get_document(session, **asked) == before
    fresh = queries.bill_document(session, bill_id=bill.id, settings=hub.settings)
    assert bill_pdf(fresh, "en") != before.body


def test_another_language_is_filed_when_first_asked_for(hub, session, filed):
    home, _ = filed
    bill = queries.list_bills(session, account_id=home.account_id)[0]
    asked = {"bill_id": bill.id, "locale": "es", "settings": hub.settings, "now": NOW}
    first = archive.get_document(session, kind="HTML", **asked)
    assert b'lang="es-US"' in first.body
    assert archive.get_document(session, kind="HTML", **asked) == first
    with pytest.raises(errors.NotFound, match=r"document\.none"):
        archive.get_document(session, kind="UBL", **asked)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE bill_document SET body = body || '\\x00'",
        "UPDATE bill_document SET locale = 'fr'",
        "DELETE FROM bill_document",
    ],
)
def test_the_database_refuses_to_change_it(session, filed, change):
    with pytest.raises(exc.IntegrityError, match="bill_document rows never change"):
        session.execute(text(change))


def test_the_database_refuses_a_hash_that_does_not_fit(session, filed):
    row = rows_of(session)[0]
    wrong = models.BillDocumentRow(
        bill_id=row.bill_id, kind="UBL", locale="xx", sha256="0" * 64, size=1, body=b"x", template_version=1,
        rendered_at=NOW,
    )  # fmt: skip
    session.add(wrong)
    with pytest.raises(exc.IntegrityError, match="ck_bill_document_hash"):
        session.flush()


def test_a_walk_finds_bytes_that_were_forged_below_the_triggers(session, filed):
    session.execute(text("ALTER TABLE bill_document DISABLE TRIGGER bill_document_immutable"))
    session.execute(text("ALTER TABLE bill_document DROP CONSTRAINT ck_bill_document_hash"))
    forged = rows_of(session)[1].id
    session.execute(text(f"UPDATE bill_document SET body = body || '\\x20' WHERE id = {forged}"))
    session.expire_all()
    assert archive.check(session).broken == (forged,)
