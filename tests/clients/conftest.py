"""The servers of one run, each started once: authority, identity provider, store, Tidegate."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import payloads
from harness.certificates import CertificateAuthority
from harness.dev_gcs import DevGcs
from harness.fake_gcs import FakeGcs
from harness.gateway import PAGE_BUCKETS, TARGET_BUCKETS, Gateway, Secrets
from harness.google import Google, GooglePlaces
from harness.identities import Identities
from harness.identity_provider import WORKLOADS, IdentityProvider
from harness.lines import BrokenLine
from harness.payloads import Payload
from harness.programs import find, missing
from harness.store import Store, StoredBucket
from harness.store_gateway import iam_config, store_gateway
from harness.targets import ARCHIVE, Target, gcs, plain, s3s_fs, seaweedfs
from harness.targets import BUCKET as MATRIX_BUCKET
from harness.tidegate import GOOGLE_BUCKETS, Tidegate, served_google, served_store, served_targets
from matrix.document import Proven

LAST = ["test_documentation.py", "test_gcs_audit.py", "test_audit.py"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--gateway",
        choices=["tidegate", "store"],
        default="tidegate",
        help="what the clients talk to; `store` is the control run, without Tidegate",
    )
    parser.addoption("--write-docs", action="store_true", help="write docs/clients/matrix.md instead of comparing it")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The audit trail is read when all others have left their lines in it, and the page is written from all results."""
    items.sort(key=lambda item: LAST.index(item.path.name) if item.path.name in LAST else -1)


@pytest.fixture(scope="session")
def run_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("servers")


@pytest.fixture(scope="session")
def secrets() -> Secrets:
    return Secrets()


@pytest.fixture(scope="session")
def authority(run_directory: Path) -> CertificateAuthority:
    return CertificateAuthority(run_directory / "certs")


@pytest.fixture(scope="session")
def provider(run_directory: Path, authority: CertificateAuthority, secrets: Secrets) -> Iterator[IdentityProvider]:
    provider = IdentityProvider(find("node"), authority, run_directory / "idp")
    for workload in WORKLOADS:
        secrets.add(f"the client secret of {workload.name}", workload.secret)
    yield provider
    provider.stop()


@pytest.fixture(scope="session")
def store(
    request: pytest.FixtureRequest,
    run_directory: Path,
    authority: CertificateAuthority,
    provider: IdentityProvider,
    secrets: Secrets,
) -> Iterator[Store]:
    control_run = request.config.getoption("gateway") == "store"
    store = Store(
        find("weed"),
        authority,
        run_directory / "store",
        [*TARGET_BUCKETS.values(), *PAGE_BUCKETS.values(), MATRIX_BUCKET],
        iam_config(provider) if control_run else None,
    )
    secrets.add("the store's key", store.key.secret_access_key)
    yield store
    store.stop()


@pytest.fixture(scope="session")
def tidegate_binary(request: pytest.FixtureRequest) -> str:
    if request.config.getoption("gateway") == "store":
        pytest.skip("the control run has no Tidegate")
    binary = os.environ.get("TIDEGATE_BIN", "")
    if not Path(binary).is_file():
        missing(f"TIDEGATE_BIN names no binary ({binary!r}): run tests/clients/run, which builds it")
    return binary


@pytest.fixture(scope="session")
def tidegate(
    run_directory: Path,
    authority: CertificateAuthority,
    provider: IdentityProvider,
    store: Store,
    tidegate_binary: str,
) -> Iterator[Tidegate]:
    served = served_store(store, authority)
    tidegate = Tidegate(tidegate_binary, authority, provider, served, run_directory / "tidegate")
    yield tidegate
    tidegate.stop()


@pytest.fixture(scope="session")
def matrix_targets(
    run_directory: Path, authority: CertificateAuthority, store: Store, tidegate_binary: str, secrets: Secrets
) -> Iterator[list[Target]]:
    """One target of each kind."""
    store.create_locked_bucket(ARCHIVE)
    targets = [
        seaweedfs(store, authority),
        s3s_fs(tidegate_binary, authority, run_directory / "s3s-fs"),
        plain(authority, run_directory / "plain"),
        gcs(authority, run_directory / "gcs"),
    ]
    for target in targets:
        for secret in target.secrets:
            secrets.add(f"a key of {target.name}", secret)
    yield targets
    for target in targets:
        if target.server is not store:
            target.server.stop()


@pytest.fixture(scope="session")
def matrix_tidegate(
    run_directory: Path,
    authority: CertificateAuthority,
    provider: IdentityProvider,
    matrix_targets: list[Target],
    tidegate_binary: str,
) -> Iterator[Tidegate]:
    """Another Tidegate, in front of all kinds of target."""
    served = served_targets(matrix_targets)
    tidegate = Tidegate(tidegate_binary, authority, provider, served, run_directory / "tidegate-matrix")
    yield tidegate
    tidegate.stop()


@pytest.fixture(scope="session")
def matrix_identities(
    provider: IdentityProvider, matrix_tidegate: Tidegate, run_directory: Path, secrets: Secrets
) -> Identities:
    return Identities(provider, matrix_tidegate.gateway, run_directory / "tokens-matrix", secrets)


@pytest.fixture(scope="session")
def fake_gcs(run_directory: Path) -> Iterator[FakeGcs]:
    fake = FakeGcs(run_directory / "fake-gcs", [GOOGLE_BUCKETS["fake"]])
    yield fake
    fake.stop()


@pytest.fixture(scope="session")
def dev_gcs(run_directory: Path, tidegate_binary: str, secrets: Secrets) -> Iterator[DevGcs]:
    dev = DevGcs(tidegate_binary, run_directory / "dev-gcs")
    secrets.add("the token of the store of gs://", dev.token)
    yield dev
    dev.stop()


@pytest.fixture(scope="session")
def xml_gcs(run_directory: Path, authority: CertificateAuthority, secrets: Secrets) -> Iterator[Target]:
    """The stand-in for Google's XML API."""
    # Small pages, as clients do not ask for them: obstore has no setting for that.
    target = gcs(authority, run_directory / "xml-gcs", page=2)
    for secret in target.secrets:
        secrets.add(f"a key of {target.name}", secret)
    yield target
    target.server.stop()


@pytest.fixture(scope="session")
def google_tidegate(
    run_directory: Path,
    authority: CertificateAuthority,
    provider: IdentityProvider,
    fake_gcs: FakeGcs,
    dev_gcs: DevGcs,
    xml_gcs: Target,
    tidegate_binary: str,
) -> Iterator[Tidegate]:
    """Another Tidegate, in front of stores that speak Google's JSON API."""
    served = served_google(fake_gcs.endpoint, dev_gcs.endpoint, dev_gcs.token, xml_gcs)
    tidegate = Tidegate(tidegate_binary, authority, provider, served, run_directory / "tidegate-google")
    yield tidegate
    tidegate.stop()


@pytest.fixture(scope="session")
def google_places(
    google_tidegate: Tidegate,
    provider: IdentityProvider,
    authority: CertificateAuthority,
    run_directory: Path,
    secrets: Secrets,
) -> GooglePlaces:
    directory = run_directory / "google"
    directory.mkdir()
    identities = Identities(provider, google_tidegate.gateway, directory / "tokens", secrets)
    token_file = directory / "etl.jwt"
    token_file.write_text(identities.token("etl"))
    return GooglePlaces(google_tidegate.port, authority.bundle, directory, token_file)


@pytest.fixture(scope="session")
def google_stores(google_places: GooglePlaces, fake_gcs: FakeGcs, dev_gcs: DevGcs) -> dict[str, Google]:
    """One place for each store behind Tidegate."""
    return {
        "fake": google_places.place("fake", fake_gcs.bucket(GOOGLE_BUCKETS["fake"])),
        "dev": google_places.place("dev", dev_gcs.bucket()),
    }


@pytest.fixture(scope="session")
def google_many(fake_gcs: FakeGcs, dev_gcs: DevGcs) -> None:
    """More objects than fit on a page, in each store."""
    fake_gcs.bucket(GOOGLE_BUCKETS["fake"]).put_many()
    dev_gcs.bucket().put_many()


@pytest.fixture(scope="session")
def google_analyst_token(
    google_places: GooglePlaces, google_tidegate: Tidegate, provider: IdentityProvider, secrets: Secrets
) -> Path:
    """Of somebody who may write in one folder only."""
    identities = Identities(provider, google_tidegate.gateway, google_places.directory / "tokens-analyst", secrets)
    token_file = google_places.directory / "analyst.jwt"
    token_file.write_text(identities.token("analyst"))
    return token_file


@pytest.fixture
def google_broken(
    google_stores: dict[str, Google], google_places: GooglePlaces, google_tidegate: Tidegate
) -> Iterator[Google]:
    """Before the store that knows how far an upload came; the line there breaks in the middle of `huge`."""
    line = BrokenLine(google_tidegate.port, payloads.HUGE_SIZE // 2)
    yield google_places.place("dev", google_stores["dev"].stored, line)
    line.close()


@pytest.fixture(scope="session")
def proven() -> Proven:
    """Filled by the tests, for the documentation."""
    return Proven()


@pytest.fixture(scope="session")
def gateway(request: pytest.FixtureRequest, authority: CertificateAuthority) -> Gateway:
    if request.config.getoption("gateway") == "store":
        return store_gateway(request.getfixturevalue("store").port, authority.bundle)
    return request.getfixturevalue("tidegate").gateway


@pytest.fixture(scope="session")
def identities(provider: IdentityProvider, gateway: Gateway, run_directory: Path, secrets: Secrets) -> Identities:
    return Identities(provider, gateway, run_directory / "tokens", secrets)


@pytest.fixture(scope="session")
def lake(store: Store) -> StoredBucket:
    """The bucket behind `lake`, seen past Tidegate."""
    return store.bucket(TARGET_BUCKETS["lake"])


@pytest.fixture(scope="session")
def vault(store: Store) -> StoredBucket:
    """The bucket behind `vault`, seen past Tidegate."""
    return store.bucket(TARGET_BUCKETS["vault"])


@pytest.fixture
def small(tmp_path: Path) -> Payload:
    return payloads.small_file(tmp_path)


@pytest.fixture
def large(tmp_path: Path) -> Payload:
    return payloads.multipart_file(tmp_path)


@pytest.fixture(scope="session")
def huge(tmp_path_factory: pytest.TempPathFactory) -> Payload:
    return payloads.huge_file(tmp_path_factory.mktemp("huge"))
