"""A day of reads as a picture: what stands, what came, what is usual. Pure."""

from datetime import datetime

from markupsafe import Markup

from core import periods
from metering.worklist import DayShown

_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 960, 260, 56, 14, 30


def draw(day: DayShown, *, starts_at: datetime | None, ends_at: datetime | None) -> Markup:
    """This will draw a bar per interval, the one a finding is about apart, a mark where another value came, and a line
    for like days. The figures stand in the table beside it; the picture says so."""
    known = [v for values in (day.wh, day.raw, day.usual) for v in values if v is not None]
    top = max(max(known, default=1), 1)
    inner, step = _HEIGHT - _TOP - _BOTTOM, (_WIDTH - _LEFT - 8) / len(day.wh)

    def high(value: int) -> float:
        return _TOP + inner * (1 - value / top)

    parts = [
        Markup('<svg class="day" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(
            _WIDTH, _HEIGHT, "The day as bars; the same figures stand in the table below."
        )
    ]
    for share in range(3):
        tick = top * share // 2
        parts.append(
            Markup(
                '<line class="rule" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/><text x="{}" y="{:.1f}">{}</text>'
            ).format(_LEFT, _WIDTH - 8, high(tick), high(tick), _LEFT - 6, high(tick) + 4, f"{tick / 1000:g}")
        )
    for n, value in enumerate(day.wh):
        x, at = _LEFT + n * step, day.at(n)
        about = starts_at is not None and ends_at is not None and starts_at <= at < ends_at
        kind = "bar" + (" about" if about else "") + (" estimated" if day.quality[n] == "ESTIMATED" else "")
        if value is not None:
            parts.append(
                Markup('<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>').format(
                    kind, x + step * 0.1, high(value), step * 0.8, _TOP + inner - high(value)
                )
            )
        raw = day.raw[n]
        if raw is not None and raw != value:
            parts.append(Markup('<circle class="raw" cx="{:.1f}" cy="{:.1f}" r="4"/>').format(x + step / 2, high(raw)))
        if periods.local(at, day.timezone).minute == 0 and periods.local(at, day.timezone).hour % 3 == 0:
            label = f"{periods.local(at, day.timezone):%H}"
            parts.append(
                Markup('<text class="x" x="{:.1f}" y="{}">{}</text>').format(x + step / 2, _HEIGHT - 10, label)
            )
    line = " ".join(
        f"{_LEFT + n * step + step / 2:.1f},{high(value):.1f}" for n, value in enumerate(day.usual) if value is not None
    )
    if line:
        parts.append(Markup('<polyline class="usual" points="{}"/>').format(line))
    return Markup("").join([*parts, Markup("</svg>")])
