"""A plan's name and what is said of it stand in its document, in every locale; the catalogues know our own."""

import json
import pathlib
from datetime import date
from typing import Any

import pytest
from click.testing import CliRunner

from billing import catalogue
from core import errors, wording
from ops_admin.tariff_command import tariff

HOUSE = wording.House("B", "", "", "USD", "Etc/UTC", "")
NAMES = {"en": "Green & {{ Calm }}", "es": "Verde y calma"}
ABOUT = {"en": "Wind alone.", "es": "Solo viento."}
RATE: dict[str, Any] = {
    "label": "RES-GREEN", "energyratestructure": [[{"rate": 0.1}]],
    "tariff": {"kind": "FLAT", "customer_kind": "RESIDENTIAL"}, "wattline": {"names": NAMES, "about": ABOUT},
}  # fmt: skip


def said(kind: wording.Kind, locale: str, medium: str = "chat") -> wording.Wording:
    return wording.render(kind, {}, locale=locale, medium=medium, house=HOUSE)


def test_words_of_the_utility_are_said_as_they_stand() -> None:
    assert [said(NAMES, locale).text for locale in wording.LOCALES] == [NAMES["en"], NAMES["es"]]
    assert said(NAMES, "en", "voice").ssml == "Green &amp; {{ Calm }}"
    with pytest.raises(wording.MissingWording):
        said({"en": "Green"}, "es")
    notice = {"tariff": NAMES, "starts_on": "2026-12-01", "until": None}
    for locale in wording.LOCALES:  # where a sentence names it
        told = wording.render("notice.tariff_switched", notice, locale=locale, medium="email", house=HOUSE)
        assert NAMES[locale] in told.text and NAMES[locale] in str(told.subject)


def test_a_document_names_its_plan_and_the_catalogues_ours() -> None:
    assert catalogue.words_of(RATE) == catalogue.Words(NAMES, ABOUT)
    for ours in catalogue.published(date(2026, 11, 1)):
        assert catalogue.words_of(ours) == catalogue.Words({}, {})
    mine = {**RATE, "label": "RES-FLAT", "wattline": {"names": NAMES}}  # another name, and still what is said of it
    assert catalogue.words_of(mine) == catalogue.Words(NAMES, {})
    assert catalogue.plan_of(RATE) == catalogue.plan_of({**RATE, "wattline": {}})  # a name is no price


@pytest.mark.parametrize(
    ("ours", "where", "reason"),
    [
        ({}, "names", "told of it in en, es"),
        ({"names": NAMES}, "about", "told of it in en, es"),
        ({"names": {"en": "Green"}, "about": ABOUT}, "names", "in en and es"),
        ({"names": {**NAMES, "fr": "Vert"}, "about": ABOUT}, "names", "in nothing else"),
        ({"names": "Green", "about": ABOUT}, "names", "in en and es"),
        ({"names": {**NAMES, "es": " "}, "about": ABOUT}, "names.es", "1 to 60"),
        ({"names": {**NAMES, "es": "x" * 61}, "about": ABOUT}, "names.es", "1 to 60"),
        ({"names": {**NAMES, "es": 7}, "about": ABOUT}, "names.es", "a line"),
        ({"names": NAMES, "about": {**ABOUT, "en": "two\nlines"}}, "about.en", "a line of 1 to 400"),
    ],
)
def test_a_plan_that_customers_could_not_be_told_of_is_refused(
    tmp_path: pathlib.Path, ours: dict[str, Any], where: str, reason: str
) -> None:
    document = {**RATE, "wattline": ours}
    with pytest.raises(errors.Invalid) as caught:
        catalogue.words_of(document)
    assert caught.value.code == "tariff.unnamed" and caught.value.data["where"] == f"wattline.{where}"
    (tmp_path / "plan.json").write_text(json.dumps(document))
    result = CliRunner().invoke(tariff, ["check", str(tmp_path / "plan.json")])
    assert result.exit_code == 2 and result.stderr.startswith("cannot sell: ") and reason in result.stderr


def test_a_named_plan_passes_the_check(tmp_path: pathlib.Path) -> None:
    (tmp_path / "plan.json").write_text(json.dumps(RATE))
    result = CliRunner().invoke(tariff, ["check", str(tmp_path / "plan.json")])
    assert result.exit_code == 0, result.stderr
