"""Long-running child processes: started, waited for by polling, stopped by their own process id."""

import atexit
import re
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

POLL_INTERVAL_SECONDS = 0.05
STOP_SECONDS = 20
LOG_TAIL_LINES = 40

Found = TypeVar("Found")


class Server:
    """A running program whose output goes to one log file."""

    def __init__(self, arguments: list[str], log: Path, environment: dict[str, str], directory: Path) -> None:
        self.log = log
        self._name = Path(arguments[0]).name
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=directory,
            )
        # Also when what started it fails before anybody can stop it.
        atexit.register(self.kill)

    def wait_for_line(self, pattern: str, seconds: float) -> re.Match[str]:
        """The first match of `pattern` in the log."""
        return self.wait_until(lambda: re.search(pattern, self.read_log()), seconds, f"a line like {pattern!r}")

    def wait_until(self, probe: Callable[[], Found | None], seconds: float, what: str) -> Found:
        """Polls `probe` until it answers; fails at once when the server has ended."""

        def probe_living() -> Found | None:
            if self._process.poll() is not None:
                raise RuntimeError(f"{self._name} ended with {self._process.returncode}\n{self._log_tail()}")
            return probe()

        try:
            return poll(probe_living, seconds, what)
        except TimeoutError as error:
            raise TimeoutError(f"{self._name}: {error}\n{self._log_tail()}") from None

    def read_log(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def stop(self) -> None:
        """SIGTERM, then SIGKILL when that is not heeded."""
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """SIGKILL, for a server whose data is thrown away with it. Nothing happens if it has ended."""
        self._process.kill()
        self._process.wait()

    def _log_tail(self) -> str:
        return "\n".join(self.read_log().splitlines()[-LOG_TAIL_LINES:])


def poll(probe: Callable[[], Found | None], seconds: float, what: str) -> Found:
    """What `probe` returns as soon as that is not None or False."""
    deadline = time.monotonic() + seconds
    while True:
        found = probe()
        if found:
            return found
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds} s for {what}")
        time.sleep(POLL_INTERVAL_SECONDS)


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago, for servers that cannot bind port 0 themselves."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for bound in sockets:
            bound.bind(("127.0.0.1", 0))
        return [bound.getsockname()[1] for bound in sockets]
    finally:
        for bound in sockets:
            bound.close()
