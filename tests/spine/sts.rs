//! The token service's own rules: which parameters it takes, and who may ask who it is.

use crate::support::{Answer, Client, Payload, World, form};
use jiff::SignedDuration;

// SES-09
#[tokio::test]
async fn parameters_that_would_promise_something_are_refused() {
    let world = World::start().await;
    let token = world.token("etl");
    let ask = |name: &str, value: &str| question(&token, &[(name, value)]);
    let plain = |text: &str| text.to_owned();
    let (bad, range) = ("InvalidParameterValue", "must be from 900 to 43200");
    for (form, code, message) in [
        (
            ask("Policy", "{}"),
            "MalformedPolicyDocument",
            "The session policy is not accepted",
        ),
        (
            ask("PolicyArns.member.1.arn", "a"),
            bad,
            "PolicyArns is not supported",
        ),
        (ask("Tags.member.1.Key", "a"), "ValidationError", "pairs of"),
        (ask("ProviderId", "google"), bad, "ProviderId is not supported"),
        (ask("Extra", "1"), bad, "Extra is not known"),
        (ask("WebIdentityToken", "a"), bad, "more than once"),
        (ask("DurationSeconds", "899"), "ValidationError", range),
        (ask("DurationSeconds", "43201"), "ValidationError", range),
        (
            ask("RoleSessionName", "a/b"),
            "ValidationError",
            "RoleSessionName",
        ),
        (
            question(&"x".repeat(20_001), &[]),
            "ValidationError",
            "20000 characters",
        ),
        (
            plain("Action=GetFederationToken&Version=2011-06-15"),
            "InvalidAction",
            "Available are",
        ),
        (plain("Version=2011-06-15"), "MissingAction", "Action is missing"),
        (
            plain("Action=GetCallerIdentity&Version=1"),
            "InvalidAction",
            "2011-06-15",
        ),
        (
            plain("Action=AssumeRoleWithWebIdentity&Version=2011-06-15"),
            "MissingParameter",
            "WebId",
        ),
    ] {
        let answer = world.anonymous().post_form(&form).await;
        refused(&answer, message, 400, code);
        assert!(
            answer.element("Message").unwrap().contains(message),
            "{}",
            answer.text()
        );
        world.recorded(&answer, "deny", "malformed").await;
    }
    let twice = format!("/?{}", form(&[("WebIdentityToken", &token)]));
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let both = world
        .anonymous()
        .unsigned("POST", &twice, &headers, question(&token, &[]).as_bytes());
    refused(&world.anonymous().send(both).await, "query and body", 400, bad);
    world.kept_secret(&[&token]);
    world.untouched("refused parameters");
}

#[tokio::test]
async fn a_form_or_target_too_large_for_any_token_is_refused() {
    let world = World::start().await;
    let huge = question(&"x".repeat(40_000), &[]);
    let posted = world.anonymous().post_form(&huge).await;
    assert_eq!(
        (posted.status, posted.code().as_str()),
        (400, "MalformedQueryString"),
        "{}",
        posted.text()
    );
    world.recorded(&posted, "deny", "bad-payload").await;
    let got = world
        .anonymous()
        .send(world.anonymous().unsigned("GET", &format!("/?{huge}"), &[], b""))
        .await;
    assert_eq!(
        (got.status, got.code().as_str()),
        (414, "InvalidURI"),
        "{}",
        got.text()
    );
    world.recorded(&got, "deny", "malformed").await;
}

#[tokio::test]
async fn the_caller_can_ask_who_it_is_by_get_and_by_post() {
    let world = World::start().await;
    let etl = sts(&world).await;
    let query = "/?Action=GetCallerIdentity&Version=2011-06-15";
    let by_get = etl.send(etl.sign("GET", query, &[], b"", Payload::Literal)).await;
    let presigned = etl.send(etl.presign("GET", query, &[], b"", 60)).await;
    for answer in [ask(&etl).await, by_get, presigned] {
        assert_eq!(answer.status, 200, "{}", answer.text());
        let arn = answer.element("Arn").unwrap();
        assert_eq!(arn, "arn:aws:sts::000000000000:assumed-role/Workload/idp:etl");
        let record = world.recorded(&answer, "allow", "authenticated").await;
        assert_eq!(
            (&record["type"], &record["actor"]["id"]),
            (&"auth".into(), &"idp:etl".into())
        );
    }
}

// SIG-04, SIG-09, SES-03
#[tokio::test]
async fn who_cannot_sign_is_not_told_who_it_is() {
    let world = World::start().await;
    let etl = sts(&world).await;
    let answer = world.anonymous().post_form(IDENTITY).await;
    refused(&answer, "unsigned", 403, "MissingAuthenticationToken");
    world.recorded(&answer, "deny", "unauthenticated").await;

    let stranger = world.session("analyst").await;
    let identity_token = world.token("etl");
    let with = |change: &dyn Fn(&mut Client)| {
        let mut client = etl.clone();
        change(&mut client);
        client
    };
    let session = |token: &Option<String>| with(&|c| c.keys_mut().session_token = token.clone());
    let secret = with(&|c| c.keys_mut().secret_access_key = stranger.secret_access_key.clone());
    let long_lived = with(&|c| c.keys_mut().access_key_id = "AKIAIOSFODNN7EXAMPLE".into());
    let late = with(&|c| c.skew = SignedDuration::from_mins(-20));
    let (mismatch, invalid) = ("SignatureDoesNotMatch", "InvalidClientTokenId");
    for (what, client, code, reason) in [
        (
            "signed for s3",
            with(&|c| c.service = "s3"),
            mismatch,
            "malformed",
        ),
        ("late", late, mismatch, "clock-skew"),
        ("other secret", secret, mismatch, "bad-signature"),
        (
            "other session",
            session(&stranger.session_token),
            invalid,
            "bad-token",
        ),
        (
            "identity token",
            session(&Some(identity_token.clone())),
            invalid,
            "bad-token",
        ),
        ("long-lived key", long_lived, invalid, "unauthenticated"),
    ] {
        let answer = ask(&client).await;
        refused(&answer, what, 403, code);
        world.recorded(&answer, "deny", reason).await;
    }

    // A session is not an identity token, so it cannot be traded for the next session. SES-07
    let session = etl.keys.clone().unwrap().session_token.unwrap();
    let answer = world.anonymous().assume_role(&session).await;
    refused(&answer, "session as identity token", 400, "InvalidIdentityToken");
    world.kept_secret(&[&session, &identity_token]);
    world.untouched("questions of identity");
}

const IDENTITY: &str = "Action=GetCallerIdentity&Version=2011-06-15";

async fn ask(client: &Client) -> Answer {
    let headers = [("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
    client
        .send(client.sign("POST", "/", &headers, IDENTITY.as_bytes(), Payload::Literal))
        .await
}

async fn sts(world: &World) -> Client {
    let mut client = world.client("etl").await;
    client.service = "sts";
    client
}

fn refused(answer: &Answer, what: &str, status: u16, code: &str) {
    let found = (answer.status, answer.code());
    assert_eq!(found, (status, code.to_owned()), "{what}: {}", answer.text());
    assert!(
        answer.text().starts_with("<ErrorResponse"),
        "{what}: {}",
        answer.text()
    );
    assert!(answer.element("RequestId").is_some() && answer.element("Arn").is_none());
}

fn question(token: &str, more: &[(&str, &str)]) -> String {
    let mut pairs = vec![
        ("Action", "AssumeRoleWithWebIdentity"),
        ("Version", "2011-06-15"),
        ("WebIdentityToken", token),
    ];
    pairs.extend_from_slice(more);
    form(&pairs)
}
