"""Roles of a real token service, given for Tidegate's own tokens: it fetches Tidegate's keys and verifies them.

What Tidegate does towards Amazon is held against a stricter stand-in by the integration tests; this is the one token
service that somebody else wrote.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import botocore.exceptions
import pytest

from harness.certificates import CertificateAuthority
from harness.cloud import STORED, Cloud
from harness.gateway import Secrets
from harness.identities import Identities
from harness.identity_provider import IdentityProvider
from harness.processes import poll
from harness.programs import find
from harness.sdk import session_client
from harness.tidegate import Tidegate

WAIT_SECONDS = 20


class Setting:
    """A cloud, a Tidegate that it trusts, and the callers of that."""

    def __init__(self, cloud: Cloud, tidegate: Tidegate, identities: Identities) -> None:
        self.cloud = cloud
        self.tidegate = tidegate
        self._identities = identities

    def client(self, workload: str):
        return session_client(self.tidegate.gateway, self._identities.session_keys(workload))


@pytest.fixture(scope="module")
def setting(
    run_directory: Path,
    authority: CertificateAuthority,
    provider: IdentityProvider,
    tidegate_binary: str,
    secrets: Secrets,
) -> Iterator[Setting]:
    yield from _setting(run_directory / "cloud", authority, provider, tidegate_binary, secrets, reachable=True)


@pytest.fixture(scope="module")
def unreachable(
    run_directory: Path,
    authority: CertificateAuthority,
    provider: IdentityProvider,
    tidegate_binary: str,
    secrets: Secrets,
) -> Iterator[Setting]:
    yield from _setting(run_directory / "cloud-blind", authority, provider, tidegate_binary, secrets, reachable=False)


def _setting(
    directory: Path,
    authority: CertificateAuthority,
    provider: IdentityProvider,
    binary: str,
    secrets: Secrets,
    reachable: bool,
) -> Iterator[Setting]:
    cloud = Cloud(find("weed"), authority, directory / "store", reachable)
    tidegate = Tidegate(binary, authority, provider, cloud.served(), directory / "tidegate")
    identities = Identities(provider, tidegate.gateway, directory / "tokens", secrets)
    yield Setting(cloud, tidegate, identities)
    tidegate.stop()
    cloud.stop()


def test_objects_are_written_and_read_with_what_the_cloud_gave(setting: Setting) -> None:
    body = b"for a role's eyes only"
    for bucket in ["trusted", "per-principal"]:
        etl = setting.client("etl")
        etl.put_object(Bucket=bucket, Key=f"cloud/{bucket}", Body=body)
        assert etl.get_object(Bucket=bucket, Key=f"cloud/{bucket}")["Body"].read() == body
        stored = setting.cloud.store.bucket(STORED)
        assert stored.sha256(f"cloud/{bucket}") == hashlib.sha256(body).hexdigest()
        ready = f'tidegate_credential_sessions{{target="{bucket}",state="ready"}}'
        poll(lambda: setting.tidegate.metric(ready) == 1, WAIT_SECONDS, "a session in the metrics")
    records = [line for line in setting.tidegate.audit_lines() if line["api"].get("operation") == "PutObject"]
    assert len(records) == 2


@pytest.mark.parametrize("bucket", ["other-audience", "other-subject"])
def test_a_trust_that_does_not_fit_is_the_operators_to_know(setting: Setting, bucket: str) -> None:
    refused(setting, bucket, "the trust policy of the role must allow this caller")


def test_a_caller_whose_own_token_is_not_trusted_hurts_nobody_else(setting: Setting) -> None:
    setting.client("etl").put_object(Bucket="per-principal", Key="tmp/etl", Body=b"x")
    with pytest.raises(botocore.exceptions.ClientError) as refusal:
        setting.client("analyst").get_object(Bucket="per-principal", Key="published/x")
    assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    setting.client("etl").put_object(Bucket="per-principal", Key="tmp/etl", Body=b"y")


def test_a_cloud_that_cannot_fetch_our_keys_is_told_to_the_operator(unreachable: Setting) -> None:
    refused(unreachable, "trusted", "its discovery document and key set must be reachable from there")


def refused(setting: Setting, bucket: str, cause: str) -> None:
    """The caller is asked to come back, and the operator is told why."""
    before = setting.cloud.store.bucket(STORED).contents()
    with pytest.raises(botocore.exceptions.ClientError) as refusal:
        setting.client("etl").put_object(Bucket=bucket, Key="cloud/refused", Body=b"x")
    answer = refusal.value.response
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 503
    assert int(answer["ResponseMetadata"]["HTTPHeaders"]["retry-after"]) >= 1
    assert "role" not in answer["Error"]["Message"]
    assert setting.cloud.store.bucket(STORED).contents() == before

    def told() -> bool:
        targets = setting.tidegate.readiness()["components"]["targets"]
        return targets["status"] == "degraded" and f"`{bucket}`" in targets["reason"] and cause in targets["reason"]

    poll(told, WAIT_SECONDS, f"the cause in /readyz, {setting.tidegate.readiness()}")
    assert cause in setting.tidegate.read_log()
