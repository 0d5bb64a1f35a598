"""A sheet of paper to write on: its measures, the house's colours, and text where it is wanted."""

import functools
from datetime import date

from billing.documents import fonts
from billing.documents.content import Content
from billing.documents.writer import Writer

Color = tuple[float, float, float]


def _hex(code: str) -> Color:
    red, green, blue = (int(code[n : n + 2], 16) / 255 for n in (0, 2, 4))
    return red, green, blue


# every text colour has a contrast of at least 4.5 to 1 on what it stands on
INK, SOFT, RULE, PAPER = (_hex(c) for c in ("14213d", "525c6e", "d9dee7", "f4f6fa"))
BRAND, SPARK, BAR, GOOD, LATE, WHITE, PALE = (
    _hex(c) for c in ("0b3c5d", "ffb703", "9db4c9", "1d7874", "b3261e", "ffffff", "cfdbe6")
)
SHEETS = {"LETTER": (612.0, 792.0), "A4": (595.3, 841.9)}
LEFT = 46.0


class Sheet:
    """The pages of a bill, as a writer of tagged PDF has them."""

    def __init__(self, said: Content, issued_on: date) -> None:
        self.said = said
        self.wide, self.high = SHEETS[said.paper]
        self.right = self.wide - LEFT
        self.full = self.right - LEFT
        self.w = Writer(
            width=self.wide, height=self.high, title=said.title, lang=said.lang, author=said.house,
            subject=said.subject, on=issued_on,
        )  # fmt: skip

    def text(self, x: float, y: float, text: str, size: float, face: str, color: Color, align: str = "left") -> None:
        """This will set one line; `align` says which end of it `x` is."""
        self.w.text(x, y, text, size, face, color, align)

    def paragraph(
        self, x: float, y: float, wide: float, text: str, size: float, color: Color, lead: float, face: str = "text"
    ) -> float:
        """This will set lines under each other; gives where the next would stand."""
        for line in wrapped(face, text, size, round(wide, 1)):
            self.text(x, y, line, size, face, color)
            y -= lead
        return y

    def rule(self, y: float, x: float = LEFT, to_x: float | None = None) -> None:
        """This will draw a thin line across, for the eye alone."""
        with self.w.artifact():
            self.w.line(x, y, self.right if to_x is None else to_x, y, RULE)


@functools.lru_cache(maxsize=8192)
def wrapped(face: str, text: str, size: float, wide: float) -> tuple[str, ...]:
    """This will break text into lines, as `fonts.wrap` does, and remember them."""
    return tuple(fonts.wrap(face, text, size, wide))
