"""Tools with two text fields, each with a service key: it works, and refused they say why."""

from pathlib import Path

import boto3
import pytest

from harness import payloads, service_keys
from harness.gateway import REGION, Gateway, Secrets
from harness.payloads import MULTIPART_PARTS, Payload, sha256_of
from harness.programs import Client
from harness.sdk import session_client
from harness.service_keys import ServiceKey
from harness.store import StoredBucket
from harness.sts import SessionKeys
from harness.tidegate import Tidegate

PRINCIPAL = "backup:tools"
S3CMD = """\
[default]
access_key = {access_key}
secret_key = {secret_key}
host_base = {host}
host_bucket = {host}
bucket_location = {region}
ca_certs_file = {ca}
use_https = True
max_retries = 1
multipart_chunk_size_mb = 5
"""


@pytest.fixture(scope="module")
def key(tidegate: Tidegate, secrets: Secrets) -> ServiceKey:
    return service_keys.create(tidegate, secrets, PRINCIPAL, "lake")


@pytest.fixture(scope="module")
def vault_key(tidegate: Tidegate, secrets: Secrets) -> ServiceKey:
    return service_keys.create(tidegate, secrets, PRINCIPAL, "vault", "--days", "90", "--note", "restic")


def boto3_client(gateway: Gateway, key: ServiceKey):
    keys = SessionKeys(key.access_key_id, key.secret_access_key, None, "never")  # type: ignore[arg-type]
    return session_client(gateway, keys)


def rclone(gateway: Gateway, key: ServiceKey, home: Path) -> Client:
    remote = {
        "RCLONE_CONFIG_GATE_TYPE": "s3",
        "RCLONE_CONFIG_GATE_PROVIDER": "Other",
        "RCLONE_CONFIG_GATE_ACCESS_KEY_ID": key.access_key_id,
        "RCLONE_CONFIG_GATE_SECRET_ACCESS_KEY": key.secret_access_key,
        "RCLONE_CONFIG_GATE_ENDPOINT": gateway.endpoint,
        "RCLONE_CONFIG_GATE_REGION": REGION,
        "RCLONE_CONFIG_GATE_NO_CHECK_BUCKET": "true",
        "RCLONE_CONFIG_GATE_UPLOAD_CUTOFF": "5Mi",
        "RCLONE_CONFIG_GATE_CHUNK_SIZE": "5Mi",
    }
    options = ["--ca-cert", str(gateway.ca), "--retries", "1", "--low-level-retries", "1", "--stats", "0"]
    return Client("rclone", home, remote, options)


def s3cmd(gateway: Gateway, key: ServiceKey, home: Path) -> Client:
    configuration = home / "s3cmd.ini"
    configuration.write_text(
        S3CMD.format(
            access_key=key.access_key_id,
            secret_key=key.secret_access_key,
            host=gateway.endpoint.removeprefix("https://"),
            region=REGION,
            ca=gateway.ca,
        )
    )
    return Client("s3cmd", home, options=[f"--config={configuration}", "--no-progress"])


def restic(gateway: Gateway, key: ServiceKey, repository: str, home: Path) -> Client:
    environment = key.environment(gateway) | {
        "RESTIC_REPOSITORY": f"s3:{gateway.endpoint}/{repository}",
        "RESTIC_PASSWORD": "of the repository",
        "RESTIC_CACHE_DIR": str(home / "cache"),
    }
    return Client("restic", home, environment, ["--cacert", str(gateway.ca), "--option", f"s3.region={REGION}"])


def duplicity(gateway: Gateway, key: ServiceKey, home: Path) -> Client:
    options = ["--no-encryption", "--s3-endpoint-url", gateway.endpoint, "--s3-region-name", REGION, "--verbosity", "4"]
    # Debian's duplicity finds boto3 where somebody installed it: here, in the suite's own environment.
    environment = key.environment(gateway) | {"PYTHONPATH": str(Path(boto3.__file__).parents[1])}
    return Client("duplicity", home, environment, options)


def test_boto3_keeps_two_strings(gateway: Gateway, key: ServiceKey, lake: StoredBucket, large: Payload) -> None:
    s3 = boto3_client(gateway, key)
    s3.upload_file(str(large.path), "lake", "tools/boto3.bin")
    assert lake.sha256("tools/boto3.bin") == large.sha256
    link = s3.generate_presigned_url("get_object", Params={"Bucket": "lake", "Key": "tools/boto3.bin"}, ExpiresIn=60)
    assert "X-Amz-Security-Token" not in link
    assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == ["lake"]


def test_awscli_keeps_two_strings(
    gateway: Gateway, key: ServiceKey, lake: StoredBucket, large: Payload, tmp_path: Path
) -> None:
    aws = Client("aws", tmp_path, key.environment(gateway))
    aws.succeeds("s3", "cp", large.path, "s3://lake/tools/awscli.bin")
    assert lake.sha256("tools/awscli.bin") == large.sha256
    aws.succeeds("s3", "cp", "s3://lake/tools/awscli.bin", "back.bin")
    assert sha256_of(tmp_path / "back.bin") == large.sha256
    identity = aws.succeeds("sts", "get-caller-identity", "--endpoint-url", gateway.endpoint)
    assert PRINCIPAL in identity.output


def test_rclone_keeps_two_strings(
    gateway: Gateway, key: ServiceKey, lake: StoredBucket, large: Payload, tmp_path: Path
) -> None:
    client = rclone(gateway, key, tmp_path)
    client.succeeds("copyto", large.path, "gate:lake/tools/rclone.bin")
    assert lake.sha256("tools/rclone.bin") == large.sha256
    client.succeeds("copyto", "gate:lake/tools/rclone.bin", "back.bin")
    assert sha256_of(tmp_path / "back.bin") == large.sha256


def test_s3cmd_keeps_two_strings(
    gateway: Gateway, key: ServiceKey, lake: StoredBucket, large: Payload, tmp_path: Path
) -> None:
    client = s3cmd(gateway, key, tmp_path)
    client.succeeds("put", large.path, "s3://lake/tools/s3cmd.bin")
    assert lake.parts("tools/s3cmd.bin") == MULTIPART_PARTS
    client.succeeds("get", "s3://lake/tools/s3cmd.bin", "back.bin")
    assert sha256_of(tmp_path / "back.bin") == large.sha256


def test_restic_keeps_two_strings(gateway: Gateway, vault_key: ServiceKey, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    file = payloads.multipart_file(source)
    client = restic(gateway, vault_key, "vault/tools/restic", tmp_path)
    client.succeeds("init")
    client.succeeds("backup", source)
    assert "no errors were found" in client.succeeds("check", "--read-data").output
    client.succeeds("restore", "latest", "--target", tmp_path / "back")
    assert sha256_of(tmp_path / "back" / file.path.relative_to("/")) == file.sha256


def test_duplicity_keeps_two_strings(
    gateway: Gateway, vault_key: ServiceKey, vault: StoredBucket, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    file = payloads.small_file(source)
    client = duplicity(gateway, vault_key, tmp_path)
    client.succeeds("full", source, "boto3+s3://vault/tools/duplicity")
    assert vault.contents("tools/duplicity/")
    client.succeeds("restore", "boto3+s3://vault/tools/duplicity", tmp_path / "back")
    assert sha256_of(tmp_path / "back" / file.path.name) == file.sha256


def test_tools_may_not_leave_their_buckets(
    gateway: Gateway, key: ServiceKey, vault: StoredBucket, small: Payload, tmp_path: Path
) -> None:
    # The policy of `vault` lets the principal do everything; the key is for `lake`.
    before = vault.contents()
    for client, arguments in [
        (Client("aws", tmp_path, key.environment(gateway)), ["s3", "cp", small.path, "s3://vault/tools/no.bin"]),
        (rclone(gateway, key, tmp_path), ["copyto", small.path, "gate:vault/tools/no.bin"]),
        (s3cmd(gateway, key, tmp_path), ["put", small.path, "s3://vault/tools/no.bin"]),
    ]:
        refused = client.fails(*arguments)
        assert "AccessDenied" in refused.text or "403" in refused.text
    assert vault.contents() == before


def test_tools_elsewhere_are_told_so(
    gateway: Gateway, tidegate: Tidegate, secrets: Secrets, lake: StoredBucket, small: Payload, tmp_path: Path
) -> None:
    bound = service_keys.create(tidegate, secrets, PRINCIPAL, "lake", "--source-address", "192.0.2.0/24")
    before = lake.contents("tools/")
    refused = Client("aws", tmp_path, bound.environment(gateway)).fails("s3", "cp", small.path, "s3://lake/tools/no.bin")
    assert "AccessDenied" in refused.errors
    assert f"service key {bound.access_key_id} may not be used from this network" in refused.errors
    assert lake.contents("tools/") == before


def test_tools_with_a_revoked_key_stop_and_say_why(
    gateway: Gateway, tidegate: Tidegate, secrets: Secrets, lake: StoredBucket, small: Payload, tmp_path: Path
) -> None:
    old = service_keys.create(tidegate, secrets, PRINCIPAL, "lake")
    client = rclone(gateway, old, tmp_path)
    client.succeeds("copyto", small.path, "gate:lake/tools/before.bin")
    new = service_keys.rotate(tidegate, secrets, old)
    service_keys.revoke(tidegate, old)
    before = lake.contents("tools/")
    # rclone asks with HEAD first, whose answer has no room for a reason.
    assert "403" in client.fails("copyto", small.path, "gate:lake/tools/after.bin").errors
    for refused in [
        Client("aws", tmp_path, old.environment(gateway)).fails("s3", "cp", small.path, "s3://lake/tools/after.bin"),
        s3cmd(gateway, old, tmp_path).fails("put", small.path, "s3://lake/tools/after.bin"),
    ]:
        assert f"service key {old.access_key_id} was revoked on" in refused.text
    # So does restic, and gives up at once.
    assert "Access Denied" in restic(gateway, old, "lake/tools/restic", tmp_path).fails("snapshots").errors
    assert lake.contents("tools/") == before
    rclone(gateway, new, tmp_path).succeeds("copyto", small.path, "gate:lake/tools/after.bin")
    assert lake.sha256("tools/after.bin") == small.sha256
