"""Who takes part: every client, once for each framing that it can be made to send."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from matrix import scripts
from matrix.cell import Cell, Driver
from matrix.command_line import AwsCli, AwsCliCrt, Rclone, S3cmd, S5cmd
from matrix.python_sdks import Boto3, MinioPy
from matrix.tools import Restic, Terraform

TARGETS = ["aws", "s3s-fs", "plain", "gcs"]
AWS_CLI_V2 = str(Path(__file__).parents[1] / ".cache" / "aws-cli-v2" / "dist" / "aws")


@dataclass(frozen=True)
class Row:
    """A client in one framing. `id` is unique; `version` is what it pins, or where it comes from."""

    id: str
    client: str
    version: str
    # What was chosen besides endpoint, CA, region and credentials; `defaults` if nothing was.
    choice: str
    start: Callable[[Cell], Driver]


def _boto3(name: str, choice: str, **arguments: object) -> Row:
    return Row(f"boto3-{name}", "boto3", "1.44.5", choice, functools.partial(Boto3, **arguments))


ROWS = [
    _boto3("defaults", "defaults"),
    _boto3("crc32c", "CRC32C", algorithm="CRC32C"),
    _boto3("crc64nvme", "CRC64NVME", algorithm="CRC64NVME"),
    _boto3("sha1", "SHA1", algorithm="SHA1"),
    _boto3("sha256", "SHA256", algorithm="SHA256"),
    _boto3("signed", "payloads signed", s3={"payload_signing_enabled": True}),
    _boto3("when-required", "`when_required`", request_checksum_calculation="when_required"),
    Row("awscli-v1", "AWS CLI v1", "1.46.3", "defaults", AwsCli),
    Row("awscli-v2", "AWS CLI v2", "2.38.5", "defaults", functools.partial(AwsCli, program=AWS_CLI_V2)),
    Row(
        "awscli-v2-crt",
        "AWS CLI v2",
        "2.38.5",
        "`preferred_transfer_client = crt`",
        functools.partial(AwsCliCrt, program=AWS_CLI_V2),
    ),
    Row("java-v2", "AWS SDK for Java v2", "2.55.9", "defaults", scripts.java("JavaV2", scripts.java_v2_jars)),
    Row(
        "java-v2-signed",
        "AWS SDK for Java v2",
        "2.55.9",
        "payloads signed",
        scripts.java("JavaV2", scripts.java_v2_jars, "signed"),
    ),
    Row("java-v1", "AWS SDK for Java v1", "1.11.901", "defaults", scripts.java("JavaV1", scripts.java_v1_jars)),
    Row(
        "java-v1-signed",
        "AWS SDK for Java v1",
        "1.11.901",
        "payloads signed",
        scripts.java("JavaV1", scripts.java_v1_jars, "signed"),
    ),
    Row("s3a", "Hadoop S3A", "3.3.1", "defaults", scripts.java("S3A", scripts.s3a_jars)),
    Row(
        "js-v3-buffer",
        "AWS SDK for JavaScript v3",
        "3.1169.0",
        "defaults, body a buffer",
        scripts.javascript("s3", "buffer"),
    ),
    Row(
        "js-v3-stream",
        "AWS SDK for JavaScript v3",
        "3.1169.0",
        "defaults, body a stream",
        scripts.javascript("s3", "stream"),
    ),
    Row("rclone", "rclone", "1.75.2", "defaults", Rclone),
    Row(
        "rclone-integrity",
        "rclone",
        "1.75.2",
        "`use_data_integrity_protections`",
        functools.partial(Rclone, settings={"RCLONE_CONFIG_GATE_USE_DATA_INTEGRITY_PROTECTIONS": "true"}),
    ),
    Row("terraform", "Terraform, S3 backend", "1.11", "defaults", Terraform),
    Row("s5cmd", "s5cmd", "2.3.0", "defaults", S5cmd),
    Row("daft", "Daft (AWS SDK for Rust)", "0.7.26", "defaults", scripts.python("daft")),
    Row("obstore", "obstore (Rust object_store)", "0.12.1", "defaults", scripts.python("obstore")),
    Row("polars", "polars", "2.1.0", "defaults", scripts.python("polars")),
    Row("minio-py", "minio-py", "7.2.20", "defaults", MinioPy),
    Row("minio-js", "minio-js", "8.0.7", "defaults", scripts.javascript("minio")),
    Row("restic", "restic", "Debian 12", "defaults", Restic),
    Row("s3cmd", "s3cmd", "Debian 12", "defaults", S3cmd),
]
