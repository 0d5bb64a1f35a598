"""Exact arithmetic on arrays of whole numbers: int64 while it is safe, Python's own integers beyond."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core import money

Ints = NDArray[np.int64]
_SAFE = 2**61


def cents(quantity: Ints, scale: int, price: Decimal, share: Fraction, rounding: money.Rounding) -> Ints:
    """This will price quantity/scale at price x share and round once, to whole cents, by the named rule.

    Halves go away from zero under HALF_UP, to the even cent under HALF_EVEN; a negative amount mirrors a
    positive one.
    """
    ratio = Fraction(price) * share * 100 / scale
    return divide(quantity, ratio.numerator, ratio.denominator, rounding)


def divide(values: Ints, numerator: int, denominator: int, rounding: money.Rounding) -> Ints:
    """This will give values x numerator / denominator, rounded to whole numbers."""
    wide: Any = values
    if len(values) == 0 or int(np.abs(values).max()) * abs(numerator) >= _SAFE or denominator >= _SAFE:
        wide = values.astype(object)
    product = wide * numerator
    if denominator == 1:
        return product.astype(np.int64)  # type: ignore[no-any-return]
    size = abs(product)
    whole, rest = size // denominator, size % denominator
    if rounding == "HALF_UP":
        up = 2 * rest >= denominator
    else:
        up = (2 * rest > denominator) | ((2 * rest == denominator) & (whole % 2 == 1))
    rounded = whole + np.asarray(up).astype(whole.dtype)
    signed: Ints = np.where(product < 0, -rounded, rounded).astype(np.int64)
    return signed


def whole(value: Fraction) -> int:
    """This will round a fraction (not negative) half up to a whole number."""
    return (2 * value.numerator + value.denominator) // (2 * value.denominator)


def steps(total: Ints, tops: Ints) -> Ints:
    """This will fill steps with a total: [n] and rising tops [n or 1, m] give [n, m + 1], which sums back to
    the total.
    """
    shape = (len(total), tops.shape[1])
    reached = np.minimum(total[:, None], np.broadcast_to(tops, shape))
    edges = np.concatenate([np.zeros((len(total), 1), dtype=np.int64), reached, total[:, None]], axis=1)
    filled: Ints = np.diff(edges, axis=1)
    return filled


def spread(parts: Ints, steps_: Ints) -> Ints:
    """This will share steps among parts in proportion: parts [n, p] and steps [n, t] of the same totals give
    [n, p, t].

    Each part's shares are whole and sum to the part: what the division leaves over goes to its largest share.
    """
    total = parts.sum(axis=1)
    wide_parts: Any = parts
    wide_steps: Any = steps_
    if len(parts) and int(parts.max(initial=0)) * int(steps_.max(initial=0)) >= _SAFE:
        wide_parts, wide_steps = parts.astype(object), steps_.astype(object)
    divisor = np.maximum(total, 1)[:, None, None]
    shares: Ints = (wide_parts[:, :, None] * wide_steps[:, None, :] // divisor).astype(np.int64)
    left = parts - shares.sum(axis=2)
    largest = shares.argmax(axis=2)
    np.put_along_axis(
        shares, largest[:, :, None], np.take_along_axis(shares, largest[:, :, None], 2) + left[:, :, None], 2
    )
    return shares
