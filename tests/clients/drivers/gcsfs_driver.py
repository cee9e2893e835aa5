"""gcsfs, doing all that `test_gcs_gcsfs.py` looks at, in one process.

usage: python gcsfs_driver.py SETTINGS.json
SETTINGS: { endpoint, bucket } and { small, back, many }, { huge } or { grpc }
Prints one JSON document: for each step what came of it, or the error.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import gcsfs

SETTINGS = json.loads(Path(sys.argv[1]).read_text())
BUCKET = SETTINGS["bucket"]
FILES = gcsfs.GCSFileSystem(project="none", token="google_default", endpoint_url=SETTINGS["endpoint"])
REPORT = {}


def step(name: str, run: Callable[[], object]) -> None:
    try:
        REPORT[name] = run()
    except Exception as error:
        REPORT[name] = f"{type(error).__name__}: {error}"


def nothing(run: Callable[[], object]) -> Callable[[], None]:
    """For what answers with more than is looked at."""

    def quietly() -> None:
        run()

    return quietly


def work() -> None:
    there = f"{BUCKET}/gcsfs"
    step("put", lambda: FILES.put_file(SETTINGS["small"], f"{there}/a b+ü.bin"))
    step("pipe", nothing(lambda: FILES.pipe_file(f"{there}/piped.txt", b"piped")))
    step("touch", lambda: FILES.touch(f"{there}/empty"))
    step("get", lambda: FILES.get_file(f"{there}/a b+ü.bin", SETTINGS["back"]))
    step("range", lambda: FILES.cat_file(f"{there}/a b+ü.bin", 100, 110).hex())
    step("list", lambda: FILES.ls(f"{BUCKET}/gcsfs-list"))
    step("find", lambda: FILES.find(f"{BUCKET}/gcsfs-list"))
    step("many", lambda: len(FILES.ls(f"{BUCKET}/{SETTINGS['many']}")))
    step("copy", lambda: FILES.cp_file(f"{there}/piped.txt", f"{there}/copy.txt"))
    # Its sources are names in the bucket.
    step("merge", nothing(lambda: FILES.merge(f"{there}/whole.bin", [f"{there}/piped.txt", f"{there}/copy.txt"])))
    step("move", lambda: FILES.mv(f"{there}/copy.txt", f"{there}/moved.txt"))
    step("delete", nothing(lambda: FILES.rm_file(f"{there}/a b+ü.bin")))
    step("delete many", nothing(lambda: FILES.rm(f"{BUCKET}/gcsfs-list", recursive=True)))
    step("refused", lambda: FILES.put_file(SETTINGS["small"], f"{BUCKET}/sealed/gcsfs.bin"))
    step("refused at once", nothing(lambda: FILES.pipe_file(f"{BUCKET}/sealed/gcsfs.bin", b"x")))
    step("refused compose", nothing(lambda: FILES.merge(f"{BUCKET}/sealed/gcsfs.bin", [f"{there}/piped.txt"])))


def list_by_grpc_first() -> None:
    began = time.monotonic()
    REPORT["listed"] = FILES.ls(f"{BUCKET}/{SETTINGS['grpc']}")
    REPORT["seconds"] = time.monotonic() - began


if "huge" in SETTINGS:
    step("resumed", lambda: FILES.put_file(SETTINGS["huge"], f"{BUCKET}/gcsfs/huge.bin"))
elif "grpc" in SETTINGS:
    list_by_grpc_first()
else:
    work()
print(json.dumps(REPORT))
