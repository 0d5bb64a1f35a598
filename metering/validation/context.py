"""What is known around the days that are judged."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metering.originals import Mask as Mask
from metering.quality import Quality
from metering.views import Codes as Codes
from metering.views import Ints as Ints

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Context:
    """n days of `per_day` intervals. Arrays are [n] unless said otherwise; -1 (nan in floats) is "nobody knows".

    History is the 28 days before: `usual_wh` and `deviation_wh` of its whole days, `top_wh` its highest interval,
    `varied` whether its intervals differ at all. `before` [n, per_day] is the day before, `repeats` whether that day
    was itself like its own day before. `dial_wh` is what the dial says of the stretch between the two readings the
    later of which lies in the day, `dial_sum_wh` the intervals of it, `dial_missing` how many of them are missing, and
    `dial_back` by how many units the later reading lies below the earlier without a turn that can be believed.
    `opposite_wh` is what the meter of the other direction read on the day and `opposite_usual_wh` what is usual there.
    `dst_at` is the interval at which the clocks change. `replaced_wh` is what the reads that were replaced summed to.
    """

    per_day: int
    quality: Codes  # [n, per_day]
    refused: Mask  # [n, per_day]: something came, and a rule said that it cannot be
    limits: Mapping[str, Ints]
    usual_wh: Floats
    deviation_wh: Floats
    history_days: Ints
    top_wh: Ints
    varied: Mask
    before: Ints
    repeats: Mask
    multiplier: Floats
    meter_minutes: Ints
    outside: Mask  # [n, per_day]: before the meter was installed or after it was removed
    sibling: Mask  # [n, per_day]: another meter of the point and direction read the same interval
    vacant: Mask
    received: Mask
    generates: Mask
    opposite_wh: Ints
    opposite_usual_wh: Floats
    opposite_there: Mask
    dial_wh: Ints
    dial_sum_wh: Ints
    dial_missing: Ints
    dial_back: Ints
    dst_at: Ints
    estimated_days: Ints
    replaced_wh: Ints
    future_from: Ints

    @property
    def minutes(self) -> int:
        return 1440 // self.per_day

    @property
    def told(self) -> Mask:
        """Where a meter or a customer said the value: what staff wrote and estimates are not judged."""
        return np.asarray((self.quality == Quality.ACTUAL) | (self.quality == Quality.CUSTOMER), dtype=np.bool_)

    def limit(self, name: str) -> Ints:
        """This will give a limit of every day's class."""
        return self.limits[name]

    @property
    def comparable(self) -> Mask:
        """Days before which there is enough to compare with."""
        return np.asarray((self.history_days >= self.limit("history_days")) & (self.usual_wh >= 0), dtype=np.bool_)


def bare(quality: Codes, limits: Mapping[str, Ints], **known: object) -> Context:
    """This will give a context in which nothing is known but what is named."""
    n, per_day = quality.shape
    nothing, nan = np.full(n, -1, dtype=np.int64), np.full(n, np.nan)
    no, never = np.zeros(n, dtype=np.bool_), np.zeros((n, per_day), dtype=np.bool_)
    usual: dict[str, object] = {
        "refused": never, "usual_wh": nan, "deviation_wh": nan, "history_days": np.zeros(n, dtype=np.int64),
        "top_wh": nothing,
        "varied": no, "before": np.full((n, per_day), -1, dtype=np.int64), "repeats": no, "multiplier": np.ones(n),
        "meter_minutes": np.full(n, 1440 // per_day, dtype=np.int64), "outside": never, "sibling": never, "vacant": no,
        "received": no, "generates": no, "opposite_wh": nothing, "opposite_usual_wh": nan, "opposite_there": no,
        "dial_wh": nothing, "dial_sum_wh": nothing, "dial_missing": np.zeros(n, dtype=np.int64),
        "dial_back": np.zeros(n, dtype=np.int64), "dst_at": nothing, "estimated_days": np.zeros(n, dtype=np.int64),
        "replaced_wh": nothing, "future_from": np.full(n, per_day, dtype=np.int64),
    }  # fmt: skip
    return Context(per_day=per_day, quality=quality, limits=limits, **(usual | known))  # type: ignore[arg-type]
