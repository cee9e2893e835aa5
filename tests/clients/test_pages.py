"""`docs/clients/`: what each page says to paste, pasted, with a session that ends in the middle.

The identity provider gives `nightly` tokens of 75 s, and no session outlives its token; the line is slow enough that each
transfer takes longer. All of them run at the same time, in threads, as they mostly wait.
"""

import datetime
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from harness import service_keys
from harness.certificates import CertificateAuthority
from harness.gateway import Secrets
from harness.dev_gcs import DevGcs
from harness.identity_provider import AUDIENCE, IdentityProvider
from harness.metadata_server import MetadataServer
from harness.payloads import sha256_of
from harness.programs import Client
from harness.store import Store
from harness.tidegate import Tidegate, served_pages
from harness.token_file import KeptToken
from pages.catalogue import TRIALS, Trial
from pages.desk import DEADLINE_SECONDS, Desk, Site

SERVICE_KEYS = ["pgbackrest", "s3cmd"]


@pytest.fixture(scope="module")
def pages_tidegate(
    run_directory: Path,
    authority: CertificateAuthority,
    provider: IdentityProvider,
    store: Store,
    dev_gcs: DevGcs,
    tidegate_binary: str,
) -> Iterator[Tidegate]:
    served = served_pages(store, authority, dev_gcs.endpoint, dev_gcs.token)
    tidegate = Tidegate(tidegate_binary, authority, provider, served, run_directory / "tidegate-pages")
    yield tidegate
    tidegate.stop()


@pytest.fixture(scope="module")
def site(
    pages_tidegate: Tidegate,
    authority: CertificateAuthority,
    provider: IdentityProvider,
    tidegate_binary: str,
    secrets: Secrets,
) -> Iterator[Site]:
    # Not below pytest's directory, which only its owner enters: PostgreSQL's backups run as another user.
    folder = Path(tempfile.mkdtemp(prefix="tidegate-pages-"))
    folder.chmod(0o755)
    binary = shutil.copy(tidegate_binary, folder / "tidegate")
    ca = shutil.copy(authority.bundle, folder / "ca.pem")

    def fetch() -> str:
        token = provider.token("nightly")
        secrets.add("the signature of a token of nightly", token.rpartition(".")[2])
        return token

    def identity(audience: str) -> str:
        return fetch() if audience == AUDIENCE else "no token for anybody else"

    token = KeptToken(folder / "token", fetch)
    attributes = {"tidegate-binary": str(binary), "tidegate-binary-sha256": sha256_of(Path(binary))}
    metadata = MetadataServer(identity, attributes)
    keys = {name: service_keys.create(pages_tidegate, secrets, f"backup:{name}", "backups") for name in SERVICE_KEYS}
    yield Site(Path(binary), pages_tidegate.port, Path(ca), token.path, keys, metadata.host)
    metadata.stop()
    token.stop()
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def transfers(
    request: pytest.FixtureRequest, site: Site, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[Trial, Future]]:
    """Those that were asked for, all under way."""
    asked_for = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    wanted = [trial for trial in TRIALS if any(params.get("trial") is trial for params in asked_for)]
    homes = tmp_path_factory.mktemp("pages")
    with ThreadPoolExecutor(len(wanted)) as pool:
        yield {trial: pool.submit(carry_out, trial, site, homes / trial.name) for trial in wanted}


def carry_out(trial: Trial, site: Site, home: Path) -> None:
    desk = Desk(site, home, slow=trial.refreshes)
    try:
        trial.transfer(desk)
    finally:
        desk.close()


@pytest.mark.parametrize("trial", TRIALS, ids=lambda trial: trial.name)
def test_transfer_outlives_its_session(trial: Trial, transfers: dict[Trial, Future], pages_tidegate: Tidegate) -> None:
    transfers[trial].result(DEADLINE_SECONDS)

    mine = [line for line in pages_tidegate.audit_lines() if is_of(trial, line.get("resource", {}))]
    assert {line["actor"].get("id") for line in mine if line["decision"]["reason"] != "expired"} == {trial.actor}
    if trial.refreshes:
        allowed = [line for line in mine if line["decision"]["effect"] == "allow"]
        ends = {line["actor"]["session_id"]: time_of(line["actor"]["session_expires"]) for line in allowed}
        assert len(ends) >= 2
        assert max(time_of(line["time"]) for line in allowed) > min(ends.values()), "no session ended in the middle"
    assert [line["decision"] for line in mine if line["decision"]["reason"] not in {"permit", "expired"}] == []


def test_every_text_has_its_trial(site: Site, tmp_path: Path) -> None:
    listed = Client(str(site.tidegate), tmp_path).succeeds("snippet").output.splitlines()
    texts = {(line.split()[0], door) for line in listed for door in re.split(r" {2,}", line)[-1].split(", ")}
    assert texts == {(trial.client, trial.door) for trial in TRIALS}


def test_initialization_action_passes_the_linter(site: Site, tmp_path: Path) -> None:
    for name, options in {"public.sh": [], "private.sh": ["--ca", "/etc/tidegate/ca.pem", "--role", "exporter"]}.items():
        script = Client(str(site.tidegate), tmp_path).succeeds("snippet", "spark", *options).output
        (tmp_path / name).write_text(script)
        Client("bash", tmp_path).succeeds("-n", name)
        Client("shellcheck", tmp_path).succeeds(name)


def test_initialization_action_refuses_another_program(site: Site, tmp_path: Path) -> None:
    metadata = MetadataServer(str, {"tidegate-binary": str(site.tidegate), "tidegate-binary-sha256": "0" * 64})
    desk = Desk(site, tmp_path, slow=False)
    (tmp_path / "init.sh").write_text(desk.snippet("spark", "--binary", str(tmp_path / "bin" / "tidegate")))
    place = {"SPARK_CONF_DIR": str(tmp_path / "conf"), "TIDEGATE_FOLDER": str(tmp_path / "tidegate")}
    shell = Client("bash", tmp_path, {"GCE_METADATA_HOST": metadata.host, **place})
    assert "did NOT match" in shell.fails("init.sh").errors
    metadata.stop()
    assert not (tmp_path / "bin").exists()
    assert not (tmp_path / "conf").exists()


def test_a_user_without_a_home_gets_keys_on_a_node(site: Site, pages_tidegate: Tidegate) -> None:
    """As YARN's containers run: as another user, in a home that is not there."""
    desk = Desk(site, site.tidegate.parent, slow=False)
    profile = desk.snippet("spark", "--binary", str(site.tidegate))
    command = re.search(r"(?m)^credential_process = (.*)$", profile)[1].split()
    as_nobody = ["runuser", "--user=nobody", "--", "env"] if os.geteuid() == 0 else ["env"]
    variables = ["HOME=/nonexistent", f"GCE_METADATA_HOST={site.metadata}"]
    printed = Client(as_nobody[0], desk.home).succeeds(*as_nobody[1:], *variables, *command)
    document = json.loads(printed.output)
    assert (document["Version"], document["SessionToken"] != "") == (1, True)


def test_no_secret_is_in_the_audit_trail_or_the_log(site: Site, pages_tidegate: Tidegate, secrets: Secrets) -> None:
    assert secrets.found_in(pages_tidegate.audit_file.read_text()) == []
    assert secrets.found_in(pages_tidegate.read_log()) == []


def is_of(trial: Trial, resource: dict) -> bool:
    return resource.get("bucket") == trial.bucket and resource.get("key", "").startswith(trial.prefix)


def time_of(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text)
