//! Whose words a caller speaks.

/// The family of protocols that a request is in, as policies (`context.protocol`) and records know it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// S3, by signature or by token.
    #[default]
    S3,
    /// Google Cloud Storage: its XML API, its JSON API.
    Gcs,
}

impl Protocol {
    /// The name in policies and records.
    pub fn name(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Gcs => "gcs",
        }
    }
}
