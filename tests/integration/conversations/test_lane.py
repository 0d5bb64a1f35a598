"""The short way to an answer: here while a thread is free, else where it always was."""

import threading
from collections.abc import Callable

from core import outbox, ports
from core.conversations import operations as conversations
from ops_admin import lane
from tests import fakes
from tests.conftest import FakeHub


class Slow(fakes.FakeAssistant):
    """Thinks until it is told to go on."""

    def __init__(self) -> None:
        super().__init__(script=lambda turn: ports.Answer((ports.Reply("talk.greet"),), "greet", 0.9))
        self.thinking, self.go_on = threading.Semaphore(0), threading.Event()

    def ask(self, turn: ports.Turn) -> ports.Answer:
        self.thinking.release()
        assert self.go_on.wait(20)
        return super().ask(turn)


def say(hub: FakeHub, visitor: str) -> int:
    inbound = conversations.Inbound(
        channel="WEB", identity_kind="VISITOR", identity=visitor, external_id=None, text="hello", client_id=visitor
    )
    with hub.transaction() as session:
        return conversations.receive_message(
            session, inbound=inbound, now=hub.now(), settings=hub.settings
        ).conversation_id


def states(hub: FakeHub) -> list[str]:
    with hub.transaction() as session:
        rows = session.query(outbox.DeliveryRow).filter(outbox.DeliveryRow.subscriber.like("%answer_message"))
        return sorted(row.state for row in rows)


def test_a_free_thread_answers_here_and_the_rest_goes_to_the_workers(
    committed_hub: Callable[..., FakeHub],
) -> None:
    rung: list[tuple[int, str]] = []
    slow = Slow()
    hub = committed_hub(assistant=slow, ring=rung.extend)
    hub = hub.with_(settings=hub.settings.model_copy(update={"burst_chat": 0.0}))
    door = lane.beside(hub, threads=1)
    say(door, "first")
    assert slow.thinking.acquire(timeout=20)  # it is being answered, in this process
    assert rung == []
    say(door, "second")
    assert [queue for _, queue in rung] == ["turns"]  # the thread is taken: a worker has it
    assert states(hub) == ["OWED", "OWED"]
    slow.go_on.set()
    done = threading.Event()
    while states(hub) != ["DONE", "OWED"]:
        assert not done.wait(0.05)
    assert outbox.deliver(hub, rung[0][0]) == "DONE"
    later = (f"later-{n}" for n in range(100))
    assert any(say(door, visitor) and slow.thinking.acquire(timeout=0.2) for visitor in later)  # free again


def test_a_lane_that_is_full_by_the_time_hands_back_what_it_claimed(committed_hub: Callable[..., FakeHub]) -> None:
    rung: list[tuple[int, str]] = []
    slow = Slow()
    hub = committed_hub(assistant=slow, ring=rung.extend)
    hub = hub.with_(settings=hub.settings.model_copy(update={"burst_chat": 0.0}))
    door = lane.beside(hub, threads=1)
    with door.transaction() as session:
        inbound = [
            conversations.Inbound("WEB", "VISITOR", name, None, text="hello", client_id=name) for name in ("one", "two")
        ]
        for each in inbound:  # both are claimed before either is begun
            conversations.receive_message(session, inbound=each, now=hub.now(), settings=hub.settings)
    assert slow.thinking.acquire(timeout=20)
    assert [queue for _, queue in rung] == ["turns"]
    slow.go_on.set()
    assert outbox.deliver(hub, rung[0][0]) == "DONE"  # no lease stands in the way


def test_who_may_still_be_writing_is_waited_for_here(committed_hub: Callable[..., FakeHub]) -> None:
    rung: list[tuple[int, str]] = []
    slow = Slow()
    hub = committed_hub(assistant=slow, ring=rung.extend)
    hub = hub.with_(settings=hub.settings.model_copy(update={"burst_chat": 0.2}))
    say(lane.beside(hub), "first")
    assert not slow.thinking.acquire(timeout=0.1)
    hub.clock.move(seconds=1)
    assert slow.thinking.acquire(timeout=20)
    slow.go_on.set()
    assert rung == []


def test_what_is_no_turn_rings_where_it_always_did(hub: FakeHub) -> None:
    rung: list[tuple[int, str]] = []
    door = lane.beside(hub.with_(ring=rung.extend, ring_later=lambda bells, seconds: rung.extend(bells)))
    door.ring([(7, "crm"), (8, "default")])
    door.ring_later([(9, "crm")], 1.0)
    assert rung == [(7, "crm"), (8, "default"), (9, "crm")]
