"""A bill on paper: places what `content` says on US letter pages, every stroke under its element. Pure.

The slip stands at the foot of the first page, where an envelope's window wants it; what does not fit above it goes on
over the page.
"""

import functools
from collections.abc import Callable, Sequence
from datetime import date

import segno

from billing.documents import barcode, fonts
from billing.documents.content import Block, Chart, Content, Pair, ShopBars, Table
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
WIDTH, HEIGHT = 612.0, 792.0
LEFT, RIGHT = 46.0, WIDTH - 46.0
FULL = RIGHT - LEFT
GAP = 24.0
HALF = (FULL - GAP) / 2
SLIP_TOP = 118.0
SHOP = 50.0  # what a barcode adds to the slip, below everything else
MODULE = 0.72  # points: 0.25 mm, the least that every shop's scanner reads
FOOT = 44.0
ROW = 13.0
ITEM = 9.2


def bill_pdf(said: Content, issued_on: date) -> bytes:
    """This will draw a bill as a tagged PDF; the same bill gives the same bytes."""
    page = _Page(said, issued_on, 1)
    made = page.draw()
    if page.number == 1:
        return made
    return _Page(said, issued_on, page.number).draw()  # now that it is known how many there are


class _Page:
    def __init__(self, said: Content, issued_on: date, pages: int) -> None:
        self.said, self.pages, self.number = said, pages, 1
        self.w = Writer(
            width=WIDTH, height=HEIGHT, title=said.title, lang=said.lang, author=said.house, subject=said.subject,
            on=issued_on,
        )  # fmt: skip
        self.y = HEIGHT
        self.lift = SHOP if said.slip.shop else 0.0
        self.floor = SLIP_TOP + self.lift

    def draw(self) -> bytes:
        said = self.said
        self._head()
        self._address()
        self._facts()
        self._usage()
        self._charges(said.charges)
        self._pair_of(self._compare_at, self._plan_at, room=70)
        room = max(self._block_room(said.pay), self._block_room(said.help))
        self._pair_of(self._block_at(said.pay), self._block_at(said.help), room=room)
        if self.number == 1:
            self._slip()
        return self.w.finish()

    # --- from the top of the first page down

    def _head(self) -> None:
        w, said = self.w, self.said
        with w.artifact():
            w.rect(0, HEIGHT - 60, WIDTH, 60, BRAND)
            w.rect(0, HEIGHT - 63, WIDTH, 3, SPARK)
            _bolt(w, LEFT, HEIGHT - 46)
        with w.tag("H1"):
            self.text(RIGHT, HEIGHT - 31, said.heading, 13, "bold", WHITE, "right")
        with w.tag("P"):
            number = said.number if self.pages == 1 else f"{said.number}  ·  {self._count()}"
            self.text(RIGHT, HEIGHT - 47, number, 8.5, "text", PALE, "right")
        with w.tag("P"):
            self.text(LEFT + 32, HEIGHT - 33, fonts.clip("bold", said.house, 18, 270), 18, "bold", WHITE)
        with w.tag("P"):
            self.text(LEFT + 32, HEIGHT - 47, said.contact, 8.5, "text", PALE)

    def _address(self) -> None:
        w, said, top = self.w, self.said, HEIGHT - 89
        room = FULL - 236 - 22
        with w.tag("P"):
            y = top
            for line in _lines("bold", said.customer, 11, room, 3):
                self.text(LEFT, y, line, 11, "bold", INK)
                y -= 13.5
            for part in said.address:
                for line in _lines("text", part, 9.5, room, 3):
                    self.text(LEFT, y, line, 9.5, "text", INK)
                    y -= 12.5
        y = min(y - 5, top - 52)
        indent = max(fonts.shape("text", label).width * 8.5 for label, _ in said.pairs) + 10
        for label, value in said.pairs:
            with w.tag("P"):
                self.text(LEFT, y, label, 8.5, "text", SOFT)
                for line in _lines("bold", value, 8.5, room - indent, 3):
                    self.text(LEFT + indent, y, line, 8.5, "bold", INK)
                    y -= 12.5
        card = self._card(RIGHT - 236, top + 12, 236)
        self.y = min(y + 4, card) - 12

    def _card(self, x: float, top: float, wide: float) -> float:
        w, card = self.w, self.said.card
        notes = [line for note in card.notes for line in fonts.wrap("bold", note, 9.5, wide - 36)]
        tall = 64 + 14 * max(len(notes), 2)
        with w.artifact():
            w.rect(x, top - tall, wide, tall, PAPER, 8)
            w.rect(x, top - tall, 5, tall, {"due": SPARK, "late": LATE, "credit": GOOD}[card.tone], 2.5)
        with w.tag("P"):
            self.text(x + 20, top - 22, card.label, 9.5, "bold", SOFT)
            size = min(29.0, 29 * (wide - 40) / max(fonts.shape("bold", card.amount).width * 29, 1))
            self.text(x + 20, top - 52, card.amount, size, "bold", INK)
        y = top - 70
        for n, line in enumerate(notes):
            with w.tag("P"):
                self.text(x + 20, y, line, 9.5, "bold", LATE if card.tone == "late" and n else INK)
            y -= 14
        return top - tall

    def _facts(self) -> None:
        w, cells = self.w, self.said.facts
        self.rule(self.y)
        widths = [
            max(fonts.shape("text", label).width * 7.5, fonts.shape("bold", value).width * 10) for label, value in cells
        ]
        gap = (FULL - sum(widths)) / max(len(cells) - 1, 1)
        x = LEFT
        for (label, value), wide in zip(cells, widths, strict=True):
            with w.tag("P"):
                self.text(x, self.y - 13, label, 7.5, "text", SOFT)
                self.text(x, self.y - 26, value, 10, "bold", INK)
            x += wide + gap
        self.rule(self.y - 35)
        self.y -= 51

    def _usage(self) -> None:
        """The chart on the left, what is owed on the right."""
        top = self.y
        chart = self._chart(self.said.chart, LEFT, top, 296) if self.said.chart else top
        self.y = min(chart, self._summary(RIGHT - 200, top, 200)) - 14

    def _chart(self, chart: Chart, x: float, top: float, wide: float) -> float:
        w, tall = self.w, 60.0
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
                y = self.paragraph(x, y - 8, wide, chart.note, 7.4, SOFT, 9.5) + 9.5
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
        w, columns = self.w, (RIGHT - 172, RIGHT - 78, RIGHT)
        self._ensure(74)
        with w.tag("H2"):
            self.text(LEFT, self.y, table.title, 10.5, "bold", INK)
        self.y -= 16
        with w.tag("Table"):
            self._charges_head(table, columns)
            for n, row in enumerate(table.rows):
                names = fonts.wrap("text", row[0], 9, FULL - 250)
                if self._ensure(ROW * len(names) + 2):
                    self._charges_head(table, columns)
                if n % 2 == 0:
                    with w.artifact():
                        low = self.y - 4 - ROW * (len(names) - 1)
                        w.rect(LEFT - 5, low, FULL + 10, ROW * len(names), PAPER)
                self._charge(row, names, columns)
                self.y -= ROW * len(names)
            self._ensure(24)
            self.rule(self.y + 8.5)
            if table.total:
                self._money_row(LEFT, self.y - 5, FULL, *table.total, 10.5, "bold")
        self.y -= 24

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

    def _pair_of(
        self, left: Callable[[float, float], float], right: Callable[[float, float], float], *, room: float
    ) -> None:
        self._ensure(room)
        top = self.y
        self.y = min(left(LEFT, top), right(LEFT + HALF + GAP, top)) - 9

    def _compare_at(self, x: float, top: float) -> float:
        table, w = self.said.compare, self.w
        if table is None:
            return top
        with w.tag("H2"):
            self.text(x, top, table.title, 10.5, "bold", INK)
        columns = [x + HALF * share for share in (0.35, 0.585, 0.785, 1.0)]
        y = top - 15
        with w.tag("Table"):
            with w.tag("TR"):
                for at, label in zip([x, *columns], table.head, strict=True):
                    with w.tag("TH", scope="Column"):
                        self.text(at, y, label, 7.5, "text", SOFT, "left" if at == x else "right")
            self.rule(y - 4.5, x, x + HALF)
            y -= 16
            for n, row in enumerate(table.rows):
                face = "bold" if n == 0 else "text"
                with w.tag("TR"):
                    with w.tag("TH", scope="Row"):
                        self.text(x, y, row[0], 8.5, face, INK)
                    for at, value in zip(columns, row[1:], strict=True):
                        with w.tag("TD"):
                            self.text(at, y, value, 8.5, face, INK, "right")
                y -= 13
        return y

    def _plan_at(self, x: float, top: float) -> float:
        title, sentences = self.said.plan
        with self.w.tag("H2"):
            self.text(x, top, title, 10.5, "bold", INK)
        y = top - 15
        for n, sentence in enumerate(sentences):
            with self.w.tag("P"):
                y = self.paragraph(x, y, HALF, sentence, 8.2, INK if n == 0 else SOFT, 11, "bold" if n == 0 else "text")
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
        wide = round(HALF - _indent(block), 1)
        return 6 + ITEM * sum(len(_wrapped("text", text, 7.8, wide)) for _, text in block.items)

    def _item(self, x: float, y: float, item: Pair, indent: float) -> float:
        with self.w.tag("P"):
            self.text(x, y, item[0], 7.8, "bold", INK)
            return self.paragraph(x + indent, y, HALF - indent, item[1], 7.8, SOFT, ITEM)

    # --- the foot of the first page

    def _slip(self) -> None:
        w, slip, up = self.w, self.said.slip, self.lift
        with w.artifact():
            w.line(0, SLIP_TOP + up - 6, WIDTH, SLIP_TOP + up - 6, SOFT, 0.7, "3 3")
        with w.tag("H2"):
            self.text(LEFT, SLIP_TOP + up - 22, slip.title, 10.5, "bold", INK)
        with w.tag("P"):
            self.text(RIGHT - 92, SLIP_TOP + up - 17, slip.cut, 7, "text", SOFT, "right")
        with w.tag("P"):
            y = 82.0 + up
            for n, line in enumerate(slip.to):
                face = "bold" if n == 0 else "text"
                self.text(LEFT, y, fonts.clip(face, line, 9, 180), 9, face, INK)
                y -= 12
        with w.tag("P"):
            self.text(LEFT, 30 + up, fonts.clip("text", slip.payer, 8.5, 180), 8.5, "text", SOFT)
        x = LEFT + 200
        for n, (label, value) in enumerate(slip.fields):
            at = x if n < 2 else x + 118
            y = (72.0, 38.0, 72.0)[n] + up
            with w.tag("P"):
                self.text(at, y + 10, label, 7.5, "text", SOFT)
                self.text(at, y - 3, value, 11.5, "bold", INK)
        with w.tag("P"):
            self.text(x + 118, 48 + up, slip.enclosed, 7.5, "text", SOFT)
        with w.artifact():
            w.frame(x + 118, 26 + up, 92, 18, INK, 3, 0.8)
        size = 74.0
        left = RIGHT - size
        with w.tag("Figure", alt=slip.scan_alt, box=(left, 28 + up, RIGHT, 28 + up + size)):
            w.raw(_qr(slip.url, left, 28 + up + size, size))
        with w.tag("P"):
            self.text(left + size / 2, 18 + up, slip.scan, 7.5, "bold", INK, "center")
        if slip.shop:
            self._shop(slip.shop)

    def _shop(self, shop: ShopBars) -> None:
        """The barcode at the very foot; its quiet zone on the left is the margin."""
        w, tall, low = self.w, 36.0, 24.0
        wide = len(shop.modules) * MODULE
        with w.tag("Figure", alt=shop.alt, box=(LEFT, low, LEFT + wide, low + tall)):
            w.raw(_bars(shop.modules, LEFT, low, tall))
        with w.tag("P"):
            self.text(LEFT, low - 9, shop.digits, 8, "text", INK)
        x = LEFT + wide + 2 * barcode.QUIET * MODULE
        with w.tag("P"):
            y = self.paragraph(x, low + 28, RIGHT - x, shop.title, 8.5, INK, 11, "bold")
        with w.tag("P"):
            self.paragraph(x, y, RIGHT - x, shop.text, 7.8, SOFT, ITEM)

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
            self.text(LEFT, HEIGHT - 42, self.said.house, 11, "bold", BRAND)
            self.text(RIGHT, HEIGHT - 42, f"{self.said.number}  ·  {self._count()}", 8.5, "text", SOFT, "right")
            self.w.rect(LEFT, HEIGHT - 52, FULL, 1.6, SPARK)
        self.y = HEIGHT - 78
        return True

    def _count(self) -> str:
        page, of = self.said.pages
        return f"{page} {self.number} {of} {self.pages}"

    def text(self, x: float, y: float, text: str, size: float, face: str, color: Color, align: str = "left") -> None:
        self.w.text(x, y, text, size, face, color, align)

    def paragraph(
        self, x: float, y: float, wide: float, text: str, size: float, color: Color, lead: float, face: str = "text"
    ) -> float:
        for line in _wrapped(face, text, size, round(wide, 1)):
            self.text(x, y, line, size, face, color)
            y -= lead
        return y

    def rule(self, y: float, x: float = LEFT, to_x: float = RIGHT) -> None:
        with self.w.artifact():
            self.w.line(x, y, to_x, y, RULE)


def _indent(block: Block) -> float:
    return max(fonts.shape("bold", label).width * 7.8 for label, _ in block.items) + 8


def _lines(face: str, text: str, size: float, wide: float, most: int) -> list[str]:
    """Some lines at most; an ellipsis says that there was more."""
    lines = fonts.wrap(face, text, size, wide)
    if len(lines) > most:
        lines = [*lines[: most - 1], fonts.clip(face, " ".join(lines[most - 1 :]), size, wide)]
    return lines


@functools.lru_cache(maxsize=8192)
def _wrapped(face: str, text: str, size: float, wide: float) -> tuple[str, ...]:
    return tuple(fonts.wrap(face, text, size, wide))


@functools.lru_cache(maxsize=8)
def _squares(count: int, size: float) -> tuple[str, ...]:
    return tuple(f"{n * size / count:.2f}" for n in range(count + 1))


def _qr(url: str, x: float, top: float, size: float) -> str:
    """A QR code as runs of dark squares. Any of the eight masks can be read; trying all for the best costs the most."""
    rows = segno.make(url, error="m", micro=False, boost_error=False, mask=3).matrix
    at = _squares(len(rows), size)
    step = size / len(rows)
    ops = [f"1 0 0 1 {x:.2f} {top:.2f} cm 0 0 0 rg"]
    for n, row in enumerate(rows):
        y = f"-{at[n + 1]}"
        start = -1
        for m, dark in enumerate((*row, 0)):
            if dark and start < 0:
                start = m
            elif not dark and start >= 0:
                ops.append(f"{at[start]} {y} {(m - start) * step:.2f} {step:.3f} re")
                start = -1
    return " ".join(ops) + " f"


def _bars(modules: str, x: float, y: float, tall: float) -> str:
    ops = [f"{at * MODULE:.2f} 0 {wide * MODULE:.2f} {tall:.2f} re" for at, wide in barcode.runs(modules)]
    return " ".join([f"1 0 0 1 {x:.2f} {y:.2f} cm 0 0 0 rg", *ops, "f"])


def _bolt(w: Writer, x: float, y: float) -> None:
    points = [(15, 30), (2, 13), (11, 13), (7, 0), (22, 18), (13, 18)]
    w.polygon([(x + dx, y + dy) for dx, dy in points], SPARK)
