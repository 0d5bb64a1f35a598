"""Rasa re-checks a constant JSON schema on every reply of an action (half of a turn): here it is compiled once."""

from __future__ import annotations

from typing import Any, Dict, Text

from jsonschema import Draft7Validator
from rasa.core.actions.action import RemoteAction

_VALIDATOR = Draft7Validator(RemoteAction.action_response_format_spec())


def _validate(self: RemoteAction, result: Dict[Text, Any]) -> bool:
    _VALIDATOR.validate(result)
    return True


def install() -> None:
    """This will put the compiled validator in the place of Rasa's."""
    RemoteAction._validate_action_result = _validate
