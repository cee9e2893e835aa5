"""The doors beside STS's, each with the client that it is for.

Container credentials with boto3 and the SDK for JavaScript, RFC 8693 with google-auth, Bearer tokens with curl, and
AssumeRole with boto3, rclone and S3A's assumed-role provider.
"""

import json
import subprocess
from pathlib import Path

import boto3
import botocore.exceptions
import pytest
from botocore.config import Config

from harness import sdk
from harness.gateway import REGION, Gateway, Secrets
from harness.identities import Identities
from harness.payloads import Payload, sha256_of
from harness.programs import Client, find
from harness.store import StoredBucket
from harness.tidegate import Tidegate

DRIVERS = Path(__file__).parent / "drivers"
READ_ONLY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": "*"},
        ],
    }
)


@pytest.fixture
def token_file(identities: Identities, tmp_path: Path) -> Path:
    """A token of `etl` without a line end, which botocore's container provider does not take."""
    path = tmp_path / "token"
    path.write_text(identities.token("etl"))
    return path


@pytest.fixture
def curl(gateway: Gateway, tmp_path: Path) -> Client:
    return Client("curl", tmp_path, {}, ["--silent", "--show-error", "--cacert", str(gateway.ca)])


def container_environment(gateway: Gateway, identities: Identities, token_file: Path) -> dict[str, str]:
    return identities.endpoint() | {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{gateway.endpoint}/_tidegate/credentials?duration=3600",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(token_file),
    }


def test_boto3_gets_container_credentials(
    tidegate: Tidegate,
    gateway: Gateway,
    identities: Identities,
    token_file: Path,
    lake: StoredBucket,
    small: Payload,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sdk.lay_out_environment(container_environment(gateway, identities, token_file), monkeypatch)
    # botocore reads no AWS_CA_BUNDLE here. Admins add their authority to the bundle of certifi; so does this.
    monkeypatch.setattr("botocore.httpsession.where", lambda: str(gateway.ca))
    session = boto3.Session()
    s3 = session.client("s3", config=Config(s3={"addressing_style": "path"}))
    assert session.get_credentials().method == "container-role"
    keys = session.get_credentials().get_frozen_credentials()
    identities.note_session("etl", keys.secret_key, keys.token)
    bucket = gateway.bucket("lake")
    s3.upload_file(str(small.path), bucket, "tmp/doors/boto3.bin")
    assert lake.sha256("tmp/doors/boto3.bin") == small.sha256


def test_boto3_says_why_there_are_no_container_credentials(
    tidegate: Tidegate, gateway: Gateway, identities: Identities, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token_file = tmp_path / "token"
    token_file.write_text("no.token.atall")
    sdk.lay_out_environment(container_environment(gateway, identities, token_file), monkeypatch)
    monkeypatch.setattr("botocore.httpsession.where", lambda: str(gateway.ca))
    with pytest.raises(botocore.exceptions.BotoCoreError) as refused:
        boto3.Session().get_credentials()
    assert "InvalidIdentityToken" in str(refused.value)


def test_the_sdk_for_javascript_gets_container_credentials(
    tidegate: Tidegate, gateway: Gateway, identities: Identities, token_file: Path, lake: StoredBucket, tmp_path: Path
) -> None:
    lake.put("tmp/doors/javascript.txt", b"for javascript")
    environment = container_environment(gateway, identities, token_file) | {"NODE_EXTRA_CA_CERTS": str(gateway.ca)}
    node = Client("node", tmp_path, environment)
    bucket = gateway.bucket("lake")
    read = node.succeeds(DRIVERS / "container.mjs", gateway.endpoint, REGION, bucket, "tmp/doors/javascript.txt")
    assert read.output == "for javascript"


def test_google_auth_exchanges_a_token_and_reads_with_it(
    tidegate: Tidegate,
    gateway: Gateway,
    token_file: Path,
    lake: StoredBucket,
    curl: Client,
    secrets: Secrets,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import google.auth.transport.requests
    from google.auth import identity_pool

    # A file that a shell wrote ends with a line end.
    token_file.write_text(token_file.read_text() + "\n")
    settings = {
        "type": "external_account",
        "audience": "//s3.tidegate.test/tidegate",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{gateway.endpoint}/_tidegate/token",
        "token_info_url": f"{gateway.endpoint}/_tidegate/introspect",
        "credential_source": {"file": str(token_file)},
    }
    settings_file = tmp_path / "external_account.json"
    settings_file.write_text(json.dumps(settings))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(gateway.ca))
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "none")
    scope = "https://www.googleapis.com/auth/devstorage.read_write"
    credentials = identity_pool.Credentials.from_file(str(settings_file), scopes=[scope])
    credentials.refresh(google.auth.transport.requests.Request())
    assert credentials.valid and "." not in credentials.token
    secrets.add("an access token of etl", credentials.token)

    lake.put("tmp/doors/google.txt", b"for google")
    bucket = gateway.bucket("lake")
    bearer = f"Authorization: Bearer {credentials.token}"
    read = curl.succeeds("--fail", "--header", bearer, f"{gateway.endpoint}/{bucket}/tmp/doors/google.txt")
    assert read.output == "for google"
    # As gcloud asks whose account it is.
    told = curl.succeeds("--user", "id:secret", "--data-urlencode", f"token={credentials.token}", settings["token_info_url"])
    assert json.loads(told.output)["username"] == "idp:etl"


def test_curl_needs_an_identity_token_and_nothing_else(
    tidegate: Tidegate, gateway: Gateway, token_file: Path, lake: StoredBucket, curl: Client, small: Payload, tmp_path: Path
) -> None:
    bearer = f"Authorization: Bearer {token_file.read_text()}"
    url = f"{gateway.endpoint}/{gateway.bucket('lake')}/tmp/doors/curl.bin"
    curl.succeeds("--fail", "--header", bearer, "--upload-file", small.path, url)
    assert lake.sha256("tmp/doors/curl.bin") == small.sha256
    curl.succeeds("--fail", "--header", bearer, "--output", "back.bin", url)
    assert sha256_of(tmp_path / "back.bin") == small.sha256
    told = curl.succeeds("--fail", "--header", bearer, f"{gateway.endpoint}/_tidegate/whoami")
    who = json.loads(told.output)
    assert who["principal"] == "idp:etl" and "write" in who["buckets"][gateway.bucket("lake")]
    refused = curl.succeeds("--header", "Authorization: Bearer no.token.atall", "--include", url)
    assert "HTTP/2 401" in refused.output or "HTTP/1.1 401" in refused.output
    assert "<Code>InvalidToken</Code>" in refused.output


def test_boto3_narrows_its_own_session(
    tidegate: Tidegate, gateway: Gateway, identities: Identities, lake: StoredBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    sdk.lay_out_environment(identities.web_identity("etl"), monkeypatch)
    sts = boto3.Session().client("sts")
    given = sts.assume_role(RoleArn=gateway.role_arn("etl"), RoleSessionName="handed-on", Policy=READ_ONLY)
    keys = given["Credentials"]
    identities.note_session("etl", keys["SecretAccessKey"], keys["SessionToken"])
    assert given["AssumedRoleUser"]["Arn"].endswith("/handed-on")
    s3 = boto3.Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"]).client("s3")
    bucket = gateway.bucket("lake")
    lake.put("tmp/doors/narrow.txt", b"narrow")
    assert s3.get_object(Bucket=bucket, Key="tmp/doors/narrow.txt")["Body"].read() == b"narrow"
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        s3.put_object(Bucket=bucket, Key="tmp/doors/wide.txt", Body=b"wide")
    assert refused.value.response["Error"]["Code"] == "AccessDenied"
    assert not lake.has("tmp/doors/wide.txt")
    whole = sts.get_session_token(DurationSeconds=900)["Credentials"]
    identities.note_session("etl", whole["SecretAccessKey"], whole["SessionToken"])


def test_the_aws_cli_hands_on_less_than_it_has(
    tidegate: Tidegate, gateway: Gateway, identities: Identities, tmp_path: Path
) -> None:
    cli = Client("aws", tmp_path, identities.web_identity("etl"))
    arguments = ["--role-arn", gateway.role_arn("reader"), "--role-session-name", "handed-on", "--policy", READ_ONLY]
    given = json.loads(cli.succeeds("sts", "assume-role", *arguments).output)
    keys = given["Credentials"]
    identities.note_session("etl", keys["SecretAccessKey"], keys["SessionToken"])
    assert given["AssumedRoleUser"]["Arn"] == "arn:aws:sts::000000000000:assumed-role/reader/handed-on"


def test_rclone_assumes_a_role(
    tidegate: Tidegate, gateway: Gateway, identities: Identities, lake: StoredBucket, small: Payload, tmp_path: Path
) -> None:
    remote = {
        "RCLONE_CONFIG_GATE_TYPE": "s3",
        "RCLONE_CONFIG_GATE_PROVIDER": "Other",
        "RCLONE_CONFIG_GATE_ENV_AUTH": "true",
        "RCLONE_CONFIG_GATE_ENDPOINT": gateway.endpoint,
        "RCLONE_CONFIG_GATE_REGION": REGION,
        "RCLONE_CONFIG_GATE_NO_CHECK_BUCKET": "true",
        "RCLONE_CONFIG_GATE_ROLE_ARN": gateway.role_arn("etl"),
        "RCLONE_CONFIG_GATE_ROLE_SESSION_NAME": "rclone",
    }
    options = ["--ca-cert", str(gateway.ca), "--retries", "1", "--low-level-retries", "1", "--stats", "0"]
    rclone = Client("rclone", tmp_path, identities.web_identity("etl") | remote, options)
    rclone.succeeds("copyto", small.path, f"gate:{gateway.bucket('lake')}/tmp/doors/rclone.bin")
    assert lake.sha256("tmp/doors/rclone.bin") == small.sha256
    record = last_record(tidegate, "AssumeRole")
    assert record["decision"]["effect"] == "allow" and record["actor"]["id"] == "idp:etl"


def test_s3a_assumes_a_role(
    tidegate: Tidegate, gateway: Gateway, identities: Identities, lake: StoredBucket, tmp_path: Path
) -> None:
    """S3A's own provider: it signs AssumeRole with the keys that it finds in the environment."""
    from test_spark import JARS, JAR_NAMES, TRUST_STORE_PASSWORD

    import pyspark

    lake.put("tmp/doors/s3a.txt", b"for s3a")
    trust = tmp_path / "trust.p12"
    subprocess.run(
        [find("keytool"), "-importcert", "-noprompt", "-alias", "suite", "-file", gateway.ca, "-keystore", trust]
        + ["-storetype", "PKCS12", "-storepass", TRUST_STORE_PASSWORD],
        check=True,
        capture_output=True,
    )
    jars = [*(str(JARS / name) for name in JAR_NAMES), str(Path(pyspark.__file__).parent / "jars" / "*")]
    options = [
        f"-Djavax.net.ssl.trustStore={trust}",
        f"-Djavax.net.ssl.trustStorePassword={TRUST_STORE_PASSWORD}",
        "-cp",
        ":".join(jars),
    ]
    java = Client("java", tmp_path, identities.session_environment("etl"), options)
    uri = f"s3a://{gateway.bucket('lake')}/tmp/doors/s3a.txt"
    arguments = [gateway.endpoint, REGION, gateway.role_arn("etl"), uri]
    read = java.succeeds(DRIVERS / "AssumedRole.java", *arguments)
    assert read.output.strip() == "for s3a"
    record = last_record(tidegate, "AssumeRole")
    assert record["decision"]["effect"] == "allow" and "aws-sdk-java" in record["client"]["user_agent"]


def last_record(tidegate: Tidegate, operation: str) -> dict:
    lines = tidegate.audit_file.read_text().splitlines()
    records = [json.loads(line) for line in lines]
    return [record for record in records if record["api"].get("operation") == operation][-1]
