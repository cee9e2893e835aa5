//! When a target's answer leaves it open whether our credential is good: another one is tried, once (CRD-03).
//!
//! A credential that was refused is replaced. Keys that were rotated are on trial until they have worked: what they do not
//! get is asked for with the old ones again, so that no caller notices a rotation that went wrong.

use super::again::SecondTime;
use super::{Pipeline, Way};
use crate::audit::Trail;
use crate::authz::Permit;
use crate::body::Body;
use crate::credentials::{Credential, Scope};
use crate::dialect::s3::{
    forward,
    response::{self, Destination},
};
use crate::error::Error;
use crate::signing::{OutgoingPayload, Stamp};
use http::Response;
use std::sync::Arc;

/// What an answer of a target says about the credential that signed.
pub(super) enum Verdict<'a> {
    /// It is good: it got what was asked for, or would have but for a condition of the caller's.
    Served,
    /// It is not, by this code.
    Refused(&'a str),
    /// It may not do this; or it is not good, and the target does not say so.
    Denied,
    /// Nothing.
    Open,
}

impl<'a> Verdict<'a> {
    pub(super) fn of(answer: &'a Result<Response<Body>, Error>) -> Self {
        let refusal = match answer {
            Ok(_) => return Self::Served,
            Err(Error::Target(refusal)) => refusal,
            Err(_) => return Self::Open,
        };
        let code = refusal.code.as_deref();
        match (refusal.status, code) {
            (_, Some(code)) if refusal.blames_credential => Self::Refused(code),
            (304 | 412 | 416, _) => Self::Served,
            // `NoSuchKey` says that the keys are known, and not that the bucket is the right tenant's.
            (400 | 401 | 403, _) => Self::Denied,
            _ => Self::Open,
        }
    }
}

impl Pipeline {
    /// The answer, with the reason why HEAD was refused if that is not the caller's business (CRD-03). Answers to HEAD
    /// have no body and so no code; a 403 for a credential of ours would make clients throw their own away.
    ///
    /// No refresh is risked for it: whoever asks for what the target denies costs it one more small request, and no token
    /// service anything.
    async fn with_reason(
        &self,
        way: Way<'_>,
        permit: &Permit,
        credential: &Arc<Credential>,
        answer: Result<Response<Body>, Error>,
        trail: &Trail,
    ) -> Result<Response<Body>, Error> {
        let is_silent = permit.operation().api().row().method == "HEAD"
            && matches!(Verdict::of(&answer), Verdict::Denied)
            && matches!(&answer, Err(Error::Target(refusal)) if refusal.code.is_none());
        if !is_silent {
            return answer;
        }
        match self.reason(way, permit, credential, trail).await {
            // Ours, or the target's own trouble.
            Some(Error::Target(refusal)) if refusal.outward.status >= 500 => Err(Error::Target(refusal)),
            _ => answer,
        }
    }

    /// Why the target does not answer HEAD; `None` if it answers now, or cannot be asked.
    async fn reason(
        &self,
        way: Way<'_>,
        permit: &Permit,
        credential: &Arc<Credential>,
        trail: &Trail,
    ) -> Option<Error> {
        let side = way.side;
        let payload = forward::anew(permit.operation(), permit.bucket()?, way.profile)?;
        let stamp = Stamp {
            request_id: trail.request_id(),
            attribution: trail.attribution(),
        };
        let now = self.clock.now();
        let signed = side
            .signer
            .sign_aloud(permit, payload, way.profile, credential, stamp, now);
        let answer = side.upstream.send(signed.ok()?).await.ok()?;
        let request_id = trail.request_id().to_string();
        let to = Destination {
            permit,
            addressee: way.to,
            request_id: &request_id,
        };
        response::relay(answer, to).await.err()
    }

    /// What becomes of an answer that does not say that the credential is good.
    pub(super) async fn doubted(
        &self,
        (way, scope): (Way<'_>, Scope<'_>),
        permit: &Permit,
        (answer, credential, second_time): (Result<Response<Body>, Error>, Arc<Credential>, SecondTime),
        trail: &mut Trail,
    ) -> Result<Response<Body>, Error> {
        let side = way.side;
        let answer = self.with_reason(way, permit, &credential, answer, trail).await;
        if let (Err(Error::Target(refusal)), Some(drift)) = (&answer, side.drift.last())
            && let Some("RequestTimeTooSkewed" | "RequestExpired") = refusal.code.as_deref()
        {
            tracing::warn!(store = %side.target.name, %drift, "the target refuses by the clock: its own is this far from ours");
        }
        match Verdict::of(&answer) {
            Verdict::Served => answer,
            Verdict::Refused(code) => {
                if !side.credentials.invalidate(scope, &credential, code).await {
                    return answer;
                }
                // CRD-03: once, and only if nothing of the caller's payload was consumed by the first attempt.
                match second_time.payload(permit, way.profile) {
                    Some(outgoing) => self.once_more((way, scope), permit, outgoing, trail).await,
                    None => answer,
                }
            }
            // Perhaps new keys that may do less than the old ones, or are those of somebody else.
            Verdict::Denied | Verdict::Open => {
                let Some(standing) = side.credentials.instead_of(&credential) else {
                    return answer;
                };
                // Who is not reached says nothing of keys.
                if let Err(Error::Upstream(_)) = &answer {
                    return answer;
                }
                let Some(outgoing) = second_time.payload(permit, way.profile) else {
                    return answer;
                };
                let trial = (answer, credential, standing);
                self.compared((way, scope), permit, outgoing, trial, trail).await
            }
        }
    }

    /// What keys on trial did not get, asked for with those that stand: theirs is the answer that counts.
    async fn compared(
        &self,
        (way, scope): (Way<'_>, Scope<'_>),
        permit: &Permit,
        outgoing: OutgoingPayload,
        (tried, candidate, standing): Trial,
        trail: &mut Trail,
    ) -> Result<Response<Body>, Error> {
        let credentials = &way.side.credentials;
        tracing::info!(store = %way.side.target.name, "new keys did not get it; once more with the old ones");
        let answer = self.exchange(way, permit, outgoing, &standing, trail).await;
        let answer = self.with_reason(way, permit, &standing, answer, trail).await;
        match Verdict::of(&answer) {
            Verdict::Served => {
                credentials.worked(&standing);
                credentials.inferior(&candidate, &said(&tried));
            }
            Verdict::Refused(code) => {
                credentials.invalidate(scope, &standing, code).await;
                // The new ones are at least known, and sign from now on.
                return tried;
            }
            Verdict::Denied | Verdict::Open => {
                if differ(&tried, &answer) {
                    credentials.inferior(&candidate, &said(&tried));
                }
            }
        }
        answer
    }

    /// A second attempt with another credential.
    async fn once_more(
        &self,
        (way, scope): (Way<'_>, Scope<'_>),
        permit: &Permit,
        outgoing: OutgoingPayload,
        trail: &mut Trail,
    ) -> Result<Response<Body>, Error> {
        let credentials = &way.side.credentials;
        tracing::info!(store = %way.side.target.name, "the credential was refused; once more with another one");
        let credential = credentials.get(scope).await?;
        let answer = self.exchange(way, permit, outgoing, &credential, trail).await;
        let answer = self.with_reason(way, permit, &credential, answer, trail).await;
        match Verdict::of(&answer) {
            Verdict::Served => credentials.worked(&credential),
            Verdict::Refused(code) => {
                credentials.invalidate(scope, &credential, code).await;
            }
            Verdict::Denied | Verdict::Open => {}
        }
        answer
    }
}

/// What keys on trial were answered, those keys, and those that stand.
type Trial = (Result<Response<Body>, Error>, Arc<Credential>, Arc<Credential>);

/// What the target said, for the operator.
fn said(answer: &Result<Response<Body>, Error>) -> String {
    match answer {
        Err(Error::Target(refusal)) => match &refusal.code {
            Some(code) => code.clone(),
            None => format!("HTTP {}", refusal.status),
        },
        Ok(_) | Err(_) => "an answer of no use".to_owned(),
    }
}

/// Whether both refusals are the target's own words, and are not the same. That it has trouble of its own says nothing.
fn differ(tried: &Result<Response<Body>, Error>, answer: &Result<Response<Body>, Error>) -> bool {
    match (tried, answer) {
        (Err(Error::Target(tried)), Err(Error::Target(other))) => {
            other.status < 500 && (tried.status, &tried.code) != (other.status, &other.code)
        }
        (_, Err(Error::Target(other))) => other.status < 500,
        (_, _) => false,
    }
}
