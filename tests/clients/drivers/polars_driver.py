"""polars: tables in Parquet, stored by a Rust `object_store` of its own making."""

import polars
from task import SETTINGS, key, step

OPTIONS = {
    "aws_endpoint_url": SETTINGS["endpoint"],
    "aws_region": SETTINGS["region"],
    "aws_virtual_hosted_style_request": "false",
}
ROWS = range(99_999)
# Numbers that no codec shrinks: more than the last 256 KiB, which polars asks for first.
TABLE = polars.DataFrame({"number": [hash(str(row)) for row in ROWS], "day": [f"day-{row % 3}" for row in ROWS]})
URL = f"s3://{SETTINGS['bucket']}/{key('table.parquet')}"


def scan() -> None:
    days = polars.scan_parquet(URL, storage_options=OPTIONS).filter(polars.col("day") == "day-1").collect()
    assert len(days) == len(ROWS) // 3, len(days)


def read() -> None:
    assert polars.read_parquet(URL, storage_options=OPTIONS).equals(TABLE), "the table is another"


step("write a table", lambda: TABLE.write_parquet(URL, storage_options=OPTIONS))
step("read a table", read)
step("scan a table", scan)
