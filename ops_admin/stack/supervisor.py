"""Starts our processes in order, waits until each is ready, restarts what dies, and leaves nothing behind.

Children are started from the main thread only: the kernel's parent-death signal follows the thread that forked.
SIGTERM goes to a child's main process, never to its group, so that work in flight is finished.
"""

import os
import pathlib
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from core import log
from ops_admin.stack import embedded

logger = log.get(__name__)

_FIRST_BACK_OFF = 0.2
_LAST_BACK_OFF = 5.0
_STEADY_AFTER = 20.0


@dataclass
class Child:
    """One process: how to start it, how to know that it is ready, and how to ask it to stop."""

    name: str
    command: Callable[[], Sequence[str]]
    environment: Mapping[str, str] = field(default_factory=dict)
    directory: pathlib.Path | None = None
    ready: Callable[[], bool] = lambda: True
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 12.0
    niceness: int = 0  # above zero: what nobody waits for lets the others go first
    launch: Callable[[], subprocess.Popen[bytes]] | None = None  # for servers that start themselves
    process: subprocess.Popen[bytes] | None = None
    restarts: int = 0
    started: float = 0.0
    again_at: float = 0.0
    back_off: float = _FIRST_BACK_OFF

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None


class Supervisor:
    """Holds the children; `run` keeps them alive until it is told to stop."""

    def __init__(self, log_folder: pathlib.Path) -> None:
        self.log_folder = log_folder
        self.children: list[Child] = []
        self.stopping = False

    def add(self, child: Child) -> Child:
        """This will start a child and keep it."""
        self._start(child)
        self.children.append(child)
        return child

    def wait_ready(self, child: Child, seconds: float) -> None:
        """This will wait until a child is ready; RuntimeError with the end of its log when it is not."""
        deadline = time.monotonic() + seconds
        while not child.ready():
            self.tend()
            if self.stopping:
                raise RuntimeError("stopped while starting")
            if time.monotonic() > deadline or child.restarts > 5:
                raise RuntimeError(f"{child.name} did not become ready:\n{self.tail(child)}")
            time.sleep(0.1)

    def tend(self) -> None:
        """This will start again whatever has died, a little later each time it dies young."""
        now = time.monotonic()
        for child in self.children:
            if self.stopping or child.alive:
                continue
            if not child.again_at:
                if now - child.started > _STEADY_AFTER:
                    child.back_off = _FIRST_BACK_OFF
                child.again_at = now + child.back_off
                child.back_off = min(child.back_off * 2, _LAST_BACK_OFF)
                code = child.process.returncode if child.process else None
                logger.warning("child_died", extra={"child": child.name, "exit": code})
            elif now >= child.again_at:
                child.restarts += 1
                try:
                    self._start(child)
                except (RuntimeError, OSError):
                    logger.exception("child_did_not_start", extra={"child": child.name})
                    child.started, child.again_at = now, 0.0

    def run(self) -> None:
        """This will tend the children until SIGINT or SIGTERM."""
        while not self.stopping:
            self.tend()
            time.sleep(0.2)

    def stop(self) -> None:
        """This will stop the children, each in its own gentle way: the programs together, then their servers."""
        self.stopping = True
        for group in (
            [child for child in self.children if child.launch is None],
            [child for child in reversed(self.children) if child.launch is not None],
        ):
            running = [(child, child.process) for child in group if child.alive and child.process]
            for child, process in running:
                process.send_signal(child.stop_signal)
            for child, process in running:
                try:
                    process.wait(child.stop_seconds)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait(5)

    def tail(self, child: Child, lines: int = 25) -> str:
        """This will give the end of a child's log."""
        try:
            return "\n".join((self.log_folder / f"{child.name}.log").read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return "(no log)"

    def _start(self, child: Child) -> None:
        child.started, child.again_at = time.monotonic(), 0.0
        if child.launch is not None:
            child.process = child.launch()
            return
        self.log_folder.mkdir(parents=True, exist_ok=True)
        with (self.log_folder / f"{child.name}.log").open("ab") as output:
            child.process = subprocess.Popen(
                list(child.command()),
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                cwd=child.directory,
                env={**os.environ, **child.environment},
                start_new_session=True,
                preexec_fn=_before(child),
            )


def _before(child: Child) -> Callable[[], None]:
    """What a child does before it becomes its program."""
    die = embedded.die_with_parent(child.stop_signal)

    def prepare() -> None:
        die()
        os.nice(child.niceness)

    return prepare
