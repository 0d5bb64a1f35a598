"""Usage as a PNG, for mail and messengers: the website's own drawings, rendered by resvg with fonts of our own."""

import functools
import pathlib
import re

import resvg_py
from markupsafe import Markup

_FONTS = pathlib.Path(__file__).parents[2] / "billing" / "documents" / "fonts"
_WIDTH, _MARGIN, _HEAD, _FOOT = 800, 40, 96, 44
_STYLE = """
text { font-family: 'Open Sans'; fill: #50615b; font-size: 12px; }
.title { font-size: 26px; font-weight: 600; fill: #14211d; } .gist { font-size: 16px; }
.rule { stroke: #d9e1dc; } .bar { fill: #2a8c77; } .bar.apart { fill: #c9781a; } .bar.other { fill: #9fb3ab; }
.track { fill: #e9eeeb; } .reach { fill: #b9ddd2; } .mark { fill: #14211d; }
.label { font-size: 14px; } .label.mine { font-weight: 600; fill: #14211d; } .value { font-size: 14px; fill: #14211d; }
"""


def png(drawing: Markup, *, title: str, gist: str, foot: str) -> bytes:
    """This will render one drawing under its title and the sentence that says what it shows."""
    found = re.match(r'<svg class="[^"]*" viewBox="0 0 (\d+) (\d+)"[^>]*>', str(drawing))
    if found is None:
        raise ValueError("no drawing")
    inner = _WIDTH - 2 * _MARGIN
    high = round(inner * int(found.group(2)) / int(found.group(1)))
    height = _HEAD + high + _FOOT
    page = Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" width="{w}" height="{h}" viewBox="0 0 {w} {h}">'
        '<rect width="{w}" height="{h}" fill="#ffffff"/><text class="title" x="{m}" y="46">{title}</text>'
        '<text class="gist" x="{m}" y="74">{gist}</text>'
        '<svg x="{m}" y="{head}" width="{inner}" height="{high}" viewBox="0 0 {vw} {vh}">{drawing}</svg>'
        '<text x="{m}" y="{bottom}">{foot}</text></svg>'
    ).format(
        w=_WIDTH,
        h=height,
        m=_MARGIN,
        title=title,
        gist=gist,
        head=_HEAD,
        inner=inner,
        high=high,
        vw=found.group(1),
        vh=found.group(2),
        drawing=Markup(str(drawing)[found.end() : str(drawing).index("</svg>")]),  # noqa: S704 - drawn by us
        bottom=height - 16,
        foot=foot,
    )
    return bytes(
        resvg_py.svg_to_bytes(
            svg_string=str(page),
            style_sheet=_STYLE,
            skip_system_fonts=True,
            font_files=_fonts(),
            font_family="Open Sans",
            sans_serif_family="Open Sans",
            width=_WIDTH * 2,
        )
    )


@functools.cache
def _fonts() -> list[str]:
    return [str(path) for path in sorted(_FONTS.glob("*.ttf"))]
