"""PostgreSQL's binary COPY, laid out by numpy: day rows are of one width, so none is made one by one."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from metering import blocks
from metering.views import Codes, Ints

EPOCH = date(2000, 1, 1)  # PostgreSQL counts days and microseconds from here
_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
_COLUMNS = "meter_id, day, version, wh, quality, recorded_at"


def number(day: date) -> int:
    """This will give a day as PostgreSQL counts it."""
    return (day - EPOCH).days


def day(count: int) -> date:
    """This will give the day of a number."""
    return EPOCH + timedelta(days=count)


def copy_days(session: Session, blocks_of_rows: Iterable[bytes]) -> None:
    """This will COPY rows that `day_rows` laid out into read_day; a day that is there is an integrity error."""
    session.flush()
    raw: Any = session.connection().connection.driver_connection
    with raw.cursor() as cursor, cursor.copy(f"COPY read_day ({_COLUMNS}) FROM STDIN (FORMAT BINARY)") as copy:
        copy.write(_HEADER)
        for piece in blocks_of_rows:
            copy.write(piece)
        copy.write(_TRAILER)


def copy_rows(session: Session, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """This will COPY rows of any kind; values as psycopg writes them."""
    session.flush()
    raw: Any = session.connection().connection.driver_connection
    with raw.cursor() as cursor, cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def json_of(value: Mapping[str, Any]) -> str:
    """This will write an object for a jsonb column; what that cannot hold is shown by a sign."""
    return json.dumps({name: sayable(each) if isinstance(each, str) else each for name, each in value.items()})


def sayable(text: str) -> str:
    """This will make text that PostgreSQL can hold: NUL by its sign, half characters by question marks."""
    return text.replace("\x00", "\u2400").encode("utf-8", "replace").decode()


def array(numbers: Ints) -> str:
    """This will write whole numbers as PostgreSQL writes an array: one text, not a value each."""
    return "{" + ",".join(map(str, numbers.tolist())) + "}"


def day_rows(meter_ids: Ints, days: Ints, wh: Ints, codes: Codes, recorded_at: datetime) -> bytes:
    """This will lay out first versions of days: ids [n], day numbers [n], values and codes [n, intervals]."""
    per_day = wh.shape[1]
    out = np.empty(len(wh), dtype=_layout(per_day))
    out["fields"] = 6
    out["meter_length"], out["meter"] = 8, meter_ids
    out["day_length"], out["day"] = 4, days
    out["version_length"], out["version"] = 4, 1
    out["wh_length"], out["wh"] = per_day * 4, wh
    out["quality_length"], out["quality"] = per_day, codes
    since = recorded_at - blocks.day_start(EPOCH)
    out["recorded_length"], out["recorded"] = 8, since // timedelta(microseconds=1)
    return out.tobytes()


def _layout(per_day: int) -> np.dtype[Any]:
    return np.dtype(
        [
            ("fields", ">i2"),
            ("meter_length", ">i4"),
            ("meter", ">i8"),
            ("day_length", ">i4"),
            ("day", ">i4"),
            ("version_length", ">i4"),
            ("version", ">i4"),
            ("wh_length", ">i4"),
            ("wh", "<i4", (per_day,)),
            ("quality_length", ">i4"),
            ("quality", "u1", (per_day,)),
            ("recorded_length", ">i4"),
            ("recorded", ">i8"),
        ]
    )
