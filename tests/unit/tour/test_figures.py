"""The tour's eye: it reads every figure of a sentence, and a wrong one does not pass."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from tests.tour import figures as f


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("You owe $1,239.22, due Nov 4.", [("money", Decimal("1239.22")), ("day", (11, 4))]),
        ("Debe $75.31, con vencimiento el 7 dic.", [("money", Decimal("75.31")), ("day", (12, 7))]),
        ("due on Monday, December 7, 2026.", [("day", (12, 7))]),
        ("el lunes, 7 de diciembre de 2026", [("day", (12, 7))]),
        ("Mon Nov 23, 1:00 PM to 3:00 PM", [("day", (11, 23)), ("clock", (13, 0)), ("clock", (15, 0))]),
        ("hasta las 7:00; 3.1 kWh, 0.064 kW", [("clock", (7, 0)), ("kwh", Decimal("3.1")), ("kw", Decimal("0.064"))]),
        ("Bill 2611-0003995, SR-000013, BWM100009", [("code", c) for c in ("2611-0003995", "SR-000013", "BWM100009")]),
        ("ending in 1 0 1 0. Please", [("number", Decimal(1010))]),
        ("Reply 1: Yes\nReply 2: No\n1. Pay my bill\nor press 3", []),
        ("Call 911 or (555) 010-0911: https://x.y/pay/8Z9", []),
        ("11.5¢ per kWh, 30 % less", [("cents", Decimal("11.5")), ("percent", Decimal(30))]),
    ],
)
def test_what_a_reader_sees(text: str, wanted: list[tuple[str, object]]) -> None:
    assert [(figure.kind, figure.value) for figure in f.read(text)] == wanted


def test_a_wrong_figure_is_told_and_a_missing_one_too() -> None:
    facts = [f.money(Decimal("75.31"), "balance"), f.day(date(2026, 12, 7), "due date")]
    assert list(f.unexplained("You owe $75.31, due Dec 7.", facts)) == []
    (extra, lacking) = f.unexplained("You owe $75.13, due Dec 7.", facts)
    assert "$75.13" in extra and "balance: 75.31" in lacking
    (late,) = f.unexplained("You owe $75.31.", facts)
    assert "due date" in late


def test_a_figure_is_held_to_the_places_it_is_shown_with() -> None:
    used = f.kwh(15_649, "use a day")
    assert list(f.unexplained("15.6 kWh a day", [used])) == []
    assert list(f.unexplained("16 kWh a day", [used])) == []
    assert len(list(f.unexplained("15.7 kWh a day", [used]))) == 2
    back = f.instant(datetime(2026, 11, 23, 13, 45, tzinfo=UTC), "America/New_York", "estimate")
    assert list(f.unexplained("Power should be back Mon Nov 23, 8:45 AM.", list(back))) == []
    assert list(f.unexplained("Power should be back Mon Nov 23, 8:45 PM.", list(back)))
