//! Storage classes: four of Google's for a dozen of Amazon's.
//!
//! They are matched by how long an object must be kept at least: 30 days is Nearline, 90 is Coldline, and what has to be
//! kept longer is Archive. Policies of a bucket at Google see the class that Google is told, whoever asks and in whose words:
//! a rule on `ARCHIVE` that `DEEP_ARCHIVE` passes would be none.
//!
//! Spec: <https://cloud.google.com/storage/docs/storage-classes>

/// Google's own names, with those of earlier years. It takes them in any case; here each has one spelling.
pub(crate) const GOOGLES_CLASSES: [&str; 7] = [
    "STANDARD",
    "NEARLINE",
    "COLDLINE",
    "ARCHIVE",
    "MULTI_REGIONAL",
    "REGIONAL",
    "DURABLE_REDUCED_AVAILABILITY",
];

/// Google's class for what a caller of S3's API asked for: a name of Amazon's, or one of Google's own. `None` if there is none.
pub(crate) fn class_at_google(class: &str) -> Option<&'static str> {
    match class {
        "STANDARD" | "REDUCED_REDUNDANCY" => Some("STANDARD"),
        "STANDARD_IA" | "ONEZONE_IA" | "NEARLINE" => Some("NEARLINE"),
        "GLACIER_IR" | "GLACIER" | "COLDLINE" => Some("COLDLINE"),
        "DEEP_ARCHIVE" | "ARCHIVE" => Some("ARCHIVE"),
        _ => None,
    }
}
