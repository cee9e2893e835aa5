//! `[issuer]`, and the kinds of credentials of targets.

use super::*;

const ISSUER: &str = "\n[issuer]\nurl = \"https://s3.tidegate.test\"\nkeys = \"issuer-keys.toml\"\n";
const ARN: &str = "role_arn = \"arn:aws:iam::111122223333:role/tidegate\"";
const PROVIDER: &str = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/t";

/// The configuration with this kind of target, these credentials and this at its end.
fn resolved(kind: &str, credentials: &str, end: &str) -> Result<Config, String> {
    let place = match kind {
        "s3" => "endpoint = \"https://store.test\"\nregion = \"eu-west-1\"\n",
        _ => "",
    };
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\ndomains = [\"s3.tidegate.test\"]\n\
         tls = {{ certificate = \"c.pem\", key = \"k.pem\" }}\n\
         [admin]\nlisten = \"127.0.0.1:0\"\n[sessions]\nkeys = \"keys.toml\"\n[audit]\nfile = \"audit.jsonl\"\n\
         [[issuers]]\nname = \"idp\"\nissuer = \"https://idp.test\"\naudiences = [\"a\"]\nkind = \"workload\"\n\
         [targets.store]\nkind = \"{kind}\"\n{place}[targets.store.credentials]\n{credentials}\n\
         [buckets.lake]\ntarget = \"store\"\n{end}"
    );
    resolve_text(Path::new("tidegate.toml"), &text).map_err(|errors| errors.to_string())
}

fn source(kind: &str, credentials: &str) -> CredentialSource {
    let config = resolved(kind, credentials, ISSUER).unwrap();
    config.targets["store"].credentials.clone()
}

fn refused(kind: &str, credentials: &str, end: &str, expected: &str) {
    let errors = resolved(kind, credentials, end).unwrap_err();
    assert!(errors.contains(expected), "{errors}");
    assert_eq!(errors.lines().count(), 1, "{errors}");
}

#[test]
fn a_role_is_assumed_with_a_token_of_our_own_unless_there_is_a_file() {
    let check = |lines: &str, expected: IdentityToken| {
        let source = source("s3", &format!("kind = \"aws-web-identity\"\n{ARN}\n{lines}"));
        assert_eq!(source.identity_token(), Some(&expected));
        assert_eq!(source.kind(), "aws-web-identity");
    };
    let own = |audience: &str| IdentityToken::Own {
        audience: audience.into(),
    };
    check("", own("sts.amazonaws.com"));
    check("audience = \"minio\"", own("minio"));
    check("token_file = \"/t\"", IdentityToken::File("/t".into()));
    refused(
        "s3",
        &format!("kind = \"aws-web-identity\"\n{ARN}"),
        "",
        "there is no `[issuer]`, so Tidegate has no token of its own",
    );
    refused(
        "s3",
        &format!("kind = \"aws-web-identity\"\n{ARN}\ntoken_file = \"/t\"\nsource_identity = true"),
        ISSUER,
        "source_identity: not a known key",
    );
}

#[test]
fn whoever_attributes_names_the_principal_unless_told_otherwise() {
    let check = |lines: &str, expected: (Attribution, bool, bool)| {
        let source = source("s3", &format!("kind = \"aws-assume-role\"\n{ARN}\n{lines}"));
        let CredentialSource::Role(role) = source else {
            panic!()
        };
        assert_eq!(
            (role.attribution, role.source_identity, role.session_tags),
            expected
        );
        assert_eq!(&*role.sts_endpoint.host, "sts.eu-west-1.amazonaws.com");
    };
    let per_principal = "attribution = \"per-principal\"";
    check("", (Attribution::Shared, false, false));
    check(per_principal, (Attribution::PerPrincipal, true, true));
    let less = format!("{per_principal}\nsession_tags = false");
    check(&less, (Attribution::PerPrincipal, true, false));
    refused(
        "s3",
        &format!("kind = \"aws-assume-role\"\n{ARN}\nsession_tags = true"),
        "",
        "session_tags: a shared session is in nobody's name",
    );
}

#[test]
fn google_is_where_it_is_unless_told_otherwise() {
    let lines = format!("kind = \"google-workload-identity\"\naudience = \"{PROVIDER}\"");
    let CredentialSource::WorkloadIdentity(google) = source("gcs-xml", &lines) else {
        panic!()
    };
    assert_eq!(&*google.sts_endpoint.authority(), "sts.googleapis.com");
    assert_eq!(&*google.iam_endpoint.authority(), "iamcredentials.googleapis.com");
    let expected = format!("https:{PROVIDER}");
    assert_eq!(
        google.token,
        IdentityToken::Own {
            audience: expected.into()
        }
    );
    let universe = format!("{lines}\nuniverse_domain = \"example-universe.test\"");
    let CredentialSource::WorkloadIdentity(google) = source("gcs-xml", &universe) else {
        panic!()
    };
    assert_eq!(&*google.sts_endpoint.authority(), "sts.example-universe.test");
    let CredentialSource::Metadata(metadata) = source("gcs-xml", "kind = \"google-metadata\"") else {
        panic!()
    };
    assert_eq!(&*metadata.endpoint.authority(), "metadata.google.internal");
    refused(
        "gcs-xml",
        "kind = \"google-workload-identity\"\naudience = \"tidegate\"",
        ISSUER,
        "not the full name of a provider",
    );
    refused(
        "s3",
        "kind = \"google-metadata\"",
        "",
        "only targets of kind \"gcs-xml\" take an access token",
    );
    let file = "kind = \"google-service-account-file\"\nfile = \"sa.json\"";
    let warned = resolved("gcs-xml", file, "").unwrap().warnings;
    assert!(warned[0].to_string().contains("until somebody deletes its key"));
}

#[test]
fn what_clouds_would_not_take_is_no_issuer() {
    let kind = "kind = \"static\"\naccess_key_id = \"env:A\"\nsecret_access_key = \"env:B\"";
    let of = |url: &str| format!("\n[issuer]\nurl = \"{url}\"\nkeys = \"k.toml\"\n");
    let check = |url: &str, expected: &str| refused("s3", kind, &of(url), expected);
    check("http://s3.tidegate.test", "not `https`");
    check("https://s3.tidegate.test/", "ends with a slash");
    check("https://S3.tidegate.test", "has upper-case letters");
    check(
        "https://s3.tidegate.test/t",
        "has a path, and its host is one that Tidegate serves",
    );
    check("https://other.test/a/../b", "has other characters in its path");
    check("https://other.test/a?b=c", "has other characters in its path");
    let found = |url: &str| {
        let config = resolved("s3", kind, &of(url)).unwrap();
        (config.issuer.unwrap().serves, config.warnings.len())
    };
    assert_eq!(found("https://s3.tidegate.test"), (true, 0));
    assert_eq!(
        found("https://s3.tidegate.test:8443"),
        (true, 1),
        "AWS takes no port"
    );
    assert_eq!(
        found("https://acme-oidc.test/tidegate"),
        (false, 1),
        "it is published elsewhere"
    );
}

const NARROW: &str =
    "kind = \"aws-web-identity\"\nrole_arn = \"arn:aws:iam::111122223333:role/tidegate\"\nnarrow = true";

// CRD-05
#[test]
fn folders_whose_policy_would_be_too_long_or_a_pattern_are_found_at_load() {
    let folder =
        |name: &str, prefix: &str| format!("[buckets.{name}]\ntarget = \"store\"\nprefix = \"{prefix}\"\n");
    let long = format!("{}/", "x".repeat(500));
    assert!(resolved("s3", NARROW, &format!("{}{ISSUER}", folder("one", &long))).is_ok());
    let two = format!("{}{}{ISSUER}", folder("one", &long), folder("two", &long));
    refused(
        "s3",
        NARROW,
        &two,
        "buckets.two: a copy between it and `one` cannot be narrowed: the session policy would have",
    );
    let longer = format!("{}/", "*".repeat(511));
    refused(
        "s3",
        NARROW,
        &format!("{}{ISSUER}", folder("one", &longer)),
        "of which 2048 are allowed",
    );
    let star = format!("{}{ISSUER}", folder("one", "a*/"));
    assert!(
        resolved("s3", NARROW, &star).is_ok(),
        "Amazon has an escape for it"
    );
    let keys = "kind = \"sts-assume-role\"\nrole_arn = \"arn:minio:iam:::role/r\"\naccess_key_id = \"env:A\"\n\
                secret_access_key = \"env:B\"\nsts_endpoint = \"https://minio.test\"\nnarrow = true";
    refused(
        "s3",
        keys,
        &star,
        "`*` in a folder's name is a pattern in a session policy",
    );
    let wide = NARROW.replace("true", "false");
    assert!(resolved("s3", &wide, &two).is_ok(), "nobody asked for it");
}

#[test]
fn a_role_for_a_role_that_lasts_long_is_warned_about() {
    let warnings = |duration: &str| {
        let lines = format!("kind = \"aws-assume-role\"\n{ARN}\nduration = \"{duration}\"");
        resolved("s3", &lines, "")
            .unwrap()
            .warnings
            .iter()
            .map(ToString::to_string)
            .collect::<String>()
    };
    assert!(!warnings("1h").contains("an hour at most"));
    assert!(warnings("2h").contains("a role that it assumes lasts an hour at most"));
}

// CRD-09
#[test]
fn no_other_token_service_gets_what_amazon_takes() {
    let at = |host: &str, lines: &str| {
        format!("kind = \"aws-web-identity\"\n{ARN}\nsts_endpoint = \"https://{host}\"\n{lines}")
    };
    refused(
        "s3",
        &at("minio.test:9000", ""),
        ISSUER,
        "audience: missing; expected a name of this token service's own",
    );
    let warnings = |host: &str, lines: &str| {
        let config = resolved("s3", &at(host, lines), ISSUER).unwrap();
        config
            .warnings
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        warnings("minio.test:9000", "audience = \"minio\""),
        Vec::<String>::new()
    );
    assert_eq!(warnings("sts.eu-west-1.amazonaws.com", ""), Vec::<String>::new());
    assert_eq!(warnings("localhost:9000", ""), Vec::<String>::new());
    let explicit = warnings("minio.test:9000", "audience = \"sts.amazonaws.com\"");
    assert!(
        explicit[0].contains("can assume roles of AWS with such a token"),
        "{explicit:?}"
    );
}

#[test]
fn only_a_role_is_assumed_at_amazon() {
    let of = |arn: &str| format!("kind = \"aws-web-identity\"\nrole_arn = \"{arn}\"");
    refused(
        "s3",
        &of("arn:aws:iam::111122223333:user/x"),
        ISSUER,
        "not the ARN of a role",
    );
    for arn in [
        "arn:aws-cn:iam::111122223333:role/a/b",
        "arn:minio:iam:::role/dummy",
        "arn:aws:iam:::role/Ceph",
    ] {
        assert!(resolved("s3", &of(arn), ISSUER).is_ok(), "{arn}");
    }
}

// CRD-05
#[test]
fn patterns_in_folders_are_said_only_where_they_can_be() {
    let at = |host: &str| {
        format!(
            "kind = \"aws-web-identity\"\n{ARN}\nnarrow = true\nsts_endpoint = \"https://{host}\"\naudience = \"a\""
        )
    };
    let folder = format!("prefix = \"a*/\"{ISSUER}");
    assert!(resolved("s3", &at("sts.eu-west-1.amazonaws.com"), &folder).is_ok());
    refused(
        "s3",
        &at("minio.test"),
        &folder,
        "is a pattern in a session policy",
    );
}
