//! Faults on demand.

use super::*;

#[tokio::test]
async fn faults_come_once_and_in_order() {
    let site = Site::new().await;
    site.put("a", &vec![1; 1000]).await;
    let media = format!("{OBJECTS}/a?alt=media");
    site.store.plan(
        "GET",
        "alt=media",
        GcsFault::Status {
            status: 503,
            after: 0,
        },
    );
    site.store
        .plan("GET", "alt=media", GcsFault::CutResponse { after: 600 });
    site.store.plan("DELETE", "/a", GcsFault::LoseResponse);
    assert_eq!(site.get(&media).await.status, 503);
    let cut = site.get(&media).await;
    assert_eq!(
        (cut.status, cut.header("content-length"), cut.broken),
        (200, "1000", true)
    );
    assert!(cut.body.len() <= 600);
    let whole = site.get(&media).await;
    assert_eq!((whole.body.len(), whole.broken), (1000, false));
    assert!(
        site.try_send("DELETE", &format!("{OBJECTS}/a"), &[], b"")
            .await
            .is_none()
    );
    assert_eq!(site.content("a"), None);
    let seen = site.store.requests();
    let statuses: Vec<_> = seen.iter().map(|request| request.status).collect();
    assert_eq!(statuses, [Some(503), Some(200), Some(200), None]);
    assert_eq!(seen[0].line(), format!("GET {media}"));
}

#[tokio::test]
async fn what_stalls_stays_until_the_other_side_has_enough() {
    let site = Site::new().await;
    site.put("a", &vec![1; 1000]).await;
    site.store
        .plan("GET", "alt=media", GcsFault::StallResponse { after: 600 });
    let mut stream = TcpStream::connect(site.store.address()).await.unwrap();
    let head =
        format!("GET {OBJECTS}/a?alt=media HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut read = Vec::new();
    while !read.windows(4).any(|window| window == b"\r\n\r\n") || !read.ends_with(&[1; 600]) {
        assert!(
            stream.read_buf(&mut read).await.unwrap() > 0,
            "{}",
            read.escape_ascii()
        );
    }
    let more = tokio::time::timeout(std::time::Duration::from_millis(50), stream.read_u8()).await;
    assert!(more.is_err(), "it says nothing more, and does not end either");
}
