use super::*;
use crate::authn::{Ancestor, PrincipalKind, SessionInfo};
use jiff::SignedDuration;
use std::fs;

fn at(text: &str) -> Timestamp {
    format!("2026-11-22T{text}Z").parse().unwrap()
}

/// A session of `idp:ana` with id `s1`, issued at 9 o'clock.
fn session(change: impl FnOnce(&mut SessionInfo)) -> Principal {
    let mut session = Principal::for_test(PrincipalKind::User, "x", &[])
        .session()
        .clone();
    session.id = "s1".into();
    session.issued_at = at("09:00:00");
    change(&mut session);
    Principal::new(identity("idp:ana"), Vec::new(), session)
}

fn identity(id: &str) -> Identity {
    let mut identity = Principal::for_test(PrincipalKind::User, id, &[]).identity();
    identity.id = id.into();
    identity
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn with(text: &str) -> Self {
        let folder = Self::new();
        fs::write(folder.path(), text).unwrap();
        folder
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("revocations.toml")
    }

    fn text(&self) -> String {
        fs::read_to_string(self.path()).unwrap()
    }

    fn load(&self) -> Revocations {
        Revocations::load(&self.path()).unwrap()
    }
}

/// Whether an entry with these lines ends a session.
#[track_caller]
fn check(entry: &str, principal: &Principal, ends: bool) {
    let folder = Folder::with(&format!("[[revocations]]\n{entry}\n"));
    assert_eq!(folder.load().of(principal).is_some(), ends, "{entry}");
}

#[test]
fn an_entry_ends_what_fulfils_all_of_its_conditions() {
    // SES-06
    let plain = session(|_| {});
    let exporter = session(|s| s.role = Some("exporter".into()));
    check("principal = \"idp:ana\"", &plain, true);
    check("principal = \"idp:an\"", &plain, false);
    check("principal = \"idp:ana2\"", &plain, false);
    check("principal = \"IDP:ANA\"", &plain, false);
    check("session = \"s1\"", &plain, true);
    check("session = \"s\"", &plain, false);
    check("role = \"exporter\"", &plain, false);
    check("role = \"exporter\"", &exporter, true);
    check("issued_before = \"2026-11-22T09:00:01Z\"", &plain, true);
    check("issued_before = \"2026-11-22T09:00:00Z\"", &plain, false);
    check(
        "principal = \"idp:ana\"\nissued_before = \"2026-11-22T09:00:01Z\"",
        &plain,
        true,
    );
    check(
        "principal = \"idp:ana\"\nissued_before = \"2026-11-22T08:59:59Z\"",
        &plain,
        false,
    );
    check(
        "principal = \"idp:bob\"\nissued_before = \"2026-11-22T09:00:01Z\"",
        &plain,
        false,
    );
    check("principal = \"idp:ana\"\nsession = \"s2\"", &plain, false);
    check("principal = \"idp:ana\"\nrole = \"exporter\"", &plain, false);
    check(
        "principal = \"idp:ana\"\nrole = \"exporter\"\nsession = \"s1\"",
        &exporter,
        true,
    );
}

#[test]
fn what_a_revoked_session_made_is_revoked_too() {
    // SES-06: whatever it was narrowed to, and however far down.
    let descendant = session(|s| {
        s.id = "s4".into();
        s.issued_at = at("09:30:00");
        s.role = Some("reader".into());
        s.ancestors = vec![
            Ancestor {
                id: "s1".into(),
                issued_at: at("09:00:00"),
                role: None,
            },
            Ancestor {
                id: "s2".into(),
                issued_at: at("09:10:00"),
                role: Some("exporter".into()),
            },
            Ancestor {
                id: "s3".into(),
                issued_at: at("09:20:00"),
                role: Some("reader".into()),
            },
        ];
    });
    for (entry, ends) in [
        ("session = \"s1\"", true),
        ("session = \"s2\"", true),
        ("session = \"s3\"", true),
        ("session = \"s4\"", true),
        ("session = \"s5\"", false),
        ("role = \"exporter\"", true),
        ("role = \"admin\"", false),
        // The conditions hold for one session, not for one each.
        (
            "role = \"exporter\"\nissued_before = \"2026-11-22T09:05:00Z\"",
            false,
        ),
        (
            "role = \"exporter\"\nissued_before = \"2026-11-22T09:15:00Z\"",
            true,
        ),
        ("session = \"s1\"\nrole = \"exporter\"", false),
        // It was made after the time, by a session that was made before.
        ("issued_before = \"2026-11-22T09:05:00Z\"", true),
        ("issued_before = \"2026-11-22T09:00:00Z\"", false),
    ] {
        check(entry, &descendant, ends);
    }
}

#[test]
fn an_entry_without_session_and_time_closes_the_doors() {
    // SES-06
    for (entry, principal, role, closed) in [
        ("principal = \"idp:ana\"", "idp:ana", None, true),
        ("principal = \"idp:ana\"", "idp:ana", Some("exporter"), true),
        ("principal = \"idp:ana\"", "idp:bob", None, false),
        ("role = \"exporter\"", "idp:bob", Some("exporter"), true),
        ("role = \"exporter\"", "idp:bob", None, false),
        ("role = \"exporter\"", "idp:bob", Some("reader"), false),
        (
            "principal = \"idp:ana\"\nrole = \"exporter\"",
            "idp:ana",
            Some("exporter"),
            true,
        ),
        (
            "principal = \"idp:ana\"\nrole = \"exporter\"",
            "idp:ana",
            None,
            false,
        ),
        (
            "principal = \"idp:ana\"\nissued_before = \"2026-11-22T09:00:00Z\"",
            "idp:ana",
            None,
            false,
        ),
        (
            "principal = \"idp:ana\"\nsession = \"s1\"",
            "idp:ana",
            None,
            false,
        ),
        ("issued_before = \"2026-11-22T09:00:00Z\"", "idp:ana", None, false),
        ("session = \"s1\"", "idp:ana", None, false),
    ] {
        let folder = Folder::with(&format!("[[revocations]]\n{entry}\nreason = \"lost\"\n"));
        let revocations = folder.load();
        let door = revocations.door(&identity(principal), role);
        assert_eq!(door.is_some(), closed, "{entry} for {principal} as {role:?}");
        if let Some(entry) = door {
            assert_eq!(entry.told(), "revoked: lost");
        }
    }
}

#[test]
fn a_file_with_a_mistake_is_refused_with_its_line() {
    let good = "# a comment\n[[revocations]]\nprincipal = \"idp:ana\"\n\n";
    for (entry, because) in [
        (
            "[[revocations]]\nreason = \"x\"\n",
            ":5: name a session, a principal, a role or a time",
        ),
        (
            "[[revocations]]\nprincipal = \"ana\"\n",
            ":5: a principal is written with its issuer",
        ),
        (
            "[[revocations]]\nsession = \"\"\n",
            ":5: a session, principal or role has 1 to 2048",
        ),
        (
            "[[revocations]]\nrole = \"a\\tb\"\n",
            ":5: a session, principal or role has 1 to 2048",
        ),
        (
            "[[revocations]]\nrole = \"a\"\nreason = \"a\\nb\"\n",
            ":5: a reason",
        ),
        (
            "[[revocations]]\nprinciple = \"idp:ana\"\n",
            ":6: unknown field `principle`",
        ),
        ("[[revocations]]\nissued_before = \"yesterday\"\n", ":6: "),
        ("[[revocations]]\nissued_before = 5\n", ":6: "),
        ("[[revocation]]\nrole = \"a\"\n", ":5: unknown field `revocation`"),
        ("[[revocations]\n", ":5: "),
    ] {
        let folder = Folder::with(&format!("{good}{entry}"));
        let error = Revocations::load(&folder.path()).unwrap_err().to_string();
        assert!(error.contains(because), "{entry}: {error}");
        // And nothing is changed in it.
        let before = folder.text();
        assert!(add(&folder.path(), of("idp:bob"), &["idp"], at("10:00:00")).is_err());
        assert_eq!(folder.text(), before);
        assert_eq!(fs::read_dir(folder.0.path()).unwrap().count(), 1);
    }
}

#[test]
fn a_list_that_is_gone_is_no_list_that_was_emptied() {
    // SES-06, CFG-02
    let folder = Folder::new();
    let none = folder.load();
    assert!(none.entries().is_empty() && Revocations::reload(&folder.path(), &none).is_ok());
    add(&folder.path(), of("idp:ana"), &["idp"], at("10:00:00")).unwrap();
    let one = Revocations::reload(&folder.path(), &none).unwrap();
    assert_ne!(one.digest(), none.digest());
    fs::remove_file(folder.path()).unwrap();
    let error = Revocations::reload(&folder.path(), &one).unwrap_err();
    assert!(
        matches!(error, RevocationsError::Gone { entries: 1, .. }),
        "{error}"
    );
    fs::write(folder.path(), "").unwrap();
    assert!(
        Revocations::reload(&folder.path(), &one)
            .unwrap()
            .entries()
            .is_empty()
    );
}

fn of(principal: &str) -> Revocation {
    Revocation {
        principal: Some(principal.into()),
        at: Some(at("10:00:00")),
        ..Revocation::default()
    }
}

#[test]
fn entries_are_added_and_taken_back_and_the_rest_of_the_file_stays() {
    let hand = "# ours\n\n# why\n[[revocations]]\nprincipal = \"idp:zoe\" # left\n\n# the other\n[[revocations]]\nrole = \"old\"";
    let folder = Folder::with(hand);
    let mut entry = of("idp:ana");
    entry.reason = Some("the \"blue\" laptop".into());
    let edited = add(&folder.path(), entry.clone(), &["idp"], at("10:00:00")).unwrap();
    assert_eq!(edited.changed, [entry.clone()]);
    assert!(folder.text().starts_with(hand), "{}", folder.text());
    assert_eq!(folder.load().entries()[2], entry);
    // Twice is once.
    let again = add(&folder.path(), of("idp:ana"), &["idp"], at("10:00:01")).unwrap();
    assert_eq!((again.changed.len(), folder.load().entries().len()), (0, 3));

    let taken = remove(&folder.path(), &of("idp:zoe"), &["idp"], at("10:00:00")).unwrap();
    assert_eq!(taken.changed.len(), 1);
    let text = folder.text();
    assert!(
        !text.contains("zoe") && text.contains("# the other\n[[revocations]]\nrole = \"old\""),
        "{text}"
    );
    assert!(text.starts_with("# ours\n"), "{text}");
    assert!(
        remove(&folder.path(), &of("idp:zoe"), &["idp"], at("10:00:00")).is_err(),
        "it is gone"
    );
    remove(&folder.path(), &of("idp:ana"), &["idp"], at("10:00:00")).unwrap();
    assert_eq!(folder.load().entries().len(), 1);

    // A file whose lines cannot be told apart is written anew.
    let folder = Folder::with("revocations = [{ principal = \"idp:ana\" }, { role = \"old\" }]\n");
    remove(&folder.path(), &of("idp:ana"), &["idp"], at("10:00:00")).unwrap();
    assert_eq!(folder.load().entries()[0].role.as_deref(), Some("old"));
    assert!(folder.text().starts_with(file::HEADER));
    // Nothing is about everybody.
    assert!(add(&folder.path(), Revocation::default(), &["idp"], at("10:00:00")).is_err());
}

#[test]
fn a_new_file_says_what_it_is() {
    let folder = Folder::new();
    add(&folder.path(), of("idp:ana"), &["idp"], at("10:00:00")).unwrap();
    assert!(folder.text().starts_with(file::HEADER), "{}", folder.text());
    assert_eq!(folder.load().entries(), [of("idp:ana")]);
}

#[test]
fn entries_about_what_is_over_are_left_out_at_the_next_edit() {
    let entry = |lines: &str| format!("[[revocations]]\n{lines}\n");
    let before = "issued_before = \"2026-11-22T09:00:00Z\"";
    let named = |id: &str| format!("session = \"{id}\"\nat = \"2026-11-22T09:00:00Z\"");
    let (session, key) = (named("s1"), named("TGSKAAAAAAAAAAAAAAAA"));
    // Lines, and whether they are kept 12 hours, 14 hours and 92 days later.
    for (lines, kept) in [
        (format!("principal = \"idp:ana\"\n{before}"), [true, false, false]),
        (format!("role = \"exporter\"\n{before}"), [true, false, false]),
        (session, [true, false, false]),
        // Service keys live for longer than sessions.
        (
            format!("principal = \"backup:veeam\"\n{before}"),
            [true, true, false],
        ),
        (before.to_owned(), [true, true, false]),
        (key, [true, true, false]),
        // Those without an end stay.
        ("principal = \"idp:ana\"".to_owned(), [true, true, true]),
        (
            "principal = \"idp:ana\"\nat = \"2020-01-01T00:00:00Z\"".to_owned(),
            [true, true, true],
        ),
        ("role = \"exporter\"".to_owned(), [true, true, true]),
        ("session = \"s1\"".to_owned(), [true, true, true]),
    ] {
        for (hours, kept) in [12, 14, 92 * 24].into_iter().zip(kept) {
            let folder = Folder::with(&entry(&lines));
            let now = at("09:00:00") + SignedDuration::from_hours(hours);
            let edited = add(&folder.path(), of("idp:new"), &["idp"], now).unwrap();
            assert_eq!(edited.pruned.is_empty(), kept, "{lines} after {hours} h");
            assert_eq!(folder.load().entries().len(), 1 + usize::from(kept));
        }
    }
}
