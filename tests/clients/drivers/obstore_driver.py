"""obstore: Rust's `object_store`, which polars, delta-rs, Lance and DataFusion store with."""

import obstore
from obstore.store import S3Store
from task import SETTINGS, as_bytes, content, key, step

STORE = S3Store(
    SETTINGS["bucket"],
    endpoint=SETTINGS["endpoint"],
    region=SETTINGS["region"],
    virtual_hosted_style_request=False,
    retry_config={"max_retries": 0},
)


def put(name: str, body: bytes) -> list[str]:
    return ["etag", obstore.put(STORE, key(name), body, use_multipart=False)["e_tag"]]


def put_in_parts() -> list[str]:
    part_size = int(SETTINGS["part_size"])
    answer = obstore.put(STORE, key("large.bin"), content("large"), use_multipart=True, chunk_size=part_size)
    return ["etag", answer["e_tag"]]


def head() -> list[str]:
    found = obstore.head(STORE, key("small.bin"))
    return ["object", found["e_tag"], str(found["size"])]


def list_keys() -> list[str]:
    pages = obstore.list(STORE, prefix=SETTINGS["prefix"])
    return ["keys", *(entry["path"] for page in pages for entry in page)]


def get_range() -> list[str]:
    start, end = int(SETTINGS["first"]), int(SETTINGS["last"]) + 1
    return as_bytes(bytes(obstore.get_range(STORE, key("small.bin"), start=start, end=end)))


step("put", lambda: put("small.bin", content("small")))
step("put empty", lambda: put("empty.bin", b""))
step("put in parts", put_in_parts)
step("get", lambda: as_bytes(bytes(obstore.get(STORE, key("small.bin")).bytes())))
step("get range", get_range)
step("head", head)
step("list keys", list_keys)
step("copy", lambda: obstore.copy(STORE, key("small.bin"), key("copy.bin")))
step("delete", lambda: obstore.delete(STORE, key("going.bin")))
step("delete many", lambda: obstore.delete(STORE, [key("going-1.bin"), key("going-2.bin")]))
