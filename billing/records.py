"""Bills as binary COPY rows. Pure: arrays in, bytes out.

Bills that have the same lines, and the same findings, have rows of the same width: they are one form, laid out once.
"""

import math
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
    "hold_code", "findings", "form_id", "quantities", "amounts", "total_cents", "wh", "peak_watts", "estimated",
    "rounding", "input_hash", "rated_at", "issued_on", "due_on",
)  # fmt: skip


@dataclass(frozen=True)
class Batch:
    """n bills of one period under one set of terms, rated together. Arrays are [n]; `struck` is [n, checks], `hashes`
    [n, 32]. `due` are the days (as `db.day_number` has them) on which they are due when they go out at once.
    """

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
    hashes: bulk.Octets
    struck: NDArray[np.bool_]
    due: Ints | None


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


@dataclass(frozen=True)
class Made:
    """When and by what bills are made; `issued_on` where those that nothing holds go out at once."""

    run_id: int
    now: datetime
    issued_on: date | None


def bills(batch: Batch, form: Form, form_id: int, ids: Ints, made: Made) -> Iterator[bulk.Octets]:
    """This will lay out the bill rows of a form; a number's width is that of its id, seven digits at least."""
    widths = np.array([max(7, len(str(i))) for i in (ids[0], ids[-1])])
    for width in range(widths[0], widths[1] + 1):
        some = slice(
            int(np.searchsorted(ids, 10 ** (width - 1) if width > 7 else 0)), int(np.searchsorted(ids, 10**width))
        )
        if some.start < some.stop:
            yield _bills(batch, form, form_id, form.rows[some], ids[some], width, made)


def _bills(batch: Batch, form: Form, form_id: int, rows: Ints, ids: Ints, width: int, made: Made) -> bulk.Octets:
    hold_code, rated = form.hold_code, batch.rated
    goes_out = made.issued_on is not None and batch.due is not None and hold_code is None
    head = f"{batch.ends_on:%y%m}-".encode()
    number = np.empty((len(ids), len(head) + width), dtype=np.uint8)
    number[:, : len(head)] = np.frombuffer(head, dtype=np.uint8)
    number[:, len(head) :] = bulk.digits(ids, width)
    layout = bulk.Layout()
    values: dict[str, bulk.Octets] = {}

    def own(name: str, octets: bulk.Octets) -> None:
        layout.own(name, octets.shape[1])
        values[name] = octets

    layout.row(len(BILL_COLUMNS))
    own("id", bulk.int8s(ids))
    own("number", number)
    own("account_id", bulk.int8s(batch.account_ids[rows]))
    own("agreement_id", bulk.int8s(batch.agreement_ids[rows]))
    layout.same(bulk.int8(made.run_id))
    own("version", bulk.int8s(batch.versions[rows]))
    layout.same(bulk.day(batch.starts_on))
    layout.same(bulk.day(batch.ends_on))
    layout.same(bulk.string(batch.tariff_code))
    layout.same(bulk.string("HELD" if hold_code else "ISSUED" if goes_out else "DRAFT"))
    layout.same(bulk.string(hold_code) if hold_code else None)
    layout.same(bulk.strings(form.codes))
    layout.same(bulk.int8(form_id))
    own("quantities", bulk.int8_arrays([_millionths(c.quantity[rows], c.scale) for c in form.columns], len(ids)))
    own("amounts", bulk.int8_arrays([c.cents[rows] for c in form.columns], len(ids)))
    own("total_cents", bulk.int8s(rated.total_cents[rows]))
    own("wh", bulk.int8s(rated.metered[rows] * 1000 // rated.per_kwh))
    if rated.peak_watts is None:
        layout.same(None)
    else:
        own("peak_watts", bulk.int8s(rated.peak_watts[rows]))
    own("estimated", bulk.bools(batch.estimated[rows]))
    layout.same(bulk.string(batch.rounding))
    own("input_hash", batch.hashes[rows])
    layout.same(bulk.instant(made.now))
    if goes_out:
        assert made.issued_on is not None and batch.due is not None
        layout.same(bulk.day(made.issued_on))
        own("due_on", bulk.int4s(batch.due[rows]))
    else:
        layout.same(None)
        layout.same(None)
    return layout.fill(len(ids), values)


def _millionths(quantity: Ints, scale: int) -> Ints:
    shared = math.gcd(1_000_000, scale)
    return exact.divide(quantity, 1_000_000 // shared, scale // shared, "HALF_EVEN")


def fresh(batch: Batch) -> Batch:
    """This will give the bills of a batch that are to be written."""
    if batch.fresh.all():
        return batch
    rows = np.flatnonzero(batch.fresh)
    return replace(
        batch, agreement_ids=batch.agreement_ids[rows], account_ids=batch.account_ids[rows],
        versions=batch.versions[rows], fresh=batch.fresh[rows], rated=_only(batch.rated, rows),
        estimated=batch.estimated[rows], hashes=batch.hashes[rows], struck=batch.struck[rows],
        due=None if batch.due is None else batch.due[rows],
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
