"""POST-object forms by boto3's `generate_presigned_post`, sent by curl as a browser would: no session, only the form."""

import subprocess
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.gateway import REGION, Gateway, Secrets
from harness.identities import Identities
from harness.payloads import Payload
from harness.programs import find
from harness.sdk import Boto3
from harness.store import StoredBucket

FORM_SECONDS = 300


@dataclass(frozen=True)
class Answer:
    """What the browser was told."""

    status: int
    location: str
    body: str

    @property
    def code(self) -> str:
        return ElementTree.fromstring(self.body).findtext("Code", "")


@dataclass(frozen=True)
class Form:
    """A form as its maker gives it away."""

    url: str
    fields: dict[str, str]

    def post(self, gateway: Gateway, file: Path, **changed: str) -> Answer:
        """Fills the form in; `changed` fields get another value, or are added."""
        fields = self.fields | changed
        arguments = [argument for name, value in fields.items() for argument in ("--form-string", f"{name}={value}")]
        finished = subprocess.run(
            [
                # curl 7.88 takes the early end of a refused HTTP/2 upload for an error of the stream, now and then.
                find("curl"), "--http1.1", "--silent", "--show-error", "--max-time", "60", "--cacert", str(gateway.ca),
                "--write-out", "\n%{http_code} %header{location}", *arguments, "--form", f"file=@{file}", self.url,
            ],
            capture_output=True, text=True,
        )  # fmt: skip
        assert finished.returncode == 0, finished.stderr
        body, _, last = finished.stdout.rpartition("\n")
        status, _, location = last.partition(" ")
        return Answer(int(status), location, body)


@pytest.fixture(params=["path", "virtual"])
def etl(
    request: pytest.FixtureRequest, gateway: Gateway, identities: Identities, monkeypatch: pytest.MonkeyPatch
) -> Boto3:
    return Boto3("etl", request.param, gateway, identities, monkeypatch)


@pytest.fixture
def analyst(gateway: Gateway, identities: Identities, monkeypatch: pytest.MonkeyPatch) -> Boto3:
    return Boto3("analyst", "path", gateway, identities, monkeypatch)


def test_a_form_uploads_a_file(
    etl: Boto3, gateway: Gateway, secrets: Secrets, lake: StoredBucket, small: Payload
) -> None:
    form = made(etl, secrets, "tmp/forms/small.bin", {"Content-Type": "text/csv", "x-amz-meta-origin": "suite"})
    answer = form.post(gateway, small.path)
    assert (answer.status, answer.body) == (204, "")
    assert answer.location.endswith("/tmp/forms/small.bin")
    assert lake.sha256("tmp/forms/small.bin") == small.sha256
    head = etl.s3.head_object(Bucket=etl.bucket, Key="tmp/forms/small.bin")
    assert (head["ContentType"], head["Metadata"]) == ("text/csv", {"origin": "suite"})


def test_a_form_uploads_a_large_file_under_its_own_name(
    etl: Boto3, gateway: Gateway, secrets: Secrets, lake: StoredBucket, large: Payload
) -> None:
    wanted = {"success_action_status": "201"}
    form = made(etl, secrets, "tmp/forms/${filename}", wanted, [["content-length-range", 1, 1 << 30]])
    answer = form.post(gateway, large.path)
    assert answer.status == 201, answer.body
    told = ElementTree.fromstring(answer.body)
    key = f"tmp/forms/{large.path.name}"
    assert (told.findtext("Bucket"), told.findtext("Key")) == (etl.bucket, key)
    assert lake.sha256(key) == large.sha256


def test_a_form_takes_only_what_its_maker_signed(
    etl: Boto3, gateway: Gateway, secrets: Secrets, lake: StoredBucket, small: Payload
) -> None:
    before = lake.contents()
    form = made(etl, secrets, "tmp/forms/kept", {"Content-Type": "text/csv"}, [["content-length-range", 0, 10]])
    too_large = form.post(gateway, small.path)
    assert (too_large.status, too_large.code) == (400, "EntityTooLarge")
    for changed in [{"key": "raw/kept"}, {"Content-Type": "text/html"}, {"acl": "public-read"}, {"tagging": "a"}]:
        answer = form.post(gateway, small.path, **changed)
        assert (answer.status, answer.code) == (403, "AccessDenied"), changed
    forged = form.post(gateway, small.path, **{"x-amz-signature": "0" * 64})
    assert (forged.status, forged.code) == (403, "SignatureDoesNotMatch")
    assert lake.contents() == before


def test_a_form_gives_no_more_than_its_maker_has(
    analyst: Boto3, gateway: Gateway, secrets: Secrets, lake: StoredBucket, small: Payload
) -> None:
    before = lake.contents()
    answer = made(analyst, secrets, "published/form").post(gateway, small.path)
    assert (answer.status, answer.code) == (403, "AccessDenied")
    assert gateway.refusal("analyst", "s3:PutObject", f"{analyst.bucket}/published/form") in answer.body
    assert lake.contents() == before


def made(
    caller: Boto3,
    secrets: Secrets,
    key: str,
    fields: dict[str, str] | None = None,
    conditions: list | None = None,
) -> Form:
    """A form whose `fields` must stay as they are."""
    fields = fields or {}
    post = caller.s3.generate_presigned_post(
        caller.bucket,
        key,
        Fields=dict(fields),
        Conditions=[{name: value} for name, value in fields.items()] + (conditions or []),
        ExpiresIn=FORM_SECONDS,
    )
    assert post["fields"]["x-amz-credential"].split("/")[2] == REGION
    secrets.add("the signature of a form", post["fields"]["x-amz-signature"])
    secrets.add("the policy of a form", post["fields"]["policy"])
    return Form(post["url"], post["fields"])
