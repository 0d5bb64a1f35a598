"""Rasa swallows what goes wrong in an action and answers with silence: this remembers it, for the channel to say."""

from __future__ import annotations

import contextlib
import contextvars
from typing import Any, Iterator, List, Optional, Text

from rasa.core.actions.action import ActionExecutionRejection, RemoteAction

_failed: "contextvars.ContextVar[Optional[List[Text]]]" = contextvars.ContextVar("failed_actions", default=None)


class ActionFailed(Exception):
    """An action did not run, or nothing at all was said. HTTP 502."""

    def __init__(self, action: Text) -> None:
        super().__init__(action)
        self.action = action


@contextlib.contextmanager
def watch() -> Iterator[List[Text]]:
    """This will give a list that fills with the names of the actions that fail meanwhile."""
    names: List[Text] = []
    token = _failed.set(names)
    try:
        yield names
    finally:
        _failed.reset(token)


def install() -> None:
    """This will put a recording `run` around Rasa's."""
    if getattr(RemoteAction.run, "records_failures", False):
        return
    run = RemoteAction.run

    async def recording(self: RemoteAction, *args: Any, **kwargs: Any) -> Any:
        try:
            return await run(self, *args, **kwargs)
        except ActionExecutionRejection:
            raise  # a form's "not mine", no failure
        except Exception:
            names = _failed.get()
            if names is not None:
                names.append(self.name())
            raise

    recording.records_failures = True  # type: ignore[attr-defined]
    RemoteAction.run = recording
