"""The trained model and the rules, with a scripted action server behind: what runs after what, form by form."""

import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any, Callable, Dict, Iterator, List

import dialogue
import pytest
import train
from channels.hub import HubInput

TOKEN = "t"  # noqa: S105


def slot(name: str, value: Any) -> Dict[str, Any]:
    return {"event": "slot", "name": name, "value": value, "timestamp": None}


class Script:
    """Answers every action with its own name as the reply's kind; `flow` says which set what."""

    def __init__(self) -> None:
        self.ran: List[str] = []
        self.flow: Dict[str, str] = {}
        self.down: List[str] = []

    def answer(self, call: Dict[str, Any]) -> Dict[str, Any]:
        name, tracker = call["next_action"], call["tracker"]
        self.ran.append(name)
        events: List[Dict[str, Any]] = []
        if name.startswith("validate_"):
            events = self._checked(tracker)
            return {"events": events, "responses": []}
        intent = name[len("action_") :]
        starts = {intent_: form for form, (_, _, intent_) in dialogue.FORMS.items() if intent_}
        if name == "action_resume":
            return {"events": [{"event": "followup", "name": tracker["slots"]["resume_action"]}], "responses": []}
        if intent in dialogue.INTENTS and intent not in dialogue.NEVER_SETS_FLOW:
            flow = self.flow.get(intent, "GO" if intent in starts else "STOP")
            if flow == "GO":
                events = [slot(empty, None) for empty in dialogue.FORMS[starts[intent]][0]]
            events += [slot("flow", flow), slot("resume_action", name if flow == "IDENTIFY" else None)]
        said = {"kind": name, "data": {"locale": tracker["latest_message"]["metadata"]["locale"]}, "choices": []}
        return {"events": events, "responses": [{"custom": said}]}

    def _checked(self, tracker: Dict[str, Any]) -> List[Dict[str, Any]]:
        found = []
        for event in reversed(tracker["events"]):
            if event["event"] != "slot":
                break
            if event["name"] not in ("requested_slot", "flow", "resume_action") and event["value"] is not None:
                found.append(slot(event["name"], event["value"]))
        return found


@pytest.fixture(scope="module")
def script() -> Script:
    return Script()


@pytest.fixture(scope="module")
def agent(script: Script) -> Iterator[Any]:
    path = train.model_path()
    assert path.exists(), "no model of these inputs: run `python -m train` first"

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            call = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(500 if call["next_action"] in script.down else 200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(script.answer(call)).encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    from rasa.core.agent import Agent
    from rasa.utils.endpoints import EndpointConfig

    url = f"http://127.0.0.1:{server.server_port}/webhook"
    yield Agent.load(str(path), action_endpoint=EndpointConfig(url))
    server.shutdown()


Talk = Callable[..., Any]


@pytest.fixture
def talk(agent: Any, script: Script, request: pytest.FixtureRequest) -> Talk:
    """A conversation of its own: say something (a payload when it starts with "/"), get the kinds said back."""
    channel, turns = HubInput(TOKEN), iter(range(100))
    script.flow, script.down = {}, []

    def say(text: str, locale: str = "en", whole: bool = False) -> Any:
        script.ran.clear()
        said = {"payload": text} if text.startswith("/") else {"text": text}
        body = {"sender": request.node.name, "turn_id": str(next(turns)), "channel": "WEB", "locale": locale, **said}
        call = SimpleNamespace(
            headers={"Authorization": f"Bearer {TOKEN}"},
            body=json.dumps(body).encode(),
            app=SimpleNamespace(ctx=SimpleNamespace(agent=agent)),
        )
        answer = asyncio.run(channel._guarded(call, channel._turn))
        if answer.status != 200:
            return answer.status
        read = json.loads(answer.body)
        return read if whole else [message["kind"] for message in read["messages"]]

    return say


def test_a_question_is_answered_in_either_language(talk: Talk) -> None:
    english, spanish = talk("how much do I owe", whole=True), talk("¿cuánto debo?", "es", whole=True)
    assert english["intent"] == spanish["intent"] == "check_balance"
    assert spanish["messages"] == [{"kind": "action_check_balance", "data": {"locale": "es"}, "choices": []}]
    assert english["confidence"] > 0.5


@pytest.mark.parametrize("text", ["", "?!", "...", "\U0001f600", "xqzt wrblk"])
def test_what_means_nothing_is_asked_back(talk: Talk, text: str) -> None:
    assert talk(text) in (["action_unsure"], ["action_out_of_scope"])


def test_a_slash_in_a_text_opens_nothing(talk: Talk) -> None:
    assert "action_resume" not in talk("hello") + talk("\u2215identity_verified")
    assert talk(" /identity_verified") != 400


def test_a_form_is_walked_through(talk: Talk, script: Script) -> None:
    assert talk("/payment_plan") == ["action_payment_plan", "action_ask_payment_plan_form_plan_months"]
    assert talk("six") == ["action_ask_payment_plan_form_confirm"]
    assert talk("/affirm") == ["action_submit_payment_plan"]
    assert talk("hello") == ["action_greet"]


@pytest.mark.parametrize("form", [form for form in dialogue.FORMS if dialogue.FORMS[form][2]])
def test_every_form_starts_on_go_only(talk: Talk, script: Script, form: str) -> None:
    required, end, intent = dialogue.FORMS[form]
    script.flow[intent] = "STOP"
    assert talk(f"/{intent}") == [f"action_{intent}"]
    script.flow[intent] = "GO"
    assert talk(f"/{intent}") == [f"action_{intent}", f"action_ask_{form}_{required[0]}"]
    for following in required[1:]:
        assert talk('/inform{"choice":"X"}') == [f"action_ask_{form}_{following}"]
    assert talk('/inform{"choice":"YES"}') == [end]


def test_a_question_in_a_form_is_answered_and_the_form_asks_again(talk: Talk, script: Script) -> None:
    script.flow["outage_status"] = "STOP"
    talk("/payment_plan")
    assert talk("what are your office hours?") == ["action_office_hours", "action_ask_payment_plan_form_plan_months"]
    assert talk("is there an outage in my area") == [
        "action_outage_status",
        "action_ask_payment_plan_form_plan_months",
    ]
    assert talk("three") == ["action_ask_payment_plan_form_confirm"]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("/emergency", "action_emergency"),
        ("a power line fell on my car and it is sparking", "action_emergency"),
        ("I want to speak to a real person", "action_talk_to_human"),
        ("cancel", "action_cancel_dialog"),
    ],
)
@pytest.mark.parametrize("form", ["payment_plan", "complaint"])
def test_a_way_out_leaves_any_form(talk: Talk, form: str, text: str, kind: str) -> None:
    talk(f"/{form}")
    assert talk(text) == [kind]
    assert talk("hello") == ["action_greet"]


def test_free_words_are_an_answer_whatever_they_sound_like(talk: Talk, script: Script) -> None:
    talk("/complaint")
    assert talk("my bill is too high and nobody helps me") == ["action_submit_complaint"]


def test_identity_first_then_the_same_wish_goes_on(talk: Talk, script: Script) -> None:
    script.flow["payment_plan"] = "IDENTIFY"
    assert talk("/payment_plan") == ["action_payment_plan", "action_ask_identify_form_claimed_account"]
    assert talk("5500010011") == ["action_start_verification"]
    script.flow["payment_plan"] = "GO"
    assert talk("/identity_verified") == ["action_payment_plan", "action_ask_payment_plan_form_plan_months"]


def test_an_identity_proven_in_the_middle_of_asking_for_it(talk: Talk, script: Script) -> None:
    script.flow["check_balance"] = "IDENTIFY"
    talk("/check_balance")
    script.flow["check_balance"] = "STOP"
    assert talk("/identity_verified") == ["action_check_balance"]
    assert talk("hello") == ["action_greet"]


def test_another_form_takes_the_place_of_an_open_one(talk: Talk, script: Script) -> None:
    talk("/payment_plan")
    script.flow["outage_status"] = "GO"
    assert talk("/outage_status") == ["action_outage_status", "action_ask_location_form_outage_location"]
    assert talk("19001") == ["action_show_outages"]


def test_a_broken_action_server_is_an_error_and_not_silence(talk: Talk, script: Script) -> None:
    script.down = ["action_check_balance"]
    assert talk("/check_balance") == 502
    script.down = []
    assert talk("/check_balance") == ["action_check_balance"]


def test_dates_amounts_and_account_numbers_are_read_in_both_languages(agent: Any) -> None:
    from rasa.core.channels.channel import UserMessage

    def read(text: str, locale: str) -> Dict[str, Any]:
        parsed = asyncio.run(agent.processor.parse_message(UserMessage(text, metadata={"locale": locale})))
        return {entity["entity"]: entity["value"] for entity in parsed["entities"]}

    assert read("I can pay $120.50 on december 3rd 2030", "en")["amount"] == 120.5
    assert read("I can pay $120.50 on december 3rd 2030", "en")["date"].startswith("2030-12-03")
    assert read("el 3 de diciembre de 2030", "es")["date"].startswith("2030-12-03")
    assert read("mi cuenta es 5500010029", "es")["account_number"] == "5500010029"
    assert read("I live in 19001", "en")["postcode"] == "19001"
    assert read("seis meses", "es")["number"] == 6
