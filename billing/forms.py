"""The words that bills have in common, kept once: see `models.BillFormRow`."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Protocol

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from billing import models


class Worded(Protocol):
    """What a form keeps of a line: all but its figures."""

    @property
    def component(self) -> Any: ...
    @property
    def code(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def args(self) -> Mapping[str, str]: ...
    @property
    def unit(self) -> str: ...
    @property
    def unit_price(self) -> Decimal: ...


def keep(session: Session, wanted: Sequence[Sequence[Worded]]) -> list[int]:
    """This will give the ids of some forms, each as its lines in printing order; new ones are written.

    Who comes second with a new one waits for the first to commit, so a transaction brings all it needs at once.
    """
    form = models.BillFormRow
    keys = [_digest(lines) for lines in wanted]
    lines_of = dict(zip(keys, wanted, strict=True))

    def known() -> dict[str, int]:
        found = session.execute(select(form.sha256, form.id).where(form.sha256.in_(lines_of)))
        return {row.sha256: row.id for row in found}

    ids = known()
    # in one order, so that two who bring the same ones wait for each other in turn
    missing = [_row(key, lines_of[key]) for key in sorted(lines_of.keys() - ids.keys())]
    if missing:
        session.execute(insert(form).values(missing).on_conflict_do_nothing(index_elements=["sha256"]))
        ids = known()
    return [ids[key] for key in keys]


def _row(key: str, lines: Sequence[Worded]) -> dict[str, Any]:
    components = [line.component for line in lines]
    # energy at the price of the hour is money alone: its kWh stand on the lines before it
    energy = sum(line.component == "energy" and line.unit != "" for line in lines)
    return {
        "sha256": key,
        "components": components,
        "codes": [line.code for line in lines],
        "descriptions": [line.description for line in lines],
        "args": [dict(line.args) for line in lines],
        "units": [line.unit for line in lines],
        "unit_prices": [line.unit_price for line in lines],
        "energy_at": components.index("energy") + 1 if energy else 1,
        "energy_lines": energy,
        "tax_at": len(components) - components.count("tax") + 1,
        "credits_kwh": any(line.code.startswith("credit.kwh") for line in lines),
    }


def _digest(lines: Sequence[Worded]) -> str:
    said = [[x.component, x.code, x.description, dict(x.args), x.unit, f"{x.unit_price:.9f}"] for x in lines]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
