"""Files of reads, loaded: what one meter cannot take stops no other, and a file loaded twice changes nothing."""

import json
import pathlib
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from click.testing import CliRunner
from sqlalchemy import select
from sqlalchemy.orm import Session

from metering import models, operations, queries
from metering.formats import greenbutton
from metering.quality import Quality
from ops_admin import meter_command
from tests.conftest import FakeHub

START = datetime(2026, 11, 20, 5, tzinfo=UTC)


def load(hub: FakeHub, *arguments: str | pathlib.Path) -> dict[str, object]:
    done = CliRunner().invoke(meter_command.meter, ["import", "--json", *map(str, arguments)], obj=lambda: hub)
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["reads"] == told["stored"] + told["unchanged"] + told["excepted"] + told["unreadable"]
    return told


def outcome(told: dict[str, object]) -> tuple[object, ...]:
    return tuple(told[key] for key in ("reads", "stored", "unchanged", "excepted", "unreadable"))


def test_a_green_button_file_is_loaded_once(
    hub: FakeHub, session: Session, meter: queries.Meter, tmp_path: pathlib.Path
) -> None:
    operations.record_reads(
        session, meter_id=meter.id, starts_at=START, interval_minutes=60, wh=[100, 200, 300],
        quality=["ACTUAL", "ESTIMATED", "ACTUAL"], source="test", now=START,
    )  # fmt: skip
    span = {"service_point_id": meter.service_point_id, "starts_at": START, "ends_at": START + timedelta(hours=3)}
    series = queries.usage_series(session, **span)
    path = tmp_path / "usage.xml"
    feed = greenbutton.export(series, usage_point="1", timezone="America/New_York", now=START)
    path.write_bytes(feed)
    point = f"{greenbutton.address('1')}={meter.number}"
    assert outcome(load(hub, "--point", point, path)) == (3, 0, 3, 0, 0)  # what was written is what is stored
    path.write_bytes(feed.replace(b">200<", b">250<"))
    assert outcome(load(hub, "--meter", meter.number, path)) == (3, 1, 2, 0, 0)
    session.expire_all()
    found = queries.usage_series(session, **span)
    assert (found.wh.tolist(), found.quality.tolist()) == ([100, 250, 300], [Quality.ACTUAL, 1, Quality.ACTUAL])


def test_bad_lines_and_unknown_meters_are_counted(hub: FakeHub, meter: queries.Meter, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "reads.csv"
    path.write_text(
        "meter,start,kwh\nE-1,2026-11-20T05:00Z,1\nE-1,2026-11-20T06:00Z,-1\nE-1,2026-11-20T07:00Z,3\nE-1,noon,4\n"
        "NOBODY,2026-11-20T05:00Z,1\nNOBODY,2026-11-20T06:00Z,1\n"
    )
    told = load(hub, path)
    assert outcome(told) == (6, 2, 0, 3, 1)
    assert [note["line"] for note in told["exceptions"]] == [5]
    assert outcome(load(hub, path)) == (6, 0, 2, 3, 1)


def test_dials_are_loaded(hub: FakeHub, session: Session, register: queries.Meter, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "dials.csv"
    number = register.number
    path.write_text(f"meter,at,dial\n{number},2026-11-20T05:00Z,4711.5\n{number},2026-11-21T05:00Z,1e12\n")
    assert outcome(load(hub, "--map", "start=at", "--map", "register=dial", path)) == (2, 1, 0, 1, 0)
    values = session.scalars(select(models.RegisterReadRow.value).where(models.RegisterReadRow.meter_id == register.id))
    assert list(values) == [Decimal("4711.500")]


@pytest.mark.parametrize("content", ["", "hello\n"])
def test_a_file_of_which_nothing_can_be_read_stores_nothing(hub: FakeHub, content: str, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "nothing.csv"
    path.write_text(content)
    done = CliRunner().invoke(meter_command.meter, ["import", str(path)], obj=lambda: hub)
    assert done.exit_code == 2
    assert "cannot read" in done.stderr
