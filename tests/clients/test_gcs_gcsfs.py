"""gcsfs, which pandas, Dask and Ray read `gs://` with, in a Python of its own, as it keeps its instances.

Its first call for a bucket is by gRPC, which is not spoken. It has to be refused at once, or gcsfs waits for a
minute, each time.
"""

import json
import sys
from pathlib import Path

import pytest

from harness import payloads
from harness.google import MANY, MANY_PREFIX, Google
from harness.payloads import Payload, sha256_of
from harness.programs import Client
from harness.tidegate import Tidegate

DRIVER = Path(__file__).parent / "drivers" / "gcsfs_driver.py"
# What gRPC has to be told of a private authority.
GRPC_ROOTS = "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"


def work(place: Google, home: Path, environment: dict[str, str], **settings: str) -> dict:
    """What the driver reports."""
    (home / "settings.json").write_text(json.dumps({"endpoint": place.endpoint, "bucket": place.bucket, **settings}))
    python = Client(sys.executable, home, place.environment() | environment)
    return json.loads(python.succeeds(DRIVER, "settings.json").output)


@pytest.fixture(scope="module", params=["fake", "dev"])
def place(request: pytest.FixtureRequest, google_stores: dict[str, Google]) -> Google:
    return google_stores[request.param]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Payload:
    return payloads.small_file(tmp_path_factory.mktemp("gcsfs-file"))


@pytest.fixture(scope="module")
def report(
    place: Google, file: Payload, google_tidegate: Tidegate, google_many: None, tmp_path_factory: pytest.TempPathFactory
) -> dict:
    home = tmp_path_factory.mktemp("gcsfs")
    pages = google_tidegate.pages(place.bucket, MANY_PREFIX)
    for name in ["0.txt", "1.txt", "2.txt", "deep/3.txt"]:
        place.stored.put(f"gcsfs-list/{name}", b"x")
    environment = {"GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false"}
    told = work(place, home, environment, small=str(file.path), back=str(home / "back.bin"), many=MANY_PREFIX)
    return told | {"home": home, "pages before": pages}


def test_round_trips_a_file(report: dict, place: Google, file: Payload) -> None:
    assert (report["put"], report["pipe"], report["get"], report["touch"]) == (None, None, None, None)
    assert place.stored.get("gcsfs/piped.txt") == b"piped"
    assert place.stored.get("gcsfs/empty") == b""
    assert sha256_of(report["home"] / "back.bin") == file.sha256


def test_reads_a_range(report: dict, file: Payload) -> None:
    assert bytes.fromhex(report["range"]) == file.path.read_bytes()[100:110]


def test_lists_in_pages_with_prefixes(report: dict, place: Google, google_tidegate: Tidegate) -> None:
    assert report["many"] == MANY
    google_tidegate.wait_for_pages(place.bucket, MANY_PREFIX, report["pages before"] + 2)
    names = [f"{place.bucket}/gcsfs-list/{name}" for name in ["0.txt", "1.txt", "2.txt", "deep"]]
    assert report["list"] == names
    assert report["find"] == [*names[:3], f"{names[3]}/3.txt"]


def test_copies_composes_and_moves(report: dict, place: Google, file: Payload) -> None:
    assert (report["copy"], report["merge"]) == (None, None)
    assert place.stored.get("gcsfs/whole.bin") == b"pipedpiped"
    if place.bucket == "fake":
        # It knows no moves, and says 404.
        assert report["move"].startswith("FileNotFoundError")
    else:
        assert report["move"] is None
        assert place.stored.has("gcsfs/moved.txt") and not place.stored.has("gcsfs/copy.txt")


def test_deletes_one_and_many(report: dict, place: Google) -> None:
    assert (report["delete"], report["delete many"]) == (None, None)
    assert not place.stored.has("gcsfs/a b+ü.bin")
    assert place.stored.keys("gcsfs-list/") == []


def test_is_told_why_it_is_refused(report: dict, place: Google) -> None:
    for attempt in ["refused", "refused at once", "refused compose"]:
        assert "nobody-touches-what-is-sealed" in report[attempt], attempt
    assert not place.stored.has("sealed/gcsfs.bin")


def test_sends_a_chunk_again_that_broke_off(google_broken: Google, huge: Payload, tmp_path: Path) -> None:
    report = work(google_broken, tmp_path, {"GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false"}, huge=str(huge.path))
    assert report == {"resumed": None}
    assert google_broken.line.broken
    assert google_broken.stored.sha256("gcsfs/huge.bin") == huge.sha256


def test_is_answered_at_once_by_grpc(google_stores: dict[str, Google], tmp_path: Path) -> None:
    place = google_stores["fake"]
    place.stored.put("gcsfs-grpc/a.txt", b"a")
    report = work(place, tmp_path, {GRPC_ROOTS: str(place.ca)}, grpc="gcsfs-grpc")
    assert report["listed"] == [f"{place.bucket}/gcsfs-grpc/a.txt"]
    # It stalls for half a minute at least where a server does not answer it.
    assert report["seconds"] < 10
