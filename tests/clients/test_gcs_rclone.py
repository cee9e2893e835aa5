"""rclone's backend for Google Cloud Storage, with Google's default credentials (`env_auth`).

`--ca-cert` is for storage alone; the trade of tokens trusts what SSL_CERT_FILE says.
"""

from pathlib import Path

import pytest

from harness.google import MANY, MANY_PREFIX, Google
from harness.payloads import Payload, sha256_of
from harness.programs import Client
from harness.tidegate import GOOGLE_BUCKETS, Tidegate


class Rclone:
    """rclone at a place; `gate:` is the remote."""

    def __init__(self, place: Google, home: Path) -> None:
        remote = {
            "RCLONE_CONFIG_GATE_TYPE": "google cloud storage",
            "RCLONE_CONFIG_GATE_ENV_AUTH": "true",
            "RCLONE_CONFIG_GATE_ENDPOINT": f"{place.endpoint}/storage/v1/",
            # Otherwise it wants to set access control lists.
            "RCLONE_CONFIG_GATE_BUCKET_POLICY_ONLY": "true",
            "RCLONE_CONFIG_GATE_NO_CHECK_BUCKET": "true",
            "RCLONE_CONFIG_GATE_PROJECT_NUMBER": "none",
        }
        self.client = Client("rclone", home, place.environment() | remote, ["--retries", "1", "--stats", "0"])
        self.place = place

    def path(self, key: str) -> str:
        return f"gate:{self.place.bucket}/{key}"


@pytest.fixture(params=["fake", "dev"])
def here(request: pytest.FixtureRequest, google_stores: dict[str, Google], tmp_path: Path) -> Rclone:
    return Rclone(google_stores[request.param], tmp_path)


def test_round_trips_a_file(here: Rclone, small: Payload, tmp_path: Path) -> None:
    here.client.succeeds("copyto", small.path, here.path("rclone/a b+ü.bin"))
    assert here.place.stored.sha256("rclone/a b+ü.bin") == small.sha256
    here.client.succeeds("copyto", here.path("rclone/a b+ü.bin"), "back.bin")
    assert sha256_of(tmp_path / "back.bin") == small.sha256


def test_sends_a_chunk_again_that_broke_off(google_broken: Google, huge: Payload, tmp_path: Path) -> None:
    here = Rclone(google_broken, tmp_path)
    here.client.succeeds("copyto", huge.path, here.path("rclone/huge.bin"))
    assert google_broken.line.broken
    assert google_broken.stored.sha256("rclone/huge.bin") == huge.sha256


def test_reads_a_range(here: Rclone) -> None:
    here.place.stored.put("rclone/range.txt", b"0123456789abcdef")
    read = here.client.succeeds("cat", "--offset", "10", "--count", "3", here.path("rclone/range.txt"))
    assert read.output == "abc"


def test_lists_in_pages(here: Rclone, google_tidegate: Tidegate, google_many: None) -> None:
    before = google_tidegate.pages(here.place.bucket, MANY_PREFIX)
    assert len(here.client.succeeds("lsf", here.path(MANY_PREFIX)).output.split()) == MANY
    google_tidegate.wait_for_pages(here.place.bucket, MANY_PREFIX, before + 2)


def test_lists_with_prefixes(here: Rclone) -> None:
    for name in ["a.txt", "b.txt", "c.txt", "deep/d.txt"]:
        here.place.stored.put(f"rclone-list/{name}", b"x")
    flat = here.client.succeeds("lsf", here.path("rclone-list"))
    assert flat.output.split() == ["a.txt", "b.txt", "c.txt", "deep/"]
    deep = here.client.succeeds("lsf", "--recursive", "--files-only", here.path("rclone-list"))
    assert sorted(deep.output.split()) == ["a.txt", "b.txt", "c.txt", "deep/d.txt"]
    assert here.client.succeeds("lsf", "gate:").output.split() == [f"{name}/" for name in sorted(GOOGLE_BUCKETS)]


def test_synchronises_copies_and_moves_at_the_server(here: Rclone, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    (source / "a b.txt").write_text("a")
    (source / "deep" / "ü+.txt").write_text("b")
    here.client.succeeds("sync", source, here.path("rclone-sync"))
    here.client.succeeds("check", "--download", source, here.path("rclone-sync"))
    here.client.succeeds("copyto", here.path("rclone-sync/a b.txt"), here.path("rclone-copy/a.txt"))
    here.client.succeeds("moveto", here.path("rclone-copy/a.txt"), here.path("rclone-copy/b.txt"))
    assert here.place.stored.keys("rclone-copy/") == ["rclone-copy/b.txt"]
    assert here.place.stored.get("rclone-copy/b.txt") == b"a"


def test_deletes_one_and_many(here: Rclone) -> None:
    for name in ["one.txt", "tree/a.txt", "tree/deep/b.txt"]:
        here.place.stored.put(f"rclone-rm/{name}", b"x")
    here.client.succeeds("deletefile", here.path("rclone-rm/one.txt"))
    here.client.succeeds("purge", here.path("rclone-rm/tree"))
    assert here.place.stored.keys("rclone-rm/") == []


def test_is_told_why_it_is_refused(here: Rclone, small: Payload, huge: Payload) -> None:
    for file in [small, huge]:
        refused = here.client.fails("copyto", file.path, here.path("sealed/rclone.bin"))
        assert "nobody-touches-what-is-sealed" in refused.errors
    assert not here.place.stored.has("sealed/rclone.bin")
