//! Names that Google and Amazon have for the same thing, and those that Google alone has.
//!
//! Both directions use one table: what a caller of Google's XML API says is understood as the S3 call that it is, so that
//! it is decided as that call is, and said to Google again in Google's words.
//!
//! Spec: <https://cloud.google.com/storage/docs/xml-api/reference-headers>

use crate::operation::Api;

/// What has the same value under both names: Google's, Amazon's.
pub(crate) const SHARED: [(&str, &str); 12] = [
    ("x-goog-acl", "x-amz-acl"),
    (
        "x-goog-bucket-object-lock-enabled",
        "x-amz-bucket-object-lock-enabled",
    ),
    (
        "x-goog-bypass-governance-retention",
        "x-amz-bypass-governance-retention",
    ),
    ("x-goog-copy-source", "x-amz-copy-source"),
    ("x-goog-copy-source-if-match", "x-amz-copy-source-if-match"),
    (
        "x-goog-copy-source-if-modified-since",
        "x-amz-copy-source-if-modified-since",
    ),
    (
        "x-goog-copy-source-if-none-match",
        "x-amz-copy-source-if-none-match",
    ),
    (
        "x-goog-copy-source-if-unmodified-since",
        "x-amz-copy-source-if-unmodified-since",
    ),
    ("x-goog-metadata-directive", "x-amz-metadata-directive"),
    ("x-goog-object-lock-mode", "x-amz-object-lock-mode"),
    (
        "x-goog-object-lock-retain-until-date",
        "x-amz-object-lock-retain-until-date",
    ),
    ("x-goog-storage-class", "x-amz-storage-class"),
];

/// What says nothing about the object or who gets at it: which library asks, on whose bill, and how often it has tried.
/// The project is the configuration's to say.
pub(crate) const LEFT_OUT: [&str; 7] = [
    "x-goog-api-client",
    "x-goog-api-version",
    "x-goog-date",
    "x-goog-gcs-idempotency-token",
    "x-goog-project-id",
    "x-goog-request-reason",
    "x-goog-user-project",
];

/// Conditions on generations. Amazon has none like them, so they are carried as they are, or refused: a condition that is
/// lost is a lost object.
pub(crate) const CONDITIONS: [&str; 6] = [
    "x-goog-copy-source-if-generation-match",
    "x-goog-copy-source-if-metageneration-match",
    "x-goog-if-generation-match",
    "x-goog-if-generation-not-match",
    "x-goog-if-metageneration-match",
    "x-goog-if-metageneration-not-match",
];

/// The conditions that Google heeds in a call.
pub(crate) fn conditions(api: Api) -> &'static [&'static str] {
    match api {
        Api::GetObject | Api::HeadObject => &[
            "x-goog-if-generation-match",
            "x-goog-if-generation-not-match",
            "x-goog-if-metageneration-match",
            "x-goog-if-metageneration-not-match",
        ],
        Api::PutObject | Api::DeleteObject => {
            &["x-goog-if-generation-match", "x-goog-if-metageneration-match"]
        }
        Api::CopyObject => &[
            "x-goog-copy-source-if-generation-match",
            "x-goog-copy-source-if-metageneration-match",
            "x-goog-if-generation-match",
            "x-goog-if-metageneration-match",
        ],
        // When an upload in parts is completed it ignores them.
        _ => &[],
    }
}

/// The name that Google has for a header of Amazon's, for words to callers who speak Google's.
pub(super) fn of_google(amazon: &str) -> String {
    match SHARED.iter().find(|(_, other)| *other == amazon) {
        Some((google, _)) => (*google).to_owned(),
        None => match amazon.strip_prefix("x-amz-meta-") {
            Some(key) => format!("x-goog-meta-{key}"),
            None => amazon.to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_in_one_list() {
        let shared = SHARED.iter().map(|(google, _)| *google);
        let all: Vec<&str> = shared.chain(LEFT_OUT).chain(CONDITIONS).collect();
        for (n, name) in all.iter().enumerate() {
            assert!(name.starts_with("x-goog-"), "{name}");
            assert!(!all.iter().skip(n + 1).any(|other| other == name), "{name}");
        }
        for api in Api::ALL {
            assert!(conditions(*api).iter().all(|name| CONDITIONS.contains(name)));
        }
    }

    #[test]
    fn a_header_is_called_as_its_caller_calls_it() {
        assert_eq!(of_google("x-amz-acl"), "x-goog-acl");
        assert_eq!(of_google("x-amz-meta-a"), "x-goog-meta-a");
        assert_eq!(of_google("expires"), "expires");
    }
}
