"""gcloud storage, logged in with an `external_account` file (`gcloud auth login --cred-file`)."""

import json
from pathlib import Path

import pytest

from harness.google import Google
from harness.payloads import Payload, sha256_of
from harness.programs import Client
from harness.tidegate import GOOGLE_BUCKETS

SECONDS = 90


class Gcloud:
    """gcloud in a home of its own, logged in."""

    def __init__(self, place: Google, home: Path) -> None:
        home.mkdir(exist_ok=True)
        environment = {
            "CLOUDSDK_CONFIG": str(home / "gcloud"),
            "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE": str(place.ca),
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE": f"{place.endpoint}/storage/v1/",
            "CLOUDSDK_CORE_PROJECT": "none",
            "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
            "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "true",
            "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "true",
            # One process: it is a small machine that all of them share.
            "CLOUDSDK_STORAGE_PROCESS_COUNT": "1",
        }
        self.gcloud = Client("gcloud", home, environment)
        self.home = home
        self.place = place
        self.login = self.gcloud.succeeds("auth", "login", "--cred-file", place.credentials)

    def storage(self, *arguments: str | Path) -> str:
        return self.gcloud.succeeds("storage", *arguments, deadline=SECONDS).output

    def url(self, key: str) -> str:
        return f"gs://{self.place.bucket}/{key}"


@pytest.fixture(scope="module")
def here(google_stores: dict[str, Google], tmp_path_factory: pytest.TempPathFactory) -> Gcloud:
    # Before one of the stores: each command takes a second and a half.
    return Gcloud(google_stores["dev"], tmp_path_factory.mktemp("gcloud"))


def test_logs_in_as_whom_tidegate_says(here: Gcloud) -> None:
    assert "[idp:etl]" in here.login.text


def test_round_trips_a_file(here: Gcloud, small: Payload, tmp_path: Path) -> None:
    here.storage("cp", small.path, here.url("gcloud/a b+ü.bin"))
    assert here.place.stored.sha256("gcloud/a b+ü.bin") == small.sha256
    here.storage("cp", here.url("gcloud/a b+ü.bin"), tmp_path / "back.bin")
    assert sha256_of(tmp_path / "back.bin") == small.sha256


def test_resumes_an_upload_over_a_line_that_breaks(google_broken: Google, huge: Payload, tmp_path: Path) -> None:
    here = Gcloud(google_broken, tmp_path / "home")
    here.storage("cp", huge.path, here.url("gcloud/huge.bin"))
    assert google_broken.line.broken
    assert google_broken.stored.sha256("gcloud/huge.bin") == huge.sha256


def test_reads_a_range(here: Gcloud) -> None:
    here.place.stored.put("gcloud/range.txt", b"0123456789abcdef")
    assert here.storage("cat", "--range", "10-12", here.url("gcloud/range.txt")) == "abc"


def test_lists_buckets_objects_and_prefixes(here: Gcloud) -> None:
    for name in ["0.txt", "1.txt", "deep/2.txt"]:
        here.place.stored.put(f"gcloud-list/{name}", b"x")
    assert here.storage("ls").split() == [f"gs://{name}/" for name in sorted(GOOGLE_BUCKETS)]
    folded = [here.url(f"gcloud-list/{name}") for name in ["0.txt", "1.txt", "deep/"]]
    assert here.storage("ls", here.url("gcloud-list/")).split() == folded
    whole = json.loads(here.storage("ls", "--json", here.url("gcloud-list/**")))
    names = [one["metadata"]["name"] for one in whole]
    assert names == ["gcloud-list/0.txt", "gcloud-list/1.txt", "gcloud-list/deep/2.txt"]


def test_copies_composes_and_changes(here: Gcloud) -> None:
    here.place.stored.put("gcloud/one.txt", b"one,")
    here.storage("cp", here.url("gcloud/one.txt"), here.url("gcloud/two.txt"))
    names = [here.url(f"gcloud/{name}.txt") for name in ("one", "two", "whole")]
    here.storage("objects", "compose", *names)
    assert here.place.stored.get("gcloud/whole.txt") == b"one,one,"
    here.storage("objects", "update", "--custom-metadata=k=v", names[2])
    assert here.place.stored.resource("gcloud/whole.txt")["metadata"]["k"] == "v"


def test_moves_and_deletes_one_and_many(here: Gcloud) -> None:
    for name in ["one.txt", "tree/a.txt", "tree/deep/b.txt"]:
        here.place.stored.put(f"gcloud-rm/{name}", b"x")
    here.storage("mv", here.url("gcloud-rm/one.txt"), here.url("gcloud-rm/moved.txt"))
    assert here.place.stored.keys("gcloud-rm/") == ["gcloud-rm/moved.txt", "gcloud-rm/tree/a.txt", "gcloud-rm/tree/deep/b.txt"]
    here.storage("rm", here.url("gcloud-rm/moved.txt"))
    here.storage("rm", "--recursive", here.url("gcloud-rm/tree"))
    assert here.place.stored.keys("gcloud-rm/") == []


def test_is_told_why_it_is_refused(here: Gcloud, small: Payload) -> None:
    refused = here.gcloud.fails("storage", "cp", small.path, here.url("sealed/gcloud.bin"))
    assert "nobody-touches-what-is-sealed" in refused.errors
    assert not here.place.stored.has("sealed/gcloud.bin")
