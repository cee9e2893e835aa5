//! Roles of AWS: given for Tidegate's own token or for what the machine has, in the callers' names, and for no more than
//! what is done with them.

use crate::own_issuer::URL;
use crate::support::amazon::{Amazon, Done, Session};
use crate::support::fake_target::{FakeTarget, Step, answer};
use crate::support::{Client, Settings, World, now};
use jiff::SignedDuration;
use std::collections::BTreeSet;

/// Everybody may do everything.
pub const EVERYBODY: &str = "permit (principal, action, resource);";

/// A role for Tidegate's own token, in the callers' names.
pub const PER_PRINCIPAL: &str = "kind = \"aws-web-identity\"\nattribution = \"per-principal\"";
/// The same, in nobody's name.
pub const SHARED: &str = "kind = \"aws-web-identity\"\nsession_name = \"tidegate-eu-1\"";
/// A role for what the machine has.
pub const AMBIENT: &str =
    "kind = \"aws-assume-role\"\nattribution = \"per-principal\"\nexternal_id = \"tidegate/7\"";

/// A world whose target is at `amazon`, which trusts its issuer.
pub async fn world(amazon: &Amazon, credentials: &str) -> World {
    world_with(amazon, credentials, Settings::default()).await
}

pub async fn world_with(amazon: &Amazon, credentials: &str, settings: Settings) -> World {
    let world = World::with(Settings {
        target_table: Some(amazon.target(credentials)),
        own_issuer: Some(URL),
        policy: Some(EVERYBODY.into()),
        other_policy: Some(EVERYBODY.into()),
        ..settings
    })
    .await;
    amazon.trusts(&world, URL);
    world
}

/// What a machine has in its environment.
pub fn machine() -> Settings {
    let variables = [
        ("AWS_ACCESS_KEY_ID", "AKIDMACHINE"),
        ("AWS_SECRET_ACCESS_KEY", "machine-secret"),
    ];
    Settings {
        environment: variables.map(|(name, value)| (name, value.to_owned())).into(),
        ..Settings::default()
    }
}

fn tags(session: &Session) -> Vec<(&str, &str)> {
    let tags = session.tags.iter();
    tags.map(|(key, value)| (key.as_str(), value.as_str())).collect()
}

/// The last request at the store.
fn last(amazon: &Amazon) -> Done {
    amazon.done().pop().expect("a request")
}

// 7.1
#[tokio::test]
async fn a_role_is_given_for_our_own_token_and_objects_are_written_with_it() {
    let amazon = Amazon::start().await;
    amazon.role(|role| role.subjects = vec!["target/store".into()]);
    let world = world(&amazon, SHARED).await;
    for name in ["etl", "analyst"] {
        let client = world.client(name).await;
        let path = format!("/lake/{name}");
        assert_eq!(client.put(&path, b"hello").await.status, 200, "{name}");
        let read = client.get(&path).await;
        assert_eq!((read.status, read.text().as_str()), (200, "hello"));
        assert_eq!(last(&amazon).session, "tidegate-eu-1");
    }
    // One for both of them, in nobody's name.
    let sessions = amazon.sessions();
    assert_eq!(sessions.len(), 1);
    let session = &sessions[0];
    assert_eq!(session.subject.as_deref(), Some("target/store"));
    assert_eq!(
        (session.duration, session.source_identity.as_deref()),
        (3600, None)
    );
    assert!(session.tags.is_empty() && session.policy.is_none());
    assert_eq!(
        amazon.objects(),
        ["/acme-lake-prod/analyst", "/acme-lake-prod/etl"]
    );
    world.kept_secret(&[&session.secret, &session.token]);
}

// CRD-10
#[tokio::test]
async fn the_log_of_the_cloud_names_the_caller() {
    let amazon = Amazon::start().await;
    let world = world(&amazon, PER_PRINCIPAL).await;
    for name in ["etl", "analyst", "etl"] {
        assert_eq!(world.client(name).await.put("/lake/a", b"x").await.status, 200);
        assert_eq!(last(&amazon).session, format!("idp={name}"));
    }
    let sessions = amazon.sessions();
    assert_eq!(sessions.len(), 2, "each has one");
    let session = &sessions[0];
    assert_eq!(session.subject.as_deref(), Some("idp:etl"));
    assert_eq!(session.source_identity.as_deref(), Some("idp=etl"));
    let issuer = world.issuer.as_str();
    let expected = [("issuer", issuer), ("kind", "Workload"), ("principal", "idp:etl")];
    assert_eq!(tags(session), expected);
    let transitive: BTreeSet<&str> = session.transitive.iter().map(String::as_str).collect();
    assert_eq!(transitive, BTreeSet::from(["issuer", "kind", "principal"]));
}

// CRD-10: names with everything in them that a log, a policy or a parameter could trip over.
#[tokio::test]
async fn whatever_a_principal_is_called_its_session_has_a_name_that_is_nobody_elses() {
    let amazon = Amazon::start().await;
    let world = world(&amazon, PER_PRINCIPAL).await;
    let long = "x".repeat(240);
    let longer = format!("{long}y");
    let names = [
        "\"quoted\"",
        "*",
        "?",
        "${aws:username}",
        "a\\b",
        "a b",
        "josé",
        "\u{1f30a}",
        "a&Tags.member.9.Key=b",
        "<a>",
        &long,
        &longer,
    ];
    for name in names {
        let client = world.client(name).await;
        let put = client.put("/lake/a", b"x").await;
        assert_eq!(put.status, 200, "{name}: {}", put.text());
    }
    let sessions = amazon.sessions();
    let distinct = |of: fn(&Session) -> String| sessions.iter().map(of).collect::<BTreeSet<_>>().len();
    assert_eq!(distinct(|session| session.name.clone()), names.len());
    assert_eq!(distinct(|session| session.tags["principal"].clone()), names.len());
    assert_eq!(distinct(|session| session.subject.clone().unwrap()), names.len());
}

// CRD-08, CRD-10
#[tokio::test]
async fn a_role_is_given_for_what_the_machine_has() {
    let amazon = Amazon::start().await;
    amazon.role(|role| role.external_id = Some("tidegate/7".into()));
    let world = world_with(&amazon, AMBIENT, machine()).await;
    for name in ["etl", "analyst"] {
        let client = world.client(name).await;
        assert_eq!(client.put("/lake/a", b"hello").await.status, 200);
        assert_eq!(last(&amazon).session, format!("idp={name}"));
    }
    let sessions = amazon.sessions();
    assert_eq!(sessions.len(), 2);
    assert_eq!(sessions[1].external_id.as_deref(), Some("tidegate/7"));
    assert_eq!(sessions[1].source_identity.as_deref(), Some("idp=analyst"));
    assert_eq!(sessions[1].tags["principal"], "idp:analyst");
    assert_eq!(sessions[1].transitive.len(), 3);
    assert!(sessions.iter().all(|session| session.subject.is_none()));
    world.kept_secret(&["machine-secret"]);
}

#[tokio::test]
async fn the_endpoint_of_a_container_gives_what_the_machine_has() {
    let amazon = Amazon::start().await;
    let user = crate::support::amazon::User {
        secret: "container-secret".into(),
        token: Some("container/token==".into()),
        is_role: true,
    };
    amazon.user("ASIACONTAINER", user);
    amazon.role(|role| role.principals = vec!["ASIACONTAINER".into()]);
    let ends = now() + SignedDuration::from_hours(1);
    let keys = format!(
        r#"{{"AccessKeyId":"ASIACONTAINER","SecretAccessKey":"container-secret","Token":"container/token==","Expiration":"{}"}}"#,
        ends.strftime("%Y-%m-%dT%H:%M:%SZ")
    );
    let container = FakeTarget::start(move |head| {
        let known = head.contains("uthorization: a-token-of-the-container\r\n");
        let said = match known && head.starts_with("GET /role HTTP/1.1\r\n") {
            true => answer("200 OK", "content-type: application/json\r\n", &keys),
            false => answer("401 Unauthorized", "", ""),
        };
        vec![Step::Send(said)]
    })
    .await;
    let address = container.address;
    let environment = vec![
        (
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            format!("http://{address}/role"),
        ),
        (
            "AWS_CONTAINER_AUTHORIZATION_TOKEN",
            "a-token-of-the-container".to_owned(),
        ),
    ];
    let settings = Settings {
        environment,
        ..Settings::default()
    };
    let world = world_with(&amazon, AMBIENT, settings).await;
    for name in ["etl", "analyst"] {
        let put = world.client(name).await.put("/lake/a", b"hello").await;
        assert_eq!(put.status, 200, "{}\n{}", put.text(), world.written());
    }
    assert_eq!(amazon.sessions().len(), 2);
    assert_eq!(
        container.count(),
        1,
        "what the machine has is kept while it lasts"
    );
    world.kept_secret(&["container-secret", "container/token"]);
}

#[tokio::test]
async fn a_profile_of_the_machine_may_run_a_program() {
    let amazon = Amazon::start().await;
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let keys = r#"{"Version":1,"AccessKeyId":"AKIDMACHINE","SecretAccessKey":"machine-secret"}"#;
    std::fs::write(path("keys.json"), keys).unwrap();
    let profile = format!(
        "[profile gateway]\ncredential_process = cat {}\n",
        path("keys.json")
    );
    std::fs::write(path("config"), profile).unwrap();
    let settings = Settings {
        environment: vec![
            ("AWS_CONFIG_FILE", path("config")),
            ("AWS_SHARED_CREDENTIALS_FILE", path("none")),
            ("AWS_PROFILE", "gateway".to_owned()),
            // As talkative as it can be made.
            ("RUST_LOG", "trace".to_owned()),
        ],
        ..Settings::default()
    };
    let world = world_with(&amazon, AMBIENT, settings).await;
    assert_eq!(world.client("etl").await.put("/lake/a", b"x").await.status, 200);
    let session = &amazon.sessions()[0];
    world.kept_secret(&["machine-secret", &session.secret, &session.token]);
}

/// Two folders of one bucket and a whole one, narrowed.
async fn narrowed(amazon: &Amazon) -> World {
    let settings = Settings {
        bucket_lines: "prefix = \"teams/${aws:username}*/\"".into(),
        more: "[buckets.team]\ntarget = \"store\"\nbucket = \"acme-lake-prod\"\nprefix = \"teams/b/\"".into(),
        policies: vec![("team", EVERYBODY.into())],
        ..Settings::default()
    };
    world_with(amazon, &format!("{SHARED}\nnarrow = true"), settings).await
}

// CRD-05
#[tokio::test]
async fn a_session_is_narrowed_to_the_folder_that_it_is_used_for() {
    let amazon = Amazon::start().await;
    let world = narrowed(&amazon).await;
    let etl = world.client("etl").await;
    for bucket in ["lake", "team", "other"] {
        for key in ["a", "b/c%2A", "%3F", "%24%7Baws%3Ausername%7D", "%22%5D", "a%5Cb"] {
            let path = format!("/{bucket}/{key}");
            let put = etl.put(&path, b"x").await;
            assert_eq!(put.status, 200, "{path}: {}", put.text());
            assert_eq!(etl.get(&path).await.status, 200, "{path}");
        }
        let listed = etl.get(&format!("/{bucket}?list-type=2&prefix=b%2F")).await;
        assert_eq!(listed.status, 200, "{bucket}: {}", listed.text());
        assert_eq!(etl.delete(&format!("/{bucket}/a")).await.status, 204);
    }
    let sessions = amazon.sessions();
    assert_eq!(sessions.len(), 3, "one for each place, whatever is done there");
    let policy = |at: usize| sessions[at].policy.as_ref().unwrap();
    let objects = |at: usize| {
        policy(at)["Statement"][0]["Resource"][0]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(
        objects(0),
        "arn:aws:s3:::acme-lake-prod/teams/${$}{aws:username}${*}/*"
    );
    assert_eq!(objects(1), "arn:aws:s3:::acme-lake-prod/teams/b/*");
    assert_eq!(objects(2), "arn:aws:s3:::acme-other/*");
    // And what the store makes of it.
    let check = |at: usize, method: &str, target: &str, allowed: bool| {
        let found = amazon.would_allow(&sessions[at], method, target);
        assert_eq!(found, allowed, "{at} {method} {target}");
    };
    check(1, "GET", "/acme-lake-prod/teams/b/x", true);
    check(1, "GET", "/acme-lake-prod/teams/c/x", false);
    check(1, "PUT", "/acme-lake-prod/teams/b", false);
    check(1, "GET", "/acme-other/teams/b/x", false);
    check(1, "GET", "/acme-lake-prod?list-type=2&prefix=teams/b/", true);
    check(1, "GET", "/acme-lake-prod?list-type=2&prefix=teams/", false);
    check(1, "GET", "/acme-lake-prod?list-type=2", false);
    check(1, "GET", "/acme-lake-prod?versioning", true);
    check(0, "GET", "/acme-lake-prod/teams/ana-secret/x", false);
    check(2, "GET", "/acme-other?list-type=2", true);
}

// CRD-05
#[tokio::test]
async fn a_copy_has_both_places_and_no_third() {
    let amazon = Amazon::start().await;
    let world = narrowed(&amazon).await;
    let etl = world.client("etl").await;
    let headers = [("x-amz-copy-source", "/other/from")];
    let copy = etl.sign("PUT", "/team/to", &headers, b"", crate::support::Payload::Literal);
    let copied = etl.send(copy).await;
    assert_eq!(copied.status, 200, "{}", copied.text());
    let sessions = amazon.sessions();
    assert_eq!(sessions.len(), 1);
    for (target, allowed) in [
        ("/acme-other/from", true),
        ("/acme-lake-prod/teams/b/to", true),
        ("/acme-lake-prod/teams/c/to", false),
    ] {
        assert_eq!(
            amazon.would_allow(&sessions[0], "GET", target),
            allowed,
            "{target}"
        );
    }
}

// CRD-02
#[tokio::test]
async fn two_callers_and_twenty_at_once_are_never_taken_for_each_other() {
    let amazon = Amazon::start().await;
    let world = world(&amazon, PER_PRINCIPAL).await;
    let names: Vec<String> = (0..20).map(|n| format!("job-{n}")).collect();
    let mut clients: Vec<Client> = Vec::new();
    for name in &names {
        clients.push(world.client(name).await);
    }
    let rounds: usize = 100;
    let tasks: Vec<_> = clients
        .into_iter()
        .zip(&names)
        .map(|(client, name)| {
            let name = name.clone();
            tokio::spawn(async move {
                let mut connection = client.http2().await;
                for n in 0..rounds {
                    let path = format!("/lake/{name}/{n}");
                    let put = client.sign("PUT", &path, &[], b"x", crate::support::Payload::Literal);
                    let answer = client.send_http2(&mut connection, put).await;
                    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let done = amazon.done();
    assert_eq!(done.len(), names.len() * rounds);
    for request in done {
        let owner = request.target.split('/').nth(2).unwrap();
        assert_eq!(request.session, format!("idp={owner}"), "{}", request.target);
        assert_eq!((request.method.as_str(), request.status), ("PUT", 200));
    }
    let sessions = amazon.sessions();
    assert_eq!(
        sessions.len(),
        names.len(),
        "one call for each, however many asked at once"
    );
    for session in sessions {
        assert_eq!(session.subject.unwrap().replace(':', "="), session.name);
    }
}
