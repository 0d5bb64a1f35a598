"""The printed bill: two languages, one page (two when the lines are many), the same bytes for the same bill. Pure."""

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from reportlab.graphics import renderPDF
from reportlab.graphics.barcode import qr
from reportlab.graphics.shapes import Drawing
from reportlab.lib import colors
from reportlab.lib.pagesizes import letter
from reportlab.lib.utils import simpleSplit
from reportlab.pdfgen import canvas

from billing.views import BillLine
from core import wording

INK, SOFT, RULE, PAPER = (colors.HexColor(c) for c in ("#14213d", "#5b6577", "#d9dee7", "#f4f6fa"))
BRAND, SPARK, BAR, GOOD = (colors.HexColor(c) for c in ("#0b3c5d", "#ffb703", "#9db4c9", "#1d7874"))
WIDTH, HEIGHT = letter
LEFT, RIGHT = 46.0, WIDTH - 46.0
TEXT, BOLD = "Helvetica", "Helvetica-Bold"
SLIP_TOP = 126.0
LINE_STEP = 13.0


@dataclass(frozen=True)
class Month:
    """One earlier bill, for the chart."""

    ends_on: date
    kwh: Decimal
    days: int
    estimated: bool = False

    @property
    def daily(self) -> Decimal:
        return self.kwh / self.days


@dataclass(frozen=True)
class BillDocument:
    """All a bill says. `balance_before` is what was owed after the bill before it, `payments` what happened since."""

    house: wording.House
    postal_address: str
    email: str
    customer_name: str
    mailing_address: str
    service_address: str
    account_number: str
    bill_number: str
    starts_on: date
    ends_on: date
    issued_on: date
    due_on: date
    total: Decimal
    balance_before: Decimal
    payments: Decimal
    kwh: Decimal
    days: int
    peak_kw: Decimal | None
    tariff_code: str
    estimated: bool
    autopay: bool
    lines: tuple[BillLine, ...]
    history: tuple[Month, ...]
    late_fee_percent: Decimal | None
    regulator: str

    @property
    def due(self) -> Decimal:
        return self.balance_before + self.payments + self.total


def bill_pdf(document: BillDocument, locale: str) -> bytes:
    """This will draw a bill in a language ("en", "es") as a PDF."""
    return _Page(document, locale).draw()


class _Page:
    def __init__(self, document: BillDocument, locale: str) -> None:
        self.d = document
        self.locale = locale
        self.out = io.BytesIO()
        self.c = canvas.Canvas(
            self.out, pagesize=letter, invariant=1, pageCompression=1, lang="es-US" if locale == "es" else "en-US"
        )
        self.c.setTitle(self.say("title", number=document.bill_number))
        self.c.setAuthor(document.house.name)
        self.c.setSubject(self.say("period", starts_on=document.starts_on, last_on=self.last_on))

    @property
    def last_on(self) -> date:
        return self.d.ends_on - timedelta(days=1)

    def say(self, kind: str, **data: Any) -> str:
        return wording.label(f"document.{kind}", data, locale=self.locale, house=self.d.house)

    def money(self, amount: Decimal) -> str:
        return self.say("money", amount=amount)

    def draw(self) -> bytes:
        self._head()
        self._addresses()
        self._facts(HEIGHT - 234)
        self._chart(LEFT, HEIGHT - 388, 300, 100)
        self._summary(LEFT + 326, HEIGHT - 268, RIGHT - LEFT - 326)
        foot = SLIP_TOP + 88
        y = self._lines(HEIGHT - 424)
        if y < foot:
            self.c.showPage()
            self._small_head()
        self._help(SLIP_TOP + 74)
        self._slip()
        self.c.showPage()
        self.c.save()
        return self.out.getvalue()

    # --- parts, from the top of the page down

    def _head(self) -> None:
        c = self.c
        c.setFillColor(BRAND)
        c.rect(0, HEIGHT - 62, WIDTH, 62, stroke=0, fill=1)
        _bolt(c, LEFT, HEIGHT - 47)
        self.text(LEFT + 34, HEIGHT - 34, self.d.house.name, 19, BOLD, colors.white)
        self.text(LEFT + 34, HEIGHT - 49, self.say("contact", email=self.d.email), 8.5, TEXT, BAR)
        self.text(RIGHT, HEIGHT - 32, self.say("heading"), 13, BOLD, colors.white, align="right")
        self.text(RIGHT, HEIGHT - 49, self.say("number", number=self.d.bill_number), 8.5, TEXT, BAR, align="right")
        c.setFillColor(SPARK)
        c.rect(0, HEIGHT - 65, WIDTH, 3, stroke=0, fill=1)

    def _small_head(self) -> None:
        self.text(LEFT, HEIGHT - 46, self.d.house.name, 12, BOLD, BRAND)
        self.text(RIGHT, HEIGHT - 46, self.say("number", number=self.d.bill_number), 9, TEXT, SOFT, align="right")
        self.rule(HEIGHT - 54)

    def _addresses(self) -> None:
        d, top = self.d, HEIGHT - 98
        self.text(LEFT, top, d.customer_name, 11, BOLD, INK)
        y = top - 14
        for line in _address(d.mailing_address):
            self.text(LEFT, y, line, 10, TEXT, INK)
            y -= 13
        y = top - 58
        self.pair(LEFT, y, self.say("account"), d.account_number)
        self.pair(LEFT, y - 14, self.say("service_at"), d.service_address)
        self._amount_card(RIGHT - 236, HEIGHT - 186, 236, 104)

    def _amount_card(self, x: float, y: float, w: float, h: float) -> None:
        c, owed = self.c, self.d.due
        c.setFillColor(PAPER)
        c.roundRect(x, y, w, h, 9, stroke=0, fill=1)
        c.setFillColor(SPARK if owed > 0 else GOOD)
        c.roundRect(x, y, 5, h, 2.5, stroke=0, fill=1)
        self.text(x + 20, y + h - 26, self.say("amount_due" if owed > 0 else "in_credit"), 10, BOLD, SOFT)
        self.text(x + 20, y + h - 58, self.money(abs(owed)), 31, BOLD, INK)
        if owed <= 0:
            self.text(x + 20, y + 20, self.say("nothing_due"), 10, TEXT, INK)
        elif self.d.autopay:
            self.text(x + 20, y + 20, self.say("autopay_on", due_on=self.d.due_on), 10, TEXT, INK)
        else:
            self.text(x + 20, y + 20, self.say("due_on", due_on=self.d.due_on), 11, BOLD, INK)

    def _facts(self, y: float) -> None:
        d = self.d
        cells = [
            (self.say("period_label"), self.say("period", starts_on=d.starts_on, last_on=self.last_on)),
            (self.say("used"), self.say("kwh", kwh=d.kwh)),
            (self.say("daily"), self.say("kwh", kwh=d.kwh / d.days)),
            (self.say("plan"), wording.label(f"tariff.{d.tariff_code}.name", {}, locale=self.locale, house=d.house)),
        ]
        if d.peak_kw is not None:
            cells.insert(3, (self.say("peak"), self.say("kw", kw=d.peak_kw)))
        self.rule(y + 32)
        step = (RIGHT - LEFT) / (len(cells) + 0.35)
        x = LEFT
        for i, (label, value) in enumerate(cells):
            self.text(x, y + 16, label, 8, TEXT, SOFT)
            self.text(x, y + 2, value, 10.5, BOLD, INK)
            x += step * (1.35 if i == 0 else 1)
        self.rule(y - 9)

    def _chart(self, x: float, y: float, w: float, h: float) -> None:
        months, c = self.d.history, self.c
        self.text(x, y + h + 17, self.say("chart"), 11, BOLD, INK)
        if not months:
            return
        top = max(max(m.daily for m in months), Decimal(1))
        base, room = y + 14, h - 28
        c.setStrokeColor(RULE)
        c.setLineWidth(0.6)
        for share in (0.5, 1.0):
            c.line(x, base + room * share, x + w, base + room * share)
        slot = w / 13
        for i, month in enumerate(months):
            left = x + slot * (13 - len(months) + i) + slot * 0.18
            tall = max(1.5, float(month.daily / top) * room)
            current = i == len(months) - 1
            c.setFillColor(BRAND if current else BAR)
            c.roundRect(left, base, slot * 0.64, tall, 1.6, stroke=0, fill=1)
            middle = left + slot * 0.32
            value = self.say("bar", value=month.daily)
            font, ink = (BOLD, INK) if current else (TEXT, SOFT)
            self.text(middle, base + tall + 3, value, 6.6, font, ink, "center")
            if month.estimated:
                self.text(middle, base + 3, "E", 6, BOLD, colors.white, "center")
            name = self.say("month", day=month.ends_on - timedelta(days=15))
            self.text(middle, base - 10, name, 6.6, font, ink, "center")
        c.setStrokeColor(SOFT)
        c.line(x, base, x + w, base)
        if any(m.estimated for m in months):
            self.text(x, y - 10, self.say("estimated_note"), 7, TEXT, SOFT)

    def _summary(self, x: float, y: float, w: float) -> None:
        d = self.d
        self.text(x, y - 3, self.say("summary"), 11, BOLD, INK)
        rows = [
            (self.say("balance_before"), d.balance_before),
            (self.say("payments"), d.payments),
            (self.say("this_bill"), d.total),
        ]
        y -= 24
        for label, amount in rows:
            self.text(x, y, label, 9.5, TEXT, INK)
            self.text(x + w, y, self.money(amount), 9.5, TEXT, INK, align="right")
            y -= 17
        self.c.setStrokeColor(INK)
        self.c.setLineWidth(0.9)
        self.c.line(x, y + 9, x + w, y + 9)
        self.text(x, y - 5, self.say("balance"), 10.5, BOLD, INK)
        self.text(x + w, y - 5, self.money(d.due), 10.5, BOLD, INK, align="right")
        year_ago = next((m for m in d.history if m.ends_on.year == d.ends_on.year - 1
                         and m.ends_on.month == d.ends_on.month), None)  # fmt: skip
        if year_ago is not None and year_ago.daily:
            change = (d.kwh / d.days / year_ago.daily - 1).quantize(Decimal("0.01"))
            kind = "less" if change < 0 else "more" if change > 0 else "same"
            y = self.paragraph(x, y - 24, w, self.say(f"than_last_year.{kind}", change=abs(change)), 9, SOFT)
        if d.estimated:
            self.paragraph(x, y - 4, w, self.say("estimated"), 8, SOFT)

    def _lines(self, y: float) -> float:
        """The charges; gives where they end. Too many of them go on over the page."""
        self.text(LEFT, y, self.say("charges"), 11, BOLD, INK)
        columns = (RIGHT - 178, RIGHT - 78, RIGHT)
        for x, kind in zip(columns, ("quantity", "price", "amount"), strict=True):
            self.text(x, y, self.say(kind), 8, TEXT, SOFT, align="right")
        self.rule(y - 5)
        y -= 18
        for i, line in enumerate(self.d.lines):
            if y < 60:
                self.c.showPage()
                self._small_head()
                y = HEIGHT - 80
            if i % 2 == 0:
                self.c.setFillColor(PAPER)
                self.c.rect(LEFT - 5, y - 4.2, RIGHT - LEFT + 10, LINE_STEP, stroke=0, fill=1)
            self.text(LEFT, y, line_name(line, locale=self.locale, house=self.d.house), 9, TEXT, INK)
            quantity, price = line_measure(line, locale=self.locale, house=self.d.house)
            self.text(columns[0], y, quantity, 9, TEXT, SOFT, align="right")
            self.text(columns[1], y, price, 9, TEXT, SOFT, align="right")
            self.text(columns[2], y, self.money(line.amount), 9, TEXT, INK, align="right")
            y -= LINE_STEP
        self.rule(y + 8)
        self.text(LEFT, y - 6, self.say("total"), 10.5, BOLD, INK)
        self.text(RIGHT, y - 6, self.money(self.d.total), 10.5, BOLD, INK, align="right")
        return y - 14

    def _help(self, y: float) -> None:
        half = (RIGHT - LEFT - 24) / 2
        self.rule(y + 12)
        for x, part in ((LEFT, "pay"), (LEFT + half + 24, "help")):
            self.text(x, y - 1, self.say(f"{part}.title"), 9.5, BOLD, INK)
            data = {
                "email": self.d.email,
                "postal_address": self.d.postal_address,
                "late_fee": self.d.late_fee_percent,
                "regulator": self.say(f"regulator.{self.d.regulator}")
                if f"document.regulator.{self.d.regulator}" in wording.kinds(self.locale)
                else self.say("regulator.default"),
            }
            self.paragraph(x, y - 12, half, self.say(f"{part}.text", **data), 7.6, SOFT, lead=9.2)

    def _slip(self) -> None:
        c, d = self.c, self.d
        c.setStrokeColor(SOFT)
        c.setLineWidth(0.7)
        c.setDash(3, 3)
        c.line(0, SLIP_TOP - 8, WIDTH, SLIP_TOP - 8)
        c.setDash()
        self.text(LEFT, SLIP_TOP - 20, self.say("slip"), 7.5, TEXT, SOFT)
        code = qr.QrCodeWidget(f"{d.house.base_url.rstrip('/')}/portal/bills", barLevel="M")
        x0, y0, x1, y1 = code.getBounds()
        size = 76.0
        drawing = Drawing(size, size, transform=[size / (x1 - x0), 0, 0, size / (y1 - y0), 0, 0])
        drawing.add(code)
        renderPDF.draw(drawing, c, RIGHT - size, 27)
        self.text(RIGHT - size / 2, 20, self.say("scan"), 7.5, BOLD, INK, align="center")
        self.text(LEFT, 88, d.house.name, 11, BOLD, INK)
        y = 75.0
        for line in _address(d.postal_address):
            self.text(LEFT, y, line, 9, TEXT, INK)
            y -= 12
        self.text(LEFT, 34, d.customer_name, 9, TEXT, SOFT)
        x = LEFT + 190
        for label, value, y in (
            (self.say("account"), d.account_number, 88.0),
            (self.say("due_label"), self.say("date", day=d.due_on), 60.0),
            (self.say("amount_due"), self.money(max(d.due, Decimal("0.00"))), 32.0),
        ):
            self.text(x, y + 11, label, 8, TEXT, SOFT)
            self.text(x, y - 2, value, 12, BOLD, INK)
        c.setStrokeColor(INK)
        c.setLineWidth(0.8)
        self.text(x + 128, 51, self.say("enclosed"), 8, TEXT, SOFT)
        c.roundRect(x + 128, 30, 94, 19, 3, stroke=1, fill=0)

    # --- small strokes

    def text(self, x: float, y: float, text: str, size: float, font: str, color: Any, align: str = "left") -> None:
        self.c.setFont(font, size)
        self.c.setFillColor(color)
        put: dict[str, Callable[[float, float, str], None]] = {
            "left": self.c.drawString,
            "right": self.c.drawRightString,
            "center": self.c.drawCentredString,
        }
        put[align](x, y, _plain(text))

    def pair(self, x: float, y: float, label: str, value: str) -> None:
        self.text(x, y, label, 9, TEXT, SOFT)
        self.text(x + 76, y, value, 9, BOLD, INK)

    def paragraph(
        self, x: float, y: float, w: float, text: str, size: float, color: Any, lead: float | None = None
    ) -> float:
        for part in text.split("\n"):
            for line in simpleSplit(_plain(part), TEXT, size, w):
                self.text(x, y, line, size, TEXT, color)
                y -= lead or size * 1.3
        return y

    def rule(self, y: float) -> None:
        self.c.setStrokeColor(RULE)
        self.c.setLineWidth(0.8)
        self.c.line(LEFT, y, RIGHT, y)


def line_name(line: BillLine, *, locale: str, house: wording.House) -> str:
    """This will word what a line of a bill is for."""
    known, args = wording.kinds(locale), dict(line.args)
    kind = f"document.line.{line.code}"
    if kind not in known:
        return line.description
    name = args.get("period") or args.get("rider") or args.get("tax") or ""
    if f"document.name.{name}" in known:
        said = wording.label(f"document.name.{name}", {}, locale=locale, house=house)
    else:
        said = name or ("" if line.component in ("energy", "demand") else line.description)
    text = wording.label(kind, {"name": said, "tier": args.get("tier", "")}, locale=locale, house=house)
    days = _days(args)
    if days is not None:
        data = {"starts_on": days[0], "last_on": days[1]}
        text += " " + wording.label("document.line_days", data, locale=locale, house=house)
    return text


def line_measure(line: BillLine, *, locale: str, house: wording.House) -> tuple[str, str]:
    """This will word how much of it there was, and the price of one; two empty words where neither is said."""

    def say(kind: str, **data: Any) -> str:
        return wording.label(f"document.{kind}", data, locale=locale, house=house)

    if line.component == "minimum":
        return "", ""
    if line.unit == "%":
        return say("of", amount=line.quantity.quantize(Decimal("0.01"))), say("percent", value=line.unit_price)
    return say("measure", value=line.quantity, unit=line.unit), say("unit_price", value=line.unit_price)


def _days(args: dict[str, str]) -> tuple[date, date] | None:
    """The days a line is for, where they are not the whole period."""
    if "from" not in args or "to" not in args:
        return None
    return date.fromisoformat(args["from"]), date.fromisoformat(args["to"]) - timedelta(days=1)


def _address(text: str) -> Sequence[str]:
    street, _, rest = text.partition(", ")
    return [street, rest] if rest else [street]


def _plain(text: str) -> str:
    """The fonts every PDF reader has know Latin-1: other spaces and dashes become the ordinary ones."""
    text = re.sub("[\u00a0\u202f\u2009]", " ", text).replace("\u2212", "-")
    return text.encode("cp1252", "replace").decode("cp1252")


def _bolt(c: Any, x: float, y: float) -> None:
    path = c.beginPath()
    path.moveTo(x + 15, y + 30)
    for dx, dy in ((2, 13), (11, 13), (7, 0), (22, 18), (13, 18)):
        path.lineTo(x + dx, y + dy)
    path.close()
    c.setFillColor(SPARK)
    c.drawPath(path, stroke=0, fill=1)
