"""What clients carry: files of known checksum, the same in every run."""

import hashlib
import random
from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20
PART_SIZE = 5 * MIB
# One byte into a fifth part.
MULTIPART_SIZE = 4 * PART_SIZE + 1
MULTIPART_PARTS = 5
# What a line breaks in the middle of.
HUGE_SIZE = 100 * MIB
SMALL_SIZE = 64 * 1024 + 1


@dataclass(frozen=True)
class Payload:
    """A file and the checksum of what was written to it."""

    path: Path
    sha256: str


def small_file(directory: Path) -> Payload:
    """Sent in one request, and past one 64 KiB chunk."""
    return random_file(directory / "small.bin", SMALL_SIZE)


def multipart_file(directory: Path) -> Payload:
    """Sent as `MULTIPART_PARTS` parts of `PART_SIZE`."""
    return random_file(directory / "large.bin", MULTIPART_SIZE)


def huge_file(directory: Path) -> Payload:
    """Sent in many requests, or in one that takes a while."""
    return random_file(directory / "huge.bin", HUGE_SIZE)


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def random_file(path: Path, size: int) -> Payload:
    content = random.Random(size).randbytes(size)
    path.write_bytes(content)
    return Payload(path, hashlib.sha256(content).hexdigest())
