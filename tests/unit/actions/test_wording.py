"""Every sentence of the actions: said in both languages, by every medium, with what the actions really send."""

import pathlib
import re

import pytest
import yaml

from actions import frame
from core import wording
from core.conversations.house import house
from core.settings import Settings
from tests.unit.actions.samples import SAMPLES

ROOT = pathlib.Path(__file__).parents[3]
CATALOGUE = ROOT / "core" / "wording" / "catalogue"
OURS = ("talk", "billing", "usage", "plans", "forms", "errors", "arrears")
HOUSE = house(Settings(public_base_url="https://brightwater.example"))
TEXTED = ("billing.pay_link_text",)  # only ever sent by text message
_LINK = re.compile(r"https?://\S+")
_USED = re.compile(r'(?:\bsay|Reply|Choice|choice)\(\s*"([a-z_]+\.[A-Za-z_.\-]+)"')


def _kinds(locale: str, name: str) -> dict[str, object]:
    return dict(yaml.safe_load((CATALOGUE / locale / f"{name}.yaml").read_text()))


@pytest.mark.parametrize("name", OURS)
def test_both_languages_say_the_same_kinds(name: str) -> None:
    en, es = _kinds("en", name), _kinds("es", name)
    assert set(en) == set(es)
    for kind in en:
        assert isinstance(en[kind], str) == isinstance(es[kind], str), kind
        if isinstance(en[kind], dict):
            assert set(en[kind]) == set(es[kind]), kind  # type: ignore[call-overload]


def test_every_kind_an_action_names_can_be_said() -> None:
    used = {kind: path.name for path in (ROOT / "actions").glob("*.py") for kind in _USED.findall(path.read_text())}
    assert len(used) > 80  # the pattern still finds them
    for locale in ("en", "es"):
        missing = {kind: where for kind, where in used.items() if kind not in wording.kinds(locale)}
        assert not missing, (locale, missing)


def test_every_wish_and_part_of_a_bill_has_a_name() -> None:
    domain = yaml.safe_load((ROOT / "bot/assistant/domain.yml").read_text())
    intents = {next(iter(intent)) if isinstance(intent, dict) else intent for intent in domain["intents"]}
    internal = {"inform", "identity_verified", "returned_from_staff", "nlu_fallback"}
    names = {f"intent.{intent}" for intent in intents - internal}
    assert names <= wording.kinds("en")
    assert names <= wording.kinds("es")


def test_forms_ask_for_the_slots_the_assistant_expects() -> None:
    domain = yaml.safe_load((ROOT / "bot/assistant/domain.yml").read_text())
    assert {form: tuple(said["required_slots"]) for form, said in domain["forms"].items()} == dict(frame.FORMS)


@pytest.mark.parametrize("locale", ["en", "es"])
@pytest.mark.parametrize("name", [name for name in OURS if name != "errors"])
def test_every_kind_is_said_in_every_medium(locale: str, name: str) -> None:
    for kind, entry in _kinds(locale, name).items():
        for data in SAMPLES.get(kind, [{}]):
            for medium in wording.MEDIA:
                said = wording.render(kind, data, locale=locale, medium=medium, house=HOUSE)
                assert said.text, kind
                assert not re.search(r"\bNone\b(?! of| is)", said.text), (kind, said.text)
                assert not re.search(r"[.!?:][A-ZÁÉÍÓÚ¿¡-](?=[a-z ])", _LINK.sub("", said.text)), (kind, said.text)
                assert "\n\n" not in said.text, (kind, said.text)
                assert "  " not in said.text.replace("\n", ""), (kind, said.text)
                if medium == "voice" and kind not in TEXTED:
                    assert "http" not in (said.ssml or ""), (kind, said.ssml)
                if medium == "sms" and isinstance(entry, dict) and "sms" in entry and locale == "en":
                    assert len(said.text) <= 160, (kind, len(said.text), said.text)


@pytest.mark.parametrize("locale", ["en", "es"])
def test_quick_replies_are_short_enough_for_a_button(locale: str) -> None:
    for kind in wording.kinds(locale):
        if kind.startswith(("intent.", "choice.", "billing.reason.")):
            for data in SAMPLES.get(kind, [{}]):
                label = wording.label(kind, data, locale=locale, house=HOUSE)
                assert 0 < len(label) <= 24, (kind, label)


_CODE = re.compile(r'(?:Refused|Invalid|NotFound)\(\s*"([a-z_]+\.[a-z_.0-9]+)"')
# never reach a customer: files, vendors, machines
_TECHNICAL = ("rating.", "reads.", "map.", "crm.", "webhook.", "compliance.", "channel.", "file.", "whatsapp.",
              "deadline.", "read_exception.", "message.status_unknown")  # fmt: skip


def test_every_rule_that_may_meet_a_customer_can_be_put_in_words() -> None:
    for package in ("core", "metering", "billing", "actions"):
        for path in (ROOT / package).rglob("*.py"):
            for code in _CODE.findall(path.read_text()):
                if not code.startswith(_TECHNICAL):
                    assert f"error.{code}" in wording.kinds("en"), (code, path.name)


@pytest.mark.parametrize("locale", ["en", "es"])
def test_an_error_is_worded_with_and_without_its_data(locale: str) -> None:
    for kind in _kinds(locale, "errors"):
        for data in (
            {},
            {"amount": "9.00", "number": "SR-1", "most": 12, "least": 2, "starts_at": "2026-11-20T14:30:00Z"},
        ):
            wording.render(kind, {"handed_over": True, **data}, locale=locale, medium="voice", house=HOUSE)
