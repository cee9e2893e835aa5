"""A browser that logs somebody in: it follows redirects, keeps cookies and fills in the provider's forms.

usage: browser.py --ca FILE --as NAME [--log FILE] [--code CODE] [--deny] [--last] URL

`--log` gets a line for each run, so that a test can count the tabs. `--code` is typed into the form of the device flow.
`--last` does not go to another machine's loopback, and prints the address instead.
"""

import argparse
import html.parser
import http.cookiejar
import ssl
import urllib.error
import urllib.parse
import urllib.request

TIMEOUT_SECONDS = 30
STEPS = 12


class Stopped(Exception):
    """The browser was sent where it does not go."""


class NotToLoopback(urllib.request.HTTPRedirectHandler):
    """Follows redirects, except to a port of this machine without TLS."""

    def redirect_request(self, request, file, code, message, headers, url):  # noqa: ANN001, ANN201, PLR0913
        if url.startswith("http://127.0.0.1"):
            raise Stopped(url)
        return super().redirect_request(request, file, code, message, headers, url)


class Forms(html.parser.HTMLParser):
    """The forms of a page, each with its address and its fields."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[tuple[str, dict[str, str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "form":
            self.forms.append((given.get("action") or "", {}))
        elif tag == "input" and self.forms and given.get("name"):
            self.forms[-1][1][given["name"]] = given.get("value") or ""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--ca", required=True)
    parser.add_argument("--as", dest="name", required=True)
    parser.add_argument("--log")
    parser.add_argument("--code")
    parser.add_argument("--deny", action="store_true")
    parser.add_argument("--last", action="store_true")
    parser.add_argument("url")
    options = parser.parse_args()
    if options.log:
        with open(options.log, "a", encoding="utf-8") as log:
            log.write("tab\n")
    context = ssl.create_default_context(cafile=options.ca)
    browser = urllib.request.build_opener(
        urllib.request.ProxyHandler({}),
        urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()),
        urllib.request.HTTPSHandler(context=context),
        *([NotToLoopback()] if options.last else []),
    )
    try:
        visit(browser, options)
    except Stopped as stopped:
        print(stopped)


def visit(browser: urllib.request.OpenerDirector, options: argparse.Namespace) -> None:
    """From the address through all forms to a page that has none."""
    url, body = options.url, None
    for _ in range(STEPS):
        with browser.open(url, data=body, timeout=TIMEOUT_SECONDS) as answer:
            page, url = answer.read().decode(), answer.url
        if options.deny and "/interaction/" in url:
            url, body = url.rstrip("/") + "/abort", None
            continue
        forms = Forms()
        forms.feed(page)
        if not forms.forms:
            print(url.split("?")[0])
            return
        action, fields = forms.forms[0]
        if "login" in fields:
            fields |= {"login": options.name, "password": "any"}
        if "user_code" in fields and options.code and not fields["user_code"]:
            fields["user_code"] = options.code
        url = urllib.parse.urljoin(url, action)
        body = urllib.parse.urlencode(fields).encode()
    raise SystemExit("the forms do not end")


if __name__ == "__main__":
    main()
