"""The starting catalogue, read from the YAML file beside this module."""

import pathlib
from datetime import date
from decimal import Decimal
from typing import Any

import yaml
from sqlalchemy.orm import Session

from core.programs import operations, queries

_FILE = pathlib.Path(__file__).with_suffix(".yaml")
_AMOUNTS = ("rebate_amount", "saving_kwh", "saving_kw")


def entries() -> list[dict[str, Any]]:
    """This will give the programs of the file, amounts as Decimals."""
    return [
        {name: Decimal(value) if name in _AMOUNTS else value for name, value in entry.items()}
        for entry in yaml.safe_load(_FILE.read_text())
    ]


def load(session: Session, *, opens_on: date) -> tuple[queries.Program, ...]:
    """This will add every program of the file that is not in the catalogue yet."""
    known = queries.list_codes(session)
    return tuple(
        operations.add_program(session, opens_on=opens_on, **entry) for entry in entries() if entry["code"] not in known
    )
