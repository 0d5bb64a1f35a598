"""One story on stage: the doors of its people, its book, the facts its lines are held to, its traces in the CRM."""

import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tests.stack.running import NotYet, RunningStack, Sandbox, Transcript, wait_for
from tests.tour import figures
from tests.tour.doors import Call, Chat, Door, Heard, Mail, Sms, WhatsApp
from tests.tour.facts import Books
from tests.tour.figures import Fact

CRM_PATIENCE = 40.0
AnyDoor = TypeVar("AnyDoor", bound=Door)


@dataclass
class Scene:
    """What a story is played with. `faults` says what went wrong; a story without any is told as it should be."""

    title: str
    stack: RunningStack
    sandbox: Sandbox
    book: Transcript = field(default_factory=Transcript)
    faults: list[str] = field(default_factory=list)
    doors: list[Door] = field(default_factory=list)
    checked: set[int] = field(default_factory=set)
    figures: int = 0
    timeline: list[str] = field(default_factory=list)
    seconds: float = 0.0
    conversations: set[int] = field(default_factory=set)

    # --- the people -----------------------------------------------------------------------------------------------

    def chat(self, name: str, **more: Any) -> Chat:
        return self._enter(Chat(self.stack, self.sandbox, self.book, name, **more)).open()

    def sms(self, name: str, number: str) -> Sms:
        return self._enter(Sms(self.stack, self.sandbox, self.book, name, number=number))

    def whatsapp(self, name: str, number: str) -> WhatsApp:
        return self._enter(WhatsApp(self.stack, self.sandbox, self.book, name, number=number))

    def mail(self, name: str, address: str, phone: str = "") -> Mail:
        return self._enter(Mail(self.stack, self.sandbox, self.book, name, address=address, phone=phone))

    def call(self, name: str, number: str) -> Call:
        return self._enter(Call(self.stack, self.sandbox, self.book, name, number=number))

    def books(self, account: str) -> Books:
        return Books(self.stack, account)

    def _enter(self, door: AnyDoor) -> AnyDoor:
        self.doors.append(door)
        return door

    # --- holding lines against facts --------------------------------------------------------------------------------

    def check(self, heard: Heard | Sequence[Heard], *facts: Fact | Iterable[Fact]) -> None:
        """This will hold one answer (of one or more messages) against what is true: every figure, both ways."""
        said = [heard] if isinstance(heard, Heard) else list(heard)
        flat = [fact for item in facts for fact in ([item] if isinstance(item, Fact) else item)]
        text = "\n".join(spoken(item) for item in said)
        self.checked.update(id(item) for item in said)
        self.figures += len(figures.read(text))
        for problem in figures.unexplained(text, flat):
            self.fault(f"{problem} – in: {' '.join(text.split())[:160]}")
        if not said:
            self.fault("nothing was answered")

    def says(self, heard: Heard | Sequence[Heard], pattern: str) -> None:
        """This will look for words."""
        said = [heard] if isinstance(heard, Heard) else list(heard)
        text = "\n".join(spoken(item) for item in said)
        if not re.search(pattern, text, re.I | re.S):
            self.fault(f"nobody said /{pattern}/, but: {' '.join(text.split())[:200]}")

    def must(self, true: object, what: str) -> None:
        if not true:
            self.fault(what)

    def equal(self, found: object, wanted: object, what: str) -> None:
        if found != wanted:
            self.fault(f"{what}: {found}, not {wanted}")

    def fault(self, what: str) -> None:
        self.faults.append(what)
        self.book.say("FAULT", what)

    def wait(self, what: str, probe: Callable[[], Any], seconds: float = 25.0) -> Any:
        return wait_for(what, probe, seconds)

    def left_over(self) -> None:
        """This will hold every line that the story did not check to what any story may say: codes and their ways."""
        for door in self.doors:
            for item in door.heard:
                if id(item) in self.checked or item.who == "carrier":
                    continue
                known = [figures.count(10, "minutes a code is good for", may=True)]
                number = getattr(door, "number", "")
                if number:
                    known.append(figures.count(int(number[-4:]), "end of the customer's number", may=True))
                code = re.search(r"\b\d{6}\b", item.text) if re.search(r"code is|c[oó]digo es", item.text) else None
                if code:
                    known.append(figures.count(int(code.group(0)), "the code itself"))
                self.check(item, *known)

    # --- the CRM ------------------------------------------------------------------------------------------------------

    def crm(self) -> None:
        """This will read what the CRM has of this story's conversations, and hold it to the hub's segments."""
        for conversation in sorted(self._conversations()):
            self._crm_of(conversation)

    def _conversations(self) -> set[int]:
        found = set(self.conversations)
        for door in self.doors:
            if isinstance(door, Chat):
                first = door.inbox() or door.heard
                found |= {int(item.key.split("-")[0]) for item in first if "-" in item.key}
                continue
            channel = {"SMS": "SMS", "WhatsApp": "WHATSAPP", "e-mail": "EMAIL", "phone call": "VOICE"}[door.channel]
            who = getattr(door, "address", "") or getattr(door, "number", "")
            rows = self.stack.rows(
                "SELECT c.id FROM conversation c JOIN channel_identity i ON i.id = c.identity_id"
                " WHERE c.channel = :channel AND i.value = :who AND EXISTS (SELECT 1 FROM message m"
                " WHERE m.conversation_id = c.id AND m.direction = 'IN' AND m.created_at >= to_timestamp(:since))",
                channel=channel, who=who, since=door.since,  # type: ignore[attr-defined]
            )  # fmt: skip
            found |= {row.id for row in rows}
        return found

    def _crm_of(self, conversation: int) -> None:
        segments = self.stack.rows("SELECT id FROM interaction WHERE conversation_id = :c ORDER BY id", c=conversation)
        last = self.stack.rows(
            "SELECT text FROM message WHERE conversation_id = :c AND direction = 'IN' ORDER BY seq DESC LIMIT 1",
            c=conversation,
        )
        words = " ".join(last[0].text.split()) if last else ""

        def synced() -> dict[str, Any] | None:
            contact = self._contact(conversation)
            if contact is None:
                return None
            shown: dict[str, Any] = self.sandbox.get(f"/api/crm/contacts/{contact}/timeline")
            mine = [item for item in shown["timeline"] if self._is_of(item, segments)]
            bodies = " ".join(" ".join(str(item["body"]).split()) for item in mine)
            return shown if len(mine) >= len(segments) and words in bodies else None

        try:
            shown = wait_for("the CRM to have the conversation", synced, CRM_PATIENCE, 0.4)
        except NotYet as late:
            self.fault(str(late))
            return
        mine = [item for item in shown["timeline"] if self._is_of(item, segments)]
        self.equal(len(mine), len(segments), "activities in the CRM for this conversation's segments")
        contact = shown["contact"]
        self.timeline.append(f"{contact['name']} (contact {contact['id']})")
        tickets = [
            ticket
            for ticket in self.sandbox.get("/api/crm/tickets")["tickets"]
            if ticket["contact"] and ticket["contact"]["id"] == contact["id"] and self._ticket_of(ticket, conversation)
        ]
        for ticket in tickets:
            full = self.sandbox.get(f"/api/crm/tickets/{ticket['id']}")
            self.timeline.append(
                f"  ticket {ticket['id']} · {ticket['stage_label']} · {ticket['properties'].get('hs_ticket_priority')}"
                f" · {ticket['subject']} · owner {ticket['owner'] or '-'}"
            )
            for item in full["timeline"]:
                if item["kind"] == "notes":
                    self.timeline.append(f"    note · {_short(item['body'])}")
        for item in mine:
            at = str(item["at"])[:16].replace("T", " ")
            self.timeline.append(f"  {at} · {item['kind']} · {item['channel'] or '-'} · {_short(item['body'])}")
            code = re.search(r"(?:code is|c[oó]digo es):? \d{6}", str(item["body"]))
            self.must(code is None, "a one-time code stands in the CRM")

    def _contact(self, conversation: int) -> str | None:
        rows = self.stack.rows(
            "SELECT l.remote_id FROM conversation c"
            " JOIN customer u ON u.id = coalesce(c.customer_id, c.recognised_customer_id)"
            " JOIN crm_link l ON l.kind = 'CONTACT' AND l.key = u.number WHERE c.id = :c",
            c=conversation,
        )
        if rows:
            return str(rows[0].remote_id)
        for row in self.stack.rows("SELECT remote_id FROM crm_link WHERE kind = 'CONTACT' AND key LIKE 'visitor-%'"):
            shown = self.sandbox.get(f"/api/crm/contacts/{row.remote_id}/timeline")
            segments = self.stack.rows("SELECT id FROM interaction WHERE conversation_id = :c", c=conversation)
            if any(self._is_of(item, segments) for item in shown["timeline"]):
                return str(row.remote_id)
        return None

    @staticmethod
    def _is_of(item: dict[str, Any], segments: Sequence[Any]) -> bool:
        return item["properties"].get("hub_key") in {f"interaction-{row.id}" for row in segments}

    def _ticket_of(self, ticket: dict[str, Any], conversation: int) -> bool:
        mine = self.stack.rows("SELECT id FROM handoff WHERE conversation_id = :c", c=conversation)
        return ticket["properties"].get("hub_key") in {f"handoff-{row.id}" for row in mine}


def spoken(item: Heard) -> str:
    """This will give everything of a message that a customer reads: its words and its buttons."""
    footer = re.sub(r"\n-- \n.*", "", item.text, flags=re.S)
    subject = re.sub(r"^Subject: ", "", item.subject)
    return "\n".join(part for part in (subject, footer, *item.choices) if part)


def play(scene: Scene, story: Callable[[Scene], None]) -> Scene:
    """This will play a story to its end, whatever happens on stage, and read its traces in the CRM."""
    began = time.monotonic()
    try:
        story(scene)
        scene.left_over()
    except NotYet as late:
        scene.fault(str(late))
    except Exception as broken:
        scene.fault(f"{type(broken).__name__}: {broken}")
    scene.seconds = time.monotonic() - began
    try:
        scene.crm()
    except Exception as broken:
        scene.fault(f"reading the CRM: {type(broken).__name__}: {broken}")
    return scene


def _short(text: str) -> str:
    plain = " ".join(re.sub(r"<[^>]+>", " ", str(text)).split())
    return plain if len(plain) <= 150 else plain[:147] + "…"
