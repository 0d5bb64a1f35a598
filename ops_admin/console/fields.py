"""What the fields of a form on the console mean; what cannot be read is refused in words."""

from decimal import Decimal

import flask

from channels import edge
from core import errors, money
from core.hub import Hub
from ops_admin.console import entry


def actor(hub: Hub) -> str:
    """This will give who decides with the form that came in; refused as by `entry.actor`."""
    return entry.actor(hub.settings, form=flask.request.form, cookies=flask.request.cookies, now=hub.now())


def number(name: str) -> int:
    """This will read a number of ours, such as a payment's: NAME.unknown when it is none."""
    return edge.whole(flask.request.form.get(name, "").strip(), wrong=f"{name}.unknown")


def amount(name: str = "amount") -> Decimal | None:
    """This will read an amount of money with its cents; None when it is left empty."""
    found = edge.number(flask.request.form.get(name, "").strip().lstrip("$"), wrong="money.amount")
    if found is not None and (found <= 0 or found != found.quantize(money.CENT)):
        raise errors.Invalid("money.amount")
    return found


def reason() -> str:
    """This will read why somebody decides so. Nobody decides without saying it."""
    said = flask.request.form.get("reason", "").strip()[:500]
    if not said:
        raise errors.Invalid("console.reason")
    return said


def key() -> str:
    """This will read what makes a form that is sent twice one act."""
    return f"console:{flask.request.form.get('key', '')[:40]}"
