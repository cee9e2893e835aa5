//! What operators see from outside: log lines and numbers.
//!
//! Both are read by machines and people who may not read object keys or principals, so neither carries them:
//! that is what the audit log is for. The log goes to stderr, never to stdout, where a command's answer belongs.

mod labels;
mod log;
mod metrics;

pub use labels::{Decision, Direction, Outcome, Party};
pub use log::{LogError, LogFormat, init};
pub use metrics::{Connected, Metrics};
