"""What stands on a credit note, put in words once: the bill it takes back, line by line, and why. Pure."""

from billing.documents import content as contents
from billing.documents import words as wordings
from billing.documents.content import Block, Card, Content, Table
from billing.documents.facts import ZERO, CreditNoteDocument


def content(d: CreditNoteDocument, locale: str) -> Content:
    """This will put a credit note in the words of a language ("en", "es")."""
    bill = d.bill
    say = wordings.words(locale, bill.house)
    return contents.around(
        bill,
        say,
        title=say("note.title", number=d.number),
        heading=say("note.heading"),
        number=say("note.number", number=d.number, issued=say.on(d.issued_on)),
        pairs=(),
        card=_card(d, say),
        facts=(
            (say("note.bill"), bill.bill_number),
            (say("note.billed_on"), say.on(bill.issued_on)),
            (say("period_label"), say.span(bill.starts_on, bill.ends_on)),
            (say("used"), contents.kwh(say, bill.kwh)),
        ),
        story=(say("note.why"), _story(d, say)),
        summary=_summary(d, say),
        charges=_charges(d, say),
        help=Block(say("help"), (contents.ask(bill, say), contents.regulator(bill, say))),
    )


def cause(d: CreditNoteDocument, locale: str) -> str:
    """This will say in one sentence why the bill was cancelled."""
    return wordings.words(locale, d.bill.house)(f"note.cause.{d.cause}", dispute=d.dispute or "")


def _card(d: CreditNoteDocument, say: wordings.Words) -> Card:
    said = say("note.cancels", number=d.bill.bill_number)
    if d.total > 0:  # the bill was a credit
        return Card(say("note.taken_back"), say.money(d.total), (said,), "due")
    return Card(say("note.credited"), say.money(-d.total), (said,), "credit")


def _story(d: CreditNoteDocument, say: wordings.Words) -> tuple[str, ...]:
    replaced = say("note.replaced", number=d.replaced_by) if d.replaced_by else say("note.not_replaced")
    effect = say("note.effect.taken_back" if d.total > 0 else "note.effect")
    return cause(d, say.locale), replaced, effect


def _summary(d: CreditNoteDocument, say: wordings.Words) -> Table:
    """Charges and each tax, for who must book them apart."""
    taxes = [
        (wordings.line_name(line, locale=say.locale, house=d.bill.house), line.amount)
        for line in d.lines
        if line.component == "tax"
    ]
    charges = d.total - sum((amount for _, amount in taxes), ZERO)
    rows = ((say("note.charges_sum"), charges), *taxes)
    said = tuple((name, say.money(amount)) for name, amount in rows)
    return Table(say("note.summary"), (), said, (say("note.total"), say.money(d.total)))


def _charges(d: CreditNoteDocument, say: wordings.Words) -> Table:
    """A line is called what it is called on the bill."""
    was = contents.charges(d.bill, say)
    rows = tuple(
        (named[0], *wordings.line_measure(line, locale=say.locale, house=d.bill.house), say.money(line.amount))
        for named, line in zip(was.rows, d.lines, strict=True)
    )
    return Table(say("note.lines"), was.head, rows, (say("note.total"), say.money(d.total)))
