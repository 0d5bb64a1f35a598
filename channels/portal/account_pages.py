"""The account itself, and everything that was ever said, on every channel."""

from collections.abc import Mapping
from datetime import datetime

import flask
from sqlalchemy.orm import Session

from billing import operations as billing
from billing import queries as bills
from channels import edge
from channels.portal import visitor as visitors
from channels.portal.visitor import Visitor, going_out, signed_in
from core import crypto, errors
from core.accounts import operations as accounts
from core.accounts import queries as accounts_read
from core.conversations import operations as speaking
from core.conversations import queries as conversations
from core.hub import Hub

_PURPOSES = ("OUTAGE", "ALERTS", "PROGRAMS")
_NOTICES = (("PHONE", "SMS"), ("PHONE", "WHATSAPP"), ("EMAIL", "EMAIL"))


def add(pages: flask.Blueprint, hub: Hub) -> None:
    """This will add the pages about the account."""

    @pages.get("/portal/messages")
    @signed_in(hub)
    def messages(session: Session, visitor: Visitor) -> flask.typing.ResponseReturnValue:
        said = conversations.list_customer_messages(session, customer_id=visitor.customer.id, limit=200)
        return flask.render_template("portal/messages.html", messages=said)

    @pages.get("/portal/account")
    @signed_in(hub)
    def account(session: Session, visitor: Visitor) -> flask.typing.ResponseReturnValue:
        points = accounts_read.list_contact_points(session, customer_id=visitor.customer.id)
        allowed = {
            (p.value, channel, purpose): accounts_read.allowed(
                session, contact_value=p.value, channel=channel, purpose=purpose
            )
            for p in points
            for kind, channel in _NOTICES
            for purpose in _PURPOSES
            if p.kind == kind
        }
        return flask.render_template(
            "portal/account.html",
            points=points,
            allowed=allowed,
            own=accounts_read.list_accounts(session, customer_id=visitor.customer.id),
            methods=bills.list_saved_methods(session, account_id=visitor.account.id),
            balance=bills.get_balance(session, account_id=visitor.account.id, now=hub.now()),
            keepable=billing.kept_methods(hub.settings),
            debit_terms=bills.sepa_debit(visitor.account.jurisdiction, visitor.today),
            asked=flask.request.args.get("result") == "done",
        )

    @pages.post("/portal/account")
    @signed_in(hub)
    def change(session: Session, visitor: Visitor) -> flask.typing.ResponseReturnValue:
        form, now, who = flask.request.form, hub.now(), visitor.customer
        act = form.get("act", "")
        if act == "paperless":
            accounts.set_paperless(session, account_id=visitor.account.id, enabled=form.get("on") == "yes", now=now)
        elif act == "locale":
            if form.get("locale") not in hub.settings.locales:
                raise errors.Invalid("account.locale")
            accounts.set_locale(session, customer_id=who.id, locale=form["locale"], now=now)
        elif act == "contact":
            speaking.change_contact(
                session,
                customer_id=who.id,
                kind="EMAIL" if "@" in form.get("value", "") else "PHONE",
                value=form.get("value", "")[:200],
                keep_others=True,
                house=speaking.house(hub.settings),
                now=now,
            )
        elif act == "consent":
            _consent(session, visitor, form, now)
        elif act == "autopay":
            billing.set_autopay(
                session,
                account_id=visitor.account.id,
                enabled=form.get("on") == "yes",
                saved_method_id=edge.whole(form["method"]) if form.get("method") else None,
                key=f"portal:{now.isoformat()}",
                now=now,
            )
        elif act == "remove_method":
            billing.remove_method(
                session, account_id=visitor.account.id, saved_method_id=edge.whole(form.get("method")), now=now
            )
        else:
            raise errors.Invalid("form.choice")
        response = flask.make_response(flask.redirect(flask.url_for("portal.account", done=act)))
        if act == "locale":
            response.set_cookie(visitors.LOCALE, form["locale"], max_age=365 * 86400, samesite="Lax", httponly=True)
        return response

    @pages.post("/portal/account/method")
    @going_out(hub)
    def keep_method(visitor: Visitor) -> flask.typing.ResponseReturnValue:
        """To the gateway's own page, where a card or bank account is given and a mandate accepted."""
        page = billing.begin_setup(
            hub,
            account_id=visitor.account.id,
            method=flask.request.form.get("method", ""),
            return_url=f"{hub.settings.public_base_url.rstrip('/')}/portal/account",
            locale=visitors.locale(hub),
            key=f"setup-{visitor.account.id}-{crypto.token(9)}",
        )
        return flask.redirect(page.url, code=303)

    @pages.post("/portal/choose-account")
    @signed_in(hub)
    def choose(session: Session, visitor: Visitor) -> flask.typing.ResponseReturnValue:
        """Only a preference: which of their own accounts is shown. Another's number changes nothing."""
        response = flask.make_response(flask.redirect("/portal/"))
        response.set_cookie(
            "wattline_account", flask.request.form.get("number", "")[:12], httponly=True, samesite="Lax"
        )
        return response


def _consent(session: Session, visitor: Visitor, form: Mapping[str, str], now: datetime) -> None:
    own = {p.value: p.kind for p in accounts_read.list_contact_points(session, customer_id=visitor.customer.id)}
    value, channel, purpose = form.get("value", ""), form.get("channel", ""), form.get("purpose", "")
    if value not in own or (own[value], channel) not in _NOTICES or purpose not in _PURPOSES:
        raise errors.Invalid("form.choice")
    accounts.record_consent(
        session,
        contact_value=value,
        customer_id=visitor.customer.id,
        channel=channel,
        purpose=purpose,
        granted=form.get("on") == "yes",
        source="portal",
        now=now,
    )
