"""The whole hub on one machine: servers, assistant, actions, web, worker and the vendor sandbox, from one command."""

import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from typing import Any

import bot
from core import db
from ops_admin import migrate
from ops_admin.sandbox import twilio_shapes
from ops_admin.sandbox.people import PEOPLE, Person
from ops_admin.seed import done
from ops_admin.stack import embedded, home, supervisor

ASSISTANT = pathlib.Path(bot.__file__).parent / "assistant"
_PROJECT = pathlib.Path(__file__).parent.parent.parent


def welcome(addresses: dict[str, str], people: Sequence[Person] = PEOPLE) -> str:
    """This will write the one table a newcomer needs: where things are, and who is who."""
    lines = ["", "  Open this page and live the whole product:", "", f"      {addresses['sandbox']}", ""]
    lines += [f"  {name:<10} {addresses[name]}" for name in ("portal", "chat", "health")]
    lines += ["", f"  {'who':<8}{'name':<16}{'account':<13}{'phone':<15}{'e-mail':<28}story"]
    for person in people:
        story = person.story["en"].split(". ")[0].rstrip(".")
        who = f"{person.key:<8}{person.name:<16}{person.account_number:<13}{person.phone:<15}{person.email:<28}"
        lines.append(f"  {who}{story[:70]}")
    lines += ["", "  Ctrl-C stops everything. The data stays; `wattline reset` starts anew.", ""]
    return "\n".join(lines)


class Progress:
    """Says what is being done and how long it took: a moving line on a terminal, plain lines elsewhere."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet
        self.begun = time.monotonic()

    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[None]:
        started = time.monotonic()
        if sys.stdout.isatty() and not self.quiet:
            print(f"  … {title}", end="\r", flush=True)
        yield
        if not self.quiet:
            print(f"  ✓ {title:<58} {time.monotonic() - started:6.1f} s", flush=True)


class Stack:
    """The running demonstration. `start`, then `run` until a signal, then `stop`."""

    def __init__(self, where: home.Home, progress: Progress) -> None:
        if where.running():
            raise RuntimeError(f"a demonstration is running in {where.path} already")
        where.run_file.unlink(missing_ok=True)  # one that was killed could not take it away
        self.home = where
        self.progress = progress
        self.state = where.open()
        self.ports: dict[str, int] = self.state["ports"]
        self.supervisor = supervisor.Supervisor(where.logs)
        self.postgres = embedded.EmbeddedPostgres(where.servers / "postgres", port=self.ports["postgres"])
        self.valkey = embedded.EmbeddedValkey(where.servers / "valkey", port=self.ports["valkey"])
        self.environment: dict[str, str] = {}

    @property
    def addresses(self) -> dict[str, str]:
        web, sandbox = self.ports["web"], self.ports["sandbox"]
        return {
            "sandbox": f"http://127.0.0.1:{sandbox}/",
            "portal": f"http://127.0.0.1:{web}/portal/",
            "chat": f"http://127.0.0.1:{web}/chat/",
            "health": f"http://127.0.0.1:{web}/readyz",
        }

    def start(self) -> None:
        """This will bring everything up, in order, and wait until all of it answers."""
        with self.progress.step("Real PostgreSQL and Valkey, from their wheels"):
            self._servers()
        self.environment = self._environment()
        with self.progress.step("Tables"):
            self.postgres.create_database("wattline")
            self.postgres.create_database("rasa")
            migrate.upgrade(self.environment["DATABASE_URL"])
        training = self._begin_training()
        # a model that is there already is loaded while the rest comes up: loading it takes longest
        assistants = self._assistants(self._finish_training(training)) if _done_within(training, 3.0) else []
        with self.progress.step("Brightwater Power: customers, reads, bills"):
            self._seed()
        if not assistants:
            with self.progress.step("The assistant's model, trained from its sentences"):
                assistants = self._assistants(self._finish_training(training))
        with self.progress.step("Assistant, actions, web, workers, sandbox"):
            self._processes(assistants)
        self.write_run()

    def run(self) -> None:
        """This will keep everything alive until SIGINT or SIGTERM."""
        pids: dict[str, int] = {}
        while not self.supervisor.stopping:
            self.supervisor.tend()
            now = {c.name: c.process.pid for c in self.supervisor.children if c.process and c.alive}
            if now != pids:
                pids = now
                self.write_run()
            time.sleep(0.2)

    def stop(self) -> None:
        """This will stop everything, last started first."""
        self.supervisor.stop()
        self.home.run_file.unlink(missing_ok=True)

    def write_run(self) -> None:
        self.home.write_run(
            {
                "supervisor": os.getpid(),
                "children": {c.name: c.process.pid for c in self.supervisor.children if c.process and c.alive},
                "addresses": self.addresses,
                "environment": self.environment,
            }
        )

    def _servers(self) -> None:
        for name, server, how in (
            ("postgres", self.postgres, signal.SIGINT),
            ("valkey", self.valkey, signal.SIGTERM),
        ):

            def launch(server: Any = server) -> subprocess.Popen[bytes]:
                server.start()
                assert server.process is not None
                return server.process  # type: ignore[no-any-return]

            self.supervisor.add(supervisor.Child(name, list, stop_signal=how, launch=launch, stop_seconds=20))

    def _environment(self) -> dict[str, str]:
        made, web = self.state["secrets"], f"http://127.0.0.1:{self.ports['web']}"
        sandbox = f"http://127.0.0.1:{self.ports['sandbox']}"
        private = {"sendgrid_event_private_key", "sendgrid_inbound_private_key"}
        return {
            **{name.upper(): value for name, value in made.items() if name not in private},
            "DATABASE_URL": self.postgres.url("wattline"),
            "REDIS_URL": self.valkey.url(),
            "PUBLIC_BASE_URL": web,
            "ALLOWED_ORIGINS": json.dumps([web, sandbox]),
            "RASA_URLS": json.dumps([f"http://127.0.0.1:{self.ports[name]}" for name in home.assistants()]),
            "TWILIO_API_BASE": f"{sandbox}/twilio/api.twilio.com",
            "VOICE_PAY_CONNECTOR": "Sandbox",
            "WHATSAPP_TEMPLATES": json.dumps(twilio_shapes.template_ids()),
            "SENDGRID_API_BASE": f"{sandbox}/sendgrid",
            "SENDGRID_EVENT_PUBLIC_KEY": home.public_half(made["sendgrid_event_private_key"]),
            "SENDGRID_INBOUND_PUBLIC_KEY": home.public_half(made["sendgrid_inbound_private_key"]),
            "HUBSPOT_API_BASE": f"{sandbox}/hubspot",
            "STRIPE_API_BASE": f"{sandbox}/stripe",
            "DEMO": "true",
            "BANK_DETAILS": "First Turbine Bank, routing 021000000, account 5500 1000",
            "CASH_PARTNER": "Corner Market and QuickCash shops",
            "CASH_PARTNER_GLN": "0850012345008",
            "LETTER_FOLDER": str(self.home.path / "letters"),
            "SANDBOX_DATA": str(self.home.path / "sandbox"),
            "SANDBOX_SENDGRID_EVENT_KEY": made["sendgrid_event_private_key"],
            "SANDBOX_SENDGRID_INBOUND_KEY": made["sendgrid_inbound_private_key"],
            "RASA_TELEMETRY_ENABLED": "false",
            "ACTIONS_URL": f"http://127.0.0.1:{self.ports['actions']}/webhook",
            "TRACKER_HOST": "127.0.0.1",
            "TRACKER_PORT": str(self.ports["postgres"]),
            "TRACKER_DB": "rasa",
            "TRACKER_USERNAME": "wattline",
            "TRACKER_PASSWORD": self.postgres.password,
        }

    def _begin_training(self) -> subprocess.Popen[str]:
        # nice: the seeding next to it is what the newcomer waits for
        return subprocess.Popen(
            [str(ASSISTANT / ".venv/bin/python"), "train.py"],
            cwd=ASSISTANT,
            env={**os.environ, **self.environment, "PYTHONPATH": str(ASSISTANT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            preexec_fn=embedded.die_with_parent(signal.SIGTERM),
        )

    def _finish_training(self, training: subprocess.Popen[str]) -> pathlib.Path:
        output, _ = training.communicate()
        if training.returncode:
            raise RuntimeError(f"training the assistant failed:\n{output[-3000:]}")
        return model_named(output)

    def _seed(self) -> None:
        engine = db.connect(self.environment["DATABASE_URL"])
        with db.transaction(db.sessions(engine)) as session:
            filled = done.find(session) is not None
        engine.dispose()
        if not filled:
            self._wattline("seed")

    def _wattline(self, *arguments: str) -> None:
        finished = subprocess.run(
            [sys.executable, "-m", "ops_admin.cli", *arguments],
            env={**os.environ, **self.environment},
            cwd=_PROJECT,
            capture_output=True,
            text=True,
            check=False,
        )
        if finished.returncode:
            raise RuntimeError(f"wattline {' '.join(arguments)} failed:\n{(finished.stdout + finished.stderr)[-3000:]}")

    def _assistants(self, model: pathlib.Path) -> list[supervisor.Child]:
        return [self._assistant(name, model, self.ports[name]) for name in home.assistants()]

    def _assistant(self, name: str, model: pathlib.Path, port: int) -> supervisor.Child:
        return self.supervisor.add(
            supervisor.Child(
                name,
                lambda: rasa_command(str(ASSISTANT / ".venv/bin/python"), model, port),
                environment={**self.environment, "PYTHONPATH": str(ASSISTANT)},
                directory=ASSISTANT,
                ready=lambda: _answers(f"http://127.0.0.1:{port}/webhooks/hub/"),
            )
        )

    def _processes(self, assistants: Sequence[supervisor.Child]) -> None:
        web, sandbox = self.ports["web"], self.ports["sandbox"]
        actions = self._own("actions", "actions", "--port", str(self.ports["actions"]), probe=self.ports["actions"])
        box = self._own("sandbox", "sandbox", "--port", str(sandbox), probe=sandbox)
        site = self._own("web", "web", "--port", str(web), probe=web)
        # who is on the page or on the line goes first, then who wrote a text, then the CRM
        self._own("worker", "worker", "--queues", "turns,default", niceness=3)
        self._own("crm-worker", "worker", "--queues", "crm", "--threads", "4", "--no-clock", niceness=8)
        for child, seconds in ((actions, 60), (box, 60), (site, 60), *((each, 180) for each in assistants)):
            self.supervisor.wait_ready(child, seconds)

    def _own(self, name: str, *arguments: str, probe: int | None = None, niceness: int = 0) -> supervisor.Child:
        path = "/health" if name == "actions" else "/healthz"
        return self.supervisor.add(
            supervisor.Child(
                name,
                lambda: [sys.executable, "-m", "ops_admin.cli", *arguments],
                environment=self.environment,
                directory=_PROJECT,
                ready=(lambda: _answers(f"http://127.0.0.1:{probe}{path}")) if probe else lambda: True,
                niceness=niceness,
            )
        )


def _done_within(process: subprocess.Popen[str], seconds: float) -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def model_named(said: str) -> pathlib.Path:
    """This will give the model that training said it made, or found made already."""
    return ASSISTANT / "models" / str(re.findall(r"[0-9a-f]{16}\.tar\.gz", said)[-1])


def rasa_command(python: str, model: pathlib.Path, port: int) -> list[str]:
    """This will give the command line of the assistant: no API beside our own channel, loopback only."""
    return [
        python, "serve.py", "run", "-m", str(model), "-i", "127.0.0.1", "-p", str(port),
        "--endpoints", "endpoints.yml", "--credentials", "credentials.yml",
    ]  # fmt: skip


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310 - our own loopback address
            return bool(response.status < 400)
    except (urllib.error.URLError, OSError):
        return False
