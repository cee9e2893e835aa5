"""What a driver is to do, and how it reports: see `matrix/scripts.py`."""

import base64
import sys
from collections.abc import Callable
from pathlib import Path

SETTINGS = dict(line.split("=", 1) for line in Path(sys.argv[1]).read_text().splitlines())


def key(name: str) -> str:
    return SETTINGS["prefix"] + name


def content(name: str) -> bytes:
    return Path(SETTINGS[name]).read_bytes()


def step(operation: str, run: Callable[[], list[str] | None]) -> None:
    try:
        told = run() or ["done"]
    except Exception as error:  # It is the report.
        told = ["error", " ".join(f"{type(error).__name__}: {error}".split())]
    print(operation, *told, sep="\t", flush=True)


def as_bytes(content: bytes) -> list[str]:
    return ["bytes", base64.b64encode(content).decode()]
