"""google-cloud-storage for Python, by RFC 8693 from a token file and the JSON API."""

from pathlib import Path

import google.api_core.exceptions
import pytest
from google.auth import identity_pool
from google.cloud import storage
from google.cloud.storage import transfer_manager

from harness.google import Google, GooglePlaces
from harness.payloads import MIB, Payload, sha256_of
from harness.store import StoredBucket
from harness.targets import Target
from harness.tidegate import GOOGLE_BUCKETS, Tidegate

SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"


class Here:
    """A client at a place, and what names its objects."""

    def __init__(self, place: Google) -> None:
        credentials = identity_pool.Credentials.from_file(str(place.credentials), scopes=[SCOPE])
        self.client = storage.Client("none", credentials, client_options={"api_endpoint": place.endpoint})
        self.bucket = self.client.bucket(place.bucket)
        self.stored = place.stored


@pytest.fixture(params=["fake", "dev"])
def here(request: pytest.FixtureRequest, google_stores: dict[str, Google], monkeypatch: pytest.MonkeyPatch) -> Here:
    """Before either of the stores."""
    place = google_stores[request.param]
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(place.ca))
    return Here(place)


def test_round_trips_a_file_with_its_metadata(here: Here, small: Payload, tmp_path: Path) -> None:
    blob = here.bucket.blob("python/a b+ü.bin")
    blob.metadata = {"made-by": "the suite"}
    blob.upload_from_filename(str(small.path), content_type="application/x-noise")
    stored = here.stored.resource("python/a b+ü.bin")
    assert here.stored.sha256("python/a b+ü.bin") == small.sha256
    assert (stored["contentType"], stored["metadata"]) == ("application/x-noise", {"made-by": "the suite"})
    here.bucket.blob("python/a b+ü.bin").download_to_filename(str(tmp_path / "back.bin"))
    assert sha256_of(tmp_path / "back.bin") == small.sha256
    blob.reload()
    assert (blob.size, blob.bucket.name, blob.owner) == (small.path.stat().st_size, here.bucket.name, None)


def test_resumes_an_upload_over_a_line_that_breaks(
    google_broken: Google, huge: Payload, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(google_broken.ca))
    blob = Here(google_broken).bucket.blob("python/huge.bin", chunk_size=8 * MIB)
    blob.upload_from_filename(str(huge.path))
    assert google_broken.line.broken
    assert google_broken.stored.sha256("python/huge.bin") == huge.sha256


def test_reads_a_range(here: Here) -> None:
    here.stored.put("python/range.bin", bytes(range(200)))
    blob = here.bucket.blob("python/range.bin")
    assert blob.download_as_bytes(start=100, end=109) == bytes(range(100, 110))
    with blob.open("rb") as opened:
        opened.seek(150)
        assert opened.read(4) == bytes([150, 151, 152, 153])


def test_lists_in_pages_with_prefixes(here: Here) -> None:
    for number in range(5):
        here.stored.put(f"python-list/{number}.txt", b"x")
    here.stored.put("python-list/deep/er.txt", b"x")
    flat = here.client.list_blobs(here.bucket, prefix="python-list/", page_size=2)
    assert [[blob.name for blob in page] for page in flat.pages] == [
        ["python-list/0.txt", "python-list/1.txt"],
        ["python-list/2.txt", "python-list/3.txt"],
        ["python-list/4.txt", "python-list/deep/er.txt"],
    ]
    folded = here.client.list_blobs(here.bucket, prefix="python-list/", delimiter="/")
    assert len(list(folded)) == 5
    assert folded.prefixes == {"python-list/deep/"}
    assert [bucket.name for bucket in here.client.list_buckets()] == sorted(GOOGLE_BUCKETS)


def test_copies_rewrites_and_composes(here: Here) -> None:
    here.stored.put("python/one.txt", b"one,")
    one = here.bucket.blob("python/one.txt")
    assert here.bucket.copy_blob(one, here.bucket, "python/two.txt").size == 4
    token, rewritten, total = here.bucket.blob("python/three.txt").rewrite(one)
    assert (token, rewritten, total) == (None, 4, 4)
    whole = here.bucket.blob("python/whole.txt")
    whole.compose([here.bucket.blob(f"python/{name}.txt") for name in ("one", "two", "three")])
    assert here.stored.get("python/whole.txt") == b"one,one,one,"
    assert here.bucket.rename_blob(whole, "python/renamed.txt").name == "python/renamed.txt"
    assert here.stored.has("python/renamed.txt") and not here.stored.has("python/whole.txt")


def test_changes_metadata_and_holds_preconditions(here: Here) -> None:
    here.stored.put("python/patched.txt", b"x")
    blob = here.bucket.get_blob("python/patched.txt")
    blob.metadata = {"k": "v"}
    blob.patch(if_metageneration_match=blob.metageneration)
    assert here.stored.resource("python/patched.txt")["metadata"] == {"k": "v"}
    with pytest.raises(google.api_core.exceptions.PreconditionFailed):
        here.bucket.blob("python/patched.txt").upload_from_string(b"y", if_generation_match=0)
    assert here.stored.get("python/patched.txt") == b"x"


def test_a_batch_deletes_what_it_may_and_leaves_the_rest(here: Here) -> None:
    names = ["python/batch/0", "sealed/python", "python/batch/1", "python/batch/not there"]
    for name in names[:3]:
        here.stored.put(name, b"x")
    with here.client.batch(raise_exception=False) as batch:
        for name in names:
            here.bucket.blob(name).delete()
    assert [answer.status_code for answer in batch._responses] == [204, 403, 204, 404]
    assert [here.stored.has(name) for name in names] == [False, True, False, False]


def test_deletes_and_says_what_is_absent(here: Here) -> None:
    here.stored.put("python/old.txt", b"old")
    here.bucket.blob("python/old.txt").delete()
    assert not here.stored.has("python/old.txt")
    assert not here.bucket.blob("python/old.txt").exists()
    with pytest.raises(google.api_core.exceptions.NotFound):
        here.bucket.blob("python/old.txt").delete()


def test_is_told_why_it_is_refused(here: Here) -> None:
    for attempt in [
        lambda: here.bucket.blob("sealed/upload.txt").upload_from_string(b"x"),
        lambda: here.bucket.blob("sealed/resumable.txt", chunk_size=MIB).upload_from_string(bytes(9 * MIB)),
        lambda: here.bucket.blob("sealed/composed.txt").compose([here.bucket.blob("python/range.bin")]),
    ]:
        with pytest.raises(google.api_core.exceptions.Forbidden) as refused:
            attempt()
        assert "nobody-touches-what-is-sealed" in str(refused.value)
    assert here.stored.keys("sealed/") in ([], ["sealed/python"])


def test_asks_what_it_may(here: Here) -> None:
    wanted = ["storage.objects.get", "storage.objects.create", "storage.buckets.setIamPolicy"]
    assert sorted(here.bucket.test_iam_permissions(wanted)) == sorted(wanted[:2])


def test_is_told_the_address_of_a_bucket_in_an_s3_store(
    tidegate: Tidegate, google_places: GooglePlaces, lake: StoredBucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(google_places.ca))
    places = GooglePlaces(tidegate.port, google_places.ca, tmp_path, google_places.token_file)
    bucket = Here(places.place("lake", lake)).bucket
    with pytest.raises(google.api_core.exceptions.MethodNotImplemented) as refused:
        bucket.blob("tmp/python/gs.txt").upload_from_string(b"x")
    assert f"https://localhost:{tidegate.port}" in str(refused.value)
    assert not lake.has("tmp/python/gs.txt")


def test_the_transfer_manager_uploads_in_parts_of_the_xml_api(
    google_places: GooglePlaces, xml_gcs: Target, large: Payload, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(google_places.ca))
    blob = Here(google_places.place("gcs", xml_gcs.view)).bucket.blob("python/parts.bin")
    transfer_manager.upload_chunks_concurrently(str(large.path), blob, chunk_size=5 * MIB, worker_type="thread")
    assert xml_gcs.view.sha256("python/parts.bin") == large.sha256
