"""The doors to the outside, as small Protocols, and the plain values that pass through them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import IO, Any, Protocol

# --- the assistant ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Choice:
    """A quick reply. `payload` is the hub's own (``/affirm``); customers only ever see a token or a number for it."""

    label: str
    payload: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Reply:
    """One thing to say: a catalogue kind and its data. `label` of a choice is a catalogue kind too."""

    kind: str
    data: Mapping[str, Any] = field(default_factory=dict)
    choices: tuple[Choice, ...] = ()


@dataclass(frozen=True)
class Turn:
    """One turn for the assistant. Exactly one of `text` (what a customer typed) and `payload` (issued by the hub)."""

    conversation: str  # the conversation's opaque token: the assistant's only name for the customer
    turn_id: str  # the same on every retry of the same turn, so that a retry repeats the answer, not the action
    channel: str
    locale: str
    text: str | None = None
    payload: str | None = None


@dataclass(frozen=True)
class Answer:
    """What the assistant understood and wants said. Never empty: an empty reply is a ProviderError."""

    replies: tuple[Reply, ...]
    intent: str | None = None
    confidence: float | None = None


class Assistant(Protocol):
    def ask(self, turn: Turn) -> Answer:
        """This will answer one turn, or raise ProviderError."""
        ...

    def ready(self) -> bool:
        """This will say whether the assistant answers at all."""
        ...


# --- channels --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outbound:
    """One message on its way out, already worded for the channel's medium. `text` is never HTML."""

    message_id: int
    conversation: str
    channel: str
    to: str  # the address on the channel: E.164 number, whatsapp identity, e-mail address, visitor token
    locale: str
    text: str
    subject: str | None = None
    html: str | None = None
    ssml: str | None = None
    choices: tuple[tuple[str, str], ...] = ()  # (token, label), in order
    attachments: tuple[Mapping[str, Any], ...] = ()  # {"name", "content_type", "url" | "content_base64"}
    kind: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    window_open: bool = True  # WhatsApp: whether the 24-hour window is open
    headers: Mapping[str, str] = field(default_factory=dict)  # e-mail: threading headers
    uncertain_since: datetime | None = None  # an earlier try may have gone: ask the vendor for it before sending again

    @property
    def pictures(self) -> tuple[Mapping[str, Any], ...]:
        """Attachments that are pictures to be fetched from where they lie."""
        return tuple(
            each
            for each in self.attachments
            if str(each.get("content_type", "")).startswith("image/") and each.get("url")
        )


@dataclass(frozen=True)
class Sent:
    """What the vendor said of a message it took. `status` is one of the message's delivery states."""

    external_id: str | None
    status: str = "SENT"


class Channel(Protocol):
    name: str

    def send(self, message: Outbound) -> Sent:
        """This will hand the message to the vendor. Refused: it may never go. ProviderError: perhaps later."""
        ...


# --- the CRM ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CrmContact:
    key: str  # our customer number: the unique property
    properties: Mapping[str, str]


@dataclass(frozen=True)
class CrmActivity:
    key: str  # unique per conversation segment
    kind: str  # "communication", "note", "email", "call"
    properties: Mapping[str, str]
    contact_id: str | None  # what to associate it with; None when that is done, or there is nobody
    ticket_id: str | None


@dataclass(frozen=True)
class CrmTicket:
    key: str  # unique per handoff or service request
    properties: Mapping[str, str]
    contact_id: str | None


@dataclass(frozen=True)
class StaffEvent:
    """Something a person did in the CRM: wrote a reply, took, or closed a ticket."""

    ticket_id: str  # or "conversation:<token>", "thread:<id>", where people answer in a thread
    kind: str  # "reply", "accepted", "closed"; "stage" while its text still has to be read
    text: str | None
    at: datetime
    event_id: str
    staff_name: str | None = None


class CRM(Protocol):
    def upsert_contacts(self, contacts: Sequence[CrmContact]) -> Mapping[str, str]:
        """This will create or update contacts by key and give each key's remote id."""
        ...

    def upsert_ticket(self, ticket: CrmTicket, remote_id: str | None) -> str:
        """This will create or update a ticket and give its remote id."""
        ...

    def upsert_activity(self, activity: CrmActivity, remote_id: str | None) -> str:
        """This will create or update one activity, associated, and give its remote id."""
        ...

    def add_note(self, ticket_id: str, body: str, at: datetime, key: str) -> str:
        """This will add an internal note to a ticket."""
        ...

    def push_customer_message(
        self, ticket_id: str, conversation: str, text: str, at: datetime, key: str, contact_id: str | None = None
    ) -> str | None:
        """This will show a customer's message to the person who has the floor; gives the thread's id, if it has one."""
        ...

    def event_of_stage(self, stage_id: str) -> str | None:
        """This will say what moving a ticket to a stage means: "accepted", "closed", or None."""
        ...

    def staff_name(self, ticket_id: str) -> str | None:
        """This will give the first name of the person who has a ticket; None when nobody has."""
        ...

    def clear_reply(self, ticket_id: str, text: str) -> None:
        """This will empty a ticket's reply box once its text has been relayed, unless another text stands there now."""
        ...

    def pull_staff_events(self, ticket_ids: Sequence[str]) -> Sequence[StaffEvent]:
        """This will list what people did in these open tickets (the polling mode)."""
        ...


# --- payments --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Checkout:
    url: str
    external_id: str


@dataclass(frozen=True)
class GatewayCharge:
    external_id: str
    status: str  # "SUCCEEDED", "PROCESSING", "REQUIRES_ACTION", "FAILED"
    failure_code: str | None = None


@dataclass(frozen=True)
class GatewayEvent:
    event_id: str
    kind: str  # "payment.succeeded", "payment.processing", "payment.failed", "payment.refunded", "payment.disputed",
    # "payment.dispute_won", "payment.dispute_lost", "refund.sent", "refund.failed", "method.saved" and "method.set_up"
    # (of a set-up's id: what was kept by it is asked for)
    external_id: str
    amount: Decimal
    currency: str
    metadata: Mapping[str, str]
    method: str | None = None
    failure_code: str | None = None
    at: datetime | None = None


@dataclass(frozen=True)
class GatewayRefund:
    """One refund as the gateway has it. FAILED: it went, and the money came back to us."""

    external_id: str
    status: str  # "SENT", "FAILED"
    failure_code: str | None = None


@dataclass(frozen=True)
class KeptMethod:
    """A card or bank account that the gateway keeps. `mandate` is the reference by which a bank knows the mandate."""

    method_id: str
    customer_id: str
    method: str  # "card", "us_bank_account", "sepa_debit"
    last4: str
    mandate: str | None = None


@dataclass(frozen=True)
class GatewayMovement:
    """One movement on our balance at the gateway. `amount` above zero came in, below zero went out; before fees."""

    movement_id: str
    external_id: str  # the payment's
    kind: str
    amount: Decimal
    currency: str
    at: datetime


class PaymentGateway(Protocol):
    name: str

    def start_checkout(
        self,
        *,
        amount: Decimal,
        currency: str,
        reference: str,
        description: str,
        methods: Sequence[str],
        return_url: str,
        locale: str,
        key: str,
    ) -> Checkout:
        """This will open a hosted payment page; card digits never reach the hub. `key` makes it idempotent."""
        ...

    def start_setup(
        self, *, currency: str, reference: str, methods: Sequence[str], return_url: str, locale: str, key: str
    ) -> Checkout:
        """This will open a hosted page that keeps a method, and takes the mandate of a bank account; no money moves."""
        ...

    def find_kept(self, *, setup_id: str) -> KeptMethod:
        """This will ask what a completed set-up keeps."""
        ...

    def charge_saved(
        self,
        *,
        method_id: str,
        customer_id: str,
        method: str,
        amount: Decimal,
        currency: str,
        reference: str,
        key: str,
    ) -> GatewayCharge:
        """This will charge a saved card or bank account, off session."""
        ...

    def charge_token(self, *, token: str, amount: Decimal, currency: str, reference: str, key: str) -> GatewayCharge:
        """This will charge a card once by the token somebody else took it under. Refused: nothing was or will be taken.

        ProviderError: it may have been taken; asked again under the same key it is the same charge.
        """
        ...

    def refund(self, *, external_id: str, amount: Decimal, key: str) -> str:
        """This will give money back and return the refund's id."""
        ...

    def find_refund(self, *, external_id: str, key: str) -> GatewayRefund | None:
        """This will find the refund of a payment that was sent under a key, when nobody knows whether it went."""
        ...

    def forget_method(self, *, method_id: str) -> None:
        """This will let the gateway forget a saved card or bank account; one it does not know is forgotten already."""
        ...

    def list_movements(self, *, since: datetime, until: datetime) -> Iterable[GatewayMovement]:
        """This will list what moved on our balance at the gateway in [since, until)."""
        ...

    def parse_webhook(self, body: bytes, signature: str | None, now: datetime) -> GatewayEvent | None:
        """This will check the signature (Refused when wrong) and give the event, or None when it is not ours."""
        ...


# --- letters ---------------------------------------------------------------------------------------------------------


class LetterCarrier(Protocol):
    def deliver(self, *, name: str, write: Callable[[IO[bytes]], None]) -> None:
        """This will hand one batch to who prints and mails it, whole; the same name once, however often it is tried."""
        ...
