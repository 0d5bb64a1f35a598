"""What homes that are alike use: computed for all of them at once, kept as a few rows, asked by one look-up.

A page never reads another household's usage: it reads an average that a job was allowed to keep.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime, timedelta

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import delete, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core import log, periods
from core.accounts import homes
from core.compliance import rules
from core.hub import Hub
from metering import models, peers, queries, views

logger = log.get(__name__)

DAYS = 30
_LEAST_DAYS = 24  # whole days of reads, of those thirty
_CHUNK = 2000


def compare_homes(hub: Hub) -> int:
    """This will average the last thirty days of every home by its groups; gives how many groups may be shown.

    Homes are read in chunks, each in a transaction of its own; of a home only its groups and one number is held.
    """
    now = hub.now()
    today = periods.civil_day(now, hub.settings.utility_timezone)
    days = periods.Days(today - timedelta(days=DAYS), today)
    used: dict[peers.Group, list[float]] = defaultdict(list)
    after, jurisdiction = 0, hub.settings.jurisdiction
    while True:
        with hub.transaction() as session:
            chunk = homes.list_homes(session, on=days.starts_on, after=after, limit=_CHUNK)
            if not chunk:
                break
            for home, wh in _daily(session, chunk, days):
                for group in peers.groups_of(home.county, home.dwelling, home.floor_sqft, home.heating):
                    used[group].append(wh)
        after = chunk[-1].service_point_id
    rule = rules.rule(jurisdiction, "usage_privacy", today)
    shown = peers.averages(
        {group: np.array(values) for group, values in used.items()},
        members=rule.days("members"),
        share_percent=rule.days("share_percent"),
    )
    with hub.transaction() as session:
        _keep(session, shown, days, now)
    logger.info("homes_compared", extra={"groups": len(used), "shown": len(shown)})
    return len(shown)


def find_similar(session: Session, *, service_point_id: int, on: date) -> views.SimilarHomes | None:
    """This will set a home beside the narrowest group it belongs to that may be shown; None where there is none.

    Both sides are averages a day over the same days.
    """
    home = homes.find_home(session, service_point_id=service_point_id, on=on)
    if home is None:
        return None
    groups = list(peers.groups_of(home.county, home.dwelling, home.floor_sqft, home.heating))
    row = models.SimilarHomesRow
    found = {
        peers.Group(each.county, each.dwelling, each.size, each.heating): each
        for each in session.scalars(
            select(row).where(
                tuple_(row.county, row.dwelling, row.size, row.heating).in_(
                    [(g.county, g.dwelling, g.size, g.heating) for g in groups]
                )
            )
        )
    }
    group = next((group for group in groups if group in found), None)
    if group is None:
        return None
    average = found[group]
    own = _daily(session, [home], periods.Days(average.starts_on, average.ends_on))
    if not own:
        return None
    return views.SimilarHomes(
        dwelling=_told(group.dwelling),
        size_from=int(group.size) if group.size != peers.ANY else None,
        size_until=peers.size_until(group.size) if group.size != peers.ANY else None,
        heating=_told(group.heating),
        starts_on=average.starts_on,
        ends_on=average.ends_on,
        homes=average.homes,
        mean_wh=average.mean_wh,
        frugal_wh=average.frugal_wh,
        own_wh=round(own[0][1]),
    )


def _daily(session: Session, chunk: Sequence[homes.Home], days: periods.Days) -> list[tuple[homes.Home, float]]:
    """Each home that has enough whole days, with its Wh a day."""
    out: list[tuple[homes.Home, float]] = []
    by_zone: dict[str, list[homes.Home]] = defaultdict(list)
    for home in chunk:
        by_zone[home.timezone].append(home)
    for timezone, group in by_zone.items():
        for matrix in queries.usage_grids(
            session,
            service_point_ids=[home.service_point_id for home in group],
            starts_at=periods.midnight(days.starts_on, timezone),
            ends_at=periods.midnight(days.ends_on, timezone),
        ):
            place = {point: n for n, point in enumerate(matrix.service_point_ids)}
            edges = [
                (periods.midnight(day, timezone) - matrix.starts_at) // timedelta(minutes=matrix.interval_minutes)
                for day in days
            ]
            whole, wh = _whole_days(matrix.wh, np.array(edges))
            for home in group:
                row = place.get(home.service_point_id)
                if row is not None and whole[row] >= _LEAST_DAYS:
                    out.append((home, float(wh[row] / whole[row])))
    return out


def _whole_days(wh: NDArray[np.int64], edges: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many days of each row have all their reads, and the Wh of those days."""
    complete = np.add.reduceat((wh < 0).astype(np.int64), edges, axis=1) == 0
    totals = np.add.reduceat(np.maximum(wh, 0), edges, axis=1)
    return complete.sum(axis=1), np.where(complete, totals, 0).sum(axis=1)


def _keep(session: Session, shown: dict[peers.Group, peers.Average], days: periods.Days, now: datetime) -> None:
    """What is not among them any more may not be shown any more."""
    session.execute(delete(models.SimilarHomesRow))
    if shown:
        session.execute(
            insert(models.SimilarHomesRow),
            [
                {
                    "county": group.county,
                    "dwelling": group.dwelling,
                    "size": group.size,
                    "heating": group.heating,
                    "starts_on": days.starts_on,
                    "ends_on": days.ends_on,
                    "homes": average.homes,
                    "mean_wh": average.mean_wh,
                    "frugal_wh": average.frugal_wh,
                    "computed_at": now,
                }
                for group, average in shown.items()
            ],
        )


def _told(code: str) -> str | None:
    return None if code == peers.ANY else code
