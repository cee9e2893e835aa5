"""From `tidegate login` to objects: people and machines, a real identity provider, Tidegate, a store."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.certificates import CertificateAuthority
from harness.command_line import CommandLineProvider, Person
from harness.gateway import REGION, TARGET_BUCKETS
from harness.identity_provider import IdentityProvider
from harness.programs import Client, find
from harness.store import Store
from harness.tidegate import BUCKET, STORE, Served, Tidegate

ISSUER = """
[[issuers]]
name      = "people"
issuer    = "{issuer}"
audiences = ["tidegate-cli"]
kind      = "user"
groups    = "groups"
ca        = "{ca}"
login     = {{ client_id = "tidegate-cli", scopes = ["openid", "email", "groups", "offline_access"] }}

[[roles]]
name = "exporter"
"""


@pytest.fixture(scope="module")
def people(authority: CertificateAuthority, run_directory: Path) -> Iterator[CommandLineProvider]:
    provider = CommandLineProvider(find("node"), authority, run_directory / "session-people")
    yield provider
    provider.stop()


@pytest.fixture(scope="module")
def gateway_of_people(
    run_directory: Path,
    authority: CertificateAuthority,
    provider: IdentityProvider,
    people: CommandLineProvider,
    store: Store,
    tidegate_binary: str,
) -> Iterator[Tidegate]:
    configuration = (
        ISSUER.format(issuer=people.issuer, ca=authority.bundle)
        + STORE.format(endpoint=store.endpoint, ca=authority.bundle)
        + BUCKET.format(name="shared", target="store", bucket=TARGET_BUCKETS["lake"], policy="people")
    )
    environment = {
        "STORE_ACCESS_KEY_ID": store.key.access_key_id,
        "STORE_SECRET_ACCESS_KEY": store.key.secret_access_key,
    }
    served = Served(configuration, ["shared"], environment)
    tidegate = Tidegate(tidegate_binary, authority, provider, served, run_directory / "tidegate-people")
    yield tidegate
    tidegate.stop()


@pytest.fixture
def ana(tidegate_binary: str, tmp_path: Path, gateway_of_people: Tidegate, authority: CertificateAuthority) -> Person:
    return Person(tidegate_binary, tmp_path / "ana", gateway_of_people.gateway.endpoint, authority.bundle)


def test_a_person_logs_in_and_uses_every_kind_of_program(ana: Person, store: Store, gateway_of_people: Tidegate) -> None:
    store.bucket(TARGET_BUCKETS["lake"]).put("published/hello.txt", b"hello")
    logged_in = ana.tidegate().succeeds("login", "--store", "file").errors
    assert "Logged in as ana@acme.test (people) until" in logged_in and "Groups: people:analysts." in logged_in, logged_in
    me = json.loads(ana.tidegate().succeeds("whoami", "--json").output)["gateway"]
    assert (me["principal"], me["kind"], me["source_ip"]) == ("people:ana", "user", "127.0.0.1")
    assert "shared" in me["buckets"]
    shown = ana.tidegate().succeeds("whoami").output
    assert "people:ana" in shown and "groups: people:analysts" in shown, shown

    listed = ana.tidegate().succeeds("exec", "--", find("aws"), "s3", "ls", "s3://shared/published/").output
    assert "hello.txt" in listed
    # A program that gets a door instead of keys.
    served = ana.tidegate().succeeds("exec", "--serve", "--", find("aws"), "s3", "cp", "s3://shared/published/hello.txt", "-")
    assert served.output == "hello"

    # The AWS CLI asks by itself.
    configuration = ana.home / "aws.ini"
    configuration.write_text(
        f"[profile lake]\ncredential_process = {ana.binary} credential-process\n"
        f"endpoint_url = {gateway_of_people.gateway.endpoint}\nregion = {REGION}\n"
    )
    environment = ana.environment | {
        "AWS_CONFIG_FILE": str(configuration),
        "AWS_PROFILE": "lake",
        "AWS_CA_BUNDLE": ana.environment["TIDEGATE_CA"],
    }
    aws = Client("aws", ana.home, environment)
    assert aws.succeeds("s3", "cp", "s3://shared/published/hello.txt", "-").output == "hello"
    ana.tidegate().succeeds("logout")
    for path in ana.all_files():
        if path.parent.name == "keys":
            path.unlink()
    refused = aws.fails("s3", "ls", "s3://shared/").text
    assert "not logged in to" in refused and "Run: tidegate login" in refused, refused


def test_a_role_lets_a_person_do_more_and_only_that_person(ana: Person, store: Store, tmp_path: Path) -> None:
    ana.tidegate().succeeds("login", "--store", "file")
    file = ana.home / "report.csv"
    file.write_text("a,b\n")
    put = [find("aws"), "s3", "cp", str(file), "s3://shared/exports/report.csv"]
    assert "AccessDenied" in ana.tidegate().fails("exec", "--", *put).text
    ana.tidegate().succeeds("exec", "--role", "exporter", "--", *put)
    assert store.bucket(TARGET_BUCKETS["lake"]).sha256("exports/report.csv")
    bob = Person(ana.binary, tmp_path / "bob", ana.environment["TIDEGATE_ENDPOINT"], Path(ana.environment["TIDEGATE_CA"]), "bob")
    bob.tidegate().succeeds("login", "--store", "file")
    refused = bob.tidegate().run("credential-process", "--role", "exporter")
    assert refused.code == 1 and "(AccessDenied)" in refused.errors, refused.errors
    unknown = bob.tidegate().run("credential-process", "--role", "nobody-has-heard-of")
    assert unknown.code == 1, unknown.errors


def test_a_machine_needs_no_login(ana: Person, provider: IdentityProvider, store: Store) -> None:
    store.bucket(TARGET_BUCKETS["lake"]).put("published/hello.txt", b"hello")
    token = ana.home / "token"
    token.write_text(provider.token("etl") + "\n")
    machine = ana.tidegate(TIDEGATE_TOKEN_FILE=str(token), TIDEGATE_IDENTITY="file")
    copied = machine.succeeds("exec", "--", find("aws"), "s3", "cp", "s3://shared/published/hello.txt", "-")
    assert copied.output == "hello"
    me = json.loads(machine.succeeds("whoami", "--json").output)
    assert (me["identity"], me["gateway"]["principal"], me["login"]) == ("file", "idp:etl", None)
    assert ana.tab_count() == 0


def test_tags_that_nobody_may_choose_are_refused_with_the_reason(ana: Person) -> None:
    refused = ana.tidegate().run("login", "--tag", "audit=CHG-1042")
    assert refused.code == 1 and "tidegate: the gateway refuses: " in refused.errors, refused.errors
    assert "audit" in refused.errors, refused.errors
