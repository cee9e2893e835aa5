//! Each kind of token opens its own kind of door, and no other.

use crate::doors::access_token;
use crate::support::browser::{ATTEMPT, Browser, ORIGIN, SESSION};
use crate::support::login_provider::LoginProvider;
use crate::support::world::ISSUER_KEYS;
use crate::support::{AUDIENCE, Client, Payload, Settings, World, form};
use serde_json::Value;
use tidegate::config::OwnIssuer;

/// Where something can be presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Acceptor {
    /// `x-amz-security-token`, signed with the keys of a session.
    SessionToken,
    /// `x-amz-security-token` in a presigned URL.
    Presigned,
    /// `Authorization: Bearer` on a path of S3.
    Bearer,
    /// `Authorization: Bearer` at a door.
    WhoAmI,
    /// `WebIdentityToken`.
    WebIdentity,
    /// `Authorization` of container credentials.
    Container,
    /// `subject_token`.
    Exchange,
    /// `token` of an introspection.
    Introspection,
    /// `uploadId`.
    UploadId,
    /// `continuation-token`.
    ContinuationToken,
    /// The cookie of a browser.
    Cookie,
    /// The cookie of a login that was begun.
    LoginState,
}

const ACCEPTORS: [Acceptor; 12] = [
    Acceptor::SessionToken,
    Acceptor::Presigned,
    Acceptor::Bearer,
    Acceptor::WhoAmI,
    Acceptor::WebIdentity,
    Acceptor::Container,
    Acceptor::Exchange,
    Acceptor::Introspection,
    Acceptor::UploadId,
    Acceptor::ContinuationToken,
    Acceptor::Cookie,
    Acceptor::LoginState,
];

/// Whether `token` is taken there. `etl` has a session of its own to sign with; `state` is of a login that is open.
async fn taken(acceptor: Acceptor, etl: &Client, token: &str, state: &str) -> bool {
    let with = || {
        let mut client = etl.clone();
        client.keys_mut().session_token = Some(token.to_owned());
        client
    };
    let post = async |target: &str, pairs: &[(&str, &str)]| {
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let form = form(pairs);
        etl.send(etl.unsigned("POST", target, &headers, form.as_bytes()))
            .await
    };
    let encoded: String = form_urlencoded::byte_serialize(token.as_bytes()).collect();
    let answer = match acceptor {
        Acceptor::SessionToken => with().get("/lake/tmp/a").await,
        Acceptor::Presigned => {
            let client = with();
            client
                .send(client.presign("GET", "/lake/tmp/a", &[], b"", 60))
                .await
        }
        Acceptor::Bearer => etl.bearer("GET", "/lake/tmp/a", token, b"").await,
        Acceptor::WhoAmI => etl.bearer("GET", "/_tidegate/whoami", token, b"").await,
        Acceptor::WebIdentity => etl.assume_role(token).await,
        Acceptor::Container => {
            let headers = [("authorization", token)];
            etl.send(etl.unsigned("GET", "/_tidegate/credentials", &headers, b""))
                .await
        }
        Acceptor::Exchange => {
            let pairs = [
                ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
                ("subject_token", token),
                ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"),
            ];
            post("/_tidegate/token", &pairs).await
        }
        Acceptor::Introspection => {
            let answer = post("/_tidegate/introspect", &[("token", token)]).await;
            let told: Value = serde_json::from_slice(&answer.body).unwrap();
            return told["active"].as_bool().unwrap();
        }
        Acceptor::UploadId => {
            let target = format!("/lake/tmp/parts?partNumber=1&uploadId={encoded}");
            etl.send(etl.sign("PUT", &target, &[], b"part", Payload::Literal))
                .await
        }
        Acceptor::ContinuationToken => {
            let target = format!("/team?list-type=2&prefix=tmp%2F&continuation-token={encoded}");
            etl.get(&target).await
        }
        Acceptor::Cookie => {
            let cookie = format!("{SESSION}={token}");
            etl.send(etl.unsigned("GET", "/_tidegate/", &[("cookie", &cookie)], b""))
                .await
        }
        Acceptor::LoginState => {
            let target = format!("/_tidegate/callback/staff?code=of-nobody&state={state}");
            let cookie = format!("{ATTEMPT}{}={token}", &state[..16]);
            let answer = etl
                .send(etl.unsigned("GET", &target, &[("cookie", &cookie)], b""))
                .await;
            // Taken, it is the code that is refused.
            return answer.status != 400;
        }
    };
    match answer.status {
        200 => true,
        400..=404 => false,
        status => panic!("{acceptor:?}: {status} {}", answer.text()),
    }
}

// SES-03
#[tokio::test]
async fn a_token_of_one_kind_opens_no_door_of_another() {
    let provider = LoginProvider::start("staff").await;
    // For a cloud, with whatever may make somebody take it for one of a caller.
    let cloud_issuer = "https://s3.tidegate.test";
    // Continuation tokens are sealed where a bucket is a folder.
    let world = World::with(Settings {
        more: format!(
            "[buckets.team]\ntarget = \"store\"\nbucket = \"acme-lake-prod\"\nprefix = \"team/\"\n\
             [login]\nurl = \"{ORIGIN}\"\n{}",
            provider.table()
        ),
        own_issuer: Some(cloud_issuer),
        policies: vec![(
            "team",
            "permit (principal == Tidegate::Workload::\"idp:etl\", action, resource);".to_owned(),
        )],
        ..Settings::default()
    })
    .await;
    for n in 0..3 {
        world.store_file("acme-lake-prod", &format!("team/tmp/{n}"), b"x");
    }
    world.store_file("acme-lake-prod", "tmp/a", b"a");
    let etl = world.client("etl").await;
    let keys = etl.keys.clone().unwrap();
    let begun = etl
        .send(etl.sign("POST", "/lake/tmp/parts?uploads", &[], b"", Payload::Literal))
        .await;
    let listed = etl.get("/team?list-type=2&prefix=tmp%2F&max-keys=1").await;
    let (session, upload) = (keys.session_token.unwrap(), begun.element("UploadId").unwrap());
    let continuation = listed.element("NextContinuationToken").unwrap();
    let (access, identity) = (access_token(&world, "etl").await, world.token("etl"));
    let mut browser = Browser::new(&world);
    browser.login(&provider).await;
    let (cookie, form_token) = (browser.jar[SESSION].clone(), browser.form_token().await);
    browser.consent(&provider, "/_tidegate/login").await;
    let begun = provider.asked("/authorize").pop().unwrap();
    let state = begun.parameter("state").unwrap();
    let login = browser.jar[&browser.attempts()[0]].clone();

    let settings = OwnIssuer {
        url: cloud_issuer.into(),
        keys: world.path(ISSUER_KEYS),
        serves: true,
    };
    let ours = tidegate::issuer::Issuer::load(&settings, &tidegate::clock::Clock::system()).unwrap();
    let minted = ours
        .mint(&tidegate::issuer::Token {
            subject: "idp:etl",
            audience: AUDIENCE,
            claims: serde_json::Map::new(),
        })
        .unwrap();
    let minted = minted.expose_str().unwrap();

    // Every kind of token that leaves this process or comes into it, and the doors that it opens.
    use Acceptor::*;
    let kinds: [(&str, &str, &[Acceptor]); 12] = [
        ("session token", &session, &[SessionToken, Presigned]),
        ("access token", &access, &[Bearer, WhoAmI, Introspection]),
        (
            "identity token",
            &identity,
            &[Bearer, WhoAmI, WebIdentity, Container, Exchange],
        ),
        ("upload id", &upload, &[UploadId]),
        ("continuation token", &continuation, &[ContinuationToken]),
        ("secret access key", &keys.secret_access_key, &[]),
        ("access key id", &keys.access_key_id, &[]),
        ("cookie", &cookie, &[Cookie]),
        ("login", &login, &[LoginState]),
        ("state", state, &[]),
        ("token of a form", &form_token, &[]),
        ("token for a cloud", minted, &[]),
    ];
    for (kind, token, opens) in kinds {
        for acceptor in ACCEPTORS {
            let before = world.target_requests().len();
            let taken = taken(acceptor, &etl, token, state).await;
            assert_eq!(taken, opens.contains(&acceptor), "{kind} at {acceptor:?}");
            if !taken {
                assert_eq!(world.target_requests().len(), before, "{kind} at {acceptor:?}");
            }
        }
    }
    world.kept_secret(&[
        &session,
        &access,
        &identity,
        &upload,
        &keys.secret_access_key,
        &cookie,
        &login,
        state,
        minted,
    ]);
}
