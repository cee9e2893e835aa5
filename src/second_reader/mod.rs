//! A second opinion: what an independent parser, the `s3s` crate, reads of a request is what Tidegate authorized.
//!
//! The hazard is a request that means one thing to the policy and another to the store (CLS-01). Tests of our own
//! parser cannot find where it is wrong in the same way twice; a reader that others wrote can. Outward, every call of
//! the catalogue that `s3s` knows is sent with names that readers stumble over, to targets of both styles. Inward,
//! requests in all spellings are read by both, and where both accept, they must agree.
//!
//! `TIDEGATE_CASES` sets how many cases are tried, `TIDEGATE_FIRST_CASE` where to begin: a failure names its case.

mod cases;
mod documents;
mod inward;
mod keys;
mod reader;

use self::cases::Random;
use self::reader::{CALLS, Reader, Reading};
use crate::fuzzing::outward::{self, FOLDER, STORE, Style};
use crate::operation::{Api, Detail, Handling, Operation};
use crate::signing::SigningError;

/// What the catalogue forwards and `s3s` takes for another call, or for none: it does not know these.
const UNKNOWN_TO_S3S: &[&str] = &[
    "CreateBucketMetadataConfiguration",
    "GetBucketAbac",
    "GetBucketMetadataConfiguration",
    "PutBucketAbac",
    "UpdateBucketMetadataAnnotationTableConfiguration",
    "UpdateBucketMetadataInventoryTableConfiguration",
    "UpdateBucketMetadataJournalTableConfiguration",
];

/// Headers that decide, and that `s3s` shows.
const HEADERS: &[&str] = &[
    "x-amz-acl",
    "x-amz-bypass-governance-retention",
    "x-amz-copy-source-range",
    "x-amz-meta-a",
    "x-amz-storage-class",
    "x-amz-tagging",
];

/// What was authorized, in the words of the wire. All names are below `folder`.
fn authorized(operation: &Operation, folder: &str) -> Reading {
    let mut words: Vec<(String, String)> = Vec::new();
    let mut say = |name: &str, word: &str| words.push((name.to_owned(), word.to_owned()));
    if let Some(bucket) = operation.bucket() {
        say("bucket", bucket.as_str());
    }
    if let Some(object) = operation.object() {
        say("key", &format!("{folder}{}", object.key));
    }
    let required = operation.api().row().required;
    for (name, value) in operation.parameters() {
        let names_the_call = required.contains(name) && !matches!(*name, "uploadId" | "partNumber" | "id");
        // `s3s` makes a time of the one and has no place for the other.
        let shown = match *name {
            "response-expires" => false,
            "encoding-type" => operation.api() != Api::ListParts,
            _ => true,
        };
        let is_name = operation.listed_prefix().is_some()
            && matches!(*name, "prefix" | "marker" | "start-after" | "key-marker");
        // An empty marker is none; an empty prefix is all of the folder.
        if is_name && (*name == "prefix" || !value.is_empty()) {
            say(name, &format!("{folder}{value}"));
        } else if shown && !names_the_call {
            say(name, value);
        }
    }
    if operation.listed_prefix().is_some() && operation.parameter("prefix").is_none() {
        say("prefix", folder);
    }
    for (name, value) in operation
        .headers()
        .iter()
        .filter(|(name, _)| HEADERS.contains(&&**name))
    {
        say(name, value);
    }
    match operation.detail() {
        Detail::None | Detail::Document(_) => {}
        Detail::Copy(source) => {
            let (object, version) = (&source.object, &source.version_id);
            say(
                "x-amz-copy-source",
                &format!("{} {folder}{} {version:?}", object.bucket, object.key),
            );
        }
        Detail::Deletions { objects, quiet } => {
            for (i, deletion) in objects.iter().enumerate() {
                let (key, version) = (&deletion.object.key, &deletion.version_id);
                say(&format!("object {i}"), &format!("{folder}{key} {version:?}"));
            }
            say("quiet", if *quiet { "true" } else { "" });
        }
        Detail::Parts(parts) => {
            for (i, part) in parts.iter().enumerate() {
                let etag = part.etag.trim_matches('"');
                say(
                    &format!("part {i}"),
                    &format!("{:?} {:?}", Some(part.number), Some(etag)),
                );
            }
        }
        Detail::Tags(tags) => {
            for (i, (name, value)) in tags.iter().enumerate() {
                say(
                    &format!("tag {i}"),
                    &format!("{:?} {:?}", Some(name), Some(value)),
                );
            }
        }
    }
    Reading::new(operation.api().name(), words)
}

/// The calls that go to targets and that `s3s` knows.
fn forwarded() -> Vec<Api> {
    let known = |api: &Api| api.row().handling == Handling::Forwarded && CALLS.contains(&api.name());
    Api::ALL.iter().copied().filter(known).collect()
}

/// The numbers of the cases to try: `few` of them, unless the environment says otherwise.
#[allow(
    clippy::disallowed_methods,
    reason = "how long to try is no setting of the program"
)]
fn numbers(few: u64) -> std::ops::Range<u64> {
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .map(|text| text.parse::<u64>().expect("a number"))
    };
    let first = number("TIDEGATE_FIRST_CASE").unwrap_or(0);
    first..first + number("TIDEGATE_CASES").unwrap_or(few)
}

#[test]
fn every_call_that_goes_to_a_target_is_known_to_both_readers_or_listed() {
    for api in Api::ALL {
        let (name, handling) = (api.name(), api.row().handling);
        let unknown = handling == Handling::Forwarded && !CALLS.contains(&name);
        assert_eq!(
            unknown,
            UNKNOWN_TO_S3S.contains(&name),
            "{name}: add it to `reader.rs` or list it here"
        );
    }
}

/// Readings that should be the same and are not.
#[derive(Default)]
struct Differences(Vec<String>);

impl Differences {
    fn check<E: PartialEq + std::fmt::Debug>(
        &mut self,
        case: &str,
        theirs: Result<Reading, E>,
        ours: Reading,
    ) {
        if theirs.as_ref() != Ok(&ours) && self.0.len() < 20 {
            self.0
                .push(format!("{case}\n  s3s reads {theirs:?}\n  tidegate  {ours:?}"));
        }
    }

    fn none(self) {
        assert!(self.0.is_empty(), "{}", self.0.join("\n"));
    }
}

// CLS-01, CLS-02, CLS-05
#[test]
fn a_store_reads_what_was_authorized() {
    let (reader, apis) = (Reader::new(STORE), forwarded());
    let mut differences = Differences::default();
    for number in numbers(3000) {
        let mut random = Random(number);
        let operation = cases::operation(&mut random, &apis);
        let style = random.pick(&[Style::Path, Style::Host, Style::Folder]);
        let folder = if style == Style::Folder { FOLDER } else { "" };
        let request = match outward::request(&operation, style, b"x") {
            Ok(request) => request,
            // With the folder it would be longer than a key can be; and no folder is made or deleted.
            Err(SigningError::Key(_) | SigningError::NotForwarded(_)) if style == Style::Folder => continue,
            Err(error) => panic!("case {number}: {error}"),
        };
        let case = format!("case {number}: {} {}", request.method(), request.uri());
        differences.check(&case, reader.read(request), authorized(&operation, folder));
    }
    differences.none();
}
