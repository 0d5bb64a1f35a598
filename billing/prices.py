"""Prices by the hour as they stand in the rows: exactly, for bills; and as they are likely, where some lie ahead."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing import index_loading, once, rating
from billing.price_models import IndexPriceRow as Row
from core import errors, periods

Ints = NDArray[np.int64]
_LOOK_BACK = timedelta(days=28)  # whose hours stand in for those that are not known
_DAY_OF_ALL = timedelta(hours=25)
_LOCAL = timedelta(days=1)  # a civil day begins up to a day before or after the UTC day of its name


@dataclass(frozen=True)
class Series:
    """A stretch of a series on one grid; `known` says which of its intervals have a price."""

    code: str
    currency: str
    starts_at: datetime
    interval_minutes: int
    micros: Ints
    known: NDArray[np.bool_]

    def rated(self) -> rating.Prices:
        """This will give them as rating wants them."""
        return rating.Prices(self.code, self.starts_at, self.interval_minutes, self.micros)


class Book:
    """The prices some bills or estimates need, each stretch read once, whoever asks for it again.

    `guessed` names the series of which an estimate had to stand in for hours that are not known. With `holding` no
    series it has read is corrected before the transaction is over: whoever corrects it finds the bills made of it.
    """

    def __init__(self, session: Session, *, holding: bool = False) -> None:
        self._session, self._holding = session, holding
        self._read: dict[tuple[str, datetime, datetime], Series] = {}
        self.guessed: set[str] = set()

    def exact(self, segments: Sequence[rating.Segment], timezone: str) -> tuple[rating.Prices, ...]:
        """This will give the prices of the segments that go by the hour; none, and no question asked, for all others.

        Refused bill.no_prices, with the first instant that has none, where they are incomplete or in another currency.
        """
        out = []
        for segment, code, (starts_at, ends_at) in _wanted(segments, timezone):
            series = self._stretch(code, starts_at, ends_at)
            lacking = np.flatnonzero(~series.known)
            if lacking.size or series.currency != segment.plan.currency:
                at = series.starts_at + int(lacking[0] if lacking.size else 0) * timedelta(
                    minutes=series.interval_minutes
                )
                raise errors.Refused("bill.no_prices", index=code, first=at.isoformat())
            out.append(series.rated())
        return tuple(out)

    def likely(self, segments: Sequence[rating.Segment], timezone: str) -> tuple[rating.Prices, ...]:
        """This will give them as `exact` does, but hours that are not known as the same hours of the weeks around them.

        NotFound prices.none where nothing is known of a series.
        """
        out = []
        for segment, code, (starts_at, ends_at) in _wanted(segments, timezone):
            around = self._around(code, starts_at, ends_at)
            if not around.known.any() or around.currency != segment.plan.currency:
                raise errors.NotFound("prices.none", index=code)
            first = (starts_at - around.starts_at) // timedelta(minutes=around.interval_minutes)
            count = (ends_at - starts_at) // timedelta(minutes=around.interval_minutes)
            if not around.known[first : first + count].all():
                self.guessed.add(code)
            micros = filled(around)[first : first + count]
            out.append(rating.Prices(code, starts_at, around.interval_minutes, micros))
        return tuple(out)

    def _stretch(self, code: str, starts_at: datetime, ends_at: datetime) -> Series:
        key = (code, starts_at, ends_at)
        if key not in self._read:
            if self._holding:
                once.lock(self._session, index_loading.lock_name(code), shared=True)
            self._read[key] = read(self._session, code=code, starts_at=starts_at, ends_at=ends_at)
        return self._read[key]

    def _around(self, code: str, starts_at: datetime, ends_at: datetime) -> Series:
        """The stretch and the weeks before it, further back or ahead where nothing is known of these."""
        near = self._stretch(code, starts_at - _LOOK_BACK, ends_at)
        if near.known.any():
            return near
        before = select(Row.starts_at).where(Row.code == code, Row.starts_at < starts_at).order_by(Row.day.desc())
        after = select(Row.starts_at).where(Row.code == code, Row.starts_at >= starts_at).order_by(Row.day)
        last = self._session.scalar(before.limit(1))
        if last is not None:
            return self._stretch(code, last - _LOOK_BACK, ends_at)
        first = self._session.scalar(after.limit(1))
        return near if first is None else self._stretch(code, starts_at, max(ends_at, first + _LOOK_BACK))


def read(session: Session, *, code: str, starts_at: datetime, ends_at: datetime) -> Series:
    """This will read a stretch of a series by the newest version of each day, on the finest grid its days have."""
    rows = session.execute(
        select(Row.currency, Row.interval_minutes, Row.starts_at, Row.micros)
        .distinct(Row.day)
        .where(
            Row.code == code, Row.day >= starts_at.date() - _LOCAL * 2, Row.day <= ends_at.date() + _LOCAL,
            Row.starts_at > starts_at - _DAY_OF_ALL, Row.starts_at < ends_at,
        )
        .order_by(Row.day, Row.version.desc())
    ).all()  # fmt: skip
    minutes = min((row.interval_minutes for row in rows), default=60)
    while (ends_at - starts_at) % timedelta(minutes=minutes) or any(
        (row.starts_at - starts_at) % timedelta(minutes=minutes) for row in rows
    ):
        minutes = minutes // 2 if minutes > 15 else 1  # a zone that is not a whole hour from another's
    step = timedelta(minutes=minutes)
    micros = np.zeros((ends_at - starts_at) // step, dtype=np.int64)
    known = np.zeros(len(micros), dtype=np.bool_)
    for row in rows:
        values = np.repeat(np.array(row.micros, dtype=np.int64), row.interval_minutes // minutes)
        at = (row.starts_at - starts_at) // step
        values = values[max(0, -at) : max(0, len(micros) - at)]
        at = max(0, at)
        micros[at : at + len(values)] = values
        known[at : at + len(values)] = True
    return Series(code, rows[0].currency if rows else "", starts_at, minutes, micros, known)


def filled(series: Series) -> Ints:
    """This will give a price for every interval: where none is known that of the same hour of the week before, or the
    next week that has one; then of the day before or after; then the mean.
    """
    micros, known = series.micros.copy(), series.known.copy()
    for days in (7, 1):
        _fill(micros, known, days * 24 * 60 // series.interval_minutes)
    if not known.all() and known.any():
        micros[~known] = int(np.rint(micros[known].mean()))
    return micros


def digest(prices: Iterable[rating.Prices]) -> str | None:
    """This will give the digest of the prices a bill is made of; None where it is made of none."""
    parts = [
        f"{p.code} {periods.aware(p.starts_at).isoformat()} {p.interval_minutes} ".encode()
        + np.ascontiguousarray(p.micros, dtype="<i8").tobytes()
        for p in prices
    ]
    return hashlib.sha256(b"".join(parts)).hexdigest() if parts else None


def _fill(micros: Ints, known: NDArray[np.bool_], period: int) -> None:
    """Fills what is not known from the same place of the period before, else of the next one; in place."""
    count = -(-len(micros) // period)
    value, there = np.zeros((count, period), dtype=np.int64), np.zeros((count, period), dtype=np.bool_)
    value.reshape(-1)[: len(micros)], there.reshape(-1)[: len(known)] = micros, known
    number = np.arange(count)[:, None]
    before = np.maximum.accumulate(np.where(there, number, -1), axis=0)
    after = np.minimum.accumulate(np.where(there, number, count)[::-1], axis=0)[::-1]
    source = np.where(before >= 0, before, after)
    found = source < count
    taken = np.take_along_axis(value, np.minimum(source, count - 1), axis=0)
    micros[:] = np.where(found, taken, value).reshape(-1)[: len(micros)]
    known[:] = found.reshape(-1)[: len(known)]


def _wanted(
    segments: Sequence[rating.Segment], timezone: str
) -> list[tuple[rating.Segment, str, tuple[datetime, datetime]]]:
    return [
        (
            s,
            s.plan.index.code,
            (periods.midnight(s.days.starts_on, timezone), periods.midnight(s.days.ends_on, timezone)),
        )
        for s in segments
        if s.plan.index is not None
    ]
