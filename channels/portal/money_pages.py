"""Home, bills, paying, and promises to pay."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

import flask
from sqlalchemy.orm import Session

from billing import archive, documents, shop_payments, shop_references
from billing import operations as billing
from billing import queries as bills
from channels import edge
from channels.portal import charts
from channels.portal.visitor import Visitor, locale, signed_in, writer
from core import crypto, errors, wording
from core.accounts import queries as accounts
from core.fieldwork import queries as fieldwork
from core.hub import Hub
from core.outages import queries as outages
from metering import queries as metering

_FILES = {
    "PDF": ("application/pdf", "inline", "pdf"),
    "HTML": ("text/html", "inline", "html"),
    "UBL": ("application/xml", "attachment", "xml"),
}
_LISTED = 13
_AMOUNT = re.compile(r"[0-9]{1,9}(\.[0-9]{1,2})?")


def add(pages: flask.Blueprint, hub: Hub) -> None:
    """This will add the pages about money."""

    @pages.get("/portal/")
    @signed_in(hub)
    def home(session: Session, visitor: Visitor) -> flask.typing.ResponseReturnValue:
        now, account_id, point = hub.now(), visitor.account.id, visitor.point
        appointments = fieldwork.list_appointments(session, account_id=account_id, now=now)
        return flask.render_template(
            "portal/home.html",
            balance=bills.get_balance(session, account_id=account_id, now=now),
            forecast=_forecast(session, account_id, now),
            latest=metering.latest_usage(session, service_point_id=point.id, now=now) if point else None,
            outage=outages.find_outage_at(session, service_point_id=point.id, now=now) if point else None,
            appointment=appointments[0] if appointments else None,
            tips=bills.list_tips(session, account_id=account_id, now=now)[:2],
            series=_history(hub, bills.list_bills(session, account_id=account_id, limit=13)),
        )

    @pages.get("/portal/bills")
    @signed_in(hub)
    def bill_list(session: Session, visitor: Visitor) -> flask.typing.ResponseReturnValue:
        now, account_id = hub.now(), visitor.account.id
        listed = bills.list_bills(session, account_id=account_id, limit=_LISTED)
        return flask.render_template(
            "portal/bills.html",
            papers=_papers(session, account_id, listed),
            balance=bills.get_balance(session, account_id=account_id, now=now),
            payments=bills.list_payments(session, account_id=account_id, limit=12),
            arrangement=bills.get_arrangement(session, account_id=account_id),
            later=_later(session, account_id, now),
            running=_running(session, account_id, now),
            series=_history(hub, listed),
        )

    @pages.get("/portal/bills/<int:bill_id>")
    @signed_in(hub)
    def bill_page(session: Session, visitor: Visitor, bill_id: int) -> flask.typing.ResponseReturnValue:
        bill = _own_bill(session, visitor, bill_id)
        stands = bill.status == "ISSUED"
        return flask.render_template(
            "portal/bill.html",
            bill=bill,
            last_on=bill.ends_on - timedelta(days=1),
            lines=bills.list_bill_lines(session, bill_id=bill.id),
            note=bills.list_credit_notes(session, bill_ids=[bill.id]).get(bill.id),
            replaces=bills.list_replaced(session, bill_ids=[bill.id]).get(bill.id),
            why=bills.explain_bill(session, account_id=visitor.account.id, bill_id=bill.id) if stands else None,
        )

    @pages.get("/portal/bills/<int:bill_id>.pdf")
    @signed_in(hub)
    def bill_pdf(session: Session, visitor: Visitor, bill_id: int) -> flask.typing.ResponseReturnValue:
        bill = _own_bill(session, visitor, bill_id)
        return _filed(hub, session, bill.id, "PDF", f"bill-{bill.number}")

    @pages.get("/portal/bills/<int:bill_id>.html")
    @signed_in(hub)
    def bill_html(session: Session, visitor: Visitor, bill_id: int) -> flask.typing.ResponseReturnValue:
        bill = _own_bill(session, visitor, bill_id)
        return _filed(hub, session, bill.id, "HTML", f"bill-{bill.number}")

    @pages.get("/portal/bills/<int:bill_id>.xml")
    @signed_in(hub)
    def bill_xml(session: Session, visitor: Visitor, bill_id: int) -> flask.typing.ResponseReturnValue:
        """The electronic invoice; only businesses have one."""
        bill = _own_bill(session, visitor, bill_id)
        return _filed(hub, session, bill.id, "UBL", f"bill-{bill.number}")

    @pages.get("/portal/bills/<int:bill_id>/credit-note.<any(pdf, html, xml):ending>")
    @signed_in(hub)
    def credit_note(
        session: Session, visitor: Visitor, bill_id: int, ending: str
    ) -> flask.typing.ResponseReturnValue:  # fmt: skip
        """What cancels a bill, in the forms bills have."""
        bill = _own_bill(session, visitor, bill_id)
        note = bills.list_credit_notes(session, bill_ids=[bill.id]).get(bill.id)
        if note is None:
            raise errors.NotFound("credit_note.unknown")
        kind = next(kind for kind, (_, _, own) in _FILES.items() if own == ending)
        return _filed(hub, session, bill.id, kind, f"credit-note-{note.number}", of="NOTE_")

    @pages.post("/portal/bills/<int:bill_id>/dispute")
    @signed_in(hub)
    def dispute(session: Session, visitor: Visitor, bill_id: int) -> flask.typing.ResponseReturnValue:
        bill = _own_bill(session, visitor, bill_id)
        if bill.status != "ISSUED":
            raise errors.NotFound("bill.none")  # what was taken back needs no dispute
        reason = flask.request.form.get("reason", "").strip()[:2000]
        if not reason:
            raise errors.Invalid("dispute.reason")
        billing.open_dispute(
            session,
            account_id=visitor.account.id,
            bill_id=bill.id,
            reason=reason,
            key=f"portal:dispute:{bill.id}",
            now=hub.now(),
        )
        return flask.redirect(flask.url_for("portal.bill_page", bill_id=bill.id, done="dispute"))

    @pages.post("/portal/pay")
    @signed_in(hub)
    def pay(session: Session, visitor: Visitor) -> flask.typing.ResponseReturnValue:
        link = billing.open_payment_link(
            session,
            account_id=visitor.account.id,
            amount=_amount(flask.request.form.get("amount", "")),
            key=f"portal:{crypto.token(9)}",
            now=hub.now(),
        )
        return flask.redirect(link.path)

    @pages.get("/portal/cash")
    @signed_in(hub)
    def cash_page(session: Session, visitor: Visitor) -> flask.typing.ResponseReturnValue:
        """The account's own barcode: any amount, as often as wanted."""
        if not hub.settings.cash_partner:
            raise errors.NotFound("shop.none")
        reference = shop_references.make("ACCOUNT", visitor.account.number)
        return flask.render_template(
            "portal/cash.html",
            balance=bills.get_balance(session, account_id=visitor.account.id, now=hub.now()),
            shop=_at_shop(hub, reference),
        )

    @pages.post("/portal/plan")
    @signed_in(hub)
    def payment_plan(session: Session, visitor: Visitor) -> flask.typing.ResponseReturnValue:
        months = min(edge.whole(flask.request.form.get("months"), wrong="arrangement.instalments"), 999)
        account_id, key = visitor.account.id, f"portal:plan:{visitor.account.id}:{visitor.today}"
        if months == 1:
            billing.open_extension(session, account_id=account_id, until=None, key=key, now=hub.now())
        else:
            billing.open_arrangement(session, account_id=account_id, instalments=months, key=key, now=hub.now())
        return flask.redirect(flask.url_for("portal.bill_list", done="plan"))

    @pages.get("/pay/<token>")
    def pay_page(token: str) -> flask.typing.ResponseReturnValue:
        """A link that can be paid by whoever holds it: it shows an amount and a masked account, nothing more."""
        with hub.transaction() as session:
            link = bills.get_payment_link(session, token=token, now=hub.now())
            number = _masked_account(session, link.account_id)
            shop = None
            if hub.settings.cash_partner and link.status == "OPEN" and link.amount <= hub.settings.cash_most:
                reference = shop_payments.link_reference(session, token=token)
                shop = _at_shop(hub, reference, link.amount)  # a reference of the link's own: the account stays masked
        ways = billing.kept_methods(hub.settings)  # Link is a button on the gateway's own page of cards
        debit = any(way in billing.DEBITS for way in ways)
        return flask.render_template(
            "portal/pay.html", link=link, account_number=number, ways=ways, debit=debit, shop=shop
        )

    @pages.post("/pay/<token>")
    def begin_payment(token: str) -> flask.typing.ResponseReturnValue:
        method = flask.request.form.get("method", "card")
        checkout = billing.begin_checkout(
            hub,
            token=token,
            return_url=f"{hub.settings.public_base_url.rstrip('/')}/pay/{token}/done",
            methods=(method,),
            locale=locale(hub),
        )
        return flask.redirect(checkout.url, code=303)

    @pages.get("/pay/<token>/done")
    def paid(token: str) -> flask.typing.ResponseReturnValue:
        with hub.transaction() as session:
            link = bills.get_payment_link(session, token=token, now=hub.now())
        return flask.render_template("portal/paid.html", link=link)


def _history(hub: Hub, listed: Sequence[bills.Bill]) -> list[charts.Bar]:
    """The bills as a picture, oldest first."""
    write = writer(hub)
    return [
        charts.Bar(
            f"{b.ends_on:%m/%y}",
            float(b.total),
            f"{write('day', b.starts_on)} – {write('day', b.ends_on - timedelta(days=1))}, {b.ends_on.year}: "
            + write("money", b.total),
            apart=b.estimated,
        )
        for b in reversed(listed)
    ]


@dataclass(frozen=True)
class _Paper:
    """A bill as it stands in the list: with the note that cancels it, and with that of the bill it replaces."""

    bill: bills.Bill
    note: bills.CreditNote | None
    replaces: bills.CreditNote | None


def _papers(session: Session, account_id: int, listed: Sequence[bills.Bill]) -> list[_Paper]:
    """The bills listed and, of the same time, those that were cancelled; each replaced one beneath what replaces it."""
    since = listed[-1].starts_on if len(listed) == _LISTED else None
    cancelled = bills.list_cancelled_bills(session, account_id=account_id, since=since)
    both = sorted([*listed, *cancelled], key=lambda bill: (bill.ends_on, bill.agreement_id, bill.id), reverse=True)
    notes = bills.list_credit_notes(session, bill_ids=[bill.id for bill in cancelled])
    replaced = bills.list_replaced(session, bill_ids=[bill.id for bill in both if bill.version > 1])
    return [_Paper(bill, notes.get(bill.id), replaced.get(bill.id)) for bill in both]


def _own_bill(session: Session, visitor: Visitor, bill_id: int) -> bills.Bill:
    """A bill that went out to the visitor, whether it still stands or was cancelled since."""
    bill = bills.get_bill(session, bill_id=bill_id)
    if bill.account_id != visitor.account.id or bill.status not in ("ISSUED", "CANCELLED"):
        raise errors.NotFound("bill.none")
    return bill


def _filed(hub: Hub, session: Session, bill_id: int, kind: str, name: str, of: str = "") -> flask.Response:
    """A document from the archive: the same bytes whenever it is asked for."""
    filed = archive.get_document(
        session, bill_id=bill_id, kind=of + kind, locale=locale(hub), settings=hub.settings, now=hub.now()
    )
    mimetype, how, ending = _FILES[kind]
    headers = {
        "Content-Disposition": f'{how}; filename="{name}.{ending}"',
        "ETag": f'"{filed.sha256}"',
    }
    if kind == "HTML":
        headers["Content-Security-Policy"] = documents.html_policy()
    return flask.Response(filed.body, mimetype=mimetype, headers=headers)


def _at_shop(hub: Hub, reference: str, amount: Decimal | None = None) -> dict[str, str]:
    """What a page needs to show the barcode under which a shop takes cash."""
    digits = shop_references.spoken(reference)
    alt = wording.label("portal.shop.alt", {"digits": digits}, locale=locale(hub), house=edge.house(hub.settings))
    modules = documents.barcode.bars(hub.settings.cash_partner_gln, reference, amount)
    return {"bars": documents.barcode.svg(modules, alt), "digits": digits}


def _masked_account(session: Session, account_id: int) -> str:
    return "••••••" + accounts.get_account(session, account_id=account_id).number[-4:]


def _amount(text: str) -> Decimal | None:
    """What was typed into the amount box; None stands for the whole balance."""
    typed = text.strip().lstrip("$").replace(",", "")
    if not typed:
        return None
    if not _AMOUNT.fullmatch(typed) or (amount := Decimal(typed)) <= 0:
        raise errors.Invalid("payment.amount")
    return amount


def _forecast(session: Session, account_id: int, now: datetime) -> bills.BillForecast | None:
    """A new account has nothing to forecast from: the page then simply does not speak of it."""
    try:
        return bills.forecast_bill(session, account_id=account_id, now=now)
    except (errors.NotFound, errors.Refused):
        return None


def _running(session: Session, account_id: int, now: datetime) -> bills.Preview | None:
    try:
        return bills.preview_bill(session, account_id=account_id, now=now)
    except (errors.NotFound, errors.Refused):
        return None  # nothing has been used or read yet


def _later(session: Session, account_id: int, now: datetime) -> date | None:
    try:
        plan = billing.preview_extension(session, account_id=account_id, until=None, now=now)
    except errors.Refused:
        return None
    return plan.instalments[0].due_on
