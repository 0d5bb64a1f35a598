"""A bill is paid in a call: the card is typed at the carrier, the hub charges a token once, for what it said."""

import xml.etree.ElementTree as ET
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from actions import frame
from billing import cash_models, models
from billing import operations as billing
from billing import queries as bills
from channels.voice import answering
from core import outbox, ports, settings
from core.accounts import operations as accounts
from core.conversations import models as talked
from core.conversations import operations as conversing
from tests import fakes
from tests.conftest import FakeHub
from tests.integration.actions.conftest import EMAIL, Talk
from tests.integration.billing.conftest import House, make_house, tariffs  # noqa: F401 - fixtures
from tests.integration.channels.test_calls import CALL, Phone

ME = CALL["From"]
CARD = {
    "Result": "success",
    "PaymentToken": "tok_1abc",
    "PaymentMethod": "credit-card",
    "PaymentCardNumber": "xxxxxxxxxxxx4242",
    "PaymentCardType": "visa",
    "ExpirationDate": "1234",
    "SecurityCode": "xxx",
    "PaymentCardPostalCode": "19000",
}


class Caller:
    """Somebody on the phone who has proven who they are, at a house that owes."""

    def __init__(self, hub: FakeHub, house: House, session: Session) -> None:
        self.session, self.house, self.gateway = session, house, fakes.FakeGateway()
        self.heard_by_assistant: list[ports.Turn] = []
        self.hub = hub.with_(
            settings=settings.Settings(
                twilio_auth_token="12345", public_base_url="https://hub.example", voice_pay_connector="Our_Stripe"
            ),
            assistant=fakes.FakeAssistant(script=self.script),
            payments=self.gateway,
        )
        frame.attach(self.hub)
        self.phone = Phone(self.hub).ring().say("hello")
        self.talk = session.scalars(select(talked.ConversationRow)).one()
        self.prove()

    def script(self, turn: ports.Turn) -> ports.Answer:
        self.heard_by_assistant.append(turn)
        if turn.payload != "/pay_bill":
            return ports.Answer((ports.Reply("talk.thanks"),))
        acting = Talk(self.hub, self.house, turn.conversation, self.talk.id)
        said = acting.act("action_pay_bill", "/pay_bill", "pay_bill", turn=turn.turn_id)
        replies = [
            ports.Reply(one["kind"], one["data"], tuple(ports.Choice(**choice) for choice in one["choices"]))
            for one in said.replies
        ]
        return ports.Answer(tuple(replies) or (ports.Reply("verify.ask_account"),))

    def prove(self) -> None:
        with self.hub.transaction() as session:
            conversing.mark_verified(
                session, conversation_id=self.talk.id, customer_id=self.house.customer_id, level=2,
                until=self.hub.now() + timedelta(minutes=30), now=self.hub.now(),
            )  # fmt: skip

    def ask(self) -> ET.Element:
        """Press 2 for paying, and 8 to pay now; gives the <Pay>."""
        self.phone.press("2")
        assert "press 8" in self.phone.heard
        return self.pay_now()

    def pay_now(self) -> ET.Element:
        self.phone.press("8")
        pay = self.phone.twiml.find("Pay")
        assert pay is not None, ET.tostring(self.phone.twiml)
        return pay

    def end(self, pay: ET.Element, **result: str) -> None:
        """Twilio tells how it ended, and comes back as long as it is asked to wait."""
        self.phone.post(str(pay.get("action")), **result)
        while (redirect := self.phone.twiml.find("Redirect")) is not None:
            self.phone.post(str(redirect.text))

    def owes(self) -> Decimal:
        self.session.expire_all()
        return bills.get_balance(self.session, account_id=self.house.account_id, now=self.hub.now()).amount

    def payments(self) -> list[tuple[str, int]]:
        self.session.expire_all()
        rows = self.session.scalars(select(models.PaymentRow).order_by(models.PaymentRow.id))
        return [(row.status, row.amount_cents) for row in rows]

    def tries(self) -> list[tuple[str, str | None, str | None]]:
        self.session.expire_all()
        rows = self.session.scalars(select(cash_models.PhonePaymentRow).order_by(cash_models.PhonePaymentRow.id))
        return [(row.status, row.failure_code, row.card_token) for row in rows]

    def deliver(self) -> None:
        """Everything owed, as the workers do it."""
        for _ in range(3):
            owed = self.session.scalars(
                select(outbox.DeliveryRow.id)
                .where(outbox.DeliveryRow.state == "OWED", outbox.DeliveryRow.due_at <= self.hub.now())
                .order_by(outbox.DeliveryRow.id)
            ).all()
            for delivery_id in owed:
                outbox.deliver(self.hub, delivery_id)

    def kinds(self, channel: str) -> list[str | None]:
        self.session.expire_all()
        found = select(talked.MessageRow).where(
            talked.MessageRow.channel == channel, talked.MessageRow.direction == "OUT"
        )
        return [row.kind for row in self.session.scalars(found.order_by(talked.MessageRow.id))]


@pytest.fixture
def caller(hub: FakeHub, make_house: Callable[..., House], session: Session) -> Caller:  # noqa: F811
    house = make_house()
    with hub.transaction() as told:
        for kind, value in (("PHONE", ME), ("EMAIL", EMAIL)):
            accounts.update_contact_point(
                told, customer_id=house.customer_id, kind=kind, value=value, verified=True, actor="test", now=hub.now()
            )
    at = datetime(2026, 11, 3, 12, 0, tzinfo=UTC)
    run = billing.run_bills(hub, period_end_on=date(2026, 11, 1), now=at)
    billing.issue_bills(hub, run_id=run.run_id, now=at, announce=False)
    return Caller(hub, house, session)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look at what is owed tries it once and does not wait: the test's one connection is no place for threads."""

    def look(self: answering.Answering, number: int, *, seconds: float = 0) -> bool:
        self._run(self._owed(number))
        return not self._owed(number)

    monkeypatch.setattr(answering.Answering, "ready", look)


def test_a_bill_is_paid_in_a_call_once_for_what_was_said(caller: Caller) -> None:
    owed = caller.owes()
    assert owed > 0
    pay = caller.ask()
    assert f"${owed}" in caller.phone.heard
    assert (pay.get("chargeAmount"), pay.get("tokenType"), pay.get("paymentConnector")) == (
        "0",
        "one-time",
        "Our_Stripe",
    )
    assert not any(word in str(pay.attrib) for word in (str(owed), str(owed).replace(".", "")))
    for _ in range(2):  # Twilio asks twice when it had no answer
        caller.end(pay, **CARD, Amount="0.01", ChargeAmount="0.01")
        assert f"Your payment of ${owed} went through" in caller.phone.heard
    assert caller.owes() == 0
    ((key, charged),) = caller.gateway.charges.items()
    assert key == "phone-CA1-1"
    link = caller.session.scalars(select(models.PaymentLinkRow)).one()
    assert charged == {"token": "tok_1abc", "amount": owed, "currency": "USD", "reference": f"link:{link.id}"}
    assert caller.payments() == [("SUCCEEDED", int(owed * 100))]
    assert (link.status, caller.tries()) == ("PAID", [("PAID", None, None)])
    caller.phone.press("8")  # nothing is offered any more
    assert caller.phone.twiml.find("Pay") is None


def test_it_is_booked_receipted_and_traced_as_any_payment(caller: Caller) -> None:
    caller.end(caller.ask(), **CARD)
    caller.hub.clock.move(seconds=5)
    caller.deliver()
    assert "notice.payment_received" in caller.kinds("EMAIL")
    assert "billing.phone_payment_paid" in caller.kinds("VOICE")  # so it stands in the transcript
    told = caller.hub.crm.activities.values()  # type: ignore[attr-defined]
    assert any("went through" in str(activity.properties) for activity in told)
    link = caller.session.scalars(select(models.PaymentLinkRow)).one()
    amount, reference = Decimal(link.amount_cents) / 100, {"reference": f"link:{link.id}"}
    event = ports.GatewayEvent("evt_1", "payment.succeeded", "pi_phone-CA1-1", amount, "USD", reference)
    assert billing.settle_gateway_event(caller.hub, event) == "STALE"  # Stripe tells it as well
    assert len(caller.payments()) == 1


def test_a_declined_card_can_be_followed_by_another(caller: Caller) -> None:
    caller.gateway.answers = [("FAILED", "card_declined")]
    owed = caller.owes()
    caller.end(caller.ask(), **CARD)
    assert "declined" in caller.phone.heard and "No money was taken" in caller.phone.heard
    assert "press 8" in caller.phone.heard
    assert caller.owes() == owed
    caller.phone.say("Try another card, please.")
    pay = caller.phone.twiml.find("Pay")
    assert pay is not None
    caller.end(pay, **{**CARD, "PaymentToken": "tok_2"})
    assert "went through" in caller.phone.heard
    assert sorted(caller.gateway.charges) == ["phone-CA1-1", "phone-CA1-2"]
    assert [status for status, _ in caller.payments()] == ["FAILED", "SUCCEEDED"]
    assert (caller.owes(), caller.tries()) == (0, [("FAILED", "DECLINED", None), ("PAID", None, None)])


@pytest.mark.parametrize(
    ("result", "reason", "words"),
    [
        ({"Result": "caller-interrupted-with-star"}, "CANCELLED", "You ended the payment"),
        ({"Result": "too-many-failed-attempts", "PaymentError": "invalid-card-number"}, "TOO_MANY_TRIES", "not valid"),
        ({"Result": "too-many-failed-attempts", "PaymentError": "input-timeout"}, "TIMEOUT", "waited too long"),
        ({}, "TOO_MANY_TRIES", "not valid"),  # the verb fell through to the Redirect after it
        ({"Result": "payment-connector-error", "PaymentError": "card is declined"}, "DECLINED", "declined"),
        ({"Result": "payment-connector-error", "ConnectorError": "504"}, "CONNECTOR", "the fault is ours"),
        ({"Result": "validation-error"}, "CONNECTOR", "the fault is ours"),
        ({"Result": "success"}, "CONNECTOR", "the fault is ours"),  # without a token
        ({"Result": "success", "PaymentToken": "a b;--"}, "CONNECTOR", "the fault is ours"),
    ],
)
def test_every_other_end_is_said_and_leads_on(caller: Caller, result: dict[str, str], reason: str, words: str) -> None:
    caller.end(caller.ask(), **result)
    assert words in caller.phone.heard and "No money was taken" in caller.phone.heard
    assert (caller.tries(), caller.payments(), caller.gateway.charges) == ([("FAILED", reason, None)], [], {})
    action = caller.phone.action()
    assert "Press 1 for: Send me a payment link" in caller.phone.heard
    caller.pay_now()  # again,
    caller.phone.post(action, Digits="2")  # or by a person
    assert caller.heard_by_assistant[-1].payload == "/talk_to_human"


def test_who_hangs_up_is_charged_nothing(caller: Caller) -> None:
    caller.end(caller.ask(), Result="caller-hung-up")
    assert [child.tag for child in caller.phone.twiml] == ["Hangup"]
    assert caller.tries() == [("FAILED", "CANCELLED", None)]


@pytest.mark.usefixtures("impatient")
def test_an_unknown_outcome_is_said_and_never_charged_twice(caller: Caller) -> None:
    owed, caller.gateway.lose_answers = caller.owes(), 1
    pay = caller.ask()
    caller.end(pay, **CARD)
    assert "I do not know yet" in caller.phone.heard and "do not pay it again" in caller.phone.heard
    assert caller.tries() == [("CHARGING", None, "tok_1abc")]
    caller.phone.press("2")
    caller.phone.press("8")  # another link, as long as nobody knows
    assert "still on its way" in caller.phone.heard and caller.phone.twiml.find("Pay") is None
    link = caller.session.scalars(select(models.PaymentLinkRow).order_by(models.PaymentLinkRow.id)).first()
    assert link is not None
    with pytest.raises(Exception, match=r"payment_link\.used"):  # nor does the page of the first open
        billing.begin_checkout(caller.hub, token=link.token, return_url="https://hub.example/back")
    caller.hub.clock.move(minutes=1)
    caller.deliver()
    assert list(caller.gateway.charges) == ["phone-CA1-1"]
    assert (caller.payments(), caller.owes()) == ([("SUCCEEDED", int(owed * 100))], 0)
    assert caller.kinds("SMS").count("billing.phone_payment_paid") == 1  # as was promised
    caller.end(pay, **CARD)
    assert len(caller.payments()) == 1


@pytest.mark.usefixtures("impatient")
def test_the_gateways_own_news_settles_what_nobody_knew(caller: Caller) -> None:
    owed, caller.gateway.down = caller.owes(), True
    caller.end(caller.ask(), **CARD)
    link = caller.session.scalars(select(models.PaymentLinkRow)).one()
    event = ports.GatewayEvent("evt_1", "payment.succeeded", "pi_9", owed, "USD", {"reference": f"link:{link.id}"})
    assert billing.settle_gateway_event(caller.hub, event) == "APPLIED"
    caller.hub.clock.move(minutes=1)
    caller.deliver()  # the gateway is still down: it is not asked
    assert (caller.tries(), caller.owes(), len(caller.payments())) == ([("PAID", None, None)], 0, 1)


def test_a_token_that_is_refused_leaves_the_link_open(caller: Caller) -> None:
    caller.gateway.refuse = "payment.refused"
    caller.end(caller.ask(), **CARD)
    assert "the fault is ours" in caller.phone.heard
    caller.gateway.refuse = None
    caller.end(caller.pay_now(), **CARD)
    assert caller.owes() == 0


def test_what_was_paid_another_way_meanwhile_is_not_charged(caller: Caller) -> None:
    pay, owed = caller.ask(), caller.owes()
    link = caller.session.scalars(select(models.PaymentLinkRow)).one()
    event = ports.GatewayEvent("evt_1", "payment.succeeded", "pi_web", owed, "USD", {"reference": f"link:{link.id}"})
    billing.settle_gateway_event(caller.hub, event)
    caller.end(pay, **CARD)
    assert "paid another way" in caller.phone.heard and "press 8" not in caller.phone.heard
    assert (caller.gateway.charges, len(caller.payments())) == ({}, 1)


def test_the_proof_of_who_calls_is_asked_for_again(caller: Caller) -> None:
    caller.phone.press("2")
    caller.hub.clock.move(minutes=31)
    caller.phone.press("8")
    assert caller.phone.twiml.find("Pay") is None
    assert caller.heard_by_assistant[-1].payload == "/pay_bill"
    assert caller.tries() == []
    assert "billing.pay_link" not in caller.kinds("VOICE")[-1:]


def test_cards_are_not_tried_without_end(caller: Caller) -> None:
    pay = caller.ask()
    for _ in range(4):
        caller.end(pay, Result="caller-interrupted-with-star")
        pay = caller.pay_now()
    caller.end(pay, Result="caller-interrupted-with-star")
    caller.phone.press("8")
    assert caller.phone.twiml.find("Pay") is None
    assert "tried by phone several times" in caller.phone.heard
    assert "Press 2 for: Talk to a person" in caller.phone.heard
    caller.hub.clock.move(minutes=61)
    caller.prove()
    caller.phone.post(caller.phone.action(), Digits="1")
    caller.pay_now()


def test_asked_twice_it_is_one_try_and_the_key_means_nothing_without_an_offer(caller: Caller) -> None:
    caller.phone.press("8")
    assert "did not hear" in caller.phone.heard
    caller.phone.press("2")
    action = caller.phone.action()
    first = caller.phone.post(action, Digits="8").text
    assert caller.phone.post(action, Digits="8").text == first
    assert caller.tries() == [("ASKING", None, None)]


def test_without_a_connector_it_is_as_before(caller: Caller) -> None:
    hub = caller.hub.with_(settings=caller.hub.settings.model_copy(update={"voice_pay_connector": ""}))
    frame.attach(hub)
    phone = Phone(hub)
    action = caller.phone.action()
    phone.post(action, Digits="2")
    assert "texted you a secure link" in phone.heard and "press 8" not in phone.heard
    phone.press("8")
    assert phone.twiml.find("Pay") is None


def test_another_call_and_strangers_get_nothing(caller: Caller) -> None:
    pay = caller.ask()
    action = str(pay.get("action"))
    assert caller.phone._door.post(action, data={**CALL, **CARD}).status_code == 403
    caller.phone.post(action, CallSid="CA2", **CARD)  # of this call only
    assert "cannot help" in caller.phone.heard
    caller.phone.post(action.replace("p=1", "p=7"), **CARD)
    assert "cannot help" in caller.phone.heard
    assert (caller.gateway.charges, caller.tries()) == ({}, [("ASKING", None, None)])
    with caller.hub.transaction() as session, pytest.raises(Exception, match=r"payment_link\.unknown"):
        link = caller.session.scalars(select(models.PaymentLinkRow)).one()
        billing.begin_phone_payment(
            session, account_id=caller.house.account_id + 1, link_token=link.token, call_id="CA1",
            conversation_id=caller.talk.id, now=caller.hub.now(),
        )  # fmt: skip


def test_progress_is_acknowledged_and_no_value_is_noted(caller: Caller, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    fields = {
        "For": "security-code",
        "Attempt": "2",
        "ErrorType": "invalid-security-code",
        "PaymentCardPostalCode": "19000",
    }
    assert caller.phone.post("/hooks/twilio/voice/pay-status", **fields).status_code == 204
    (noted,) = [record for record in caplog.records if record.message == "pay_status"]
    assert (noted.__dict__["for"], noted.__dict__["attempt"]) == ("security-code", "2")
    assert "19000" not in str([record.__dict__ for record in caplog.records])


def test_spanish_is_spoken_throughout(caller: Caller) -> None:
    caller.phone.press("9")
    caller.phone.press("2")
    assert "oprima 8" in caller.phone.heard
    caller.phone.say("Quiero pagar ahora.")
    pay = caller.phone.twiml.find("Pay")
    assert pay is not None and pay.get("language") == "es-MX"
    assert "número de su tarjeta" in "".join(pay.itertext())
    caller.end(pay, Result="caller-interrupted-with-star")
    assert "No se cobró nada" in caller.phone.heard
