"""The Spark job of `test_spark.py`, run by a Python of its own: writes a table, reads it back, and reports as JSON.

usage: spark_job.py SETTINGS.json REPORT.json
SETTINGS: { s3a: { property: value }, jars: [...], trust_store, trust_store_password, work, table, file, copy, forbidden }
REPORT:   { written, read, one_day, listed, deleted, refused }
"""

import json
import sys
from pathlib import Path

from py4j.protocol import Py4JJavaError
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f

DAYS = 2
# 256 bytes a row that no codec shrinks: each day's file is well past two parts of 5 MiB.
ROWS = DAYS * 50_000
# What Hadoop's and Spark's reflection needs on Java 17.
OPENED_PACKAGES = [
    "java.lang",
    "java.lang.invoke",
    "java.net",
    "java.nio",
    "java.util",
    "java.util.concurrent",
    "sun.nio.ch",
    "sun.security.action",
]


def main() -> None:
    settings = json.loads(Path(sys.argv[1]).read_text())
    spark = start(settings)
    try:
        Path(sys.argv[2]).write_text(json.dumps(run(spark, settings), indent=2))
    finally:
        spark.stop()


def run(spark: SparkSession, settings: dict) -> dict:
    table = settings["table"]
    events = make_events(spark)
    events.write.partitionBy("day").parquet(table)
    stored = spark.read.parquet(table)
    report = {
        "written": summary(events),
        "read": summary(stored),
        "one_day": summary(stored.where(f.col("day") == "day-0")),
    }
    files = FileSystem(spark, table)
    files.upload(settings["file"], f"{table}-files/uploaded.bin")
    files.download(f"{table}-files/uploaded.bin", settings["copy"])
    report["listed"] = files.list(table)
    report["deleted"] = files.delete(f"{table}/day=day-1")
    report["refused"] = refusal(events, settings["forbidden"])
    return report


def make_events(spark: SparkSession) -> DataFrame:
    noise = [f.unhex(f.sha2(f.concat_ws("-", "id", f.lit(salt)), 512)) for salt in range(4)]
    day = f.concat(f.lit("day-"), f.col("id") % DAYS)
    # One file for each day.
    return spark.range(ROWS).select("id", day.alias("day"), f.concat(*noise).alias("noise")).repartition(DAYS, "day")


def summary(events: DataFrame) -> dict[str, int]:
    """Rows, and a checksum that does not depend on their order."""
    row = events.agg(f.count("*").alias("rows"), f.sum(f.crc32("noise")).alias("checksum")).first()
    return {"rows": row["rows"], "checksum": row["checksum"]}


def refusal(events: DataFrame, where: str) -> str:
    """What Spark's user reads when the write is refused; empty if it was not."""
    try:
        events.limit(10).write.parquet(where)
    except Py4JJavaError as error:
        return str(error.java_exception)
    return ""


class FileSystem:
    """One of Hadoop's file systems, as `hadoop fs` uses it."""

    def __init__(self, spark: SparkSession, url: str) -> None:
        self._java = spark._jvm
        self._system = self._path(url).getFileSystem(spark._jsc.hadoopConfiguration())

    def upload(self, local: str, url: str) -> None:
        self._system.copyFromLocalFile(self._path(f"file://{local}"), self._path(url))

    def download(self, url: str, local: str) -> None:
        self._system.copyToLocalFile(False, self._path(url), self._path(f"file://{local}"), True)

    def list(self, url: str) -> list[str]:
        """Names relative to `url` of all files under it."""
        found = self._system.listFiles(self._path(url), True)
        names = []
        while found.hasNext():
            names.append(found.next().getPath().toString().removeprefix(f"{url}/"))
        return sorted(names)

    def exists(self, url: str) -> bool:
        return self._system.exists(self._path(url))

    def make_directory(self, url: str) -> bool:
        return self._system.mkdirs(self._path(url))

    def rename(self, url: str, to: str) -> bool:
        return self._system.rename(self._path(url), self._path(to))

    def delete(self, url: str) -> bool:
        return self._system.delete(self._path(url), True)

    def _path(self, url: str):
        return self._java.org.apache.hadoop.fs.Path(url)


def start(settings: dict) -> SparkSession:
    java_options = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in OPENED_PACKAGES]
    java_options.append(f"-Djavax.net.ssl.trustStore={settings['trust_store']}")
    java_options.append(f"-Djavax.net.ssl.trustStorePassword={settings['trust_store_password']}")
    # A job of half a minute never earns back the optimising compiler's time.
    java_options.append("-XX:TieredStopAtLevel=1")
    properties = {
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.extraJavaOptions": " ".join(java_options),
        "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": "1g",
        "spark.hadoop.hadoop.tmp.dir": settings["work"],
        "spark.jars": ",".join(settings["jars"]),
        "spark.local.dir": settings["work"],
        "spark.sql.warehouse.dir": settings["work"],
        "spark.ui.enabled": "false",
        **{f"spark.hadoop.fs.s3a.{name}": value for name, value in settings.get("s3a", {}).items()},
        **settings.get("properties", {}),
    }
    builder = SparkSession.builder.master("local[2]").appName("client-suite")
    for name, value in properties.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


if __name__ == "__main__":
    main()
