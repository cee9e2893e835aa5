//! Sessions: SES-01 to SES-08.

use super::{
    PrincipalKind, SessionError, Tags,
    key_ring::{KeyRing, Purpose},
    oidc::Identity,
    seal,
    session::{self, Form, IssuedSession, MAX_SESSION_TOKEN_BYTES, Terms},
};
use crate::clock::Clock;
use crate::session_policy::SessionPolicy;
use jiff::{SignedDuration, Timestamp};
use std::{collections::BTreeSet, sync::Arc, time::Duration};

/// An identity as a verifier gives it.
pub(super) fn identity() -> Identity {
    Identity {
        kind: PrincipalKind::Workload,
        id: "google:etl@acme.test".into(),
        groups: vec!["google:analysts".into(), "google:etl".into()],
        tags: Tags::from([("team".into(), "blue".into())]),
        issuer: "https://issuer.test".into(),
        subject: "1234567890".into(),
        audience: "https://s3.tidegate.test".into(),
        issued_at: now(),
        expires_at: now() + SignedDuration::from_hours(1),
    }
}

pub(super) fn now() -> Timestamp {
    "2026-11-22T03:00:00.5Z".parse().unwrap()
}

pub(super) fn issue(ring: &KeyRing) -> IssuedSession {
    session::issue(
        ring,
        &Terms::plain(&identity(), "nightly", Duration::from_secs(3600)),
        now(),
    )
    .unwrap()
}

fn token(session: &IssuedSession) -> &str {
    session.session_token.expose_str().unwrap()
}

#[test]
fn an_issued_session_opens_as_what_it_was_issued_for() {
    let ring = KeyRing::for_test(1);
    let issued = issue(&ring);
    let opened = session::open(&ring, token(&issued), &issued.access_key_id, now()).unwrap();
    assert_eq!(
        opened.secret_access_key.expose(),
        issued.secret_access_key.expose()
    );

    let (who, expected) = (&opened.principal, identity());
    assert_eq!((who.kind(), who.id()), (expected.kind, &*expected.id));
    assert_eq!(who.groups(), expected.groups);
    assert_eq!(
        (who.issuer(), who.subject()),
        (&*expected.issuer, &*expected.subject)
    );
    assert_eq!(who.session(), issued.principal.session());
    assert_eq!(&*who.session().name, "nightly");
    assert_eq!(who.session().issued_at.to_string(), "2026-11-22T03:00:00Z");
    assert_eq!(issued.expires_at.to_string(), "2026-11-22T04:00:00Z");
}

#[test]
fn credentials_have_the_shape_that_tools_expect() {
    let issued = issue(&KeyRing::for_test(1));
    assert_eq!(issued.access_key_id.len(), 20);
    assert!(session::is_access_key_id(&issued.access_key_id));
    assert_eq!(issued.secret_access_key.expose().len(), 40);
    assert!(
        token(&issued)
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    );
    for id in [
        "",
        "TGIA",
        "TGIAABCDEFGHIJKLMNO",
        "AKIAABCDEFGHIJKLMNOP",
        "TGIAABCDEFGHIJKLMNO1",
        "TGIAabcdefghijklmnop",
    ] {
        assert!(!session::is_access_key_id(id), "{id}");
    }
}

#[test]
fn no_two_sessions_share_anything() {
    let ring = KeyRing::for_test(1);
    let (mut ids, mut keys, mut secrets) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for _ in 0..200 {
        let issued = issue(&ring);
        ids.insert(issued.principal.session().id.clone());
        keys.insert(issued.access_key_id);
        secrets.insert(issued.secret_access_key.expose().to_vec());
    }
    assert_eq!((ids.len(), keys.len(), secrets.len()), (200, 200, 200));
}

#[test]
fn a_session_ends_at_its_exact_second() {
    // SES-07
    let ring = KeyRing::for_test(1);
    let issued = issue(&ring);
    let open = |at| session::open(&ring, token(&issued), &issued.access_key_id, at);
    let expired_at = issued.expires_at;
    let nanosecond = SignedDuration::from_nanos(1);
    assert!(open(expired_at - nanosecond).is_ok());
    for at in [expired_at, expired_at + nanosecond, Timestamp::MAX] {
        assert_eq!(open(at).unwrap_err(), SessionError::Expired { expired_at });
    }
}

#[test]
fn a_token_does_not_open_with_the_access_key_of_another_session() {
    // SES-08
    let ring = KeyRing::for_test(1);
    let (a, b) = (issue(&ring), issue(&ring));
    let refused = SessionError::Invalid("belongs to another access key id");
    assert_eq!(
        session::open(&ring, token(&a), &b.access_key_id, now()).unwrap_err(),
        refused
    );
    // Nor does its expiry tell anything about it.
    assert_eq!(
        session::open(&ring, token(&a), &b.access_key_id, Timestamp::MAX).unwrap_err(),
        refused
    );
}

#[test]
fn a_changed_token_is_invalid() {
    // SES-04, on the token as callers have it: each character, each prefix, more at the end, other cases.
    let ring = KeyRing::for_test(1);
    let issued = issue(&ring);
    let good = token(&issued).to_owned();
    let check = |token: &str| {
        let error = session::open(&ring, token, &issued.access_key_id, now()).unwrap_err();
        assert!(matches!(error, SessionError::Invalid(_)), "{token}: {error}");
    };
    for position in 0..good.len() {
        for bit in 0..7 {
            let mut changed = good.clone().into_bytes();
            changed[position] ^= 1 << bit;
            check(&String::from_utf8(changed).unwrap());
        }
        check(&good[..position]);
    }
    check(&format!("{good}A"));
    check(&format!("{good}="));
    check(&format!("{good}{good}"));
    check(&good.to_ascii_lowercase());
    check("");
    check("eyJhbGciOiJub25lIn0.eyJzdWIiOiJyb290In0.");
    check(&"A".repeat(MAX_SESSION_TOKEN_BYTES + 1));
}

#[test]
fn another_ring_gives_another_answer_to_everything() {
    // SES-04, SES-08: the secret is not to be had from the token without the ring.
    let (ours, theirs) = (KeyRing::for_test(1), KeyRing::for_test(2));
    let issued = issue(&ours);
    let error = session::open(&theirs, token(&issued), &issued.access_key_id, now()).unwrap_err();
    assert_eq!(error, SessionError::Invalid("is sealed by an unknown key"));
}

#[test]
fn a_text_sealed_for_another_purpose_is_not_a_session() {
    // SES-03: the very payload of a session, sealed by the right key for something else.
    let ring = KeyRing::for_test(1);
    let issued = issue(&ring);
    let (key, payload) = seal::open(&ring, Purpose::Session, token(&issued)).unwrap();
    let other = seal::seal(key, Purpose::SecretAccessKey, &payload).unwrap();
    let same = seal::seal(key, Purpose::Session, &payload).unwrap();
    assert!(session::open(&ring, &same, &issued.access_key_id, now()).is_ok());
    assert_eq!(
        session::open(&ring, &other, &issued.access_key_id, now()).unwrap_err(),
        SessionError::Invalid("does not open")
    );
}

#[test]
fn a_payload_of_another_shape_is_not_a_session() {
    // SES-01: missing and unknown fields alike; no default makes a session without an end.
    let ring = KeyRing::for_test(1);
    let issued = issue(&ring);
    let (key, payload) = seal::open(&ring, Purpose::Session, token(&issued)).unwrap();
    let original: serde_json::Value = serde_json::from_slice(&payload).unwrap();
    let fields: Vec<String> = original.as_object().unwrap().keys().cloned().collect();
    let mut shapes = vec![serde_json::json!(null), serde_json::json!([])];
    for field in &fields {
        let mut shape = original.clone();
        shape.as_object_mut().unwrap().remove(field);
        shapes.push(shape);
    }
    let mut more = original.clone();
    more["role"] = "admin".into();
    shapes.push(more);
    let mut endless = original.clone();
    endless["e"] = i64::MAX.into();
    shapes.push(endless);
    for shape in shapes {
        let text = seal::seal(key, Purpose::Session, shape.to_string().as_bytes()).unwrap();
        let error = session::open(&ring, &text, &issued.access_key_id, now()).unwrap_err();
        assert!(matches!(error, SessionError::Invalid(_)), "{shape}");
    }
}

#[test]
fn the_secret_is_nowhere_in_the_token() {
    let ring = KeyRing::for_test(1);
    let issued = issue(&ring);
    let (_, payload) = seal::open(&ring, Purpose::Session, token(&issued)).unwrap();
    let secret = issued.secret_access_key.expose_str().unwrap();
    assert!(!String::from_utf8(payload).unwrap().contains(secret));
    for text in [format!("{issued:?}"), format!("{:?}", issued.principal)] {
        assert!(!text.contains(secret) && !text.contains(token(&issued)));
    }
}

#[test]
fn an_identity_with_too_many_groups_gets_no_session() {
    let ring = KeyRing::for_test(1);
    let with_groups = |count: usize| {
        let mut identity = identity();
        identity.groups = (0..count)
            .map(|n| format!("google:group-{n:06}").into())
            .collect();
        session::issue(
            &ring,
            &Terms::plain(&identity, "n", Duration::from_secs(900)),
            now(),
        )
    };
    let issued = with_groups(200).unwrap();
    assert!(issued.session_token.expose().len() <= MAX_SESSION_TOKEN_BYTES);
    let error = with_groups(400).unwrap_err();
    assert!(
        matches!(error, SessionError::TooLarge { bytes, limit: MAX_SESSION_TOKEN_BYTES } if bytes > limit())
    );
    assert!(error.to_string().contains("fewer groups"));
}

fn limit() -> usize {
    MAX_SESSION_TOKEN_BYTES
}

#[test]
fn a_lifetime_beyond_the_calendar_is_refused() {
    let ring = KeyRing::for_test(1);
    assert!(session::issue(&ring, &Terms::plain(&identity(), "n", Duration::MAX), now()).is_err());
}

#[test]
fn replicas_understand_each_other_whichever_gets_the_new_ring_first() {
    // SES-05: `early` has the file with the announced key, `late` has the old one; then both have the new.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.toml");
    let clock = Clock::fixed(now());
    KeyRing::create(&path, &clock).unwrap();
    let late = KeyRing::load(&path, &clock).unwrap();
    let rotated = KeyRing::rotate(&path, &clock, Duration::from_secs(300)).unwrap();
    let early = KeyRing::load(&path, &clock).unwrap();

    let check = |sealed_by: &KeyRing, opened_by: &KeyRing, at| {
        let lifetime = Duration::from_secs(3600);
        let issued = session::issue(sealed_by, &Terms::plain(&identity(), "n", lifetime), at).unwrap();
        let opened = session::open(opened_by, token(&issued), &issued.access_key_id, at).unwrap();
        assert_eq!(
            opened.secret_access_key.expose(),
            issued.secret_access_key.expose()
        );
    };
    check(&early, &late, clock.now());
    check(&late, &early, clock.now());
    let before = issue(&early);

    clock.advance(SignedDuration::from_secs(300));
    let caught_up = KeyRing::load(&path, &clock).unwrap();
    check(&early, &caught_up, clock.now());
    check(&caught_up, &early, clock.now());
    let after = session::issue(
        &early,
        &Terms::plain(&identity(), "n", Duration::from_secs(900)),
        clock.now(),
    )
    .unwrap();
    assert!(session::open(&late, token(&after), &after.access_key_id, clock.now()).is_err());

    // The session from before the turn lives on under the new ring, with the same secret.
    let opened = session::open(&caught_up, token(&before), &before.access_key_id, clock.now()).unwrap();
    assert_eq!(
        opened.secret_access_key.expose(),
        before.secret_access_key.expose()
    );

    // SES-05: and dies with its key.
    let text = std::fs::read_to_string(&path).unwrap();
    let (header, keys) = text.split_once("[[keys]]").unwrap();
    let newer = keys
        .split("[[keys]]")
        .find(|key| rotated.added.as_ref().is_some_and(|(id, _)| key.contains(&**id)))
        .unwrap();
    std::fs::write(&path, format!("{header}[[keys]]{newer}")).unwrap();
    let without = KeyRing::load(&path, &clock).unwrap();
    assert_eq!(
        session::open(&without, token(&before), &before.access_key_id, clock.now()).unwrap_err(),
        SessionError::Invalid("is sealed by an unknown key")
    );
}

/// A session policy of one statement.
fn policy(resource: &str) -> Arc<SessionPolicy> {
    let text = format!(r#"{{"Statement":{{"Effect":"Allow","Action":"s3:*","Resource":"{resource}"}}}}"#);
    Arc::new(SessionPolicy::parse(&text).unwrap())
}

#[test]
fn a_session_carries_its_tags_its_role_and_what_it_was_narrowed_to() {
    let ring = KeyRing::for_test(1);
    let identity = identity();
    let terms = Terms {
        role: Some("exporter"),
        policies: vec![policy("arn:aws:s3:::lake/*"), policy("*")],
        ..Terms::plain(&identity, "nightly", Duration::from_secs(3600))
    };
    let issued = session::issue(&ring, &terms, now()).unwrap();
    let opened = session::open(&ring, token(&issued), &issued.access_key_id, now()).unwrap();
    let who = &opened.principal;
    assert_eq!(who.role(), Some("exporter"));
    assert_eq!(who.tags(), &identity.tags);
    assert_eq!(who.session_policies(), terms.policies);
    assert_eq!(who.session().root, who.session().id);
    assert_eq!(who.session().authenticated_at, who.session().issued_at);
}

// SES-07
#[test]
fn a_session_that_another_one_made_ends_with_it_and_names_its_root() {
    let ring = KeyRing::for_test(1);
    let first = issue(&ring);
    let parent = first.principal.session();
    let later = now() + SignedDuration::from_mins(30);
    let identity = first.principal.identity();
    let terms = Terms {
        parent: Some(parent),
        ..Terms::plain(&identity, "n", Duration::from_secs(3600))
    };
    let second = session::issue(&ring, &terms, later).unwrap();
    let made = second.principal.session();
    assert_eq!(made.expires_at, parent.expires_at);
    assert_eq!(
        (&made.root, made.authenticated_at),
        (&parent.id, parent.issued_at)
    );
    assert_ne!(made.id, parent.id);
    let terms = Terms {
        parent: Some(made),
        ..terms
    };
    let third = session::issue(&ring, &terms, later).unwrap();
    assert_eq!(third.principal.session().root, parent.id);
}

// SES-03
#[test]
fn a_session_of_one_form_opens_as_no_other() {
    let ring = KeyRing::for_test(1);
    let identity = identity();
    let terms = Terms::plain(&identity, "n", Duration::from_secs(900));
    let keys = session::issue(&ring, &terms, now()).unwrap();
    let bearer = |form| session::issue_bearer(&ring, form, &terms, now()).unwrap();
    let (access, cookie) = (bearer(Form::AccessToken), bearer(Form::Cookie));
    let opens = |text: &str| {
        let id = &keys.access_key_id;
        [
            session::open(&ring, text, id, now()).is_ok(),
            session::open_bearer(&ring, Form::AccessToken, text, now()).is_ok(),
            session::open_bearer(&ring, Form::Cookie, text, now()).is_ok(),
        ]
    };
    assert_eq!(opens(token(&keys)), [true, false, false]);
    assert_eq!(opens(access.token.expose_str().unwrap()), [false, true, false]);
    assert_eq!(opens(cookie.token.expose_str().unwrap()), [false, false, true]);
    let end = now() + SignedDuration::from_secs(900);
    let opened = session::open_bearer(&ring, Form::AccessToken, access.token.expose_str().unwrap(), end);
    assert!(matches!(opened, Err(SessionError::Expired { .. })));
}
