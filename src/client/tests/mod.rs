//! The caller's side against a gateway and a provider of the decided shapes, on loopback.

mod doors;
mod fake;
mod logins;
mod renewals;
mod world;

pub(super) use fake::{Answer, Fake, Seen, answer};
pub(super) use world::jwt;

use super::Console;
use std::io::Write;
use std::sync::{Arc, Mutex};

/// A console whose words can be read.
pub(super) fn console(attended: bool) -> (Console, Arc<Mutex<Vec<u8>>>) {
    let said = Arc::new(Mutex::new(Vec::new()));
    let out: Arc<Mutex<dyn Write + Send>> = said.clone();
    (Console::new(out, attended), said)
}
