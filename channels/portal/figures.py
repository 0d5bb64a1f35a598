"""Pictures beside the bar chart: an hour-by-day heat map, bars that compare, a range. SVG as words can be; pure.

What a picture says is said in words beside it: each has a label with its gist, and the page has a table.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

SHADES = 6


@dataclass(frozen=True)
class Row:
    """One bar of a comparison. `mine` is the customer's own; `said` is what stands at its end."""

    label: str
    value: float
    said: str
    mine: bool = False


@dataclass(frozen=True)
class Range:
    """What something will come to: low, likely, high, and what it has come to so far, each with its words."""

    so_far: float
    low: float
    likely: float
    high: float
    low_said: str
    likely_said: str
    high_said: str
    so_far_said: str


@dataclass(frozen=True)
class Hour:
    """One hour of a day: what the clock says at its start, how dear it is (`low`, `mid`, `high`), its words."""

    clock: str
    level: str
    said: str


def rows(series: Sequence[Row], *, title: str) -> Markup:
    """This will draw bars under their labels, one above the other, the longest over the whole width."""
    if not series:
        return Markup("")
    return _rows(series, title, "half", 480) + _rows(series, title, "slim", 330)


def span(of: Range, *, title: str) -> Markup:
    """This will draw a range on a line from nothing: what is sure, what is likely, and how far it may go."""
    return _span(of, title, "half", 480) + _span(of, title, "slim", 330)


def heat(
    days: Sequence[str],
    hours: Sequence[Sequence[float | None]],
    *,
    title: str,
    clock: Sequence[str],
    steps: Sequence[str],
) -> Markup:
    """This will draw a field: days from left to right, the hours of the clock from top to bottom, darker is more.

    `hours[day][hour]` is None where nothing is known. `clock` labels every sixth hour; `steps` the two ends of the
    scale.
    """
    if not days:
        return Markup("")
    limits = _limits([value for day in hours for value in day if value is not None])
    wide = _heat(days, hours, limits, title, clock, steps, "wide", 720, 11)
    return wide + _heat(days, hours, limits, title, clock, steps, "slim", 360, 9)


def hours(series: Sequence[Hour], *, title: str, words: Sequence[tuple[str, str]], key: str) -> Markup:
    """This will draw the hours of a day side by side, told apart by colour and by pattern; `words` names the levels.

    `key` makes the patterns' names unique on a page.
    """
    if not series:
        return Markup("")
    wide = _hours(series, title, words, f"{key}-w", "wide", 720)
    return wide + _hours(series, title, words, f"{key}-s", "slim", 360)


def _hours(
    series: Sequence[Hour], title: str, words: Sequence[tuple[str, str]], key: str, name: str, width: int
) -> Markup:
    step = width / len(series)
    parts = [_open(f"hours {name}", width, 92, title), _patterns(key)]
    for n, hour in enumerate(series):
        parts.append(_cell(key, hour.level, n * step + 0.6, 2, step - 1.2, 40, hour.said))
        if n % 3 == 0:
            parts.append(Markup('<text class="tick" x="{:.1f}" y="57">{}</text>').format(n * step + 0.6, hour.clock))
    at = 0.0
    for level, word in words:
        parts.append(_cell(key, level, at + 0.6, 72, 18, 14, word))
        parts.append(Markup('<text class="tick" x="{:.1f}" y="84">{}</text>').format(at + 25, word))
        at += 42 + len(word) * 7
    return Markup("").join([*parts, Markup("</svg>")])


def _patterns(key: str) -> Markup:
    """Dots where it is cheap, stripes where it is dear: who does not see colours sees these."""
    return Markup(
        '<defs><pattern id="{key}-low" width="8" height="8" patternUnits="userSpaceOnUse">'
        '<circle class="ink" cx="4" cy="4" r="1.5"/></pattern>'
        '<pattern id="{key}-high" width="7" height="7" patternUnits="userSpaceOnUse">'
        '<path class="line" d="M-1 8L8 -1"/></pattern></defs>'
    ).format(key=key)


def _cell(key: str, level: str, x: float, y: int, width: float, height: int, said: str) -> Markup:
    box = Markup('x="{:.1f}" y="{}" width="{:.1f}" height="{}" rx="2"').format(x, y, width, height)
    drawn = Markup('<rect class="{}" {}><title>{}</title></rect>').format(level, box, said)
    if level == "mid":
        return drawn
    return drawn + Markup('<rect fill="url(#{}-{})" {}><title>{}</title></rect>').format(key, level, box, said)


def _rows(series: Sequence[Row], title: str, name: str, width: int) -> Markup:
    each, top = 46, max(max(row.value for row in series), 1e-9)
    parts = [_open(name, width, each * len(series), title)]
    for n, row in enumerate(series):
        y = n * each
        length = max(2.0, (width - 4) * max(row.value, 0.0) / top)
        mine = " mine" if row.mine else ""
        parts.append(
            Markup('<text class="label{}" x="0" y="{}">{}</text>').format(mine, y + 14, row.label)
            + Markup('<text class="value" x="{}" y="{}" text-anchor="end">{}</text>').format(width, y + 14, row.said)
            + Markup('<rect class="track" x="0" y="{}" width="{}" height="12" rx="6"/>').format(y + 21, width)
            + Markup('<rect class="bar{}" x="0" y="{}" width="{:.1f}" height="12" rx="6"/>').format(
                "" if row.mine else " other", y + 21, length
            )
        )
    return Markup("").join([*parts, Markup("</svg>")])


def _span(of: Range, title: str, name: str, width: int) -> Markup:
    top = max(of.high, of.so_far) * 1.08 or 1.0

    def x(value: float) -> float:
        return 3 + (width - 6) * max(value, 0.0) / top

    left, right = x(of.low), max(x(of.high), x(of.low) + 2)
    parts = [
        _open(name, width, 74, title),
        Markup('<text class="value" x="{:.1f}" y="14" text-anchor="{}">{}</text>').format(
            *_anchored(x(of.likely), width, len(of.likely_said)), of.likely_said
        ),
        Markup('<rect class="track" x="0" y="24" width="{}" height="20" rx="10"/>').format(width),
        Markup('<rect class="reach" x="{:.1f}" y="24" width="{:.1f}" height="20" rx="3"/>').format(left, right - left),
        Markup('<rect class="bar" x="0" y="24" width="{:.1f}" height="20" rx="10"/>').format(max(x(of.so_far), 10)),
        Markup('<rect class="mark" x="{:.1f}" y="19" width="3" height="30" rx="1.5"/>').format(x(of.likely) - 1.5),
    ]
    ends = [(of.so_far, of.so_far_said), (of.low, of.low_said), (of.high, of.high_said)]
    for at, said, anchor in _apart([(x(value), said) for value, said in ends], width):
        parts.append(Markup('<text class="tick" x="{:.1f}" y="64" text-anchor="{}">{}</text>').format(at, anchor, said))
    return Markup("").join([*parts, Markup("</svg>")])


def _apart(ends: Sequence[tuple[float, str]], width: int) -> list[tuple[float, str, str]]:
    """Labels where they belong, as far as none runs into the one before; one that has no room is left out."""
    out: list[tuple[float, str, str]] = []
    free, letter = 0.0, 6.6
    for n, (at, said) in enumerate(ends):
        long = len(said) * letter
        start = min(max(at - long / 2, free), width - long)
        if start < free - 0.1:
            if n + 1 < len(ends):
                continue
            out, start = [o for o in out if o[0] + len(o[1]) * letter < width - long - 6], width - long
        out.append((max(start, 0.0), said, "start"))
        free = start + long + 8
    return out


def _anchored(at: float, width: int, letters: int) -> tuple[float, str]:
    half = letters * 4.2
    if at + half > width:
        return width, "end"
    return (at, "middle") if at - half >= 0 else (0.0, "start")


def _heat(
    days: Sequence[str],
    hours: Sequence[Sequence[float | None]],
    limits: Sequence[float],
    title: str,
    clock: Sequence[str],
    steps: Sequence[str],
    name: str,
    width: int,
    high: int,
) -> Markup:
    left, top = 40, 4
    step = (width - left) / len(days)
    wide = max(step - 0.8, 1)
    foot = top + 24 * high
    shapes: dict[str, list[str]] = {}
    for n, day in enumerate(hours):
        for hour, value in enumerate(day):
            shade = "gap" if value is None else f"h{sum(value > limit for limit in limits)}"
            shapes.setdefault(shade, []).append(
                f"M{left + n * step:.1f} {top + hour * high}h{wide:.1f}v{high - 1}h-{wide:.1f}z"
            )
    parts = [_open(f"heat {name}", width, foot + 46, title)]
    parts += [Markup('<path class="{}" d="{}"/>').format(shade, "".join(drawn)) for shade, drawn in shapes.items()]
    for n, said in enumerate(clock):
        parts.append(
            Markup('<text class="tick" x="{}" y="{}" text-anchor="end">{}</text>').format(
                left - 6, top + n * 6 * high + 10, said
            )
        )
    every = max(1, -(-46 // max(int(step), 1)))
    for n in range(0, len(days), every):
        parts.append(
            Markup('<text class="tick" x="{:.1f}" y="{}" text-anchor="start">{}</text>').format(
                left + n * step, foot + 14, days[n]
            )
        )
    parts.append(Markup('<text class="tick" x="{}" y="{}">{}</text>').format(left, foot + 40, steps[0]))
    begin = left + len(steps[0]) * 7 + 6
    for number in range(SHADES):
        parts.append(
            Markup('<rect class="h{}" x="{}" y="{}" width="16" height="10" rx="2"/>').format(
                number, begin + number * 18, foot + 31
            )
        )
    parts.append(
        Markup('<text class="tick" x="{}" y="{}">{}</text>').format(begin + SHADES * 18 + 6, foot + 40, steps[1])
    )
    return Markup("").join([*parts, Markup("</svg>")])


def _limits(values: Sequence[float]) -> list[float]:
    """Where one shade ends and the next begins: by rank, so that one wild hour does not make the rest pale."""
    ordered = sorted(values)
    if not ordered:
        return [0.0] * (SHADES - 1)
    return [ordered[min(len(ordered) - 1, len(ordered) * part // SHADES)] for part in range(1, SHADES)]


def _open(name: str, width: int, height: int, title: str) -> Markup:
    return Markup('<svg class="chart {}" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(
        name, width, height, title
    )
