"""@google-cloud/storage for Node, by RFC 8693 from a token file and the JSON API.

It has no batches: it deletes many objects with as many requests.
"""

import base64
import json
from pathlib import Path

import pytest

from harness import payloads
from harness.google import Google
from harness.payloads import Payload, sha256_of
from harness.programs import Client
from harness.tidegate import GOOGLE_BUCKETS

DRIVER = Path(__file__).parent / "drivers" / "gcs.mjs"


def work(place: Google, home: Path, **settings: str) -> dict:
    """What the driver reports."""
    told = {"endpoint": place.endpoint, "credentials": str(place.credentials), "bucket": place.bucket, **settings}
    (home / "settings.json").write_text(json.dumps(told))
    node = Client("node", home, {"NODE_EXTRA_CA_CERTS": str(place.ca)})
    return json.loads(node.succeeds(DRIVER, "settings.json").output)


@pytest.fixture(scope="module", params=["fake", "dev"])
def place(request: pytest.FixtureRequest, google_stores: dict[str, Google]) -> Google:
    return google_stores[request.param]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Payload:
    return payloads.small_file(tmp_path_factory.mktemp("node-file"))


@pytest.fixture(scope="module")
def report(place: Google, small: Payload, tmp_path_factory: pytest.TempPathFactory) -> dict:
    home = tmp_path_factory.mktemp("node")
    for name in ["0.txt", "1.txt", "2.txt", "deep/3.txt"]:
        place.stored.put(f"node-list/{name}", b"x")
    return work(place, home, small=str(small.path), back=str(home / "back.bin")) | {"home": home}


def test_round_trips_a_file(report: dict, place: Google, small: Payload) -> None:
    assert (report["upload"], report["at once"], report["download"]) == ("done", "done", "done")
    assert place.stored.sha256("node/a b+ü.bin") == small.sha256
    assert place.stored.resource("node/a b+ü.bin")["metadata"] == {"made-by": "the suite"}
    assert sha256_of(report["home"] / "back.bin") == small.sha256


def test_reads_a_range(report: dict, small: Payload) -> None:
    assert base64.b64decode(report["range"]) == small.path.read_bytes()[100:110]


def test_lists_in_pages_with_prefixes(report: dict) -> None:
    assert report["pages"] == [["node-list/0.txt", "node-list/1.txt"], ["node-list/2.txt", "node-list/deep/3.txt"]]
    assert report["prefixes"] == ["node-list/deep/"]
    assert report["buckets"] == sorted(GOOGLE_BUCKETS)


def test_copies_composes_and_moves(report: dict, place: Google, small: Payload) -> None:
    assert (report["copy"], report["compose"], report["move"]) == ("done", "done", "done")
    assert place.stored.get("node/whole.bin") == small.path.read_bytes() * 2
    assert report["metadata"] == "text/plain"


def test_deletes(report: dict, place: Google) -> None:
    assert (report["delete"], report["delete many"]) == ("done", "done")
    assert not place.stored.has("node/moved.bin")
    assert place.stored.keys("node-list/") == []


def test_is_told_why_it_is_refused(report: dict, place: Google) -> None:
    for attempt in ["refused", "refused at once"]:
        assert "nobody-touches-what-is-sealed" in report[attempt]["error"], attempt
        assert report[attempt]["code"] == 403
    assert not place.stored.has("sealed/node.bin")


def test_resumes_an_upload_over_a_line_that_breaks(google_broken: Google, huge: Payload, tmp_path: Path) -> None:
    assert work(google_broken, tmp_path, huge=str(huge.path)) == {"resumed": "done"}
    assert google_broken.line.broken
    assert google_broken.stored.sha256("node/huge.bin") == huge.sha256
