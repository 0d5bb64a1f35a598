"""A bill or a credit note on the screen: one HTML file that needs no other, from what `content` says. Pure."""

import base64
import functools
import hashlib
import pathlib

import jinja2
import markupsafe
import segno

from billing.documents import barcode
from billing.documents.content import Content, Table

_HERE = pathlib.Path(__file__).parent / "templates"


def bill_html(said: Content) -> bytes:
    """This will write a bill as an HTML page; the same bill gives the same bytes."""
    page = _templates().get_template("bill.html")
    qr = _qr(said.slip.url, said.slip.scan_alt) if said.slip else None
    return page.render(c=said, css=_css(), table=_table, qr=qr, bars=barcode.svg).encode()


@functools.cache
def policy() -> str:
    """This will give the Content-Security-Policy such a page may be shown under: its own style, nothing else."""
    digest = base64.b64encode(hashlib.sha256(_css().encode()).digest()).decode()
    nothing = "; ".join(f"{what} 'none'" for what in ("default-src", "base-uri", "form-action", "frame-ancestors"))
    return f"{nothing}; style-src 'sha256-{digest}'"


@functools.cache
def _css() -> markupsafe.Markup:
    return markupsafe.Markup((_HERE / "bill.css").read_text())  # noqa: S704 - our own file


@functools.cache
def _templates() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )


def _table(said: Table) -> markupsafe.Markup:
    return markupsafe.Markup(_templates().get_template("table.html").render(t=said))  # noqa: S704 - escaped within


def _qr(url: str, alt: str) -> markupsafe.Markup:
    rows = segno.make(url, error="m", micro=False, boost_error=False, mask=3).matrix
    side = len(rows) + 8
    path = "".join(f"M{x + 4} {y + 4}h1v1h-1z" for y, row in enumerate(rows) for x, dark in enumerate(row) if dark)
    return markupsafe.Markup(
        '<svg role="img" aria-label="{}" width="148" height="148" viewBox="0 0 {side} {side}">'
        '<rect class="light" width="{side}" height="{side}"/><path class="dark" d="{}"/></svg>'
    ).format(alt, path, side=side)
