"""One cell: the operations, what their answers must be, and how they are compared with the store's own."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from harness.gateway import Gateway
from harness.payloads import Payload, sha256_of
from harness.targets import View

# In the order in which a client carries them out.
OPERATIONS = [
    "put",
    "put empty",
    "put in parts",
    "get",
    "get range",
    "head",
    "list keys",
    "copy",
    "delete",
    "delete many",
]
SMALL, EMPTY, LARGE, COPY = "small.bin", "empty.bin", "large.bin", "copy.bin"
# Put there before the client comes, past Tidegate.
GOING, GOING_TOO = "going.bin", ["going-1.bin", "going-2.bin"]
# A range that neither starts nor ends where anything else does.
FIRST, LAST = 1000, 2999
PART_SIZE = 5 << 20
LARGE_SIZE = PART_SIZE + 64 * 1024 + 1


@dataclass(frozen=True)
class Files:
    """What every client carries; made once, only read."""

    small: Payload
    empty: Payload
    large: Payload


@dataclass(frozen=True)
class Cell:
    """Where a client works: everything that differs from one cell to the next."""

    gateway: Gateway
    bucket: str
    # Keys begin with it; no other cell uses it.
    prefix: str
    home: Path
    # Session keys in variables, and the variables of a client that fetches its own.
    environment: dict[str, str] = field(repr=False)
    web_identity: dict[str, str] = field(repr=False)
    files: Files
    view: View

    def key(self, name: str) -> str:
        return f"{self.prefix}{name}"

    @property
    def endpoint(self) -> str:
        return self.gateway.endpoint

    @property
    def ca(self) -> str:
        return str(self.gateway.ca)


class Driver(Protocol):
    """A client at work in one cell."""

    def operations(self) -> Iterable[str]:
        """Those of `OPERATIONS` that it has, or steps of its own that it checks itself."""

    def perform(self, operation: str) -> Any:
        """Carries one out. Gives what the client was told, as far as it shows that:

        the ETag after an upload or copy, the bytes or file that it read, `(ETag, size)` of a HEAD, the keys of a list.
        Anything that it is not told is None.
        """


@dataclass
class Outcome:
    """What became of the operations of a cell: done, or the error that the client reported."""

    done: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


class Methods:
    """A driver whose methods are its operations: `put_empty` is `put empty`."""

    def operations(self) -> list[str]:
        return [name for name in OPERATIONS if hasattr(self, name.replace(" ", "_"))]

    def perform(self, operation: str) -> Any:
        return getattr(self, operation.replace(" ", "_"))()


def carry_out(start: Callable[[Cell], Driver], cell: Cell) -> Outcome:
    """Everything that the client can do, each step checked against the store as soon as it is done."""
    for name in [GOING, *GOING_TOO]:
        cell.view.put(cell.key(name), b"going")
    outcome = Outcome()
    driver = start(cell)
    for operation in driver.operations():
        try:
            told = driver.perform(operation)
            _CHECKS.get(operation, _checked_itself)(told, cell, outcome)
        except Exception as error:  # Whatever a client raises is this operation's outcome.
            outcome.failed[operation] = f"{type(error).__name__}: {error}"
        else:
            outcome.done.append(operation)
    return outcome


def _stored(name: str, of: Callable[[Files], Payload]) -> Callable[..., None]:
    def check(etag: str | None, cell: Cell, _outcome: Outcome) -> None:
        key = cell.key(name)
        _same("the stored object's checksum", cell.view.sha256(key), of(cell.files).sha256)
        if etag is not None:
            _same("the ETag", etag.strip('"'), cell.view.etag(key))

    return check


def _read(told: bytes | Path, cell: Cell, _outcome: Outcome) -> None:
    read = sha256_of(told) if isinstance(told, Path) else hashlib.sha256(told).hexdigest()
    _same("the checksum of what was read", read, cell.files.small.sha256)


def _read_range(told: bytes, cell: Cell, _outcome: Outcome) -> None:
    expected = cell.files.small.path.read_bytes()[FIRST : LAST + 1]
    _same("the range", told, expected)


def _head(told: tuple[str | None, int | None], cell: Cell, _outcome: Outcome) -> None:
    etag, size = told
    if etag is not None:
        _same("the ETag", etag.strip('"'), cell.view.etag(cell.key(SMALL)))
    if size is not None:
        _same("the size", size, cell.files.small.path.stat().st_size)


def _list(told: Iterable[str], cell: Cell, outcome: Outcome) -> None:
    stored = {"put": SMALL, "put empty": EMPTY, "put in parts": LARGE}
    names = [GOING, *GOING_TOO, *(name for operation, name in stored.items() if operation in outcome.done)]
    _same("the list", sorted(told), sorted(cell.key(name) for name in names))


def _checked_itself(_told: None, _cell: Cell, _outcome: Outcome) -> None:
    pass


def _gone(names: list[str]) -> Callable[..., None]:
    def check(_told: None, cell: Cell, _outcome: Outcome) -> None:
        left = [name for name in names if cell.view.has(cell.key(name))]
        _same("what is left", left, [])

    return check


def _same(what: str, found: object, expected: object) -> None:
    if found != expected:
        raise AssertionError(f"{what} is {_short(found)}, not {_short(expected)}")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) < 200 else f"{text[:200]}…"


_CHECKS: dict[str, Callable[..., None]] = {
    "put": _stored(SMALL, lambda files: files.small),
    "put empty": _stored(EMPTY, lambda files: files.empty),
    "put in parts": _stored(LARGE, lambda files: files.large),
    "get": _read,
    "get range": _read_range,
    "head": _head,
    "list keys": _list,
    "copy": _stored(COPY, lambda files: files.small),
    "delete": _gone([GOING]),
    "delete many": _gone(GOING_TOO),
}
