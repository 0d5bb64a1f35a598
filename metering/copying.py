"""PostgreSQL's binary COPY, laid out by numpy: day rows are of one width, so none is made one by one."""

import json
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from core import db
from metering import blocks
from metering.views import Codes, Ints

_COLUMNS = ("meter_id", "day", "version", "wh", "quality", "recorded_at")


def day(count: int) -> date:
    """This will give the day of a number."""
    return db.EPOCH + timedelta(days=count)


def copy_days(session: Session, blocks_of_rows: Iterable[bytes]) -> None:
    """This will COPY rows that `day_rows` laid out into read_day; a day that is there is an integrity error."""
    db.copy_laid_out(session, "read_day", _COLUMNS, blocks_of_rows)


def json_of(value: Mapping[str, Any]) -> str:
    """This will write an object for a jsonb column; what that cannot hold is shown by a sign."""
    return json.dumps({name: sayable(each) if isinstance(each, str) else each for name, each in value.items()})


def sayable(text: str) -> str:
    """This will make text that PostgreSQL can hold: NUL by its sign, half characters by question marks."""
    return text.replace("\x00", "\u2400").encode("utf-8", "replace").decode()


def array(numbers: Ints) -> str:
    """This will write whole numbers, of whichever length the statement says, as PostgreSQL writes an array."""
    return "{" + ",".join(map(str, numbers.tolist())) + "}"


def keys(meter_ids: Ints, days: Ints) -> Ints:
    """This will give one number for each meter and numbered day, in their order; good until the year 2273."""
    return meter_ids * 100_000 + days


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
    since = recorded_at - blocks.day_start(db.EPOCH)
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
