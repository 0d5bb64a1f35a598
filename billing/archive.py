"""The archive of issued documents: rendered once, hashed, never changed; the same bytes for everybody ever after."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from billing import documents, einvoice, models, shop_payments, statement
from core import errors, outbox
from core.accounts import queries as accounts
from core.hub import Hub
from core.settings import Settings

_BILL = {"PDF": documents.bill_pdf, "HTML": documents.bill_html, "UBL": einvoice.invoice_xml}
_NOTE = {"NOTE_PDF": documents.note_pdf, "NOTE_HTML": documents.note_html, "NOTE_UBL": einvoice.credit_note_xml}
_RENDER: Mapping[str, Callable[[Any, str], bytes]] = {**_BILL, **_NOTE}
Document = documents.BillDocument | documents.CreditNoteDocument
PER_FACT = 500  # bills a fact speaks of: a worker's lease is long enough for them, and workers share a run
_PER_TRANSACTION = 50
_WALK = 200


@dataclass(frozen=True)
class Filed:
    """One document as it was issued."""

    bill_id: int
    kind: str
    locale: str
    sha256: str
    body: bytes
    template_version: int
    rendered_at: datetime


@dataclass(frozen=True)
class Check:
    """What a walk through the archive found: how many documents, and the ids of those whose bytes do not fit."""

    documents: int
    bytes: int
    broken: tuple[int, ...]


def owe_documents(session: Session, *, bill_ids: Sequence[int], now: datetime) -> None:
    """This will record that documents of freshly issued bills are to be rendered, some hundred to a fact."""
    for start in range(0, len(bill_ids), PER_FACT):
        part = list(bill_ids[start : start + PER_FACT])
        outbox.record_fact(session, "bills.issued", key=f"bills:{part[0]}", payload={"bill_ids": part}, now=now)


def file_issued(hub: Hub, fact: outbox.Fact) -> None:
    """This will render and file the documents of the bills of a fact. Subscribe to ``bills.issued``."""
    ids = [int(each) for each in fact.payload["bill_ids"]]
    for start in range(0, len(ids), _PER_TRANSACTION):
        with hub.transaction() as session:
            file_bills(session, bill_ids=ids[start : start + _PER_TRANSACTION], settings=hub.settings, now=hub.now())


def file_note(hub: Hub, fact: outbox.Fact) -> None:
    """This will render and file a credit note in its customer's language. Subscribe to ``credit_note.issued``."""
    bill_id = int(fact.payload["bill_id"])
    with hub.transaction() as session:
        document = statement.credit_note_document(session, bill_id=bill_id, settings=hub.settings)
        for kind in _kinds(document):
            _file(session, document, kind, _languages(session, [bill_id])[bill_id], hub.now())


def file_bills(session: Session, *, bill_ids: Sequence[int], settings: Settings, now: datetime) -> int:
    """This will file what is missing of some bills in their customers' languages; gives how many documents."""
    filed = models.BillDocumentRow
    known = set(
        session.execute(select(filed.bill_id, filed.kind, filed.locale).where(filed.bill_id.in_(bill_ids))).tuples()
    )
    languages = _languages(session, bill_ids)
    made = 0
    for document in _with_slips(
        session, statement.bill_documents(session, bill_ids=bill_ids, settings=settings), settings, now
    ):
        locale = languages[document.bill_id]
        for kind in _kinds(document):
            if (document.bill_id, kind, locale) not in known:
                _file(session, document, kind, locale, now)
                made += 1
    return made


def get_document(session: Session, *, bill_id: int, kind: str, locale: str, settings: Settings, now: datetime) -> Filed:
    """This will give an issued bill's document, filing it when it is asked for the first time in a language; the kinds
    NOTE_… are those of the credit note that cancels it.

    NotFound bill.unknown, credit_note.unknown, or document.none where such a bill has no such document; Refused
    bill.not_issued.
    """
    found = _find(session, bill_id, kind, locale)
    if found is None:
        document: Document
        if kind in _NOTE:
            document = statement.credit_note_document(session, bill_id=bill_id, settings=settings)
        else:
            drawn = statement.bill_document(session, bill_id=bill_id, settings=settings)
            (document,) = _with_slips(session, [drawn], settings, now)
        if kind not in _kinds(document):
            raise errors.NotFound("document.none")
        _file(session, document, kind, locale, now)
        found = _find(session, bill_id, kind, locale)
        assert found is not None
    return found


def check(session: Session) -> Check:
    """This will hash every document anew and compare."""
    count = size = 0
    broken: list[int] = []
    for row in _walk(session):
        count, size = count + 1, size + len(row.body)
        if hashlib.sha256(row.body).hexdigest() != row.sha256 or len(row.body) != row.size:
            broken.append(row.id)
    return Check(count, size, tuple(broken))


def _with_slips(
    session: Session, found: Sequence[documents.BillDocument], settings: Settings, now: datetime
) -> list[documents.BillDocument]:
    """What is printed for shops is noted, so that what comes in can be held against it."""
    slips = shop_payments.add_slips(session, bills=found, settings=settings, now=now)
    return [replace(each, shop=slips.get(each.bill_id)) for each in found]


def _walk(session: Session) -> Iterator[models.BillDocumentRow]:
    filed, after = models.BillDocumentRow, 0
    while rows := session.scalars(select(filed).where(filed.id > after).order_by(filed.id).limit(_WALK)).all():
        yield from rows
        after = rows[-1].id
        session.expunge_all()  # a large archive does not fit into memory


def _file(session: Session, document: Document, kind: str, locale: str, now: datetime) -> None:
    """Two who render at once write the same; the first of them counts."""
    body = _RENDER[kind](document, locale)
    session.execute(
        insert(models.BillDocumentRow)
        .values(
            bill_id=document.bill_id,
            kind=kind,
            locale=locale,
            sha256=hashlib.sha256(body).hexdigest(),
            size=len(body),
            body=body,
            template_version=documents.TEMPLATE_VERSION,
            rendered_at=now,
        )
        .on_conflict_do_nothing(index_elements=["bill_id", "kind", "locale"])
    )


def _find(session: Session, bill_id: int, kind: str, locale: str) -> Filed | None:
    filed = models.BillDocumentRow
    row = session.scalars(
        select(filed).where(filed.bill_id == bill_id, filed.kind == kind, filed.locale == locale)
    ).one_or_none()
    if row is None:
        return None
    return Filed(row.bill_id, row.kind, row.locale, row.sha256, row.body, row.template_version, row.rendered_at)


def _kinds(document: Document) -> tuple[str, ...]:
    """The electronic one is for businesses."""
    kinds = _BILL if isinstance(document, documents.BillDocument) else _NOTE
    return tuple(kind for kind in kinds if document.customer_kind == "BUSINESS" or not kind.endswith("UBL"))


def _languages(session: Session, bill_ids: Sequence[int]) -> dict[int, str]:
    bill = models.BillRow
    found = session.execute(select(bill.id, bill.account_id).where(bill.id.in_(bill_ids)))
    owners = {r.id: r.account_id for r in found}
    people = {a.id: a.customer_id for a in accounts.list_accounts_of(session, account_ids=sorted(set(owners.values())))}
    said = {c.id: c.locale for c in accounts.list_customers(session, customer_ids=sorted(set(people.values())))}
    return {bill_id: said[people[account_id]] for bill_id, account_id in owners.items()}
