//! Tokens in the shape of each provider against its preset, and the traps: what looks alike and is somebody else.

use super::super::{Checked, Outcome};
use super::*;
use std::path::Path;

/// The issuers of these tables, as the configuration reads them.
fn configured(tables: &str) -> Vec<config::Issuer> {
    let sample = include_str!("../../../config/sample.toml");
    let (top, rest) = sample.split_once("[[issuers]]").unwrap();
    let (_, rest) = rest.split_once("\n\n").unwrap();
    let text = format!("{top}{tables}\n\n{rest}");
    let config = config::resolve_text(Path::new("tidegate.toml"), &text).unwrap();
    config
        .issuers
        .iter()
        .map(|issuer| config::Issuer::clone(issuer))
        .collect()
}

const AUDIENCE: &str = "audiences = [\"https://s3.tidegate.test\"]";
const TENANT: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";

/// One preset under test.
struct Preset {
    world: World,
    claims: serde_json::Value,
}

impl Preset {
    /// These tables, and a token as the provider makes it, without times.
    fn new(tables: &str, claims: serde_json::Value) -> Self {
        let world = World::with(&configured(tables), Fake::default());
        Self { world, claims }
    }

    /// The token with some claims replaced; `null` removes one.
    fn token(&self, changes: &serde_json::Value) -> String {
        let mut claims = self.claims.clone();
        claims["iat"] = (NOW - 60).into();
        claims["exp"] = (NOW + 3540).into();
        if claims.get("aud").is_none() {
            claims["aud"] = "https://s3.tidegate.test".into();
        }
        for (name, value) in changes.as_object().unwrap() {
            match value.is_null() {
                true => drop(claims.as_object_mut().unwrap().remove(name)),
                false => claims[name] = value.clone(),
            }
        }
        token(&claims.to_string())
    }

    #[track_caller]
    fn verify(&self, changes: &serde_json::Value) -> Result<Identity, TokenError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(self.world.verify(&self.token(changes)))
    }

    /// Who it is, as `id | groups | tags`.
    #[track_caller]
    fn is(&self, changes: serde_json::Value, expected: &str) {
        let found = self.verify(&changes).unwrap();
        let tags: Vec<String> = found
            .tags
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let text = format!("{} | {} | {}", found.id, found.groups.join(" "), tags.join(" "));
        assert_eq!(text, expected, "{changes}");
    }

    #[track_caller]
    fn refuses(&self, changes: serde_json::Value, reason: &str) {
        let error = self.verify(&changes).unwrap_err().to_string();
        assert!(error.contains(reason), "{changes}: {error}");
    }
}

#[test]
fn google_service_accounts_are_their_verified_address() {
    let google = Preset::new(
        &format!("[[issuers]]\nname = \"google\"\npreset = \"google\"\n{AUDIENCE}"),
        serde_json::json!({
            "iss": "https://accounts.google.com", "azp": "112233445566778899000", "sub": "112233445566778899000",
            "email": "etl@acme.iam.gserviceaccount.com", "email_verified": true,
            "google": { "compute_engine": {
                "project_id": "acme", "project_number": 1, "zone": "europe-west2-a", "instance_id": "7",
                "instance_name": "w-0", "instance_creation_timestamp": 1_700_000_000,
            } },
        }),
    );
    google.is(
        serde_json::json!({}),
        "google:etl@acme.iam.gserviceaccount.com |  | instance_name=w-0 project_id=acme sub=112233445566778899000 \
         zone=europe-west2-a",
    );
    google.is(
        serde_json::json!({ "iss": "accounts.google.com", "google": null }),
        "google:etl@acme.iam.gserviceaccount.com |  | sub=112233445566778899000",
    );
    google.refuses(
        serde_json::json!({ "email_verified": false }),
        "`email` is not verified",
    );
    google.refuses(
        serde_json::json!({ "email_verified": null }),
        "`email` is not verified",
    );
    google.refuses(serde_json::json!({ "email": null }), "the principal's claim");
    let gcloud = "32555940559.apps.googleusercontent.com";
    google.refuses(serde_json::json!({ "aud": gcloud }), "`aud` names none");
}

#[test]
fn google_workspace_is_one_domain() {
    let people = Preset::new(
        &format!(
            "[[issuers]]\nname = \"people\"\npreset = \"google-workspace\"\nhd = \"acme.com\"\n{AUDIENCE}"
        ),
        serde_json::json!({
            "iss": "https://accounts.google.com", "sub": "1077", "hd": "acme.com", "email": "ana@acme.com",
            "email_verified": true,
        }),
    );
    people.is(
        serde_json::json!({}),
        "people:ana@acme.com |  | hd=acme.com sub=1077",
    );
    let hd = "it is required that `hd` is \"acme.com\"";
    people.refuses(serde_json::json!({ "hd": null }), hd);
    people.refuses(serde_json::json!({ "hd": "ACME.com" }), hd);
    people.refuses(serde_json::json!({ "hd": ["acme.com"] }), hd);
    people.refuses(serde_json::json!({ "hd": "acme.com.evil.test" }), hd);
    people.refuses(
        serde_json::json!({ "hd": null, "email": "a@acme.com@evil.test" }),
        hd,
    );
    people.refuses(
        serde_json::json!({ "email_verified": "yes" }),
        "`email` is not verified",
    );
}

// JWT-09: people and programs of one issuer, told apart by what their tokens are for.
#[test]
fn tables_of_one_issuer_are_told_apart_by_audience() {
    let both = Preset::new(
        &format!(
            "[[issuers]]\nname = \"robots\"\npreset = \"google\"\n{AUDIENCE}\n[[issuers]]\nname = \"people\"\n\
             preset = \"google-workspace\"\nhd = \"acme.com\"\nlogin = {{ client_id = \"7.apps\" }}"
        ),
        serde_json::json!({
            "iss": "https://accounts.google.com", "sub": "1", "email": "x@acme.com", "email_verified": true,
        }),
    );
    both.is(serde_json::json!({}), "robots:x@acme.com |  | sub=1");
    both.is(
        serde_json::json!({ "aud": "7.apps", "hd": "acme.com" }),
        "people:x@acme.com |  | hd=acme.com sub=1",
    );
    both.refuses(serde_json::json!({ "aud": "7.apps" }), "`hd` is");
    both.refuses(
        serde_json::json!({ "aud": ["7.apps", "https://s3.tidegate.test"], "hd": "acme.com" }),
        "`aud` names audiences of two tables",
    );
    assert_eq!(both.world.documents.fetches(), 1, "one issuer, one set of keys");
}

fn entra(more: &str) -> Preset {
    Preset::new(
        &format!(
            "[[issuers]]\nname = \"entra\"\npreset = \"entra\"\ntenant = \"{TENANT}\"\n{AUDIENCE}\n{more}"
        ),
        serde_json::json!({
            "iss": format!("https://sts.windows.net/{TENANT}/"), "appid": "a-1", "appidacr": "2", "idtyp": "app",
            "oid": "9d1c", "sub": "9d1c", "tid": TENANT, "roles": ["Data.Read"], "ver": "1.0",
            "xms_mirid": "/subscriptions/s/resourcegroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/x",
        }),
    )
}

#[test]
fn entra_has_two_issuers_for_one_tenant() {
    let entra = entra("groups = \"roles\"");
    entra.is(
        serde_json::json!({}),
        &format!("entra:9d1c | entra:Data.Read | app=a-1 tid={TENANT}"),
    );
    let v2 = format!("https://login.microsoftonline.com/{TENANT}/v2.0");
    entra.is(
        serde_json::json!({ "iss": v2, "azp": "a-1", "appid": null, "ver": "2.0", "roles": null }),
        &format!("entra:9d1c |  | app=a-1 tid={TENANT}"),
    );
    assert_eq!(entra.world.documents.fetches(), 1, "both have the same keys");
    entra.refuses(
        serde_json::json!({ "iss": format!("https://sts.windows.net/{TENANT}") }),
        "issuer is not configured",
    );
    let other = "00000000-86f1-41af-91ab-2d7cd011db47";
    entra.refuses(
        serde_json::json!({ "iss": format!("https://sts.windows.net/{other}/") }),
        "issuer is not configured",
    );
    entra.refuses(serde_json::json!({ "tid": other }), "it is required that `tid`");
    entra.refuses(serde_json::json!({ "oid": null }), "the principal's claim");
    // Somebody's token for an application is not the application's.
    entra.refuses(
        serde_json::json!({ "scp": "user_impersonation" }),
        "there is no `scp`",
    );
    // Nor is the token with which somebody logs in at it.
    entra.refuses(
        serde_json::json!({ "sub": "pairwise", "idtyp": null, "preferred_username": "ana@acme.com" }),
        "`sub` is the same as `oid`",
    );
}

#[test]
fn entra_without_its_groups_fails_closed() {
    let people = entra("kind = \"user\"");
    let person = |more: serde_json::Value| {
        let mut all = serde_json::json!({ "idtyp": null, "sub": "pairwise", "scp": "user_impersonation", "groups": ["g-1", "g-2"] });
        for (name, value) in more.as_object().unwrap() {
            all[name] = value.clone();
        }
        all
    };
    people.is(
        person(serde_json::json!({})),
        &format!("entra:9d1c | entra:g-1 entra:g-2 | app=a-1 tid={TENANT}"),
    );
    let left_out = "left the groups out because there are too many";
    let sources = serde_json::json!({ "src1": { "endpoint": "https://graph.windows.net/x" } });
    let overage = serde_json::json!({ "groups": null, "_claim_names": { "groups": "src1" }, "_claim_sources": sources });
    people.refuses(person(overage.clone()), left_out);
    people.refuses(
        person(serde_json::json!({ "groups": null, "hasgroups": true })),
        left_out,
    );
    people.refuses(
        person(serde_json::json!({ "idtyp": "app" })),
        "`idtyp` is not \"app\"",
    );
    // An application without `idtyp`, which a tenant has to ask for.
    people.refuses(
        person(serde_json::json!({ "sub": "9d1c", "scp": null, "roles": ["Data.Read"] })),
        "`sub` is another one than `oid`",
    );
    assert!(matches!(
        people.verify(&person(overage)),
        Err(TokenError::GroupsLeftOut)
    ));
}

#[test]
fn okta_tells_people_clients_and_its_own_tokens_apart() {
    let okta = |more: &str, claims: serde_json::Value| {
        let table = format!(
            "[[issuers]]\nname = \"okta\"\npreset = \"okta\"\ndomain = \"acme.okta.com\"\n{AUDIENCE}"
        );
        Preset::new(&format!("{table}\n{more}"), claims)
    };
    let id_token = serde_json::json!({
        "iss": "https://acme.okta.com", "sub": "00u1", "groups": ["analysts", "Everyone"],
        "preferred_username": "ana@acme.com", "ver": 1,
    });
    let org = okta("", id_token);
    org.is(
        serde_json::json!({}),
        "okta:00u1 | okta:analysts okta:Everyone | ",
    );
    org.refuses(
        serde_json::json!({ "scp": ["openid"], "cid": "0oa1", "uid": "00u1" }),
        "there is no `scp`",
    );
    let access_token = serde_json::json!({
        "iss": "https://acme.okta.com/oauth2/default", "sub": "ana@acme.com", "uid": "00u1", "cid": "0oa1",
        "scp": ["openid", "lake"], "groups": ["analysts"],
    });
    let people = okta("authorization_server = \"default\"", access_token.clone());
    people.is(serde_json::json!({}), "okta:00u1 | okta:analysts | app=0oa1");
    people.is(
        serde_json::json!({ "uid": null, "cid": null, "scp": null, "sub": "00u1" }),
        "okta:00u1 | okta:analysts | ",
    );
    people.refuses(
        serde_json::json!({ "uid": null, "sub": "0oa1" }),
        "there is a `uid` where there is a `cid`",
    );
    let clients = okta(
        "authorization_server = \"default\"\nkind = \"workload\"",
        access_token,
    );
    clients.is(
        serde_json::json!({ "uid": null, "sub": "0oa1", "groups": null }),
        "okta:0oa1 |  | app=0oa1",
    );
    clients.refuses(serde_json::json!({}), "there is no `uid`");
}

#[test]
fn amazon_roles_are_their_arn() {
    let issuer = "https://0a1b.tokens.sts.global.api.aws";
    let own = |names: &str| format!("[\"https://sts.amazonaws.com/\", {names}]");
    let tags = format!(
        "tags = {{ team = {}, project = [\"https://aws.amazon.com/tags\", \"principal_tags\", \"Project\"] }}",
        own("\"principal_tags\", \"team\"")
    );
    let aws = Preset::new(
        &format!("[[issuers]]\nname = \"aws\"\npreset = \"aws\"\nissuer = \"{issuer}\"\n{AUDIENCE}\n{tags}"),
        serde_json::json!({
            "iss": issuer, "sub": "arn:aws:iam::123456789012:role/etl", "jti": "j",
            "https://sts.amazonaws.com/": {
                "aws_account": "123456789012", "org_id": "o-1", "source_region": "eu-west-2",
                "principal_tags": { "team": "data" }, "request_tags": { "team": "admin" },
            },
            "https://aws.amazon.com/tags": { "principal_tags": { "Project": ["lake"] } },
        }),
    );
    aws.is(
        serde_json::json!({}),
        "aws:arn:aws:iam::123456789012:role/etl |  | aws_account=123456789012 org_id=o-1 project=lake \
         source_region=eu-west-2 team=data",
    );
    aws.refuses(
        serde_json::json!({ "iss": "https://ffff.tokens.sts.global.api.aws" }),
        "not configured",
    );
    let two = serde_json::json!({ "principal_tags": { "Project": ["lake", "vault"] } });
    aws.refuses(
        serde_json::json!({ "https://aws.amazon.com/tags": two }),
        "the claim of tag `project` is not",
    );
}

#[test]
fn kubernetes_is_its_service_account_for_our_audience_alone() {
    let issuer = "https://oidc.acme.test/c1";
    let etl = "require = { \"kubernetes.io\" = { namespace = [\"jobs\", \"etl\"] } }";
    let cluster = Preset::new(
        &format!(
            "[[issuers]]\nname = \"c1\"\npreset = \"kubernetes\"\nissuer = \"{issuer}\"\n{AUDIENCE}\n{etl}"
        ),
        serde_json::json!({
            "iss": issuer, "sub": "system:serviceaccount:jobs:etl", "aud": ["https://s3.tidegate.test"],
            "nbf": NOW - 60, "jti": "j",
            "kubernetes.io": {
                "namespace": "jobs", "node": { "name": "n-1", "uid": "u" }, "pod": { "name": "etl-x", "uid": "u" },
                "serviceaccount": { "name": "etl", "uid": "u" }, "warnafter": NOW,
            },
        }),
    );
    cluster.is(
        serde_json::json!({}),
        "c1:system:serviceaccount:jobs:etl |  | namespace=jobs node=n-1 pod=etl-x service_account=etl",
    );
    cluster.refuses(
        serde_json::json!({ "aud": ["https://kubernetes.default.svc", issuer] }),
        "`aud` names none",
    );
    cluster.refuses(
        serde_json::json!({ "kubernetes.io": { "namespace": "kube-system" } }),
        "namespace` is \"jobs\"",
    );
    cluster.refuses(
        serde_json::json!({ "kubernetes.io": null }),
        "namespace` is \"jobs\"",
    );
    cluster.refuses(
        serde_json::json!({ "kubernetes.io": "jobs" }),
        "namespace` is \"jobs\"",
    );
    cluster.refuses(
        serde_json::json!({ "exp": NOW + 365 * 86_400 }),
        "lifetime is not acceptable",
    );
}

#[test]
fn github_is_a_repository_by_its_id() {
    let claims = serde_json::json!({
        "iss": "https://token.actions.githubusercontent.com",
        "sub": "repo:acme@9919/lake@824601234:ref:refs/heads/main", "repository": "acme/lake",
        "repository_id": "824601234", "repository_owner": "acme", "repository_owner_id": "9919",
        "repository_visibility": "private", "ref": "refs/heads/main", "ref_type": "branch", "environment": "",
        "event_name": "push", "job_workflow_ref": "acme/lake/.github/workflows/etl.yml@refs/heads/main",
        "runner_environment": "github-hosted", "actor_id": "12", "run_id": "5", "base_ref": "",
    });
    let github = Preset::new(
        &format!("[[issuers]]\nname = \"github\"\npreset = \"github\"\nowner_id = 9919\n{AUDIENCE}"),
        claims,
    );
    let tags = "actor_id=12 event_name=push \
                job_workflow_ref=acme/lake/.github/workflows/etl.yml@refs/heads/main ref=refs/heads/main \
                ref_type=branch repository=acme/lake repository_id=824601234 repository_owner=acme \
                repository_owner_id=9919 repository_visibility=private runner_environment=github-hosted";
    github.is(serde_json::json!({}), &format!("github:824601234 |  | {tags}"));
    // Both forms of `sub` are the same principal.
    github.is(
        serde_json::json!({ "sub": "repo:acme/lake:ref:refs/heads/main" }),
        &format!("github:824601234 |  | {tags}"),
    );
    let owner = "it is required that `repository_owner_id` is \"9919\"";
    github.refuses(serde_json::json!({ "repository_owner_id": "666" }), owner);
    github.refuses(serde_json::json!({ "repository_owner_id": 9919 }), owner);
    github.refuses(serde_json::json!({ "repository_owner_id": null }), owner);
    let long = format!("refs/heads/{}", "b".repeat(300));
    github.refuses(
        serde_json::json!({ "ref": long }),
        "the claim of tag `ref` is not",
    );
}

// JWT-03, OID-11
#[test]
fn conditions_and_tags_are_exact_and_typed() {
    let own = Preset::new(
        &format!(
            "[[issuers]]\nname = \"own\"\nissuer = \"{ISSUER}\"\nkind = \"user\"\n{AUDIENCE}\n\
             require = {{ mfa = true, level = [2, 3], org = \"Acme\" }}\n\
             tags = {{ mfa = \"mfa\", level = \"level\", mail = \"email\", deep = [\"a\", \"b.c\", \"d\"] }}"
        ),
        serde_json::json!({
            "iss": ISSUER, "sub": "ana", "mfa": true, "level": 2, "org": "Acme", "a": { "b.c": { "d": "x" } },
        }),
    );
    own.is(serde_json::json!({}), "own:ana |  | deep=x level=2 mfa=true");
    own.is(
        serde_json::json!({ "a": { "b": { "c": { "d": "x" } } } }),
        "own:ana |  | level=2 mfa=true",
    );
    for (name, values) in [
        ("mfa", serde_json::json!([false, "true", 1, [true]])),
        ("level", serde_json::json!([1, "2", 2.0, true, [2]])),
        ("org", serde_json::json!(["acme", "Acme ", ["Acme"], true])),
    ] {
        for value in values.as_array().unwrap() {
            own.refuses(
                serde_json::json!({ name: value }),
                &format!("it is required that `{name}`"),
            );
        }
        own.refuses(
            serde_json::json!({ name: null }),
            &format!("it is required that `{name}`"),
        );
    }
    for value in [
        serde_json::json!({ "e": 1 }),
        serde_json::json!(1.5),
        serde_json::json!("a\nb"),
    ] {
        own.refuses(
            serde_json::json!({ "a": { "b.c": { "d": value } } }),
            "the claim of tag `deep`",
        );
    }
    // An address becomes nothing before it is verified.
    own.refuses(
        serde_json::json!({ "email": "ana@acme.com" }),
        "`email` is not verified",
    );
    own.is(
        serde_json::json!({ "email": "ana@acme.com", "email_verified": true }),
        "own:ana |  | deep=x level=2 mail=ana@acme.com mfa=true",
    );
}

#[tokio::test]
async fn an_examination_makes_every_check_and_says_what_was_seen() {
    let mut own = issuer("idp", ISSUER);
    own.require = configured(&format!(
        "[[issuers]]\nname = \"x\"\nissuer = \"{ISSUER}\"\nkind = \"user\"\n{AUDIENCE}\nrequire = {{ hd = \"a\" }}"
    ))[0]
        .require
        .clone();
    let world = World::with(&[own], Fake::default());
    let examine = async |token: &str| world.verifier.examine(token, world.clock.now()).await;
    let failed = |checks: &[Checked]| {
        let failed = checks
            .iter()
            .filter(|check| matches!(check.outcome, Outcome::Failed(_)));
        failed.map(|check| check.check).collect::<Vec<_>>()
    };
    let good = examine(&token(&claims(&[("hd", Some("\"a\""))]))).await;
    assert!(good.is_accepted());
    assert_eq!(good.issuer.as_deref(), Some("idp"));
    assert!(good.checks.iter().all(|check| check.outcome == Outcome::Passed));
    let names: Vec<_> = good.checks.iter().map(|check| check.check).collect();
    let all = [
        "form",
        "issuer",
        "key",
        "signature",
        "audience",
        "times",
        "lifetime",
        "now",
        "subject",
        "principal",
        "require",
        "groups",
        "tags",
    ];
    assert_eq!(names, all);
    let now = &good.checks[7].seen;
    assert!(now.contains("here it is 2027-01-15T08:00:00Z"), "{now}");
    // All that is wrong with the claims, not only the first.
    let bad = examine(&token(&claims(&[
        ("exp", Some(&(NOW - 3600).to_string())),
        ("iat", Some(&(NOW - 100_000).to_string())),
        ("email_verified", None),
        ("groups", Some("5")),
    ])))
    .await;
    assert!(!bad.is_accepted());
    assert_eq!(
        failed(&bad.checks),
        ["lifetime", "now", "principal", "require", "groups"]
    );
    assert_eq!(bad.issuer.as_deref(), Some("idp"));
    let verdict = world
        .verify(&token(&claims(&[("exp", Some(&(NOW - 3600).to_string()))])))
        .await;
    assert!(verdict.is_err(), "a report and a door agree");

    // JWT-05: nothing of the claims is looked at before the signature.
    let forged = examine(&with_signature_of_another()).await;
    assert_eq!(failed(&forged.checks), ["signature"]);
    let reached = forged
        .checks
        .iter()
        .filter(|check| check.outcome != Outcome::NotReached)
        .count();
    assert_eq!(reached, 4);
    let near = examine(&token(&claims(&[("iss", Some("\"https://idp.test/\""))]))).await;
    assert_eq!(failed(&near.checks), ["issuer"]);
    let seen = &near.checks[1].seen;
    assert!(
        seen.contains("every byte counts: configured is \"https://idp.test\""),
        "{seen}"
    );
    assert_eq!(failed(&examine("gibberish").await.checks), ["form"]);
}

fn with_signature_of_another() -> String {
    let good = token(&claims(&[]));
    let other = token(&claims(&[("sub", Some("\"x\""))]));
    let (head, _) = good.rsplit_once('.').unwrap();
    let (_, signature) = other.rsplit_once('.').unwrap();
    format!("{head}.{signature}")
}
