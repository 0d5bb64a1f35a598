"""Whose shell it is: who logged in where the kernel keeps it, else whose process; a name is typed beside it."""

import os
import pathlib
import pwd

import click
import pytest
from click.testing import CliRunner

from core import audit
from ops_admin import shell


def test_the_account_is_the_one_that_logged_in(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = tmp_path / "loginuid"
    monkeypatch.setenv("USER", "somebody-else")  # what a shell may say of itself counts for nothing
    monkeypatch.setenv("SUDO_USER", "somebody-else")
    mine = pwd.getpwuid(os.getuid()).pw_name
    assert shell.account(kept) == mine
    kept.write_text(str(2**32 - 1))
    assert shell.account(kept) == mine
    other = next(one for one in pwd.getpwall() if one.pw_uid != os.getuid())
    kept.write_text(str(other.pw_uid))
    assert shell.account(kept) == pwd.getpwuid(other.pw_uid).pw_name
    kept.write_text("4000000001")
    assert shell.account(kept) == "uid4000000001"


def test_a_command_bears_the_account_and_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    @shell.by("Who asks.")
    def ask(actor: str) -> None:
        click.echo(actor)

    monkeypatch.setattr(shell, "account", lambda: "kim")
    run = CliRunner()
    assert run.invoke(ask, ["--by", "Ana"]).output == "cli:kim/ana\n"
    assert run.invoke(ask).output == "cli:kim/kim\n"
    for wrong in ("", "lee/ana", "cli:lee", "staff:ana", " "):
        assert run.invoke(ask, ["--by", wrong]).exit_code == 2


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("staff:ana", "staff:ana", True),
        ("staff:ana", " Staff:Ana", True),
        ("staff:ana", "staff:ben", False),
        ("cli:kim/ana", "cli:kim/ben", True),
        ("cli:kim/ana", "cli:lee/ana", True),
        ("cli:kim/ana", "staff:kim", True),
        ("cli:kim/ana", "cli:lee/ben", False),
        ("staff:an", "staff:ana", False),
        ("clock", "staff:clock", True),
        ("clock", "staff:ana", False),
    ],
)
def test_one_person_is_known_by_any_of_their_names(one: str, other: str, same: bool) -> None:
    assert audit.same_person(one, other) is same and audit.same_person(other, one) is same
