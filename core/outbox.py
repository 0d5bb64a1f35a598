"""Facts, and who is owed them.

A fact is a row written in the transaction of the work it tells of. For each subscriber a delivery row is owed until it
is done; the queue carries only the delivery's id (the bell, not the letter), and a sweep rings again whatever was not
heard. Deliveries of one subscriber and order key run one at a time, in the order they were written.
"""

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

import redis
from sqlalchemy import CheckConstraint, ForeignKey, Index, exists, func, select, text, update
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column

from core import crypto, db, errors, log

if TYPE_CHECKING:
    from core.hub import Hub

logger = log.get(__name__)

LEASE = timedelta(seconds=45)
MAX_ATTEMPTS = 14  # with the back-off below: about eight hours
_BACK_OFF_BASE = 2.0
_BACK_OFF_CAP = 3600.0


class FactRow(db.Base):
    __tablename__ = "fact"
    __table_args__ = (Index(None, "name", "recorded_at"), Index(None, "order_key"))

    id: Mapped[int] = db.primary_key()
    name: Mapped[str]
    order_key: Mapped[str]
    payload: Mapped[dict[str, Any]]
    recorded_at: Mapped[datetime]


class DeliveryRow(db.Base):
    __tablename__ = "delivery"
    __table_args__ = (
        CheckConstraint("state IN ('OWED', 'DONE', 'DEAD')", name="state"),
        Index("ix_delivery_owed", "due_at", postgresql_where="state = 'OWED'"),
        Index("ix_delivery_order", "subscriber", "order_key", "id", postgresql_where="state = 'OWED'"),
        Index("ix_delivery_dead", "id", postgresql_where="state = 'DEAD'"),
    )

    id: Mapped[int] = db.primary_key()
    fact_id: Mapped[int] = mapped_column(ForeignKey("fact.id"), index=True)
    subscriber: Mapped[str]
    order_key: Mapped[str]
    state: Mapped[str] = mapped_column(default="OWED")
    attempts: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime]
    lease: Mapped[str | None]
    leased_until: Mapped[datetime | None]
    last_error: Mapped[str | None]
    done_at: Mapped[datetime | None]


@dataclass(frozen=True)
class Fact:
    """What happened. `payload` holds ids and plain values, never secrets."""

    id: int
    name: str
    order_key: str
    payload: Mapping[str, Any]
    recorded_at: datetime


Handler = Callable[["Hub", Fact], None]

# Every message a customer sends passes here several times, so each step is one statement, and written out.
# Taking and closing a delivery need not survive a power cut (`synchronous_commit`): what is lost then is owed again,
# and handlers run twice without harm. The work in between is committed in its own transactions, for good.

# Part of a statement that has `news (place, name, key, payload)`: the facts, and what is owed for them.
TELLING = """numbered AS MATERIALIZED (
        SELECT nextval(pg_get_serial_sequence('fact', 'id')) AS id, place, name, key, payload FROM news ORDER BY place
    ), facts AS (
        INSERT INTO fact (id, name, order_key, payload, recorded_at)
        SELECT id, name, key, payload, :now FROM numbered ORDER BY place
    ), owed AS (
        INSERT INTO delivery (fact_id, subscriber, order_key, state, attempts, due_at, lease, leased_until)
        SELECT numbered.id, asked.subscriber, numbered.key, 'OWED', CASE WHEN first.lease IS NULL THEN 0 ELSE 1 END,
            asked.due_at, first.lease, CASE WHEN first.lease IS NOT NULL THEN :leased_until END
        FROM unnest(CAST(:places AS bigint[]), CAST(:subscribers AS text[]), CAST(:due AS timestamptz[]),
                CAST(:leases AS text[])) AS asked(place, subscriber, due_at, lease)
            JOIN numbered USING (place)
            LEFT JOIN LATERAL (
                SELECT asked.lease WHERE asked.lease IS NOT NULL AND NOT EXISTS (
                    SELECT FROM delivery AS earlier
                    WHERE earlier.subscriber = asked.subscriber AND earlier.order_key = numbered.key
                      AND earlier.state = 'OWED')) AS first ON true
        ORDER BY place
        RETURNING id, fact_id, subscriber, lease
    )"""
TOLD = """SELECT numbered.place, numbered.id AS fact_id, numbered.key, numbered.payload,
        owed.id, owed.subscriber, owed.lease
    FROM numbered LEFT JOIN owed ON owed.fact_id = numbered.id"""
_RECORD = text(f"""
    WITH news AS (
        SELECT place, name, key, CAST(payload AS jsonb) AS payload
        FROM unnest(CAST(:names AS text[]), CAST(:keys AS text[]), CAST(:payloads AS text[]))
            WITH ORDINALITY AS news(name, key, payload, place)
    ), {TELLING}
    {TOLD} ORDER BY place, owed.id
""")  # noqa: S608 - of our own words
# The same for very many facts of one name, of which nobody waits to hear: no id comes back, and no bell is rung.
_RECORD_MANY = text("""
    WITH told AS (
        INSERT INTO fact (name, order_key, payload, recorded_at)
        SELECT :name, key, CAST(payload AS jsonb), :now
        FROM unnest(CAST(:keys AS text[]), CAST(:payloads AS text[])) WITH ORDINALITY AS news(key, payload, place)
        ORDER BY place
        RETURNING id, order_key
    )
    INSERT INTO delivery (fact_id, subscriber, order_key, state, attempts, due_at)
    SELECT told.id, asked.subscriber, told.order_key, 'OWED', 0, asked.due_at
    FROM told CROSS JOIN unnest(CAST(:subscribers AS text[]), CAST(:due AS timestamptz[])) AS asked(subscriber, due_at)
    ORDER BY told.id
""")
_CLAIM = text("""
    UPDATE delivery SET lease = :lease, leased_until = :until, attempts = delivery.attempts + 1
    FROM fact
    WHERE fact.id = delivery.fact_id AND delivery.id = (
        SELECT owed.id FROM delivery AS owed
        WHERE owed.id = :id AND owed.state = 'OWED' AND owed.due_at <= :now
          AND (owed.leased_until IS NULL OR owed.leased_until <= :now)
          AND NOT EXISTS (
              SELECT FROM delivery AS earlier
              WHERE earlier.subscriber = owed.subscriber AND earlier.order_key = owed.order_key
                AND earlier.state = 'OWED' AND earlier.id < owed.id)
        FOR UPDATE OF owed SKIP LOCKED)
    RETURNING delivery.subscriber, delivery.attempts, fact.id, fact.name, fact.order_key, fact.payload,
        fact.recorded_at, set_config('synchronous_commit', 'off', true), EXISTS (
            SELECT FROM delivery AS later JOIN fact AS news ON news.id = later.fact_id
            WHERE later.subscriber = delivery.subscriber AND later.order_key = delivery.order_key
              AND later.state = 'OWED' AND later.id > delivery.id AND news.payload = fact.payload) AS superseded
""")
_HAND_BACK = text("""
    UPDATE delivery SET lease = NULL, leased_until = NULL, attempts = attempts - 1 WHERE id = :id AND lease = :lease
    RETURNING set_config('synchronous_commit', 'off', true)
""")
_CLOSE = text("""
    WITH closed AS (
        UPDATE delivery
        SET state = :state, last_error = :error, done_at = :now, lease = NULL, leased_until = NULL
        WHERE id = :id AND lease = :lease
        RETURNING subscriber, order_key
    )
    SELECT closed.subscriber, set_config('synchronous_commit', 'off', true), (
        SELECT id FROM delivery AS next
        WHERE next.subscriber = closed.subscriber AND next.order_key = closed.order_key
          AND next.state = 'OWED' AND next.due_at <= :now AND next.id <> :id
        ORDER BY id LIMIT 1) AS following
    FROM closed
""")
_POSTPONE = text("""
    UPDATE delivery
    SET due_at = :due_at, last_error = :error, attempts = attempts - :uncounted, lease = NULL, leased_until = NULL
    WHERE id = :id AND lease = :lease
    RETURNING subscriber
""")


@dataclass(frozen=True)
class Subscriber:
    """Who hears a fact: a stable name, the handler, and the queue its bell rings in.

    `after` seconds: it is in no hurry, and what a customer waits for goes first. No bell is rung then; the sweep finds
    the delivery when it is due. `latest`: it tells how things stand, so of the same owed more than once the last does.
    """

    name: str
    handler: Handler
    queue: str = "default"
    after: float = 0.0
    latest: bool = False


@dataclass(frozen=True)
class Claimed:
    """A delivery somebody holds: nobody else runs it until the lease runs out."""

    delivery_id: int
    lease: str
    subscriber: str
    fact: Fact
    attempts: int
    superseded: bool = False  # the same is owed to the same subscriber once more


class Lane(Protocol):
    """Who runs deliveries right where their facts are written: it has them claimed before others hear of them."""

    def wants(self, queue: str) -> bool:
        """This will say whether a delivery of this queue would be run here, now."""

    def run(self, claimed: Claimed) -> None:
        """This will run a delivery that is held, or hand it back."""


@dataclass(frozen=True)
class News:
    """A fact that is about to be recorded. `key` orders: see `record_fact`.

    Without `bell` whoever records it also runs what is owed, at once; should that fail, the sweep finds it.
    """

    name: str
    key: str
    payload: Mapping[str, Any]
    bell: bool = True


def record_fact(session: Session, name: str, *, key: str, payload: Mapping[str, Any], now: datetime) -> int:
    """This will write a fact and one owed delivery per subscriber, and ring for them once committed.

    `key` orders: facts with the same key reach a subscriber one at a time and in this order.
    """
    return record_facts(session, [News(name, key, payload)], now=now)[0]


def record_many(
    session: Session, name: str, *, keys: Sequence[str], payloads: Sequence[Mapping[str, Any]], now: datetime
) -> None:
    """This will write thousands of facts of one name, as `record_fact` does each; the sweep finds their deliveries."""
    subscribers = _subscribed(session, name)
    session.flush()
    session.execute(
        _RECORD_MANY,
        {
            "name": name,
            "keys": list(keys),
            "payloads": [json.dumps(dict(payload)) for payload in payloads],
            "now": now,
            "subscribers": [each.name for each in subscribers],
            "due": [now + timedelta(seconds=each.after) for each in subscribers],
        },
    )


def record_facts(session: Session, news: Sequence[News], *, now: datetime) -> list[int]:
    """This will write some facts in their order, as `record_fact` does each, in one statement; gives their ids."""
    session.flush()  # a fact stands after the work it tells of
    rows = session.execute(
        _RECORD,
        {
            "names": [fact.name for fact in news],
            "keys": [fact.key for fact in news],
            "payloads": [json.dumps(dict(fact.payload)) for fact in news],
            **owing(session, news, now=now),
        },
    ).all()
    return rung(session, news, rows, now=now)


def owing(session: Session, news: Sequence[News], *, now: datetime) -> dict[str, Any]:
    """This will give the parameters of `TELLING` but the news itself: who is owed which of them, and when."""
    lane: Lane | None = session.info.get("lane")
    asked = [(place, fact, each) for place, fact in enumerate(news, 1) for each in _subscribed(session, fact.name)]
    return {
        "now": now,
        "places": [place for place, _, _ in asked],
        "subscribers": [each.name for _, _, each in asked],
        "due": [now + timedelta(seconds=each.after) for _, _, each in asked],
        "leases": [
            crypto.token(9) if lane and fact.bell and not each.after and lane.wants(each.queue) else None
            for _, fact, each in asked
        ],
        "leased_until": now + LEASE,
    }


def rung(session: Session, news: Sequence[News], rows: Sequence[Any], *, now: datetime) -> list[int]:
    """This will see that what was told (the rows of `TOLD`) is run here, or its bells ring, once it is committed; gives
    the facts' ids.
    """
    urgent: list[tuple[int, str]] = []
    for row in rows:
        fact = news[row.place - 1]
        if row.lease is not None:
            held = Claimed(
                row.id, row.lease, row.subscriber, Fact(row.fact_id, fact.name, row.key, row.payload, now), 1
            )
            db.after_commit(session, functools.partial(session.info["lane"].run, held))
        elif row.id is not None and fact.bell:
            each = next(each for each in _subscribed(session, fact.name) if each.name == row.subscriber)
            if not each.after:
                urgent.append((row.id, each.queue))
    if urgent:
        ring = session.info["ring"]
        db.after_commit(session, lambda: ring(urgent))
    return list({row.place: int(row.fact_id) for row in rows}.values())


def deliver(hub: "Hub", delivery_id: int) -> str:
    """This will run one owed delivery, if it is due, free, and first of its key. Gives what became of it."""
    claimed = _claim(hub, delivery_id)
    if claimed is None:
        return "SKIPPED"
    if claimed.superseded and hub.subscriber(claimed.subscriber).latest:
        return _close(hub, delivery_id, claimed.lease, "DONE", None)
    return run(hub, claimed)


def run(hub: "Hub", claimed: Claimed) -> str:
    """This will run a delivery that is held. Gives what became of it."""
    delivery_id, lease, subscriber, attempts = claimed.delivery_id, claimed.lease, claimed.subscriber, claimed.attempts
    try:
        hub.subscriber(subscriber).handler(hub, claimed.fact)
    except errors.Later as later:
        return _postpone(hub, delivery_id, lease, later.seconds, None, count=False)
    except errors.ProviderError as exc:
        if exc.retryable and attempts < MAX_ATTEMPTS:
            return _postpone(hub, delivery_id, lease, exc.retry_after or _back_off(attempts), str(exc))
        return _close(hub, delivery_id, lease, "DEAD", str(exc))
    except (OperationalError, redis.RedisError) as exc:
        # our own database or Redis went away: whatever was not committed did not happen, so try again
        return _postpone(hub, delivery_id, lease, _back_off(attempts), type(exc).__name__)
    except errors.WattlineError as exc:
        return _close(hub, delivery_id, lease, "DEAD", str(exc))
    except Exception as exc:
        logger.exception("delivery_failed", extra={"delivery_id": delivery_id, "subscriber": subscriber})
        if isinstance(exc, DBAPIError) and exc.connection_invalidated:
            return _postpone(hub, delivery_id, lease, _back_off(attempts), type(exc).__name__)
        return _close(hub, delivery_id, lease, "DEAD", f"{type(exc).__name__}: {exc}"[:500])
    return _close(hub, delivery_id, lease, "DONE", None)


def hand_back(hub: "Hub", claimed: Claimed) -> None:
    """This will let somebody else run a delivery that is held and was not begun."""
    with hub.single() as connection:
        connection.execute(_HAND_BACK, {"id": claimed.delivery_id, "lease": claimed.lease})
    hub.ring([(claimed.delivery_id, hub.subscriber(claimed.subscriber).queue)])


def list_due(session: Session, *, now: datetime, limit: int = 500) -> list[tuple[int, str]]:
    """This will list owed deliveries that could run now, as (id, subscriber), oldest first."""
    earlier = aliased(DeliveryRow)
    rows = session.execute(
        select(DeliveryRow.id, DeliveryRow.subscriber)
        .where(
            DeliveryRow.state == "OWED",
            DeliveryRow.due_at <= now,
            func.coalesce(DeliveryRow.leased_until, now) <= now,
            ~exists().where(_before(earlier)),
        )
        .order_by(DeliveryRow.due_at)
        .limit(limit)
    )
    return [(row.id, row.subscriber) for row in rows]


def list_owed(session: Session, *, subscriber: str, order_key: str) -> list[int]:
    """This will list what one subscriber is still owed under one key, due or not, in order."""
    return list(
        session.scalars(
            select(DeliveryRow.id)
            .where(
                DeliveryRow.subscriber == subscriber,
                DeliveryRow.order_key == order_key,
                DeliveryRow.state == "OWED",
            )
            .order_by(DeliveryRow.id)
        )
    )


def retry_dead(session: Session, *, delivery_ids: list[int], now: datetime) -> int:
    """This will make dead deliveries owed again; gives how many."""
    result = session.execute(
        update(DeliveryRow)
        .where(DeliveryRow.id.in_(delivery_ids), DeliveryRow.state == "DEAD")
        .values(state="OWED", due_at=now, attempts=0, lease=None, leased_until=None)
    )
    return int(result.rowcount)  # type: ignore[attr-defined]


def drain(hub: "Hub", *, limit: int = 10_000) -> int:
    """This will run everything that is due, here and now, until nothing is: for tests and for set-up."""
    done = 0
    while done < limit:
        with hub.transaction() as session:
            due = list_due(session, now=hub.now(), limit=100)
        if not due:
            break
        for delivery_id, _ in due:
            deliver(hub, delivery_id)
            done += 1
    return done


def _subscribed(session: Session, name: str) -> Sequence[Subscriber]:
    return session.info.get("subscriptions", {}).get(name, ())  # type: ignore[no-any-return]


def _before(earlier: Any) -> Any:
    return (
        (earlier.subscriber == DeliveryRow.subscriber)
        & (earlier.order_key == DeliveryRow.order_key)
        & (earlier.state == "OWED")
        & (earlier.id < DeliveryRow.id)
    )


def _claim(hub: "Hub", delivery_id: int) -> Claimed | None:
    now = hub.now()
    lease = crypto.token(9)
    with hub.single() as connection:
        row = connection.execute(
            _CLAIM, {"id": delivery_id, "now": now, "lease": lease, "until": now + LEASE}
        ).one_or_none()
    if row is None:
        return None
    fact = Fact(row.id, row.name, row.order_key, row.payload, row.recorded_at)
    return Claimed(delivery_id, lease, row.subscriber, fact, row.attempts, row.superseded)


def _close(hub: "Hub", delivery_id: int, lease: str, state: str, error: str | None) -> str:
    with hub.single() as connection:
        row = connection.execute(
            _CLOSE, {"id": delivery_id, "lease": lease, "state": state, "error": error, "now": hub.now()}
        ).one_or_none()
    if row is None:
        return "LOST"  # the lease ran out and somebody else has it: their mark counts
    if row.following is not None:
        hub.ring([(row.following, hub.subscriber(row.subscriber).queue)])
    if state == "DEAD":
        logger.error("delivery_dead", extra={"delivery_id": delivery_id, "reason": error})
    return state


def _postpone(
    hub: "Hub", delivery_id: int, lease: str, seconds: float, error: str | None, *, count: bool = True
) -> str:
    due_at = hub.now() + timedelta(seconds=seconds)
    with hub.transaction() as session:
        subscriber = session.execute(
            _POSTPONE,
            {"id": delivery_id, "lease": lease, "due_at": due_at, "error": error, "uncounted": 0 if count else 1},
        ).scalar()
        if subscriber is None:
            return "LOST"
        queue = hub.subscriber(subscriber).queue
        # short waits ring by themselves; long ones are left to the sweep
        if seconds <= 60:
            db.after_commit(session, lambda: hub.ring_later([(delivery_id, queue)], seconds))
    return "OWED"


def _back_off(attempts: int) -> float:
    return min(_BACK_OFF_CAP, float(_BACK_OFF_BASE ** min(attempts, 12)))
