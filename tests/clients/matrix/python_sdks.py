"""Clients that are Python libraries and run in this process: boto3 and minio-py."""

import ssl
from typing import Any

import boto3
import minio
import urllib3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from minio.commonconfig import CopySource
from minio.deleteobjects import DeleteObject

from harness.gateway import REGION
from matrix.cell import COPY, EMPTY, FIRST, GOING, GOING_TOO, LARGE, LAST, PART_SIZE, SMALL, Cell, Methods

IN_PARTS = TransferConfig(multipart_threshold=PART_SIZE, multipart_chunksize=PART_SIZE)


class Boto3(Methods):
    """boto3 with an endpoint and a CA. `algorithm` and `config` are what a caller might choose besides."""

    def __init__(self, cell: Cell, algorithm: str | None = None, **config: Any) -> None:
        self._cell = cell
        keys = cell.environment
        self._s3 = boto3.session.Session().client(
            "s3",
            endpoint_url=cell.endpoint,
            region_name=REGION,
            aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=keys["AWS_SESSION_TOKEN"],
            verify=cell.ca,
            config=Config(retries={"total_max_attempts": 1}, **config),
        )
        self._sent = {"ChecksumAlgorithm": algorithm} if algorithm else {}

    def put(self) -> str:
        return self._put(SMALL, self._cell.files.small.path.read_bytes())

    def put_empty(self) -> str:
        return self._put(EMPTY, b"")

    def put_in_parts(self) -> str:
        key = self._cell.key(LARGE)
        path = str(self._cell.files.large.path)
        self._s3.upload_file(path, self._cell.bucket, key, ExtraArgs=self._sent, Config=IN_PARTS)
        return self._s3.head_object(Bucket=self._cell.bucket, Key=key)["ETag"]

    def get(self) -> bytes:
        return self._s3.get_object(Bucket=self._cell.bucket, Key=self._cell.key(SMALL))["Body"].read()

    def get_range(self) -> bytes:
        span = f"bytes={FIRST}-{LAST}"
        return self._s3.get_object(Bucket=self._cell.bucket, Key=self._cell.key(SMALL), Range=span)["Body"].read()

    def head(self) -> tuple[str, int]:
        answer = self._s3.head_object(Bucket=self._cell.bucket, Key=self._cell.key(SMALL))
        return answer["ETag"], answer["ContentLength"]

    def list_keys(self) -> list[str]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._cell.bucket, Prefix=self._cell.prefix, PaginationConfig={"PageSize": 4}
        )
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def copy(self) -> str:
        source = {"Bucket": self._cell.bucket, "Key": self._cell.key(SMALL)}
        answer = self._s3.copy_object(Bucket=self._cell.bucket, Key=self._cell.key(COPY), CopySource=source)
        return answer["CopyObjectResult"]["ETag"]

    def delete(self) -> None:
        self._s3.delete_object(Bucket=self._cell.bucket, Key=self._cell.key(GOING))

    def delete_many(self) -> None:
        wanted = {"Objects": [{"Key": self._cell.key(name)} for name in GOING_TOO]}
        answer = self._s3.delete_objects(Bucket=self._cell.bucket, Delete=wanted)
        assert not answer.get("Errors"), answer["Errors"]

    def _put(self, name: str, body: bytes) -> str:
        return self._s3.put_object(Bucket=self._cell.bucket, Key=self._cell.key(name), Body=body, **self._sent)["ETag"]


class MinioPy(Methods):
    """minio-py."""

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        keys = cell.environment
        self._client = minio.Minio(
            endpoint=cell.endpoint.removeprefix("https://"),
            access_key=keys["AWS_ACCESS_KEY_ID"],
            secret_key=keys["AWS_SECRET_ACCESS_KEY"],
            session_token=keys["AWS_SESSION_TOKEN"],
            region=REGION,
            http_client=urllib3.PoolManager(
                ssl_context=ssl.create_default_context(cafile=cell.ca), retries=urllib3.Retry(total=0)
            ),
        )

    def put(self) -> str:
        return self._put(SMALL, str(self._cell.files.small.path))

    def put_empty(self) -> str:
        return self._put(EMPTY, str(self._cell.files.empty.path))

    def put_in_parts(self) -> str:
        return self._put(LARGE, str(self._cell.files.large.path))

    def get(self) -> bytes:
        return self._get()

    def get_range(self) -> bytes:
        return self._get(offset=FIRST, length=LAST - FIRST + 1)

    def head(self) -> tuple[str, int]:
        stat = self._client.stat_object(bucket_name=self._cell.bucket, object_name=self._cell.key(SMALL))
        return stat.etag, stat.size

    def list_keys(self) -> list[str]:
        listed = self._client.list_objects(bucket_name=self._cell.bucket, prefix=self._cell.prefix, recursive=True)
        return [entry.object_name for entry in listed]

    def copy(self) -> str:
        source = CopySource(self._cell.bucket, self._cell.key(SMALL))
        return self._client.copy_object(self._cell.bucket, self._cell.key(COPY), source).etag

    def delete(self) -> None:
        self._client.remove_object(bucket_name=self._cell.bucket, object_name=self._cell.key(GOING))

    def delete_many(self) -> None:
        names = [DeleteObject(self._cell.key(name)) for name in GOING_TOO]
        errors = list(self._client.remove_objects(self._cell.bucket, names))
        assert not errors, errors

    def _put(self, name: str, path: str) -> str:
        return self._client.fput_object(
            bucket_name=self._cell.bucket, object_name=self._cell.key(name), file_path=path, part_size=PART_SIZE
        ).etag

    def _get(self, **span: int) -> bytes:
        answer = self._client.get_object(bucket_name=self._cell.bucket, object_name=self._cell.key(SMALL), **span)
        with answer:
            return answer.read()
