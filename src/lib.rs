//! Tidegate: an identity-aware TLS reverse proxy for object storage.
//!
//! The modules stand in the order in which a request meets them.

pub mod authn;
pub mod authz;
pub mod credentials;
pub mod operation;
pub mod signing;

pub mod body;
pub mod clock;
pub mod config;
pub mod secret;
