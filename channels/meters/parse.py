"""Reads as a head-end pushes them: JSON lines, each a run of consecutive intervals or a dial of one meter. Pure.

``{"meter": "E-1", "starts_at": "2026-11-22T00:00:00Z", "interval_minutes": 60, "wh": [410, 380]}`` are two hours;
``"direction": "RECEIVED"`` is what was sent out, ``"quality"`` one name or one for each value. -1 says nothing.
``{"meter": "R-1", "read_at": "2026-11-22T09:30:00Z", "value": "10482.5"}`` is what a dial showed.

A push is signed as a whole. A stream is signed in blocks: after some lines comes ``{"signature": "..."}`` over them,
and they are believed, and stored, when it is right.
"""

import hashlib
import hmac
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal

import msgspec
import numpy as np

from core import crypto
from metering.formats import told
from metering.quality import Quality
from metering.views import Codes

FRESH_SECONDS = 300
LONGEST_LINE = 1 << 20
LARGEST_BLOCK = 8 << 20
STREAM = b"stream"  # what the header of a stream signs: its blocks sign themselves
_MOST_INTERVALS = 288 * 62
_INTERVALS = frozenset({5, 15, 30, 60, 1440})
_CODES = {"ACTUAL": int(Quality.ACTUAL), "ESTIMATED": int(Quality.ESTIMATED), "MISSING": int(Quality.MISSING)}

_QualityName = Literal["ACTUAL", "ESTIMATED", "MISSING"]


class _Line(msgspec.Struct, frozen=True, gc=False):
    meter: str
    wh: list[int] | None = None
    starts_at: datetime | None = None
    interval_minutes: int = 60
    quality: _QualityName | list[_QualityName] = "ACTUAL"
    direction: Literal["DELIVERED", "RECEIVED"] = "DELIVERED"
    read_at: datetime | None = None
    value: Decimal | None = None


class _Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    signature: str


_line = msgspec.json.Decoder(_Line)
_signature = msgspec.json.Decoder(_Signature)


class Seal:
    """The signature of a push under way, and the digest of its bytes: both without holding them."""

    def __init__(self, secret: str, timestamp: str) -> None:
        key = crypto.digest(secret, "head-end")
        self._mac = hmac.new(key.encode(), timestamp.encode() + b"\x00", hashlib.sha256)
        self._sha = hashlib.sha256()

    def update(self, piece: bytes) -> None:
        """This will take in more of the body."""
        self._mac.update(piece.decode("latin-1").encode())
        self._sha.update(piece)

    def fits(self, shown: str) -> bool:
        """This will say whether a signature is the one of what was taken in."""
        return crypto.same(shown, self._mac.hexdigest())

    @property
    def sha256(self) -> str:
        return self._sha.hexdigest()


@dataclass(frozen=True)
class Signed:
    """What the header shows: when it was signed, in unix seconds, and how."""

    timestamp: str
    shown: str


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """This will sign a push: the hex HMAC-SHA-256, keyed for the head-end, over the timestamp and the body."""
    return crypto.digest(crypto.digest(secret, "head-end"), timestamp, body.decode("latin-1"))


def signed(header: str | None, now: datetime) -> Signed | None:
    """This will read ``t=<unix seconds>,v1=<hex>``; None when it is not that, or not of the last five minutes."""
    fields = dict(part.strip().partition("=")[::2] for part in (header or "").split(","))
    timestamp, shown = fields.get("t", ""), fields.get("v1", "")
    if not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > 12:
        return None
    return Signed(timestamp, shown) if abs(now.timestamp() - int(timestamp)) <= FRESH_SECONDS else None


def is_signed(secret: str, header: str | None, body: bytes, now: datetime) -> bool:
    """This will check the header against a body: right, and of the last five minutes."""
    found = signed(header, now)
    return found is not None and crypto.same(found.shown, signature(secret, found.timestamp, body))


def lines(body: Iterable[bytes], first: int = 1) -> Iterator[told.Told]:
    """This will read a push line by line; a line that cannot be right does not stop the rest."""
    for number, line in enumerate(body, first):
        try:
            yield _read(_line.decode(line), number)
        except (ValueError, TypeError, ArithmeticError, RecursionError) as exc:
            if line.strip():
                yield told.Unreadable(number, str(exc)[:100] or type(exc).__name__)


def block_signature(line: bytes) -> str | None:
    """This will give the signature that closes a block of a stream; None for any other line."""
    if not line.lstrip().startswith(b'{"signature"'):
        return None
    try:
        return _signature.decode(line).signature
    except ValueError:
        return None


def _read(entry: _Line, number: int) -> told.Run | told.Dial:
    if not 0 < len(entry.meter) <= 40 or "\x00" in entry.meter:
        raise ValueError("meter")
    if entry.wh is None:
        return _dial(entry, number)
    starts_at = entry.starts_at
    if starts_at is None or starts_at.tzinfo is None:
        raise ValueError("starts_at has no zone" if starts_at else "starts_at")
    if entry.interval_minutes not in _INTERVALS:
        raise ValueError("interval_minutes")
    if not 0 < len(entry.wh) <= _MOST_INTERVALS:
        raise ValueError("wh")
    wh = np.frombuffer(array("q", entry.wh), dtype=np.int64)  # half the time that numpy takes for a list
    if isinstance(entry.quality, str):
        codes = _same(entry.quality, len(wh))
    elif len(entry.quality) == len(wh):
        codes = np.array([_CODES[name] for name in entry.quality], dtype=np.uint8)
    else:
        raise ValueError("quality")
    if -1 in entry.wh:
        codes = np.where(wh == -1, 0, codes).astype(np.uint8)  # it said nothing
    if starts_at.tzinfo is not UTC:
        starts_at = starts_at.astimezone(UTC)
    return told.Run(entry.meter, entry.direction, starts_at, entry.interval_minutes, wh, codes, number)


def _dial(entry: _Line, number: int) -> told.Dial:
    if entry.read_at is None or entry.value is None:
        raise ValueError("wh, or read_at and value")
    if entry.read_at.tzinfo is None:
        raise ValueError("read_at has no zone")
    if not entry.value.is_finite() or abs(entry.value) >= 10**9 or not isinstance(entry.quality, str):
        raise ValueError("value")
    value = entry.value.quantize(Decimal("0.001"))
    at = entry.read_at.astimezone(UTC)
    return told.Dial(entry.meter, entry.direction, at, value, _CODES[entry.quality], number)


_whole: dict[tuple[str, int], Codes] = {}


def _same(name: str, count: int) -> Codes:
    """One array for all runs of a length: nobody writes into what was told."""
    found = _whole.get((name, count))
    if found is None:
        found = np.full(count, _CODES[name], dtype=np.uint8)
        found.flags.writeable = False
        if len(_whole) < 1000:
            _whole[name, count] = found
    return found
