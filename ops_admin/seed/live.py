"""The demonstration's meters go on reading: each full hour is drawn and recorded, also those missed while off."""

from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from core import log, periods
from core.hub import Hub
from metering import operations as metering
from metering import queries as meters
from ops_admin.seed import load, seed

logger = log.get(__name__)


def record(hub: Hub) -> None:
    """This will record the reads of every full hour since the last one, for the demonstration's homes."""
    if not hub.settings.demo:
        return
    now = hub.now()
    full = now.replace(minute=0, second=0, microsecond=0)
    with hub.transaction() as session:
        book = seed.book(session)
        if book is None:
            return
        fresh = meters.freshness(session, service_point_id=book.points[0])
    if fresh is None or fresh >= full:
        return
    _prices(hub, fresh, now, book.random_seed)
    starts_at = max(fresh, full - timedelta(days=60))
    wh = _drawn(book, starts_at, full)
    sent = _sent(book, wh, starts_at, full)
    with hub.transaction() as session:
        for meter_id, values in sent:
            metering.record_reads(
                session, meter_id=meter_id, starts_at=starts_at, interval_minutes=60, wh=values.tolist(),
                quality="ACTUAL", source="DEMO", now=now,
            )  # fmt: skip
    for start in range(0, len(book.points), 100):
        with hub.transaction() as session:
            for row in range(start, min(start + 100, len(book.points))):
                if book.intervals[row]:
                    metering.record_reads(
                        session, meter_id=book.meters[row], starts_at=starts_at, interval_minutes=60,
                        wh=wh[row].tolist(), quality="ACTUAL", source="DEMO", now=now,
                    )  # fmt: skip
    _weather(hub, starts_at, now, book.random_seed)
    logger.info("live_reads", extra={"from": starts_at.isoformat(), "to": full.isoformat()})


def _weather(hub: Hub, starts_at: datetime, now: datetime, random_seed: int) -> None:
    """A day that is over has its weather, for the days since the last reads."""
    today = periods.civil_day(now, hub.settings.utility_timezone)
    first = periods.civil_day(starts_at, hub.settings.utility_timezone) - timedelta(days=1)
    with hub.transaction() as session:
        seed.record_weather(session, first, today, random_seed, now)


def _prices(hub: Hub, since: datetime, now: datetime, random_seed: int) -> None:
    """The market publishes each afternoon; days that are known already stay as they are."""
    first = periods.civil_day(since, hub.settings.utility_timezone)
    with hub.transaction() as session:
        seed.record_prices(session, first, hub.settings.utility_timezone, random_seed, now)


def _sent(
    book: seed.Book, wh: NDArray[np.int64], starts_at: datetime, ends_at: datetime
) -> list[tuple[int, NDArray[np.int64]]]:
    """What homes with panels send out, by the meter of that; what they take from the grid becomes less."""
    days = [starts_at.date() + timedelta(days=n) for n in range((ends_at.date() - starts_at.date()).days + 1)]
    out = []
    for row, kw, meter_id in book.solar:
        sun = np.concatenate([load.solar_wh(kw, day, book.random_seed) for day in days])
        sun = sun[starts_at.hour : starts_at.hour + wh.shape[1]]
        wh[row], sent = load.behind_the_meter(wh[row], sun)
        out.append((meter_id, sent))
    return out


def _drawn(book: seed.Book, starts_at: datetime, ends_at: datetime) -> NDArray[np.int64]:
    days = [starts_at.date() + timedelta(days=n) for n in range((ends_at.date() - starts_at.date()).days + 1)]
    drawn = np.concatenate([load.day_wh(book.habits, day, book.random_seed) for day in days], axis=1)
    hours = int((ends_at - starts_at).total_seconds() // 3600)
    return drawn[:, starts_at.hour : starts_at.hour + hours]
