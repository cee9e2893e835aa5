//! The embedded quickstart: a certificate authority, a file-system S3 store and an identity provider, all on
//! loopback, with Tidegate in front. Integration tests use the same parts. Compiled only with the `dev` feature.
//!
//! The hazard is a toy that teaches the wrong thing. So nothing is simulated: the configuration is the one that
//! production has, tokens are signed and verified, the store refuses everybody but Tidegate, and the proof at the
//! start is a caller like any other. What the rest of the house may do, this room may not: nobody depends on it.

mod authorization;
mod caller;
mod certificates;
mod command;
mod configuration;
mod environment;
mod error;
mod gcs_store;
mod identity_provider;
mod pages;
mod proof;
mod serving;
mod settings;
mod store;
mod store_access;
mod tokens;

pub use certificates::CertificateAuthority;
pub use command::{serve, token};
pub use error::DevError;
pub use gcs_store::{GcsBucket, GcsFault, GcsOptions, GcsRequest, GcsStore};
pub use identity_provider::{IdentityProvider, RunningProvider, SampleIdentity};
pub use store::{Store, StoreKeys};
