"""Daft, which stores with the AWS SDK for Rust."""

import os

import daft
from daft.io import IOConfig, S3Config
from task import SETTINGS, as_bytes, content, key, step

IO = IOConfig(
    s3=S3Config(
        endpoint_url=SETTINGS["endpoint"],
        region_name=SETTINGS["region"],
        key_id=os.environ["AWS_ACCESS_KEY_ID"],
        access_key=os.environ["AWS_SECRET_ACCESS_KEY"],
        session_token=os.environ["AWS_SESSION_TOKEN"],
        num_tries=1,
    )
)


def url(name: str) -> str:
    return f"s3://{SETTINGS['bucket']}/{key(name)}"


def put(name: str, body: bytes) -> None:
    frame = daft.from_pydict({"body": [body], "url": [url(name)]})
    frame.select(daft.col("body").upload(daft.col("url"), io_config=IO)).collect()


def get() -> list[str]:
    frame = daft.from_pydict({"url": [url("small.bin")]})
    return as_bytes(frame.select(daft.col("url").download(io_config=IO)).to_pydict()["url"][0])


def list_keys() -> list[str]:
    found = daft.from_glob_path(url("*"), io_config=IO).to_pydict()["path"]
    return ["keys", *(path.removeprefix(f"s3://{SETTINGS['bucket']}/") for path in found)]


step("put", lambda: put("small.bin", content("small")))
step("put empty", lambda: put("empty.bin", b""))
step("get", get)
step("list keys", list_keys)
