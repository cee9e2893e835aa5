"""People log in with a real browser at a real identity provider, and what others stored cannot act as them."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

from harness.certificates import CertificateAuthority
from harness.gateway import REGION, Secrets
from harness.identities import Identities
from harness.identity_provider import IdentityProvider
from harness.people import HOST, ORIGIN, Browser, PeopleProvider
from harness.programs import find
from harness.store import Store, StoredBucket
from harness.tidegate import Tidegate, served_store

SESSION = "__Host-tidegate"
# For a script that would run.
SETTLE_MS = 500
# Says whether it ran, and what it got hold of.
SCRIPT = "document.title = 'ran'; fetch('/_tidegate/').then(a => a.text()).then(t => document.title = 'read ' + t)"
HTML = f"<!doctype html><title>quiet</title><body><script>{SCRIPT}</script>"
SVG = f'<svg xmlns="http://www.w3.org/2000/svg"><title>quiet</title><script>{SCRIPT}</script></svg>'
XML = f'<x:html xmlns:x="http://www.w3.org/1999/xhtml"><x:title>quiet</x:title><x:script>{SCRIPT}</x:script></x:html>'
OBJECTS = {"html": ("text/html", HTML), "svg": ("image/svg+xml", SVG), "xml": ("text/xml", XML)}


@dataclasses.dataclass
class Site:
    """A Tidegate at which people log in."""

    tidegate: Tidegate
    provider: PeopleProvider
    identities: Identities


@pytest.fixture(scope="module")
def site(
    run_directory: Path,
    authority: CertificateAuthority,
    provider: IdentityProvider,
    store: Store,
    tidegate_binary: str,
    secrets: Secrets,
) -> Iterator[Site]:
    people = PeopleProvider(find("node"), authority, run_directory / "people")
    secrets.add("the client secret of the portal", people.client_secret)
    served = served_store(store, authority)
    served = dataclasses.replace(served, configuration=people.table + served.configuration)
    tidegate = Tidegate(tidegate_binary, authority, provider, served, run_directory / "tidegate-login")
    identities = Identities(provider, tidegate.gateway, run_directory / "tokens-login", secrets)
    yield Site(tidegate, people, identities)
    tidegate.stop()
    people.stop()


@pytest.fixture
def browser(site: Site, tmp_path: Path) -> Iterator[Browser]:
    browser = Browser(find("node"), tmp_path / "browser", address(site.tidegate))
    yield browser
    browser.quit()


def test_a_person_logs_in_sees_who_it_is_and_logs_out(
    site: Site, browser: Browser, secrets: Secrets, tmp_path: Path
) -> None:
    assert browser.open("/_tidegate/").title == "You are not logged in · Tidegate"

    home = browser.log_in("ana")

    assert (home.url, home.status) == (f"{ORIGIN}/_tidegate/", 200)
    assert [complaint for complaint in home.complaints if "Content Security Policy" in complaint] == []
    for told in ["people:ana", "people:analysts", "people:<b>bold</b>", site.provider.issuer]:
        assert told in home.text
    # The page's own style is the one that its policy lets through.
    assert browser.style("main", "border-top-style") == "solid"
    browser.screenshot(tmp_path / "home.png")
    (cookie,) = browser.cookies()
    assert {name: cookie[name] for name in ["name", "domain", "path", "secure", "httpOnly", "sameSite"]} == {
        "name": SESSION,
        "domain": HOST,
        "path": "/",
        "secure": True,
        "httpOnly": True,
        "sameSite": "Lax",
    }
    secrets.add("the cookie of ana", cookie["value"])

    out = browser.click("button[type=submit]")

    assert (out.title, browser.cookies()) == ("You are logged out · Tidegate", [])
    assert browser.open("/_tidegate/").status == 401


def test_another_account_is_asked_for(browser: Browser) -> None:
    browser.log_in("ana")

    home = browser.log_in("bob", "/_tidegate/login?issuer=people&account=other")

    assert "people:bob" in home.text
    assert "people:ana" not in home.text


def test_a_cookie_reads_no_object(site: Site, browser: Browser, lake: StoredBucket) -> None:
    lake.put("raw/browser/secret.txt", b"secret")
    browser.log_in("ana")
    for path in ["/", "/lake", "/lake/raw/browser/secret.txt"]:
        page = browser.open(path)
        assert (page.status, "AccessDenied" in page.text, "secret" in page.text.replace(path, "")) == (403, True, False)


@pytest.mark.parametrize("kind", OBJECTS)
def test_an_object_runs_nothing_on_the_host_of_the_login(kind: str, site: Site, browser: Browser) -> None:
    media_type, content = OBJECTS[kind]
    key = f"raw/browser/page.{kind}"
    upload(site.tidegate, site.identities, key, media_type, content)
    browser.log_in("ana")

    page = browser.open(link(site.identities, key))

    assert (page.status, page.headers["content-security-policy"]) == (200, "sandbox")
    assert page.headers["content-type"] == media_type
    assert "ran" not in page.title and "read" not in page.title
    assert any("sandboxed" in complaint for complaint in page.complaints), page.complaints


def test_a_script_with_our_origin_cannot_reach_the_pages(site: Site, browser: Browser, lake: StoredBucket) -> None:
    """The second fence, if the first one ever falls: what a script could do from a page that is not in a sandbox."""
    lake.put("raw/browser/plain.txt", b"plain")
    browser.log_in("ana")
    page = browser.open(link(site.identities, "raw/browser/plain.txt"))
    assert (page.status, browser.evaluate("location.origin")) == (200, ORIGIN)

    fetched = browser.evaluate("fetch('/_tidegate/').then(async (a) => [a.status, await a.text()])")
    assert fetched[0] == 403 and "people:ana" not in fetched[1]
    posted = browser.evaluate("fetch('/_tidegate/logout', { method: 'POST', body: 'token=x' }).then((a) => a.status)")
    assert posted == 403
    framed = browser.evaluate(
        """new Promise((done) => {
          const frame = document.createElement('iframe');
          frame.onload = () => {
            try { done(frame.contentDocument?.body?.textContent ?? 'closed'); } catch { done('closed'); }
          };
          frame.src = '/_tidegate/';
          document.body.append(frame);
        })"""
    )
    assert "people:ana" not in framed
    read = browser.evaluate("document.cookie")
    assert SESSION not in read
    assert "people:ana" in browser.open("/_tidegate/").text


def test_where_nobody_logs_in_objects_are_as_they_were(
    tidegate: Tidegate, identities: Identities, lake: StoredBucket, tmp_path: Path
) -> None:
    """Also the proof that the browser of these tests runs scripts where it may."""
    upload(tidegate, identities, "raw/browser/quiet.html", "text/html", HTML)
    browser = Browser(find("node"), tmp_path / "browser", address(tidegate))
    try:
        page = browser.open(link(identities, "raw/browser/quiet.html"))
        assert "content-security-policy" not in page.headers
        settled = f"new Promise((done) => setTimeout(() => done(document.title), {SETTLE_MS}))"
        assert browser.evaluate(settled) != "quiet"
    finally:
        browser.quit()


def address(tidegate: Tidegate) -> str:
    return tidegate.gateway.endpoint.replace("https://localhost", "127.0.0.1")


def s3(endpoint: str, identities: Identities, ca: Path | None = None):
    keys = identities.session_keys("etl")
    return boto3.session.Session().client(
        "s3",
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=keys.access_key_id,
        aws_secret_access_key=keys.secret_access_key,
        aws_session_token=keys.session_token,
        verify=str(ca) if ca else None,
        config=Config(s3={"addressing_style": "path"}),
    )


def link(identities: Identities, key: str) -> str:
    """A presigned link to an object, on the host where people log in."""
    parameters = {"Bucket": "lake", "Key": key}
    url = s3(ORIGIN, identities).generate_presigned_url("get_object", Params=parameters, ExpiresIn=60)
    return url.removeprefix(ORIGIN)


def upload(tidegate: Tidegate, identities: Identities, key: str, media_type: str, content: str) -> None:
    client = s3(tidegate.gateway.endpoint, identities, tidegate.gateway.ca)
    client.put_object(Bucket="lake", Key=key, Body=content.encode(), ContentType=media_type)
