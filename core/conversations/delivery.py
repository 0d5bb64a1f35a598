"""What became of a message: what the vendor said when it took it, and what its delivery reports said later."""

from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core import errors, outbox
from core.accounts import operations as accounts_operations
from core.conversations import models

RANK = {"OWED": 0, "UNCERTAIN": 1, "QUEUED": 1, "SENT": 2, "DELIVERED": 3, "READ": 4}
TERMINAL = frozenset(["FAILED", "UNDELIVERED", "CANCELLED", "SUPPRESSED"])
NOT_ARRIVED = frozenset(["FAILED", "UNDELIVERED"])
OPTED_OUT_CODES = frozenset(["21610", "channel.opted_out", "sms.opted_out", "recipient.opted_out"])


def record_delivery_status(
    session: Session,
    *,
    channel: str,
    external_id: str,
    status: str,
    error_code: str | None,
    at: datetime,
) -> bool:
    """This will apply a vendor's delivery report, by rank and never backwards; one for a message that is not known yet
    is parked. Gives whether anything changed. Fact ``message.status``.
    """
    if status not in RANK and status not in TERMINAL:
        raise errors.Invalid("message.status_unknown", status=status)
    session.execute(select(_external_lock(f"{channel}:{external_id}")))
    row = session.scalars(
        select(models.MessageRow)
        .where(
            models.MessageRow.channel == channel,
            models.MessageRow.direction == "OUT",
            models.MessageRow.external_id == external_id,
        )
        .with_for_update()
    ).one_or_none()
    if row is None:
        session.add(
            models.StatusReportRow(
                channel=channel, external_id=external_id, status=status, error_code=error_code, at=at
            )
        )
        session.flush()
        return False
    return _apply(session, row, status, error_code, at)


def mark_sent(session: Session, *, message_id: int, external_id: str | None, status: str, now: datetime) -> None:
    """This will note what the vendor said of a message it took, and apply the reports that were parked for it."""
    if external_id is not None:
        session.execute(
            select(_external_lock(models.MessageRow.channel + f":{external_id}")).where(
                models.MessageRow.id == message_id
            )
        )
    row = session.get(models.MessageRow, message_id, with_for_update=True)
    if row is None:
        return
    row.external_id = external_id
    if "sealed" in row.data:
        row.data = {name: value for name, value in row.data.items() if name != "sealed"}
    _apply(session, row, status, None, now)
    if external_id is None:
        return
    parked = session.scalars(
        select(models.StatusReportRow)
        .where(models.StatusReportRow.channel == row.channel, models.StatusReportRow.external_id == external_id)
        .order_by(models.StatusReportRow.id)
    ).all()
    for report in parked:
        _apply(session, row, report.status, report.error_code, report.at)
        session.delete(report)
    session.flush()


def mark_unsent(session: Session, *, message_id: int, status: str, error_code: str | None, now: datetime) -> None:
    """This will note that a message did not go (FAILED, SUPPRESSED), or that nobody knows (UNCERTAIN)."""
    row = session.get(models.MessageRow, message_id, with_for_update=True)
    if row is not None:
        _apply(session, row, status, error_code, now)


def _apply(session: Session, row: models.MessageRow, status: str, error_code: str | None, at: datetime) -> bool:
    current = RANK.get(row.status)
    if current is None or (status in TERMINAL and current >= RANK["DELIVERED"]):
        return False
    if status in RANK and RANK[status] <= current:
        return False
    row.status, row.status_at, row.error_code = status, at, error_code
    session.flush()
    if error_code in OPTED_OUT_CODES:
        _opted_out(session, row, at)
    if status == "SENT":
        return True  # what goes as it should is no news
    outbox.record_fact(
        session,
        "message.status",
        key=f"conversation:{row.conversation_id}",
        payload={"conversation_id": row.conversation_id, "message_id": row.id, "status": status},
        now=at,
    )
    return True


def _opted_out(session: Session, row: models.MessageRow, at: datetime) -> None:
    value, customer_id = session.execute(
        select(models.ChannelIdentityRow.value, models.ConversationRow.recognised_customer_id)
        .join(models.ConversationRow, models.ConversationRow.identity_id == models.ChannelIdentityRow.id)
        .where(models.ConversationRow.id == row.conversation_id)
    ).one()
    accounts_operations.record_consent(
        session,
        contact_value=value,
        customer_id=customer_id,
        channel=row.channel,
        granted=False,
        source=f"vendor:{row.error_code}",
        now=at,
    )


def _external_lock(name: Any) -> Any:
    """A report and the mark of the message it is about must not pass each other unseen."""
    return func.pg_advisory_xact_lock(func.hashtextextended(name, 0))
