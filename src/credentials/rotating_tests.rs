use super::super::{AccessKey, Material};
use super::*;
use crate::config::{ManagedSecret, SecretRef, StaticKeys};
use crate::secrets::SecretReader;
use crate::secrets::tests::{POLL, Script};
use std::path::Path;

const HOUR: SignedDuration = SignedDuration::from_hours(1);

fn clock() -> Clock {
    Clock::fixed("2026-11-22T00:00:00Z".parse().unwrap())
}

fn rotating(written: Written, clock: &Clock) -> Rotating {
    Rotating::new("store", written, clock.clone()).unwrap()
}

/// Keys in the files `id` and `secret` of a folder.
fn in_files(folder: &Path, clock: &Clock) -> Rotating {
    let keys = StaticKeys {
        access_key_id: SecretRef::File(folder.join("id")),
        secret_access_key: SecretRef::File(folder.join("secret")),
        session_token: None,
    };
    rotating(Written::keys(&keys, &SecretReader::default()).unwrap(), clock)
}

/// Keys in these secrets of managers.
fn managed(references: [&str; 2], clock: &Clock, scripts: [&Script; 2]) -> Rotating {
    let reference = |text: &str| SecretRef::Managed(Box::new(ManagedSecret::parse(text).unwrap()));
    let [id, secret] = references;
    let keys = StaticKeys {
        access_key_id: reference(id),
        secret_access_key: reference(secret),
        session_token: None,
    };
    let reader = SecretReader::scripted(clock, &[(id, scripts[0]), (secret, scripts[1])]);
    let rotating = rotating(Written::keys(&keys, &reader).unwrap(), clock);
    READERS.with_borrow_mut(|readers| readers.push(reader));
    rotating
}

thread_local! {
    static READERS: std::cell::RefCell<Vec<SecretReader>> = const { std::cell::RefCell::new(Vec::new()) };
}

fn key(credential: &Credential) -> &AccessKey {
    credential.access_key().unwrap()
}

async fn id(credentials: &Rotating, may_repeat: bool) -> String {
    key(&credentials.get(may_repeat).await.unwrap()).id.to_string()
}

fn cause(credentials: &Rotating) -> String {
    match credentials.state() {
        CredentialState::Stale { cause, .. } | CredentialState::Unavailable { cause } => cause,
        CredentialState::Unused | CredentialState::Ready { .. } => String::new(),
    }
}

/// A pair in files, of which another one was just written.
fn rotated() -> (tempfile::TempDir, Rotating, Clock) {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    write(folder.path(), "OLD", "old-secret");
    let credentials = in_files(folder.path(), &clock);
    write(folder.path(), "NEW", "new-secret");
    assert!(credentials.refresh().unwrap());
    (folder, credentials, clock)
}

fn write(folder: &Path, id: &str, secret: &str) {
    std::fs::write(folder.join("id"), format!("{id}\n")).unwrap();
    std::fs::write(folder.join("secret"), secret).unwrap();
}

// CRD-01, 7.4
#[tokio::test]
async fn static_keys_are_read_again_on_demand() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    write(folder.path(), "AKIDONE", "secret-one");
    let credentials = in_files(folder.path(), &clock);
    let first = credentials.get(false).await.unwrap();
    assert_eq!(
        (&*key(&first).id, key(&first).secret.expose()),
        ("AKIDONE", &b"secret-one"[..])
    );
    assert!(first.expires_at.is_none());
    assert!(
        first
            .version
            .as_deref()
            .is_some_and(|version| version.contains("T")),
        "{first:?}"
    );
    assert!(!credentials.refresh().unwrap());

    write(folder.path(), "AKIDTWO", "secret-two");
    clock.advance(HOUR);
    assert!(credentials.refused(&first, "InvalidAccessKeyId").await);
    assert_eq!(id(&credentials, false).await, "AKIDTWO");

    write(folder.path(), "AKIDTWO", "with space");
    assert!(matches!(
        credentials.refresh(),
        Err(SourceError::Malformed("secret access key"))
    ));
    assert_eq!(id(&credentials, false).await, "AKIDTWO");
    assert!(!format!("{credentials:?} {first:?}").contains("secret-one"));
}

// 7.4
#[tokio::test]
async fn new_keys_are_tried_on_one_read_at_a_time_until_they_worked() {
    let (_folder, credentials, _) = rotated();
    assert_eq!(
        id(&credentials, false).await,
        "OLD",
        "what changes something is no trial"
    );
    let trial = credentials.get(true).await.unwrap();
    assert_eq!(&*key(&trial).id, "NEW");
    assert!(credentials.is_on_trial(&trial));
    assert_eq!(id(&credentials, true).await, "OLD", "one trial at a time");
    credentials.worked(&trial);
    assert_eq!(id(&credentials, false).await, "NEW");
    assert_eq!(credentials.state(), CredentialState::Ready { expires_at: None });
}

// 7.4
#[tokio::test]
async fn a_trial_without_an_answer_is_made_again() {
    let (_folder, credentials, clock) = rotated();
    assert_eq!(id(&credentials, true).await, "NEW");
    clock.advance(TRIAL);
    assert_eq!(id(&credentials, true).await, "NEW");
}

// 7.4, F9
#[tokio::test]
async fn refused_new_keys_rest_while_the_old_ones_go_on_and_are_tried_again() {
    let (_folder, credentials, clock) = rotated();
    let trial = credentials.get(true).await.unwrap();
    assert!(credentials.refused(&trial, "InvalidAccessKeyId").await);
    assert_eq!(id(&credentials, true).await, "OLD");
    let said = cause(&credentials);
    assert!(
        said.contains("InvalidAccessKeyId") && said.contains("goes on"),
        "{said}"
    );
    assert!(!credentials.refresh().unwrap(), "the same ones are not new again");
    clock.advance(SignedDuration::from_secs(SHORTEST_PAUSE));
    let trial = credentials.get(true).await.unwrap();
    assert_eq!(
        &*key(&trial).id,
        "NEW",
        "some clouds know them only after a while"
    );
    credentials.worked(&trial);
    assert_eq!(
        (id(&credentials, false).await.as_str(), cause(&credentials)),
        ("NEW", String::new())
    );
}

// 7.4
#[tokio::test]
async fn once_the_old_ones_are_refused_the_new_ones_sign_everything() {
    let (_folder, credentials, _) = rotated();
    let old = credentials.get(false).await.unwrap();
    assert!(credentials.refused(&old, "InvalidAccessKeyId").await);
    assert_eq!(id(&credentials, false).await, "NEW");
    let new = credentials.get(false).await.unwrap();
    assert!(
        !credentials.refused(&new, "SignatureDoesNotMatch").await,
        "there is no third pair"
    );
    let said = cause(&credentials);
    assert!(
        said.contains("InvalidAccessKeyId") && said.contains("SignatureDoesNotMatch"),
        "{said}"
    );
    credentials.worked(&new);
    assert_eq!(
        (id(&credentials, false).await.as_str(), cause(&credentials)),
        ("NEW", String::new())
    );
}

// 7.4
#[tokio::test]
async fn keys_that_are_rotated_back_are_the_old_ones() {
    let (folder, credentials, _) = rotated();
    let trial = credentials.get(true).await.unwrap();
    assert!(credentials.refused(&trial, "InvalidAccessKeyId").await);
    write(folder.path(), "OLD", "old-secret");
    assert!(credentials.refresh().unwrap());
    assert_eq!(
        (id(&credentials, true).await.as_str(), cause(&credentials)),
        ("OLD", String::new())
    );
}

// 7.4
#[tokio::test]
async fn halves_of_one_secret_are_of_one_version() {
    let (script, clock) = (Script::new(), clock());
    let credentials = managed(
        ["vault://kv/store#id", "vault://kv/store#secret"],
        &clock,
        [&script, &script],
    );
    assert!(credentials.get(false).await.is_err());
    assert!(
        cause(&credentials).contains("it is down"),
        "{}",
        cause(&credentials)
    );
    script.says("1", r#"{"id":"A1","secret":"s1"}"#);
    clock.advance(SignedDuration::from_secs(5));
    let one = credentials.get(false).await.unwrap();
    assert_eq!(
        (&*key(&one).id, key(&one).secret.expose(), one.version.as_deref()),
        ("A1", &b"s1"[..], Some("1"))
    );
    assert_eq!(cause(&credentials), "");
    for n in 2..20 {
        script.says(&n.to_string(), &format!(r#"{{"id":"A{n}","secret":"s{n}"}}"#));
        poll(&clock).await;
        credentials.tend();
        let trial = credentials.get(true).await.unwrap();
        let (id, secret) = (&key(&trial).id, key(&trial).secret.expose_str().unwrap());
        assert_eq!(
            (id.strip_prefix('A'), trial.version.as_deref()),
            (secret.strip_prefix('s'), Some(&*n.to_string()))
        );
        credentials.worked(&trial);
    }
}

// 7.4
#[tokio::test]
async fn halves_of_two_secrets_count_once_both_are_known_to_be_the_newest() {
    let (ids, secrets, clock) = (Script::new(), Script::new(), clock());
    let references = ["vault://kv/id#value", "vault://kv/secret#value"];
    let credentials = managed(references, &clock, [&ids, &secrets]);
    ids.says("1", r#"{"value":"A1"}"#);
    secrets.says("1", r#"{"value":"s1"}"#);
    assert_eq!(id(&credentials, false).await, "A1");
    ids.says("2", r#"{"value":"A2"}"#);
    // What was known of the other one is older than the change.
    clock.advance(SignedDuration::from_secs(30));
    credentials.0.written.again().await;
    clock.advance(SignedDuration::from_secs(1));
    secrets.says("2", r#"{"value":"s2"}"#);
    poll(&clock).await;
    for _ in 0..3 {
        poll(&clock).await;
        credentials.tend();
    }
    let trial = credentials.get(true).await.unwrap();
    let pair = (
        &*key(&trial).id,
        key(&trial).secret.expose(),
        trial.version.as_deref(),
    );
    assert_eq!(pair, ("A2", &b"s2"[..], Some("2")));
}

/// Lets a poll pass, and all calls come to their ends.
async fn poll(clock: &Clock) {
    clock.advance((POLL + POLL / 4).try_into().unwrap());
    let readers: Vec<SecretReader> = READERS.with_borrow(Clone::clone);
    readers.iter().for_each(SecretReader::tend);
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

// CRD-03, 7.4
#[tokio::test]
async fn a_token_in_a_file_is_followed_by_itself_and_at_once_when_it_is_refused() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let path = folder.path().join("token");
    // Its writer may start after us.
    let written = Written::token(&SecretRef::File(path.clone()), &SecretReader::default()).unwrap();
    let credentials = rotating(written, &clock);
    assert_eq!(credentials.state(), CredentialState::Unused);
    assert!(credentials.get(false).await.is_err());
    assert!(matches!(credentials.state(), CredentialState::Unavailable { .. }));
    let token = async || {
        let credential = credentials.get(true).await.unwrap();
        let Material::BearerToken(token) = &credential.material else {
            panic!("{credential:?}");
        };
        (token.expose_str().unwrap().to_owned(), credential)
    };
    std::fs::write(&path, " ya29.one\n").unwrap();
    assert_eq!(token().await.0, "ya29.one");
    std::fs::write(&path, "ya29.two").unwrap();
    credentials.tend();
    let (text, used) = token().await;
    assert_eq!(text, "ya29.one", "it was read a moment ago");
    clock.advance(SignedDuration::from_secs(10));
    credentials.tend();
    let (text, newer) = token().await;
    assert_eq!(text, "ya29.two", "a token is about to end and no longer needed");
    assert!(
        credentials.refused(&used, "InvalidToken").await,
        "that was not the current one"
    );
    assert!(
        !credentials.refused(&newer, "InvalidToken").await,
        "there is no other one yet"
    );
    std::fs::write(&path, "ya29.three").unwrap();
    assert!(credentials.refused(&newer, "InvalidToken").await);
    assert_eq!(token().await.0, "ya29.three");

    std::fs::write(&path, "{}").unwrap();
    clock.advance(SignedDuration::from_secs(10));
    credentials.tend();
    assert_eq!(token().await.0, "ya29.three", "the last good one stays");
    assert!(matches!(credentials.state(), CredentialState::Stale { .. }));
    assert!(!format!("{credentials:?} {used:?} {newer:?}").contains("ya29"));
}
