"""Links to pictures of a home's usage, for channels that fetch a picture by its address.

The address itself is the permission: sealed by the hub, for one picture, for some days. Nobody can make or change
one, and nothing in it can be read.
"""

import json
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta

from core import crypto, errors, periods

KINDS = ("DAYS", "COMPARED", "FORECAST")
LASTS = timedelta(days=7)


@dataclass(frozen=True)
class Picture:
    """Which picture: of whom, of which days (`ends_on` out), in which language."""

    kind: str
    account_id: int
    service_point_id: int
    starts_on: str
    ends_on: str
    locale: str

    @property
    def days(self) -> periods.Days:
        return periods.Days(date.fromisoformat(self.starts_on), date.fromisoformat(self.ends_on))


def path(key: str, picture: Picture, *, now: datetime) -> str:
    """This will give the path under which a picture may be fetched until it runs out."""
    until = int((now + LASTS).timestamp())
    sealed = crypto.seal(crypto.digest(key, "picture"), json.dumps({**asdict(picture), "until": until}))
    return f"/pictures/{sealed}.png"


def read(key: str, token: str, *, now: datetime) -> Picture:
    """This will give the picture behind a link; NotFound picture.unknown when it is not ours, or has run out."""
    text = crypto.unseal(crypto.digest(key, "picture"), token)
    if text is None:
        raise errors.NotFound("picture.unknown")
    fields = json.loads(text)
    if now.timestamp() > fields.pop("until"):
        raise errors.NotFound("picture.unknown")
    return Picture(**fields)
