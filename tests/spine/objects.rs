//! The main job: a token becomes a session, and the session reads and writes what its policy allows.

use crate::support::{Payload, World};

#[tokio::test]
async fn a_session_writes_lists_reads_and_deletes() {
    let world = World::start().await;
    let etl = world.client("etl").await;
    assert_eq!(etl.put("/lake/tmp/a.csv", b"1,2,3\n").await.status, 200);
    assert_eq!(world.stored("tmp/a.csv").as_deref(), Some(&b"1,2,3\n"[..]));

    let read = etl.get("/lake/tmp/a.csv").await;
    assert_eq!((read.status, read.text().as_str()), (200, "1,2,3\n"));
    assert!(read.header("etag").is_some() && read.header("date").is_some());
    let part = etl
        .send(etl.sign(
            "GET",
            "/lake/tmp/a.csv",
            &[("range", "bytes=2-3")],
            b"",
            Payload::Literal,
        ))
        .await;
    assert_eq!((part.status, part.text().as_str()), (206, "2,"));
    let head = etl.head("/lake/tmp/a.csv").await;
    assert_eq!(
        (head.status, head.header("content-length"), head.body.len()),
        (200, Some("6"), 0)
    );

    let list = etl.get("/lake?list-type=2&prefix=tmp%2F").await;
    assert_eq!(
        (list.status, list.element("Name").as_deref()),
        (200, Some("lake")),
        "{}",
        list.text()
    );
    assert!(list.text().contains("<Key>tmp/a.csv</Key>"));
    assert!(!list.text().contains("acme-lake-prod"));

    assert_eq!(etl.delete("/lake/tmp/a.csv").await.status, 204);
    assert_eq!(world.stored("tmp/a.csv"), None);
    let record = world.audit_of("DeleteObject").await;
    assert_eq!(record["actor"]["id"], "idp:etl");
    assert_eq!(record["decision"]["policies"][0], "etl-cleans-up");
}

#[tokio::test]
async fn a_denial_says_who_what_and_why_and_reaches_no_target() {
    let world = World::start().await;
    let etl = world.client("etl").await;
    let denied = etl.delete("/lake/raw/a.csv").await;
    assert_eq!((denied.status, denied.code().as_str()), (403, "AccessDenied"));
    assert_eq!(
        denied.element("Message").as_deref(),
        Some(
            "Workload: idp:etl is not authorized to perform: s3:DeleteObject on resource: \
             \"arn:aws:s3:::lake/raw/a.csv\" because no policy allows it"
        )
    );
    let forbidden = etl.put("/lake/frozen/a.csv", b"x").await;
    let message = forbidden.element("Message").unwrap_or_default();
    assert!(
        message.ends_with(
            "with an explicit deny in policy nothing-is-written-to-frozen. The frozen folder is closed. Ask the storage team."
        ),
        "{message}"
    );
    assert_eq!(world.target_requests(), Vec::<String>::new());
}
