//! Keys that are still good, in files that only their owner reads.
//!
//! SDKs do not keep what a credential process gave them beyond their own life: without a cache each `aws` command asks the
//! gateway anew. The name of a file is made of everything that the keys depend on, so that two callers, two roles or two
//! logins never share them. A cache is a convenience: one that is damaged, open to others or on a full disk is said and
//! done without.

use super::console::Console;
use super::files::{self, FileError};
use super::gateway::Keys;
use crate::secret::Secret;
use aws_lc_rs::digest::{Context, SHA256};
use data_encoding::HEXLOWER;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Duration;
use zeroize::{Zeroize, Zeroizing};

/// Keys and when they were obtained.
#[derive(Clone, Debug)]
pub(super) struct Cached {
    pub(super) keys: Keys,
    pub(super) obtained_at: Timestamp,
}

/// The keys of one caller for one purpose.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    path: PathBuf,
    endpoint: String,
}

#[derive(Serialize, Deserialize)]
struct Written {
    version: u32,
    endpoint: String,
    access_key_id: String,
    secret_access_key: String,
    session_token: String,
    obtained_at: Timestamp,
    expires_at: Timestamp,
}

const VERSION: u32 = 1;

impl Entry {
    /// `inputs` is everything that decides what the keys are.
    pub(super) fn new(folder: &Path, endpoint: &str, inputs: &[String]) -> Self {
        let mut context = Context::new(&SHA256);
        // INVARIANT: length-prefixed. `["ab", "c"]` and `["a", "bc"]` have different names.
        for input in std::iter::once(endpoint).chain(inputs.iter().map(String::as_str)) {
            context.update(&(input.len() as u64).to_be_bytes());
            context.update(input.as_bytes());
        }
        let name = HEXLOWER.encode(context.finish().as_ref());
        Self {
            path: folder.join("keys").join(format!("{name}.json")),
            endpoint: endpoint.to_owned(),
        }
    }

    /// What is there, if it is any good.
    pub(super) fn read(&self, console: &Console) -> Option<Cached> {
        let document = match files::read(&self.path) {
            Ok(document) => Zeroizing::new(document?),
            Err(error @ FileError::Exposed { .. }) => {
                console.warn(format!("{error}, so its keys are not used; it is replaced"));
                return None;
            }
            Err(FileError::Io { .. }) => return None,
        };
        let written: Option<Written> = serde_json::from_slice(&document).ok();
        match written.filter(|written| written.version == VERSION && written.endpoint == self.endpoint) {
            Some(mut written) => Some(Cached {
                keys: Keys {
                    access_key_id: std::mem::take(&mut written.access_key_id),
                    secret_access_key: Secret::new(std::mem::take(&mut written.secret_access_key)),
                    session_token: Secret::new(std::mem::take(&mut written.session_token)),
                    expires_at: written.expires_at,
                },
                obtained_at: written.obtained_at,
            }),
            None => {
                console.warn(format!("`{}` is damaged; it is replaced", self.path.display()));
                None
            }
        }
    }

    /// Keeps keys for the next time, if that is possible.
    pub(super) fn write(&self, keys: &Keys, now: Timestamp, console: &Console) {
        let text = |secret: &Secret| secret.expose_str().unwrap_or_default().to_owned();
        let written = Written {
            version: VERSION,
            endpoint: self.endpoint.clone(),
            access_key_id: keys.access_key_id.clone(),
            secret_access_key: text(&keys.secret_access_key),
            session_token: text(&keys.session_token),
            obtained_at: now,
            expires_at: keys.expires_at,
        };
        let document = Zeroizing::new(serde_json::to_vec(&written).unwrap_or_default());
        if let Err(error) = files::write(&self.path, &document) {
            let why = crate::error::with_causes(&error);
            console.warn(format!("the keys cannot be kept for the next time: {why}"));
        }
    }
}

impl Cached {
    /// Whether they are to be used without asking for others.
    ///
    /// `window` is how long before their end keys are renewed. Keys that do not live much longer than that are used for
    /// two thirds of their life: otherwise each call would be an exchange.
    pub(super) fn is_fresh(&self, window: Duration, now: Timestamp) -> bool {
        let life = self.keys.expires_at.duration_since(self.obtained_at);
        let window = SignedDuration::try_from(window).unwrap_or(SignedDuration::MAX);
        self.left(now) > window.min(life / 3) && now >= self.obtained_at - CLOCKS_SET_BACK
    }

    /// Whether they work at all, and long enough for something to be done with them.
    pub(super) fn is_good(&self, now: Timestamp) -> bool {
        self.left(now) > SHORTEST
    }

    /// How long they are still good.
    pub(super) fn left(&self, now: Timestamp) -> SignedDuration {
        self.keys.expires_at.duration_since(now)
    }
}

/// What is left of keys that are handed out although they cannot be renewed.
const SHORTEST: SignedDuration = SignedDuration::from_secs(30);
/// Keys of the future are those of a clock that was set back since: nobody knows how old they are.
const CLOCKS_SET_BACK: SignedDuration = SignedDuration::from_mins(5);

/// Removes the keys of a gateway. Best effort, as those that are left end by themselves.
pub(super) fn forget(folder: &Path, endpoint: &str) {
    for entry in std::fs::read_dir(folder.join("keys"))
        .into_iter()
        .flatten()
        .flatten()
    {
        let path = entry.path();
        let of_gateway = match files::read(&path) {
            Ok(Some(document)) => {
                let document = Zeroizing::new(document);
                let written: Option<Written> = serde_json::from_slice(&document).ok();
                written.is_none_or(|written| written.endpoint == endpoint)
            }
            Ok(None) => false,
            Err(_) => true,
        };
        if of_gateway {
            let _ = files::remove(&path);
        }
    }
}

/// Wiped when it was written or read.
impl Drop for Written {
    fn drop(&mut self) {
        self.secret_access_key.zeroize();
        self.session_token.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::console;
    use std::os::unix::fs::PermissionsExt;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn keys(expires_at: &str) -> Keys {
        Keys {
            access_key_id: "TGIAEXAMPLE".into(),
            secret_access_key: Secret::new("hidden"),
            session_token: Secret::new("token"),
            expires_at: at(expires_at),
        }
    }

    #[test]
    fn keys_come_back_until_the_window() {
        let folder = tempfile::tempdir().unwrap();
        let (console, _) = console(false);
        let entry = Entry::new(folder.path(), "https://gw.example", &["login".into()]);
        assert!(entry.read(&console).is_none());
        entry.write(
            &keys("2026-11-20T11:00:00Z"),
            at("2026-11-20T10:00:00Z"),
            &console,
        );
        let cached = entry.read(&console).unwrap();
        assert_eq!(cached.keys.secret_access_key.expose(), b"hidden");
        let check = |now: &str, minutes: u64, fresh: bool, good: bool| {
            let window = Duration::from_secs(60 * minutes);
            assert_eq!(
                (cached.is_fresh(window, at(now)), cached.is_good(at(now))),
                (fresh, good),
                "{now} {minutes}"
            );
        };
        check("2026-11-20T10:00:00Z", 15, true, true);
        check("2026-11-20T10:44:59Z", 15, true, true);
        check("2026-11-20T10:45:00Z", 15, false, true);
        check("2026-11-20T10:59:00Z", 0, true, true);
        check("2026-11-20T11:00:00Z", 0, false, false);
        // A window as long as the keys' life would make every call an exchange.
        check("2026-11-20T10:39:00Z", 60, true, true);
        check("2026-11-20T10:41:00Z", 60, false, true);
        // The clock was set back.
        check("2026-11-20T09:00:00Z", 15, false, true);
    }

    #[test]
    fn every_input_makes_other_keys() {
        let folder = Path::new("/state");
        let path = |endpoint: &str, inputs: &[&str]| {
            Entry::new(
                folder,
                endpoint,
                &inputs.iter().map(|&i| i.to_owned()).collect::<Vec<_>>(),
            )
            .path
        };
        let all = [
            path("https://gw.example", &["ab", "c"]),
            path("https://gw.example", &["a", "bc"]),
            path("https://gw.example", &["abc"]),
            path("https://gw.example", &["abc", ""]),
            path("https://gw.exampl", &["eabc"]),
        ];
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
    }

    #[test]
    fn a_damaged_or_open_cache_is_said_and_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (console, said) = console(false);
        let entry = Entry::new(folder.path(), "https://gw.example", &[]);
        let (until, now) = ("2026-11-20T11:00:00Z", at("2026-11-20T10:00:00Z"));
        for damage in ["", "{", "{\"version\":1}", "null"] {
            files::write(&entry.path, damage.as_bytes()).unwrap();
            assert!(entry.read(&console).is_none(), "{damage}");
        }
        entry.write(&keys(until), now, &console);
        std::fs::set_permissions(&entry.path, PermissionsExt::from_mode(0o644)).unwrap();
        assert!(entry.read(&console).is_none());
        entry.write(&keys(until), now, &console);
        assert!(entry.read(&console).is_some());
        let said = String::from_utf8(said.lock().unwrap().clone()).unwrap();
        assert_eq!(
            (
                said.matches("is damaged").count(),
                said.matches("open to other users").count()
            ),
            (4, 1),
            "{said}"
        );
        assert!(!said.contains("hidden"));
    }

    #[test]
    fn what_cannot_be_kept_is_said() {
        let (console, said) = console(false);
        // `/dev/full` takes no files: a place where nothing can be kept, whoever runs this.
        let entry = Entry::new(Path::new("/dev/full/tidegate"), "https://gw.example", &[]);
        entry.write(
            &keys("2026-11-20T11:00:00Z"),
            at("2026-11-20T10:00:00Z"),
            &console,
        );
        let said = String::from_utf8(said.lock().unwrap().clone()).unwrap();
        assert!(
            said.contains("warning: the keys cannot be kept for the next time"),
            "{said}"
        );
    }

    #[test]
    fn keys_of_one_gateway_are_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let (console, _) = console(false);
        let now = at("2026-11-20T10:00:00Z");
        let (a, b) = (
            Entry::new(folder.path(), "https://a.example", &[]),
            Entry::new(folder.path(), "https://b.example", &[]),
        );
        a.write(&keys("2026-11-20T11:00:00Z"), now, &console);
        b.write(&keys("2026-11-20T11:00:00Z"), now, &console);
        forget(folder.path(), "https://a.example");
        assert!(a.read(&console).is_none() && b.read(&console).is_some());
    }
}
