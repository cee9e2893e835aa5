//! Upstream: a signed request goes to its target, and what comes back is relayed.
//!
//! Decides nothing. What it guarantees is that nothing ends well that did not end well: an upload whose body fails
//! or falls short resets the connection, so that the target commits nothing; a download that breaks off is an error
//! of the body, never its end; an answer that overtakes its upload is passed on at once and its connection is not
//! used again. A connection returns to the pool only after both bodies have ended by their own framing.
//!
//! ```text
//! SignedRequest -> outgoing (counts, withholds the last bytes) -> connection -> framing -> relay -> caller
//!                                          pool: one per target ---^                        |
//!                                              ^----- only if everything went well ---------+
//! ```

mod connector;
mod error;
mod framing;
mod hearing;
mod outgoing;
mod pace;
mod pool;
mod relay;
mod response_headers;
#[cfg(test)]
mod tests;

pub use error::UpstreamError;
pub use response_headers::relayed;

use crate::{
    body::{self, Body},
    config::{Endpoint, Target},
    signing::SignedRequest,
};
use connector::Connector;
use framing::Length;
use http::{Method, Request, Response, StatusCode, response};
use http_body_util::BodyExt;
use hyper::{body::Incoming, client::conn::TrySendError};
use outgoing::{Event, Outgoing, Progress};
use pool::{Connection, Pool};
use relay::Relay;
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// One target: where it is and the connections to it.
#[derive(Debug)]
pub struct Upstream {
    endpoint: Endpoint,
    connector: Connector,
    pool: Arc<Pool>,
    response_timeout: Duration,
    stall_timeout: Duration,
}

/// What the target answered.
#[derive(Debug)]
pub struct UpstreamResponse {
    /// Status and all headers as received, framing made unambiguous; see [`relayed`] for what may go on.
    pub head: response::Parts,
    /// The relay. Ends in [`crate::body::BodyError`] wherever the target's body does not end by its framing.
    pub body: Body,
    /// From the call to the head of the response, connecting included.
    pub time_to_first_byte: Duration,
    /// Whether a byte of the request body was taken. Such a request can never be sent a second time.
    pub request_body_consumed: bool,
}

/// Connections out of the pool that may turn out to be dead before a fresh one is made.
const STALE_TRIES: usize = 3;
/// How long a connection out of the pool may take to be ready. It is idle: this is a matter of microseconds.
const READY_TIMEOUT: Duration = Duration::from_millis(100);
/// 1xx responses to one request.
const INTERIM_LIMIT: u8 = 8;

impl Upstream {
    /// Prepares for `target`. Reads its CA file, opens no connection. Nothing of a body may stand still for longer
    /// than `stall_timeout`.
    ///
    /// # Errors
    /// [`UpstreamError::Trust`] if there is nothing to trust, [`UpstreamError::Name`] for an impossible host name.
    pub fn new(target: &Target, stall_timeout: Duration) -> Result<Self, UpstreamError> {
        Ok(Self {
            endpoint: target.endpoint.clone(),
            connector: Connector::new(target)?,
            pool: Arc::default(),
            response_timeout: target.response_timeout,
            stall_timeout,
        })
    }

    /// Sends a request and waits for the head of the response, at most the target's response timeout from the
    /// moment the request body has left. Dropping the future or the body of the response closes the connection.
    ///
    /// # Errors
    /// [`UpstreamError`]; in every case the target has not received the end of the request body, or its answer is
    /// not known.
    pub async fn send(&self, signed: SignedRequest) -> Result<UpstreamResponse, UpstreamError> {
        let started = Instant::now();
        if signed.target().endpoint != self.endpoint {
            return Err(UpstreamError::Misdirected);
        }
        let (parts, body) = signed.into_request().into_parts();
        let is_head = parts.method == Method::HEAD;
        let progress = Arc::new(Progress::default());
        let outgoing = Outgoing::prepare(&parts.headers, body, progress.clone())
            .await
            .map_err(UpstreamError::RequestBody)?;
        let mut request = Request::from_parts(parts, outgoing);
        let interim = progress.clone();
        hyper::ext::on_informational(&mut request, move |_| interim.interim(INTERIM_LIMIT));

        let (connection, response) = self.exchange(request, &progress).await?;
        self.receive(connection, response, &progress, is_head, started)
    }

    /// Sends on an idle connection if there is a live one, else on a new one.
    ///
    /// A request goes out a second time only if the connection gives it back untouched: not a byte of it was
    /// written then. FLW-07: there is no other retry.
    async fn exchange(
        &self,
        mut request: Request<Outgoing>,
        progress: &Progress,
    ) -> Result<(Connection, Response<Incoming>), UpstreamError> {
        for _ in 0..STALE_TRIES {
            let Some(mut connection) = self.pool.take() else {
                break;
            };
            if !connection.is_ready_within(READY_TIMEOUT).await {
                continue;
            }
            match self.head(&mut connection, request, progress).await {
                Ok(response) => return Ok((connection, response)),
                Err((_, Some(untouched))) => request = *untouched,
                Err((error, None)) => return Err(error),
            }
        }
        // Boxed: a TLS handshake in the future of every request would make each of them larger.
        let mut connection = Box::pin(self.connector.connect()).await?;
        let response = self.head(&mut connection, request, progress).await;
        Ok((connection, response.map_err(|(error, _)| error)?))
    }

    /// Waits for the head of the response while watching the request body. The request comes back if it was not
    /// touched.
    async fn head(
        &self,
        connection: &mut Connection,
        request: Request<Outgoing>,
        progress: &Progress,
    ) -> Result<Response<Incoming>, (UpstreamError, Option<Box<Request<Outgoing>>>)> {
        let response = connection.send(request);
        let timer = tokio::time::sleep(self.patience(progress));
        tokio::pin!(response, timer);
        let mut moved = progress.moved();
        loop {
            tokio::select! {
                biased;
                outcome = &mut response => return outcome.map_err(|error| reset(error, progress)),
                event = progress.event() => match event {
                    Event::Sent => timer.as_mut().reset(Instant::now() + self.response_timeout),
                    Event::Failed(error) => return Err((UpstreamError::RequestBody(error), None)),
                    Event::Flooded => return Err((UpstreamError::Framing("it sends interim responses without end"), None)),
                },
                () = &mut timer => {
                    let consumed = progress.consumed();
                    if progress.is_sent() {
                        let after = self.response_timeout;
                        return Err((UpstreamError::Timeout { after, consumed }, None));
                    }
                    // While the caller is slow, its own body watches over it.
                    if progress.moved() == moved && !progress.waits_for_caller() {
                        let after = self.stall_timeout;
                        return Err((UpstreamError::Stalled { after, consumed }, None));
                    }
                    moved = progress.moved();
                    timer.as_mut().reset(Instant::now() + self.patience(progress));
                }
            }
        }
    }

    fn patience(&self, progress: &Progress) -> Duration {
        if progress.is_sent() {
            self.response_timeout
        } else {
            self.stall_timeout
        }
    }

    /// Checks the framing of the response and makes its body a relay.
    fn receive(
        &self,
        connection: Connection,
        response: Response<Incoming>,
        progress: &Progress,
        is_head: bool,
        started: Instant,
    ) -> Result<UpstreamResponse, UpstreamError> {
        // What hyper took from the body may not have left it.
        let complete = progress.answered() && !connection.failed_to_write();
        let (mut head, incoming) = response.into_parts();
        head.extensions.clear();
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            return Err(UpstreamError::Framing("it switched protocols"));
        }
        if !complete && head.status.is_success() {
            return Err(UpstreamError::Framing(
                "it reported success before it had the whole body",
            ));
        }
        let framing = framing::settle(&mut head, is_head).map_err(UpstreamError::Framing)?;
        // INVARIANT: a connection with an unfinished request or doubtful framing never meets another request.
        let home = (complete && framing.reusable).then(|| self.pool.clone());
        let body = match framing.length {
            Length::None | Length::Known(0) => {
                if let Some(pool) = home {
                    pool.put(connection);
                }
                body::empty()
            }
            length => Relay::new(incoming, length, connection, home, self.stall_timeout).boxed_unsync(),
        };
        Ok(UpstreamResponse {
            head,
            body,
            time_to_first_byte: started.elapsed(),
            request_body_consumed: progress.consumed(),
        })
    }
}

fn reset(
    error: TrySendError<Request<Outgoing>>,
    progress: &Progress,
) -> (UpstreamError, Option<Box<Request<Outgoing>>>) {
    // The body may have failed in the same moment, and then that is the cause.
    if let Some(Event::Failed(error)) = progress.pending_event() {
        return (UpstreamError::RequestBody(error), None);
    }
    let mut error = error;
    let untouched = error.take_message().map(Box::new);
    let reset = UpstreamError::Reset {
        source: error.into_error(),
        consumed: progress.consumed(),
    };
    (reset, untouched)
}
