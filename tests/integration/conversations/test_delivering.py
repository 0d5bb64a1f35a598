"""What goes out, what may not, and what the vendor says of it."""

from datetime import timedelta

import pytest

from core import errors, outbox, ports
from core.accounts import operations as accounts
from core.conversations import delivery, queries, sending
from tests.integration.conversations.conftest import EMAIL, PHONE, World


@pytest.mark.parametrize("channel", ["SMS", "WHATSAPP"])
def test_after_stop_nothing_goes_until_start(world: World, channel: str) -> None:
    world.say("hello", channel=channel)
    before = len(world.sent(channel))
    world.hub.clock.move(minutes=20)
    world.say(" Stop. ", channel=channel)
    received = world.say("what do I owe", channel=channel)
    assert len(world.sent(channel)) == before
    assert [m.status for m in world.messages(received)][-2:] == ["ANSWERED", "SUPPRESSED"]
    with world.hub.transaction() as session:
        assert (
            sending.notify_customer(
                session,
                customer_id=world.customer.id,
                kind="notice.payment_received",
                data={"amount": "5.00"},
                purpose="SERVICE",
                key="n1",
                now=world.hub.now(),
                house=sending_house(world),
                channels=(channel,),
            )
            is None
        )
    world.say("START", channel=channel)
    assert world.kinds(channel)[before:] == ([] if channel == "SMS" else ["consent.back"])
    world.say("what do I owe", channel=channel)
    assert world.kinds(channel)[-1] == "talk.thanks"


def test_cancel_in_a_dialogue_is_a_word_on_whatsapp_and_a_stop_on_sms(world: World) -> None:
    for channel, heard in (("WHATSAPP", True), ("SMS", False)):
        world.say("hello", channel=channel)
        world.say("CANCEL", channel=channel)
        assert (world.turns[-1].text == "CANCEL") is heard


def test_a_message_that_fails_waits_and_then_goes_once(world: World) -> None:
    world.hub.channels["SMS"].down = True  # type: ignore[attr-defined]
    received = world.say("hello")
    assert world.messages(received)[-1].status == "OWED"
    world.hub.channels["SMS"].down = False  # type: ignore[attr-defined]
    world.hub.clock.move(minutes=5)
    outbox.drain(world.hub)
    assert world.messages(received)[-1].status == "SENT" and len(world.sent()) == 1


def test_a_refusal_is_final_and_an_opt_out_at_the_vendor_is_remembered(world: World) -> None:
    world.hub.channels["SMS"].refuse = "21610"  # type: ignore[attr-defined]
    received = world.say("hello")
    last = world.messages(received)[-1]
    assert (last.status, last.error_code) == ("FAILED", "21610")
    world.hub.channels["SMS"].refuse = None  # type: ignore[attr-defined]
    world.say("hello again")
    assert world.messages(received)[-1].status == "SUPPRESSED"


def test_a_late_word_on_whatsapp_needs_a_template(world: World) -> None:
    received = world.say("hello", channel="WHATSAPP")
    sent = len(world.sent("WHATSAPP"))
    world.hub.clock.move(hours=25)
    with world.hub.transaction() as session:
        sending.send_replies(
            session,
            conversation_id=received.conversation_id,
            replies=[ports.Reply("talk.goodbye")],
            author="ASSISTANT",
            in_reply_to=None,
            now=world.hub.now(),
            house=sending_house(world),
        )
    world.settle()
    last = world.messages(received)[-1]
    assert (last.status, last.error_code) == ("FAILED", "whatsapp.window_closed")
    assert len(world.sent("WHATSAPP")) == sent


def test_reports_go_by_rank_and_early_ones_wait(world: World) -> None:
    def report(external_id: str, status: str) -> bool:
        with world.hub.transaction() as session:
            return delivery.record_delivery_status(
                session, channel="SMS", external_id=external_id, status=status, error_code=None, at=world.hub.now()
            )

    assert report("SMS-1", "DELIVERED") is False  # before we know the message
    received = world.say("hello")
    assert world.messages(received)[-1].status == "DELIVERED"
    assert report("SMS-1", "SENT") is False and report("SMS-1", "FAILED") is False
    assert report("SMS-1", "READ") is True
    with world.hub.transaction() as session, pytest.raises(errors.Invalid):
        delivery.record_delivery_status(
            session, channel="SMS", external_id="SMS-1", status="EATEN", error_code=None, at=world.hub.now()
        )


def test_an_email_answers_in_its_thread(world: World) -> None:
    world.say("why", channel="EMAIL", subject="Re: bill", headers={"Message-ID": "<b@x>", "References": "<a@x>"})
    out = world.sent("EMAIL")[0]
    assert out.subject == "Re: bill"
    assert out.headers == {"In-Reply-To": "<b@x>", "References": "<a@x> <b@x>"}


def test_a_bill_is_told_once_and_old_bills_are_not(world: World) -> None:
    for due in (world.hub.now().date() + timedelta(days=20), world.hub.now().date() - timedelta(days=1)):
        for _ in range(2):
            with world.hub.transaction() as session:
                outbox.record_fact(
                    session,
                    "bill.issued",
                    key=f"account:{world.account.id}",
                    payload={
                        "bill_id": due.toordinal(),
                        "account_id": world.account.id,
                        "total": "84.12",
                        "due_on": due.isoformat(),
                    },
                    now=world.hub.now(),
                )
    world.settle()
    assert [(m.to, m.kind) for m in world.sent("EMAIL")] == [(EMAIL, "notice.bill_issued")]
    assert "$84.12" in (world.sent("EMAIL")[0].subject or "")


def test_news_of_another_kind_waits_for_a_yes(world: World) -> None:
    def notify(key: str) -> int | None:
        with world.hub.transaction() as session:
            return sending.notify_customer(
                session,
                customer_id=world.customer.id,
                kind="notice.payment_received",
                data={"amount": "5.00"},
                purpose="ALERTS",
                key=key,
                now=world.hub.now(),
                house=sending_house(world),
            )

    assert notify("a") is None
    with world.hub.transaction() as session:
        accounts.record_consent(
            session,
            contact_value=PHONE,
            customer_id=world.customer.id,
            channel="SMS",
            purpose="ALERTS",
            granted=True,
            source="test",
            now=world.hub.now(),
        )
    assert notify("b") == notify("b") is not None
    world.settle()
    with world.hub.transaction() as session:
        assert queries.get_message(session, message_id=notify("b") or 0).status == "SENT"


def sending_house(world: World):  # type: ignore[no-untyped-def]
    from core.conversations.house import house

    return house(world.hub.settings)


def test_a_picture_goes_where_one_can_be_shown_and_only_from_our_own_address(world: World) -> None:
    received = world.say("hello", channel="WHATSAPP")
    ours = {"url": f"{sending_house(world).base_url}/pictures/abc.png", "alt": "picture.days.alt"}
    for picture in (ours, {**ours, "url": "https://elsewhere.example/pictures/abc.png"}, None):
        with world.hub.transaction() as session:
            sending.send_replies(
                session,
                conversation_id=received.conversation_id,
                replies=[ports.Reply("talk.goodbye", {"picture": picture})],
                author="ASSISTANT",
                in_reply_to=None,
                now=world.hub.now(),
                house=sending_house(world),
            )
    world.settle()
    carried = [message.attachments for message in world.sent("WHATSAPP")[-3:]]
    assert [[each["url"] for each in some] for some in carried] == [[ours["url"]], [], []]
    assert "same in words" in carried[0][0]["name"]
