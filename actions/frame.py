"""The frame every action stands in: one transaction, one speaker, one way to answer and one way to fail.

An action is thin. It reads slots, calls one query or operation, and says catalogue kinds; it never words a sentence and
never trusts a slot for who is speaking. Identity comes from the conversation in the database alone.
"""

import asyncio
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, ClassVar

from rasa_sdk import Action
from rasa_sdk.events import FollowupAction, SlotSet
from sqlalchemy.orm import Session

from core import errors, log, periods, wording
from core.accounts import queries as accounts
from core.conversations import operations as conversing
from core.conversations import queries as conversations
from core.hub import Hub
from core.ports import Choice, Reply

logger = log.get(__name__)

GO, STOP, IDENTIFY = "GO", "STOP", "IDENTIFY"
Event = dict[str, Any]

FORMS: Mapping[str, tuple[str, ...]] = {
    "identify_form": ("claimed_account",),
    "report_outage_form": ("outage_location", "outage_hazard"),
    "payment_plan_form": ("plan_months", "confirm"),
    "autopay_form": ("confirm",),
    "paperless_form": ("confirm",),
    "dispute_form": ("dispute_reason", "confirm"),
    "reading_form": ("meter_value", "confirm"),
    "alerts_form": ("alert_threshold",),
    "start_service_form": ("service_address", "service_date", "confirm"),
    "stop_service_form": ("service_date", "confirm"),
    "move_service_form": ("service_address", "service_date", "confirm"),
    "switch_form": ("tariff_choice", "service_date", "confirm"),
    "connection_form": ("service_address", "service_date", "confirm"),
    "repair_form": ("problem", "confirm"),
    "booking_form": ("appointment_kind", "appointment_slot", "confirm"),
    "reschedule_form": ("appointment_choice", "appointment_slot", "confirm"),
    "cancel_appointment_form": ("appointment_choice", "confirm"),
    "enroll_form": ("program_choice", "confirm"),
    "medical_form": ("medical_detail", "confirm"),
    "complaint_form": ("complaint_text",),
    "location_form": ("outage_location",),
}
"""The slots each form asks for, in order; the assistant's domain lists the same (a test compares them)."""

_attached: list[Hub] = []


def attach(hub: Hub) -> None:
    """This will name the hub that every action of this process works in."""
    _attached[:] = [hub]


def attached() -> Hub:
    """This will give the process's hub; RuntimeError when none was attached."""
    if not _attached:
        raise RuntimeError("no hub is attached to the actions")
    return _attached[0]


@dataclass
class Ask:
    """One turn as an action sees it, and what it has said so far."""

    hub: Hub
    session: Session
    tracker: Any  # rasa_sdk.Tracker
    speaker: conversations.Speaker
    now: datetime
    key: str  # the same on every retry of this turn by this action: the idempotency key of what it does
    replies: list[Reply] = field(default_factory=list)
    _account: accounts.Account | None = None

    def say(self, kind: str, *, choices: Sequence[Choice] = (), **data: Any) -> None:
        """This will add one reply."""
        self.replies.append(Reply(kind, data, tuple(choices)))

    # --- who is speaking -------------------------------------------------------------------------------------------

    @property
    def locale(self) -> str:
        return self.speaker.locale

    @property
    def token(self) -> str:
        return self.speaker.token

    def account(self) -> accounts.Account:
        """This will give the verified account: the only door to one. Refused('identity.unverified') below level 2."""
        if self._account is None:  # it cannot change within one turn
            self._account = conversations.get_verified_account(self.session, token=self.token, now=self.now)
        return self._account

    def customer(self) -> accounts.Customer:
        """This will give the customer of the verified account."""
        return accounts.get_customer(self.session, customer_id=self.account().customer_id)

    def service_point(self) -> accounts.ServicePoint:
        """This will give the service point the account is supplied at today (the first, when there are several)."""
        account = self.account()
        points = accounts.list_service_points(self.session, account_id=account.id, on=self.today)
        if not points:
            raise errors.NotFound("account.no_service_point", number=account.number)
        return points[0]

    @property
    def today(self) -> date:
        return periods.civil_day(self.now, self.hub.settings.utility_timezone)

    # --- what was said ---------------------------------------------------------------------------------------------

    @property
    def intent(self) -> str:
        return str((self.tracker.latest_message.get("intent") or {}).get("name") or "")

    @property
    def confidence(self) -> float:
        return float((self.tracker.latest_message.get("intent") or {}).get("confidence") or 0.0)

    @property
    def text(self) -> str:
        return str(self.tracker.latest_message.get("text") or "").strip()

    @property
    def choice(self) -> str | None:
        """The value of a choice the hub issued, when this message is one."""
        return self.entity("choice")

    def entity(self, name: str) -> Any | None:
        """This will give the first entity of a name in the latest message."""
        for entity in self.tracker.latest_message.get("entities") or ():
            if entity.get("entity") == name:
                return entity.get("value")
        return None

    def slot(self, name: str) -> Any | None:
        """This will give a slot's value. Never use one for identity."""
        return self.tracker.slots.get(name)

    @property
    def link_base(self) -> str:
        return self.hub.settings.public_base_url.rstrip("/")


class HubAction(Action):  # type: ignore[misc]
    """The base of every action: subclasses give `name_` and `answer`, and `needs` (0 none, 2 a verified customer)."""

    name_: ClassVar[str]
    needs: ClassVar[int] = 0
    form: ClassVar[str | None] = None  # the form that starts when `answer` returns `go(...)`

    def name(self) -> str:
        return self.name_

    async def run(self, dispatcher: Any, tracker: Any, domain: Mapping[str, Any]) -> list[Event]:
        """This will answer in a thread of its own, so that one slow answer does not hold up the others."""
        replies, events = await asyncio.to_thread(self.perform, tracker)
        for reply in replies:
            dispatcher.utter_message(json_message=sent_out(reply))
        return events

    def perform(self, tracker: Any) -> tuple[list[Reply], list[Event]]:
        """This will answer inside one transaction; what goes wrong is said after it has been rolled back."""
        hub = attached()
        try:
            with hub.transaction() as session:
                ask = _ask(hub, session, tracker, self.name())
                if ask.speaker.level < self.needs:
                    raise errors.Refused("identity.unverified")
                events = list(self.answer(ask))
                replies = ask.replies
        except errors.Refused as exc:
            if exc.code == "identity.unverified":
                return self._identify(hub, tracker)
            return self.explain(exc), self.failed(tracker)
        except (errors.Invalid, errors.NotFound) as exc:
            return self.explain(exc), self.failed(tracker)
        except errors.ProviderError as exc:
            logger.warning("action_provider_failed", extra={"action": self.name(), "code": exc.code})
            return [Reply("error.provider", {}, (person(),))], self.failed(tracker)
        except Exception:
            logger.exception("action_failed", extra={"action": self.name()})
            return _hand_over(hub, tracker, self.name()), self.failed(tracker)
        return replies, [*events, *self._follow(tracker, events)]

    def answer(self, ask: Ask) -> Sequence[Event]:
        """This will answer one turn: say replies, give slot events."""
        raise NotImplementedError

    # --- what an answer may end with -------------------------------------------------------------------------------

    def go(self, **slots: Any) -> list[Event]:
        """This will let the form start, its slots empty but for the given ones."""
        empty = dict.fromkeys(FORMS.get(self.form or "", ()))
        return [*(SlotSet(name, value) for name, value in {**empty, **slots}.items()), SlotSet("flow", GO)]

    def stop(self, **slots: Any) -> list[Event]:
        """This will end here: nothing starts."""
        return [*(SlotSet(name, value) for name, value in slots.items()), SlotSet("flow", STOP)]

    def failed(self, tracker: Any) -> list[Event]:
        """This will give the events of an answer that ended in an apology."""
        return self.stop()

    def resume_as(self, tracker: Any) -> str:
        """This will name the action that goes on once we know who is speaking: this one, unless it says otherwise."""
        return self.name()

    def explain(self, exc: errors.WattlineError) -> list[Reply]:
        """This will put a rule, or what was wrong, in plain words."""
        kind = f"error.{exc.code}"
        if kind not in wording.kinds("en"):
            logger.error("error_without_wording", extra={"code": exc.code})
            kind = f"error.{type(exc).__name__.lower()}"
        return [Reply(kind, plain(exc.data), (person(),))]

    # --- the identity dance ----------------------------------------------------------------------------------------

    def _identify(self, hub: Hub, tracker: Any) -> tuple[list[Reply], list[Event]]:
        """This will send a code to a recognised speaker, or ask anybody else who they are; then resume here."""
        try:
            with hub.transaction() as session:
                ask = _ask(hub, session, tracker, f"{self.name()}:verify")
                replies, flow = begin_identity(ask)
        except errors.WattlineError as exc:
            return self.explain(exc), self.failed(tracker)
        except Exception:
            logger.exception("action_failed", extra={"action": self.name(), "at": "identity"})
            return _hand_over(hub, tracker, self.name()), self.failed(tracker)
        events = [SlotSet("resume_action", self.resume_as(tracker)), SlotSet("flow", flow)]
        if flow == IDENTIFY:
            events += [SlotSet("claimed_account", None), FollowupAction("identify_form")]
        return replies, [*events, *self._follow(tracker, events)]

    def _follow(self, tracker: Any, events: Sequence[Event]) -> list[Event]:
        """This will say what runs next where no rule does: after a resume, and after a change of subject."""
        if any(event["event"] == "followup" for event in events):
            return []
        flow = next((e["value"] for e in reversed(events) if e["event"] == "slot" and e["name"] == "flow"), None)
        if flow == GO and self.form:
            return [FollowupAction(self.form)]
        latest = tracker.latest_action_name or ""
        if latest == "action_resume" or latest.startswith("action_submit_"):
            return [FollowupAction("action_listen")]
        return []


def begin_identity(
    ask: Ask, *, account_number: str | None = None, contact: str | None = None
) -> tuple[list[Reply], str]:
    """This will send a one-time code to the contact on file when we know whose; otherwise ask who is speaking."""
    begun = conversing.begin_verification(
        ask.session,
        token=ask.token,
        account_number=account_number,
        contact=contact,
        key=ask.key,
        settings=ask.hub.settings,
        now=ask.now,
    )
    if begun.state == "ASK":
        return [], IDENTIFY
    if begun.state == "LOCKED":
        return [Reply("verify.locked", {}, (person(),))], STOP
    if begun.state == "ALREADY":
        return [Reply("verify.already", {})], STOP
    return [Reply("verify.code_sent", {"masked": begun.masked})], STOP


def clear(*slots: str) -> list[Event]:
    """This will empty slots."""
    return [SlotSet(name, None) for name in slots]


def person() -> Choice:
    """This will give the way out that is always there."""
    return Choice("choice.person", "/talk_to_human")


def sent_out(reply: Reply) -> dict[str, Any]:
    """This will give a reply as it travels through the assistant: JSON and nothing else."""
    return {
        "kind": reply.kind,
        "data": plain(reply.data),
        "choices": [
            {"label": choice.label, "payload": choice.payload, "data": plain(choice.data)} for choice in reply.choices
        ],
    }


def plain(value: Any) -> Any:
    """This will make data JSON-safe: Decimals become strings, dates and instants ISO 8601."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, date | datetime):
        return value.isoformat()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(inner) for inner in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if hasattr(value, "item"):  # a numpy scalar
        return plain(value.item())
    raise TypeError(f"{type(value).__name__} does not travel")


def house(hub: Hub) -> wording.House:
    """This will give what every sentence may name."""
    return conversing.house(hub.settings)


def _ask(hub: Hub, session: Session, tracker: Any, doing: str) -> Ask:
    now = hub.now()
    speaker = conversations.get_speaker(session, token=tracker.sender_id, now=now)
    return Ask(hub, session, tracker, speaker, now, f"{_turn(tracker)}:{doing}")


def _turn(tracker: Any) -> str:
    """The hub names every turn; a message that came another way is named by the assistant's own message id."""
    message = tracker.latest_message
    turn = (message.get("metadata") or {}).get("turn_id") or message.get("message_id")
    return f"{tracker.sender_id}:{turn}"


def _hand_over(hub: Hub, tracker: Any, doing: str) -> list[Reply]:
    """Our own bug: apologise and hand to a person. When even that fails, the apology still goes out."""
    try:
        with hub.transaction() as session:
            ask = _ask(hub, session, tracker, f"{doing}:handoff")
            conversing.request_handoff(
                session,
                conversation_id=ask.speaker.conversation_id,
                reason="FAILURE",
                now=ask.now,
                key=ask.key,
            )
    except Exception:
        logger.exception("action_handoff_failed", extra={"action": doing})
        return [Reply("error.internal", {"handed_over": False})]
    return [Reply("error.internal", {"handed_over": True})]
