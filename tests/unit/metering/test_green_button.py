"""Green Button: every sample found in the open is read, written and read again; what is wrong is counted in words."""

import io
import itertools
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from metering import views
from metering.formats import dst, espi, espi_codes, greenbutton, told
from metering.quality import Quality
from tests.unit.metering import feeds
from tests.unit.metering.feeds import block, document, kind, point, reading, up

# what each sample says, as counted in the files themselves: points, readings, first start, last end, Wh
SAID = {
    "blocks_that_overlap.xml": (1, 10, "2015-04-30T07:00:00Z", "2015-04-30T11:00:00Z", 166_800),
    "daily_blocks.xml": (1, 8, "2013-01-01T05:00:00Z", "2013-01-09T05:00:00Z", 177_450),
    "desert_single_family.xml.gz": (1, 8760, "2011-01-01T08:00:00Z", "2012-01-01T08:00:00Z", 12_397_107),
    "electric_containerized.xml": (1, 8, "2011-01-01T08:00:00Z", "2011-01-02T00:00:00Z", 4086),
    "interval_block_no_namespace.xml": (1, 4, "2012-03-01T05:00:00Z", "2012-03-01T06:00:00Z", 1230),
    "openespi_test_usage_data.xml.gz": (1, 1340, "2012-03-01T05:00:00Z", "2012-03-15T04:00:00Z", 1_391_666),
    "reading_type_last.xml": (1, 6, "2026-02-24T05:00:00Z", "2026-02-25T08:00:00Z", 6500),
    "relative_links.xml": (1, 8, "2011-01-01T08:00:00Z", "2011-01-01T16:00:00Z", 4869),
    "type_in_meter_reading.xml": (0, 0, None, None, 0),
}
SCHEMAS = ("espiDerived.xsd", "usage.xsd", "espi_4.0.xsd")


# samples


def test_every_sample_is_expected() -> None:
    assert {path.name for path in feeds.SAMPLES} == set(SAID)


@pytest.mark.parametrize("path", feeds.SAMPLES, ids=lambda path: path.name)
def test_a_sample_is_read_whole(path: object) -> None:
    summary = feeds.counts(feeds.read(path.read_bytes()))
    told_ = summary.as_json()
    shown = told_["usage_points"], summary.reads, told_["first"], told_["last"], summary.sum_wh
    assert shown == SAID[path.name]
    assert summary.excepted == summary.unreadable == 0
    assert summary.unchanged == (6 if path.name == "blocks_that_overlap.xml" else 0)


@pytest.mark.parametrize("path", feeds.SAMPLES, ids=lambda path: path.name)
def test_a_sample_comes_back_as_it_went(path: object) -> None:
    first = feeds.read(path.read_bytes())
    again = feeds.feed(feeds.written(first))
    assert feeds.intervals(again) == feeds.intervals(first)
    assert not feeds.refusals(again)


@pytest.mark.parametrize("path", feeds.SAMPLES, ids=lambda path: path.name)
@pytest.mark.parametrize("size", [1, 7, 4096])
def test_where_the_pieces_are_cut_makes_no_difference(path: object, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    content = feeds.content(path)
    if size < 100 and len(content) > 20_000:
        pytest.skip("one byte at a time is for small files")
    whole = feeds.feed(content)
    monkeypatch.setattr("metering.formats.streams.PIECE", size)
    monkeypatch.setattr("metering.formats.espi._LONGEST_SILENCE", 1 << 20)
    assert feeds.intervals(feeds.feed(content)) == feeds.intervals(whole)


# what is written


def schema(name: str) -> etree.XMLSchema:
    class Beside(etree.Resolver):
        def resolve(self, url: str, public: object, context: object) -> object:
            return self.resolve_filename(str(feeds.DATA / "schema" / url.rsplit("/", 1)[-1]), context)

    parser = etree.XMLParser(no_network=True)
    parser.resolvers.add(Beside())
    return etree.XMLSchema(etree.parse(str(feeds.DATA / "schema" / name), parser))


@pytest.mark.parametrize("name", SCHEMAS)
def test_what_is_written_is_valid(name: str) -> None:
    rules = schema(name)
    codes = [1, 2, 3, 4] * 30
    one = feeds.series(list(range(120)), 15, codes)
    other = feeds.series([5, -1, 7], 60)
    channels = (greenbutton.Channel("DELIVERED", (one,)), greenbutton.Channel("RECEIVED", (other,)))
    points = [
        greenbutton.Point("a & <b>", "America/New_York", channels),
        greenbutton.Point("c", "Etc/UTC", channels[:1]),
        greenbutton.Point("d", "America/New_York", ()),
    ]
    feed = b"".join(greenbutton.write(points, now=feeds.NOW))
    rules.assertValid(etree.fromstring(feed))
    wrong = feed.replace(b"<espi:uom>72<", b"<espi:uom>Wh<", 1)
    assert not rules.validate(etree.fromstring(wrong))  # the schema does look at what is in the entries
    swapped = feed.replace(b"<espi:dstOffset>", b"<espi:tzOffset>", 1).replace(
        b"</espi:dstOffset>", b"</espi:tzOffset>", 1
    )
    assert not rules.validate(etree.fromstring(swapped))


@given(
    st.lists(st.tuples(st.integers(0, 10**7), st.integers(0, 4)), min_size=1, max_size=150),
    st.lists(st.tuples(st.integers(0, 10**7), st.integers(0, 4)), max_size=50),
    st.sampled_from([5, 15, 30, 60]),
    st.integers(0, 400),
)
@settings(max_examples=40)
def test_any_series_comes_back_as_it_went(
    delivered: list[tuple[int, int]], received: list[tuple[int, int]], minutes: int, day: int
) -> None:
    def series(reads: list[tuple[int, int]]) -> views.Series:
        wh = np.array([value if code else -1 for value, code in reads], dtype=np.int64)
        at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day)
        return views.Series(at, minutes, wh, np.array([code for _, code in reads], dtype=np.uint8))

    one, other = series(delivered), series(received) if received else None
    text = greenbutton.export(one, usage_point="1", timezone="America/New_York", now=feeds.NOW, received=other)
    back = feeds.intervals(feeds.feed(text))
    for direction, gone in (("DELIVERED", one), ("RECEIVED", other)):
        step = timedelta(minutes=minutes)
        expected = {
            gone.starts_at + n * step: (int(wh), int(code))
            for n, (wh, code) in enumerate(zip(gone.wh, gone.quality, strict=True))
            if code
        } if gone else {}  # fmt: skip
        assert back.get((direction, minutes), {}) == expected


def test_a_feed_names_nobody_and_its_point_is_called_the_same_each_time() -> None:
    text = greenbutton.export(feeds.series([1]), usage_point="4711", timezone="America/New_York", now=feeds.NOW)
    assert b"4711" not in text
    assert {run.meter for run in feeds.runs(feeds.feed(text))} == {greenbutton.address("4711")}


def test_a_day_of_25_hours_is_one_block() -> None:
    series = feeds.series(list(range(25)))  # from midnight on 1 November 2026 in New York
    text = greenbutton.export(series, usage_point="1", timezone="America/New_York", now=feeds.NOW)
    assert text.count(b"<espi:IntervalBlock>") == 1
    assert b"<espi:duration>90000</espi:duration>" in text


# clocks


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("America/New_York", (-18000, 3600, "360E2000", "B40E2000")),  # as in the samples of the Green Button Alliance
        ("Europe/Berlin", (3600, 3600, "3E0E2000", "AE0E3000")),
        ("Europe/London", (0, 3600, "3E0E1000", "AE0E2000")),
        ("Australia/Sydney", (36000, 3600, "A40E2000", "440E3000")),
        ("America/Phoenix", (-25200, 0, dst.NEVER, dst.NEVER)),
        ("Asia/Kolkata", (19800, 0, dst.NEVER, dst.NEVER)),
    ],
)
def test_a_zone_is_told_as_espi_tells_it(zone: str, expected: tuple[int, int, str, str]) -> None:
    found = dst.of(zone, 2026)
    assert (found.standard, found.shift, found.starts, found.ends) == expected


def decoded(rule: str, year: int) -> datetime:
    """The wall clock at which a rule moves clocks in a year, by the words of the standard."""
    bits = int(rule, 16)
    month, operator, day = bits >> 28, bits >> 25 & 7, bits >> 20 & 31
    weekday, hour, second = bits >> 17 & 7, bits >> 12 & 31, bits & 0xFFF
    first = datetime(year, month, 1, hour) + timedelta(seconds=second)
    days = [first + timedelta(days=n) for n in range(37)]
    those = [at for at in days if at.isoweekday() == weekday]
    if operator == 0:
        return first.replace(day=day)
    if operator == 1:
        return next(at for at in those if at >= first.replace(day=day))
    of_month = [at for at in those if at.month == month]
    return of_month[-1] if operator == 7 else of_month[operator - 2]


@pytest.mark.parametrize(
    "zone", ["America/New_York", "Europe/Berlin", "America/Santiago", "Asia/Beirut", "Australia/Lord_Howe"]
)
def test_a_rule_says_when_clocks_are_moved_for_years_to_come(zone: str) -> None:
    found = dst.of(zone, 2026)
    for year in range(2026, 2038):
        moved = [wall for wall, _, _ in dst._moves(dst.periods.zone(zone), year)]
        assert sorted([decoded(found.starts, year), decoded(found.ends, year)]) == moved


# links, in any order


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_links_are_followed_in_any_order(order: tuple[int, ...]) -> None:
    parts = [
        point("A") + point("B"),
        reading("A", 1, "ReadingType/kwh") + reading("B", 1, "ReadingType/sent"),
        kind("ReadingType/kwh", powerOfTenMultiplier=3) + kind("ReadingType/sent", flowDirection=19),
        block(3600, [1, 2], links=up("A", 1)) + block(7200, [5], links=up("B", 1)),
    ]
    found = feeds.runs(feeds.feed(document(*(parts[n] for n in order))))
    assert sorted((run.meter, run.direction, run.wh.tolist()) for run in found) == [
        ("A", "DELIVERED", [1000, 2000]),
        ("B", "RECEIVED", [5]),
    ]


def test_links_may_come_after_what_they_link() -> None:
    late = block(3600, [4]).replace("</entry>", up("A", 2) + "</entry>")
    text = document(
        kind("ReadingType/x"), kind("ReadingType/y", powerOfTenMultiplier=3), reading("A", 2, "ReadingType/y"), late
    )
    assert [run.wh.tolist() for run in feeds.runs(feeds.feed(text))] == [[4000]]


def test_without_links_a_block_is_of_what_was_told_last() -> None:
    text = document(
        kind("").replace('<link rel="self" href=""/>', ""), block(3600, [1]),
        kind("", flowDirection=19).replace('<link rel="self" href=""/>', ""), block(3600, [2]),
    )  # fmt: skip
    found = [(run.direction, run.wh.tolist()) for run in feeds.runs(feeds.feed(text))]
    assert found == [("DELIVERED", [1]), ("RECEIVED", [2])]


def test_two_customers_points_of_one_name_are_kept_apart() -> None:
    links = [f'<link rel="up" href="RetailCustomer/{n}/UsagePoint/01/MeterReading/1/IntervalBlock"/>' for n in (7, 8)]
    found = feeds.runs(feeds.feed(document(*(block(3600, [1], links=each) for each in links))))
    assert [run.meter for run in found] == ["01", "8/01"]


def test_readings_told_backwards_without_block_interval_are_put_in_order() -> None:
    given_ = block(0, [])
    backwards = "".join(
        f"<IntervalReading><timePeriod><duration>3600</duration><start>{start}</start><timezone>-0500</timezone>"
        f"</timePeriod><value>{value}</value></IntervalReading>"
        for start, value in ((10800, 3), (7200, 2), (3600, 1))
    )
    text = document(given_.replace("</IntervalBlock>", backwards + "</IntervalBlock>"))
    (run,) = feeds.runs(feeds.feed(text))
    assert (run.starts_at, run.wh.tolist()) == (datetime(1970, 1, 1, 1, tzinfo=UTC), [1, 2, 3])


# kinds


def test_readings_without_times_follow_each_other() -> None:
    values = b"".join(b"<e:IntervalReading><e:value>%d</e:value></e:IntervalReading>" % n for n in range(4))
    span = b"<e:interval><e:duration>3600</e:duration><e:start>900</e:start></e:interval>"
    bare = b'<e:IntervalBlock xmlns:e="http://naesb.org/espi">' + span + values + b"</e:IntervalBlock>"
    (run,) = feeds.runs(feeds.feed(bare))
    assert (run.meter, run.interval_minutes, run.wh.tolist()) == ("", 15, [0, 1, 2, 3])
    assert run.starts_at == datetime(1970, 1, 1, 0, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("power", "value", "wh"),
    [(0, 7, 7), (3, 7, 7000), (-3, 1499, 1), (-3, 1500, 2), (-3, -1500, -1), (6, 2, 2_000_000), (3, "0.4505", 451)],
)
def test_a_power_of_ten_is_taken_into_account(power: int, value: int | str, wh: int) -> None:
    (run,) = feeds.runs(feeds.feed(document(kind(powerOfTenMultiplier=power), block(3600, [value]))))
    assert run.wh.tolist() == [wh]


def test_a_dial_is_a_dial_in_kwh() -> None:
    text = document(point("A"), kind(accumulationBehaviour=1, powerOfTenMultiplier=3), block(3600, [48_211], 0))
    assert feeds.feed(text) == [
        told.Dial("A", "DELIVERED", datetime(1970, 1, 1, 1, tzinfo=UTC), Decimal("48211"), int(Quality.ACTUAL), 4)
    ]


@pytest.mark.parametrize(
    ("marks", "quality"),
    [
        ([], Quality.ACTUAL), ([0], Quality.ACTUAL), ([17], Quality.ACTUAL), ([18], Quality.ACTUAL),
        ([19], Quality.ACTUAL), ([14], Quality.ACTUAL), ([7], Quality.EDITED), ([8], Quality.ESTIMATED),
        ([9], Quality.ESTIMATED), ([10], Quality.ESTIMATED), ([0, 11], Quality.ESTIMATED), ([13], Quality.ESTIMATED),
        ([14, 16], Quality.CUSTOMER),
    ],
)  # fmt: skip
def test_qualities_are_ranked(marks: list[int], quality: Quality) -> None:
    assert espi_codes.quality_of(marks) == quality


def test_the_quality_of_a_reading_type_is_that_of_readings_without_one() -> None:
    mark = "<ReadingQuality><quality>0</quality></ReadingQuality>"
    text = document(kind(defaultQuality=8), block(3600, [1]), block(7200, [2], marks=mark))
    assert [run.quality.tolist() for run in feeds.runs(feeds.feed(text))] == [[Quality.ESTIMATED], [Quality.ACTUAL]]


@pytest.mark.parametrize("seconds", [300, 900, 1800, 3600, 86400, 82800, 90000])
def test_lengths_of_intervals(seconds: int) -> None:
    (run,) = feeds.runs(feeds.feed(document(kind(), block(86400, [1, 2], seconds))))[:1]
    assert run.interval_minutes == (1440 if seconds > 80000 else seconds // 60)


def test_days_on_which_clocks_are_moved_stand_beside_each_other() -> None:
    midnights = [1772859600, 1772946000, 1773028800, 1773115200]  # 7 to 10 March 2026 in New York; the 8th has 23 hours
    text = document(kind(), *(block(at, [1000], 86400) for at in midnights))
    summary = feeds.counts(feeds.feed(text))
    assert (summary.stored, summary.excepted) == (4, 0)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"uom": 169}, "unit 169 (therm) is not watt-hours"),
        ({"uom": 38}, "unit 38 (watt) is not watt-hours"),
        ({"uom": 0, "kind": 8}, "unit 0 is not watt-hours"),
        ({"commodity": 7}, "commodity 7 is not electricity"),
        ({"kind": 8}, "kind 8 is not energy"),
        ({"flowDirection": 20}, "flowDirection 20 is neither"),
        ({"accumulationBehaviour": 12}, "accumulationBehaviour 12 is neither"),
        ({"powerOfTenMultiplier": 99}, "powerOfTenMultiplier 99"),
        ({"defaultQuality": 12}, "quality 12 is a forecast"),
        ({"uom": "Wh"}, "something else where a number belongs"),
    ],
)
def test_what_is_not_energy_is_refused_in_words(fields: dict[str, int | str], words: str) -> None:
    (refused,) = feeds.feed(document(kind(**fields), block(3600, [1, 2, 3])))
    assert isinstance(refused, told.Unreadable)
    assert words in refused.reason
    assert (refused.line, refused.count) == (3, 3)


def test_gas_is_refused_and_the_electricity_beside_it_read() -> None:
    text = document(
        point("G", 1), point("E"), kind(), reading("G", 1, "ReadingType/1"), reading("E", 1, "ReadingType/1"),
        block(3600, [1, 2], links=up("G", 1)), block(3600, [3], links=up("E", 1)),
    )  # fmt: skip
    found = feeds.feed(text)
    assert [run.meter for run in feeds.runs(found)] == ["E"]
    assert [(each.count, each.reason) for each in feeds.refusals(found)] == [
        (2, "its usage point is of service kind 1 (gas), not electricity")
    ]


def test_a_reading_type_that_is_not_there_is_missed() -> None:
    text = document(reading("A", 1, "ReadingType/9"), block(3600, [1], links=up("A", 1)))
    (refused,) = feeds.feed(text)
    assert isinstance(refused, told.Unreadable)
    assert refused.reason == "its ReadingType ReadingType/9 is not in the file"


# bad input


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("<value>2</value>", "<value>two</value>", "'two' is not a number"),
        ("<value>2</value>", "", "without a value"),
        ("<value>2</value>", "<value>NaN</value>", "not a number"),
        ("<value>2</value>", "<value>1e-999999999</value>", "not a number"),
        ("<value>2</value>", f"<value>{1 << 47}</value>", "larger than any reading"),
        ("<start>7200</start>", "", "without a time"),
        ("<start>7200</start>", "<start>never</start>", "is not a number"),
        ("<start>7200</start>", "<start>99999999999</start>", "no time at which something was read"),
        ("3600</duration><start>7200</start>", "43200</duration><start>7200</start>", "43200 seconds"),
        ("3600</duration><start>7200</start>", "-5</duration><start>7200</start>", "cannot last"),
    ],
)  # fmt: skip
def test_one_bad_reading_is_lost_alone(old: str, new: str, words: str) -> None:
    text = document(kind(), block(3600, [1, 2, 3]).replace(old, new))
    found = feeds.feed(text)
    (refused,) = feeds.refusals(found)
    assert words in refused.reason
    assert refused.line == 4
    assert sum(len(run.wh) for run in feeds.runs(found)) == 2


def test_values_that_cannot_be_are_told_alone_with_their_line() -> None:
    found = feeds.runs(feeds.feed(document(kind(), block(3600, [1, -7, 3, 10**9, 5]))))
    assert [(run.line, run.wh.tolist()) for run in found] == [(3, [1]), (4, [-7]), (5, [3]), (6, [10**9]), (7, [5])]
    summary = feeds.counts(found)
    assert (summary.stored, summary.excepted, summary.sum_wh) == (3, 2, 9)
    assert [(note.line, note.reason) for note in summary.notes] == [
        (4, "below zero"),
        (6, "more than 10000 kWh in 60 minutes"),
    ]


def test_a_file_that_breaks_off_counts_as_far_as_it_goes() -> None:
    content = feeds.content(feeds.DATA / "openespi_test_usage_data.xml.gz")
    found = feeds.feed(content[: len(content) // 2])
    (refused,) = feeds.refusals(found)
    assert "breaks off here" in refused.reason
    assert refused.line == content[: len(content) // 2].count(b"\n") + 1
    known = feeds.intervals(feeds.feed(content))["DELIVERED", 15]
    read = feeds.intervals(found)["DELIVERED", 15]
    assert 500 < len(read) < 800
    assert read.items() <= known.items()


def test_a_file_that_is_broken_in_the_middle_counts_as_far_as_it_goes() -> None:
    found = feeds.feed(document(kind(), block(3600, [1]), "<entry></wrong>", block(7200, [2])))
    (refused,) = feeds.refusals(found)
    assert refused.line == 5
    assert "from here on it is not XML" in refused.reason
    assert [run.wh.tolist() for run in feeds.runs(found)] == [[1]]


LAUGHS = (
    b'<?xml version="1.0"?>\n<!DOCTYPE lolz [<!ENTITY lol "lol">'
    + b"".join(b'<!ENTITY l%d "%s">' % (n, b"&l%d;" % (n - 1) * 10 if n else b"&lol;" * 10) for n in range(10))
    + b"]>\n<feed>&l9;</feed>"
)


@pytest.mark.parametrize(
    "content",
    [
        LAUGHS,
        b'<!DOCTYPE f [<!ENTITY x SYSTEM "file:///etc/passwd">]><feed>&x;</feed>',
        b'<!DOCTYPE f SYSTEM "http://127.0.0.1/x.dtd"><feed/>',
    ],
)
def test_a_dtd_is_refused_in_words(content: bytes) -> None:
    (refused,) = feeds.feed(content)
    assert isinstance(refused, told.Unreadable)
    assert "carries a DTD" in refused.reason


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<html><body/></html>", "nothing in it is Green Button"),
        (b"<a>" * 200, "more than 64 deep"),
        (b"<feed>" + b" " * (3 << 20) + b"</feed>", "a megabyte without an element"),
        (b"<feed a='" + b"x" * (3 << 20) + b"'/>", "a megabyte without an element"),
        (b"<feed><!--" + b"x" * (3 << 20) + b"--></feed>", "a megabyte without an element"),
    ],
)
def test_what_is_made_to_hurt_is_not_read_on(content: bytes, words: str) -> None:
    (refused,) = feeds.feed(content)
    assert isinstance(refused, told.Unreadable)
    assert words in refused.reason


def test_readings_that_wait_for_their_type_are_told_in_the_end() -> None:
    """Ten thousand blocks before the type of all of them: no time that grows with the square."""
    entries = [reading("A", 1, "ReadingType/1")]
    entries += [block(3600 * n, [n % 7], links=up("A", 1)) for n in range(1, 10_001)]
    started = time.process_time()
    found = feeds.feed(document(*entries, kind()))
    assert sum(len(run.wh) for run in feeds.runs(found)) == 10_000
    assert time.process_time() - started < 10


def test_a_year_of_quarter_hours_is_read_in_about_a_second_and_little_memory() -> None:
    n = 35_040
    year = views.Series(datetime(2026, 1, 1, 5, tzinfo=UTC), 15, np.arange(n) % 977, np.full(n, 3, dtype=np.uint8))
    text = greenbutton.export(year, usage_point="1", timezone="America/New_York", now=feeds.NOW)
    started = time.process_time()
    most = 0
    for item in espi.parse(io.BytesIO(text)):
        assert isinstance(item, told.Run)
        most = max(most, len(item.wh))
    assert most <= 100  # a day
    assert time.process_time() - started < 4  # measured: 0.5 s; the machine may be busy
