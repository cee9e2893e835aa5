use super::*;
use crate::client::tests::console;
use crate::secret::Secret;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};

/// A keychain that can be locked.
#[derive(Clone, Debug, Default)]
pub(in crate::client) struct FakeKeychain(Arc<Mutex<(bool, BTreeMap<String, Secret>)>>);

impl FakeKeychain {
    pub(in crate::client) fn lock(&self, locked: bool) {
        self.0.lock().unwrap().0 = locked;
    }

    pub(in crate::client) fn len(&self) -> usize {
        self.0.lock().unwrap().1.len()
    }

    pub(super) fn get(&self, name: &str) -> Result<Secret, KeychainError> {
        let inside = self.0.lock().unwrap();
        if inside.0 {
            return Err(KeychainError::Locked);
        }
        inside.1.get(name).cloned().ok_or(KeychainError::Gone)
    }

    pub(super) fn set(&self, name: &str, secret: &Secret) -> Result<(), KeychainError> {
        let mut inside = self.0.lock().unwrap();
        if inside.0 {
            return Err(KeychainError::Locked);
        }
        inside.1.insert(name.to_owned(), secret.clone());
        Ok(())
    }

    pub(super) fn remove(&self, name: &str) -> Result<(), KeychainError> {
        let mut inside = self.0.lock().unwrap();
        if inside.0 {
            return Err(KeychainError::Locked);
        }
        inside.1.remove(name);
        Ok(())
    }
}

pub(in crate::client) fn login(endpoint: &str, now: Timestamp) -> Login {
    Login {
        id: "login-1".into(),
        endpoint: endpoint.into(),
        ca: None,
        issuer_ca: None,
        issuer_name: "okta".into(),
        issuer: "https://acme.okta.example".into(),
        client_id: "tidegate-cli".into(),
        client_secret: None,
        token_endpoint: "https://acme.okta.example/token".into(),
        revocation_endpoint: None,
        end_session_endpoint: None,
        who: "ana@acme.example".into(),
        logged_in_at: now,
        obtained_at: now,
        expires_at: now + jiff::SignedDuration::from_hours(1),
        renewable: true,
        role: Some("exporter".into()),
        duration: Some(std::time::Duration::from_secs(3600)),
        tags: BTreeMap::from([("audit".into(), "CHG-1".into())]),
        tokens: None,
    }
}

fn tokens() -> Tokens {
    Tokens {
        id_token: Secret::new("id.to.ken"),
        refresh_token: Some(Secret::new("refresh-secret")),
    }
}

const GATEWAY: &str = "https://s3.acme.example";

fn store(choice: StoreChoice, keychain: Keychain) -> (tempfile::TempDir, Store, Arc<Mutex<Vec<u8>>>) {
    let folder = tempfile::tempdir().unwrap();
    let (console, said) = console(false);
    let store = Store::new(folder.path(), choice, keychain, console);
    (folder, store, said)
}

fn now() -> Timestamp {
    "2026-11-20T10:00:00Z".parse().unwrap()
}

fn text(said: &Arc<Mutex<Vec<u8>>>) -> String {
    String::from_utf8(said.lock().unwrap().clone()).unwrap()
}

#[tokio::test]
async fn a_login_in_a_file_comes_back_as_it_was() {
    let (_folder, store, said) = store(StoreChoice::File, Keychain::Missing("none"));
    assert!(store.find(GATEWAY).unwrap().is_none());
    store.keep(&login(GATEWAY, now()), &tokens()).await.unwrap();
    let found = store.find(GATEWAY).unwrap().unwrap();
    assert_eq!(
        (found.who.as_str(), found.role.as_deref()),
        ("ana@acme.example", Some("exporter"))
    );
    assert_eq!(found.duration, Some(std::time::Duration::from_secs(3600)));
    let back = store.tokens(&found).await.unwrap();
    assert_eq!(back.id_token.expose(), b"id.to.ken");
    assert_eq!(back.refresh_token.unwrap().expose(), b"refresh-secret");
    // Whoever asks for a file need not be told that it is one.
    assert_eq!(text(&said), "");
    assert!(store.find("https://other.example").unwrap().is_none());
    store.forget(&found).await.unwrap();
    assert!(store.find(GATEWAY).unwrap().is_none());
}

#[tokio::test]
async fn tokens_in_the_keychain_are_not_in_the_file() {
    let keychain = FakeKeychain::default();
    let (folder, store, said) = store(StoreChoice::Auto, Keychain::Fake(keychain.clone()));
    store.keep(&login(GATEWAY, now()), &tokens()).await.unwrap();
    let file = std::fs::read_dir(folder.path().join("logins"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let written = std::fs::read_to_string(file).unwrap();
    assert!(
        !written.contains("refresh-secret") && !written.contains("id.to.ken"),
        "{written}"
    );
    let found = store.find(GATEWAY).unwrap().unwrap();
    assert_eq!(
        store.tokens(&found).await.unwrap().id_token.expose(),
        b"id.to.ken"
    );
    assert_eq!((text(&said).as_str(), keychain.len()), ("", 1));
    store.forget(&found).await.unwrap();
    assert_eq!(keychain.len(), 0);
}

#[tokio::test]
async fn a_locked_keychain_is_not_worked_around_in_silence() {
    let keychain = FakeKeychain::default();
    keychain.lock(true);
    let (_folder, auto, said) = store(StoreChoice::Auto, Keychain::Fake(keychain.clone()));
    auto.keep(&login(GATEWAY, now()), &tokens()).await.unwrap();
    assert!(
        text(&said).contains("Notice: the keychain is locked, so the login is kept in /"),
        "{}",
        text(&said)
    );
    // A renewal of the same login says nothing new.
    auto.keep(&login(GATEWAY, now()), &tokens()).await.unwrap();
    assert_eq!(text(&said).matches("Notice").count(), 1);
    let (folder, strict, said) = store(StoreChoice::Keychain, Keychain::Fake(keychain));
    let error = strict.keep(&login(GATEWAY, now()), &tokens()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the settings say `store = \"keychain\"`, and the keychain is locked"
    );
    assert_eq!(error.next(), "tidegate login --store file");
    assert!(!folder.path().join("logins").exists());
    assert_eq!(text(&said), "");
}

#[tokio::test]
async fn a_keychain_that_was_locked_later_is_an_error_and_not_a_missing_login() {
    let keychain = FakeKeychain::default();
    let (_folder, store, _) = store(StoreChoice::Auto, Keychain::Fake(keychain.clone()));
    store.keep(&login(GATEWAY, now()), &tokens()).await.unwrap();
    keychain.lock(true);
    let found = store.find(GATEWAY).unwrap().unwrap();
    let error = store.tokens(&found).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the login is in the keychain, and the keychain is locked"
    );
    // It is not forgotten in the file alone, which would leave the tokens behind.
    assert!(store.forget(&found).await.is_err());
    assert!(store.find(GATEWAY).unwrap().is_some());
}

#[tokio::test]
async fn a_login_that_others_could_read_is_refused() {
    let (folder, store, _) = store(StoreChoice::File, Keychain::Missing("none"));
    store.keep(&login(GATEWAY, now()), &tokens()).await.unwrap();
    let file = std::fs::read_dir(folder.path().join("logins"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
    let error = store.find(GATEWAY).unwrap_err();
    assert!(
        matches!(error, StoreError::File(FileError::Exposed { mode: 0o644, .. })),
        "{error:?}"
    );
    assert_eq!(error.next(), format!("rm {} && tidegate login", file.display()));
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, "{\"version\":1,\"id\":").unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
    assert!(matches!(store.find(GATEWAY), Err(StoreError::Damaged { .. })));
    assert!(store.all().is_empty());
    // Whoever logs out leaves none behind.
    assert_eq!(store.forget_rest().unwrap(), 1);
    assert!(!file.exists());
}

#[tokio::test]
async fn logins_are_listed_the_latest_first() {
    let (_folder, store, _) = store(StoreChoice::File, Keychain::Missing("none"));
    let later = now() + jiff::SignedDuration::from_mins(1);
    store
        .keep(&login("https://a.example", now()), &tokens())
        .await
        .unwrap();
    store
        .keep(&login("https://b.example", later), &tokens())
        .await
        .unwrap();
    let all: Vec<String> = store.all().into_iter().map(|login| login.endpoint).collect();
    assert_eq!(all, ["https://b.example", "https://a.example"]);
}
