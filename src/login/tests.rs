//! Tests of the room without a network: what a login that comes back is held against.

use super::attempt::{self, AttemptError, UsedStates};
use super::cookies::{ATTEMPT, Cookies};
use super::return_path::ReturnPath;
use crate::authn::KeyRing;
use http::{HeaderMap, header};
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;

/// A login with issuer `idp`, and the cookies of its browser.
struct Open {
    ring: Arc<KeyRing>,
    state: String,
    headers: HeaderMap,
    begun_at: Timestamp,
}

impl Open {
    fn begin() -> Self {
        let ring = KeyRing::for_test(1);
        let begun_at: Timestamp = "2026-11-20T10:00:00Z".parse().unwrap();
        let none = HeaderMap::new();
        let to = ReturnPath::parse("/_tidegate/buckets").unwrap();
        let begun = attempt::begin(&ring, "idp", &to, &Cookies::of(&none), begun_at).unwrap();
        let set = begun.cookies[0].to_str().unwrap();
        let pair = set.split(';').next().unwrap();
        assert!(pair.starts_with(ATTEMPT) && set.contains("Max-Age=600;"), "{set}");
        Self {
            ring,
            state: begun.state,
            headers: [(header::COOKIE, pair.parse().unwrap())].into_iter().collect(),
            begun_at,
        }
    }

    fn resume(&self, used: &UsedStates, issuer: &str, after: i64) -> Result<ReturnPath, AttemptError> {
        let now = self.begun_at + SignedDuration::from_secs(after);
        let cookies = Cookies::of(&self.headers);
        let (_, returned) = attempt::resume(&self.ring, used, issuer, Some(&self.state), &cookies, now);
        returned.map(|returned| returned.to)
    }
}

fn check(issuer: &str, after: i64, expected: Result<&str, AttemptError>) {
    let found = Open::begin().resume(&UsedStates::default(), issuer, after);
    let found = found.as_ref().map(ReturnPath::as_str);
    assert_eq!(found, expected.as_ref().copied(), "{issuer} after {after} s");
}

// OID-01, OID-04
#[test]
fn a_login_comes_back_within_ten_minutes_to_its_issuer() {
    check("idp", 0, Ok("/_tidegate/buckets"));
    check("idp", 599, Ok("/_tidegate/buckets"));
    check("idp", -30, Ok("/_tidegate/buckets"));
    check("idp", 600, Err(AttemptError::Late));
    check("idp", 86_400, Err(AttemptError::Late));
    check("idp", -61, Err(AttemptError::Late));
    check("other", 0, Err(AttemptError::OtherIssuer));
    check("", 0, Err(AttemptError::OtherIssuer));
}

// OID-01
#[test]
fn a_state_is_used_once() {
    let (open, used) = (Open::begin(), UsedStates::default());
    assert!(open.resume(&used, "idp", 1).is_ok());
    assert_eq!(open.resume(&used, "idp", 2), Err(AttemptError::Used));
    assert_eq!(open.resume(&used, "idp", 599), Err(AttemptError::Used));
    // A return to another issuer does not use it up.
    let (open, used) = (Open::begin(), UsedStates::default());
    assert!(open.resume(&used, "other", 1).is_err());
    assert!(open.resume(&used, "idp", 1).is_ok());
}

// OID-01
#[test]
fn a_state_of_another_ring_is_none() {
    let open = Open {
        ring: KeyRing::for_test(2),
        ..Open::begin()
    };
    let found = open.resume(&UsedStates::default(), "idp", 0);
    assert_eq!(found, Err(AttemptError::Seal("is sealed by an unknown key")));
}
