//! When a target's answer leaves it open whether our credential is good: another one is tried, once (CRD-03).
//!
//! A credential that was refused is replaced. Keys that were rotated are on trial until they have worked: what is denied to
//! them is asked for with the old ones again, so that no caller notices a rotation that went wrong.

use super::again::SecondTime;
use super::{Pipeline, Way};
use crate::audit::Trail;
use crate::authz::Permit;
use crate::body::Body;
use crate::credentials::{Credential, Scope};
use crate::error::Error;
use crate::signing::OutgoingPayload;
use http::Response;
use std::sync::Arc;

/// What an answer of a target says about the credential that signed.
pub(super) enum Verdict<'a> {
    /// It is good.
    Known,
    /// It is not, by this code.
    Refused(&'a str),
    /// It may not do this; or it is not good, and the answer has no code.
    Denied,
    /// Nothing.
    Open,
}

impl<'a> Verdict<'a> {
    pub(super) fn of(answer: &'a Result<Response<Body>, Error>) -> Self {
        let refusal = match answer {
            Ok(_) => return Self::Known,
            Err(Error::Target(refusal)) => refusal,
            Err(_) => return Self::Open,
        };
        let code = refusal.code.as_deref();
        match (refusal.status, code) {
            (_, Some(code)) if refusal.blames_credential => Self::Refused(code),
            // Nobody is told so before the signature was checked. Of a bucket, some are.
            (_, Some("NoSuchKey" | "NoSuchVersion" | "NoSuchUpload")) | (304 | 412 | 416, _) => Self::Known,
            (400 | 401 | 403, _) => Self::Denied,
            _ => Self::Open,
        }
    }
}

impl Pipeline {
    /// What becomes of an answer that does not say that the credential is good.
    pub(super) async fn doubted(
        &self,
        (way, scope): (Way<'_>, Scope<'_>),
        permit: &Permit,
        (answer, credential, second_time): (Result<Response<Body>, Error>, Arc<Credential>, SecondTime),
        trail: &mut Trail,
    ) -> Result<Response<Body>, Error> {
        let side = way.side;
        if let (Err(Error::Target(refusal)), Some(drift)) = (&answer, side.drift.last())
            && let Some("RequestTimeTooSkewed" | "RequestExpired") = refusal.code.as_deref()
        {
            tracing::warn!(store = %side.target.name, %drift, "the target refuses by the clock: its own is this far from ours");
        }
        let denied = match Verdict::of(&answer) {
            Verdict::Known | Verdict::Open => return answer,
            Verdict::Refused(code) => {
                if !side.credentials.invalidate(scope, &credential, code).await {
                    return answer;
                }
                None
            }
            // Perhaps new keys that may do less than the old ones.
            Verdict::Denied => match side.credentials.instead_of(&credential) {
                Some(standing) => Some((credential, standing)),
                None => return answer,
            },
        };
        // CRD-03: once, and only if nothing of the caller's payload was consumed by the first attempt.
        match second_time.payload(permit, way.profile) {
            Some(outgoing) => {
                self.once_more((way, scope), permit, outgoing, denied, trail)
                    .await
            }
            None => answer,
        }
    }

    /// A second attempt with another credential: for what was denied to the first of `denied`, with the second.
    async fn once_more(
        &self,
        (way, scope): (Way<'_>, Scope<'_>),
        permit: &Permit,
        outgoing: OutgoingPayload,
        denied: Option<(Arc<Credential>, Arc<Credential>)>,
        trail: &mut Trail,
    ) -> Result<Response<Body>, Error> {
        let credentials = &way.side.credentials;
        tracing::info!(store = %way.side.target.name, "the credential was refused; once more with another one");
        let (first, credential) = match denied {
            Some((first, standing)) => (Some(first), standing),
            None => (None, credentials.get(scope).await?),
        };
        let answer = self.exchange(way, permit, outgoing, &credential, trail).await;
        match Verdict::of(&answer) {
            Verdict::Known => {
                credentials.worked(&credential);
                if let Some(first) = first {
                    credentials.inferior(&first);
                }
            }
            Verdict::Refused(code) => {
                credentials.invalidate(scope, &credential, code).await;
            }
            Verdict::Denied | Verdict::Open => {}
        }
        answer
    }
}
