//! gRPC is not spoken: who tries it is told at once, in its own words.

use crate::support::{Signed, World};
use bytes::Bytes;
use http_body_util::Full;
use std::time::Duration;
use tokio::time::Instant;

fn call(world: &World, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Signed {
    let more = [
        &[("content-type", "application/grpc"), ("te", "trailers")],
        headers,
    ]
    .concat();
    world.anonymous().unsigned("POST", path, &more, body)
}

#[tokio::test]
async fn a_call_is_refused_at_once_and_says_nothing_of_buckets() {
    let world = World::start().await;
    let client = world.anonymous();
    let token = format!("Bearer {}", world.token("etl"));
    let mut sender = client.http2::<Full<Bytes>>().await;
    for (path, headers) in [
        (
            "/google.storage.control.v2.StorageControl/GetStorageLayout",
            &[][..],
        ),
        (
            "/google.storage.v2.Storage/BidiReadObject",
            &[("x-goog-request-params", "bucket=projects%2F_%2Fbuckets%2Flake")],
        ),
        (
            "/google.storage.v2.Storage/GetObject",
            &[("authorization", &*token)],
        ),
        ("/lake/a", &[]),
        ("/storage/v1/b/lake/o", &[]),
        ("/", &[]),
    ] {
        let before = Instant::now();
        let answer = client
            .send_http2(&mut sender, call(&world, path, headers, b"\0\0\0\0\x02\x0a\0"))
            .await;
        assert!(before.elapsed() < Duration::from_secs(5), "{path}");
        assert_eq!(
            (answer.status, answer.header("grpc-status")),
            (200, Some("12")),
            "{path}"
        );
        assert_eq!(answer.header("content-type"), Some("application/grpc"));
        let message = answer.header("grpc-message").unwrap();
        for setting in [
            "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT=false",
            "fs.gs.client.type=HTTP_API_CLIENT",
        ] {
            assert!(message.contains(setting), "{message}");
        }
        assert!(!message.contains("lake"), "{message}");
        assert!(answer.body.is_empty());
        let record = world.recorded(&answer, "deny", "unsupported").await;
        assert_eq!(record["api"]["protocol"], "gcs");
        assert_eq!(record["response"]["error_code"], "UNIMPLEMENTED");
        assert_eq!(record["resource"]["bucket"], serde_json::Value::Null);
    }
    // The same over HTTP/1.1.
    let answer = client
        .send(call(&world, "/google.storage.v2.Storage/GetObject", &[], b""))
        .await;
    assert_eq!((answer.status, answer.header("grpc-status")), (200, Some("12")));
    world.untouched("calls of gRPC");
}

#[tokio::test]
async fn the_answer_does_not_wait_for_the_body() {
    let world = World::start().await;
    let client = world.anonymous();
    let path = "/google.storage.v2.Storage/BidiWriteObject";
    let request = call(&world, path, &[], b"");
    let answer = client.send_without_body_http2(request).await;
    assert_eq!(answer.header("grpc-status"), Some("12"));
    world.untouched("a call without an end");
}

#[tokio::test]
async fn objects_of_that_type_are_objects() {
    let world = World::start().await;
    let client = world.anonymous();
    let token = world.token("etl");
    let headers = [("content-type", "application/grpc")];
    let put = client
        .bearer_with("PUT", "/lake/tmp/a", &token, &headers, b"content")
        .await;
    assert_eq!(put.status, 200, "{}", put.text());
    let begun = client
        .bearer_with("POST", "/lake/tmp/b?uploads", &token, &headers, b"")
        .await;
    assert!(begun.element("UploadId").is_some(), "{}", begun.text());
}
