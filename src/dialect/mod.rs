//! Dialects: which protocol a caller speaks. Parsing and error rendering are chosen together. And, in `gcs_xml`, what
//! a target speaks that only looks like S3.
//!
//! A dialect knows wire formats only: no principals, no clock, no network.

pub(crate) mod gcs;
pub(crate) mod gcs_xml;
mod multipart;
pub(crate) mod s3;
