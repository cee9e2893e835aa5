"""s3cmd, with session keys in its configuration file."""

from pathlib import Path

import pytest

from harness.gateway import REGION, Gateway
from harness.identities import Identities
from harness.payloads import MULTIPART_PARTS, Payload, sha256_of
from harness.programs import Client
from harness.store import StoredBucket

CONFIGURATION = """\
[default]
access_key = {access_key}
secret_key = {secret_key}
access_token = {access_token}
host_base = {host}
host_bucket = {host}
bucket_location = {region}
ca_certs_file = {ca}
use_https = True
max_retries = 1
multipart_chunk_size_mb = 5
"""


class S3cmd:
    """s3cmd for one workload."""

    def __init__(self, workload: str, gateway: Gateway, identities: Identities, home: Path) -> None:
        keys = identities.session_keys(workload)
        configuration = home / "s3cmd.ini"
        configuration.write_text(
            CONFIGURATION.format(
                access_key=keys.access_key_id,
                secret_key=keys.secret_access_key,
                access_token=keys.session_token,
                host=gateway.endpoint.removeprefix("https://"),
                region=REGION,
                ca=gateway.ca,
            )
        )
        self.client = Client("s3cmd", home, options=[f"--config={configuration}", "--no-progress"])
        self.bucket = gateway.bucket("lake")

    def url(self, key: str) -> str:
        return f"s3://{self.bucket}/{key}"


@pytest.fixture
def etl(gateway: Gateway, identities: Identities, tmp_path: Path) -> S3cmd:
    return S3cmd("etl", gateway, identities, tmp_path)


@pytest.fixture
def analyst(gateway: Gateway, identities: Identities, tmp_path: Path) -> S3cmd:
    return S3cmd("analyst", gateway, identities, tmp_path)


def test_s3cmd_round_trips_a_file(etl: S3cmd, lake: StoredBucket, small: Payload, tmp_path: Path) -> None:
    etl.client.succeeds("put", small.path, etl.url("tmp/s3cmd/small.bin"))
    assert lake.sha256("tmp/s3cmd/small.bin") == small.sha256
    etl.client.succeeds("get", etl.url("tmp/s3cmd/small.bin"), "back.bin")
    assert sha256_of(tmp_path / "back.bin") == small.sha256


def test_s3cmd_transfers_a_file_in_parts(etl: S3cmd, lake: StoredBucket, large: Payload, tmp_path: Path) -> None:
    etl.client.succeeds("put", large.path, etl.url("tmp/s3cmd/large.bin"))
    assert lake.parts("tmp/s3cmd/large.bin") == MULTIPART_PARTS
    assert lake.sha256("tmp/s3cmd/large.bin") == large.sha256
    etl.client.succeeds("get", etl.url("tmp/s3cmd/large.bin"), "back.bin")
    assert sha256_of(tmp_path / "back.bin") == large.sha256


def test_s3cmd_lists_objects_and_prefixes(etl: S3cmd, lake: StoredBucket) -> None:
    lake.put("tmp/s3cmd-list/a.txt", b"a")
    lake.put("tmp/s3cmd-list/deep/b.txt", b"bb")
    assert listed(etl, etl.url("tmp/s3cmd-list/")) == [etl.url("tmp/s3cmd-list/a.txt"), etl.url("tmp/s3cmd-list/deep/")]
    recursive = listed(etl, "--recursive", etl.url("tmp/s3cmd-list/"))
    assert recursive == [etl.url("tmp/s3cmd-list/a.txt"), etl.url("tmp/s3cmd-list/deep/b.txt")]


def test_s3cmd_deletes_what_its_policy_allows(etl: S3cmd, lake: StoredBucket) -> None:
    lake.put("tmp/s3cmd/old.txt", b"old")
    etl.client.succeeds("del", etl.url("tmp/s3cmd/old.txt"))
    assert not lake.has("tmp/s3cmd/old.txt")


def test_s3cmd_reports_why_an_upload_is_refused(
    analyst: S3cmd, gateway: Gateway, lake: StoredBucket, small: Payload
) -> None:
    before = lake.contents()
    refused = analyst.client.fails("put", small.path, analyst.url("published/s3cmd.bin"))
    assert "403 (AccessDenied)" in refused.errors
    assert gateway.refusal("analyst", "s3:PutObject", f"{analyst.bucket}/published/s3cmd.bin") in refused.errors
    assert lake.contents() == before


def listed(s3cmd: S3cmd, *arguments: str) -> list[str]:
    lines = s3cmd.client.succeeds("ls", *arguments).output.splitlines()
    return sorted(line.split()[-1] for line in lines)
