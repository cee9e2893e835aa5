//! Roles and session policies: what a session may be made to carry, and that nothing makes it more.

use crate::support::{Answer, Client, Keys, Payload, Settings, World, becomes, form};
use serde_json::{Value, json};

const POLICY: &str = r#"
@id("etl-reads-and-writes")
permit (principal == Tidegate::Workload::"idp:etl",
        action in [Tidegate::Action::"read", Tidegate::Action::"write", Tidegate::Action::"delete"], resource)
when { resource.key like "tmp/*" };
@id("exporters-read")
permit (principal in Tidegate::Role::"exporter", action in Tidegate::Action::"read", resource)
when { resource.key like "exports/*" };
@id("audited-callers-read")
permit (principal, action in Tidegate::Action::"read", resource)
when { resource.key like "audited/*" && principal.hasTag("audit") };
"#;
const TRUST: &str = r#"permit (principal == Tidegate::Workload::"idp:etl", action, resource);"#;
const TRUST_OF_A_TAG: &str = r#"permit (principal == Tidegate::Workload::"idp:etl", action, resource)
when { principal.hasTag("audit") };"#;
const READ: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::lake/*"}]}"#;
const EVERYTHING: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#;
const ROLE: &str = "arn:aws:iam::123456789012:role/team/exporter";

async fn world() -> World {
    let world = World::with(Settings {
        policy: Some(POLICY.to_owned()),
        policies: vec![
            ("roles/exporter", TRUST.to_owned()),
            ("roles/audited", TRUST_OF_A_TAG.to_owned()),
        ],
        sessions: "caller_tags = [\"audit\"]".to_owned(),
        more: "[[roles]]\nname = \"exporter\"\n[[roles]]\nname = \"audited\"\n".to_owned(),
        ..Settings::default()
    })
    .await;
    for key in ["tmp/a", "exports/a", "audited/a"] {
        world.store_file("acme-lake-prod", key, b"content");
    }
    world
}

async fn web_identity(world: &World, subject: &str, more: &[(&str, &str)]) -> Answer {
    let token = world.token(subject);
    let pairs = [
        ("Action", "AssumeRoleWithWebIdentity"),
        ("Version", "2011-06-15"),
        ("WebIdentityToken", &*token),
    ];
    world.anonymous().post_form(&form(&[&pairs, more].concat())).await
}

/// A signed call of the token service.
async fn ask(client: &Client, action: &str, more: &[(&str, &str)]) -> Answer {
    let pairs = [("Action", action), ("Version", "2011-06-15")];
    let form = form(&[&pairs, more].concat());
    let mut client = client.clone();
    client.service = "sts";
    let headers = [("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
    client
        .send(client.sign("POST", "/", &headers, form.as_bytes(), Payload::Literal))
        .await
}

fn with(world: &World, answer: &Answer) -> Client {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let mut client = world.anonymous();
    client.keys = Some(Keys::from_sts(&answer.text()));
    client
}

/// What a session gets of reading in each folder, and of writing.
async fn rights(client: &Client) -> [u16; 4] {
    [
        client.get("/lake/tmp/a").await.status,
        client.get("/lake/exports/a").await.status,
        client.get("/lake/audited/a").await.status,
        client.put("/lake/tmp/b", b"x").await.status,
    ]
}

fn refused(answer: &Answer, what: &str, status: u16, code: &str) {
    let found = (answer.status, answer.code());
    assert_eq!(found, (status, code.to_owned()), "{what}: {}", answer.text());
    assert!(answer.text().starts_with("<ErrorResponse"), "{what}");
    assert!(answer.element("SessionToken").is_none() && answer.element("Message").is_some());
}

// AUZ-12
#[tokio::test]
async fn a_session_policy_narrows_and_never_widens() {
    let world = world().await;
    let plain = with(&world, &web_identity(&world, "etl", &[]).await);
    assert_eq!(rights(&plain).await, [200, 403, 403, 200]);
    let read = with(&world, &web_identity(&world, "etl", &[("Policy", READ)]).await);
    assert_eq!(rights(&read).await, [200, 403, 403, 403]);
    let denied = read.put("/lake/tmp/b", b"x").await;
    world.recorded(&denied, "deny", "session-policy").await;
    let everything = with(
        &world,
        &web_identity(&world, "etl", &[("Policy", EVERYTHING)]).await,
    );
    assert_eq!(rights(&everything).await, [200, 403, 403, 200]);

    // A session narrows itself, and what is made of that is no wider, whatever it asks for.
    let answer = ask(
        &plain,
        "AssumeRole",
        &[("Policy", READ), ("RoleSessionName", "narrow")],
    )
    .await;
    assert!(
        answer.text().starts_with("<AssumeRoleResponse"),
        "{}",
        answer.text()
    );
    let record = world.recorded(&answer, "allow", "authenticated").await;
    assert_eq!(record["api"]["operation"], "AssumeRole");
    assert!(record["actor"]["session_root"].is_string(), "{record}");
    let narrow = with(&world, &answer);
    assert_eq!(rights(&narrow).await, [200, 403, 403, 403]);
    for (action, more) in [
        ("AssumeRole", &[("Policy", EVERYTHING)][..]),
        ("AssumeRole", &[("DurationSeconds", "43200")]),
        ("GetSessionToken", &[]),
    ] {
        let answer = ask(&narrow, action, more).await;
        assert_eq!(
            rights(&with(&world, &answer)).await,
            [200, 403, 403, 403],
            "{action} {more:?}"
        );
        assert!(
            answer.element("Expiration") <= ask_expiration(&plain).await,
            "{action} {more:?}"
        );
    }
    for more in [
        &[("RoleArn", ROLE)][..],
        &[("Tags.member.1.Key", "audit"), ("Tags.member.1.Value", "x")],
    ] {
        refused(
            &ask(&narrow, "AssumeRole", more).await,
            "a narrowed session",
            403,
            "AccessDenied",
        );
    }
}

/// When what is made of a session ends.
async fn ask_expiration(client: &Client) -> Option<String> {
    ask(client, "GetSessionToken", &[("DurationSeconds", "43200")])
        .await
        .element("Expiration")
}

// SES-09
#[tokio::test]
async fn a_role_is_for_those_whom_its_trust_policy_admits() {
    let world = world().await;
    let answer = web_identity(&world, "etl", &[("RoleArn", ROLE), ("RoleSessionName", "night")]).await;
    let arn = answer.element("Arn");
    assert_eq!(
        arn.as_deref(),
        Some("arn:aws:sts::000000000000:assumed-role/exporter/night")
    );
    let record = world.recorded(&answer, "allow", "authenticated").await;
    assert_eq!(record["actor"]["role"], "exporter");
    let exporter = with(&world, &answer);
    assert_eq!(rights(&exporter).await, [200, 200, 403, 200]);
    let who = ask(&exporter, "GetCallerIdentity", &[]).await;
    assert_eq!(
        who.element("Arn").as_deref(),
        Some("arn:aws:sts::000000000000:assumed-role/exporter/idp:etl")
    );
    // It stays with what is made of it, also if that is asked for another role that is none of ours.
    let other = [("RoleArn", "arn:aws:iam::123456789012:role/somebody")];
    let kept = ask(&exporter, "AssumeRole", &other).await;
    assert_eq!(rights(&with(&world, &kept)).await, [200, 200, 403, 200]);
    // A plain session may take it on later, by the same trust policy.
    let plain = with(&world, &web_identity(&world, "etl", &other).await);
    assert_eq!(rights(&plain).await, [200, 403, 403, 200]);
    let taken = ask(
        &plain,
        "AssumeRole",
        &[("RoleArn", ROLE), ("RoleSessionName", "night")],
    )
    .await;
    assert_eq!(rights(&with(&world, &taken)).await, [200, 200, 403, 200]);

    let before = world.target_requests().len();
    let refusal = web_identity(&world, "analyst", &[("RoleArn", ROLE)]).await;
    refused(&refusal, "another principal", 403, "AccessDenied");
    assert!(
        refusal
            .text()
            .contains("idp:analyst is not authorized to perform: sts:AssumeRole"),
        "{}",
        refusal.text()
    );
    world.recorded(&refusal, "deny", "no-permit").await;
    let analyst = with(&world, &web_identity(&world, "analyst", &[]).await);
    let refusal = ask(&analyst, "AssumeRole", &[("RoleArn", ROLE)]).await;
    refused(&refusal, "another session", 403, "AccessDenied");
    let record = world.recorded(&refusal, "deny", "no-permit").await;
    assert_eq!(record["actor"]["id"], "idp:analyst");
    assert_eq!(world.target_requests().len(), before);
}

#[tokio::test]
async fn a_role_and_tags_are_asked_for_at_the_other_doors() {
    let world = world().await;
    let (token, client) = (world.token("etl"), world.anonymous());
    let get = async |query: &str, token: &str| {
        let target = format!("/_tidegate/credentials?{query}");
        client
            .send(client.unsigned("GET", &target, &[("authorization", token)], b""))
            .await
    };
    let answer = get("role=exporter&tag=audit%3DCHG-1042&duration=900", &token).await;
    let keys: Value = serde_json::from_slice(&answer.body).unwrap();
    let text = |name: &str| keys[name].as_str().unwrap_or_else(|| panic!("{keys}")).to_owned();
    let mut exporter = world.anonymous();
    exporter.keys = Some(Keys {
        access_key_id: text("AccessKeyId"),
        secret_access_key: text("SecretAccessKey"),
        session_token: Some(text("Token")),
    });
    assert_eq!(rights(&exporter).await, [200, 200, 200, 200]);
    for (query, says) in [
        (
            "role=exporter",
            "idp:analyst is not authorized to perform: sts:AssumeRole",
        ),
        (
            "role=nobody",
            "is not authorized to perform: sts:AssumeRole on resource: \"role/nobody\"",
        ),
        ("tag=team%3Dblue", "The tag team is not yours to choose"),
    ] {
        let refusal = get(query, &world.token("analyst")).await;
        let document: Value = serde_json::from_slice(&refusal.body).unwrap();
        assert_eq!(
            (refusal.status, &document["code"]),
            (403, &json!("AccessDenied")),
            "{document}"
        );
        assert!(document["message"].as_str().unwrap().contains(says), "{document}");
        world.recorded(&refusal, "deny", "no-permit").await;
    }

    let exchange = form(&[
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token", &token),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"),
    ]);
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let target = "/_tidegate/token?role=exporter&tag=audit=CHG-1042";
    let answer = client
        .send(client.unsigned("POST", target, &headers, exchange.as_bytes()))
        .await;
    let given: Value = serde_json::from_slice(&answer.body).unwrap();
    let access = given["access_token"]
        .as_str()
        .unwrap_or_else(|| panic!("{given}"));
    for key in ["exports/a", "audited/a"] {
        assert_eq!(
            client
                .bearer("GET", &format!("/lake/{key}"), access, b"")
                .await
                .status,
            200,
            "{key}"
        );
    }
    let who = client.bearer("GET", "/_tidegate/whoami", access, b"").await;
    let who: Value = serde_json::from_slice(&who.body).unwrap();
    assert_eq!(
        (&who["role"], &who["tags"]),
        (&json!("exporter"), &json!({ "audit": "CHG-1042" })),
        "{who}"
    );
    assert_eq!(who["buckets"], json!({ "lake": ["read", "write", "delete"] }));
}

// SIG-04, SIG-05, SES-03, SES-07
#[tokio::test]
async fn sessions_are_traded_by_those_who_can_sign_for_them() {
    let world = world().await;
    let etl = with(&world, &web_identity(&world, "etl", &[]).await);
    let form_of = |action: &str| form(&[("Action", action), ("Version", "2011-06-15")]);
    for action in ["AssumeRole", "GetSessionToken"] {
        let unsigned = world.anonymous().post_form(&form_of(action)).await;
        refused(&unsigned, action, 403, "MissingAuthenticationToken");
        world.recorded(&unsigned, "deny", "unauthenticated").await;
        let mut wrong = etl.clone();
        wrong.keys_mut().secret_access_key = "A".repeat(40);
        refused(
            &ask(&wrong, action, &[]).await,
            action,
            403,
            "SignatureDoesNotMatch",
        );
        let mut late = etl.clone();
        late.skew = jiff::SignedDuration::from_mins(-20);
        let answer = ask(&late, action, &[]).await;
        refused(&answer, action, 403, "SignatureDoesNotMatch");
        assert!(answer.text().contains("20 min behind"), "{}", answer.text());
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let answer = etl
            .bearer_with(
                "POST",
                "/",
                &world.token("etl"),
                &headers,
                form_of(action).as_bytes(),
            )
            .await;
        refused(&answer, action, 403, "MissingAuthenticationToken");
        world.recorded(&answer, "deny", "unauthenticated").await;
    }
    for (name, value) in [
        ("ExternalId", "x"),
        ("SourceIdentity", "root"),
        ("SerialNumber", "arn:aws:iam::1:mfa/a"),
        ("TokenCode", "123456"),
        ("TransitiveTagKeys.member.1", "audit"),
        (
            "PolicyArns.member.1.arn",
            "arn:aws:iam::aws:policy/ReadOnlyAccess",
        ),
    ] {
        let answer = ask(&etl, "AssumeRole", &[(name, value)]).await;
        refused(&answer, name, 400, "InvalidParameterValue");
    }
    let malformed = ask(&etl, "AssumeRole", &[("Policy", "{}")]).await;
    refused(&malformed, "no policy", 400, "MalformedPolicyDocument");
    let conditions = READ.replace(
        "}]}",
        r#","Condition":{"StringEquals":{"aws:PrincipalTag/a":"b"}}}]}"#,
    );
    let unsupported = ask(&etl, "AssumeRole", &[("Policy", &conditions)]).await;
    refused(
        &unsupported,
        "an unknown condition",
        400,
        "MalformedPolicyDocument",
    );
    world.untouched("the token service");
}

// SES-06
#[tokio::test]
async fn a_session_ends_with_the_role_that_it_carries() {
    let world = world().await;
    let exporter = with(&world, &web_identity(&world, "etl", &[("RoleArn", ROLE)]).await);
    assert_eq!(exporter.get("/lake/exports/a").await.status, 200);
    let path = world.path("tidegate.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    std::fs::write(
        &path,
        config.replace("name = \"exporter\"", "name = \"importer\""),
    )
    .unwrap();
    becomes("the role is gone", async || {
        exporter.get("/lake/exports/a").await.status != 200
    })
    .await;
    let before = world.target_requests().len();
    let refusal = exporter.get("/lake/tmp/a").await;
    assert_eq!((refusal.status, refusal.code().as_str()), (400, "InvalidToken"));
    assert_eq!(world.target_requests().len(), before);
    let other = with(&world, &web_identity(&world, "etl", &[("RoleArn", ROLE)]).await);
    assert_eq!(
        other.get("/lake/tmp/a").await.status,
        200,
        "an unknown role means the caller itself"
    );
}

// SES-09
#[tokio::test]
async fn no_tag_that_a_caller_chose_gets_it_a_role() {
    let world = world().await;
    let before = world.target_requests().len();
    let role = ("RoleArn", "arn:aws:iam::000000000000:role/audited");
    let tags = [("Tags.member.1.Key", "audit"), ("Tags.member.1.Value", "CHG-1")];
    let answer = web_identity(&world, "etl", &[&[role], &tags[..]].concat()).await;
    refused(&answer, "with the token", 403, "AccessDenied");
    // Nor one that a session has already.
    let tagged = with(&world, &web_identity(&world, "etl", &tags).await);
    assert_eq!(tagged.get("/lake/audited/a").await.status, 200);
    let answer = ask(&tagged, "AssumeRole", &[role, ("RoleSessionName", "night")]).await;
    refused(&answer, "with a session", 403, "AccessDenied");
    assert_eq!(world.target_requests().len(), before + 1);
}
