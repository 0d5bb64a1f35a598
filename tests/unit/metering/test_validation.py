"""Each rule at its limit and just beyond; and what a batch of days is judged to be."""

from datetime import date

import numpy as np
import pytest

from metering import originals
from metering.originals import Cause, Method
from metering.quality import Quality
from metering.validation import context as contexts
from metering.validation import judging, limits, rules, sentences

ON = date(2026, 11, 20)
HOURLY = 24


def look(values, *, codes=None, kind="RESIDENTIAL", **known):
    """Days of values with what is known of them; a scalar is the same for every day."""
    wh = np.atleast_2d(np.asarray(values, dtype=np.int64))
    quality = np.where(wh == -1, 0, Quality.ACTUAL).astype(np.uint8) if codes is None else np.atleast_2d(codes)
    arrays = {}
    for name, value in known.items():
        shaped = np.asarray(value)
        arrays[name] = np.full(len(wh), value) if shaped.ndim == 0 else shaped
    return wh, contexts.bare(quality.astype(np.uint8), limits.spread([kind] * len(wh), ON), **arrays)


def struck(rule, values, **known):
    found = rule(*look(values, **known))
    return list(zip(found.row.tolist(), found.measured.tolist(), found.limit.tolist(), strict=True))


def day(**at):
    """A day of 500 Wh an hour with some hours changed: h3=..."""
    out = [500] * HOURLY
    for name, value in at.items():
        out[int(name[1:])] = value
    return out


USUAL = {"usual_wh": 12_000.0, "history_days": 28, "deviation_wh": 1000.0, "top_wh": 900, "varied": True}


def test_below_zero_cannot_be_and_missing_is_not_below_zero():
    codes = np.full(HOURLY, Quality.ACTUAL)
    codes[5] = Quality.MISSING
    assert struck(rules.negative, day(h3=-2, h5=-1), codes=codes) == [(0, -2, 0)]
    assert struck(rules.negative, day(h3=0)) == []


@pytest.mark.parametrize(("kind", "most"), [("RESIDENTIAL", 100_000), ("BUSINESS", 20_000_000)])
def test_more_than_the_connection_carries(kind, most):
    assert struck(rules.too_high, day(h3=most), kind=kind) == []
    assert struck(rules.too_high, day(h3=most + 1), kind=kind) == [(0, most + 1, most)]
    quarter = [most // 4] * 95 + [most // 4 + 1]
    assert struck(rules.too_high, quarter, kind=kind) == [(0, most // 4 + 1, most // 4)]


def test_what_a_person_wrote_or_an_estimate_is_not_judged():
    for code in (Quality.EDITED, Quality.ESTIMATED):
        assert struck(rules.too_high, day(h3=10**6), codes=np.full(HOURLY, code)) == []


def test_a_full_counter():
    assert struck(rules.pulse_overflow, day(h3=65_535), top_wh=900) == [(0, 65_535, 2700)]
    assert struck(rules.pulse_overflow, day(h3=65_534), top_wh=900) == []
    assert struck(rules.pulse_overflow, day(h3=65_535), top_wh=21_845) == []  # 3 x 21,845 = 65,535: has been read
    assert struck(rules.pulse_overflow, day(h3=65_535), top_wh=21_844) == [(0, 65_535, 65_532)]
    assert struck(rules.pulse_overflow, day(h3=65_535 * 10), top_wh=900, multiplier=10.0) != []


def test_a_spike_is_180_percent_above_the_third_highest_and_new():
    # third highest 5000: 5000 x 2.8 = 14,000
    hours = {"h1": 5000, "h2": 5000, "h3": 5000}
    assert struck(rules.spike, day(**hours, h9=14_000), top_wh=5000) == []
    assert struck(rules.spike, day(**hours, h9=14_001), top_wh=5000) == [(0, 14_001, 14_000)]
    assert struck(rules.spike, day(**hours, h9=14_001), top_wh=14_001) == []  # has been as high before
    assert struck(rules.spike, day(h9=8000), top_wh=500) == []  # an oven
    assert struck(rules.spike, day(h9=8001), top_wh=500) == [(0, 8001, 8000)]


def test_short_gaps_are_noted_and_long_ones_want_a_look():
    two, three = day(h3=-1, h4=-1), day(h3=-1, h4=-1, h9=-1)
    assert struck(rules.short_gap, two) == [(0, 2, 2)] and struck(rules.gap, two) == []
    assert struck(rules.short_gap, three) == [] and struck(rules.gap, three) == [(0, 3, 2)]
    found = rules.gap(*look(three))
    assert (found.start.tolist(), found.end.tolist()) == ([3], [10])
    before_installed = np.zeros((1, HOURLY), dtype=bool)
    before_installed[0, :10] = True
    assert struck(rules.gap, three, outside=before_installed) == []


def test_the_hour_of_the_clock_change():
    # New York, 1 November 2026: the clocks go back at 06:00 UTC, and a head-end of 24 hours a day loses one around it
    assert struck(rules.dst_hour, day(h6=-1), dst_at=6) == [(0, 1, 0)]
    assert struck(rules.dst_hour, day(h5=-1), dst_at=6) == [(0, 1, 0)]
    assert struck(rules.dst_hour, day(h7=-1), dst_at=6) == []
    assert struck(rules.dst_hour, day(h6=-1, h12=-1), dst_at=6) == []
    assert struck(rules.dst_hour, day(h6=-1), dst_at=-1) == []


def test_reads_of_hours_that_are_not_over():
    assert struck(rules.future, day(), future_from=24) == []
    assert struck(rules.future, day(), future_from=23) == [(0, 1, 23)]


def test_reads_outside_of_the_meters_time_and_of_two_meters_at_once():
    mask = np.zeros((1, HOURLY), dtype=bool)
    assert struck(rules.outside_meter, day(), outside=mask) == struck(rules.meter_overlap, day(), sibling=mask) == []
    mask[0, 20:] = True
    assert struck(rules.outside_meter, day(), outside=mask) == [(0, 4, 0)]
    assert struck(rules.meter_overlap, day(), sibling=mask) == [(0, 4, 0)]


def test_a_day_of_nothing_where_something_is_usual():
    nothing = [0] * HOURLY
    assert struck(rules.zero, nothing, **USUAL) == [(0, 0, 500)]
    assert struck(rules.zero, nothing, **(USUAL | {"usual_wh": 500.0})) == []
    assert struck(rules.zero, [1] + [0] * 23, **USUAL) == []
    assert struck(rules.zero, [-1] + [0] * 23, **USUAL) == []  # not all of it is known
    assert struck(rules.zero, nothing, **(USUAL | {"history_days": 6})) == []  # too new to say


def test_a_flat_day_where_reads_differed():
    assert struck(rules.flat, day(), **USUAL) == [(0, 500, 0)]
    assert struck(rules.flat, day(h3=501), **USUAL) == []
    assert struck(rules.flat, day(), **(USUAL | {"varied": False})) == []
    assert struck(rules.flat, [0] * HOURLY, **USUAL) == []


def test_high_and_low_days():
    # usual 12,000: 300 % are 36,000, but at least 25,000 above: 37,000
    at, over = [0] * 23 + [37_000], [0] * 23 + [37_001]
    assert struck(rules.high_use, at, **USUAL) == [] and struck(rules.high_use, over, **USUAL) == [(0, 37_001, 37_000)]
    assert struck(rules.high_use, over, **(USUAL | {"history_days": 6})) == []
    # a fifth of 12,000
    assert struck(rules.low_use, [100] * HOURLY, **USUAL) == []
    assert struck(rules.low_use, [99] + [100] * 23, **USUAL) == [(0, 2399, 2400)]
    assert struck(rules.low_use, [0] * HOURLY, **USUAL) == []  # that is ZERO's


def test_days_far_from_the_mean_of_the_days_before():
    # 4 deviations of 2000 are 8000
    wide = USUAL | {"deviation_wh": 2000.0}
    assert struck(rules.unusual_use, [0] * 23 + [20_000], **wide) == []
    assert struck(rules.unusual_use, [0] * 23 + [20_001], **wide) == [(0, 8001, 8000)]
    assert struck(rules.unusual_use, [0] * 23 + [3999], **wide) == [(0, 8001, 8000)]
    assert struck(rules.unusual_use, [0] * 23 + [17_001], **(USUAL | {"deviation_wh": 10.0})) == [(0, 5001, 5000)]


def test_a_wrong_unit():
    small = USUAL | {"usual_wh": 1200.0}
    assert struck(rules.unit, [15_000] * HOURLY, **small) == []  # 360,000: three hundred times
    assert struck(rules.unit, [15_000] * 23 + [15_001], **small) == [(0, 360_001, 1200)]
    assert struck(rules.high_use, [15_000] * 23 + [15_001], **small) == []  # said once
    assert struck(rules.unit, [0] * 23 + [40], **USUAL) == []
    assert struck(rules.unit, [0] * 23 + [39], **USUAL) == [(0, 39, 12_000)]


def test_a_day_sent_under_another_date():
    values = day(h3=700)
    before = np.array([values])
    assert struck(rules.duplicate_day, values, before=before) == [(0, 12_200, 0)]
    assert struck(rules.duplicate_day, day(h3=701), before=before) == []
    assert struck(rules.duplicate_day, values, before=before, repeats=True) == []  # so it is every day here
    assert struck(rules.duplicate_day, day(), before=np.array([day()])) == []  # flat: FLAT's


def test_another_length_of_interval():
    assert struck(rules.interval_size, day(), meter_minutes=60) == []
    assert struck(rules.interval_size, day(), meter_minutes=15) == [(0, 60, 15)]


def test_the_dial_and_the_intervals():
    # 2 % of 600,000 are 12,000
    whole = {"dial_wh": 600_000, "dial_missing": 0}
    assert struck(rules.register_sum, day(), **whole, dial_sum_wh=588_000) == []
    assert struck(rules.register_sum, day(), **whole, dial_sum_wh=587_999) == [(0, 587_999, 600_000)]
    assert struck(rules.register_sum, day(), **whole, dial_sum_wh=612_000) == []
    assert struck(rules.register_sum, day(), **whole, dial_sum_wh=612_001) == [(0, 612_001, 600_000)]
    assert struck(rules.register_sum, day(), dial_wh=50_000, dial_sum_wh=48_000) == []  # two kWh are the dial's own
    assert struck(rules.register_sum, day(), dial_wh=50_000, dial_sum_wh=47_999) == [(0, 47_999, 50_000)]
    gappy = {"dial_wh": 600_000, "dial_missing": 3}
    assert struck(rules.register_sum, day(), **gappy, dial_sum_wh=1) == []  # the rest may be in the gaps
    assert struck(rules.register_sum, day(), **gappy, dial_sum_wh=612_001) != []
    assert struck(rules.register_sum, day(), dial_wh=-1, dial_sum_wh=5000) == []


def test_the_multiplier_explains_it():
    for factor in (40, 1 / 40, 10, 0.001):
        known = {"dial_wh": 600_000, "dial_sum_wh": round(600_000 * factor), "multiplier": 40.0}
        assert struck(rules.multiplier, day(), **known) == [(0, round(600_000 * factor), 600_000)]
        assert struck(rules.register_sum, day(), **known) == []
    assert struck(rules.multiplier, day(), dial_wh=600_000, dial_sum_wh=900_000, multiplier=40.0) == []


def test_a_dial_that_went_back():
    assert struck(rules.dial_back, day(), dial_back=0) == []
    assert struck(rules.dial_back, day(), dial_back=12) == [(0, -12, 0)]


def test_use_where_nobody_takes_service():
    assert struck(rules.no_agreement, [0] * 23 + [1000], vacant=True) == []
    assert struck(rules.no_agreement, [0] * 23 + [1001], vacant=True) == [(0, 1001, 1000)]
    assert struck(rules.no_agreement, day(), vacant=False) == []


def test_energy_sent_out():
    assert struck(rules.no_generation, [0] * 23 + [100], received=True) == []
    assert struck(rules.no_generation, [0] * 23 + [101], received=True) == [(0, 101, 100)]
    assert struck(rules.no_generation, day(), received=True, generates=True) == []
    assert struck(rules.no_generation, day(), received=False) == []
    # the other way round: nothing delivered, and half of what is usual received
    turned = {"received": True, "opposite_wh": 0, "opposite_usual_wh": 24_000.0}
    assert struck(rules.reverse_rotation, day(), **turned) == [(0, 12_000, 12_000)]
    assert struck(rules.no_generation, day(), **turned) == []  # said once
    assert struck(rules.reverse_rotation, day(h3=499), **turned) == []
    assert struck(rules.reverse_rotation, day(), **(turned | {"opposite_wh": 1})) == []


def test_the_sibling_of_the_other_direction():
    assert struck(rules.sibling_missing, day(), opposite_there=True, opposite_wh=-1) == [(0, 0, 0)]
    assert struck(rules.sibling_missing, day(), opposite_there=True, opposite_wh=0) == []
    assert struck(rules.sibling_missing, day(), opposite_there=False) == []


def test_a_week_of_estimates():
    assert struck(rules.prolonged_estimation, day(), estimated_days=6) == []
    assert struck(rules.prolonged_estimation, day(), estimated_days=7) == [(0, 7, 7)]


def test_a_read_that_was_replaced_by_another():
    # 12,000 now; 10 % of 13,333 are 1333
    assert struck(rules.replaced, day(), replaced_wh=13_333) == []
    assert struck(rules.replaced, day(), replaced_wh=13_334) == [(0, 1334, 1333)]
    assert struck(rules.replaced, day(), replaced_wh=-1) == []


def test_many_days_are_judged_at_once_and_what_cannot_be_is_not_judged_again():
    values = np.array([day(), day(h3=250_000, h4=250_000), day(h3=65_535), day(h7=-1)])
    _, context = look(values, **USUAL)
    said = judging.judge(values, context)
    assert {(f.row, f.code, f.severity) for f in said.findings} == {
        (0, "FLAT", "W"), (1, "TOO_HIGH", "E"), (2, "PULSE_OVERFLOW", "E"), (3, "GAP", "I"),
    }  # fmt: skip
    assert said.cause[1, 2:6].tolist() == [0, Cause.TOO_HIGH, Cause.TOO_HIGH, 0]
    assert said.cause[2, 3] == Cause.PULSE_OVERFLOW and not said.cause[[0, 3]].any()
    assert {f.severity for f in said.findings if f.code in ("TOO_HIGH", "PULSE_OVERFLOW")} == {"E"}


def test_every_code_has_its_sentence_and_every_limit_its_source():
    values, context = look([day()] * 2, **USUAL)
    codes = {rule(values, context).code for rule, _ in rules.IMPOSSIBLE} | {
        rule(values, context).code for rule in rules.DOUBTFUL
    }
    assert codes <= set(sentences.SENTENCES)
    assert set(Cause.__members__) == set(sentences.CAUSES) and set(Method.__members__) == set(sentences.METHODS)
    assert all(x.source for x in limits.every())
    assert limits.of("BUSINESS", ON)["max_watts"] == 20_000_000
    assert "class_daily_wh" not in limits.of("BUSINESS", ON)
    assert limits.of("RESIDENTIAL", date(2015, 1, 1)) == {}
    twice = [x for x in limits.every() if x.name == "spike_percent"] * 2
    with pytest.raises(ValueError, match="two are valid"):
        limits.check(twice)


def test_what_came_is_kept_beside_what_stands():
    wh, codes = np.array([100, 999, -1, 400] * 6), np.array([3, 3, 0, 3] * 6, dtype=np.uint8)
    before = originals.read(wh.astype("<i4").tobytes(), codes.tobytes(), None, None)
    where = np.zeros(24, dtype=bool)
    where[1:3] = True
    after = originals.change(
        before, where, np.full(24, 250), code=Quality.ESTIMATED, cause=np.where(wh > 500, Cause.TOO_HIGH, 0),
        method=Method.LIKE_DAYS,
    )  # fmt: skip
    assert after.wh[:4].tolist() == [100, 250, 250, 400] and after.quality[:4].tolist() == [3, 1, 1, 3]
    assert after.raw[:4].tolist() == [-1, 999, -1, -1]
    assert [originals.name(int(c)) for c in after.rule[:3]] == [
        ("NONE", "NONE"), ("TOO_HIGH", "LIKE_DAYS"), ("NONE", "LIKE_DAYS"),
    ]  # fmt: skip
    again = originals.change(
        after, where, np.full(24, 300), code=Quality.EDITED, cause=Cause.NONE, method=Method.EDITED
    )
    assert again.raw[1] == 999 and originals.name(int(again.rule[1])) == ("TOO_HIGH", "EDITED")
    _, _, raw, rule = again.blocks()
    assert originals.refused_before(raw, rule, np.full(24, 999))[:3].tolist() == [False, True, False]
    raw, rule = originals.cleared(raw, rule, np.arange(24) == 1)
    assert originals.read(wh.astype("<i4").tobytes(), codes.tobytes(), raw, rule).rule[:3].tolist() == [0, 0, 8]
    assert originals.cleared(raw, rule, np.ones(24, dtype=bool)) == (None, None)
    assert before.blocks()[2:] == (None, None)
