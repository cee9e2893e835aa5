"""PySpark with the S3A connector: a partitioned Parquet table, with credentials from a `credential_process`.

Spark's rename committer writes each file under `_temporary`, copies it into place and clears directory markers, so a
table exercises multipart uploads, part copies, bulk deletes and many small listings.

A second job may use its own prefixes and nothing else: S3A asks HEAD for every parent of a path, and clears the markers of
all parents after each file.
"""

import importlib.util
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness import payloads, sts
from harness.gateway import REGION, Gateway
from harness.identities import Identities
from harness.payloads import Payload, sha256_of
from harness.programs import Client, missing
from harness.store import StoredBucket
from harness.tidegate import Tidegate

JARS = Path(__file__).parent / ".cache" / "spark-jars"
JAR_NAMES = ["hadoop-aws-3.3.1.jar", "aws-java-sdk-bundle-1.11.901.jar"]
JOB = Path(__file__).parent / "spark_job.py"
TEAM_JOB = Path(__file__).parent / "spark_team_job.py"
# Holds only a public certificate; keytool insists on a password.
TRUST_STORE_PASSWORD = "changeit"
DEADLINE_SECONDS = 300


@dataclass(frozen=True)
class Job:
    """A Spark job that ended: its report, the file it carried both ways, and the lake before it."""

    report: dict
    uploaded: Payload
    copy: Path
    raw_before: dict[str, tuple[str, int]]


@pytest.fixture(scope="module")
def job(
    gateway: Gateway, identities: Identities, lake: StoredBucket, tmp_path_factory: pytest.TempPathFactory
) -> Job:
    work = tmp_path_factory.mktemp("spark")
    uploaded = payloads.multipart_file(work)
    bucket = gateway.bucket("lake")
    settings = common_settings(gateway, work) | {
        "table": f"s3a://{bucket}/warehouse/events",
        "file": str(uploaded.path),
        "copy": str(work / "copy.bin"),
        "forbidden": f"s3a://{bucket}/raw/spark-denied",
    }
    (work / "settings.json").write_text(json.dumps(settings))
    raw_before = lake.contents("raw/")
    spark = Client(sys.executable, work, identities.web_identity("spark") | credential_process(work))
    spark.succeeds(JOB, "settings.json", "report.json", deadline=DEADLINE_SECONDS)
    return Job(json.loads((work / "report.json").read_text()), uploaded, work / "copy.bin", raw_before)


@pytest.fixture(scope="module")
def team_report(
    gateway: Gateway, identities: Identities, lake: StoredBucket, tmp_path_factory: pytest.TempPathFactory
) -> dict:
    work = tmp_path_factory.mktemp("spark-team")
    bucket = gateway.bucket("lake")
    settings = common_settings(gateway, work) | {
        "directories": [f"s3a://{bucket}/team-a", f"s3a://{bucket}/tenants/team-a"],
        "neighbour": f"s3a://{bucket}/team-b/events",
    }
    (work / "settings.json").write_text(json.dumps(settings))
    # Of `tenants` itself nothing may be asked, so somebody has to have made the directory in it.
    lake.put("tenants/team-a/README", b"yours")
    lake.put("team-b/events/part-0", b"theirs")
    spark = Client(sys.executable, work, identities.web_identity("team-a") | credential_process(work))
    spark.succeeds(TEAM_JOB, "settings.json", "report.json", deadline=DEADLINE_SECONDS)
    return json.loads((work / "report.json").read_text())


def test_spark_reads_the_table_it_wrote(job: Job) -> None:
    assert job.report["read"] == job.report["written"]
    assert job.report["one_day"]["rows"] == job.report["written"]["rows"] // 2


def test_spark_stores_one_file_for_each_partition(job: Job, lake: StoredBucket) -> None:
    names = [name for name in job.report["listed"] if name.endswith(".parquet")]
    assert [name.partition("/")[0] for name in names] == ["day=day-0", "day=day-1"]
    assert "_SUCCESS" in job.report["listed"]


def test_spark_leaves_nothing_temporary_behind(job: Job, lake: StoredBucket) -> None:
    assert not [key for key in lake.contents("warehouse/") if "_temporary" in key]
    assert lake.open_uploads("warehouse/") == []


def test_spark_transfers_a_file_in_parts(job: Job, lake: StoredBucket) -> None:
    assert lake.parts("warehouse/events-files/uploaded.bin") == payloads.MULTIPART_PARTS
    assert lake.sha256("warehouse/events-files/uploaded.bin") == job.uploaded.sha256
    assert sha256_of(job.copy) == job.uploaded.sha256


def test_spark_deletes_a_partition(job: Job, lake: StoredBucket) -> None:
    assert job.report["deleted"] is True
    partitions = {key.split("/")[2] for key in lake.contents("warehouse/events/") if key.endswith(".parquet")}
    assert partitions == {"day=day-0"}


def test_spark_reports_why_a_write_is_refused(job: Job, gateway: Gateway, lake: StoredBucket) -> None:
    refused = job.report["refused"]
    assert "java.nio.file.AccessDeniedException: raw/spark-denied" in refused
    assert "Error Code: AccessDenied" in refused
    forbidden = f"{gateway.bucket('lake')}/raw/spark-denied/_temporary/0/"
    assert gateway.refusal("spark", "s3:PutObject", forbidden) in refused
    assert lake.contents("raw/") == job.raw_before


def test_spark_works_in_a_prefix_of_its_own(team_report: dict, lake: StoredBucket) -> None:
    for url, used in team_report["directories"].items():
        assert used["before"] is False, url
        # Written twice, a thousand rows each time.
        assert used["read"] == 2000, url
        assert used["moved"] is True, url
        assert set(used["left"]) == {"deep/events"}, url
        assert (used["deleted"], used["after"]) == (True, True), url
    assert not [key for key in lake.contents("team-a/") if key.endswith(".parquet")]
    assert set(lake.contents("tenants/")) >= {"tenants/team-a/README"}


def test_spark_is_refused_the_prefix_of_another(team_report: dict, lake: StoredBucket) -> None:
    assert "AccessDeniedException" in team_report["neighbour"]
    assert lake.has("team-b/events/part-0")


def test_spark_was_told_404_for_its_parents_and_403_for_their_markers(
    team_report: dict, request: pytest.FixtureRequest, gateway: Gateway
) -> None:
    if request.config.getoption("gateway") == "store":
        pytest.skip("the store has no audit trail")
    lines = [line for line in read_lines(request.getfixturevalue("tidegate")) if is_of(line, "team-a")]
    probes = {line["resource"]["key"]: line for line in lines if line["response"].get("error_code") == "NoSuchKey"
              and line["decision"]["effect"] == "deny"}
    assert {"team-a", "tenants/team-a"} <= set(probes)
    for line in probes.values():
        assert (line["api"]["operation"], line["response"]["status"]) == ("HeadObject", 404)
        assert "told as absent" in line["cause"]
    # The marker `tenants/` is one of those that a bulk delete names, and not the team's.
    assert "partial" in {line["decision"]["reason"] for line in lines if line["api"]["operation"] == "DeleteObjects"}


def common_settings(gateway: Gateway, work: Path) -> dict:
    (work / "scratch").mkdir()
    return {
        "s3a": s3a_settings(gateway),
        "jars": find_jars(),
        "trust_store": str(make_trust_store(gateway.ca, work)),
        "trust_store_password": TRUST_STORE_PASSWORD,
        "work": str(work / "scratch"),
    }


def read_lines(tidegate: Tidegate) -> list[dict]:
    """All complete lines of the audit trail."""
    complete, _, _ = tidegate.audit_file.read_text().rpartition("\n")
    return [json.loads(line) for line in complete.split("\n")]


def is_of(line: dict, workload: str) -> bool:
    return line.get("actor", {}).get("id") == f"idp:{workload}" and line["type"] == "request"


def s3a_settings(gateway: Gateway) -> dict[str, str]:
    return {
        "aws.credentials.provider": "com.amazonaws.auth.profile.ProfileCredentialsProvider",
        "attempts.maximum": "3",
        "endpoint": gateway.endpoint,
        "endpoint.region": REGION,
        "multipart.size": "5M",
        "multipart.threshold": "5M",
        "path.style.access": "true",
    }


def credential_process(work: Path) -> dict[str, str]:
    """A profile that asks `harness/sts.py` for keys: SDK v1 cannot be pointed at an STS itself.

    SDK v1 reads `credential_process` from the credentials file only, and knows that by a variable of its own:
    with AWS_CONFIG_FILE alone it fails with "profile file cannot be null".
    """
    profile = work / "aws-credentials"
    profile.write_text(f"[default]\ncredential_process = {sys.executable} {sts.__file__}\n")
    return {
        "AWS_CREDENTIAL_PROFILES_FILE": str(profile),
        "PYSPARK_PYTHON": sys.executable,
        "SPARK_LOCAL_IP": "127.0.0.1",
    }


def find_jars() -> list[str]:
    if importlib.util.find_spec("pyspark") is None:
        missing("`pyspark` is not installed: run tests/clients/run, which installs it")
    jars = [JARS / name for name in JAR_NAMES]
    for jar in jars:
        if not jar.is_file():
            missing(f"`{jar.name}` is not installed: run tests/clients/run, which installs it")
    return [str(jar) for jar in jars]


def make_trust_store(ca: Path, directory: Path) -> Path:
    trust_store = directory / "trust.p12"
    Client("keytool", directory).succeeds(
        "-importcert", "-noprompt", "-alias", "suite", "-file", ca,
        "-keystore", trust_store, "-storetype", "PKCS12", "-storepass", TRUST_STORE_PASSWORD,
    )  # fmt: skip
    return trust_store
