"""`python -m evaluate`: how well the trained model understands sentences it has never seen. Exits 1 below the marks.

The held-out sets (tests/heldout_<language>.yml) were written by somebody else than the training data. The few short
sentences that both authors hit upon ("correct", "card declined") are left out: they would flatter the figures.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Text

HERE = Path(__file__).resolve().parent
MARKS = {"en": 0.90, "es": 0.85}  # macro-F1 of the intents, before the threshold
OUT_OF_SCOPE_MARK = 0.80  # recall at the production threshold: out_of_scope or nlu_fallback
EMERGENCY_MARK = 1.0
LANGUAGES = {"en": "English", "es": "Spanish"}


class Judged(NamedTuple):
    language: Text
    text: Text
    meant: Text
    guess: Text  # the best guess
    outcome: Text  # what the production threshold made of it
    confidence: float


def main() -> int:
    """This will print the report and give the exit code."""
    judged = asyncio.run(_judge())
    short: List[Text] = []
    for language, name in LANGUAGES.items():
        rows = [row for row in judged if row.language == language]
        before = macro_f1([row.meant for row in rows], [row.guess for row in rows])
        after = macro_f1([row.meant for row in rows], [row.outcome for row in rows])
        inside = [row for row in rows if row.meant != "out_of_scope"]
        right = sum(row.outcome == row.meant for row in inside) / len(inside)
        asked = sum(row.outcome == "nlu_fallback" for row in inside) / len(inside)
        top = sum(row.guess == row.meant for row in inside) / len(inside)
        print(f"{name}: {len(rows)} utterances, macro-F1 {before:.3f} ({after:.3f} at the threshold)")
        print(f"  in scope: best guess right {top:.3f}; at the threshold right {right:.3f}, asked back {asked:.3f}")
        outside = [row for row in rows if row.meant == "out_of_scope"]
        caught = sum(row.outcome in ("out_of_scope", "nlu_fallback") for row in outside) / max(1, len(outside))
        print(f"  out of scope: {caught:.3f} of {len(outside)} caught")
        alarms = [row for row in rows if row.meant == "emergency"]
        missed = [row for row in alarms if row.outcome != "emergency"]
        false_alarms = sum(row.outcome == "emergency" and row.meant != "emergency" for row in rows)
        print(f"  emergencies: {len(alarms) - len(missed)} of {len(alarms)} caught, {false_alarms} false alarms")
        for row in missed:
            print(f"    MISSED ({row.guess} {row.confidence:.2f}): {row.text}")
        recall = 1 - len(missed) / max(1, len(alarms))
        for what, value, mark in (
            (f"{name} macro-F1", before, MARKS[language]),
            (f"{name} out-of-scope recall", caught, OUT_OF_SCOPE_MARK),
            (f"{name} emergency recall", recall, EMERGENCY_MARK),
        ):
            if value < mark:
                short.append(f"{what} {value:.3f} < {mark:.2f}")
        _confusions(rows)
    for line in short:
        print(f"BELOW THE MARK: {line}")
    return 1 if short else 0


def macro_f1(meant: List[Text], said: List[Text]) -> float:
    """This will give the mean F1 over the intents that were meant."""
    scores = []
    for intent in sorted(set(meant)):
        hits = sum(a == b == intent for a, b in zip(meant, said, strict=True))
        total = meant.count(intent) + said.count(intent)
        scores.append(2 * hits / total if total else 0.0)
    return sum(scores) / len(scores)


def _confusions(rows: List[Judged]) -> None:
    wrong = Counter((row.meant, row.guess) for row in rows if row.meant != row.guess)
    for (meant, guess), count in wrong.most_common(25):
        print(f"    {count} x {meant} -> {guess}")


async def _judge() -> List[Judged]:
    import quiet

    quiet.hush()
    import train
    from rasa.core.agent import Agent
    from rasa.core.channels.channel import UserMessage

    path = train.model_path()
    if not path.exists():
        raise SystemExit("no model of these inputs: run `python -m train` first")
    agent = Agent.load(str(path))
    judged: List[Judged] = []
    took: List[float] = []
    for language in LANGUAGES:
        for intent, text in unseen(language):
            started = time.perf_counter()
            read: Dict[Text, Any] = await agent.processor.parse_message(
                UserMessage(text, metadata={"locale": language})
            )
            took.append(time.perf_counter() - started)
            ranking = [guess for guess in read["intent_ranking"] if guess["name"] != "nlu_fallback"]
            best = ranking[0] if ranking else {"name": "nlu_fallback", "confidence": 0.0}
            judged.append(Judged(language, text, intent, best["name"], read["intent"]["name"], best["confidence"]))
    took.sort()
    middle, slow = took[len(took) // 2] * 1000, took[len(took) * 99 // 100] * 1000
    print(f"{len(took)} parses: p50 {middle:.0f} ms, p99 {slow:.0f} ms")
    return judged


def unseen(language: Text) -> List[Any]:
    """This will give a language's held-out (intent, utterance) pairs, without those that were taught word for word."""
    import augment

    taught = {_bare(said) for _, _, said in augment.read(HERE / "data" / "nlu")}
    return [
        (intent, said)
        for intent, said in read_heldout(HERE / "tests" / f"heldout_{language}.yml")
        if _bare(said) not in taught
    ]


def _bare(said: Text) -> Text:
    from components import embedding

    return embedding.normalise(said).strip(" ?!.\u00bf\u00a1")


def read_heldout(path: Path) -> List[Any]:
    """This will give the (intent, utterance) pairs of a file of Rasa training data."""
    import yaml

    return [
        (item["intent"], line.strip()[2:].strip())
        for item in yaml.safe_load(path.read_text(encoding="utf-8"))["nlu"]
        for line in item["examples"].splitlines()
        if line.strip().startswith("- ")
    ]


if __name__ == "__main__":
    os.chdir(HERE)
    sys.path.insert(0, str(HERE))
    sys.exit(main())
