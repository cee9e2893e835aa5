//! Roles of AWS that are not given, given too late, or no longer taken: callers are asked to come back, the operator is
//! told why, and nothing is signed with what is not good.

use crate::aws::{AMBIENT, PER_PRINCIPAL, SHARED, machine, world, world_with};
use crate::own_issuer::URL;
use crate::support::amazon::{Amazon, Trouble, User};
use crate::support::world::eventually;
use crate::support::{Answer, Payload, Settings, World, becomes};
use jiff::SignedDuration;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Holds that a request of `etl` is not served, that the store saw nothing of it, and that the operator is told.
async fn refused(what: &str, amazon: &Amazon, world: &World, cause: &str) {
    let before = amazon.done().len();
    let answer = world.client("etl").await.get("/lake/a").await;
    answer.refused(what, 503, "SlowDown");
    let after: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=5).contains(&after), "{what}: {after}");
    for inside in ["sts", "role", "111122223333", "CANARY", "token"] {
        assert!(!answer.text().contains(inside), "{what}: {}", answer.text());
    }
    assert_eq!(amazon.done().len(), before, "{what}: the store saw a request");
    let said = |_, body: &str| reason(body).is_some_and(|reason| reason.contains(cause));
    world.ready_when(said).await;
    assert!(
        world.written().contains(cause),
        "{what}: {cause}\n{}",
        world.written()
    );
}

/// What `/readyz` says about targets.
fn reason(body: &str) -> Option<String> {
    let report: Value = serde_json::from_str(body).unwrap();
    Some(report["components"]["targets"]["reason"].as_str()?.to_owned())
}

async fn served(world: &World, name: &str) -> Answer {
    let client = world.client(name).await;
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        let answer = client.put("/lake/a", b"x").await;
        // What was refused is not asked for again before a few seconds are over.
        if answer.status == 200 || tokio::time::Instant::now() > deadline {
            assert_eq!(answer.status, 200, "{}\n{}", answer.text(), world.written());
            return answer;
        }
    }
}

// F9, CRD-07
#[tokio::test]
async fn trouble_of_the_token_service_is_told_apart_and_passes() {
    for (trouble, cause) in [
        (Trouble::Throttled, "asked too often"),
        (Trouble::Down, "InternalFailure"),
        (Trouble::NotXml, "it is not well-formed XML"),
        (Trouble::HalfXml, "it is not well-formed XML"),
        (Trouble::Expired, "it has expired already"),
        (Trouble::AlmostExpired, "it expires at once"),
        (
            Trouble::CannotReachIssuer,
            "could not fetch the keys of the token's issuer",
        ),
        (Trouble::RegionDisabled, "is not activated for the account"),
        (Trouble::PolicyTooLarge, "too large together"),
    ] {
        let amazon = Amazon::start().await;
        let world = world(&amazon, SHARED).await;
        amazon.has(Some(trouble));
        refused(&format!("{trouble:?}"), &amazon, &world, cause).await;
        amazon.has(None);
        served(&world, "etl").await;
    }
}

// F9
#[tokio::test]
async fn a_token_service_that_says_nothing_is_not_waited_for() {
    let amazon = Amazon::start().await;
    let world = world(&amazon, SHARED).await;
    amazon.has(Some(Trouble::Silent));
    refused("silence", &amazon, &world, "did not answer within").await;
    amazon.has(None);
}

// CRD-03, F9
#[tokio::test]
async fn while_it_is_refused_the_token_service_is_asked_seldom() {
    let amazon = Amazon::start().await;
    let world = world(&amazon, SHARED).await;
    amazon.has(Some(Trouble::Down));
    let etl = world.client("etl").await;
    for _ in 0..20 {
        assert_eq!(etl.get("/lake/a").await.status, 503);
    }
    let calls = amazon.calls().len();
    assert!((1..=4).contains(&calls), "{calls} calls for 20 requests");
}

#[tokio::test]
async fn trust_that_does_not_fit_is_told_to_the_operator() {
    let amazon = Amazon::start().await;
    amazon.role(|role| role.audience = "somebody-else".into());
    let world = world(&amazon, SHARED).await;
    refused(
        "the audience of the role",
        &amazon,
        &world,
        "trust policy of the role",
    )
    .await;
    amazon.role(|role| role.audience = "sts.amazonaws.com".into());
    served(&world, "etl").await;

    let amazon = Amazon::start().await;
    let world = crate::aws::world(&amazon, SHARED).await;
    amazon.client_ids(URL, &["somebody-else"]);
    refused(
        "the audience of the provider",
        &amazon,
        &world,
        "client ids of the identity provider",
    )
    .await;

    let amazon = Amazon::start().await;
    amazon.role(|role| role.subjects = vec!["target/another".into()]);
    let world = crate::aws::world(&amazon, SHARED).await;
    refused("the subject", &amazon, &world, "trust policy of the role").await;

    let amazon = Amazon::start().await;
    let world = crate::aws::world(&amazon, SHARED).await;
    amazon.loses_sight_of(URL);
    refused("its keys", &amazon, &world, "must be reachable from there").await;

    let amazon = Amazon::start().await;
    amazon.role(|role| role.allows_tags = false);
    let world = world_with(&amazon, AMBIENT, machine()).await;
    refused("tags", &amazon, &world, "`sts:TagSession`").await;

    let amazon = Amazon::start().await;
    amazon.role(|role| role.allows_source_identity = false);
    let world = world_with(&amazon, AMBIENT, machine()).await;
    refused("source identity", &amazon, &world, "`sts:SetSourceIdentity`").await;
}

// CRD-08
#[tokio::test]
async fn a_role_with_another_external_id_is_not_given() {
    let amazon = Amazon::start().await;
    amazon.role(|role| role.external_id = Some("of-somebody-else".into()));
    let world = world_with(&amazon, AMBIENT, machine()).await;
    refused("another external id", &amazon, &world, "external id").await;
}

#[tokio::test]
async fn a_machine_without_credentials_and_one_whose_role_may_last_an_hour_are_told_so() {
    let amazon = Amazon::start().await;
    let nothing = Settings {
        environment: vec![("AWS_EC2_METADATA_DISABLED", "true".into())],
        ..Settings::default()
    };
    let world = world_with(&amazon, AMBIENT, nothing).await;
    refused("nothing", &amazon, &world, "this machine has no AWS credentials").await;
    assert!(amazon.calls().is_empty());

    let amazon = Amazon::start().await;
    amazon.role(|role| role.longest = 43_200);
    let user = User {
        secret: "machine-secret".into(),
        token: Some("token-of-a-role".into()),
        is_role: true,
    };
    amazon.user("AKIDMACHINE", user);
    let mut settings = machine();
    settings
        .environment
        .push(("AWS_SESSION_TOKEN", "token-of-a-role".into()));
    let two_hours = format!("{AMBIENT}\nduration = \"2h\"");
    let world = world_with(&amazon, &two_hours, settings).await;
    refused("two hours", &amazon, &world, "`duration = \"1h\"`").await;
    assert!(
        world
            .written()
            .contains("a role that it assumes lasts an hour at most"),
        "a warning at the start"
    );
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_named() {
    let amazon = Amazon::start().await;
    let world = world_with(&amazon, AMBIENT, machine()).await;
    amazon.is_off_by(SignedDuration::from_mins(20));
    refused("the clock", &amazon, &world, "is 20 min ahead of this machine's").await;
    amazon.is_off_by(SignedDuration::ZERO);
    served(&world, "etl").await;
    amazon.is_off_by(SignedDuration::from_mins(-20));
    let answer = world.client("etl").await.get("/lake/a").await;
    answer.refused("the clock of the store", 503, "ServiceUnavailable");
    assert!(
        world.written().contains("the target refuses by the clock"),
        "{}",
        world.written()
    );
}

// CRD-02, CRD-03: one caller's refusal is that caller's.
#[tokio::test]
async fn a_refused_role_of_one_principal_does_not_hurt_another() {
    let amazon = Amazon::start().await;
    let world = world(&amazon, PER_PRINCIPAL).await;
    amazon.refuses("idp=analyst");
    for name in ["etl", "backup", "etl", "backup"] {
        served(&world, name).await;
    }
    let analyst = world.client("analyst").await;
    for _ in 0..3 {
        analyst
            .get("/lake/a")
            .await
            .refused("the analyst", 503, "SlowDown");
        served(&world, "etl").await;
    }
    assert!(amazon.done().iter().all(|done| done.session != "idp=analyst"));
    let noted = |status, body: &str| {
        let reason = reason(body).unwrap_or_default();
        status == 200
            && body.contains("\"status\": \"ready\"")
            && reason.contains("1 of 3 sessions at target `store` have no credential")
    };
    world.ready_when(noted).await;
    let count = |state: &str| format!("tidegate_credential_sessions{{target=\"store\",state=\"{state}\"}}");
    world.metric_when(&count("ready"), |count| count == 2).await;
    world.metric_when(&count("unavailable"), |count| count == 1).await;
    let ends = world
        .metric_when("tidegate_credential_expires_seconds{target=\"store\"}", |at| {
            at > 0
        })
        .await;
    let first = amazon
        .sessions()
        .iter()
        .map(|session| session.expires)
        .min()
        .unwrap();
    assert_eq!(i64::try_from(ends).unwrap(), first.as_second());
}

// CRD-03
#[tokio::test]
async fn a_session_that_the_store_calls_expired_is_replaced_once() {
    let amazon = Amazon::start().await;
    let world = world(&amazon, PER_PRINCIPAL).await;
    let etl = world.client("etl").await;
    served(&world, "etl").await;
    // A credential of a few seconds is not blamed for a refusal; an older one is replaced, and the request sent again.
    let replaced = async || {
        amazon.ends_sessions();
        etl.get("/lake/a").await.status == 200
    };
    becomes("another credential", replaced).await;
    let done = amazon.done();
    let last: Vec<_> = done[done.len() - 2..].iter().map(|done| done.status).collect();
    assert_eq!(last, [400, 200]);
    assert_eq!(
        amazon.sessions().len(),
        2,
        "asked once, however often it was refused before"
    );
    assert_ne!(
        done[done.len() - 2].access_key_id,
        done[done.len() - 1].access_key_id
    );

    // A document of ours goes again, too.
    let body = b"<Delete><Object><Key>a</Key></Object></Delete>";
    let md5 = data_encoding::BASE64.encode(&<md5::Md5 as md5::Digest>::digest(body));
    let headers = [("content-md5", &*md5)];
    let deleted = async || {
        amazon.ends_sessions();
        let request = etl.sign("POST", "/lake?delete", &headers, body, Payload::Literal);
        etl.send(request).await.status == 200
    };
    becomes("another credential for a document", deleted).await;
    assert_eq!(amazon.sessions().len(), 3);
}

// CRD-03, FLW-07
#[tokio::test]
async fn an_upload_of_which_nothing_was_taken_is_sent_with_another_credential() {
    let amazon = Amazon::start().await;
    let world = world(&amazon, PER_PRINCIPAL).await;
    let etl = world.client("etl").await;
    served(&world, "etl").await;
    // The caller says that there is a body, and keeps it until its request was refused and is there once more.
    let mut stream = loop {
        amazon.ends_sessions();
        let before = amazon.done().len();
        let mut stream = etl.connect().await;
        let put = etl.sign("PUT", "/lake/late", &[], b"late", Payload::Literal);
        let mut head = "PUT /lake/late HTTP/1.1\r\ncontent-length: 4\r\n".to_owned();
        for (name, value) in put.headers() {
            head.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap()));
        }
        stream.write_all(format!("{head}\r\n").as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        let refused = || (amazon.done().len() > before).then_some(());
        eventually("a refusal", refused).await;
        // Refused too soon, it is answered. Otherwise there is another session before long.
        let mut first = [0; 1];
        let answered = stream.read_exact(&mut first);
        let replaced = eventually("a session", || (amazon.sessions().len() == 2).then_some(()));
        tokio::select! {
            _ = answered => {}
            () = replaced => break stream,
        }
    };
    assert!(amazon.objects().iter().all(|path| !path.ends_with("/late")));
    stream.write_all(b"late").await.unwrap();
    let mut said = vec![0; 12];
    stream.read_exact(&mut said).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&said), "HTTP/1.1 200");
    assert!(amazon.objects().contains(&"/acme-lake-prod/late".to_owned()));
    assert_eq!(etl.get("/lake/late").await.text(), "late");
}
