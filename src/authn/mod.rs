//! Authentication: is the caller's claim true?
//!
//! The only place a [`Principal`] is made. Knows neither buckets nor policies; the caller's credentials end here.

mod attribution;
mod bearer;
mod browser;
mod chunk_signing;
mod claim;
mod error;
mod handles;
pub mod key_ring;
pub mod oidc;
mod principal;
pub mod revocations;
mod seal;
pub mod service_keys;
mod session;
mod session_cache;
#[cfg(test)]
mod session_tests;
mod sigv4;
#[cfg(test)]
mod sigv4_tests;
mod token_cache;

pub use attribution::{attribution_name, tag_value};
pub use bearer::BearerFlaw;
pub(crate) use bearer::bearer_message;
pub(crate) use browser::{form_token, is_form_token, open_state, seal_state};
pub use chunk_signing::ChunkSigning;
pub use claim::{Claim, CredentialScope, SignatureClaim, SignatureForm, Signs, bearer_token};
pub use error::{AuthnError, ScopeFlaw};
pub use handles::{Ends, HandleError, Handles, MAX_HANDLE, Place, SealError};
pub use key_ring::KeyRing;
pub use principal::{Ancestor, Principal, PrincipalKind, SessionInfo, Tags};
pub use revocations::{Revocation, Revocations};
pub use service_keys::{ServiceKeyRefusal, ServiceKeys};
pub(crate) use session::{Form, Terms, issue as issue_session, issue_bearer, open_bearer};
pub use session::{IssuedBearer, IssuedSession, MAX_SESSION_TOKEN_BYTES, SessionError};
pub use sigv4::{Authenticated, Authenticator, Service};
