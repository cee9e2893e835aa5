"""Somebody's machine: a home of its own, a token file that something keeps fresh, and a line to Tidegate that may be slow."""

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

from harness.lines import SlowLine
from harness.programs import Client, Finished
from harness.service_keys import ServiceKey

# What a session of `nightly` lasts at most, see `harness/identity_provider.py`.
SESSION_SECONDS = 75
# A transfer of `SIZE` takes a good deal longer than a session.
SIZE = 20 * (1 << 20)
BYTES_PER_SECOND = 225_000
DEADLINE_SECONDS = 400


@dataclass(frozen=True)
class Site:
    """What all machines have in common. Whoever works there can read these files."""

    tidegate: Path
    # Of Tidegate, on this machine.
    port: int
    ca: Path
    token_file: Path
    service_keys: dict[str, ServiceKey] = field(repr=False)
    # GCE_METADATA_HOST.
    metadata: str


class Desk:
    """One machine. `run` runs what is pasted and what follows in one shell, in this home."""

    def __init__(self, site: Site, home: Path, *, slow: bool) -> None:
        home.mkdir(exist_ok=True)
        self.site = site
        self.home = home
        self._line = SlowLine(site.port, BYTES_PER_SECOND) if slow else None
        self.endpoint = f"https://localhost:{self._line.port if self._line else site.port}"

    def close(self) -> None:
        if self._line:
            self._line.close()

    def moved(self, home: Path) -> "Desk":
        """The same machine with another home, on the same line."""
        desk = Desk(self.site, home, slow=False)
        desk.endpoint = self.endpoint
        return desk

    def snippet(self, client: str, *options: str) -> str:
        """What the page has, filled in for this machine."""
        place = ["--endpoint", self.endpoint, "--ca", str(self.site.ca)]
        return Client(str(self.site.tidegate), self.home).succeeds("snippet", client, *place, *options).output

    def snippet_with_token(self, client: str, *options: str) -> str:
        """The same for a client that has a token, and for `tidegate` itself where the client runs it."""
        token = ["--token-file", str(self.site.token_file), "--binary", str(self.site.tidegate)]
        return self.snippet(client, *token, *options)

    def snippet_with_key(self, client: str) -> str:
        """The same with the two strings of a service key in the places that the page says."""
        key = self.site.service_keys[client]
        text = self.snippet(client)
        for place, value in {"SECRET_ACCESS_KEY": key.secret_access_key, "ACCESS_KEY_ID": key.access_key_id}.items():
            assert place in text
            text = text.replace(place, value)
        return text

    def run(self, *script: str, user: str | None = None, **variables: str) -> Finished:
        """Parts of a script one after the other; the first command that fails ends it."""
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        # `runuser` gives its own HOME.
        as_user = ["runuser", f"--user={user}", "--", "env", f"HOME={self.home}"] if user else []
        shell = [*as_user, "bash", "-euo", "pipefail", "-c"]
        client = Client(shell[0], self.home, {"PATH": path, **variables}, shell[1:])
        return client.succeeds("\n".join(script), deadline=DEADLINE_SECONDS)
