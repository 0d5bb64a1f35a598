"""Medians and runs over many series at once, with holes in them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
TINY = 1e-9


def quantile(values: Floats, q: float = 0.5, least: int = 1) -> Floats:
    """This will give a quantile along the last axis of what is known; NaN where fewer than `least` are."""
    ordered = np.sort(values, axis=-1)  # NaN comes last
    known = (~np.isnan(ordered)).sum(axis=-1)
    place = (np.maximum(known, 1) - 1) * q
    below = np.floor(place).astype(np.int64)
    low = np.take_along_axis(ordered, below[..., None], -1)[..., 0]
    high = np.take_along_axis(ordered, np.ceil(place).astype(np.int64)[..., None], -1)[..., 0]
    out: Floats = np.where(known >= least, low + (high - low) * (place - below), np.nan)
    return out


def trail(values: Floats, ago: int, count: int) -> Floats:
    """This will give, for each day of [n, days], the `count` days that end `ago` days before it: [n, days, count]."""
    n, days = values.shape
    padded = np.concatenate([np.full((n, ago + count - 1), np.nan), values], axis=1)
    return np.lib.stride_tricks.sliding_window_view(padded, count, axis=1)[:, :days]


def runs(true: NDArray[np.bool_]) -> NDArray[np.int64]:
    """This will give, at each place of [n, places], how many have been true in a row."""
    at = np.arange(true.shape[1])
    last = np.maximum.accumulate(np.where(true, -1, at), axis=1)
    return np.where(true, at - last, 0)


def rise(values: Floats) -> Any:
    """This will give what is above zero, and zero where nothing is known."""
    return np.maximum(np.nan_to_num(values, nan=0.0), 0.0)
