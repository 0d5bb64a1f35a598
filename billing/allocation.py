"""Which payment pays what: pure arithmetic over whole cents.

The order is data, because jurisdictions differ; the house's own is 52 Pa. Code 56.24: the oldest first, and what is
disputed last, unless the customer said otherwise.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

Kind = Literal["BILL", "LATE_FEE", "FEE", "DEPOSIT"]
KINDS: tuple[Kind, ...] = ("BILL", "LATE_FEE", "FEE", "DEPOSIT")


@dataclass(frozen=True)
class Item:
    """Something owed. `key` is the caller's own name for it."""

    key: str
    kind: Kind
    due_on: date
    open_cents: int
    disputed: bool = False


@dataclass(frozen=True)
class Order:
    """`kinds`: which kind goes first among items due on the same day (`kinds_first`: whatever the day); a kind that is
    not named comes last. `disputed_last`: what is disputed waits."""

    kinds: tuple[Kind, ...] = KINDS
    disputed_last: bool = True
    kinds_first: bool = False


def allocate(
    cents: int, items: Sequence[Item], *, order: Order | None = None, first: str | None = None
) -> tuple[tuple[tuple[str, int], ...], int]:
    """This will share an amount among items; gives ((key, cents), ...) and what is left over as credit.

    `first` is the item the customer named, if any. Nothing gets more than it owes, and shares + rest = the amount.
    """
    if cents < 0:
        raise ValueError(f"a negative amount cannot be allocated: {cents}")
    rule = order or Order()

    def rank(item: Item) -> tuple[bool, bool, int, date, int, str]:
        disputed = rule.disputed_last and item.disputed
        kind = rule.kinds.index(item.kind) if item.kind in rule.kinds else len(rule.kinds)
        return (item.key != first, disputed, kind if rule.kinds_first else 0, item.due_on, kind, item.key)

    rest = cents
    shares: list[tuple[str, int]] = []
    for item in sorted((i for i in items if i.open_cents > 0), key=rank):
        share = min(rest, item.open_cents)
        if share:
            shares.append((item.key, share))
            rest -= share
    return tuple(shares), rest


def instalments(total_cents: int, count: int) -> tuple[int, ...]:
    """This will cut an amount into equal whole cents; the odd cents go to the first instalments."""
    if not 1 <= count <= total_cents:
        raise ValueError(f"{total_cents} cents in {count} parts")
    each, odd = divmod(total_cents, count)
    return tuple(each + (i < odd) for i in range(count))
