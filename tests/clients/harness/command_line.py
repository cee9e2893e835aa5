"""People at a command line: their identity provider, their home, and a gateway's doors."""

import base64
import datetime
import email.utils
import json
import os
import ssl
import sys
import threading
import time
import urllib.parse
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from harness.certificates import CertificateAuthority
from harness.processes import Server
from harness.programs import Client

START_SECONDS = 60
SUITE = Path(__file__).parents[1]
PEOPLE = {"ana": {"groups": ["analysts"]}, "bob": {"groups": []}}
# Identity tokens of the second client end at once, so that each exchange has to renew.
LIFETIMES = {"tidegate-cli": 3600, "tidegate-brief": 20}


class CommandLineProvider:
    """panva's `oidc-provider` with native clients and the device flow."""

    def __init__(self, node: str, authority: CertificateAuthority, directory: Path) -> None:
        directory.mkdir(parents=True)
        certificate = authority.issue("command-line", ["127.0.0.1", "localhost"])
        settings = {
            "certificate": str(certificate.certificate),
            "key": str(certificate.key),
            "people": PEOPLE,
            "lifetimes": LIFETIMES,
        }
        settings_file = directory / "settings.json"
        settings_file.write_text(json.dumps(settings))
        script = str(SUITE / "idp" / "command_line.mjs")
        self._server = Server([node, script, str(settings_file)], directory / "command-line.log", {}, directory)
        self.issuer = self._server.wait_for_line(r"(?m)^issuer (\S+)$", START_SECONDS)[1]

    def stop(self) -> None:
        self._server.stop()


@dataclass
class Doors:
    """A gateway's doors in the shapes that they have, without the gateway. Tokens are read and not verified."""

    authority: CertificateAuthority
    issuer: str
    client_id: str = "tidegate-cli"
    key_seconds: int = 3600
    # Added to the `Date` of every answer.
    ahead_seconds: int = 0
    # (status, document) instead of any other answer, for the doors that want a token.
    refusal: tuple[int, dict] | None = None
    requests: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        certificate = self.authority.issue(f"doors-{self.client_id}", ["127.0.0.1", "localhost"])
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.certificate, certificate.key)
        doors = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                doors.requests.append(self.path)
                status, document = doors.answer(self.path, self.headers.get("Authorization", ""))
                body = json.dumps(document).encode()
                self.send_response_only(status)
                self.send_header("Date", email.utils.formatdate(time.time() + doors.ahead_seconds, usegmt=True))
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.endpoint = f"https://localhost:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def count(self, part: str) -> int:
        return sum(part in request for request in self.requests)

    def answer(self, target: str, authorization: str) -> tuple[int, dict]:
        path, _, query = target.partition("?")
        asked = urllib.parse.parse_qs(query)
        if path == "/_tidegate/configuration":
            issuer = {
                "name": "people",
                "issuer": self.issuer,
                "client_id": self.client_id,
                "scopes": ["openid", "email", "groups", "offline_access"],
                "kind": "user",
                "device": False,
            }
            return 200, {"issuers": [issuer], "audience": "https://s3.tidegate.test"}
        if self.refusal:
            return self.refusal
        try:
            claims = json.loads(_decoded(authorization.removeprefix("Bearer ").split(".")[1]))
        except (IndexError, ValueError):
            return 401, {"code": "InvalidIdentityToken", "message": "no token"}
        if path == "/_tidegate/credentials":
            ends = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=self.key_seconds)
            return 200, {
                "AccessKeyId": f"TGIA{claims['sub'].upper()}",
                "SecretAccessKey": "a-hidden-secret-access-key-of-40-letters",
                "Token": f"hidden-token-{asked.get('role', ['none'])[0]}",
                "Expiration": ends.strftime("%Y-%m-%dT%H:%M:%S.123456Z"),
            }
        if path == "/_tidegate/whoami":
            return 200, {
                "principal": f"people:{claims['sub']}",
                "kind": "user",
                "issuer": claims["iss"],
                "subject": claims["sub"],
                "groups": [f"people:{group}" for group in claims.get("groups", [])],
                "tags": {},
                "role": None,
                "session": None,
                "source_ip": "127.0.0.1",
                "buckets": {"lake": ["read", "list"]},
            }
        return 404, {"code": "NotFound", "message": "there is no such door"}

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Person:
    """Somebody with a home, a browser and the `tidegate` program."""

    def __init__(self, binary: str, home: Path, endpoint: str, ca: Path, name: str = "ana") -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.binary = binary
        self.home = home
        self.tabs = home / "tabs"
        self._ca = ca
        self.environment = {
            "TIDEGATE_ENDPOINT": endpoint,
            "TIDEGATE_CA": str(ca),
            "BROWSER": " ".join(self.browser(name)),
            "TZ": "UTC",
        }

    def browser(self, name: str, *options: str) -> list[str]:
        script = str(SUITE / "drivers" / "browser.py")
        return [sys.executable, script, "--ca", str(self._ca), "--as", name, "--log", str(self.tabs), *options]

    def tidegate(self, **environment: str) -> Client:
        return Client(self.binary, self.home, self.environment | environment)

    def all_files(self) -> list[Path]:
        state = self.home / ".local" / "state" / "tidegate"
        return [path for path in state.rglob("*") if path.is_file()]

    def tab_count(self) -> int:
        return len(self.tabs.read_text().splitlines()) if self.tabs.exists() else 0


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def environment_of(script: str) -> dict[str, str]:
    """The variables that a script for sh sets, by running it."""
    import subprocess

    shell = f"{script}\nenv -0"
    printed = subprocess.run(["sh", "-c", shell], capture_output=True, check=True, env={"PATH": os.environ["PATH"]}).stdout
    return dict(line.split("=", 1) for line in printed.decode().split("\0") if "=" in line)
