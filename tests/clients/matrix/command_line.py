"""Clients that are programs with a command for each operation."""

import json
from pathlib import Path

from harness.gateway import REGION
from harness.programs import Client
from matrix.cell import COPY, EMPTY, FIRST, GOING, GOING_TOO, LARGE, LAST, SMALL, Cell, Methods

AWS_CONFIGURATION = """\
[default]
s3 =
  multipart_threshold = 5MB
  multipart_chunksize = 5MB
"""
S3CMD_CONFIGURATION = """\
[default]
access_key = {AWS_ACCESS_KEY_ID}
secret_key = {AWS_SECRET_ACCESS_KEY}
access_token = {AWS_SESSION_TOKEN}
host_base = {host}
host_bucket = {host}
bucket_location = {region}
ca_certs_file = {ca}
use_https = True
max_retries = 1
multipart_chunk_size_mb = 5
"""


class AwsCli(Methods):
    """The AWS CLI; `settings` are lines for the `s3` section of its configuration."""

    def __init__(self, cell: Cell, program: str = "aws", settings: str = "") -> None:
        self._cell = cell
        configuration = cell.home / "config"
        configuration.write_text(AWS_CONFIGURATION + settings)
        own = {"AWS_CONFIG_FILE": str(configuration), "AWS_MAX_ATTEMPTS": "1", "AWS_PAGER": ""}
        self._aws = Client(program, cell.home, cell.web_identity | own)

    def put(self) -> None:
        self._aws.succeeds("s3", "cp", self._cell.files.small.path, self._url(SMALL))

    def put_empty(self) -> None:
        self._aws.succeeds("s3", "cp", self._cell.files.empty.path, self._url(EMPTY))

    def put_in_parts(self) -> None:
        self._aws.succeeds("s3", "cp", self._cell.files.large.path, self._url(LARGE))

    def get(self) -> Path:
        self._aws.succeeds("s3", "cp", self._url(SMALL), "back.bin")
        return self._cell.home / "back.bin"

    def get_range(self) -> bytes:
        self._aws.succeeds("s3api", "get-object", *self._at(SMALL), "--range", f"bytes={FIRST}-{LAST}", "range.bin")
        return (self._cell.home / "range.bin").read_bytes()

    def head(self) -> tuple[str, int]:
        answer = json.loads(self._aws.succeeds("s3api", "head-object", *self._at(SMALL)).output)
        return answer["ETag"], answer["ContentLength"]

    def list_keys(self) -> list[str]:
        listed = self._aws.succeeds("s3", "ls", "--recursive", self._url("")).output
        return [line.split(maxsplit=3)[3] for line in listed.splitlines()]

    def copy(self) -> None:
        self._aws.succeeds("s3", "cp", self._url(SMALL), self._url(COPY))

    def delete(self) -> None:
        self._aws.succeeds("s3", "rm", self._url(GOING))

    def delete_many(self) -> None:
        wanted = {"Objects": [{"Key": self._cell.key(name)} for name in GOING_TOO]}
        bucket = ["--bucket", self._cell.bucket]
        answer = self._aws.succeeds("s3api", "delete-objects", *bucket, "--delete", json.dumps(wanted))
        assert "Errors" not in json.loads(answer.output), answer.output

    def _url(self, name: str) -> str:
        return f"s3://{self._cell.bucket}/{self._cell.key(name)}"

    def _at(self, name: str) -> list[str]:
        return ["--bucket", self._cell.bucket, "--key", self._cell.key(name)]


class AwsCliCrt(AwsCli):
    """The AWS CLI v2 with the transfers that the CRT carries out; the rest of it is the same."""

    def __init__(self, cell: Cell, program: str) -> None:
        super().__init__(cell, program, "  preferred_transfer_client = crt\n")

    def operations(self) -> list[str]:
        return ["put", "put empty", "put in parts", "get"]


class Rclone(Methods):
    """rclone; `settings` are variables besides."""

    def __init__(self, cell: Cell, settings: dict[str, str] | None = None) -> None:
        self._cell = cell
        remote = {
            "RCLONE_CONFIG_GATE_TYPE": "s3",
            "RCLONE_CONFIG_GATE_PROVIDER": "Other",
            "RCLONE_CONFIG_GATE_ENV_AUTH": "true",
            "RCLONE_CONFIG_GATE_ENDPOINT": cell.endpoint,
            "RCLONE_CONFIG_GATE_REGION": REGION,
            "RCLONE_CONFIG_GATE_NO_CHECK_BUCKET": "true",
            "RCLONE_CONFIG_GATE_UPLOAD_CUTOFF": "5Mi",
            "RCLONE_CONFIG_GATE_CHUNK_SIZE": "5Mi",
        }
        options = ["--ca-cert", cell.ca, "--retries", "1", "--low-level-retries", "1", "--stats", "0"]
        self._rclone = Client("rclone", cell.home, cell.environment | remote | (settings or {}), options)

    def put(self) -> None:
        self._rclone.succeeds("copyto", self._cell.files.small.path, self._path(SMALL))

    def put_empty(self) -> None:
        self._rclone.succeeds("copyto", self._cell.files.empty.path, self._path(EMPTY))

    def put_in_parts(self) -> None:
        self._rclone.succeeds("copyto", self._cell.files.large.path, self._path(LARGE))

    def get(self) -> Path:
        self._rclone.succeeds("copyto", self._path(SMALL), "back.bin")
        return self._cell.home / "back.bin"

    def get_range(self) -> bytes:
        # Its output is text here, so the range goes through a file.
        span = ["--offset", str(FIRST), "--count", str(LAST - FIRST + 1)]
        self._rclone.succeeds("cat", *span, self._path(SMALL), output=self._cell.home / "range.bin")
        return (self._cell.home / "range.bin").read_bytes()

    def head(self) -> tuple[str, int]:
        stat = json.loads(self._rclone.succeeds("lsjson", "--stat", "--hash", self._path(SMALL)).output)
        return stat["Hashes"]["md5"], stat["Size"]

    def list_keys(self) -> list[str]:
        listed = self._rclone.succeeds("lsf", "--recursive", "--files-only", self._path("")).output
        return [self._cell.key(name) for name in listed.splitlines()]

    def copy(self) -> None:
        self._rclone.succeeds("copyto", self._path(SMALL), self._path(COPY))

    def delete(self) -> None:
        self._rclone.succeeds("deletefile", self._path(GOING))

    def _path(self, name: str) -> str:
        return f"gate:{self._cell.bucket}/{self._cell.key(name)}"


class S5cmd(Methods):
    """s5cmd."""

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        options = ["--endpoint-url", cell.endpoint, "--retry-count", "0"]
        self._s5cmd = Client("s5cmd", cell.home, cell.environment, options)

    def put(self) -> None:
        self._s5cmd.succeeds("cp", self._cell.files.small.path, self._url(SMALL))

    def put_empty(self) -> None:
        self._s5cmd.succeeds("cp", self._cell.files.empty.path, self._url(EMPTY))

    def put_in_parts(self) -> None:
        self._s5cmd.succeeds("cp", "--part-size", "5", self._cell.files.large.path, self._url(LARGE))

    def get(self) -> Path:
        self._s5cmd.succeeds("cp", self._url(SMALL), "back.bin")
        return self._cell.home / "back.bin"

    def head(self) -> tuple[str, int]:
        answer = json.loads(self._s5cmd.succeeds("--json", "head", self._url(SMALL)).output)
        return answer["etag"], answer["size"]

    def list_keys(self) -> list[str]:
        lines = self._s5cmd.succeeds("--json", "ls", self._url("*")).output.splitlines()
        return [json.loads(line)["key"].removeprefix(f"s3://{self._cell.bucket}/") for line in lines]

    def copy(self) -> None:
        self._s5cmd.succeeds("cp", self._url(SMALL), self._url(COPY))

    def delete(self) -> None:
        self._s5cmd.succeeds("rm", self._url(GOING))

    def delete_many(self) -> None:
        self._s5cmd.succeeds("rm", *(self._url(name) for name in GOING_TOO))

    def _url(self, name: str) -> str:
        return f"s3://{self._cell.bucket}/{self._cell.key(name)}"


class S3cmd(Methods):
    """s3cmd."""

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        configuration = cell.home / "s3cmd.ini"
        host = cell.endpoint.removeprefix("https://")
        configuration.touch(mode=0o600)
        configuration.write_text(S3CMD_CONFIGURATION.format(host=host, region=REGION, ca=cell.ca, **cell.environment))
        self._s3cmd = Client("s3cmd", cell.home, options=[f"--config={configuration}", "--no-progress"])

    def put(self) -> None:
        self._s3cmd.succeeds("put", self._cell.files.small.path, self._url(SMALL))

    def put_empty(self) -> None:
        self._s3cmd.succeeds("put", self._cell.files.empty.path, self._url(EMPTY))

    def put_in_parts(self) -> None:
        self._s3cmd.succeeds("put", self._cell.files.large.path, self._url(LARGE))

    def get(self) -> Path:
        self._s3cmd.succeeds("get", self._url(SMALL), "back.bin")
        return self._cell.home / "back.bin"

    def head(self) -> tuple[str, int]:
        lines = [line.partition(":") for line in self._s3cmd.succeeds("info", self._url(SMALL)).output.splitlines()]
        told = {name.strip(): value.strip() for name, _, value in lines}
        return told["MD5 sum"], int(told["File size"])

    def list_keys(self) -> list[str]:
        lines = self._s3cmd.succeeds("ls", "--recursive", self._url("")).output.splitlines()
        return [line.split()[-1].removeprefix(f"s3://{self._cell.bucket}/") for line in lines]

    def copy(self) -> None:
        self._s3cmd.succeeds("cp", self._url(SMALL), self._url(COPY))

    def delete(self) -> None:
        self._s3cmd.succeeds("del", self._url(GOING))

    def delete_many(self) -> None:
        self._s3cmd.succeeds("del", *(self._url(name) for name in GOING_TOO))

    def _url(self, name: str) -> str:
        return f"s3://{self._cell.bucket}/{self._cell.key(name)}"
