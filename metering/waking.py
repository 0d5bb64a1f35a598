"""Pages that show reads are woken when reads were stored. The word says where to look, never what stands there.

Losing it loses nothing: an open page looks again by itself.
"""

from collections.abc import Collection

from sqlalchemy.orm import Session

from core import db

EVERYWHERE = "usage:*"
_MANY = 200  # so many service points at once, and one word for all is cheaper than one for each


def topic(service_point_id: int) -> str:
    """This will give the name under which the pages of a service point are woken."""
    return f"usage:{service_point_id}"


def wake(session: Session, *, service_point_ids: Collection[int]) -> None:
    """This will wake the open pages of service points once the transaction that stored their reads is committed."""
    publish = session.info.get("publish")
    if publish is None or not service_point_ids:
        return
    topics = [EVERYWHERE] if len(service_point_ids) > _MANY else [topic(each) for each in sorted(service_point_ids)]
    waiting: set[str] | None = session.info.get("usage_topics")
    if waiting is not None:  # one word a transaction, however many runs of reads it stores
        waiting.update(topics)
        return
    waiting = session.info["usage_topics"] = set(topics)

    def tell() -> None:
        for name in sorted([EVERYWHERE] if len(waiting) > _MANY else waiting):
            publish(name, "")

    db.after_commit(session, tell)
