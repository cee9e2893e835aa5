"""What a target cannot do, whoever stands in front of it. Each is proven: the step must fail, and in these words.

A limit of Tidegate's is no limit of a target's: nothing of that kind belongs here.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limit:
    """A step that fails at a target, what the client then reports, and what a reader of the documentation is told."""

    target: str
    step: str
    reports: str
    note: str
    # Only for these rows; None for all.
    rows: frozenset[str] | None = None


LIMITS = [
    Limit(
        "s3s-fs",
        "put in parts",
        "not implemented",
        "s3s-fs lists no uploads, which minio-js asks for before it uploads in parts",
        frozenset({"minio-js"}),
    ),
]


def limits_of(row: str, target: str) -> dict[str, Limit]:
    """The limits of a cell, by step."""
    return {
        limit.step: limit for limit in LIMITS if limit.target == target and (limit.rows is None or row in limit.rows)
    }
