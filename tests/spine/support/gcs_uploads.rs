//! Uploads by Google's JSON API as its clients make them, and those who make them.

use super::Answer;
use super::gcs_json::{Caller, JsonStore};
use super::world::{Settings, World};
use flate2::{Compression, write::GzEncoder};
use std::io::Write as _;

/// What is uploaded.
pub const CONTENT: &[u8] = b"123456789";
/// Where.
pub const UPLOAD: &str = "/upload/storage/v1/b/lake/o";
/// What chunks are multiples of.
pub const BLOCK: usize = 256 << 10;

/// Two who may do everything, so that only what they hold tells them apart.
const TWO: &str = r#"
@id("all") permit (principal == Tidegate::Workload::"idp:etl", action, resource);
@id("settings")
permit (principal == Tidegate::Workload::"idp:etl", action in Tidegate::Action::"manage", resource);
@id("all-too") permit (principal == Tidegate::Workload::"idp:backup", action, resource);
"#;

/// A store, a world at it, and `etl`.
pub async fn world_of(settings: Settings) -> (JsonStore, World, Caller) {
    let store = JsonStore::start().await;
    let world = store.world(settings).await;
    let etl = Caller::new(&world, "etl");
    (store, world, etl)
}

/// Whoever writes may write, and nothing more.
pub async fn of_writers() -> (JsonStore, World, Caller) {
    let policy = r#"@id("writes") permit (principal == Tidegate::Workload::"idp:etl",
        action in [Tidegate::Action::"PutObject", Tidegate::Action::"GetObject"], resource);"#;
    world_of(Settings {
        policy: Some(policy.into()),
        ..Settings::default()
    })
    .await
}

/// A world in which everybody may do everything.
pub async fn of_everybody() -> (JsonStore, World, Caller) {
    world_of(Settings {
        policy: Some(TWO.into()),
        ..Settings::default()
    })
    .await
}

/// The body of a multipart upload.
pub fn related(boundary: &str, line_end: &str, metadata: &str, media: &[u8], close: &str) -> Vec<u8> {
    let head = format!(
        "--{boundary}{line_end}Content-Type: application/json; charset=UTF-8{line_end}{line_end}{metadata}{line_end}\
         --{boundary}{line_end}Content-Type: text/csv{line_end}{line_end}"
    );
    [head.as_bytes(), media, line_end.as_bytes(), close.as_bytes()].concat()
}

/// With gzip.
pub fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Begins an upload; the path and query at which it goes on.
pub async fn begun(caller: &Caller, query: &str, headers: &[(&str, &str)], document: &str) -> String {
    let headers = [&[("content-type", "application/json")], headers].concat();
    let target = format!("{UPLOAD}?uploadType=resumable{query}");
    let answer = caller.send("POST", &target, &headers, document.as_bytes()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    address(caller, &answer)
}

/// The path and query at which a begun upload goes on.
pub fn address(caller: &Caller, answer: &Answer) -> String {
    let location = answer.header("location").unwrap();
    let origin = format!("https://{}", caller.client.host);
    let place = location
        .strip_prefix(&origin)
        .unwrap_or_else(|| panic!("{location}"));
    let id = place.split_once("upload_id=").unwrap().1;
    assert_eq!(answer.header("x-guploader-uploadid"), Some(id));
    place.to_owned()
}

/// Sends a chunk.
pub async fn chunk(caller: &Caller, place: &str, range: &str, content: &[u8]) -> Answer {
    caller
        .send("PUT", place, &[("content-range", range)], content)
        .await
}
