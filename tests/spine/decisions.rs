//! Decisions by what a request asks: prefixes, versions, bypasses. And by nothing that it only says about itself.

use crate::support::fake_target::{FakeTarget, Step, answer};
use crate::support::{Payload, Settings, World};

async fn before(target: &FakeTarget, policy: &str) -> World {
    World::with(Settings {
        target: Some(target.address),
        policy: Some(policy.into()),
        ..Settings::default()
    })
    .await
}

// AUZ-08, AUZ-10
#[tokio::test]
async fn a_listing_is_decided_by_the_prefix_that_it_asks_for() {
    let target = FakeTarget::start(|head| {
        let root = match head {
            head if head.contains("?uploads") => "ListMultipartUploadsResult",
            head if head.contains("?versions") => "ListVersionsResult",
            _ => "ListBucketResult",
        };
        vec![Step::Send(answer("200 OK", "", &format!("<{root}></{root}>")))]
    })
    .await;
    let world = before(
        &target,
        r#"permit (principal, action in Tidegate::Action::"list", resource)
           when { context has prefix && context.prefix like "team-a/*" };"#,
    )
    .await;
    let etl = world.client("etl").await;
    let allowed = [
        "prefix=team-a%2F",
        "prefix=team%2Da/",
        "prefix=team-a%2Fx&delimiter=%2F",
        "prefix=team-a%2F&marker=team-b%2F",
        "prefix=team-a%2F&encoding-type=url",
        "list-type=2&prefix=team-a%2F",
        "list-type=2&prefix=team-a%2F&continuation-token=opaque%2F%2B&start-after=z",
        "versions&prefix=team-a%2F&key-marker=team-b%2F",
        "uploads&prefix=team-a%2F",
    ];
    for query in allowed {
        let answer = etl.get(&format!("/lake?{query}")).await;
        assert_eq!(answer.status, 200, "{query}: {}", answer.text());
    }
    assert!(
        target
            .lines()
            .iter()
            .all(|line| line.contains("prefix=team-a%2F")),
        "{:?}",
        target.lines()
    );
    for query in [
        "",
        "prefix=",
        "prefix=team-a",
        "prefix=team-ab%2F",
        "prefix=TEAM-A%2F",
        "prefix=%2Fteam-a%2F",
        "prefix=team-a%252F",
        "prefix=team-b%2F&marker=team-a%2F",
        "marker=team-a%2F&delimiter=%2F",
        "encoding-type=url",
        "list-type=2",
        // The page that a token leads to is decided again: its token says nothing of a prefix.
        "list-type=2&continuation-token=opaque%2F%2B",
        "list-type=2&prefix=team-b%2F&continuation-token=opaque%2F%2B",
        "list-type=2&start-after=team-a%2F",
        "versions",
        "versions&key-marker=team-a%2F",
        "versions&prefix=team-ab%2F",
        "uploads",
        "uploads&key-marker=team-a%2F",
    ] {
        let answer = etl.get(&format!("/lake?{query}")).await;
        answer.refused(query, 403, "AccessDenied");
        world.recorded(&answer, "deny", "no-permit").await;
    }
    for query in [
        "prefix=team-a%2F&prefix=",
        "prefix=&prefix=team-a%2F",
        "prefix=team-a%2F&Prefix=x",
    ] {
        let answer = etl.get(&format!("/lake?{query}")).await;
        assert!(matches!(answer.status, 400 | 501), "{query}: {}", answer.text());
    }
    assert_eq!(target.lines().len(), allowed.len());
}

// AUZ-09
#[tokio::test]
async fn a_named_version_needs_its_own_right_whatever_its_name() {
    let marker = "x-amz-delete-marker: true\r\nx-amz-version-id: v9\r\n";
    let target = FakeTarget::start(move |head| {
        let status = if head.starts_with("DELETE") {
            "204 No Content"
        } else {
            "405 Method Not Allowed"
        };
        vec![Step::Send(answer(status, marker, ""))]
    })
    .await;
    let current = r#"permit (principal, action in [Tidegate::Action::"GetObject", Tidegate::Action::"DeleteObject",
        Tidegate::Action::"GetObjectTagging", Tidegate::Action::"GetObjectAttributes"], resource);"#;
    let world = before(&target, current).await;
    let etl = world.client("etl").await;
    for version in ["v1", "null", "NULL", "0", "%00a"] {
        for (method, query, action) in [
            ("GET", "", "GetObjectVersion"),
            ("DELETE", "", "DeleteObjectVersion"),
            ("GET", "tagging&", "GetObjectVersionTagging"),
            ("GET", "attributes&", "GetObjectVersion"),
        ] {
            let path = format!("/lake/a?{query}versionId={version}");
            let answer = etl
                .send(etl.sign(method, &path, &[], b"", Payload::Literal))
                .await;
            if version.contains("%00") {
                answer.refused(&path, 400, "InvalidArgument");
                continue;
            }
            answer.refused(&path, 403, "AccessDenied");
            let message = answer.element("Message").unwrap();
            assert!(message.contains(&format!("s3:{action} on")), "{path}: {message}");
        }
        assert!(etl.head(&format!("/lake/a?versionId={version}")).await.status >= 400);
    }
    assert_eq!(target.lines(), Vec::<String>::new());
    // That the current version is a marker is for whoever may read it to know.
    let read = etl.get("/lake/a").await;
    assert_eq!(
        (read.status, read.header("x-amz-delete-marker")),
        (405, Some("true")),
        "{}",
        read.text()
    );
    let deleted = etl.delete("/lake/a").await;
    assert_eq!(
        (deleted.status, deleted.header("x-amz-version-id")),
        (204, Some("v9"))
    );
}

// AUZ-11: the header asks for a right of its own, and a prohibition of that right holds.
#[tokio::test]
async fn a_retention_is_bypassed_only_by_whom_a_policy_lets() {
    let target = FakeTarget::saying(answer("200 OK", "", "")).await;
    let world = before(
        &target,
        r#"
        permit (principal, action, resource);
        permit (principal, action in Tidegate::Action::"manage", resource);
        @id("no-bypass") forbid (principal, action == Tidegate::Action::"BypassGovernanceRetention", resource);
        "#,
    )
    .await;
    let etl = world.client("etl").await;
    let delete = b"<Delete><Object><Key>a</Key><VersionId>v</VersionId></Object></Delete>";
    let retention = b"<Retention></Retention>";
    for value in ["true", "TRUE", "1", "", "yes"] {
        let headers = [("x-amz-bypass-governance-retention", value)];
        for (method, path, body) in [
            ("DELETE", "/lake/a?versionId=v", &b""[..]),
            ("PUT", "/lake/a?retention", retention),
            ("POST", "/lake?delete", delete),
        ] {
            let answer = etl
                .send(etl.sign(method, path, &headers, body, Payload::Literal))
                .await;
            let text = answer.text();
            assert!(
                text.contains("AccessDenied") && text.contains("in policy no-bypass"),
                "{value} {path}: {text}"
            );
            let presigned = etl.presign(
                method,
                &format!("{path}&x-amz-bypass-governance-retention={value}"),
                &[],
                body,
                60,
            );
            assert!(
                etl.send(presigned).await.text().contains("<Error>"),
                "{value} {path}"
            );
        }
    }
    assert_eq!(target.lines(), Vec::<String>::new());
    // What asks for nothing needs nothing, and does not cross.
    let headers = [("x-amz-bypass-governance-retention", "false")];
    let answer = etl
        .send(etl.sign("DELETE", "/lake/a?versionId=v", &headers, b"", Payload::Literal))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(
        target
            .seen()
            .remove(0)
            .header("x-amz-bypass-governance-retention"),
        None
    );
}

// AUZ-24, CLS-04
#[tokio::test]
async fn what_a_request_says_about_itself_decides_nothing() {
    let world = World::with(Settings {
        policy: Some(
            r#"
            permit (principal in Tidegate::Group::"idp:admins", action, resource);
            permit (principal == Tidegate::Workload::"idp:root", action, resource);
            permit (principal, action, resource) when { context.source_ip.isInRange(ip("203.0.113.0/24")) };
            permit (principal, action in Tidegate::Action::"write", resource) when { context.sse == "aws:kms" };
            permit (principal, action in Tidegate::Action::"list", resource)
            when { context has prefix && context.prefix like "zz/*" };
            permit (principal, action in Tidegate::Action::"write", resource) when { resource.hasTag("open") };
            "#
            .into(),
        ),
        ..Settings::default()
    })
    .await;
    let etl = world.client("etl").await;
    for (name, value) in [
        ("x-forwarded-for", "203.0.113.9"),
        ("forwarded", "for=203.0.113.9"),
        ("x-real-ip", "203.0.113.9"),
        ("true-client-ip", "203.0.113.9"),
        ("source_ip", "203.0.113.9"),
        ("context.source_ip", "203.0.113.9"),
        ("principal", "Tidegate::Workload::\"idp:root\""),
        ("x-tidegate-principal", "idp:root"),
        ("x-tidegate-groups", "idp:admins"),
        ("groups", "idp:admins"),
        ("x-groups", "admins"),
        ("x-forwarded-user", "root"),
        ("x-forwarded-groups", "admins"),
        ("sse", "aws:kms"),
        ("context.sse", "aws:kms"),
        ("x-amz-meta-sse", "aws:kms"),
        ("x-amz-meta-x-amz-server-side-encryption", "aws:kms"),
        ("x_amz_server_side_encryption", "aws:kms"),
        ("tags", "open=1"),
        ("x-amz-meta-tagging", "open=1"),
        ("x_amz_tagging", "open=1"),
        ("prefix", "zz/"),
        ("action", "GetObject"),
        ("operation", "GetObject"),
    ] {
        for (method, path) in [
            ("GET", "/lake/a"),
            ("PUT", "/lake/a"),
            ("GET", "/lake?list-type=2"),
            ("DELETE", "/lake/a"),
        ] {
            let answer = etl
                .send(etl.sign(method, path, &[(name, value)], b"", Payload::Literal))
                .await;
            answer.refused(&format!("{method} {path} with {name}"), 403, "AccessDenied");
        }
    }
    world.untouched("claims that nobody verified");
}

// CLS-03
#[tokio::test]
async fn a_header_has_one_spelling_and_one_value() {
    let target = FakeTarget::saying(answer("200 OK", "etag: \"e\"\r\n", "")).await;
    // Somebody may manage, so that what is denied is offered.
    let policy = "permit (principal, action, resource);\n\
                  permit (principal == Tidegate::User::\"idp:boss\", action in Tidegate::Action::\"manage\", resource);";
    let world = before(&target, policy).await;
    let etl = world.client("etl").await;
    let put = |headers: &[(&str, &str)]| etl.sign("PUT", "/lake/a", headers, b"x", Payload::Literal);
    for name in [
        "x-amz-storage-class",
        "x-amz-tagging",
        "x-amz-meta-a",
        "x-amz-acl",
        "if-none-match",
    ] {
        let answer = etl.send(put(&[(name, "a=1"), (name, "a=2")])).await;
        answer.refused(name, 400, "InvalidArgument");
    }
    etl.send(put(&[("X-AMZ-ACL", "public-read")]))
        .await
        .refused("another case", 403, "AccessDenied");
    let hoisted = etl.presign("PUT", "/lake/a?X-Amz-Acl=public-read", &[], b"x", 60);
    etl.send(hoisted)
        .await
        .refused("another case in the query", 403, "AccessDenied");
    let both = etl.presign(
        "PUT",
        "/lake/a?x-amz-storage-class=GLACIER",
        &[("x-amz-storage-class", "STANDARD")],
        b"x",
        60,
    );
    etl.send(both)
        .await
        .refused("in both places", 400, "InvalidArgument");
    let respelt = etl.sign("GET", "/lake/a?x-amz-signature=0", &[], b"", Payload::Literal);
    etl.send(respelt)
        .await
        .refused("a parameter of the signature", 400, "InvalidArgument");
    assert_eq!(target.lines(), Vec::<String>::new());
    // With underscores they are nothing, and do not become something on the way.
    assert_eq!(
        etl.send(put(&[("x_amz_acl", "public-read"), ("X_AMZ_TAGGING", "a=1")]))
            .await
            .status,
        200
    );
    let seen = target.seen().remove(0).head.to_ascii_lowercase();
    assert!(!seen.contains("acl") && !seen.contains("tagging"), "{seen}");
}
