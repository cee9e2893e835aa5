//! The embedded quickstart: a certificate authority, a file-system S3 store and an identity provider, all on
//! loopback. Integration tests use the same parts. Compiled only with the `dev` feature.

mod certificates;
mod identity_provider;
mod serving;
mod store;

pub use certificates::CertificateAuthority;
pub use identity_provider::{IdentityProvider, RunningProvider, SampleIdentity};
pub use store::{Store, StoreKeys};
