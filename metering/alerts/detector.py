"""Which days and hours are told: the statistics of every day against what the place itself has shown before.

Everything at a time is made of what came before that time; so the alerts of a shorter history are those of a longer
one up to its end. One loop over the days does all series at once.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metering.alerts import levels, rules, shapes
from metering.alerts.robust import TINY, Floats, quantile, rise, runs, trail

_WHOLE = 20  # hours of a day that must be known
_HIGHEST_DAYS = 35
_PEAK_SHARE = 0.75  # of the usual highest hour of a day: below it nothing is a spike
_SPIKE_SHARE = 0.6
_PEERS = 30  # series that make a common weather


@dataclass(frozen=True)
class Found:
    """One event, as it stood when it was told: hours from the first midnight, `start` (in) to `end` (out).

    The end is the hour at which it was told; nothing after it was looked at. Excess is against the usual, below zero
    where use is missing.
    """

    series: int
    kind: str
    start: int
    end: int
    excess: float
    expected: float
    score: float


@dataclass
class _Place:
    """What is known of each series, day by day."""

    raw: Floats  # [n, days, 24]
    hours: Floats  # the same, NaN where stuck, too
    total: Floats
    quiet: NDArray[np.int64]  # first of the five quiet hours
    usual: Floats  # [n, days, 24], the median of four weeks
    spikes: Floats
    plain: Floats  # hours less what the day before was above its usual, and what all places share
    names: tuple[str, ...]
    values: Floats  # [statistics, n, days]
    spread: Floats
    floors: Floats
    widths: Floats
    whole: NDArray[np.bool_]


@dataclass
class _State:
    record: Floats
    spike: Floats
    ever: Floats  # kWh of the highest hour there was, as far as it is learned
    history: NDArray[np.int64]
    held: NDArray[np.int64]
    day_held: NDArray[np.int64]
    drift_held: NDArray[np.int64]
    spike_held: NDArray[np.int64]
    spiked: Floats  # kWh of today's spikes that were told
    stuck: dict[str, Floats]
    stuck_since: dict[str, NDArray[np.int64]]
    found: list[Found] = field(default_factory=list)


def detect(
    hours: Floats,
    *,
    degrees: Floats | None = None,
    special: NDArray[np.bool_] | None = None,
    patience: dict[str, Floats] | None = None,
    peers: bool = False,
    until: int | None = None,
    by: rules.Rules = rules.RULES,
) -> list[Found]:
    """This will judge every hour and day of [n, days, 24] kWh by the local clock; NaN is missing.

    `degrees` [days, 24] °C; `special` [days] are holidays, on which more is ordinary; `patience` [n] for each kind
    makes its margins wider for those who said that an alert was no news; `peers` lets what all series share
    (the weather) count as ordinary. `until` is the hour up to which time has come: a day that is not over is not
    judged as a day.
    """
    n, days = hours.shape[:2]
    stuck = _stuck(hours)
    place = _place(hours, _without_stuck(hours, stuck, by), degrees, peers, by)
    wide = {kind: np.ones(n) for kind in rules.KINDS} | (patience or {})
    state = _State(
        np.zeros((len(place.names), n)),
        np.ones(n),
        np.zeros(n),
        np.zeros(n, np.int64),
        held=np.full(n, -1, np.int64),
        day_held=np.full(n, -1, np.int64),
        drift_held=np.full(n, -1, np.int64),
        spike_held=np.full(n, -1, np.int64),
        spiked=np.zeros(n),
        stuck={kind: np.zeros(n) for kind in rules.STUCK},
        stuck_since={kind: np.full(n, -1, np.int64) for kind in rules.STUCK},
    )
    over = days if until is None else until // 24
    for day in range(days):
        early = 1 + by.early * np.maximum(0, 1 - state.history / by.settled_days)
        early = early * (1.25 if special is not None and special[day] else 1.0)
        _look_stuck(state, stuck, place, day, wide, by)
        _look_spikes(state, place, day, early * wide[rules.SPIKE], by)
        if day < over:
            state.history += place.whole[:, day]
            _look_levels(state, place, day, early, wide, by)
    return sorted(state.found, key=lambda one: (one.series, one.end, one.start))


# --- stuck ------------------------------------------------------------------------------------------------


def _stuck(hours: Floats) -> dict[str, NDArray[np.int64]]:
    flat = hours.reshape(len(hours), -1)
    zero, missing = flat == 0, np.isnan(flat)
    same = np.zeros(flat.shape, bool)
    same[:, 1:] = (np.abs(np.diff(flat, axis=1)) <= TINY) & ~zero[:, 1:]
    alike = runs(same)
    begun = np.maximum.accumulate(~missing, axis=1)  # before the first read there is no meter
    out = {
        rules.ZERO: runs(zero),
        rules.FLAT: alike + (alike > 0),
        rules.DEAD_METER: runs((zero | missing) & begun),
    }
    return {kind: run.reshape(hours.shape) for kind, run in out.items()}


def _without_stuck(hours: Floats, stuck: dict[str, NDArray[np.int64]], by: rules.Rules) -> Floats:
    """Hours of a stuck meter are no use to learn from, once it is known for one."""
    known = (stuck[rules.ZERO] >= by.zero_hours) | (stuck[rules.FLAT] >= by.flat_hours)
    return np.where(known, np.nan, hours)


def _look_stuck(
    state: _State,
    stuck: dict[str, NDArray[np.int64]],
    place: _Place,
    day: int,
    wide: dict[str, Floats],
    by: rules.Rules,
) -> None:
    old = state.history >= by.stuck_days
    for kind, least, times, more, cap in (
        (rules.ZERO, by.zero_hours, 2.0, 0, 48),
        (rules.FLAT, by.flat_hours, 2.0, 4, 72),
        (rules.DEAD_METER, by.dead_hours, 1.5, 0, 24 * 30),
    ):
        record = state.stuck[kind]
        limit = np.clip(times * record + more * (record > 0), least, cap)
        limit = np.ceil(np.minimum(limit * wide[kind], cap))
        run = stuck[kind][:, day]
        longest = run.max(axis=1)
        for n in np.nonzero((longest >= limit) & old)[0]:
            hour = int(np.argmax(run[n] >= limit[n]))
            end = day * 24 + hour + 1
            start = end - int(run[n, hour])
            if start > state.stuck_since[kind][n]:
                state.stuck_since[kind][n] = start
                usual = float(np.nan_to_num(place.usual[n, max(0, start // 24 - 1)]).mean()) * (end - start)
                used = float(np.nansum(place.raw[n].ravel()[start:end]))
                score = float(longest[n] / limit[n])
                state.found.append(Found(int(n), kind, start, end, used - usual, usual, score))
        ended = _ended(stuck[kind], day)  # only what is over is known to be no news
        learned = np.where(
            old, np.minimum(ended, limit), ended
        )  # what was told once is told again when it lasts longer
        state.stuck[kind] = np.maximum(record * by.fade, learned)


def _ended(run: NDArray[np.int64], day: int) -> NDArray[np.int64]:
    """The longest run that came to its end on a day."""
    today = run[:, day]
    before = np.concatenate([run[:, day - 1, -1:] if day else np.zeros((len(run), 1), np.int64), today[:, :-1]], axis=1)
    return np.asarray(np.where(today == 0, before, 0).max(axis=1))


# --- hours ------------------------------------------------------------------------------------------------


def _look_spikes(state: _State, place: _Place, day: int, wide: Floats, by: rules.Rules) -> None:
    height = place.spikes[:, day]
    top = np.where(np.isnan(height).all(axis=1), np.nan, np.nan_to_num(height, nan=-1.0).max(axis=1))
    limit = 1 + (np.maximum(by.spike_floor, by.spike_above * state.spike) - 1) * wide
    old = state.history >= by.quiet_days
    state.spiked[:] = 0
    known = (state.history >= by.ever_days) & (state.ever > 0)
    beyond = np.where(known, by.ever_above * state.ever * wide, np.inf)
    plain = np.nan_to_num(place.plain[:, day], nan=-1.0)
    spiking = (np.nan_to_num(height, nan=-1.0) > limit[:, None]) | (plain > beyond[:, None])
    for n in np.nonzero(old & spiking.any(axis=1))[0]:
        over = np.nonzero(spiking[n])[0]
        for hour in over:
            at = day * 24 + int(hour)
            usual = float(np.nan_to_num(place.usual[n, day, hour]))
            excess = float(place.hours[n, day, hour]) - usual
            state.spiked[n] += excess
            if at > state.spike_held[n]:
                state.found.append(Found(int(n), rules.SPIKE, at, at + 1, excess, usual, float(height[n, hour])))
            state.spike_held[n] = at + 24
    seen = np.where(old, np.minimum(top, by.spike_learn * limit), np.minimum(top, by.spike_cap))
    faded = 1 + (state.spike - 1) * by.fade
    most = np.nan_to_num(place.hours[:, day], nan=0.0).max(axis=1)
    state.ever = np.maximum(state.ever, np.where(known, np.minimum(most, by.ever_learn * state.ever), most))
    state.spike = np.where(np.isnan(top) | (state.history < by.learn_days), state.spike, np.maximum(faded, seen))


def _spikes(hours: Floats, lift: Floats) -> Floats:
    """Each hour against the highest of five weeks within an hour of that time, on a day like yesterday."""
    none = np.where(np.isnan(hours), -np.inf, hours)
    near = np.maximum(none, np.maximum(np.roll(none, 1, axis=2), np.roll(none, -1, axis=2)))
    highest = np.full(hours.shape, -np.inf)
    for ago in range(1, min(_HIGHEST_DAYS + 1, hours.shape[1])):
        np.maximum(highest[:, ago:], near[:, :-ago], out=highest[:, ago:])
    peak = quantile(trail(np.where(np.isinf(none.max(axis=2)), np.nan, none.max(axis=2)), 1, 28), least=10)
    known = np.maximum(highest, _PEAK_SHARE * peak[..., None]) * lift[..., None]
    with np.errstate(invalid="ignore", divide="ignore"):
        out = np.where(np.isfinite(highest) & (known > 0), hours / known, np.nan)
    return np.asarray(out)


def _shared(spikes: Floats) -> Floats:
    """How much higher than usual an hour is for the half of all places: [days, 24], never below one."""
    middle = quantile(np.moveaxis(spikes, 0, -1))
    before = np.stack([quantile(trail(middle[:, hour][None], 1, 28), least=7)[0] for hour in range(24)], axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.maximum(np.nan_to_num(middle / before, nan=1.0, posinf=1.0), 1.0))


# --- days -------------------------------------------------------------------------------------------------


def _place(raw: Floats, hours: Floats, degrees: Floats | None, peers: bool, by: rules.Rules) -> _Place:
    known = (~np.isnan(hours)).sum(axis=2)
    whole = known >= _WHOLE
    total = _mean(hours, whole) * 24
    quiet, usual = _quiet_hours(hours)
    night = quantile(np.take_along_axis(hours, quiet[..., None] + np.arange(5), axis=2), least=4)
    offset = np.maximum(0.15 * quantile(total[:, : by.quiet_days])[:, None] / 24, TINY)
    typical = np.exp(_mean(np.log(np.maximum(hours, 0) + offset[..., None]), whole)) - offset
    felt = None if degrees is None else _felt(degrees)
    judged = [levels.levels(level, felt) for level in (total, typical, night)]
    names, values, spread, floors, widths = [], [], [], [], []
    by_day, by_night = (by.step_floor, by.step_spreads), (by.night_floor, by.night_spreads)
    for name, of, (lasting, wide) in zip(
        ("total", "typical", "night"), judged, (by_day, by_day, by_night), strict=True
    ):
        rows = [("step", value, lasting, width) for value, width in zip(of.step, wide, strict=True)]
        if name != "night":
            rows.append(("day", of.day, by.day_floor, by.day_spread))
        if name == "typical":
            rows.append(("drift", of.drift, by.drift_floor, by.drift_spread))
        for what, value, floor, width in rows:
            names.append(f"{name}.{what}")
            values.append(value - rise(quantile(value.T))[None, :] if peers and len(value) >= _PEERS else value)
            spread.append(of.unrest if what == "day" else of.spread)
            floors.append(floor)
            widths.append(width)
    lift = np.ones_like(total)
    lift[:, 1:] = np.exp(rise(judged[0].day))[:, :-1]
    spikes, plain = _spikes(hours, lift), hours / lift[..., None]
    if peers and len(hours) >= _PEERS:
        shared = _shared(spikes)
        spikes, plain = spikes / shared, plain / shared
    return _Place(
        raw, hours, total, quiet, usual, spikes, plain, tuple(names),
        np.stack(values), np.stack(spread), np.array(floors)[:, None], np.array(widths)[:, None], whole,
    )  # fmt: skip


def _mean(hours: Floats, whole: NDArray[np.bool_]) -> Floats:
    filled = np.where(whole[..., None], hours, 0.0)
    seen = np.maximum((~np.isnan(filled)).sum(axis=2), 1)
    out: Floats = np.where(whole, np.nansum(filled, axis=2) / seen, np.nan)
    return out


def _felt(degrees: Floats) -> Floats:
    """A day's temperature with a third of yesterday's: walls are slow."""
    seen = (~np.isnan(degrees)).sum(axis=1)
    mean = np.where(seen > 0, np.nansum(degrees, axis=1) / np.maximum(seen, 1), np.nan)
    before = np.concatenate([[np.nan], mean[:-1]])
    out: Floats = np.where(np.isnan(before), mean, 0.7 * mean + 0.3 * before)
    return out


def _quiet_hours(hours: Floats) -> tuple[NDArray[np.int64], Floats]:
    """The five hours in a row with the lowest median of four weeks, found anew each week, and the medians."""
    quiet = np.zeros(hours.shape[:2], np.int64)
    usual = np.full(hours.shape, np.nan)
    for week in range(7, hours.shape[1], 7):
        median = quantile(np.moveaxis(hours[:, max(0, week - 28) : week], 1, -1), least=4)
        five = np.stack([median[:, first : first + 5].mean(axis=1) for first in range(20)], axis=1)
        quiet[:, week : week + 7] = np.argmin(np.where(np.isnan(five), np.inf, five), axis=1)[:, None]
        usual[:, week : week + 7] = median[:, None]
    return quiet, usual


def _look_levels(
    state: _State, place: _Place, day: int, early: Floats, wide: dict[str, Floats], by: rules.Rules
) -> None:
    value = np.nan_to_num(place.values[:, :, day], nan=-9.0)
    limit = np.maximum(by.above * state.record + 0.02, place.widths * place.spread[:, :, day])
    limit = np.maximum(limit, place.floors) * early
    score = value / limit
    free = (day > state.held) & (state.history >= by.quiet_days) & place.whole[:, day]

    def best(*names: str) -> Any:
        return score[[n for n, name in enumerate(place.names) if name in names]].max(axis=0)

    drift, night = best("typical.drift") / wide[rules.DRIFT_UP], best("night.step")
    same = (drift > 1) & (day <= state.drift_held)  # a drift that was told and goes on is no news
    state.drift_held = np.where(same, day + by.hold_days, state.drift_held)
    drift = np.where(same, 0.0, drift)
    step = np.maximum(best("total.step", "typical.step"), night)
    told = np.zeros(len(free), bool)
    for n in np.nonzero(free & (np.maximum(drift, step) > 1))[0]:
        kind = rules.DRIFT_UP if drift[n] > 1 else shapes.kind(place.hours[n], day, place.quiet[n, day])
        top = drift[n] if kind == rules.DRIFT_UP else step[n] / wide[kind][n]
        if top > 1:
            state.found.append(_lasting(place, int(n), day, kind, float(top)))
            told[n] = True
            if kind == rules.DRIFT_UP:
                state.drift_held[n] = day + by.hold_days
    high = best("total.day", "typical.day") / wide[rules.HIGH_DAY]
    for n in np.nonzero(free & (high > 1) & ~told)[0]:
        found = _high_day(place, int(n), day, float(high[n]))
        if day > state.day_held[n] and state.spiked[n] < _SPIKE_SHARE * found.excess:  # else the spike was the news
            state.found.append(found)
        state.day_held[n] = day + 3
    slow = place.names.index("typical.drift")
    value[slow] = np.nan_to_num(place.values[slow, :, day - by.drift_lag], nan=-9.0) if day >= by.drift_lag else -9.0
    learned = np.maximum(state.record * by.fade, np.where(state.history >= by.quiet_days, np.minimum(
        value, limit * by.learn), value))  # fmt: skip
    state.record = np.where((day > state.held) & (state.history >= by.learn_days), learned, state.record)
    state.held = np.where(told, day + by.hold_days, state.held)


def _high_day(place: _Place, n: int, day: int, score: float) -> Found:
    above = max(place.values[place.names.index(name), n, day] for name in ("total.day", "typical.day"))
    total = float(place.total[n, day])
    usual = total * float(np.exp(-above))
    return Found(n, rules.HIGH_DAY, day * 24, day * 24 + 24, total - usual, usual, score)


def _lasting(place: _Place, n: int, day: int, kind: str, score: float) -> Found:
    days, ago = 7, 35
    if kind != rules.DRIFT_UP:
        quiet = int(place.quiet[n, day]) if kind == rules.NIGHT_BASE else -1
        days, ago = day + 1 - shapes.began(place.hours[n], day, quiet), 7
    excess, usual = shapes.excess(place.hours[n], day, days, ago)
    return Found(n, kind, (day + 1 - days) * 24, (day + 1) * 24, excess, usual, score)
