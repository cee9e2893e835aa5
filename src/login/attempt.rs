//! A login that was begun: what must be the same when the browser comes back.
//!
//! The state parameter is random and says nothing. What it stands for (which issuer, the nonce, the verifier of PKCE,
//! where to go) is sealed in a cookie whose name carries the first part of it and whose content carries the digest of
//! all of it. So a state is worth nothing in another browser, for another issuer or for another tab, and each tab has
//! its own (OID-01). The identity provider never sees the verifier before the code is exchanged.
//!
//! The servers keep nothing between begin and return. A state is used once because its cookie is cleared on return,
//! because identity providers take a code once, and because a process remembers the states that it saw used.

use super::cookies::{self, Cookies};
use super::return_path::ReturnPath;
use crate::authn::{KeyRing, SessionError, open_state, seal_state};
use crate::secret::Secret;
use aws_lc_rs::{constant_time, digest, rand};
use data_encoding::BASE64URL_NOPAD;
use http::HeaderValue;
use jiff::{SignedDuration, Timestamp};
use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long a person may take at the identity provider.
pub(super) const PATIENCE: Duration = Duration::from_mins(10);
/// Logins that a browser may have begun at once; one more ends the oldest.
const MOST: usize = 5;
/// Another replica's clock may be a little ahead.
const AHEAD: SignedDuration = SignedDuration::from_secs(-60);
/// States that a process remembers.
const REMEMBERED: usize = 16_384;
/// Base64url of 12 bytes, which names the cookie.
const ID: usize = 16;
/// The id, a dot and base64url of 32 bytes.
const STATE: usize = ID + 1 + 43;

/// What is sealed in the cookie of a login. Replicas of two releases share it: a change of shape ends open logins.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    #[serde(rename = "d")]
    state: String,
    #[serde(rename = "i")]
    issuer: Box<str>,
    #[serde(rename = "n")]
    nonce: String,
    #[serde(rename = "v")]
    verifier: String,
    #[serde(rename = "t")]
    to: Box<str>,
    /// Unix milliseconds: tabs are opened within a second.
    #[serde(rename = "b")]
    begun_at: i64,
}

/// A new login.
pub(super) struct Begun {
    /// The `state` parameter.
    pub(super) state: String,
    /// The `nonce` parameter.
    pub(super) nonce: String,
    /// Of PKCE; only its SHA-256 leaves the server now.
    pub(super) verifier: Secret,
    /// `Set-Cookie`: the new login, and the end of old ones.
    pub(super) cookies: Vec<HeaderValue>,
}

/// A login that came back as it went.
pub(super) struct Returned {
    pub(super) nonce: String,
    pub(super) verifier: Secret,
    pub(super) to: ReturnPath,
}

/// Why a login that comes back is none of this browser.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AttemptError {
    #[error("there is no `state`")]
    Missing,
    #[error("`state` is not one of ours")]
    Malformed,
    #[error("the browser has no cookie for this `state`")]
    NoCookie,
    #[error("the browser has two cookies for this `state`")]
    TwoCookies,
    #[error("the cookie of the login {0}")]
    Seal(&'static str),
    #[error("`state` is not the one that the cookie was made with")]
    OtherState,
    #[error("the login was begun with another issuer")]
    OtherIssuer,
    #[error("the login was begun more than ten minutes ago")]
    Late,
    #[error("`state` was used before")]
    Used,
}

/// Begins a login with `issuer` that leads to `to`.
///
/// # Errors
/// Only if the ring cannot seal or there are no random bytes.
pub(super) fn begin(
    ring: &KeyRing,
    issuer: &str,
    to: &ReturnPath,
    cookies: &Cookies<'_>,
    now: Timestamp,
) -> Result<Begun, SessionError> {
    let id = random::<12>()?;
    let state = format!("{id}.{}", random::<32>()?);
    let (nonce, verifier) = (random::<16>()?, random::<32>()?);
    let sealed = Sealed {
        state: digest_of(&state),
        issuer: issuer.into(),
        nonce: nonce.clone(),
        verifier: verifier.clone(),
        to: to.as_str().into(),
        begun_at: now.as_millisecond(),
    };
    let sealed = seal_state(ring, &sealed, now)?;
    let name = cookies::attempt_name(&id);
    let new = cookies::set(&name, &sealed, PATIENCE).ok_or(SessionError::Crypto)?;
    let mut set = superseded(ring, cookies);
    set.push(new);
    Ok(Begun {
        state,
        nonce,
        verifier: Secret::new(verifier),
        cookies: set,
    })
}

/// Clears what cannot be used, and so many of the oldest that there is room for one more.
fn superseded(ring: &KeyRing, cookies: &Cookies<'_>) -> Vec<HeaderValue> {
    let mut open: Vec<(Option<i64>, &str)> = cookies
        .attempts()
        .map(|(name, value)| {
            let sealed = open_state::<Sealed>(ring, value).ok();
            (sealed.map(|sealed| sealed.begun_at), name)
        })
        .collect();
    // `None` comes first: nobody can go on with what does not open.
    open.sort_unstable();
    let unusable = open.iter().filter(|(begun_at, _)| begun_at.is_none()).count();
    let surplus = (open.len() + 1).saturating_sub(MOST);
    // Bounded, because a browser may send anything.
    let ended = open.iter().take(unusable.max(surplus).min(4 * MOST));
    ended.filter_map(|(_, name)| cookies::clear(name)).collect()
}

/// Takes a login up again. With it comes the cookie to clear, if `state` names one: whatever comes of the login, it
/// is over.
///
/// # Errors
/// [`AttemptError`].
pub(super) fn resume(
    ring: &KeyRing,
    used: &UsedStates,
    issuer: &str,
    state: Option<&str>,
    cookies: &Cookies<'_>,
    now: Timestamp,
) -> (Option<HeaderValue>, Result<Returned, AttemptError>) {
    let Some(state) = state else {
        return (None, Err(AttemptError::Missing));
    };
    let Some(id) = id_of(state) else {
        return (None, Err(AttemptError::Malformed));
    };
    let sealed = match cookies.attempt(id) {
        Ok(Some(sealed)) => sealed,
        Ok(None) => return (None, Err(AttemptError::NoCookie)),
        Err(cookies::Twice) => {
            let clear = cookies::clear(&cookies::attempt_name(id));
            return (clear, Err(AttemptError::TwoCookies));
        }
    };
    let returned = returned(ring, used, issuer, state, sealed, now);
    // Somebody else's guess must not end a login that is still open here.
    let over = !matches!(returned, Err(AttemptError::OtherState));
    let clear = cookies::clear(&cookies::attempt_name(id)).filter(|_| over);
    (clear, returned)
}

fn returned(
    ring: &KeyRing,
    used: &UsedStates,
    issuer: &str,
    state: &str,
    sealed: &str,
    now: Timestamp,
) -> Result<Returned, AttemptError> {
    let sealed: Sealed = open_state(ring, sealed).map_err(AttemptError::Seal)?;
    let digest = digest_of(state);
    if constant_time::verify_slices_are_equal(digest.as_bytes(), sealed.state.as_bytes()).is_err() {
        return Err(AttemptError::OtherState);
    }
    // OID-04: a code of one issuer never goes to another one.
    if *sealed.issuer != *issuer {
        return Err(AttemptError::OtherIssuer);
    }
    let age = SignedDuration::from_millis(now.as_millisecond().saturating_sub(sealed.begun_at));
    let patience = SignedDuration::try_from(PATIENCE).unwrap_or(SignedDuration::MAX);
    if age >= patience || age < AHEAD {
        return Err(AttemptError::Late);
    }
    if !used.take(digest, now) {
        return Err(AttemptError::Used);
    }
    Ok(Returned {
        nonce: sealed.nonce,
        verifier: Secret::new(sealed.verifier),
        to: ReturnPath::parse(&sealed.to).unwrap_or_else(ReturnPath::home),
    })
}

/// The first part of a state, if it has the form of one.
fn id_of(state: &str) -> Option<&str> {
    let (id, secret) = state.split_once('.')?;
    let plain = |text: &str| {
        text.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    (state.len() == STATE && id.len() == ID && plain(id) && plain(secret)).then_some(id)
}

fn digest_of(state: &str) -> String {
    BASE64URL_NOPAD.encode(digest::digest(&digest::SHA256, state.as_bytes()).as_ref())
}

fn random<const N: usize>() -> Result<String, SessionError> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes)?;
    Ok(BASE64URL_NOPAD.encode(&bytes))
}

/// The states that this process saw used, as long as they would still be taken.
#[derive(Debug, Default)]
pub(crate) struct UsedStates(Mutex<Used>);

#[derive(Debug, Default)]
struct Used {
    known: HashSet<String>,
    in_order: VecDeque<(Timestamp, String)>,
}

impl UsedStates {
    /// Whether this is the first use.
    fn take(&self, state: String, now: Timestamp) -> bool {
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let used = &mut *used;
        let patience = SignedDuration::try_from(PATIENCE).unwrap_or(SignedDuration::MAX);
        // Bounded: whoever begins many logins may push out states of others, whose cookies are cleared nevertheless.
        while used.in_order.len() >= REMEMBERED
            || used
                .in_order
                .front()
                .is_some_and(|(at, _)| now.duration_since(*at) > patience + patience)
        {
            let Some((_, oldest)) = used.in_order.pop_front() else {
                break;
            };
            used.known.remove(&oldest);
        }
        if !used.known.insert(state.clone()) {
            return false;
        }
        used.in_order.push_back((now, state));
        true
    }
}
