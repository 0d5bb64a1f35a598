"""Mail: charsets, threads that cannot be hijacked, quotes, robots, and headers nobody can inject."""

import email.message
import json
from typing import Any

import pytest

from channels.email import addressing, events, parse, render, unsubscribing
from core import crypto
from tests.unit.channels.made import NOW, SETTINGS, outbound

OURS = addressing.Addressing(SETTINGS.secret_key, SETTINGS.email_domain)
TOKEN = crypto.token()


def raw(body: str | bytes = "Hello", *, charset: str = "utf-8", **headers: str) -> dict[str, str | bytes]:
    octets = body if isinstance(body, bytes) else body.encode(charset)
    head = {
        "From": "Grace Hall <Grace.Hall@example.com>",
        "To": SETTINGS.email_from,
        "Subject": "My bill",
        "Message-ID": "<abc@mail.example>",
        "Date": "Mon, 23 Nov 2026 09:00:00 -0500",
        "Content-Type": f"text/plain; charset={charset}",
        "Content-Transfer-Encoding": "8bit",
        **headers,
    }
    text = "".join(f"{name}: {value}\r\n" for name, value in head.items() if value)
    envelope = {"to": [SETTINGS.email_from], "from": "grace.hall@example.com"}
    return {"email": text.encode() + b"\r\n" + octets, "envelope": json.dumps(envelope), "SPF": "pass"}


def read(fields: dict[str, Any]) -> parse.Mail:
    mail = parse.parse(fields)
    assert mail is not None
    return mail


def test_a_mail_is_read_whatever_its_charset() -> None:
    for charset in ("utf-8", "iso-8859-1", "windows-1252"):
        mail = read(raw("¿Por qué subió? Año pasado pagué 30", charset=charset))
        assert mail.text == "¿Por qué subió? Año pasado pagué 30"
    assert read(raw("こんにちは", charset="iso-2022-jp")).text == "こんにちは"
    assert read(raw("año".encode("cp1252"), charset="x-unknown")).text == "año"
    assert read(raw("año".encode("cp1252"), charset="utf-8")).text  # octets that are not of the charset named


def test_who_wrote_when_and_under_what_id() -> None:
    mail = read(raw())
    assert (mail.sender, mail.subject, mail.message_id) == (
        "grace.hall@example.com",
        "My bill",
        "<abc@mail.example>",
    )
    assert mail.sent_at is not None
    assert mail.sent_at.isoformat() == "2026-11-23T14:00:00+00:00"
    assert mail.aligned


def test_a_mail_without_an_id_gets_the_same_one_twice() -> None:
    first, second = (read(raw(**{"Message-ID": ""})).message_id for _ in range(2))
    assert first == second
    assert read(raw("other", **{"Message-ID": ""})).message_id != first


def test_only_what_is_new_is_understood_and_the_whole_is_kept() -> None:
    body = (
        "Why so high?\n\nGrace\n\n"
        "On Mon, Nov 23, 2026 at 9:00 AM Brightwater Power <care@brightwater.example> wrote:\n"
        "> Your bill is $120.\n> Pay soon.\n"
    )
    mail = read(raw(body))
    assert mail.text.startswith("Why so high?")
    assert "120" not in mail.text
    assert "Your bill is $120." in mail.original
    inbound = parse.inbound(mail, secret=SETTINGS.secret_key, domain=SETTINGS.email_domain, now=NOW)
    assert inbound.attachments[-1]["kind"] == "original"


def test_a_spanish_quote_is_taken_off_too() -> None:
    body = (
        "¿Por qué?\n\n"
        "El lun, 23 nov 2026 a las 9:00, Brightwater Power (<care@brightwater.example>) escribió:\n> Hola\n"
    )
    assert read(raw(body)).text == "¿Por qué?"


def test_html_alone_is_read_without_its_scripts() -> None:
    markup = "<head><style>p{}</style></head><p>Hi<br>there</p><script>alert(1)</script>&lt;b&gt;"
    mail = read(raw(markup, **{"Content-Type": "text/html; charset=utf-8"}))
    assert mail.text.split() == ["Hi", "there", "<b>"]
    assert "alert" not in mail.text


def thread_of(fields: dict[str, Any]) -> str | None:
    mail = read(fields)
    return parse.inbound(mail, secret=SETTINGS.secret_key, domain=SETTINGS.email_domain, now=NOW).thread_hint


def test_a_reply_finds_its_thread_by_address_or_by_any_reference() -> None:
    fields = raw()
    fields["envelope"] = json.dumps({"to": [OURS.recipient(SETTINGS.email_from, TOKEN)], "from": "x@example.com"})
    assert thread_of(fields) == TOKEN
    ours = OURS.message_id(TOKEN, 41)
    assert thread_of(raw(**{"In-Reply-To": ours})) == TOKEN
    assert thread_of(raw(**{"References": f"{ours} <other@x>", "In-Reply-To": "<other@x>"})) == TOKEN


def test_a_thread_named_without_our_signature_is_nobodys() -> None:
    forged = OURS.message_id(TOKEN, 41).replace(".41.", ".42.")
    assert thread_of(raw(**{"In-Reply-To": forged})) is None
    other = addressing.Addressing("another-secret", SETTINGS.email_domain)
    assert thread_of(raw(**{"In-Reply-To": other.message_id(TOKEN, 41)})) is None
    fields = raw(To=OURS.recipient(SETTINGS.email_from, TOKEN))  # the header is not the envelope
    assert thread_of(fields) is None


@pytest.mark.parametrize(
    ("headers", "automatic"),
    [
        ({}, False),
        ({"Auto-Submitted": "no"}, False),
        ({"Auto-Submitted": "auto-replied"}, True),
        ({"Auto-Submitted": "auto-generated; x=y"}, True),
        ({"Precedence": "bulk"}, True),
        ({"List-Id": "<news.example>"}, True),
        ({"X-Autoreply": "yes"}, True),
        ({"X-Wattline-Loop": "1"}, True),
        ({"From": "MAILER-DAEMON@example.com"}, True),
        ({"Content-Type": "multipart/report; report-type=delivery-status; boundary=b"}, True),
    ],
)
def test_robots_are_told_from_people(headers: dict[str, str], automatic: bool) -> None:
    mail = read(raw(**headers))
    assert mail.automatic is automatic
    inbound = parse.inbound(mail, secret=SETTINGS.secret_key, domain=SETTINGS.email_domain, now=NOW)
    assert bool(inbound.raw["automatic"]) is automatic


def test_our_own_mail_coming_back_is_automatic() -> None:
    made = render.render(outbound(channel="EMAIL", to="x@example.com"), SETTINGS)
    assert read(raw(**made.headers)).automatic


def test_an_empty_return_path_is_automatic_and_rubbish_is_survived() -> None:
    fields = raw()
    fields["envelope"] = '{"to": ["a@b.co"], "from": ""}'
    assert read(fields).automatic
    for envelope in ("", "[]", "{", '{"to": 3}', '{"to": [null]}'):
        assert parse.parse({**raw(), "envelope": envelope}) is not None
    assert parse.parse({"email": b"\xff\xfe\x00", "envelope": "{}"}) is None
    assert parse.parse({}) is None


def test_a_header_cannot_be_injected() -> None:
    nasty = outbound(
        channel="EMAIL",
        to="x@example.com",
        subject="Hi\r\nBcc: all@example.com\u2028X: y",
        headers={
            "In-Reply-To": "<a@b>\r\nBcc: all@example.com",
            "References": "<a@b>\n<c@d>",
            "Bcc": "all@example.com",
        },
    )
    made = render.render(nasty, SETTINGS)
    everything = [made.subject, made.reply_to, *made.headers, *made.headers.values()]
    assert not any(c in text for text in everything for c in "\r\n\u2028\u0085\x00")
    assert "Bcc" not in made.headers
    assert made.headers["References"] == "<a@b> <c@d>"
    email.message.EmailMessage()["Subject"] = made.subject  # the stdlib refuses line ends


def test_markup_in_words_and_choices_stays_words() -> None:
    nasty = outbound(
        channel="EMAIL",
        text="<script>alert(1)</script> & https://evil.example/x https://hub.example/pay/abc.",
        subject="<b>",
        choices=(("t", "<img src=x onerror=1>"),),
    )
    made = render.render(nasty, SETTINGS)
    assert "<script" not in made.html
    assert "<img" not in made.html
    assert '<a href="https://hub.example/pay/abc">' in made.html
    assert 'href="https://evil' not in made.html
    assert "1. <img src=x onerror=1>" in made.text


def test_a_reply_has_no_way_out_and_a_notice_has_one() -> None:
    answer = render.render(outbound(channel="EMAIL", to="x@example.com"), SETTINGS)
    assert "List-Unsubscribe" not in answer.headers
    assert answer.headers["Message-ID"] == OURS.message_id("tok_EN-1", 7)
    notice = render.render(outbound(channel="EMAIL", to="x@example.com", data={"purpose": "OUTAGE"}), SETTINGS)
    url = notice.headers["List-Unsubscribe"].strip("<>")
    assert notice.headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert notice.headers["Auto-Submitted"] == "auto-generated"
    assert unsubscribing.read(SETTINGS, url.rpartition("/")[2]) == ("x@example.com", "OUTAGE")
    assert unsubscribing.read(SETTINGS, "forged") is None
    assert unsubscribing.read(SETTINGS, crypto.seal("other", "{}")) is None


def test_a_right_to_left_mail_and_a_long_one() -> None:
    made = render.render(outbound(channel="EMAIL", text="مرحبا " * 2000, subject="مرحبا"), SETTINGS)
    assert 'dir="auto"' in made.html
    assert made.subject == "مرحبا"


def test_events_become_statuses() -> None:
    shape = {
        "event": "bounce",
        "type": "bounce",
        "status": "5.0.0",
        "email": "Pat@example.org",
        "timestamp": 1711234567,
    }
    bounced = events.parse({**shape, "sg_message_id": "14c5d75ce93.filter.0", "sg_event_id": "e"}, now=NOW)
    assert bounced is not None
    assert (bounced.external_id, bounced.status, bounced.error_code) == (
        "14c5d75ce93",
        "UNDELIVERED",
        "5.0.0",
    )
    assert bounced.withdraws
    assert bounced.address == "pat@example.org"
    blocked = events.parse({**shape, "type": "blocked"}, now=NOW)
    assert blocked is not None
    assert not blocked.withdraws  # a full mailbox is not a wish
    assert events.parse({"event": "brand_new"}, now=NOW) is None
    odd = events.parse({"event": "open", "timestamp": True}, now=NOW)
    assert odd is not None
    assert odd.at == NOW
