"""Logins in a real keychain of a desktop: GNOME Keyring on a session bus of its own."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.certificates import CertificateAuthority
from harness.command_line import CommandLineProvider, Doors, Person
from harness.programs import find

DEADLINE_SECONDS = 60
LOCK = (
    "dbus-send --session --print-reply --dest=org.freedesktop.secrets /org/freedesktop/secrets "
    "org.freedesktop.Secret.Service.Lock array:objpath:/org/freedesktop/secrets/collection/login"
)


@pytest.fixture(scope="module")
def people(authority: CertificateAuthority, run_directory: Path) -> Iterator[CommandLineProvider]:
    provider = CommandLineProvider(find("node"), authority, run_directory / "keychain-provider")
    yield provider
    provider.stop()


@pytest.fixture
def doors(authority: CertificateAuthority, people: CommandLineProvider) -> Iterator[Doors]:
    doors = Doors(authority, people.issuer)
    yield doors
    doors.stop()


@pytest.fixture
def ana(tidegate_binary: str, tmp_path: Path, doors: Doors, authority: CertificateAuthority) -> Person:
    find("dbus-run-session")
    find("gnome-keyring-daemon")
    return Person(tidegate_binary, tmp_path / "ana", doors.endpoint, authority.bundle)


def desktop(person: Person, *steps: str) -> str:
    """Runs `steps`, of which each has to succeed, in a session whose keychain is open. `$T` is the program."""
    runtime = person.home / "runtime"
    runtime.mkdir(mode=0o700, exist_ok=True)
    script = "\n".join(
        [
            "set -e",
            "printf password | gnome-keyring-daemon --unlock --components=secrets >/dev/null",
            *steps,
        ]
    )
    environment = person.environment | {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(person.home),
        "XDG_RUNTIME_DIR": str(runtime),
        "T": person.binary,
    }
    ended = subprocess.run(
        ["dbus-run-session", "--", "sh", "-c", script],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=environment,
        timeout=DEADLINE_SECONDS,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


def files(person: Person) -> str:
    return "".join(path.read_text() for path in person.all_files() if path.parent.name == "logins")


def test_tokens_are_in_the_keychain_and_not_in_a_file(ana: Person, doors: Doors) -> None:
    said = desktop(
        ana,
        '"$T" login',
        '"$T" credential-process --no-cache >/dev/null',
        '"$T" whoami --json >whoami.json'.replace("whoami.json", str(ana.home / "whoami.json")),
    )
    assert "Logged in as ana@acme.test" in said and "Notice" not in said, said
    assert json.loads((ana.home / "whoami.json").read_text())["gateway"]["principal"] == "people:ana"
    assert "ana@acme.test" in files(ana) and "eyJ" not in files(ana)
    # It is the desktop's: where there is none, the login is not.
    failed = ana.tidegate().run("credential-process", "--no-cache")
    assert failed.code == 1
    assert failed.errors.startswith("tidegate: the login is in the keychain, and there is no keychain"), failed.errors
    # Keys that were fetched need no keychain.
    ana.tidegate().succeeds("credential-process")


def test_a_locked_keychain_is_said_and_not_waited_for(ana: Person) -> None:
    said = desktop(
        ana,
        '"$T" login --store keychain',
        LOCK,
        'if "$T" credential-process --no-cache; then exit 1; else echo "code $?"; fi',
        'if "$T" login --store keychain; then exit 1; else echo "code $?"; fi',
        '"$T" login',
    )
    assert "tidegate: the login is in the keychain, and the keychain is locked. Run: tidegate login --store file" in said, said
    assert 'the settings say `store = "keychain"`, and the keychain is locked. Run: tidegate login --store file' in said, said
    assert re.findall(r"code (\d)", said) == ["1", "1"], said
    assert "Notice: the keychain is locked, so the login is kept in /" in said, said
    assert "eyJ" in files(ana)


def test_logging_out_empties_the_keychain(ana: Person) -> None:
    search = (
        "dbus-send --session --print-reply --dest=org.freedesktop.secrets /org/freedesktop/secrets "
        "org.freedesktop.Secret.Service.SearchItems dict:string:string:application,tidegate"
    )
    said = desktop(ana, '"$T" login', search, "echo ---", '"$T" logout', search)
    before, after = said.split("---", 1)
    assert "object path" in before and "object path" not in after, said
