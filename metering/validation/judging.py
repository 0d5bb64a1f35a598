"""Asking every rule about a batch of days. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from metering import quality
from metering.validation import rules
from metering.validation.context import Codes, Context, Ints


@dataclass(frozen=True)
class Finding:
    """One finding: of which row, and what is told to staff."""

    row: int
    code: str
    severity: str
    start: int  # -1: the whole day
    end: int
    measured: int
    limit: int
    unit: str

    def span(self, day_start: datetime, minutes: int) -> tuple[datetime, datetime]:
        """This will give the instants it is about."""
        if self.start < 0:
            return day_start, day_start + timedelta(days=1)
        return day_start + self.start * timedelta(minutes=minutes), day_start + self.end * timedelta(minutes=minutes)


@dataclass(frozen=True)
class Judgement:
    """`cause` [n, per_day] is an `originals.Cause` where a value cannot be, else 0."""

    findings: tuple[Finding, ...]
    cause: Codes


def judge(values: Ints, context: Context) -> Judgement:
    """This will ask the rules that refuse a value, then, of what is left, those that doubt it.

    One finding per row and code: of several runs the first, with how far the last one reaches.
    """
    cause = np.zeros(values.shape, dtype=np.uint8)
    found: list[Finding] = []
    for rule, why in rules.IMPOSSIBLE:
        said = rule(np.where(cause > 0, quality.MISSING_WH, values), replace(context, quality=_left(context, cause)))
        for row, start, end in zip(said.row.tolist(), said.start.tolist(), said.end.tolist(), strict=True):
            cause[row, start:end] = why
        found += _each(said)
    left = np.where((cause > 0) | (values < 0), quality.MISSING_WH, values)
    seen = replace(context, quality=_left(context, cause), refused=context.refused | (cause > 0))
    for doubt in rules.DOUBTFUL:
        found += _each(doubt(left, seen))
    return Judgement(tuple(_merged(found)), cause)


def _left(context: Context, cause: Codes) -> Codes:
    return np.where(cause > 0, 0, context.quality).astype(np.uint8)


def _each(said: rules.Findings) -> Iterator[Finding]:
    for n in range(len(said)):
        yield Finding(
            int(said.row[n]), said.code, said.severity, int(said.start[n]), int(said.end[n]), int(said.measured[n]),
            int(said.limit[n]), said.unit,
        )  # fmt: skip


def _merged(found: list[Finding]) -> Iterator[Finding]:
    first: dict[tuple[int, str], Finding] = {}
    for each in found:
        held = first.get((each.row, each.code))
        if held is None:
            first[each.row, each.code] = each
        elif each.unit == "intervals":
            first[each.row, each.code] = replace(held, end=each.end, measured=held.measured + each.measured)
        else:
            worst = min(held.measured, each.measured) if each.measured < 0 else max(held.measured, each.measured)
            first[each.row, each.code] = replace(held, end=each.end, measured=worst)
    yield from first.values()
