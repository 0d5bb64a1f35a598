"""Which language a customer writes in: a word count first, a small model where words are not enough. Pure."""

import functools
import re
from typing import Any


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_WORDS = {
    "en": _words(
        "the a an is are was my your you i me we it to of and or for on in not no do does did can could how what when "
        "why where who please thanks thank hello hi hey bill pay power outage help yes want need have has with this "
        "that much due balance account usage electricity light lights person agent out speak someone human meter"
    ),
    "es": _words(
        "el la los las un una es son mi mis tu su yo me nos lo de del y o para por en no que como cuando cuanto cuanta "
        "porque donde quien favor gracias hola buenos buenas dias tardes noches factura pagar luz apagon ayuda si "
        "quiero necesito tengo tiene hay con este esta eso mucho debo saldo cuenta consumo electricidad persona agente "
        "hablar alguien humano medidor recibo se fue al puedo esto ya muy mas"
    ),
}
_SHARED = frozenset(["no", "me"])
_SURE = 0.98


def detect(text: str, *, locales: tuple[str, ...]) -> str | None:
    """This will give the language of a text, if it is sure of it; None when it is not (then nothing changes)."""
    words = re.findall(r"[^\W\d_]+", text.casefold())
    bare = [_bare(word) for word in words][:80]
    if not bare or len(locales) < 2:
        return None
    hits = {name: sum(word in _WORDS[name] - _SHARED for word in bare) for name in locales if name in _WORDS}
    if len(hits) < 2:
        return None
    ranked = sorted(hits, key=lambda name: -hits[name])
    best, second = ranked[0], ranked[1]
    if hits[best] == 0 or hits[best] == hits[second]:
        return None
    if hits[second] == 0 and (hits[best] >= 2 or len(bare) <= 3):
        return best
    name, probability = _model(locales).classify(text[:400])
    return best if name == best and probability >= _SURE else None


def _bare(word: str) -> str:
    return word.translate(str.maketrans("áéíóúüñ", "aeiouun"))


@functools.lru_cache(maxsize=4)
def _model(locales: tuple[str, ...]) -> Any:
    from py3langid import langid  # it reads its model when it is imported: only who needs it pays

    identifier = langid.LanguageIdentifier.from_model_file(langid.MODEL_FILE, norm_probs=True)
    identifier.set_languages(list(locales))
    return identifier
