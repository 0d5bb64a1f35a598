"""What a rule refuses, said to staff: of a command it is one line, not a trace."""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from core import errors

if TYPE_CHECKING:
    from core.hub import Hub

Command = Callable[..., None]


def told(say: Callable[[errors.WattlineError], str]) -> Callable[[Command], Command]:
    """This will let a command end with what `say` makes of a refusal."""

    def frame(command: Command) -> Command:
        @functools.wraps(command)
        def run(*args: Any, **kwargs: Any) -> None:
            try:
                command(*args, **kwargs)
            except errors.WattlineError as refused:
                raise click.ClickException(say(refused)) from refused

        return run

    return frame


def code(refused: errors.WattlineError) -> str:
    """This will name the rule and what it was about."""
    return f"{refused.code} {dict(refused.data) or ''}".strip()


def sentence(refused: errors.WattlineError) -> str:
    """This will say what a customer would be told, and the rule's name."""
    return f"{in_words(click.get_current_context().obj(), refused)} [{refused.code}]"


def in_words(hub: "Hub", refused: errors.WattlineError) -> str:
    """This will say what a customer would be told."""
    from core import wording
    from core.conversations import operations as conversing

    try:
        return wording.label(f"error.{refused.code}", refused.data, locale="en", house=conversing.house(hub.settings))
    except wording.MissingWording:
        return str(refused)
