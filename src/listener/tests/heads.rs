//! The rules for heads that hyper has parsed, one by one.

use crate::{
    body::{Body, empty, full},
    listener::{Connection, HeadViolation as Bad, head},
};
use http::{Request, Version};

fn connection(server_name: Option<&str>) -> Connection {
    Connection {
        peer: "192.0.2.1:1000".parse().unwrap(),
        local: "192.0.2.2:443".parse().unwrap(),
        tls_version: "TLSv1.3",
        cipher: "TLS13_AES_128_GCM_SHA256",
        server_name: server_name.map(Into::into),
        http2: false,
    }
}

fn request(method: &str, target: &str, headers: &[(&str, &str)], body: Body) -> Request<Body> {
    let mut builder = Request::builder().method(method).uri(target);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(body).unwrap()
}

fn verdict(request: Request<Body>) -> Result<Request<Body>, Bad> {
    head::check(request, &connection(None)).map_err(|(violation, _)| violation)
}

#[track_caller]
fn refused(method: &str, target: &str, headers: &[(&str, &str)], expected: Bad) {
    let verdict = verdict(request(method, target, headers, empty()));
    assert_eq!(verdict.map(|_| ()), Err(expected));
}

#[track_caller]
fn refused_header(name: &str, value: &str, expected: Bad) {
    refused("GET", "/", &[("host", "h"), (name, value)], expected);
}

#[track_caller]
fn accepted(method: &str, target: &str, headers: &[(&str, &str)]) {
    let verdict = verdict(request(method, target, headers, empty()));
    assert_eq!(verdict.map(|_| ()), Ok(()));
}

#[test]
fn a_host_is_needed_once_and_plain() {
    // FRM-07
    refused("GET", "/", &[], Bad::MissingHost);
    refused(
        "GET",
        "/",
        &[("host", "h"), ("host", "h")],
        Bad::Duplicate("Host"),
    );
    for host in [
        "", "p@evil", "a b", "h/x", "h:1:2", "h:x", "h:123456", "[::1", "[::1]x", "[x]", "a,b", ":443", "h?x",
    ] {
        refused("GET", "/", &[("host", host)], Bad::Host);
    }
    for host in [
        "h",
        "h:9000",
        "b.s3.example.com",
        "127.0.0.1:80",
        "[::1]",
        "[::1]:9000",
        "a_b",
        "h.",
    ] {
        accepted("GET", "/", &[("host", host)]);
    }
}

#[test]
fn the_authority_of_the_target_must_be_the_host() {
    // FRM-05, FRM-12
    refused("GET", "https://evil/k", &[("host", "h")], Bad::Authority);
    refused("GET", "https://u@h/k", &[("host", "h")], Bad::Authority);
    refused("GET", "https://h/k", &[], Bad::MissingHost);
    let plain = verdict(request("GET", "https://h/k?a=%20", &[("host", "H")], empty())).unwrap();
    assert_eq!(plain.uri(), "/k?a=%20");
}

#[test]
fn http_2_requests_get_a_host() {
    // FRM-12
    let mut over_http2 = request("GET", "https://h:8443/k", &[], empty());
    *over_http2.version_mut() = Version::HTTP_2;
    let plain = verdict(over_http2).unwrap();
    assert_eq!(plain.uri(), "/k");
    assert_eq!(plain.headers()["host"], "h:8443");
    let mut with_user = request("GET", "https://u@h/k", &[], empty());
    *with_user.version_mut() = Version::HTTP_2;
    assert_eq!(verdict(with_user).unwrap_err(), Bad::Host);
    let mut differing = request("GET", "https://h/k", &[("host", "evil")], empty());
    *differing.version_mut() = Version::HTTP_2;
    assert_eq!(verdict(differing).unwrap_err(), Bad::Authority);
}

#[test]
fn http_1_0_is_refused() {
    // FRM-02
    let mut old = request("GET", "/", &[("host", "h")], empty());
    *old.version_mut() = Version::HTTP_10;
    assert_eq!(verdict(old).unwrap_err(), Bad::Version);
}

#[test]
fn methods_that_are_not_served_are_refused() {
    // FRM-06
    for method in ["TRACE", "CONNECT", "get", "Get", "PROPFIND", "BREW"] {
        refused(method, "/", &[("host", "h")], Bad::Method);
    }
}

#[test]
fn a_body_is_refused_where_none_belongs() {
    // FRM-04
    for method in ["GET", "HEAD", "DELETE"] {
        let with_body = request(method, "/", &[("host", "h")], full("x"));
        assert_eq!(verdict(with_body).unwrap_err(), Bad::Body);
        accepted(method, "/", &[("host", "h"), ("content-length", "0")]);
    }
    assert!(verdict(request("POST", "/", &[("host", "h")], full("x"))).is_ok());
}

#[test]
fn targets_must_be_encoded_paths() {
    // FRM-05
    for target in ["/%zz", "/%", "/%2", "/a?b=%g0", "*"] {
        refused("GET", target, &[("host", "h")], Bad::Target);
    }
    for target in [
        "/",
        "/a//b/../c",
        "/%00%2F%2e",
        "/b/k?x-id=GetObject&",
        "/b?",
        "/b\\c",
    ] {
        accepted("GET", target, &[("host", "h")]);
    }
}

#[test]
fn headers_that_decide_may_come_once() {
    // FRM-07
    for name in [
        "Authorization",
        "Content-Type",
        "Range",
        "x-amz-date",
        "x-amz-security-token",
        "x-amz-content-sha256",
        "x-amz-copy-source",
    ] {
        let twice = [("host", "h"), (name, "a"), (name, "a")];
        refused("PUT", "/", &twice, Bad::Duplicate(name));
        accepted("PUT", "/", &twice[..2]);
    }
    accepted(
        "PUT",
        "/",
        &[("host", "h"), ("x-amz-meta-a", "1"), ("x-amz-meta-a", "2")],
    );
}

#[test]
fn connection_must_not_name_what_decides() {
    // FRM-08
    for value in [
        "authorization",
        "close, Authorization",
        "X-Amz-Date",
        "keep-alive,host",
        "content-length",
        "if-match",
    ] {
        refused_header("connection", value, Bad::Connection);
    }
    for value in ["close", "keep-alive", "te, close", "x-unknown", "", ","] {
        accepted("GET", "/", &[("host", "h"), ("connection", value)]);
    }
}

#[test]
fn upgrades_and_unknown_expectations_are_refused() {
    // FRM-06, FRM-10
    refused_header("upgrade", "h2c", Bad::Upgrade);
    refused_header("upgrade", "websocket", Bad::Upgrade);
    refused_header("expect", "200-ok", Bad::Expectation);
    refused_header("expect", "100-continue, x", Bad::Expectation);
    accepted("PUT", "/", &[("host", "h"), ("expect", "100-Continue")]);
}

#[test]
fn a_request_belongs_to_the_host_that_tls_was_made_for() {
    // TLS-05
    let check = |name, host| {
        let request = request("GET", "/", &[("host", host)], empty());
        head::check(request, &connection(name))
            .map(|_| ())
            .map_err(|(violation, _)| violation)
    };
    assert_eq!(check(Some("b.example.com"), "B.Example.com:8443"), Ok(()));
    assert_eq!(check(Some("b.example.com"), "b.example.com."), Ok(()));
    assert_eq!(
        check(Some("b.example.com"), "c.example.com"),
        Err(Bad::Misdirected)
    );
    assert_eq!(check(None, "c.example.com"), Ok(()));
}
