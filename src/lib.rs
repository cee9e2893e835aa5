//! Tidegate: an identity-aware TLS reverse proxy for object storage.
//!
//! The modules stand in the order in which a request meets them.

pub mod cli;
pub mod client;
pub mod doctor;
pub mod run;
pub mod setup;

pub mod audit;
pub mod authn;
pub mod authz;
mod bridge;
pub mod credentials;
pub(crate) mod dialect;
mod doors;
pub mod issuer;
pub mod listener;
mod login;
pub mod net;
pub mod operation;
mod pipeline;
pub mod reconcile;
pub mod session_policy;
pub mod signing;
pub mod sts;
pub mod upstream;

pub mod admin;
pub mod body;
pub mod clock;
pub mod config;
pub mod drift;
mod error;
pub mod fetch;
pub mod files;
mod generation;
#[cfg(test)]
mod golden;
mod json;
mod jws;
mod parameters;
pub mod secret;
pub mod secrets;
pub mod telemetry;

#[cfg(feature = "dev")]
pub mod dev;

#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;

#[cfg(test)]
#[cfg(feature = "dev")]
mod second_reader;
