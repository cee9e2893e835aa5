//! For `fuzz/`: what the guard lets through is read by hyper in the same way, however it arrives.

use super::scanner::{Refusal, Scanner};
use crate::body;
use http_body_util::BodyExt;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{cell::Cell, convert::Infallible};
use tokio::{io::AsyncWriteExt, io::duplex, runtime};

/// A byte that says how the rest is cut, and what a caller sends on a connection.
///
/// The verdict does not depend on the cuts, and hyper sees the requests that passed, no more and no fewer. FRM-01
pub fn head(data: &[u8]) {
    let Some((cut, bytes)) = data.split_first() else {
        return;
    };
    let (whole, refusal, scanner) = scan(bytes, bytes.len().max(1));
    let (pieces, refusal_of_pieces, _) = scan(bytes, usize::from(*cut).max(1));
    assert_eq!(refusal, refusal_of_pieces);
    // Of a body that breaks off, the piece with the flaw is held back as a whole.
    if !matches!(refusal, Some(Refusal::Chunk(_))) {
        assert_eq!(whole, pieces);
    }
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else { return };
    let (seen, content) = runtime.block_on(hyper_reads(&whole));
    assert_eq!(seen, scanner.heads_passed(), "hyper reads other requests");
    assert!(content || !scanner.at_start(), "hyper refuses what passed");
}

/// What passes of `bytes` if they come in pieces of `piece` bytes.
fn scan(bytes: &[u8], piece: usize) -> (Vec<u8>, Option<Refusal>, Scanner) {
    let (mut scanner, mut held, mut passed) = (Scanner::new(), Vec::new(), Vec::new());
    for fresh in bytes.chunks(piece) {
        held.extend_from_slice(fresh);
        let (count, refusal) = scanner.advance(&held);
        passed.extend(held.drain(..count));
        if refusal.is_some() {
            return (passed, refusal, scanner);
        }
    }
    (passed, None, scanner)
}

/// How many requests hyper reads, with the settings of a connection, and whether it was content.
async fn hyper_reads(bytes: &[u8]) -> (u64, bool) {
    let (mut caller, server) = duplex(bytes.len().saturating_add(1 << 20));
    if caller.write_all(bytes).await.is_err() || caller.shutdown().await.is_err() {
        return (0, false);
    }
    let seen = Cell::new(0);
    let service = service_fn(|request: http::Request<Incoming>| {
        seen.set(seen.get() + 1);
        async move {
            let mut body = request.into_body();
            while let Some(Ok(_)) = body.frame().await {}
            Ok::<_, Infallible>(http::Response::new(body::empty()))
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .half_close(true)
        .max_headers(super::head::MAX_HEADERS)
        .max_buf_size(256 * 1024)
        .serve_connection(TokioIo::new(server), service)
        .await;
    (seen.get(), served.is_ok())
}
