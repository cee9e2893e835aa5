"""The command line of callers: logins with a real identity provider, and what other programs see of it."""

import json
import os
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness.certificates import CertificateAuthority
from harness.command_line import CommandLineProvider, Doors, Person, environment_of
from harness.processes import Server, poll
from harness.programs import find

DEADLINE_SECONDS = 60
HIDDEN = ["a-hidden-secret", "hidden-token", "eyJ"]


@pytest.fixture(scope="module")
def people(authority: CertificateAuthority, run_directory: Path) -> Iterator[CommandLineProvider]:
    provider = CommandLineProvider(find("node"), authority, run_directory / "command-line")
    yield provider
    provider.stop()


@pytest.fixture
def doors(authority: CertificateAuthority, people: CommandLineProvider) -> Iterator[Doors]:
    doors = Doors(authority, people.issuer)
    yield doors
    doors.stop()


@pytest.fixture
def brief_doors(authority: CertificateAuthority, people: CommandLineProvider) -> Iterator[Doors]:
    """A gateway whose logins have to be renewed for each exchange."""
    doors = Doors(authority, people.issuer, "tidegate-brief")
    yield doors
    doors.stop()


@pytest.fixture
def ana(tidegate_binary: str, tmp_path: Path, doors: Doors, authority: CertificateAuthority) -> Person:
    return Person(tidegate_binary, tmp_path / "ana", doors.endpoint, authority.bundle)


@pytest.fixture
def brief_ana(tidegate_binary: str, tmp_path: Path, brief_doors: Doors, authority: CertificateAuthority) -> Person:
    return Person(tidegate_binary, tmp_path / "brief", brief_doors.endpoint, authority.bundle)


def assert_nothing_hidden(text: str) -> None:
    for hidden in HIDDEN:
        assert hidden not in text, text


def test_a_login_in_a_browser_and_keys_for_every_kind_of_program(ana: Person, doors: Doors) -> None:
    logged_in = ana.tidegate().succeeds("login", doors.endpoint, "--store", "file")
    assert logged_in.output == ""
    assert re.search(
        r"Logged in as ana@acme\.test \(people\) until \d\d:\d\d, (1 h|59 min), renewed by itself\. Groups: people:analysts\.",
        logged_in.errors,
    ), logged_in.errors
    assert "Try: tidegate exec -- aws s3 ls s3://lake/" in logged_in.errors
    assert_nothing_hidden(logged_in.errors)
    assert ana.tab_count() == 1
    for path in ana.all_files():
        assert path.stat().st_mode & 0o077 == 0, path

    keys = json.loads(ana.tidegate().succeeds("credential-process").output)
    assert set(keys) == {"Version", "AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"}
    assert keys["Version"] == 1 and keys["AccessKeyId"] == "TGIAANA"
    # Without fractions of a second, which the SDK for Java v1 does not read.
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", keys["Expiration"])
    # The login had fetched them.
    assert doors.count("/credentials") == 1

    shell = environment_of(ana.tidegate().succeeds("env").output)
    assert shell["AWS_ACCESS_KEY_ID"] == "TGIAANA"
    assert shell["AWS_ENDPOINT_URL_S3"] == doors.endpoint

    program = "printf '%s %s %s' \"$AWS_SESSION_TOKEN\" \"$AWS_CREDENTIAL_EXPIRATION\" \"${AWS_PROFILE-none}\"; exit 7"
    ended = ana.tidegate(AWS_PROFILE="other").run("exec", "--", "sh", "-c", program)
    assert (ended.code, ended.output) == (7, f"hidden-token-none {keys['Expiration']} none")

    me = json.loads(ana.tidegate().succeeds("whoami", "--json").output)
    assert me["gateway"]["principal"] == "people:ana" and me["login"]["renewable"]
    assert "people:ana" in ana.tidegate().succeeds("whoami").output


def test_a_role_is_asked_for_and_has_keys_of_its_own(ana: Person, doors: Doors) -> None:
    ana.tidegate().succeeds("login", "--tag", "audit=CHG-1042", "--ttl", "8h", "--role", "exporter")
    asked = next(request for request in doors.requests if "/credentials" in request)
    assert "role=exporter" in asked and "duration=28800" in asked and "tag=audit%3DCHG-1042" in asked
    keys = json.loads(ana.tidegate().succeeds("credential-process").output)
    assert keys["SessionToken"] == "hidden-token-exporter"
    keys = json.loads(ana.tidegate().succeeds("credential-process", "--role", "reader").output)
    assert keys["SessionToken"] == "hidden-token-reader"


def test_without_a_login_it_fails_at_once_and_says_what_to_run(ana: Person, doors: Doors) -> None:
    begun = time.monotonic()
    failed = ana.tidegate().run("credential-process")
    assert time.monotonic() - begun < DEADLINE_SECONDS / 2
    assert (failed.code, failed.output) == (3, "")
    endpoint = re.escape(doors.endpoint)
    said = rf"tidegate: not logged in to `{endpoint}`\. Run: tidegate login {endpoint}( --ca \S+)?\n"
    assert re.fullmatch(said, failed.errors), failed.errors
    assert ana.tab_count() == 0
    told = ana.tidegate().run("whoami", "--json")
    next_command = json.loads(told.output)["next"]
    assert (told.code, next_command.split(" --ca ")[0]) == (3, f"tidegate login {doors.endpoint}")


def test_ten_at_once_open_one_tab(ana: Person, doors: Doors) -> None:
    with ThreadPoolExecutor(10) as pool:
        ended = list(pool.map(lambda _: ana.tidegate().run("credential-process", "--auto-login"), range(10)))
    assert [one.code for one in ended] == [0] * 10, ended
    assert len({json.loads(one.output)["AccessKeyId"] for one in ended}) == 1
    assert (ana.tab_count(), doors.count("/credentials")) == (1, 1)


def test_ten_at_once_spend_each_refresh_token_once(brief_ana: Person, brief_doors: Doors) -> None:
    """The provider ends the login of whoever shows a refresh token a second time."""
    brief_ana.tidegate().succeeds("login")
    with ThreadPoolExecutor(10) as pool:
        ended = list(pool.map(lambda _: brief_ana.tidegate().run("credential-process", "--no-cache"), range(10)))
    assert [one.code for one in ended] == [0] * 10, ended
    assert brief_doors.count("/credentials") == 11
    brief_ana.tidegate().succeeds("credential-process", "--no-cache")


def test_a_login_that_was_ended_elsewhere_is_over(brief_ana: Person) -> None:
    brief_ana.tidegate().succeeds("login", "--store", "file")
    login = next(path for path in brief_ana.all_files() if path.parent.name == "logins")
    kept = login.read_bytes()
    logged_out = brief_ana.tidegate().succeeds("logout")
    assert "Logged out ana@acme.test" in logged_out.errors and "warning" not in logged_out.errors
    assert not login.exists()
    login.touch(mode=0o600)
    login.write_bytes(kept)
    failed = brief_ana.tidegate().run("credential-process")
    assert failed.code == 3
    assert re.fullmatch(r"tidegate: session expired \d+ s ago\. Run: tidegate login\n", failed.errors), failed.errors


def test_a_device_logs_in_with_a_code(ana: Person, people: CommandLineProvider) -> None:
    log = ana.home / "device.log"
    login = ana.tidegate().start("login", "--device", "--store", "file", log=log)
    code = login.wait_for_line(r"Only approve if you see (\S+),", DEADLINE_SECONDS)[1]
    address = re.search(r"go to (\S+) on any device", log.read_text())[1]
    assert code not in address
    browser = ana.browser("ana", "--code", code)
    subprocess.run([*browser, address], check=True, capture_output=True, timeout=DEADLINE_SECONDS)
    poll(lambda: "Logged in as ana@acme.test" in log.read_text(), DEADLINE_SECONDS, "the login")
    ana.tidegate().succeeds("credential-process")


def test_the_last_address_is_pasted_back(ana: Person) -> None:
    """Where the browser cannot reach this machine, its last address is what connects them."""
    arguments = [ana.binary, "login", "--no-browser", "--store", "file"]
    environment = {"PATH": os.environ["PATH"], "HOME": str(ana.home)} | ana.environment
    login = subprocess.Popen(
        arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    said = ""
    while "paste its whole address" not in said:
        line = login.stderr.readline()
        assert line, said
        said += line
    address = re.search(r"https://\S+/auth\?\S+", said)[0]
    last = _last_address(ana, address)
    login.stdin.write("http://127.0.0.1/callback?code=evil&state=other\n" + last + "\n")
    login.stdin.flush()
    _, errors = login.communicate(timeout=DEADLINE_SECONDS)
    assert login.returncode == 0, errors
    assert "That is not the address" in errors and "Logged in as ana@acme.test" in errors


def _last_address(person: Person, address: str) -> str:
    """Where the provider sends the browser, seen by one that cannot go there."""
    browser = person.browser("ana", "--last")
    ended = subprocess.run([*browser, address], capture_output=True, text=True, timeout=DEADLINE_SECONDS)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


def test_a_login_that_is_refused_at_the_provider(ana: Person) -> None:
    denied = ana.tidegate(BROWSER=" ".join(ana.browser("ana", "--deny"))).run("login")
    assert (denied.code, denied.output) == (1, "")
    assert denied.errors.endswith("tidegate: the login was denied. Run: tidegate login\n"), denied.errors


def test_a_killed_login_leaves_no_lock(ana: Person) -> None:
    log = ana.home / "killed.log"
    hanging = ana.tidegate(BROWSER="true").start("login", log=log)
    hanging.wait_for_line("a browser has been opened", DEADLINE_SECONDS)
    hanging.kill()
    begun = time.monotonic()
    ana.tidegate().succeeds("login")
    assert time.monotonic() - begun < DEADLINE_SECONDS / 2


def test_a_gateway_that_is_down_and_a_clock_that_is_off(ana: Person, doors: Doors) -> None:
    ana.tidegate().succeeds("login")
    doors.ahead_seconds = 17 * 60
    doors.refusal = (401, {"code": "ExpiredTokenException", "message": "the token expired"})
    failed = ana.tidegate().run("credential-process", "--no-cache")
    assert failed.code == 3
    assert re.search(r"this machine's clock is 1[67] min behind the gateway's\. Run: sudo timedatectl set-ntp true && tidegate login\n$", failed.errors), failed.errors
    doors.stop()
    failed = ana.tidegate().run("credential-process", "--no-cache")
    assert failed.code == 1 and "the gateway cannot be reached" in failed.errors, failed.errors
    # What was fetched before is good until it ends.
    ana.tidegate().succeeds("credential-process")


def test_a_full_disk_costs_the_cache_and_not_the_keys(ana: Person, tidegate_binary: str) -> None:
    ana.tidegate().succeeds("login", "--store", "file")
    for path in ana.all_files():
        if path.parent.name == "keys":
            path.unlink()
    # No file may grow: what a full disk does, for this process alone.
    limited = ["sh", "-c", 'trap "" XFSZ; ulimit -f 0; exec "$0" credential-process 2>&1 >/dev/stdout | cat', tidegate_binary]
    environment = {"PATH": os.environ["PATH"], "HOME": str(ana.home)} | ana.environment
    printed = subprocess.run(limited, capture_output=True, text=True, env=environment, timeout=DEADLINE_SECONDS).stdout
    assert "warning: the keys cannot be kept for the next time" in printed, printed
    assert '"AccessKeyId":"TGIAANA"' in printed, printed


def test_an_open_cache_is_not_used(ana: Person, doors: Doors) -> None:
    ana.tidegate().succeeds("login")
    cached = next(path for path in ana.all_files() if path.parent.name == "keys")
    cached.chmod(0o644)
    warned = ana.tidegate().succeeds("credential-process")
    assert "is open to other users (mode 0644" in warned.errors and doors.count("/credentials") == 2
    assert cached.stat().st_mode & 0o777 == 0o600
    cached.write_text("{")
    assert "is damaged" in ana.tidegate().succeeds("credential-process").errors


def test_signals_reach_the_program(ana: Person) -> None:
    ana.tidegate().succeeds("login")
    for serve in [[], ["--serve"]]:
        log = ana.home / f"signals{len(serve)}.log"
        script = "trap 'echo told; exit 9' TERM; echo ready; while :; do sleep 0.05; done"
        arguments = [ana.binary, "exec", *serve, "--", "sh", "-c", script]
        environment = {"PATH": os.environ["PATH"], "HOME": str(ana.home)} | ana.environment
        with log.open("wb") as output:
            running = subprocess.Popen(arguments, stdout=output, env=environment)
        poll(lambda: "ready" in log.read_text(), DEADLINE_SECONDS, "the program")
        running.send_signal(signal.SIGTERM)
        assert running.wait(DEADLINE_SECONDS) == 9
        assert "told" in log.read_text()


def test_a_program_that_is_not_there(ana: Person) -> None:
    ana.tidegate().succeeds("login")
    for serve in [[], ["--serve"]]:
        failed = ana.tidegate().run("exec", *serve, "--", "no-such-program")
        assert failed.code == 1
        assert "cannot run `no-such-program`" in failed.errors and "Run: command -v no-such-program" in failed.errors


def test_a_served_program_asks_for_keys_as_it_needs_them(ana: Person, doors: Doors) -> None:
    """boto3 in a program that gets a door instead of keys."""
    ana.tidegate().succeeds("login")
    script = "import boto3; print(boto3.Session().get_credentials().get_frozen_credentials().access_key)"
    ended = ana.tidegate(AWS_PROFILE="other").succeeds("exec", "--serve", "--", find("python3"), "-c", script)
    assert ended.output == "TGIAANA\n", ended.text
    assert "AWS_ACCESS_KEY_ID" not in ana.tidegate().succeeds("exec", "--serve", "--", "env").output


def test_the_local_door_refuses_whoever_has_no_token(ana: Person) -> None:
    ana.tidegate().succeeds("login")
    log = ana.home / "door.log"
    token_file = ana.home / "door-token"
    door = ana.tidegate().start("serve-credentials", "--authorization-file", token_file, log=log)
    door.wait_for_line("Keys are served at", DEADLINE_SECONDS)
    shell = environment_of("\n".join(line for line in log.read_text().splitlines() if line.startswith(("export", "unset"))))
    url, token = shell["AWS_CONTAINER_CREDENTIALS_FULL_URI"], token_file.read_text()
    assert token_file.stat().st_mode & 0o777 == 0o600 and token not in log.read_text()
    assert url.startswith("http://127.0.0.1:")
    for headers in [{}, {"Authorization": "x"}, {"Authorization": f"Bearer {token}"}]:
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=DEADLINE_SECONDS)
        assert refused.value.code == 403
        assert_nothing_hidden(refused.value.read().decode())
    request = urllib.request.Request(url, headers={"Authorization": token})
    with urllib.request.urlopen(request, timeout=DEADLINE_SECONDS) as answer:
        assert json.load(answer)["AccessKeyId"] == "TGIAANA"
    door.stop()


def test_a_metadata_server_needs_no_login(ana: Person, doors: Doors, tmp_path: Path) -> None:
    server = MetadataServer(tmp_path / "metadata.log")
    environment = {"GCE_METADATA_HOST": server.host}
    keys = json.loads(ana.tidegate(**environment).succeeds("credential-process", "--identity", "gcp-metadata").output)
    assert keys["AccessKeyId"] == "TGIA104"
    ana.tidegate(**environment).succeeds("credential-process", "--identity", "gcp-metadata")
    assert (doors.count("/credentials"), ana.tab_count()) == (1, 0)
    server.stop()


class MetadataServer:
    """Google Cloud's, as a program of its own: refuses what the real one refuses."""

    PROGRAM = """
import base64, json, urllib.parse
from http.server import BaseHTTPRequestHandler, HTTPServer

PATH = "/computeMetadata/v1/instance/service-accounts/default/identity"

def part(document):
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        query = urllib.parse.parse_qs(url.query)
        if self.headers.get("Metadata-Flavor") != "Google" or self.headers.get("X-Forwarded-For"):
            status, body = 403, "Missing Metadata-Flavor:Google header."
        elif url.path != PATH:
            status, body = 404, "not found"
        elif not query.get("audience"):
            status, body = 400, "non-empty audience parameter required"
        else:
            claims = {"iss": "https://accounts.google.com", "sub": "104", "aud": query["audience"][0], "iat": 1, "exp": 3601}
            status, body = 200, ".".join([part({"alg": "RS256"}), part(claims), "c2ln"])
        self.send_response(status)
        self.send_header("Metadata-Flavor", "Google")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass

server = HTTPServer(("127.0.0.1", 0), Handler)
print("port", server.server_port, flush=True)
server.serve_forever()
"""

    def __init__(self, log: Path) -> None:
        self._server = Server([find("python3"), "-c", self.PROGRAM], log, {}, log.parent)
        port = self._server.wait_for_line(r"port (\d+)", DEADLINE_SECONDS)[1]
        self.host = f"127.0.0.1:{port}"

    def stop(self) -> None:
        self._server.stop()
