"""Settled usage as billing wants it: on the civil days of a period, without gaps, and saying how much was filled in."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from billing import rating
from core import periods
from metering import quality
from metering import queries as metering

Ints = NDArray[np.int64]
PER_KWH = 1000  # reads are whole Wh


@dataclass(frozen=True)
class Metered:
    """wh[n, k] in the order of `service_point_ids`; `filled[n]` counts intervals that had no read at all,
    `estimated[n]` those and the ones metering estimated."""

    service_point_ids: tuple[int, ...]
    usage: rating.Usage
    filled: Ints
    estimated: Ints
    missing: NDArray[np.bool_]

    @property
    def intervals(self) -> int:
        return int(self.usage.wh.shape[1])

    def gaps(self, rows: Ints, span: slice) -> NDArray[np.bool_]:
        """This will say which of some service points have no read at all in a span of intervals."""
        return np.asarray(self.missing[rows, span].all(axis=1), dtype=np.bool_)

    def only(self, rows: Ints) -> rating.Usage:
        """This will give the usage of some of them."""
        u = self.usage
        return rating.Usage(u.starts_at, u.interval_minutes, u.timezone, u.wh[rows], None, u.per_kwh)


def read(session: Session, *, service_point_ids: Sequence[int], days: periods.Days, timezone: str) -> Metered:
    """This will read the usage of many service points over civil days, gaps filled by the estimator from the rest."""
    matrix = metering.usage_matrix(
        session,
        service_point_ids=tuple(service_point_ids),
        starts_at=periods.midnight(days.starts_on, timezone),
        ends_at=periods.midnight(days.ends_on, timezone),
    )
    return _metered(matrix, timezone)


def read_grids(
    session: Session, *, service_point_ids: Sequence[int], days: periods.Days, timezone: str
) -> tuple[Metered, ...]:
    """This will read as `read` does, but each service point on the grid of its own meters: no peak is blurred."""
    grids = metering.usage_grids(
        session,
        service_point_ids=tuple(service_point_ids),
        starts_at=periods.midnight(days.starts_on, timezone),
        ends_at=periods.midnight(days.ends_on, timezone),
    )
    return tuple(_metered(matrix, timezone) for matrix in grids)


def _metered(matrix: metering.Matrix, timezone: str) -> Metered:
    missing = matrix.wh < 0
    soft = matrix.quality == quality.Quality.ESTIMATED
    wh = matrix.wh
    if missing.any():
        soft |= missing
        wh = metering.without_gaps(matrix, timezone)
    return Metered(
        service_point_ids=tuple(matrix.service_point_ids),
        usage=rating.Usage(matrix.starts_at, matrix.interval_minutes, timezone, wh),
        filled=_count(missing),
        estimated=_count(soft),
        missing=missing,
    )


def _count(true: NDArray[np.bool_]) -> Ints:
    """How many of each row are; a look whether there is any costs a fraction of counting."""
    return true.sum(axis=1) if true.any() else np.zeros(len(true), dtype=np.int64)
