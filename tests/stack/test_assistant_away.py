"""The assistant stops in the middle of its work: one honest sentence, and the answer once, when it is back."""

import os
import signal
import uuid

import pytest

from tests.stack.running import RunningStack, Sandbox, wait_for

pytestmark = pytest.mark.stack


def test_one_honest_sentence_and_then_the_answer_once(stack: RunningStack, sandbox: Sandbox) -> None:
    number = f"+1555073{uuid.uuid4().int % 10000:04}"

    def heard() -> list[str]:
        said = sandbox.get(f"/api/phone/{number}/messages", channel="sms")["messages"]
        return [m["text"] for m in said if not m["mine"]]

    def kinds() -> list[str]:
        return [
            row.kind
            for row in stack.rows(
                "SELECT m.kind FROM message m JOIN conversation c ON c.id = m.conversation_id"
                " JOIN channel_identity i ON i.id = c.identity_id WHERE i.value = :number AND m.direction = 'OUT'"
                " ORDER BY m.seq",
                number=number,
            )
        ]

    assistant = stack.pid("assistant")
    os.kill(assistant, signal.SIGSTOP)  # it is there and says nothing: worse than gone
    try:
        sandbox.post("/api/phone/sms", **{"from": number, "text": "What are your office hours?"})
        wait_for("an honest sentence", lambda: [text for text in heard() if "longer than usual" in text], 60)
        wait_for("a second try", lambda: _tries(stack, number) >= 2, 90)
        assert kinds() == ["system.delayed"]
    finally:
        os.kill(assistant, signal.SIGCONT)
    wait_for("the answer itself", lambda: [text for text in heard() if "8 am" in text], 120)
    wait_for("nothing more to be owed", lambda: not stack.rows("SELECT 1 FROM delivery WHERE state = 'OWED'"), 90)
    assert kinds().count("system.delayed") == 1
    assert kinds().count("fieldwork.office_hours") == 1
    assert len(heard()) == 2
    assert stack.rows("SELECT subscriber, last_error FROM delivery WHERE state = 'DEAD'") == []


def _tries(stack: RunningStack, number: str) -> int:
    found = stack.rows(
        "SELECT max(d.attempts) AS n FROM delivery d JOIN fact f ON f.id = d.fact_id"
        " JOIN conversation c ON f.order_key = 'conversation:' || c.id JOIN channel_identity i ON i.id = c.identity_id"
        " WHERE i.value = :number AND f.name = 'message.received'",
        number=number,
    )
    return int(found[0].n or 0)
