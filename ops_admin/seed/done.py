"""The entry that says the utility is there: small to ask for, because every start asks."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from core import audit

ACTION = "seed.done"


def find(session: Session) -> audit.AuditRow | None:
    """This will give the entry of the seed that filled this database, or None when none did."""
    return session.scalars(select(audit.AuditRow).where(audit.AuditRow.action == ACTION).limit(1)).one_or_none()
