"""The till of a call: what was offered is paid by keypad at Twilio, and charged by the hub while the caller waits."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from billing import by_phone
from billing import handlers as charging
from billing import operations as billing
from billing import queries as bills
from channels import edge
from channels.voice import answering, parse, render
from core import errors, log
from core.conversations import operations as conversations
from core.conversations import queries as talks
from core.hub import Hub
from core.ports import Reply

logger = log.get(__name__)

_NOTHING_TO_PAY = ("payment_link.used", "phone_payment.under_way")  # no other way is offered then


class Till:
    """Takes cards in calls. Where we are in it travels with the place; what is paid stands in the hub."""

    def __init__(self, hub: Hub, call: render.Call) -> None:
        self._hub = hub
        self._call = call
        self._house = conversations.house(hub.settings)
        self._charging = answering.Answering(
            hub, fact="phone_payment.owed", handler=charging.charge_phone_payment, order="phone-payment", threads=8
        )

    def begin(self, call_id: str, spoken: Sequence[render.Spoken], place: render.Place) -> str | render.Place:
        """This will give the TwiML that asks for the card to pay what was offered; or, when that was refused, the place
        from which on it has been said why. Refused identity.unverified when the proof of who is calling has run out.
        """
        offer, now = render.offer_of(spoken), self._hub.now()
        assert offer is not None and place.conversation_id is not None  # somebody offered it, in a conversation
        place = replace(place, after=offer.seq, tries=0)
        with self._hub.transaction() as session:
            talk = talks.get_conversation(session, conversation_id=place.conversation_id, now=now)
            if talk.thread_key != edge.clean(call_id, 64):
                raise errors.NotFound("conversation.unknown")
            account = talks.get_verified_account(session, token=talk.token, now=now)
            try:
                payment = billing.begin_phone_payment(
                    session,
                    account_id=account.id,
                    link_token=str(offer.data["payable"]),
                    call_id=call_id,
                    conversation_id=talk.id,
                    now=now,
                )
            except errors.Refused as refused:
                ways = () if refused.code in _NOTHING_TO_PAY else by_phone.WAYS_ON
                conversations.send_once(
                    session,
                    conversation_id=talk.id,
                    reply=Reply(f"error.{refused.code}", {}, ways),
                    key=f"phone-payment-refused:{call_id}:{place.turn}",
                    now=now,
                    house=self._house,
                )
                return place
        return self._call.pay(payment.amount, replace(place, attempt=payment.attempt))

    def settle(self, fields: Mapping[str, str], place: render.Place) -> None:
        """This will owe the charge of the card that came, or say why none came. Told twice it is the same."""
        call_id, now = fields["CallSid"], self._hub.now()
        token, reason = parse.card_of(fields)
        if token is not None:
            try:
                with self._hub.transaction() as session:
                    billing.take_phone_card(session, call_id=call_id, attempt=place.attempt, token=token, now=now)
                return
            except errors.Refused:
                reason = "USED"
        logger.info("phone_payment_ended", extra={"call": call_id, "reason": reason})
        with self._hub.transaction() as session:
            billing.fail_phone_payment(
                session, call_id=call_id, attempt=place.attempt, reason=reason, now=now, house=self._house
            )

    def done(self, call_id: str, place: render.Place, *, last: bool) -> bool:
        """This will charge what is owed and say whether it is known what came of it; at the `last` look, the caller is
        told that it is not.
        """
        with self._hub.transaction() as session:
            payment = bills.find_phone_payment(session, call_id=call_id, attempt=place.attempt)
        if payment is None:
            raise errors.NotFound("phone_payment.unknown")
        if payment.status != "CHARGING":
            return True
        free = self._charging.ready(payment.id)
        if not free and not last:
            return False
        with self._hub.transaction() as session:  # changes nothing where the charge has come to its end
            billing.tell_phone_payment_unsure(
                session, call_id=call_id, attempt=place.attempt, now=self._hub.now(), house=self._house
            )
        return True
