"""Every sentence about outages, work, the account and programs; and that no action of the domain is missing."""

import pathlib
import re

import pytest
import yaml

from actions import fieldwork, registry
from core import wording
from core.conversations.house import house
from core.settings import Settings
from tests.unit.actions.samples_part_b import SAMPLES

ROOT = pathlib.Path(__file__).parents[3]
OURS = ("outages", "fieldwork", "account")
HOUSE = house(Settings(public_base_url="https://brightwater.example"))
BUTTONS = ("outage.place", "fieldwork.slot_choice", "fieldwork.request_choice", "account.other", "account.news_on",
           "account.news_off")  # fmt: skip


def _kinds(locale: str, name: str) -> dict[str, object]:
    return dict(yaml.safe_load((ROOT / "core/wording/catalogue" / locale / f"{name}.yaml").read_text()))


def test_every_action_of_the_domain_is_there_and_no_other() -> None:
    domain = yaml.safe_load((ROOT / "bot/assistant/domain.yml").read_text())
    assert {action.name() for action in registry.every_action()} == set(domain["actions"])


@pytest.mark.parametrize("name", OURS)
def test_both_languages_say_the_same_kinds_in_the_same_forms(name: str) -> None:
    en, es = _kinds("en", name), _kinds("es", name)
    shape = {kind: set(entry) if isinstance(entry, dict) else None for kind, entry in en.items()}
    assert shape == {kind: set(entry) if isinstance(entry, dict) else None for kind, entry in es.items()}


@pytest.mark.parametrize("locale", ["en", "es"])
@pytest.mark.parametrize("name", OURS)
def test_every_kind_is_said_in_every_medium(locale: str, name: str) -> None:
    for kind, entry in _kinds(locale, name).items():
        for data in SAMPLES.get(kind, [{}]):
            for medium in wording.MEDIA:
                said = wording.render(kind, data, locale=locale, medium=medium, house=HOUSE)
                assert said.text, kind
                assert "None" not in said.text, (kind, said.text)
                assert "  " not in said.text, (kind, said.text)
                assert not re.search(r"[\w)][.:!?][A-ZÁÉ¿¡][a-zá]", said.text), (kind, medium, said.text)
                if medium == "voice" and kind != "account.contact_text":
                    assert "http" not in (said.ssml or ""), (kind, said.ssml)
                if medium == "sms":
                    # numbers, addresses and a customer's own words may take it further; what we say may not
                    assert len(said.text) <= (160 if isinstance(entry, str) or "sms" in entry else 320), (
                        kind, len(said.text), said.text)  # type: ignore[operator]  # fmt: skip


@pytest.mark.parametrize("locale", ["en", "es"])
def test_quick_replies_are_short_enough_for_a_button(locale: str) -> None:
    for kind in BUTTONS:
        for data in SAMPLES[kind]:
            label = wording.label(kind, data, locale=locale, house=HOUSE)
            assert 0 < len(label) <= 24, (kind, label)


@pytest.mark.parametrize(
    ("problem", "kind"),
    [
        ("the street light at 12 Oak is out", "STREETLIGHT"),
        ("la farola de mi calle no prende", "STREETLIGHT"),
        ("tree branches touch the line", "TREE"),
        ("hay ramas sobre el cable", "TREE"),
        ("I want my meter tested, please check the meter", "METER_TEST"),
        ("the cover of the meter is cracked", "REPAIR"),
        ("my street is flooded", "REPAIR"),
    ],
)
def test_a_problem_falls_to_its_crew(problem: str, kind: str) -> None:
    assert fieldwork.kind_of(problem) == kind
