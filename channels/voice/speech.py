"""Speech markup into Twilio's own, element by element: nothing that is not known speech passes as markup. Pure."""

import html.parser
from collections.abc import Mapping
from typing import Any

from twilio.twiml import GenericNode
from twilio.twiml.voice_response import Say

from channels import edge

# https://www.twilio.com/docs/voice/twiml/say/text-speech
_ELEMENTS: Mapping[str, frozenset[str]] = {
    "break": frozenset({"strength", "time"}),
    "emphasis": frozenset({"level"}),
    "lang": frozenset({"xml:lang"}),
    "p": frozenset(),
    "phoneme": frozenset({"alphabet", "ph"}),
    "prosody": frozenset({"volume", "rate", "pitch"}),
    "s": frozenset(),
    "say-as": frozenset({"interpret-as", "format"}),
    "sub": frozenset({"alias"}),
    "w": frozenset({"role"}),
}
LANGUAGES = {"en": "en-US", "es": "es-US"}
VOICES = {"en": "Polly.Joanna-Neural", "es": "Polly.Lupe-Neural"}


def say(markup: str, locale: str) -> Any:
    """This will give a <Say> of a piece of SSML; unknown elements are dropped and their words kept."""
    node = _say(locale)
    reader = _Reader(node)
    reader.feed(edge.clean(markup, 20_000))
    reader.close()
    return node


def say_text(text: str, locale: str) -> Any:
    """This will give a <Say> of plain text; whatever looks like markup in it is read as words."""
    node = _say(locale)
    node.append(edge.clean(text, 20_000))
    return node


def _say(locale: str) -> Any:
    return Say(language=LANGUAGES.get(locale, LANGUAGES["en"]), voice=VOICES.get(locale, VOICES["en"]))


class _Reader(html.parser.HTMLParser):
    def __init__(self, root: Any) -> None:
        super().__init__(convert_charrefs=True)
        self._open: list[tuple[str, Any]] = [("", root)]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._start(tag, attrs, closed=tag == "break")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._start(tag, attrs, closed=True)

    def _start(self, tag: str, attrs: list[tuple[str, str | None]], *, closed: bool) -> None:
        if tag not in _ELEMENTS:
            return
        node = GenericNode(tag, None)
        node.attrs = {name: edge.clean(value or "", 200) for name, value in attrs if name in _ELEMENTS[tag]}
        self._open[-1][1].append(node)
        if not closed:
            self._open.append((tag, node))

    def handle_endtag(self, tag: str) -> None:
        if len(self._open) > 1 and self._open[-1][0] == tag:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        node = self._open[-1][1]
        if node.verbs and isinstance(node.verbs[-1], str):
            node.verbs[-1] += data
        else:
            node.append(data)
