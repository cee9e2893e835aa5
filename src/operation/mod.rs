//! The nouns of object storage: what is asked, of which bucket and key, with which payload.
//!
//! Knows nothing of HTTP, of policies or of the network. A value here has been checked once, at the edge,
//! and is then trusted by everybody: policy, audit, signature and wire all read the same [`Operation`].

mod access;
mod action;
mod api;
mod asked;
mod bucket;
mod catalogue;
mod enforced;
pub mod gcs;
mod key;
mod payload;
mod prefix;
mod protocol;
mod request;
mod storage_class;
mod tags;
mod upload;

pub use access::{Access, AccessResource};
pub use action::Action;
pub(crate) use action::ActionGroup;
pub(crate) use action::ContextKind;
pub use api::{Api, Scope};
pub use asked::{Asked, Speech};
pub use bucket::{BucketName, BucketNameError};
pub(crate) use catalogue::{Answer, BodyRule, DocumentForm, Handling, Right, Row, header_right};
pub use enforced::{Declaration, Enforced};
pub use key::{KeyError, ObjectKey};
pub use payload::{Checksum, ChecksumAlgorithm, DeclaredPayload, PayloadMode};
pub use prefix::{KeyPrefix, KeyPrefixError};
pub use protocol::Protocol;
pub use request::{
    CompletedPart, CopySource, Detail, ObjectDeletion, ObjectName, Operation, OperationError, Resource,
};
pub(crate) use storage_class::{GOOGLES_CLASSES, class_at_google};
pub use tags::{ObjectTags, TagFlaw};
pub use upload::{Upload, UploadOrigin, UploadTerms};
