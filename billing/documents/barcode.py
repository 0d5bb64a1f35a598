"""The barcode a shop scans to take cash for a bill: GS1-128, as GS1 has it for payment slips. Pure.

Its elements: (415) the number that the partner knows us by, (8020) our reference, and for a fixed amount (3902) that
amount in cents. https://ref.gs1.org/standards/genspecs/, sections 3.5 (390n), 3.6 (415) and 3.8 (8020).
"""

import functools
from collections.abc import Iterator
from decimal import Decimal

import markupsafe
from barcode.codex import Gs1_128

QUIET = 10  # light modules on either side, without which a scanner finds no edge
_TALL = 60


def bars(gln: str, reference: str, amount: Decimal | None = None) -> str:
    """This will give the bars as one character a module: "1" dark, "0" light, without the quiet zones."""
    elements = f"415{gln}8020{reference}"
    if amount is not None:
        elements += f"{Gs1_128.FNC1_CHAR}3902{int(amount * 100):010d}"  # FNC1 ends a reference that something follows
    return str(Gs1_128(elements).build()[0])


def runs(modules: str) -> Iterator[tuple[int, int]]:
    """This will give the dark bars as (first module, width)."""
    at = 0
    for part in modules.replace("01", "0,1").replace("10", "1,0").split(","):
        if part[0] == "1":
            yield at, len(part)
        at += len(part)


@functools.lru_cache(maxsize=256)
def svg(modules: str, alt: str) -> markupsafe.Markup:
    """This will draw the bars with their quiet zones, to be stretched to any size: only widths carry meaning."""
    wide = len(modules) + 2 * QUIET  # drawn two pixels to a module where there is room for it
    path = "".join(f"M{x + QUIET} 4h{of}v{_TALL - 8}h-{of}z" for x, of in runs(modules))
    return markupsafe.Markup(
        '<svg class="barcode" role="img" aria-label="{}" width="{twice}" height="{tall}" viewBox="0 0 {wide} {tall}" '
        'preserveAspectRatio="none">'
        '<rect class="light" fill="#fff" width="{wide}" height="{tall}"/><path class="dark" fill="#000" d="{}"/></svg>'
    ).format(alt, path, wide=wide, twice=2 * wide, tall=_TALL)
