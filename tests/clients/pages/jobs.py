"""Clients that read and write tables."""

import json
import sys
from pathlib import Path

from harness.metadata_server import MetadataServer
from harness.programs import missing
from pages.desk import SIZE, Desk

SUITE = Path(__file__).parents[1]
JARS = [SUITE / ".cache" / "spark-jars" / name for name in ["hadoop-aws-3.3.1.jar", "aws-java-sdk-bundle-1.11.901.jar"]]
SPARK_JOB = SUITE / "spark_page_job.py"

PYARROW = f"""
import os
block = os.urandom(1 << 20)
with s3.open_output_stream("lake/jobs/pyarrow/large.bin") as file:
    for _ in range({SIZE} >> 20):
        file.write(block)
with s3.open_input_stream("lake/jobs/pyarrow/large.bin") as file:
    assert file.read() == block * ({SIZE} >> 20)
"""
DUCKDB = """
import re, sys
import duckdb
from duckdb_extensions import import_extension
for extension in ["httpfs", "aws"]:
    import_extension(extension)
session = duckdb.connect()
# The packages of the extensions stand in for INSTALL, which fetches them from the network.
for statement in re.sub(r"INSTALL \\w+;", "", sys.stdin.read()).split(";"):
    if statement.strip():
        session.execute(statement)
rows = 170_000
first = "s3://lake/jobs/duckdb/0.parquet"
for part in range(11):
    # Reading a file gets new keys if it has to, and keeps them when it is read to its end; a COPY takes those that there are.
    if part:
        assert session.execute(f"SELECT count(DISTINCT a) FROM '{first}'").fetchall() == [(15_000,)]
    rows = "SELECT i, sha256(i::VARCHAR) AS a, sha256((-i)::VARCHAR) AS b FROM range(15_000) t(i)"
    session.execute(f"COPY ({rows}) TO 's3://lake/jobs/duckdb/{part}.parquet'")
session.execute(f"SELECT * FROM '{first}'").fetchall()
assert session.execute("SELECT count(a) FROM 's3://lake/jobs/duckdb/*.parquet'").fetchall() == [(11 * 15_000,)]
"""


def pyarrow(desk: Desk) -> None:
    profile, python = desk.snippet_with_token("pyarrow").split("# Then, in Python:\n")
    desk.run(profile, f"python3 - <<'PYTHON'\n{python}{PYARROW}PYTHON")


def duckdb(desk: Desk) -> None:
    profile, statements = desk.snippet_with_token("duckdb").split("-- Then, in DuckDB:\n")
    (desk.home / "job.py").write_text(DUCKDB)
    desk.run(profile, f"python3 job.py <<'SQL'\n{statements}SQL")


def spark(desk: Desk) -> None:
    """As on Dataproc: the initialization action, and a job that knows nothing of Tidegate."""
    absent = [jar for jar in JARS if not jar.is_file()]
    if absent:
        missing(f"{absent} are not there: run tests/clients/run, which gets them")
    script = desk.home / "init.sh"
    script.write_text(desk.snippet("spark", "--binary", str(desk.home / "bin" / "tidegate")))
    place = {
        "GCE_METADATA_HOST": desk.site.metadata,
        "HADOOP_VERSION": "3.3.1",
        "SPARK_CONF_DIR": str(desk.home / "spark-conf"),
        "TIDEGATE_FOLDER": str(desk.home / "tidegate"),
    }
    settings = {"table": "s3a://lake/jobs/spark/events", "jars": [str(jar) for jar in JARS], "work": str(desk.home)}
    (desk.home / "settings.json").write_text(json.dumps(settings))
    # An initialization action runs again when a node is made anew, and has to find its own traces.
    desk.run("bash init.sh", "bash init.sh", f"{sys.executable} {SPARK_JOB} settings.json report.json", **place)
    report = json.loads((desk.home / "report.json").read_text())
    assert report["read"] == report["written"]
