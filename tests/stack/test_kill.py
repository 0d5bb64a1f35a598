"""Each process is killed in turn while customers talk: nothing is lost, nothing is said twice, the CRM has it once."""

import contextlib
import itertools
import os
import pathlib
import socket
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
import requests
from sqlalchemy.exc import DBAPIError
from twilio.request_validator import RequestValidator

from tests.stack.running import RunningStack, Sandbox, wait_for

pytestmark = pytest.mark.stack

VICTIMS = ("worker", "crm-worker", "actions", "web", "valkey", "assistant", "postgres")
QUESTION = "What are your office hours?"
ANSWER = "fieldwork.office_hours"
TEXTERS, CHATTERS = 6, 3


class Customer(threading.Thread):
    """Asks, waits for the answer, and asks again, until told to stop. A refused or lost post is sent once more, as a
    vendor or a browser does: under the same id."""

    def __init__(self, stack: RunningStack, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.stack, self.stop = stack, stop
        self.web = stack.web
        self.secrets = stack.run["environment"]
        self.sent: list[str] = []
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            self.begin()
            while not self.stop.is_set():
                external_id = self.ask()
                self.sent.append(external_id)
                wait_for(f"an answer to {external_id}", lambda: self.answered(external_id), 240, 0.4)  # noqa: B023
        except BaseException as exc:
            self.failure = exc

    def begin(self) -> None:
        """Nothing to do before the first text."""

    def ask(self) -> str:
        raise NotImplementedError

    def answered(self, external_id: str) -> bool:
        with contextlib.suppress(DBAPIError):
            return bool(
                self.stack.rows(
                    "SELECT 1 FROM message WHERE external_id = :id AND direction = 'IN' AND status = 'ANSWERED'",
                    id=external_id,
                )
            )
        return False

    def until_taken(self, post: Callable[[], requests.Response]) -> requests.Response:
        def once() -> requests.Response | None:
            try:
                response = post()
            except requests.RequestException:
                return None
            return response if response.status_code < 300 else None

        taken = wait_for("the web to take a message", once, 180, 0.5)
        assert isinstance(taken, requests.Response)
        return taken


class Texter(Customer):
    numbers = itertools.count(1)

    def begin(self) -> None:
        self.number = f"+1555077{next(self.numbers):04}"

    def ask(self) -> str:
        sid = "SM" + uuid.uuid4().hex
        form = {
            "MessageSid": sid, "AccountSid": self.secrets["TWILIO_ACCOUNT_SID"], "From": self.number,
            "To": "+15550100200", "Body": QUESTION, "NumMedia": "0",
        }  # fmt: skip
        url = f"{self.web}/hooks/twilio/sms"
        signature = RequestValidator(self.secrets["TWILIO_AUTH_TOKEN"]).compute_signature(url, form)
        self.until_taken(lambda: requests.post(url, data=form, headers={"X-Twilio-Signature": signature}, timeout=10))
        return sid


class Chatter(Customer):
    def begin(self) -> None:
        opened = self.until_taken(lambda: requests.post(f"{self.web}/chat/sessions", json={"locale": "en"}, timeout=10))
        self.token = opened.json()["token"]

    def ask(self) -> str:
        client_id = uuid.uuid4().hex
        self.until_taken(
            lambda: requests.post(
                f"{self.web}/chat/messages",
                json={"text": QUESTION, "client_id": client_id},
                headers={"Authorization": f"Bearer {self.token}"},
                timeout=10,
            )
        )
        found = wait_for("the message to be stored", lambda: self.stored(client_id), 120, 0.4)
        return str(found)

    def stored(self, client_id: str) -> str | None:
        with contextlib.suppress(DBAPIError):
            rows = self.stack.rows("SELECT external_id FROM message WHERE external_id LIKE :id", id=f"%:{client_id}")
            return str(rows[0][0]) if rows else None
        return None


def test_whatever_is_killed_every_message_is_answered_once(stack: RunningStack, sandbox: Sandbox) -> None:
    stop = threading.Event()
    customers: list[Customer] = [Texter(stack, stop) for _ in range(TEXTERS)]
    customers += [Chatter(stack, stop) for _ in range(CHATTERS)]
    for customer in customers:
        customer.start()
    wait_for("everybody to have been answered once", lambda: all(len(c.sent) > 1 for c in customers), 120)
    for victim in VICTIMS:
        before = stack.pid(victim)
        stack.kill(victim)
        wait_for(f"{victim} to be back", lambda: _back(stack, victim, before), 120)  # noqa: B023
        time.sleep(4)
    stop.set()
    for customer in customers:
        customer.join(300)
    assert [c.failure for c in customers if c.failure] == []
    asked = [external_id for c in customers for external_id in c.sent]
    assert len(asked) >= len(customers) * 2, "too little was going on to prove anything"

    wait_for("everything owed to be done", lambda: _owed(stack) == 0, 240, 1.0)
    assert stack.rows("SELECT subscriber, last_error FROM delivery WHERE state = 'DEAD'") == []
    answers = stack.rows(
        "SELECT i.external_id, count(o.id) FROM message i"
        " LEFT JOIN message o ON o.in_reply_to = i.id AND o.kind = :kind"
        " WHERE i.external_id = ANY(:asked) AND i.direction = 'IN' GROUP BY i.external_id",
        kind=ANSWER, asked=asked,
    )  # fmt: skip
    assert {row[0]: row[1] for row in answers} == dict.fromkeys(asked, 1)
    _phones_heard_each_once(stack, sandbox, [c for c in customers if isinstance(c, Texter)])
    _crm_has_each_once(stack, customers)


def test_the_parent_may_be_killed_and_nothing_is_left_behind() -> None:
    with tempfile.TemporaryDirectory(prefix="wattline-kill-", dir="/tmp") as folder:
        pathlib.Path(folder).chmod(0o755)
        first = RunningStack(pathlib.Path(folder) / "home").start()
        run = first.run
        pids = [*run["children"].values()]
        os.kill(run["supervisor"], 9)
        assert first.process is not None
        first.process.wait(10)
        wait_for("every process to be gone", lambda: not any(map(_alive, pids)), 30)
        ports = [int(url.split(":")[2].split("/")[0]) for url in run["addresses"].values()]
        wait_for("the ports to be free", lambda: not any(map(_listening, ports)), 15)

        # state survives, the second start is quick, and Ctrl-C is clean
        started = time.monotonic()
        again = RunningStack(pathlib.Path(folder) / "home").start()
        took = time.monotonic() - started
        print(f"second start: {took:.1f} s")
        assert again.rows("SELECT count(*) FROM customer")[0][0] >= 300
        children = list(again.run["children"].values())
        assert again.stop() == 0
        assert not any(map(_alive, children))
        assert took < 90


def _back(stack: RunningStack, victim: str, before: int) -> bool:
    try:
        return stack.pid(victim) != before
    except KeyError:
        return False


def _owed(stack: RunningStack) -> int:
    return int(stack.rows("SELECT count(*) FROM delivery WHERE state = 'OWED'")[0][0])


def _phones_heard_each_once(stack: RunningStack, sandbox: Sandbox, texters: list[Any]) -> None:
    for texter in texters:
        said = sandbox.get(f"/api/phone/{texter.number}/messages", channel="sms")
        said = said if isinstance(said, list) else said["messages"]
        texts = [m["text"] for m in said if not m["mine"]]
        owed = stack.rows(
            "SELECT count(*) FROM message m JOIN conversation c ON c.id = m.conversation_id"
            " JOIN channel_identity i ON i.id = c.identity_id WHERE i.value = :number AND m.direction = 'OUT'"
            " AND m.kind = :kind",
            number=texter.number, kind=ANSWER,
        )[0][0]  # fmt: skip
        assert len(texts) >= owed == len(texter.sent), texts


def _crm_has_each_once(stack: RunningStack, customers: list[Customer]) -> None:
    asked = [external_id for c in customers for external_id in c.sent]
    segments = stack.rows(
        "SELECT DISTINCT n.id FROM interaction n JOIN message m ON m.conversation_id = n.conversation_id"
        " AND m.seq BETWEEN n.first_seq AND n.last_seq WHERE m.external_id = ANY(:asked)",
        asked=asked,
    )
    keys = [f"interaction-{row[0]}" for row in segments]
    links = stack.rows("SELECT key, remote_id FROM crm_link WHERE kind = 'ACTIVITY' AND key = ANY(:keys)", keys=keys)
    assert sorted(row[0] for row in links) == sorted(keys)
    held = _in_crm(stack, "communications") + _in_crm(stack, "notes")
    for key in keys:
        assert held.count(key) == 1, key


def _in_crm(stack: RunningStack, kind: str) -> list[str]:
    """The keys of every object of a kind, read page by page from the CRM itself."""
    base, after, keys = stack.run["environment"]["HUBSPOT_API_BASE"], None, []
    while True:
        page = requests.get(
            f"{base}/crm/v3/objects/{kind}",
            params={"limit": 100, "properties": "hub_key", **({"after": after} if after else {})},
            headers={"Authorization": f"Bearer {stack.run['environment']['HUBSPOT_ACCESS_TOKEN']}"},
            timeout=10,
        ).json()
        keys += [item["properties"].get("hub_key") for item in page["results"]]
        after = page.get("paging", {}).get("next", {}).get("after")
        if not after:
            return keys


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    state = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    return state != "Z"


def _listening(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0
