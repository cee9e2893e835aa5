//! What a cloud has to be told so that it trusts Tidegate with a bucket, and with no more than that.
//!
//! The hazards are trust that is nearly right, which is too much of it, and text of somebody's that ends up as syntax in a
//! policy, a shell or a template. So rights come from the catalogue of operations and cannot go out of date, names are
//! types that have no quotes, and everything is a [`Document`] or a quoted word before it is text. Nothing is called and
//! nothing is changed here: what is printed is for whoever has the right to do so.

pub mod arns;
pub mod aws;
mod document;
pub mod gcp;
mod hcl;
pub mod minio;
mod names;
mod rights;
mod shell;
#[cfg(test)]
mod tests;

pub use document::Document;
pub use names::{AwsAccount, AwsPartition, NameError, Names, Plain, RoleArn};
pub use rights::{Access, needed};

use crate::operation::{Action, BucketName, KeyPrefix};

/// How it is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Commands of the cloud's own command line, to be pasted
    #[default]
    Commands,
    /// The documents alone, as one JSON object
    Json,
    /// Terraform
    Terraform,
}

/// The part of a cloud's storage that a virtual bucket is.
#[derive(Clone, Debug)]
pub struct Place {
    /// The name callers use.
    pub name: BucketName,
    /// The target in Tidegate's configuration: `target/NAME` is the subject of sessions that are in nobody's name.
    pub target: Box<str>,
    /// As the cloud names it.
    pub bucket: BucketName,
    /// The folder of it; empty for all.
    pub prefix: KeyPrefix,
    /// What Tidegate needs there, in the order of [`Action::ALL`].
    pub actions: Vec<Action>,
}

impl Place {
    /// The subject of Tidegate's own tokens that are in nobody's name.
    pub fn subject(&self) -> String {
        format!("target/{}", self.target)
    }
}

/// Whose tokens are trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trusted {
    /// `iss`.
    pub issuer: Plain,
    /// `aud`.
    pub audience: Plain,
    /// `sub`, exactly.
    pub subjects: Vec<String>,
    /// What `sub` begins with, for those of principals.
    pub beginnings: Vec<String>,
}

/// What was made.
#[derive(Clone, Debug, Default)]
pub struct Printed {
    /// To be pasted or applied.
    pub text: String,
    /// What whoever does so should know.
    pub notes: Vec<String>,
}
