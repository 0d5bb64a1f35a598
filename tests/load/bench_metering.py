"""`python -m tests.load.bench_metering`: reads from JSON lines to settled days, and one customer's last day out of many.

It makes a PostgreSQL of its own in a temporary folder, stores the months of a utility's hourly reads by the month, loads a
day of every meter as the head-end pushes it through the product's own loader, and COPYs the very day rows that came out
of it into an identical partitioned table: same partitions, primary key, foreign key and checks, same connection settings.
Then it looks up one customer's last 24 hours with the product's own query. With --write the numbers go into
docs/benchmarks.md. It ends with 1 when the counts do not add up.
"""

# ruff: noqa: E501 - SQL and figures

import argparse
import hashlib
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import numpy as np
import psycopg
from sqlalchemy import orm
from sqlalchemy.orm import Session

from channels.meters import parse
from core import db, heap, periods
from metering import blocks, copying, operations, partitions, queries
from tests.load.bench_bill import Meter, Server, make_hub_of

ROOT = pathlib.Path(__file__).parents[2]
TODAY = date(2026, 11, 25)
NOW = datetime(2026, 11, 26, 3, 0, tzinfo=UTC)
BEGIN, END = "<!-- bench-metering -->", "<!-- /bench-metering -->"
ROUNDS = 9  # days, each loaded beside its own COPY: the machine is not the same from one second to the next
INGEST, BARE = "ingest: hashed to settled", "bare COPY of the day rows"
SAMPLE = 10  # one meter in so many is copied as one row a read; its figures are scaled up
COLUMNS = "meter_id, day, version, wh, quality, recorded_at"


def make_meters(url: str, n: int, minutes: int) -> None:
    """This will make a customer's place and meter for each number."""
    series = f"generate_series(1, {n}) AS g"
    with psycopg.connect(url, autocommit=True) as c:
        for statement in (
            f"INSERT INTO premise (id, address, address_key, city, postcode, county, timezone) SELECT g, g || ' Elm St', g || ' elm st', 'Brightwater', '19000', 'Delaware', 'America/New_York' FROM {series}",
            f"INSERT INTO service_point (id, premise_id, connected) SELECT g, g, true FROM {series}",
            f"INSERT INTO meter (id, number, service_point_id, interval_minutes, installed_on, digits, multiplier, direction) SELECT g, 'BWM' || 1000000 + g, g, {minutes}, '2024-01-01', 6, 1, 'DELIVERED' FROM {series}",
        ):
            c.execute(statement)


def fill(url: str, n: int, months: int, minutes: int) -> int:
    """This will store whole months up to yesterday, meter by meter as a closed month lies; gives the day rows.

    A partition's key and foreign key are put on after it is full, which is how a book is taken over; what they are then is
    the same.
    """
    hub = make_hub_of(db.connect(url))
    first = periods.add_months(TODAY.replace(day=1), 1 - months)
    with hub.transaction() as session:
        partitions.make_months(session, days=periods.Days(first, TODAY + timedelta(days=40)))
    plain, random, rows, per_day = url.replace("+psycopg", ""), np.random.default_rng(7), 0, 1440 // minutes
    shape = (400 + 600 * random.random((4096, per_day)) * minutes / 60).astype(np.int64)
    with psycopg.connect(plain, autocommit=True) as c:
        day = first
        while day < TODAY:
            last = min(periods.add_months(day, 1), TODAY)
            numbers = db.day_number(day) + np.arange((last - day).days)
            name, parent = f"read_day_{day:%Y_%m}", "read_day"
            c.execute(f"ALTER TABLE {parent} DETACH PARTITION {name}")
            kept = c.execute(
                f"SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = '{name}'::regclass AND contype IN ('p', 'f') ORDER BY contype DESC"
            ).fetchall()
            for constraint, _ in kept:
                c.execute(f'ALTER TABLE {name} DROP CONSTRAINT "{constraint}"')
            with c.cursor() as cursor, cursor.copy(f"COPY {name} ({COLUMNS}) FROM STDIN (FORMAT BINARY)") as copy:
                copy.write(b"PGCOPY\n\xff\r\n\0" + bytes(8))
                for at in range(1, n + 1, 1000):
                    ids = np.arange(at, min(at + 1000, n + 1))
                    count = len(ids) * len(numbers)
                    wh = shape[random.integers(0, 4096, count)]
                    codes = np.full((count, per_day), 3, dtype=np.uint8)
                    copy.write(
                        copying.day_rows(np.repeat(ids, len(numbers)), np.tile(numbers, len(ids)), wh, codes, NOW)
                    )
                    rows += count
                copy.write(b"\xff\xff")
            for constraint, definition in kept:
                c.execute(f'ALTER TABLE {name} ADD CONSTRAINT "{constraint}" {definition}')
            c.execute(
                f"ALTER TABLE {parent} ATTACH PARTITION {name} FOR VALUES FROM ('{day}') TO ('{periods.add_months(day, 1)}')"
            )
            print(f"  {name}: {rows:,} day rows", flush=True)
            day = periods.add_months(day, 1)
        c.execute("UPDATE meter SET last_read_at = %s", [blocks.day_start(TODAY)])
        c.execute("VACUUM ANALYZE")
        c.execute("CHECKPOINT")
    return rows


def write_push(path: pathlib.Path, n: int, minutes: int, day: date) -> int:
    """This will write a day of every meter as the head-end pushes it, in an order of its own; gives how many reads."""
    random, per_day = np.random.default_rng(11), 1440 // minutes
    encoder = msgspec.json.Encoder()
    with path.open("wb") as out:
        for g in (random.permutation(n) + 1).tolist():
            line = {"meter": f"BWM{1_000_000 + g}", "starts_at": f"{day}T00:00:00Z", "interval_minutes": minutes,
                    "wh": random.integers(0, 2500, per_day).tolist(), "quality": "ACTUAL"}  # fmt: skip
            out.write(encoder.encode(line) + b"\n")
    return n * per_day


def ingest(hub: Any, path: pathlib.Path, day: date) -> Any:
    """This will hash, parse and load a file of JSON lines, as the push endpoint and a file do."""
    with path.open("rb") as body:
        digest = hashlib.file_digest(body, "sha256").hexdigest()
        body.seek(0)
        return operations.load(hub, parse.lines(body), source="HEAD_END", sha256=digest, now=NOW + (day - TODAY))


def bare_copy(url: str, folder: pathlib.Path, meter: Meter, day: date, phase: str) -> None:
    """The very day rows that came out, into an identical partitioned table."""
    with psycopg.connect(url, autocommit=True) as c:
        c.execute(f"COPY (SELECT {COLUMNS} FROM read_day WHERE day = '{day}') TO '{folder}/days.bin' (FORMAT BINARY)")
        c.execute(
            "CREATE SCHEMA bare; CREATE TABLE bare.read_day (LIKE public.read_day INCLUDING ALL) PARTITION BY RANGE (day)"
        )
        c.execute("ALTER TABLE bare.read_day ADD FOREIGN KEY (meter_id) REFERENCES meter (id)")
        for month in (day.replace(day=1), periods.add_months(day.replace(day=1), 1)):
            c.execute(
                f"CREATE TABLE bare.read_day_{month:%Y_%m} PARTITION OF bare.read_day FOR VALUES FROM ('{month}') TO ('{periods.add_months(month, 1)}') WITH (fillfactor = 90)"
            )
        c.execute("CREATE TABLE bare.read_day_default PARTITION OF bare.read_day DEFAULT")
        c.execute("CHECKPOINT")
        with meter.phase(phase):
            c.execute(f"COPY bare.read_day ({COLUMNS}) FROM '{folder}/days.bin' (FORMAT BINARY)")
        c.execute("DROP SCHEMA bare CASCADE")


def bare_narrow(url: str, folder: pathlib.Path, meter: Meter) -> None:
    """A day's reads as one row each, as a table of reads mostly is, for comparison."""
    with psycopg.connect(url, autocommit=True) as c:
        c.execute(
            f"COPY (SELECT meter_id, day + n * interval '5 min' AS at, get_byte(wh, (n * 4)::int) + 256 * get_byte(wh, (n * 4 + 1)::int) AS wh, 3::smallint AS quality FROM read_day, generate_series(0, octet_length(wh) / 4 - 1) AS n WHERE day = '{TODAY}' AND meter_id % {SAMPLE} = 0) TO '{folder}/narrow.bin' (FORMAT BINARY)"
        )
        c.execute(
            "CREATE SCHEMA bare; CREATE TABLE bare.narrow (meter_id bigint NOT NULL REFERENCES meter (id), at timestamptz, wh integer NOT NULL, quality smallint NOT NULL, PRIMARY KEY (meter_id, at))"
        )
        c.execute("CHECKPOINT")
        with meter.phase("bare COPY, one row a read"):
            c.execute(f"COPY bare.narrow FROM '{folder}/narrow.bin' (FORMAT BINARY)")
        c.execute("DROP SCHEMA bare CASCADE")


def look_up(url: str, n: int, count: int, seed: int) -> np.ndarray:
    """Milliseconds of the product's own query for the last 24 hours of random customers."""
    engine = db.connect(url)
    took = []
    with Session(engine) as session:
        for point in (np.random.default_rng(seed).integers(1, n + 1, count)).tolist():
            begun = time.perf_counter()
            series = queries.usage_series(
                session, service_point_id=point, starts_at=NOW - timedelta(hours=27), ends_at=NOW - timedelta(hours=3)
            )
            took.append((time.perf_counter() - begun) * 1000)
            assert (series.wh >= 0).all(), f"service point {point} has gaps"
    engine.dispose()
    return np.array(took)


def drop_caches(server: Server, url: str) -> str:
    """Cold: the server's own memory is gone with its restart; the system's too where one may (else its files are evicted)."""
    server.stop()
    files = [str(p) for p in (server.root).rglob("*") if p.is_file()]
    subprocess.run(["sync"], check=True)
    for name in files:
        with open(name, "rb") as f:
            os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    server.start()
    return url


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--meters", type=int, default=100_000)
    parser.add_argument("--months", type=int, default=13)
    parser.add_argument("--interval", type=int, default=60, choices=(5, 15, 30, 60))
    parser.add_argument("--lookups", type=int, default=2000)
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="wattline-bench-", dir="/tmp") as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        server = Server(folder / "pg").start()
        try:
            return measure(server, folder, asked)
        finally:
            server.stop()


def measure(server: Server, folder: pathlib.Path, asked: Any) -> int:
    """This will run all of it and print, or write, what it took."""
    assert server.process
    n, minutes, load_before = asked.meters, asked.interval, os.getloadavg()[0]
    meter = Meter(server.process.pid)
    url = server.create_database("bench")
    plain = url.replace("+psycopg", "")
    from ops_admin import migrate

    migrate.upgrade(url)
    make_meters(plain, n, minutes)
    with meter.phase("months stored (not measured)"):
        rows = fill(url, n, asked.months, minutes)
    push, out = folder / "push.jsonl", folder / "out"
    out.mkdir()
    out.chmod(0o777)
    reads = write_push(push, n, minutes, TODAY)
    hub = make_hub_of(db.connect(url))
    with meter.phase("parsing alone"), push.open("rb") as body:
        parsed = sum(len(each.wh) for each in parse.lines(body))
    orm.configure_mappers()  # a worker that loads has started long ago
    heap.keep()
    days, right = [TODAY + timedelta(days=ahead) for ahead in range(ROUNDS)], parsed == reads
    for day in days:
        write_push(push, n, minutes, day)
        with meter.phase(f"{INGEST} {day}"):
            counts = ingest(hub, push, day)
        right = right and counts.stored == counts.read == reads
        bare_copy(plain, out, meter, day, f"{BARE} {day}")
    with meter.phase("the same file again"):
        again = ingest(hub, push, day)
    bare_narrow(plain, out, meter)
    with psycopg.connect(plain) as c:
        size = c.execute(
            "SELECT pg_size_pretty(sum(pg_total_relation_size(inhrelid))::numeric) FROM pg_inherits WHERE inhparent = 'read_day'::regclass"
        ).fetchone()
        told = c.execute("SELECT count(*) FROM fact").fetchone()
        stood = c.execute("SELECT count(*), sum(octet_length(wh)) / 4 FROM read_day WHERE day = %s", [TODAY]).fetchone()
    assert size and told and stood
    right = right and reads == stood[1] and (again.stored, again.unchanged) == (0, reads)
    hub.sessions.kw["bind"].dispose()
    drop_caches(server, url)
    assert server.process
    meter.postmaster = server.process.pid
    with meter.phase("look-ups, cold"):
        cold = look_up(url, n, min(asked.lookups, n), 3)
    with meter.phase("look-ups, warm"):
        warm = look_up(url, n, min(asked.lookups, n), 3)
    text = "\n".join(lines(meter, reads, rows, size[0], told[0], cold, warm, asked, load_before))
    print(text)
    if asked.write:
        page = ROOT / "docs" / "benchmarks.md"
        before, rest = page.read_text().split(BEGIN)
        page.write_text(before + BEGIN + "\n\n" + text + "\n\n" + END + rest.split(END)[1])
    if not right:
        print(f"  WRONG: {counts} of {reads}, again {again}, stored {stood}")
    return 0 if right else 1


def lines(
    meter: Meter, reads: int, rows: int, size: str, told: int, cold: Any, warm: Any, asked: Any, load: float
) -> Iterator[str]:
    """The section of the page."""
    rounds = [
        (phase, meter.phases[name.replace(INGEST, BARE)]) for name, phase in meter.phases.items() if INGEST in name
    ]
    rounds.sort(key=lambda both: both[1][0] / both[0][0])
    ours, bare = rounds[len(rounds) // 2]
    narrow = tuple(part * SAMPLE for part in meter.phases["bare COPY, one row a read"])
    cpu = [p[1] + p[2] for p in (ours, bare, narrow)]
    yield f"Measured on {datetime.now(UTC):%Y-%m-%d}: {asked.meters:,} meters, {asked.interval}-minute reads, {rows:,} day rows of {asked.months} months before it ({size} with indexes); {os.cpu_count()} cores, load {load:.1f} before."
    yield ""
    yield "| one day of every meter | reads/s by wall | wall s | CPU s | client | server |"
    yield "|---|---:|---:|---:|---:|---:|"
    for name, phase in (
        ("parsed, checked, stored, settled", ours),
        ("of it: parsing", meter.phases["parsing alone"]),
        ("bare COPY of the same day rows", bare),
        ("bare COPY, one row a read", narrow),
        ("the same file again", meter.phases["the same file again"]),
    ):
        yield f"| {name} | {reads / phase[0]:,.0f} | {phase[0]:.1f} | {phase[1] + phase[2]:.1f} | {phase[1]:.1f} | {phase[2]:.1f} |"
    yield ""
    yield f"Of the speed of the bare COPY: {bare[0] / ours[0]:.2f} by wall, {cpu[1] / cpu[0]:.2f} by CPU (the middle of {len(rounds)} days, {rounds[0][1][0] / rounds[0][0][0]:.2f} to {rounds[-1][1][0] / rounds[-1][0][0]:.2f}; aimed at: 0.4); of one row a read {cpu[2] / cpu[0]:.1f} by CPU. {told} facts were recorded."
    yield ""
    yield "| one customer's last 24 hours | p50 ms | p95 ms | p99 ms | highest | CPU ms each, client and server |"
    yield "|---|---:|---:|---:|---:|---:|"
    for name, took, phase in (
        ("cold: the server restarted, its files out of memory", cold, meter.phases["look-ups, cold"]),
        ("warm: the same again", warm, meter.phases["look-ups, warm"]),
    ):
        spent = (phase[1] + phase[2]) * 1000 / len(took)
        yield f"| {name} | {np.percentile(took, 50):.2f} | {np.percentile(took, 95):.2f} | {np.percentile(took, 99):.2f} | {took.max():.1f} | {spent:.2f} |"


if __name__ == "__main__":
    sys.exit(main())
