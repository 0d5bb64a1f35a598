"""RulePolicy with one addition: a question asked in the middle of a form is answered, and then the form asks again."""

from __future__ import annotations

from typing import Optional, Text, Tuple

from rasa.core.policies.rule_policy import RulePolicy
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.shared.core.constants import ACTION_DEACTIVATE_LOOP_NAME, ACTION_LISTEN_NAME
from rasa.shared.core.events import ActionExecuted, SlotSet
from rasa.shared.core.trackers import DialogueStateTracker

STARTS_A_FORM = ("GO", "IDENTIFY")


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.POLICY_WITHOUT_END_TO_END_SUPPORT, is_trainable=True)
class HubRulePolicy(RulePolicy):
    """Stock rules would need one rule per form and per question (hundreds); this says the same once.

    When an action has run because the open form did not take the message, the form is asked again - unless that
    action itself starts a form (it set `flow` to GO or IDENTIFY just now), in which case the rules decide.
    """

    @staticmethod
    def _find_action_from_loop_happy_path(tracker: DialogueStateTracker) -> Tuple[Optional[Text], Optional[Text]]:
        form = tracker.active_loop_name
        if form and tracker.is_active_loop_rejected:
            last = tracker.latest_action_name
            done = last not in (None, ACTION_LISTEN_NAME, ACTION_DEACTIVATE_LOOP_NAME, form)
            if done and _flow_set_by_last_action(tracker) not in STARTS_A_FORM:
                return form, f"asked again: {form}"
        return RulePolicy._find_action_from_loop_happy_path(tracker)


def _flow_set_by_last_action(tracker: DialogueStateTracker) -> Optional[Text]:
    for event in reversed(tracker.events):
        if isinstance(event, SlotSet) and event.key == "flow":
            return event.value
        if isinstance(event, ActionExecuted):
            return None
    return None
