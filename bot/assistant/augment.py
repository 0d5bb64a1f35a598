"""How people really type: a deterministic share of the training utterances comes a second time, with noise.

Typing errors, dropped letters, missing accents, text-message spelling, and speech recognition (no punctuation, numbers
as words run together). The same utterance always gets the same noise, so a model can be rebuilt to the byte.
"""

from __future__ import annotations

import hashlib
import random
import re
import unicodedata
from pathlib import Path
from typing import Any, Dict, Iterator, List, Text, Tuple

import yaml

SHARE = 0.2  # of the utterances long enough to be told apart with noise
SHORTEST = 12
UNTOUCHED = ("inform", "affirm", "deny", "greet", "goodbye")

TEXTED = {
    "en": {
        "you": "u", "your": "ur", "are": "r", "please": "pls", "because": "cuz", "want to": "wanna",
        "tomorrow": "tmrw", "to": "2", "for": "4", "what's": "wats", "why": "y", "right now": "rn", "account": "acct",
        "appointment": "appt", "payment": "pymt", "thanks": "thx", "month": "mth", "going to": "gonna", "with": "w",
    },
    "es": {
        "que": "q", "por qué": "xq", "porque": "xq", "por favor": "xfa", "para": "pa", "qué": "q", "está": "ta",
        "estoy": "toy", "quiero": "kiero", "también": "tb", "cuánto": "cuanto", "hay": "ay", "mensaje": "msj",
        "favor": "fa", "haber": "aver", "hola": "ola", "vez": "ves", "voy": "boy", "llegó": "yego", "hoy": "oy",
    },
}  # fmt: skip


def read(folder: Path) -> Iterator[Tuple[Text, Text, Text]]:
    """This will give (language, intent, utterance) of every file under a folder of languages, in a fixed order."""
    for path in sorted(folder.glob("*/*.yml")):
        for item in yaml.safe_load(path.read_text(encoding="utf-8"))["nlu"]:
            for line in item.get("examples", "").splitlines():
                yield path.parent.name, item["intent"], line[2:].strip()


def noisy(utterances: Iterator[Tuple[Text, Text, Text]]) -> Iterator[Tuple[Text, Text, Text]]:
    """This will give the noisy second copies."""
    for language, intent, utterance in utterances:
        if intent in UNTOUCHED or "[" in utterance or len(utterance) < SHORTEST:
            continue
        seed = hashlib.sha256(f"{language}|{intent}|{utterance}".encode()).digest()
        dice = random.Random(seed)
        if dice.random() >= SHARE:
            continue
        spoiled = dice.choice((_typed, _typed, _texted, _spoken, _bare))(utterance, language, dice)
        if spoiled != utterance.lower():
            yield language, intent, spoiled


def document(utterances: Iterator[Tuple[Text, Text, Text]]) -> Text:
    """This will give them as a file of Rasa training data."""
    by_intent: Dict[Text, List[Text]] = {}
    for _, intent, utterance in utterances:
        by_intent.setdefault(intent, []).append(utterance)
    items: List[Dict[Text, Any]] = [
        {"intent": intent, "examples": "".join(f"- {said}\n" for said in dict.fromkeys(by_intent[intent]))}
        for intent in sorted(by_intent)
    ]
    return yaml.safe_dump({"version": "3.1", "nlu": items}, allow_unicode=True, sort_keys=False, width=1000)


def _typed(text: Text, language: Text, dice: random.Random) -> Text:
    """One or two slips of the finger inside words."""
    letters = list(text)
    for _ in range(1 if len(text) < 25 else 2):
        inside = [i for i in range(1, len(letters) - 1) if letters[i].isalpha() and letters[i + 1].isalpha()]
        if not inside:
            break
        at = dice.choice(inside)
        slip = dice.choice(("drop", "swap", "double"))
        if slip == "drop":
            del letters[at]
        elif slip == "swap":
            letters[at], letters[at + 1] = letters[at + 1], letters[at]
        else:
            letters.insert(at, letters[at])
    return "".join(letters)


def _texted(text: Text, language: Text, dice: random.Random) -> Text:
    """Text-message spelling."""
    for full, short in TEXTED[language].items():
        if dice.random() < 0.6:
            text = re.sub(rf"\b{full}\b", short, text, flags=re.IGNORECASE)
    return _bare(text, language, dice)


def _spoken(text: Text, language: Text, dice: random.Random) -> Text:
    """What speech recognition gives: a filler, lower case, no punctuation."""
    fillers = {"en": ("uh", "um", "yeah so", "hi um"), "es": ("eh", "este", "mira", "bueno pues")}
    words = re.sub(r"[^\w\s]", "", text).lower()
    return f"{dice.choice(fillers[language])} {words}"


def _bare(text: Text, language: Text, dice: random.Random) -> Text:
    """No accents, no punctuation, no capitals."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return re.sub(r"[^\w\s$]", "", plain).lower()
