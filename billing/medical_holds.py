"""What holds a shut-off off because somebody at home is ill, as others may ask it."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing import medical_models

WORD, CERTIFICATE = "WORD", "CERTIFICATE"


@dataclass(frozen=True)
class Hold:
    """A span of days, `until` not among them, and what it rests on. `renewal` 0: the first certificate, or a word."""

    id: int
    kind: str
    starts_on: date
    until: date
    renewal: int
    certified_by: str | None
    recorded_by: str
    recorded_at: datetime
    ended_on: date | None
    ended_by: str | None
    ended_why: str | None

    @property
    def through(self) -> date:
        """The last day it holds, as a person says it."""
        return self.until - timedelta(days=1)


def current(session: Session, *, account_id: int, on: date) -> Hold | None:
    """This will give what holds longest on a day, or from then on: spans follow each other without a gap."""
    row = medical_models.MedicalHoldRow
    found = session.scalars(
        select(row)
        .where(row.account_id == account_id, row.until > on, row.ended_on.is_(None))
        .order_by(row.until.desc(), row.id.desc())
        .limit(1)
    ).one_or_none()
    return view(found) if found is not None else None


def list_holds(session: Session, *, account_id: int, limit: int = 20) -> tuple[Hold, ...]:
    """This will list an account's holds, newest first, those that are over among them."""
    row = medical_models.MedicalHoldRow
    rows = session.scalars(select(row).where(row.account_id == account_id).order_by(row.id.desc()).limit(limit))
    return tuple(view(each) for each in rows)


def view(row: medical_models.MedicalHoldRow) -> Hold:
    """This will give a row as the value others see."""
    return Hold(
        row.id, row.kind, row.starts_on, row.until, row.renewal, row.certified_by, row.recorded_by, row.recorded_at,
        row.ended_on, row.ended_by, row.ended_why,
    )  # fmt: skip
