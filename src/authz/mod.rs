//! Authorization: may this principal perform this operation?
//!
//! The only place a [`Permit`] is made. Every bucket has a file of Cedar policies, checked strictly against one
//! schema when it is loaded; what it does not allow is denied. Evaluation errors deny: Cedar skips a failing
//! `forbid`, so an error may hide a prohibition. Every object that an operation touches is asked about: the source
//! of a copy as a read, each key of a multi-delete by itself. Knows neither headers on the wire nor credentials.

mod decision;
mod file;
mod finding;
mod index;
mod lint;
mod load;
mod needs;
mod permit;
mod reach;
mod request;
mod schema;
mod shape;
mod tagging;
#[cfg(test)]
mod tests;
mod trust;

pub use finding::{Finding, PolicyError, PolicyWarning, Position};
pub use lint::Names;
pub use load::{MAX_POLICY_FILE, Policies};
pub use permit::{Denied, DenyReason, NotPermitted, Permit, RoleDenied};
pub use reach::Reach;
pub use request::Circumstances;
pub use schema::{SCHEMA, TRUST_SCHEMA};
pub use tagging::TaggingError;
