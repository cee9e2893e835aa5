//! What loads, and what is said about what does not.

use super::*;
use crate::authn::PrincipalKind;
use std::fmt::Write;

/// The file of the documentation, as it stands.
const SAMPLE: &str = include_str!("sample.toml");

fn load_text(text: &str) -> Result<Config, ConfigErrors> {
    resolve::resolve(Path::new("tidegate.toml"), text)
}

/// The sample with `from` replaced by `to`, both the start of a line or more.
fn edited(from: &str, to: &str) -> String {
    assert_eq!(SAMPLE.matches(from).count(), 1, "{from}");
    SAMPLE.replace(from, to)
}

/// What is said about the sample with `from` replaced by `to`.
#[track_caller]
fn check(from: &str, to: &str, expected: &[&str]) {
    let errors = load_text(&edited(from, to)).unwrap_err();
    assert_eq!(errors.to_string().lines().collect::<Vec<_>>(), expected, "{to}");
}

#[test]
fn the_sample_loads_as_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tidegate.toml");
    std::fs::write(&path, SAMPLE).unwrap();
    let config = load(&path).unwrap();
    let at = |relative: &str| folder.path().join(relative);
    assert_eq!(config.warnings, []);
    assert_eq!(
        config.server,
        Server {
            listen: "127.0.0.1:8443".parse().unwrap(),
            domains: vec!["localhost".into(), "s3.tidegate.test".into()],
            certificate: at("certs/server.pem"),
            key: at("certs/server.key"),
            max_connections: 10_000,
            max_connections_per_address: 1_000,
            handshake_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(120),
            stall_timeout: Duration::from_secs(60),
            drain_timeout: Duration::from_secs(60),
            longest_transfer: Duration::from_secs(12 * 3600),
        }
    );
    assert_eq!(config.admin.listen.to_string(), "127.0.0.1:9090");
    assert_eq!(
        config.sessions,
        Sessions {
            keys: at("secrets/session-keys.toml"),
            default_lifetime: Duration::from_secs(3600),
            maximum_lifetime: Duration::from_secs(12 * 3600),
            bound_to_token: true,
            revocations: at("policies/revocations.toml"),
            caller_tags: Vec::new(),
        }
    );
    assert_eq!(config.service_keys, None);
    assert_eq!(config.audit.file, at("audit/audit.jsonl"));
    let issuer = Issuer {
        name: "google".into(),
        issuer: "https://accounts.google.com".into(),
        aliases: Vec::new(),
        audiences: vec!["https://s3.tidegate.test".into()],
        kind: PrincipalKind::Workload,
        principal: "email".into(),
        groups: Some("groups".into()),
        require: Vec::new(),
        tags: Vec::new(),
        ca: Some(at("certs/idp-ca.pem")),
        jwks: None,
        max_token_lifetime: Duration::from_secs(24 * 3600),
        login: None,
    };
    assert_eq!(config.issuers, [Arc::new(issuer)]);
    let target = Target {
        name: "store".into(),
        endpoint: Endpoint {
            tls: true,
            host: "127.0.0.1".into(),
            port: 9000,
        },
        region: "us-east-1".into(),
        addressing: Addressing::Path,
        ca: Some(at("certs/store-ca.pem")),
        profile: Profile::Aws,
        finds_profile: false,
        exact_keys: false,
        canary: None,
        project: None,
        connect_timeout: Duration::from_secs(5),
        response_timeout: Duration::from_secs(60),
        credentials: CredentialSource::Static(StaticKeys {
            access_key_id: SecretRef::Env("STORE_ACCESS_KEY_ID".into()),
            secret_access_key: SecretRef::Env("STORE_SECRET_ACCESS_KEY".into()),
            session_token: None,
        }),
    };
    assert_eq!(*config.targets["store"], target);
    let bucket = &config.buckets["lake"];
    assert_eq!(bucket.name.as_str(), "lake");
    assert_eq!(*bucket.target, target);
    assert_eq!(bucket.target_bucket.as_str(), "acme-lake-prod");
    assert_eq!(bucket.policy, at("policies/lake.cedar"));
    assert_eq!(bucket.time_zone, TimeZone::UTC);
    assert_eq!(bucket.checksum, ChecksumRule::Verify);
}

#[test]
fn what_may_be_left_out_has_a_default() {
    let mut text = String::new();
    let optional = [
        "default_lifetime",
        "principal",
        "groups",
        "ca ",
        "addressing",
        "bucket =",
        "policy",
    ];
    for line in SAMPLE
        .lines()
        .filter(|line| !optional.iter().any(|key| line.starts_with(key)))
    {
        writeln!(text, "{line}").unwrap();
    }
    let config = load_text(&text).unwrap();
    assert_eq!(config.issuers[0].principal, "sub".into());
    assert_eq!(config.issuers[0].groups, None);
    assert_eq!(config.issuers[0].ca, None);
    assert_eq!(config.targets["store"].addressing, Addressing::Path);
    assert_eq!(config.buckets["lake"].target_bucket.as_str(), "lake");
    assert_eq!(config.buckets["lake"].policy, Path::new("policies/lake.cedar"));
    assert!(config.buckets["lake"].prefix.is_empty() && !config.buckets["lake"].resume_listed_uploads);
    assert_eq!(config.sessions.default_lifetime, Duration::from_secs(3600));
}

#[test]
fn every_optional_key_is_read() {
    let server = "domains = [\"localhost\", \"s3.tidegate.test\"]";
    let text = edited(
        server,
        &format!(
            "{server}\nmax_connections = 500\nhandshake_timeout = \"2s\"\nheader_timeout = \"3s\"\n\
             stall_timeout = \"4s\"\ndrain_timeout = \"1m30s\"\n"
        ),
    );
    let text = text
        .replace("[audit]", "maximum_lifetime = \"2h\"\nbound_to_token = false\n[audit]")
        .replace("kind      = \"workload\"", "max_token_lifetime = \"1h\"\nkind = \"user\"")
        .replace("addressing = \"path\"", "addressing = \"virtual-host\"\nprofile = \"auto\"\ncanary = \"acme-probe/a/b/\"\nconnect_timeout = \"1s\"\nresponse_timeout = \"5m\"")
        .replace(
            "[buckets.lake]",
            "[buckets.lake]\nchecksum = \"passthrough\"\ntime_zone = \"Europe/London\"\nprefix = \"teams/a/\"\n\
             resume_listed_uploads = true",
        );
    let config = load_text(&text).unwrap();
    assert_eq!(config.server.max_connections, 500);
    assert_eq!(config.server.max_connections_per_address, 500, "no more than all");
    assert_eq!(config.server.drain_timeout, Duration::from_secs(90));
    assert_eq!(config.sessions.maximum_lifetime, Duration::from_secs(7200));
    assert!(!config.sessions.bound_to_token);
    assert_eq!(config.issuers[0].kind, PrincipalKind::User);
    assert_eq!(config.issuers[0].max_token_lifetime, Duration::from_secs(3600));
    assert_eq!(config.targets["store"].addressing, Addressing::VirtualHost);
    assert_eq!(
        config.targets["store"].profile,
        Profile::Plain,
        "until it is found out"
    );
    assert!(config.targets["store"].finds_profile);
    let canary = Canary {
        bucket: BucketName::parse("acme-probe").unwrap(),
        prefix: "a/b".into(),
    };
    assert_eq!(config.targets["store"].canary, Some(canary));
    assert_eq!(config.buckets["lake"].checksum, ChecksumRule::Passthrough);
    assert_eq!(config.targets["store"].response_timeout, Duration::from_secs(300));
    assert_eq!(
        config.buckets["lake"].time_zone.iana_name(),
        Some("Europe/London")
    );
}

const STATIC: &str = "kind = \"static\"";
const KEYS: &str = "access_key_id = \"env:A\"\nsecret_access_key = \"file:secrets/b\"";

/// The sample with other credentials.
fn with_credentials(lines: &str) -> String {
    let start = SAMPLE.find(STATIC).unwrap();
    let end = SAMPLE.find("[buckets.lake]").unwrap();
    format!("{}{lines}\n{}", &SAMPLE[..start], &SAMPLE[end..])
}

#[test]
fn roles_have_a_regional_sts_and_an_hour() {
    let arn = "role_arn = \"arn:aws:iam::111122223333:role/tidegate\"";
    let config = load_text(&with_credentials(&format!(
        "kind = \"sts-assume-role\"\n{arn}\nexternal_id = \"x-1\"\n{KEYS}"
    )))
    .unwrap();
    let by_hand = AssumedRole {
        role_arn: "arn:aws:iam::111122223333:role/tidegate".into(),
        proof: RoleProof::Keys {
            keys: StaticKeys {
                access_key_id: SecretRef::Env("A".into()),
                secret_access_key: SecretRef::File("secrets/b".into()),
                session_token: None,
            },
            region: "us-east-1".into(),
            external_id: Some("x-1".into()),
        },
        sts_endpoint: Endpoint {
            tls: true,
            host: "sts.us-east-1.amazonaws.com".into(),
            port: 443,
        },
        sts_ca: None,
        duration: Duration::from_secs(3600),
        session_name: "tidegate".into(),
        attribution: Attribution::Shared,
        source_identity: false,
        session_tags: false,
        narrow: false,
    };
    let expected = CredentialSource::Role(by_hand.clone());
    assert_eq!(config.targets["store"].credentials, expected);

    let lines = format!(
        "kind = \"aws-web-identity\"\n{arn}\nsts_endpoint = \"http://127.0.0.1:9000\"\nsts_ca = \"ca.pem\"\n\
         duration = \"15m\"\nsession_name = \"tg\"\ntoken_file = \"/var/run/token\""
    );
    let config = load_text(&with_credentials(&lines)).unwrap();
    let expected = CredentialSource::Role(AssumedRole {
        proof: RoleProof::WebIdentity(IdentityToken::File("/var/run/token".into())),
        sts_endpoint: Endpoint {
            tls: false,
            host: "127.0.0.1".into(),
            port: 9000,
        },
        sts_ca: Some("ca.pem".into()),
        duration: Duration::from_secs(900),
        session_name: "tg".into(),
        ..by_hand
    });
    assert_eq!(config.targets["store"].credentials, expected);
    assert_eq!(config.warnings, [], "loopback may be plain");
}

const ENDPOINT: &str =
    "an `https` or `http` URL of scheme, host and port, such as \"https://127.0.0.1:9000\"";
const SERVER_KEYS: &str = "one of `domains`, `drain_timeout`, `handshake_timeout`, `header_timeout`, `listen`, \
                           `longest_transfer`, `max_connections`, `max_connections_per_address`, `stall_timeout`, `tls`";
const BUCKET: &str = "a bucket name: 3 to 63 of `a-z`, `0-9`, `.` and `-`";
const SECRET: &str =
    "\"env:NAME\" or \"file:PATH\", or a secret in a manager, such as \"vault://mount/path#field\"";

#[test]
fn mistakes_of_the_server_are_located() {
    let listen = "listen  = \"127.0.0.1:8443\"";
    let address = "expected \"ADDRESS:PORT\", such as \"127.0.0.1:8443\"";
    let line = format!("tidegate.toml:2: server.listen = \"abc\": not an address; {address}");
    check(listen, "listen = \"abc\"", &[&line]);
    let line = format!("tidegate.toml:2: server.listen = 8443: a whole number, not a string; {address}");
    check(listen, "listen = 8443", &[&line]);
    let missing = format!("tidegate.toml:1: server.listen: missing; {address}");
    check(listen, "", &[&missing]);
    let unknown = "tidegate.toml:2: server.lisen: not a known key (did you mean `listen`?)";
    check(
        listen,
        "lisen = \"127.0.0.1:8443\"",
        &[&missing, &format!("{unknown}; expected {SERVER_KEYS}")],
    );

    let hosts = "expected host names in lower case, such as \"s3.example.com\"";
    check(
        "[\"localhost\", \"s3.tidegate.test\"]",
        "[\"S3.test\", \"https://b.test\", \"c.test:8443\", 5, \"localhost\", \"localhost\"]",
        &[
            &format!("tidegate.toml:3: server.domains[0] = \"S3.test\": has upper-case letters; {hosts}"),
            &format!(
                "tidegate.toml:3: server.domains[1] = \"https://b.test\": a URL, not a host name; {hosts}"
            ),
            &format!(
                "tidegate.toml:3: server.domains[2] = \"c.test:8443\": has a port or is an IPv6 address; {hosts}"
            ),
            &format!("tidegate.toml:3: server.domains[3]: a whole number, not a string; {hosts}"),
            "tidegate.toml:3: server.domains[5] = \"localhost\": listed twice; expected each once",
        ],
    );
    let list = "expected a list of host names in lower case, such as \"s3.example.com\"";
    check(
        "[\"localhost\", \"s3.tidegate.test\"]",
        "[]",
        &[&format!("tidegate.toml:3: server.domains: empty; {list}")],
    );
    check(
        "[server.tls]",
        "max_connections = 0\nmax_connections_per_address = \"many\"\nstall_timeout = 60\n[server.tls]",
        &[
            "tidegate.toml:4: server.max_connections = 0: out of range; expected a whole number from 1 to 1000000",
            "tidegate.toml:5: server.max_connections_per_address = \"many\": a string, not a whole number; \
             expected a whole number from 1 to 1000000",
            "tidegate.toml:6: server.stall_timeout = 60: a whole number, not a string; \
             expected a duration from \"1s\" to \"1h\"",
        ],
    );
    check(
        "certificate = \"certs/server.pem\"",
        "certificate = \"\"",
        &[
            "tidegate.toml:5: server.tls.certificate = \"\": empty; expected a path, relative to the folder of this file",
        ],
    );
    check(
        "listen = \"127.0.0.1:9090\"",
        "listen = \"127.0.0.1:8443\"",
        &[
            "tidegate.toml:9: admin.listen = \"127.0.0.1:8443\": the address of the data listener; \
           expected an address of its own",
        ],
    );
}

#[test]
fn service_keys_are_switched_on_by_their_section() {
    let with = |section: &str| load_text(&SAMPLE.replace("[audit]", &format!("{section}\n[audit]"))).unwrap();
    let file = |config: &Config| config.service_keys.as_ref().map(|settings| settings.file.clone());
    let on = with("[service_keys]\nfile = \"keys/service.toml\"");
    assert_eq!(file(&on), Some("keys/service.toml".into()));
    let off = with("[service_keys]\nfile = \"service-keys.toml\"\nenabled = false");
    assert_eq!(file(&off), None);
    let named = with("revocations = \"elsewhere.toml\"");
    assert_eq!(named.sessions.revocations, PathBuf::from("elsewhere.toml"));
}

#[test]
fn mistakes_of_the_sections_are_located() {
    check(
        "[admin]",
        "[adnim]",
        &[
            "tidegate.toml: admin: missing; expected a table `[admin]`",
            "tidegate.toml:8: adnim: not a known key (did you mean `admin`?); expected one of `admin`, `audit`, \
             `buckets`, `issuer`, `issuers`, `limits`, `login`, `roles`, `secrets`, `server`, `service_keys`, `sessions`, `targets`",
        ],
    );
    check(
        "default_lifetime = \"1h\"",
        "default_lifetime = \"5m\"",
        &[
            "tidegate.toml:13: sessions.default_lifetime = \"5m\": too short; expected a duration from \"15m\" to \"12h\"",
        ],
    );
    check(
        "default_lifetime = \"1h\"",
        "default_lifetime = \"3h\"\nmaximum_lifetime = \"2h\"\nbound_to_token = \"yes\"",
        &[
            "tidegate.toml:13: sessions.default_lifetime = \"3h\": too long; expected a duration from \"15m\" to \"2h\"",
            "tidegate.toml:15: sessions.bound_to_token = \"yes\": a string, not a boolean; expected `true` or `false`",
        ],
    );
    check(
        "[audit]",
        "[service_keys]\nenabled = \"no\"\n[audit]",
        &[
            "tidegate.toml:14: service_keys.file: missing; expected a path, relative to the folder of this file",
            "tidegate.toml:15: service_keys.enabled = \"no\": a string, not a boolean; expected `true` or `false`",
        ],
    );
    check(
        "[server.tls]",
        "longest_transfer = \"0s\"\n[server.tls]",
        &[
            "tidegate.toml:4: server.longest_transfer = \"0s\": too short; expected a duration from \"1s\" to \"168h\"",
        ],
    );
    check(
        "[audit]\nfile = \"audit/audit.jsonl\"",
        "",
        &["tidegate.toml: audit: missing; expected a table `[audit]`"],
    );
    let errors = load_text("").unwrap_err();
    assert_eq!(errors.problems.len(), 5, "{errors}");
    assert_eq!(
        errors.warnings[0].to_string(),
        "tidegate.toml: buckets: there are no buckets: callers can do nothing but log in"
    );
}

#[test]
fn mistakes_of_issuers_are_located() {
    check(
        "name      = \"google\"",
        "name = \"Google Inc\"",
        &[
            "tidegate.toml:18: issuers[0].name = \"Google Inc\": has other characters than `a-z`, `0-9` and `-`; \
           expected 1 to 32 of `a-z`, `0-9` and `-`",
        ],
    );
    let url = "expected an `https` URL without query and fragment, exactly as in the `iss` of its tokens";
    for (written, shown, wrong) in [
        ("http://a.test", "http://a.test", "not an `https` URL"),
        ("https://a.test/#x", "https://a.test/#x", "has a fragment"),
        ("https://a.test/?key=hunter2", "https://a.test/?…", "has a query"),
        (
            "https://u:hunter2@a.test",
            "https://…@a.test",
            "has a user name or password",
        ),
        ("https://", "https://", "has no host"),
    ] {
        let line = format!("tidegate.toml:19: issuers[0].issuer = \"{shown}\": {wrong}; {url}");
        check(
            "\"https://accounts.google.com\"",
            &format!("\"{written}\""),
            &[&line],
        );
    }
    check(
        "kind      = \"workload\"",
        "kind = \"robot\"",
        &[
            "tidegate.toml:21: issuers[0].kind = \"robot\": not a kind of principal; expected \"workload\" or \"user\"",
        ],
    );
    check(
        "kind      = \"workload\"",
        "",
        &["tidegate.toml:17: issuers[0].kind: missing; expected \"workload\" or \"user\""],
    );
    check(
        "[[issuers]]",
        "[[issuers]]\nname = \"google\"\nissuer = \"https://accounts.google.com\"\naudiences = [\"https://s3.tidegate.test\"]\nkind = \"user\"\n[[issuers]]",
        &[
            "tidegate.toml:23: issuers[1].name = \"google\": already used in line 18; \
             expected a name of its own: it is the prefix of its principals",
            "tidegate.toml:24: issuers[1].issuer = \"https://accounts.google.com\": already used in line 19; \
             expected one table for each issuer, or tables that have no audience in common",
        ],
    );
    check(
        "[[issuers]]",
        "[issuers]",
        &[
            "tidegate.toml:17: issuers: a table, not a list of tables; expected at least one table `[[issuers]]`",
        ],
    );
}

#[test]
fn mistakes_of_targets_are_located() {
    check(
        "kind       = \"s3\"",
        "kind = \"gcs\"",
        &[
            "tidegate.toml:27: targets.store.kind = \"gcs\": not a kind of target; expected \"s3\" or \"gcs-xml\"",
        ],
    );
    for (written, shown, wrong) in [
        (
            "https://u:hunter2@store:9000",
            "https://…@store:9000",
            "has a user name or password",
        ),
        ("https://store/path", "https://store/path", "has a path"),
        (
            "ftp://store",
            "ftp://store",
            "its scheme is neither `https` nor `http`",
        ),
        ("store:9000", "store:9000", "not a URL"),
    ] {
        let line =
            format!("tidegate.toml:28: targets.store.endpoint = \"{shown}\": {wrong}; expected {ENDPOINT}");
        check("\"https://127.0.0.1:9000\"", &format!("\"{written}\""), &[&line]);
    }
    check(
        "addressing = \"path\"",
        "addressing = \"dns\"\nconnect_timeout = \"10m\"",
        &[
            "tidegate.toml:30: targets.store.addressing = \"dns\": not a way to address buckets; \
             expected \"path\" or \"virtual-host\"",
            "tidegate.toml:31: targets.store.connect_timeout = \"10m\": too long; \
             expected a duration from \"1s\" to \"5m\"",
        ],
    );
    check(
        "kind = \"static\"",
        "kind = \"iam\"",
        &[
            "tidegate.toml:33: targets.store.credentials.kind = \"iam\": not a kind of credentials; \
           expected \"aws-web-identity\", \"aws-assume-role\", \"sts-assume-role\" or \"static\"",
        ],
    );
    let errors = load_text(&with_credentials(
        "kind = \"aws-web-identity\"\nrole_arn = \"tidegate\"\nsts_endpoint = \"sts\"\n\
         duration = \"13h\"\nsession_name = \"x\"",
    ));
    let key = "targets.store.credentials";
    let expected = [
        format!(
            "tidegate.toml:32: {key}: there is no `[issuer]`, so Tidegate has no token of its own; \
             expected `token_file`, or a table `[issuer]`"
        ),
        format!(
            "tidegate.toml:34: {key}.role_arn = \"tidegate\": not an ARN; \
             expected a role, such as \"arn:aws:iam::123456789012:role/tidegate\""
        ),
        format!("tidegate.toml:35: {key}.sts_endpoint = \"sts\": not a URL; expected {ENDPOINT}"),
        format!(
            "tidegate.toml:36: {key}.duration = \"13h\": too long; expected a duration from \"15m\" to \"12h\""
        ),
        format!(
            "tidegate.toml:37: {key}.session_name = \"x\": not a session name; \
             expected 2 to 64 of letters, digits and `_+=,.@-`"
        ),
    ];
    assert_eq!(errors.unwrap_err().to_string(), expected.join("\n"));
}

#[test]
fn a_secret_in_the_file_is_refused_and_not_repeated() {
    // SUP-01, AUD-05
    let id = "\"env:STORE_ACCESS_KEY_ID\"";
    let key = "\"env:STORE_SECRET_ACCESS_KEY\"";
    let place = "targets.store.credentials";
    let literal = "a secret does not belong in this file";
    check(
        id,
        "\"hunter2\"",
        &[&format!(
            "tidegate.toml:34: {place}.access_key_id: {literal}; expected {SECRET}"
        )],
    );
    let expected = "not the name of an environment variable";
    let line = format!("tidegate.toml:34: {place}.access_key_id = \"env:…\": {expected}; expected {SECRET}");
    check(id, "\"env:hunter 2\"", &[&line]);
    let line =
        format!("tidegate.toml:34: {place}.access_key_id = \"file:…\": the path is empty; expected {SECRET}");
    check(id, "\"file:\"", &[&line]);
    check(
        key,
        "\"hunter2\"\nsecret = \"hunter2\"",
        &[
            &format!("tidegate.toml:35: {place}.secret_access_key: {literal}; expected {SECRET}"),
            &format!(
                "tidegate.toml:36: {place}.secret: not a known key; \
                 expected one of `access_key_id`, `kind`, `secret_access_key`, `session_token`"
            ),
        ],
    );
    check(
        key,
        "[\"hunter2\"]",
        &[&format!(
            "tidegate.toml:35: {place}.secret_access_key: a list, not a string; expected {SECRET}"
        )],
    );
    check(
        key,
        "hunter2",
        &["tidegate.toml:35: not valid TOML: string values must be quoted, expected literal string"],
    );
    check(
        key,
        "\"hunter2",
        &["tidegate.toml:35: not valid TOML: invalid basic string, expected `\"`"],
    );
    check(
        key,
        "\"env:A\"\nsecret_access_key = \"hunter2\"",
        &["tidegate.toml:36: not valid TOML: duplicate key"],
    );
}

#[test]
fn mistakes_of_buckets_are_located() {
    check(
        "[buckets.lake]",
        "[buckets.\"La ke\"]",
        &[&format!(
            "tidegate.toml:37: buckets.\"La ke\": a bucket name has lower-case letters, digits, `.` and `-` only, \
             and starts and ends with a letter or digit; expected {BUCKET}"
        )],
    );
    check(
        "bucket = \"acme-lake-prod\"",
        "bucket = \"x\"",
        &[&format!(
            "tidegate.toml:39: buckets.lake.bucket = \"x\": a bucket name has 3 to 63 characters, not 1; expected {BUCKET}"
        )],
    );
    check(
        "target = \"store\"",
        "target = \"stoer\"",
        &[
            "tidegate.toml:38: buckets.lake.target = \"stoer\": there is no such target; expected one of \"store\"",
        ],
    );
    check(
        "target = \"store\"",
        "time_zone = \"Mars/Olympus\"",
        &[
            "tidegate.toml:37: buckets.lake.target: missing; expected one of \"store\"",
            "tidegate.toml:38: buckets.lake.time_zone = \"Mars/Olympus\": not a time zone; \
             expected an IANA name, such as \"Europe/London\"",
        ],
    );
    for (prefix, why) in [
        ("", "empty; leave the key out for a whole bucket"),
        ("team-a", "does not end with `/`"),
        (
            "/team-a/",
            "has an empty folder name: a `/` at the beginning, or two in a row",
        ),
        (
            "a/../b/",
            "has a `.` or `..` folder, which stores and intermediaries may collapse",
        ),
    ] {
        check(
            "policy =",
            &format!("prefix = \"{prefix}\"\npolicy ="),
            &[&format!(
                "tidegate.toml:40: buckets.lake.prefix = \"{prefix}\": {why}; expected a folder of the target bucket, such as \
                 \"teams/a/\": it ends with `/` and does not begin with one, and has 512 bytes at most"
            )],
        );
    }
    check(
        "create = false",
        "prefix = \"a/\"\ncreate = true",
        &[
            "tidegate.toml:42: buckets.lake.create = true: a folder of a bucket cannot be made or deleted as a bucket; \
             expected `false`, or no `prefix`",
        ],
    );
    // CLS-09
    for name in ["sts", "metrics", "batch", "storage", "tidegate"] {
        let errors = load_text(&edited("[buckets.lake]", &format!("[buckets.{name}]"))).unwrap_err();
        let line =
            format!("tidegate.toml:37: buckets.{name}: this name is reserved; expected none of admin, api, ");
        assert!(errors.to_string().starts_with(&line), "{errors}");
    }
    check(
        "domains = [\"localhost\", \"s3.tidegate.test\"]",
        "domains = [\"tidegate.test\", \"lake.tidegate.test\"]",
        &[
            "tidegate.toml:37: buckets.lake: `lake.tidegate.test` is a domain of the server; \
           expected another name, or other domains",
        ],
    );
}

#[test]
fn what_is_valid_but_hardly_meant_is_a_warning() {
    fn warn(from: &str, to: &str, expected: &str) {
        let config = load_text(&edited(from, to)).unwrap();
        let warnings: Vec<String> = config.warnings.iter().map(ToString::to_string).collect();
        assert_eq!(warnings, [expected]);
    }
    warn(
        "listen = \"127.0.0.1:9090\"",
        "listen = \"0.0.0.0:9090\"",
        "tidegate.toml:9: admin.listen = \"0.0.0.0:9090\": health and metrics can be read by everybody who reaches this address",
    );
    warn(
        "\"https://127.0.0.1:9000\"",
        "\"http://store:9000\"",
        "tidegate.toml:28: targets.store.endpoint = \"http://store:9000\": without TLS, data and session tokens can be read and changed on the way",
    );
    warn(
        "[buckets.lake]",
        "[buckets.lake2]\ntarget = \"store\"\nbucket = \"acme-lake-prod\"\n[buckets.lake]",
        "tidegate.toml:37: buckets.lake2: the same bucket of the same target as `lake`: two policies decide about its objects",
    );
    let folder = |name: &str, prefix: &str| {
        format!("[buckets.{name}]\ntarget = \"store\"\nbucket = \"acme-lake-prod\"\nprefix = \"{prefix}\"\n")
    };
    warn(
        "[buckets.lake]",
        &format!("{}[buckets.lake]", folder("lake2", "a/")),
        "tidegate.toml:37: buckets.lake2: `lake` is the whole of the same bucket of the same target, and this one \
         folder `a/`: two policies decide about the objects that both hold",
    );
    let nested = format!(
        "{}{}[buckets.lake]\nprefix = \"ab/\"",
        folder("lake2", "a/b/"),
        folder("lake3", "a/")
    );
    warn(
        "[buckets.lake]",
        &nested,
        "tidegate.toml:41: buckets.lake3: `lake2` is folder `a/b/` of the same bucket of the same target, and this one \
         folder `a/`: two policies decide about the objects that both hold",
    );
}

#[test]
fn a_file_that_cannot_be_read_is_one_problem() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tidegate.toml");
    let said = |path: &Path| load(path).unwrap_err().to_string();
    let start = format!("{}: cannot be read: No such file", path.display());
    assert!(said(&path).starts_with(&start), "{}", said(&path));
    std::fs::write(&path, b"\xff").unwrap();
    let expected = format!(
        "{}: not UTF-8; expected a TOML file that can be read",
        path.display()
    );
    assert_eq!(said(&path), expected);
    std::fs::write(&path, vec![b'#'; 5 << 20]).unwrap();
    assert!(said(&path).contains("larger than 4194304 bytes"));
}

#[test]
fn no_text_makes_loading_panic() {
    // Every prefix of the sample, and the sample with every byte removed or replaced.
    for end in 0..SAMPLE.len() {
        let _ = load_text(&SAMPLE[..end]);
        let _ = load_text(&format!("{}{}", &SAMPLE[..end], &SAMPLE[end + 1..]));
        let _ = load_text(&format!("{}[{}", &SAMPLE[..end], &SAMPLE[end + 1..]));
    }
}
