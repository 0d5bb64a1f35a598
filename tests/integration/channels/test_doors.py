"""The doors with a real database behind them: signed, once, stored, and silent where silence is due."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from flask import Blueprint, Flask
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session
from twilio.request_validator import RequestValidator

from billing import models as billing_models
from channels.email import addressing, events, unsubscribing
from channels.email import web as email
from channels.meters import parse as pushes
from channels.meters import web as meters
from channels.payments import web as payments_web
from channels.sms import web as sms
from channels.whatsapp import web as whatsapp
from core import outbox, ports, settings
from core.accounts import operations as accounts_operations
from core.accounts import queries as accounts
from core.conversations import models
from core.conversations import queries as talks
from core.hub import Hub
from metering import operations as metering
from tests import fakes
from tests.conftest import FakeHub

KEY = ec.generate_private_key(ec.SECP256R1())
PUBLIC = base64.b64encode(
    KEY.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
).decode()
SETTINGS = settings.Settings(
    twilio_auth_token="12345", public_base_url="https://hub.example", sendgrid_event_public_key=PUBLIC
)
SMS = {
    "MessageSid": "SM1",
    "From": "+15550101004",
    "To": "+15550100200",
    "Body": "What is my balance?",
    "NumMedia": "0",
}


@pytest.fixture
def hub(hub: FakeHub) -> FakeHub:
    return hub.with_(settings=SETTINGS)


def client(hub: Hub, make: Callable[[Hub], Blueprint]) -> Any:
    app = Flask("test")
    app.register_blueprint(make(hub))
    return app.test_client()


def post(door: Any, path: str, form: dict[str, str]) -> Any:
    signature = RequestValidator("12345").compute_signature("https://hub.example" + path, form)
    return door.post(path, data=form, headers={"X-Twilio-Signature": signature})


def messages(session: Session) -> list[models.MessageRow]:
    return list(session.scalars(select(models.MessageRow).order_by(models.MessageRow.id)))


def facts(session: Session, name: str) -> int:
    return session.scalar(select(func.count()).select_from(outbox.FactRow).where(outbox.FactRow.name == name)) or 0


def test_a_text_message_is_stored_once_however_often_it_is_posted(hub: FakeHub, session: Session) -> None:
    door = client(hub, sms.blueprint)
    for _ in range(3):
        answer = post(door, "/hooks/twilio/sms", SMS)
        assert (answer.status_code, answer.mimetype) == (200, "text/xml")
        assert answer.text.endswith("<Response/>")
    (said,) = messages(session)
    assert (said.text, said.direction, said.external_id) == ("What is my balance?", "IN", "SM1")
    assert facts(session, "message.received") == 1


def test_what_twilio_did_not_sign_changes_nothing(hub: FakeHub, session: Session) -> None:
    door = client(hub, sms.blueprint)
    answer = door.post("/hooks/twilio/sms", data=SMS)
    assert (answer.status_code, answer.get_json()) == (403, {"error": "webhook.signature"})
    signature = RequestValidator("12345").compute_signature("https://hub.example/hooks/twilio/sms", SMS)
    forged = door.post("/hooks/twilio/sms", data={**SMS, "Body": "x"}, headers={"X-Twilio-Signature": signature})
    assert forged.status_code == 403
    assert door.post("/hooks/twilio/sms", data={"Body": "x" * 300_000}).status_code == 413
    assert post(door, "/hooks/twilio/sms", {"Body": "x"}).status_code == 400
    assert messages(session) == []


def test_stop_is_noted_and_not_answered(hub: FakeHub, session: Session) -> None:
    door = client(hub, sms.blueprint)
    assert post(door, "/hooks/twilio/sms", {**SMS, "Body": "STOP", "OptOutType": "STOP"}).status_code == 200
    assert accounts.is_opted_out(session, contact_value="+15550101004", channel="SMS")
    operators_own = {
        **SMS,
        "MessageSid": "SM2",
        "From": "+15550101009",
        "Body": "no more",
        "OptOutType": "STOP",
    }
    assert post(door, "/hooks/twilio/sms", operators_own).status_code == 200
    assert accounts.is_opted_out(session, contact_value="+15550101009", channel="SMS")
    assert facts(session, "message.received") == 0


def test_yes_is_an_answer_unless_something_was_stopped(hub: FakeHub, session: Session) -> None:
    door = client(hub, sms.blueprint)
    yes = {**SMS, "Body": "YES", "OptOutType": "START"}
    assert post(door, "/hooks/twilio/sms", yes).status_code == 200
    assert facts(session, "message.received") == 1
    post(door, "/hooks/twilio/sms", {**SMS, "MessageSid": "SM2", "Body": "STOP", "OptOutType": "STOP"})
    post(door, "/hooks/twilio/sms", {**yes, "MessageSid": "SM3"})
    assert not accounts.is_opted_out(session, contact_value="+15550101004", channel="SMS")
    assert facts(session, "message.received") == 1


def test_a_whatsapp_sender_without_a_number(hub: FakeHub, session: Session) -> None:
    door = client(hub, whatsapp.blueprint)
    form = {**SMS, "From": "whatsapp:US.13491208655302741918", "ProfileUsername": "pat", "MessageSid": "SM3"}
    assert post(door, "/hooks/twilio/whatsapp", form).status_code == 200
    identity = session.scalars(select(models.ChannelIdentityRow)).one()
    assert (identity.channel, identity.kind, identity.value) == (
        "WHATSAPP",
        "BSUID",
        "US.13491208655302741918",
    )


def test_a_status_that_comes_before_its_message_is_kept(hub: FakeHub, session: Session) -> None:
    door = client(hub, sms.blueprint)
    form = {"MessageSid": "SM9", "MessageStatus": "delivered", "From": "+15550100200", "To": "+15550101004"}
    assert post(door, "/hooks/twilio/status", form).status_code == 204
    parked = session.scalars(select(models.StatusReportRow)).one()
    assert (parked.channel, parked.external_id, parked.status) == ("SMS", "SM9", "DELIVERED")
    refused = {**form, "MessageSid": "SM10", "MessageStatus": "undelivered", "ErrorCode": "21610"}
    assert post(door, "/hooks/twilio/status", refused).status_code == 204
    assert accounts.is_opted_out(session, contact_value="+15550101004", channel="SMS")


def raw_mail(**headers: str) -> bytes:
    head = {
        "From": "Grace Hall <grace.hall@example.com>", "To": SETTINGS.email_from, "Subject": "My bill",
        "Message-ID": "<m1@example.com>", "Content-Type": "text/plain; charset=iso-8859-1", **headers,
    }  # fmt: skip
    return "".join(f"{k}: {v}\r\n" for k, v in head.items()).encode() + "\r\n¿Por qué subió?\r\n".encode("latin-1")


def multipart(mail: bytes, to: str = SETTINGS.email_from) -> dict[str, Any]:
    envelope = json.dumps({"to": [to], "from": "grace.hall@example.com"}).encode()
    parts = [("email", mail), ("envelope", envelope), ("SPF", b"pass")]
    body = b"".join(
        b'--xYzZY\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (name.encode(), value)
        for name, value in parts
    )
    return {"data": body + b"--xYzZY--\r\n", "content_type": "multipart/form-data; boundary=xYzZY"}


def test_a_mail_in_another_charset_is_stored_whole_and_once(hub: FakeHub, session: Session) -> None:
    door = client(hub, email.blueprint)
    path = "/hooks/sendgrid/inbound/" + email.inbound_secret(SETTINGS)
    for _ in range(2):
        assert door.post(path, **multipart(raw_mail())).status_code == 204
    (said,) = messages(session)
    assert (said.text, said.external_id, said.subject) == ("¿Por qué subió?", "<m1@example.com>", "My bill")


def test_a_thread_goes_on_by_its_token_and_cannot_be_entered_by_another(hub: FakeHub, session: Session) -> None:
    door = client(hub, email.blueprint)
    path = "/hooks/sendgrid/inbound/" + email.inbound_secret(SETTINGS)
    door.post(path, **multipart(raw_mail()))
    talk = session.scalars(select(models.ConversationRow)).one()
    ours = addressing.Addressing(SETTINGS.secret_key, SETTINGS.email_domain).message_id(talk.token, 1)
    door.post(path, **multipart(raw_mail(**{"Message-ID": "<m2@example.com>", "In-Reply-To": ours})))
    thief = {"From": "thief@example.net", "Message-ID": "<m3@example.com>", "In-Reply-To": ours}
    door.post(path, **multipart(raw_mail(**thief)))
    first, second, third = messages(session)
    assert first.conversation_id == second.conversation_id == talk.id
    assert third.conversation_id != talk.id


def test_a_robot_is_kept_and_not_answered(hub: FakeHub, session: Session) -> None:
    door = client(hub, email.blueprint)
    path = "/hooks/sendgrid/inbound/" + email.inbound_secret(SETTINGS)
    assert door.post(path, **multipart(raw_mail(**{"Auto-Submitted": "auto-replied"}))).status_code == 204
    assert [m.status for m in messages(session)] == ["SILENT"]
    assert facts(session, "message.received") == 0


def signed(body: bytes, at: datetime) -> dict[str, str]:
    stamp = str(int(at.timestamp()))
    signature = KEY.sign(stamp.encode() + body, ec.ECDSA(hashes.SHA256()))
    return {events.SIGNATURE: base64.b64encode(signature).decode(), events.TIMESTAMP: stamp}


def test_inbound_mail_needs_the_secret_path_or_the_signature(hub: FakeHub, session: Session) -> None:
    door = client(hub, email.blueprint)
    assert door.post("/hooks/sendgrid/inbound", **multipart(raw_mail())).status_code == 403
    assert door.post("/hooks/sendgrid/inbound/" + "0" * 32, **multipart(raw_mail())).status_code == 403
    with_key = hub.with_(settings=SETTINGS.model_copy(update={"sendgrid_inbound_public_key": PUBLIC}))
    door = client(with_key, email.blueprint)
    good = multipart(raw_mail())
    assert door.post("/hooks/sendgrid/inbound", **good).status_code == 403
    headers = signed(good["data"], hub.now())
    assert door.post("/hooks/sendgrid/inbound", headers=headers, **good).status_code == 204
    assert len(messages(session)) == 1


def test_events_are_believed_when_signed_and_a_bounce_ends_consent(hub: FakeHub, session: Session) -> None:
    door = client(hub, email.blueprint)
    body = json.dumps(
        [
            {"event": "delivered", "email": "a@example.com", "sg_message_id": "x1.f", "sg_event_id": "e1"},
            {"event": "bounce", "email": "B@example.com", "sg_message_id": "x2.f", "sg_event_id": "e2"},
            {"event": "brand_new"},
            7,
        ]
    ).encode() + b"\r\n"  # fmt: skip
    for _ in range(2):
        answer = door.post(
            "/hooks/sendgrid/events",
            data=body,
            content_type="application/json",
            headers=signed(body, hub.now()),
        )
        assert answer.status_code == 204
    parked = {(r.external_id, r.status) for r in session.scalars(select(models.StatusReportRow))}
    assert parked == {("x1", "DELIVERED"), ("x2", "UNDELIVERED")}
    assert len(session.scalars(select(models.StatusReportRow)).all()) == 2  # the second post was the same events
    assert accounts.is_opted_out(session, contact_value="b@example.com", channel="EMAIL")
    old = signed(body, datetime(2020, 1, 1, tzinfo=UTC))
    assert door.post("/hooks/sendgrid/events", data=body, headers=old).status_code == 403
    assert door.post("/hooks/sendgrid/events", data=b"{", headers=signed(b"{", hub.now())).status_code == 400


def test_looking_at_the_way_out_changes_nothing_and_posting_ends_it(hub: FakeHub, session: Session) -> None:
    door = client(hub, email.blueprint)
    url = unsubscribing.link(SETTINGS, address="ben.walker@example.com", purpose="OUTAGE")
    path = url.removeprefix("https://hub.example")

    def consent() -> bool | None:
        return accounts.find_consent(session, contact_value="ben.walker@example.com", channel="EMAIL", purpose="OUTAGE")

    looked = door.get(path, headers={"Accept-Language": "es"})
    assert looked.status_code == 200
    assert "Correos de" in looked.text
    assert consent() is not False
    assert door.post(path, data={"List-Unsubscribe": "One-Click"}).status_code == 200
    assert consent() is False
    assert door.post("/unsubscribe/forged").status_code == 404


def test_a_head_end_nobody_knows_is_refused_and_an_unknown_meter_does_not_stop_the_rest(hub: FakeHub) -> None:
    door = client(hub, meters.blueprint)
    line = {"meter": "none", "starts_at": "2026-11-22T00:00:00+00:00", "wh": [1]}
    body = json.dumps(line).encode() + b"\n{\n"
    assert door.post("/hooks/meters/reads", data=body).status_code == 403
    stamp = str(int(hub.now().timestamp()))
    header = f"t={stamp},v1={pushes.signature(SETTINGS.secret_key, stamp, body)}"
    answer = door.post("/hooks/meters/reads", data=body, headers={meters.SIGNATURE: header})
    assert answer.status_code == 200
    told = answer.get_json()
    assert (told["read"], told["stored"], told["excepted"], told["unreadable_count"]) == (2, 0, 1, 1)
    assert [each["line"] for each in told["unreadable"]] == [2]


def test_the_conversation_of_a_text_is_open_with_its_sender(hub: FakeHub, session: Session) -> None:
    post(client(hub, sms.blueprint), "/hooks/twilio/sms", SMS)
    talk = talks.find_open_conversation(
        session, channel="SMS", identity_kind="PHONE", identity="+15550101004", now=hub.now()
    )
    assert talk is not None


class _Gateway(fakes.FakeGateway):
    def parse_webhook(self, body: bytes, signature: str | None, now: datetime) -> ports.GatewayEvent | None:
        if signature != "good":
            return super().parse_webhook(body, signature, now)
        if body == b"other":
            return None
        return ports.GatewayEvent("evt_1", "payment.succeeded", "pi_1", Decimal("84.12"), "USD", {}, at=now)


def test_a_payment_event_is_believed_when_signed_and_settled_once(hub: FakeHub, session: Session) -> None:
    door = client(hub.with_(payments=_Gateway()), payments_web.blueprint)
    good = {"Stripe-Signature": "good"}
    assert door.post("/hooks/payments/stripe", data=b"{}").status_code == 403
    assert door.post("/hooks/payments/other", data=b"{}", headers=good).status_code == 404
    assert door.post("/hooks/payments/stripe", data=b"other", headers=good).status_code == 204
    for _ in range(2):
        assert door.post("/hooks/payments/stripe", data=b"{}", headers=good).status_code == 204
    stored = session.scalars(select(billing_models.PaymentEventRow.event_id)).all()
    assert list(stored) == ["evt_1"]


def _pushed(session: Session, lines: list[dict[str, Any]]) -> bytes:
    premise = accounts_operations.add_premise(
        session, address="1 Test Way", city="B", postcode="1", county="C", timezone="America/New_York"
    )
    point = accounts_operations.add_service_point(session, premise_id=premise)
    metering.install_meter(session, service_point_id=point, number="E-1", installed_on=date(2024, 1, 1))
    session.commit()
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def test_a_push_is_stored_once_and_wakes_the_page(hub: FakeHub, session: Session) -> None:
    woken: list[str] = []
    door = client(hub.with_(publish=lambda topic, _: woken.append(topic)), meters.blueprint)
    line = {"meter": "E-1", "starts_at": "2026-11-22T00:00:00Z", "wh": [1, 2, -1]}
    body = _pushed(session, [line, {"meter": "E-1", "wh": [1]}])
    stamp = str(int(hub.now().timestamp()))
    header = {meters.SIGNATURE: f"t={stamp},v1={pushes.signature(SETTINGS.secret_key, stamp, body)}"}
    first = door.post("/hooks/meters/reads", data=body, headers=header).get_json()
    assert (first["read"], first["stored"], first["unchanged"], first["unreadable_count"]) == (4, 2, 1, 1)
    again = door.post("/hooks/meters/reads", data=body, headers=header).get_json()
    assert (again["read"], again["stored"], again["unchanged"]) == (4, 0, 3)  # the same bytes: nothing is new
    assert [topic.partition(":")[0] for topic in woken] == ["reads"]
    assert door.post("/hooks/meters/reads", data=body + b"\n", headers=header).status_code == 403


def test_a_stream_is_believed_block_by_block(hub: FakeHub, session: Session) -> None:
    door = client(hub, meters.blueprint)
    lines = [{"meter": "E-1", "starts_at": f"2026-11-{day:02}T00:00:00Z", "wh": [day] * 24} for day in (20, 21, 22)]
    _pushed(session, [])
    stamp = str(int(hub.now().timestamp()))

    def seal(block: bytes) -> bytes:
        return json.dumps({"signature": pushes.signature(SETTINGS.secret_key, stamp, block)}).encode() + b"\n"

    blocks = [json.dumps(line).encode() + b"\n" for line in lines]
    blocks[1] += b"{not a line\n"
    opened = pushes.signature(SETTINGS.secret_key, stamp, pushes.STREAM)
    headers = {meters.SIGNATURE: f"t={stamp},v1={opened}", meters.STREAM: "1"}
    whole = b"".join(block + seal(block) for block in blocks)
    cut = whole[: whole.rindex(b'{"signature"')]  # the third block has come, but nobody has signed it
    assert door.post("/hooks/meters/reads", data=cut, headers=headers).status_code == 403
    stored = session.scalar(text("SELECT count(*) FROM read_day"))
    assert stored == 2
    told = door.post("/hooks/meters/reads", data=whole, headers=headers).get_json()
    assert (told["read"], told["stored"], told["unchanged"], told["unreadable_count"]) == (73, 24, 48, 1)
    assert told["unreadable"][0]["line"] == 4
    assert session.scalar(text("SELECT sum(read) FROM read_batch")) == 73
    forged = blocks[0] + b'{"signature": "0"}\n'
    assert door.post("/hooks/meters/reads", data=forged, headers=headers).status_code == 403
