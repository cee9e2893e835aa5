"""What a real store answers arrives as it answered it.

Every question is put to the store directly and through Tidegate. Both answers have to agree in all that a client
reads: values, versions, checksums, dates, and for refusals status and code. What the two real stores differ in follows
from the same answers, and goes into `docs/clients/matrix.md`.
"""

from collections.abc import Callable
from typing import Any

import botocore.exceptions
import pytest

from harness.identities import Identities
from harness.sdk import session_client
from harness.targets import BUCKET as STORED
from harness.targets import Target
from harness.tidegate import Tidegate
from matrix.document import Proven

STORES = ["aws", "s3s-fs"]
MIB = 1 << 20
# What belongs to a connection or a server, and what S3 does not know: SeaweedFS tells some things twice.
NOT_OF_THE_OBJECT = {
    "connection",
    "date",
    "server",
    "vary",
    # The region that callers sign for is Tidegate's to say.
    "x-amz-bucket-region",
    "x-amz-id-2",
    "x-amz-request-id",
}
NOT_OF_S3 = ("seaweed-", "x-amz-tagging-")
# Documents are written anew, so their length is not the store's.
NOT_OF_A_DOCUMENT = {"accept-ranges", "content-length"}
# Names of buckets, tokens of pages, ids of uploads.
OF_THE_ASKER = {"Bucket", "Name", "NextContinuationToken", "UploadId"}
ODD = "stores/a b+c&d=é/(1).txt"
Ask = Callable[[Any, str], dict]
# Of objects that `prepared` put there.
QUESTIONS: dict[str, Ask] = {
    "GetObject": lambda s3, b: s3.get_object(Bucket=b, Key="stores/small.txt"),
    "GetObject, checksum mode": lambda s3, b: s3.get_object(Bucket=b, Key="stores/small.txt", ChecksumMode="ENABLED"),
    "GetObject, range": lambda s3, b: s3.get_object(Bucket=b, Key="stores/small.txt", Range="bytes=2-5"),
    "GetObject, last bytes": lambda s3, b: s3.get_object(Bucket=b, Key="stores/small.txt", Range="bytes=-3"),
    "GetObject, more last bytes than there are": lambda s3, b: s3.get_object(
        Bucket=b, Key="stores/small.txt", Range="bytes=-99"
    ),
    "GetObject, range past the end": lambda s3, b: s3.get_object(Bucket=b, Key="stores/small.txt", Range="bytes=99-"),
    "GetObject, part": lambda s3, b: s3.get_object(Bucket=b, Key="stores/parts.bin", PartNumber=2),
    "GetObject, other content type": lambda s3, b: s3.get_object(
        Bucket=b, Key="stores/small.txt", ResponseContentType="text/x-other"
    ),
    "GetObject, odd key": lambda s3, b: s3.get_object(Bucket=b, Key=ODD),
    "GetObject, missing": lambda s3, b: s3.get_object(Bucket=b, Key="stores/missing.txt"),
    "GetObject, If-None-Match": lambda s3, b: s3.get_object(Bucket=b, Key="stores/small.txt", IfNoneMatch=etag(s3, b)),
    "GetObject, If-Match": lambda s3, b: s3.get_object(Bucket=b, Key="stores/small.txt", IfMatch='"other"'),
    "HeadObject": lambda s3, b: s3.head_object(Bucket=b, Key="stores/small.txt", ChecksumMode="ENABLED"),
    "HeadObject, empty": lambda s3, b: s3.head_object(Bucket=b, Key="stores/empty.txt", ChecksumMode="ENABLED"),
    "HeadObject, in parts": lambda s3, b: s3.head_object(Bucket=b, Key="stores/parts.bin", ChecksumMode="ENABLED"),
    "HeadObject, metadata": lambda s3, b: s3.head_object(Bucket=b, Key="stores/described.txt"),
    "HeadObject, missing": lambda s3, b: s3.head_object(Bucket=b, Key="stores/missing.txt"),
    "GetObjectAttributes": lambda s3, b: s3.get_object_attributes(
        Bucket=b,
        Key="stores/parts.bin",
        ObjectAttributes=["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"],
    ),
    "GetObjectTagging": lambda s3, b: s3.get_object_tagging(Bucket=b, Key="stores/described.txt"),
    "ListObjectsV2": lambda s3, b: s3.list_objects_v2(Bucket=b, Prefix="stores/"),
    "ListObjectsV2, by folder": lambda s3, b: s3.list_objects_v2(Bucket=b, Prefix="stores/", Delimiter="/"),
    "ListObjectsV2, first page": lambda s3, b: s3.list_objects_v2(Bucket=b, Prefix="stores/", MaxKeys=2),
    "ListObjectsV2, start after": lambda s3, b: s3.list_objects_v2(Bucket=b, Prefix="stores/", StartAfter="stores/e"),
    "ListObjectsV2, owners": lambda s3, b: s3.list_objects_v2(Bucket=b, Prefix="stores/", FetchOwner=True),
    "ListObjects": lambda s3, b: s3.list_objects(Bucket=b, Prefix="stores/"),
    "ListObjectVersions": lambda s3, b: s3.list_object_versions(Bucket=b, Prefix="stores/"),
    "ListMultipartUploads": lambda s3, b: s3.list_multipart_uploads(Bucket=b, Prefix="stores/"),
    "GetBucketVersioning": lambda s3, b: s3.get_bucket_versioning(Bucket=b),
    "GetBucketLocation": lambda s3, b: s3.get_bucket_location(Bucket=b),
    "HeadBucket": lambda s3, b: s3.head_bucket(Bucket=b),
    "PutObject": lambda s3, b: s3.put_object(Bucket=b, Key="written/new.txt", Body=b"new"),
    "PutObject, SHA256": lambda s3, b: s3.put_object(
        Bucket=b, Key="written/new.txt", Body=b"new", ChecksumAlgorithm="SHA256"
    ),
    "PutObject, If-None-Match": lambda s3, b: s3.put_object(
        Bucket=b, Key="stores/small.txt", Body=b"other", IfNoneMatch="*"
    ),
    "PutObject, If-Match": lambda s3, b: s3.put_object(
        Bucket=b, Key="stores/small.txt", Body=b"0123456789", ContentType="text/plain", IfMatch='"other"'
    ),
    "CopyObject": lambda s3, b: s3.copy_object(
        Bucket=b, Key="written/copy.txt", CopySource={"Bucket": b, "Key": "stores/small.txt"}
    ),
    "CopyObject, missing": lambda s3, b: s3.copy_object(
        Bucket=b, Key="written/copy.txt", CopySource={"Bucket": b, "Key": "stores/missing.txt"}
    ),
    "DeleteObject, missing": lambda s3, b: s3.delete_object(Bucket=b, Key="written/missing.txt"),
    "DeleteObjects, missing": lambda s3, b: s3.delete_objects(
        Bucket=b, Delete={"Objects": [{"Key": "written/missing.txt"}]}
    ),
    "ListParts": lambda s3, b: listed_parts(s3, b),
    "ListParts, ended upload": lambda s3, b: listed_parts(s3, b, ended=True),
}


@pytest.fixture(scope="module")
def prepared(matrix_targets: list[Target]) -> dict[str, Any]:
    """The stores with the objects that are asked for, by name: clients that know their keys."""
    direct = {target.name: target.view.s3 for target in matrix_targets if target.name in STORES}
    for s3 in direct.values():
        s3.put_object(Bucket=STORED, Key="stores/small.txt", Body=b"0123456789", ContentType="text/plain")
        s3.put_object(Bucket=STORED, Key="stores/empty.txt", Body=b"")
        s3.put_object(Bucket=STORED, Key=ODD, Body=b"odd")
        s3.put_object(
            Bucket=STORED,
            Key="stores/described.txt",
            Body=b"described",
            Metadata={"origin": "suite", "Mixed-Case": "Kept as it is"},
            CacheControl="max-age=60",
            ContentDisposition='attachment; filename="d.txt"',
            ContentLanguage="de",
            ContentType="text/plain; charset=utf-8",
            Tagging="team=lake",
        )
        put_in_parts(s3, "stores/parts.bin")
    return direct


@pytest.fixture(scope="module")
def through(matrix_tidegate: Tidegate, matrix_identities: Identities):
    """The same stores, through Tidegate."""
    return session_client(matrix_tidegate.gateway, matrix_identities.session_keys("etl"))


@pytest.mark.parametrize("name", STORES)
@pytest.mark.parametrize("question", QUESTIONS)
def test_store_is_relayed_unchanged(
    question: str, name: str, prepared: dict[str, Any], through, proven: Proven
) -> None:
    ask = QUESTIONS[question]
    direct = asked(ask, prepared[name], STORED)
    relayed = asked(ask, through, name)
    proven.answers.setdefault(question, {})[name] = direct
    found = differences(relayed, direct)
    assert not found, "\n".join(f"DIFF {name}: {pair}" for name, pair in found.items())


def asked(ask: Ask, s3, bucket: str) -> dict[str, Any]:
    """An answer without what differs from one connection to the next: names of buckets and page tokens among it."""
    try:
        answer = ask(s3, bucket)
    except botocore.exceptions.ClientError as error:
        metadata = error.response["ResponseMetadata"]
        return {"status": metadata["HTTPStatusCode"], "code": error.response["Error"]["Code"]}
    metadata = answer.pop("ResponseMetadata")
    answer.pop("BucketRegion", None)
    headers = metadata["HTTPHeaders"]
    left_out = NOT_OF_THE_OBJECT | (NOT_OF_A_DOCUMENT if "xml" in headers.get("content-type", "") else set())
    headers = {
        name: value for name, value in headers.items() if name not in left_out and not name.startswith(NOT_OF_S3)
    }
    if "Body" in answer:
        answer["Body"] = answer["Body"].read()
    for name in OF_THE_ASKER & answer.keys():
        answer[name] = "…"
    for told in [answer.get("CopyObjectResult", {}), *answer.get("Parts", [])]:
        told.pop("LastModified", None)
    return {"status": metadata["HTTPStatusCode"], "headers": headers, **answer}


def differences(relayed: dict, direct: dict) -> dict[str, tuple]:
    """What is not the same: what was relayed, and what the store had said."""
    one, other = flat(relayed), flat(direct)
    return {name: (one.get(name), other.get(name)) for name in one | other if one.get(name) != other.get(name)}


def flat(value: object, name: str = "") -> dict[str, object]:
    match value:
        case dict():
            return {k: v for part, inner in value.items() for k, v in flat(inner, f"{name}.{part}").items()}
        case list():
            return {k: v for place, inner in enumerate(value) for k, v in flat(inner, f"{name}[{place}]").items()}
    return {name: value}


def etag(s3, bucket: str) -> str:
    return s3.head_object(Bucket=bucket, Key="stores/small.txt")["ETag"]


def listed_parts(s3, bucket: str, ended: bool = False) -> dict:
    """The parts of an upload that is under way, or no longer."""
    key = "written/parts.bin"
    upload = {"Bucket": bucket, "Key": key, "UploadId": s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]}
    s3.upload_part(**upload, PartNumber=1, Body=b"part")
    if ended:
        s3.abort_multipart_upload(**upload)
    answer = s3.list_parts(**upload)
    s3.abort_multipart_upload(**upload)
    return answer


def put_in_parts(s3, key: str) -> None:
    upload = s3.create_multipart_upload(Bucket=STORED, Key=key, ChecksumAlgorithm="CRC32")["UploadId"]
    parts = []
    for number, body in enumerate([b"a" * (5 * MIB), b"b"], 1):
        sent = s3.upload_part(Bucket=STORED, Key=key, UploadId=upload, PartNumber=number, Body=body)
        told = {name: sent[name] for name in ("ETag", "ChecksumCRC32") if name in sent}
        parts.append({"PartNumber": number, **told})
    s3.complete_multipart_upload(Bucket=STORED, Key=key, UploadId=upload, MultipartUpload={"Parts": parts})
