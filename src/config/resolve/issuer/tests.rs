//! Presets, and what is said about tables that are not right.

use super::super::super::{Config, ConfigErrors, Issuer, Login, SecretRef, resolve_text};
use crate::authn::PrincipalKind;
use std::path::Path;
use std::sync::Arc;

const SAMPLE: &str = include_str!("../../sample.toml");
const AUDIENCES: &str = "audiences = [\"https://s3.tidegate.test\"]";

/// The sample with these lines in place of its issuer; they begin in line 17.
fn load(lines: &str) -> Result<Config, ConfigErrors> {
    let (top, rest) = SAMPLE.split_once("[[issuers]]").unwrap();
    let (_, rest) = rest.split_once("\n\n").unwrap();
    resolve_text(Path::new("tidegate.toml"), &format!("{top}{lines}\n\n{rest}"))
}

fn issuer(lines: &str) -> Arc<Issuer> {
    let config = load(&format!("[[issuers]]\nname = \"p\"\n{lines}")).unwrap();
    assert_eq!(config.warnings, [], "{lines}");
    config.issuers[0].clone()
}

#[track_caller]
fn check(lines: &str, expected: &[&str]) {
    let errors = load(&format!("[[issuers]]\nname = \"p\"\n{lines}")).unwrap_err();
    let found: Vec<String> = errors.problems.iter().map(ToString::to_string).collect();
    assert_eq!(found.len(), expected.len(), "{lines}: {found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.contains(expected), "{lines}: {found}\nlacks {expected}");
    }
}

#[track_caller]
fn warns(lines: &str, expected: &str) {
    let config = load(&format!("[[issuers]]\nname = \"p\"\n{lines}")).unwrap();
    let found: Vec<String> = config.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains(expected), "{found:?}");
}

/// The essence of an issuer on a few lines.
fn shown(issuer: &Issuer) -> String {
    let accepted: Vec<&str> = issuer.accepted().collect();
    let kind = match issuer.kind {
        PrincipalKind::User => "user",
        PrincipalKind::Workload => "workload",
    };
    let groups = issuer.groups.as_ref().map_or("-".to_owned(), ToString::to_string);
    let mut text = format!("{} {kind} {} {groups}", accepted.join(" "), issuer.principal);
    for condition in &issuer.require {
        text.push_str(&format!("; {condition}"));
    }
    let tags: Vec<String> = issuer
        .tags
        .iter()
        .map(|tag| format!("{}={}", tag.name, tag.claim))
        .collect();
    format!("{text} | {}", tags.join(" "))
}

#[test]
fn a_login_is_read() {
    let with = |login: &str| {
        issuer(&format!(
            "preset = \"okta\"\ndomain = \"acme.okta.com\"\nlogin = {login}"
        ))
    };
    let found = with("{ client_id = \"0oa1\" }");
    let login = Login {
        client_id: "0oa1".into(),
        client_secret: None,
        scopes: vec!["openid".into(), "profile".into(), "email".into()],
        device: false,
    };
    assert_eq!(found.login, Some(login));
    assert_eq!(found.audiences, [Box::<str>::from("0oa1")]);
    let found = with(
        "{ client_id = \"0oa1\", client_secret = \"env:S\", scopes = [\"openid\", \"groups\"], device = true }",
    );
    let login = found.login.clone().unwrap();
    assert_eq!(login.client_secret, Some(SecretRef::Env("S".into())));
    assert_eq!(login.scopes, ["openid", "groups"].map(Box::<str>::from));
    assert!(login.device);
    let wrong = |login: &str, expected: &str| {
        check(
            &format!("preset = \"okta\"\ndomain = \"acme.okta.com\"\n{AUDIENCES}\nlogin = {login}"),
            &[expected],
        );
    };
    wrong("{ }", "issuers[0].login.client_id: missing");
    wrong(
        "{ client_id = \"a\", client_secret = \"hunter2\" }",
        "client_secret: a secret does not belong in this file",
    );
    wrong("{ client_id = \"a\", scopes = [\"email\"] }", "without `openid`");
    wrong(
        "{ client_id = \"a\", scope = [\"openid\"] }",
        "did you mean `scopes`?",
    );
    wrong("true", "issuers[0].login = true: a boolean, not a table");
}

#[test]
fn presets_need_only_what_the_tenant_knows() {
    let check = |lines: &str, expected: &str| {
        assert_eq!(
            shown(&issuer(&format!("{AUDIENCES}\n{lines}"))),
            expected,
            "{lines}"
        );
    };
    check(
        "preset = \"google\"",
        "https://accounts.google.com accounts.google.com workload `email` - | sub=`sub` \
         project_id=`google.compute_engine.project_id` zone=`google.compute_engine.zone` \
         instance_name=`google.compute_engine.instance_name`",
    );
    check(
        "preset = \"google-workspace\"\nhd = \"acme.com\"",
        "https://accounts.google.com accounts.google.com user `email` -; `hd` is \"acme.com\" | sub=`sub` hd=`hd`",
    );
    check(
        "preset = \"google-workspace\"\nhd = [\"acme.com\", \"acme.org\"]\nprincipal = \"sub\"",
        "https://accounts.google.com accounts.google.com user `sub` -; `hd` is \"acme.com\" or \"acme.org\" | \
         sub=`sub` hd=`hd`",
    );
    let tenant = "72f988bf-86f1-41af-91ab-2d7cd011db47";
    let urls = format!("https://login.microsoftonline.com/{tenant}/v2.0 https://sts.windows.net/{tenant}/");
    check(
        "preset = \"entra\"\ntenant = \"72F988BF-86F1-41AF-91AB-2D7CD011DB47\"",
        &format!(
            "{urls} workload `oid` groups; `tid` is \"{tenant}\"; there is no `scp`; `sub` is the same as `oid` | app=`appid` or `azp` tid=`tid`"
        ),
    );
    check(
        &format!(
            "preset = \"entra\"\ntenant = \"{tenant}\"\nkind = \"user\"\ngroups = \"roles\"\ntags = {{ app = \"azp\" }}"
        ),
        &format!(
            "{urls} user `oid` roles; `tid` is \"{tenant}\"; `idtyp` is not \"app\"; `sub` is another one than `oid` | tid=`tid` app=`azp`"
        ),
    );
    check(
        "preset = \"okta\"\ndomain = \"acme.okta.com\"",
        "https://acme.okta.com user `sub` groups; there is no `scp` | app=`cid`",
    );
    check(
        "preset = \"okta\"\ndomain = \"acme.okta.com\"\nauthorization_server = \"default\"\ngroups = false",
        "https://acme.okta.com/oauth2/default user `uid` or `sub` -; there is a `uid` where there is a `cid` | app=`cid`",
    );
    check(
        "preset = \"okta\"\ndomain = \"acme.okta.com\"\nauthorization_server = \"aus1x2\"\nkind = \"workload\"",
        "https://acme.okta.com/oauth2/aus1x2 workload `cid` groups; there is no `uid` | app=`cid`",
    );
    let sts = "\"https://sts.amazonaws.com/\"";
    check(
        "preset = \"aws\"\nissuer = \"https://0a1b.tokens.sts.global.api.aws\"",
        &format!(
            "https://0a1b.tokens.sts.global.api.aws workload `sub` - | aws_account=`{sts}.aws_account` \
             org_id=`{sts}.org_id` source_region=`{sts}.source_region`"
        ),
    );
    let tags = "namespace=`\"kubernetes.io\".namespace` service_account=`\"kubernetes.io\".serviceaccount.name` \
                pod=`\"kubernetes.io\".pod.name` node=`\"kubernetes.io\".node.name`";
    check(
        "preset = \"kubernetes\"\nissuer = \"https://kubernetes.default.svc.cluster.local\"\njwks = \"jwks.json\"",
        &format!("https://kubernetes.default.svc.cluster.local workload `sub` - | {tags}"),
    );
    check(
        "preset = \"gke\"\nproject = \"acme-prod\"\nlocation = \"europe-west2\"\ncluster = \"lake\"",
        &format!(
            "https://container.googleapis.com/v1/projects/acme-prod/locations/europe-west2/clusters/lake workload \
             `sub` - | {tags}"
        ),
    );
    check(
        "preset = \"eks\"\nregion = \"eu-west-2\"\nid = \"0123456789ABCDEF0123456789ABCDEF\"",
        &format!(
            "https://oidc.eks.eu-west-2.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF workload `sub` - | {tags}"
        ),
    );
    let tags = "repository=`repository` repository_id=`repository_id` repository_owner=`repository_owner` \
                repository_owner_id=`repository_owner_id` repository_visibility=`repository_visibility` ref=`ref` \
                ref_type=`ref_type` environment=`environment` job_workflow_ref=`job_workflow_ref` \
                event_name=`event_name` runner_environment=`runner_environment` actor_id=`actor_id`";
    for (lines, url, require) in [
        (
            "owner_id = \"9919\"",
            "https://token.actions.githubusercontent.com",
            "; `repository_owner_id` is \"9919\"",
        ),
        (
            "owner_id = [9919, \"65\"]",
            "https://token.actions.githubusercontent.com",
            "; `repository_owner_id` is \"9919\" or \"65\"",
        ),
        (
            "require = { repository_id = \"7\" }",
            "https://token.actions.githubusercontent.com",
            "; `repository_id` is \"7\"",
        ),
        (
            "enterprise = \"acme\"",
            "https://token.actions.githubusercontent.com/acme",
            "",
        ),
        (
            "host = \"acme.ghe.com\"",
            "https://token.actions.acme.ghe.com",
            "",
        ),
        (
            "host = \"github.acme.com\"",
            "https://github.acme.com/_services/token",
            "",
        ),
    ] {
        check(
            &format!("preset = \"github\"\n{lines}"),
            &format!("{url} workload `repository_id` -{require} | {tags}"),
        );
    }
    // Written beside a preset: sovereign clouds, appliances, tests.
    check(
        "preset = \"google\"\nissuer = [\"https://a.test\", \"legacy\"]\nkind = \"user\"\ngroups = [\"acme\", \"teams\"]",
        "https://a.test legacy user `email` acme.teams | sub=`sub` project_id=`google.compute_engine.project_id` \
         zone=`google.compute_engine.zone` instance_name=`google.compute_engine.instance_name`",
    );
}

#[test]
fn what_a_preset_lacks_is_named_with_where_to_find_it() {
    let wrong = |lines: &str, expected: &[&str]| check(&format!("{AUDIENCES}\n{lines}"), expected);
    wrong(
        "preset = \"azure\"\ntenant = \"x\"",
        &["issuers[0].preset = \"azure\": not a known provider; expected \"google\", "],
    );
    wrong(
        "preset = \"entra\"",
        &["issuers[0].tenant: missing; expected the id of your tenant"],
    );
    wrong(
        "preset = \"entra\"\ntenant = \"common\"",
        &["stands for every tenant there is"],
    );
    wrong(
        "preset = \"entra\"\ntenant = \"acme.onmicrosoft.com\"",
        &["not the id of a tenant"],
    );
    wrong(
        "preset = \"entra\"\ntenant = \"72f988bf-86f1-41af-91ab-2d7cd011db47\"\nprincipal = \"upn\"",
        &["issuers[0].principal = \"upn\": can be changed, and be given to somebody else; expected \"oid\""],
    );
    wrong(
        "preset = \"google-workspace\"",
        &["issuers[0].hd: missing; expected the domain of your organisation"],
    );
    wrong(
        "preset = \"google-workspace\"\nhd = []",
        &["issuers[0].hd: empty"],
    );
    wrong(
        "preset = \"google-workspace\"\nhd = [\"Acme.com\"]",
        &["issuers[0].hd[0] = \"Acme.com\": has upper-case"],
    );
    wrong("preset = \"okta\"", &["issuers[0].domain: missing"]);
    wrong(
        "preset = \"okta\"\ndomain = \"acme-admin.okta.com\"",
        &["the console for admins"],
    );
    wrong(
        "preset = \"okta\"\ndomain = \"acme.okta.com\"\nkind = \"workload\"",
        &["issuers[0].authorization_server: missing; expected the id of a custom authorization server"],
    );
    wrong(
        "preset = \"aws\"",
        &["issuers[0].issuer: missing; expected the issuer of your account"],
    );
    wrong(
        "preset = \"kubernetes\"",
        &["issuers[0].issuer: missing; expected the issuer of the cluster"],
    );
    wrong(
        "preset = \"eks\"\nregion = \"eu-west-2\"",
        &["issuers[0].issuer: missing; expected `region` and `id`"],
    );
    wrong(
        "preset = \"kubernetes\"\nissuer = \"https://kubernetes.default.svc\"",
        &["issuers[0].jwks: missing, and `kubernetes.default.svc` answers inside of its cluster only"],
    );
    wrong(
        "preset = \"gke\"\nproject = \"p\"",
        &["issuers[0].location: missing", "issuers[0].cluster: missing"],
    );
    wrong(
        "preset = \"github\"",
        &["issuers[0].owner_id: missing; expected the id of your organisation"],
    );
    wrong(
        "preset = \"github\"\nowner_id = \"acme\"",
        &["issuers[0].owner_id = \"acme\": not an id"],
    );
    wrong(
        "preset = \"github\"\nrequire = { repository_owner = \"acme\" }",
        &["issuers[0].owner_id: missing"],
    );
    wrong(
        "preset = \"google\"\ntenant = \"x\"",
        &["issuers[0].tenant: not a known key"],
    );
    wrong("issuer = \"https://a.test\"", &["issuers[0].kind: missing"]);
    wrong(
        "kind = \"user\"\nissuer = [\"https://a.test\", \"https://a.test\", \"\"]",
        &[
            "issuers[0].issuer[1] = \"https://a.test\": listed twice",
            "issuers[0].issuer[2] = \"\": empty",
        ],
    );
}

// JWT-04: an audience that others share proves nothing.
#[test]
fn audiences_of_everybody_are_refused() {
    let wrong = |preset: &str, audience: &str, expected: &str| {
        check(&format!("audiences = [\"{audience}\"]\n{preset}"), &[expected]);
    };
    let google = "preset = \"google\"";
    wrong(
        google,
        "32555940559.apps.googleusercontent.com",
        "the audience of gcloud, for everybody",
    );
    wrong(
        google,
        "https://kubernetes.default.svc",
        "the audience of the API server of Kubernetes",
    );
    wrong(
        google,
        "https://management.azure.com/",
        "the audience of Azure's own API",
    );
    let entra = "preset = \"entra\"\ntenant = \"72f988bf-86f1-41af-91ab-2d7cd011db47\"";
    wrong(
        entra,
        "04b07795-8ddb-461a-bbee-02f9e1bf7b46",
        "the audience of the Azure CLI",
    );
    let cluster = "preset = \"kubernetes\"\nissuer = \"https://oidc.acme.test/c1\"";
    wrong(cluster, "https://oidc.acme.test/c1", "the issuer itself");
    check(
        "preset = \"google\"\nlogin = { client_id = \"32555940559.apps.googleusercontent.com\" }",
        &["issuers[0].login: the audience of gcloud"],
    );
    warns(
        &format!("audiences = [\"sts.amazonaws.com\"]\n{cluster}"),
        "tokens for Amazon's token service",
    );
    warns(
        "audiences = [\"https://github.com/acme\"]\npreset = \"github\"\nowner_id = 1",
        "the default audience of GitHub",
    );
    warns(
        &format!("{AUDIENCES}\npreset = \"github\"\nowner_id = 1\nprincipal = \"sub\""),
        "in two ways",
    );
    warns(
        &format!(
            "{AUDIENCES}\nkind = \"user\"\nissuer = \"https://a.test\"\nprincipal = \"preferred_username\""
        ),
        "many issuers let this claim be changed",
    );
    warns(
        &format!(
            "{AUDIENCES}\npreset = \"aws\"\nissuer = \"https://a.test\"\n\
             tags = {{ job = [\"https://sts.amazonaws.com/\", \"request_tags\", \"job\"] }}"
        ),
        "workloads choose their request tags themselves",
    );
}

#[test]
fn conditions_and_tags_are_read_with_their_types() {
    let own = |lines: &str| {
        let more = "kind = \"user\"\nissuer = \"https://a.test\"";
        shown(&issuer(&format!("{AUDIENCES}\n{more}\n{lines}")))
    };
    let lines = "principal = [\"acme\", \"user.id\"]\n\
                 require = { hd = \"acme.com\", mfa = true, level = [2, 3], \"kubernetes.io\" = { namespace = \"etl\" } }\n\
                 tags = { ns = [\"kubernetes.io\", \"namespace\"], \"team:name\" = \"team\" }";
    let found = own(lines);
    for part in [
        "https://a.test user `acme.\"user.id\"` -;",
        "; `hd` is \"acme.com\"",
        "; `mfa` is true",
        "; `level` is 2 or 3",
        "; `\"kubernetes.io\".namespace` is \"etl\"",
        "ns=`\"kubernetes.io\".namespace`",
        "team:name=`team`",
    ] {
        assert!(found.contains(part), "{found}\nlacks {part}");
    }
    let wrong = |lines: &str, expected: &[&str]| {
        let more = "kind = \"user\"\nissuer = \"https://a.test\"";
        check(&format!("{AUDIENCES}\n{more}\n{lines}"), expected);
    };
    wrong("require = \"hd\"", &["issuers[0].require: a string, not a table"]);
    wrong(
        "require = { hd = [] }",
        &["issuers[0].require.hd: not a list of acceptable length"],
    );
    wrong("require = { hd = {} }", &["issuers[0].require.hd: empty"]);
    wrong(
        "require = { level = 1.5 }",
        &["issuers[0].require.level: a number with a fraction"],
    );
    wrong(
        "require = { level = [[1]] }",
        &["issuers[0].require.level[0]: a list, not"],
    );
    wrong(
        "require = { aud = \"x\" }",
        &["issuers[0].require.aud = \"x\": is always checked; expected `audiences` instead"],
    );
    wrong(
        "require = { iss = \"x\", exp = 5 }",
        &["`max_token_lifetime` instead", "`issuer` instead"],
    );
    wrong("tags = [\"a\"]", &["issuers[0].tags: a list, not a table"]);
    wrong(
        "tags = { \"a b\" = \"c\" }",
        &["issuers[0].tags.\"a b\" = \"c\": not a name for a tag"],
    );
    wrong(
        "tags = { a = 5 }",
        &["issuers[0].tags.a: a whole number, not a string or a list"],
    );
    wrong("tags = { a = [] }", &["issuers[0].tags.a: empty"]);
    wrong(
        "tags = { a = [\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\"] }",
        &["nested too deeply"],
    );
    wrong(
        "principal = [\"a\", \"\"]",
        &["issuers[0].principal[1] = \"\": empty"],
    );
    let many: Vec<String> = (0..17).map(|n| format!("t{n} = \"c\"")).collect();
    wrong(
        &format!("tags = {{ {} }}", many.join(", ")),
        &["issuers[0].tags: 17 tags with those of the preset; expected at most 16"],
    );
    let many: Vec<String> = (0..33).map(|n| format!("c{n} = 1")).collect();
    wrong(
        &format!("require = {{ {} }}", many.join(", ")),
        &["issuers[0].require: 33 conditions"],
    );
}

// JWT-09
#[test]
fn tables_of_one_issuer_have_no_audience_in_common() {
    let two = |first: &str, second: &str| {
        load(&format!(
            "[[issuers]]\nname = \"robots\"\npreset = \"google\"\n{first}\n\
             [[issuers]]\nname = \"people\"\npreset = \"google-workspace\"\nhd = \"acme.com\"\n{second}"
        ))
    };
    let client = "login = { client_id = \"7.apps.googleusercontent.com\" }";
    assert_eq!(two(AUDIENCES, client).unwrap().issuers.len(), 2);
    let refused = |second: &str| two(AUDIENCES, second).unwrap_err().to_string();
    assert_eq!(
        refused(AUDIENCES),
        "tidegate.toml:21: issuers[1].issuer: already used in line 17; expected one table for each issuer, or tables \
         that have no audience in common"
    );
    assert!(
        refused(&format!("{client}\nca = \"ca.pem\""))
            .contains("accepted by the table of line 17, which has other keys")
    );
    assert!(
        refused(&format!(
            "{client}\nissuer = [\"https://a.test\", \"accounts.google.com\"]"
        ))
        .contains("which has other keys")
    );
}

/// What the documentation says to paste loads as it stands, and nothing is said against it.
#[test]
fn tables_of_the_documentation_load() {
    let page = include_str!("../../../../docs/identity-providers.md");
    let blocks: Vec<&str> = page
        .split("```toml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect();
    assert!(blocks.len() >= 9, "{}", blocks.len());
    for block in blocks {
        let whole = match block.contains("[[issuers]]") {
            true => block.to_owned(),
            false => format!(
                "[[issuers]]\nname = \"own\"\nissuer = \"https://a.test\"\nkind = \"user\"\n{AUDIENCES}\n{block}"
            ),
        };
        match load(&whole) {
            Ok(config) => assert_eq!(config.warnings, [], "{block}"),
            Err(errors) => panic!("{block}\n{errors}"),
        }
    }
}
