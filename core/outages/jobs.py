"""The clock's errands in outages."""

from core.compliance import operations as compliance
from core.compliance import rules
from core.hub import Hub
from core.outages import operations, planning, queries, reliability


def announce_silent(hub: Hub) -> None:
    """This will announce outages that meters told of and that are older than a blink. Every minute."""
    with hub.transaction() as session:
        operations.announce_silent(session, now=hub.now())


def start_planned(hub: Hub) -> None:
    """This will begin planned work whose time has come. Every minute."""
    with hub.transaction() as session:
        planning.start_planned(session, now=hub.now())


def watch_large_outages(hub: Hub) -> None:
    """This will start the DOE-417 clocks of outages larger and longer than its criterion. Every minute."""
    now = hub.now()
    where, zone = hub.settings.jurisdiction, hub.settings.utility_timezone
    with hub.transaction() as session:
        found = rules.rule(where, "doe_417_normal", now.date())
        for outage in queries.list_open_outages(session):
            lasted = reliability.minutes_between(outage.started_at, now)
            if outage.affected <= found.days("customers") or lasted < found.days("minutes"):
                continue
            for kind in ("DOE_417_NORMAL", "DOE_417_FINAL"):
                compliance.open_deadline(
                    session,
                    kind=kind,
                    subject="outage",
                    subject_id=outage.id,
                    key=f"outage:{outage.id}:{kind}",
                    jurisdiction=where,
                    timezone=zone,
                    now=now,
                )
