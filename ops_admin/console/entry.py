"""Who may see the console: everybody on a demonstration; else whoever holds a link made on the machine itself."""

from datetime import UTC, datetime, timedelta

from core import crypto
from core.settings import Settings

COOKIE = "wattline_ops"
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


def link(settings: Settings, *, now: datetime) -> str:
    """This will make the address that opens the console for fifteen minutes."""
    shown = pass_for(settings, purpose="link", until=now + LINK_LASTS)
    return f"{settings.public_base_url.rstrip('/')}/ops/enter?pass={shown}"
