"""When each job last ran: kept in the database, so that no restart makes the house forget what is due.

A clock that counts from its own start never comes to what is due once a day in a house that is restarted every day. So
the sweep asks what is due, and rings for it as for anything else that is owed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Text, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from core import db
from core.hub import Hub

AGAIN = timedelta(minutes=10)  # after a run that failed, or was cut off with its worker
_LATE = timedelta(minutes=5)


@dataclass(frozen=True)
class Job:
    """What runs on the clock: at most once at a time in the whole installation."""

    name: str
    every: timedelta
    run: Callable[[Hub], object]


class JobRow(db.Base):
    __tablename__ = "job"

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    began_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]  # None: it runs, or was cut off
    error: Mapped[str | None]  # why the last run that ended failed


@dataclass(frozen=True)
class Turn:
    """A job, its last run, and when it is due again (now, when it never ran)."""

    job: Job
    began_at: datetime | None
    ended_at: datetime | None
    error: str | None
    due_at: datetime
    late: bool


def list_turns(session: Session, *, jobs: Sequence[Job], now: datetime) -> tuple[Turn, ...]:
    """This will say of each job when it last ran, and when it is due."""
    rows = {row.name: row for row in session.scalars(select(JobRow))}
    return tuple(_turn(job, rows.get(job.name), now) for job in jobs)


def list_due(session: Session, *, jobs: Sequence[Job], now: datetime) -> tuple[str, ...]:
    """This will name the jobs that are due."""
    return tuple(turn.job.name for turn in list_turns(session, jobs=jobs, now=now) if turn.due_at <= now)


def begin(session: Session, *, job: Job, now: datetime) -> bool:
    """This will note that a job begins, unless it is not due: somebody else ran it since the bell was rung."""
    row = session.get(JobRow, job.name)
    if _turn(job, row, now).due_at > now:
        return False
    if row is None:
        session.add(JobRow(name=job.name, began_at=now))
    else:
        row.began_at, row.ended_at = now, None
    return True


def end(session: Session, *, name: str, now: datetime, error: str | None = None) -> None:
    """This will note that a job has ended, and how."""
    row = session.get_one(JobRow, name)
    row.ended_at, row.error = now, error


def wind(session: Session, *, jobs: Sequence[Job], now: datetime) -> None:
    """This will count jobs that never ran as done now, in a house that was made as if it had long been lived in."""
    rows = [{"name": job.name, "began_at": now, "ended_at": now} for job in jobs]
    session.execute(insert(JobRow).values(rows).on_conflict_do_nothing())


def _turn(job: Job, row: JobRow | None, now: datetime) -> Turn:
    if row is None:
        return Turn(job, None, None, None, now, late=False)
    well = row.ended_at is not None and row.error is None
    due_at = row.began_at + (job.every if well else min(job.every, AGAIN))
    return Turn(job, row.began_at, row.ended_at, row.error, due_at, late=due_at < now - _LATE)
