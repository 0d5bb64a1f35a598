"""Which alerts an account wants, where they go, and when it is quiet. Whether we may write at all says the consent."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from billing import alert_models
from billing.alert_models import CHANNELS as CHANNELS
from billing.alert_models import KINDS as KINDS
from billing.alert_models import PEAK as PEAK
from billing.alert_models import PROJECTED as PROJECTED
from billing.alert_models import UNUSUAL as UNUSUAL
from core import audit, errors, periods

QUIET = (21, 8)  # from nine in the evening to eight in the morning, unless they say otherwise


@dataclass(frozen=True)
class AlertSettings:
    account_id: int
    wanted: tuple[str, ...]
    channel: str | None  # None: the best that is allowed
    quiet_from: int
    quiet_to: int


def get_alert_settings(session: Session, *, account_id: int) -> AlertSettings:
    """This will give what an account wants; who never chose gets all unusual use, and nothing by night."""
    row = session.get(alert_models.AlertSettingRow, account_id)
    if row is None:
        return AlertSettings(account_id, UNUSUAL, None, *QUIET)
    wanted = tuple(kind for kind in KINDS if kind in row.wanted)
    return AlertSettings(account_id, wanted, row.channel, row.quiet_from, row.quiet_to)


def list_wanting(session: Session, *, kinds: Iterable[str], after: int = 0, limit: int = 500) -> tuple[int, ...]:
    """This will list accounts that asked for one of some kinds, from after an account on."""
    row = alert_models.AlertSettingRow
    query = select(row.account_id).where(row.account_id > after, row.wanted.overlap(list(kinds)))
    return tuple(session.scalars(query.order_by(row.account_id).limit(limit)))


def set_alert_settings(
    session: Session,
    *,
    account_id: int,
    wanted: Iterable[str],
    channel: str | None,
    quiet_from: int,
    quiet_to: int,
    now: datetime,
) -> AlertSettings:
    """This will keep what an account wants. Invalid alert.kind, alert.channel or alert.quiet for what there is not."""
    chosen = sorted(set(wanted), key=lambda kind: KINDS.index(kind) if kind in KINDS else -1)
    if not set(chosen) <= set(KINDS):
        raise errors.Invalid("alert.kind")
    if channel is not None and channel not in CHANNELS:
        raise errors.Invalid("alert.channel")
    if not (0 <= quiet_from <= 23 and 0 <= quiet_to <= 23):
        raise errors.Invalid("alert.quiet")
    values = {
        "wanted": chosen, "channel": channel, "quiet_from": quiet_from, "quiet_to": quiet_to, "set_at": now,
    }  # fmt: skip
    session.execute(
        insert(alert_models.AlertSettingRow)
        .values(account_id=account_id, **values)
        .on_conflict_do_update(index_elements=["account_id"], set_=values)
    )
    session.expire_all()
    audit.record(session, actor="customer", action="alerts_set", subject="account", subject_id=account_id, now=now)
    return get_alert_settings(session, account_id=account_id)


def quiet_for(settings: AlertSettings, *, timezone: str, now: datetime) -> float:
    """This will say for how many seconds more an account is not to be disturbed; 0 when it may be."""
    if settings.quiet_from == settings.quiet_to:
        return 0.0
    local = periods.local(now, timezone)
    inside = (local.hour - settings.quiet_from) % 24 < (settings.quiet_to - settings.quiet_from) % 24
    if not inside:
        return 0.0
    hours = (settings.quiet_to - local.hour - 1) % 24
    left = timedelta(hours=hours + 1) - timedelta(minutes=local.minute, seconds=local.second)
    return left.total_seconds()
