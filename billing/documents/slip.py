"""The slip at the foot of a bill: what goes with a check, what a phone scans, and what a shop's till scans."""

import functools

import segno

from billing.documents import barcode, fonts
from billing.documents.content import ShopBars, Slip
from billing.documents.sheet import INK, LEFT, SOFT, Sheet

_PLAIN, _WITH_BARS = 118.0, 140.0  # how high the slip reaches, without and with a shop's barcode
_CODE = 74.0
_MODULE = 0.72  # points: 0.25 mm, the least that every shop's scanner reads


def height(slip: Slip) -> float:
    """This will say how high the slip reaches."""
    return _WITH_BARS if slip.shop else _PLAIN


def draw(on: Sheet, slip: Slip) -> None:
    """This will draw the slip: whom to pay left, how much in the middle, the code for phones right.

    A shop's barcode stands at the left foot, and what is to be said of it beside it.
    """
    w, top = on.w, height(slip)
    with w.artifact():
        w.line(0, top - 6, on.wide, top - 6, SOFT, 0.7, "3 3")
    with w.tag("H2"):
        on.text(LEFT, top - 22, slip.title, 10.5, "bold", INK)
    with w.tag("P"):
        on.text(on.right - 92, top - 17, slip.cut, 7, "text", SOFT, "right")
    bars = len(slip.shop.modules) * _MODULE if slip.shop else 0.0
    lead, room = (10.8, bars) if slip.shop else (12.0, 180.0)
    y = top - 36
    with w.tag("P"):
        for n, line in enumerate(slip.to):
            face = "bold" if n == 0 else "text"
            on.text(LEFT, y, fonts.clip(face, line, 9, room), 9, face, INK)
            y -= lead
    with w.tag("P"):
        on.text(LEFT, y - 2 if slip.shop else 30, fonts.clip("text", slip.payer, 8.5, room), 8.5, "text", SOFT)
    x = LEFT + bars + 2 * barcode.QUIET * _MODULE if slip.shop else LEFT + 200
    _figures(on, top, slip, x, x + 92 if slip.shop else x + 118)
    _scan(on, top, slip)
    if slip.shop:
        _shop(on, slip.shop, x)


def _figures(on: Sheet, top: float, slip: Slip, x: float, second: float) -> None:
    w = on.w
    for n, (label, value) in enumerate(slip.fields):
        at, y = (x if n < 2 else second), top - (46, 75, 46)[n]
        with w.tag("P"):
            on.text(at, y + 11, label, 7.5, "text", SOFT)
            on.text(at, y - 2, value, 11.5, "bold", INK)
    with w.tag("P"):
        on.text(second, top - 64, slip.enclosed, 7.5, "text", SOFT)
    with w.artifact():
        w.frame(second, top - 86, min(92.0, on.right - _CODE - 10 - second), 18, INK, 3, 0.8)


def _scan(on: Sheet, top: float, slip: Slip) -> None:
    w, size = on.w, _CODE
    left, low = on.right - size, top - 90
    with w.tag("Figure", alt=slip.scan_alt, box=(left, low, on.right, low + size)):
        w.raw(_qr(slip.url, left, low + size, size))
    with w.tag("P"):
        on.text(left + size / 2, low - 10, slip.scan, 7.5, "bold", INK, "center")


def _shop(on: Sheet, shop: ShopBars, x: float) -> None:
    """The barcode at the very foot; its quiet zone on the left is the margin."""
    w, tall, low = on.w, 36.0, 24.0
    wide = len(shop.modules) * _MODULE
    with w.tag("Figure", alt=shop.alt, box=(LEFT, low, LEFT + wide, low + tall)):
        w.raw(_bars(shop.modules, LEFT, low, tall))
    with w.tag("P"):
        on.text(LEFT, low - 9, shop.digits, 8, "text", INK)
    with w.tag("P"):
        y = on.paragraph(x, low + 17, on.right - x, shop.title, 8.5, INK, 10, "bold")
    with w.tag("P"):
        on.paragraph(x, y, on.right - x, shop.text, 7.6, SOFT, 9)


@functools.lru_cache(maxsize=8)
def _squares(count: int, size: float) -> tuple[str, ...]:
    return tuple(f"{n * size / count:.2f}" for n in range(count + 1))


def _qr(url: str, x: float, top: float, size: float) -> str:
    """A QR code as runs of dark squares. Any of the eight masks can be read; trying all for the best costs the most."""
    rows = segno.make(url, error="m", micro=False, boost_error=False, mask=3).matrix
    at = _squares(len(rows), size)
    step = size / len(rows)
    ops = [f"1 0 0 1 {x:.2f} {top:.2f} cm 0 0 0 rg"]
    for n, row in enumerate(rows):
        y = f"-{at[n + 1]}"
        start = -1
        for m, dark in enumerate((*row, 0)):
            if dark and start < 0:
                start = m
            elif not dark and start >= 0:
                ops.append(f"{at[start]} {y} {(m - start) * step:.2f} {step:.3f} re")
                start = -1
    return " ".join(ops) + " f"


def _bars(modules: str, x: float, y: float, tall: float) -> str:
    ops = [f"{at * _MODULE:.2f} 0 {wide * _MODULE:.2f} {tall:.2f} re" for at, wide in barcode.runs(modules)]
    return " ".join([f"1 0 0 1 {x:.2f} {y:.2f} cm 0 0 0 rg", *ops, "f"])
