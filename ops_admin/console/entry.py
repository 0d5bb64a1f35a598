"""Who may see the console, and who may decide there.

Everybody sees it on a demonstration; else whoever holds a link made on the machine itself. Decisions bear a name that
the link signed; on the demonstration one chooses whom to act as.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from core import crypto, errors
from core.settings import Settings

COOKIE = "wattline_ops"
NAME = "wattline_ops_name"
LINK_LASTS = timedelta(minutes=15)
STAY_LASTS = timedelta(hours=12)
# whom a visitor of the demonstration may act as: two, for what takes two
DEMO_NAMES = ("ana", "ben")


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


def form(settings: Settings, *, name: str, now: datetime) -> str:
    """This will make the pass that a form of the console brings back: made for whom the page names, and nobody else."""
    return pass_for(settings, purpose=f"form{name}", until=now + STAY_LASTS)


def is_form(settings: Settings, shown: str, *, name: str, now: datetime) -> bool:
    """This will say whether a form that comes in was made here, for this person, and not too long ago."""
    return good(settings, shown, purpose=f"form{name}", now=now)


def link(settings: Settings, *, now: datetime, name: str = "", account: str = "") -> str:
    """This will make the address that opens the console for fifteen minutes.

    It signs whose it is, and which account of the machine made it.
    """
    shown = pass_for(settings, purpose=_link_of(name, account), until=now + LINK_LASTS)
    asked = {"pass": shown, **({"name": name, "by": account} if name else {})}
    return f"{settings.public_base_url.rstrip('/')}/ops/enter?{urlencode(asked)}"


def is_link(settings: Settings, shown: str, *, name: str, account: str, now: datetime) -> bool:
    """This will say whether a link is ours, names this person, and is not over."""
    return (not name or is_name(name)) and good(settings, shown, purpose=_link_of(name, account), now=now)


def _link_of(name: str, account: str) -> str:
    return f"link{name}/{account}" if name else "link"


def is_name(name: str) -> bool:
    """This will say whether a word can be the name of somebody at the desk."""
    return re.fullmatch(r"[a-z][a-z0-9.-]{0,39}", name) is not None


def signed_name(settings: Settings, name: str, *, now: datetime) -> str:
    """This will make the cookie that says for twelve hours who came by a link that named them."""
    return f"{name}~{pass_for(settings, purpose=f'name{name}', until=now + STAY_LASTS)}"


def name_of(settings: Settings, cookies: Mapping[str, str], *, now: datetime) -> str:
    """This will give who a cookie of ours names; nobody, when there is none."""
    name, _, shown = cookies.get(NAME, "").partition("~")
    return name if is_name(name) and good(settings, shown, purpose=f"name{name}", now=now) else ""


def actor(settings: Settings, *, form: Mapping[str, str], cookies: Mapping[str, str], now: datetime) -> str:
    """This will give who decides with a form of ours ("staff:ana"): who the cookie names. What is typed signs nothing.

    Refused console.name when nobody is named; console.form for one that was not made here, for somebody else, or is too
    old.
    """
    name = name_of(settings, cookies, now=now)
    if not name:
        raise errors.Refused("console.name")
    if not is_form(settings, form.get("form", ""), name=name, now=now):
        raise errors.Refused("console.form")
    return f"staff:{name}"
