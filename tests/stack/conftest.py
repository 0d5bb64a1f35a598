"""One whole stack for every test of this folder, in a home of its own."""

import pathlib
import tempfile
from collections.abc import Iterator

import pytest

from tests.stack.running import RunningStack, Sandbox


@pytest.fixture(scope="session")
def stack() -> Iterator[RunningStack]:
    with tempfile.TemporaryDirectory(prefix="wattline-stack-", dir="/tmp") as folder:
        pathlib.Path(folder).chmod(0o755)
        running = RunningStack(pathlib.Path(folder) / "home").start()
        yield running
        running.stop()


@pytest.fixture(scope="session")
def sandbox(stack: RunningStack) -> Sandbox:
    return Sandbox(stack.sandbox)
