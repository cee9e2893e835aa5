"""Clients that are libraries of other languages, or need a process of their own: a script in `drivers/` runs them.

A script carries out all its operations at once. It reads what to do from a file of `name=value` lines, and prints one
line for each operation, its parts separated by tabs: the operation, then `etag E`, `file PATH`, `bytes BASE64`,
`object E SIZE`, `keys K…`, `done` or `error MESSAGE`. Credentials come by the environment, as with any program.
"""

import base64
import functools
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.certificates import trust_store
from harness.gateway import REGION
from harness.programs import Client, missing
from matrix.cell import COPY, EMPTY, FIRST, GOING, GOING_TOO, LARGE, LAST, PART_SIZE, SMALL, Cell

SUITE = Path(__file__).parents[1]
DRIVERS = SUITE / "drivers"
JARS = SUITE / ".cache" / "jars"
SPARK_JARS = SUITE / ".cache" / "spark-jars"
CLASSES = SUITE / ".cache" / "classes"
SCRIPT_SECONDS = 180
TRUST_STORE_PASSWORD = "changeit"
_compiling = threading.Lock()


class ScriptError(Exception):
    """What a script reported for an operation."""


class Script:
    """A driver that has run already when its first operation is asked for."""

    def __init__(self, cell: Cell, program: Client, arguments: list[str | Path], choice: str = "") -> None:
        settings = cell.home / "settings.txt"
        lines = {
            "endpoint": cell.endpoint,
            "region": REGION,
            "ca": cell.ca,
            "bucket": cell.bucket,
            "prefix": cell.prefix,
            "home": str(cell.home),
            "choice": choice,
            "small": str(cell.files.small.path),
            "empty": str(cell.files.empty.path),
            "large": str(cell.files.large.path),
            "part_size": str(PART_SIZE),
            "first": str(FIRST),
            "last": str(LAST),
            "keys": ",".join([SMALL, EMPTY, LARGE, COPY, GOING, *GOING_TOO]),
        }
        settings.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
        printed = program.succeeds(*arguments, settings, deadline=SCRIPT_SECONDS).output
        rows = [line.split("\t") for line in printed.splitlines() if "\t" in line]
        self._told = {operation: told for operation, *told in rows}
        if not self._told:
            raise ScriptError(f"it reported nothing: {printed}")

    def operations(self) -> list[str]:
        return list(self._told)

    def perform(self, operation: str) -> Any:
        match self._told[operation]:
            case ["error", *message]:
                raise ScriptError(" ".join(message))
            case ["etag", etag]:
                return etag
            case ["file", path]:
                return Path(path)
            case ["bytes", text]:
                return base64.b64decode(text)
            case ["object", etag, size]:
                return etag or None, int(size)
            case ["keys", *keys]:
                return keys
            case ["done"]:
                return None
            case other:
                raise ScriptError(f"a report that nobody understands: {other}")


def javascript(name: str, choice: str = "") -> Callable[[Cell], Script]:
    """`drivers/NAME.mjs`, by Node."""

    def start(cell: Cell) -> Script:
        if not (DRIVERS / "node_modules").is_dir():
            missing("the JavaScript clients are not installed: run tests/clients/run, which installs them")
        # The AWS SDK fetches its own credentials; minio-js takes keys.
        credentials = cell.environment if name == "minio" else cell.web_identity
        environment = {**credentials, "NODE_EXTRA_CA_CERTS": cell.ca}
        return Script(cell, Client("node", cell.home, environment), [DRIVERS / f"{name}.mjs"], choice)

    return start


def python(name: str, choice: str = "") -> Callable[[Cell], Script]:
    """`drivers/NAME_driver.py`, by a Python of its own: what it loads reads the CA from the environment."""

    def start(cell: Cell) -> Script:
        environment = {**cell.environment, "SSL_CERT_FILE": cell.ca, "PYTHONPATH": str(DRIVERS)}
        return Script(cell, Client(sys.executable, cell.home, environment), [DRIVERS / f"{name}_driver.py"], choice)

    return start


def java(name: str, jars: Callable[[], list[Path]], choice: str = "") -> Callable[[Cell], Script]:
    """`drivers/NAME.java`, compiled once."""

    def start(cell: Cell) -> Script:
        class_path = compiled(name, tuple(jars()))
        options = [
            "-XX:TieredStopAtLevel=1",
            "-XX:+UseSerialGC",
            f"-Djavax.net.ssl.trustStore={trust_store(cell.gateway.ca, cell.home, TRUST_STORE_PASSWORD)}",
            f"-Djavax.net.ssl.trustStorePassword={TRUST_STORE_PASSWORD}",
            "-classpath",
            class_path,
        ]
        return Script(cell, Client("java", cell.home, cell.environment, options), [name], choice)

    return start


def java_v2_jars() -> list[Path]:
    """AWS SDK for Java v2, out of a Python package that carries it under package names of its own.

    What it logs with comes from Spark.
    """
    return [*_jars(JARS, "sagemaker-feature-store-spark-sdk-*.jar"), *_spark_jars("slf4j-api-*.jar")]


def java_v1_jars() -> list[Path]:
    """AWS SDK for Java v1, as S3A 3.3 uses it; its logging comes from Spark."""
    return [*_jars(SPARK_JARS, "aws-java-sdk-bundle-*.jar"), *_spark_jars("commons-logging-*.jar")]


def s3a_jars() -> list[Path]:
    """Hadoop with the S3A connector."""
    return [*_jars(SPARK_JARS, "*.jar"), *_spark_jars("*.jar")]


@functools.cache
def _compile(name: str, jars: tuple[Path, ...]) -> str:
    classes = CLASSES / name
    shutil.rmtree(classes, ignore_errors=True)
    classes.mkdir(parents=True)
    class_path = os.pathsep.join(map(str, jars))
    sources = [DRIVERS / f"{name}.java", DRIVERS / "Task.java"]
    command = ["javac", "-nowarn", "-proc:none", "-d", classes, "-classpath", class_path, *sources]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SCRIPT_SECONDS)
    assert done.returncode == 0, done.stderr
    return os.pathsep.join([str(classes), class_path])


def compiled(name: str, jars: tuple[Path, ...]) -> str:
    """The class path with which `name` runs."""
    with _compiling:
        return _compile(name, jars)


def _jars(directory: Path, pattern: str) -> list[Path]:
    found = sorted(directory.glob(pattern))
    if not found:
        missing(f"`{pattern}` is not installed: run tests/clients/run, which installs it")
    return found


def _spark_jars(pattern: str) -> list[Path]:
    import pyspark

    return _jars(Path(pyspark.__file__).parent / "jars", pattern)
