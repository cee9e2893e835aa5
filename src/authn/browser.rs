//! What browsers carry besides their session: the state of a login, and the token of a form.
//!
//! The state is sealed for a purpose of its own, so that it is no session, and no session is a state (SES-03). The
//! token of a form is a MAC of the session's id: whoever can make a browser send its cookie still cannot make the form
//! that goes with it (OID-09).

use super::key_ring::{KeyRing, Purpose, RingKey};
use super::{Principal, SessionError, seal};
use aws_lc_rs::hmac;
use data_encoding::BASE64URL_NOPAD;
use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};

/// Seals what must be known again when a browser comes back from its login.
///
/// # Errors
/// Only if the ring cannot seal.
pub(crate) fn seal_state<T: Serialize>(
    ring: &KeyRing,
    state: &T,
    now: Timestamp,
) -> Result<String, SessionError> {
    let key = ring.sealing(now).ok_or(SessionError::NoSealingKey)?;
    let plaintext = serde_json::to_vec(state).map_err(|_| SessionError::Crypto)?;
    Ok(seal::seal(key, Purpose::LoginState, &plaintext)?)
}

/// Opens what [`seal_state`] sealed.
///
/// # Errors
/// A reason for the log.
pub(crate) fn open_state<T: DeserializeOwned>(ring: &KeyRing, text: &str) -> Result<T, &'static str> {
    let (_, plaintext) = seal::open(ring, Purpose::LoginState, text)?;
    serde_json::from_slice(&plaintext).map_err(|_| "is of another release of the gateway")
}

/// What a form of the session of `principal` carries.
///
/// # Errors
/// Only if the ring cannot seal.
pub(crate) fn form_token(
    ring: &KeyRing,
    principal: &Principal,
    now: Timestamp,
) -> Result<String, SessionError> {
    let key = ring.sealing(now).ok_or(SessionError::NoSealingKey)?;
    Ok(BASE64URL_NOPAD.encode(form_mac(key, principal).as_ref()))
}

/// Whether `token` is one of a form of this session. Any key of the ring may have made it.
pub(crate) fn is_form_token(ring: &KeyRing, principal: &Principal, token: &str) -> bool {
    let Ok(tag) = BASE64URL_NOPAD.decode(token.as_bytes()) else {
        return false;
    };
    let mut keys = ring.ids().filter_map(|id| ring.find(id.as_bytes()));
    keys.any(|key| {
        let made = form_mac(key, principal);
        aws_lc_rs::constant_time::verify_slices_are_equal(made.as_ref(), &tag).is_ok()
    })
}

fn form_mac(key: &RingKey, principal: &Principal) -> hmac::Tag {
    let mut mac = hmac::Context::with_key(&key.sub_keys(Purpose::Cookie).mac);
    for part in [&b"form"[..], principal.session().id.as_bytes()] {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.sign()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authn::{PrincipalKind, oidc::Identity, session};
    use std::time::Duration;

    fn browser(ring: &KeyRing, now: Timestamp) -> (String, Principal) {
        let identity: Identity = Principal::for_test(PrincipalKind::User, "idp:ana", &[]).identity();
        let terms = session::Terms::plain(&identity, "browser", Duration::from_secs(900));
        let issued = session::issue_bearer(ring, session::Form::Cookie, &terms, now).unwrap();
        (issued.token.expose_str().unwrap().to_owned(), issued.principal)
    }

    // OID-09
    #[test]
    fn a_form_is_of_one_session() {
        let (ring, now) = (KeyRing::for_test(1), Timestamp::UNIX_EPOCH);
        let (_, ana) = browser(&ring, now);
        let (cookie, again) = browser(&ring, now);
        let token = form_token(&ring, &ana, now).unwrap();
        assert!(is_form_token(&ring, &ana, &token));
        assert!(!is_form_token(&ring, &again, &token));
        assert!(!is_form_token(&KeyRing::for_test(2), &ana, &token));
        for other in [
            "",
            "=",
            &token[1..],
            &format!("{token}A"),
            &cookie,
            &ana.session().id,
        ] {
            assert!(!is_form_token(&ring, &ana, other), "{other}");
        }
    }

    // SES-03
    #[test]
    fn a_state_is_no_session_and_a_session_no_state() {
        let (ring, now) = (KeyRing::for_test(1), Timestamp::UNIX_EPOCH);
        let state = seal_state(&ring, &"state", now).unwrap();
        assert_eq!(open_state::<String>(&ring, &state).as_deref(), Ok("state"));
        assert!(session::open_bearer(&ring, session::Form::Cookie, &state, now).is_err());
        assert!(session::open_bearer(&ring, session::Form::AccessToken, &state, now).is_err());
        let (cookie, _) = browser(&ring, now);
        assert!(open_state::<serde_json::Value>(&ring, &cookie).is_err());
        assert!(session::open_bearer(&ring, session::Form::AccessToken, &cookie, now).is_err());
        assert!(session::open(&ring, &cookie, "TGIAAAAAAAAAAAAAAAAA", now).is_err());
    }
}
