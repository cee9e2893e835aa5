"""Versions, Object Lock, tags, attributes and conditional writes, with SeaweedFS behind."""

import datetime

import botocore.exceptions
import pytest

from harness.identities import Identities
from harness.sdk import session_client
from harness.store import Store
from harness.targets import ARCHIVE
from harness.tidegate import Tidegate

BUCKET = "archive"


@pytest.fixture(scope="module")
def etl(matrix_tidegate: Tidegate, matrix_identities: Identities):
    return session_client(matrix_tidegate.gateway, matrix_identities.session_keys("etl"))


@pytest.fixture(scope="module")
def keeper(matrix_tidegate: Tidegate, matrix_identities: Identities):
    """May end a governance retention early."""
    return session_client(matrix_tidegate.gateway, matrix_identities.session_keys("backup"))


@pytest.fixture(scope="module")
def analyst(matrix_tidegate: Tidegate, matrix_identities: Identities):
    """May read what is current."""
    return session_client(matrix_tidegate.gateway, matrix_identities.session_keys("analyst"))


@pytest.fixture(scope="module")
def direct(store: Store):
    """The store, past Tidegate."""
    return store.s3


def test_versions_are_numbered_by_the_store_alone(etl, direct) -> None:
    key = "versions/numbered.txt"
    first = etl.put_object(Bucket=BUCKET, Key=key, Body=b"one")
    second = etl.put_object(Bucket=BUCKET, Key=key, Body=b"two")
    assert [first["VersionId"], second["VersionId"]] == list(reversed(stored_versions(direct, key)))
    listed = etl.list_object_versions(Bucket=BUCKET, Prefix=key)
    assert [entry["VersionId"] for entry in listed["Versions"]] == stored_versions(direct, key)
    assert [entry["IsLatest"] for entry in listed["Versions"]] == [True, False]
    assert listed["Name"] == BUCKET


def test_versions_are_read_by_their_id(etl) -> None:
    key = "versions/read.txt"
    first = etl.put_object(Bucket=BUCKET, Key=key, Body=b"one")
    second = etl.put_object(Bucket=BUCKET, Key=key, Body=b"two")
    for put, body in [(first, b"one"), (second, b"two")]:
        answer = etl.get_object(Bucket=BUCKET, Key=key, VersionId=put["VersionId"])
        assert (answer["Body"].read(), answer["VersionId"], answer["ETag"]) == (body, put["VersionId"], put["ETag"])
        head = etl.head_object(Bucket=BUCKET, Key=key, VersionId=put["VersionId"])
        assert (head["VersionId"], head["ETag"]) == (put["VersionId"], put["ETag"])


def test_versions_survive_a_delete(etl, direct) -> None:
    key = "versions/deleted.txt"
    version = etl.put_object(Bucket=BUCKET, Key=key, Body=b"kept")["VersionId"]
    marker = etl.delete_object(Bucket=BUCKET, Key=key)
    assert marker["DeleteMarker"] is True
    assert code_of(etl.get_object, Key=key) == "NoSuchKey"
    assert etl.get_object(Bucket=BUCKET, Key=key, VersionId=version)["Body"].read() == b"kept"
    (listed,) = etl.list_object_versions(Bucket=BUCKET, Prefix=key)["DeleteMarkers"]
    assert (listed["VersionId"], listed["IsLatest"]) == (marker["VersionId"], True)

    etl.delete_object(Bucket=BUCKET, Key=key, VersionId=marker["VersionId"])
    assert etl.get_object(Bucket=BUCKET, Key=key)["Body"].read() == b"kept"
    etl.delete_object(Bucket=BUCKET, Key=key, VersionId=version)
    assert stored_versions(direct, key) == []


def test_versions_are_copied_by_their_id(etl) -> None:
    key = "versions/source.txt"
    version = etl.put_object(Bucket=BUCKET, Key=key, Body=b"one")["VersionId"]
    etl.put_object(Bucket=BUCKET, Key=key, Body=b"two")
    source = {"Bucket": BUCKET, "Key": key, "VersionId": version}
    etl.copy_object(Bucket=BUCKET, Key="versions/copy.txt", CopySource=source)
    assert etl.get_object(Bucket=BUCKET, Key="versions/copy.txt")["Body"].read() == b"one"


def test_versions_are_deleted_in_bulk_by_their_id(etl, direct) -> None:
    key = "versions/bulk.txt"
    versions = [etl.put_object(Bucket=BUCKET, Key=key, Body=body)["VersionId"] for body in (b"one", b"two")]
    wanted = {"Objects": [{"Key": key, "VersionId": versions[0]}]}
    answer = etl.delete_objects(Bucket=BUCKET, Delete=wanted)
    assert [entry["VersionId"] for entry in answer["Deleted"]] == [versions[0]]
    assert stored_versions(direct, key) == [versions[1]]


def test_versions_of_before_are_not_for_who_may_read_what_is_current(etl, analyst, direct) -> None:
    key = "versions/current.txt"
    version = etl.put_object(Bucket=BUCKET, Key=key, Body=b"secret draft")["VersionId"]
    etl.put_object(Bucket=BUCKET, Key=key, Body=b"published")
    assert analyst.get_object(Bucket=BUCKET, Key=key)["Body"].read() == b"published"
    assert code_of(analyst.get_object, Key=key, VersionId=version) == "AccessDenied"
    assert code_of(analyst.list_object_versions, Prefix="versions/") == "AccessDenied"
    assert code_of(analyst.delete_object, Key=key, VersionId=version) == "AccessDenied"
    assert len(stored_versions(direct, key)) == 2


def test_versions_say_that_they_are_kept(etl) -> None:
    assert etl.get_bucket_versioning(Bucket=BUCKET)["Status"] == "Enabled"
    locked = etl.get_object_lock_configuration(Bucket=BUCKET)["ObjectLockConfiguration"]
    assert locked["ObjectLockEnabled"] == "Enabled"


def test_lock_keeps_a_version_until_its_date(etl, direct) -> None:
    key = "lock/retained.txt"
    version = etl.put_object(Bucket=BUCKET, Key=key, Body=b"kept")["VersionId"]
    retention = {"Mode": "GOVERNANCE", "RetainUntilDate": in_an_hour()}
    etl.put_object_retention(Bucket=BUCKET, Key=key, Retention=retention)
    assert etl.get_object_retention(Bucket=BUCKET, Key=key)["Retention"] == retention
    head = etl.head_object(Bucket=BUCKET, Key=key)
    assert (head["ObjectLockMode"], head["ObjectLockRetainUntilDate"]) == ("GOVERNANCE", in_an_hour())
    # The store's own refusal, passed on.
    assert code_of(etl.delete_object, Key=key, VersionId=version) == "AccessDenied"
    assert stored_versions(direct, key) == [version]


def test_lock_is_not_bypassed_without_the_right(etl, keeper, direct) -> None:
    key = "lock/bypassed.txt"
    version = etl.put_object(Bucket=BUCKET, Key=key, Body=b"kept")["VersionId"]
    retention = {"Mode": "GOVERNANCE", "RetainUntilDate": in_an_hour()}
    etl.put_object_retention(Bucket=BUCKET, Key=key, Retention=retention)
    bypass = {"VersionId": version, "BypassGovernanceRetention": True}
    error = error_of(etl.delete_object, Key=key, **bypass)
    assert error["Code"] == "AccessDenied"
    assert "s3:BypassGovernanceRetention" in error["Message"]
    wanted = {"Objects": [{"Key": key, "VersionId": version}]}
    in_bulk = etl.delete_objects(Bucket=BUCKET, Delete=wanted, BypassGovernanceRetention=True)
    assert [entry["Code"] for entry in in_bulk["Errors"]] == ["AccessDenied"]
    assert stored_versions(direct, key) == [version]

    keeper.delete_object(Bucket=BUCKET, Key=key, **bypass)
    assert stored_versions(direct, key) == []


def test_lock_by_a_legal_hold_ends_when_it_is_lifted(etl, direct) -> None:
    key = "lock/held.txt"
    version = etl.put_object(Bucket=BUCKET, Key=key, Body=b"held", ObjectLockLegalHoldStatus="ON")["VersionId"]
    assert etl.get_object_legal_hold(Bucket=BUCKET, Key=key)["LegalHold"] == {"Status": "ON"}
    assert code_of(etl.delete_object, Key=key, VersionId=version) == "AccessDenied"
    etl.put_object_legal_hold(Bucket=BUCKET, Key=key, LegalHold={"Status": "OFF"})
    etl.delete_object(Bucket=BUCKET, Key=key, VersionId=version)
    assert stored_versions(direct, key) == []


def test_tags_are_set_read_and_removed(etl, analyst, direct) -> None:
    key = "tags/tagged.txt"
    etl.put_object(Bucket=BUCKET, Key=key, Body=b"tagged", Tagging="team=lake")
    assert direct.get_object_tagging(Bucket=ARCHIVE, Key=key)["TagSet"] == [{"Key": "team", "Value": "lake"}]
    wanted = [{"Key": "team", "Value": "sea"}, {"Key": "kind", "Value": "a b+c"}]
    etl.put_object_tagging(Bucket=BUCKET, Key=key, Tagging={"TagSet": wanted})
    told = etl.get_object_tagging(Bucket=BUCKET, Key=key)["TagSet"]
    assert told == direct.get_object_tagging(Bucket=ARCHIVE, Key=key)["TagSet"]
    assert sorted(told, key=str) == sorted(wanted, key=str)
    assert etl.head_object(Bucket=BUCKET, Key=key).get("TagCount") == direct.head_object(Bucket=ARCHIVE, Key=key).get(
        "TagCount"
    )
    assert code_of(analyst.get_object_tagging, Key=key) == "AccessDenied"
    etl.delete_object_tagging(Bucket=BUCKET, Key=key)
    assert direct.get_object_tagging(Bucket=ARCHIVE, Key=key)["TagSet"] == []


def test_writes_on_condition_are_decided_by_the_store(etl, direct) -> None:
    key = "conditions/lock.txt"
    etag = etl.put_object(Bucket=BUCKET, Key=key, Body=b"first", IfNoneMatch="*")["ETag"]
    assert code_of(etl.put_object, Key=key, Body=b"second", IfNoneMatch="*") == "PreconditionFailed"
    assert (
        code_of(etl.put_object, Key=key, Body=b"third", IfMatch='"0123456789abcdef0123456789abcdef"')
        == "PreconditionFailed"
    )
    assert direct.get_object(Bucket=ARCHIVE, Key=key)["Body"].read() == b"first"
    etl.put_object(Bucket=BUCKET, Key=key, Body=b"fourth", IfMatch=etag)
    assert direct.get_object(Bucket=ARCHIVE, Key=key)["Body"].read() == b"fourth"


def test_reads_on_condition_are_answered_by_the_store(etl) -> None:
    key = "conditions/read.txt"
    etag = etl.put_object(Bucket=BUCKET, Key=key, Body=b"read")["ETag"]
    assert etl.get_object(Bucket=BUCKET, Key=key, IfMatch=etag)["Body"].read() == b"read"
    assert code_of(etl.get_object, Key=key, IfNoneMatch=etag) == "304"
    assert code_of(etl.get_object, Key=key, IfMatch='"0123456789abcdef0123456789abcdef"') == "PreconditionFailed"


def code_of(operation, **parameters: object) -> str:
    return error_of(operation, **parameters)["Code"]


def error_of(operation, **parameters: object) -> dict[str, str]:
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        operation(Bucket=BUCKET, **parameters)
    return refused.value.response["Error"]


def stored_versions(direct, key: str) -> list[str]:
    """The ids of a key's versions at the store, the newest first."""
    listed = direct.list_object_versions(Bucket=ARCHIVE, Prefix=key)
    return [entry["VersionId"] for entry in listed.get("Versions", []) if entry["Key"] == key]


def in_an_hour() -> datetime.datetime:
    return STARTED + datetime.timedelta(hours=1)


STARTED = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
