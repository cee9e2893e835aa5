"""What Google's clients are told of Tidegate, and a bucket seen past it.

Their credentials are of type `external_account`: a file that names Tidegate's door for token exchange and the file with
the identity token. There is nothing secret in it.
"""

import hashlib
import json
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from harness.lines import BrokenLine
from harness.store import StoredBucket
from harness.targets import GcsBucket

SECONDS = 60
# Objects that do not fit on one page of the JSON API, and where they are.
MANY = 1001
MANY_PREFIX = "many/"


@dataclass(frozen=True)
class Google:
    """A place for Google's clients: Tidegate's address, and who they are there."""

    # `https://localhost:PORT`.
    endpoint: str
    ca: Path
    # Of type `external_account`.
    credentials: Path
    # The identity token itself, for what knows no exchange.
    token_file: Path
    bucket: str
    # The bucket, past Tidegate.
    stored: "GoogleView | GcsBucket | StoredBucket"
    # Between the client and Tidegate, where there is one.
    line: BrokenLine | None = None

    def environment(self) -> dict[str, str]:
        """For clients that find Google's default credentials. There is no metadata server to look for."""
        return {
            "GOOGLE_APPLICATION_CREDENTIALS": str(self.credentials),
            "GOOGLE_CLOUD_PROJECT": "none",
            "NO_GCE_CHECK": "true",
            "REQUESTS_CA_BUNDLE": str(self.ca),
            "SSL_CERT_FILE": str(self.ca),
        }


@dataclass(frozen=True)
class GooglePlaces:
    """Places before one Tidegate."""

    port: int
    ca: Path
    directory: Path
    token_file: Path

    def place(self, bucket: str, stored: "GoogleView | GcsBucket | StoredBucket", line: BrokenLine | None = None) -> Google:
        endpoint = f"https://localhost:{line.port if line else self.port}"
        credentials = self.directory / f"external-account-{urllib.parse.urlsplit(endpoint).port}.json"
        settings = {
            "type": "external_account",
            "audience": "//s3.tidegate.test/tidegate",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": f"{endpoint}/_tidegate/token",
            "token_info_url": f"{endpoint}/_tidegate/introspect",
            "credential_source": {"file": str(self.token_file)},
        }
        credentials.write_text(json.dumps(settings))
        return Google(endpoint, self.ca, credentials, self.token_file, bucket, stored, line)


class GoogleView:
    """A bucket as a store without TLS on this machine answers for it."""

    def __init__(self, endpoint: str, bucket: str, token: str) -> None:
        self._endpoint = endpoint
        self._bucket = bucket
        self._token = token

    def create(self) -> None:
        body = json.dumps({"name": self._bucket}).encode()
        self._call("POST", "/storage/v1/b?project=none", body, "application/json")

    def put(self, key: str, body: bytes) -> None:
        name = urllib.parse.quote(key, safe="")
        path = f"/upload/storage/v1/b/{self._bucket}/o?uploadType=media&name={name}"
        self._call("POST", path, body, "application/octet-stream")

    def put_many(self) -> None:
        """More objects than fit on a page."""
        for number in range(MANY):
            self.put(f"{MANY_PREFIX}{number:04}", b"x")

    def get(self, key: str) -> bytes:
        return self._call("GET", f"{self._object(key)}?alt=media")

    def sha256(self, key: str) -> str:
        return hashlib.sha256(self.get(key)).hexdigest()

    def resource(self, key: str) -> dict:
        return json.loads(self._call("GET", self._object(key)))

    def has(self, key: str) -> bool:
        try:
            self.resource(key)
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return False
            raise
        return True

    def keys(self, prefix: str) -> list[str]:
        query = urllib.parse.urlencode({"prefix": prefix})
        found = json.loads(self._call("GET", f"/storage/v1/b/{self._bucket}/o?{query}"))
        return [item["name"] for item in found.get("items", [])]

    def _object(self, key: str) -> str:
        return f"/storage/v1/b/{self._bucket}/o/{urllib.parse.quote(key, safe='')}"

    def _call(self, method: str, path: str, body: bytes | None = None, content_type: str | None = None) -> bytes:
        headers = {"Authorization": f"Bearer {self._token}"}
        if content_type:
            headers["Content-Type"] = content_type
        request = urllib.request.Request(self._endpoint + path, data=body, method=method, headers=headers)
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            return answer.read()
