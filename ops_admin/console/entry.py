"""Who may see the console: everybody on a demonstration; else whoever holds a link made on the machine itself."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from core import crypto, errors
from core.settings import Settings

COOKIE = "wattline_ops"
NAME = "wattline_ops_name"
LINK_LASTS = timedelta(minutes=15)
STAY_LASTS = timedelta(hours=12)


def pass_for(settings: Settings, *, purpose: str, until: datetime) -> str:
    """This will make a pass ("link", "stay", "form") that is good until an instant, signed with the hub's own key."""
    seconds = str(int(until.timestamp()))
    return f"{seconds}.{crypto.digest(settings.secret_key, 'ops', purpose, seconds)[:40]}"


def good(settings: Settings, shown: str, *, purpose: str, now: datetime) -> bool:
    """This will say whether a pass is ours, for this purpose, and not over."""
    seconds, _, _signature = shown.partition(".")
    if not (seconds.isascii() and seconds.isdigit() and len(seconds) < 12):
        return False
    until = datetime.fromtimestamp(int(seconds), UTC)
    return now < until and crypto.same(shown, pass_for(settings, purpose=purpose, until=until))


def form(settings: Settings, *, now: datetime) -> str:
    """This will make the pass that a form of the console brings back."""
    return pass_for(settings, purpose="form", until=now + STAY_LASTS)


def is_form(settings: Settings, shown: str, *, now: datetime) -> bool:
    """This will say whether a form that comes in was made here, and not too long ago."""
    return good(settings, shown, purpose="form", now=now)


def link(settings: Settings, *, now: datetime, name: str = "") -> str:
    """This will make the address that opens the console for fifteen minutes, for a person whose name it signs."""
    shown = pass_for(settings, purpose=f"link{name}", until=now + LINK_LASTS)
    known = f"&name={name}" if name else ""
    return f"{settings.public_base_url.rstrip('/')}/ops/enter?pass={shown}{known}"


def is_name(name: str) -> bool:
    """This will say whether a word can be the name of somebody at the desk."""
    return re.fullmatch(r"[a-z][a-z0-9.-]{0,39}", name) is not None


def signed_name(settings: Settings, name: str) -> str:
    """This will make the cookie that says who came by a link that named them."""
    return f"{name}~{crypto.digest(settings.secret_key, 'ops', 'name', name)[:40]}"


def name_of(cookie: str, settings: Settings) -> str:
    """This will give who a cookie of ours names; nobody, when it is none."""
    name, _, _signature = cookie.partition("~")
    return name if is_name(name) and crypto.same(cookie, signed_name(settings, name)) else ""


def actor(settings: Settings, *, form: Mapping[str, str], cookies: Mapping[str, str], now: datetime) -> str:
    """This will give who decides with a form of ours ("staff:ana"): who the cookie names, else who it says.

    Refused console.form for one that was not made here or is too old; Invalid console.name when nobody is named.
    """
    if not is_form(settings, form.get("form", ""), now=now):
        raise errors.Refused("console.form")
    name = name_of(cookies.get(NAME, ""), settings) or form.get("by", "").strip()
    if not name or len(name) > 60:
        raise errors.Invalid("console.name")
    return f"staff:{name.lower()}"
