"""People who log in: their identity provider, and the browser that they do it with."""

import json
import secrets
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from harness.certificates import CertificateAuthority
from harness.processes import Server
from harness.programs import missing

START_SECONDS = 60
SUITE = Path(__file__).parents[1]
HOST = "s3.tidegate.test"
ORIGIN = f"https://{HOST}"
PEOPLE = {"ana": {"groups": ["analysts", "<b>bold</b>"]}, "bob": {"groups": []}}


class PeopleProvider:
    """panva's `oidc-provider` for people. `table` is its part of a configuration of Tidegate."""

    def __init__(self, node: str, authority: CertificateAuthority, directory: Path) -> None:
        directory.mkdir(parents=True)
        certificate = authority.issue("people", ["127.0.0.1", "localhost"])
        self.client_secret = secrets.token_urlsafe(32)
        client = {"id": "portal", "secret": self.client_secret, "redirect": f"{ORIGIN}/_tidegate/callback/people"}
        settings = {
            "certificate": str(certificate.certificate),
            "key": str(certificate.key),
            "client": client,
            "people": PEOPLE,
        }
        settings_file = directory / "settings.json"
        settings_file.write_text(json.dumps(settings))
        secret_file = directory / "client-secret"
        secret_file.write_text(self.client_secret + "\n")
        script = str(SUITE / "idp" / "people.mjs")
        self._server = Server([node, script, str(settings_file)], directory / "people.log", {}, directory)
        self.issuer = self._server.wait_for_line(r"(?m)^issuer (\S+)$", START_SECONDS)[1]
        self.table = f"""
[login]
url = "{ORIGIN}"

[[issuers]]
name      = "people"
issuer    = "{self.issuer}"
audiences = ["https://s3.tidegate.test"]
kind      = "user"
groups    = "groups"
ca        = "{authority.bundle}"
[issuers.login]
client_id     = "{client["id"]}"
client_secret = "file:{secret_file}"
scopes        = ["openid", "email", "groups"]
"""

    def stop(self) -> None:
        self._server.stop()


@dataclass(frozen=True)
class Page:
    """What the browser shows."""

    url: str
    title: str
    text: str
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    # What the browser itself wrote to its console: violations of a policy, for one.
    complaints: list[str] = field(default_factory=list)


class Browser:
    """Chromium without a window. `address` is where it finds the host of the login."""

    def __init__(self, node: str, directory: Path, address: str) -> None:
        modules = SUITE / "browser" / "node_modules"
        if not modules.is_dir():
            missing("the browser is not installed: run tests/clients/run, which installs it")
        directory.mkdir(parents=True)
        settings = directory / "settings.json"
        settings.write_text(json.dumps({"rules": f"MAP {HOST}:443 {address}"}))
        # The package unpacks its browser and the libraries that go with it into the temporary directory.
        with (directory / "browser.log").open("wb") as log:
            self._process = subprocess.Popen(
                [node, str(SUITE / "browser" / "visit.mjs"), str(settings)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self.version = self._read()["version"]

    def open(self, path: str) -> Page:
        return Page(**self._do("open", url=f"{ORIGIN}{path}"))

    def log_in(self, name: str, path: str = "/_tidegate/login") -> Page:
        """From our page through those of the provider to wherever that ends."""
        return Page(**self._do("log-in", url=f"{ORIGIN}{path}", **{"as": name}))

    def click(self, selector: str) -> Page:
        return Page(**self._do("click", selector=selector))

    def evaluate(self, script: str) -> object:
        """What `script` gives, run with the origin of the page that is open."""
        return self._do("evaluate", script=script)["value"]

    def style(self, selector: str, prop: str) -> str:
        return self._do("style", selector=selector, property=prop)["value"]

    def cookies(self) -> list[dict]:
        return self._do("cookies", url=ORIGIN)["cookies"]

    def screenshot(self, path: Path) -> None:
        self._do("screenshot", path=str(path))

    def quit(self) -> None:
        self._do("quit")
        self._process.wait(START_SECONDS)

    def _do(self, what: str, **step: object) -> dict:
        self._process.stdin.write(json.dumps({"do": what, **step}) + "\n")
        self._process.stdin.flush()
        answer = self._read()
        if "error" in answer:
            raise RuntimeError(f"{what} {step}: {answer['error']}")
        return answer

    def _read(self) -> dict:
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the browser ended with {self._process.wait(START_SECONDS)}: see browser.log")
        return json.loads(line)
