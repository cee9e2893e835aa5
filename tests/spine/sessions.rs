//! Sessions: a session, its access key id and its secret belong together, and nothing else is one.

use crate::support::{Client, World};

// SIG-08, SIG-09, SIG-11, SES-03, SES-04, SES-08
#[tokio::test]
async fn keys_sessions_and_scopes_belong_together() {
    let world = World::start().await;
    let etl = world.client("etl").await;
    let stranger = world.session("analyst").await;
    let keys = etl.keys.clone().unwrap();
    let token = keys.session_token.clone().unwrap();
    let identity_token = world.token("etl");
    let with = |change: &dyn Fn(&mut Client)| {
        let mut client = etl.clone();
        change(&mut client);
        client
    };
    let session = |token: &str| with(&|c| c.keys_mut().session_token = Some(token.to_owned()));
    let key = |id: &str| with(&|c| c.keys_mut().access_key_id = id.to_owned());
    let flipped = |at: usize| {
        let byte = if token.as_bytes()[at] == b'A' { "B" } else { "A" };
        session(&format!("{}{byte}{}", &token[..at], &token[at + 1..]))
    };
    let no_session = with(&|c| c.keys_mut().session_token = None);
    let other_secret = with(&|c| c.keys_mut().secret_access_key = stranger.secret_access_key.clone());
    let invalid = (400, "InvalidToken", "bad-token");
    let mismatch = (403, "SignatureDoesNotMatch", "bad-signature");
    let unknown = (403, "InvalidAccessKeyId", "unauthenticated");
    let scope = (400, "AuthorizationHeaderMalformed", "malformed");
    for (what, client, (status, code, reason)) in [
        (
            "session of another",
            session(stranger.session_token.as_deref().unwrap()),
            invalid,
        ),
        ("key of another", key(&stranger.access_key_id), invalid),
        ("secret of another", other_secret, mismatch),
        ("flipped head", flipped(3), invalid),
        ("flipped middle", flipped(token.len() / 2), invalid),
        ("flipped end", flipped(token.len() - 2), invalid),
        ("cut", session(&token[..token.len() - 4]), invalid),
        ("extended", session(&format!("{token}AAAA")), invalid),
        ("identity token", session(&identity_token), invalid),
        ("oversized", session(&"A".repeat(9000)), invalid),
        ("no session", no_session, invalid),
        ("key of the store", key("STOREKEY"), unknown),
        ("long-lived key", key("AKIAIOSFODNN7EXAMPLE"), unknown),
        ("other service", with(&|c| c.service = "s3tables"), scope),
        ("token service", with(&|c| c.service = "sts"), scope),
    ] {
        let answer = client.get("/lake/tmp/a").await;
        answer.refused(what, status, code);
        world.recorded(&answer, "deny", reason).await;
    }
    world.untouched("foreign credentials");
    world.kept_secret(&[&token, &identity_token, &keys.secret_access_key, &token[20..60]]);
    // Any region signs, as clients assume one without asking.
    world.store_file("acme-lake-prod", "tmp/a", b"a");
    assert_eq!(
        with(&|c| c.region = "eu-central-1")
            .get("/lake/tmp/a")
            .await
            .status,
        200
    );
}
