"""What became of notices: which message carried one, on which channel, and whether it arrived."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.conversations import models

AGAIN = ":again"  # a notice that did not arrive is told once more elsewhere, under its key and this
_ARRIVED = ("DELIVERED", "READ")
_LOST = ("UNDELIVERED", "FAILED", "SUPPRESSED", "CANCELLED")


@dataclass(frozen=True)
class NoticeProof:
    """A notice as it was last carried. `arrived_at` only when the vendor said that it came."""

    key: str
    message_id: int
    channel: str
    status: str
    arrived_at: datetime | None

    @property
    def lost(self) -> bool:
        """This will say whether it is known not to have come."""
        return self.status in _LOST


def notice_proofs(session: Session, *, keys: Sequence[str]) -> dict[str, NoticeProof]:
    """This will give what became of the notices of these keys; the one that arrived wins over the one that did not."""
    if not keys:
        return {}
    row = models.MessageRow
    wanted = [*keys, *(key + AGAIN for key in keys)]
    out: dict[str, NoticeProof] = {}
    for found in session.scalars(select(row).where(row.notice_key.in_(wanted)).order_by(row.id)):
        key = str(found.notice_key).removesuffix(AGAIN)
        if key in out and out[key].arrived_at is not None:
            continue
        arrived = found.status_at if found.status in _ARRIVED else None
        out[key] = NoticeProof(key, found.id, found.channel, found.status, arrived)
    return out
