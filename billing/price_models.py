"""Rows of prices by the hour, as an exchange or a system operator publishes them."""

from datetime import date, datetime

from sqlalchemy import DDL, BigInteger, CheckConstraint, UniqueConstraint, event
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from billing import ddl
from core import db


class IndexPriceRow(db.Base):
    """One day of a series: the price per kWh of each of its intervals, in millionths of the currency.

    The day is a civil one of the series' zone, so two of them a year have 23 and 25 hours. A row never changes; a
    correction is another version of the day, and the highest one counts.
    """

    __tablename__ = "index_price"
    __table_args__ = (
        UniqueConstraint("code", "day", "version"),
        CheckConstraint("version >= 1", name="version"),
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
        CheckConstraint("interval_minutes IN (15, 30, 60)", name="interval_minutes"),
        CheckConstraint(
            "cardinality(micros) * interval_minutes BETWEEN 1380 AND 1500 AND array_position(micros, NULL) IS NULL",
            name="micros",
        ),
    )

    id: Mapped[int] = db.primary_key()
    code: Mapped[str]
    timezone: Mapped[str]
    currency: Mapped[str]
    interval_minutes: Mapped[int]
    day: Mapped[date]
    starts_at: Mapped[datetime]  # the midnight the day begins with
    micros: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    version: Mapped[int]
    source: Mapped[str]  # the file, or whoever else published them
    recorded_by: Mapped[str]
    recorded_at: Mapped[datetime]


event.listen(IndexPriceRow.__table__, "after_create", DDL(ddl.INDEX_PRICE.replace("%", "%%")))  # type: ignore[no-untyped-call]
