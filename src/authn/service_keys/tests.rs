use super::*;
use crate::authn::{
    Authenticated, Authenticator, AuthnError, Claim, CredentialScope, PrincipalKind, Service, SignatureClaim,
    SignatureForm, Signs, sigv4,
};
use crate::operation::BucketName;
use std::{fs, path::PathBuf, sync::Arc};

fn now() -> Timestamp {
    "2026-11-22T03:00:00.5Z".parse().unwrap()
}

fn days(count: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * count)
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("service-keys.toml")
    }

    fn create(&self, terms: Terms) -> NewKey {
        create(
            &self.path(),
            &KeyRing::for_test(1),
            ["idp"].into_iter(),
            terms,
            now(),
        )
        .unwrap()
    }

    fn load(&self) -> Result<ServiceKeys, ServiceKeysError> {
        ServiceKeys::load(&self.path(), ["idp", "okta"].into_iter())
    }

    /// Where callers present their keys.
    fn door(&self) -> Authenticator {
        Authenticator::new(KeyRing::for_test(1), Arc::new(self.load().unwrap()))
    }
}

fn terms() -> Terms {
    Terms {
        principal: "backup:veeam".into(),
        buckets: vec![BucketName::parse("backups").unwrap()],
        lifetime: days(30),
        source_addresses: Vec::new(),
        note: None,
    }
}

fn home() -> IpAddr {
    "192.0.2.7".parse().unwrap()
}

/// A request of whoever holds `secret`.
fn claim(id: &str, secret: &[u8], at: Timestamp) -> SignatureClaim {
    let text = at.strftime("%Y%m%dT%H%M%SZ").to_string();
    let mut claim = SignatureClaim {
        form: SignatureForm::Header,
        access_key_id: id.into(),
        scope: CredentialScope {
            date: text[..8].into(),
            region: "us-east-1".into(),
            service: "s3".into(),
        },
        signed_at: at,
        signed_at_text: text.into(),
        session_token: None,
        signs: Signs::CanonicalRequest([7; 32]),
        signature: [0; 32],
    };
    let key = sigv4::signing_key(secret, &claim.scope);
    let text = sigv4::string_to_sign(&claim, &claim.scope.to_string());
    claim.signature = hmac::sign(&key, text.as_bytes()).as_ref().try_into().unwrap();
    claim
}

fn present(
    door: &Authenticator,
    claim: SignatureClaim,
    from: IpAddr,
    at: Timestamp,
) -> Result<Authenticated, AuthnError> {
    door.authenticate(&Claim::Signature(Box::new(claim)), Service::S3, from, at)
}

/// Presents a new key, from home.
fn use_it(folder: &Folder, made: &NewKey, at: Timestamp) -> Result<Authenticated, AuthnError> {
    let claim = claim(&made.record.id, made.secret_access_key.expose(), at);
    present(&folder.door(), claim, home(), at)
}

#[track_caller]
fn refusal(outcome: Result<Authenticated, AuthnError>) -> ServiceKeyRefusal {
    match outcome {
        Err(AuthnError::ServiceKey { why, .. }) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_key_is_two_strings_in_the_shape_that_tools_expect() {
    let folder = Folder::new();
    let made = folder.create(terms());
    let record = &made.record;
    assert_eq!((record.id.len(), made.secret_access_key.expose().len()), (20, 40));
    assert!(is_access_key_id(&record.id) && record.id.starts_with("TGSK"));
    assert_eq!(record.expires.duration_since(record.created), days(30));

    let principal = use_it(&folder, &made, now()).unwrap().principal;
    assert_eq!((principal.id(), principal.issuer()), ("backup:veeam", ISSUER));
    assert_eq!(
        (principal.kind(), principal.subject()),
        (PrincipalKind::Workload, "veeam")
    );
    assert_eq!(*principal.session().access_key_id, *record.id);
    assert_eq!(principal.session().expires_at, record.expires);
    assert!(principal.has_service_key());
    assert!(principal.groups().is_empty() && principal.role().is_none());
    assert_eq!(principal.session_policies().len(), 1, "within its buckets");
}

#[test]
fn nothing_secret_is_on_record() {
    let folder = Folder::new();
    let made = folder.create(terms());
    let secret = made.secret_access_key.expose_str().unwrap();
    let file = fs::read_to_string(folder.path()).unwrap();
    assert!(!file.contains(secret) && file.contains(&*made.record.id));
    assert!(!format!("{made:?}{:?}", folder.load()).contains(secret));
}

#[test]
fn secrets_differ_by_key_principal_and_ring() {
    // SES-02
    let (ring, other) = (KeyRing::for_test(1), KeyRing::for_test(2));
    let secret = |ring: &KeyRing, id: &str, principal: &str| {
        secret_access_key(ring.sealing(now()).unwrap(), id, principal)
            .expose()
            .to_vec()
    };
    let all = [
        secret(&ring, "TGSKAAAAAAAAAAAAAAAA", "a:b"),
        secret(&ring, "TGSKAAAAAAAAAAAAAAAB", "a:b"),
        secret(&ring, "TGSKAAAAAAAAAAAAAAAA", "a:c"),
        secret(&ring, "TGSKAAAAAAAAAAAAAAAAa", ":b"),
        secret(&other, "TGSKAAAAAAAAAAAAAAAA", "a:b"),
    ];
    let distinct: std::collections::BTreeSet<_> = all.iter().collect();
    assert_eq!(distinct.len(), all.len());
}

#[test]
fn a_key_lives_until_its_exact_second() {
    // SES-07
    let folder = Folder::new();
    let made = folder.create(terms());
    let last = made.record.expires - SignedDuration::from_nanos(1);
    assert!(use_it(&folder, &made, last).is_ok());
    for late in [made.record.expires, made.record.expires + days(1000)] {
        let why = refusal(use_it(&folder, &made, late));
        assert_eq!(why, ServiceKeyRefusal::Expired(made.record.expires));
        let told = why.told(&made.record.id);
        assert!(
            told.contains(&*made.record.id) && told.contains("expired on 2026-12-22T03:00:00Z"),
            "{told}"
        );
        assert!(told.contains("for a new one"), "{told}");
    }
    // A presigned URL ends with its key, whatever its own lifetime.
    let at = made.record.expires - SignedDuration::from_secs(60);
    let mut presigned = claim(&made.record.id, made.secret_access_key.expose(), at);
    presigned.form = SignatureForm::Presigned {
        expires: std::time::Duration::from_secs(604_800),
    };
    let door = folder.door();
    assert!(present(&door, presigned.clone(), home(), at).is_ok());
    let why = refusal(present(&door, presigned, home(), made.record.expires));
    assert_eq!(why, ServiceKeyRefusal::Expired(made.record.expires));
}

#[test]
fn an_unknown_id_and_a_wrong_secret_look_alike() {
    // SIG-11
    let folder = Folder::new();
    let made = folder.create(terms());
    let door = folder.door();
    let wrong = present(&door, claim(&made.record.id, b"wrong", now()), home(), now()).unwrap_err();
    let unknown_id = "TGSKAAAAAAAAAAAAAAAA";
    let unknown = present(&door, claim(unknown_id, b"wrong", now()), home(), now()).unwrap_err();
    assert!(
        matches!(wrong, AuthnError::SignatureDoesNotMatch { .. }),
        "{wrong}"
    );
    assert!(
        matches!(unknown, AuthnError::UnknownServiceKey { .. }),
        "{unknown}"
    );
    let describe = |error: AuthnError| {
        let error = crate::dialect::s3::describe(&error.into());
        let names: Vec<_> = error
            .elements
            .iter()
            .map(|(name, text)| (*name, text.len()))
            .collect();
        (error.status, error.code, error.message, names)
    };
    assert_eq!(describe(wrong), describe(unknown));
    // Nor does the secret help that an unknown id has: nobody holds it, and it opens nothing.
    let nobodys = door_secret(&folder, unknown_id);
    let outcome = present(&door, claim(unknown_id, &nobodys, now()), home(), now());
    assert!(matches!(outcome, Err(AuthnError::UnknownServiceKey { .. })));
}

fn door_secret(folder: &Folder, id: &str) -> Vec<u8> {
    let known = folder.load().unwrap();
    let presented = known.present(&KeyRing::for_test(1), id, now()).unwrap();
    presented.secret_access_key.expose().to_vec()
}

#[test]
fn what_is_wrong_with_a_key_is_told_to_its_holder_alone() {
    // SIG-11
    let folder = Folder::new();
    let mut bound = terms();
    bound.source_addresses = vec!["198.51.100.0/24".parse().unwrap()];
    let (revoked, elsewhere) = (folder.create(terms()), folder.create(bound));
    revoke(&folder.path(), &revoked.record.id, now()).unwrap();
    let door = folder.door();
    for made in [&revoked, &elsewhere] {
        let outcome = present(&door, claim(&made.record.id, b"guess", now()), home(), now());
        assert!(matches!(outcome, Err(AuthnError::SignatureDoesNotMatch { .. })));
    }
    assert!(matches!(
        refusal(use_it(&folder, &revoked, now())),
        ServiceKeyRefusal::Revoked(_)
    ));
    assert_eq!(
        refusal(use_it(&folder, &elsewhere, now())),
        ServiceKeyRefusal::SourceAddress(home())
    );
    for (from, works) in [
        ("198.51.100.9", true),
        ("::ffff:198.51.100.9", true),
        ("198.51.101.1", false),
        ("::1", false),
    ] {
        let claim = claim(&elsewhere.record.id, elsewhere.secret_access_key.expose(), now());
        let outcome = present(&door, claim, from.parse().unwrap(), now());
        assert_eq!(outcome.is_ok(), works, "{from}");
    }
}

#[test]
fn a_session_token_has_no_place_beside_a_service_key() {
    // SES-03, SES-08
    let folder = Folder::new();
    let made = folder.create(terms());
    let mut with_token = claim(&made.record.id, made.secret_access_key.expose(), now());
    with_token.session_token = Some("anything".into());
    let outcome = present(&folder.door(), with_token, home(), now());
    assert_eq!(refusal(outcome), ServiceKeyRefusal::SessionToken);
}

#[test]
fn switched_off_every_key_is_refused() {
    let folder = Folder::new();
    let made = folder.create(terms());
    let off = Authenticator::new(KeyRing::for_test(1), Arc::new(ServiceKeys::off()));
    let claim = claim(&made.record.id, made.secret_access_key.expose(), now());
    assert_eq!(
        refusal(present(&off, claim, home(), now())),
        ServiceKeyRefusal::Off
    );
}

#[test]
fn a_key_ends_with_its_key_of_the_ring() {
    let folder = Folder::new();
    let made = folder.create(terms());
    let other = Authenticator::new(KeyRing::for_test(2), Arc::new(folder.load().unwrap()));
    let claim = claim(&made.record.id, made.secret_access_key.expose(), now());
    let outcome = present(&other, claim, home(), now());
    assert!(matches!(outcome, Err(AuthnError::UnknownServiceKey { .. })));
}

#[test]
fn a_rotated_key_has_a_successor_and_an_end() {
    let folder = Folder::new();
    let mut wanted = terms();
    wanted.note = Some("the \"NAS\" in room \\ 7".into());
    wanted.source_addresses = vec!["192.0.2.0/24".parse().unwrap()];
    let old = folder.create(wanted);
    let ring = KeyRing::for_test(1);
    let later = now() + days(20);
    let (new, ended) = rotate(&folder.path(), &ring, &old.record.id, days(7), later).unwrap();
    assert_eq!(
        ended.expires.duration_since(later).as_hours(),
        24 * 7 - 1,
        "whole seconds"
    );
    assert_eq!(new.record.lifetime(), days(30), "as the old one was made for");
    assert_eq!(new.record.replaces.as_deref(), Some(&*old.record.id));
    let kept = |record: &Record| {
        let record = record.clone();
        (
            record.principal,
            record.buckets,
            record.source_addresses,
            record.note,
        )
    };
    assert_eq!(kept(&new.record), kept(&old.record));
    assert_ne!(new.secret_access_key.expose(), old.secret_access_key.expose());
    for (after, old_works, new_works) in [(6, true, true), (7, false, true), (30, false, false)] {
        let at = later + days(after);
        assert_eq!(
            use_it(&folder, &old, at).is_ok(),
            old_works,
            "old after {after} days"
        );
        assert_eq!(
            use_it(&folder, &new, at).is_ok(),
            new_works,
            "new after {after} days"
        );
    }
    // Once is enough; what is over is not rotated either.
    let again = rotate(&folder.path(), &ring, &old.record.id, days(7), later).unwrap_err();
    assert!(matches!(again, ServiceKeysError::Replaced { .. }), "{again}");
    let over = rotate(&folder.path(), &ring, &new.record.id, days(7), later + days(31)).unwrap_err();
    assert!(matches!(over, ServiceKeysError::Ended { .. }), "{over}");
    let none = revoke(&folder.path(), "TGSKAAAAAAAAAAAAAAAA", now()).unwrap_err();
    assert!(matches!(none, ServiceKeysError::NoSuchKey(_)), "{none}");
    // An old key that ends sooner anyway gets no more time, and no overlap ends it at once.
    let (_, ended) = rotate(&folder.path(), &ring, &new.record.id, days(30), later + days(29)).unwrap();
    assert_eq!(ended.expires, new.record.expires);
    let third = folder.create(terms());
    let (_, ended) = rotate(&folder.path(), &ring, &third.record.id, days(0), now() + days(1)).unwrap();
    assert_eq!(ended.standing(now() + days(1)), Standing::Expired);
}

#[test]
fn terms_that_no_key_may_have_are_refused() {
    let folder = Folder::new();
    let ring = KeyRing::for_test(1);
    let change = |edit: &dyn Fn(&mut Terms)| {
        let mut terms = terms();
        edit(&mut terms);
        let outcome = create(&folder.path(), &ring, ["idp"].into_iter(), terms, now());
        outcome.map(|_| ()).unwrap_err().to_string()
    };
    for (message, because) in [
        (change(&|t| t.principal = "idp:etl".into()), "issuer `idp`"),
        (change(&|t| t.principal = "veeam".into()), "PREFIX:NAME"),
        (change(&|t| t.principal = "Backup:veeam".into()), "PREFIX:NAME"),
        (change(&|t| t.principal = "backup:".into()), "PREFIX:NAME"),
        (change(&|t| t.principal = "backup:a b".into()), "PREFIX:NAME"),
        (change(&|t| t.principal = ":veeam".into()), "PREFIX:NAME"),
        (change(&|t| t.buckets.clear()), "`buckets` is empty"),
        (change(&|t| t.lifetime = days(91)), "90 days at most"),
        (change(&|t| t.lifetime = days(0)), "`expires` is not after"),
        (change(&|t| t.note = Some("a\nb".into())), "no control characters"),
    ] {
        assert!(message.contains(because), "{message}");
    }
    assert!(!folder.path().exists(), "nothing was written");
}

#[test]
fn a_file_with_a_mistake_is_refused_with_its_line() {
    let folder = Folder::new();
    folder.create(terms());
    folder.create(terms());
    let good = fs::read_to_string(folder.path()).unwrap();
    let second = good.rfind("[[keys]]").unwrap();
    let line = good[..second].lines().count() + 1;
    let (first, rest) = good.split_at(second);
    let change = |from: &str, to: &str| {
        assert!(rest.contains(from), "{from}");
        format!("{first}{}", rest.replace(from, to))
    };
    let id = rest.split('"').nth(1).unwrap();
    let other_id = first.split('"').nth(1).unwrap();
    for (text, because) in [
        (change("backup:veeam", "okta:veeam"), "the issuer of that name"),
        (change("backup:veeam", "veeam"), "PREFIX:NAME"),
        (change("\"workload\"", "\"user\""), "`kind` must be `workload`"),
        (change("[\"backups\"]", "[]"), "`buckets` is empty"),
        (change("[\"backups\"]", "[\"Backups\"]"), "`Backups`"),
        (change("2026-12-22T", "2027-12-22T"), "more than 90 days"),
        (change("2026-12-22T", "2025-12-22T"), "not after `created`"),
        (change(id, "AKIAIOSFODNN7EXAMPLE"), "`id` is not"),
        (change(id, other_id), "another key"),
    ] {
        fs::write(folder.path(), text).unwrap();
        let error = folder.load().unwrap_err().to_string();
        assert!(
            error.contains(&format!(":{line}: ")) && error.contains(because),
            "{error}"
        );
    }
    for (text, because) in [
        (change("buckets =", "bukets ="), "unknown field `bukets`"),
        (change("kind = \"workload\"", ""), "missing field `kind`"),
        (
            change("[[keys]]", "[[keys]]\nsource_addresses = [\"10.1.2.3/8\"]"),
            "the block is `10.0.0.0/8`",
        ),
        (change("[[keys]]", "[[keys"), "toml:"),
        (format!("{good}\n[more]\n"), "unknown field `more`"),
    ] {
        fs::write(folder.path(), text).unwrap();
        let error = folder.load().unwrap_err().to_string();
        assert!(error.contains(because), "{error}");
    }
    // And nothing is changed in a file that is not understood.
    let broken = fs::read(folder.path()).unwrap();
    assert!(revoke(&folder.path(), id, now()).is_err());
    assert_eq!(fs::read(folder.path()).unwrap(), broken);
    assert_eq!(fs::read_dir(folder.0.path()).unwrap().count(), 1);
}

#[test]
fn no_file_is_no_keys_and_an_edited_one_is_told_apart() {
    let folder = Folder::new();
    let none = folder.load().unwrap();
    assert!(none.records().is_empty());
    folder.create(terms());
    let one = folder.load().unwrap();
    assert_ne!(none.digest(), one.digest());
    assert_eq!(one.digest(), folder.load().unwrap().digest());
}

#[cfg(unix)]
#[test]
fn a_file_that_everybody_may_write_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    folder.create(terms());
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o666)).unwrap();
    let error = crate::error::with_causes(&folder.load().unwrap_err());
    assert!(error.contains("chmod o-w"), "{error}");
}

#[test]
fn keys_that_end_soon_are_known() {
    let folder = Folder::new();
    let record = folder.create(terms()).record;
    for (days_later, soon) in [(0, false), (15, false), (17, true), (29, true), (31, false)] {
        assert_eq!(record.ends_soon(now() + days(days_later)), soon, "{days_later}");
    }
    for (left, words) in [
        (days(13), "13 days"),
        (days(1), "24 hours"),
        (SignedDuration::from_secs(90), "1 minute"),
    ] {
        assert_eq!(in_words(left), words);
    }
}
