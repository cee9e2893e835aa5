//! Buckets in Google Cloud Storage with what Google gives for an identity, and no key at all.

use crate::support::gcs::{Auth, FakeGcs};
use crate::support::google::{ACCOUNT, FakeGoogle, ISSUER, principal, provider};
use crate::support::{Settings, World, becomes};
use std::sync::Arc;

const POLICY: &str = r#"
@id("all") permit (principal, action, resource);
"#;

const PATHS: [&str; 4] = [
    "/v1/token",
    "/v1/projects/-/serviceAccounts/tidegate@acme.iam.gserviceaccount.com:generateAccessToken",
    "/computeMetadata/v1/instance/service-accounts/default/token",
    "/token",
];

/// Google, its storage, and a Tidegate with these lines of credentials before it.
async fn world(lines: impl Fn(&FakeGoogle) -> String) -> (Arc<FakeGoogle>, FakeGcs, World) {
    let google = FakeGoogle::start().await;
    let gcs = FakeGcs::start(Auth::Granted(google.clone())).await;
    let table = format!(
        "[targets.store]\nkind = \"gcs-xml\"\nendpoint = \"http://{}\"\n[targets.store.credentials]\n{}",
        gcs.address,
        lines(&google)
    );
    let keys = google.dir.path().join("issuer-keys.toml");
    let world = World::with(Settings {
        target_table: Some(table),
        policy: Some(POLICY.into()),
        more: format!("[issuer]\nurl = \"{ISSUER}\"\nkeys = \"{}\"\n", keys.display()),
        ..Settings::default()
    });
    (google, gcs, world.await)
}

fn federation(google: &FakeGoogle, more: &str) -> String {
    let address = google.address;
    format!(
        "kind = \"google-workload-identity\"\naudience = \"{}\"\nsts_endpoint = \"http://{address}\"\n\
         iam_endpoint = \"http://{address}\"\n{more}",
        provider()
    )
}

fn machine(google: &FakeGoogle) -> String {
    format!(
        "kind = \"google-metadata\"\nmetadata_endpoint = \"http://{}\"",
        google.address
    )
}

fn account_file(google: &FakeGoogle) -> String {
    format!(
        "kind = \"google-service-account-file\"\nfile = \"{}\"\ntoken_endpoint = \"http://{}\"",
        google.dir.path().join("account.json").display(),
        google.address
    )
}

/// Writes and reads an object; fails unless Google's storage got one token, which was given for `whom`.
async fn works(google: &FakeGoogle, gcs: &FakeGcs, world: &World, whom: &str) {
    let etl = world.client("etl").await;
    let written = etl.put("/lake/tmp/a", b"123456789").await;
    assert_eq!(written.status, 200, "{}\n{}", written.text(), world.written());
    assert_eq!(etl.get("/lake/tmp/a").await.text(), "123456789");
    assert_eq!(gcs.refused(), Vec::<String>::new());
    let tokens = gcs.tokens();
    assert_eq!(tokens.len(), 2);
    for token in &tokens {
        assert_eq!(google.given_for(token), whom);
    }
    let given = google.tokens();
    world.kept_secret(&given.iter().map(String::as_str).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_token_of_tidegates_own_becomes_one_of_googles() {
    let (google, gcs, world) = world(|google| federation(google, "")).await;
    works(&google, &gcs, &world, &principal("target/store")).await;
    assert_eq!(google.asked(), [PATHS[0]], "once for all requests");
}

#[tokio::test]
async fn a_service_account_is_impersonated_where_the_principal_is_bound_to_it() {
    let (google, gcs, world) =
        world(|google| federation(google, &format!("service_account = \"{ACCOUNT}\""))).await;
    let etl = world.client("etl").await;
    let refused = etl.get("/lake/a").await;
    refused.refused("no binding", 503, "SlowDown");
    gcs.untouched("no token, no request");
    let said = world.written();
    assert!(said.contains("roles/iam.workloadIdentityUser"), "{said}");
    google.lets_impersonate(&[principal("target/store")]);
    becomes("an impersonation", async || {
        etl.get("/lake/a").await.status == 404
    })
    .await;
    gcs.forget();
    works(&google, &gcs, &world, ACCOUNT).await;
}

#[tokio::test]
async fn the_machines_own_account_needs_no_configuration() {
    let (google, gcs, world) = world(machine).await;
    works(&google, &gcs, &world, ACCOUNT).await;
    assert_eq!(google.asked(), [PATHS[2]]);
}

#[tokio::test]
async fn a_key_file_works_and_is_warned_of() {
    let (google, gcs, world) = world(account_file).await;
    works(&google, &gcs, &world, ACCOUNT).await;
    assert_eq!(google.asked(), [PATHS[3]]);
    assert!(
        world.written().contains("until somebody deletes its key"),
        "{}",
        world.written()
    );
}

// CRD-02, CRD-10
#[tokio::test]
async fn googles_storage_sees_each_principal_for_itself() {
    let (google, gcs, world) = world(|google| federation(google, "attribution = \"per-principal\"")).await;
    let mut tasks = Vec::new();
    for subject in ["etl", "analyst", "backup"] {
        let client = world.client(subject).await;
        for number in 0..20 {
            let client = client.clone();
            tasks.push(tokio::spawn(async move {
                let path = format!("/lake/{subject}/{number}");
                assert_eq!(client.put(&path, subject.as_bytes()).await.status, 200, "{path}");
            }));
        }
    }
    for task in tasks {
        task.await.unwrap();
    }
    let seen = gcs.seen();
    assert_eq!(seen.len(), 60);
    for (seen, token) in seen.iter().zip(gcs.tokens()) {
        let subject = seen.path.split('/').nth(2).unwrap();
        assert_eq!(
            google.given_for(&token),
            principal(&format!("idp:{subject}")),
            "{}",
            seen.path
        );
    }
    assert_eq!(google.asked(), [PATHS[0]; 3], "one for each");
    assert_eq!(gcs.refused(), Vec::<String>::new());
}

// CRD-02
#[tokio::test]
async fn who_is_refused_by_google_gets_nothing_and_the_others_go_on() {
    let (google, gcs, world) = world(|google| federation(google, "attribution = \"per-principal\"")).await;
    google.admits(&["target/store", "idp:etl"]);
    let (etl, analyst) = (world.client("etl").await, world.client("analyst").await);
    assert_eq!(etl.put("/lake/a", b"a").await.status, 200);
    gcs.forget();
    for _ in 0..3 {
        let refused = analyst.get("/lake/a").await;
        refused.refused("not admitted", 503, "SlowDown");
        assert!(refused.header("retry-after").is_some());
        for word in [
            "google",
            "Google",
            "attribute",
            "condition",
            "workload",
            "target/",
        ] {
            assert!(!refused.text().contains(word), "{}", refused.text());
        }
    }
    gcs.untouched("with another one's token");
    let said = world.written();
    assert!(
        said.contains("attribute condition of the provider must hold"),
        "{said}"
    );
    assert_eq!(etl.get("/lake/a").await.status, 200);
}

// CRD-06, CRD-07
#[tokio::test]
async fn what_google_refuses_is_explained_to_the_operator_alone() {
    let (google, gcs, world) = world(|google| federation(google, "")).await;
    let etl = world.client("etl").await;
    let failing = async |expected: &str| {
        becomes(expected, async || {
            let refused = etl.get("/lake/a").await;
            refused.refused(expected, 503, "SlowDown");
            assert!(!refused.text().contains("oogle"), "{}", refused.text());
            let (_, ready) = world.admin_get("/readyz").await;
            ready.contains(expected)
        })
        .await;
        gcs.untouched(expected);
    };
    google.trusts(ISSUER, "sts.amazonaws.com");
    failing("the provider must allow the audience of the token").await;
    google.trusts(ISSUER, &format!("https:{}", provider()));
    google.admits(&["idp:"]);
    failing("the attribute condition of the provider must hold for this token").await;
    google.admits(&["target/store"]);
    google.answers(302, "location: http://127.0.0.1:1/", "");
    failing("refused (302 Found").await;
    google.answers(503, "content-type: application/json", "{}");
    failing("it will be asked again").await;
    google.recovers();
    becomes("a token", async || etl.get("/lake/a").await.status == 404).await;
    assert!(google.asked().iter().all(|path| path == PATHS[0]));
}

// CRD-07
#[tokio::test]
async fn something_else_in_the_place_of_the_metadata_server_gives_no_token() {
    let (google, gcs, world) = world(machine).await;
    let body = r#"{"access_token":"ya29.canary-000-of-google","expires_in":3600,"token_type":"Bearer"}"#;
    google.answers(200, "content-type: application/json", body);
    let etl = world.client("etl").await;
    etl.get("/lake/a").await.refused("no flavour", 503, "SlowDown");
    gcs.untouched("with a token of somebody else's");
    let said = world.written();
    assert!(said.contains("does not say `Metadata-Flavor: Google`"), "{said}");
    world.kept_secret(&["ya29.canary-000-of-google"]);
}

#[tokio::test]
async fn a_key_that_was_deleted_at_google_is_named_as_such() {
    let (google, gcs, world) = world(account_file).await;
    google.forgets_the_key();
    let etl = world.client("etl").await;
    etl.get("/lake/a").await.refused("a deleted key", 503, "SlowDown");
    gcs.untouched("with nothing");
    let said = world.written();
    assert!(said.contains("the key was deleted or disabled"), "{said}");
    world.kept_secret(&["BEGIN PRIVATE KEY", "eyJ"]);
}

// CRD-03
#[tokio::test]
async fn a_token_that_storage_does_not_know_any_more_is_replaced_once() {
    let (google, gcs, world) = world(|google| federation(google, "")).await;
    let etl = world.client("etl").await;
    etl.put("/lake/a", b"a").await;
    google.revokes_all();
    // A token of the last seconds is not to blame; after them it is, and one more is asked for.
    becomes("another token", async || etl.get("/lake/a").await.status == 200).await;
    assert_eq!(google.asked(), [PATHS[0]; 2]);
    assert_eq!(google.tokens().len(), 1);
    let tokens = gcs.tokens();
    assert_eq!(tokens.last(), google.tokens().first());
}
