"""Rows of alerts: the amount a bill may not pass, which alerts an account wants, and those that were told."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, SmallInteger, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from core import db
from metering import alerts

UNUSUAL = alerts.KINDS
PROJECTED, PEAK = "PROJECTED_HIGH_BILL", "PEAK_PERIOD"
KINDS = (*UNUSUAL, PROJECTED, PEAK)
CHANNELS = ("SMS", "WHATSAPP", "EMAIL")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


class BillAlertRow(db.Base):
    """A customer wants to hear when the running bill is on its way past an amount; told once in a bill period."""

    __tablename__ = "bill_alert"
    __table_args__ = (CheckConstraint("threshold_cents > 0", name="threshold"),)

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), primary_key=True)
    threshold_cents: Mapped[int]
    set_at: Mapped[datetime]
    told_for: Mapped[date | None]  # the first day of the bill period it was last told for


class AlertSettingRow(db.Base):
    """Which alerts an account wants, where, and when not to be disturbed; without a row the usual ones, by day."""

    __tablename__ = "alert_setting"
    __table_args__ = (
        CheckConstraint(f"wanted <@ ARRAY[{_listed(KINDS)}]", name="wanted"),
        CheckConstraint(f"channel IN ({_listed(CHANNELS)})", name="channel"),
        CheckConstraint("quiet_from BETWEEN 0 AND 23 AND quiet_to BETWEEN 0 AND 23", name="quiet"),
    )

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), primary_key=True)
    wanted: Mapped[list[str]] = mapped_column(ARRAY(Text))
    channel: Mapped[str | None]
    # the hour from which it is quiet; the same as `quiet_to`: never
    quiet_from: Mapped[int] = mapped_column(SmallInteger)
    quiet_to: Mapped[int] = mapped_column(SmallInteger)
    set_at: Mapped[datetime]


class AccountAlertRow(db.Base):
    """An alert about the running bill or the dear hours, told once for a period."""

    __tablename__ = "account_alert"
    __table_args__ = (CheckConstraint(f"kind IN ({_listed((PROJECTED, PEAK))})", name="kind"),)

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    period_from: Mapped[date] = mapped_column(primary_key=True)
    data: Mapped[dict[str, Any]]
    told_at: Mapped[datetime]
