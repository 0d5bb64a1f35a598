"""Bills on paper: owed when issued, one batch a day from the archive, never twice; and when one comes back."""

import csv
import hashlib
import io
import zipfile
from datetime import UTC, date, datetime, timedelta

import flask
import pypdf
import pytest
from sqlalchemy import select

from billing import archive, letters, queries
from billing import operations as billing
from billing.letter_models import LetterBatchRow, LetterRow
from channels.letters.folder import LetterFolder
from core import errors, outbox
from core.accounts import operations as keeping
from core.accounts import queries as accounts
from core.fieldwork import queries as fieldwork
from ops_admin.console import entry
from ops_admin.console import web as console
from tests.integration.billing.test_archive import facts
from tests.integration.misread import put_right

NOW = datetime(2026, 11, 3, 15, 0, tzinfo=UTC)
TOMORROW = NOW + timedelta(days=1)


@pytest.fixture
def posting(hub, tmp_path):
    hub.clock.at = NOW
    return hub.with_(letters=LetterFolder(str(tmp_path / "printer")))


@pytest.fixture
def owed(posting, session, make_house):
    """Two houses on paper, one that is paperless; what was issued is filed, and owed on paper."""
    houses = [make_house(), make_house(), make_house()]
    keeping.set_paperless(session, account_id=houses[2].account_id, enabled=True, now=NOW)
    for house in houses[:2]:
        keeping.set_paperless(session, account_id=house.account_id, enabled=False, now=NOW)
    session.commit()
    report = billing.run_bills(posting, period_end_on=date(2026, 11, 1), now=NOW)
    billing.issue_bills(posting, run_id=report.run_id, now=NOW)
    for fact in facts(session) * 2:  # told twice, owed once
        letters.owe_letters(posting, fact)
    session.expire_all()
    return houses


def bill_of(session, house):
    return queries.list_bills(session, account_id=house.account_id)[0]


def dropped(tmp_path):
    return sorted(path.name for path in (tmp_path / "printer").glob("*.zip"))


def statuses(session):
    session.expire_all()
    return [row.status for row in session.scalars(select(LetterRow).order_by(LetterRow.bill_id))]


def test_a_batch_holds_what_the_archive_holds(posting, session, owed, tmp_path):
    assert statuses(session) == ["OWED", "OWED"] and letters.count_owed(session) == 2
    assert letters.send_batches(posting) == 0  # today's are still being issued
    posting.clock.at = TOMORROW
    assert letters.send_batches(posting) == 2
    assert dropped(tmp_path) == ["letters-2026-11-04.zip"] and statuses(session) == ["SENT", "SENT"]
    with zipfile.ZipFile(tmp_path / "printer" / "letters-2026-11-04.zip") as packed:
        assert packed.testzip() is None
        lines = list(csv.DictReader(io.StringIO(packed.read("manifest.csv").decode())))
        assert tuple(lines[0]) == letters.MANIFEST and len(packed.namelist()) == 3
        for line, house in zip(lines, owed[:2], strict=True):
            body, bill = packed.read(line["file"]), bill_of(session, house)
            filed = archive.get_document(
                session, bill_id=bill.id, kind="PDF", locale="en", settings=posting.settings, now=NOW
            )
            assert body == filed.body and line["sha256"] == filed.sha256 == hashlib.sha256(body).hexdigest()
            assert int(line["pages"]) == len(pypdf.PdfReader(io.BytesIO(body)).pages)
            account = accounts.get_account(session, account_id=house.account_id)
            customer = accounts.get_customer(session, customer_id=account.customer_id)
            parts = [line[f"address_{n}"] for n in (1, 2, 3)]
            assert ", ".join(part for part in parts if part) == account.mailing_address
            assert (line["bill_number"], line["name"]) == (bill.number, customer.full_name)
    assert letters.send_batches(posting) == 0
    posting.clock.at = TOMORROW + timedelta(days=1)
    assert letters.send_batches(posting) == 0 and len(dropped(tmp_path)) == 1  # a day without letters has no batch


@pytest.mark.parametrize("taken", [True, False], ids=["the printer took it", "it still lies there"])
def test_what_was_dropped_is_not_dropped_again(posting, session, owed, tmp_path, taken):
    posting.clock.at = TOMORROW
    letters.send_batches(posting)
    (file,) = (tmp_path / "printer").glob("*.zip")
    before = file.read_bytes()
    if taken:
        file.unlink()
    session.scalars(select(LetterBatchRow)).one().delivered_at = None  # as if the hub died before it noted it
    session.commit()
    assert letters.send_batches(posting) == 2
    assert dropped(tmp_path) == ([] if taken else [file.name])
    assert taken or file.read_bytes() == before


def test_a_batch_that_broke_off_goes_on_as_the_same(posting, session, owed, tmp_path):
    posting.clock.at = TOMORROW
    broken = posting.with_(letters=Breaking(str(tmp_path / "printer")))
    with pytest.raises(errors.ProviderError):
        letters.send_batches(broken)
    assert dropped(tmp_path) == [] and statuses(session) == ["BATCHED", "BATCHED"]
    chosen = [row.document_id for row in session.scalars(select(LetterRow).order_by(LetterRow.bill_id))]
    posting.clock.at = TOMORROW + timedelta(days=1)
    assert letters.send_batches(posting) == 2
    assert dropped(tmp_path) == ["letters-2026-11-04.zip"]  # by its own day, not by the day it went
    session.expire_all()
    assert chosen == [row.document_id for row in session.scalars(select(LetterRow).order_by(LetterRow.bill_id))]


class Breaking(LetterFolder):
    def deliver(self, *, name, write):
        def half(out):
            write(out)
            raise OSError(28, "No space left on device")

        super().deliver(name=name, write=half)


def test_with_a_bill_that_replaces_one_goes_the_credit_note(posting, session, owed, tmp_path):
    posting.clock.at = NOW + timedelta(hours=1)
    old = bill_of(session, owed[0])
    put_right(session, old, posting.now())
    done = billing.rebill(session, bill_id=old.id, actor="staff:ana", reason="misread", now=posting.now())
    session.commit()
    for fact in facts(session):
        letters.owe_letters(posting, fact)
    posting.clock.at = TOMORROW
    assert letters.send_batches(posting) == 2  # the cancelled bill's own letter is dropped
    with zipfile.ZipFile(tmp_path / "printer" / "letters-2026-11-04.zip") as packed:
        lines = list(csv.DictReader(io.StringIO(packed.read("manifest.csv").decode())))
        own = [line for line in lines if line["bill_number"] == done.bill.number]
        assert len(lines) == 3
        assert [line["file"] for line in own] == [f"{done.bill.number}.pdf", f"{done.credit_note.number}.pdf"]
        body = packed.read(own[1]["file"])
        assert own[1]["sha256"] == hashlib.sha256(body).hexdigest() and int(own[1]["pages"]) == 1
        assert old.number in pypdf.PdfReader(io.BytesIO(body)).pages[0].extract_text()
        assert [own[0][f"address_{n}"] for n in (1, 2, 3)] == [own[1][f"address_{n}"] for n in (1, 2, 3)]


def test_a_cancelled_bill_is_not_sent_and_without_a_printer_nothing_is_owed(posting, session, owed, hub, tmp_path):
    billing.cancel_bill(session, bill_id=bill_of(session, owed[0]).id, actor="staff:ana", reason="wrong", now=NOW)
    session.commit()
    posting.clock.at = TOMORROW
    assert letters.send_batches(posting) == 1
    assert statuses(session) == ["DROPPED", "SENT"]
    session.execute(LetterRow.__table__.delete())
    session.commit()
    for fact in facts(session):
        letters.owe_letters(hub, fact)
    assert statuses(session) == [] and letters.send_batches(hub) == 0


def test_a_letter_that_comes_back_becomes_a_request_once(posting, session, owed):
    number = bill_of(session, owed[0]).number
    how = {"why": "moved away", "actor": "staff:ana", "now": NOW}
    with pytest.raises(errors.Refused, match=r"letter\.not_sent"):
        letters.mark_returned(session, bill_number=number, **how)
    posting.clock.at = TOMORROW
    letters.send_batches(posting)
    session.expire_all()
    with pytest.raises(errors.Invalid, match=r"letter\.why"):
        letters.mark_returned(session, bill_number=number, **{**how, "why": " "})
    for unknown in ("", "x", "2611-99999999", f"1{number}", bill_of(session, owed[2]).number):
        with pytest.raises(errors.NotFound, match=r"letter\.unknown"):
            letters.mark_returned(session, bill_number=unknown, **how)
    request = letters.mark_returned(session, bill_number=number, **how)
    with pytest.raises(errors.Refused, match=r"letter\.returned"):
        letters.mark_returned(session, bill_number=number, **how)
    (opened,) = fieldwork.list_requests(session, account_id=owed[0].account_id)
    assert (opened.number, opened.kind) == (request, "CALLBACK")
    assert [batch.returned for batch in letters.list_batches(session)] == [1]


def test_the_console_shows_batches_and_takes_what_came_back(posting, session, owed):
    posting.clock.at = TOMORROW
    letters.send_batches(posting)
    app = flask.Flask("console-under-test")
    app.register_blueprint(console.blueprint(posting, lambda: True))
    client = app.test_client()
    assert client.get("/ops/letters").status_code == 403
    client.get("/ops/enter?" + entry.link(posting.settings, now=TOMORROW, name="ana").partition("?")[2])
    page = client.get("/ops/letters").text
    assert 'action="/ops/letters/returned"' in page
    assert "2026-11-04" in page and "as ana" in page
    form = entry.form(posting.settings, name="ana", now=TOMORROW)
    given = {"bill": bill_of(session, owed[0]).number, "why": "no such street"}
    assert "too old" in client.post("/ops/letters/returned", data=given).text
    done = client.post("/ops/letters/returned", data={"form": form, **given}, follow_redirects=True)
    assert done.status_code == 200 and "asks for the right address" in done.text
    again = client.post("/ops/letters/returned", data={"form": form, **given})
    assert again.status_code == 422 and "Somebody was quicker" in again.text


def test_a_bill_owes_its_letter_by_the_outbox(posting, session, make_house):
    house = make_house()
    keeping.set_paperless(session, account_id=house.account_id, enabled=False, now=NOW)
    session.commit()
    report = billing.run_bills(posting, period_end_on=date(2026, 11, 1), now=NOW)
    billing.issue_bills(posting, run_id=report.run_id, now=NOW)
    outbox.drain(posting)
    assert statuses(session) == ["OWED"]
