//! What one target's callers share, and what they do not.

use super::super::{AccessKey, CredentialCache, Fetching, Material};
use super::*;
use crate::authn::{Principal, PrincipalKind};
use crate::clock::Clock;
use crate::config::{
    Addressing, AssumedRole, Bucket, Endpoint, Environment, IdentityToken, OwnIssuer, Profile, RoleProof,
    SecretRef, StaticKeys,
};
use crate::issuer::{Issuer, SigningKeys};
use crate::operation::{BucketName, KeyPrefix};
use crate::secret::Secret;
use crate::signing::{OutgoingPayload, OwnRequest, PayloadHash, Signer, Stamp};
use jiff::SignedDuration;
use proptest::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// Gives each principal a credential of its own for an hour, except for those whose id begins with `i:refused`.
struct Cloud {
    clock: Clock,
    calls: AtomicUsize,
}

impl Source for Cloud {
    fn fetch<'a>(&'a self, session: &'a CloudSession) -> Fetching<'a> {
        Box::pin(async move {
            let nth = self.calls.fetch_add(1, Ordering::SeqCst);
            let id = session.principal.as_ref().map_or("", |principal| &principal.id);
            // Others come in between.
            tokio::task::yield_now().await;
            if id.starts_with("i:refused") {
                return Err(SourceError::Answer("it is refused"));
            }
            Ok(credential(id, nth, self.clock.now() + HOUR))
        })
    }
}

fn credential(id: &str, nth: usize, expires_at: Timestamp) -> Credential {
    let name = id.replace(':', "");
    Credential {
        material: Material::AccessKey(AccessKey {
            id: format!("ASIA-{name}-{nth}").into(),
            secret: Secret::new(format!("secret-{name}-{nth}")),
            session_token: Some(Secret::new(format!("token-{name}-{nth}"))),
        }),
        expires_at: Some(expires_at),
        version: None,
    }
}

fn clock() -> Clock {
    Clock::fixed("2026-11-22T00:00:00Z".parse().unwrap())
}

fn per_principal(clock: &Clock) -> (Arc<Cloud>, TargetCredentials) {
    let cloud = Arc::new(Cloud {
        clock: clock.clone(),
        calls: AtomicUsize::new(0),
    });
    let credentials = of_source(cloud.clone(), clock);
    (cloud, credentials)
}

fn of_source(source: Arc<dyn Source>, clock: &Clock) -> TargetCredentials {
    let temporary = Temporary {
        name: "store".into(),
        source,
        attribution: Attribution::PerPrincipal,
        narrow: true,
        key: Key::default().and(b"store"),
        resources: Resources {
            clock: clock.clone(),
            cache: CredentialCache::new(),
            issuer: None,
            secrets: crate::secrets::SecretReader::default(),
        },
        tally: Arc::default(),
    };
    TargetCredentials(Kind::Temporary(Arc::new(temporary)))
}

fn principal(id: &str) -> Principal {
    Principal::for_test(PrincipalKind::Workload, id, &[])
}

fn target() -> Arc<Target> {
    let key = || SecretRef::Env("NONE".into());
    Arc::new(Target {
        name: "store".into(),
        endpoint: Endpoint {
            tls: true,
            host: "store.test".into(),
            port: 443,
        },
        region: "eu-central-1".into(),
        addressing: Addressing::Path,
        ca: None,
        profile: Profile::Aws,
        finds_profile: false,
        exact_keys: true,
        canary: None,
        project: None,
        connect_timeout: Duration::from_secs(5),
        response_timeout: Duration::from_secs(5),
        credentials: CredentialSource::Static(StaticKeys {
            access_key_id: key(),
            secret_access_key: key(),
            session_token: None,
        }),
    })
}

fn own<'a>(bucket: &'a BucketName, key: &'a str) -> OwnRequest<'a> {
    OwnRequest {
        method: "GET",
        bucket,
        key,
        query: &[],
        condition: None,
        payload: OutgoingPayload {
            body: crate::body::empty(),
            length: None,
            hash: PayloadHash::Unsigned,
            headers: Vec::new(),
            sum: None,
        },
    }
}

/// How many requests: `TIDEGATE_MIX_UP_REQUESTS`, or as many as take a moment.
fn requests() -> usize {
    let asked = Environment::of_process();
    let asked = asked
        .get("TIDEGATE_MIX_UP_REQUESTS")
        .map(|text| text.parse().unwrap());
    asked.unwrap_or(20_000)
}

// CRD-02: each request carries the credential of its caller, and is signed with the secret of that and no other, while
// sessions end, are called expired and are given anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_callers_at_once_are_never_signed_for_as_each_other() {
    const CALLERS: usize = 50;
    let clock = clock();
    let (cloud, credentials) = per_principal(&clock);
    let (signer, target) = (Arc::new(Signer::default()), target());
    let rounds = requests() / CALLERS;
    let tasks: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (credentials, clock) = (credentials.clone(), clock.clone());
            let (signer, target) = (signer.clone(), target.clone());
            tokio::spawn(async move {
                let who = principal(&format!("i:caller{caller}"));
                let bucket = BucketName::parse("acme-lake").unwrap();
                let mine = format!("ASIA-icaller{caller}-");
                for round in 0..rounds {
                    let scope = Scope::for_test(&who, None);
                    let credential = credentials.get(scope).await.unwrap();
                    let key = credential.access_key().unwrap();
                    assert!(key.id.starts_with(&mine), "{} for {who}", key.id);
                    let now = clock.now();
                    let sign = |signer: &Signer| {
                        let stamp = Stamp {
                            request_id: ulid::Ulid::nil(),
                            attribution: "test",
                        };
                        let signed = signer.sign_own(&target, own(&bucket, "k"), &credential, stamp, now);
                        signed.unwrap().into_request()
                    };
                    let request = sign(&signer);
                    let authorization = &request.headers()["authorization"];
                    let expected = format!("Credential={}/", key.id);
                    assert!(authorization.to_str().unwrap().contains(&expected));
                    let token = request.headers()["x-amz-security-token"].as_bytes();
                    assert_eq!(token, key.session_token.as_ref().unwrap().expose());
                    // One that remembers nothing derives the same key from this credential's secret.
                    assert_eq!(
                        authorization,
                        &sign(&Signer::default()).headers()["authorization"]
                    );
                    if round % 97 == caller {
                        credentials.invalidate(scope, &credential, "ExpiredToken").await;
                    }
                    if caller == 0 && round % 50 == 49 {
                        clock.advance(SignedDuration::from_mins(7));
                    }
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let calls = cloud.calls.load(Ordering::SeqCst);
    assert!(calls >= CALLERS, "{calls}");
}

// CRD-02, CRD-03
#[tokio::test]
async fn an_error_of_one_caller_is_not_shared_with_another() {
    let clock = clock();
    let (cloud, credentials) = per_principal(&clock);
    let (refused, served) = (principal("i:refused"), principal("i:served"));
    let get = |who: &Principal| {
        let (credentials, who) = (credentials.clone(), who.clone());
        tokio::spawn(async move { credentials.get(Scope::for_test(&who, None)).await.is_ok() })
    };
    let asked: Vec<_> = (0..40)
        .map(|n| (n % 2 == 0, get(if n % 2 == 0 { &refused } else { &served })))
        .collect();
    for (is_refused, task) in asked {
        assert_eq!(task.await.unwrap(), !is_refused);
    }
    assert_eq!(cloud.calls.load(Ordering::SeqCst), 2, "one call for each of them");
    let sessions = credentials.sessions();
    assert_eq!(
        (sessions.ready, sessions.unavailable, sessions.count()),
        (1, 1, 2)
    );
    assert!(!sessions.is_general(), "one of two is that one's trouble");
    assert_eq!(sessions.ends, Some(clock.now() + HOUR));
    assert!(matches!(sessions.worst, CredentialState::Unavailable { .. }));

    // Whoever is refused again and again is asked for ever more seldom, and forgotten when it gives up.
    let resources = resources_of(&credentials);
    for _ in 0..4 {
        clock.advance(SignedDuration::from_millis(2100));
        resources.cache.tend();
        assert!(!get(&refused).await.unwrap());
    }
    assert!(
        cloud.calls.load(Ordering::SeqCst) <= 5,
        "pauses grow although nobody else asks"
    );
    clock.advance(SignedDuration::from_mins(2));
    resources.cache.tend();
    assert_eq!(credentials.sessions().unavailable, 0);
}

fn resources_of(credentials: &TargetCredentials) -> &Resources {
    match &credentials.0 {
        Kind::Temporary(temporary) => &temporary.resources,
        Kind::Written(..) => panic!("written"),
    }
}

// CRD-03, F9
#[tokio::test]
async fn only_a_credential_that_is_called_expired_is_thrown_away() {
    for code in [
        "SignatureDoesNotMatch",
        "InvalidToken",
        "InvalidAccessKeyId",
        "ExpiredToken",
    ] {
        let clock = clock();
        let down = Arc::new(OnceOnly(Cloud {
            clock: clock.clone(),
            calls: AtomicUsize::new(0),
        }));
        let credentials = of_source(down, &clock);
        let who = principal("i:caller");
        let scope = Scope::for_test(&who, None);
        let credential = credentials.get(scope).await.unwrap();
        clock.advance(SignedDuration::from_mins(1));
        let is_over = code == "ExpiredToken";
        assert_eq!(
            credentials.invalidate(scope, &credential, code).await,
            is_over,
            "{code}"
        );
        assert_eq!(credentials.get(scope).await.is_err(), is_over, "{code}");
    }
}

fn of_issuer(issuer: &Arc<Issuer>, resources: &Resources) -> TargetCredentials {
    let endpoint = Endpoint {
        tls: true,
        host: "sts.test".into(),
        port: 443,
    };
    let role = AssumedRole {
        role_arn: "arn:aws:iam::1:role/r".into(),
        proof: RoleProof::WebIdentity(IdentityToken::Own {
            audience: "sts".into(),
        }),
        sts_endpoint: endpoint,
        sts_ca: None,
        duration: Duration::from_secs(3600),
        session_name: "tidegate".into(),
        attribution: Attribution::Shared,
        source_identity: false,
        session_tags: false,
        narrow: false,
    };
    let target = Target {
        credentials: CredentialSource::Role(role),
        ..(*target()).clone()
    };
    let resources = Resources {
        issuer: Some(issuer.clone()),
        ..resources.clone()
    };
    TargetCredentials::new(&target, b"", &resources).unwrap()
}

fn temporary(credentials: &TargetCredentials) -> &Temporary {
    match &credentials.0 {
        Kind::Temporary(temporary) => temporary,
        Kind::Written(..) => panic!("written"),
    }
}

// CRD-01
#[tokio::test]
async fn another_file_of_keys_makes_other_credentials_and_a_reload_without_one_goes_on_to_count() {
    let folder = tempfile::tempdir().unwrap();
    let clock = clock();
    let issuer = |name: &str| {
        let keys = folder.path().join(name);
        SigningKeys::create(&keys, clock.now()).unwrap();
        let settings = OwnIssuer {
            url: "https://tidegate.test".into(),
            keys,
            serves: true,
        };
        Arc::new(Issuer::load(&settings, &clock).unwrap())
    };
    let (one, other) = (issuer("one"), issuer("other"));
    let (_, credentials) = per_principal(&clock);
    let resources = resources_of(&credentials);
    let before = of_issuer(&one, resources);
    assert!(temporary(&before).key != temporary(&of_issuer(&other, resources)).key);

    let after = of_issuer(&one, resources);
    assert!(temporary(&before).key == temporary(&after).key);
    let outcome: Result<(), SourceError> = Ok(());
    temporary(&before).tally.count(&outcome);
    assert_eq!(after.take_attempts().succeeded, 1);
}

/// Answers once and is down then.
struct OnceOnly(Cloud);

impl Source for OnceOnly {
    fn fetch<'a>(&'a self, session: &'a CloudSession) -> Fetching<'a> {
        match self.0.calls.load(Ordering::SeqCst) {
            0 => self.0.fetch(session),
            _ => Box::pin(async { Err(SourceError::Resting) }),
        }
    }
}

// CRD-03, F9: an hour at a time, for a day, in everybody's own name.
#[tokio::test]
async fn sessions_of_an_hour_go_on_for_a_day_without_a_gap() {
    let clock = clock();
    let (cloud, credentials) = per_principal(&clock);
    let callers: Vec<Principal> = (0..3).map(|n| principal(&format!("i:caller{n}"))).collect();
    for minute in 0..24 * 60 {
        for caller in &callers {
            let credential = credentials.get(Scope::for_test(caller, None)).await.unwrap();
            let left = credential.expires_at.unwrap().duration_since(clock.now());
            assert!(left > SignedDuration::from_secs(60), "minute {minute}: {left:?}");
        }
        resources_of(&credentials).cache.tend();
        // What was begun in the background ends.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        clock.advance(SignedDuration::from_mins(1));
    }
    let calls = cloud.calls.load(Ordering::SeqCst);
    // Each after 46 to 50 minutes.
    assert!((3 * 28..=3 * 33).contains(&calls), "{calls}");
}

// The gauge of time left is about what is in use.
#[tokio::test]
async fn a_session_that_nobody_uses_any_more_raises_no_alarm() {
    let clock = clock();
    let (_, credentials) = per_principal(&clock);
    let (busy, idle) = (principal("i:busy"), principal("i:idle"));
    let get = async |who: &Principal| drop(credentials.get(Scope::for_test(who, None)).await.unwrap());
    get(&idle).await;
    clock.advance(SignedDuration::from_mins(10));
    for _ in 0..2 {
        get(&busy).await;
    }
    let midnight: Timestamp = "2026-11-22T00:00:00Z".parse().unwrap();
    assert_eq!(credentials.sessions().ends, Some(midnight + HOUR));
    clock.advance(SignedDuration::from_mins(42));
    assert_eq!(
        credentials.sessions().ends,
        Some(midnight + SignedDuration::from_mins(70))
    );
    assert_eq!(credentials.sessions().count(), 1, "the idle one will merely end");
}

// CRD-04
#[tokio::test]
async fn what_is_over_is_let_go_of_and_wiped() {
    let clock = clock();
    let (_, credentials) = per_principal(&clock);
    let who = principal("i:caller");
    let held = Arc::downgrade(&credentials.get(Scope::for_test(&who, None)).await.unwrap());
    assert!(held.upgrade().is_some());
    clock.advance(HOUR);
    resources_of(&credentials).cache.tend();
    // The last one to hold it was the cache: a `Secret` is wiped when it is dropped.
    assert!(held.upgrade().is_none());
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Inputs {
    id: String,
    kind: PrincipalKind,
    bucket: &'static str,
    prefix: Option<&'static str>,
}

fn inputs() -> impl Strategy<Value = Inputs> {
    let kinds = prop_oneof![Just(PrincipalKind::User), Just(PrincipalKind::Workload)];
    let buckets = prop_oneof![Just("aaa"), Just("aaab"), Just("baaa")];
    let prefixes = prop_oneof![Just(None), Just(Some("a/")), Just(Some("a/b/")), Just(Some("b/"))];
    ("i:[ab/]{0,3}", kinds, buckets, prefixes).prop_map(|(id, kind, bucket, prefix)| Inputs {
        id,
        kind,
        bucket,
        prefix,
    })
}

proptest! {
    // CRD-01
    #[test]
    fn scopes_share_a_credential_only_if_nothing_about_them_differs(one in inputs(), other in inputs()) {
        let (_, credentials) = per_principal(&clock());
        let Kind::Temporary(temporary) = &credentials.0 else { unreachable!() };
        let key = |inputs: &Inputs| {
            let who = Principal::for_test(inputs.kind, &inputs.id, &[]);
            let bucket = Bucket {
                prefix: inputs.prefix.map(|prefix| KeyPrefix::parse(prefix).unwrap()).unwrap_or_default(),
                target_bucket: BucketName::parse(inputs.bucket).unwrap(),
                name: BucketName::parse("lake").unwrap(),
                target: target(),
                resume_listed_uploads: false,
                policy: "lake.cedar".into(),
                create: false,
                time_zone: jiff::tz::TimeZone::UTC,
                checksum: crate::config::ChecksumRule::Verify,
            };
            temporary.key_of(&temporary.session(Scope::for_test(&who, Some(&bucket))))
        };
        prop_assert_eq!(key(&one) == key(&other), one == other);
    }
}
