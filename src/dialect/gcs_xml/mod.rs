//! The XML API of Google Cloud Storage, for targets that speak it: what goes there, and what its answers mean in S3.
//!
//! The API looks like S3 and is not. It keeps `aws-chunked` framing as if it were data, ignores `If-None-Match` and
//! `If-Match` on writes, takes no header of Amazon's beside one of its own, and unpacks objects on the way out. Where
//! it would quietly do something else than was asked, the request is refused here and nothing of it is sent: a lost
//! condition is a lost object.
//!
//! - [`request`] says an operation in Google's headers, or why it cannot be said; [`encryption`] and [`storage_class`]
//!   are the two vocabularies that differ most,
//! - [`words`] are the names that both have; callers of this API are understood by them (`dialect::s3::google`),
//! - [`answer`] puts the headers of an answer into S3's, [`fault`] its errors.
//!
//! Spec: <https://cloud.google.com/storage/docs/xml-api/reference-headers>

mod answer;
mod encryption;
mod fault;
mod request;
mod storage_class;
mod words;

pub(crate) use super::gcs::hash::Hashes;
pub(crate) use answer::{REQUEST_ID, for_google, translate as translate_answer};
pub(crate) use fault::{Fault, translate as translate_fault};
pub(crate) use request::{parameter_name, translate as translate_request};
pub(crate) use storage_class::of_google as storage_class;
pub(crate) use words::{CONDITIONS, LEFT_OUT, SHARED, conditions};

/// Why an operation cannot be said to Google. The text is for the caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Untranslatable {
    /// It has no such operation.
    #[error(
        "{api} is not possible here: the bucket is stored in Google Cloud Storage, which has no such operation{way_out}"
    )]
    Operation {
        /// The name in the S3 API reference.
        api: &'static str,
        /// What to do instead; begins with a separator.
        way_out: &'static str,
    },
    /// It has no such header, or ignores it.
    #[error("`{name}` is not possible here: the bucket is stored in Google Cloud Storage, which {lack}")]
    Header {
        /// In lower case.
        name: String,
        /// What it lacks, and the way out.
        lack: &'static str,
    },
    /// It has no such query parameter, or ignores it.
    #[error("`{name}` is not possible here: the bucket is stored in Google Cloud Storage, which {lack}")]
    Parameter {
        /// As in the query.
        name: &'static str,
        /// What it lacks, and the way out.
        lack: &'static str,
    },
    /// A value that is wrong by itself.
    #[error("the value of `{name}` is not valid here: {wrong}")]
    Value {
        /// Of the header or parameter.
        name: &'static str,
        /// What would be right.
        wrong: &'static str,
    },
}

impl Untranslatable {
    /// The same, for a caller who speaks Google's words.
    fn in_googles_words(self) -> Self {
        match self {
            Self::Header { name, lack } => Self::Header {
                name: words::of_google(&name),
                lack,
            },
            Self::Operation { .. } | Self::Parameter { .. } | Self::Value { .. } => self,
        }
    }

    /// Whether the request is at fault rather than the store.
    pub fn is_invalid(&self) -> bool {
        match self {
            Self::Value { .. } => true,
            Self::Operation { .. } | Self::Header { .. } | Self::Parameter { .. } => false,
        }
    }
}
