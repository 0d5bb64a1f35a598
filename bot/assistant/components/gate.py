"""The last step of understanding: intents that only the hub may issue can never come out of a text."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Text

from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.nlu.classifiers.classifier import IntentClassifier
from rasa.shared.nlu.constants import INTENT, TEXT
from rasa.shared.nlu.training_data.message import Message

FALLBACK = "nlu_fallback"
INTERNAL = ("inform", "identity_verified", "returned_from_staff")
PERSON = "talk_to_human"
_ASKS_FOR_A_PERSON = re.compile(
    r"\b(?:talk|speak|chat|connect me|put me through|transfer me)\b(?: \w+){0,3} (?:person|human|agent|representative"
    r"|operator|human being)\b"
    r"|\b(?:hablar|hable|com[uú]ni\w+|p[aá]se(?:n)?me|chatear)\b(?: \w+){0,3} (?:persona|humano|agente|operador\w*"
    r"|representante)\b",
    re.IGNORECASE,
)
_UNLESS = re.compile(r"\b(?:not|don'?t|without|no quiero|no necesito|sin)\b", re.IGNORECASE)


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.INTENT_CLASSIFIER, is_trainable=False)
class IntentGate(IntentClassifier, GraphComponent):
    """Turns an unsure guess, a blank text and every internal intent into `nlu_fallback`.

    `inform` is a class of the classifier (bare answers such as "Friday" or "45213") so that a bare answer is not
    mistaken for a wish; outside a form it means nothing by itself. An emergency is the exception to the threshold: it
    passes from `emergency_threshold` on when it is the best guess, because a false alarm costs less than a miss. Who
    asks for a person in so many words gets one, whatever else the message says.
    """

    @classmethod
    def required_components(cls) -> List[Any]:
        return [IntentClassifier]

    @staticmethod
    def get_default_config() -> Dict[Text, Any]:
        return {"threshold": 0.5, "ambiguity_threshold": 0.05, "emergency_threshold": 0.2}

    def __init__(self, config: Dict[Text, Any]) -> None:
        self._config = {**self.get_default_config(), **config}

    @classmethod
    def create(
        cls,
        config: Dict[Text, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> IntentGate:
        return cls(config)

    def process(self, messages: List[Message]) -> List[Message]:
        for message in messages:
            ranking = message.get("intent_ranking") or []
            if ranking and ranking[0]["name"] != "emergency" and asks_for_a_person(message.get(TEXT) or ""):
                others = [guess for guess in ranking if guess["name"] != PERSON]
                ranking = [{"name": PERSON, "confidence": 1.0}, *others]
            named = [guess for guess in ranking if guess["name"] not in INTERNAL]
            sure = bool(ranking) and re.search(r"\w", message.get(TEXT) or "") is not None
            if sure and self._passes(ranking):
                message.set(INTENT, ranking[0], add_to_output=True)
                message.set("intent_ranking", named, add_to_output=True)
            else:
                unsure = {"name": FALLBACK, "confidence": float(ranking[0]["confidence"]) if ranking else 0.0}
                message.set(INTENT, unsure, add_to_output=True)
                message.set("intent_ranking", [unsure, *named], add_to_output=True)
        return messages

    def _passes(self, ranking: List[Dict[Text, Any]]) -> bool:
        best = ranking[0]
        if best["name"] in INTERNAL:
            return False
        if best["name"] == "emergency":
            return bool(best["confidence"] >= self._config["emergency_threshold"])
        if best["confidence"] < self._config["threshold"]:
            return False
        second = ranking[1]["confidence"] if len(ranking) > 1 else 0.0
        return bool(best["confidence"] - second >= self._config["ambiguity_threshold"])


def asks_for_a_person(text: Text) -> bool:
    """This will say whether a text asks, in so many words, to talk with a person."""
    found = _ASKS_FOR_A_PERSON.search(text)
    return found is not None and _UNLESS.search(text[max(0, found.start() - 20) : found.end()]) is None
