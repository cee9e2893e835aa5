"""The HTTP side of the stand-ins for stores: S3's requests over TLS, with a length for every body.

Nothing is decoded here that a signature covers, and nothing is answered that `ObjectStore` did not.
"""

import http.server
import json
import ssl
import sys
import urllib.parse
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Protocol
from xml.sax.saxutils import escape

MAX_BODY = 64 << 20


class Refused(Exception):
    """An answer that is an error, in the words of S3."""

    def __init__(self, status: int, code: str, message: str = "") -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message or code


@dataclass(frozen=True)
class Request:
    """A request as it came: nothing decoded that a signature covers."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes

    @property
    def bucket(self) -> str:
        return self._decoded_path.partition("/")[0]

    @property
    def key(self) -> str:
        return self._decoded_path.partition("/")[2]

    @property
    def parameters(self) -> dict[str, str]:
        pairs = (part.partition("=") for part in self.query.split("&") if part)
        return {urllib.parse.unquote(name): urllib.parse.unquote(value) for name, _, value in pairs}

    @property
    def _decoded_path(self) -> str:
        return urllib.parse.unquote(self.path.removeprefix("/"))


@dataclass
class Answer:
    """What is sent back."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    # Of a HEAD: what a GET would have sent.
    length: int | None = None


class Answering(Protocol):
    """What stands behind the door."""

    def answer(self, request: Request) -> Answer:
        """Raises `Refused` for what it does not do."""


def serve(store: Answering, certificate: str, key: str) -> None:
    """Serves `store` over TLS on a port that the kernel gives, and prints that port."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    door = type("Door", (_Door,), {"store": store, "tls": tls})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), door)
    print(f"port {server.server_port}", flush=True)
    server.serve_forever()


def read_settings() -> dict:
    """The settings file that the process was started with."""
    return json.loads(Path(sys.argv[1]).read_text())


class _Door(http.server.BaseHTTPRequestHandler):
    """HTTP/1.1 with a length for every body, as old stores want it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    store: Answering
    tls: ssl.SSLContext

    def setup(self) -> None:
        # Here and not on the listening socket: a slow handshake holds up its own thread only.
        self.request = self.tls.wrap_socket(self.request, server_side=True)
        super().setup()

    def handle_expect_100(self) -> bool:
        """Who waits to be told to go on is told at once when it is not to."""
        try:
            self._length()
        except Refused as refused:
            self._refuse(refused)
            return False
        return super().handle_expect_100()

    def answer(self) -> None:
        try:
            self._send(self.store.answer(self._read()))
        except Refused as refused:
            self._refuse(refused)

    def _refuse(self, refused: Refused) -> None:
        text = element("Code", refused.code) + element("Message", refused.message)
        body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{text}</Error>'.encode()
        self.log_message("refused: %s %s %s", refused.status, refused.code, refused.message)
        self._send(Answer(refused.status, body, {"content-type": "application/xml"}))

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer

    def _read(self) -> Request:
        size = self._length()
        headers = {name.lower(): ",".join(self.headers.get_all(name)) for name in self.headers}
        path, _, query = self.path.partition("?")
        body = self.rfile.read(size)
        if len(body) != size:
            self.close_connection = True
            raise Refused(400, "IncompleteBody")
        return Request(self.command, path, query, headers, body)

    def _length(self) -> int:
        length = self.headers.get("content-length")
        if "transfer-encoding" in self.headers or (length is None and self.command in {"PUT", "POST"}):
            self.close_connection = True
            raise Refused(411, "MissingContentLength", "You must provide the Content-Length HTTP header.")
        size = int(length or 0)
        if size > MAX_BODY:
            self.close_connection = True
            raise Refused(400, "EntityTooLarge")
        return size

    def _send(self, answer: Answer) -> None:
        body = b"" if self.command == "HEAD" else answer.body
        self.send_response(answer.status, HTTPStatus(answer.status).phrase)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status not in (204, 304):
            length = answer.length if answer.length is not None else len(answer.body)
            self.send_header("content-length", str(length))
        self.end_headers()
        self.wfile.write(body)


def element(name: str, value: object) -> str:
    """An element with text in it."""
    return f"<{name}>{escape(str(value))}</{name}>"
