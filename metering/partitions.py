"""Days of reads are kept by the month: partitions made for what comes, and dropped whole when their time is over.

A day whose month has no partition lies in the default one, so no read is refused for its date; making the month moves
it to its place.
"""

import re
from datetime import date

from sqlalchemy import text
from sqlalchemy.orm import Session

from core import errors, periods

TABLES = ("read_day", "read_day_version")
BACK, AHEAD = 12 * 366, 366  # days from today; months beyond are not given a partition: such days are mistakes

_LIST = text(
    """
    SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
     WHERE i.inhparent = CAST(:parent AS regclass)
    """
)
_STRAYS = "SELECT DISTINCT CAST(date_trunc('month', day) AS date) FROM ONLY {table}_default"
# its locks come in the order in which a load takes them, and wait five seconds at most
_MAKE = """
LOCK TABLE meter IN SHARE ROW EXCLUSIVE MODE;
LOCK TABLE {table}_default IN ACCESS EXCLUSIVE MODE;
CREATE TABLE {name} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS) WITH (fillfactor = 90);
WITH moved AS (DELETE FROM ONLY {table}_default WHERE day >= '{first}' AND day < '{last}' RETURNING *)
INSERT INTO {name} SELECT * FROM moved ORDER BY meter_id, day;
ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ('{first}') TO ('{last}')
"""


def list_months(session: Session) -> tuple[periods.Days, ...]:
    """This will list the months that have a partition, oldest first."""
    return tuple(sorted(_months(session, TABLES[0])))


def make_months(session: Session, *, days: periods.Days) -> int:
    """This will make the partitions for the months of some days that have none, and give how many.

    Waits at most five seconds for those who write, then lets the database's error through: days without a month
    are kept in the default partition meanwhile.
    """
    wanted, made = periods.months(days), 0
    for table in TABLES:
        there = _months(session, table)
        for each in [month for month in wanted if month not in there]:
            _make(session, table, each)
            made += table == TABLES[0]
    return made


def list_strays(session: Session, *, today: date) -> tuple[periods.Days, ...]:
    """This will list the months, within reach of today, of days that lie in the default partition."""
    found = {day for table in TABLES for day in session.scalars(text(_STRAYS.format(table=table)))}
    return tuple(sorted(periods.month_of(day) for day in found if within_reach(day, today)))


def within_reach(day: date, today: date) -> bool:
    """This will say whether a day is near enough to today to be given a partition."""
    return -BACK <= (day - today).days <= AHEAD


def drop_month(session: Session, *, month: periods.Days) -> int:
    """This will drop the days of a month, their trail of corrections with them; gives how many days there were.

    Whether they may go is for the caller to know. NotFound ``reads.no_such_month``.
    """
    if month not in _months(session, TABLES[0]):
        raise errors.NotFound("reads.no_such_month", month=month.starts_on.isoformat())
    session.execute(text("SET LOCAL lock_timeout = '5s'"))
    count = int(session.scalar(text(f"SELECT count(*) FROM {_name(TABLES[0], month)}")) or 0)  # noqa: S608 - of a date
    for table in TABLES:
        session.execute(text(f"DROP TABLE IF EXISTS {_name(table, month)}"))
    return count


def _make(session: Session, table: str, month: periods.Days) -> None:
    session.execute(text("SET LOCAL lock_timeout = '5s'"))
    form = {"table": table, "name": _name(table, month), "first": month.starts_on, "last": month.ends_on}
    for statement in _MAKE.format(**form).split(";\n"):
        session.execute(text(statement))
    session.execute(text("SET LOCAL lock_timeout = DEFAULT"))


def _months(session: Session, table: str) -> set[periods.Days]:
    named = (re.fullmatch(rf"{table}_(\d{{4}})_(\d\d)", name) for name in session.scalars(_LIST, {"parent": table}))
    return {periods.month_of(date(int(found[1]), int(found[2]), 1)) for found in named if found}


def _name(table: str, month: periods.Days) -> str:
    return f"{table}_{month.starts_on:%Y_%m}"
