"""The Spark job of `pages/jobs.py`: everything of S3A is in Spark's own configuration, where the page has put it.

usage: spark_page_job.py SETTINGS.json REPORT.json
SETTINGS: { table, jars: [...], work }
REPORT:   { written, read }
"""

import json
import sys
from pathlib import Path

from pyspark.sql import SparkSession
from spark_job import OPENED_PACKAGES, make_events, summary


def main() -> None:
    settings = json.loads(Path(sys.argv[1]).read_text())
    opened = " ".join(f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in OPENED_PACKAGES)
    properties = {
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.extraJavaOptions": f"{opened} -XX:TieredStopAtLevel=1",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": "1g",
        "spark.hadoop.hadoop.tmp.dir": settings["work"],
        "spark.jars": ",".join(settings["jars"]),
        "spark.local.dir": settings["work"],
        "spark.sql.warehouse.dir": settings["work"],
        "spark.ui.enabled": "false",
    }
    builder = SparkSession.builder.master("local[2]").appName("page")
    for name, value in properties.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    try:
        Path(sys.argv[2]).write_text(json.dumps(run(spark, settings["table"])))
    finally:
        spark.stop()


def run(spark: SparkSession, table: str) -> dict:
    events = make_events(spark)
    # One task after the other, each with its rename: what is slow is the line.
    events.write.partitionBy("day").parquet(table)
    return {"written": summary(events), "read": summary(spark.read.parquet(table))}


if __name__ == "__main__":
    main()
