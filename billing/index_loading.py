"""Takes in a series of prices by the hour: new days, and corrections of days as new versions.

What a correction changes in bills is told in the same transaction, by the bills it touches; and that new days came, to
the bills that wait for them.
"""

from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from billing import index_file, once
from billing.price_models import IndexPriceRow as Row
from core import audit, errors, outbox

_BILLS_OF_A_FACT = 500


@dataclass(frozen=True)
class Loaded:
    """What came of a file: its days are new, corrected or as they were; `bills` stand on what was corrected."""

    code: str
    first_day: date
    last_day: date
    new: int
    corrected: int
    unchanged: int
    bills: int

    def as_json(self) -> dict[str, Any]:
        """This will give them with days as text."""
        return {k: v.isoformat() if isinstance(v, date) else v for k, v in asdict(self).items()}


@dataclass(frozen=True)
class Kept:
    """A series as it stands: its days, the last of them, and how many of them were corrected."""

    code: str
    currency: str
    timezone: str
    first_day: date
    last_day: date
    days: int
    corrected: int


def load(
    session: Session, *, code: str, parsed: index_file.Parsed, source: str, by: str, now: datetime,
    dry_run: bool = False,
) -> Loaded:  # fmt: skip
    """This will keep the days of a file; the same content again changes nothing. With `dry_run` it only says what
    would come of it.

    Invalid index.file when something is wrong with the file, index.code; Refused index.currency or index.timezone when
    the series stands in another.
    """
    if not code or len(code) > 40 or not code.replace("_", "").replace("-", "").isalnum():
        raise errors.Invalid("index.code", index=code)
    if parsed.problems:
        raise errors.Invalid("index.file", problems=len(parsed.problems))
    # bills that are being made of the series hold it shared: they are done first, and seen below
    once.lock(session, lock_name(code))
    standing = _standing(session, code, parsed)
    new = 0
    changed: list[date] = []
    rows = []
    for day in parsed.days:
        old = standing.get(day.day)
        if old and (old.interval_minutes, tuple(old.micros)) == (parsed.interval_minutes, day.micros):
            continue
        if old is None:
            new += 1
        else:
            changed.append(day.day)
        rows.append(
            Row(
                code=code, timezone=parsed.timezone, currency=parsed.currency,
                interval_minutes=parsed.interval_minutes, day=day.day, starts_at=day.starts_at,
                micros=list(day.micros), version=1 if old is None else old.version + 1, source=source,
                recorded_by=by, recorded_at=now,
            )
        )  # fmt: skip
    bills = _touched(session, code, changed)
    first, last = parsed.days[0].day, parsed.days[-1].day
    if rows and not dry_run:
        session.add_all(rows)
        _tell(session, code, changed, bills, by, now)
        if new:
            payload = {"code": code, "first_day": str(first), "last_day": str(last)}
            outbox.record_fact(session, "prices.arrived", key=f"index:{code}", payload=payload, now=now)
        audit.record(
            session, actor=by, action="index.imported", subject="index", subject_id=code, now=now,
            detail={"source": source, "first_day": str(first), "last_day": str(last), "new": new,
                    "corrected": len(changed)},
        )  # fmt: skip
    return Loaded(code, first, last, new, len(changed), len(parsed.days) - len(rows), len(bills))


def list_series(session: Session) -> tuple[Kept, ...]:
    """This will list the series there are, by code."""
    rows = session.execute(
        text(
            "SELECT code, min(currency) AS currency, min(timezone) AS timezone, min(day) AS first_day,"
            " max(day) AS last_day, count(DISTINCT day) AS days, count(*) FILTER (WHERE version = 2) AS corrected"
            " FROM index_price GROUP BY code ORDER BY code"
        )
    )
    return tuple(Kept(**row._mapping) for row in rows)


def lock_name(code: str) -> str:
    """This will give the name under which a series is locked."""
    return f"index-price:{code}"


def _standing(session: Session, code: str, parsed: index_file.Parsed) -> dict[date, Row]:
    """The newest version of each day of the file."""
    some = session.execute(select(Row.currency, Row.timezone).where(Row.code == code).limit(1)).one_or_none()
    if some is not None and some.currency != parsed.currency:
        raise errors.Refused("index.currency", index=code, currency=some.currency)
    if some is not None and some.timezone != parsed.timezone:
        raise errors.Refused("index.timezone", index=code, timezone=some.timezone)
    rows = session.scalars(
        select(Row)
        .distinct(Row.day)
        .where(Row.code == code, Row.day >= parsed.days[0].day, Row.day <= parsed.days[-1].day)
        .order_by(Row.day, Row.version.desc())
    )
    return {row.day: row for row in rows}


_TOUCHED = text(
    """
    SELECT DISTINCT b.id
      FROM tariff_version v
      JOIN agreement_tariff h ON h.tariff_id = v.tariff_id
      JOIN bill b ON b.agreement_id = h.agreement_id
     WHERE v.plan #>> '{wattline,index,code}' = :code AND b.status <> 'CANCELLED'
       AND b.starts_on < :until AND b.ends_on > :since
       AND h.starts_on < b.ends_on AND coalesce(h.ends_on, 'infinity') > b.starts_on
       AND v.starts_on < b.ends_on AND coalesce(v.ends_on, 'infinity') > b.starts_on
     ORDER BY b.id
    """
)


def _touched(session: Session, code: str, changed: list[date]) -> list[int]:
    """The bills that stand on changed days; a day of the series may lie in two civil days of a bill's zone."""
    if not changed:
        return []
    around = {"since": changed[0] - timedelta(days=1), "until": changed[-1] + timedelta(days=2)}
    return [int(row.id) for row in session.execute(_TOUCHED, {"code": code, **around})]


def _tell(session: Session, code: str, changed: list[date], bills: list[int], by: str, now: datetime) -> None:
    for at in range(0, len(bills), _BILLS_OF_A_FACT):
        payload = {
            "code": code, "first_day": str(changed[0]), "last_day": str(changed[-1]), "by": by,
            "bills": bills[at : at + _BILLS_OF_A_FACT],
        }  # fmt: skip
        outbox.record_fact(session, "prices.corrected", key=f"index:{code}", payload=payload, now=now)
