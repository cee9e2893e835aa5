//! Dialects: which protocol a caller speaks. Parsing and error rendering are chosen together.
//!
//! A dialect knows wire formats only: no principals, no clock, no network.

pub(crate) mod s3;
