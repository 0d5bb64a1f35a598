"""`python -m tests.load.bench_bill`: from reads in PostgreSQL to bills, lines and ledger entries in PostgreSQL.

It makes a PostgreSQL and a book of its own in a temporary folder, bills and issues the month as the product does it,
and prints what it took; beside it, in the same run, a bare COPY of the very rows that came out, and a loop over the ORM for
a sample of the accounts. A benchmark, not a test: it ends with 1 only when the books do not add up.
"""

# ruff: noqa: E501, SIM117 - SQL and figures

import argparse
import os
import pathlib
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import psycopg
from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session

from billing import bulk, forms, ledger, metered, models, rating, tariffs
from billing import operations as billing
from core import db, periods
from core.accounts import queries as accounts
from ops_admin.stack import embedded

ZONE, CITIES = "America/New_York", ("Brightwater", "Millbrook", "Alder Creek")
FIRST, LAST = date(2026, 10, 1), date(2026, 11, 1)
NOW = datetime(2026, 11, 3, 12, 0, tzinfo=UTC)
MIX = (("RES-FLAT", 45), ("RES-TIER", 20), ("RES-TOU", 18), ("RES-EV", 6), ("BUS-FLAT", 7), ("BUS-DEMAND", 4))
TABLES = ("bill", "ledger_journal")  # lines and entries are in them
RUN, ISSUE = "run: read, rate, check, write, issue", "issue what is left, end the run"
BARE, NAKED = "bare COPY, constraints and indexes", "bare COPY, no constraint or index"
ORM = "ORM loop over a sample"
DOC = pathlib.Path(__file__).parents[2] / "docs/benchmarks.md"
FITS = (  # what LIKE does not copy
    "CREATE TRIGGER bill_fits AFTER INSERT ON {}.bill REFERENCING NEW TABLE AS added"
    " FOR EACH STATEMENT EXECUTE FUNCTION public.billing_bills_fit()"
)
TICK = os.sysconf("SC_CLK_TCK")


class Server(embedded.EmbeddedPostgres):
    """As the house runs it, with the memory a database of this size is given."""

    def command(self) -> list[str]:
        more = {"shared_buffers": "4GB", "max_wal_size": "16GB", "checkpoint_timeout": "15min", "work_mem": "64MB",
                "maintenance_work_mem": "1GB", "max_parallel_workers_per_gather": "0", "jit": "off"}  # fmt: skip
        return super().command() + [part for key, value in more.items() for part in ("-c", f"{key}={value}")]


@dataclass
class Meter:
    """Wall and CPU seconds by phase, of this process and its children and of the server and its children."""

    postmaster: int
    phases: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    peak_client: int = 0
    peak_server: int = 0

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        wall, client, server = time.monotonic(), self._client(), self._server()
        yield
        self.phases[name] = (time.monotonic() - wall, self._client() - client, self._server() - server)
        spent = "wall {:.1f} s, CPU client {:.1f} + server {:.1f} s".format(*self.phases[name])
        print(f"  {name:<34} {spent}", flush=True)

    def sum(self, *names: str) -> tuple[float, float]:
        """This will give wall and CPU seconds of some phases together."""
        some = [self.phases[name] for name in names]
        return sum(s[0] for s in some), sum(s[1] + s[2] for s in some)

    def watch(self, stop: threading.Event) -> None:
        """This will look at the memory of both sides; not often, for it costs the kernel a look at every page."""
        while not stop.wait(5):
            self.peak_client = max(self.peak_client, sum(_memory(p) for p in _tree(os.getpid(), but=self.postmaster)))
            self.peak_server = max(self.peak_server, sum(_memory(p) for p in _tree(self.postmaster)))

    @staticmethod
    def _client() -> float:
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(u.ru_utime + u.ru_stime for u in used)

    def _server(self) -> float:
        total = sum(_ticks(pid, 4 if pid == self.postmaster else 2) for pid in _tree(self.postmaster))
        return total / TICK


def make_hub_of(engine: Engine) -> Any:
    """This will make a hub with fakes for doors."""
    from tests.conftest import make_hub  # not above: the crew's processes load this module, and need no hub

    return make_hub(db.sessions(engine))


def _ticks(pid: int, fields: int) -> int:
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return sum(int(x) for x in stat[11 : 11 + fields])


def _tree(root: int, but: int = 0) -> list[int]:
    children: dict[int, list[int]] = {}
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(stat[1]), []).append(int(folder.name))
    out, queue = [], [root]
    while queue:
        pid = queue.pop()
        if pid != but:
            out.append(pid)
            queue += children.get(pid, [])
    return out


def _memory(pid: int) -> int:
    try:
        lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def make_book(url: str, n: int, minutes: int) -> None:
    """This will fill the tables the run reads; constraints that cost most are taken off before and put back after."""
    engine = db.connect(url)
    with make_hub_of(engine).transaction() as session:
        billing.load_published(session, today=date(2026, 11, 23), now=NOW)
    engine.dispose()
    plain = url.replace("+psycopg", "")
    bounds = [sum(share for _, share in MIX[:i]) for i in range(len(MIX) + 1)]
    case = " ".join(
        f"WHEN g * 7919 % 100 < {bounds[i + 1]} THEN (SELECT id FROM tariff WHERE code = '{code}')"
        for i, (code, _) in enumerate(MIX)
    )
    business = f"g * 7919 % 100 >= {bounds[4]}"
    cities = "(ARRAY[" + ",".join(f"'{c}'" for c in CITIES) + "])[1 + g % 3]"
    series = f"generate_series(1, CAST({n} AS bigint)) AS g"
    with psycopg.connect(plain, autocommit=True) as c:
        kept = c.execute(
            "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'x'"
            " OR (conrelid = 'read_day'::regclass AND contype IN ('p', 'f')) ORDER BY contype DESC"
        ).fetchall()
        for table, name, _ in kept:
            c.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
        for statement in (
            "INSERT INTO customer (id, number, full_name, kind, locale, opened_on, medical_equipment)"
            f" SELECT g, 'C' || g, 'Customer ' || g, CASE WHEN {business} THEN 'BUSINESS' ELSE 'RESIDENTIAL' END, 'en',"
            f" '2024-01-01', false FROM {series}",
            "INSERT INTO account (id, number, customer_id, status, opened_on, paperless, jurisdiction, bill_cycle_day,"
            " mailing_address) SELECT g, lpad(g::text, 10, '0'), g, 'ACTIVE', '2024-01-01', true, 'US-PA', 1,"
            f" g || ' Elm St' FROM {series}",
            "INSERT INTO premise (id, address, address_key, city, postcode, county, timezone)"
            f" SELECT g, g || ' Elm St', g || ' elm st', {cities}, '19000', 'Delaware', '{ZONE}' FROM {series}",
            f"INSERT INTO service_point (id, premise_id, connected) SELECT g, g, true FROM {series}",
            "INSERT INTO service_agreement (id, account_id, service_point_id, starts_on)"
            f" SELECT g, g, g, '2024-01-01' FROM {series}",
            "INSERT INTO agreement_tariff (agreement_id, tariff_id, starts_on, term_starts_on, recorded_at)"
            f" SELECT g, CASE {case} END, '2024-01-01', '2024-01-01', now() FROM {series}",
            "INSERT INTO meter (id, number, service_point_id, interval_minutes, installed_on, digits, multiplier,"
            f" direction) SELECT g, 'M' || g, g, {minutes}, '2024-01-01', 6, 1, 'DELIVERED' FROM {series}",
        ):
            c.execute(statement)
        _copy_reads(plain, n, minutes)
        for table, name, definition in kept:
            c.execute(f'ALTER TABLE {table} ADD CONSTRAINT "{name}" {definition}')
        c.execute("VACUUM ANALYZE")
        c.execute("CHECKPOINT")


def _copy_reads(url: str, n: int, minutes: int) -> None:
    """Day by day, as reads arrive; every meter a month of its own shape and size."""
    per_day, random = 1440 // minutes, np.random.default_rng(7)
    days = [FIRST + timedelta(days=d) for d in range((LAST - FIRST).days + 1)]
    hour = np.arange(per_day) * minutes / 60
    usual = (300 + 500 * np.exp(-(((hour - 19) / 3) ** 2)) + 250 * np.exp(-(((hour - 8) / 2) ** 2))) * minutes / 60
    pool = (usual * random.lognormal(0, 0.5, (2000, len(days), per_day))).astype(np.int64)
    shape, size = random.integers(0, len(pool), n), (random.lognormal(0, 0.5, n) * 256).astype(np.int64)
    business = np.arange(1, n + 1) * 7919 % 100 >= 89
    size[business] *= 6
    row = np.dtype(
        [("f", ">i2"), ("l1", ">i4"), ("meter", ">i8"), ("l2", ">i4"), ("day", ">i4"), ("l3", ">i4"), ("version", ">i4"),
         ("l4", ">i4"), ("wh", "<i4", (per_day,)), ("l5", ">i4"), ("quality", "u1", (per_day,)), ("l6", ">i4"),
         ("at", ">i8")]
    )  # fmt: skip
    turn = threading.Semaphore(1)

    def one(number: int) -> None:
        out = np.zeros(50_000, dtype=row)
        out["f"], out["l1"], out["l2"], out["l3"], out["l4"], out["l5"], out["l6"] = 6, 8, 4, 4, per_day * 4, per_day, 8
        out["version"], out["quality"] = 1, 3
        out["day"] = (days[number] - date(2000, 1, 1)).days
        with psycopg.connect(url) as c, c.cursor() as cursor:
            with cursor.copy(
                "COPY read_day (meter_id, day, version, wh, quality, recorded_at) FROM STDIN (FORMAT binary)"
            ) as sent:
                sent.write(db.COPY_HEADER)
                for at in range(0, n, len(out)):
                    count = min(len(out), n - at)
                    with turn:
                        out["meter"][:count] = np.arange(at + 1, at + count + 1)
                        some = slice(at, at + count)
                        out["wh"][:count] = pool[shape[some], number] * size[some, None] >> 8
                        piece = out[:count].tobytes()
                    sent.write(piece)
                sent.write(db.COPY_TRAILER)

    with ThreadPoolExecutor(2) as both:
        list(both.map(one, range(len(days))))


def orm_loop(url: str, sample: list[int]) -> None:
    """One account after the other, as one would write it first: rows as objects, a commit each."""
    plain = url.replace("+psycopg", "")
    with psycopg.connect(plain, autocommit=True) as c:
        c.execute("CREATE SCHEMA orm")
        for table in TABLES:
            c.execute(f"CREATE TABLE orm.{table} (LIKE public.{table} INCLUDING ALL)")
        c.execute(FITS.format("orm"))
    engine = create_engine(url, connect_args={"options": "-c search_path=orm,public"})
    days = periods.Days(FIRST, LAST)
    for agreement_id in sample:
        with Session(engine) as session:
            agreement = accounts.get_agreement(session, agreement_id=agreement_id)
            terms = tariffs.list_terms(session, agreement_ids=[agreement_id], days=days)[agreement_id]
            used = metered.read(
                session, service_point_ids=[agreement.service_point_id], days=days, timezone=agreement.timezone
            ).usage
            segments = tariffs.segments(terms, days)
            assert segments is not None
            rated = rating.rate_segments(segments, used, exempt=_exempt(terms, agreement))
            lines = rated.lines(0)
            bill_id = int(bulk.take_ids(session, "bill", 1)[0])
            session.add(
                models.BillRow(
                    id=bill_id, number=f"2611-{bill_id:07d}", account_id=agreement.account_id,
                    agreement_id=agreement_id, starts_on=FIRST, ends_on=LAST, tariff_code=terms[-1].tariff_code,
                    status="ISSUED", issued_on=NOW.date(), due_on=NOW.date() + timedelta(days=20),
                    total_cents=int(rated.total_cents[0]), wh=int(rated.metered[0]), rated_at=NOW,
                    input_hash=str(agreement_id).encode(), form_id=forms.keep(session, [lines])[0],
                    quantities=[int(round(x.quantity, 6).scaleb(6)) for x in lines],
                    amounts=[x.amount_cents for x in lines],
                )
            )  # fmt: skip
            session.flush()
            total, tax = int(rated.total_cents[0]), int(rated.sum_cents("tax")[0])
            session.add(
                models.LedgerJournalRow(
                    key=f"bill:{bill_id}", kind="BILL", account_id=agreement.account_id, effective_on=NOW.date(),
                    posted_at=NOW, codes=[ledger.RECEIVABLE, ledger.REVENUE, ledger.TAX_PAYABLE],
                    cents=[total, tax - total, -tax],
                )
            )  # fmt: skip
            session.commit()
    engine.dispose()


def _exempt(terms: Any, agreement: accounts.Agreement) -> Any:
    from billing import runs

    return runs.exempt_of(terms, [agreement])


def bare_copy(url: str, folder: pathlib.Path, meter: Meter) -> None:
    """The very rows that came out, from files on the server's own disk: with every constraint and index, and with
    none. Two connections, as the run has two processes.
    """
    plain = url.replace("+psycopg", "")
    with psycopg.connect(plain, autocommit=True) as c:
        for table in TABLES:
            c.execute(f"COPY public.{table} TO '{folder}/{table}.bin' (FORMAT binary)")
        for schema, like in (("bare", "INCLUDING ALL"), ("naked", "")):
            c.execute(f"CREATE SCHEMA {schema}")
            for table in TABLES:
                c.execute(f"CREATE TABLE {schema}.{table} (LIKE public.{table} {like})")
        c.execute(FITS.format("bare"))
        for table, name, definition in c.execute(
            "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
            f" WHERE contype = 'f' AND connamespace = 'public'::regnamespace AND conrelid::regclass::text = ANY('{{{','.join(TABLES)}}}')"
        ).fetchall():
            for other in TABLES:
                definition = definition.replace(f"REFERENCES {other}(", f"REFERENCES bare.{other}(")
            c.execute(f'ALTER TABLE bare.{table} ADD CONSTRAINT "{name}" {definition}')
        c.execute("CHECKPOINT")

    def some(schema: str, tables: tuple[str, ...]) -> None:
        with psycopg.connect(plain, autocommit=True) as c:
            for table in tables:
                c.execute(f"COPY {schema}.{table} FROM '{folder}/{table}.bin' (FORMAT binary)")

    for name, schema in (
        (BARE, "bare"),
        (NAKED, "naked"),
    ):
        with meter.phase(name), ThreadPoolExecutor(2) as both:
            list(both.map(lambda tables, schema=schema: some(schema, tables), (TABLES[:1], TABLES[1:])))


def books(url: str, n: int) -> tuple[int, int, list[str]]:
    """This will count bills and lines, and say in words what does not add up."""
    wrong = []
    with psycopg.connect(url.replace("+psycopg", "")) as c:

        def one(query: str) -> int:
            row = c.execute(query).fetchone()
            assert row
            return int(row[0])

        bills, lines = one("SELECT count(*) FROM bill WHERE status = 'ISSUED'"), one("SELECT count(*) FROM bill_line")
        held = one("SELECT count(*) FROM bill WHERE status = 'HELD'")
        if bills + held != n:
            wrong.append(f"{bills} issued and {held} held of {n} agreements")
        if one("SELECT coalesce(sum(debit_cents - credit_cents), 0) FROM ledger_entry"):
            wrong.append("the ledger does not balance")
        owed = one("SELECT coalesce(sum(debit_cents), 0) FROM ledger_entry WHERE code = 'RECEIVABLE'")
        if owed != one("SELECT sum(total_cents) FROM bill WHERE status = 'ISSUED'"):
            wrong.append("the ledger and the bills differ")
        if owed != one("SELECT sum(l.amount_cents) FROM bill_line l JOIN bill b ON b.id = l.bill_id"
                       " WHERE b.status = 'ISSUED'"):  # fmt: skip
            wrong.append("the lines and the bills differ")
        print(f"  {bills:,} bills issued, {held:,} held, {lines:,} lines, ${owed / 100:,.2f}")
    return bills, lines, wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agreements", type=int, default=1_000_000)
    parser.add_argument("--interval", type=int, default=60, choices=(15, 30, 60))
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--chunk", type=int, default=10_000)
    parser.add_argument("--sample", type=int, default=300)
    parser.add_argument("--announce", action="store_true", help="also record the facts that drive notices")
    parser.add_argument("--drafts", action="store_true", help="stop before issuing, as where somebody looks at them")
    parser.add_argument("--write", action="store_true", help="keep hourly reads' numbers in docs/benchmarks.md")
    parser.add_argument("--book", help="a folder in which the book is kept, to be measured again")
    parser.add_argument("--only-make", action="store_true", help="make the book and stop")
    asked = parser.parse_args()
    if asked.book:
        folder = pathlib.Path(asked.book)
        folder.mkdir(exist_ok=True)
        return _at(folder, asked)
    with tempfile.TemporaryDirectory(prefix="wattline-bench-", dir="/tmp") as name:
        return _at(pathlib.Path(name), asked)


def _at(folder: pathlib.Path, asked: Any) -> int:
    folder.chmod(0o755)
    server = Server(folder / "pg").start()
    try:
        return _measure(server, asked, asked.agreements)
    finally:
        server.stop()


def _measure(server: embedded.EmbeddedPostgres, asked: Any, n: int) -> int:
    assert server.process
    meter = Meter(server.process.pid)
    name = f"book_{n}_{asked.interval}"
    with psycopg.connect(server.url().replace("+psycopg", "")) as c:
        made = c.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone()
    url = server.create_database(name)
    if made:
        _forget(url)
    else:
        from ops_admin import migrate

        migrate.upgrade(url)
        with meter.phase("making the book (not measured)"):
            make_book(url, n, asked.interval)
    if asked.only_make:
        return 0
    load, cores = os.getloadavg()[0], os.cpu_count()
    print(
        f"{n:,} agreements, {asked.interval}-minute reads, {asked.processes} processes, {cores} cores, load {load:.1f}"
    )
    hub = make_hub_of(db.connect(url))
    sample = np.random.default_rng(3).choice(n, min(asked.sample, n), replace=False) + 1
    with meter.phase(ORM):
        orm_loop(url, sample.tolist())
    stop = threading.Event()
    watcher = threading.Thread(target=meter.watch, args=(stop,), daemon=True)
    watcher.start()
    with meter.phase(RUN):
        report = billing.run_bills(
            hub, period_end_on=LAST, now=NOW, cycle_day=1, chunk_size=asked.chunk, processes=asked.processes,
            release=not asked.drafts, announce=asked.announce,
        )  # fmt: skip
    with meter.phase(ISSUE):
        billing.issue_bills(
            hub, run_id=report.run_id, now=NOW, announce=asked.announce,
            processes=asked.processes if asked.drafts else 1,
        )  # fmt: skip
    stop.set()
    watcher.join()
    bills, lines, wrong = books(url, n)
    (server.root / "out").mkdir(exist_ok=True)
    (server.root / "out").chmod(0o777)
    bare_copy(url, server.root / "out", meter)
    told = _told(meter, asked, load, bills, lines, len(sample))
    print("\n".join(told))
    if asked.write and not wrong and asked.interval == 60 and not asked.announce:
        _write(told)
    for each in wrong:
        print(f"  WRONG: {each}")
    return 1 if wrong else 0


def _forget(url: str) -> None:
    """A kept book as it was before it was billed."""
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as c:
        for schema in ("orm", "bare", "naked"):
            c.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
        c.execute(
            "TRUNCATE bill, bill_form, bill_run, bill_run_chunk, ledger_journal, fact, delivery, charge, allocation,"
            " credit CASCADE"
        )
        c.execute("VACUUM account, customer, service_agreement, service_point, premise, meter, agreement_tariff")
        c.execute("CHECKPOINT")


def _told(meter: Meter, asked: Any, load: float, bills: int, lines: int, sample: int) -> list[str]:
    """The figures as they go into the documentation."""
    wall, cpu = meter.sum(RUN, ISSUE)
    bare_wall, bare_cpu = meter.sum(BARE)
    naked_wall, naked_cpu = meter.sum(NAKED)
    orm_wall, orm_cpu = (each / sample * bills for each in meter.sum(ORM))
    facts = "with the facts that drive notices" if asked.announce else "without the facts that drive notices"
    rows = [
        f"| {name} | {took:.1f} | {client:.1f} | {server:.1f} |"
        for name, (took, client, server) in meter.phases.items()
        if name in (RUN, ISSUE, BARE, NAKED)
    ]
    return [
        f"{bills:,} bills, {asked.interval}-minute reads, {lines / bills:.2f} lines a bill, {facts}; "
        f"{asked.processes} processes on {os.cpu_count()} cores, load before the start {load:.1f}; {date.today()}.",
        "",
        "| | wall s | CPU s, client | CPU s, server |",
        "|---|---:|---:|---:|",
        *rows,
        "",
        f"From reads to bills, lines and ledger: **{wall:.1f} s**, {cpu:.1f} CPU-s, {bills / wall:,.0f} bills a second;"
        f" peak memory {meter.peak_client / 1024:,.0f} MB client, {meter.peak_server / 1024:,.0f} MB server (shared"
        " buffers counted once).",
        f"To the bare COPY with the same constraints and indexes: {wall / bare_wall:.1f} by wall, {cpu / bare_cpu:.1f}"
        f" by CPU; to one with none: {wall / naked_wall:.1f} and {cpu / naked_cpu:.1f}. An ORM loop over {sample}"
        f" accounts: {orm_wall / bills * 1000:.1f} ms a bill, {orm_wall / wall:.0f} times the wall and"
        f" {orm_cpu / cpu:.0f} times the CPU.",
    ]


def _write(told: list[str]) -> None:
    head, mark, rest = DOC.read_text().partition("<!-- bench-bill-60 -->")
    end = "<!-- /bench-bill-60 -->"
    DOC.write_text(head + mark + "\n\n" + "\n".join(told) + f"\n\n{end}" + rest.partition(end)[2])


if __name__ == "__main__":
    sys.exit(main())
