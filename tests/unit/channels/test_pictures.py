"""Pictures of usage: drawn as words can be, rendered with their words, carried by what can carry them."""

import itertools
import re

import pytest

from channels import twilio_edge
from channels.email import render as email
from channels.portal import charts, figures, pictures
from channels.whatsapp import render as whatsapp
from core import wording
from core.ports import Outbound
from core.settings import Settings

ROWS = (
    figures.Row("This period", 17.9, "17.9 kWh a day", mine=True),
    figures.Row("A year ago", 18.4, "18.4 kWh a day"),
)
RANGE = figures.Range(27.84, 79.17, 107.11, 135.02, "$79.17", "$107.11", "$135.02", "$27.84")
SHOWN = {"name": "Bars & <words>", "content_type": "image/png", "url": "https://hub.example/pictures/abc.png"}


def message(**more: object) -> Outbound:
    return Outbound(7, "c", "WHATSAPP", "+15550100001", "en", "You used 121 kWh.", attachments=(SHOWN,), **more)  # type: ignore[arg-type]


def test_a_rendered_picture_has_its_words_in_it() -> None:
    """A renderer without the fonts draws no letter and says nothing: then all titles look alike."""
    drawn = figures.rows(ROWS, title="")
    one, other = (pictures.png(drawn, title=title, gist="g", foot="f") for title in ("121 kWh", "998 kWh"))
    assert one[:8] == b"\x89PNG\r\n\x1a\n" and one != other
    bold, plain = (pictures.png(drawn, title="", gist=gist, foot="") for gist in ("ñáé", ""))
    assert len(bold) > len(plain)


def test_every_figure_stands_in_the_drawing_and_none_is_markup() -> None:
    said = str(figures.rows((figures.Row("<b>", 1, "1 kWh"), *ROWS), title='"x"'))
    assert "<b>" not in said and "&lt;b&gt;" in said and said.count("<svg") == 2  # a desk's and a phone's
    assert all(row.said in said for row in ROWS)
    assert figures.rows((), title="") == "" and figures.heat((), (), title="", clock=(), steps=("", "")) == ""


@pytest.mark.parametrize(
    "of",
    [
        RANGE,
        figures.Range(0, 0, 0, 0, "$0.00", "$0.00", "$0.00", "$0.00"),
        figures.Range(100, 100, 100, 100, "$100.00", "$100.00", "$100.00", "$100.00"),
        figures.Range(1, 99, 100, 101, "$99.00", "$100.00", "$101.00", "$1.00"),
    ],
)
def test_the_words_of_a_range_never_run_into_each_other(of: figures.Range) -> None:
    drawn = str(figures.span(of, title=""))
    for svg in drawn.split("</svg>")[:2]:
        width = int(re.findall(r'viewBox="0 0 (\d+)', svg)[0])
        places = [
            (float(x), float(x) + len(said) * 6.5)
            for x, said in re.findall(r'class="tick" x="([\d.]+)"[^>]*>([^<]+)<', svg)
        ]
        assert places and all(start >= 0 and end <= width + 1 for start, end in places)
        assert all(end <= start for (_, end), (start, _) in itertools.pairwise(places))


def test_the_field_of_hours_is_darker_where_more_was_used_and_empty_where_nothing_is_known() -> None:
    hours = [[float(hour) for hour in range(24)], [None] * 24]
    drawn = str(figures.heat(("1", "2"), hours, title="t", clock=("00",), steps=("less", "more")))
    first = drawn.split("</svg>")[0]
    cells = {shade: d.count("M") for shade, d in re.findall(r'<path class="(\w+)" d="([^"]+)"', first)}
    assert (
        cells["gap"] == 24 and sum(cells.values()) == 48 and set(cells) == {"gap", "h0", "h1", "h2", "h3", "h4", "h5"}
    )


def test_bars_to_come_stand_apart_from_what_was_used() -> None:
    drawn = str(charts.bars([charts.Bar("1", 3, "x"), charts.Bar("2", 4, "y", coming=True)], title="", unit="kWh"))
    assert drawn.count('class="bar coming"') == 2 and drawn.count('class="bar"') == 2


def test_messengers_are_given_its_address_and_mail_shows_it_with_words() -> None:
    assert twilio_edge.pictures(message()) == [SHOWN["url"]]
    house = wording.House("U", "+1", "+1", "USD", "America/New_York", "https://hub.example")
    templates = {"choices_1": "HX1"}
    offered = message(choices=(("t", "Yes"),))
    assert whatsapp.render(offered, templates, house).body  # a template could not carry the picture
    made = email.render(message(), Settings(public_base_url="https://hub.example"))
    assert f'<img src="{SHOWN["url"]}" alt="Bars &amp; &lt;words&gt;"' in made.html and "121 kWh" in made.text
