"""SeaweedFS, the real store, and a view into it with the key that only Tidegate is given."""

import hashlib
import json
import secrets
import string
from dataclasses import dataclass, field
from pathlib import Path

import boto3
import botocore.exceptions
from botocore.config import Config

from harness.certificates import CertificateAuthority
from harness.gateway import host_names
from harness.processes import Server, free_ports

REGION = "us-east-1"
START_SECONDS = 60
# Between the choice of a port and its use another process may take it.
START_ATTEMPTS = 3
VOLUME_SIZE_MB = 512


def _random_access_key_id() -> str:
    return "".join(secrets.choice(string.ascii_uppercase + string.digits) for _ in range(20))


@dataclass(frozen=True)
class StoreKey:
    """The store's one fixed key."""

    access_key_id: str = field(default_factory=_random_access_key_id)
    secret_access_key: str = field(default_factory=lambda: secrets.token_urlsafe(30), repr=False)

    @property
    def pair(self) -> tuple[str, str]:
        return self.access_key_id, self.secret_access_key


class Store:
    """A running SeaweedFS with an S3 endpoint over TLS, and what is in it.

    `iam_config` gives the store an STS and roles of its own, so that clients can use it without Tidegate.
    """

    def __init__(
        self,
        weed: str,
        authority: CertificateAuthority,
        directory: Path,
        buckets: list[str],
        iam_config: dict | None = None,
        name: str = "store",
    ) -> None:
        directory.mkdir(parents=True)
        self.key = StoreKey()
        self._certificate = authority.issue(name, host_names(buckets))
        self._authority = authority
        self._directory = directory
        self._server, self._ports = self._start(weed, self._write_configuration(iam_config))
        self.port = self._ports[-1]
        self.endpoint = f"https://127.0.0.1:{self.port}"
        self.s3 = boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=self.key.access_key_id,
            aws_secret_access_key=self.key.secret_access_key,
            verify=str(authority.bundle),
            config=Config(s3={"addressing_style": "path"}),
        )
        for bucket in buckets:
            self.s3.create_bucket(Bucket=bucket)

    def stop(self) -> None:
        """Its own shutdown waits 15 s for connections; nothing here outlives the run but the sockets it left."""
        self._server.kill()
        for port in self._ports:
            for socket_file in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
                socket_file.unlink()

    def create_locked_bucket(self, name: str) -> None:
        """One that keeps every version, and locks those that it is asked to."""
        self.s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)

    def bucket(self, name: str) -> "StoredBucket":
        return StoredBucket(self.s3, name)

    def _write_configuration(self, iam_config: dict | None) -> list[str]:
        identity = {
            "name": "tidegate",
            "credentials": [{"accessKey": self.key.access_key_id, "secretKey": self.key.secret_access_key}],
            "actions": ["Admin", "Read", "List", "Tagging", "Write"],
        }
        s3_config = self._directory / "s3.json"
        s3_config.write_text(json.dumps({"identities": [identity]}))
        arguments = [f"-s3.config={s3_config}"]
        if iam_config is not None:
            iam_file = self._directory / "iam.json"
            iam_file.write_text(json.dumps(iam_config))
            arguments.append(f"-s3.iam.config={iam_file}")
        return arguments

    def _start(self, weed: str, configuration: list[str]) -> tuple[Server, list[int]]:
        for attempt in range(1, START_ATTEMPTS + 1):
            ports = free_ports(8)
            server = Server(
                self._command(weed, configuration, ports, attempt),
                self._directory / f"weed-{attempt}.log",
                {"HOME": str(self._directory), "SSL_CERT_FILE": str(self._authority.bundle)},
                self._directory,
            )
            try:
                server.wait_for_line(r"Start Seaweed S3 API Server .* at https port \d+", START_SECONDS)
                return server, ports
            except RuntimeError:
                if attempt == START_ATTEMPTS:
                    raise
        raise AssertionError("unreachable")

    def _command(self, weed: str, configuration: list[str], ports: list[int], attempt: int) -> list[str]:
        data = self._directory / f"data-{attempt}"
        data.mkdir()
        options = ["master.port", "master.port.grpc", "volume.port", "volume.port.grpc"]
        options += ["filer.port", "filer.port.grpc", "s3.port.grpc", "s3.port"]
        return [
            weed,
            "server",
            f"-dir={data}",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            "-master.telemetry=false",
            f"-master.volumeSizeLimitMB={VOLUME_SIZE_MB}",
            "-volume.max=100",
            "-volume.preStopSeconds=0",
            "-s3",
            "-s3.domainName=localhost",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            f"-s3.cert.file={self._certificate.certificate}",
            f"-s3.key.file={self._certificate.key}",
            *(f"-{option}={port}" for option, port in zip(options, ports, strict=True)),
            *configuration,
        ]


class StoredBucket:
    """A bucket as the store itself sees it."""

    def __init__(self, s3, name: str) -> None:
        self.s3 = s3
        self.name = name

    def put(self, key: str, body: bytes) -> None:
        self.s3.put_object(Bucket=self.name, Key=key, Body=body)

    def delete(self, key: str) -> None:
        self.s3.delete_object(Bucket=self.name, Key=key)

    def sha256(self, key: str) -> str:
        """The checksum of the stored bytes, read in full."""
        digest = hashlib.sha256()
        for block in self.s3.get_object(Bucket=self.name, Key=key)["Body"].iter_chunks(1 << 20):
            digest.update(block)
        return digest.hexdigest()

    def etag(self, key: str) -> str:
        return self.s3.head_object(Bucket=self.name, Key=key)["ETag"].strip('"')

    def parts(self, key: str) -> int:
        """In how many parts the object was uploaded; 0 for a single PUT. S3 writes it behind the ETag's dash."""
        _, _, parts = self.etag(key).partition("-")
        return int(parts or 0)

    def has(self, key: str) -> bool:
        try:
            self.s3.head_object(Bucket=self.name, Key=key)
        except botocore.exceptions.ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                return False
            raise
        return True

    def contents(self, prefix: str = "") -> dict[str, tuple[str, int]]:
        """Key to ETag and size, for everything under `prefix`: equal before and after means untouched."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
        return {entry["Key"]: (entry["ETag"], entry["Size"]) for page in pages for entry in page.get("Contents", [])}

    def open_uploads(self, prefix: str = "") -> list[str]:
        """Keys of multipart uploads that were started and neither completed nor aborted."""
        listing = self.s3.list_multipart_uploads(Bucket=self.name, Prefix=prefix)
        return [upload["Key"] for upload in listing.get("Uploads", [])]
