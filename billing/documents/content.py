"""What stands on a bill, put in words once; page and website only place it. Pure."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from billing import shop_references
from billing.documents import barcode
from billing.documents import words as wordings
from billing.documents.facts import ZERO, BillDocument, Month, Replaced, ShopSlip
from core import wording

TEMPLATE_VERSION = 4  # goes up whenever the same bill would be rendered in other bytes

Pair = tuple[str, str]


@dataclass(frozen=True)
class Card:
    """The amount that counts. `tone` is "due", "late" or "credit"."""

    label: str
    amount: str
    notes: tuple[str, ...]
    tone: str


@dataclass(frozen=True)
class Bar:
    label: str
    value: str
    share: float  # of the tallest
    current: bool
    estimated: bool


@dataclass(frozen=True)
class Chart:
    title: str
    alt: str
    bars: tuple[Bar, ...]
    note: str


@dataclass(frozen=True)
class Table:
    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    total: Pair | None = None


@dataclass(frozen=True)
class Block:
    """A heading and what belongs to it, each with a short word before it."""

    title: str
    items: tuple[Pair, ...]


@dataclass(frozen=True)
class ShopBars:
    """The barcode for paying in cash: its modules, the digits beneath, and what is to be said of it."""

    title: str
    text: str
    modules: str
    digits: str
    alt: str


@dataclass(frozen=True)
class Slip:
    cut: str
    title: str
    to: tuple[str, ...]
    payer: str
    fields: tuple[Pair, ...]
    enclosed: str
    url: str
    scan: str
    scan_alt: str
    shop: ShopBars | None


@dataclass(frozen=True)
class Content:
    """A bill or a credit note in one language: strings only, in the order in which they are read."""

    locale: str
    lang: str
    paper: str
    title: str
    subject: str
    house: str
    contact: str
    heading: str
    number: str
    pages: tuple[str, str]  # the words of "page ... of ..."
    customer: str
    address: tuple[str, ...]
    pairs: tuple[Pair, ...]
    card: Card
    facts: tuple[Pair, ...]
    summary: Table
    charges: Table
    help: Block
    notes: tuple[str, ...] = ()
    # a bill's alone
    chart: Chart | None = None
    compare: Table | None = None
    plan: tuple[str, tuple[str, ...]] | None = None
    pay: Block | None = None
    slip: Slip | None = None
    # a credit note's alone: a heading and sentences
    story: tuple[str, tuple[str, ...]] | None = None


def content(d: BillDocument, locale: str) -> Content:
    """This will put a bill in the words of a language ("en", "es")."""
    say = wordings.words(locale, d.house)
    level = [] if d.budget_balance is None else [_budget(d, say, d.budget_balance)]
    notes = [say("estimated")] if d.estimated and not d.history else []  # else it stands under the chart
    than = _than_last_year(d, say)
    return around(
        d,
        say,
        title=say("title", number=d.bill_number),
        heading=say("heading"),
        number=say("number", number=d.bill_number, issued=say.on(d.issued_on)),
        pairs=_replaces(d.replaces, say) if d.replaces else (),
        card=_card(d, say),
        facts=_facts(d, say),
        chart=_chart(d, say),
        summary=_summary(d, say),
        compare=_compare(d, say),
        notes=(*level, *([than] if than else []), *notes),
        charges=charges(d, say),
        plan=(say("plan"), _plan(d, say)),
        pay=_pay(d, say),
        help=_help(d, say),
        slip=_slip(d, say),
    )


def around(d: BillDocument, say: wordings.Words, *, pairs: tuple[Pair, ...], **own: Any) -> Content:
    """This will put around what a document says of its `own` what stands on each: house, customer, address."""
    return Content(
        locale=say.locale,
        lang={"en": "en-US", "es": "es-US"}[say.locale],
        paper=d.paper,
        subject=say.span(d.starts_on, d.ends_on),
        house=d.house.name,
        contact=say("contact", email=d.email),
        pages=(say("page"), say("page.of")),
        customer=plain(d.customer_name),
        address=_address(d.mailing_address),
        pairs=((say("account"), d.account_number), (say("service_at"), plain(d.service_address)), *pairs),
        **own,
    )


def plain(text: str) -> str:
    """This will take from what people typed whatever is no character of a line."""
    return " ".join("".join(c if c.isprintable() or c == " " else " " for c in text).split())


def _replaces(old: Replaced, say: wordings.Words) -> tuple[Pair, ...]:
    return ((say("replaces"), say("replaces.text", bill=old.bill_number, note=old.note_number)),)


def _card(d: BillDocument, say: wordings.Words) -> Card:
    if d.due <= 0:
        return Card(say("in_credit"), say.money(-d.due), (say("nothing_due"),), "credit")
    when = say("autopay_on" if d.autopay else "due_on", due_on=say.on(d.due_on))
    late = min(d.arrears, d.due)
    if late > 0:
        return Card(say("amount_due"), say.money(d.due), (when, say("overdue", amount=say.money(late))), "late")
    return Card(say("amount_due"), say.money(d.due), (when,), "due")


def _facts(d: BillDocument, say: wordings.Words) -> tuple[Pair, ...]:
    cells = [
        (say("period_label"), say.span(d.starts_on, d.ends_on)),
        (say("used"), kwh(say, d.kwh)),
        (say("daily"), kwh(say, d.kwh / d.days)),
        (say("daily_cost"), say.money(_cents(d.total / d.days))),
    ]
    if d.peak_kw is not None:
        cells.append((say("peak"), say("kw", value=say.number(d.peak_kw, 1))))
    return tuple(cells)


def _chart(d: BillDocument, say: wordings.Words) -> Chart | None:
    if not d.history:
        return None
    top = max(max(m.daily for m in d.history), Decimal(1))
    bars, told = [], []
    for n, month in enumerate(d.history):
        label = say.month(month.ends_on - timedelta(days=15))
        value = say.number(month.daily, 0 if month.daily >= 10 else 1)
        bars.append(Bar(label, value, float(month.daily / top), n == len(d.history) - 1, month.estimated))
        kind = "chart.bar_estimated" if month.estimated else "chart.bar"
        told.append(say(kind, month=f"{label} {month.ends_on.year}", value=value))
    note = say("estimated") if d.estimated else say("estimated_note") if any(m.estimated for m in d.history) else ""
    return Chart(say("chart"), say("chart.alt", bars=", ".join(told)), tuple(bars), note)


def _summary(d: BillDocument, say: wordings.Words) -> Table:
    rows = [(say("balance_before"), say.money(d.balance_before)), (say("payments"), say.money(d.payments))]
    if d.adjustments:
        rows.append((say("adjustments"), say.money(d.adjustments)))
    rows.append((say("this_bill"), say.money(d.total)))
    if d.budget:
        rows.append((say("budget"), say.money(d.budget)))
    total = say("balance" if d.due > 0 else "balance.credit"), say.money(abs(d.due))
    return Table(say("summary"), (), tuple(rows), total)


def _budget(d: BillDocument, say: wordings.Words, balance: Decimal) -> str:
    return say("budget_note", due=d.total + d.budget, balance=balance)


def _compare(d: BillDocument, say: wordings.Words) -> Table | None:
    earlier = [(say("compare.month"), d.ago(1)), (say("compare.year"), d.ago(12))]
    if not any(month for _, month in earlier):
        return None
    now = Month(d.ends_on, d.kwh, d.days, d.estimated, d.total)
    rows = []
    for name, month in [(say("compare.now"), now), *earlier]:
        if month is None:
            rows.append((name, "–", "–", "–", "–"))
            continue
        cost = say.money(_cents(month.total / month.days))
        rows.append((name, str(month.days), kwh(say, month.kwh), kwh(say, month.daily), cost))
    head = tuple(say(f"compare.{each}") for each in ("when", "days", "used", "daily", "cost"))
    return Table(say("compare"), head, tuple(rows))


def _than_last_year(d: BillDocument, say: wordings.Words) -> str:
    year_ago = d.ago(12)
    if year_ago is None or not year_ago.daily:
        return ""
    change = (d.kwh / d.days / year_ago.daily - 1).quantize(Decimal("0.01"))
    return say(f"than_last_year.{'less' if change < 0 else 'more' if change > 0 else 'same'}", change=abs(change))


def charges(d: BillDocument, say: wordings.Words) -> Table:
    """This will put the lines of a bill in words."""
    rows = []
    for line in d.lines:
        name = wordings.line_name(line, locale=say.locale, house=d.house, among=d.lines, step_limit=d.step_limit)
        rows.append((name, *wordings.line_measure(line, locale=say.locale, house=d.house), say.money(line.amount)))
    head = tuple(say(each) for each in ("what", "quantity", "price", "amount"))
    return Table(say("charges"), head, tuple(rows), (say("total"), say.money(d.total)))


def _plan(d: BillDocument, say: wordings.Words) -> tuple[str, ...]:
    name = d.tariff_code
    if d.tariff_name is not None:
        name = wording.label(d.tariff_name, {}, locale=say.locale, house=d.house)
    said = [say("plan.name", name=name)]
    if d.kwh > 0 and d.total > 0:
        price = say.price((d.total / d.kwh).quantize(Decimal("0.0001"), ROUND_HALF_UP))
        said.append(say("plan.price", price=price))
    if d.plan_ends_on is None:
        said.append(say("plan.open"))
    else:
        last_on = say.on(d.plan_ends_on - timedelta(days=1))
        if d.plan_ends_on <= d.issued_on:
            said.append(say("plan.over", last_on=last_on))
        elif d.exit_fee:
            said.append(say("plan.term", last_on=last_on, fee=say.money(d.exit_fee)))
        else:
            said.append(say("plan.term_free", last_on=last_on))
    return tuple(said)


def _pay(d: BillDocument, say: wordings.Words) -> Block:
    items = [(say(f"pay.{way}"), say(f"pay.{way}.text")) for way in ("online", "message", "phone")]
    if d.bank_details:
        said = say("pay.bank.text", bank=plain(d.bank_details), reference=d.account_number)
        items.append((say("pay.bank"), said))
    if d.shop:
        items.append((say("pay.shop"), say("pay.shop.text", partner=d.shop.partner)))
    items.append((say("pay.mail"), say("pay.mail.text")))
    items.append((say("pay.plan"), say("pay.plan.text")))
    return Block(say("pay"), tuple(items))


def ask(d: BillDocument, say: wordings.Words) -> Pair:
    """This will say where to ask."""
    return say("help.ask"), say("help.ask.text", email=d.email)


def regulator(d: BillDocument, say: wordings.Words) -> Pair:
    """This will say whom to turn to where that does not help."""
    known = f"document.regulator.{d.regulator.code}" in say.known
    name = say(f"regulator.{d.regulator.code}" if known else "regulator.default")
    said = say("help.regulator.text", name=name, phone=d.regulator.phone, web=d.regulator.web)
    return say("help.regulator"), said


def _help(d: BillDocument, say: wordings.Words) -> Block:
    items = [
        ask(d, say),
        (say("help.dispute"), say("help.dispute.text")),
        regulator(d, say),
        (say("help.outage"), say("help.outage.text")),
    ]
    if d.late_fee_percent:
        percent = say.trimmed(d.late_fee_percent, 4)
        said = (
            say("help.late_grace.text", percent=percent, days=d.late_fee_grace_days)
            if d.late_fee_grace_days
            else say("help.late.text", percent=percent)
        )
        items.insert(2, (say("help.late"), said))
    return Block(say("help"), tuple(items))


def _slip(d: BillDocument, say: wordings.Words) -> Slip:
    url = f"{d.house.base_url.rstrip('/')}/portal/bills" + (f"/{d.bill_id}" if d.bill_id else "")
    return Slip(
        cut=say("slip"),
        title=say("slip.heading"),
        to=(d.house.name, *_address(d.postal_address)),
        payer=plain(d.customer_name),
        fields=(
            (say("account"), d.account_number),
            (say("due_label"), say.on(d.due_on)),
            (say("amount_due"), say.money(max(d.due, ZERO))),
        ),
        enclosed=say("enclosed"),
        url=url,
        scan=say("scan"),
        scan_alt=say("scan.alt", url=url),
        shop=_shop(d.shop, say) if d.shop else None,
    )


def _shop(slip: ShopSlip, say: wordings.Words) -> ShopBars:
    digits = shop_references.spoken(slip.reference)
    return ShopBars(
        title=say("shop"),
        text=say("shop.text", amount=say.money(slip.amount)),
        modules=barcode.bars(slip.gln, slip.reference, slip.amount),
        digits=digits,
        alt=say("shop.alt", digits=digits),
    )


def _address(text: str) -> tuple[str, ...]:
    street, _, rest = plain(text).partition(", ")
    return (street, rest) if rest else (street,)


def kwh(say: wordings.Words, value: Decimal) -> str:
    """This will write an amount of energy: to a tenth where it is little."""
    return say("kwh", value=say.number(value, 1 if abs(value) < 100 else 0))


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"), ROUND_HALF_UP)
