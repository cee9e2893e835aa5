"""The kinds of target that the matrix runs against: what each is, how it is configured, what is really in it.

`aws` understands all that SDKs send today, `s3s-fs` most of it, `plain` is as stores were before trailers, `gcs` is
another dialect with another kind of credential. Each has one bucket for the matrix, and a view past Tidegate.
"""

import hashlib
import json
import os
import secrets as randomness
import ssl
import sys
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import boto3
from botocore.config import Config

from harness.certificates import CertificateAuthority
from harness.metadata_server import MetadataServer
from harness.processes import Server
from harness.store import REGION, Store, StoredBucket, StoreKey

START_SECONDS = 60
# The bucket at each target.
BUCKET = "acme-matrix"
# At the suite's store only: with versions and Object Lock.
ARCHIVE = "acme-archive"
SCRIPTS = Path(__file__).parent
S3 = """
[targets.{name}]
kind       = "s3"
endpoint   = "{endpoint}"
region     = "{region}"
addressing = "path"
profile    = "{profile}"
ca         = "{ca}"
[targets.{name}.credentials]
kind = "static"
access_key_id     = "env:{variable}_ACCESS_KEY_ID"
secret_access_key = "env:{variable}_SECRET_ACCESS_KEY"
"""
GCS = """
[targets.gcs]
kind     = "gcs-xml"
endpoint = "{endpoint}"
ca       = "{ca}"
[targets.gcs.credentials]
kind = "google-metadata"
metadata_endpoint = "http://{metadata}"
"""


class View(Protocol):
    """A bucket as its store answers for it, without Tidegate."""

    def put(self, key: str, body: bytes) -> None: ...

    def delete(self, key: str) -> None: ...

    def sha256(self, key: str) -> str: ...

    def etag(self, key: str) -> str: ...

    def has(self, key: str) -> bool: ...


@dataclass(frozen=True)
class Target:
    """A running target. `name` is also the name of the bucket in front of it."""

    name: str
    configuration: str
    view: View
    server: Server | Store
    # Tidegate's variables for it, and what nobody else may see.
    environment: dict[str, str] = field(default_factory=dict, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)


def seaweedfs(store: Store, authority: CertificateAuthority) -> Target:
    """The suite's store: it understands trailers and all checksums."""
    configuration = _s3("aws", store.endpoint, "aws", authority)
    return Target("aws", configuration, store.bucket(BUCKET), store, _variables("aws", store.key))


def s3s_fs(binary: str, authority: CertificateAuthority, directory: Path) -> Target:
    """The store of the quickstart, which listens on a port of its own; found out about by `auto`."""
    directory.mkdir(parents=True)
    environment = {"PATH": os.environ["PATH"], "HOME": str(directory)}
    folder = directory / "dev"
    command = [binary, "dev", "--dir", str(folder), "--listen", "127.0.0.1:0"]
    server = Server(command, directory / "dev.log", environment, directory)
    endpoint = server.wait_for_line(r"(?m)^\s+store\s+(http://127\.0\.0\.1:\d+)", START_SECONDS)[1]
    server.wait_for_line(r"Serving on", START_SECONDS)
    (folder / "store" / BUCKET).mkdir()
    names = ("store-access-key-id", "store-secret-access-key")
    key = StoreKey(*((folder / "secrets" / name).read_text().strip() for name in names))
    view = StoredBucket(store_client(endpoint, *key.pair, Config()), BUCKET)
    configuration = _s3("s3s-fs", endpoint, "auto", authority)
    return Target("s3s-fs", configuration, view, server, _variables("s3s-fs", key), key.pair[1:])


def plain(authority: CertificateAuthority, directory: Path) -> Target:
    """A stand-in for old stores."""
    key = StoreKey()
    settings = {"region": REGION, "access_key_id": key.access_key_id, "secret_access_key": key.secret_access_key}
    server, endpoint = _start("plain", settings, authority, directory)
    # Asked directly it needs the very settings that Tidegate spares its callers.
    careful = Config(request_checksum_calculation="when_required", response_checksum_validation="when_required")
    view = StoredBucket(store_client(endpoint, *key.pair, careful, authority), BUCKET)
    configuration = _s3("plain", endpoint, "plain", authority)
    return Target("plain", configuration, view, server, _variables("plain", key), key.pair[1:])


def gcs(authority: CertificateAuthority, directory: Path, page: int = 1000) -> Target:
    """A stand-in for the XML API of Google Cloud Storage, with the token of the machine's service account.

    `page`: most entries of one page of a listing, whatever is asked for.
    """
    token = randomness.token_urlsafe(40)
    server, endpoint = _start("gcs", {"token": token, "page": page}, authority, directory)
    # It ends with the suite.
    metadata = MetadataServer(lambda audience: "", {}, access=lambda: token)
    configuration = GCS.format(endpoint=endpoint, ca=authority.bundle, metadata=metadata.host)
    return Target("gcs", configuration, GcsBucket(endpoint, token, authority.bundle), server, secrets=(token,))


class GcsBucket:
    """The bucket of the GCS stand-in as it answers for it."""

    def __init__(self, endpoint: str, token: str, ca: Path) -> None:
        self._url = f"{endpoint}/{BUCKET}/"
        self._headers = {"Authorization": f"Bearer {token}"}
        self._tls = ssl.create_default_context(cafile=str(ca))

    def put(self, key: str, body: bytes) -> None:
        self.call("PUT", key, body)

    def delete(self, key: str) -> None:
        self.call("DELETE", key)

    def sha256(self, key: str) -> str:
        return hashlib.sha256(self.call("GET", key)[1]).hexdigest()

    def etag(self, key: str) -> str:
        return self.call("HEAD", key)[0]["etag"].strip('"')

    def has(self, key: str) -> bool:
        try:
            self.call("HEAD", key)
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return False
            raise
        return True

    def call(
        self, method: str, key: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[dict[str, str], bytes]:
        """One request: the headers of its answer, and the body."""
        headers = {**self._headers, "Content-Type": "application/octet-stream", **(headers or {})}
        url = self._url + urllib.parse.quote(key)
        request = urllib.request.Request(url, data=body, method=method, headers=headers)
        with urllib.request.urlopen(request, context=self._tls, timeout=START_SECONDS) as answer:
            return {name.lower(): value for name, value in answer.headers.items()}, answer.read()


def _start(name: str, settings: dict, authority: CertificateAuthority, directory: Path) -> tuple[Server, str]:
    directory.mkdir(parents=True)
    certificate = authority.issue(f"target-{name}", ["127.0.0.1", "localhost"])
    files = {"certificate": str(certificate.certificate), "key": str(certificate.key)}
    settings_file = directory / "settings.json"
    settings_file.write_text(json.dumps({**settings, **files, "buckets": [BUCKET]}))
    command = [sys.executable, str(SCRIPTS / f"{name}_target.py"), str(settings_file)]
    server = Server(command, directory / f"{name}.log", {"PATH": os.environ["PATH"]}, directory)
    port = server.wait_for_line(r"(?m)^port (\d+)$", START_SECONDS)[1]
    return server, f"https://127.0.0.1:{port}"


def store_client(
    endpoint: str,
    access_key_id: str,
    secret_access_key: str,
    config: Config,
    authority: CertificateAuthority | None = None,
):
    """boto3 as a client of a store, past Tidegate."""
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=access_key_id,
        aws_secret_access_key=secret_access_key,
        verify=str(authority.bundle) if authority else None,
        config=Config(s3={"addressing_style": "path"}).merge(config),
    )


def _s3(name: str, endpoint: str, profile: str, authority: CertificateAuthority) -> str:
    return S3.format(
        name=name, endpoint=endpoint, region=REGION, profile=profile, ca=authority.bundle, variable=_variable(name)
    )


def _variables(name: str, key: StoreKey) -> dict[str, str]:
    return {
        f"{_variable(name)}_ACCESS_KEY_ID": key.access_key_id,
        f"{_variable(name)}_SECRET_ACCESS_KEY": key.secret_access_key,
    }


def _variable(name: str) -> str:
    return f"TARGET_{name.upper().replace('-', '_')}"
