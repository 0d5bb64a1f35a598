"""Keeping the house tidy: what was done long ago is let go, so that what is owed stays quick to find."""

from datetime import timedelta

from sqlalchemy import delete, exists, select

from core.hub import Hub
from core.outbox import DeliveryRow, FactRow

_KEEP = timedelta(days=14)
_CHUNK = 5_000


def purge_deliveries(hub: Hub) -> None:
    """This will delete deliveries that were done two weeks ago, and facts nobody is owed any more."""
    before = hub.now() - _KEEP
    while True:
        with hub.transaction() as session:
            old = session.scalars(
                select(DeliveryRow.id)
                .where(DeliveryRow.state == "DONE", DeliveryRow.done_at < before)
                .order_by(DeliveryRow.id)
                .limit(_CHUNK)
            ).all()
            session.execute(delete(DeliveryRow).where(DeliveryRow.id.in_(old)))
            session.execute(
                delete(FactRow).where(
                    FactRow.recorded_at < before,
                    FactRow.id.in_(
                        select(FactRow.id)
                        .where(FactRow.recorded_at < before, ~exists().where(DeliveryRow.fact_id == FactRow.id))
                        .limit(_CHUNK)
                    ),
                )
            )
        if len(old) < _CHUNK:
            return
