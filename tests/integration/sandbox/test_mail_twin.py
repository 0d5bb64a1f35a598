import email
import json
from email.policy import default
from typing import Any

import pytest
import requests
from python_http_client.exceptions import HTTPError
from sendgrid import SendGridAPIClient
from sendgrid.helpers.eventwebhook import EventWebhook, EventWebhookHeader
from sendgrid.helpers.mail import Content, CustomArg, Header, Mail
from werkzeug.formparser import parse_form_data

GRACE = "grace.hall@example.com"


def _client(town: Any) -> Any:
    client = SendGridAPIClient(town.config.sendgrid_api_key, host=f"{town.url}/sendgrid")
    client.client.timeout = 5
    return client


def _mail(**more: Any) -> Any:
    mail = Mail("care@brightwater.example", GRACE, "Your bill", "It is $84.32.", **more)
    mail.add_content(Content("text/html", "<p>It is <b>$84.32</b>.</p>"))
    mail.add_header(Header("Message-ID", "<c1.token@brightwater.example>"))
    mail.add_custom_arg(CustomArg("message_id", "17"))
    return mail


def _genuine(key: str, posted: Any) -> bool:
    webhook = EventWebhook()
    return bool(
        webhook.verify_signature(
            posted.body.decode(),
            posted.headers[EventWebhookHeader.SIGNATURE],
            posted.headers[EventWebhookHeader.TIMESTAMP],
            webhook.convert_public_key_to_ecdsa(key),
        )
    )


def test_a_mail_arrives_and_its_events_are_signed(town: Any) -> None:
    answer = _client(town).send(_mail())
    assert answer.status_code == 202 and answer.headers["X-Message-Id"]
    (letter,) = requests.get(f"{town.url}/api/mail/{GRACE}", timeout=5).json()["mails"]
    assert (letter["subject"], letter["text"]) == ("Your bill", "It is $84.32.")
    requests.post(f"{town.url}/api/mail/{letter['id']}/read", json={}, timeout=5)
    posted = town.hub.wait("/hooks/sendgrid/events", 3)
    assert all(_genuine(town.event_key, item) for item in posted)
    assert not _genuine(town.inbound_key, posted[0])
    events = [json.loads(item.body)[0] for item in posted]
    assert {item["event"] for item in events} == {"processed", "delivered", "open"}
    assert {item["message_id"] for item in events} == {"17"}


def test_an_answer_quotes_the_thread_and_is_posted_raw_and_signed(town: Any) -> None:
    _client(town).send(_mail())
    (letter,) = requests.get(f"{town.url}/api/mail/{GRACE}", timeout=5).json()["mails"]
    town.hub.refuse["/hooks/sendgrid/inbound"] = [503]
    wrote = {"from": GRACE, "text": "¿Por qué — so high?", "in_reply_to": letter["id"]}
    requests.post(f"{town.url}/api/mail", json=wrote, timeout=5)
    posted = town.hub.wait("/hooks/sendgrid/inbound", 2)[-1]  # refused once, posted again
    assert _genuine(town.inbound_key, posted)
    import io

    environ = {
        "REQUEST_METHOD": "POST", "CONTENT_TYPE": posted.headers["Content-Type"],
        "CONTENT_LENGTH": str(len(posted.body)), "wsgi.input": io.BytesIO(posted.body),
    }  # fmt: skip
    form = parse_form_data(environ)[1]
    assert json.loads(form["envelope"]) == {"to": ["care@brightwater.example"], "from": GRACE}
    message = email.message_from_bytes(form["email"].encode(), policy=default)
    assert message["Subject"] == "Re: Your bill"
    assert message["In-Reply-To"] == message["References"] == "<c1.token@brightwater.example>"
    text = message.get_body(("plain",)).get_content()
    assert text.startswith("¿Por qué — so high?") and "> It is $84.32." in text and "wrote:" in text


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"personalizations": []}, "personalizations"),
        ({"personalizations": [{"to": [{"email": "nobody"}]}]}, "personalizations.0.to.0.email"),
        ({"content": [{"type": "text/html", "value": "a"}, {"type": "text/plain", "value": "b"}]}, "content.1"),
        ({"headers": {"Subject": "no"}}, "headers"),
        ({"subject": ""}, "subject"),
    ],
)
def test_what_sendgrid_refuses(town: Any, change: dict[str, Any], field: str) -> None:
    with pytest.raises(HTTPError) as refusal:
        _client(town).client.mail.send.post(request_body={**_mail().get(), **change})
    assert refusal.value.status_code == 400
    assert field in [item["field"] for item in json.loads(refusal.value.body)["errors"]]


def test_a_mail_page_may_not_run_anything(town: Any) -> None:
    _client(town).send(_mail())
    (letter,) = requests.get(f"{town.url}/api/mail/{GRACE}", timeout=5).json()["mails"]
    policy = requests.get(f"{town.url}/mail/{letter['id']}/page", timeout=5).headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "sandbox" in policy and "allow-scripts" not in policy
