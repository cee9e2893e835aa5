"""gcloud storage, logged in with an `external_account` file (`gcloud auth login --cred-file`)."""

import json
import re
from pathlib import Path

import pytest

from harness.google import MANY, MANY_PREFIX, Google, GooglePlaces
from harness.payloads import Payload, sha256_of
from harness.programs import Client
from harness.tidegate import GOOGLE_BUCKETS, Tidegate

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


def test_lists_in_pages(here: Gcloud, google_tidegate: Tidegate, google_many: None) -> None:
    before = google_tidegate.pages(here.place.bucket, MANY_PREFIX)
    assert len(here.storage("ls", here.url(MANY_PREFIX)).split()) == MANY
    google_tidegate.wait_for_pages(here.place.bucket, MANY_PREFIX, before + 2)


def test_a_large_file_goes_where_its_caller_may_write(
    google_places: GooglePlaces,
    google_stores: dict[str, Google],
    google_analyst_token: Path,
    tidegate_binary: str,
    large: Payload,
    tmp_path: Path,
) -> None:
    """What is pasted makes gcloud leave out the parts that it would otherwise put elsewhere in the bucket."""
    place = google_stores["dev"]
    filled_in = ["--endpoint", place.endpoint, "--ca", place.ca, "--bucket", place.bucket]
    pasted = Client(tidegate_binary, tmp_path).succeeds("snippet", "gcloud", *filled_in, "--token-file", google_analyst_token)
    environment = {
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "true",
        "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "true",
        "CLOUDSDK_STORAGE_PROCESS_COUNT": "1",
        # For a file of 20 MiB, what is the default for one of 150 MiB.
        "CLOUDSDK_STORAGE_PARALLEL_COMPOSITE_UPLOAD_THRESHOLD": "10M",
        "CLOUDSDK_STORAGE_PARALLEL_COMPOSITE_UPLOAD_COMPONENT_SIZE": "5M",
    }
    shell = Client("bash", tmp_path, environment, ["-euo", "pipefail", "-c"])
    script = f"{pasted.output}\ngcloud storage cp {large.path} gs://{place.bucket}/analyst/"
    setting = "(?m)^export .*PARALLEL_COMPOSITE_UPLOAD_ENABLED=False$"
    shell.succeeds(f"{script}with.bin")
    assert place.stored.sha256("analyst/with.bin") == large.sha256
    refused = shell.fails(re.sub(setting, "", f"{script}without.bin"))
    assert "gcloud/tmp/parallel_composite_uploads" in refused.errors
    assert not place.stored.has("analyst/without.bin")


def test_synchronises_again_and_tells_sizes(here: Gcloud, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    (source / "a.txt").write_text("one")
    (source / "deep" / "b.txt").write_text("four")

    def generations() -> list[str]:
        return [here.place.stored.resource(key)["generation"] for key in here.place.stored.keys("gcloud-sync/")]

    here.storage("rsync", "--recursive", source, here.url("gcloud-sync"))
    first = generations()
    here.storage("rsync", "--recursive", source, here.url("gcloud-sync"))
    assert (len(first), generations()) == (2, first)
    assert here.storage("du", "--summarize", here.url("gcloud-sync")).split()[0] == "7"


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
