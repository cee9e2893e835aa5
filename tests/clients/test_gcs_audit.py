"""What the Tidegate of Google's clients wrote down, when all of them are done."""

import pytest

from harness.gateway import Secrets
from harness.tidegate import Tidegate

METHODS = {"storage.objects.insert", "storage.objects.get", "storage.objects.list", "storage.objects.delete"}


@pytest.fixture(scope="module")
def records(google_tidegate: Tidegate) -> list[dict]:
    lines = [line for line in google_tidegate.audit_lines() if line["type"] == "request"]
    if not any(line["api"]["protocol"] == "gcs" for line in lines):
        pytest.skip("no client of Google's ran")
    return lines


def test_every_decision_names_the_caller_and_the_method(records: list[dict]) -> None:
    # gRPC is refused before anybody asks who calls.
    before = {"malformed", "unsupported"}
    ours = [line for line in records if line["api"]["protocol"] == "gcs"]
    decided = [line for line in ours if line["decision"]["reason"] not in before]
    actors = {line["actor"]["id"] for line in decided}
    assert "idp:etl" in actors and actors <= {"idp:etl", "idp:analyst"}
    assert METHODS <= {line["api"]["operation"] for line in decided}


def test_each_call_of_a_batch_is_recorded_with_its_own_decision(records: list[dict]) -> None:
    mixed = [line for line in records if line.get("resource", {}).get("key") == "sealed/python" and "batch_id" in line]
    if not mixed:
        pytest.skip("the batch of `test_gcs_python.py` did not run")
    for denied in mixed:
        whole = [line for line in records if line.get("batch_id") == denied["batch_id"]]
        assert sorted(line["decision"]["effect"] for line in whole) == ["allow", "allow", "allow", "deny"]
        assert "target" not in denied


def test_nothing_secret_is_in_the_audit_trail_or_the_log(google_tidegate: Tidegate, secrets: Secrets) -> None:
    assert secrets.found_in(google_tidegate.audit_file.read_text()) == []
    assert secrets.found_in(google_tidegate.read_log()) == []
