"""Which read stands: rank, order, and what cannot be."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from metering import merging
from metering.quality import Quality


def ints(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def codes(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.uint8)


def test_a_read_gives_way_to_one_of_its_rank_or_higher_only() -> None:
    stood, ranks = ints(100, 100, 100, 100, -1), codes(3, 1, 3, 4, 0)
    merged = merging.merge(ints(120, 120, 100, 120, 7), codes(3, 3, 3, 3, 1), stood, ranks)
    assert merged.changed.tolist() == [True, True, False, False, True]
    assert merged.replaced.tolist() == [True, True, False, False, False]
    assert merged.wh.tolist() == [120, 120, 100, 100, 7]
    assert merged.codes.tolist() == [3, 3, 3, 4, 1]


def test_what_cannot_be_is_named_and_silence_is_never_wrong() -> None:
    wh = ints(-5, 2_500_001, 2_500_000, -5, 1)
    told = codes(3, 3, 3, 0, 3)
    outside = np.array([False, False, False, True, True])
    named = [merging.FAULTS[fault] for fault in merging.check(wh, told, outside, 15).tolist()]
    assert named == ["NEGATIVE", "TOO_HIGH", "", "", "OUTSIDE_METER"]


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 3), st.integers(1, 4)), min_size=1, max_size=40))
def test_picking_at_once_is_what_one_after_the_other_would_leave(reads: list[tuple[int, int, int]]) -> None:
    stands: dict[int, tuple[int, int]] = {}
    for place, wh, code in reads:
        if code >= stands.get(place, (0, 0))[1]:
            stands[place] = (wh, code)
    places, values, ranks = ints(*(r[0] for r in reads)), ints(*(r[1] for r in reads)), codes(*(r[2] for r in reads))
    picked, other = merging.pick(places, values, ranks)
    assert {int(places[n]): (int(values[n]), int(ranks[n])) for n in picked} == stands
    assert other.tolist() == [wh != stands[place][0] for place, wh, _ in reads]
    assert not other[picked].any()
    assert Quality(int(ranks[picked[0]])) >= Quality.ESTIMATED
