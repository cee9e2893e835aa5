"""Clients of Google's XML API, with a token: obstore, and uploads in parts of Google's library for Python."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import obstore
import pytest
from google.cloud import storage
from google.cloud.storage import transfer_manager
from google.oauth2.credentials import Credentials
from obstore.exceptions import AlreadyExistsError, PermissionDeniedError
from obstore.store import GCSStore

from harness.identities import Identities
from harness.payloads import MIB, Payload
from harness.targets import Target, View
from harness.tidegate import Tidegate

BUCKET = "gcs"


@pytest.fixture
def stored(matrix_targets: list[Target]) -> View:
    """The bucket, past Tidegate."""
    return next(target for target in matrix_targets if target.name == BUCKET).view


@pytest.fixture
def endpoint(matrix_tidegate: Tidegate, monkeypatch: pytest.MonkeyPatch) -> str:
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.setenv(name, str(matrix_tidegate.gateway.ca))
    return matrix_tidegate.gateway.endpoint


@pytest.fixture
def store_of(endpoint: str, matrix_identities: Identities) -> Callable[[str], GCSStore]:
    def store(workload: str) -> GCSStore:
        token = {"token": matrix_identities.token(workload), "expires_at": datetime.now(UTC) + timedelta(minutes=30)}
        return GCSStore(BUCKET, config={"base_url": endpoint}, credential_provider=lambda: token)

    return store


def test_obstore_does_what_it_does_at_google(
    store_of: Callable[[str], GCSStore], stored: View, small: Payload, large: Payload
) -> None:
    store = store_of("etl")
    put = obstore.put(store, "xml/a b+ü.bin", small.path.read_bytes(), attributes={"Content-Type": "application/x-noise"})
    assert stored.sha256("xml/a b+ü.bin") == small.sha256
    # A generation, which no answer to S3's clients has.
    assert str(put["version"]).isdigit()
    with pytest.raises(AlreadyExistsError):
        obstore.put(store, "xml/a b+ü.bin", b"other", mode="create")
    with pytest.raises(AlreadyExistsError):
        obstore.copy(store, "xml/a b+ü.bin", "xml/a b+ü.bin", overwrite=False)
    assert stored.sha256("xml/a b+ü.bin") == small.sha256
    back = obstore.get(store, "xml/a b+ü.bin")
    assert back.attributes["Content-Type"] == "application/x-noise"
    assert bytes(back.bytes()) == small.path.read_bytes()
    obstore.put(store, "xml/large.bin", large.path, chunk_size=5 * MIB, use_multipart=True)
    assert stored.sha256("xml/large.bin") == large.sha256
    obstore.copy(store, "xml/large.bin", "xml/copy.bin")
    listed = [entry["path"] for page in obstore.list(store, "xml") for entry in page]
    assert sorted(listed) == ["xml/a b+ü.bin", "xml/copy.bin", "xml/large.bin"]
    obstore.delete(store, listed)
    assert not any(stored.has(name) for name in listed)


def test_obstore_is_told_what_it_may_not(store_of: Callable[[str], GCSStore], stored: View) -> None:
    with pytest.raises(PermissionDeniedError):
        obstore.put(store_of("backup"), "xml/backup.bin", b"content")
    assert not stored.has("xml/backup.bin")


@pytest.mark.parametrize("checksum", ["auto", "md5", "crc32c", None])
def test_python_uploads_parts_at_once(
    endpoint: str, matrix_identities: Identities, stored: View, large: Payload, checksum: str | None
) -> None:
    credentials = Credentials(matrix_identities.token("etl"))
    client = storage.Client("none", credentials, client_options={"api_endpoint": endpoint})
    blob = client.bucket(BUCKET).blob(f"xml/parts-{checksum}")
    blob.metadata = {"made-by": "the suite"}
    path: Path = large.path
    transfer_manager.upload_chunks_concurrently(
        str(path), blob, chunk_size=5 * MIB, max_workers=4, worker_type=transfer_manager.THREAD, checksum=checksum
    )
    assert stored.sha256(f"xml/parts-{checksum}") == large.sha256
