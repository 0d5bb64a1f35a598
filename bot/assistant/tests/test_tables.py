"""The files that are written from tables, the training data, and the noise: small promises that need no model."""

from collections import Counter
from pathlib import Path

import augment
import dialogue
import evaluate
import train

HERE = Path(__file__).resolve().parent.parent
TRAINING = list(augment.read(HERE / "data" / "nlu"))


def test_domain_and_rules_are_what_the_tables_say() -> None:
    assert (HERE / "domain.yml").read_text() == dialogue.text(dialogue.domain())
    assert (HERE / "data" / "rules.yml").read_text() == dialogue.text(dialogue.rules())


def test_every_intent_is_taught_in_both_languages() -> None:
    counts = Counter((language, intent) for language, intent, _ in TRAINING)
    expected = {*dialogue.INTENTS, "inform"}
    for language, least in (("en", 30), ("es", 20)):
        taught = {intent for spoken, intent in counts if spoken == language}
        assert taught == expected
        assert {intent: counts[language, intent] for intent in taught if counts[language, intent] < least} == {}


def test_no_utterance_teaches_two_intents() -> None:
    meant: dict = {}
    for language, intent, said in TRAINING:
        meant.setdefault((language, said.lower()), set()).add(intent)
    assert {said: intents for said, intents in meant.items() if len(intents) > 1} == {}


def test_what_was_taught_word_for_word_is_not_examined() -> None:
    taught = {said.lower() for _, _, said in TRAINING}
    for language in evaluate.LANGUAGES:
        unseen = evaluate.unseen(language)
        assert len(unseen) > 200
        assert not [said for _, said in unseen if said.lower() in taught]


def test_noise_is_the_same_every_time_and_changes_what_is_said() -> None:
    once, again = (list(augment.noisy(iter(TRAINING))) for _ in range(2))
    assert once == again
    assert 0.05 * len(TRAINING) < len(once) < 0.25 * len(TRAINING)
    clean = {(language, intent, said.lower()) for language, intent, said in TRAINING}
    assert not [copy for copy in once if copy in clean and copy[2] != copy[2].lower()]


def test_the_model_is_named_after_all_that_goes_in() -> None:
    names = {path.relative_to(HERE).as_posix() for path in train.inputs()}
    assert {"config.yml", "domain.yml", "data/rules.yml", "components/gate.py", "augment.py"} <= names
    assert any(name.startswith("data/nlu/es/") for name in names)
    assert not any("heldout" in name for name in names)


def test_macro_f1() -> None:
    assert evaluate.macro_f1(["a", "a", "b"], ["a", "b", "b"]) == (2 / 3 + 2 / 3) / 2


def test_the_tally_is_scikit_learns_own() -> None:
    import numpy as np
    from components.classifier import tally
    from sklearn.svm import SVC

    dice = np.random.default_rng(1)
    x, y = dice.normal(size=(120, 5)), dice.integers(0, 6, 120)
    machine = SVC().fit(x, y)
    votes = machine.decision_function(x)
    machine.decision_function_shape = "ovo"
    np.testing.assert_allclose(tally(machine.decision_function(x), 6), votes)
