"""A CSV file whose first line names its columns: read whole, or refused whole with the line that is wrong. Pure."""

import csv
import io
from collections.abc import Callable, Sequence
from typing import TypeVar

from core import errors

T = TypeVar("T")


def parse(body: bytes, *, columns: Sequence[str], kind: str, of: Callable[[dict[str, str]], T]) -> list[tuple[int, T]]:
    """This will read the lines with their numbers in the file, each by `of`; a ValueError of it is a line's fault.

    Invalid <kind>.columns, <kind>.line or <kind>.unreadable.
    """
    try:
        rows = csv.DictReader(io.StringIO(body.decode("utf-8-sig")), strict=True)
        if list(rows.fieldnames or ()) != list(columns):
            raise errors.Invalid(f"{kind}.columns", wanted=list(columns))
        return [(rows.line_num, _read(row, of, f"{kind}.line", rows.line_num)) for row in rows]
    except (UnicodeDecodeError, csv.Error) as wrong:
        raise errors.Invalid(f"{kind}.unreadable") from wrong


def _read(row: dict[str, str], of: Callable[[dict[str, str]], T], wrong: str, line: int) -> T:
    try:
        if None in row or None in row.values():
            raise ValueError("too many or too few columns")
        return of(row)
    except (ArithmeticError, ValueError) as exc:
        raise errors.Invalid(wrong, line=line) from exc
