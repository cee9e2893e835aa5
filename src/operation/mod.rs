//! The nouns of object storage: what is asked, of which bucket and key, with which payload.
//!
//! Knows nothing of HTTP, of policies or of the network. A value here has been checked once, at the edge,
//! and is then trusted by everybody: policy, audit, signature and wire all read the same [`Operation`].

mod access;
mod api;
mod bucket;
mod key;
mod payload;
mod request;

pub use access::{Access, AccessResource, Action};
pub(crate) use api::BodyRule;
pub use api::{Api, Scope};
pub use bucket::{BucketName, BucketNameError};
pub use key::{KeyError, ObjectKey};
pub use payload::{Checksum, ChecksumAlgorithm, DeclaredPayload, PayloadMode};
pub use request::{
    CompletedPart, CopySource, Detail, ObjectDeletion, ObjectName, Operation, OperationError, Resource,
};
