"""Twilio: what we send is what their document allows; what they sign is believed, and nothing else."""

import json
import urllib.parse
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask, request
from openapi_core.exceptions import OpenAPIError

from channels import twilio_edge
from channels.sms import sender as sms
from channels.whatsapp import sender as whatsapp
from core import errors
from core.settings import Settings
from tests.contracts import captured
from tests.unit.channels import made

SID = "AC" + "b" * 32
PATH = "/2010-04-01/Accounts/{AccountSid}/Messages.json"
FORM = "application/x-www-form-urlencoded"
DOCUMENT = captured.Document("twilio_api_v2010.trimmed.json", "https://api.twilio.com")
VECTORS = json.loads((captured.DATA / "twilio_request_validator.json").read_text())["vectors"]
SHAPES = json.loads((captured.DATA / "twilio_inbound_shapes.synthetic.json").read_text())
NOW = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)


def taken(**changes: Any) -> dict[str, Any]:
    return {
        "sid": "SM" + "a" * 32, "account_sid": SID, "status": "queued", "to": "+15550101001", "from": "+15550100200",
        "body": "hi", "num_segments": "1", "num_media": "0", "direction": "outbound-api", "api_version": "2010-04-01",
        "price": None, "price_unit": "USD", "error_code": None, "error_message": None,
        "date_created": "Mon, 23 Nov 2026 15:00:00 +0000", "date_updated": "Mon, 23 Nov 2026 15:00:00 +0000",
        "date_sent": None, "messaging_service_sid": None, "uri": "/x.json", "subresource_uris": {}, **changes,
    }  # fmt: skip


def failed(status: int, code: int) -> tuple[int, Any, dict[str, str]]:
    return (
        status,
        {"code": code, "message": "no", "more_info": "https://www.twilio.com", "status": status},
        {},
    )


@pytest.fixture
def vendor() -> Iterator[captured.Vendor]:
    with captured.serving(captured.Vendor(default=(201, taken(), {}))) as vendor:
        yield vendor


def settings(vendor: captured.Vendor, **changes: Any) -> Settings:
    return Settings(
        twilio_account_sid=SID,
        twilio_auth_token="12345",
        twilio_api_base=vendor.base,
        public_base_url="https://hub.example",
        **changes,
    )


def conforms(request: captured.Captured) -> None:
    DOCUMENT.check(request)
    assert DOCUMENT.unknown(request.form, DOCUMENT.schema(PATH, FORM)) == []


def test_the_check_can_fail() -> None:
    with pytest.raises(OpenAPIError):
        DOCUMENT.check(
            captured.Captured("POST", PATH.replace("{AccountSid}", SID), "", {"Content-Type": FORM}, b"From=x")
        )
    assert DOCUMENT.unknown({"Bdy": "x"}, DOCUMENT.schema(PATH, FORM)) == [".Bdy"]


def test_a_text_message_goes_out_as_the_document_allows(vendor: captured.Vendor) -> None:
    sent = sms.Sms(settings(vendor), lambda: NOW).send(made.outbound(choices=(("t", "Pay — now"),)))
    assert (sent.external_id, sent.status) == ("SM" + "a" * 32, "SENT")
    (posted,) = vendor.requests
    conforms(posted)
    assert posted.form == {
        "To": "+15550101001",
        "From": "+15550100200",
        "Body": "Your balance is $84.12, due Dec 1.\nReply 1: Pay - now",
        "StatusCallback": "https://hub.example/hooks/twilio/status",
    }
    assert posted.headers["Authorization"].startswith("Basic ")


def test_whatsapp_goes_out_as_words_or_as_a_template(vendor: captured.Vendor) -> None:
    channel = whatsapp.WhatsApp(settings(vendor, whatsapp_templates={"choices_2": "HX" + "c" * 32}), lambda: NOW)
    channel.send(made.outbound(channel="WHATSAPP", text="😀 مرحبا"))
    channel.send(made.outbound(channel="WHATSAPP", choices=(("t1", "Yes"), ("t2", "No"))))
    for posted in vendor.requests:
        conforms(posted)
    words, template = (posted.form for posted in vendor.requests)
    assert (words["To"], words["From"]) == ("whatsapp:+15550101001", "whatsapp:+15550100300")
    assert words["Body"] == "😀 مرحبا"
    assert "Body" not in template
    assert json.loads(template["ContentVariables"])["3"] == "t1"


@pytest.mark.parametrize(
    ("status", "code", "kind", "name", "retryable"),
    [
        (400, 21610, errors.Refused, "channel.opted_out", None),
        (400, 63016, errors.Refused, "whatsapp.window_closed", None),
        (400, 21211, errors.Refused, "channel.rejected", None),
        (429, 20429, errors.ProviderError, "twilio.busy", True),
        (503, 20503, errors.ProviderError, "twilio.busy", True),
        (401, 20003, errors.ProviderError, "twilio.credentials", True),
    ],
)
def test_what_their_errors_mean(
    vendor: captured.Vendor,
    status: int,
    code: int,
    kind: type[errors.WattlineError],
    name: str,
    retryable: bool | None,
) -> None:
    vendor.answers.append(failed(status, code))
    with pytest.raises(kind) as raised:
        sms.Sms(settings(vendor), lambda: NOW).send(made.outbound())
    assert raised.value.code == name
    assert getattr(raised.value, "retryable", None) is retryable
    assert len(vendor.requests) == 1


def impatient(vendor: captured.Vendor) -> sms.Sms:
    set_ = settings(vendor)
    return sms.Sms(set_, lambda: NOW, twilio_edge.client(set_, timeout=0.2))


def listed(*messages: dict[str, Any]) -> tuple[int, Any, dict[str, str]]:
    page = {"messages": list(messages), "page": 0, "page_size": 20, "uri": "/x", "first_page_uri": "/x"}
    return 200, {**page, "next_page_uri": None, "previous_page_uri": None}, {}


def test_a_send_whose_answer_never_came_is_looked_up_and_not_sent_again(vendor: captured.Vendor) -> None:
    gone = taken(sid="SM" + "d" * 32, body=made.outbound().text, status="sent")
    vendor.answers += [5.0, listed(taken(body="another"), gone)]
    assert impatient(vendor).send(made.outbound()).external_id == "SM" + "d" * 32
    assert [r.method for r in vendor.requests] == ["POST", "GET"]
    assert "To=%2B15550101001" in vendor.requests[1].query


def test_a_send_of_unknown_fate_is_looked_up_again_before_the_next_try(vendor: captured.Vendor) -> None:
    vendor.answers += [5.0, listed()]
    with pytest.raises(errors.ProviderError) as raised:
        impatient(vendor).send(made.outbound())
    assert raised.value.code == "unknown_outcome"
    assert raised.value.retryable
    gone = taken(sid="SM" + "e" * 32, body=made.outbound().text)
    vendor.answers += [listed(gone)]
    again = made.outbound(uncertain_since=NOW)  # as the hub says it, in whatever process tries again
    assert sms.Sms(settings(vendor), lambda: NOW).send(again).external_id == "SM" + "e" * 32
    assert [r.method for r in vendor.requests] == ["POST", "GET", "GET"]  # never a second POST


def test_nobody_there_is_worth_another_try(vendor: captured.Vendor) -> None:
    closed = settings(vendor).model_copy(update={"twilio_api_base": "http://127.0.0.1:9"})
    with pytest.raises(errors.ProviderError) as raised:
        sms.Sms(closed, lambda: NOW).send(made.outbound())
    assert raised.value.code == "twilio.unreachable"


def test_a_long_message_tried_again_repeats_only_what_did_not_go(vendor: captured.Vendor) -> None:
    channel = sms.Sms(settings(vendor), lambda: NOW)
    long = made.outbound(text=" ".join(["word"] * 500))
    vendor.answers += [(201, taken(), {}), failed(503, 20503)]
    with pytest.raises(errors.ProviderError):
        channel.send(long)
    channel.send(long)
    bodies = [posted.form["Body"] for posted in vendor.requests]
    assert bodies[1] == bodies[2]
    assert len(bodies) == 3


def test_no_network_while_a_transaction_is_open(vendor: captured.Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.db.in_transaction", lambda: True)
    with pytest.raises(RuntimeError):
        sms.Sms(settings(vendor), lambda: NOW).send(made.outbound())
    assert vendor.requests == []


@pytest.mark.parametrize("vector", VECTORS, ids=[v["name"] for v in VECTORS])
def test_their_own_signature_vectors(vector: dict[str, Any]) -> None:
    url = urllib.parse.urlsplit(vector["url"])
    base = Settings(twilio_auth_token=vector["token"], public_base_url=f"{url.scheme}://{url.netloc}")
    # Host and scheme of the request itself are others: only our public base counts
    arguments: dict[str, Any] = {
        "path": url.path,
        "query_string": url.query,
        "base_url": "http://127.0.0.1:8080",
    }
    if "body" in vector:
        arguments |= {"data": vector["body"], "content_type": "application/json"}
    else:
        pairs = [tuple(p) for p in vector.get("params_list") or vector["params"].items()]
        arguments |= {"data": urllib.parse.urlencode(pairs), "content_type": FORM}
    headers = {"X-Twilio-Signature": vector["signature"]}
    with Flask("test").test_request_context(method="POST", headers=headers, **arguments):
        if vector["valid"]:
            twilio_edge.check(base, request)
        else:
            with pytest.raises(errors.Refused):
                twilio_edge.check(base, request)


@pytest.mark.parametrize("algorithm", [None, "HMAC_SHA256"])
def test_both_schemes_over_the_whole_form(algorithm: str | None) -> None:
    from twilio.request_validator import RequestValidator

    form = {**SHAPES["sms_in"], "BrandNew": "ñ 😀"}
    url = "https://hub.example/hooks/twilio/sms?a=1&b=%2F"
    headers = {"X-Twilio-Signature": RequestValidator("12345").compute_signature(url, form, algorithm)}
    if algorithm:
        headers["X-Twilio-Webhooks-Signature-Settings"] = f"key=k,algorithm={algorithm}"
    set_ = Settings(twilio_auth_token="12345", public_base_url="https://hub.example/")
    for data, good in ((form, True), ({**form, "Body": "other"}, False)):
        with Flask("t").test_request_context("/hooks/twilio/sms?a=1&b=%2F", method="POST", data=data, headers=headers):
            if good:
                twilio_edge.check(set_, request)
            else:
                with pytest.raises(errors.Refused):
                    twilio_edge.check(set_, request)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Twilio-Signature": ""},
        {"X-Twilio-Signature": "é"},
        {"X-Twilio-Signature": "x", "X-Twilio-Webhooks-Signature-Settings": "algorithm=NONE"},
    ],
)
@pytest.mark.parametrize("content_type", [FORM, "application/json"])
def test_a_missing_or_odd_signature_is_refused_and_never_an_error(headers: dict[str, str], content_type: str) -> None:
    set_ = Settings(twilio_auth_token="12345")
    with Flask("t").test_request_context(method="POST", data="{}", content_type=content_type, headers=headers):
        with pytest.raises(errors.Refused) as refused:
            twilio_edge.check(set_, request)
        assert refused.value.code == "webhook.signature"


def test_without_a_token_of_our_own_nothing_is_believed() -> None:
    from twilio.request_validator import RequestValidator

    forged = RequestValidator("").compute_signature("http://127.0.0.1:8080/x", {"a": "b"})
    with (
        Flask("t").test_request_context("/x", method="POST", data={"a": "b"}, headers={"X-Twilio-Signature": forged}),
        pytest.raises(errors.Refused),
    ):
        twilio_edge.check(Settings(twilio_auth_token=""), request)


def test_status_callbacks_are_read() -> None:
    read = [twilio_edge.status_of(fields) for fields in SHAPES["status_callback"]]
    assert [r[1:] for r in read if r] == [
        ("QUEUED", None),
        ("SENT", None),
        ("DELIVERED", None),
        ("UNDELIVERED", "30003"),
    ]
    assert twilio_edge.status_of({"MessageSid": "SM1", "MessageStatus": "brand_new"}) is None
    assert twilio_edge.status_of({"MessageStatus": "sent"}) is None
