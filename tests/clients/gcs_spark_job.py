"""The Spark job of `test_gcs_spark.py`: a table by `gs://`, and files as `hadoop fs` handles them.

usage: gcs_spark_job.py SETTINGS.json REPORT.json
SETTINGS: { properties, jars: [...], trust_store, trust_store_password, work, bucket, broken, file, copy }
REPORT:   { written, read, one_day, listed, range, paged, moved, copied, deleted, left, refused }
"""

import json
import sys
from pathlib import Path

from py4j.protocol import Py4JJavaError
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f
from spark_job import FileSystem, make_events, start, summary


def main() -> None:
    settings = json.loads(Path(sys.argv[1]).read_text())
    spark = start(settings)
    try:
        Path(sys.argv[2]).write_text(json.dumps(run(spark, settings), indent=2))
    finally:
        spark.stop()


def run(spark: SparkSession, settings: dict) -> dict:
    root = f"gs://{settings['bucket']}"
    if "broken" in settings:
        return {"resumed": carry(spark, settings, f"{root}/spark-huge/huge.bin")}
    table = f"{root}/spark/events"
    events = make_events(spark)
    events.write.partitionBy("day").parquet(table)
    stored = spark.read.parquet(table)
    files = FileSystem(spark, table)
    report = {
        "written": summary(events),
        "read": summary(stored),
        "one_day": summary(stored.where(f.col("day") == "day-0")),
        "listed": files.list(table),
        "carried": carry(spark, settings, f"{root}/spark-files/uploaded.bin"),
        "range": read_range(spark, f"{root}/spark-files/uploaded.bin"),
    }
    report["paged"] = files.list(f"{root}/spark-pages")
    report["moved"] = files.rename(f"{root}/spark-files", f"{root}/spark-moved")
    report["deleted"] = files.delete(table)
    report["left"] = files.exists(table)
    report["refused"] = refusal(events, f"{root}/sealed/spark")
    return report


def carry(spark: SparkSession, settings: dict, url: str) -> str:
    """There and back; what went wrong, if anything did."""
    files = FileSystem(spark, url)
    try:
        files.upload(settings["file"], url)
        files.download(url, settings["copy"])
    except Py4JJavaError as error:
        return str(error.java_exception)
    return ""


def refusal(events: DataFrame, where: str) -> str:
    """What Spark's user reads when the write is refused, down to the first cause; empty if it was not."""
    try:
        events.limit(10).write.parquet(where)
    except Py4JJavaError as error:
        causes = []
        cause = error.java_exception
        while cause is not None:
            causes.append(str(cause))
            cause = cause.getCause()
        return "\n".join(causes)
    return ""


def read_range(spark: SparkSession, url: str) -> str:
    """Ten bytes from the middle, as a Parquet reader seeks them."""
    path = spark._jvm.org.apache.hadoop.fs.Path(url)
    stream = path.getFileSystem(spark._jsc.hadoopConfiguration()).open(path)
    stream.seek(100)
    read = bytes(stream.read() for _ in range(10))
    stream.close()
    return read.hex()


if __name__ == "__main__":
    main()
