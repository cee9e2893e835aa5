"""restic, with session keys in its environment.

restic never uploads in parts what is smaller than 200 MiB, and its packs end at 128 MiB: its large transfer is one PUT.
"""

import json
from pathlib import Path

import pytest

from harness import payloads
from harness.gateway import REGION, Gateway
from harness.identities import Identities
from harness.payloads import MULTIPART_SIZE, Payload, sha256_of
from harness.programs import Client
from harness.store import StoredBucket

REFUSED_SECONDS = 60


class Repository:
    """A restic repository in the bucket `vault`, with one backup in it."""

    def __init__(self, name: str, gateway: Gateway, identities: Identities, home: Path) -> None:
        bucket = gateway.bucket("vault")
        self.prefix = f"restic/{name}"
        environment = identities.session_environment("backup") | {
            "RESTIC_REPOSITORY": f"s3:{gateway.endpoint}/{bucket}/{self.prefix}",
            "RESTIC_PASSWORD": "of the repository",
            "RESTIC_CACHE_DIR": str(home / "cache"),
            "RESTIC_PACK_SIZE": "64",
        }
        options = ["--cacert", str(gateway.ca), "--option", f"s3.region={REGION}"]
        self.client = Client("restic", home, environment, options)
        source = home / "source"
        source.mkdir()
        self.files = [payloads.small_file(source), payloads.multipart_file(source)]
        self.client.succeeds("init")
        self.client.succeeds("backup", source)

    def snapshots(self) -> list[dict]:
        return json.loads(self.client.succeeds("snapshots", "--json").output)


@pytest.fixture(scope="module")
def repository(
    gateway: Gateway, identities: Identities, tmp_path_factory: pytest.TempPathFactory
) -> Repository:
    return Repository("nightly", gateway, identities, tmp_path_factory.mktemp("restic"))


def test_restic_restores_what_it_backed_up(repository: Repository, tmp_path: Path) -> None:
    repository.client.succeeds("restore", "latest", "--target", tmp_path)
    for file in repository.files:
        assert restored(file, tmp_path) == file.sha256


def test_restic_finds_its_repository_sound(repository: Repository) -> None:
    checked = repository.client.succeeds("check", "--read-data")
    assert "no errors were found" in checked.output


def test_restic_stores_a_large_pack_unchanged(repository: Repository, vault: StoredBucket) -> None:
    packs = vault.contents(f"{repository.prefix}/data/")
    largest = max(packs, key=lambda key: packs[key][1])
    assert packs[largest][1] > MULTIPART_SIZE
    # restic names a pack by the checksum of its bytes.
    assert vault.sha256(largest) == largest.rpartition("/")[2]


def test_restic_lists_its_snapshots(repository: Repository, vault: StoredBucket) -> None:
    (snapshot,) = repository.snapshots()
    assert list(vault.contents(f"{repository.prefix}/snapshots/")) == [f"{repository.prefix}/snapshots/{snapshot['id']}"]


def test_restic_deletes_its_locks(repository: Repository, vault: StoredBucket) -> None:
    repository.client.succeeds("check")
    assert vault.contents(f"{repository.prefix}/locks/") == {}


def test_restic_may_not_forget_a_snapshot(
    repository: Repository, gateway: Gateway, vault: StoredBucket, tmp_path: Path
) -> None:
    (snapshot,) = repository.snapshots()
    before = vault.contents(f"{repository.prefix}/snapshots/")
    # restic 0.14 tries again for a quarter of an hour, so it is stopped at its first report.
    forgetting = repository.client.start("forget", snapshot["id"], log=tmp_path / "forget.log")
    try:
        refused = forgetting.wait_for_line(r"Remove\(<snapshot/.*\) returned error, .*", REFUSED_SECONDS)[0]
    finally:
        forgetting.stop()
    key = f"{gateway.bucket('vault')}/{repository.prefix}/snapshots/{snapshot['id']}"
    assert gateway.refusal("backup", "s3:DeleteObject", key) in refused
    assert vault.contents(f"{repository.prefix}/snapshots/") == before


def restored(file: Payload, target: Path) -> str:
    """restic restores under the absolute path that it backed up."""
    return sha256_of(target / file.path.relative_to("/"))
