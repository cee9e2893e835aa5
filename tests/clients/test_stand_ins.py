"""The stand-ins are as strict as what they stand for: what an old store or Google would refuse, they refuse.

If one of these passes what it should not, the matrix proves less than it says.
"""

import base64
import hashlib
import urllib.error
import urllib.request
from collections.abc import Callable

import botocore.exceptions
import pytest
from awscrt import checksums
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

from harness.certificates import CertificateAuthority
from harness.targets import BUCKET, GcsBucket, Target, store_client

BODY = b"body of a stand-in"
MIB = 1 << 20
CAREFUL = {"request_checksum_calculation": "when_required", "response_checksum_validation": "when_required"}


@pytest.fixture(scope="module")
def plain(matrix_targets: list[Target], authority: CertificateAuthority) -> Callable:
    """Clients of the plain stand-in, past Tidegate, with a configuration and keys of their own."""
    (target,) = (target for target in matrix_targets if target.name == "plain")
    right = target.view.s3

    def client(secret: str | None = None, **config: object):
        keys = right._request_signer._credentials
        return store_client(
            right.meta.endpoint_url,
            keys.access_key,
            secret or keys.secret_key,
            Config(retries={"total_max_attempts": 1}, **config),
            authority,
        )

    return client


@pytest.fixture(scope="module")
def gcs(matrix_targets: list[Target]) -> GcsBucket:
    (target,) = (target for target in matrix_targets if target.name == "gcs")
    return target.view


def test_plain_takes_what_a_careful_client_sends(plain: Callable, tmp_path) -> None:
    s3 = plain(**CAREFUL)
    s3.put_object(Bucket=BUCKET, Key="careful/a b+c.txt", Body=BODY, Metadata={"origin": "suite"})
    answer = s3.get_object(Bucket=BUCKET, Key="careful/a b+c.txt")
    assert (answer["Body"].read(), answer["Metadata"]) == (BODY, {"origin": "suite"})
    file = tmp_path / "large.bin"
    file.write_bytes(b"x" * (5 * MIB + 1))
    in_parts = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB)
    s3.upload_file(str(file), BUCKET, "careful/large.bin", Config=in_parts)
    assert s3.head_object(Bucket=BUCKET, Key="careful/large.bin")["ETag"].endswith('-2"')
    listed = s3.list_objects_v2(Bucket=BUCKET, Prefix="careful/")
    assert [entry["Key"] for entry in listed["Contents"]] == ["careful/a b+c.txt", "careful/large.bin"]


def test_plain_refuses_what_came_after_it(plain: Callable) -> None:
    # boto3 as it comes: a trailer in aws-chunked, and no length.
    assert refusal_by_plain(plain()) == (411, "MissingContentLength")
    assert refusal_by_plain(plain(**CAREFUL), ContentEncoding="aws-chunked") == (400, "InvalidArgument")


def test_plain_refuses_signatures_that_are_wrong(plain: Callable) -> None:
    assert refusal_by_plain(plain(secret="another", **CAREFUL)) == (403, "SignatureDoesNotMatch")
    unsigned = plain(**CAREFUL)
    unsigned.meta.events.register("before-send.s3", add_unsigned_header)
    assert refusal_by_plain(unsigned) == (403, "AccessDenied")


def test_plain_refuses_other_bytes_than_were_declared(plain: Callable) -> None:
    assert refusal_by_plain(plain(**CAREFUL), ContentMD5=base64.b64encode(bytes(16)).decode()) == (400, "BadDigest")


def test_gcs_takes_a_token_and_its_own_headers(gcs: GcsBucket) -> None:
    crc32c = base64.b64encode(checksums.crc32c(BODY).to_bytes(4, "big")).decode()
    md5 = base64.b64encode(hashlib.md5(BODY).digest()).decode()
    headers, _ = gcs.call(
        "PUT", "own.txt", BODY, {"x-goog-hash": f"crc32c={crc32c},md5={md5}", "x-goog-meta-origin": "suite"}
    )
    assert headers["x-goog-hash"] == f"crc32c={crc32c},md5={md5}"
    headers, body = gcs.call("GET", "own.txt")
    assert (body, headers["x-goog-meta-origin"]) == (BODY, "suite")
    generation = headers["x-goog-generation"]
    assert refusal_by_gcs(gcs, {"x-goog-if-generation-match": "0"}, "own.txt") == (412, "PreconditionFailed")
    gcs.call("PUT", "own.txt", BODY, {"x-goog-if-generation-match": generation})


@pytest.mark.parametrize(
    ("headers", "refused"),
    [
        ({"Authorization": "Bearer of-nobody"}, (401, "AuthenticationRequired")),
        ({"Authorization": "AWS4-HMAC-SHA256 Credential=a/b"}, (401, "AuthenticationRequired")),
        ({"x-amz-content-sha256": "UNSIGNED-PAYLOAD"}, (400, "InvalidArgument")),
        ({"x-amz-checksum-crc32c": "AAAAAA=="}, (400, "InvalidArgument")),
        ({"x-amz-meta-origin": "suite"}, (400, "InvalidArgument")),
        ({"Content-Encoding": "aws-chunked"}, (400, "InvalidArgument")),
        ({"If-None-Match": "*"}, (400, "InvalidArgument")),
        ({"x-goog-hash": "crc32c=AAAAAA=="}, (400, "BadDigest")),
        ({"x-goog-hash": "sha256=AAAAAA=="}, (400, "InvalidArgument")),
        ({"Content-MD5": base64.b64encode(bytes(16)).decode()}, (400, "BadDigest")),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_gcs_refuses_what_google_refuses(gcs: GcsBucket, headers: dict[str, str], refused: tuple[int, str]) -> None:
    assert refusal_by_gcs(gcs, headers) == refused
    assert not gcs.has("refused.txt")


def add_unsigned_header(request, **_: object) -> None:
    request.headers["x-amz-tagging"] = "a=b"


def refusal_by_plain(s3, **parameters: str) -> tuple[int, str]:
    with pytest.raises(botocore.exceptions.ClientError) as error:
        s3.put_object(Bucket=BUCKET, Key="refused.txt", Body=BODY, **parameters)
    return error.value.response["ResponseMetadata"]["HTTPStatusCode"], error.value.response["Error"]["Code"]


def refusal_by_gcs(gcs: GcsBucket, headers: dict[str, str], key: str = "refused.txt") -> tuple[int, str]:
    with pytest.raises(urllib.error.HTTPError) as error:
        gcs.call("PUT", key, BODY, headers)
    return error.value.code, error.value.read().decode().partition("<Code>")[2].partition("</Code>")[0]
