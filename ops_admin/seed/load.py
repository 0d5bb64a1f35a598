"""What a home or a shop uses, hour by hour, for any day asked for: pure, and the same for the same seed.

The shape of a year comes from openly licensed series (see data/README.md); size, habits, weather and noise come from
the seed. A day's load never depends on which other days were asked for, so that reads can go on arriving for ever.
"""

import functools
import math
import pathlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

_DATA = pathlib.Path(__file__).parent / "data" / "shapes.csv"
_COLUMNS = ("home", "apartment", "office", "restaurant")
_FIRST_WEEKDAY = 6  # the shapes' year begins on a Sunday (date.weekday() of Sunday)
_SCALE = 1e8


@dataclass(frozen=True)
class Habit:
    """How one meter differs from its shape."""

    shape: str
    annual_kwh: float
    shift_hours: int = 0  # early risers and night owls
    noise: float = 0.18
    evening_ev_kwh: float = 0.0  # a car charged in the evening, on some days
    step_up_from: date | None = None  # something was bought, or broke
    step_up_wh: int = 0


def day_wh(habits: Sequence[Habit], day: date, seed: int) -> NDArray[np.int64]:
    """This will give the load of one UTC day in Wh: shape (meters, 24)."""
    random = np.random.default_rng([seed, day.toordinal()])
    count = len(habits)
    weather = 1 + 0.10 * random.standard_normal()  # the same sky over everybody
    personal = 1 + 0.12 * random.standard_normal((count, 1))
    hourly = random.gamma(1.0, 1.0, (count, 24))
    drives = random.random((count, 1)) < 0.55
    noise = np.array([[habit.noise] for habit in habits])
    wh = _base(tuple(habits), day) * weather * personal * (1 - noise + noise * hourly)
    ev = np.array([[habit.evening_ev_kwh] for habit in habits])
    wh[:, 0:3] += np.where(drives, ev * 1000 / 3, 0.0)  # 00-03 UTC is the evening of the Atlantic coast
    for row, habit in enumerate(habits):
        if habit.step_up_from is not None and day >= habit.step_up_from:
            wh[row] += habit.step_up_wh
    return np.maximum(np.rint(wh), 5).astype(np.int64)


def weather_f(day: date, seed: int) -> tuple[int, int]:
    """This will give the low and the high of a day in degrees Fahrenheit, under the same sky that moves the load.

    A year of a mild Atlantic coast; what made the town use more that day was a warmer one in summer, a colder one in
    winter, and in between hardly anything.
    """
    sky = float(np.random.default_rng([seed, day.toordinal()]).standard_normal())  # the first draw of `day_wh`
    random = np.random.default_rng([seed, day.toordinal(), 4])
    usual = 54 + 23 * math.cos(2 * math.pi * (day.timetuple().tm_yday - 202) / 365.25)
    mean = usual + 6 * sky * math.tanh((usual - 58) / 6) + 2.5 * float(random.standard_normal())
    half = 8 + 2 * float(random.random())
    return round(mean - half), round(mean + half)


def solar_wh(kw: float, day: date, seed: int) -> NDArray[np.int64]:
    """This will give what panels of so many kW make in the hours of one UTC day, in Wh: [24]."""
    random = np.random.default_rng([seed, day.toordinal(), 7])
    season = np.cos((day.timetuple().tm_yday - 172) / 365 * 2 * np.pi)  # 1 at the longest day
    noon, half = 17.0, 5.2 + 1.6 * season  # 17 UTC is noon of the sun on the Atlantic coast
    height = np.maximum(np.cos((np.arange(24) + 0.5 - noon) / half * np.pi / 2), 0)
    height[np.abs(np.arange(24) + 0.5 - noon) > half] = 0
    sky = np.clip(0.35 + 0.65 * random.beta(2.5, 1.2) + 0.05 * random.standard_normal(24), 0.05, 1)
    made: NDArray[np.int64] = np.rint(kw * 1000 * (0.62 + 0.16 * season) * height * sky).astype(np.int64)
    return made


def behind_the_meter(used: NDArray[np.int64], made: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """This will give what a home takes from the grid and what it sends out, of what it uses and its panels make."""
    return np.maximum(used - made, 0), np.maximum(made - used, 0)


def _base(habits: tuple[Habit, ...], day: date) -> NDArray[np.float64]:
    """The shape of the day in UTC hours, scaled to each meter's year. The shapes are in Eastern Standard Time."""
    return np.stack(
        [
            np.concatenate([_shape_day(h.shape, day - timedelta(days=1)), _shape_day(h.shape, day)])[
                24 - 5 - h.shift_hours : 48 - 5 - h.shift_hours
            ]
            * (h.annual_kwh * 1000 / _SCALE)
            for h in habits
        ]
    )


@functools.lru_cache(maxsize=4096)
def _shape_day(shape: str, day: date) -> NDArray[np.float64]:
    """The nearest day of the shape's year that falls on the same day of the week."""
    index = min((day - date(day.year, 1, 1)).days, 364)
    offset = (day.weekday() - (_FIRST_WEEKDAY + index)) % 7
    index += offset - 7 if offset > 3 else offset
    index %= 364
    hours: NDArray[np.float64] = _shapes()[_COLUMNS.index(shape)][index * 24 : index * 24 + 24]
    return hours


@functools.lru_cache(maxsize=1)
def _shapes() -> NDArray[np.float64]:
    table = np.loadtxt(_DATA, delimiter=",", skiprows=1)
    return np.ascontiguousarray(table.T)
