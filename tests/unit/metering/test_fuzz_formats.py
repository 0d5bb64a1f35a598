"""Whatever bytes come: no crash, no hang, and the counts add up."""

import random

import pytest

from tests.unit.metering import feeds

CSV = b'start,kwh,meter\n2026-11-01T00:00Z,1,A\n2026-11-01T01:00Z,2,A\n2026-11-01T02:00Z,"3",A\n' * 5
LINES = b'{"meter": "M", "starts_at": "2026-11-01T00:00:00Z", "wh": [1, 2, -1], "quality": "ACTUAL"}\n' * 8
SEEDS = [CSV, LINES, *(feeds.content(path) for path in feeds.SAMPLES if path.suffix != ".gz")]


def mutated(chance: random.Random, content: bytes) -> bytes:
    bytes_ = bytearray(content)
    for _ in range(chance.choice([1, 1, 3, 20])):
        place = chance.randrange(len(bytes_))
        how = chance.randrange(6)
        if how == 0:
            bytes_[place] = chance.randrange(256)
        elif how == 1:
            bytes_[place] ^= 1 << chance.randrange(8)
        elif how == 2:
            del bytes_[place:]
        elif how == 3:
            del bytes_[place : place + chance.randrange(1, 60)]
        elif how == 4:
            bytes_[place:place] = bytes_[place : place + chance.randrange(1, 200)]
        else:
            digits = [n for n in range(len(bytes_)) if 48 <= bytes_[n] <= 57]
            if digits:
                bytes_[chance.choice(digits)] = chance.choice(b"0123456789-.e")
        if not bytes_:
            return b""
    return bytes(bytes_)


@pytest.mark.parametrize("seed", range(len(SEEDS)))
def test_flipped_and_cut_bytes_are_counted(seed: int) -> None:
    chance = random.Random(f"formats {seed}")
    for _ in range(150):
        feeds.counts(feeds.read(mutated(chance, SEEDS[seed])))


def test_flipped_and_cut_archives_are_counted() -> None:
    chance = random.Random("archives")
    content = (feeds.DATA / "openespi_test_usage_data.xml.gz").read_bytes()
    for _ in range(40):
        feeds.counts(feeds.read(mutated(chance, content)))


def test_mere_noise_is_counted() -> None:
    chance = random.Random("noise")
    for begin in (b"", b"<", b"{", b"\x1f\x8b\x08", b"PK\x03\x04", b"start,kwh\n", b"\xff\xfe<\x00"):
        for _ in range(30):
            feeds.counts(feeds.read(begin + chance.randbytes(chance.randrange(400))))
