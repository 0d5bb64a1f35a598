"""What metering does by the clock."""

from core import log
from core.hub import Hub
from metering import watching

logger = log.get(__name__)

_CHUNK = 200


def watch_usage(hub: Hub) -> None:
    """This will judge yesterday at every service point, once its reads are in or the day after it is half over.

    In chunks, each its own transaction; a place that was judged is not due again, so the job may run at any time.
    """
    now = hub.now()
    with hub.transaction() as session:
        due = watching.list_due(session, now=now)
    for (timezone, day), points in due.items():
        for start in range(0, len(points), _CHUNK):
            part = dict(points[start : start + _CHUNK])
            with hub.transaction() as session:
                told = watching.judge(session, service_points=part, day=day, timezone=timezone, now=now)
            logger.info("usage_watched", extra={"service_points": len(part), "found": told})
