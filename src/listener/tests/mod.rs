//! Tests with real sockets live in `sockets`, `endings` and `certificates`; framing is tested on bytes alone.

mod certificates;
mod endings;
mod framing;
mod heads;
mod sockets;
mod support;
