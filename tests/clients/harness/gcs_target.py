"""Google Cloud Storage's XML API as it is with an OAuth token: not S3 by another name.

Who comes with a Bearer token speaks `x-goog-`: `x-amz-` headers, `aws-chunked` and AWS's checksums are refused, and so
is any other Authorization. `x-goog-hash` is verified and given back. There is no copying of parts and no tagging. Where
S3 compares ETags before it writes, this compares generations.

GCS would also take a body in HTTP chunks; here it needs a length, because Tidegate always knows it.

usage: python gcs_target.py SETTINGS.json
SETTINGS: { certificate, key, token, page, buckets: [...] }
"""

import base64
import hashlib
import hmac

from awscrt import checksums
from object_server import Refused, Request, read_settings, serve
from object_store import ObjectStore, Stored


class GcsTarget(ObjectStore):
    """The XML API for one caller."""

    prefix = "x-goog-"
    namespace = "http://doc.s3.amazonaws.com/2006-03-01"

    def __init__(self, settings: dict) -> None:
        super().__init__(settings["buckets"])
        self.page = settings["page"]
        self._authorization = f"Bearer {settings['token']}"

    def check(self, request: Request) -> None:
        if not hmac.compare_digest(request.headers.get("authorization", ""), self._authorization):
            raise Refused(401, "AuthenticationRequired", "Authentication required.")
        foreign = [name for name in request.headers if name.startswith("x-amz-")]
        if foreign:
            raise Refused(400, "InvalidArgument", f"with an OAuth token there is no {foreign[0]}")
        if "aws-chunked" in request.headers.get("content-encoding", ""):
            raise Refused(400, "InvalidArgument", "aws-chunked is not known")
        if any(name.lower().startswith("x-amz-") for name in request.parameters):
            raise Refused(400, "InvalidArgument", "x-amz- parameters are not known")
        self._verify_hashes(request)

    def object_headers(self, stored: Stored) -> dict[str, str]:
        hashes = [f"crc32c={_crc32c(stored.body)}"]
        # Of an object in parts GCS knows no MD5.
        if "-" not in stored.etag:
            hashes.append(f"md5={_md5(stored.body)}")
        return {
            "x-goog-generation": str(stored.generation),
            "x-goog-metageneration": "1",
            "x-goog-hash": ",".join(hashes),
            "x-goog-storage-class": "STANDARD",
            "x-goog-stored-content-encoding": stored.headers.get("content-encoding", "identity"),
            "x-goog-stored-content-length": str(len(stored.body)),
        }

    def entry(self, stored: Stored) -> str:
        number = f"<Generation>{stored.generation}</Generation><MetaGeneration>1</MetaGeneration>"
        return number + super().entry(stored)

    def part_headers(self, body: bytes) -> dict[str, str]:
        return {"x-goog-hash": f"crc32c={_crc32c(body)},md5={_md5(body)}"}

    def part_copy(self, request: Request, source: Stored) -> bytes:
        raise Refused(400, "InvalidArgument", "parts are not copied")

    def overwrites(self, request: Request, existing: Stored | None) -> None:
        for name in ("if-match", "if-none-match"):
            if name in request.headers:
                raise Refused(400, "InvalidArgument", f"{name} is no condition for a write")
        wanted = request.headers.get("x-goog-if-generation-match")
        if wanted is not None and int(wanted) != (existing.generation if existing else 0):
            raise Refused(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold.")

    def _verify_hashes(self, request: Request) -> None:
        md5 = request.headers.get("content-md5")
        if md5 is not None and md5 != _md5(request.body):
            raise Refused(400, "BadDigest", "The MD5 you specified did not match what we computed.")
        for part in filter(None, request.headers.get("x-goog-hash", "").split(",")):
            name, _, value = part.strip().partition("=")
            computed = {"crc32c": _crc32c, "md5": _md5}.get(name)
            if computed is None:
                raise Refused(400, "InvalidArgument", f"{name} is no hash of x-goog-hash")
            if computed(request.body) != value:
                raise Refused(400, "BadDigest", f"The {name} you specified did not match what we computed.")


def _md5(body: bytes) -> str:
    return base64.b64encode(hashlib.md5(body).digest()).decode()


def _crc32c(body: bytes) -> str:
    return base64.b64encode(checksums.crc32c(body).to_bytes(4, "big")).decode()


if __name__ == "__main__":
    settings = read_settings()
    serve(GcsTarget(settings), settings["certificate"], settings["key"])
