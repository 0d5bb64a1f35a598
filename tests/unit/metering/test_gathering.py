"""Whole days take a shorter road; they arrive where all the others do."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from metering import gathering
from metering.merging import HIGHEST_WH_PER_HOUR

_DAY = 86_400
_read = st.tuples(st.integers(-3, HIGHEST_WH_PER_HOUR + 2), st.sampled_from([0, 1, 3]))
_whole = st.lists(
    st.tuples(st.integers(1, 3), st.integers(0, 2), st.lists(_read, min_size=24, max_size=24)), min_size=1, max_size=6
)


def placed(runs: list[tuple[int, int, list[tuple[int, int]]]], removed: int) -> gathering.Placed:
    meters, starts, reads = zip(*runs, strict=True)
    ever = np.full(len(runs), 1 << 40)
    return gathering.Placed(
        np.array(meters),
        np.array(starts),
        -ever,
        np.full(len(runs), removed),
        [np.array([wh for wh, _ in each], dtype=np.int64) for each in reads],
        [np.array([code for _, code in each], dtype=np.uint8) for each in reads],
    )


@given(_whole, st.integers(0, 4 * _DAY))
def test_whole_days_are_laid_out_as_their_halves_are(
    days: list[tuple[int, int, list[tuple[int, int]]]], removed: int
) -> None:
    whole = [(meter, day * _DAY, reads) for meter, day, reads in days]
    halves = [(meter, start + at * 3600, reads[at : at + 12]) for meter, start, reads in whole for at in (0, 12)]
    one, other = gathering.lay_out(placed(whole, removed), 60), gathering.lay_out(placed(halves, removed), 60)
    assert (one.fault == other.fault).all()
    found = [
        {
            (meter, day): (wh.tolist(), codes.tolist())
            for meter, day, wh, codes in zip(
                laid.meter_ids.tolist(), laid.days.tolist(), laid.wh, laid.codes, strict=True
            )
        }
        for laid in (one, other)
    ]
    assert found[0] == found[1]
    assert one.place.shape == one.run.shape == one.fault.shape
