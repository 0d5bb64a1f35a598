"""Agreements that a run could not bill are parked with their chunk, each under a code. What the codes are."""

from collections.abc import Sequence
from datetime import date

from sqlalchemy import text
from sqlalchemy.orm import Session

from core import db

# what can pass: prices, reads, the bill before, a tariff, a plan put right; NO_SERVICE leaves nothing to be billed
WAITS = ("NO_PRICES", "NO_READS", "CARRIED", "NO_TARIFF", "UNPRICEABLE")
TOO_OLD = "TOO_OLD"  # the jurisdiction lets nobody bill so far back any more

_BEFORE = text(
    """
    SELECT DISTINCT p.key::bigint
      FROM bill_run_chunk c JOIN bill_run r ON r.id = c.run_id CROSS JOIN jsonb_each_text(c.parked) AS p
     WHERE c.parked <> '{}' AND p.value = ANY(:codes) AND p.key::bigint = ANY(CAST(:ids AS bigint[]))
       AND r.period_end_on >= :on AND r.period_end_on < :on + interval '1 month'
    """
)


def wait_before(session: Session, *, agreement_ids: Sequence[int], on: date) -> list[int]:
    """This will say which of some agreements still wait for the bill of the period that ended on a day."""
    asked = {"codes": list(WAITS), "ids": db.array_of(agreement_ids), "on": on}
    return list(session.scalars(_BEFORE, asked)) if agreement_ids else []
