"""Agreements sorted into those that are alike, for runs over millions: no object for each, their ids as one string."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from core import db
from core.periods import Days


@dataclass(frozen=True)
class Served:
    """Agreements of one cycle that are served on the same days; `ids` are big-endian int64, in any order.

    `starts_on` and `ends_on` are cut to the period that was asked about: before it is its first day, after it None.
    """

    bill_cycle_day: int
    starts_on: date
    ends_on: date | None
    ids: bytes


@dataclass(frozen=True)
class Alike(Served):
    """Agreements that are alike in everything a bill run sorts them by; all ids in the same order."""

    account_ids: bytes
    service_point_ids: bytes
    timezone: str
    jurisdiction: str
    customer_kind: str
    city: str


_SERVED = """
    SELECT bill_cycle_day, starts_on, ends_on, string_agg(int8send(id), ''::bytea){sorted}
      FROM (SELECT a.bill_cycle_day, greatest(g.starts_on, :first) AS starts_on,
                   CASE WHEN g.ends_on <= :last THEN g.ends_on END AS ends_on, g.id{more}
              FROM service_agreement g {joined}
             WHERE g.starts_on < :last AND (g.ends_on IS NULL OR g.ends_on > greatest(g.starts_on, :first)){only}) AS g
     GROUP BY bill_cycle_day, starts_on, ends_on{by}
     ORDER BY bill_cycle_day, starts_on, ends_on{by}
"""
_WHOLE = "JOIN account a ON a.id = g.account_id"
# for some thousand of a million: what belongs to each is looked up, never the whole of a table read
_FEW = """
              CROSS JOIN LATERAL (SELECT customer_id, jurisdiction, bill_cycle_day FROM account a
                                   WHERE a.id = g.account_id OFFSET 0) AS a"""
_HOME = """
              CROSS JOIN LATERAL (SELECT kind FROM customer c WHERE c.id = a.customer_id OFFSET 0) AS c
              CROSS JOIN LATERAL (SELECT premise_id FROM service_point s WHERE s.id = g.service_point_id OFFSET 0) AS s
              CROSS JOIN LATERAL (SELECT timezone, city FROM premise p WHERE p.id = s.premise_id OFFSET 0) AS p"""
_ALIKE = _SERVED.format(
    sorted=""",
           string_agg(int8send(account_id), ''::bytea), string_agg(int8send(service_point_id), ''::bytea),
           timezone, jurisdiction, kind, city""",
    more=", g.account_id, g.service_point_id, p.timezone, a.jurisdiction, c.kind, p.city",
    joined=_FEW + _HOME,
    only=" AND g.id = ANY(CAST(:ids AS bigint[]))",
    by=", timezone, jurisdiction, kind, city",
)
# only what is asked for stands in the statement: a plan made for any parameters must still find a few in a million
_ONLY = {
    "account_ids": " AND g.account_id = ANY(CAST(:account_ids AS bigint[]))",
    "cycle_day": " AND a.bill_cycle_day = :cycle_day",
}


def are_more_than(session: Session, *, count: int) -> bool:
    """This will say whether there are more agreements than that, alive or not; it looks at no more of them."""
    return session.scalar(text("SELECT 1 FROM service_agreement OFFSET :count LIMIT 1"), {"count": count}) is not None


def list_served(
    session: Session, *, period: Days, account_ids: Sequence[int] | None = None, cycle_day: int | None = None
) -> tuple[Served, ...]:
    """This will list the agreements alive on any day of a period by their days and cycle: all, or of some accounts, or
    of one cycle.
    """
    asked = {"account_ids": None if account_ids is None else db.array_of(account_ids), "cycle_day": cycle_day}
    given = {name: value for name, value in asked.items() if value is not None}
    only = "".join(_ONLY[name] for name in given)
    statement = _SERVED.format(sorted="", more="", joined=_WHOLE if account_ids is None else _FEW, only=only, by="")
    return tuple(Served(*row) for row in _rows(session, statement, period, given))


def list_alike(session: Session, *, period: Days, agreement_ids: Sequence[int]) -> tuple[Alike, ...]:
    """This will list, of some agreements, those alive on any day of a period, sorted into those that are alike."""
    rows = _rows(session, _ALIKE, period, {"ids": db.array_of(agreement_ids)})
    return tuple(Alike(*row) for row in rows)


def _rows(session: Session, statement: str, period: Days, given: Mapping[str, Any]) -> Sequence[Any]:
    asked = {"first": period.starts_on, "last": period.ends_on, **given}
    return session.execute(text(statement), asked).all()
