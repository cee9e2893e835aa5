//! Authentication: is the caller's claim true?
//!
//! The only place a [`Principal`] is made. Knows neither buckets nor policies; the caller's credentials end here.

mod chunk_signing;
mod claim;
pub mod oidc;
mod principal;

pub use chunk_signing::ChunkSigning;
pub use claim::{Claim, CredentialScope, SignatureClaim, SignatureForm};
pub use principal::{Principal, PrincipalKind, SessionInfo};
