"""Telling others that usage has settled: facts for the work that hangs on it, a wake-up for pages that are open.

`reads.settled` is told of a service point and a span of time whose reads may already have been counted: where a read
that stood was replaced, and where reads come later than two days, which is when bills begin to be made of them. Reads
that come in time are told by the hundred, in `reads.arrived`: a fact of its own for every meter of a large utility,
every hour, would cost as much as the reads.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from core import db, outbox

IN_TIME = timedelta(days=2)  # bills are made two days after the end of their period
TOGETHER = 500
MANY = "many:reads"  # one wake-up for many topics: the text names the service points
_ALONE = 16


@dataclass(frozen=True)
class Settled:
    """Reads of a service point that stand now and did not before, from `begin` to `end`."""

    service_point_id: int
    begin: datetime
    end: datetime


def tell(session: Session, settled: Sequence[Settled], *, now: datetime) -> None:
    """This will record the fact reads.settled for each, and wake the pages that show them."""
    outbox.record_facts(
        session,
        [
            outbox.News(
                "reads.settled",
                f"service_point:{each.service_point_id}",
                {
                    "service_point_id": each.service_point_id,
                    "from": each.begin.isoformat(),
                    "to": each.end.isoformat(),
                },
            )
            for each in settled
        ],
        now=now,
    )
    wake(session, [each.service_point_id for each in settled])


def tell_arrived(
    session: Session, service_point_ids: Sequence[int], *, begin: datetime, end: datetime, now: datetime
) -> None:
    """This will record the fact reads.arrived for up to 500 service points together, and wake the pages."""
    parts = [service_point_ids[at : at + TOGETHER] for at in range(0, len(service_point_ids), TOGETHER)]
    span = {"from": begin.isoformat(), "to": end.isoformat()}
    outbox.record_facts(
        session,
        [outbox.News("reads.arrived", f"reads:{part[0]}", {"service_point_ids": list(part), **span}) for part in parts],
        now=now,
    )
    wake(session, service_point_ids)


def topic(service_point_id: int) -> str:
    """This will give the name under which the pages of a service point are woken."""
    return f"reads:{service_point_id}"


def wake(session: Session, service_point_ids: Sequence[int]) -> None:
    """This will wake, once committed, the pages that listen to ``reads:<service point>``."""
    publish: Callable[[str, str], None] | None = session.info.get("publish")
    points = sorted(set(service_point_ids))
    if publish is None or not points:
        return
    call = publish
    if len(points) <= _ALONE:
        for point in points:
            db.after_commit(session, functools.partial(call, topic(point), str(point)))
    else:
        db.after_commit(session, lambda: call(MANY, " ".join(map(str, points))))
