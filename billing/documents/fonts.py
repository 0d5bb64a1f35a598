"""The two faces of printed documents: widths, glyphs, and font programs cut down to what a document uses. Pure."""

import functools
import pathlib
import struct
import unicodedata
import zlib
from dataclasses import dataclass

_HERE = pathlib.Path(__file__).parent / "fonts"
_FILES = {"text": "OpenSans-Regular.ttf", "bold": "OpenSans-Semibold.ttf"}
# what nearly every bill uses; a document that needs no more shares one program, made once in a process
_USUAL = frozenset([*map(chr, range(0x20, 0x7F)), *"áéíóúñüÁÉÍÓÚÑÜ¿¡ºª°·–—…’‘“”−×¢€©½"])
_NEEDED = (b"cmap", b"glyf", b"head", b"hhea", b"hmtx", b"loca", b"maxp")


@dataclass(frozen=True)
class Shaped:
    """A line of text as glyphs: their ids in hexadecimal, the width at size 1, and whether it shows what was meant."""

    glyphs: str
    width: float
    extra: frozenset[str]
    faithful: bool


@dataclass(frozen=True)
class Program:
    """A font as a PDF embeds it; every part is ready bytes."""

    name: str
    size: int
    file: bytes  # deflated
    widths: str
    to_unicode: bytes  # deflated
    descriptor: str


class Face:
    """One face, read once."""

    def __init__(self, name: str) -> None:
        data = (_HERE / _FILES[name]).read_bytes()
        self.name = _FILES[name].removesuffix(".ttf")
        self.tables = _tables(data)
        self.units, *box = struct.unpack(">18xH16xhhhh", self.tables[b"head"][:44])
        self.ascent, self.descent = struct.unpack(">hh", self.tables[b"hhea"][4:8])
        self.box = [round(each * 1000 / self.units) for each in box]
        (count,) = struct.unpack(">H", self.tables[b"hhea"][34:36])
        glyphs = struct.unpack(">H", self.tables[b"maxp"][4:6])[0]
        metrics = struct.unpack(f">{2 * count}H", self.tables[b"hmtx"][: 4 * count])[::2]
        self.widths = [*metrics, *[metrics[-1]] * (glyphs - count)]
        self.offsets = [2 * each for each in struct.unpack(f">{glyphs + 1}H", self.tables[b"loca"])]
        self.glyph = _characters(self.tables[b"cmap"])

    def program(self, characters: frozenset[str]) -> Program:
        """This will cut the face down to some characters. Glyphs keep their numbers; those left out become empty."""
        kept = {0, *(self.glyph[ord(c)] for c in characters)}
        outlines, offsets, at = [], [], 0
        source = self.tables[b"glyf"]
        for number in range(len(self.widths)):
            offsets.append(at // 2)
            if number in kept:
                piece = source[self.offsets[number] : self.offsets[number + 1]]
                outlines.append(piece)
                at += len(piece)
        offsets.append(at // 2)
        tables = {
            **{tag: self.tables[tag] for tag in _NEEDED},
            b"glyf": b"".join(outlines),
            b"loca": struct.pack(f">{len(offsets)}H", *offsets),
        }
        data = _file(tables)
        widths = " ".join(f"{n}[{round(self.widths[n] * 1000 / self.units)}]" for n in sorted(kept))
        scale = 1000 / self.units
        return Program(
            name=f"WATTLN+{self.name}",
            size=len(data),
            file=zlib.compress(data),
            widths=f"[{widths}]",
            to_unicode=zlib.compress(_to_unicode({self.glyph[ord(c)]: c for c in sorted(characters)})),
            descriptor=f"/Flags 32/FontBBox[{' '.join(map(str, self.box))}]/ItalicAngle 0/Ascent "
            f"{round(self.ascent * scale)}/Descent {round(self.descent * scale)}/CapHeight 714/StemV 88",
        )


@functools.cache
def face(name: str) -> Face:
    """This will give a face: "text" or "bold"."""
    return Face(name)


@functools.lru_cache(maxsize=64)
def program(name: str, extra: frozenset[str]) -> Program:
    """This will give the program with the usual characters of a face and some more."""
    return face(name).program(_USUAL | extra)


@functools.lru_cache(maxsize=16384)
def shape(name: str, text: str) -> Shaped:
    """This will turn a line into glyphs; what the face lacks becomes its plainest letter, else an empty box."""
    known, glyphs, width, extra, faithful = face(name), [], 0, set(), True
    for character in text:
        for shown in _shown(known, character):
            number = 0 if shown is None else known.glyph[ord(shown)]
            glyphs.append(f"{number:04X}")
            width += known.widths[number]
            if shown is not None and shown not in _USUAL:
                extra.add(shown)
        faithful &= ord(character) in known.glyph
    return Shaped("".join(glyphs), width / known.units, frozenset(extra), faithful)


def wrap(name: str, text: str, size: float, width: float) -> list[str]:
    """This will break a text into lines that fit; a word longer than a line is cut."""
    lines: list[str] = []
    for part in text.split("\n"):
        line = ""
        for word in part.split():
            longer = f"{line} {word}" if line else word
            if shape(name, longer).width * size <= width:
                line = longer
                continue
            if line:
                lines.append(line)
            while shape(name, word).width * size > width and len(word) > 1:
                fits = (n for n in range(len(word) - 1, 1, -1) if shape(name, word[:n]).width * size <= width)
                cut = next(fits, 1)
                lines.append(word[:cut])
                word = word[cut:]
            line = word
        lines.append(line)
    return lines


def clip(name: str, text: str, size: float, width: float) -> str:
    """This will shorten a line to a width, with an ellipsis in place of what does not fit."""
    if shape(name, text).width * size <= width:
        return text
    while text and shape(name, text + "…").width * size > width:
        text = text[:-1]
    return text.rstrip() + "…"


def _shown(known: Face, character: str) -> list[str | None]:
    code = ord(character)
    if code in known.glyph:
        return [character]
    category = unicodedata.category(character)
    if category in ("Mn", "Me", "Cf", "Cc"):
        return []  # accents of their own, and marks without a shape
    if category == "Zs":
        return [" "]
    plain = [c for c in unicodedata.normalize("NFKD", character) if ord(c) in known.glyph]
    return list(plain) or [None]


def _tables(data: bytes) -> dict[bytes, bytes]:
    (count,) = struct.unpack(">H", data[4:6])
    found = {}
    for n in range(count):
        tag, _, offset, length = struct.unpack(">4sIII", data[12 + 16 * n : 28 + 16 * n])
        found[tag] = data[offset : offset + length]
    return found


def _characters(cmap: bytes) -> dict[int, int]:
    """Format 4, the only one our faces have: runs of characters with a difference each, or a list of glyphs."""
    (count,) = struct.unpack(">H", cmap[2:4])
    places = [struct.unpack(">I", cmap[8 + 8 * n : 12 + 8 * n])[0] for n in range(count)]
    table = next(cmap[at:] for at in places if cmap[at : at + 2] == b"\0\4")
    runs = struct.unpack(">H", table[6:8])[0] // 2
    width = 2 * runs
    ends, starts, deltas, ranges = (
        struct.unpack(f">{runs}H", table[at : at + width]) for at in (14, 16 + width, 16 + 2 * width, 16 + 3 * width)
    )
    found: dict[int, int] = {}
    for n in range(runs):
        for code in range(starts[n], min(ends[n], 0xFFFE) + 1):
            number = code
            if ranges[n]:
                at = 16 + 3 * width + 2 * n + ranges[n] + 2 * (code - starts[n])
                (number,) = struct.unpack(">H", table[at : at + 2])
                if not number:
                    continue
            if (number := (number + deltas[n]) & 0xFFFF) != 0:
                found[code] = number
    return found


def _file(tables: dict[bytes, bytes]) -> bytes:
    power = 1 << (len(tables).bit_length() - 1)
    head = [struct.pack(">IHHHH", 0x10000, len(tables), power * 16, power.bit_length() - 1, (len(tables) - power) * 16)]
    body, at = [], 12 + 16 * len(tables)
    for tag in sorted(tables):
        data = tables[tag]
        padded = data + b"\0" * (-len(data) % 4)
        checksum = sum(struct.unpack(f">{len(padded) // 4}I", padded)) & 0xFFFFFFFF
        head.append(struct.pack(">4sIII", tag, checksum, at, len(data)))
        body.append(padded)
        at += len(padded)
    return b"".join([*head, *body])


def _to_unicode(characters: dict[int, str]) -> bytes:
    pairs = [f"<{number:04X}> <{c.encode('utf-16-be').hex()}>" for number, c in sorted(characters.items())]
    blocks = [pairs[n : n + 100] for n in range(0, len(pairs), 100)]
    said = "\n".join(f"{len(block)} beginbfchar\n" + "\n".join(block) + "\nendbfchar" for block in blocks)
    return (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap\n"
        "/CIDSystemInfo <</Registry (Adobe)/Ordering (UCS)/Supplement 0>> def /CMapName /Adobe-Identity-UCS def "
        "/CMapType 2 def\n1 begincodespacerange <0000> <FFFF> endcodespacerange\n"
        f"{said}\nendcmap CMapName currentdict /CMap defineresource pop end end"
    ).encode()
