"""boto3, by web identity, with both addressing styles and presigned URLs."""

import ssl
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import boto3
import pytest
from boto3.s3.transfer import TransferConfig

from harness.gateway import REGION, Gateway, Secrets
from harness.identities import Identities
from harness.payloads import MULTIPART_PARTS, PART_SIZE, Payload, sha256_of
from harness.sdk import Boto3
from harness.store import StoredBucket

IN_PARTS = TransferConfig(multipart_threshold=PART_SIZE, multipart_chunksize=PART_SIZE)
# What S3 has to sign exactly as it is sent: a space, a plus, a percent sign that looks like an escape, UTF-8.
ODD_KEY = "tmp/boto3/a b+c%41=d&é (1).txt"
URL_SECONDS = 300


@pytest.fixture(params=["path", "virtual"])
def etl(
    request: pytest.FixtureRequest, gateway: Gateway, identities: Identities, monkeypatch: pytest.MonkeyPatch
) -> Boto3:
    return Boto3("etl", request.param, gateway, identities, monkeypatch)


@pytest.fixture
def analyst(gateway: Gateway, identities: Identities, monkeypatch: pytest.MonkeyPatch) -> Boto3:
    return Boto3("analyst", "path", gateway, identities, monkeypatch)


def test_boto3_round_trips_a_file(etl: Boto3, lake: StoredBucket, small: Payload, tmp_path: Path) -> None:
    etl.s3.upload_file(str(small.path), etl.bucket, "tmp/boto3/small.bin")
    assert lake.sha256("tmp/boto3/small.bin") == small.sha256
    etl.s3.download_file(etl.bucket, "tmp/boto3/small.bin", str(tmp_path / "back.bin"))
    assert sha256_of(tmp_path / "back.bin") == small.sha256


def test_boto3_round_trips_an_odd_key(etl: Boto3, lake: StoredBucket) -> None:
    etl.s3.put_object(Bucket=etl.bucket, Key=ODD_KEY, Body=b"odd", Metadata={"origin": "suite"})
    assert lake.has(ODD_KEY)
    answer = etl.s3.get_object(Bucket=etl.bucket, Key=ODD_KEY)
    assert answer["Body"].read() == b"odd"
    assert answer["Metadata"] == {"origin": "suite"}


def test_boto3_transfers_a_file_in_parts(etl: Boto3, lake: StoredBucket, large: Payload, tmp_path: Path) -> None:
    etl.s3.upload_file(str(large.path), etl.bucket, "tmp/boto3/large.bin", Config=IN_PARTS)
    assert lake.parts("tmp/boto3/large.bin") == MULTIPART_PARTS
    assert lake.sha256("tmp/boto3/large.bin") == large.sha256
    etl.s3.download_file(etl.bucket, "tmp/boto3/large.bin", str(tmp_path / "back.bin"), Config=IN_PARTS)
    assert sha256_of(tmp_path / "back.bin") == large.sha256


def test_boto3_reads_a_range(etl: Boto3, lake: StoredBucket, small: Payload) -> None:
    content = small.path.read_bytes()
    lake.put("tmp/boto3/ranged.bin", content)
    answer = etl.s3.get_object(Bucket=etl.bucket, Key="tmp/boto3/ranged.bin", Range="bytes=100-199")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert answer["ContentRange"] == f"bytes 100-199/{len(content)}"
    assert answer["Body"].read() == content[100:200]


def test_boto3_lists_page_by_page(etl: Boto3, lake: StoredBucket) -> None:
    keys = [f"tmp/boto3-list/{number} +.txt" for number in range(5)]
    for key in keys:
        lake.put(key, b"listed")
    pages = list(
        etl.s3.get_paginator("list_objects_v2").paginate(
            Bucket=etl.bucket, Prefix="tmp/boto3-list/", PaginationConfig={"PageSize": 2}
        )
    )
    assert len(pages) == 3
    assert [entry["Key"] for page in pages for entry in page["Contents"]] == keys


def test_boto3_deletes_what_its_policy_allows(etl: Boto3, lake: StoredBucket) -> None:
    lake.put("tmp/boto3/old.txt", b"old")
    etl.s3.delete_object(Bucket=etl.bucket, Key="tmp/boto3/old.txt")
    assert not lake.has("tmp/boto3/old.txt")


def test_boto3_is_answered_key_by_key_when_it_deletes_many(etl: Boto3, gateway: Gateway, lake: StoredBucket) -> None:
    lake.put("tmp/boto3/goes.txt", b"goes")
    lake.put("raw/boto3-stays.txt", b"stays")
    answer = etl.s3.delete_objects(
        Bucket=etl.bucket,
        Delete={"Objects": [{"Key": "tmp/boto3/goes.txt"}, {"Key": "raw/boto3-stays.txt"}]},
    )
    assert [deleted["Key"] for deleted in answer["Deleted"]] == ["tmp/boto3/goes.txt"]
    assert [(error["Key"], error["Code"]) for error in answer["Errors"]] == [("raw/boto3-stays.txt", "AccessDenied")]
    assert not lake.has("tmp/boto3/goes.txt")
    assert lake.has("raw/boto3-stays.txt")


def test_boto3_reports_why_a_delete_is_refused(etl: Boto3, gateway: Gateway, lake: StoredBucket) -> None:
    lake.put("raw/boto3-kept.txt", b"kept")
    before = lake.contents()
    error = etl.refusal_of("delete_object", Key="raw/boto3-kept.txt")
    assert error["Code"] == "AccessDenied"
    assert gateway.refusal("etl", "s3:DeleteObject", f"{etl.bucket}/raw/boto3-kept.txt") in error["Message"]
    assert lake.contents() == before


def test_boto3_reads_only_what_its_group_may(analyst: Boto3, gateway: Gateway, lake: StoredBucket) -> None:
    lake.put("published/boto3.txt", b"published")
    lake.put("raw/boto3-hidden.txt", b"hidden")
    assert analyst.s3.get_object(Bucket=analyst.bucket, Key="published/boto3.txt")["Body"].read() == b"published"
    error = analyst.refusal_of("get_object", Key="raw/boto3-hidden.txt")
    assert error["Code"] == "AccessDenied"
    assert gateway.refusal("analyst", "s3:GetObject", f"{analyst.bucket}/raw/boto3-hidden.txt") in error["Message"]


def test_boto3_starts_no_upload_that_is_refused(analyst: Boto3, lake: StoredBucket, large: Payload) -> None:
    before = lake.contents()
    with pytest.raises(boto3.exceptions.S3UploadFailedError, match="AccessDenied"):
        analyst.s3.upload_file(str(large.path), analyst.bucket, "published/boto3-large.bin", Config=IN_PARTS)
    assert lake.contents() == before
    assert lake.open_uploads("published/boto3-large.bin") == []


def test_boto3_presigns_a_download(
    etl: Boto3, gateway: Gateway, secrets: Secrets, lake: StoredBucket, small: Payload
) -> None:
    lake.put("raw/boto3-shared.bin", small.path.read_bytes())
    url = presigned(etl, secrets, "get_object", Key="raw/boto3-shared.bin")
    assert fetch(gateway, url) == (200, small.path.read_bytes())


def test_boto3_presigns_an_upload(etl: Boto3, gateway: Gateway, secrets: Secrets, lake: StoredBucket) -> None:
    url = presigned(etl, secrets, "put_object", Key="tmp/boto3/uploaded.txt")
    status, _ = fetch(gateway, url, b"uploaded by link")
    assert status == 200
    assert lake.contents("tmp/boto3/uploaded.txt")["tmp/boto3/uploaded.txt"][1] == len(b"uploaded by link")


def test_boto3_presigns_nothing_beyond_its_policy(
    analyst: Boto3, gateway: Gateway, secrets: Secrets, lake: StoredBucket
) -> None:
    before = lake.contents()
    url = presigned(analyst, secrets, "put_object", Key="published/boto3-link.txt")
    status, answer = fetch(gateway, url, b"refused")
    assert status == 403
    assert b"<Code>AccessDenied</Code>" in answer
    assert lake.contents() == before


def presigned(caller: Boto3, secrets: Secrets, operation: str, **parameters: object) -> str:
    url = caller.s3.generate_presigned_url(
        operation, Params={"Bucket": caller.bucket, **parameters}, ExpiresIn=URL_SECONDS
    )
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(url).query)
    assert query["X-Amz-Credential"][0].split("/")[2] == REGION
    secrets.add(f"the signature of a presigned {operation}", query["X-Amz-Signature"][0])
    return url


def fetch(gateway: Gateway, url: str, upload: bytes | None = None) -> tuple[int, bytes]:
    """What anyone who holds the link gets."""
    request = urllib.request.Request(url, data=upload, method="GET" if upload is None else "PUT")
    # urllib would otherwise name the content type of a form.
    request.add_unredirected_header("Content-Type", "application/octet-stream")
    tls = ssl.create_default_context(cafile=str(gateway.ca))
    try:
        with urllib.request.urlopen(request, context=tls, timeout=30) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
