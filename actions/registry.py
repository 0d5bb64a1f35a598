"""Every action of the assistant, module by module: nothing is found by magic, nothing is registered twice."""

from collections.abc import Iterator

from actions import (
    accounts,
    accounts_forms,
    billing,
    billing_forms,
    emergency,
    fieldwork,
    fieldwork_forms,
    hardship,
    identity,
    outages,
    outages_forms,
    plans,
    plans_forms,
    programs,
    talk,
    usage,
)
from actions.frame import HubAction

MODULES = (
    talk,
    emergency,
    identity,
    accounts,
    accounts_forms,
    billing,
    billing_forms,
    hardship,
    usage,
    plans,
    plans_forms,
    outages,
    outages_forms,
    fieldwork,
    fieldwork_forms,
    programs,
)


def every_action() -> tuple[HubAction, ...]:
    """This will build one of each action; ValueError when two share a name."""
    built = tuple(_build())
    names = [action.name() for action in built]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"these actions exist twice: {', '.join(twice)}")
    return built


def _build() -> Iterator[HubAction]:
    for module in MODULES:
        for action in module.ACTIONS:
            yield action()
