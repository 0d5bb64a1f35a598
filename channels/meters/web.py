"""The head-end's door for reads: pushed as a whole, or streamed in signed blocks."""

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import IO, Any

from flask import Blueprint, Response, jsonify, request

from channels import edge
from channels.meters import parse
from core import errors
from core.hub import Hub
from metering import operations as metering
from metering import queries as meters
from metering.formats import told
from metering.views import Counts

SIGNATURE = "X-Wattline-Signature"
STREAM = "X-Wattline-Stream"
_LARGEST = 256 * edge.MEGABYTE  # of a push that is signed as a whole; it waits on disk until it is known to be genuine
_IN_MEMORY = 4 * edge.MEGABYTE
_PIECE = 256 * edge.KILOBYTE
_SHOWN = 1000  # lines that cannot be read, in the answer
_SOURCE = "HEAD_END"


def blueprint(hub: Hub) -> Blueprint:
    """This will give POST /hooks/meters/reads: signed JSON lines (see parse)."""
    door = edge.guard(Blueprint("meters", __name__), limit=_LARGEST)

    @door.post("/hooks/meters/reads")
    def push() -> Response:
        lost: list[told.Unreadable] = []
        if request.headers.get(STREAM):
            request.max_content_length = None  # it has no end; each of its blocks has a largest size
            counts = _stream(hub, lost)
        else:
            counts = _whole(hub, lost)
        return jsonify(
            read=counts.read,
            stored=counts.stored,
            unchanged=counts.unchanged,
            excepted=counts.excepted,
            unreadable=[asdict(each) for each in lost],
            unreadable_count=counts.unreadable,
        )

    return door


def _whole(hub: Hub, lost: list[told.Unreadable]) -> Counts:
    signed = _signed(hub)
    seal = parse.Seal(hub.settings.secret_key, signed.timestamp)
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as body:
        while piece := request.stream.read(_PIECE):
            seal.update(piece)
            body.write(piece)
        if not seal.fits(signed.shown):
            raise errors.Refused("webhook.signature")
        body.seek(0)
        return _load(hub, seal.sha256, parse.lines(_bounded(body)), lost)


def _stream(hub: Hub, lost: list[told.Unreadable]) -> Counts:
    """Block by block, each a batch: what was stored of a stream that broke off is known when it comes again."""
    signed = _signed(hub)
    opened = parse.Seal(hub.settings.secret_key, signed.timestamp)
    opened.update(parse.STREAM)
    if not opened.fits(signed.shown):
        raise errors.Refused("webhook.signature")
    total, block, size, number = Counts(0, 0, 0), [], 0, 1
    seal = parse.Seal(hub.settings.secret_key, signed.timestamp)
    for line in _bounded(request.stream):
        shown = parse.block_signature(line)
        if shown is None:
            size += len(line)
            if size > parse.LARGEST_BLOCK:
                raise errors.Invalid("reads.block_too_large", line=number)
            seal.update(line)
            block.append(line)
            continue
        if not seal.fits(shown):
            raise errors.Refused("webhook.signature", line=number + len(block))
        total += _load(hub, seal.sha256, parse.lines(block, number), lost)
        number += len(block) + 1
        block, size, seal = [], 0, parse.Seal(hub.settings.secret_key, signed.timestamp)
    if block:
        raise errors.Refused("webhook.signature", line=number + len(block))
    return total


def _signed(hub: Hub) -> parse.Signed:
    found = parse.signed(request.headers.get(SIGNATURE), hub.now())
    if found is None:
        raise errors.Refused("webhook.signature")
    return found


def _load(hub: Hub, sha256: str, lines: Iterable[told.Told], lost: list[told.Unreadable]) -> Counts:
    """A batch, and what of it could not be read: from its record, so that it is told again when it comes again."""
    counts = metering.load(hub, lines, source=_SOURCE, sha256=sha256, now=hub.now())
    if counts.unreadable and len(lost) < _SHOWN:
        with hub.transaction() as session:
            found = meters.list_unreadable(session, sha256=sha256, limit=_SHOWN - len(lost))
        lost.extend(told.Unreadable(*each) for each in found)
    return counts


def _bounded(body: IO[bytes] | Any) -> Iterator[bytes]:
    """Lines, none longer than may be: the rest of one that is goes by and is one line that cannot be read."""
    while line := body.readline(parse.LONGEST_LINE):
        if not line.endswith(b"\n") and len(line) == parse.LONGEST_LINE:
            while (rest := body.readline(parse.LONGEST_LINE)) and not rest.endswith(b"\n"):
                pass
            line = b"too long\n"
        yield line
