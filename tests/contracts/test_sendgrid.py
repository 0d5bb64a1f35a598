"""SendGrid: what we send is what their document allows; what they sign, and sign now, is believed."""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask, request
from openapi_core.exceptions import OpenAPIError

from channels.email import events, parse, sender, web
from core import errors
from core.settings import Settings
from tests.contracts import captured
from tests.unit.channels import made

PATH = "/v3/mail/send"
DOCUMENT = captured.Document("tsg_mail_v3.trimmed.json", "https://api.sendgrid.com")
VECTORS = json.loads((captured.DATA / "sendgrid_event_webhook.json").read_text())["vectors"]
SIGNED_AT = datetime.fromtimestamp(1600112502, UTC)


@pytest.fixture
def vendor() -> Iterator[captured.Vendor]:
    with captured.serving(captured.Vendor(default=(202, "", {"X-Message-Id": "14c5d75ce93"}))) as vendor:
        yield vendor


def channel(vendor: captured.Vendor) -> sender.SendGrid:
    return sender.SendGrid(
        Settings(sendgrid_api_key="SG.x", sendgrid_api_base=vendor.base, public_base_url="https://hub.example")
    )


def mail(**changes: Any) -> Any:
    return made.outbound(channel="EMAIL", to="grace.hall@example.com", subject="Your bill", **changes)


def test_the_check_can_fail() -> None:
    schema = DOCUMENT.schema(PATH, "application/json")
    assert DOCUMENT.unknown({"subject": "x", "typo": 1, "content": [{"type": "x", "valeu": "y"}]}, schema) == [
        ".typo",
        ".content[].valeu",
    ]
    with pytest.raises(OpenAPIError):
        DOCUMENT.check(captured.Captured("POST", PATH, "", {"Content-Type": "application/json"}, b"{}"))


@pytest.mark.parametrize(
    "message",
    [
        mail(),
        mail(text="😀 مرحبا \x00" + "x" * 10_000, locale="es"),
        mail(
            choices=(("t1", "Yes"), ("t2", "No")),
            headers={"In-Reply-To": "<a@b>", "References": "<a@b> <c@d>"},
        ),
        mail(data={"purpose": "OUTAGE"}),
        mail(
            attachments=(
                {
                    "name": "bill.pdf",
                    "content_type": "application/pdf",
                    "content_base64": base64.b64encode(b"x").decode(),
                },
            )
        ),
    ],
    ids=["plain", "unicode", "choices", "notice", "attachment"],
)
def test_a_mail_goes_out_as_the_document_allows(vendor: captured.Vendor, message: Any) -> None:
    sent = channel(vendor).send(message)
    assert (sent.external_id, sent.status) == ("14c5d75ce93", "SENT")
    (posted,) = vendor.requests
    DOCUMENT.check(posted)
    assert DOCUMENT.unknown(posted.json, DOCUMENT.schema(PATH, "application/json")) == []
    (to,) = posted.json["personalizations"]
    assert to["custom_args"]["message"] == "7"
    assert to["headers"]["Message-ID"].startswith("<c.tok_EN-1.7.")
    assert [part["type"] for part in posted.json["content"]] == ["text/plain", "text/html"]
    assert ("List-Unsubscribe" in to["headers"]) == (message.data.get("purpose") == "OUTAGE")


@pytest.mark.parametrize(
    ("status", "kind", "name"),
    [
        (400, errors.Refused, "channel.rejected"),
        (413, errors.Refused, "channel.rejected"),
        (401, errors.ProviderError, "sendgrid.credentials"),
        (429, errors.ProviderError, "sendgrid.busy"),
        (500, errors.ProviderError, "sendgrid.failed"),
    ],
)
def test_what_their_errors_mean(
    vendor: captured.Vendor, status: int, kind: type[errors.WattlineError], name: str
) -> None:
    vendor.answers.append((status, {"errors": [{"message": "no"}]}, {}))
    with pytest.raises(kind) as raised:
        channel(vendor).send(mail())
    assert raised.value.code == name


def test_nobody_there_and_an_answer_that_never_comes(vendor: captured.Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.http.READ_SECONDS", 0.2)
    vendor.answers.append(5.0)
    with pytest.raises(errors.ProviderError) as raised:
        channel(vendor).send(mail())
    assert raised.value.code == "unknown_outcome"
    nowhere = sender.SendGrid(Settings(sendgrid_api_base="http://127.0.0.1:9"))
    with pytest.raises(errors.ProviderError) as raised:
        nowhere.send(mail())
    assert raised.value.code == "sendgrid.unreachable"


@pytest.mark.parametrize("vector", VECTORS, ids=[v["name"] for v in VECTORS])
def test_their_own_signature_vectors(vector: dict[str, Any]) -> None:
    body = vector["payload"].encode()
    arguments = (vector["public_key"], vector["signature"], vector["timestamp"], body)
    assert events.signed(*arguments) is vector["valid"]
    if vector["valid"]:
        events.verify(*arguments, SIGNED_AT)
    else:
        with pytest.raises(errors.Refused):
            events.verify(*arguments, SIGNED_AT)


def test_a_right_signature_of_long_ago_or_of_tomorrow_is_refused() -> None:
    vector = VECTORS[0]
    arguments = (vector["public_key"], vector["signature"], vector["timestamp"], vector["payload"].encode())
    for now in (SIGNED_AT + timedelta(minutes=16), SIGNED_AT - timedelta(minutes=6)):
        with pytest.raises(errors.Refused) as refused:
            events.verify(*arguments, now)
        assert refused.value.code == "webhook.stale"


@pytest.mark.parametrize(
    ("signature", "timestamp"), [(None, "1"), ("x", None), ("", ""), ("é", "1"), ("AA==", "1"), ("!!", "1")]
)
def test_a_missing_or_odd_signature_is_refused_and_never_an_error(signature: str | None, timestamp: str | None) -> None:
    for key in (VECTORS[0]["public_key"], "", "not a key"):
        with pytest.raises(errors.Refused):
            events.verify(key, signature, timestamp, b"[]", SIGNED_AT)


@pytest.mark.parametrize(
    ("name", "subject", "attached"),
    [
        ("sendgrid_inbound_raw_data.txt", "Test Raw Data", []),
        ("sendgrid_inbound_default_data.txt", "Test Data", []),
        ("sendgrid_inbound_raw_data_with_attachments.txt", "Attachment", ["SendGrid.jpg"]),
    ],
)
def test_their_own_samples_of_inbound_mail(name: str, subject: str, attached: list[str]) -> None:
    body = (captured.DATA / name).read_bytes()
    with Flask("t").test_request_context(method="POST", data=body, content_type="multipart/form-data; boundary=xYzZY"):
        request.get_data(cache=True, parse_form_data=False)
        fields: dict[str, str | bytes] = {key: values[0] for key, values in request.form.lists()}
        raw = web.octets("email")
    if raw is not None:
        fields["email"] = raw
    read = parse.parse(fields)
    assert read is not None
    assert read.sender == "test@example.com"
    assert subject in read.subject
    assert read.text == "Hello Twilio SendGrid!"
    assert [a["name"] for a in read.attachments] == attached
    assert all(a["size"] > 1000 for a in read.attachments)
    assert not read.automatic
    assert read.recipients[0].startswith("inbound@")
