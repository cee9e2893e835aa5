"""obstore's client for Google Cloud Storage, doing all that `test_gcs_obstore.py` looks at, in one process.

usage: python gcs_obstore.py SETTINGS.json
SETTINGS: { endpoint, credentials, bucket, small } and { huge } if the line breaks
Prints one JSON document: for each step what came of it, or the error.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import obstore
from google.auth import identity_pool
from obstore.auth.google import GoogleCredentialProvider
from obstore.store import GCSStore

SETTINGS = json.loads(Path(sys.argv[1]).read_text())
SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
MIB = 1 << 20
CREDENTIALS = identity_pool.Credentials.from_file(SETTINGS["credentials"], scopes=[SCOPE])
STORE = GCSStore(
    SETTINGS["bucket"],
    config={"base_url": SETTINGS["endpoint"]},
    credential_provider=GoogleCredentialProvider(CREDENTIALS),
)
REPORT = {}


def step(name: str, run: Callable[[], object]) -> None:
    try:
        REPORT[name] = run()
    except Exception as error:
        REPORT[name] = f"{type(error).__name__}: {error}"


def put(key: str, file: str, **options: object) -> bool:
    return bool(obstore.put(STORE, key, Path(file), **options)["e_tag"])


def listed(prefix: str) -> list[str]:
    return sorted(entry["path"] for page in obstore.list(STORE, prefix=prefix, chunk_size=2) for entry in page)


def work() -> None:
    step("put", lambda: put("obstore/a b+ü.bin", SETTINGS["small"], use_multipart=False))
    step("get", lambda: bytes(obstore.get(STORE, "obstore/a b+ü.bin").bytes()).hex())
    step("range", lambda: bytes(obstore.get_range(STORE, "obstore/a b+ü.bin", start=100, end=110)).hex())
    step("copy", lambda: obstore.copy(STORE, "obstore/a b+ü.bin", "obstore/copy.bin"))
    step("list", lambda: listed("obstore/"))
    step("pages", lambda: listed("obstore-list/"))
    step("folded", lambda: obstore.list_with_delimiter(STORE)["common_prefixes"])
    step("delete", lambda: obstore.delete(STORE, "obstore/copy.bin"))
    step("many", lambda: [put(f"obstore-rm/{number}", SETTINGS["small"], use_multipart=False) for number in range(3)])
    step("delete many", lambda: obstore.delete(STORE, listed("obstore-rm/")))
    step("refused", lambda: put("sealed/obstore.bin", SETTINGS["small"], use_multipart=False))


if "huge" in SETTINGS:
    step("parts", lambda: put("obstore/huge.bin", SETTINGS["huge"], use_multipart=True, chunk_size=8 * MIB))
else:
    work()
print(json.dumps(REPORT))
