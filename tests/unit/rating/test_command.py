"""`wattline rate`: a bill from two files, or words and exit code 2."""

import json
import pathlib
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from click.testing import CliRunner

from ops_admin.rate_command import rate

DATA = pathlib.Path(__file__).parent / "data"
FLAT = {"name": "F", "energyratestructure": [[{"rate": 0.1}]], "fixedmonthlycharge": 5}


def reads(folder: pathlib.Path, values: list[str], start: datetime = datetime(2018, 1, 1, tzinfo=UTC)) -> pathlib.Path:
    rows = [f"{(start + timedelta(hours=n)).isoformat()},{value}" for n, value in enumerate(values)]
    path = folder / "reads.csv"
    path.write_text("\n".join(["start,kwh", *rows]))
    return path


def run(folder: pathlib.Path, tariff: object, usage: pathlib.Path, *more: str):
    path = folder / "tariff.json"
    path.write_text(json.dumps(tariff))
    options = ["--tariff", str(path), "--usage", str(usage), "--timezone", "Etc/UTC", "--json", *more]
    return CliRunner().invoke(rate, options)


MONTH = ("--from", "2018-01-01", "--to", "2018-02-01")


def test_a_month_as_json(tmp_path: pathlib.Path) -> None:
    result = run(tmp_path, FLAT, reads(tmp_path, ["1.5"] * 744), *MONTH)
    assert result.exit_code == 0, result.output
    bill = json.loads(result.stdout)
    assert set(bill) == {"currency", "total", "kwh", "lines", "left_out"} and bill["left_out"] == []
    assert result.stderr == ""
    assert (bill["currency"], bill["total"], bill["kwh"]) == ("USD", "116.60", "1116")
    assert bill["lines"][1] == {
        "component": "energy", "description": "Energy", "quantity": "1116", "unit": "kWh", "unit_price": "0.1",
        "amount": "111.60",
    }  # fmt: skip


def test_what_is_ours_in_a_document_is_left_out_and_said_to_be(tmp_path: pathlib.Path) -> None:
    taxed = {"code": "T", "description": "Tax", "percent": "10"}
    result = run(tmp_path, {**FLAT, "wattline": {"taxes": [taxed], "riders": []}}, reads(tmp_path, ["1"] * 744), *MONTH)
    bill = json.loads(result.stdout)
    assert (bill["total"], bill["left_out"]) == ("79.40", ["riders", "taxes"])  # 744 x 0.10 and 5.00
    assert "not priced here" in result.stderr and "riders, taxes" in result.stderr


def test_a_year_of_sams_residential_load_is_billed_by_calendar_month(tmp_path: pathlib.Path) -> None:
    case = next(
        c for c in json.loads((DATA / "ssc_vectors.json").read_text())["cases"] if c["name"].endswith("w_tiers")
    )
    energy: dict[int, list] = {}
    for period, _, top, _, price, _ in sorted(case["inputs"]["ur_ec_tou_mat"]):
        step = {"rate": price, "unit": "kWh daily"} | ({"max": top} if top < 1e30 else {})
        energy.setdefault(int(period), []).append(step)
    shift = lambda rows: [[int(p) - 1 for p in row] for row in rows]  # noqa: E731
    tariff = {
        "name": "SAM", "energyratestructure": [energy[p] for p in sorted(energy)],
        "energyweekdayschedule": shift(case["inputs"]["ur_ec_sched_weekday"]),
        "energyweekendschedule": shift(case["inputs"]["ur_ec_sched_weekend"]),
    }  # fmt: skip
    load = np.load(DATA / "pvsamv1_residential_load.npz")["mwh"]
    usage = reads(tmp_path, [f"{value / 1e6:.6f}" for value in load])
    result = run(tmp_path, tariff, usage, "--from", "2018-01-01", "--to", "2019-01-01")
    bill = json.loads(result.stdout)
    assert abs(Decimal(bill["total"]) - Decimal("1839.69")) < Decimal("0.10")
    assert Decimal(bill["total"]) == sum(Decimal(line["amount"]) for line in bill["lines"])
    assert abs(Decimal(bill["kwh"]) - sum(Decimal(x["quantity"]) for x in bill["lines"])) < Decimal("0.00001")


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (["start,kWh,cost"], "header"),
        (["start,kwh", "2018-01-01T00:00:00,1", "2018-01-01T01:00:00,1"], "line 2"),
        (["start,kwh", "2018-01-01T00:00:00Z,1", "2018-01-01T01:00:00Z,-1"], "line 3"),
        (["start,kwh", "2018-01-01T00:00:00Z,1", "2018-01-01T01:00:00Z,nan"], "line 3"),
        (["start,kwh", "2018-01-01T00:00:00Z,1", "2018-01-01T01:00:00Z,"], "line 3"),
        (
            ["start,kwh", "2018-01-01T00:00:00Z,1", "2018-01-01T01:00:00Z,1", "2018-01-01T03:00:00Z,1"],
            "gap (at line 4)",
        ),
        (
            ["start,kwh", "2018-01-01T00:00:00Z,1", "2018-01-01T01:00:00Z,1", "2018-01-01T01:30:00Z,1"],
            "line 4",
        ),
        (["start,kwh", "2018-01-01T00:00:00Z,1", "2018-01-01T00:00:00Z,1"], "no later"),
        (["start,kwh", "2018-01-01T00:00:00Z,1", "2018-01-01T00:07:00Z,1"], "not supported"),
        (["start,kwh", "2018-01-01T00:00:00Z,1,2"], "line 2"),
        (["start,kwh", "yesterday,1"], "ISO 8601"),
        (["start,kwh", "2018-01-01T00:00:00Z,1"], "at least two"),
        (["start,kwh", "2018-01-01T00:00:00Z,1", "2018-01-01T01:00:00Z,1"], "do not cover"),
        ([""], "header"),
    ],
)
def test_reads_that_cannot_be_trusted_are_refused(tmp_path: pathlib.Path, rows: list[str], words: str) -> None:
    usage = tmp_path / "reads.csv"
    usage.write_text("\n".join(rows))
    result = run(tmp_path, FLAT, usage, *MONTH)
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr


def test_a_local_day_of_25_hours_written_with_offsets(tmp_path: pathlib.Path) -> None:
    from zoneinfo import ZoneInfo

    zone = ZoneInfo("America/New_York")
    start = datetime(2026, 11, 1, 4, tzinfo=UTC)
    usage = tmp_path / "reads.csv"
    rows = [f"{(start + timedelta(hours=n)).astimezone(zone).isoformat()},1" for n in range(25)]
    usage.write_text("\n".join(["start,kwh", *rows]))
    result = run(tmp_path, FLAT, usage, "--from", "2026-11-01", "--to", "2026-11-02", "--timezone", "America/New_York")
    assert json.loads(result.stdout)["kwh"] == "25"


def test_what_cannot_be_priced_says_so(tmp_path: pathlib.Path) -> None:
    usage = reads(tmp_path, ["1"] * 744)
    result = run(tmp_path, {"energyratestructure": [[{"rate": 0.1, "unit": "hp"}]]}, usage, *MONTH)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "energyratestructure[0][0].unit" in result.stderr
    for more in (
        ("--timezone", "Mars/Base"),
        ("--to", "2017-01-01"),
        ("--usage", str(tmp_path / "none.csv")),
    ):
        assert run(tmp_path, FLAT, usage, *MONTH, *more).exit_code == 2


def test_export_is_credited_or_refused(tmp_path: pathlib.Path) -> None:
    start = datetime(2018, 1, 1, tzinfo=UTC)
    usage = tmp_path / "reads.csv"
    rows = [f"{(start + timedelta(hours=n)).isoformat()},1,0.5" for n in range(744)]
    usage.write_text("\n".join(["start,kwh,export_kwh", *rows]))
    assert run(tmp_path, FLAT, usage, *MONTH).exit_code == 2
    sells = {"energyratestructure": [[{"rate": 0.1, "sell": 0.03}]], "dgrules": "Net Billing Instantaneous"}
    bill = json.loads(run(tmp_path, sells, usage, *MONTH).stdout)
    assert [(line["component"], line["amount"]) for line in bill["lines"]] == [
        ("energy", "74.40"),
        ("credit", "-11.16"),
    ]


def test_what_a_tariff_leaves_open_can_be_said(tmp_path: pathlib.Path) -> None:
    usage = reads(tmp_path, ["2"] * 744)
    by_day = {**FLAT, "fixedmonthlycharge": 0, "fixedchargefirstmeter": 0.5, "fixedchargeunits": "$/day"}
    fixed = lambda *more: json.loads(run(tmp_path, by_day, usage, *MONTH, *more).stdout)["lines"][0]["amount"]  # noqa: E731
    assert (fixed(), fixed("--as-sam")) == ("15.50", "15.21")
    kva = {**FLAT, "flatdemandstructure": [[{"rate": 9}]], "flatdemandunit": "kVA"}
    assert "power factor" in run(tmp_path, kva, usage, *MONTH).stderr
    assert run(tmp_path, kva, usage, *MONTH, "--power-factor", "2").exit_code == 2
    bill = json.loads(run(tmp_path, kva, usage, *MONTH, "--power-factor", "0.9").stdout)
    assert [line["amount"] for line in bill["lines"] if line["component"] == "demand"] == ["20.00"]
    ratchet = {**FLAT, "flatdemandstructure": [[{"rate": 10}]], "lookbackpercent": 0.5, "lookbackrange": 3}
    assert "demand of earlier months" in run(tmp_path, ratchet, usage, *MONTH).stderr
    bill = json.loads(run(tmp_path, ratchet, usage, *MONTH, "--demand-before", "7").stdout)
    assert [line["amount"] for line in bill["lines"] if line["component"] == "demand"] == ["35.00"]


def test_export_without_a_rule_takes_the_one_that_is_said(tmp_path: pathlib.Path) -> None:
    start = datetime(2018, 1, 1, tzinfo=UTC)
    usage = tmp_path / "reads.csv"
    rows = [f"{(start + timedelta(hours=n)).isoformat()},1,{2 if n % 2 else 0}" for n in range(744)]
    usage.write_text("\n".join(["start,kwh,export_kwh", *rows]))
    assert "export" in run(tmp_path, FLAT, usage, *MONTH).stderr
    for more in (("--export", "net_metering"), ("--as-sam",)):
        bill = json.loads(run(tmp_path, FLAT, usage, *MONTH, *more).stdout)
        assert bill["total"] == "5.00" and bill["kwh"] == "744"


def test_a_tariff_of_the_ratebook_data_set_is_read(tmp_path: pathlib.Path) -> None:
    tariff = json.loads((DATA / "ratebook" / "peco-rate-r-residential.json").read_text())
    bill = json.loads(run(tmp_path, tariff, reads(tmp_path, ["1"] * 744), *MONTH).stdout)
    assert [line["component"] for line in bill["lines"]] == ["fixed", "energy"]
