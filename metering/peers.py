"""Homes that are alike, and what may be said of them. Pure.

A home belongs to groups from narrow to wide; it is compared with the narrowest that may be shown. A group may be
shown when it has enough members and none of them makes up too much of it: otherwise an average would tell what
one household uses.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ANY = "ANY"
_SIZES = (0, 700, 1200, 1800, 2600)  # square feet from which on a home is of the next size
_FRUGAL = 0.20  # the fifth that uses least is the example


@dataclass(frozen=True, order=True)
class Group:
    """`size` is the square feet its homes have at least ("0", "700" ...), or ANY; so are the others."""

    county: str
    dwelling: str
    size: str
    heating: str


@dataclass(frozen=True)
class Average:
    """What the homes of a group use a day."""

    homes: int
    mean_wh: int
    frugal_wh: int


def size_of(floor_sqft: int) -> str:
    """This will name the size a floor area belongs to."""
    return str(max(size for size in _SIZES if size <= floor_sqft))


def size_until(size: str) -> int | None:
    """This will give the square feet at which a size ends; None for the largest."""
    larger = [each for each in _SIZES if each > int(size)]
    return larger[0] if larger else None


def groups_of(county: str, dwelling: str | None, floor_sqft: int | None, heating: str | None) -> Iterator[Group]:
    """This will give the groups a home belongs to, the narrowest first. What is not known is not asked."""
    if dwelling is not None and floor_sqft is not None:
        if heating is not None:
            yield Group(county, dwelling, size_of(floor_sqft), heating)
        yield Group(county, dwelling, size_of(floor_sqft), ANY)
    if dwelling is not None:
        yield Group(county, dwelling, ANY, ANY)
    yield Group(county, ANY, ANY, ANY)


def averages(used: Mapping[Group, NDArray[np.float64]], *, members: int, share_percent: int) -> dict[Group, Average]:
    """This will average Wh a day over the groups that may be shown; of the others nothing remains."""
    out = {}
    for group, daily in used.items():
        total = float(daily.sum())
        if len(daily) < members or total <= 0 or 100 * float(daily.max()) > share_percent * total:
            continue
        out[group] = Average(len(daily), round(total / len(daily)), round(float(np.quantile(daily, _FRUGAL))))
    return out
