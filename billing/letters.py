"""Bills on paper: owed when they are issued, handed to a printer in one batch a day, from the archive.

A batch is a zip: the PDF of every bill as it was issued, and a manifest that names its address, pages and hash. With a
bill that replaces a cancelled one goes the credit note, on a line of its own under the same bill's number.
"""

import csv
import functools
import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import IO

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from billing import archive, credit_notes, documents, models
from billing.letter_models import LetterBatchRow, LetterRow
from core import audit, errors, http, log, outbox, periods
from core.accounts import queries as accounts
from core.fieldwork import operations as fieldwork
from core.hub import Hub
from core.settings import Settings

logger = log.get(__name__)

MANIFEST = ("file", "bill_number", "name", "address_1", "address_2", "address_3", "pages", "sha256")
_SLICE = 100
_THEN = (1980, 1, 1, 0, 0, 0)  # the same batch is the same bytes


@dataclass(frozen=True)
class Batch:
    """What was, or is still to be, handed over of one day."""

    day: date
    letters: int
    returned: int
    delivered_at: datetime | None


def owe_letters(hub: Hub, fact: outbox.Fact) -> None:
    """This will note which bills of a fact are owed on paper; again notes nothing. For ``bills.issued``."""
    if hub.letters is None:
        return
    with hub.transaction() as session:
        bill = models.BillRow
        ids = [int(each) for each in fact.payload["bill_ids"]]
        found = dict(session.execute(select(bill.id, bill.account_id).where(bill.id.in_(ids))).tuples().all())
        held = accounts.list_accounts_of(session, account_ids=sorted(set(found.values())))
        paper = {account.id for account in held if not account.paperless}
        owed = [
            {"bill_id": bill_id, "account_id": account_id, "status": "OWED", "owed_at": hub.now()}
            for bill_id, account_id in found.items()
            if account_id in paper
        ]
        if owed:
            session.execute(insert(LetterRow).on_conflict_do_nothing(index_elements=["bill_id"]), owed)


def send_batches(hub: Hub) -> int:
    """This will hand over what was owed by midnight, and first what could not be handed over before; gives of how
    many letters. Hourly: one batch a day, the same one however often it is tried.
    """
    if hub.letters is None:
        return 0
    now = hub.now()
    with hub.transaction() as session:
        _open(session, day=periods.civil_day(now, hub.settings.utility_timezone), settings=hub.settings, now=now)
    with hub.transaction() as session:
        batch = LetterBatchRow
        waiting = session.execute(
            select(batch.id, batch.day).where(batch.delivered_at.is_(None)).order_by(batch.day)
        ).all()
    sent = 0
    for batch_id, day in waiting:
        http.leave()
        hub.letters.deliver(name=f"letters-{day}.zip", write=functools.partial(_write, hub, batch_id))
        with hub.transaction() as session:
            row = session.get_one(LetterBatchRow, batch_id, with_for_update=True)
            row.delivered_at = hub.now()
            session.execute(
                update(LetterRow)
                .where(LetterRow.batch_id == batch_id, LetterRow.status == "BATCHED")
                .values(status="SENT")
            )
            sent += row.letters
        logger.info("letters_sent", extra={"batch": str(day)})
    return sent


def list_batches(session: Session, *, limit: int = 30) -> tuple[Batch, ...]:
    """This will list the latest batches, newest first."""
    batch, letter = LetterBatchRow, LetterRow
    returned = (
        select(func.count())
        .select_from(letter)
        .where(letter.batch_id == batch.id, letter.status == "RETURNED")
        .scalar_subquery()
    )
    rows = session.execute(
        select(batch.day, batch.letters, returned, batch.delivered_at).order_by(batch.day.desc()).limit(limit)
    )
    return tuple(Batch(day, letters, int(back), at) for day, letters, back, at in rows)


def count_owed(session: Session) -> int:
    """This will count the letters that wait for their batch."""
    return int(session.scalar(select(func.count()).select_from(LetterRow).where(LetterRow.status == "OWED")) or 0)


def mark_returned(session: Session, *, bill_number: str, why: str, actor: str, now: datetime) -> str:
    """This will note that a letter came back, and open a request to reach its customer otherwise; gives its number.

    NotFound letter.unknown; Refused letter.not_sent, or letter.returned the second time; Invalid letter.why.
    """
    why = why.strip()
    if not why:
        raise errors.Invalid("letter.why")
    bill_id = bill_number.strip().rpartition("-")[2]
    known = bill_id.isascii() and bill_id.isdigit() and len(bill_id) < 18
    row = session.get(LetterRow, int(bill_id), with_for_update=True) if known else None
    number = session.scalar(select(models.BillRow.number).where(models.BillRow.id == row.bill_id)) if row else None
    if row is None or number != bill_number.strip():
        raise errors.NotFound("letter.unknown")
    if row.status != "SENT":
        raise errors.Refused("letter.returned" if row.status == "RETURNED" else "letter.not_sent")
    row.status, row.returned_at, row.returned_why = "RETURNED", now, why[:500]
    account = accounts.get_account(session, account_id=row.account_id)
    request = fieldwork.open_request(
        session, kind="CALLBACK", account_id=account.id, customer_id=account.customer_id,
        description=f"The letter with bill {number} came back ({why[:500]}). Ask for the right postal address.",
        key=f"letter-returned:{row.bill_id}", now=now,
    )  # fmt: skip
    audit.record(
        session, actor=actor, action="letter.returned", subject="bill", subject_id=row.bill_id, now=now,
        detail={"why": why[:500], "request": request.number},
    )  # fmt: skip
    return request.number


def _open(session: Session, *, day: date, settings: Settings, now: datetime) -> None:
    """One batch a day: of what was owed before it began. What was cancelled meanwhile is not sent."""
    midnight = periods.midnight(day, settings.utility_timezone)
    letter, bill = LetterRow, models.BillRow
    cancelled = select(bill.id).where(bill.id == letter.bill_id, bill.status == "CANCELLED").exists()
    owed = (letter.status == "OWED", letter.owed_at < midnight)
    session.execute(update(letter).where(*owed, cancelled).values(status="DROPPED"))
    count = int(session.scalar(select(func.count()).select_from(letter).where(*owed)) or 0)
    if not count:
        return
    made = session.scalar(
        insert(LetterBatchRow)
        .values(day=day, letters=count, made_at=now)
        .on_conflict_do_nothing(index_elements=["day"])
        .returning(LetterBatchRow.id)
    )
    if made is not None:
        taken = session.execute(
            update(letter).where(*owed).values(status="BATCHED", batch_id=made).returning(letter.bill_id)
        ).all()
        session.get_one(LetterBatchRow, made).letters = len(taken)


def _write(hub: Hub, batch_id: int, out: IO[bytes]) -> None:
    """The zip, some letters to a transaction: a hundred thousand do not fit into memory."""
    lines = io.StringIO()
    manifest = csv.DictWriter(lines, MANIFEST, lineterminator="\n")
    manifest.writeheader()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as packed:  # a PDF is small already
        after = 0
        while True:
            with hub.transaction() as session:
                part = _next(session, batch_id, after)
                pages = [page for row in part for page in _letter(session, row, hub.settings, hub.now())]
            for line, body in pages:
                packed.writestr(zipfile.ZipInfo(line["file"], _THEN), body)
                manifest.writerow(line)
            if not part:
                break
            after = part[-1].bill_id
        packed.writestr(zipfile.ZipInfo("manifest.csv", _THEN), lines.getvalue())


def _next(session: Session, batch_id: int, after: int) -> Sequence[LetterRow]:
    letter = LetterRow
    return session.scalars(
        select(letter).where(letter.batch_id == batch_id, letter.bill_id > after).order_by(letter.bill_id).limit(_SLICE)
    ).all()


def _letter(session: Session, row: LetterRow, settings: Settings, now: datetime) -> list[tuple[dict[str, str], bytes]]:
    """Lines of the manifest and the bytes they name. A document once chosen stays: a batch made anew is the same."""
    account = accounts.get_account(session, account_id=row.account_id)
    customer = accounts.get_customer(session, customer_id=account.customer_id)
    filed = models.BillDocumentRow
    if row.document_id is None:
        archive.get_document(
            session, bill_id=row.bill_id, kind="PDF", locale=customer.locale, settings=settings, now=now
        )
        row.document_id = session.scalar(
            select(filed.id).where(filed.bill_id == row.bill_id, filed.kind == "PDF", filed.locale == customer.locale)
        )
    document = session.get_one(filed, row.document_id)
    bill = session.get_one(models.BillRow, row.bill_id)
    enclosed = [(bill.number, document.body, document.sha256)]
    note = credit_notes.list_replaced(session, bill_ids=[bill.id]).get(bill.id) if bill.version > 1 else None
    if note:
        paper = archive.get_document(
            session, bill_id=note.bill_id, kind="NOTE_PDF", locale=document.locale, settings=settings, now=now
        )
        enclosed.append((note.number, paper.body, paper.sha256))
    address = [*account.mailing_address.split(", ", 2), "", ""]
    return [
        (dict(zip(MANIFEST, (
            f"{name}.pdf", bill.number, customer.full_name, *address[:3], str(documents.page_count(body)), sha256,
        ), strict=True)), body)
        for name, body, sha256 in enclosed
    ]  # fmt: skip
