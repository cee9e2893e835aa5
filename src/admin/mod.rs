//! Health, readiness and metrics, on a listener of their own.
//!
//! What a load balancer may ask is decided by the listener it reaches, never by a path or header on the data port
//! (ADM-01, ADM-02). Nothing here changes anything, browsers are turned away (ADM-03), and a slow or greedy
//! client costs one of a few places for a few seconds.

mod readiness;
mod server;

pub use readiness::{Readiness, State};
pub use server::{AdminError, AdminServer};
