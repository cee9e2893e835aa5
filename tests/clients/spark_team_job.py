"""The second Spark job of `test_spark.py`: its principal may use two prefixes and nothing else of the bucket.

usage: spark_team_job.py SETTINGS.json REPORT.json
SETTINGS: as for spark_job.py, with { directories: [...], neighbour } in place of tables and files
REPORT:   { directories: { URL: { before, read, moved, left, deleted, after } }, neighbour }
"""

import json
import sys
from pathlib import Path

from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession
from spark_job import FileSystem, start

ROWS = 1000


def main() -> None:
    settings = json.loads(Path(sys.argv[1]).read_text())
    spark = start(settings)
    try:
        Path(sys.argv[2]).write_text(json.dumps(run(spark, settings), indent=2))
    finally:
        spark.stop()


def run(spark: SparkSession, settings: dict) -> dict:
    return {
        "directories": {url: use(spark, url) for url in settings["directories"]},
        "neighbour": refusal(spark, settings["neighbour"]),
    }


def use(spark: SparkSession, url: str) -> dict:
    """Everything that a job does in a directory of its own, beginning before it is there."""
    files = FileSystem(spark, url)
    report = {"before": files.exists(f"{url}/events")}
    rows = spark.range(ROWS).repartition(2)
    rows.write.parquet(f"{url}/events")
    rows.write.mode("append").parquet(f"{url}/events")
    report["read"] = spark.read.parquet(f"{url}/events").count()
    files.make_directory(f"{url}/empty/deep")
    report["moved"] = files.rename(f"{url}/events", f"{url}/empty/deep/events")
    report["left"] = [name.rpartition("/")[0] for name in files.list(f"{url}/empty") if name.endswith(".parquet")]
    report["deleted"] = files.delete(f"{url}/empty")
    report["after"] = files.exists(url)
    return report


def refusal(spark: SparkSession, url: str) -> str:
    """What a job reads that looks at somebody else's directory."""
    try:
        spark.read.parquet(url)
    except Py4JJavaError as error:
        return str(error.java_exception)
    return ""


if __name__ == "__main__":
    main()
