"""`python -m tests.load.bench_chat`: how fast the doors answer, beside the bare assistant, in the same run.

A fresh stack in a folder of its own (or a running one, by --home) is measured from outside, over HTTP, by locust as a
library: first one visitor alone, who says everything twice, once through the hub and once to the assistant directly
(the difference is the hub's own share of a turn); then everybody together; then webhooks as fast as they go. A
benchmark, not a test: it ends with 0 whatever it found, and with 2 when it could not measure.
"""

import locust  # first: it makes the standard library cooperative

# isort: split
import argparse
import collections
import datetime
import itertools
import json
import os
import pathlib
import platform
import re
import secrets
import sys
import tempfile
import time
import traceback
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gevent
import requests
from gevent import queue
from locust import env as environments
from twilio.request_validator import RequestValidator

from bot.client import owner
from core import db
from tests.stack.running import RunningStack

DOC = pathlib.Path(__file__).parents[2] / "docs" / "benchmarks.md"
SAYINGS = ("hello", "what are your office hours", "are you a robot", "what can you help me with")
PATIENCE = 15.0
ASSISTANTS = 2  # processes: one takes one turn at a time, so an installation has one a core
ACK, CHAT, VOICE, BARE = "webhook acknowledgement", "chat turn", "voice turn", "bare assistant turn"
ALONE = "alone: "
FLOOD = "webhooks only: "
FEWEST = 20  # below that many samples a percentile says nothing


class Bench:
    """The addresses and secrets of one stack, and what was measured on it."""

    def __init__(self, run: dict[str, Any]) -> None:
        self.settings: dict[str, str] = run["environment"]
        self.web = self.settings["PUBLIC_BASE_URL"].rstrip("/")
        self.assistants = [str(url).rstrip("/") for url in json.loads(self.settings["RASA_URLS"])]
        self.engine = db.connect(self.settings["DATABASE_URL"], pool_size=2)
        self.signer = RequestValidator(self.settings["TWILIO_AUTH_TOKEN"])
        self.samples: dict[str, list[float]] = collections.defaultdict(list)
        self.spans: dict[str, float] = {}  # how long each phase took
        self.failures: list[str] = []

    def twilio(self, http: requests.Session, path: str, form: dict[str, str]) -> requests.Response:
        """This will post a form as Twilio does: signed over the whole address and every field."""
        url = self.web + path
        signature = self.signer.compute_signature(url, form)
        response = http.post(url, data=form, headers={"X-Twilio-Signature": signature}, timeout=PATIENCE)
        response.raise_for_status()
        return response

    def token_of(self, conversation_id: int) -> str:
        """This will give the assistant's name for a conversation."""
        with self.engine.connect() as connection:
            return str(
                connection.exec_driver_sql(
                    "SELECT token FROM conversation WHERE id = %s", (conversation_id,)
                ).scalar_one()
            )

    @contextmanager
    def timed(self, user: locust.User, name: str) -> Iterator[None]:
        """This will time a block, and keep what failed instead of its time."""
        started, problem = time.perf_counter(), None
        try:
            yield
        except Exception as exc:
            problem = exc
            self.failures.append(f"{name}: {exc!r}")
        took = (time.perf_counter() - started) * 1000
        if problem is None:
            self.samples[name].append(took)
        user.environment.events.request.fire(
            request_type="", name=name, response_time=took, response_length=0, exception=problem, context={}
        )


class Visitor:
    """A page of the web chat: it posts, and hears the assistant over its stream of events."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.http = requests.Session()
        opened = self.http.post(f"{bench.web}/chat/sessions", json={}, timeout=PATIENCE)
        opened.raise_for_status()
        self.http.headers["Authorization"] = f"Bearer {opened.json()['token']}"
        self.heard: queue.Queue[tuple[int, int]] = queue.Queue()
        self.turns = 0
        self.conversation_id = 0
        self._ear = gevent.spawn(self._listen)

    def say(self, text: str) -> None:
        """This will say something and wait until an answer of the assistant stands on the page."""
        self.turns += 1
        body = {"text": text, "client_id": uuid.uuid4().hex}
        posted = self.http.post(f"{self.bench.web}/chat/messages", json=body, timeout=PATIENCE)
        posted.raise_for_status()
        mine = _place(posted.json()["id"])
        self.conversation_id = mine[0]
        while self.heard.get(timeout=PATIENCE) <= mine:
            pass

    def close(self) -> None:
        self._ear.kill()
        self.http.close()

    def _listen(self) -> None:
        with requests.get(
            f"{self.bench.web}/chat/events",
            headers=dict(self.http.headers),
            stream=True,
            timeout=(PATIENCE, 60),
        ) as stream:
            rest = ""
            for piece in stream.iter_content(chunk_size=None):
                *events, rest = (rest + piece.decode()).split("\n\n")
                for event in events:
                    found = re.search(r"^data: (.*)", event, re.MULTILINE)
                    if "event: message" in event and found is not None:
                        said = json.loads(found.group(1))
                        if said["from"] == "assistant":
                            self.heard.put(_place(said["id"]))


class Caller:
    """A telephone call: it follows the addresses that the answers name."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.http = requests.Session()
        self.form = {
            "CallSid": "CA" + secrets.token_hex(16),
            "From": _number(),
            "To": "+15550100400",
            "CallStatus": "in-progress",
        }
        self.turns = 0
        self.next = _address(bench.twilio(self.http, "/hooks/twilio/voice", self.form).text, "action")

    def say(self, text: str) -> None:
        """This will say something and wait for the answer, through the fillers of a slow one."""
        self.turns += 1
        said = {"SpeechResult": text, "Confidence": "0.9"}
        answer = self.bench.twilio(self.http, self.next, {**self.form, **said}).text
        while "<Redirect" in answer:
            answer = self.bench.twilio(self.http, _address(answer, "redirect"), self.form).text
        if "<Gather" not in answer:
            raise RuntimeError(f"the call was not answered: {answer[:300]}")
        self.next = _address(answer, "action")


class Bare:
    """The assistant, asked directly in a conversation that the hub knows."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.http = requests.Session()
        self.http.headers["Authorization"] = f"Bearer {bench.settings['RASA_TOKEN']}"

    def say(self, sender: str, text: str) -> None:
        body = {"sender": sender, "turn_id": uuid.uuid4().hex, "channel": "WEB", "locale": "en", "text": text}
        own = owner(self.bench.assistants, sender)
        answer = self.http.post(f"{own}/webhooks/hub/webhook", json=body, timeout=PATIENCE)
        answer.raise_for_status()
        if not answer.json()["messages"]:
            raise RuntimeError("the assistant was silent")


class _Customer(locust.User):
    """What all users share. A chat or call lasts ten turns, then another begins: nobody talks for ever."""

    abstract = True
    bench: Bench
    fixed_count = 1
    prefix = ""

    def on_start(self) -> None:
        self.sayings = itertools.cycle(SAYINGS)
        self.talk: Any = None

    def renew(self, make: Callable[[], Any]) -> Any:
        if self.talk is None or self.talk.turns >= 10:
            self.on_stop()
            self.talk = make()
        return self.talk

    def on_stop(self) -> None:
        if isinstance(self.talk, Visitor):
            self.talk.close()


class Alone(_Customer):
    """Says each thing through the hub and to the assistant directly, in one conversation, in turns."""

    wait_time = locust.constant(0.25)  # what the hub does after an answer (the CRM) is not waited for by anybody

    @locust.task
    def turn(self) -> None:
        bench, said = self.bench, next(self.sayings)
        visitor = self.renew(lambda: Visitor(bench))
        fresh = visitor.turns == 0
        with bench.timed(self, f"{ALONE}{CHAT}" if not fresh else "first turn"):
            visitor.say(said)
        gevent.sleep(0.25)
        if fresh:
            self.sender, self.bare = bench.token_of(visitor.conversation_id), Bare(bench)
            self.bare.say(self.sender, said)
            return
        with bench.timed(self, f"{ALONE}{BARE}"):
            self.bare.say(self.sender, said)


class Chatter(_Customer):
    fixed_count = 3
    wait_time = locust.constant(1.0)

    @locust.task
    def turn(self) -> None:
        visitor = self.renew(lambda: Visitor(self.bench))
        with self.bench.timed(self, CHAT):
            visitor.say(next(self.sayings))


class Telephoner(_Customer):
    fixed_count = 2
    wait_time = locust.constant(1.0)

    @locust.task
    def turn(self) -> None:
        caller = self.renew(lambda: Caller(self.bench))
        with self.bench.timed(self, VOICE):
            caller.say(next(self.sayings))


class Texter(_Customer):
    """A carrier that brings a message from another number each time."""

    fixed_count = 2
    wait_time = locust.constant(0.7)
    name = ACK

    def on_start(self) -> None:
        super().on_start()
        self.http = requests.Session()

    @locust.task
    def text(self) -> None:
        form = {
            "MessageSid": "SM" + secrets.token_hex(16),
            "From": _number(),
            "To": "+15550100200",
            "Body": next(self.sayings),
            "NumMedia": "0",
        }
        with self.bench.timed(self, self.name):
            self.bench.twilio(self.http, "/hooks/twilio/sms", form)


class Carrier(Texter):
    """Eight of them, without a pause."""

    fixed_count = 8
    wait_time = locust.constant(0)
    name = f"{FLOOD}{ACK}"


class Direct(_Customer):
    """The assistant without the hub, while the others go through it."""

    fixed_count = 1
    wait_time = locust.constant(1.0)

    @locust.task
    def turn(self) -> None:
        visitor = self.renew(lambda: Visitor(self.bench))
        if visitor.turns == 0:
            visitor.say("hello")
            self.sender, self.bare = self.bench.token_of(visitor.conversation_id), Bare(self.bench)
        visitor.turns += 1
        with self.bench.timed(self, BARE):
            self.bare.say(self.sender, next(self.sayings))


def phase(bench: Bench, users: list[type[_Customer]], seconds: float) -> None:
    """This will let users act for so long."""
    made = [type(user.__name__, (user,), {"bench": bench}) for user in users]
    environment = environments.Environment(user_classes=made)
    runner = environment.create_local_runner()
    started = time.perf_counter()
    runner.start(sum(user.fixed_count for user in users), spawn_rate=20)
    gevent.sleep(seconds)
    took = time.perf_counter() - started
    runner.quit()
    for name in bench.samples:
        bench.spans.setdefault(name, took)


def warm_up(bench: Bench, seconds: float) -> None:
    """This will use every door until the processes behind them have loaded what they load when first used."""
    phase(bench, [Alone, Chatter, Telephoner, Texter], seconds)
    bench.samples.clear()
    bench.spans.clear()
    bench.failures.clear()


def settle(bench: Bench, seconds: float = 240) -> None:
    """This will wait until nothing is owed any more, nor soon: what was refused for the CRM's allowance comes again."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with bench.engine.connect() as connection:
            if not connection.exec_driver_sql(
                "SELECT count(*) FROM delivery WHERE state = 'OWED' AND due_at <= now() + interval '5 minutes'"
            ).scalar():
                return
        gevent.sleep(0.3)


def measure(bench: Bench, seconds: float) -> None:
    """This will run the three phases; together they take about `seconds`."""
    warm_up(bench, seconds * 0.15)
    settle(bench)
    phase(bench, [Alone], seconds * 0.35)
    settle(bench)
    phase(bench, [Chatter, Telephoner, Texter, Direct], seconds * 0.4)
    settle(bench)
    phase(bench, [Carrier], seconds * 0.1)


def percentile(samples: list[float], share: float) -> float:
    """This will give the nearest-rank percentile."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered) + 0.5) - 1))]


def table(bench: Bench) -> list[str]:
    """This will write what was measured, as Markdown."""
    lines = ["| measured | samples | per second | p50 ms | p95 ms | p99 ms |", "|---|---:|---:|---:|---:|---:|"]
    for name in (
        f"{ALONE}{CHAT}",
        f"{ALONE}{BARE}",
        ACK,
        CHAT,
        VOICE,
        BARE,
        f"{FLOOD}{ACK}",
    ):
        samples = bench.samples[name]
        p50, p95, p99 = (percentile(samples, share) for share in (0.50, 0.95, 0.99))
        rate = len(samples) / bench.spans[name]
        lines.append(f"| {name} | {len(samples)} | {rate:.1f} | {p50:.0f} | {p95:.0f} | {p99:.0f} |")
    return lines


def verdicts(bench: Bench) -> list[str]:
    """This will hold the numbers against what is promised."""
    turn, bare = (percentile(bench.samples[f"{ALONE}{name}"], 0.5) for name in (CHAT, BARE))
    share = (turn - bare) / bare
    ack, voice = (percentile(bench.samples[name], 0.95) for name in (ACK, VOICE))
    return [
        _verdict(ack < 150, f"webhook acknowledged: p95 {ack:.0f} ms, promised below 150 ms"),
        _verdict(
            share < 0.5,
            f"the hub's own share of a chat turn: {turn - bare:.0f} ms beside the assistant's {bare:.0f} ms, "
            f"that is {share:.2f}, promised below 0.5",
        ),
        _verdict(voice < 700, f"voice turn answered: p95 {voice:.0f} ms, promised below 700 ms"),
    ]


def machine() -> str:
    """This will say on what, and beside what, it was measured."""
    info = pathlib.Path("/proc/cpuinfo").read_text() if pathlib.Path("/proc/cpuinfo").exists() else ""
    named = re.search(r"model name\s*:\s*(.*)", info)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} cores of {named.group(1).strip() if named else platform.machine()}, {memory:.0f} GB, "
        f"{platform.system()}, Python {platform.python_version()}; everything on this one machine: the hub, the "
        f"assistant, PostgreSQL (durable), Valkey, the vendors' twins and the load. "
        f"Load average before the run {os.getloadavg()[0]:.1f},"
    )


def main() -> int:
    """This will measure, print, and with --write keep the numbers in docs/benchmarks.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--home", type=pathlib.Path, help="a running stack's home (begun with BURST_CHAT=0 BURST_TEXT=0)"
    )
    parser.add_argument("--seconds", type=float, default=180, help="about how long to measure")
    parser.add_argument("--write", action="store_true", help="keep the numbers in docs/benchmarks.md")
    options = parser.parse_args()
    where = machine()
    try:
        if options.home:
            bench = Bench(RunningStack(options.home).run)
            measure(bench, options.seconds)
        else:
            with tempfile.TemporaryDirectory(prefix="wattline-bench-") as folder:
                pathlib.Path(folder).chmod(0o755)  # PostgreSQL's own account reads it
                # no waiting for the customer's next line: that pause is meant, and would hide what is measured
                quick = {"BURST_CHAT": "0", "BURST_TEXT": "0", "WATTLINE_ASSISTANTS": str(ASSISTANTS)}
                with RunningStack(pathlib.Path(folder) / "home", **quick) as stack:
                    bench = Bench(stack.run)
                    measure(bench, options.seconds)
        thin = [name for name in (f"{ALONE}{CHAT}", f"{ALONE}{BARE}", ACK, VOICE) if len(bench.samples[name]) < FEWEST]
        if thin or len(bench.failures) > 0.02 * sum(map(len, bench.samples.values())):
            raise RuntimeError(f"too few samples of {thin}; {len(bench.failures)} failures: {bench.failures[:5]}")
    except Exception:
        traceback.print_exc()
        print("could not measure", file=sys.stderr)
        return 2
    where += f" {os.getloadavg()[0]:.1f} after it."
    report = [where, "", *table(bench), "", *verdicts(bench)]
    if bench.failures:
        report += ["", f"{len(bench.failures)} requests failed: {sorted(set(bench.failures))[:3]}"]
    print("\n".join(report))
    if options.write:
        keep(report)
    return 0


def keep(report: list[str]) -> None:
    """This will put the numbers between the two marks of the document."""
    head, mark, rest = DOC.read_text().partition("<!-- measured -->")
    tail = rest.partition("<!-- /measured -->")[2]
    lines = [f"- {line}" if line.startswith(("PASS", "FAIL")) else line for line in report]
    body = [f"Measured on {datetime.date.today().isoformat()}.", "", *lines]
    DOC.write_text(head + mark + "\n\n" + "\n".join(body) + "\n\n<!-- /measured -->" + tail)


def _verdict(kept: bool, text: str) -> str:
    return f"{'PASS' if kept else 'FAIL'}  {text}"


def _place(message_id: str) -> tuple[int, int]:
    conversation, _, seq = message_id.partition("-")
    return int(conversation), int(seq)


def _number() -> str:
    return f"+1724{secrets.randbelow(10**7):07d}"


def _address(markup: str, kind: str) -> str:
    pattern = r"<Redirect[^>]*>([^<]+)<" if kind == "redirect" else r'<Gather[^>]* action="([^"]+)"'
    found = re.search(pattern, markup)
    if found is None:
        raise RuntimeError(f"no way on in {markup[:300]}")
    return found.group(1).replace("&amp;", "&")


if __name__ == "__main__":
    sys.exit(main())
