"""The store of `tidegate dev` that speaks Google's JSON API: stricter than fake-gcs-server, and with one token.

It compares hashes, holds preconditions, and knows how far an upload came that broke off.
"""

import os
from pathlib import Path

from harness.google import GoogleView
from harness.processes import Server
from harness.targets import START_SECONDS

# Of the sample environment.
BUCKET = "acme-models"


class DevGcs:
    """A running store. Nobody but this suite asks the Tidegate in front of it anything."""

    def __init__(self, binary: str, directory: Path) -> None:
        directory.mkdir(parents=True)
        environment = {"PATH": os.environ["PATH"], "HOME": str(directory)}
        folder = directory / "dev"
        command = [binary, "dev", "--dir", str(folder), "--listen", "127.0.0.1:0"]
        self._server = Server(command, directory / "dev.log", environment, directory)
        pattern = r"(?m)^\s+store of gs://\s+(http://127\.0\.0\.1:\d+)"
        self.endpoint = self._server.wait_for_line(pattern, START_SECONDS)[1]
        self._server.wait_for_line(r"Serving on", START_SECONDS)
        self.token = (folder / "secrets" / "google-token").read_text().strip()

    def bucket(self) -> GoogleView:
        return GoogleView(self.endpoint, BUCKET, self.token)

    def stop(self) -> None:
        self._server.stop()
