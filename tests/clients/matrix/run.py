"""Runs cells beside each other and gives each its outcome."""

import json
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from harness.gateway import Gateway
from harness.identities import Identities
from harness.payloads import random_file
from harness.processes import poll
from harness.targets import Target
from harness.tidegate import Tidegate
from matrix.cell import LARGE_SIZE, Cell, Files, Outcome, carry_out
from matrix.clients import ROWS, Row

# A client mostly waits: for its own start, for Tidegate, for the store.
AT_ONCE = 4
SMALL_SIZE = 64 * 1024 + 1
WORKLOAD = "etl"
LINE_SECONDS = 10


@dataclass
class Result:
    """What is kept of a cell: what worked, what failed and how, and in which framing payloads came."""

    done: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    framings: list[str] = field(default_factory=list)


class Matrix:
    """All chosen cells, started at once, a few at a time."""

    def __init__(
        self,
        tidegate: Tidegate,
        targets: list[Target],
        identities: Identities,
        directory: Path,
        cells: list[tuple[str, str]],
    ) -> None:
        self._tidegate = tidegate
        self._gateway: Gateway = tidegate.gateway
        self._identities = identities
        self._keys = identities.session_environment(WORKLOAD)
        self._web_identity = identities.web_identity(WORKLOAD)
        self._directory = directory
        self._files = _files(directory / "files")
        self._targets = {target.name: target for target in targets}
        self._rows = {row.id: row for row in ROWS}
        self._pool = ThreadPoolExecutor(AT_ONCE)
        self._futures: dict[tuple[str, str], Future[Outcome]] = {
            (row, target): self._pool.submit(self._run, self._rows[row], self._targets[target]) for row, target in cells
        }

    def result(self, row: str, target: str) -> Result:
        """Waits for a cell."""
        outcome = self._futures[row, target].result()
        framings = self._framings(row, target) if outcome.done else []
        return Result(outcome.done, outcome.failed, framings)

    def stop(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    def _run(self, row: Row, target: Target) -> Outcome:
        home = self._directory / f"{row.id}-{target.name}"
        home.mkdir(parents=True)
        cell = Cell(
            gateway=self._gateway,
            bucket=target.name,
            prefix=_prefix(row.id),
            home=home,
            environment=self._keys,
            web_identity=self._web_identity,
            files=self._files,
            view=target.view,
        )
        return carry_out(row.start, cell)

    def _framings(self, row: str, target: str) -> list[str]:
        """How payloads of a cell arrived, from the audit trail."""

        def sent() -> list[str]:
            # What follows the last line end is still being written.
            complete, _, _ = self._tidegate.audit_file.read_text().rpartition("\n")
            lines = [json.loads(line) for line in complete.splitlines() if _prefix(row) in line]
            return sorted({line["client"]["payload"] for line in lines if _uploads_to(line, target, _prefix(row))})

        return poll(sent, LINE_SECONDS, f"lines of {row} at {target}")


def _uploads_to(line: dict, bucket: str, prefix: str) -> bool:
    resource = line.get("resource", {})
    return (
        resource.get("bucket") == bucket
        and resource.get("key", "").startswith(prefix)
        and line["api"].get("operation") in {"PutObject", "UploadPart"}
        and "payload" in line["client"]
    )


def _prefix(row: str) -> str:
    return f"matrix/{row}/"


def _files(directory: Path) -> Files:
    directory.mkdir(parents=True)
    return Files(
        small=random_file(directory / "small.bin", SMALL_SIZE),
        empty=random_file(directory / "empty.bin", 0),
        large=random_file(directory / "large.bin", LARGE_SIZE),
    )
