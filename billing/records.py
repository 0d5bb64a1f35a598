"""Bills and their lines as binary COPY rows. Pure: arrays in, bytes out.

Bills that have the same lines, and the same findings, have rows of the same width: they are one form, laid out once.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

import numpy as np
from numpy.typing import NDArray

from billing import bulk, rating, validations
from billing.rating import exact

Ints = NDArray[np.int64]

BILL_COLUMNS = (
    "id", "number", "account_id", "agreement_id", "run_id", "version", "starts_on", "ends_on", "tariff_code", "status",
    "hold_code", "findings", "total_cents", "wh", "peak_watts", "estimated", "rounding", "input_hash", "rated_at",
)  # fmt: skip
LINE_COLUMNS = (
    "bill_id", "position", "component", "code", "description", "args", "quantity", "unit", "unit_price", "amount_cents",
)  # fmt: skip


@dataclass(frozen=True)
class Batch:
    """n bills of one period under one set of terms, rated together. Arrays are [n]; `struck` is [n, checks]."""

    starts_on: date
    ends_on: date
    tariff_code: str
    rounding: str
    agreement_ids: Ints
    account_ids: Ints
    versions: Ints
    fresh: NDArray[np.bool_]
    rated: rating.Rated
    estimated: NDArray[np.bool_]
    hashes: NDArray[np.bytes_]
    struck: NDArray[np.bool_]


@dataclass(frozen=True)
class Form:
    """Some of a batch's bills, alike in form: their rows in the batch, and what they are laid out as."""

    rows: Ints
    codes: tuple[str, ...]
    columns: tuple[rating.Column, ...]

    @property
    def hold_code(self) -> str | None:
        return validations.hold_code(self.codes)


def forms(batch: Batch) -> tuple[Form, ...]:
    """This will sort the bills of a batch by form, in order of their first bill."""
    count = len(batch.agreement_ids)
    columns = batch.rated.columns
    told = [c.severity != "INFO" for c in validations.ORDERED]
    marks = np.column_stack([*(c.present for c in columns), batch.struck[:, told]])
    packed = np.ascontiguousarray(np.packbits(marks, axis=1))
    keys = packed.view(np.dtype((np.void, packed.shape[1]))).reshape(count)
    _, first, of = np.unique(keys, return_index=True, return_inverse=True)
    out = []
    for number in np.argsort(first, kind="stable"):
        at = first[number]
        out.append(
            Form(
                rows=np.flatnonzero(of.reshape(-1) == number),
                codes=validations.kept(batch.struck[at]),
                columns=tuple(c for c in columns if c.present[at]),
            )
        )
    return tuple(out)


def bills(batch: Batch, form: Form, ids: Ints, *, run_id: int, now: datetime) -> Iterator[bulk.Octets]:
    """This will lay out the bill rows of a form; a number's width is that of its id, seven digits at least."""
    widths = np.array([max(7, len(str(i))) for i in (ids[0], ids[-1])])
    for width in range(widths[0], widths[1] + 1):
        some = slice(
            int(np.searchsorted(ids, 10 ** (width - 1) if width > 7 else 0)), int(np.searchsorted(ids, 10**width))
        )
        if some.start < some.stop:
            yield _bills(batch, form, form.rows[some], ids[some], width, run_id, now)


def lines(batch: Batch, form: Form, ids: Ints) -> bulk.Octets:
    """This will lay out the lines of a form's bills, bill by bill."""
    layout = bulk.Layout()
    values: dict[str, bulk.Octets] = {"id": bulk.int8s(ids)}
    for position, column in enumerate(form.columns):
        layout.row(len(LINE_COLUMNS))
        layout.own("id" if position == 0 else f"id{position}", 8)
        values[f"id{position}"] = values["id"]
        layout.same(bulk.int8(position))
        layout.same(bulk.string(column.component))
        layout.same(bulk.string(column.code))
        layout.same(bulk.string(column.description))
        layout.same(bulk.jsonb(json.dumps(dict(column.args))))
        layout.own(f"quantity{position}", 20)
        quantity = exact.divide(column.quantity[form.rows], 1_000_000, column.scale, "HALF_EVEN")
        values[f"quantity{position}"] = bulk.millionths(quantity)
        layout.same(bulk.string(column.unit))
        layout.same(bulk.numeric(column.unit_price, 9))
        layout.own(f"cents{position}", 8)
        values[f"cents{position}"] = bulk.int8s(column.cents[form.rows])
    return layout.fill(len(ids), values)


def _bills(batch: Batch, form: Form, rows: Ints, ids: Ints, width: int, run_id: int, now: datetime) -> bulk.Octets:
    hold_code, rated = form.hold_code, batch.rated
    head = f"{batch.ends_on:%y%m}-".encode()
    layout = bulk.Layout()
    layout.row(len(BILL_COLUMNS))
    layout.own("id", 8)
    layout.own("number", len(head) + width)
    layout.own("account_id", 8)
    layout.own("agreement_id", 8)
    layout.same(bulk.int8(run_id))
    layout.own("version", 8)
    layout.same(bulk.day(batch.starts_on))
    layout.same(bulk.day(batch.ends_on))
    layout.same(bulk.string(batch.tariff_code))
    layout.same(bulk.string("HELD" if hold_code else "DRAFT"))
    layout.same(bulk.string(hold_code) if hold_code else None)
    layout.same(bulk.strings(form.codes))
    layout.own("total_cents", 8)
    layout.own("wh", 8)
    if rated.peak_watts is None:
        layout.same(None)
    else:
        layout.own("peak_watts", 8)
    layout.own("estimated", 1)
    layout.same(bulk.string(batch.rounding))
    layout.own("input_hash", 64)
    layout.same(bulk.instant(now))
    number = np.empty((len(ids), len(head) + width), dtype=np.uint8)
    number[:, : len(head)] = np.frombuffer(head, dtype=np.uint8)
    number[:, len(head) :] = bulk.digits(ids, width)
    values = {
        "id": bulk.int8s(ids),
        "number": number,
        "account_id": bulk.int8s(batch.account_ids[rows]),
        "agreement_id": bulk.int8s(batch.agreement_ids[rows]),
        "version": bulk.int8s(batch.versions[rows]),
        "total_cents": bulk.int8s(rated.total_cents[rows]),
        "wh": bulk.int8s(rated.metered[rows] * 1000 // rated.per_kwh),
        "estimated": bulk.bools(batch.estimated[rows]),
        "input_hash": batch.hashes[rows].view(np.uint8).reshape(len(rows), 64),
    }
    if rated.peak_watts is not None:
        values["peak_watts"] = bulk.int8s(rated.peak_watts[rows])
    return layout.fill(len(ids), values)


def fresh(batch: Batch) -> Batch:
    """This will give the bills of a batch that are to be written."""
    if batch.fresh.all():
        return batch
    rows = np.flatnonzero(batch.fresh)
    return replace(
        batch, agreement_ids=batch.agreement_ids[rows], account_ids=batch.account_ids[rows],
        versions=batch.versions[rows], fresh=batch.fresh[rows], rated=_only(batch.rated, rows),
        estimated=batch.estimated[rows], hashes=batch.hashes[rows], struck=batch.struck[rows],
    )  # fmt: skip


def join(parts: Sequence[Ints]) -> Ints:
    """This will put arrays of whole numbers one behind the other; none make an empty one."""
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)


def _only(rated: rating.Rated, rows: Ints) -> rating.Rated:
    return replace(
        rated,
        columns=tuple(
            replace(c, quantity=c.quantity[rows], cents=c.cents[rows], present=c.present[rows]) for c in rated.columns
        ),
        total_cents=rated.total_cents[rows],
        metered=rated.metered[rows],
        peak_watts=None if rated.peak_watts is None else rated.peak_watts[rows],
        state=None if rated.state is None else rated.state.only(rows),
        toward_minimum=None if rated.toward_minimum is None else rated.toward_minimum[rows],
    )
