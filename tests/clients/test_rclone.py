"""rclone, by web identity (`env_auth`)."""

from pathlib import Path

import pytest

from harness.gateway import REGION, Gateway
from harness.identities import Identities
from harness.payloads import MULTIPART_PARTS, Payload, sha256_of
from harness.programs import Client
from harness.store import StoredBucket


class Rclone:
    """rclone for one workload; `gate:` is the remote."""

    def __init__(self, workload: str, gateway: Gateway, identities: Identities, home: Path) -> None:
        remote = {
            "RCLONE_CONFIG_GATE_TYPE": "s3",
            "RCLONE_CONFIG_GATE_PROVIDER": "Other",
            "RCLONE_CONFIG_GATE_ENV_AUTH": "true",
            "RCLONE_CONFIG_GATE_ENDPOINT": gateway.endpoint,
            "RCLONE_CONFIG_GATE_REGION": REGION,
            # Without it `copyto` sends CreateBucket first, which is not for callers to do.
            "RCLONE_CONFIG_GATE_NO_CHECK_BUCKET": "true",
            "RCLONE_CONFIG_GATE_UPLOAD_CUTOFF": "5Mi",
            "RCLONE_CONFIG_GATE_CHUNK_SIZE": "5Mi",
        }
        options = ["--ca-cert", str(gateway.ca), "--retries", "1", "--low-level-retries", "1", "--stats", "0"]
        self.client = Client("rclone", home, identities.web_identity(workload) | remote, options)
        self.bucket = gateway.bucket("lake")

    def path(self, key: str) -> str:
        return f"gate:{self.bucket}/{key}"


@pytest.fixture
def etl(gateway: Gateway, identities: Identities, tmp_path: Path) -> Rclone:
    return Rclone("etl", gateway, identities, tmp_path)


@pytest.fixture
def analyst(gateway: Gateway, identities: Identities, tmp_path: Path) -> Rclone:
    return Rclone("analyst", gateway, identities, tmp_path)


def test_rclone_round_trips_a_file(etl: Rclone, lake: StoredBucket, small: Payload, tmp_path: Path) -> None:
    etl.client.succeeds("copyto", small.path, etl.path("tmp/rclone/small.bin"))
    assert lake.sha256("tmp/rclone/small.bin") == small.sha256
    etl.client.succeeds("copyto", etl.path("tmp/rclone/small.bin"), "back.bin")
    assert sha256_of(tmp_path / "back.bin") == small.sha256


def test_rclone_transfers_a_file_in_parts(etl: Rclone, lake: StoredBucket, large: Payload, tmp_path: Path) -> None:
    etl.client.succeeds("copyto", large.path, etl.path("tmp/rclone/large.bin"))
    assert lake.parts("tmp/rclone/large.bin") == MULTIPART_PARTS
    assert lake.sha256("tmp/rclone/large.bin") == large.sha256
    etl.client.succeeds("copyto", etl.path("tmp/rclone/large.bin"), "back.bin")
    assert sha256_of(tmp_path / "back.bin") == large.sha256


def test_rclone_checks_a_synchronised_directory(etl: Rclone, lake: StoredBucket, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    (source / "a b.txt").write_text("a")
    (source / "deep" / "ü+.txt").write_text("b")
    etl.client.succeeds("sync", source, etl.path("tmp/rclone-sync"))
    etl.client.succeeds("check", "--download", source, etl.path("tmp/rclone-sync"))
    assert sorted(lake.contents("tmp/rclone-sync/")) == ["tmp/rclone-sync/a b.txt", "tmp/rclone-sync/deep/ü+.txt"]


def test_rclone_lists_objects_and_prefixes(etl: Rclone, lake: StoredBucket) -> None:
    lake.put("tmp/rclone-list/a.txt", b"a")
    lake.put("tmp/rclone-list/deep/b.txt", b"bb")
    flat = etl.client.succeeds("lsf", etl.path("tmp/rclone-list")).output.split()
    assert flat == ["a.txt", "deep/"]
    recursive = etl.client.succeeds("lsf", "--recursive", "--files-only", etl.path("tmp/rclone-list")).output.split()
    assert sorted(recursive) == ["a.txt", "deep/b.txt"]


def test_rclone_deletes_what_its_policy_allows(etl: Rclone, lake: StoredBucket) -> None:
    lake.put("tmp/rclone/old.txt", b"old")
    etl.client.succeeds("deletefile", etl.path("tmp/rclone/old.txt"))
    assert not lake.has("tmp/rclone/old.txt")


def test_rclone_reports_why_an_upload_is_refused(
    analyst: Rclone, gateway: Gateway, lake: StoredBucket, small: Payload
) -> None:
    before = lake.contents()
    refused = analyst.client.fails("copyto", small.path, analyst.path("published/rclone.bin"))
    assert "AccessDenied" in refused.errors
    assert gateway.refusal("analyst", "s3:PutObject", f"{analyst.bucket}/published/rclone.bin") in refused.errors
    assert lake.contents() == before
    assert lake.open_uploads("published/rclone.bin") == []
