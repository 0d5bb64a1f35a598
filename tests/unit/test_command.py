"""The command `wattline`: all of its words are there, and none costs what another needs."""

import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from ops_admin import cli


def test_every_command_answers_to_its_name() -> None:
    context = click.Context(cli.main)
    names = cli.main.list_commands(context)
    assert {"demo", "rate", "meter", "usage", "compliance", "cash"} <= set(names)
    for name in names:
        command = cli.main.get_command(context, name)
        assert command is not None and command.name == name and command.get_short_help_str()


def test_a_word_that_is_no_command_is_refused() -> None:
    answer = CliRunner().invoke(cli.main, ["nonsense"])
    assert answer.exit_code == 2 and "No such command" in answer.output


def test_the_command_itself_reads_neither_database_nor_arrays() -> None:
    asked = "import sys, ops_admin.cli; print({'sqlalchemy', 'numpy', 'celery', 'flask'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout == "set()\n"


@pytest.fixture
def home(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """Where a demonstration would lie; no setting names a database."""
    monkeypatch.chdir(tmp_path)  # no .env
    for name in ("DATABASE_URL", "SECRET_KEY"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("WATTLINE_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def demonstration(home: pathlib.Path) -> Iterator[pathlib.Path]:
    """A process that calls itself one, and has said what it was given."""
    command = [sys.executable, "-c", "print(flush=True); input()", "demo"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout and process.stdout.readline()  # before that the kernel may not know its words yet
        environment = {"DATABASE_URL": "postgresql+psycopg://nobody@127.0.0.1:1/none", "SECRET_KEY": "of the demo"}
        (home / "run.json").write_text(json.dumps({"supervisor": process.pid, "environment": environment}))
        yield home
        process.communicate(b"\n")


def test_without_a_database_a_command_says_so(home: pathlib.Path) -> None:
    answer = CliRunner().invoke(cli.main, ["audit"])
    assert answer.exit_code == 1 and answer.output.startswith("Error: DATABASE_URL is not set")


def test_a_command_speaks_with_the_demonstration_that_runs_here(demonstration: pathlib.Path) -> None:
    answer = CliRunner().invoke(cli.main, ["ops-link", "--as", "ana"])
    assert answer.exit_code == 0 and "/ops/enter?" in answer.output
    assert os.environ["SECRET_KEY"] == "of the demo"


def test_a_database_that_is_named_is_the_one(demonstration: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql+psycopg://nobody@127.0.0.1:1/own")
    monkeypatch.setenv("SECRET_KEY", "own")
    assert CliRunner().invoke(cli.main, ["ops-link"]).exit_code == 0
    assert os.environ["SECRET_KEY"] == "own"
