"""Agreements sorted into those that are alike, for runs over millions: no object for each, their ids as one string."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

from core import db
from core.periods import Days

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Served:
    """Days on which agreements of one cycle are served, cut to the period that was asked about: a start before it is
    its first day, an end after it None.
    """

    bill_cycle_day: int
    starts_on: date
    ends_on: date | None


@dataclass(frozen=True)
class Alike(Served):
    """Everything a bill run sorts agreements by."""

    timezone: str
    jurisdiction: str
    customer_kind: str
    city: str


@dataclass(frozen=True)
class Cohort:
    """Agreements, their ids rising, each like one of `alike`: the one whose place is in `of`. Arrays are [n]."""

    ids: Ints
    account_ids: Ints
    service_point_ids: Ints
    of: Ints
    alike: tuple[Alike, ...]


_ALIVE = "g.starts_on < :last AND (g.ends_on IS NULL OR g.ends_on > greatest(g.starts_on, :first))"
_SPAN = "greatest(g.starts_on, :first) AS starts_on, CASE WHEN g.ends_on <= :last THEN g.ends_on END AS ends_on"
_SERVED = """
    SELECT string_agg(int8send(id), ''::bytea), bill_cycle_day, starts_on, ends_on
      FROM (SELECT g.id, a.bill_cycle_day, {span} FROM service_agreement g {account} WHERE {alive}{only}) AS g
     GROUP BY bill_cycle_day, starts_on, ends_on
     ORDER BY bill_cycle_day, starts_on, ends_on
"""
_WHOLE = "JOIN account a ON a.id = g.account_id"
# for some thousand of a million: what belongs to each is looked up, never the whole of a table read
_FEW = "CROSS JOIN LATERAL (SELECT bill_cycle_day FROM account a WHERE a.id = g.account_id OFFSET 0) AS a"
# only what is asked for stands in the statement: a plan made for any parameters must still find a few in a million
_ONLY = {
    "account_ids": " AND g.account_id = ANY(CAST(:account_ids AS bigint[]))",
    "cycle_day": " AND a.bill_cycle_day = :cycle_day",
}

_AGREEMENTS = text(
    f"""
    SELECT string_agg(int8send(id), ''::bytea), string_agg(int8send(account_id), ''::bytea),
           string_agg(int8send(service_point_id), ''::bytea), starts_on, ends_on
      FROM (SELECT g.id, g.account_id, g.service_point_id, {_SPAN}
              FROM service_agreement g WHERE g.id = ANY(CAST(:ids AS bigint[])) AND {_ALIVE}) AS g
     GROUP BY starts_on, ends_on
    """  # noqa: S608 - parts of this module
)
_ACCOUNTS = text(
    """
    SELECT string_agg(int8send(id), ''::bytea), string_agg(int8send(customer_id), ''::bytea),
           bill_cycle_day, jurisdiction
      FROM account WHERE id = ANY(CAST(:ids AS bigint[])) GROUP BY bill_cycle_day, jurisdiction
    """
)
_CUSTOMERS = text(
    "SELECT string_agg(int8send(id), ''::bytea), kind"
    " FROM customer WHERE id = ANY(CAST(:ids AS bigint[])) GROUP BY kind"
)
_POINTS = text(
    "SELECT string_agg(int8send(id), ''::bytea), string_agg(int8send(premise_id), ''::bytea)"
    " FROM service_point WHERE id = ANY(CAST(:ids AS bigint[]))"
)
_PREMISES = text(
    "SELECT string_agg(int8send(id), ''::bytea), timezone, city"
    " FROM premise WHERE id = ANY(CAST(:ids AS bigint[])) GROUP BY timezone, city"
)


def are_more_than(session: Session, *, count: int) -> bool:
    """This will say whether there are more agreements than that, alive or not; it looks at no more of them."""
    return session.scalar(text("SELECT 1 FROM service_agreement OFFSET :count LIMIT 1"), {"count": count}) is not None


def list_served(
    session: Session, *, period: Days, account_ids: Sequence[int] | None = None, cycle_day: int | None = None
) -> tuple[tuple[Served, Ints], ...]:
    """This will list the agreements alive on any day of a period by their days and cycle: all, or of some accounts, or
    of one cycle; the ids of each in any order.
    """
    asked = {"account_ids": None if account_ids is None else db.array_of(account_ids), "cycle_day": cycle_day}
    given = {name: value for name, value in asked.items() if value is not None}
    statement = _SERVED.format(
        span=_SPAN, account=_WHOLE if account_ids is None else _FEW, alive=_ALIVE,
        only="".join(_ONLY[name] for name in given),
    )  # fmt: skip
    rows = session.execute(text(statement), {"first": period.starts_on, "last": period.ends_on, **given}).all()
    return tuple((Served(*days), db.ints(ids)) for ids, *days in rows)


def list_alike(session: Session, *, period: Days, agreement_ids: Sequence[int]) -> Cohort:
    """This will sort those of some agreements that are alive on any day of a period into those that are alike.

    Each table is asked by itself for all its rows: in a join the server would go down an index for every one of them.
    """
    agreements = _find(session, _AGREEMENTS, agreement_ids, 2, first=period.starts_on, last=period.ends_on)
    account_ids, point_ids = agreements.links
    accounts = _find(session, _ACCOUNTS, account_ids, 1)
    points = _find(session, _POINTS, point_ids, 1)
    (customer_ids,), (premise_ids,) = accounts.of(account_ids).links, points.of(point_ids).links
    parts = (
        agreements,
        accounts.of(account_ids),
        _find(session, _CUSTOMERS, customer_ids).of(customer_ids),
        _find(session, _PREMISES, premise_ids).of(premise_ids),
    )
    kinds, of = np.unique(np.stack([part.kinds for part in parts]), axis=1, return_inverse=True)
    alike = []
    for numbers in kinds.T.tolist():
        (starts_on, ends_on), (cycle_day, jurisdiction), (kind,), (timezone, city) = (
            part.values[number] for part, number in zip(parts, numbers, strict=True)
        )
        alike.append(Alike(cycle_day, starts_on, ends_on, timezone, jurisdiction, kind, city))
    return Cohort(agreements.ids, account_ids, point_ids, of.reshape(-1), tuple(alike))


@dataclass(frozen=True)
class _Found:
    """Rows of a table: what each links to, and where its values are among those that occur. Arrays are [n]."""

    ids: Ints
    links: tuple[Ints, ...]
    kinds: Ints
    values: Sequence[tuple[Any, ...]]

    def of(self, ids: Ints) -> "_Found":
        """This will give the rows of some ids, each of which is there, in their order. The rows' own ids rise."""
        at = np.searchsorted(self.ids, ids)
        return _Found(ids, tuple(link[at] for link in self.links), self.kinds[at], self.values)


def _find(session: Session, statement: TextClause, ids: Sequence[int] | Ints, links: int = 0, **asked: date) -> _Found:
    """A statement gives, for each kind of row, ids and links strung together, and the values they have in common."""
    rows = session.execute(statement, {"ids": db.array_of(ids), **asked}).all()
    columns = [[db.ints(row[at]) for row in rows] for at in range(1 + links)]
    found, *linked = (np.concatenate(column) if column else db.ints(None) for column in columns)
    order = np.argsort(found, kind="stable")
    kinds = np.repeat(np.arange(len(rows)), [len(part) for part in columns[0]])
    return _Found(found[order], tuple(link[order] for link in linked), kinds[order], [row[1 + links :] for row in rows])
