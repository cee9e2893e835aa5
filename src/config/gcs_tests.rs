//! Targets of kind `gcs-xml`: what they need not say, and what does not go together.

use super::*;

const SAMPLE: &str = include_str!("sample.toml");

/// The sample with another target, which begins in line 26.
fn load_target(lines: &str) -> Result<Config, ConfigErrors> {
    let start = SAMPLE.find("[targets.store]").unwrap();
    let end = SAMPLE.find("[buckets.lake]").unwrap();
    let text = format!("{}[targets.store]\n{lines}\n{}", &SAMPLE[..start], &SAMPLE[end..]);
    resolve::resolve(Path::new("tidegate.toml"), &text)
}

const TOKEN: &str = "credentials = { kind = \"access-token\", token = \"file:secrets/token\" }";
const KEYS: &str =
    "credentials = { kind = \"static\", access_key_id = \"env:A\", secret_access_key = \"env:B\" }";

#[test]
fn google_needs_no_endpoint_and_no_region() {
    let config = load_target(&format!("kind = \"gcs-xml\"\n{TOKEN}")).unwrap();
    let target = &config.targets["store"];
    let google = Endpoint {
        tls: true,
        host: "storage.googleapis.com".into(),
        port: 443,
    };
    assert_eq!((&target.endpoint, &*target.region), (&google, "auto"));
    assert_eq!((target.profile, target.project.as_deref()), (Profile::Gcs, None));
    let token = SecretRef::File("secrets/token".into());
    assert_eq!(target.credentials, CredentialSource::AccessToken { token });
    assert_eq!(
        target.files(),
        Vec::<&Path>::new(),
        "it is read anew, not watched"
    );
    assert_eq!(config.warnings, []);

    let lines = "kind = \"gcs-xml\"\nprofile = \"gcs\"\nproject = \"acme-data-1\"\nregion = \"us\"\n\
                 endpoint = \"https://storage.europe-west3.rep.googleapis.com\"";
    let config = load_target(&format!("{lines}\n{KEYS}")).unwrap();
    let target = &config.targets["store"];
    assert_eq!(&*target.endpoint.host, "storage.europe-west3.rep.googleapis.com");
    assert_eq!(
        (target.project.as_deref(), &*target.region),
        (Some("acme-data-1"), "us")
    );
    assert!(matches!(target.credentials, CredentialSource::Static(_)));
}

#[track_caller]
fn check(lines: &str, expected: &[&str]) {
    let errors = load_target(lines).unwrap_err();
    assert_eq!(
        errors.to_string().lines().collect::<Vec<_>>(),
        expected,
        "{lines}"
    );
}

#[test]
fn what_does_not_go_together_is_located() {
    let gcs = |line: &str| format!("kind = \"gcs-xml\"\n{line}");
    let s3 =
        |line: &str| format!("kind = \"s3\"\nendpoint = \"https://a.test\"\nregion = \"us-east-1\"\n{line}");
    let role = "tidegate.toml:28: targets.store.credentials.kind = \"sts-assume-role\": Google Cloud has no such role; \
                only targets of kind \"s3\" have these credentials; expected \"google-workload-identity\", \"google-metadata\", \"google-service-account-file\", \"access-token\" or \"static\"";
    check(&gcs("credentials = { kind = \"sts-assume-role\" }"), &[role]);
    check(
        &s3(TOKEN),
        &[
            "tidegate.toml:30: targets.store.credentials.kind = \"access-token\": only targets of kind \"gcs-xml\" \
           take an access token; expected \"aws-web-identity\", \"aws-assume-role\", \"sts-assume-role\" or \"static\"",
        ],
    );
    check(
        &gcs(&KEYS.replace(" }", ", session_token = \"env:C\" }")),
        &[
            "tidegate.toml:28: targets.store.credentials.session_token: not a known key; \
           expected one of `access_key_id`, `kind`, `secret_access_key`",
        ],
    );
    check(
        &gcs(&format!("profile = \"aws\"\n{TOKEN}")),
        &[
            "tidegate.toml:28: targets.store.profile = \"aws\": targets of kind \"gcs-xml\" have one profile; \
           expected \"gcs\", or nothing",
        ],
    );
    check(
        &s3(&format!("profile = \"gcs\"\nproject = \"p\"\n{KEYS}")),
        &[
            "tidegate.toml:30: targets.store.profile = \"gcs\": a target of kind \"gcs-xml\" has it, and this one is \
           of kind \"s3\"; expected \"aws\", \"plain\" or \"auto\"",
            "tidegate.toml:31: targets.store.project: not a known key; expected one of `addressing`, `ca`, `canary`, \
           `connect_timeout`, `credentials`, `endpoint`, `exact_keys`, `kind`, `profile`, `region`, `response_timeout`",
        ],
    );
    check(
        &gcs(&format!("project = \"Acme Data\"\n{TOKEN}")),
        &[
            "tidegate.toml:28: targets.store.project = \"Acme Data\": not the id of a project; \
           expected the id or the number of a Google Cloud project, such as \"acme-data-1\"",
        ],
    );
}

// SUP-01, AUD-05
#[test]
fn an_access_token_is_a_reference_and_travels_with_tls() {
    let gcs = |line: &str| format!("kind = \"gcs-xml\"\n{line}");
    let secret = "expected \"env:NAME\" or \"file:PATH\", or a secret in a manager, such as \"vault://mount/path#field\"";
    check(
        &gcs("credentials = { kind = \"access-token\", token = \"ya29.hunter2\" }"),
        &[&format!(
            "tidegate.toml:28: targets.store.credentials.token: a secret does not belong in this file; {secret}"
        )],
    );
    check(
        &gcs("credentials = { kind = \"access-token\" }"),
        &[&format!(
            "tidegate.toml:28: targets.store.credentials.token: missing; {secret}"
        )],
    );
    check(
        &gcs(&format!("endpoint = \"http://gcs.test\"\n{TOKEN}")),
        &[
            "tidegate.toml:28: targets.store.endpoint = \"http://gcs.test\": an access token does not travel without \
           TLS; expected an `https` URL",
        ],
    );
    let local = gcs(&format!("endpoint = \"http://127.0.0.1:4443\"\n{TOKEN}"));
    assert_eq!(load_target(&local).unwrap().warnings, []);
}

#[test]
fn per_principal_takes_a_token_that_names_the_principal() {
    let lines = "kind = \"gcs-xml\"\n[targets.store.credentials]\nkind = \"google-workload-identity\"\n\
                 audience = \"//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q\"\n\
                 token_file = \"token\"\nattribution = \"per-principal\"";
    let errors = load_target(lines).unwrap_err().to_string();
    assert!(
        errors.contains("attribution = \"per-principal\": the token of a file is the same for everybody"),
        "{errors}"
    );
}
