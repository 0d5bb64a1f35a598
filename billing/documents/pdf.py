"""A bill or a credit note on paper: places what `content` says on letter or A4 pages, every stroke under its element.
Pure.

The slip of a bill stands at the foot of the first page, where an envelope's window wants it; what does not fit above it
goes on over the page.
"""

from collections.abc import Callable, Sequence
from datetime import date

from billing.documents import fonts, slip
from billing.documents.content import Block, Chart, Content, Pair, Table
from billing.documents.sheet import (
    BAR,
    BRAND,
    GOOD,
    INK,
    LATE,
    LEFT,
    PALE,
    PAPER,
    RULE,
    SOFT,
    SPARK,
    WHITE,
    Sheet,
    wrapped,
)
from billing.documents.writer import Writer

GAP = 24.0
FOOT = 44.0
ROW = 12.4
ITEM = 9.2


def bill_pdf(said: Content, issued_on: date) -> bytes:
    """This will draw a bill as a tagged PDF; the same bill gives the same bytes."""
    page = _Page(said, issued_on, 1)
    made = page.draw()
    if page.number == 1:
        return made
    return _Page(said, issued_on, page.number).draw()  # now that it is known how many there are


class _Page(Sheet):
    def __init__(self, said: Content, issued_on: date, pages: int) -> None:
        super().__init__(said, issued_on)
        self.pages, self.number = pages, 1
        self.half = (self.full - GAP) / 2
        self.y = self.high
        self.floor = slip.height(said.slip) if said.slip else FOOT

    def draw(self) -> bytes:
        said = self.said
        self._head()
        self._address()
        self._facts()
        self._usage()
        self._charges(said.charges)
        if said.plan:
            self._pair_of(self._compare_at, self._plan_at, room=70)
        blocks = [block for block in (said.pay, said.help) if block]
        self._pair_of(*map(self._block_at, blocks), room=max(map(self._block_room, blocks)))
        if self.number == 1:
            self._slip()
        return self.w.finish()

    # --- from the top of the first page down

    def _head(self) -> None:
        w, said = self.w, self.said
        with w.artifact():
            w.rect(0, self.high - 56, self.wide, 56, BRAND)
            w.rect(0, self.high - 59, self.wide, 3, SPARK)
            _bolt(w, LEFT, self.high - 43)
        with w.tag("H1"):
            self.text(self.right, self.high - 28, said.heading, 13, "bold", WHITE, "right")
        with w.tag("P"):
            number = said.number if self.pages == 1 else f"{said.number}  ·  {self._count()}"
            self.text(self.right, self.high - 44, number, 8.5, "text", PALE, "right")
        with w.tag("P"):
            self.text(LEFT + 32, self.high - 30, fonts.clip("bold", said.house, 18, 270), 18, "bold", WHITE)
        with w.tag("P"):
            self.text(LEFT + 32, self.high - 44, said.contact, 8.5, "text", PALE)

    def _address(self) -> None:
        w, said, top = self.w, self.said, self.high - 84
        room = self.full - 236 - 22
        with w.tag("P"):
            y = top
            for line in _lines("bold", said.customer, 11, room, 3):
                self.text(LEFT, y, line, 11, "bold", INK)
                y -= 13.5
            for part in said.address:
                for line in _lines("text", part, 9.5, room, 3):
                    self.text(LEFT, y, line, 9.5, "text", INK)
                    y -= 12.5
        y = min(y - 5, top - 50)
        indent = max(fonts.shape("text", label).width * 8.5 for label, _ in said.pairs) + 10
        for label, value in said.pairs:
            with w.tag("P"):
                self.text(LEFT, y, label, 8.5, "text", SOFT)
                for line in _lines("bold", value, 8.5, room - indent, 3):
                    self.text(LEFT + indent, y, line, 8.5, "bold", INK)
                    y -= 12.5
        card = self._card(self.right - 236, top + 12, 236)
        self.y = min(y + 4, card) - 12

    def _card(self, x: float, top: float, wide: float) -> float:
        w, card = self.w, self.said.card
        notes = [line for note in card.notes for line in fonts.wrap("bold", note, 9.5, wide - 36)]
        tall = 60 + 13 * max(len(notes), 1)
        with w.artifact():
            w.rect(x, top - tall, wide, tall, PAPER, 8)
            w.rect(x, top - tall, 5, tall, {"due": SPARK, "late": LATE, "credit": GOOD}[card.tone], 2.5)
        with w.tag("P"):
            self.text(x + 20, top - 19, card.label, 9.5, "bold", SOFT)
            size = min(29.0, 29 * (wide - 40) / max(fonts.shape("bold", card.amount).width * 29, 1))
            self.text(x + 20, top - 47, card.amount, size, "bold", INK)
        y = top - 63
        for n, line in enumerate(notes):
            with w.tag("P"):
                self.text(x + 20, y, line, 9.5, "bold", LATE if card.tone == "late" and n else INK)
            y -= 13
        return top - tall

    def _facts(self) -> None:
        w, cells = self.w, self.said.facts
        self.rule(self.y)
        widths = [
            max(fonts.shape("text", label).width * 7.5, fonts.shape("bold", value).width * 10) for label, value in cells
        ]
        gap = (self.full - sum(widths)) / max(len(cells) - 1, 1)
        x = LEFT
        for (label, value), wide in zip(cells, widths, strict=True):
            with w.tag("P"):
                self.text(x, self.y - 12, label, 7.5, "text", SOFT)
                self.text(x, self.y - 24.5, value, 10, "bold", INK)
            x += wide + gap
        self.rule(self.y - 33)
        self.y -= 48

    def _usage(self) -> None:
        """The chart, or what is to be told, on the left; what is owed on the right."""
        top, left, said = self.y, self.y, self.said
        wide = 236.0 if said.story else 200.0  # names of taxes are long
        if said.chart:
            left = self._chart(said.chart, LEFT, top, self.full - wide - GAP)
        elif said.story:
            left = self._told(said.story, LEFT, top, self.full - wide - GAP, size=9, lead=13, gap=4)
        self.y = min(left, self._summary(self.right - wide, top, wide)) - 15

    def _chart(self, chart: Chart, x: float, top: float, wide: float) -> float:
        w, tall = self.w, 52.0
        with w.tag("H2"):
            self.text(x, top, chart.title, 10.5, "bold", INK)
        base = top - 21 - tall
        slot = wide / 13
        with w.tag("Figure", alt=chart.alt, box=(x, base - 12, x + wide, top - 12)):
            for share in (0.5, 1.0):
                w.line(x, base + tall * share, x + wide, base + tall * share, RULE, 0.6)
            for n, bar in enumerate(chart.bars):
                left = x + slot * (13 - len(chart.bars) + n) + slot * 0.17
                middle, high = left + slot * 0.33, max(1.5, bar.share * tall)
                w.rect(left, base, slot * 0.66, high, BRAND if bar.current else BAR, 1.6)
                face, ink = ("bold", INK) if bar.current else ("text", SOFT)
                self.text(middle, base + high + 3, bar.value, 6.8, face, ink, "center")
                if bar.estimated:
                    self.text(middle, base + 3.5, "E", 6.5, "bold", WHITE if bar.current else INK, "center")
                self.text(middle, base - 9.5, bar.label, 6.8, face, ink, "center")
            w.line(x, base, x + wide, base, SOFT)
        y = base - 12
        if chart.note:
            with w.tag("P"):
                y = self.paragraph(x, y - 8, wide, chart.note, 7.4, SOFT, 9.5) + 7
        return y

    def _summary(self, x: float, top: float, wide: float) -> float:
        w, table = self.w, self.said.summary
        with w.tag("H2"):
            self.text(x, top, table.title, 10.5, "bold", INK)
        y = top - 20
        with w.tag("Table"):
            for label, amount in table.rows:
                self._money_row(x, y, wide, label, amount, 9, "text")
                y -= 15
            with w.artifact():
                w.line(x, y + 9.5, x + wide, y + 10, INK, 0.9)
            if table.total:
                self._money_row(x, y - 3, wide, *table.total, 10.5, "bold")
        y -= 18
        for note in self.said.notes:
            with w.tag("P"):
                y = self.paragraph(x, y, wide, note, 8, SOFT, 10.5) - 2
        return y + 8

    def _money_row(self, x: float, y: float, wide: float, label: str, amount: str, size: float, face: str) -> None:
        with self.w.tag("TR"):
            with self.w.tag("TH", scope="Row"):
                self.text(x, y, label, size, face, INK)
            with self.w.tag("TD"):
                self.text(x + wide, y, amount, size, face, INK, "right")

    def _charges(self, table: Table) -> None:
        w, columns = self.w, (self.right - 172, self.right - 78, self.right)
        self._ensure(74)
        with w.tag("H2"):
            self.text(LEFT, self.y, table.title, 10.5, "bold", INK)
        self.y -= 16
        with w.tag("Table"):
            self._charges_head(table, columns)
            for n, row in enumerate(table.rows):
                names = fonts.wrap("text", row[0], 9, self.full - 250)
                if self._ensure(ROW * len(names) + 2):
                    self._charges_head(table, columns)
                if n % 2 == 0:
                    with w.artifact():
                        low = self.y - 4 - ROW * (len(names) - 1)
                        w.rect(LEFT - 5, low, self.full + 10, ROW * len(names), PAPER)
                self._charge(row, names, columns)
                self.y -= ROW * len(names)
            self._ensure(24)
            self.rule(self.y + 8.5)
            if table.total:
                self._money_row(LEFT, self.y - 5, self.full, *table.total, 10.5, "bold")
        self.y -= 22

    def _charges_head(self, table: Table, columns: Sequence[float]) -> None:
        with self.w.tag("TR"):
            with self.w.tag("TH", scope="Column"):
                self.text(LEFT, self.y, table.head[0], 7.5, "text", SOFT)
            for x, label in zip(columns, table.head[1:], strict=True):
                with self.w.tag("TH", scope="Column"):
                    self.text(x, self.y, label, 7.5, "text", SOFT, "right")
        self.rule(self.y - 4.5)
        self.y -= 16

    def _charge(self, row: tuple[str, ...], names: Sequence[str], columns: Sequence[float]) -> None:
        w = self.w
        with w.tag("TR"):
            with w.tag("TH", scope="Row"):
                for n, line in enumerate(names):
                    self.text(LEFT, self.y - n * ROW, line, 9, "text", INK)
            for x, value, ink in zip(columns, row[1:], (SOFT, SOFT, INK), strict=True):
                with w.tag("TD"):
                    self.text(x, self.y, value, 9, "text", ink, "right")

    # --- pairs of blocks beside each other

    def _pair_of(self, *blocks: Callable[[float, float], float], room: float) -> None:
        self._ensure(room)
        top = self.y
        self.y = min(block(LEFT + n * (self.half + GAP), top) for n, block in enumerate(blocks)) - 8

    def _compare_at(self, x: float, top: float) -> float:
        table, w = self.said.compare, self.w
        if table is None:
            return top
        with w.tag("H2"):
            self.text(x, top, table.title, 10.5, "bold", INK)
        columns = [x + self.half * share for share in (0.35, 0.585, 0.785, 1.0)]
        y = top - 15
        with w.tag("Table"):
            with w.tag("TR"):
                for at, label in zip([x, *columns], table.head, strict=True):
                    with w.tag("TH", scope="Column"):
                        self.text(at, y, label, 7.5, "text", SOFT, "left" if at == x else "right")
            self.rule(y - 4.5, x, x + self.half)
            y -= 16
            for n, row in enumerate(table.rows):
                face = "bold" if n == 0 else "text"
                with w.tag("TR"):
                    with w.tag("TH", scope="Row"):
                        self.text(x, y, row[0], 8.5, face, INK)
                    for at, value in zip(columns, row[1:], strict=True):
                        with w.tag("TD"):
                            self.text(at, y, value, 8.5, face, INK, "right")
                y -= 12.5
        return y

    def _plan_at(self, x: float, top: float) -> float:
        return self._told(self.said.plan, x, top, self.half, size=8.2, lead=11) if self.said.plan else top

    def _told(
        self,
        told: tuple[str, tuple[str, ...]],
        x: float,
        top: float,
        wide: float,
        *,
        size: float,
        lead: float,
        gap: float = 0,
    ) -> float:
        """A heading, a sentence that matters, and more."""
        title, sentences = told
        with self.w.tag("H2"):
            self.text(x, top, title, 10.5, "bold", INK)
        y = top - 15
        for n, sentence in enumerate(sentences):
            face, ink = ("bold", INK) if n == 0 else ("text", SOFT)
            with self.w.tag("P"):
                y = self.paragraph(x, y, wide, sentence, size, ink, lead, face) - gap
        return y

    def _block_at(self, block: Block) -> Callable[[float, float], float]:
        def draw(x: float, top: float) -> float:
            with self.w.tag("H2"):
                self.text(x, top, block.title, 10.5, "bold", INK)
            y, indent = top - 14, _indent(block)
            for item in block.items:
                y = self._item(x, y, item, indent)
            return y

        return draw

    def _block_room(self, block: Block) -> float:
        wide = round(self.half - _indent(block), 1)
        return 6 + ITEM * sum(len(wrapped("text", text, 7.8, wide)) for _, text in block.items)

    def _item(self, x: float, y: float, item: Pair, indent: float) -> float:
        with self.w.tag("P"):
            self.text(x, y, item[0], 7.8, "bold", INK)
            return self.paragraph(x + indent, y, self.half - indent, item[1], 7.8, SOFT, ITEM)

    # --- pages and small strokes

    def _ensure(self, room: float) -> bool:
        """Begin a page when the room is not there; says whether it did."""
        if self.y - room >= self.floor:
            return False
        if self.number == 1:
            self._slip()
        self.number += 1
        self.floor = FOOT
        self.w.new_page()
        with self.w.artifact():
            self.text(LEFT, self.high - 42, self.said.house, 11, "bold", BRAND)
            self.text(self.right, self.high - 42, f"{self.said.number}  ·  {self._count()}", 8.5, "text", SOFT, "right")
            self.w.rect(LEFT, self.high - 52, self.full, 1.6, SPARK)
        self.y = self.high - 78
        return True

    def _slip(self) -> None:
        if self.said.slip:
            slip.draw(self, self.said.slip)

    def _count(self) -> str:
        page, of = self.said.pages
        return f"{page} {self.number} {of} {self.pages}"


def _indent(block: Block) -> float:
    return max(fonts.shape("bold", label).width * 7.8 for label, _ in block.items) + 8


def _lines(face: str, text: str, size: float, wide: float, most: int) -> list[str]:
    """Some lines at most; an ellipsis says that there was more."""
    lines = fonts.wrap(face, text, size, wide)
    if len(lines) > most:
        lines = [*lines[: most - 1], fonts.clip(face, " ".join(lines[most - 1 :]), size, wide)]
    return lines


def _bolt(w: Writer, x: float, y: float) -> None:
    points = [(15, 30), (2, 13), (11, 13), (7, 0), (22, 18), (13, 18)]
    w.polygon([(x + dx, y + dy) for dx, dy in points], SPARK)
