"""The AWS CLI, by web identity: what a user has who changes nothing but the endpoint."""

import json
from pathlib import Path

import pytest

from harness.gateway import Gateway
from harness.identities import Identities
from harness.payloads import MULTIPART_PARTS, Payload, sha256_of
from harness.programs import Client
from harness.store import StoredBucket

CONFIGURATION = """\
[default]
s3 =
  multipart_threshold = 5MB
  multipart_chunksize = 5MB
"""


@pytest.fixture
def aws(tmp_path: Path, identities: Identities) -> Client:
    configuration = tmp_path / "config"
    configuration.write_text(CONFIGURATION)
    return Client("aws", tmp_path, identities.web_identity("etl") | {"AWS_CONFIG_FILE": str(configuration)})


@pytest.fixture
def bucket(gateway: Gateway) -> str:
    return gateway.bucket("lake")


def test_awscli_round_trips_a_file(aws: Client, bucket: str, lake: StoredBucket, small: Payload, tmp_path: Path) -> None:
    url = f"s3://{bucket}/tmp/awscli/small.bin"
    aws.succeeds("s3", "cp", small.path, url)
    assert lake.sha256("tmp/awscli/small.bin") == small.sha256
    aws.succeeds("s3", "cp", url, "back.bin")
    assert sha256_of(tmp_path / "back.bin") == small.sha256


def test_awscli_transfers_a_file_in_parts(
    aws: Client, bucket: str, lake: StoredBucket, large: Payload, tmp_path: Path
) -> None:
    url = f"s3://{bucket}/tmp/awscli/large.bin"
    aws.succeeds("s3", "cp", large.path, url)
    assert lake.parts("tmp/awscli/large.bin") == MULTIPART_PARTS
    assert lake.sha256("tmp/awscli/large.bin") == large.sha256
    aws.succeeds("s3", "cp", url, "back.bin")
    assert sha256_of(tmp_path / "back.bin") == large.sha256


def test_awscli_lists_objects_and_prefixes(aws: Client, bucket: str, lake: StoredBucket) -> None:
    lake.put("tmp/awscli-list/a.txt", b"a")
    lake.put("tmp/awscli-list/deep/b c+d.txt", b"bb")
    names = [line.split(maxsplit=1 if "PRE" in line else 3)[-1] for line in listing(aws, f"s3://{bucket}/tmp/awscli-list/")]
    assert names == ["deep/", "a.txt"]
    recursive = listing(aws, "--recursive", f"s3://{bucket}/tmp/awscli-list/")
    assert [line.split(maxsplit=3)[-1] for line in recursive] == ["tmp/awscli-list/a.txt", "tmp/awscli-list/deep/b c+d.txt"]


def test_awscli_copies_within_the_bucket(aws: Client, bucket: str, lake: StoredBucket, small: Payload) -> None:
    lake.put("raw/awscli-source.bin", small.path.read_bytes())
    aws.succeeds("s3", "cp", f"s3://{bucket}/raw/awscli-source.bin", f"s3://{bucket}/tmp/awscli/copy.bin")
    assert lake.sha256("tmp/awscli/copy.bin") == small.sha256


def test_awscli_deletes_what_its_policy_allows(aws: Client, bucket: str, lake: StoredBucket) -> None:
    lake.put("tmp/awscli/old.txt", b"old")
    aws.succeeds("s3", "rm", f"s3://{bucket}/tmp/awscli/old.txt")
    assert not lake.has("tmp/awscli/old.txt")


def test_awscli_reports_why_a_delete_is_refused(
    aws: Client, bucket: str, gateway: Gateway, lake: StoredBucket
) -> None:
    lake.put("raw/awscli-kept.txt", b"kept")
    before = lake.contents()
    refused = aws.fails("s3", "rm", f"s3://{bucket}/raw/awscli-kept.txt")
    assert "(AccessDenied) when calling the DeleteObject operation" in refused.errors
    assert gateway.refusal("etl", "s3:DeleteObject", f"{bucket}/raw/awscli-kept.txt") in refused.errors
    assert lake.contents() == before


def test_awscli_learns_who_it_is(aws: Client) -> None:
    caller = json.loads(aws.succeeds("sts", "get-caller-identity").output)
    assert caller["Arn"].startswith("arn:aws:sts::")
    assert caller["UserId"] and caller["Account"]


def listing(aws: Client, *arguments: str) -> list[str]:
    return aws.succeeds("s3", "ls", *arguments).output.splitlines()
