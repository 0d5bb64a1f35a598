"""How well and how fast unusual use is found: faults put into other people's reads, and the same reads left alone.

Ten series of six sources. The rules were first chosen on four of them (`tuned`), the last limits on all. Faults begin
at a random place, with a random size in the range stated, plain or mild, and last differently long. `--write` keeps the
numbers.
"""

import argparse
import csv
import gzip
import io
import pathlib
import platform
import re
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from metering.alerts import KINDS, detect, table
from metering.alerts.detector import Found

DATA = pathlib.Path(__file__).parent / "data/alerts"
BENCHMARKS = pathlib.Path(__file__).parents[2] / "docs/benchmarks.md"
FROM, TO = "<!-- bench-alerts -->", "<!-- /bench-alerts -->"
TUNED = ("il-both", "uk-0", "chicago-apartments", "miami-office")
# (series, file of reads, file of temperatures and whether it is in Fahrenheit)
_HOMES = (
    ("il-both", "il-electricity-cdd-hdd-hourly", ("il-tempF", True)),
    ("il-cooling", "il-electricity-cdd-only-hourly", ("il-tempF", True)),
    ("uk-0", "uk-electricity-hdd-only-hourly-sample-0", ("uk-tempC-sample-0", False)),
    ("uk-1", "uk-electricity-hdd-only-hourly-sample-1", None),
    ("uk-2", "uk-electricity-hdd-only-hourly-sample-2", None),
)
_BUILDINGS = (  # (series, profile, kWh a year)
    ("baltimore-restaurant", "Baltimore_FastFoodRest", 192_831),
    ("chicago-apartments", "Chicago_MidriseApartment", 265_528),
    ("miami-office", "Miami_SmallOffice", 108_279),
    ("san-francisco-apartments", "SanFrancisco_MidriseApartment", 229_671),
)
# the size of a fault, plain and mild: times, or for DRIFT_UP a share a day, or for LEAK a share of the mean hour
SIZES = {
    "SPIKE": ((3.0, 5.0), (3.0, 5.0)),  # plain: of the usual highest hour of a day; mild: of that hour, or the mean one
    "HIGH_DAY": ((2.0, 3.0), (1.6, 2.0)),
    "STEP_UP": ((1.5, 2.0), (1.3, 1.5)),
    "NIGHT_BASE": ((1.7, 2.5), (1.4, 1.7)),
    "DRIFT_UP": ((0.015, 0.025), (0.01, 0.015)),
    "LEAK": ((0.5, 1.0), (0.3, 0.5)),
}
LASTS = {  # hours; days where a fault is of whole days
    "SPIKE": (1, 3), "HIGH_DAY": (1, 2), "STEP_UP": (10, 40), "NIGHT_BASE": (7, 30), "DRIFT_UP": (30, 60),
    "FLAT": (24, 120), "ZERO": (12, 72), "LEAK": (7, 30), "DEAD_METER": (120, 480),
}  # fmt: skip
WHOLE_DAYS = ("HIGH_DAY", "STEP_UP", "NIGHT_BASE", "DRIFT_UP", "LEAK")
_REAL_GAP = 72  # hours
_THERE = 0.75  # of the days of a fault, and of the four weeks before it, must have reads
_LEARNING, _TAIL = 75, 62  # days before the first fault may begin, and after its beginning


@dataclass(frozen=True)
class Base:
    name: str
    hours: np.ndarray
    degrees: np.ndarray | None

    @property
    def years(self) -> float:
        return float((~np.isnan(self.hours)).any(axis=1).sum() / 365)


@dataclass(frozen=True)
class Fault:
    kind: str
    start: int
    end: int


def bases() -> list[Base]:
    """This will read the ten series and lay each out in days, as the command does."""
    out = []
    for name, file, warmth in _HOMES:
        reads = list(_rows(file))
        degrees = {} if warmth is None else {at: (v - 32) / 1.8 if warmth[1] else v for at, v in _rows(warmth[0])}
        out.append(_base(name, reads, degrees))
    for name, file, kwh in _BUILDINGS:
        share = np.loadtxt(io.StringIO(gzip.decompress((DATA / f"crb8760_norm_{file}.dat.gz").read_bytes()).decode()))
        start = datetime(2017, 1, 1, tzinfo=UTC)
        out.append(_base(name, [(start + timedelta(hours=n), float(v) * kwh) for n, v in enumerate(share)], {}))
    text = gzip.decompress((DATA / "desert-single-family-2011.xml.gz").read_bytes()).decode()
    reads = re.findall(r"<IntervalReading>.*?<start>(\d+)<.*?<value>(\d+)<", re.sub(r"espi:", "", text), re.S)
    out.append(_base("desert-home", [(datetime.fromtimestamp(int(s), UTC), int(v) / 1000) for s, v in reads], {}))
    return out


def _rows(file: str) -> Iterator[tuple[datetime, float]]:
    with gzip.open(DATA / f"{file}.csv.gz", "rt") as lines:
        rows = csv.reader(lines)
        next(rows)
        for row in rows:
            if row[-1]:
                at = datetime.fromisoformat(row[-2])
                yield (at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)), float(row[-1])


def _base(name: str, reads: Sequence[tuple[datetime, float]], degrees: dict[datetime, float]) -> Base:
    head = "timestamp_utc,kwh,temp_c" if degrees else "timestamp_utc,kwh"
    lines = [f"{at.isoformat()},{v}" + (f",{degrees.get(at, '')}" if degrees else "") for at, v in reads]
    read = table.parse("\n".join([head, *lines]))
    assert read is not None
    laid = table.lay(read, None)
    whole = laid.until // 24
    kwh, warmth = laid.kwh[:whole], None if laid.degrees is None else laid.degrees[:whole]
    known = np.nonzero((kwh > 0).any(axis=1))[0]  # one home is empty before, one after, and told so as zeros
    first, last = known[0], known[-1] + 1
    return Base(name, kwh[first:last], None if warmth is None else warmth[first:last])


def inject(base: Base, kind: str, mild: bool, random: np.random.Generator) -> tuple[np.ndarray, Fault]:
    """This will put one fault into a copy of a series."""
    hours = base.hours.copy()
    flat = hours.reshape(-1)
    size = random.uniform(*SIZES[kind][mild]) if kind in SIZES else 0.0
    last = int(random.integers(LASTS[kind][0], LASTS[kind][1] + 1))
    day = _place(base, last if kind in WHOLE_DAYS else -(-last // 24) + 1, random)
    before = hours[day - 28 : day]
    if kind in ("SPIKE", "FLAT", "ZERO", "DEAD_METER"):
        start = day * 24 + int(random.integers(24))
        end = start + last
        if kind == "SPIKE":
            peak = np.nanmedian(np.nanmax(before, axis=1)) if not np.isnan(before).all() else np.nanmax(hours)
            usual = np.nanmedian(before, axis=0)[np.arange(start, end) % 24]
            flat[start:end] = size * (np.maximum(usual, np.nanmean(before)) if mild else peak)
        elif kind == "FLAT":
            flat[start:end] = flat[start] if flat[start] > 0 else np.nanmean(before)
        else:
            flat[start:end] = np.nan if kind == "DEAD_METER" and random.random() < 0.5 else 0.0
        return hours, Fault(kind, start, end)
    span = slice(day, day + last)
    if kind == "DRIFT_UP":
        hours[span] *= 1 + size * np.arange(1, last + 1)[:, None]
    elif kind == "LEAK":
        hours[span] += size * np.nanmean(before)
    elif kind == "NIGHT_BASE":
        profile = np.nanmedian(before, axis=0)
        first = int(np.argmin([profile[hour : hour + 5].sum() for hour in range(20)]))
        hours[span, first : first + 5] *= size
    else:
        hours[span] *= size
    return hours, Fault(kind, day * 24, (day + last) * 24)


def _place(base: Base, days: int, random: np.random.Generator) -> int:
    """This will choose the day a fault begins: only where there are reads that it can change."""
    there = ~np.isnan(base.hours).all(axis=1)
    while True:
        day = int(random.integers(_LEARNING, len(there) - _TAIL))
        if there[day] and there[day : day + days].mean() >= _THERE and there[day - 28 : day].mean() >= _THERE:
            return day


def judge(base: Base, each: int, mild: bool, seed: int) -> tuple[list[Found], list[tuple[Fault, list[Found]]]]:
    """This will give what is told of a series left alone, and of each fault what is told beyond that."""
    random = np.random.default_rng(seed)
    made = [inject(base, kind, mild, random) for kind in KINDS for _ in range(each)]
    stack = np.stack([base.hours, *(hours for hours, _ in made)])
    told: dict[int, list[Found]] = defaultdict(list)
    for found in detect(stack, degrees=base.degrees):
        told[found.series].append(found)
    alone = {(one.kind, one.start) for one in told[0]}
    return told[0], [
        (fault, [one for one in told[n] if (one.kind, one.start) not in alone])
        for n, (_, fault) in enumerate(made, start=1)
    ]


@dataclass
class Score:
    """Faults put in, found at all, found by their own name; alerts of the own name, and how many were right."""

    put: int = 0
    found: int = 0
    named: int = 0
    said: int = 0
    right: int = 0


def score(cases: Sequence[tuple[Fault, list[Found]]]) -> dict[str, Score]:
    """This will count. An alert belongs to a fault when it lies in it, or within a day after its end."""
    out: dict[str, Score] = defaultdict(Score)
    for fault, told in cases:
        near = [one for one in told if one.start < fault.end + 24 and one.end > fault.start]
        mine = out[fault.kind]
        mine.put += 1
        mine.found += bool(near)
        mine.named += any(one.kind == fault.kind for one in near)
        for one in told:
            out[one.kind].said += 1
            out[one.kind].right += one in near
    return out


def speed(count: int, days: int) -> float:
    """This will give meters judged per CPU second, each by all its `days` of hourly reads."""
    random = np.random.default_rng(3)
    shape = 0.4 + 0.3 * np.sin(np.arange(24) / 24 * 2 * np.pi) ** 2
    hours = shape * random.lognormal(0, 0.5, (count, days, 24))
    before = time.process_time()
    detect(hours, peers=True)
    return count / (time.process_time() - before)


def _days(alone: Sequence[Found]) -> int:
    """This will count the days on which something was newly told."""
    return len({(one.end - 1) // 24 for one in alone})


def _real_gap(base: Base, one: Found) -> bool:
    """This will tell whether a dead meter's whole alert lies where the series really has no use: it is true."""
    missing = np.nan_to_num(base.hours.reshape(-1)[one.start : one.end]) == 0
    return one.kind == "DEAD_METER" and len(missing) >= _REAL_GAP and bool(missing.all())


def report(each: int, seed: int) -> list[str]:
    """This will run it all and give the lines of the report."""
    groups: dict[tuple[bool, bool], list[tuple[Fault, list[Found]]]] = defaultdict(list)
    rows, alarm_days, gap_days, years = [], Counter[bool](), Counter[bool](), Counter[bool]()
    for base in bases():
        held = base.name not in TUNED
        rates = []
        for mild in (False, True):
            alone, cases = judge(base, each, mild, seed)
            groups[held, mild] += cases
            counted = score(cases)
            rates.append(sum(one.found for one in counted.values()) / sum(one.put for one in counted.values()))
        days = _days(alone)
        alarm_days[held] += days
        gap_days[held] += days - _days([one for one in alone if not _real_gap(base, one)])
        years[held] += base.years
        what = ", ".join(f"{n} {kind}" for kind, n in Counter(one.kind for one in alone).most_common()) or "–"
        rows.append(
            f"| {base.name} | {'held out' if held else 'tuned'} | {base.years:.1f} | {days / base.years:.2f} | {what} "
            f"| {rates[0]:.2f} | {rates[1]:.2f} |"
        )
    lines = [
        "| series | | years | alarm days a year | told when left alone | recall, plain | recall, mild |",
        "|---|---|---:|---:|---|---:|---:|",
        *rows,
        "",
        "Held-out series only:",
        "",
        "| fault | put in | recall | under its own name | precision | recall, mild |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    plain, mild = score(groups[True, False]), score(groups[True, True])
    for kind in KINDS:
        one, weak = plain[kind], mild[kind]
        lines.append(
            f"| {kind} | {one.put} | {one.found / one.put:.2f} | {one.named / one.put:.2f} "
            f"| {one.right / max(one.said, 1):.2f} | {weak.found / weak.put:.2f} |"
        )
    for held in (True, False):
        counted, weak = score(groups[held, False]), score(groups[held, True])
        put = sum(one.put for one in counted.values())
        said = max(1, sum(one.said for one in counted.values()))
        lines += [
            "",
            f"{'Held out' if held else 'Tuned'}: recall {sum(o.found for o in counted.values()) / put:.3f} "
            f"(under its own name {sum(o.named for o in counted.values()) / put:.3f}, mild faults "
            f"{sum(o.found for o in weak.values()) / sum(o.put for o in weak.values()):.3f}), "
            f"precision {sum(o.right for o in counted.values()) / said:.3f}, "
            f"{(alarm_days[held] - gap_days[held]) / years[held]:.2f} false-alarm days a customer-year "
            f"({alarm_days[held] / years[held]:.2f} with the gaps of three days and more that the series really have).",
        ]
    return lines


def _machine() -> str:
    info = pathlib.Path("/proc/cpuinfo")
    named = re.search(r"model name\s*:\s*(.*)", info.read_text()) if info.exists() else None
    return f"{named.group(1).strip() if named else platform.machine()}, Python {platform.python_version()}"


def main(arguments: Sequence[str] | None = None) -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--each", type=int, default=24, help="faults of each kind in each series")
    asked.add_argument("--seed", type=int, default=20)
    asked.add_argument("--write", action="store_true", help=f"keep the numbers in {BENCHMARKS.name}")
    options = asked.parse_args(arguments)
    lines = report(options.each, options.seed)
    rate = statistics.median(speed(200, 400) for _ in range(3))
    lines = [
        f"Measured on {datetime.now(UTC):%Y-%m-%d}; {_machine()}. {options.each} faults of each kind and strength in "
        f"each series, seed {options.seed}.",
        "",
        *lines,
        "",
        f"Judging a meter by 400 days of hourly reads takes {1000 / rate:.1f} ms of CPU: "
        f"{rate * 2 * 86_400:,.0f} meters a day on two cores.",
    ]
    print("\n".join(lines))
    if options.write:
        text = BENCHMARKS.read_text()
        before, _, rest = text.partition(FROM)
        _, _, after = rest.partition(TO)
        BENCHMARKS.write_text(f"{before}{FROM}\n\n" + "\n".join(lines) + f"\n\n{TO}{after}")


if __name__ == "__main__":
    main()
