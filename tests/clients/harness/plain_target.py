"""A store as they were for years and many still are: Ceph RGW 16 and its kin.

It verifies SigV4 to the letter, and knows nothing of what came later: a body has a Content-Length or is answered 411,
`aws-chunked` and every STREAMING value are refused, checksums in headers are not looked at, kept or given back. Only
the header's literal SHA-256 and Content-MD5 are verified.

usage: python plain_target.py SETTINGS.json
SETTINGS: { certificate, key, region, access_key_id, secret_access_key, buckets: [...] }
"""

import base64
import hashlib
import hmac
import re
import urllib.parse
from datetime import UTC, datetime, timedelta

from object_server import Refused, Request, read_settings, serve
from object_store import ObjectStore

MAX_SKEW = timedelta(minutes=15)
AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<id>[^/,]+)/(?P<day>\d{8})/(?P<region>[^/,]+)/s3/aws4_request, ?"
    r"SignedHeaders=(?P<signed>[a-z0-9;-]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)


class PlainTarget(ObjectStore):
    """S3 without trailers, chunks or checksums."""

    def __init__(self, settings: dict) -> None:
        super().__init__(settings["buckets"])
        self._region = settings["region"]
        self._key_id = settings["access_key_id"]
        self._secret = settings["secret_access_key"]

    def check(self, request: Request) -> None:
        self._refuse_what_came_later(request)
        self._verify_signature(request)
        claimed = request.headers["x-amz-content-sha256"]
        if claimed != "UNSIGNED-PAYLOAD" and claimed != hashlib.sha256(request.body).hexdigest():
            raise Refused(400, "XAmzContentSHA256Mismatch")
        md5 = request.headers.get("content-md5")
        if md5 is not None and md5 != base64.b64encode(hashlib.md5(request.body).digest()).decode():
            raise Refused(400, "BadDigest")

    def _refuse_what_came_later(self, request: Request) -> None:
        if request.headers.get("x-amz-content-sha256", "").startswith("STREAMING-"):
            raise Refused(400, "InvalidArgument", "x-amz-content-sha256 must be a SHA-256 or UNSIGNED-PAYLOAD")
        if "aws-chunked" in request.headers.get("content-encoding", ""):
            raise Refused(400, "InvalidArgument", "aws-chunked is not known")
        for name in ("x-amz-trailer", "x-amz-decoded-content-length"):
            if name in request.headers:
                raise Refused(400, "InvalidArgument", f"{name} without aws-chunked")

    def _verify_signature(self, request: Request) -> None:
        claim = AUTHORIZATION.fullmatch(request.headers.get("authorization", ""))
        date = request.headers.get("x-amz-date", "")
        if claim is None or claim["id"] != self._key_id:
            raise Refused(403, "InvalidAccessKeyId")
        if claim["region"] != self._region:
            raise Refused(400, "AuthorizationHeaderMalformed", f"the region is {self._region}")
        if not re.fullmatch(r"\d{8}T\d{6}Z", date) or not date.startswith(claim["day"]):
            raise Refused(403, "AccessDenied", "x-amz-date and the scope do not agree")
        signed_at = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if abs(datetime.now(UTC) - signed_at) > MAX_SKEW:
            raise Refused(403, "RequestTimeTooSkewed")
        signed = claim["signed"].split(";")
        required = {"host", "x-amz-content-sha256", *(name for name in request.headers if name.startswith("x-amz-"))}
        if not required <= set(signed) <= set(request.headers):
            raise Refused(403, "AccessDenied", f"not signed: {sorted(required - set(signed))}")
        expected = self._signature(request, signed, date, claim["day"])
        if not hmac.compare_digest(expected, claim["signature"]):
            raise Refused(403, "SignatureDoesNotMatch")

    def _signature(self, request: Request, signed: list[str], date: str, day: str) -> str:
        headers = "".join(f"{name}:{' '.join(request.headers[name].split())}\n" for name in signed)
        canonical = "\n".join(
            [
                request.method,
                urllib.parse.quote(urllib.parse.unquote_to_bytes(request.path), safe="/-._~"),
                _canonical_query(request.query),
                headers,
                ";".join(signed),
                request.headers["x-amz-content-sha256"],
            ]
        )
        scope = f"{day}/{self._region}/s3/aws4_request"
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        key = f"AWS4{self._secret}".encode()
        for part in [day, self._region, "s3", "aws4_request", f"AWS4-HMAC-SHA256\n{date}\n{scope}\n{digest}"]:
            key = hmac.digest(key, part.encode(), "sha256")
        return key.hex()


def _canonical_query(query: str) -> str:
    pairs = [part.partition("=") for part in query.split("&") if part]
    encoded = sorted((_encoded(name), _encoded(value)) for name, _, value in pairs)
    return "&".join(f"{name}={value}" for name, value in encoded)


def _encoded(text: str) -> str:
    return urllib.parse.quote(urllib.parse.unquote_to_bytes(text), safe="-._~")


if __name__ == "__main__":
    settings = read_settings()
    serve(PlainTarget(settings), settings["certificate"], settings["key"])
