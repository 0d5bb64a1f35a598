"""The command `wattline`: all of its words are there, and none costs what another needs."""

import subprocess
import sys

import click
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
