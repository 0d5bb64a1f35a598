"""Signing in and out: an address on file, a one-time code to it, a session. Unknown addresses see the same pages."""

from datetime import datetime

import flask
from sqlalchemy.orm import Session

from channels.portal import visitor as visitors
from core import crypto, ports, redaction
from core.accounts import addresses
from core.accounts import queries as accounts
from core.accounts import sign_in as signing
from core.conversations import operations as speaking
from core.conversations import sending
from core.hub import Hub

_CHALLENGE = "wattline_challenge"


def add(pages: flask.Blueprint, hub: Hub) -> None:
    """This will add the pages of the entrance."""

    @pages.get("/portal/sign-in")
    def sign_in() -> flask.typing.ResponseReturnValue:
        return flask.render_template("portal/sign_in.html", then=_inside(flask.request.args.get("then", "")))

    @pages.post("/portal/sign-in")
    def send_code() -> flask.typing.ResponseReturnValue:
        typed = flask.request.form.get("identifier", "").strip()[:200]
        now = hub.now()
        with hub.transaction() as session:
            customer_id, contact_id = _find(session, typed)
            challenge = signing.start_verification(
                session,
                conversation_id=None,
                customer_id=customer_id,
                contact_point_id=contact_id,
                purpose="SIGN_IN",
                key=f"web:{crypto.token(12)}",
                secret=hub.settings.secret_key,
                now=now,
                valid_seconds=hub.settings.code_valid_for,
            )
            if challenge.code is not None and challenge.contact is not None:
                _send(hub, session, challenge, now)
        response = flask.make_response(
            flask.render_template("portal/code.html", then=_inside(flask.request.form.get("then", "")), wrong=False)
        )
        sealed = crypto.seal(hub.settings.secret_key, str(challenge.id or 0))
        response.set_cookie(_CHALLENGE, sealed, max_age=900, httponly=True, samesite="Lax")
        return response

    @pages.post("/portal/code")
    def check_code() -> flask.typing.ResponseReturnValue:
        then = _inside(flask.request.form.get("then", ""))
        _, code = redaction.take_code(flask.request.form.get("code", "")[:40])
        opened = crypto.unseal(hub.settings.secret_key, flask.request.cookies.get(_CHALLENGE, ""))
        now = hub.now()
        token = None
        if code is not None and opened is not None and opened.isdigit() and int(opened):
            with hub.transaction() as session:
                checked = signing.check_verification(
                    session,
                    conversation_id=None,
                    challenge_id=int(opened),
                    digest=accounts.code_digest(hub.settings.secret_key, code),
                    now=now,
                )
                if checked.ok and checked.customer_id is not None:
                    token = signing.open_web_session(
                        session, customer_id=checked.customer_id, now=now, lasts=hub.settings.web_session_for
                    )
        if token is None:
            return flask.render_template("portal/code.html", then=then, wrong=True), 403
        response = flask.make_response(flask.redirect(then or "/portal/"))
        response.set_cookie(
            visitors.COOKIE,
            token,
            max_age=hub.settings.web_session_for,
            httponly=True,
            samesite="Lax",
            secure=hub.settings.public_base_url.startswith("https"),
        )
        response.delete_cookie(_CHALLENGE)
        return response

    @pages.post("/portal/sign-out")
    @visitors.signed_in(hub)
    def sign_out(session: Session, visitor: visitors.Visitor) -> flask.typing.ResponseReturnValue:
        signing.close_web_session(session, token=visitor.token, now=hub.now())
        response = flask.make_response(flask.redirect("/portal/sign-in"))
        response.delete_cookie(visitors.COOKIE)
        return response


def _send(hub: Hub, session: Session, challenge: signing.Challenge, now: datetime) -> None:
    """The code goes to the contact point on file, sealed until the moment it is sent."""
    assert challenge.contact is not None and challenge.code is not None
    sending.send_to(
        session,
        channel="SMS" if challenge.contact.kind == "PHONE" else "EMAIL",
        contact=challenge.contact,
        customer=accounts.get_customer(session, customer_id=challenge.contact.customer_id),
        reply=ports.Reply("verify.code", {"minutes": hub.settings.code_valid_for // 60}),
        purpose=None,
        key=f"code:{challenge.id}",
        now=now,
        house=speaking.house(hub.settings),
        hidden={"code": crypto.seal(hub.settings.secret_key, challenge.code)},
    )


def _find(session: Session, typed: str) -> tuple[int | None, int | None]:
    """Whom an e-mail address, a phone number or an account number belongs to, and which contact point was named."""
    digits = "".join(c for c in typed if c.isdigit())
    if len(digits) == 10 and "@" not in typed:
        account = accounts.find_account_by_number(session, number=digits)
        if account is not None:
            return account.customer_id, None
    kind = "EMAIL" if "@" in typed else "PHONE"
    value = addresses.normalise(kind, typed)
    if value is None:
        return None, None
    contact = (kind, value)
    customer = accounts.find_customer_by_contact(session, kind=contact[0], value=contact[1])
    if customer is None:
        return None, None
    points = accounts.list_contact_points(session, customer_id=customer.id)
    return customer.id, next((p.id for p in points if (p.kind, p.value) == contact), None)


def _inside(path: str) -> str:
    """A path of our own only: nobody is sent elsewhere after signing in."""
    return path if path.startswith("/portal/") and not path.startswith("//") and "\\" not in path else ""
