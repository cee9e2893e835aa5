//! The nouns of Google's JSON API: its methods by name, and one call of them with everything that decides it and
//! everything that crosses.
//!
//! A call needs the same actions as its twin in S3, so that one policy file decides both. Knows nothing of HTTP, as its
//! neighbours: where a method is on the wire is a fact of the catalogue, who reads and writes it is `dialect::gcs`.
//!
//! Spec: <https://cloud.google.com/storage/docs/json_api/v1>

mod access;
mod call;
mod catalogue;
#[cfg(test)]
mod golden;
mod method;
mod sending;
#[cfg(test)]
mod tests;
mod wishes;

pub use call::{Call, CallError, ComposeCondition, Detail, Source};
pub(crate) use catalogue::{Answer, Handling, Right, Row, Sent};
pub use method::Method;
pub use sending::{ChunkRange, Sending, Session};
pub use wishes::Wishes;
