"""What the stand-ins for stores have in common: objects in memory, and what S3 does with them.

A stand-in is as strict as the store that it stands for, not as forgiving as a stub: what that store would refuse or get
wrong is refused here, and every request is authenticated. `plain_target` and `gcs_target` say how; this says what a
bucket does.
"""

import base64
import hashlib
import itertools
import re
import threading
import urllib.parse
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

from object_server import Answer, Refused, Request, element

MAX_KEYS = 1000
LIST_PARAMETERS = {"delimiter", "encoding-type", "max-keys", "prefix"}
LIST_V2_PARAMETERS = {"continuation-token", "fetch-owner", "list-type", "start-after"}
# Kept with an object as they came, and given back with it.
KEPT_HEADERS = {
    "content-type",
    "content-encoding",
    "content-disposition",
    "content-language",
    "cache-control",
    "expires",
}


@dataclass(frozen=True)
class Stored:
    """An object."""

    body: bytes
    etag: str
    headers: dict[str, str]
    modified: datetime
    generation: int


@dataclass
class Upload:
    """An upload in parts that is not completed yet."""

    key: str
    headers: dict[str, str]
    parts: dict[int, bytes] = field(default_factory=dict)


class ObjectStore:
    """Buckets in memory behind one dialect of S3. A dialect overrides what it does otherwise."""

    # What the dialect's own headers begin with.
    prefix = "x-amz-"
    namespace = "http://s3.amazonaws.com/doc/2006-03-01/"
    # Most entries of one page of a listing.
    page = MAX_KEYS

    def __init__(self, buckets: list[str]) -> None:
        self._lock = threading.Lock()
        self._buckets: dict[str, dict[str, Stored]] = {name: {} for name in buckets}
        self._uploads: dict[str, Upload] = {}
        self._numbers = itertools.count(1_700_000_000_000_000)

    # What a dialect says for itself.

    def check(self, request: Request) -> None:
        """Refuses a request that this store does not take, or whose caller it does not know."""
        raise NotImplementedError

    def object_headers(self, stored: Stored) -> dict[str, str]:
        """What an object's answers say in addition."""
        return {}

    def part_headers(self, body: bytes) -> dict[str, str]:
        """What a part's answer says in addition."""
        return {}

    def part_copy(self, request: Request, source: Stored) -> bytes:
        """The bytes that a part copies."""
        span = request.headers.get(f"{self.prefix}copy-source-range")
        return source.body if span is None else source.body[_range(span, len(source.body))]

    def overwrites(self, request: Request, existing: Stored | None) -> None:
        """Refuses a write whose condition does not hold."""
        if request.headers.get("if-none-match") == "*" and existing is not None:
            raise Refused(412, "PreconditionFailed")
        wanted = request.headers.get("if-match")
        if wanted is not None and (existing is None or wanted.strip('"') != existing.etag):
            raise Refused(412, "PreconditionFailed")

    # What every dialect does.

    def answer(self, request: Request) -> Answer:
        self.check(request)
        with self._lock:
            objects = self._buckets.get(request.bucket)
            if objects is None:
                raise Refused(404, "NoSuchBucket")
            if request.key:
                return self._object_answer(request, objects)
            return self._bucket_answer(request, objects)

    def _bucket_answer(self, request: Request, objects: dict[str, Stored]) -> Answer:
        asked = request.parameters
        match request.method, *sorted(set(asked) - LIST_PARAMETERS):
            case ["HEAD"]:
                return Answer()
            case ["POST", "delete"]:
                return self._delete_many(request, objects)
            case ["GET", "location"]:
                return self._document("LocationConstraint", "")
            case ["GET", *rest] if "uploads" in rest:
                return self._list_uploads(request)
            case ["GET", *rest] if asked.get("list-type") == "2" and set(rest) <= LIST_V2_PARAMETERS:
                return self._list(request, objects, "continuation-token", "start-after")
            case ["GET", *rest] if set(rest) <= {"marker"}:
                return self._list(request, objects, "marker", "marker")
            case [method, *parameters]:
                raise Refused(501, "NotImplemented", f"{method} of a bucket with {parameters}")

    def _object_answer(self, request: Request, objects: dict[str, Stored]) -> Answer:
        source = request.headers.get(f"{self.prefix}copy-source")
        match request.method, *sorted(set(request.parameters) - {"x-id"}):
            case ["PUT"] if source is None:
                return self._put(request, objects)
            case ["PUT"]:
                return self._copy(request, objects, self._source(source))
            case ["PUT", "partNumber", "uploadId"]:
                return self._put_part(request, source)
            case ["GET" | "HEAD"]:
                return self._get(request, objects)
            case ["GET", *parameters] if "uploadId" in parameters:
                return self._list_parts(request)
            case ["DELETE"]:
                objects.pop(request.key, None)
                return Answer(204)
            case ["DELETE", "uploadId"]:
                self._upload(request)
                del self._uploads[request.parameters["uploadId"]]
                return Answer(204)
            case ["POST", "uploads"]:
                return self._start_upload(request)
            case ["POST", "uploadId"]:
                return self._complete_upload(request, objects)
            case [method, *parameters]:
                raise Refused(501, "NotImplemented", f"{method} of an object with {parameters}")

    def _store(self, objects: dict[str, Stored], key: str, body: bytes, etag: str, headers: dict[str, str]) -> Stored:
        objects[key] = Stored(body, etag, headers, datetime.now(UTC).replace(microsecond=0), next(self._numbers))
        return objects[key]

    def _put(self, request: Request, objects: dict[str, Stored]) -> Answer:
        self.overwrites(request, objects.get(request.key))
        etag = hashlib.md5(request.body).hexdigest()
        stored = self._store(objects, request.key, request.body, etag, self._kept(request))
        return Answer(headers={"etag": f'"{etag}"', **self.object_headers(stored)})

    def _get(self, request: Request, objects: dict[str, Stored]) -> Answer:
        stored = objects.get(request.key)
        if stored is None:
            raise Refused(404, "NoSuchKey")
        quoted = f'"{stored.etag}"'
        if request.headers.get("if-match", quoted) not in (quoted, stored.etag, "*"):
            raise Refused(412, "PreconditionFailed")
        if request.headers.get("if-none-match") in (quoted, stored.etag, "*"):
            return Answer(304, headers={"etag": quoted})
        since = request.headers.get("if-unmodified-since")
        if since is not None and stored.modified > parsedate_to_datetime(since):
            raise Refused(412, "PreconditionFailed")
        headers = {
            **stored.headers,
            **self.object_headers(stored),
            "etag": quoted,
            "accept-ranges": "bytes",
            "last-modified": format_datetime(stored.modified, usegmt=True),
        }
        body, status = stored.body, 200
        if "range" in request.headers:
            span = _range(request.headers["range"], len(body))
            headers["content-range"] = f"bytes {span.start}-{span.stop - 1}/{len(body)}"
            body, status = body[span], 206
        return Answer(status, b"" if request.method == "HEAD" else body, headers, len(body))

    def _copy(self, request: Request, objects: dict[str, Stored], source: Stored) -> Answer:
        replaces = request.headers.get(f"{self.prefix}metadata-directive", "COPY").upper() == "REPLACE"
        headers = self._kept(request) if replaces else source.headers
        # A copy is one object, whatever its source was made of.
        self.overwrites(request, objects.get(request.key))
        etag = hashlib.md5(source.body).hexdigest()
        stored = self._store(objects, request.key, source.body, etag, headers)
        result = element("LastModified", _timestamp(stored.modified)) + element("ETag", f'"{etag}"')
        answer = self._document("CopyObjectResult", result)
        answer.headers.update(self.object_headers(stored))
        return answer

    def _source(self, text: str) -> Stored:
        bucket, _, key = urllib.parse.unquote(text).removeprefix("/").partition("/")
        stored = self._buckets.get(bucket, {}).get(key)
        if stored is None:
            raise Refused(404, "NoSuchKey")
        return stored

    def _start_upload(self, request: Request) -> Answer:
        upload_id = hashlib.sha256(f"{next(self._numbers)}".encode()).hexdigest()
        self._uploads[upload_id] = Upload(request.key, self._kept(request))
        parts = [("Bucket", request.bucket), ("Key", request.key), ("UploadId", upload_id)]
        return self._document("InitiateMultipartUploadResult", "".join(element(*part) for part in parts))

    def _upload(self, request: Request) -> Upload:
        upload = self._uploads.get(request.parameters["uploadId"])
        if upload is None or upload.key != request.key:
            raise Refused(404, "NoSuchUpload")
        return upload

    def _put_part(self, request: Request, source: str | None) -> Answer:
        upload = self._upload(request)
        number = int(request.parameters["partNumber"])
        if source is None:
            upload.parts[number] = request.body
            etag = f'"{hashlib.md5(request.body).hexdigest()}"'
            return Answer(headers={"etag": etag} | self.part_headers(request.body))
        upload.parts[number] = self.part_copy(request, self._source(source))
        etag = hashlib.md5(upload.parts[number]).hexdigest()
        now = _timestamp(datetime.now(UTC))
        return self._document("CopyPartResult", element("LastModified", now) + element("ETag", f'"{etag}"'))

    def _complete_upload(self, request: Request, objects: dict[str, Stored]) -> Answer:
        upload = self._upload(request)
        wanted = [
            (int(_text(part, "PartNumber")), _text(part, "ETag").strip('"')) for part in _elements(request.body, "Part")
        ]
        if not wanted or [number for number, _ in wanted] != sorted({number for number, _ in wanted}):
            raise Refused(400, "InvalidPartOrder")
        digests = []
        for place, (number, etag) in enumerate(wanted, 1):
            part = upload.parts.get(number)
            if part is None or hashlib.md5(part).hexdigest() != etag:
                raise Refused(400, "InvalidPart")
            if place < len(wanted) and len(part) < 5 << 20:
                raise Refused(400, "EntityTooSmall")
            digests.append(hashlib.md5(part).digest())
        self.overwrites(request, objects.get(request.key))
        etag = f"{hashlib.md5(b''.join(digests)).hexdigest()}-{len(digests)}"
        body = b"".join(upload.parts[number] for number, _ in wanted)
        stored = self._store(objects, request.key, body, etag, upload.headers)
        del self._uploads[request.parameters["uploadId"]]
        location = f"https://{request.headers['host']}/{request.bucket}/{urllib.parse.quote(request.key)}"
        parts = [("Location", location), ("Bucket", request.bucket), ("Key", request.key), ("ETag", f'"{etag}"')]
        answer = self._document("CompleteMultipartUploadResult", "".join(element(*part) for part in parts))
        answer.headers.update(self.object_headers(stored))
        return answer

    def _list_parts(self, request: Request) -> Answer:
        upload = self._upload(request)
        parts = "".join(
            f"<Part>{element('PartNumber', number)}{element('ETag', _quoted_md5(part))}{element('Size', len(part))}</Part>"
            for number, part in sorted(upload.parts.items())
        )
        names = [("Bucket", request.bucket), ("Key", request.key), ("UploadId", request.parameters["uploadId"])]
        head = "".join(element(*name) for name in names) + element("IsTruncated", "false")
        return self._document("ListPartsResult", head + parts)

    def _list_uploads(self, request: Request) -> Answer:
        prefix = request.parameters.get("prefix", "")
        uploads = "".join(
            f"<Upload>{element('Key', upload.key)}{element('UploadId', name)}</Upload>"
            for name, upload in self._uploads.items()
            if upload.key.startswith(prefix)
        )
        head = element("Bucket", request.bucket) + element("Prefix", prefix) + element("IsTruncated", "false")
        return self._document("ListMultipartUploadsResult", head + uploads)

    def _delete_many(self, request: Request, objects: dict[str, Stored]) -> Answer:
        keys = [_text(entry, "Key") for entry in _elements(request.body, "Object")]
        if not 0 < len(keys) <= MAX_KEYS:
            raise Refused(400, "MalformedXML")
        for key in keys:
            objects.pop(key, None)
        quiet = any(flag.text == "true" for flag in _elements(request.body, "Quiet"))
        deleted = "" if quiet else "".join(f"<Deleted>{element('Key', key)}</Deleted>" for key in keys)
        return self._document("DeleteResult", deleted)

    def _list(self, request: Request, objects: dict[str, Stored], resume: str, start: str) -> Answer:
        asked = request.parameters
        prefix, delimiter = asked.get("prefix", ""), asked.get("delimiter", "")
        limit = min(int(asked.get("max-keys", MAX_KEYS)), self.page)
        after = asked.get(start, "")
        if resume != start and resume in asked:
            after = base64.urlsafe_b64decode(asked[resume]).decode()
        entries: dict[str, Stored | None] = {}
        for key in sorted(objects):
            rest = key.removeprefix(prefix) if key.startswith(prefix) else None
            if rest is None:
                continue
            folder = delimiter and delimiter in rest
            name = prefix + rest.partition(delimiter)[0] + delimiter if folder else key
            if name > after:
                entries.setdefault(name, None if folder else objects[key])
        page = list(itertools.islice(entries.items(), limit))
        truncated = len(page) < len(entries)
        name_of = urllib.parse.quote if asked.get("encoding-type") == "url" else str
        head = [("Name", request.bucket), ("Prefix", name_of(prefix)), ("MaxKeys", limit)]
        head += [("Delimiter", name_of(delimiter))] * bool(delimiter)
        head += [("EncodingType", "url")] * (name_of is not str)
        head += [("KeyCount", len(page))] * (resume != start)
        head += [("IsTruncated", "true" if truncated else "false")]
        if truncated and resume != start:
            head += [("NextContinuationToken", base64.urlsafe_b64encode(page[-1][0].encode()).decode())]
        elif truncated:
            head += [("NextMarker", name_of(page[-1][0]))]
        listed = "".join(
            f"<CommonPrefixes>{element('Prefix', name_of(name))}</CommonPrefixes>"
            if stored is None
            else f"<Contents>{element('Key', name_of(name))}{self.entry(stored)}</Contents>"
            for name, stored in page
        )
        return self._document("ListBucketResult", "".join(element(*part) for part in head) + listed)

    def entry(self, stored: Stored) -> str:
        """What a listing says of an object besides its key."""
        parts = [
            ("LastModified", _timestamp(stored.modified)),
            ("ETag", f'"{stored.etag}"'),
            ("Size", len(stored.body)),
        ]
        return "".join(element(*part) for part in [*parts, ("StorageClass", "STANDARD")])

    def _kept(self, request: Request) -> dict[str, str]:
        kept = {name: value for name, value in request.headers.items() if name in KEPT_HEADERS}
        meta = f"{self.prefix}meta-"
        return kept | {name: value for name, value in request.headers.items() if name.startswith(meta)}

    def _document(self, name: str, content: str) -> Answer:
        text = f'<?xml version="1.0" encoding="UTF-8"?>\n<{name} xmlns="{self.namespace}">{content}</{name}>'
        return Answer(body=text.encode(), headers={"content-type": "application/xml"})


def _range(text: str, size: int) -> slice:
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", text)
    if match is None or match[0] == "bytes=-":
        raise Refused(416, "InvalidRange")
    first, last = match[1], match[2]
    start = int(first) if first else max(size - int(last), 0)
    end = min(int(last), size - 1) if first and last else size - 1
    if start > end:
        raise Refused(416, "InvalidRange")
    return slice(start, end + 1)


def _elements(document: bytes, name: str) -> list[ElementTree.Element]:
    try:
        root = ElementTree.fromstring(document)
    except ElementTree.ParseError:
        raise Refused(400, "MalformedXML") from None
    return [element for element in root.iter() if element.tag.rpartition("}")[2] == name]


def _text(parent: ElementTree.Element, name: str) -> str:
    for child in parent:
        if child.tag.rpartition("}")[2] == name:
            return child.text or ""
    raise Refused(400, "MalformedXML", f"no {name}")


def _quoted_md5(body: bytes) -> str:
    return f'"{hashlib.md5(body).hexdigest()}"'


def _timestamp(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z")
