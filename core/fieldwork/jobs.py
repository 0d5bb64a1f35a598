"""The clock's errands in fieldwork."""

from datetime import timedelta

import holidays
from sqlalchemy import select

from core import periods
from core.fieldwork import calendar, models, operations, queries
from core.hub import Hub

REMIND_BEFORE = timedelta(hours=24)


def open_slots(hub: Hub) -> None:
    """This will open every crew's windows for the next 21 days, but on public holidays. Daily; again is nothing."""
    now, zone = hub.now(), hub.settings.utility_timezone
    today = periods.civil_day(now, zone)
    subdivision = hub.settings.jurisdiction.partition("-")[2] or None
    closed = frozenset(holidays.country_holidays("US", subdiv=subdivision, years=(today.year, today.year + 1)).keys())
    with hub.transaction() as session:
        crews = session.scalars(select(models.CrewRow).where(models.CrewRow.active).order_by(models.CrewRow.id)).all()
        for crew in crews:
            for starts_at, ends_at in calendar.windows(today, timezone=zone, holidays=closed):
                operations.open_slot(
                    session, crew_id=crew.id, starts_at=starts_at, ends_at=ends_at, capacity=crew.capacity
                )


def remind_appointments(hub: Hub) -> None:
    """This will record a reminder (appointment.reminder) of each visit of the next 24 hours. Every ten minutes."""
    now = hub.now()
    with hub.transaction() as session:
        for visit in queries.list_to_remind(session, after=now, before=now + REMIND_BEFORE):
            operations.mark_reminded(session, appointment_id=visit.id, now=now)
