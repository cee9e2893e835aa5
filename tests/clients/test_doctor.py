"""`tidegate doctor` on a server whose targets are real stores, and on the machine of a caller."""

import json
import os
import subprocess
from pathlib import Path

from harness.identities import Identities
from harness.tidegate import Tidegate

SECONDS = 120


def examined(tidegate: Tidegate, *words: str) -> dict[tuple[str, str], dict]:
    """The report of a server, by check and what it is about; nothing fails in it."""
    return _well(json.loads(tidegate.run("doctor", "--json", *words)))


def _well(report: dict) -> dict[tuple[str, str], dict]:
    failing = [line for line in report["checks"] if line["outcome"] == "fail"]
    assert report["well"] and not failing, failing
    return {(line["check"], line["about"]): line for line in report["checks"]}


def test_a_server_before_real_stores_is_well(matrix_tidegate: Tidegate) -> None:
    lines = examined(matrix_tidegate)
    assert "certificate expires in" in lines["tls", "issuer idp"]["message"]
    assert lines["issuer", "idp"]["message"].startswith("keys that can be used: ")
    for target in ["aws", "s3s-fs", "plain", "gcs"]:
        assert lines["credential", target]["outcome"] == "ok", lines["credential", target]
        assert lines["bucket", target]["message"].startswith("HEAD, list in "), lines["bucket", target]


def test_a_canary_is_put_read_and_deleted_in_real_stores(matrix_tidegate: Tidegate) -> None:
    for target in ["aws", "s3s-fs", "plain", "gcs"]:
        lines = examined(matrix_tidegate, "--bucket", target, "--write", "--prefix", "doctor/trial")
        said = lines["bucket", target]["message"]
        assert said.startswith("HEAD, list, put, get, delete in "), said


def test_a_callers_machine_is_well(
    tidegate: Tidegate, tidegate_binary: str, identities: Identities, tmp_path: Path
) -> None:
    gateway = tidegate.gateway
    token = tmp_path / "token"
    token.write_text(identities.token("etl"))
    command = [
        tidegate_binary,
        "doctor",
        "--json",
        *("--endpoint", gateway.endpoint, "--ca", str(gateway.ca)),
        *("--identity", "file", "--token-file", str(token)),
        *("--bucket", "lake", "--write", "--prefix", "tmp/doctor"),
    ]
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, env=environment, check=False)
    assert done.stdout, done.stderr
    lines = _well(json.loads(done.stdout))
    assert lines["audience", ""]["message"].endswith("taken as `idp:etl`"), lines["audience", ""]
    assert lines["credentials", ""]["outcome"] == "ok"
    assert lines["bucket", "lake"]["message"]== "HEAD, list, put, get, delete", lines["bucket", "lake"]
