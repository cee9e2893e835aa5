"""s5cmd, by web identity."""

import json
from pathlib import Path

import pytest

from harness.gateway import Gateway
from harness.identities import Identities
from harness.payloads import MULTIPART_PARTS, Payload, sha256_of
from harness.programs import Client
from harness.store import StoredBucket

IN_PARTS = ["--part-size", "5", "--concurrency", "2"]


@pytest.fixture
def s5cmd(gateway: Gateway, identities: Identities, tmp_path: Path) -> Client:
    options = ["--endpoint-url", gateway.endpoint, "--retry-count", "0"]
    return Client("s5cmd", tmp_path, identities.web_identity("etl"), options)


@pytest.fixture
def bucket(gateway: Gateway) -> str:
    return gateway.bucket("lake")


def test_s5cmd_round_trips_a_file(
    s5cmd: Client, bucket: str, lake: StoredBucket, small: Payload, tmp_path: Path
) -> None:
    s5cmd.succeeds("cp", small.path, f"s3://{bucket}/tmp/s5cmd/small.bin")
    assert lake.sha256("tmp/s5cmd/small.bin") == small.sha256
    s5cmd.succeeds("cp", f"s3://{bucket}/tmp/s5cmd/small.bin", "back.bin")
    assert sha256_of(tmp_path / "back.bin") == small.sha256


def test_s5cmd_transfers_a_file_in_parts(
    s5cmd: Client, bucket: str, lake: StoredBucket, large: Payload, tmp_path: Path
) -> None:
    s5cmd.succeeds("cp", *IN_PARTS, large.path, f"s3://{bucket}/tmp/s5cmd/large.bin")
    assert lake.parts("tmp/s5cmd/large.bin") == MULTIPART_PARTS
    assert lake.sha256("tmp/s5cmd/large.bin") == large.sha256
    s5cmd.succeeds("cp", *IN_PARTS, f"s3://{bucket}/tmp/s5cmd/large.bin", "back.bin")
    assert sha256_of(tmp_path / "back.bin") == large.sha256


def test_s5cmd_lists_objects_and_prefixes(s5cmd: Client, bucket: str, lake: StoredBucket) -> None:
    lake.put("tmp/s5cmd-list/a b.txt", b"a")
    lake.put("tmp/s5cmd-list/deep/b.txt", b"bb")
    names = listed(s5cmd, f"s3://{bucket}/tmp/s5cmd-list/")
    assert sorted(names) == [f"s3://{bucket}/tmp/s5cmd-list/a b.txt", f"s3://{bucket}/tmp/s5cmd-list/deep/"]
    names = listed(s5cmd, f"s3://{bucket}/tmp/s5cmd-list/*.txt")
    assert sorted(names) == [f"s3://{bucket}/tmp/s5cmd-list/a b.txt", f"s3://{bucket}/tmp/s5cmd-list/deep/b.txt"]


def test_s5cmd_deletes_what_its_policy_allows(s5cmd: Client, bucket: str, lake: StoredBucket) -> None:
    for name in ["one", "two"]:
        lake.put(f"tmp/s5cmd-old/{name}.txt", b"old")
    s5cmd.succeeds("rm", f"s3://{bucket}/tmp/s5cmd-old/*")
    assert lake.contents("tmp/s5cmd-old/") == {}


def test_s5cmd_reports_why_a_delete_is_refused(
    s5cmd: Client, bucket: str, gateway: Gateway, lake: StoredBucket
) -> None:
    lake.put("raw/s5cmd-kept.txt", b"kept")
    before = lake.contents()
    refused = s5cmd.fails("rm", f"s3://{bucket}/raw/s5cmd-kept.txt")
    # s5cmd deletes in bulk and prints only the message of a key's error, not its code.
    assert gateway.refusal("etl", "s3:DeleteObject", f"{bucket}/raw/s5cmd-kept.txt") in refused.errors
    assert lake.contents() == before


def listed(s5cmd: Client, url: str) -> list[str]:
    lines = s5cmd.succeeds("--json", "ls", url).output.splitlines()
    return [json.loads(line)["key"] for line in lines]
