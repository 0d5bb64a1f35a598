"""Text messages and WhatsApp: what is read, what is written, and what it costs."""

import json
import pathlib

import pytest

from channels import edge
from channels.sms import parse, render, segments
from channels.whatsapp import parse as whatsapp_parse
from channels.whatsapp import render as whatsapp_render
from core import errors
from tests.unit.channels.made import NOW, SETTINGS, outbound

SHAPES = json.loads(
    (pathlib.Path(__file__).parents[2] / "contracts" / "data" / "twilio_inbound_shapes.synthetic.json").read_text()
)
HOUSE = edge.house(SETTINGS)


@pytest.mark.parametrize(
    ("text", "gsm", "count"),
    [
        ("", True, 0),
        ("a" * 160, True, 1),
        ("a" * 161, True, 2),
        ("a" * 306, True, 2),
        ("a" * 307, True, 3),
        ("€" * 80, True, 1),  # two septets each
        ("€" * 81, True, 2),
        ("a" * 152 + "€" + "a" * 152, True, 3),  # the escape pair does not straddle two segments
        ("ñ¿¡üà" * 32, True, 1),
        ("á" * 70, False, 1),  # á is not in the GSM alphabet, à is
        ("á" * 71, False, 2),
        ("😀" * 35, False, 1),
        ("😀" * 36, False, 2),
        ("مرحبا" * 14, False, 1),
    ],
)
def test_segments_are_counted_as_carriers_bill_them(text: str, gsm: bool, count: int) -> None:
    assert segments.is_gsm(text) is gsm
    assert segments.count(text) == count


def test_a_curly_quote_does_not_double_the_cost() -> None:
    (body,) = render.render(outbound(text="It’s “ready” – call us… " + "a" * 120), HOUSE)
    assert segments.is_gsm(body)
    assert segments.count(body) == 1
    assert body.startswith('It\'s "ready" - call us... ')


def test_a_long_text_is_cut_between_words_and_none_is_lost() -> None:
    text = " ".join(f"word{n}" for n in range(1200))
    bodies = render.render(outbound(text=text), HOUSE)
    assert len(bodies) > 5
    assert all(len(body) <= 1600 for body in bodies)
    assert " ".join(bodies) == text


def test_ten_thousand_emoji_are_cut_between_emoji() -> None:
    bodies = segments.split("😀" * 10_000)
    assert all(len(body.encode("utf-16-be")) <= 3200 for body in bodies)
    assert "".join(bodies) == "😀" * 10_000


def test_choices_are_numbered_in_the_language_of_the_talk() -> None:
    (body,) = render.render(outbound(choices=(("t1", "Yes"), ("t2", "No")), text="Pay now?"), HOUSE)
    assert body == "Pay now?\nReply 1: Yes\nReply 2: No"
    (body,) = render.render(outbound(locale="es", choices=(("t1", "Sí"),), text="¿Pagar?"), HOUSE)
    assert body.splitlines()[1] == "Responda 1: Sí"


def test_a_text_message_is_read_and_unknown_fields_are_kept_but_the_words_only_once() -> None:
    inbound = parse.parse({**SHAPES["sms_in"], "BrandNewField": "x"}, now=NOW)
    assert inbound is not None
    assert (inbound.channel, inbound.identity_kind, inbound.identity) == ("SMS", "PHONE", "+15550100001")
    assert inbound.external_id == "SM11111111111111111111111111111111"
    assert inbound.text == "What is my balance?"
    assert inbound.raw["BrandNewField"] == "x"
    assert "Body" not in inbound.raw


def test_a_picture_without_words_is_a_message() -> None:
    inbound = parse.parse({**SHAPES["mms_in"], "Body": ""}, now=NOW)
    assert inbound is not None
    assert inbound.text == ""
    assert inbound.attachments[0]["content_type"] == "image/jpeg"


@pytest.mark.parametrize("count", ["", "many", "-1", "99999999999999999999"])
def test_a_count_of_media_that_is_nonsense_is_no_harm(count: str) -> None:
    inbound = parse.parse({**SHAPES["mms_in"], "NumMedia": count}, now=NOW)
    assert inbound is not None
    assert len(inbound.attachments) <= 1


def test_what_cannot_be_stored_is_shown_by_its_sign_and_length_is_bounded() -> None:
    inbound = parse.parse({**SHAPES["sms_in"], "Body": "a\x00b\ud800c" + "d" * 80_000, "Odd": "\x00"}, now=NOW)
    assert inbound is not None
    assert inbound.text.startswith("a␀b\ufffdcd")
    assert len(inbound.text) == 64_000
    json.dumps(dict(inbound.raw)).encode()


def test_without_a_sender_or_an_id_there_is_no_message() -> None:
    assert parse.parse({"Body": "x", "From": "+15550100001"}, now=NOW) is None
    assert parse.parse({"Body": "x", "MessageSid": "SM1"}, now=NOW) is None


def test_a_word_the_vendor_has_answered_is_known() -> None:
    assert parse.vendor_answered(SHAPES["stop"]) == "STOP"
    assert parse.vendor_answered(SHAPES["sms_in"]) is None


def test_whatsapp_senders_by_number_and_by_business_scoped_id() -> None:
    by_number = whatsapp_parse.parse(SHAPES["whatsapp_in"], now=NOW)
    assert by_number is not None
    assert (by_number.identity_kind, by_number.identity) == ("PHONE", "+15550100001")
    fields = {
        **SHAPES["whatsapp_in"],
        "From": "whatsapp:US.13491208655302741918",
        "ExternalUserId": "US.13491208655302741918",
        "ProfileUsername": "pat",
        "WaId": "",
    }
    by_id = whatsapp_parse.parse(fields, now=NOW)
    assert by_id is not None
    assert (by_id.identity_kind, by_id.identity) == ("BSUID", "US.13491208655302741918")
    assert by_id.raw["ExternalUserId"] == "US.13491208655302741918"
    assert by_id.raw["identities"] == [["USERNAME", "pat"]]


def test_a_button_comes_back_as_its_token_and_a_list_row_too() -> None:
    pressed = whatsapp_parse.parse(SHAPES["whatsapp_button"], now=NOW)
    assert pressed is not None
    assert (pressed.choice_token, pressed.text) == ("confirm_yes", "Yes")
    fields = {"From": "whatsapp:+15550100001", "MessageSid": "SM2", "ListId": "tok", "ListTitle": "Plan A"}
    row = whatsapp_parse.parse(fields, now=NOW)
    assert row is not None
    assert (row.choice_token, row.text) == ("tok", "Plan A")


def test_buttons_where_a_template_stands_ready_and_numbers_where_none_does() -> None:
    asks = outbound(channel="WHATSAPP", text="Pay now?", choices=(("t1", "Yes"), ("t2", "No")))
    made = whatsapp_render.render(asks, {"choices_2": "HX1"}, HOUSE)
    assert made.template == "HX1"
    assert made.variables == {"1": "Pay now?", "2": "Yes", "3": "t1", "4": "No", "5": "t2"}
    assert whatsapp_render.render(asks, {"choices_3": "HX1"}, HOUSE).body == "Pay now?\n\nReply 1: Yes\nReply 2: No"
    wordy = outbound(channel="WHATSAPP", text="?", choices=(("t1", "Y" * 21), ("t2", "No")))
    assert whatsapp_render.render(wordy, {"choices_2": "HX1"}, HOUSE).template is None


def test_outside_the_window_only_a_template_goes() -> None:
    late = outbound(channel="WHATSAPP", kind="outage.restored", text="Power is\nback.", window_open=False)
    with pytest.raises(errors.Refused) as refused:
        whatsapp_render.render(late, {"choices_2": "HX1"}, HOUSE)
    assert refused.value.code == "whatsapp.window_closed"
    templates = {"outage.restored": "HX2", "outage.restored:en": "HX3", "notice": "HX4"}
    made = whatsapp_render.render(late, templates, HOUSE)
    assert (made.template, made.variables, made.body) == ("HX3", {"1": "Power is back."}, None)
    assert whatsapp_render.render(late, {"notice": "HX4"}, HOUSE).template == "HX4"


def test_a_long_whatsapp_message_ends_at_a_word() -> None:
    made = whatsapp_render.render(outbound(text="palabra " * 2000), {}, HOUSE)
    assert made.body is not None
    assert len(made.body) <= 1600
    assert made.body.endswith("palabra…")
