//! Presigned URLs: they work for what they were made, and for as long.

use crate::support::{Signed, World};
use jiff::SignedDuration;

// SIG-03, SIG-07
#[tokio::test]
async fn presigned_urls_work_for_what_they_were_made() {
    let world = World::start().await;
    let etl = world.client("etl").await;
    let put = etl
        .send(etl.presign("PUT", "/lake/tmp/a", &[], b"by link", 60))
        .await;
    assert_eq!(put.status, 200, "{}", put.text());
    assert_eq!(world.stored("tmp/a").as_deref(), Some(&b"by link"[..]));
    let typed = "/lake/tmp/a?response-content-type=text%2Fcsv";
    let got = etl.send(etl.presign("GET", typed, &[], b"", 604_800)).await;
    assert_eq!((got.status, got.text().as_str()), (200, "by link"));
    let record = world.recorded(&got, "allow", "permit").await;
    assert_eq!(record["client"]["auth"], "presigned");
    let before = world.target_requests().len();

    let presigned = etl.presign("GET", "/lake/tmp/a", &[], b"", 60);
    let change = |from: &str, to: &str| {
        let uri = presigned.uri().to_string();
        assert!(uri.contains(from), "{uri}");
        to_uri(presigned.clone(), &uri.replace(from, to))
    };
    let lifetime = |text: &str| change("X-Amz-Expires=60", &format!("X-Amz-Expires={text}"));
    let added = |text: &str| change("X-Amz-Expires", &format!("{text}&X-Amz-Expires"));
    let mut deletion = presigned.clone();
    *deletion.method_mut() = http::Method::DELETE;
    let wrong = (400, "AuthorizationQueryParametersError");
    let mismatch = (403, "SignatureDoesNotMatch");
    for (what, request, expected) in [
        ("no lifetime", lifetime("0"), wrong),
        ("negative", lifetime("-1"), wrong),
        ("fraction", lifetime("1.0"), wrong),
        ("space", lifetime("%2060"), wrong),
        ("too long", lifetime("604801"), wrong),
        ("lifetime left out", change("X-Amz-Expires=60&", ""), wrong),
        ("algorithm", change("HMAC-SHA256", "ECDSA-P256-SHA256"), wrong),
        ("stretched", lifetime("61"), mismatch),
        ("other object", change("tmp/a", "tmp/b"), mismatch),
        ("parameter added", added("versionId=1"), mismatch),
        ("header hoisted later", added("x-amz-meta-a=1"), mismatch),
        ("other method", deletion, mismatch),
        (
            "lifetime twice",
            added("x-amz-expires=6000"),
            (400, "InvalidArgument"),
        ),
        (
            "part of a signature",
            change("X-Amz-Signature", "X-Amz-Signed"),
            wrong,
        ),
    ] {
        etl.send(request).await.refused(what, expected.0, expected.1);
    }
    let version_2 = to_uri(
        presigned.clone(),
        "/lake/tmp/a?AWSAccessKeyId=A&Signature=b&Expires=1",
    );
    etl.send(version_2)
        .await
        .refused("version 2", 400, "InvalidRequest");
    assert_eq!(world.target_requests().len(), before);
    let secret = |name: &str| presigned.uri().to_string().split(name).nth(1).unwrap()[..64].to_owned();
    world.kept_secret(&[&secret("X-Amz-Signature="), &secret("X-Amz-Security-Token=")]);
}

// SIG-07
#[tokio::test]
async fn presigned_urls_expire_and_do_not_begin_early() {
    let world = World::start().await;
    world.store_file("acme-lake-prod", "tmp/a", b"a");
    let mut etl = world.client("etl").await;
    for (minutes, message, reason) in [
        (-2, "Request has expired", "expired"),
        (-60 * 24 * 8, "Request has expired", "expired"),
        (20, "Request is not valid yet", "clock-skew"),
    ] {
        etl.skew = SignedDuration::from_mins(minutes);
        let answer = etl.send(etl.presign("GET", "/lake/tmp/a", &[], b"", 60)).await;
        answer.refused(message, 403, "AccessDenied");
        assert_eq!(answer.element("Message").as_deref(), Some(message));
        assert!(answer.element("ServerTime").is_some());
        world.recorded(&answer, "deny", reason).await;
    }
    world.untouched("expired links");
    etl.skew = SignedDuration::from_mins(-20);
    assert_eq!(
        etl.send(etl.presign("GET", "/lake/tmp/a", &[], b"", 3600))
            .await
            .status,
        200
    );
}

fn to_uri(mut request: Signed, uri: &str) -> Signed {
    *request.uri_mut() = uri.parse().unwrap();
    request
}
