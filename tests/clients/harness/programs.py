"""Runs clients: found or loudly missed, in an environment of their own, never longer than a deadline."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.processes import Server

DEADLINE_SECONDS = 120


def find(name: str) -> str:
    """The path of a program. A missing one fails the run in CI and is a skip elsewhere, never a pass."""
    search = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    path = shutil.which(name, path=search)
    if path is None:
        missing(f"`{name}` is not installed: run tests/clients/run, which installs it")
    return path


def missing(what: str) -> None:
    """Fails in CI, skips elsewhere."""
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)


@dataclass(frozen=True)
class Finished:
    """A client that ended: its exit code and all that it printed."""

    command: str
    code: int
    output: str
    errors: str

    @property
    def text(self) -> str:
        return self.output + self.errors


class Client:
    """A client program with its own home, environment and options. Nothing of the caller's environment reaches it."""

    def __init__(
        self,
        program: str,
        home: Path,
        environment: dict[str, str] | None = None,
        options: list[str] | None = None,
    ) -> None:
        self._program = find(program)
        self._home = home
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "TMPDIR": str(home),
            "LANG": "C.UTF-8",
            **(environment or {}),
        }
        self._options = options or []

    def succeeds(
        self, *arguments: str | Path, deadline: float = DEADLINE_SECONDS, output: Path | None = None
    ) -> Finished:
        """`output`: where what it prints goes instead, byte for byte."""
        finished = self.run(*arguments, deadline=deadline, output=output)
        assert finished.code == 0, f"{finished.command} ended with {finished.code}\n{finished.text}"
        return finished

    def fails(self, *arguments: str | Path) -> Finished:
        finished = self.run(*arguments)
        assert finished.code != 0, f"{finished.command} succeeded\n{finished.text}"
        return finished

    def start(self, *arguments: str | Path, log: Path) -> Server:
        """Leaves the client running; its output goes to `log`."""
        return Server(self._command(arguments), log, self._environment, self._home)

    def run(
        self, *arguments: str | Path, deadline: float = DEADLINE_SECONDS, output: Path | None = None
    ) -> Finished:
        ended = subprocess.run(
            self._command(arguments),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=self._environment,
            cwd=self._home,
            timeout=deadline,
        )
        printed = ended.stdout
        if output is not None:
            output.write_bytes(printed)
            printed = b""
        errors = ended.stderr.decode(errors="replace")
        return Finished(" ".join(map(str, arguments)), ended.returncode, printed.decode(errors="replace"), errors)

    def _command(self, arguments: tuple[str | Path, ...]) -> list[str]:
        return [self._program, *self._options, *map(str, arguments)]
