"""The built `tidegate` binary configured as its users configure it."""

import json
import os
import shutil
import subprocess
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from harness.certificates import CertificateAuthority
from harness.dev_gcs import BUCKET as DEV_BUCKET
from harness.gateway import PAGE_BUCKETS, TARGET_BUCKETS, Gateway, host_names
from harness.identity_provider import AUDIENCE, IdentityProvider
from harness.processes import Server
from harness.store import Store
from harness.targets import ARCHIVE, Target
from harness.targets import BUCKET as MATRIX_BUCKET

START_SECONDS = 30
POLICIES = Path(__file__).parents[1] / "policies"
CONFIGURATION = """\
[server]
listen  = "127.0.0.1:{port}"
domains = ["localhost", "s3.tidegate.test"]
[server.tls]
certificate = "{certificate}"
key         = "{key}"

[admin]
listen = "127.0.0.1:0"

[sessions]
keys             = "secrets/session-keys.toml"
default_lifetime = "1h"
[service_keys]
file = "service-keys.toml"
[audit]
file = "audit/audit.jsonl"

[[issuers]]
name      = "idp"
issuer    = "{issuer}"
audiences = ["{audience}"]
kind      = "workload"
principal = "sub"
groups    = "groups"
ca        = "{ca}"
"""
STORE = """
[targets.store]
kind       = "s3"
endpoint   = "{endpoint}"
region     = "us-east-1"
addressing = "path"
ca         = "{ca}"
[targets.store.credentials]
kind = "static"
access_key_id     = "env:STORE_ACCESS_KEY_ID"
secret_access_key = "env:STORE_SECRET_ACCESS_KEY"
"""
BUCKET = """
[buckets.{name}]
target = "{target}"
bucket = "{bucket}"
policy = "policies/{policy}.cedar"
"""
GOOGLE = """
[targets.{name}]
kind     = "gcs-xml"
endpoint = "{endpoint}"
[targets.{name}.credentials]
kind  = "access-token"
token = "env:TARGET_{variable}_TOKEN"
"""
# What Google's clients call a bucket, and its name at the store.
GOOGLE_BUCKETS = {"fake": "acme-fake-prod", "dev": DEV_BUCKET, "gcs": MATRIX_BUCKET}


@dataclass(frozen=True)
class Served:
    """What a Tidegate stands in front of: the part of its configuration below the issuers, and its secrets."""

    configuration: str
    buckets: list[str]
    environment: dict[str, str] = field(repr=False)
    # Where it listens, if somebody has to know before it is started.
    port: int = 0
    # Whether it has keys of its own as an issuer, in `secrets/issuer-keys.toml`.
    is_issuer: bool = False


def served_store(store: Store, authority: CertificateAuthority) -> Served:
    """The suite's store with the buckets of `TARGET_BUCKETS`, each with a policy of its own."""
    buckets = [
        BUCKET.format(name=name, target="store", bucket=bucket, policy=name) for name, bucket in TARGET_BUCKETS.items()
    ]
    return Served(_store(store, authority) + "".join(buckets), list(TARGET_BUCKETS), _store_key(store))


def served_pages(store: Store, authority: CertificateAuthority, dev: str, token: str) -> Served:
    """The suite's store with the buckets of `PAGE_BUCKETS`, and `models` at one that speaks Google's JSON API."""
    buckets = {**dict.fromkeys(PAGE_BUCKETS, "store"), "models": "dev"}
    names = {**PAGE_BUCKETS, "models": DEV_BUCKET}
    parts = [_store(store, authority), GOOGLE.format(name="dev", endpoint=dev, variable="DEV")]
    parts += [BUCKET.format(name=name, target=target, bucket=names[name], policy="pages") for name, target in buckets.items()]
    return Served("".join(parts), list(buckets), {**_store_key(store), "TARGET_DEV_TOKEN": token})


def served_targets(targets: list[Target]) -> Served:
    """Every kind of target, each behind a bucket of its own name, and `archive` at the suite's store."""
    buckets = [BUCKET.format(name=t.name, target=t.name, bucket=MATRIX_BUCKET, policy="matrix") for t in targets]
    buckets.append(BUCKET.format(name="archive", target="aws", bucket=ARCHIVE, policy="archive"))
    environment: dict[str, str] = {}
    for target in targets:
        environment |= target.environment
    configuration = "".join([*(target.configuration for target in targets), *buckets])
    return Served(configuration, [*(target.name for target in targets), "archive"], environment)


def served_google(fake: str, dev: str, token: str, xml: Target) -> Served:
    """Two stores that speak Google's JSON API, by their addresses, the token that opens the second, and one of the XML API."""
    parts = []
    for name, endpoint in {"fake": fake, "dev": dev}.items():
        parts.append(GOOGLE.format(name=name, endpoint=endpoint, variable=name.upper()))
        parts.append(BUCKET.format(name=name, target=name, bucket=GOOGLE_BUCKETS[name], policy="gcs"))
    parts.append(xml.configuration)
    parts.append(BUCKET.format(name=xml.name, target=xml.name, bucket=GOOGLE_BUCKETS[xml.name], policy="gcs"))
    return Served("".join(parts), list(GOOGLE_BUCKETS), {"TARGET_FAKE_TOKEN": "anybody", "TARGET_DEV_TOKEN": token})


class Tidegate:
    """A running Tidegate: its gateway, its audit file and its log."""

    def __init__(
        self,
        binary: str,
        authority: CertificateAuthority,
        provider: IdentityProvider,
        served: Served,
        directory: Path,
    ) -> None:
        self.audit_file = directory / "audit" / "audit.jsonl"
        self._binary = binary
        self._directory = directory
        self._environment = served.environment
        _lay_out(directory)
        configuration = directory / "tidegate.toml"
        configuration.write_text(_configuration(authority, provider, served))
        _make_session_keys(binary, directory)
        if served.is_issuer:
            _make(binary, "issuer", directory / "secrets" / "issuer-keys.toml")
        self._server = Server(
            [binary, "serve", "--config", str(configuration)],
            directory / "tidegate.log",
            served.environment,
            directory,
        )
        data = self._server.wait_for_line(r"https://127\.0\.0\.1:(\d+) \(data\)", START_SECONDS)[1]
        self.port = int(data)
        admin = self._server.wait_for_line(r"http://127\.0\.0\.1:(\d+) \(admin\)", START_SECONDS)[1]
        self._admin = f"http://127.0.0.1:{admin}"
        self._server.wait_until(lambda: _is_ready(f"{self._admin}/readyz"), START_SECONDS, "readiness")
        self.gateway = Gateway(
            endpoint=f"https://localhost:{data}",
            ca=authority.bundle,
            bucket_names={name: name for name in served.buckets},
            role_arn_template="arn:aws:iam::000000000000:role/{workload}",
            refusal_template=(
                "Workload: idp:{workload} is not authorized to perform: {action} "
                'on resource: "arn:aws:s3:::{resource}" because no policy allows it'
            ),
        )

    def run(self, *arguments: str) -> str:
        """What a command prints that takes this Tidegate's configuration, in the environment of the service."""
        command = [self._binary, *arguments, "--config", str(self._directory / "tidegate.toml")]
        environment = os.environ | self._environment
        done = subprocess.run(command, capture_output=True, text=True, timeout=2 * START_SECONDS, env=environment, check=False)
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def readiness(self) -> dict:
        """What `/readyz` says."""
        with urllib.request.urlopen(f"{self._admin}/readyz", timeout=START_SECONDS) as response:
            return json.load(response)

    def metric(self, name: str) -> float | None:
        """A metric's value; `name` with its labels as they are written."""
        with urllib.request.urlopen(f"{self._admin}/metrics", timeout=START_SECONDS) as response:
            lines = response.read().decode().splitlines()
        values = [line.removeprefix(name) for line in lines if line.startswith(f"{name} ")]
        return float(values[0]) if values else None

    def read_log(self) -> str:
        return self._server.read_log()

    def audit_lines(self) -> list[dict]:
        """All complete lines: what follows the last line end is still being written."""
        complete, _, _ = self.audit_file.read_text().rpartition("\n")
        return [json.loads(line) for line in complete.split("\n") if line]

    def pages(self, bucket: str, prefix: str) -> int:
        """How many pages of a listing of this prefix it was asked for."""
        listings = {"storage.objects.list", "ListObjectsV2"}
        # What is refused at once, as gRPC is, has no operation.
        requests = [line for line in self.audit_lines() if line["type"] == "request"]
        listed = [line["resource"] for line in requests if line["api"].get("operation") in listings]
        return [(resource["bucket"], resource.get("prefix")) for resource in listed].count((bucket, prefix))

    def wait_for_pages(self, bucket: str, prefix: str, count: int) -> None:
        """Fails if it was not asked for so many: records are written a little after what they are about."""
        what = f"{count} pages of {prefix}"
        self._server.wait_until(lambda: self.pages(bucket, prefix) >= count, START_SECONDS, what)

    def stop(self) -> None:
        self._server.stop()


def _store(store: Store, authority: CertificateAuthority) -> str:
    return STORE.format(endpoint=store.endpoint, ca=authority.bundle)


def _store_key(store: Store) -> dict[str, str]:
    return {"STORE_ACCESS_KEY_ID": store.key.access_key_id, "STORE_SECRET_ACCESS_KEY": store.key.secret_access_key}


def _lay_out(directory: Path) -> None:
    for part in ["secrets", "audit"]:
        (directory / part).mkdir(parents=True)
    shutil.copytree(POLICIES, directory / "policies")


def _configuration(authority: CertificateAuthority, provider: IdentityProvider, served: Served) -> str:
    hosts = [*host_names(served.buckets), "s3.tidegate.test", "*.s3.tidegate.test"]
    certificate = authority.issue(f"tidegate-{served.buckets[0]}", hosts)
    top = CONFIGURATION.format(
        certificate=certificate.certificate,
        key=certificate.key,
        issuer=provider.issuer,
        audience=AUDIENCE,
        ca=authority.bundle,
        port=served.port,
    )
    return top + served.configuration


def _make_session_keys(binary: str, directory: Path) -> None:
    _make(binary, "keys", directory / "secrets" / "session-keys.toml")


def _make(binary: str, what: str, path: Path) -> None:
    subprocess.run([binary, what, "new", str(path)], check=True, timeout=START_SECONDS)


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=START_SECONDS) as response:
            return response.status == 200
    except urllib.error.URLError:
        return False
