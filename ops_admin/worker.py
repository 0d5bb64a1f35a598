"""The worker: it hears bells, runs what is owed, and keeps the clock.

Celery carries delivery ids only. A bell that was lost (Redis restarted, the worker was killed) is rung again by the
sweep, from the rows that are owed in PostgreSQL.
"""

import functools
import os
import signal
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import celery
from celery import signals
from sqlalchemy import text

from core import errors, heap, log, outbox
from core import hub as hubs
from ops_admin import clock, config, schedule
from ops_admin.stack import embedded

logger = log.get(__name__)

SWEEP_EVERY = 3.0
_SWEEP_GRACE = timedelta(seconds=2)  # a bell that has just been rung is on its way

app = celery.Celery("wattline")


def configure(redis_url: str) -> celery.Celery:
    """This will point the queue at Redis, and let the clock ring for the sweep: what is due it asks the database."""
    app.conf.update(
        broker_url=redis_url,
        result_backend=None,
        task_ignore_result=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=4,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            "visibility_timeout": 300,
            "socket_timeout": 10,
            "socket_connect_timeout": 3,
            "priority_steps": [0],  # bells have no ranks: one list a queue to listen to, not four
        },
        task_default_queue="default",
        worker_hijack_root_logger=False,
        worker_send_task_events=False,
        timezone="UTC",
        beat_schedule={
            "sweep": {"task": "sweep", "schedule": SWEEP_EVERY, "options": {"expires": SWEEP_EVERY}},
        },
    )
    return app


def ring(bells: Sequence[hubs.Bell]) -> None:
    """This will ring for owed deliveries. A dead broker is no failure: the sweep will ring again."""
    _send(bells, None)


def ring_later(bells: Sequence[hubs.Bell], seconds: float) -> None:
    """This will ring for owed deliveries after a short wait."""
    _send(bells, seconds)


def _send(bells: Sequence[hubs.Bell], countdown: float | None) -> None:
    try:
        for delivery_id, queue in bells:
            app.send_task("deliver", (delivery_id,), queue=queue, countdown=countdown, retry=False, ignore_result=True)
    except Exception:
        # the letter is safe in PostgreSQL; only the bell was lost
        logger.warning("bell_lost", extra={"deliveries": [b[0] for b in bells]})


@functools.lru_cache(maxsize=1)
def _hub() -> hubs.Hub:
    from ops_admin import wiring  # the wiring knows this module: it gives the hub its bells

    hub: hubs.Hub = wiring.build(config.load())
    heap.keep()
    return hub


@app.task(name="deliver")  # type: ignore[untyped-decorator]
def deliver(delivery_id: int) -> None:
    outbox.deliver(_hub(), delivery_id)


@app.task(name="sweep")  # type: ignore[untyped-decorator]
def sweep() -> None:
    hub = _hub()
    with hub.transaction() as session:
        due = outbox.list_due(session, now=hub.now() - _SWEEP_GRACE)
        jobs = clock.list_due(session, jobs=schedule.JOBS, now=hub.now())
    hub.ring([(delivery_id, hub.subscriber(name).queue) for delivery_id, name in due])
    for name in jobs:  # lost or doubled, it does no harm: it is due until it has begun
        app.send_task("run_job", (name,), retry=False, ignore_result=True, expires=SWEEP_EVERY)


@app.task(name="run_job")  # type: ignore[untyped-decorator]
def run_job(name: str) -> None:
    """One job runs once at a time in the whole installation; a second bell for it finds the door closed."""
    hub = _hub()
    job = next(job for job in schedule.JOBS if job.name == name)
    with hub.sessions.kw["bind"].connect() as connection:
        locked = connection.scalar(text("SELECT pg_try_advisory_lock(hashtext(:name))"), {"name": f"job:{name}"})
        if not locked:
            return
        try:
            with hub.transaction() as session:
                if not clock.begin(session, job=job, now=hub.now()):
                    return
            error = _run(job, hub)
            with hub.transaction() as session:
                clock.end(session, name=name, now=hub.now(), error=error)
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(hashtext(:name))"), {"name": f"job:{name}"})


def _run(job: clock.Job, hub: hubs.Hub) -> str | None:
    """Why it failed, if it did."""
    try:
        job.run(hub)
    except errors.Later:
        logger.info("job_later", extra={"job": job.name})  # its next hour comes by the clock
    except Exception as exc:
        logger.exception("job_failed", extra={"job": job.name})
        return f"{type(exc).__name__}: {exc}"[:500]
    return None


@signals.setup_logging.connect  # type: ignore[untyped-decorator]
def _logging(**_: Any) -> None:
    log.set_up(config.load().log_level)


@signals.beat_embedded_init.connect  # type: ignore[untyped-decorator]
def _clock_dies_with_its_worker(**_: Any) -> None:
    """The clock is a process of its own: a worker that is killed must not leave it ticking beside the next one's."""
    embedded.die_with_parent(signal.SIGKILL)()
    if os.getppid() == 1:  # it has gone already
        os._exit(0)


@signals.worker_ready.connect  # type: ignore[untyped-decorator]
def _ready(**_: Any) -> None:
    logger.info("worker_ready")
