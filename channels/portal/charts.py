"""Bar charts as SVG, with the same figures as words for those who do not see them. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

_BOTTOM, _TOP = 28, 22
_LETTER = 7  # how wide a figure of a label is, at most


@dataclass(frozen=True)
class Bar:
    """One bar: its label, its value, what to say of it, and whether it stands apart (estimated, today, peak)."""

    label: str
    value: float
    said: str
    apart: bool = False
    coming: bool = False  # not used yet: what is expected


@dataclass(frozen=True)
class _Size:
    name: str
    width: int
    height: int
    left: int


_WIDE = _Size("wide", 720, 250, 44)
_SLIM = _Size("slim", 360, 220, 40)
_HALF = _Size("half", 480, 250, 40)


def bars(series: Sequence[Bar], *, title: str, unit: str, half: bool = False) -> Markup:
    """This will draw bars from zero with a readable scale; each carries its words as a tooltip.

    They are drawn once for a desk (`half`: for half its width) and once for a phone; the sheet shows one of them.
    """
    if not series:
        return Markup("")
    return _draw(series, title, unit, _HALF if half else _WIDE) + _draw(series, title, unit, _SLIM)


def _draw(series: Sequence[Bar], title: str, unit: str, size: _Size) -> Markup:
    top = _ceiling(max(bar.value for bar in series))
    inner, right = size.height - _BOTTOM - _TOP, size.width - 16 if len(series) <= 13 else size.width - 4
    step = (right - size.left) / len(series)
    width = min(max(step * 0.72, 2), 46)
    widest = max(len(bar.label) for bar in series) * _LETTER + 8
    every = max(1, -(-widest // max(int(step), 1)))  # no label runs into the next
    parts = [
        Markup('<svg class="chart {}" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(
            size.name, size.width, size.height, title
        )
    ]
    for part in range(5):
        y = _TOP + inner * part / 4
        parts.append(
            Markup('<line class="rule" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>').format(size.left, right, y, y)
        )
        parts.append(
            Markup('<text class="tick" x="{}" y="{:.1f}" text-anchor="end">{}</text>').format(
                size.left - 6, y + 4, f"{top * (4 - part) / 4:g}"
            )
        )
    parts.append(Markup('<text class="tick" x="{}" y="11" text-anchor="end">{}</text>').format(size.left - 6, unit))
    for index, bar in enumerate(series):
        height = inner * bar.value / top
        middle = size.left + step * (index + 0.5)
        box = (middle - width / 2, _TOP + inner - height, width, max(height, 0.5))
        parts.append(
            Markup('<rect class="bar{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" rx="2">').format(
                " apart" if bar.apart else " coming" if bar.coming else "", *box
            )
            + Markup("<title>{}</title></rect>").format(bar.said)
        )
        if index % every == 0:
            parts.append(
                Markup('<text class="tick" x="{:.1f}" y="{}" text-anchor="middle">{}</text>').format(
                    middle, size.height - 9, bar.label
                )
            )
    parts.append(Markup("</svg>"))
    return Markup("").join(parts)


def _ceiling(value: float) -> float:
    """The next round number above: its quarters are short numbers too."""
    if value <= 0:
        return 1.0
    power = 1.0
    while power * 10 <= value:
        power *= 10
    while power > value:
        power /= 10
    return next(step * power for step in (1, 2, 3, 4, 6, 8, 10) if step * power >= value)
