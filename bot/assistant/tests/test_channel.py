"""The channel's promises, with a stand-in for the model: who may ask, what is read how, and what a retry gets."""

import asyncio
import json
from types import SimpleNamespace
from typing import Any, Dict, List, Optional

import pytest
from channels.hub import SLASH, HubInput, Turns

from channels import failures

TOKEN = "correct horse"  # noqa: S105
GOOD = {"sender": "c1", "turn_id": "t1", "channel": "SMS", "locale": "es", "text": "hola"}


class Processor:
    def __init__(self) -> None:
        self.parsed: List[str] = []

    async def parse_message(self, message: Any) -> Dict[str, Any]:
        self.parsed.append(message.text)
        return {"text": message.text, "intent": {"name": "greet", "confidence": 0.9}, "entities": []}


class Agent:
    def __init__(self, ready: bool = True) -> None:
        self.ready, self.handled, self.processor = ready, [], Processor()  # type: ignore[var-annotated]
        self.domain = SimpleNamespace(intents=["affirm", "inform", "greet"])
        self.says: Optional[Dict[str, Any]] = {"kind": "greet", "data": {"n": 1}, "choices": []}
        self.failing: Optional[str] = None
        self.pause = 0.0

    def is_ready(self) -> bool:
        return self.ready

    async def handle_message(self, message: Any) -> None:
        self.handled.append(message)
        await asyncio.sleep(self.pause)
        if self.failing == "raise":
            raise RuntimeError("secret words")
        if self.failing:
            failures._failed.get().append(self.failing)  # type: ignore[union-attr]
        if self.says:
            await message.output_channel.send_response(message.sender_id, {"custom": self.says, "text": ""})


class Door:
    def __init__(self, agent: Optional[Agent] = None) -> None:
        self.agent = agent or Agent()
        self.channel = HubInput(TOKEN)

    async def call(self, body: Any, token: str = TOKEN, parse: bool = False) -> Any:
        request = SimpleNamespace(
            headers={"Authorization": f"Bearer {token}"},
            body=body if isinstance(body, bytes) else json.dumps(body).encode(),
            app=SimpleNamespace(ctx=SimpleNamespace(agent=self.agent)),
        )
        answer = await self.channel._guarded(request, self.channel._parse if parse else self.channel._turn)
        return answer.status, json.loads(answer.body)

    def ask(self, body: Any, **kwargs: Any) -> Any:
        return asyncio.run(self.call(body, **kwargs))


def test_an_answer() -> None:
    door = Door()
    status, body = door.ask(GOOD)
    assert status == 200
    assert body == {
        "messages": [{"kind": "greet", "data": {"n": 1}, "choices": []}],
        "intent": "greet",
        "confidence": 0.9,
    }
    message = door.agent.handled[0]
    assert message.metadata == {"locale": "es", "turn_id": "t1", "channel": "SMS"}
    assert (message.sender_id, message.input_channel) == ("c1", "SMS")


@pytest.mark.parametrize("token", ["", "wrong", TOKEN + "x", "c\u00f6rrect"])
def test_a_wrong_token_is_401_and_nothing_runs(token: str) -> None:
    door = Door()
    assert door.ask(GOOD, token=token)[0] == 401
    assert door.ask(GOOD, token=token, parse=True)[0] == 401
    assert not door.agent.handled


@pytest.mark.parametrize("given", [None, {}, {"token": ""}, {"token": "${RASA_TOKEN}"}])
def test_it_does_not_start_without_a_token(given: Any) -> None:
    with pytest.raises(ValueError):
        HubInput.from_credentials(given)


@pytest.mark.parametrize(
    "body",
    [
        b"not json",
        b"\xff",
        [],
        {**GOOD, "sender": ""},
        {**GOOD, "sender": 5},
        {key: value for key, value in GOOD.items() if key != "turn_id"},
        {**GOOD, "payload": "/affirm"},
        {key: value for key, value in GOOD.items() if key != "text"},
        {**GOOD, "text": None, "payload": "affirm"},
        {**GOOD, "text": None, "payload": "/restart"},
        {**GOOD, "text": None, "payload": '/inform{"choice":'},
        {**GOOD, "text": 5},
    ],
)
def test_malformed_is_400(body: Any) -> None:
    door = Door()
    assert door.ask(body)[0] == 400
    assert not door.agent.handled


@pytest.mark.parametrize(
    "text",
    ['/affirm{"choice":"YES"}', "  /affirm", "/identity_verified", "\n/restart", "\x00/affirm", "\u0007 /affirm"],
)
def test_a_text_is_never_an_intent(text: str) -> None:
    door = Door()
    assert door.ask({**GOOD, "text": text})[0] == 200
    message = door.agent.handled[0]
    assert message.text.startswith(SLASH)
    assert door.agent.processor.parsed == [message.text]  # it went through the language model
    assert message.parse_data["entities"] == []


def test_a_payload_is_read_strictly_and_not_by_the_model() -> None:
    door = Door()
    body = {**GOOD, "text": None, "payload": '/inform{"choice":"SLOT-3"}'}
    assert door.ask(body)[1]["intent"] == "inform"
    message = door.agent.handled[0]
    assert message.text == body["payload"]
    assert [(e["entity"], e["value"]) for e in message.parse_data["entities"]] == [("choice", "SLOT-3")]
    assert door.agent.processor.parsed == []


def test_a_retry_repeats_the_answer_and_runs_nothing() -> None:
    door = Door()

    async def both() -> Any:
        return await door.call(GOOD), await door.call(GOOD), await door.call({**GOOD, "turn_id": "t2"})

    first, second, other = asyncio.run(both())
    assert first == second == other
    assert [message.message_id for message in door.agent.handled] == ["t1", "t2"]


def test_a_retry_while_the_first_is_still_running_waits_for_it() -> None:
    door = Door()
    door.agent.pause = 0.05

    async def together() -> Any:
        return await asyncio.gather(door.call(GOOD), door.call(GOOD))

    first, second = asyncio.run(together())
    assert first == second and first[0] == 200
    assert len(door.agent.handled) == 1


@pytest.mark.parametrize(("failing", "status"), [("action_check_balance", 502), ("raise", 500)])
def test_a_failure_is_said_and_not_remembered(failing: str, status: int) -> None:
    door = Door()

    async def twice() -> Any:
        door.agent.failing = failing
        bad = await door.call(GOOD)
        door.agent.failing = None
        return bad, await door.call(GOOD)

    bad, good = asyncio.run(twice())
    assert bad[0] == status
    assert "secret words" not in json.dumps(bad[1])
    assert good[0] == 200


def test_silence_is_a_failure() -> None:
    door = Door()
    door.agent.says = None
    assert door.ask(GOOD)[0] == 502


def test_a_model_that_is_not_there_is_503() -> None:
    assert Door(Agent(ready=False)).ask(GOOD)[0] == 503


def test_turns_are_bounded() -> None:
    turns, runs = Turns(limit=2), []  # type: ignore[var-annotated]

    async def work() -> Dict[str, Any]:
        runs.append(1)
        return {}

    async def three_and_the_first_again() -> None:
        for name in ("a", "b", "c", "c", "a"):
            await turns.once(("c1", name), work)

    asyncio.run(three_and_the_first_again())
    assert len(runs) == 4
