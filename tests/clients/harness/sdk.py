"""boto3 as a client under test: it runs in this process, so its environment is laid out for the length of a test."""

from pathlib import Path

import boto3
import botocore.exceptions
import pytest
from botocore.config import Config

from harness.gateway import REGION, Gateway
from harness.identities import Identities
from harness.sts import SessionKeys

# What a caller's shell may have set, and would win over web identity or redirect the client.
NOT_INHERITED = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_ENDPOINT_URL",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
]


class Boto3:
    """boto3's S3 client for one workload by web identity; `bucket` is its name for `lake`."""

    def __init__(
        self,
        workload: str,
        addressing: str,
        gateway: Gateway,
        identities: Identities,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        lay_out_environment(identities.web_identity(workload), monkeypatch)
        session = boto3.Session()
        self.bucket = gateway.bucket("lake")
        self.s3 = session.client("s3", config=Config(s3={"addressing_style": addressing}))
        keys = session.get_credentials().get_frozen_credentials()
        identities.note_session(workload, keys.secret_key, keys.token)

    def refusal_of(self, operation: str, **parameters: object) -> dict[str, str]:
        """The error that `operation` is refused with."""
        with pytest.raises(botocore.exceptions.ClientError) as refused:
            getattr(self.s3, operation)(Bucket=self.bucket, **parameters)
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
        return refused.value.response["Error"]


def lay_out_environment(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of an SDK in this process, without what would win over it."""
    for name in NOT_INHERITED:
        monkeypatch.delenv(name, raising=False)
    no_file = str(Path(__file__).with_name("no-such-profile"))
    for name, value in {"AWS_CONFIG_FILE": no_file, "AWS_SHARED_CREDENTIALS_FILE": no_file, **environment}.items():
        monkeypatch.setenv(name, value)


def session_client(gateway: Gateway, keys: SessionKeys):
    """boto3's S3 client with session keys; nothing comes from the environment."""
    return boto3.session.Session().client(
        "s3",
        endpoint_url=gateway.endpoint,
        region_name=REGION,
        aws_access_key_id=keys.access_key_id,
        aws_secret_access_key=keys.secret_access_key,
        aws_session_token=keys.session_token,
        verify=str(gateway.ca),
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
    )
