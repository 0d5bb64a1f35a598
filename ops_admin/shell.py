"""Who types a command: the account of the operating system, and the name that is given beside it.

A name is typed, an account is not: the audit trail keeps both ("cli:kim/ana"), and for what takes two people either of
them makes two entries the same person (`core.audit.same_person`).
"""

import os
import pwd
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ops_admin.console import entry

_LOGIN = Path("/proc/self/loginuid")
_NOT_KEPT = 2**32 - 1


def account(login: Path = _LOGIN) -> str:
    """This will give who logged in, also behind sudo and su where the kernel keeps it; else whose process this is."""
    try:
        uid = int(login.read_text())
    except (OSError, ValueError):
        uid = _NOT_KEPT
    if uid == _NOT_KEPT:
        uid = os.getuid()
    try:
        return pwd.getpwuid(uid).pw_name.lower()
    except KeyError:  # a container may run under a number that has no name
        return f"uid{uid}"


def by(said: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """This will give a command its --by: `actor` is the account, and the name typed or else the account's own."""
    return click.option(
        "--by", "actor", callback=_actor, metavar="NAME",
        help=f"{said} Kept in the audit trail beside the account of this shell, whose own name it is when not given.",
    )  # fmt: skip


def _actor(context: click.Context, param: click.Parameter, name: str | None) -> str:
    own = account()
    if name is not None and not entry.is_name(name := name.lower()):
        raise click.BadParameter("a name is a-z, 0-9, dots and dashes")
    return f"cli:{own}/{name or own}"
