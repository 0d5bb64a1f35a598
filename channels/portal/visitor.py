"""Who is at the website: the cookie, the session behind it, and the token that forms must bring back."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

import flask
from sqlalchemy.orm import Session

from channels import edge
from core import crypto, errors, periods, wording
from core.accounts import queries as accounts
from core.hub import Hub

COOKIE = "wattline_session"
LOCALE = "wattline_locale"


@dataclass(frozen=True)
class Visitor:
    """A signed-in customer, on one of their accounts."""

    customer: accounts.Customer
    account: accounts.Account
    points: tuple[accounts.ServicePoint, ...]
    token: str
    today: date

    @property
    def point(self) -> accounts.ServicePoint | None:
        return self.points[0] if self.points else None


def find(hub: Hub, session: Session) -> Visitor | None:
    """This will give who is signed in, or None. The account is chosen among their own; another's is never reached."""
    token = flask.request.cookies.get(COOKIE, "")
    if not token:
        return None
    now = hub.now()
    found = accounts.find_web_session(session, token=token, now=now)
    if found is None:
        return None
    customer = accounts.get_customer(session, customer_id=found.customer_id)
    own = accounts.list_accounts(session, customer_id=customer.id)
    wanted = flask.request.cookies.get("wattline_account", "")
    account = next((a for a in own if a.number == wanted), own[0] if own else None)
    if account is None:
        raise errors.NotFound("account.none")
    today = periods.civil_day(now, hub.settings.utility_timezone)
    points = accounts.list_service_points(session, account_id=account.id, on=today)
    return Visitor(customer, account, points, token, today)


def csrf(hub: Hub, token: str) -> str:
    """This will give the token a form of this session must bring back."""
    return crypto.digest(hub.settings.secret_key, "csrf", token)[:40]


def signed_in(hub: Hub) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """This will let a view be seen by signed-in customers only, in one transaction, and check the form's token."""

    def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(view)
        def wrapped(**arguments: Any) -> Any:
            with hub.transaction() as session:
                visitor = _admit(hub, session)
                if visitor is None:
                    return flask.redirect(flask.url_for("portal.sign_in", then=flask.request.full_path.rstrip("?")))
                return view(session=session, visitor=visitor, **arguments)

        return wrapped

    return decorate


def going_out(hub: Hub) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """This will let a signed-in customer's form go outside: who they are is read first, then no transaction is open."""

    def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(view)
        def wrapped(**arguments: Any) -> Any:
            with hub.transaction() as session:
                visitor = _admit(hub, session)
            if visitor is None:
                return flask.redirect(flask.url_for("portal.sign_in"))
            return view(visitor=visitor, **arguments)

        return wrapped

    return decorate


def _admit(hub: Hub, session: Session) -> Visitor | None:
    """Who is signed in; a form must bring back its token."""
    visitor = find(hub, session)
    if visitor is not None:
        flask.g.visitor = visitor
        if flask.request.method == "POST" and not crypto.same(
            csrf(hub, visitor.token), flask.request.form.get("csrf", "")
        ):
            raise errors.Refused("portal.form_expired")
    return visitor


def locale(hub: Hub) -> str:
    """This will give the language of the page: chosen, the customer's own, or the browser's."""
    for wanted in (flask.request.args.get("lang"), flask.request.cookies.get(LOCALE)):
        if wanted in hub.settings.locales:
            return wanted
    visitor: Visitor | None = flask.g.get("visitor")
    if visitor is not None:
        return visitor.customer.locale
    return flask.request.accept_languages.best_match(hub.settings.locales) or hub.settings.default_locale


def speaker(hub: Hub, language: str | None = None) -> Callable[..., str]:
    """This will give how a kind of the catalogues is said, in the page's language or a given one."""
    house, language = edge.house(hub.settings), language or locale(hub)
    return lambda kind, **data: wording.label(kind, data, locale=language, house=house)


def writer(hub: Hub, language: str | None = None) -> Callable[[str, Any], str]:
    """This will give how a value is written: the catalogues' filters, in the page's language or a given one."""
    house, language = edge.house(hub.settings), language or locale(hub)
    return lambda name, value: wording.filtered(name, value, locale=language, house=house)
