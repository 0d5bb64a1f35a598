"""CSV with any columns, JSON lines and archives: local time, units, one day a line, and what is wrong."""

import gzip
import io
import json
import time
import tracemalloc
import zipfile
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from core import errors
from metering.formats import archives, csv, mapping, reader, told
from metering.quality import Quality
from tests.unit.metering import feeds

NEW_YORK = {"zone": "America/New_York"}


def told_of(text: str | bytes, **said: str) -> list[tuple[str, str, str, int, list[int]]]:
    return [
        (run.meter, run.direction, run.starts_at.strftime("%d %H:%M"), run.interval_minutes, run.wh.tolist())
        for run in feeds.runs(feeds.read(text, **said))
    ]


def reason_of(text: str | bytes, **said: str) -> str:
    found = feeds.read(text, **said)
    assert not feeds.runs(found)
    (refused,) = feeds.refusals(found)
    return refused.reason


# plain from the header


def test_headers_that_are_plain_need_no_mapping() -> None:
    ours = "start,kwh,export_kwh\n2026-11-01T00:00:00-04:00,0.1,0\n2026-11-01T00:15:00-04:00,0.2505,1\n"
    assert told_of(ours) == [("", "DELIVERED", "01 04:00", 15, [100, 251]), ("", "RECEIVED", "01 04:00", 15, [0, 1000])]
    theirs = "timestamp_utc,kwh,temp_c\n2026-11-01 00:00:00,1,3.5\n2026-11-01 01:00:00,2,3.5\n"
    assert told_of(theirs) == [("", "DELIVERED", "01 00:00", 60, [1000, 2000])]
    rows = ["A;2026-11-01T00:00Z;1", "B;2026-11-01T00:00Z;2", "A;2026-11-01T00:30Z;3", "B;2026-11-01T00:30Z;4"]
    many = "\n".join(["Meter;Timestamp;Usage (kWh)", *rows])
    assert told_of(many) == [
        ("A", "DELIVERED", "01 00:00", 30, [1000, 3000]),
        ("B", "DELIVERED", "01 00:00", 30, [2000, 4000]),
    ]


def test_what_a_customer_takes_home_comes_back() -> None:
    starts = [datetime(2026, 11, 1, hour, tzinfo=UTC) for hour in range(4)]
    text = csv.write(starts, [1, 22_333, -1, 0], ["ACTUAL", "ESTIMATED", "MISSING", "EDITED"], meter="M-1")
    found = feeds.intervals(feeds.read(text))["DELIVERED", 60]
    assert found == {starts[0]: (1, 3), starts[1]: (22_333, 1), starts[3]: (0, 4)}
    assert (
        csv.write(starts[:1], [5], ["ACTUAL"], export_wh=[7]).splitlines()[1]
        == "2026-11-01T00:00:00+00:00,0.005,0.007,ACTUAL"
    )


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =cmd|' /C calc'!A0"])
def test_no_text_is_run_as_a_formula(text: str) -> None:
    line = csv.write([datetime(2026, 11, 1, tzinfo=UTC)], [5], ["ACTUAL"], meter=text).splitlines()[1]
    assert line.rsplit(",", 1)[1].strip('"').startswith("'")
    assert csv.harmless("M-1") == "M-1"


# said by a mapping


def test_a_mapping_says_all_of_it() -> None:
    text = "Zähler;Datum;Uhrzeit;Verbrauch;Richtung;Status\n" + "".join(
        f"Z1;{day}.11.2026;{hour:02d}:00;1.234,5;{way};{mark}\n"
        for day, hour, way, mark in (
            (2, 0, "Import", "A"),
            (2, 1, "Import", "E"),
            (2, 0, "Export", "A"),
            (2, 1, "Export", "A"),
        )
    )
    said = {"date": "Datum", "time": "Uhrzeit", "format": "%d.%m.%Y %H:%M", "zone": "Europe/Berlin",
            "value": "Verbrauch", "unit": "Wh", "decimal": ",", "direction": "Richtung", "meter": "Zähler",
            "quality": "Status"}  # fmt: skip
    assert told_of(text.encode("cp1252"), **said) == [
        ("Z1", "DELIVERED", "01 23:00", 60, [1235, 1235]),
        ("Z1", "RECEIVED", "01 23:00", 60, [1235, 1235]),
    ]
    assert feeds.runs(feeds.read(text, **said))[0].quality.tolist() == [Quality.ACTUAL, Quality.ESTIMATED]


@pytest.mark.parametrize(("unit", "wh"), [("Wh", 2), ("kWh", 1500), ("MWh", 1_500_000)])
def test_units(unit: str, wh: int) -> None:
    assert told_of("t,x\n2026-11-01T00:00Z,1.5\n", start="t", value="x", unit=unit, interval="60")[0][4] == [wh]
    assert told_of(f"t,used {unit}\n2026-11-01T00:00Z,1.5\n", start="t", value="2", interval="60")[0][4] == [wh]


def test_ends_epochs_offsets_and_24_o_clock() -> None:
    ends = "end,kwh\n2026-11-02 23:00,1\n2026-11-02 24:00,2\n"
    assert told_of(ends, end="end", zone="UTC") == [("", "DELIVERED", "02 22:00", 60, [1000, 2000])]
    seconds = "1793491200,1\n1793492100,2\n"
    said = {"header": "no", "start": "1", "value": "2", "unit": "kWh", "format": "epoch"}
    assert told_of(seconds, **said) == [("", "DELIVERED", "01 00:00", 15, [1000, 2000])]
    assert told_of("start,kwh\n2026-07-01 00:00,1\n", zone="-05:00", interval="1440")[0][2:4] == ("01 05:00", 1440)


def test_a_dial_is_told_as_a_dial() -> None:
    text = "meter,read,dial\nM,2026-11-01T00:00Z,48211.5\nM,2026-12-01T00:00Z,-1\n"
    found = feeds.read(text, start="read", register="dial")
    assert found[0] == told.Dial("M", "DELIVERED", datetime(2026, 11, 1, tzinfo=UTC), Decimal("48211.5"), 3, 2)
    assert [(each.line, each.reason) for each in feeds.refusals(found)] == [(3, "a dial below zero")]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"begin": "t"}, "'begin' is no key"), ({"unit": "J"}, "'J' is not Wh, kWh or MWh"),
        ({"interval": "12"}, "not 5, 15, 30, 60 or 1440"), ({"zone": "Mars/Phobos"}, "neither a known time zone"),
        ({"start": "a", "end": "b"}, "only one can be said"), ({"values": "1:24"}, "goes with date"),
        ({"decimal": "x"}, "neither a point nor a comma"), ({"delimiter": "ab"}, "not one of"),
        ({"start": ""}, "no value"),
    ],
)  # fmt: skip
def test_a_mapping_that_cannot_be_is_refused_in_words(said: dict[str, str], words: str) -> None:
    with pytest.raises(errors.Invalid) as refused:
        mapping.parse(said)
    assert words in refused.value.data["reason"]


@pytest.mark.parametrize(
    ("text", "said", "words"),
    [
        ("", {}, "empty"), ("\n \n", {}, "empty"), ("hello\nworld\n", {}, "which column is the time"),
        ("start,x\n", {}, "which column is the energy"), ("start,x\n", {"value": "x"}, "whether it is Wh, kWh or MWh"),
        ("start,kwh\n", {"value": "nothing"}, "there is no column 'nothing'"),
        ("start,kwh\n", {"value": "3"}, "there is no column '3'"),
        ("d,a,b\n", {"date": "d", "values": "2:3", "unit": "kWh"}, "2 columns are no day"),
        ("start,kwh\n2026-11-01T00:00Z,1\n", {}, "how long it lasts cannot be told"),
    ],
)  # fmt: skip
def test_a_file_of_which_nothing_can_be_read_says_why(text: str, said: dict[str, str], words: str) -> None:
    assert words in reason_of(text, **said)


# local time


def test_the_hour_that_comes_twice_is_told_apart() -> None:
    times = ["00:00", "00:30", "01:00", "01:30", "01:00", "01:30", "02:00"]
    rows = [f"2026-11-01 {at},{n}\n" for n, at in enumerate(times)]
    expected = [("", "DELIVERED", "01 04:00", 30, [0, 1, 2, 3, 4, 5, 6])]
    assert told_of("start,wh\n" + "".join(rows), **NEW_YORK) == expected
    assert told_of("start,wh\n" + "".join(reversed(rows)), **NEW_YORK) == expected
    doubled = [row.replace(",", ",A,") for row in rows] + [row.replace(",", ",B,") for row in rows]
    assert [run[4] for run in told_of("start,meter,wh\n" + "".join(doubled), **NEW_YORK)] == [list(range(7))] * 2


def test_the_hour_that_does_not_come_is_refused() -> None:
    times = ["01:00", "01:30", "02:00", "02:30", "03:00", "03:30"]
    found = feeds.read("start,wh\n" + "".join(f"2026-03-08 {at},{n}\n" for n, at in enumerate(times)), **NEW_YORK)
    assert [run.wh.tolist() for run in feeds.runs(found)] == [[0, 1, 4, 5]]  # an hour's instants follow each other
    assert [each.line for each in feeds.refusals(found)] == [4, 5]
    assert "does not exist" in feeds.refusals(found)[0].reason


@pytest.mark.parametrize("year", [1, 1969, 2101, 9999])
def test_a_year_in_which_nothing_was_read_is_refused(year: int) -> None:
    found = feeds.read(f"start,kwh\n{year:04d}-01-01 00:00,1\n2026-01-01 00:00,1\n2026-01-01 01:00,1\n", **NEW_YORK)
    assert [(each.line, each.reason) for each in feeds.refusals(found)] == [(2, f"nothing was read in the year {year}")]


# one day a line


def wide(day: str, cells: list[str]) -> str:
    return f"day,meter,{','.join(f'H{n}' for n in range(1, len(cells) + 1))}\n{day},M,{','.join(cells)}\n"


@pytest.mark.parametrize(
    ("day", "cells", "spans", "refused"),
    [
        ("2026-11-02", ["1"] * 24, [("02 05:00", 24)], 0),
        ("2026-11-02", ["1"] * 24 + [""], [("02 05:00", 24)], 0),
        ("2026-11-01", ["1"] * 25, [("01 04:00", 25)], 0),
        ("2026-11-01", ["1"] * 24, [("01 04:00", 2), ("01 07:00", 22)], 0),
        ("2026-03-08", ["1"] * 2 + [""] + ["1"] * 21, [("08 05:00", 23)], 0),
        ("2026-03-08", ["1"] * 2 + ["0"] + ["1"] * 21, [("08 05:00", 23)], 0),
        ("2026-03-08", ["1"] * 2 + ["9"] + ["1"] * 21, [("08 05:00", 23)], 1),
        ("2026-03-08", ["1"] * 23 + [""], [("08 05:00", 23)], 0),
        ("2026-11-02", ["1"] * 5 + ["x"] + ["1"] * 18, [("02 05:00", 5), ("02 11:00", 18)], 1),
    ],
)
def test_one_day_a_line(day: str, cells: list[str], spans: list[tuple[str, int]], refused: int) -> None:
    said = {"date": "day", "values": f"H1:H{len(cells)}", "unit": "kWh", "meter": "meter"} | NEW_YORK
    found = feeds.read(wide(day, cells), **said)
    assert [(run.starts_at.strftime("%d %H:%M"), len(run.wh)) for run in feeds.runs(found)] == spans
    assert len(feeds.refusals(found)) == refused
    feeds.counts(found)


def test_quarter_hours_one_day_a_line() -> None:
    said = {"date": "1", "values": "2:97", "unit": "Wh", "header": "no", "zone": "UTC", "direction": "RECEIVED"}
    assert told_of("2026-11-02," + ",".join(["7"] * 96) + "\n", **said) == [("", "RECEIVED", "02 00:00", 15, [7] * 96)]


# bad input


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("x", "values where"), ("2026-11-01T01:00Z,one", "'one' is not a number"),
        ("2026-11-01T01:00Z,inf", "not a number"),
        ("2026-11-01T01:00Z,1e300", "not a number"), ("yesterday,1", "not an ISO 8601 time"),
        ('2026-11-01T01:00Z,"1', "quotation"),
        ("2026-11-01T01:00:00.5Z,1", "whole second"), ("2026-11-01T01:00,1", "without an offset"),
        ("2026-11-01T01:00Z,1e9999999999999999999", "not a number"), ("\x00\x01,\x02", "not an ISO"),
    ],
)  # fmt: skip
def test_one_bad_line_is_lost_alone(line: str, words: str) -> None:
    found = feeds.read(f"start,kwh\n2026-11-01T00:00Z,1\n{line}\n2026-11-01T02:00Z,3\n2026-11-01T03:00Z,4\n")
    (refused,) = feeds.refusals(found)
    assert (refused.line, refused.count) == (3, 1)
    assert words in refused.reason
    assert sum(len(run.wh) for run in feeds.runs(found)) == 3


def test_a_million_lines_with_one_bad_one() -> None:
    """A quotation mark left open does not swallow the half million lines after it."""
    rows = [f"{1_700_000_000 - 1_700_000_000 % 300 + 300 * n},{n % 700}\n" for n in range(1_000_000)]
    rows[499_999] = '"1,2\n'
    text = ("start,wh\n" + "".join(rows)).encode()
    started, read, refused = time.process_time(), 0, []
    for item in reader.read(io.BytesIO(text), mapping.parse({"format": "epoch"})):
        if isinstance(item, told.Unreadable):
            refused.append((item.line, item.count))
        else:
            read += len(item.wh)
    assert (read, refused) == (999_999, [(500_001, 1)])
    assert time.process_time() - started < 40  # measured: 4 s; the machine may be busy


def test_a_long_file_is_not_held() -> None:
    text = b"start,wh\n" + b"".join(b"%d,5\n" % (1_700_000_100 + 300 * n) for n in range(60_000))
    stream = io.BytesIO(text)
    tracemalloc.start()
    try:
        read = sum(len(item.wh) for item in reader.read(stream, mapping.parse({"format": "epoch"})))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert read == 60_000
    assert most < 12 << 20


def test_values_that_repeat_contradict_or_cannot_be_are_counted() -> None:
    text = (
        "start,kwh\n2026-11-01T00:00Z,1\n2026-11-01T01:00Z,-2\n2026-11-01T02:00Z,3\n2026-11-01T02:00Z,3\n"
        "2026-11-01T02:00Z,4\n2026-11-01T03:00Z,99999999\n2026-11-01T04:00Z,\n2026-11-01T04:30Z,1\n"
    )
    summary = feeds.counts(feeds.read(text))
    counts = summary.reads, summary.stored, summary.unchanged, summary.excepted, summary.unreadable, summary.sum_wh
    assert counts == (7, 2, 1, 4, 0, 4000)
    assert [(note.line, note.reason) for note in summary.notes] == [
        (3, "below zero"),
        (6, "told twice with different values"),
        (7, "more than 10000 kWh in 60 minutes"),
        (9, "does not start on a whole interval of 60 minutes (UTC)"),
    ]


def test_coarser_reads_over_finer_ones_are_excepted_and_a_better_read_replaces() -> None:
    lines = [
        {"meter": "M", "starts_at": "2026-11-01T00:00:00Z", "interval_minutes": 1440, "wh": [999, 5000]},
        {"meter": "M", "starts_at": "2026-11-01T00:00:00Z", "wh": [1, 2], "quality": "ESTIMATED"},
        {"meter": "M", "starts_at": "2026-11-01T01:00:00Z", "wh": [7]},
        {"meter": "M", "starts_at": "2026-11-01T01:00:00Z", "wh": [8], "quality": "ESTIMATED"},
    ]
    summary = feeds.counts(feeds.read("\n".join(map(json.dumps, lines))))
    assert (summary.stored, summary.unchanged, summary.excepted, summary.sum_wh) == (4, 1, 1, 5008)
    assert [note.reason for note in summary.notes] == ["overlaps reads of 60 minutes"]


# JSON lines


def test_the_head_ends_lines_are_read() -> None:
    text = (
        '{"meter": "M", "starts_at": "2026-11-01T00:00:00-04:00", "interval_minutes": 15, "wh": [1, -1, -7]}\n\n'
        '{"meter": "M", "starts_at": "2026-11-01T00:00:00Z", "wh": [5], '
        '"quality": ["ESTIMATED"], "direction": "RECEIVED"}\r\n'
        '{"meter": "M", "read_at": "2026-11-01T00:00:00Z", "value": "48211.5"}\n'
    )
    one, other, dial = feeds.read(text)
    assert (one.starts_at, one.wh.tolist()) == (datetime(2026, 11, 1, 4, tzinfo=UTC), [1, -1, -7])
    assert one.quality.tolist() == [Quality.ACTUAL, Quality.MISSING, Quality.ACTUAL]
    assert (other.direction, other.quality.tolist(), other.line) == ("RECEIVED", [Quality.ESTIMATED], 3)
    assert (dial.value, dial.line) == (Decimal("48211.5"), 4)


@pytest.mark.parametrize(
    ("line", "count", "words"),
    [
        ("{", 1, "not JSON"), ("{}", 1, "there is no meter"),
        ('{"meter": 7, "wh": [1, 2]}', 2, "meter is not a number"),
        ('{"meter": "M", "starts_at": "2026-11-01", "wh": [1]}', 1, "no zone"),
        ('{"meter": "M", "starts_at": "2026-11-01T00:00:00Z", "wh": [1, "2"]}', 2, "not a whole number"),
        ('{"meter": "M", "starts_at": "2026-11-01T00:00:00Z", "wh": []}', 1, "wh is not a list"),
        ('{"meter": "M", "starts_at": "2026-11-01T00:00:00Z", "wh": [1], "interval_minutes": 7}', 1, "interval"),
        ('{"meter": "M", "starts_at": "2026-11-01T00:00:00Z", "wh": [1], "quality": "GOOD"}', 1, "quality is not"),
        ('{"meter": "M", "starts_at": "2026-11-01T00:00:00Z", "wh": [1], "direction": "UP"}', 1, "direction is"),
        ('{"meter": "M", "read_at": "2026-11-01T00:00:00Z", "value": "-1"}', 1, "not what a dial can show"),
        ('{"a":' * 100_000, 1, ""), ('{"meter": "\\ud800", "wh": [1]}', 1, "meter is not"),
    ],
)  # fmt: skip
def test_a_bad_line_of_json_is_lost_alone(line: str, count: int, words: str) -> None:
    good = '{"meter": "M", "starts_at": "2026-11-01T00:00:00Z", "wh": [1]}'
    found = feeds.read(f"{good}\n{line}\n{good}\n")
    (refused,) = feeds.refusals(found)
    assert (refused.line, refused.count) == (2, count)
    assert words in refused.reason
    assert len(feeds.runs(found)) == 2


# archives

CSV = b"start,kwh\n2026-11-01T00:00Z,1\n2026-11-01T01:00Z,2\n"


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def test_archives_are_read_one_file_after_another() -> None:
    feed = feeds.content(feeds.DATA / "electric_containerized.xml")
    whole = zipped({"a.csv": CSV, "folder/": b"", "folder/b.xml": feed, "c.jsonl": b"{\n"})
    parts = [(part.name, list(part.told)) for part in reader.parts(io.BytesIO(whole))]
    assert [name for name, _ in parts] == ["a.csv", "folder/b.xml", "c.jsonl"]
    assert [sum(len(run.wh) for run in feeds.runs(items)) for _, items in parts] == [2, 8, 0]
    assert feeds.intervals(feeds.read(gzip.compress(feed))) == feeds.intervals(feeds.feed(feed))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (gzip.compress(gzip.compress(CSV, mtime=0), mtime=0), "archive in an archive"),
        (zipped({"inner.zip": zipped({"a.csv": CSV})}), "archive in an archive"),
        (zipped({}), "no file in the archive"),
        (zipped({f"{n}.csv": b"" for n in range(1001)}), "1001 files"),
        (b"PK\x03\x04 and then nothing", "cannot be opened"),
        (b"\x1f\x8b", "breaks off"),
        (b"\x7fELF\x00\x00\x00", "neither XML, CSV nor JSON"),
    ],
    ids=range(7),
)
def test_an_archive_that_is_none_is_refused_in_words(content: bytes, words: str) -> None:
    assert words in reason_of(content)


def test_an_encrypted_file_is_refused_and_its_neighbour_read() -> None:
    content = bytearray(zipped({"a.csv": CSV, "b.csv": CSV}))
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + place] |= 1
    found = feeds.read(bytes(content))
    assert [each.reason for each in feeds.refusals(found)] == ["it is encrypted"]
    assert len(feeds.runs(found)) == 1


@pytest.mark.parametrize("pack", [gzip.compress, lambda content: zipped({"a.csv": content})], ids=["gzip", "zip"])
def test_a_bomb_does_not_go_off(pack: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "_FREE", 1 << 20)
    bomb = pack(CSV + b"\n" * (3 << 20))
    assert len(bomb) < 4000
    found = feeds.read(bomb)
    (refused,) = feeds.refusals(found)
    assert "250 times its size" in refused.reason
    assert [run.wh.tolist() for run in feeds.runs(found)] == [[1000, 2000]]


def test_many_files_share_what_may_come_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MOST_BYTES", 3 << 16)
    found = feeds.read(zipped({f"{n}.csv": CSV + b"\n" * (1 << 16) for n in range(5)}))
    assert len(feeds.runs(found)) == 2
    assert next(each.reason for each in feeds.refusals(found)).startswith("more than")


@pytest.mark.parametrize("pack", [gzip.compress, lambda content: zipped({"a.csv": content}, zipfile.ZIP_STORED)])
def test_an_archive_that_breaks_off_counts_as_far_as_it_goes(pack: object) -> None:
    text = b"start,wh\n" + b"".join(b"%d,%d\n" % (1_700_000_100 + 300 * n, n * n % 911) for n in range(50_000))
    content = pack(text)
    if content.startswith(b"\x1f\x8b"):
        content = content[: len(content) // 2]
    else:
        middle = len(content) // 2
        content = content[:middle] + b"\x00" + content[middle + 1 :]  # its sum no longer fits
    summary = feeds.counts(feeds.read(content, format="epoch"))
    assert summary.stored > 10_000
    assert 1 <= summary.unreadable <= 3
