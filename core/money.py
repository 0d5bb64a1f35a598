"""Money: Decimal at the edges, integers inside the engine, rounding named once.

Inside the rating engine money is an integer count of nano-units (10^-9 of the currency); a printed line is whole
cents. Nothing here or above ever holds money in a float.
"""

from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from typing import Literal

NANO = 1_000_000_000
NANO_PER_CENT = NANO // 100
CENT = Decimal("0.01")

Rounding = Literal["HALF_UP", "HALF_EVEN"]
_HIGHEST = Decimal(10) ** 15  # no amount is longer, and one of thirty digits could not be cut to cents at all
_DECIMAL_ROUNDING = {"HALF_UP": ROUND_HALF_UP, "HALF_EVEN": ROUND_HALF_EVEN}


def cents(amount: Decimal, rounding: Rounding = "HALF_UP") -> int:
    """This will round an amount to whole cents by the named rule."""
    return int((amount / CENT).quantize(Decimal(1), rounding=_DECIMAL_ROUNDING[rounding]))


def from_cents(value: int) -> Decimal:
    """This will give whole cents as an exact Decimal with two places."""
    return (Decimal(value) * CENT).quantize(CENT)


def parse(text: str) -> Decimal:
    """This will read an amount such as ``1250.00``; it raises ValueError for anything that is not one."""
    try:
        value = Decimal(text)
    except ArithmeticError as exc:
        raise ValueError(text) from exc
    if not (value.is_finite() and abs(value) < _HIGHEST):
        raise ValueError(text)
    return value
