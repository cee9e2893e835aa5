//! Signing: the caller's signature stopped, the target's begins.
//!
//! The only place a [`SignedRequest`] is made, and the only kind of request that `upstream` sends.

use crate::body::Body;
use crate::config::Target;
use std::sync::Arc;

/// A request that carries the target's signature. Made from a permit alone.
pub struct SignedRequest {
    request: http::Request<Body>,
    target: Arc<Target>,
}

impl SignedRequest {
    /// Where it goes.
    pub fn target(&self) -> &Arc<Target> {
        &self.target
    }

    /// The request in origin form, `Host` set. For `upstream`.
    pub(crate) fn into_request(self) -> http::Request<Body> {
        self.request
    }

    /// A request for tests of other rooms.
    #[cfg(test)]
    pub(crate) fn for_test(request: http::Request<Body>, target: Arc<Target>) -> Self {
        Self { request, target }
    }
}
