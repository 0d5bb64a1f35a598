"""The command `wattline meter import --dry-run`, and the workbook a customer takes home."""

import io
import json
import pathlib
import zipfile
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner, Result
from lxml import etree

from metering import merging
from metering.formats import runs, workbook
from metering.quality import Quality
from ops_admin import meter_command
from tests.unit.metering import feeds

KEYS = ["usage_points", "reads", "first", "last", "sum_wh", "stored", "unchanged", "excepted", "unreadable"]


def run(*arguments: str | pathlib.Path) -> Result:
    def no_database() -> None:
        raise AssertionError("a dry run needs no database")

    return CliRunner().invoke(meter_command.meter, ["import", "--dry-run", *map(str, arguments)], obj=no_database)


@pytest.fixture
def bad(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "bad.csv"
    path.write_text(
        "start,kwh\n2026-11-01T00:00Z,1\n2026-11-01T01:00Z,-2\nx\n2026-11-01T02:00Z,3\n2026-11-01T02:00Z,3\n"
    )
    return path


def test_each_file_is_one_line_of_json(bad: pathlib.Path) -> None:
    done = run("--json", *feeds.SAMPLES, bad)
    assert done.exit_code == 0
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(told) == len(feeds.SAMPLES) + 1
    for each in told:
        assert list(each)[:9] == KEYS
        assert each["reads"] == each["stored"] + each["unchanged"] + each["excepted"] + each["unreadable"]
    last = {key: told[-1][key] for key in KEYS}
    assert last == {
        "usage_points": 1, "reads": 5, "first": "2026-11-01T00:00:00Z", "last": "2026-11-01T03:00:00Z", "sum_wh": 4000,
        "stored": 2, "unchanged": 1, "excepted": 1, "unreadable": 1,
    }  # fmt: skip
    assert told[-1]["exceptions"] == [
        {"line": 3, "reason": "below zero", "count": 1},
        {"line": 4, "reason": "there are 1 values where 2 belong", "count": 1},
    ]


def test_a_person_reads_words(bad: pathlib.Path) -> None:
    done = run(bad)
    assert done.exit_code == 0
    assert "line 4: there are 1 values where 2 belong" in done.stdout
    assert "4.000 kWh" in done.stdout


def test_a_file_of_which_nothing_can_be_read_gives_2(tmp_path: pathlib.Path, bad: pathlib.Path) -> None:
    bomb = tmp_path / "bomb.xml"
    bomb.write_text('<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>')
    done = run("--json", bomb, tmp_path / "nothing.xml", bad)
    assert done.exit_code == 2
    assert "carries a DTD" in done.stderr
    assert "there is no such file" in done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(each["reads"], each["unreadable"]) for each in told] == [(1, 1), (0, 0), (5, 1)]
    assert told[1]["error"] == "there is no such file"


def test_a_mapping_may_stand_in_a_file(tmp_path: pathlib.Path) -> None:
    data, said = tmp_path / "a.csv", tmp_path / "map.json"
    data.write_text("t;x\n01.11.2026 00:00;1,5\n01.11.2026 01:00;2\n")
    said.write_text(json.dumps({"start": "t", "value": "x", "unit": "kWh", "format": "%d.%m.%Y %H:%M", "decimal": ","}))
    done = run("--json", "--map", said, "--map", "zone=Europe/Berlin", data)
    told = json.loads(done.stdout)
    assert (told["stored"], told["sum_wh"], told["first"]) == (2, 3500, "2026-10-31T23:00:00Z")
    assert run("--map", "nonsense", data).exit_code == 2
    assert "is no key of a mapping" in run("--map", "nonsense=1", data).output


def test_points_of_a_file_are_called_by_their_meters(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "two.xml"
    links = [feeds.up("A", 1), feeds.up("B", 1)]
    path.write_bytes(feeds.document(*(feeds.block(3600, [1], links=link) for link in links)))
    assert json.loads(run("--json", "--point", "A=M-1", "--point", "B=M-1", path).stdout)["usage_points"] == 1
    assert (
        json.loads(run("--json", "--meter", "M-1", path).stdout)["usage_points"] == 2
    )  # the second keeps its own name
    assert run("--point", "A", path).exit_code == 2


def test_what_is_too_high_is_so_for_files_and_for_stored_reads_alike() -> None:
    assert runs.SUSPECT_WH_PER_HOUR == merging.HIGHEST_WH_PER_HOUR


# the workbook


def cells(book: bytes, sheet: int) -> list[list[tuple[str, str]]]:
    """Each row's cells as (type, text), with shared and inline texts looked up."""
    space = {"m": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}
    with zipfile.ZipFile(io.BytesIO(book)) as archive:
        page = etree.fromstring(archive.read(f"xl/worksheets/sheet{sheet}.xml"))
        assert not page.findall(".//m:f", space)  # no formula anywhere
        shared = []
        if "xl/sharedStrings.xml" in archive.namelist():
            found = etree.fromstring(archive.read("xl/sharedStrings.xml"))
            shared = ["".join(each.itertext()) for each in found.findall("m:si", space)]
    rows = []
    for row in page.findall(".//m:row", space):
        told = []
        for cell in row.findall("m:c", space):
            text = "".join(cell.itertext())
            kind = cell.get("t", "n")
            told.append((kind, shared[int(text)] if kind == "s" else text))
        rows.append(told)
    return rows


def test_a_workbook_has_reads_and_days_and_no_formula() -> None:
    series = feeds.series([1000, 2500, -1, 4], 60, [3, 1, 0, 2])
    sheets = [workbook.Sheet("=1+1", "DELIVERED", series)]
    words = {"reads": "Lecturas", "ESTIMATED": "estimada", "kwh": "kWh"}
    book = workbook.write(sheets, timezone="America/New_York", now=feeds.NOW, words=words)
    reads = cells(book, 1)
    assert [text for _, text in reads[0]] == ["meter", "direction", "start", "offset", "kWh", "quality"]
    assert len(reads) == 4
    assert reads[1][0][1] == "=1+1"
    assert all(kind != "n" for kind, _ in (reads[1][0], reads[1][1], reads[1][5]))
    assert [row[4][1] for row in reads[1:]] == ["1", "2.5", "0.004"]
    assert [row[3][1] for row in reads[1:]] == ["-0400", "-0400", "-0500"]
    assert reads[2][5][1] == "estimada"
    days = cells(book, 2)
    assert [text for _, text in days[1]][3:] == ["3.504", "4", "1", "1"]
    assert workbook.write(sheets, timezone="America/New_York", now=feeds.NOW, words=words) == book


def test_days_of_23_and_25_hours_add_up() -> None:
    series = feeds.series([10] * 49)  # 1 November, with 25 hours, and the 2nd
    found = workbook.by_day(series, "America/New_York")
    assert [(day.intervals, day.wh) for day in found] == [(25, 250), (24, 240)]
    assert series.starts_at == datetime(2026, 11, 1, 4, tzinfo=UTC)
    assert Quality.ACTUAL in series.quality
