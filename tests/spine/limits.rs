//! S3's limits on what one request may carry: said before a byte is read, and before the target hears of it.

use crate::support::chunked::{SIGNED, SIGNED_TRAILER, Stream, UNSIGNED_TRAILER};
use crate::support::{Payload, World, raw};

const SIX_GIB: &str = "6442450944";

#[tokio::test]
async fn more_than_five_gibibytes_in_one_request_are_refused_by_the_head() {
    let world = World::start().await;
    let etl = world.client("etl").await;
    for target in ["/lake/tmp/a", "/lake/tmp/a?partNumber=1&uploadId=u"] {
        for payload in [Payload::Literal, Payload::Unsigned] {
            let request = etl.sign("PUT", target, &[], b"", payload);
            let head = raw::head(&request, &format!("content-length: {SIX_GIB}\r\n"));
            let answer = etl.exchange(&head).await;
            answer.refused(target, 400, "EntityTooLarge");
            assert_eq!(answer.element("ProposedSize").as_deref(), Some(SIX_GIB));
            assert_eq!(answer.element("MaxSizeAllowed").as_deref(), Some("5368709120"));
        }
        for mode in [UNSIGNED_TRAILER, SIGNED, SIGNED_TRAILER] {
            let stream = Stream {
                length: Some(SIX_GIB),
                ..Stream::of(mode)
            };
            let head = etl.stream("PUT", target, stream, &[]).head;
            for framing in ["content-length: 6442500000\r\n", "transfer-encoding: chunked\r\n"] {
                let answer = etl.exchange(&raw::head(&head, framing)).await;
                answer.refused(mode, 400, "EntityTooLarge");
                world.recorded(&answer, "deny", "malformed").await;
            }
        }
        let link = etl.presign("PUT", target, &[], b"", 60);
        let head = raw::head(&link, "content-length: 5368709121\r\n");
        etl.exchange(&head).await.refused("link", 400, "EntityTooLarge");
    }
    world.untouched("uploads that are too large");
}

#[tokio::test]
async fn more_than_two_kibibytes_of_metadata_are_refused() {
    let world = World::start().await;
    let etl = world.client("etl").await;
    let value = "v".repeat(2048);
    let metadata = [("x-amz-meta-a", value.as_str())];
    for (method, target) in [("PUT", "/lake/tmp/a"), ("POST", "/lake/tmp/a?uploads")] {
        let answer = etl
            .send(etl.sign(method, target, &metadata, b"", Payload::Literal))
            .await;
        answer.refused(target, 400, "MetadataTooLarge");
        assert_eq!(answer.element("MaxSizeAllowed").as_deref(), Some("2048"));
        assert_eq!(answer.element("Size").as_deref(), Some("2049"));
    }
    let source = [metadata[0], ("x-amz-copy-source", "lake/public/a")];
    let copy = etl.sign("PUT", "/lake/tmp/a", &source, b"", Payload::Literal);
    etl.send(copy).await.refused("copy", 400, "MetadataTooLarge");
    world.untouched("metadata that is too large");
    let fits = [("x-amz-meta-a", &value[..2047])];
    let answer = etl
        .send(etl.sign("PUT", "/lake/tmp/a", &fits, b"x", Payload::Literal))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}
