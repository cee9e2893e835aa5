//! Byte streams under HTTP, towards callers and towards targets alike.
//!
//! rustls reads 4 KiB from its socket at a time and hands out one record per call, which costs some 80,000 system
//! calls per GiB. Three parts bring that under 10,000 without holding memory for streams that stand still:
//! [`BufferedIo`] lies under TLS and takes many records per `recv`; [`Gather`] lies above it and fills the reader's
//! buffer from all of them; the write window of `Gather` lets TLS queue more while the peer keeps up.
//! What grows, grows out of one [`Allowance`] for the process: a thousand stalled streams cannot each keep the
//! most that one fast stream may have.
//!
//! Knows neither HTTP nor who is at the other end.

mod allowance;
mod buffered;
mod gather;
mod plain_or_tls;
#[cfg(test)]
mod tests;

pub use allowance::{Allowance, Grant};
pub use buffered::BufferedIo;
pub use gather::{Gather, TlsSession};
pub use plain_or_tls::TlsOrPlain;
