"""The five doors as a customer holds them: a browser, a telephone for texts, one for calls, a mail program."""

import re
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import requests

from tests.stack.running import NotYet, RunningStack, Sandbox, Transcript, wait_for

CODE = re.compile(r"(?:code is|c[oó]digo es)\s*:?\s*(\d{6})")
PATIENCE = 25.0


@dataclass(frozen=True)
class Heard:
    """One message as it reached the customer."""

    text: str
    choices: tuple[str, ...] = ()
    tokens: tuple[str, ...] = ()
    who: str = "assistant"
    key: str = ""
    subject: str = ""


@dataclass
class Door:
    """What all doors share: the run, the transcript, and what the customer has seen so far."""

    stack: RunningStack
    sandbox: Sandbox
    book: Transcript
    name: str
    seen: set[str] = field(default_factory=set)
    heard: list[Heard] = field(default_factory=list)
    channel = ""

    def inbox(self) -> list[Heard]:
        """This will list everything the customer has received through this door, oldest first."""
        raise NotImplementedError

    def fresh(self) -> list[Heard]:
        """This will give what has come since the last look."""
        found = [item for item in self.inbox() if item.key not in self.seen]
        for item in found:
            self.seen.add(item.key)
            self.heard.append(item)
            self.note(item)
        return found

    def note(self, item: Heard) -> None:
        said = f"{item.subject}\n{item.text}" if item.subject else item.text
        if item.choices and self.channel in ("web chat", "WhatsApp"):
            said += "\n" + "  ".join(f"[{label}]" for label in item.choices)
        self.book.say(item.who, said)

    def wait(self, pattern: str, seconds: float = PATIENCE) -> Heard:
        """This will wait for a message that matches, and give it."""
        already = len(self.heard)

        def probe() -> Heard | None:
            self.fresh()
            return next((h for h in self.heard[already:] if re.search(pattern, h.text, re.I | re.S)), None)

        return wait_for(f"{self.name} hears /{pattern}/ by {self.channel}", probe, seconds)  # type: ignore[no-any-return]

    def answered(self, where: str, seconds: float = PATIENCE, **parameters: Any) -> list[Heard]:
        """This will wait until the hub has answered an inbound message and all of the answer has arrived."""
        before = len(self.heard)

        def probe() -> tuple[list[Heard]] | None:
            rows = self.stack.rows(
                "SELECT m.status, (SELECT count(*) FROM message o WHERE o.in_reply_to = m.id AND o.direction = 'OUT'"
                " AND o.kind IS DISTINCT FROM 'verify.code' AND o.channel = m.channel) AS owed"
                f" FROM message m WHERE m.direction = 'IN' AND {where}",
                **parameters,
            )
            if not rows or rows[0].status == "RECEIVED":
                return None
            self.fresh()
            got = [item for item in self.heard[before:] if item.who != "carrier" and not CODE.search(item.text)]
            return (got,) if len(got) >= rows[0].owed and (got or rows[0].status != "ANSWERED") else None

        try:
            return list(wait_for(f"an answer for {self.name} by {self.channel}", probe, seconds)[0])
        except NotYet:
            self.fresh()
            raise

    def code(self, seconds: float = PATIENCE) -> str:
        """This will read the one-time code on the customer's own telephone."""
        raise NotImplementedError


def code_on_phone(sandbox: Sandbox, number: str, since: float, seconds: float = PATIENCE) -> str:
    """This will wait for a text message with a code, sent after `since`."""

    def probe() -> str | None:
        for item in reversed(sandbox.get(f"/api/phone/{number}/messages", channel="sms")["messages"]):
            found = CODE.search(item["text"])
            if found and not item["mine"] and item["at"] >= since - 1:
                return found.group(1)
        return None

    return str(wait_for(f"a code on {number}", probe, seconds))


@dataclass
class Chat(Door):
    """The web chat, as the widget speaks it."""

    channel = "web chat"
    locale: str = "en"
    phone: str = ""
    token: str = ""

    def open(self) -> "Chat":
        self.http = requests.Session()
        response = self.http.post(f"{self.stack.web}/chat/sessions", json={"locale": self.locale}, timeout=20)
        response.raise_for_status()
        self.token = response.json()["token"]
        self.http.headers["Authorization"] = f"Bearer {self.token}"
        return self

    def say(self, text: str, seconds: float = PATIENCE, answer: bool = True) -> list[Heard]:
        return self._post({"text": text}, text, seconds, answer)

    def choose(self, label: str, seconds: float = PATIENCE) -> list[Heard]:
        """This will press a quick reply, by its label or a part of it."""
        for item in reversed(self.heard):
            for token, name in zip(item.tokens, item.choices, strict=True):
                if re.search(label, name, re.I):
                    return self._post({"choice": token}, f"[{name}]", seconds, True)
        raise AssertionError(f"{self.name} sees no button like {label!r}")

    def _post(self, body: dict[str, str], shown: str, seconds: float, answer: bool) -> list[Heard]:
        client_id = uuid.uuid4().hex
        self.book.say(self.name, shown)
        response = self.http.post(f"{self.stack.web}/chat/messages", json={**body, "client_id": client_id}, timeout=20)
        response.raise_for_status()
        if not answer:
            return []
        return self.answered("m.external_id LIKE :id", seconds, id=f"%:{client_id}")

    def inbox(self) -> list[Heard]:
        response = self.http.get(f"{self.stack.web}/chat/messages", timeout=20)
        response.raise_for_status()
        return [
            Heard(
                m["text"], tuple(c["label"] for c in m["choices"]), tuple(c["token"] for c in m["choices"]),
                who=m["name"] or m["from"], key=m["id"],
            )
            for m in response.json()["messages"]
            if m["from"] != "customer"
        ]  # fmt: skip

    def code(self, seconds: float = PATIENCE) -> str:
        return code_on_phone(self.sandbox, self.phone, self.since, seconds)

    def __post_init__(self) -> None:
        self.since = time.time()


@dataclass
class Sms(Door):
    """Text messages."""

    channel = "SMS"
    number: str = ""
    _way = "sms"

    def __post_init__(self) -> None:
        self.since = time.time()

    def say(self, text: str, seconds: float = PATIENCE) -> list[Heard]:
        self.book.say(self.name, text)
        sent = self.sandbox.post(f"/api/phone/{self._way}", **{"from": self.number, "text": text})
        return self.answered("m.external_id = :id", seconds, id=sent["sid"])

    def inbox(self) -> list[Heard]:
        found = self.sandbox.get(f"/api/phone/{self.number}/messages", channel=self._way)["messages"]
        return [
            Heard(
                m["text"], tuple(b["title"] for b in m["buttons"]), tuple(b["id"] for b in m["buttons"]),
                who="carrier" if m["carrier"] else "assistant", key=m["sid"],
            )
            for m in found
            if not m["mine"] and m["shown"] and m["at"] >= self.since - 1
        ]  # fmt: skip

    def code(self, seconds: float = PATIENCE) -> str:
        return code_on_phone(self.sandbox, self.number, self.since, seconds)


@dataclass
class WhatsApp(Sms):
    """WhatsApp, with its buttons."""

    channel = "WhatsApp"
    _way = "whatsapp"

    def choose(self, label: str, seconds: float = PATIENCE) -> list[Heard]:
        for item in reversed(self.heard):
            for title in item.choices:
                if re.search(label, title, re.I):
                    self.book.say(self.name, f"[{title}]")
                    sent = self.sandbox.post("/api/phone/whatsapp", **{"from": self.number, "choice": title})
                    return self.answered("m.external_id = :id", seconds, id=sent["sid"])
        raise AssertionError(f"{self.name} sees no button like {label!r}")


@dataclass
class Mail(Door):
    """A mail program."""

    channel = "e-mail"
    address: str = ""
    phone: str = ""

    def __post_init__(self) -> None:
        self.since = time.time()

    def write(self, text: str, subject: str = "", reply: bool = False, seconds: float = PATIENCE) -> list[Heard]:
        """This will write a mail; `reply` answers the last one received, quoting it below as mail programs do."""
        body: dict[str, Any] = {"from": self.address, "text": text, "subject": subject}
        if reply:
            body["in_reply_to"] = self.heard[-1].key
        self.book.say(self.name, (f"Subject: {subject}\n" if subject else "(replies, the mail quoted below)\n") + text)
        sent = self.sandbox.post("/api/mail", **body)
        return self.answered("m.external_id = :id", seconds, id=sent["message_id"])

    def inbox(self) -> list[Heard]:
        found = self.sandbox.get(f"/api/mail/{self.address}")["mails"]
        return [
            Heard(m["text"], key=m["id"], subject=f"Subject: {m['subject']}", who="assistant")
            for m in found
            if m["folder"] != "sent" and m["at"] >= self.since - 1
        ]

    def code(self, seconds: float = PATIENCE) -> str:
        return code_on_phone(self.sandbox, self.phone, self.since, seconds)


@dataclass
class Call(Door):
    """A telephone call: what the line says, and keys or speech back."""

    channel = "phone call"
    number: str = ""
    sid: str = ""
    view: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.since = time.time()

    def dial(self) -> list[Heard]:
        self.book.say(self.name, f"(phones from {self.number})")
        return self._take(self.sandbox.post("/api/calls", **{"from": self.number}))

    def press(self, digits: str) -> list[Heard]:
        self.book.say(self.name, f"(keys {digits})")
        return self._take(self.sandbox.post(f"/api/calls/{self.sid}/input", digits=digits))

    def speak(self, words: str) -> list[Heard]:
        self.book.say(self.name, words)
        return self._take(self.sandbox.post(f"/api/calls/{self.sid}/input", speech=words))

    def hang_up(self) -> None:
        self.book.say(self.name, "(hangs up)")
        self.sandbox.post(f"/api/calls/{self.sid}/input", hangup=True)

    def _take(self, view: dict[str, Any]) -> list[Heard]:
        self.view, self.sid = view, view["call_sid"]
        said = [Heard(item["text"], key=f"{self.sid}-{item['at']}") for item in view["spoken"] if item["text"]]
        for item in said:
            self.heard.append(item)
            self.note(item)
        return said

    def inbox(self) -> list[Heard]:
        return []

    def code(self, seconds: float = PATIENCE) -> str:
        return code_on_phone(self.sandbox, self.number, self.since, seconds)


def words(heard: Sequence[Heard]) -> str:
    """This will put several messages together."""
    return "\n".join(item.text for item in heard)
