"""Identity providers by preset: tokens in the shape of each, made and signed by a real provider, traded by boto3.

Every preset stands in a table of its own with an audience of its own, and all of them have the one issuer that runs here:
an `issuer` that is written beside a preset replaces the preset's own.
"""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import boto3
import botocore.exceptions
import pytest
from botocore.config import Config

from harness.certificates import CertificateAuthority
from harness.gateway import REGION, TARGET_BUCKETS, Secrets
from harness.identity_provider import IdentityProvider, Workload
from harness.processes import poll
from harness.programs import find
from harness.sdk import session_client
from harness.store import Store
from harness.sts import SessionKeys
from harness.tidegate import BUCKET, STORE, Served, Tidegate
from test_audit import line_of

TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"
ENTRA_V1 = f"https://sts.windows.net/{TENANT}/"
ROLE = "arn:aws:iam::000000000000:role/any"
LINE_SECONDS = 10

TABLE = """
[[issuers]]
name      = "{name}"
preset    = "{preset}"
issuer    = {issuer}
audiences = ["https://{name}.tidegate.test"]
ca        = "{ca}"
{more}
"""
# Name, preset and what the tenant says.
PRESETS = [
    ("google", "google", ""),
    ("people", "google-workspace", 'hd = "acme.com"'),
    ("entra", "entra", f'tenant = "{TENANT}"\nkind = "user"'),
    ("robots", "entra", f'tenant = "{TENANT}"\ngroups = "roles"'),
    ("okta", "okta", 'domain = "acme.okta.com"'),
    ("okta-api", "okta", 'domain = "acme.okta.com"\nauthorization_server = "default"'),
    (
        "aws",
        "aws",
        'tags = { team = ["https://sts.amazonaws.com/", "principal_tags", "team"] }',
    ),
    ("cluster", "kubernetes", 'require = { "kubernetes.io" = { namespace = ["jobs", "etl"] } }'),
    ("github", "github", "owner_id = 9919"),
]

GOOGLE = {
    "azp": "112233445566778899000",
    "sub": "112233445566778899000",
    "email": "etl@acme.iam.gserviceaccount.com",
    "email_verified": True,
    "google": {"compute_engine": {"project_id": "acme", "zone": "europe-west2-a", "instance_name": "w-0"}},
}
WORKSPACE = {"sub": "1077", "hd": "acme.com", "email": "ana@acme.com", "email_verified": True}
ENTRA = {"oid": "9d1c", "sub": "pairwise", "tid": TENANT, "scp": "user_impersonation", "groups": ["9a1b", "7c2d"]}
ROBOT = {
    "iss": ENTRA_V1,
    "oid": "77aa",
    "sub": "77aa",
    "tid": TENANT,
    "appid": "a-1",
    "idtyp": "app",
    "roles": ["Data.Read"],
    "ver": "1.0",
    "scope": None,
}
OKTA = {"sub": "00u1", "groups": ["analysts", "Everyone"], "preferred_username": "ana@acme.com"}
OKTA_API = {"sub": "ana@acme.com", "uid": "00u1", "cid": "0oa1", "scp": ["lake"], "groups": ["analysts"]}
AWS = {
    "sub": "arn:aws:iam::123456789012:role/etl",
    "https://sts.amazonaws.com/": {
        "aws_account": "123456789012",
        "org_id": "o-1",
        "source_region": "eu-west-2",
        "principal_tags": {"team": "data"},
    },
}
CLUSTER = {
    "sub": "system:serviceaccount:jobs:etl",
    "aud": ["https://cluster.tidegate.test"],
    "kubernetes.io": {
        "namespace": "jobs",
        "serviceaccount": {"name": "etl", "uid": "u"},
        "pod": {"name": "etl-x", "uid": "u"},
        "node": {"name": "n-1", "uid": "u"},
    },
}
GITHUB = {
    "sub": "repo:acme@9919/lake@824601234:environment:release",
    "repository": "acme/lake",
    "repository_id": "824601234",
    "repository_owner": "acme",
    "repository_owner_id": "9919",
    "ref": "refs/heads/main",
    "environment": "release",
    "event_name": "push",
    "base_ref": "",
}


@dataclass(frozen=True)
class Shape:
    """A token: for which table, with which claims, and whom it names; or why it is refused."""

    name: str
    table: str
    claims: dict[str, object]
    principal: str | None = None
    groups: tuple[str, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()
    failed: tuple[str, ...] = ()
    code: str = "InvalidIdentityToken"


ACCEPTED = [
    Shape(
        "google-account",
        "google",
        GOOGLE,
        "Workload::google:etl@acme.iam.gserviceaccount.com",
        tags=(("project_id", "acme"), ("zone", "europe-west2-a")),
    ),
    Shape("workspace-person", "people", WORKSPACE, "User::people:ana@acme.com", tags=(("hd", "acme.com"),)),
    Shape("entra-v2", "entra", ENTRA, "User::entra:9d1c", ("entra:9a1b", "entra:7c2d"), (("tid", TENANT),)),
    Shape("entra-v1", "entra", ENTRA | {"iss": ENTRA_V1, "appid": "a-1"}, "User::entra:9d1c", ("entra:9a1b", "entra:7c2d")),
    Shape("managed-identity", "robots", ROBOT, "Workload::robots:77aa", ("robots:Data.Read",), (("app", "a-1"),)),
    Shape("okta-person", "okta", OKTA, "User::okta:00u1", ("okta:analysts", "okta:Everyone")),
    Shape("okta-access-token", "okta-api", OKTA_API, "User::okta-api:00u1", ("okta-api:analysts",), (("app", "0oa1"),)),
    Shape(
        "aws-role",
        "aws",
        AWS,
        "Workload::aws:arn:aws:iam::123456789012:role/etl",
        tags=(("aws_account", "123456789012"), ("team", "data")),
    ),
    Shape(
        "service-account",
        "cluster",
        CLUSTER,
        "Workload::cluster:system:serviceaccount:jobs:etl",
        tags=(("namespace", "jobs"), ("service_account", "etl"), ("pod", "etl-x")),
    ),
    Shape(
        "github-job",
        "github",
        GITHUB,
        "Workload::github:824601234",
        tags=(("repository", "acme/lake"), ("environment", "release"), ("ref", "refs/heads/main")),
    ),
]
REFUSED = [
    Shape("google-unverified", "google", GOOGLE | {"email_verified": False}, failed=("principal",)),
    Shape("google-of-gcloud", "google", GOOGLE | {"aud": "32555940559.apps.googleusercontent.com"}, failed=("audience",)),
    Shape("workspace-stranger", "people", WORKSPACE | {"hd": None, "email": "ana@gmail.com"}, failed=("require",)),
    Shape("workspace-neighbour", "people", WORKSPACE | {"hd": "acme.com.evil.test"}, failed=("require",)),
    Shape("entra-other-tenant", "entra", ENTRA | {"tid": "0" * 8 + TENANT[8:]}, failed=("require",)),
    Shape("entra-other-issuer", "entra", ENTRA | {"iss": ENTRA_V1.rstrip("/")}, failed=("issuer",)),
    Shape(
        "entra-overage",
        "entra",
        ENTRA | {"groups": None, "_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": "x"}}},
        failed=("groups",),
        code="IDPRejectedClaim",
    ),
    Shape("entra-person-as-robot", "robots", ENTRA | {"roles": []}, failed=("require", "require")),
    Shape("okta-own-access-token", "okta", OKTA | {"scp": ["openid"], "cid": "0oa1"}, failed=("require",)),
    Shape("okta-client-as-person", "okta-api", OKTA_API | {"uid": None, "sub": "0oa1"}, failed=("require",)),
    Shape(
        "default-service-account-token",
        "cluster",
        CLUSTER | {"aud": ["https://kubernetes.default.svc"]},
        failed=("audience",),
    ),
    Shape(
        "service-account-elsewhere",
        "cluster",
        CLUSTER | {"kubernetes.io": {"namespace": "kube-system"}},
        failed=("require",),
    ),
    Shape("github-stranger", "github", GITHUB | {"repository_owner_id": "666"}, failed=("require",)),
    Shape(
        "two-audiences",
        "google",
        GOOGLE | {"aud": ["https://google.tidegate.test", "https://people.tidegate.test"]},
        failed=("audience",),
    ),
]


def workload(shape: Shape) -> Workload:
    claims: dict[str, object] = {"aud": f"https://{shape.table}.tidegate.test", "groups": None, "client_id": None}
    return Workload(shape.name, claims=claims | shape.claims)


@dataclass
class Shapes:
    """A Tidegate with all presets, and the provider that makes tokens of every shape."""

    tidegate: Tidegate
    provider: IdentityProvider
    binary: str
    configuration: Path
    secrets: Secrets

    def token(self, name: str) -> str:
        token = self.provider.token(name)
        self.secrets.add(f"the signature of a token of {name}", token.rsplit(".", 1)[1])
        return token

    def sts(self, keys: SessionKeys | None = None):
        """boto3's STS client, with the keys of a session or without any."""
        gateway = self.tidegate.gateway
        return boto3.session.Session().client(
            "sts",
            endpoint_url=gateway.endpoint,
            region_name=REGION,
            aws_access_key_id=keys.access_key_id if keys else "none",
            aws_secret_access_key=keys.secret_access_key if keys else "none",
            aws_session_token=keys.session_token if keys else None,
            verify=str(gateway.ca),
            config=Config(retries={"total_max_attempts": 1}),
        )

    def trade(self, name: str) -> tuple[SessionKeys, str]:
        """The session for a token, and the id of the request."""
        answer = self.sts().assume_role_with_web_identity(
            RoleArn=ROLE, RoleSessionName="suite", WebIdentityToken=self.token(name)
        )
        given = answer["Credentials"]
        self.secrets.add(f"a session secret of {name}", given["SecretAccessKey"])
        self.secrets.add(f"a session token of {name}", given["SessionToken"])
        expiration = given["Expiration"].isoformat()
        keys = SessionKeys(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"], expiration)
        return keys, answer["ResponseMetadata"]["RequestId"]

    def examine(self, token: str, *more: str) -> subprocess.CompletedProcess[str]:
        """`tidegate check --token`, with the token on standard input."""
        command = [self.binary, "check", "--config", str(self.configuration), "--token", "-", *more]
        return subprocess.run(command, input=token, capture_output=True, text=True, timeout=60)


@pytest.fixture(scope="module")
def shapes(
    run_directory: Path,
    authority: CertificateAuthority,
    store: Store,
    tidegate_binary: str,
    secrets: Secrets,
) -> Iterator[Shapes]:
    workloads = [workload(shape) for shape in [*ACCEPTED, *REFUSED]]
    provider = IdentityProvider(find("node"), authority, run_directory / "idp-shapes", workloads)
    target = STORE.format(endpoint=store.endpoint, ca=authority.bundle)
    bucket = BUCKET.format(name="lake", target="store", bucket=TARGET_BUCKETS["lake"], policy="issuers")
    tables = "".join(table(name, preset, more, provider, authority) for name, preset, more in PRESETS)
    environment = {
        "STORE_ACCESS_KEY_ID": store.key.access_key_id,
        "STORE_SECRET_ACCESS_KEY": store.key.secret_access_key,
    }
    served = Served(target + bucket + tables, ["lake"], environment)
    directory = run_directory / "tidegate-issuers"
    tidegate = Tidegate(tidegate_binary, authority, provider, served, directory)
    yield Shapes(tidegate, provider, tidegate_binary, directory / "tidegate.toml", secrets)
    tidegate.stop()
    provider.stop()


def table(name: str, preset: str, more: str, provider: IdentityProvider, authority: CertificateAuthority) -> str:
    # What Entra's managed identities say stands beside the issuer whose keys it has.
    issuers = [provider.issuer, ENTRA_V1] if preset == "entra" else [provider.issuer]
    return TABLE.format(name=name, preset=preset, issuer=json.dumps(issuers), ca=authority.bundle, more=more)


@pytest.mark.parametrize("shape", ACCEPTED, ids=lambda shape: shape.name)
def test_a_token_of_each_provider_becomes_its_principal(shapes: Shapes, shape: Shape) -> None:
    keys, request_id = shapes.trade(shape.name)

    kind, principal = shape.principal.split("::", 1)
    arn = shapes.sts(keys).get_caller_identity()["Arn"]
    assert arn == f"arn:aws:sts::000000000000:assumed-role/{kind}/{principal}"
    record = line_of(shapes.tidegate, request_id)
    assert (record["type"], record["decision"]["effect"]) == ("auth", "allow")
    assert record["actor"]["id"] == principal
    assert record["actor"]["issuer"] == shapes.provider.issuer

    checked = shapes.examine(shapes.token(shape.name), "--json")
    assert checked.returncode == 0, checked.stdout
    report = json.loads(checked.stdout)
    assert report["accepted"] is True
    assert report["issuer"] == shape.table
    assert report["entity"] == f'Tidegate::{kind}::"{principal}"'
    assert report["groups"] == list(shape.groups)
    assert dict(shape.tags).items() <= report["tags"].items()
    assert {check["outcome"] for check in report["checks"]} == {"ok"}
    assert abs(report["clock_drift_seconds"]) <= 1


@pytest.mark.parametrize("shape", REFUSED, ids=lambda shape: shape.name)
def test_what_looks_alike_is_refused_and_explained(shapes: Shapes, shape: Shape) -> None:
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        shapes.trade(shape.name)
    answer = refused.value.response
    assert answer["Error"]["Code"] == shape.code
    record = line_of(shapes.tidegate, answer["ResponseMetadata"]["RequestId"])
    assert (record["type"], record["decision"]["effect"]) == ("auth", "deny")
    assert record.get("actor") is None

    token = shapes.token(shape.name)
    checked = shapes.examine(token)
    assert checked.returncode == 1, checked.stdout
    failed = [line.split()[1] for line in checked.stdout.splitlines() if line.startswith("FAIL")]
    assert tuple(failed) == shape.failed, checked.stdout
    assert checked.stdout.splitlines()[-1].startswith("refused")
    assert token.rsplit(".", 1)[1] not in checked.stdout


def test_policies_decide_by_what_tokens_say(shapes: Shapes) -> None:
    may = {"github-job": "releases/1.tar", "service-account": "jobs/1.csv", "entra-v2": "published/1.csv"}
    for name in may:
        keys, _ = shapes.trade(name)
        s3 = session_client(shapes.tidegate.gateway, keys)
        for other, key in may.items():
            if other == name:
                s3.put_object(Bucket="lake", Key=key, Body=b"by what its token says")
                continue
            with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied"):
                s3.put_object(Bucket="lake", Key=key, Body=b"not by another's")


def test_the_overage_of_groups_says_what_to_do(shapes: Shapes) -> None:
    with pytest.raises(botocore.exceptions.ClientError, match="leaves out your groups") as refused:
        shapes.trade("entra-overage")
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    request_id = refused.value.response["ResponseMetadata"]["RequestId"]

    def explained() -> bool:
        lines = [line for line in shapes.tidegate.read_log().splitlines() if request_id in line]
        return any("assign groups to the application" in line for line in lines)

    poll(explained, LINE_SECONDS, "the cause in the log")


def test_no_secret_is_written_down(shapes: Shapes, secrets: Secrets) -> None:
    assert secrets.found_in(shapes.tidegate.audit_file.read_text()) == []
    assert secrets.found_in(shapes.tidegate.read_log()) == []
