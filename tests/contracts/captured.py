"""A server on loopback that keeps what adapters send, and the vendors' own documents to hold it against."""

import contextlib
import http.server
import json
import pathlib
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from openapi_core import OpenAPI
from openapi_core.datatypes import RequestParameters
from werkzeug.datastructures import Headers, ImmutableMultiDict

DATA = pathlib.Path(__file__).parent / "data"


@dataclass
class Captured:
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Vendor:
    """Answers what it was told to, in order; `default` after that. A wait is in seconds."""

    default: tuple[int, Any, Mapping[str, str]]
    base: str = ""
    answers: list[tuple[int, Any, Mapping[str, str]] | float] = field(default_factory=list)
    requests: list[Captured] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)


@contextlib.contextmanager
def serving(vendor: Vendor) -> Iterator[Vendor]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _take(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = urlsplit(self.path)
            vendor.requests.append(Captured(self.command, parts.path, parts.query, dict(self.headers), body))
            answer = vendor.answers.pop(0) if vendor.answers else vendor.default
            if isinstance(answer, float):
                vendor.released.wait(answer)
                self.close_connection = True
                return
            status, content, headers = answer
            octets = content.encode() if isinstance(content, str) else json.dumps(content).encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(octets)))
            self.end_headers()
            self.wfile.write(octets)

        do_GET = do_POST = _take

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    vendor.base = f"http://127.0.0.1:{server.server_port}"
    try:
        yield vendor
    finally:
        vendor.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


class Document:
    """A vendor's OpenAPI document. It does not forbid unknown names, so `unknown` looks for them."""

    def __init__(self, name: str, host: str) -> None:
        self.content = json.loads((DATA / name).read_text())
        self._host = host
        self._openapi = OpenAPI.from_dict(self.content)

    def check(self, request: Captured) -> None:
        """This will raise when the request is not one the vendor's document allows."""
        self._openapi.validate_request(_Request(request, self._host))  # type: ignore[arg-type]

    def schema(self, path: str, media: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._at(self.content["paths"][path]["post"]["requestBody"])
        schema: Mapping[str, Any] = found["content"][media]["schema"]
        return schema

    def _at(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        while "$ref" in schema:
            target: Any = self.content
            for step in schema["$ref"].removeprefix("#/").split("/"):
                target = target[step]
            schema = target
        return schema

    def unknown(self, value: Any, schema: Mapping[str, Any], at: str = "") -> list[str]:
        """This will list the names in a value that the schema does not have."""
        schema = self._at(schema)
        if isinstance(value, list):
            return [bad for one in value for bad in self.unknown(one, schema.get("items", {}), at + "[]")]
        properties = dict(schema.get("properties", {}))
        for part in schema.get("allOf", ()):
            properties |= part.get("properties", {})
        if not isinstance(value, dict) or not properties:
            return []
        bad = [f"{at}.{name}" for name in value if name not in properties]
        return bad + [
            found
            for name, one in value.items()
            if name in properties
            for found in self.unknown(one, properties[name], f"{at}.{name}")
        ]


class _Request:
    def __init__(self, request: Captured, host: str) -> None:
        self.host_url = host
        self.path = request.path
        self.method = request.method.lower()
        self.content_type = next(v for k, v in request.headers.items() if k.lower() == "content-type").split(";")[0]
        self.body = request.body
        self.parameters = RequestParameters(
            query=ImmutableMultiDict(parse_qsl(request.query)),
            header=Headers(list(request.headers.items())),
            cookie=ImmutableMultiDict(),
            path={},
        )
