"""Dates, amounts and numbers by the native Duckling build (`pyduckling-native-phihos`), in the speaker's language."""

from __future__ import annotations

import time
from functools import lru_cache
from typing import Any, Dict, List, Optional, Text

from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.nlu.extractors.extractor import EntityExtractorMixin
from rasa.shared.nlu.constants import ENTITIES, TEXT
from rasa.shared.nlu.training_data.message import Message

LOCALES = {"en": "EN_US", "es": "ES"}
LONGEST = 600


@lru_cache(maxsize=None)
def _time_zones(path: Text) -> Any:
    import duckling

    return duckling.load_time_zones(path)


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.ENTITY_EXTRACTOR, is_trainable=False)
class AmountExtractor(EntityExtractorMixin, GraphComponent):
    """Entities `date`, `amount`, `number`. The language is `metadata.locale` of the message, English when unsaid."""

    @staticmethod
    def required_packages() -> List[Text]:
        return ["duckling"]

    @staticmethod
    def get_default_config() -> Dict[Text, Any]:
        return {
            "timezone": "America/New_York",
            "zoneinfo": "/usr/share/zoneinfo",
            "dimensions": {"time": "date", "amount-of-money": "amount", "number": "number"},
        }

    def __init__(self, config: Dict[Text, Any]) -> None:
        import duckling

        self._config = {**self.get_default_config(), **config}
        self._duckling = duckling
        self._zones = _time_zones(self._config["zoneinfo"])
        self._dimensions = duckling.parse_dimensions(list(self._config["dimensions"]))
        self._locales = {
            locale: duckling.parse_locale(name, duckling.default_locale_lang(duckling.parse_lang(name[:2])))
            for locale, name in LOCALES.items()
        }

    @classmethod
    def create(
        cls,
        config: Dict[Text, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> AmountExtractor:
        return cls(config)

    def process(self, messages: List[Message]) -> List[Message]:
        for message in messages:
            text = message.get(TEXT)
            if not text or not text.strip():
                continue
            metadata = message.get("metadata") or {}
            found = self.extract(text[:LONGEST], metadata.get("locale"), int(time.time()))
            if found:
                message.set(ENTITIES, message.get(ENTITIES, []) + found, add_to_output=True)
        return messages

    def extract(self, text: Text, locale: Optional[Text], at: int) -> List[Dict[Text, Any]]:
        """This will list the entities of a text; `at` (epoch seconds) is what "tomorrow" counts from."""
        language = self._locales.get((locale or "en")[:2], self._locales["en"])
        reference = self._duckling.parse_ref_time(self._zones, self._config["timezone"], at)
        context = self._duckling.Context(reference, language)
        return [self._entity(text, hit) for hit in self._duckling.parse(text, context, self._dimensions, False)]

    def _entity(self, text: Text, hit: Dict[Text, Any]) -> Dict[Text, Any]:
        value = hit["value"]
        if "value" in value:
            meaning: Any = value["value"]
        else:  # an interval: half-open, either end may be missing
            ends = ((end, value.get(end)) for end in ("from", "to"))
            meaning = {end: (part or {}).get("value") for end, part in ends}
        extra = {key: value[key] for key in ("grain", "unit", "type") if value.get(key)}
        return {
            "entity": self._config["dimensions"][hit["dim"]],
            "start": hit["start"],
            "end": hit["end"],
            "text": text[hit["start"] : hit["end"]],  # sliced here: the library's own `body` garbles some signs
            "value": meaning,
            "additional_info": extra,
            "confidence": 1.0,
            "extractor": "AmountExtractor",
        }
