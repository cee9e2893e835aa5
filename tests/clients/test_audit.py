"""The audit trail of the whole run: one line of JSON for each request, who made it, and no secret anywhere.

Collected last, so that the lines of every client that ran before are in it.
"""

from collections import Counter
from dataclasses import dataclass, field

import botocore.exceptions
import pytest

from harness.gateway import Gateway, Secrets
from harness.identities import Identities
from harness.processes import poll
from harness.sdk import Boto3
from harness.store import StoredBucket
from harness.tidegate import Tidegate

# A line closes with the last byte of its answer, so it may be written a moment after the answer is read.
LINE_SECONDS = 10


@dataclass
class Calls:
    """The request ids that boto3 was answered with, in the order of its calls."""

    request_ids: list[str] = field(default_factory=list)

    def note(self, parsed: dict, **_: object) -> None:
        self.request_ids.append(parsed["ResponseMetadata"]["RequestId"])


@pytest.fixture
def etl(tidegate: Tidegate, gateway: Gateway, identities: Identities, monkeypatch: pytest.MonkeyPatch) -> Boto3:
    return Boto3("etl", "path", gateway, identities, monkeypatch)


def test_audit_has_one_line_for_each_request(etl: Boto3, tidegate: Tidegate, lake: StoredBucket) -> None:
    calls = Calls()
    etl.s3.meta.events.register("after-call.s3", calls.note)
    lake.put("raw/audit-kept.txt", b"kept")
    etl.s3.put_object(Bucket=etl.bucket, Key="tmp/audit/a b.txt", Body=b"audited")
    etl.s3.get_object(Bucket=etl.bucket, Key="tmp/audit/a b.txt")["Body"].read()
    etl.s3.list_objects_v2(Bucket=etl.bucket, Prefix="tmp/audit/")
    with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied"):
        etl.s3.delete_object(Bucket=etl.bucket, Key="raw/audit-kept.txt")

    written = [line_of(tidegate, request_id) for request_id in calls.request_ids]

    assert [line["api"]["operation"] for line in written] == ["PutObject", "GetObject", "ListObjectsV2", "DeleteObject"]
    assert [line["decision"]["effect"] for line in written] == ["allow", "allow", "allow", "deny"]
    assert [line["response"]["status"] for line in written] == [200, 200, 200, 403]
    assert {line["actor"]["id"] for line in written} == {"idp:etl"}
    assert {line["resource"]["bucket"] for line in written} == {"lake"}
    assert [line["resource"].get("key") for line in written] == [
        "tmp/audit/a b.txt",
        "tmp/audit/a b.txt",
        None,
        "raw/audit-kept.txt",
    ]
    assert written[0]["response"]["bytes_in"] >= len(b"audited")
    assert written[1]["response"]["bytes_out"] >= len(b"audited")


def test_audit_names_who_was_given_a_session(etl: Boto3, tidegate: Tidegate) -> None:
    issued = [line for line in tidegate.audit_lines() if line["api"].get("operation") == "AssumeRoleWithWebIdentity"]
    assert issued
    assert {line["type"] for line in issued} == {"auth"}
    assert {line["decision"]["effect"] for line in issued} == {"allow"}
    assert all(line["actor"]["id"].startswith("idp:") for line in issued)


def test_audit_has_no_gap_and_no_duplicate(etl: Boto3, tidegate: Tidegate) -> None:
    lines = tidegate.audit_lines()
    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
    assert [request for request, count in Counter(line["request_id"] for line in lines).items() if count > 1] == []


def test_audit_names_every_workload_that_ran(etl: Boto3, tidegate: Tidegate, identities: Identities) -> None:
    expected = {f"idp:{workload}" for workload in identities.used}
    poll(lambda: expected <= actors(tidegate), LINE_SECONDS, f"lines of {sorted(expected)}")


def test_audit_and_log_hold_no_secret(etl: Boto3, tidegate: Tidegate, secrets: Secrets) -> None:
    assert {"the store's key", "a session secret of etl", "a session token of etl"} <= set(secrets.values.values())
    assert secrets.found_in(tidegate.audit_file.read_text()) == []
    assert secrets.found_in(tidegate.read_log()) == []


def test_audit_and_log_of_the_matrix_hold_no_secret(matrix_tidegate: Tidegate, secrets: Secrets) -> None:
    assert {"a key of plain", "a key of gcs"} <= set(secrets.values.values())
    assert secrets.found_in(matrix_tidegate.audit_file.read_text()) == []
    assert secrets.found_in(matrix_tidegate.read_log()) == []


def line_of(tidegate: Tidegate, request_id: str) -> dict:
    """The one line of a request."""

    def find() -> list[dict]:
        return [line for line in tidegate.audit_lines() if line["request_id"] == request_id]

    (line,) = poll(find, LINE_SECONDS, f"the line of request {request_id}")
    return line


def actors(tidegate: Tidegate) -> set[str]:
    return {line["actor"]["id"] for line in tidegate.audit_lines() if "id" in line.get("actor", {})}
