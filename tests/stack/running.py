"""The whole stack as a subprocess, and a customer's hands on it: what a phone, a mail client or a browser can do."""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import requests
from sqlalchemy import Engine, NullPool, create_engine, text

from ops_admin.stack import embedded

ROOT = pathlib.Path(__file__).parents[2]


class NotYet(AssertionError):
    """Something that should have happened did not, in the time it was given."""


def wait_for(what: str, probe: Callable[[], Any], seconds: float = 30.0, pause: float = 0.15) -> Any:
    """This will ask again and again until the answer is true, or raise NotYet."""
    deadline = time.monotonic() + seconds
    while True:
        found = probe()
        if found:
            return found
        if time.monotonic() > deadline:
            raise NotYet(f"not within {seconds:.0f} s: {what}")
        time.sleep(pause)


class RunningStack:
    """`wattline demo` in a folder of its own, with the ports it chose."""

    def __init__(self, home: pathlib.Path, **environment: str) -> None:
        self.home = home
        self.log = home.with_suffix(".log")
        self.environment = environment
        self.process: subprocess.Popen[bytes] | None = None
        self._engine: Engine | None = None

    def start(self, seconds: float = 300) -> "RunningStack":
        ports = {f"WATTLINE_{name}_PORT": "" for name in ("WEB", "SANDBOX")}
        environment = {**os.environ, "WATTLINE_HOME": str(self.home), **self.environment}
        for name in ports:
            if name not in self.environment:
                environment[name] = str(_free_port())
        self.log.parent.mkdir(parents=True, exist_ok=True)
        (self.home / "run.json").unlink(missing_ok=True)
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "ops_admin.cli", "demo"],
                cwd=ROOT, env=environment, stdout=output, stderr=output, start_new_session=True,
                preexec_fn=embedded.die_with_parent(signal.SIGTERM),
            )  # fmt: skip
        wait_for("the stack to come up", self._up, seconds)
        return self

    def _up(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise RuntimeError("the stack did not start:\n" + self.log.read_text(errors="replace")[-4000:])
        return (self.home / "run.json").exists()

    @property
    def run(self) -> dict[str, Any]:
        return json.loads((self.home / "run.json").read_text())  # type: ignore[no-any-return]

    @property
    def web(self) -> str:
        return str(self.run["environment"]["PUBLIC_BASE_URL"])

    @property
    def sandbox(self) -> str:
        return str(self.run["addresses"]["sandbox"]).rstrip("/")

    @property
    def engine(self) -> Engine:
        if self._engine is None:
            # no pool: the server is killed now and then, and a pooled connection would be left open behind it
            self._engine = create_engine(self.run["environment"]["DATABASE_URL"], poolclass=NullPool)
        return self._engine

    def rows(self, sql: str, **parameters: Any) -> list[Any]:
        """This will ask the hub's own database."""
        with self.engine.connect() as connection:
            return list(connection.execute(text(sql), parameters))

    def pid(self, child: str) -> int:
        return int(self.run["children"][child])

    def kill(self, child: str) -> None:
        """SIGKILL, as a machine would."""
        os.kill(self.pid(child), signal.SIGKILL)

    def stop(self, how: signal.Signals = signal.SIGINT) -> int:
        assert self.process is not None
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(60)

    def __enter__(self) -> "RunningStack":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


@dataclass
class Transcript:
    """What was said, as it is printed."""

    lines: list[str] = field(default_factory=list)

    def say(self, who: str, text_: str) -> None:
        for number, line in enumerate(text_.strip().splitlines() or [""]):
            self.lines.append(f"    {who if number == 0 else '':>10} │ {line}")


class Sandbox:
    """The vendors' side: phones, mailboxes, calls, the CRM's screen, and the failure switches."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.http = requests.Session()

    def post(self, path: str, **body: Any) -> Any:
        response = self.http.post(f"{self.base}{path}", json=body, timeout=30)
        response.raise_for_status()
        return response.json() if response.content else None

    def get(self, path: str, **query: Any) -> Any:
        response = self.http.get(f"{self.base}{path}", params=query, timeout=30)
        response.raise_for_status()
        return response.json()


def money_in(text_: str) -> list[str]:
    """This will find the amounts of money in a text, as plain decimals."""
    found = re.findall(r"\$\s?(\d{1,3}(?:[,.]\d{3})*(?:\.\d{2})|\d+(?:\.\d{2})?)", text_)
    return [amount.replace(",", "") for amount in found]


def last(items: Sequence[Any]) -> Any:
    return items[-1] if items else None


def _free_port() -> int:
    return embedded.free_port()
