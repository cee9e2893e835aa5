"""`docs/clients/matrix.md`, written from what the matrix proved.

The text around the tables is here too, so that the page is as the run left it: it is compared whole, and a client that
stops working, or starts to send something else, changes it.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from matrix.clients import ROWS, TARGETS, Row
from matrix.limits import LIMITS, limits_of
from matrix.run import Result

PAGE = Path(__file__).parents[3] / "docs" / "clients" / "matrix.md"
HEAD = """\
# The matrix of clients

No client needs a setting for the sake of the target behind Tidegate: what a client speaks and what a target understands
are translated. [README.md](README.md) has how to set clients up. This page is written by the client suite from what it
proved (`tests/clients/run --write-docs`); CI fails if it says anything else than the run did.
"""
TARGETS_TEXT = """\

## Targets

| column | what it is |
|---|---|
| aws | SeaweedFS 4.48, `profile = "aws"`: understands trailers and all checksums |
| s3s-fs | the store of `tidegate dev`, `profile = "auto"` |
| plain | a stand-in for old stores (Ceph RGW 16 and its kin), `profile = "plain"`: no `aws-chunked`, no checksums, 411 without a length; verifies every signature |
| gcs | a stand-in for the XML API of Google Cloud Storage, `kind = "gcs-xml"` with an OAuth token: no `x-amz-` header, no `aws-chunked`; verifies `x-goog-hash` |

Stand-ins are as strict as what they stand for; see `tests/clients/harness/plain_target.py` and `gcs_target.py`.
"""
STEPS_TEXT = """\

## What a cell proves

Put, put of nothing, upload in parts, get, a range, head, list page by page, copy, delete, delete of many: those that the
client has, each compared with what the target says when it is asked directly (bytes, ETag, keys). restic makes, checks,
restores and prunes a backup; Terraform keeps its state, and a second run does not get the lock.
"""
SENDS = """\

*Sends* is what arrived, from the audit trail:

| name | payload |
|---|---|
| `sha256` | raw, its SHA-256 in the signed header |
| `unsigned` | raw, `UNSIGNED-PAYLOAD` |
| `unsigned-trailer` | `aws-chunked` with a checksum behind it, `STREAMING-UNSIGNED-PAYLOAD-TRAILER` |
| `signed-chunks` | `aws-chunked`, every chunk signed |
| `signed-chunks-trailer` | the same, with a signed checksum behind it |
"""


@dataclass
class Proven:
    """What a run found out: the cells of the matrix, and what the real stores answer when they are asked directly."""

    cells: dict[tuple[str, str], Result] = field(default_factory=dict)
    answers: dict[str, dict[str, dict]] = field(default_factory=dict)


STORES_TEXT = """\

## What the real stores differ in

Tidegate relays what a store answers: every question below was put to the store directly and through Tidegate, and the
answers agree in all that a client reads. Where the two stores do not agree with each other, neither do their clients see
the same:

| asked | SeaweedFS | s3s-fs |
|---|---|---|
"""
# What is of the moment, and what nobody decides by.
NOT_TOLD = {"AcceptRanges", "Body", "LastModified", "headers", "status"}


def written(proven: Proven) -> str:
    """The page."""
    results = proven.cells
    notes = _notes()
    lines = ["", "## The matrix", "", "| client | version | chosen | sends | " + " | ".join(TARGETS) + " |"]
    lines.append("|---|---|---|---|" + "---|" * len(TARGETS))
    for row in ROWS:
        cells = [_cell(row, target, results[row.id, target], notes) for target in TARGETS]
        lines.append(f"| {row.client} | {row.version} | {row.choice} | {_sends(row, results)} | {' | '.join(cells)} |")
    lines += ["", *(f"{number}. {note}" for note, number in notes.items())] if notes else []
    matrix = "\n".join(lines) + "\n"
    return HEAD + TARGETS_TEXT + matrix + SENDS + STEPS_TEXT + _stores(proven.answers)


def agrees(page: str) -> bool:
    """Whether the committed page is this one."""
    return PAGE.is_file() and PAGE.read_text() == page


def write(page: str) -> None:
    partial = PAGE.with_suffix(".new")
    partial.write_text(page)
    os.replace(partial, PAGE)


def _notes() -> dict[str, int]:
    return {note: number for number, note in enumerate(dict.fromkeys(limit.note for limit in LIMITS), 1)}


def _cell(row: Row, target: str, result: Result, notes: Mapping[str, int]) -> str:
    limits = limits_of(row.id, target)
    if set(result.failed) - set(limits):
        return "**does not work**"
    marks = sorted({notes[limit.note] for step, limit in limits.items() if step in result.failed})
    return "works" + "".join(f" ({mark})" for mark in marks)


def _sends(row: Row, results: Mapping[tuple[str, str], Result]) -> str:
    """The same towards every target, as far as Tidegate's callers can tell."""
    sent = {framing for target in TARGETS for framing in results[row.id, target].framings}
    return ", ".join(f"`{framing}`" for framing in sorted(sent))


def _stores(answers: Mapping[str, Mapping[str, dict]]) -> str:
    """One line for each difference; of the variants of one operation, those that differ in something else."""
    rows: dict[tuple[str, str, str], str] = {}
    for question, by_store in answers.items():
        first, second = by_store["aws"], by_store["s3s-fs"]
        told = _told(first, second), _told(second, first)
        if told[0] != told[1]:
            rows.setdefault((question.partition(",")[0], *told), question)
    lines = [f"| {question} | {first} | {second} |" for (_, first, second), question in rows.items()]
    return STORES_TEXT + "\n".join(lines) + "\n"


def _told(answer: dict, other: dict) -> str:
    """How a store answers, as far as the other answers otherwise."""
    if "code" in answer:
        return f"{answer['status']}" if answer["code"].isdigit() else f"{answer['status']} `{answer['code']}`"
    status = [] if answer["status"] == other["status"] else [f"{answer['status']}"]
    if "code" in other:
        return f"{answer['status']}"
    mine, theirs = _fields(answer), _fields(other)
    more = [_field(name, value) for name, value in mine.items() if name not in theirs]
    less = [f"no `{name}`" for name in theirs if name not in mine]
    return ", ".join([*status, *more, *less]) or "the same"


def _fields(answer: Mapping) -> dict[str, object]:
    """What a client reads of an answer; of a list, what its first entry has."""
    fields: dict[str, object] = {}
    for name, value in answer.items():
        if name in NOT_TOLD:
            continue
        inner = value[0] if isinstance(value, list) and value else value
        if isinstance(inner, dict):
            fields |= {f"{name}.{part}": more for part, more in _fields(inner).items()}
        else:
            fields[name] = inner
    return fields


def _field(name: str, value: object) -> str:
    return f"`{name}: {value}`" if isinstance(value, str) and 0 < len(value) < 20 and "." not in name else f"`{name}`"
