"""Reliability as IEEE 1366 counts it: minutes and counts, exact where they are whole. Pure arithmetic.

The formulae are common knowledge of the trade; the standard's own text and examples are not reproduced.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Literal

MOMENTARY = timedelta(minutes=5)  # sustained is what lasts longer than this
Deviation = Literal["SAMPLE", "POPULATION"]


@dataclass(frozen=True)
class Step:
    """`customers` without power for `minutes`: one step of a staged restoration."""

    minutes: Fraction | int
    customers: int


@dataclass(frozen=True)
class Indices:
    """SAIDI and CAIDI in minutes; SAIFI in interruptions; ASAI a share of 1. Exact fractions; None where undefined."""

    served: int
    interruptions: int
    minutes: Fraction
    saifi: Fraction
    saidi: Fraction
    caidi: Fraction | None
    asai: Fraction


@dataclass(frozen=True)
class Threshold:
    """T_MED = exp(alpha + 2.5 beta), and what it was made of. `days` counts the days with any interruption."""

    t_med: float
    alpha: float
    beta: float
    days: int
    deviation: Deviation


def indices(steps: Iterable[Step], *, served: int, hours: int) -> Indices:
    """This will give SAIFI, SAIDI, CAIDI and ASAI of a period of `hours` hours over `served` customers.

    The caller hands sustained interruptions only, see `is_sustained`.
    """
    if served <= 0 or hours <= 0:
        raise ValueError("reliability needs customers and hours")
    interruptions, minutes = 0, Fraction(0)
    for step in steps:
        interruptions += step.customers
        minutes += Fraction(step.minutes) * step.customers
    return Indices(
        served=served,
        interruptions=interruptions,
        minutes=minutes,
        saifi=Fraction(interruptions, served),
        saidi=minutes / served,
        caidi=minutes / interruptions if interruptions else None,
        asai=1 - minutes / 60 / (served * hours),
    )


def caifi(interruptions: int, distinct: int) -> Fraction | None:
    """This will give interruptions per customer that had any; None when nobody had."""
    return Fraction(interruptions, distinct) if distinct else None


def ctaidi(minutes: Fraction | int, distinct: int) -> Fraction | None:
    """This will give minutes without power per customer that had an interruption; None when nobody had."""
    return Fraction(minutes) / distinct if distinct else None


def maifi(momentary_customers: Iterable[int], *, served: int) -> Fraction:
    """This will give momentary interruptions per customer served: each operation counts those it touched."""
    return Fraction(sum(momentary_customers), served)


def momentary_events(
    interruptions: Iterable[tuple[int, datetime, datetime]], *, window: timedelta = MOMENTARY
) -> dict[int, int]:
    """This will count momentary *events* by customer, for MAIFI_E.

    `interruptions` are (customer, from, to). A sequence of reclosings within `window` of its first interruption is one
    event, and none when it ends in a sustained interruption.
    """
    by_customer: dict[int, list[tuple[datetime, datetime]]] = {}
    for customer, starts_at, ends_at in interruptions:
        by_customer.setdefault(customer, []).append((starts_at, ends_at))
    return {customer: _events(sorted(spans), window) for customer, spans in by_customer.items()}


def maifi_e(events: Mapping[int, int], *, served: int) -> Fraction:
    """This will give momentary events per customer served."""
    return Fraction(sum(events.values()), served)


def cemi(interruptions: Mapping[int, int], *, at_least: int, served: int) -> Fraction:
    """This will give the share of customers with `at_least` or more sustained interruptions. Keys are customers."""
    return Fraction(sum(1 for count in interruptions.values() if count >= at_least), served)


def celid(durations: Iterable[tuple[int, Fraction | int]], *, at_least: Fraction | int, served: int) -> Fraction:
    """This will give the share of customers with one interruption of `at_least` minutes or more. (customer, minutes)"""
    return Fraction(len({customer for customer, minutes in durations if minutes >= at_least}), served)


def celid_total(durations: Iterable[tuple[int, Fraction | int]], *, at_least: Fraction | int, served: int) -> Fraction:
    """This will give the share of customers whose interruptions add up to `at_least` minutes or more."""
    sums: dict[int, Fraction] = {}
    for customer, minutes in durations:
        sums[customer] = sums.get(customer, Fraction(0)) + minutes
    return Fraction(sum(1 for total in sums.values() if total >= at_least), served)


def major_event_threshold(
    daily_saidi: Sequence[Fraction | float], *, deviation: Deviation = "SAMPLE"
) -> Threshold | None:
    """This will give T_MED by the 2.5-beta method from the daily SAIDI of (up to) five years.

    Days without interruption are left out; the logs' mean is alpha, their standard deviation beta (n-1 unless said
    otherwise). Public practice is split on the divisor: the choice is kept with the result. None below two such days.
    """
    logs = [math.log(day) for day in daily_saidi if day > 0]
    if len(logs) < 2:
        return None
    alpha = math.fsum(logs) / len(logs)
    divisor = len(logs) - 1 if deviation == "SAMPLE" else len(logs)
    beta = math.sqrt(math.fsum((value - alpha) ** 2 for value in logs) / divisor)
    return Threshold(math.exp(alpha + 2.5 * beta), alpha, beta, len(logs), deviation)


def is_major(saidi: Fraction | float, threshold: Threshold | None) -> bool:
    """This will say whether a day is a major event day: only *above* the threshold set before its year."""
    return threshold is not None and float(saidi) > threshold.t_med


def is_sustained(starts_at: datetime, ends_at: datetime) -> bool:
    """This will say whether an interruption lasted longer than a momentary one."""
    return ends_at - starts_at > MOMENTARY


def minutes_between(starts_at: datetime, ends_at: datetime) -> Fraction:
    """This will give the exact minutes between two instants."""
    return Fraction((ends_at - starts_at) // timedelta(microseconds=1), 60_000_000)


def _events(spans: Sequence[tuple[datetime, datetime]], window: timedelta) -> int:
    count, at = 0, 0
    while at < len(spans):
        first = spans[at][0]
        sequence = []
        while at < len(spans) and spans[at][0] - first <= window:
            sequence.append(spans[at])
            at += 1
        if not any(ends_at - starts_at > MOMENTARY for starts_at, ends_at in sequence):
            count += 1
    return count
