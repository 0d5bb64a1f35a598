"""The indices against two vectors worked by hand, and the places where implementations usually go wrong."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest

from core.outages import reliability

VECTOR_A = [
    ("8.17", 200),
    ("71.3", 600),
    ("30.3", 25),
    ("267.2", 90),
    ("120", 700),
    ("10", 1500),
    ("40", 100),
]
VECTOR_B = [
    0, 0.35, 1.20, 0.08, 2.75, 0, 0.60, 14.50, 0.15, 0.90, 3.10, 0.02, 0.45, 7.80, 0, 1.05, 0.28, 0.11, 5.20, 0.70, 0,
    0.19, 0.85, 26.3, 0.05, 1.60, 0.33, 0, 2.10, 0.12,
]  # fmt: skip
START = datetime(2026, 7, 1, tzinfo=UTC)


def test_vector_a_is_exact() -> None:
    steps = [reliability.Step(Fraction(minutes), customers) for minutes, customers in VECTOR_A]
    found = reliability.indices(steps, served=2000, hours=8760)
    assert found.interruptions == 3215
    assert found.minutes == Fraction("172219.5")
    assert found.saifi == Fraction(3215, 2000)
    assert float(found.saidi) == pytest.approx(86.110, abs=0.001)
    assert found.caidi == found.saidi / found.saifi
    assert float(found.caidi) == pytest.approx(53.57, abs=0.005)
    assert float(found.asai) == pytest.approx(0.999836, abs=5e-7)


def test_vector_b_tells_the_two_deviations_apart() -> None:
    sample = reliability.major_event_threshold(VECTOR_B)
    population = reliability.major_event_threshold(VECTOR_B, deviation="POPULATION")
    assert sample and population
    assert (sample.days, sample.deviation) == (25, "SAMPLE")
    assert sample.alpha == pytest.approx(-0.378066, abs=1e-6)
    assert sample.beta == pytest.approx(1.776150, abs=1e-6)
    assert sample.t_med == pytest.approx(58.1083, abs=1e-4)
    assert population.beta == pytest.approx(1.740264, abs=1e-6)
    assert population.t_med == pytest.approx(53.1222, abs=1e-4)
    assert not reliability.is_major(55.0, sample)
    assert reliability.is_major(55.0, population)


def test_a_day_at_the_threshold_is_not_major_and_no_threshold_makes_none() -> None:
    sample = reliability.major_event_threshold(VECTOR_B)
    assert sample and not reliability.is_major(sample.t_med, sample)
    assert reliability.major_event_threshold([0, 0, 4.0]) is None
    assert not reliability.is_major(1e9, None)


@pytest.mark.parametrize(("seconds", "sustained"), [(299, False), (300, False), (301, True)])
def test_five_minutes_are_momentary_and_a_second_more_is_not(seconds: int, sustained: bool) -> None:
    assert reliability.is_sustained(START, START + timedelta(seconds=seconds)) is sustained


def test_counts_by_customer() -> None:
    assert reliability.cemi({1: 3, 2: 2, 3: 5}, at_least=3, served=10) == Fraction(2, 10)
    hours = [(1, 420), (2, 419), (3, 300), (3, 300)]
    assert reliability.celid(hours, at_least=420, served=4) == Fraction(1, 4)
    assert reliability.celid_total(hours, at_least=420, served=4) == Fraction(2, 4)
    assert reliability.caifi(7, 4) == Fraction(7, 4)
    assert reliability.caifi(0, 0) is None
    assert reliability.ctaidi(90, 4) == Fraction(45, 2)
    assert reliability.maifi([10, 5], served=30) == Fraction(1, 2)


def test_a_reclose_sequence_is_one_event_and_none_when_it_ends_sustained() -> None:
    def blink(customer: int, minute: float, lasts: float) -> tuple[int, datetime, datetime]:
        at = START + timedelta(minutes=minute)
        return customer, at, at + timedelta(minutes=lasts)

    recloses, later = [blink(1, 0, 0.1), blink(1, 1, 0.1), blink(1, 4, 0.1)], blink(1, 60, 0.2)
    ends_sustained = [blink(2, 0, 0.1), blink(2, 1, 45)]
    events = reliability.momentary_events([*recloses, later, *ends_sustained])
    assert events == {1: 2, 2: 0}
    assert reliability.maifi_e(events, served=4) == Fraction(2, 4)


def test_nobody_served_is_refused() -> None:
    with pytest.raises(ValueError):
        reliability.indices([], served=0, hours=24)
