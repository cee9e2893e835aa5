"""PySpark with Google's connector for Hadoop 2.2.6 (`gs://`).

It knows no `external_account`: its token is the identity token. A class of 30 lines reads it from a file
(`drivers/TokenFile.java`). The connector deletes and renames by batch, in which each part has the token again.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pyspark
import pytest

from harness import payloads
from harness.certificates import trust_store
from harness.google import Google
from harness.payloads import Payload, sha256_of
from harness.programs import Client, find, missing
from harness.tidegate import Tidegate

SUITE = Path(__file__).parent
CONNECTOR = SUITE / ".cache" / "gcs-jars" / "gcs-connector-hadoop3-2.2.6-shaded.jar"
PROVIDER = SUITE / "drivers" / "TokenFile.java"
JOB = SUITE / "gcs_spark_job.py"
TRUST_STORE_PASSWORD = "changeit"
DEADLINE_SECONDS = 240
# What the job lists that has more entries than a page.
LISTED = "spark-pages/"
PAGE = SUITE.parents[1] / "docs" / "clients" / "gcs-spark.md"
# As the page has them.
SETTINGS = {
    "fs.gs.impl": "com.google.cloud.hadoop.fs.gcs.GoogleHadoopFileSystem",
    "fs.AbstractFileSystem.gs.impl": "com.google.cloud.hadoop.fs.gcs.GoogleHadoopFS",
    "fs.gs.project.id": "none",
    "fs.gs.auth.service.account.enable": "false",
    "fs.gs.auth.access.token.provider.impl": "io.tidegate.example.TokenFile",
    # All of a batch in one request, rather than each call for itself.
    "fs.gs.batch.threads": "0",
}


@pytest.fixture(scope="module")
def provider_jar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The class, compiled as its page says."""
    if not CONNECTOR.is_file():
        missing(f"`{CONNECTOR.name}` is not installed: run tests/clients/run, which installs it")
    work = tmp_path_factory.mktemp("provider")
    classes = work / "classes"
    hadoop = Path(pyspark.__file__).parent / "jars" / "*"
    compiling = [find("javac"), "--release", "8", "-cp", f"{CONNECTOR}:{hadoop}", "-d", str(classes), str(PROVIDER)]
    subprocess.run(compiling, check=True, capture_output=True)
    jar = shutil.make_archive(str(work / "provider"), "zip", classes)
    return Path(jar).rename(work / "token-file.jar")


def work(place: Google, jar: Path, home: Path, file: Payload, **settings: object) -> dict:
    """What the job reports."""
    (home / "scratch").mkdir()
    hadoop = {
        **SETTINGS,
        "fs.gs.storage.root.url": f"{place.endpoint}/",
        "fs.gs.tidegate.token.file": str(place.token_file),
        "fs.gs.http.max.retry": "3",
        # So that listings take several pages.
        "fs.gs.list.max.items.per.call": "2",
        # So that a line which breaks loses one chunk of several.
        "fs.gs.outputstream.upload.chunk.size": str(8 * payloads.MIB),
    }
    told = {
        "properties": {f"spark.hadoop.{name}": value for name, value in hadoop.items()},
        "jars": [str(CONNECTOR), str(jar)],
        "trust_store": str(trust_store(place.ca, home, TRUST_STORE_PASSWORD)),
        "trust_store_password": TRUST_STORE_PASSWORD,
        "work": str(home / "scratch"),
        "bucket": place.bucket,
        "file": str(file.path),
        "copy": str(home / "copy.bin"),
        **settings,
    }
    (home / "settings.json").write_text(json.dumps(told))
    spark = Client(sys.executable, home, {"PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"})
    spark.succeeds(JOB, "settings.json", "report.json", deadline=DEADLINE_SECONDS)
    return json.loads((home / "report.json").read_text()) | {"copy": home / "copy.bin"}


@pytest.fixture(scope="module")
def place(google_stores: dict[str, Google]) -> Google:
    return google_stores["dev"]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Payload:
    return payloads.multipart_file(tmp_path_factory.mktemp("spark-file"))


@pytest.fixture(scope="module")
def report(
    place: Google, provider_jar: Path, file: Payload, google_tidegate: Tidegate, tmp_path_factory: pytest.TempPathFactory
) -> dict:
    for number in range(5):
        place.stored.put(f"{LISTED}{number}", b"x")
    pages = google_tidegate.pages(place.bucket, LISTED)
    return work(place, provider_jar, tmp_path_factory.mktemp("gcs-spark"), file) | {"pages before": pages}


def test_reads_the_table_it_wrote(report: dict) -> None:
    assert report["read"] == report["written"]
    assert report["one_day"]["rows"] == report["written"]["rows"] // 2
    names = [name for name in report["listed"] if name.endswith(".parquet")]
    assert [name.partition("/")[0] for name in names] == ["day=day-0", "day=day-1"]
    assert "_SUCCESS" in report["listed"]


def test_lists_in_pages(report: dict, place: Google, google_tidegate: Tidegate) -> None:
    assert report["paged"] == [str(number) for number in range(5)]
    google_tidegate.wait_for_pages(place.bucket, LISTED, report["pages before"] + 3)


def test_carries_a_file_and_reads_a_range_of_it(report: dict, file: Payload) -> None:
    assert report["carried"] == ""
    assert sha256_of(report["copy"]) == file.sha256
    assert bytes.fromhex(report["range"]) == file.path.read_bytes()[100:110]


def test_renames_and_deletes_directories_by_batch(report: dict, place: Google, file: Payload) -> None:
    assert (report["moved"], report["deleted"], report["left"]) == (True, True, False)
    assert place.stored.sha256("spark-moved/uploaded.bin") == file.sha256
    assert not place.stored.has("spark-files/uploaded.bin")
    assert [key for key in place.stored.keys("spark/") if "events" in key] == []


def test_is_told_why_it_is_refused(report: dict, place: Google) -> None:
    assert "nobody-touches-what-is-sealed" in report["refused"]
    assert not [key for key in place.stored.keys("sealed/") if "spark" in key]


def test_resumes_an_upload_over_a_line_that_breaks(
    google_broken: Google, provider_jar: Path, huge: Payload, tmp_path: Path
) -> None:
    report = work(google_broken, provider_jar, tmp_path, huge, broken=True)
    assert report["resumed"] == ""
    assert google_broken.line.broken
    assert google_broken.stored.sha256("spark-huge/huge.bin") == huge.sha256
    assert sha256_of(report["copy"]) == huge.sha256


def test_the_page_has_the_class_and_the_settings_that_ran() -> None:
    page = PAGE.read_text()
    assert PROVIDER.read_text() in page
    lines = [line.split() for line in page.splitlines()]
    for name, value in SETTINGS.items():
        assert [f"spark.hadoop.{name}", value] in lines
