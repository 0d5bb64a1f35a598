"""A small writer of tagged PDF (ISO 32000, shaped after PDF/UA-1): text, boxes and lines, each under its element. Pure.

Everything drawn belongs to an element of the structure (`tag`) or is decoration (`artifact`); nothing is left over. The
same strokes give the same bytes.
"""

import functools
import hashlib
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from xml.sax.saxutils import escape

from billing.documents import fonts

_FACES = ("text", "bold")
_COUNT = re.compile(rb"<</Type/Pages/Count ([0-9]+)")
_K = 0.5523  # the handle of a Bézier curve that is a quarter of a circle


class Element:
    """One element of the structure tree; `kids` are elements or (page, number of the marked content)."""

    __slots__ = ("attributes", "kids", "number", "parent", "tag")

    def __init__(self, tag: str, parent: "Element | None", attributes: str = "") -> None:
        self.tag, self.parent, self.attributes = tag, parent, attributes
        self.kids: list[Element | tuple[int, int]] = []
        self.number = 0


_ARTIFACT = Element("Artifact", None)


class Writer:
    """A document in the making. Points from the lower left corner; colours are (red, green, blue) from 0 to 1."""

    def __init__(self, *, width: float, height: float, title: str, lang: str, author: str, subject: str, on: date):
        self.width, self.height = width, height
        self._about = {"title": title, "author": author, "subject": subject}
        self._lang, self._on = lang, on
        self._root = Element("Document", None)
        self._at = self._root
        self._open: Element | None = None
        self._ops: list[str] = []
        self._pages: list[bytes] = []
        self._marked: list[list[Element]] = [[]]
        self._extra: dict[str, set[str]] = {name: set() for name in _FACES}
        self._set: dict[str, object] = {}

    # --- structure

    @contextmanager
    def tag(self, tag: str, *, alt: str = "", scope: str = "", box: Sequence[float] = ()) -> Iterator[None]:
        """This will put what is drawn meanwhile under an element: P, H1, Table, TR, TH, TD, Figure ..."""
        said = f"/Alt{_text(alt)}" if alt else ""
        if scope:
            said += f"/A<</O/Table/Scope/{scope}>>"
        if box:
            said += f"/A<</O/Layout/Placement/Block/BBox[{' '.join(_n(v) for v in box)}]>>"
        element = Element(tag, self._at, said)
        self._at.kids.append(element)
        self._at = element
        yield
        self._close()
        self._at = element.parent or self._root

    @contextmanager
    def artifact(self) -> Iterator[None]:
        """This will draw decoration, which nobody reads aloud."""
        before, self._at = self._at, _ARTIFACT
        yield
        self._close()
        self._at = before

    # --- strokes

    def text(
        self, x: float, y: float, text: str, size: float, face: str, color: tuple[float, ...], align: str = "left"
    ) -> float:
        """This will draw one line and give its width; what the face cannot show is still there for who listens."""
        if not text:
            return 0.0
        shaped = fonts.shape(face, text)
        width = shaped.width * size
        self._mark()
        self._extra[face] |= shaped.extra
        self._ink("rg", color)
        x -= {"left": 0.0, "right": width, "center": width / 2}[align]
        show = f"BT /{face} {_n(size)} Tf {_n(x)} {_n(y)} Td <{shaped.glyphs}> Tj ET"
        if not shaped.faithful:
            show = f"/Span <</ActualText{_text(text)}>> BDC {show} EMC"
        self._ops.append(show)
        return width

    def rect(self, x: float, y: float, w: float, h: float, color: tuple[float, ...], radius: float = 0.0) -> None:
        """This will fill a rectangle, with round corners if asked."""
        self._mark()
        self._ink("rg", color)
        self._ops.append(_rounded(x, y, w, h, radius) + " f" if radius else f"{_n(x)} {_n(y)} {_n(w)} {_n(h)} re f")

    def frame(
        self, x: float, y: float, w: float, h: float, color: tuple[float, ...], radius: float, line: float
    ) -> None:
        """This will draw the outline of a rectangle."""
        self._mark()
        self._ink("RG", color)
        self._ops.append(f"{_n(line)} w {_rounded(x, y, w, h, radius)} s")

    def line(
        self, x: float, y: float, to_x: float, to_y: float, color: tuple[float, ...], width: float = 0.8, dash: str = ""
    ) -> None:
        """This will draw a straight line; `dash` is a PDF dash array."""
        self._mark()
        self._ink("RG", color)
        stroke = f"{_n(width)} w {_n(x)} {_n(y)} m {_n(to_x)} {_n(to_y)} l S"
        self._ops.append(f"[{dash}] 0 d {stroke} [] 0 d" if dash else stroke)

    def polygon(self, points: Sequence[tuple[float, float]], color: tuple[float, ...]) -> None:
        """This will fill the area between points."""
        self._mark()
        self._ink("rg", color)
        first, *rest = points
        path = [f"{_n(first[0])} {_n(first[1])} m", *(f"{_n(x)} {_n(y)} l" for x, y in rest), "h f"]
        self._ops.append(" ".join(path))

    def raw(self, operators: str) -> None:
        """This will add operators that keep the state as it was."""
        self._mark()
        self._ops.append(f"q {operators} Q")

    def new_page(self) -> None:
        """This will end the page and begin another."""
        self._end_page()
        self._marked.append([])

    # --- the file

    def finish(self) -> bytes:
        """This will give the document."""
        self._end_page()
        return _File(self).build()

    def _mark(self) -> None:
        if self._open is self._at:
            return
        self._close()
        if self._at is _ARTIFACT:
            self._ops.append("/Artifact BMC")
        else:
            on_page = self._marked[-1]
            self._ops.append(f"/{self._at.tag} <</MCID {len(on_page)}>> BDC")
            self._at.kids.append((len(self._marked) - 1, len(on_page)))
            on_page.append(self._at)
        self._open = self._at

    def _close(self) -> None:
        if self._open is not None:
            self._ops.append("EMC")
            self._open = None

    def _ink(self, operator: str, color: tuple[float, ...]) -> None:
        if self._set.get(operator) != color:
            self._set[operator] = color
            self._ops.append(f"{_color(color)} {operator}")

    def _end_page(self) -> None:
        self._close()
        self._pages.append(zlib.compress("\n".join(self._ops).encode("ascii")))
        self._ops, self._set = [], {}


class _File:
    """Objects become bytes: small ones together in a packed stream, the others apart, and the table that finds them."""

    def __init__(self, made: Writer) -> None:
        self.made = made
        self.packed: dict[int, str] = {}
        self.streams: dict[int, bytes] = {}
        self.count = 0

    def build(self) -> bytes:
        made = self.made
        catalog, pages, structure, info, metadata = (self._take() for _ in range(5))
        page_numbers = [self._take() for _ in made._pages]
        resources = self._fonts()
        tree = self._structure(structure, page_numbers)
        for n, (number, body) in enumerate(zip(page_numbers, made._pages, strict=True)):
            content = self._stream(body, "/Filter/FlateDecode")
            self.packed[number] = (
                f"<</Type/Page/Parent {pages} 0 R/MediaBox[0 0 {_n(made.width)} {_n(made.height)}]"
                f"/Contents {content} 0 R/Resources<</Font<<{resources}>>>>/StructParents {n}/Tabs/S>>"
            )
        kids = " ".join(f"{n} 0 R" for n in page_numbers)
        self.packed[pages] = f"<</Type/Pages/Count {len(page_numbers)}/Kids[{kids}]>>"
        self.packed[structure] = tree
        day = made._on.strftime("D:%Y%m%d000000Z")
        about = made._about
        self.packed[info] = (
            f"<</Title{_text(about['title'])}/Author{_text(about['author'])}/Subject{_text(about['subject'])}"
            f"/Producer(Wattline)/CreationDate({day})/ModDate({day})>>"
        )
        self._stream(_xmp(about, made._lang, made._on), "/Type/Metadata/Subtype/XML", number=metadata)
        self.packed[catalog] = (
            f"<</Type/Catalog/Pages {pages} 0 R/StructTreeRoot {structure} 0 R/MarkInfo<</Marked true>>"
            f"/Lang{_text(made._lang)}/Metadata {metadata} 0 R/ViewerPreferences<</DisplayDocTitle true>>>>"
        )
        return self._write(catalog, info)

    def _take(self) -> int:
        self.count += 1
        return self.count

    def _stream(self, body: bytes, said: str, number: int | None = None) -> int:
        number = number or self._take()
        self.streams[number] = f"<<{said}/Length {len(body)}>>\nstream\n".encode() + body + b"\nendstream"
        return number

    def _fonts(self) -> str:
        names = []
        for name in _FACES:
            made = fonts.program(name, frozenset(self.made._extra[name]))
            file = self._stream(made.file, f"/Filter/FlateDecode/Length1 {made.size}")
            unicode = self._stream(made.to_unicode, "/Filter/FlateDecode")
            descriptor, descendant, font = self._take(), self._take(), self._take()
            self.packed[descriptor] = (
                f"<</Type/FontDescriptor/FontName/{made.name}{made.descriptor}/FontFile2 {file} 0 R>>"
            )
            self.packed[descendant] = (
                f"<</Type/Font/Subtype/CIDFontType2/BaseFont/{made.name}/CIDToGIDMap/Identity/W{made.widths}"
                "/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>"
                f"/FontDescriptor {descriptor} 0 R>>"
            )
            self.packed[font] = (
                f"<</Type/Font/Subtype/Type0/BaseFont/{made.name}/Encoding/Identity-H"
                f"/DescendantFonts[{descendant} 0 R]/ToUnicode {unicode} 0 R>>"
            )
            names.append(f"/{name} {font} 0 R")
        return "".join(names)

    def _structure(self, root: int, pages: Sequence[int]) -> str:
        self._number(self.made._root)
        self._element(self.made._root, root, pages)
        parents = "".join(
            f"{n}[{' '.join(f'{element.number} 0 R' for element in marked)}]"
            for n, marked in enumerate(self.made._marked)
        )
        return (
            f"<</Type/StructTreeRoot/K {self.made._root.number} 0 R/ParentTree<</Nums[{parents}]>>"
            f"/ParentTreeNextKey {len(pages)}>>"
        )

    def _number(self, element: Element) -> None:
        element.number = self._take()
        for kid in element.kids:
            if isinstance(kid, Element):
                self._number(kid)

    def _element(self, element: Element, parent: int, pages: Sequence[int]) -> None:
        kids = []
        for kid in element.kids:
            if isinstance(kid, Element):
                self._element(kid, element.number, pages)
                kids.append(f"{kid.number} 0 R")
            else:
                kids.append(f"<</Type/MCR/Pg {pages[kid[0]]} 0 R/MCID {kid[1]}>>")
        self.packed[element.number] = (
            f"<</Type/StructElem/S/{element.tag}/P {parent} 0 R{element.attributes}/K[{' '.join(kids)}]>>"
        )

    def _write(self, catalog: int, info: int) -> bytes:
        numbers = sorted(self.packed)
        bodies = [self.packed[n].encode("latin-1") for n in numbers]
        places, at = [], 0
        for number, body in zip(numbers, bodies, strict=True):
            places.append(f"{number} {at}")
            at += len(body) + 1
        head = " ".join(places).encode() + b"\n"
        pack = self._stream(
            zlib.compress(head + b"\n".join(bodies)),
            f"/Type/ObjStm/N {len(numbers)}/First {len(head)}/Filter/FlateDecode",
        )
        table = self._take()
        out = [b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"]
        at, rows = len(out[0]), {0: b"\0\0\0\0\xff\xff"}
        for number in sorted(self.streams):
            rows[number] = b"\1" + at.to_bytes(3, "big") + b"\0\0"
            out.append(f"{number} 0 obj\n".encode() + self.streams[number] + b"\nendobj\n")
            at += len(out[-1])
        for n, number in enumerate(numbers):
            rows[number] = b"\2" + pack.to_bytes(3, "big") + n.to_bytes(2, "big")
        rows[table] = b"\1" + at.to_bytes(3, "big") + b"\0\0"
        body = zlib.compress(b"".join(rows[n] for n in range(self.count + 1)))
        digest = hashlib.sha256(b"".join(out)).hexdigest()[:32]
        out.append(
            f"{table} 0 obj\n<</Type/XRef/Size {self.count + 1}/W[1 3 2]/Root {catalog} 0 R/Info {info} 0 R"
            f"/ID[<{digest}><{digest}>]/Filter/FlateDecode/Length {len(body)}>>\nstream\n".encode()
            + body
            + f"\nendstream\nendobj\nstartxref\n{at}\n%%EOF\n".encode()
        )
        return b"".join(out)


def page_count(body: bytes) -> int:
    """This will count the pages of a document that this writer wrote; ValueError for any other."""
    for packed in re.finditer(rb"/Type/ObjStm[^>]*>>\nstream\n", body):
        found = _COUNT.search(zlib.decompressobj().decompress(body[packed.end() :]))
        if found:
            return int(found[1])
    raise ValueError("no document of ours")


@functools.lru_cache(maxsize=32768)
def _n(value: float, places: int = 2) -> str:
    return f"{value:.{places}f}".rstrip("0").rstrip(".") or "0"


@functools.lru_cache(maxsize=256)
def _color(color: tuple[float, ...]) -> str:
    return " ".join(_n(c, 3) for c in color)


def _text(text: str) -> str:
    return f"<feff{text.encode('utf-16-be', 'replace').hex()}>"


def _rounded(x: float, y: float, w: float, h: float, r: float) -> str:
    r = min(r, w / 2, h / 2)
    k = r * (1 - _K)
    right, top = x + w, y + h

    def curve(*points: float) -> str:
        return " ".join(_n(p) for p in points) + " c"

    return " ".join(
        [
            f"{_n(x + r)} {_n(y)} m {_n(right - r)} {_n(y)} l",
            curve(right - k, y, right, y + k, right, y + r),
            f"{_n(right)} {_n(top - r)} l",
            curve(right, top - k, right - k, top, right - r, top),
            f"{_n(x + r)} {_n(top)} l",
            curve(x + k, top, x, top - k, x, top - r),
            f"{_n(x)} {_n(y + r)} l",
            curve(x, y + k, x + k, y, x + r, y),
            "h",
        ]
    )


def _xmp(about: dict[str, str], lang: str, on: date) -> bytes:
    title, author, subject = (escape(about[key]) for key in ("title", "author", "subject"))
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
        'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:pdfuaid="http://www.aiim.org/pdfua/ns/id/" '
        'xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:pdf="http://ns.adobe.com/pdf/1.3/">'
        "<pdfuaid:part>1</pdfuaid:part><pdf:Producer>Wattline</pdf:Producer>"
        f"<xmp:CreateDate>{on.isoformat()}T00:00:00Z</xmp:CreateDate>"
        f'<dc:title><rdf:Alt><rdf:li xml:lang="x-default">{title}</rdf:li></rdf:Alt></dc:title>'
        f"<dc:creator><rdf:Seq><rdf:li>{author}</rdf:li></rdf:Seq></dc:creator>"
        f'<dc:description><rdf:Alt><rdf:li xml:lang="x-default">{subject}</rdf:li></rdf:Alt></dc:description>'
        f"<dc:language><rdf:Bag><rdf:li>{lang}</rdf:li></rdf:Bag></dc:language>"
        '</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
    ).encode()
