"""obstore (Rust's `object_store`, which polars, delta-rs and Lance store with): the XML API of Google, with a Bearer token.

It has no composing, and deletes many objects with as many requests. Its uploads are in parts, as S3's are.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import payloads
from harness.google import Google, GooglePlaces
from harness.lines import BrokenLine
from harness.payloads import Payload
from harness.programs import Client
from harness.targets import GcsBucket, Target
from harness.tidegate import Tidegate

PAGE = Path(__file__).parents[2] / "docs" / "clients" / "obstore.md"
DRIVER = Path(__file__).parent / "drivers" / "gcs_obstore.py"


def work(place: Google, home: Path, **settings: str) -> dict:
    """What the driver reports."""
    told = {"endpoint": place.endpoint, "credentials": str(place.credentials), "bucket": place.bucket, **settings}
    (home / "settings.json").write_text(json.dumps(told))
    python = Client(sys.executable, home, place.environment())
    return json.loads(python.succeeds(DRIVER, "settings.json").output)


@pytest.fixture(scope="module")
def stored(xml_gcs: Target) -> GcsBucket:
    return xml_gcs.view


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Payload:
    return payloads.small_file(tmp_path_factory.mktemp("obstore-file"))


@pytest.fixture(scope="module")
def report(
    google_places: GooglePlaces,
    google_tidegate: Tidegate,
    stored: GcsBucket,
    file: Payload,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict:
    for number in range(5):
        stored.put(f"obstore-list/{number}", b"x")
    pages = google_tidegate.pages("gcs", "obstore-list/")
    place = google_places.place("gcs", stored)
    return work(place, tmp_path_factory.mktemp("obstore"), small=str(file.path)) | {"pages before": pages}


@pytest.fixture
def broken(google_places: GooglePlaces, google_tidegate: Tidegate, stored: GcsBucket) -> Iterator[Google]:
    line = BrokenLine(google_tidegate.port, payloads.HUGE_SIZE // 2)
    yield google_places.place("gcs", stored, line)
    line.close()


def test_round_trips_a_file_and_reads_a_range(report: dict, stored: GcsBucket, file: Payload) -> None:
    assert report["put"] is True
    content = file.path.read_bytes()
    assert bytes.fromhex(report["get"]) == content
    assert bytes.fromhex(report["range"]) == content[100:110]


def test_copies_lists_and_deletes(report: dict, stored: GcsBucket) -> None:
    assert (report["copy"], report["delete"], report["delete many"]) == (None, None, None)
    assert report["list"] == ["obstore/a b+ü.bin", "obstore/copy.bin"]
    assert "obstore" in report["folded"]
    assert not stored.has("obstore/copy.bin")
    assert not stored.has("obstore-rm/0")


def test_lists_in_pages(report: dict, google_tidegate: Tidegate) -> None:
    assert report["pages"] == [f"obstore-list/{number}" for number in range(5)]
    google_tidegate.wait_for_pages("gcs", "obstore-list/", report["pages before"] + 3)


def test_is_told_why_it_is_refused(report: dict, stored: GcsBucket) -> None:
    assert "nobody-touches-what-is-sealed" in report["refused"]
    assert not stored.has("sealed/obstore.bin")


def test_the_page_works_when_pasted(google_places: GooglePlaces, stored: GcsBucket, tmp_path: Path) -> None:
    stored.put("obstore-page/a", b"x")
    place = google_places.place("gcs", stored)
    file = tmp_path / ".config" / "tidegate" / "tidegate.json"
    file.parent.mkdir(parents=True)
    file.write_bytes(place.credentials.read_bytes())
    [code] = re.findall(r"(?s)```python\n(.*?)```", PAGE.read_text())
    for example, here in {"https://s3.acme.example": place.endpoint, '"models"': f'"{place.bucket}"'}.items():
        assert example in code
        code = code.replace(example, here)
    trusts = {"SSL_CERT_FILE": str(place.ca), "REQUESTS_CA_BUNDLE": str(place.ca)}
    code += 'print(store.get("obstore-page/a").bytes().to_bytes())'
    assert Client(sys.executable, tmp_path, trusts).succeeds("-c", code).output == "b'x'\n"


def test_sends_a_part_again_that_broke_off(broken: Google, stored: GcsBucket, huge: Payload, tmp_path: Path) -> None:
    assert work(broken, tmp_path, huge=str(huge.path)) == {"parts": True}
    assert broken.line.broken
    assert stored.sha256("obstore/huge.bin") == huge.sha256
