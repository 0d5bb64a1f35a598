"""Every action the assistant may call exists here, and nothing stands here that it never calls."""

import pathlib

import yaml

from actions import forms, frame, registry

DOMAIN = yaml.safe_load((pathlib.Path(__file__).parents[3] / "bot/assistant/domain.yml").read_text())


def test_no_action_stands_here_that_the_assistant_never_calls() -> None:
    assert {action.name() for action in registry.every_action()} <= set(DOMAIN["actions"])


def test_a_form_is_whole() -> None:
    """Where one part of a form exists, all do: its questions, its check, its end, and a check for every slot."""
    built = {action.name(): action for action in registry.every_action()}
    begun = {action.form for action in built.values() if isinstance(action, forms.Check)}
    assert len(begun) > 8
    for form in begun:
        assert form is not None
        for slot in frame.FORMS[form]:
            assert f"action_ask_{form}_{slot}" in built
            assert hasattr(built[f"validate_{form}"], f"check_{slot}")
        ends = [a for a in built.values() if isinstance(a, forms.Submit) and a.form == form]
        assert len(ends) == 1 or form == "identify_form", form
        for end in ends:
            starts = built[f"action_{end.subject}"]
            assert isinstance(starts, frame.HubAction) and starts.form == form
            assert starts.needs == end.needs
