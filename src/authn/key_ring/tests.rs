use super::*;
use jiff::SignedDuration;
use std::{collections::BTreeSet, error::Error as _, fs};

const SECRET: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const OTHER_SECRET: &str = "/wECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const CREATED: &str = "2026-11-22T02:00:00Z";

fn clock() -> Clock {
    Clock::fixed("2026-11-22T03:00:00Z".parse().unwrap())
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn ring(&self) -> PathBuf {
        self.0.path().join("keys.toml")
    }

    fn write(&self, text: &str) {
        fs::write(self.ring(), text).unwrap();
        chmod(&self.ring(), 0o600);
    }

    fn load(&self, clock: &Clock) -> KeyRing {
        KeyRing::load(&self.ring(), clock).unwrap()
    }

    fn sealing(&self, clock: &Clock) -> String {
        self.load(clock).sealing(clock.now()).unwrap().id().to_owned()
    }
}

#[cfg(unix)]
fn chmod(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn key(id: &str, more: &str, secret: &str) -> String {
    format!("[[keys]]\nid = \"{id}\"\ncreated = \"{CREATED}\"\n{more}\nsecret = \"{secret}\"\n")
}

/// What the whole message says, causes included; and that no secret is in it.
fn refusal(text: &str) -> String {
    let folder = Folder::new();
    folder.write(text);
    let error = KeyRing::load(&folder.ring(), &clock()).unwrap_err();
    let message = format!(
        "{error}: {}",
        error.source().map(ToString::to_string).unwrap_or_default()
    );
    for secret in [SECRET, OTHER_SECRET, "hunter2"] {
        assert!(!message.contains(secret), "{message}");
        assert!(!format!("{error:?}").contains(secret), "{error:?}");
    }
    message
}

#[track_caller]
fn check_refused(text: &str, because: &str) {
    let message = refusal(text);
    assert!(message.contains(because), "{message}");
}

#[test]
fn a_created_ring_loads_and_is_private() {
    let folder = Folder::new();
    let id = KeyRing::create(&folder.ring(), &clock()).unwrap();
    assert_eq!(folder.sealing(&clock()), *id);
    #[cfg(unix)]
    assert_eq!(mode(&folder.ring()), 0o600);
}

#[test]
fn a_present_file_is_never_overwritten() {
    let folder = Folder::new();
    folder.write("precious");
    let error = KeyRing::create(&folder.ring(), &clock()).unwrap_err();
    assert!(matches!(error, KeyRingError::Exists(_)));
    assert_eq!(fs::read_to_string(folder.ring()).unwrap(), "precious");
}

#[test]
fn a_missing_file_is_refused_and_the_way_out_named() {
    let error = KeyRing::load(&Folder::new().ring(), &clock()).unwrap_err();
    assert!(matches!(error, KeyRingError::Read { .. }));
    assert!(error.to_string().contains("tidegate keys new"));
}

#[test]
fn a_folder_instead_of_a_file_is_refused() {
    let folder = Folder::new();
    #[cfg(unix)]
    chmod(folder.0.path(), 0o700);
    let error = KeyRing::load(folder.0.path(), &clock()).unwrap_err();
    assert!(matches!(error, KeyRingError::Read { .. }));
}

#[cfg(unix)]
#[test]
fn a_file_that_others_can_read_or_write_is_refused() {
    let folder = Folder::new();
    folder.write(&key("firstkey", "", SECRET));
    for bits in [0o640, 0o604, 0o620, 0o602, 0o601, 0o610, 0o644, 0o666, 0o660] {
        chmod(&folder.ring(), bits);
        let error = KeyRing::load(&folder.ring(), &clock()).unwrap_err();
        assert!(matches!(error, KeyRingError::Exposed { mode, .. } if mode == bits));
        assert!(error.to_string().contains("chmod 600"));
    }
    for bits in [0o600, 0o400] {
        chmod(&folder.ring(), bits);
        assert!(KeyRing::load(&folder.ring(), &clock()).is_ok());
    }
}

#[test]
fn content_that_is_not_a_ring_is_refused() {
    check_refused("", "has no key");
    check_refused("keys = []", "has no key");
    check_refused("keys = \"hunter2\"", "line 1: not as expected");
    check_refused("[[keys]", "line 1: not as expected");
    check_refused("[sessions]\n", "line 1: unknown field `sessions`");
    check_refused(
        &key("firstkey", "seal_from = \"x\"", SECRET),
        "unknown field `seal_from`",
    );
    check_refused(
        &key("firstkey", "id = \"again\"", SECRET),
        "line 4: duplicate key",
    );
    check_refused(
        &key("firstkey", "seals_from = \"soon\"", SECRET),
        "line 4: not as expected",
    );
    check_refused(
        &key("firstkey", "seals_from = 5", SECRET),
        "line 4: not as expected",
    );
    check_refused("[[keys]]\nid = \"firstkey\"\n", "missing field");
    check_refused(
        &format!("[[keys]]\nid = \"firstkey\"\nsecret = [\"{SECRET}\"]"),
        "line 3: not as expected",
    );
    check_refused(&format!("{SECRET}\n"), "line 1: not as expected");
    check_refused(&"#".repeat(300_000), "larger than");
}

#[test]
fn ids_are_plain_and_distinct() {
    for id in [
        "",
        "short77",
        "UPPERCASE",
        "with-dash",
        "mit\u{fc}mlaut",
        &"x".repeat(33),
    ] {
        check_refused(&key(id, "", SECRET), "the id of key 1");
    }
    let twice = key("firstkey", "", SECRET) + &key("firstkey", "", OTHER_SECRET);
    check_refused(&twice, "two keys have the id `firstkey`");
    let same = key("firstkey", "", SECRET) + &key("otherkey", "", SECRET);
    check_refused(&same, "keys `firstkey` and `otherkey` have the same secret");
}

#[test]
fn weak_secrets_are_refused() {
    // SUP-01
    use data_encoding::BASE64;
    for (secret, because) in [
        (String::new(), "is not 32 bytes long"),
        ("hunter2".to_owned(), "is not base64"),
        (SECRET.trim_end_matches('=').to_owned(), "is not base64"),
        (BASE64.encode(&[1; 31]), "is not 32 bytes long"),
        (BASE64.encode(&[1; 33]), "is not 32 bytes long"),
        (BASE64.encode(&[0; 32]), "is one byte repeated"),
        (BASE64.encode(&[0xa5; 32]), "is one byte repeated"),
        (BASE64.encode(b"correct horse battery staple 123"), "is text"),
    ] {
        check_refused(&key("firstkey", "", &secret), because);
    }
}

#[test]
fn a_ring_of_which_no_key_may_seal_is_refused() {
    let future = "seals_from = \"2026-11-22T03:00:01Z\"";
    check_refused(&key("firstkey", future, SECRET), "none of its keys may seal yet");
    let folder = Folder::new();
    folder.write(&key("firstkey", "seals_from = \"2026-11-22T03:00:00Z\"", SECRET));
    assert_eq!(folder.sealing(&clock()), "firstkey");
}

#[test]
fn sub_keys_differ_by_purpose_and_by_key() {
    // SES-02
    let (one, two) = (KeyRing::for_test(1), KeyRing::for_test(2));
    let mut tags = BTreeSet::new();
    for ring in [&one, &two] {
        let key = ring.sealing(clock().now()).unwrap();
        for purpose in Purpose::ALL {
            let sub_keys = key.sub_keys(purpose);
            tags.insert(hmac::sign(&sub_keys.mac, b"x").as_ref().to_vec());
            let derived = sub_keys.derivation.expand(&[b""], hmac::HMAC_SHA256).unwrap();
            tags.insert(hmac::sign(&derived.into(), b"x").as_ref().to_vec());
        }
    }
    assert_eq!(tags.len(), 2 * 2 * Purpose::ALL.len());
}

#[test]
fn an_announced_key_seals_from_its_second_on() {
    // SES-05
    let (folder, clock) = (Folder::new(), clock());
    let old = KeyRing::create(&folder.ring(), &clock).unwrap();
    let rotated = KeyRing::rotate(&folder.ring(), &clock, Duration::from_secs(600)).unwrap();
    let (added, seals_from) = rotated.added.unwrap();
    assert_eq!(seals_from, clock.now() + SignedDuration::from_secs(600));
    assert_eq!(rotated.kept, std::slice::from_ref(&old));

    let ring = folder.load(&clock);
    assert!(ring.find(added.as_bytes()).is_some(), "opens at once");
    for (seconds, sealing) in [(0, &old), (599, &old), (600, &added), (9999, &added)] {
        let at = clock.now() + SignedDuration::from_secs(seconds);
        assert_eq!(ring.sealing(at).unwrap().id(), &**sealing, "after {seconds} s");
    }
}

#[test]
fn a_rotated_ring_stays_private_and_leaves_nothing_behind() {
    let (folder, clock) = (Folder::new(), clock());
    KeyRing::create(&folder.ring(), &clock).unwrap();
    KeyRing::rotate(&folder.ring(), &clock, Duration::ZERO).unwrap();
    #[cfg(unix)]
    assert_eq!(mode(&folder.ring()), 0o600);
    assert_eq!(fs::read_dir(folder.0.path()).unwrap().count(), 1);
}

#[test]
fn a_key_is_dropped_when_nothing_of_it_can_be_alive() {
    let (folder, clock) = (Folder::new(), clock());
    let first = KeyRing::create(&folder.ring(), &clock).unwrap();
    clock.advance(SignedDuration::from_hours(10_000));
    let second = KeyRing::rotate(&folder.ring(), &clock, Duration::from_secs(3600)).unwrap();
    assert!(second.dropped.is_empty(), "the first seals until the second does");

    // Superseded one hour from now, so 91 days and an hour from now it has not been superseded for more than 91 days.
    clock.advance(SignedDuration::from_hours(91 * 24 + 1));
    let third = KeyRing::rotate(&folder.ring(), &clock, Duration::ZERO).unwrap();
    let second = added(second);
    assert_eq!(
        (&third.dropped, &third.kept),
        (&vec![], &vec![first.clone(), second.clone()])
    );

    clock.advance(SignedDuration::from_secs(1));
    let fourth = KeyRing::rotate(&folder.ring(), &clock, Duration::ZERO).unwrap();
    assert_eq!(fourth.dropped, [first]);
    assert_eq!(fourth.kept, [second, added(third)]);
    assert_eq!(folder.sealing(&clock), *added(fourth));
    assert_eq!(folder.load(&clock).keys.len(), 3);
}

#[test]
fn a_compromised_key_is_dropped_at_once() {
    // SES-05
    let (folder, clock) = (Folder::new(), clock());
    let first = KeyRing::create(&folder.ring(), &clock).unwrap();
    let drops = std::slice::from_ref(&first);
    let before = fs::read_to_string(folder.ring()).unwrap();
    // As long as no other key seals, it cannot go.
    for refused in [
        KeyRing::drop_keys(&folder.ring(), &clock, drops),
        KeyRing::rotate_out(&folder.ring(), &clock, Duration::from_secs(1), drops),
    ] {
        let error = refused.unwrap_err();
        assert!(matches!(error, KeyRingError::NothingWouldSeal(_)), "{error}");
        assert_eq!(fs::read_to_string(folder.ring()).unwrap(), before);
    }
    let rotated = KeyRing::rotate_out(&folder.ring(), &clock, Duration::ZERO, drops).unwrap();
    assert_eq!((&*rotated.dropped, &*rotated.kept), (drops, &[][..]));
    let second = added(rotated);
    let third = added(KeyRing::rotate(&folder.ring(), &clock, Duration::ZERO).unwrap());
    let dropped = KeyRing::drop_keys(&folder.ring(), &clock, std::slice::from_ref(&second)).unwrap();
    assert_eq!(
        (dropped.added, dropped.dropped, dropped.kept),
        (None, vec![second], vec![third.clone()])
    );
    assert_eq!(folder.load(&clock).ids().collect::<Vec<_>>(), [&*third]);

    let error = KeyRing::drop_keys(&folder.ring(), &clock, &[first]).unwrap_err();
    assert!(error.to_string().contains(&*third), "{error}");
}

fn added(rotated: Rotated) -> Box<str> {
    rotated.added.unwrap().0
}

#[test]
fn of_keys_of_one_second_the_last_one_seals() {
    let (folder, clock) = (Folder::new(), clock());
    KeyRing::create(&folder.ring(), &clock).unwrap();
    for _ in 0..10 {
        let rotated = KeyRing::rotate(&folder.ring(), &clock, Duration::ZERO).unwrap();
        assert_eq!(folder.sealing(&clock), *added(rotated));
    }
}

#[test]
fn a_key_in_use_is_never_dropped_however_old() {
    let (folder, clock) = (Folder::new(), clock());
    let only = KeyRing::create(&folder.ring(), &clock).unwrap();
    clock.advance(SignedDuration::from_hours(100_000));
    let rotated = KeyRing::rotate(&folder.ring(), &clock, Duration::from_secs(60)).unwrap();
    assert_eq!((rotated.dropped, rotated.kept), (vec![], vec![only]));
}

#[test]
fn a_failed_rotation_leaves_the_ring_as_it_was() {
    let folder = Folder::new();
    for text in ["nonsense", &key("firstkey", "", "hunter2"), ""] {
        folder.write(text);
        assert!(KeyRing::rotate(&folder.ring(), &clock(), Duration::ZERO).is_err());
        assert_eq!(fs::read_to_string(folder.ring()).unwrap(), text);
        assert_eq!(fs::read_dir(folder.0.path()).unwrap().count(), 1);
    }
    folder.write(&key("firstkey", "", SECRET));
    assert!(KeyRing::rotate(&folder.ring(), &clock(), Duration::MAX).is_err());
    assert_eq!(folder.sealing(&clock()), "firstkey");
    assert!(KeyRing::rotate(&folder.0.path().join("none"), &clock(), Duration::ZERO).is_err());
}

#[test]
fn two_rotations_at_once_do_not_lose_a_key() {
    let (folder, clock) = (Folder::new(), clock());
    KeyRing::create(&folder.ring(), &clock).unwrap();
    let lock = folder.0.path().join("keys.toml.new");
    fs::write(&lock, "").unwrap();
    let error = KeyRing::rotate(&folder.ring(), &clock, Duration::ZERO).unwrap_err();
    assert!(
        matches!(error, KeyRingError::Replace(ReplaceError::Busy(_))),
        "{error}"
    );
    assert!(lock.exists(), "it is the other's");
    fs::remove_file(&lock).unwrap();
    assert!(KeyRing::rotate(&folder.ring(), &clock, Duration::ZERO).is_ok());
}

#[cfg(unix)]
#[test]
fn a_link_to_a_ring_stays_a_link() {
    let (folder, clock) = (Folder::new(), clock());
    KeyRing::create(&folder.ring(), &clock).unwrap();
    let link = folder.0.path().join("link.toml");
    std::os::unix::fs::symlink(folder.ring(), &link).unwrap();
    let rotated = KeyRing::rotate(&link, &clock, Duration::ZERO).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(folder.sealing(&clock), *added(rotated));
}

#[test]
fn debug_shows_ids_and_no_secret() {
    let folder = Folder::new();
    folder.write(&key("firstkey", "", SECRET));
    assert_eq!(format!("{:?}", folder.load(&clock())), "KeyRing [\"firstkey\"]");
}
