//! The command line as callers see it: what is understood, what is printed, how it ends.

use super::*;
use clap::{CommandFactory, Parser, error::ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

fn parse(line: &str) -> Result<Command, clap::Error> {
    Cli::try_parse_from(line.split(' ')).map(|cli| cli.command)
}

#[test]
fn the_commands_are_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn the_commands_of_the_documentation_are_understood() {
    let config = |line| match parse(line).unwrap() {
        Command::Serve(serve::Args { config, .. }) | Command::Check(check::Args { config, .. }) => config,
        other => panic!("{other:?}"),
    };
    assert_eq!(config("tidegate serve --config a.toml"), Path::new("a.toml"));
    assert_eq!(config("tidegate check --config a.toml"), Path::new("a.toml"));
    assert_eq!(
        config("tidegate check -c a.toml --deny-warnings"),
        Path::new("a.toml")
    );
    assert_eq!(config("tidegate serve"), Path::new("tidegate.toml"));

    let keys = |line| match parse(line).unwrap() {
        Command::Keys(keys::Args { command }) => command,
        other => panic!("{other:?}"),
    };
    assert!(matches!(keys("tidegate keys new k"), keys::Command::New { file } if file == Path::new("k")));
    let after = |line| match keys(line) {
        keys::Command::Rotate { seals_after, .. } => seals_after,
        keys::Command::Drop { .. } => panic!("{line}"),
        keys::Command::New { .. } => panic!("{line}"),
    };
    assert_eq!(after("tidegate keys rotate k"), Duration::from_secs(600));
    assert_eq!(after("tidegate keys rotate k --seals-after 0s"), Duration::ZERO);
    assert!(matches!(
        parse("tidegate policy schema").unwrap(),
        Command::Policy(_)
    ));
}

#[cfg(feature = "dev")]
#[test]
fn the_quickstart_takes_its_folder_before_or_after_the_command() {
    let dev = |line| match parse(line).unwrap() {
        Command::Dev(args) => args,
        other => panic!("{other:?}"),
    };
    assert_eq!(dev("tidegate dev").dir, Path::new("tidegate-dev"));
    assert!(dev("tidegate dev").command.is_none());
    for line in ["tidegate dev --dir d token etl", "tidegate dev token etl --dir d"] {
        let args = dev(line);
        assert_eq!(args.dir, Path::new("d"));
        assert!(matches!(args.command, Some(dev::Command::Token { name }) if name == "etl"));
    }
}

#[test]
fn what_is_not_understood_exits_with_2() {
    for line in [
        "tidegate",
        "tidegate sevre",
        "tidegate serve a.toml",
        "tidegate check --config",
        "tidegate check --json",
        "tidegate check --token t --targets",
        "tidegate keys",
        "tidegate keys new",
        "tidegate keys rotate k --seals-after soon",
        "tidegate keys rotate k --seals-after 25h",
        "tidegate issuer",
        "tidegate issuer rotate k --signs-after 31d",
        "tidegate issuer jwks k --config a.toml",
        "tidegate doctor --prefix tmp",
        "tidegate doctor --target store",
        "tidegate doctor --config a.toml --profile lake",
        "tidegate policy",
        "tidegate service-keys",
        "tidegate service-keys create --principal backup:veeam",
        "tidegate service-keys create --principal backup:veeam --bucket B",
        "tidegate service-keys create --principal backup:veeam --bucket backups --days 91",
        "tidegate service-keys create --principal backup:veeam --bucket backups --days 0",
        "tidegate service-keys create --principal backup:veeam --bucket backups --source-address 10.1.2.3/8",
        "tidegate service-keys rotate TGSK2F5XQ3B7JWPCZKDA --overlap 31d",
        "tidegate sessions revoke --principal idp:ana --reason x --undo",
        "tidegate keys drop k",
    ] {
        assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
    }
}

#[test]
fn every_command_has_help_with_an_example() {
    let mut commands = vec![Cli::command()];
    while let Some(mut command) = commands.pop() {
        let help = command.render_long_help().to_string();
        assert!(help.contains("Example") && help.contains("  tidegate "), "{help}");
        commands.extend(
            command
                .get_subcommands()
                .filter(|sub| sub.get_name() != "help")
                .cloned(),
        );
    }
    for line in ["tidegate --help", "tidegate keys rotate --help"] {
        let help = parse(line).unwrap_err();
        assert_eq!((help.kind(), help.exit_code()), (ErrorKind::DisplayHelp, 0));
    }
    assert_eq!(parse("tidegate --version").unwrap_err().exit_code(), 0);
}

/// A folder with everything that the sample configuration names.
struct Site(tempfile::TempDir);

impl Site {
    fn new() -> Self {
        let site = Self(tempfile::tempdir().unwrap());
        for folder in ["certs", "secrets", "policies"] {
            std::fs::create_dir(site.0.path().join(folder)).unwrap();
        }
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(["localhost".to_owned()])
            .unwrap()
            .self_signed(&key)
            .unwrap();
        for file in ["certs/server.pem", "certs/idp-ca.pem", "certs/store-ca.pem"] {
            site.write(file, &certificate.pem());
        }
        site.write("certs/server.key", &key.serialize_pem());
        // What has no place here is checked where it belongs: without the variables of the sample.
        let sample = include_str!("../config/sample.toml");
        site.write("tidegate.toml", &sample.replace("env:", "file:secrets/"));
        site.write("secrets/STORE_ACCESS_KEY_ID", "id\n");
        site.write("secrets/STORE_SECRET_ACCESS_KEY", "secret\n");
        site
    }

    fn write(&self, file: &str, text: &str) {
        std::fs::write(self.0.path().join(file), text).unwrap();
    }

    fn config(&self) -> PathBuf {
        self.0.path().join("tidegate.toml")
    }

    /// The lines that the checks of this room add, without the folder.
    fn lines(&self, only: fn(&crate::config::Config) -> Vec<Finding>) -> Vec<String> {
        let config = crate::config::load(&self.config()).unwrap();
        let folder = format!("{}/", self.0.path().display());
        only(&config)
            .iter()
            .map(|finding| finding.to_string().replace(&folder, ""))
            .collect()
    }
}

#[test]
fn a_broken_configuration_is_printed_line_by_line() {
    let site = Site::new();
    site.write("tidegate.toml", "[server]\nlisten = \"abc\"\n");
    let mut out = Vec::new();
    let args = check::Args {
        config: site.config(),
        deny_warnings: false,
        targets: false,
        token: None,
        json: false,
    };
    assert!(!check::run(&args, &mut out).unwrap());
    let out = String::from_utf8(out)
        .unwrap()
        .replace(&format!("{}/", site.0.path().display()), "");
    let lines: Vec<_> = out.lines().collect();
    assert!(lines.contains(
        &"error: tidegate.toml:2: server.listen = \"abc\": not an address; expected \"ADDRESS:PORT\", such as \"127.0.0.1:8443\""
    ));
    assert!(lines.contains(&"error: tidegate.toml: admin: missing; expected a table `[admin]`"));
    assert_eq!(
        lines.last(),
        Some(
            &"tidegate.toml: 7 errors, 1 warning; certificates, keys and policies are checked once these are gone"
        )
    );
}

#[test]
fn key_sets_must_be_usable() {
    let site = Site::new();
    assert_eq!(site.lines(wiring::issuers), [""; 0]);
    let text = std::fs::read_to_string(site.config()).unwrap();
    site.write(
        "tidegate.toml",
        &text.replacen("[[issuers]]", "[[issuers]]\njwks = \"jwks.json\"", 1),
    );
    assert_eq!(
        site.lines(wiring::issuers),
        [
            "error: issuers: the `jwks` of issuer `google` cannot be used: `jwks.json`: No such file or directory (os error 2)"
        ]
    );
    site.write("jwks.json", "{}");
    assert!(site.lines(wiring::issuers)[0].contains("the key set has no array `keys`"));
}

/// What is printed about a token, and whether it is accepted.
fn examined(site: &Site, token: &str, json: bool) -> (bool, String) {
    site.write("token", token);
    let mut out = Vec::new();
    let args = check::Args {
        config: site.config(),
        deny_warnings: false,
        targets: false,
        token: Some(site.0.path().join("token")),
        json,
    };
    let accepted = check::run(&args, &mut out).unwrap();
    (accepted, String::from_utf8(out).unwrap())
}

#[test]
fn a_token_that_is_none_fails_its_first_check() {
    let site = Site::new();
    let (accepted, out) = examined(&site, "gibberish\n", false);
    assert!(!accepted);
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(
        lines[0],
        "FAIL  form       the token is malformed: not three segments"
    );
    assert_eq!(
        lines[1],
        "skip  issuer     not looked at before the checks above are passed"
    );
    assert_eq!(lines.last(), Some(&"refused"));
    let (accepted, out) = examined(&site, "gibberish", true);
    let document: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert!(!accepted);
    assert_eq!(document["accepted"], false);
    assert_eq!(document["checks"][0]["outcome"], "failed");
    assert_eq!(document["principal"], serde_json::Value::Null);
    site.write("tidegate.toml", "[server]");
    let (accepted, out) = examined(&site, "gibberish", false);
    assert!(!accepted && out.starts_with("error: "), "{out}");
}

#[test]
fn authorities_must_be_certificates() {
    let site = Site::new();
    assert_eq!(site.lines(check::authorities), [""; 0]);
    site.write("certs/idp-ca.pem", "not PEM");
    std::fs::remove_file(site.0.path().join("certs/store-ca.pem")).unwrap();
    assert_eq!(
        site.lines(check::authorities),
        [
            "error: certs/idp-ca.pem: there is no certificate in it; expected one or more CA certificates, PEM",
            "error: certs/store-ca.pem: cannot be read: No such file or directory (os error 2); \
             expected one or more CA certificates, PEM",
        ]
    );
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    site.write("certs/idp-ca.pem", broken);
    assert!(site.lines(check::authorities)[0].contains("certificate 1 cannot be used"));
}

#[test]
fn secrets_must_be_there_and_are_not_printed() {
    let site = Site::new();
    assert_eq!(site.lines(check::secrets), [""; 0]);
    site.write("secrets/STORE_ACCESS_KEY_ID", " \n");
    std::fs::remove_file(site.0.path().join("secrets/STORE_SECRET_ACCESS_KEY")).unwrap();
    assert_eq!(
        site.lines(check::secrets),
        [
            "error: targets.store.credentials.access_key_id: `file:secrets/STORE_ACCESS_KEY_ID` is empty",
            "error: targets.store.credentials.secret_access_key: cannot read `secrets/STORE_SECRET_ACCESS_KEY`: \
             No such file or directory (os error 2)",
        ]
    );
    let sample = include_str!("../config/sample.toml");
    site.write(
        "tidegate.toml",
        &sample.replace("env:", "env:TIDEGATE_TEST_UNSET_"),
    );
    assert_eq!(
        site.lines(check::secrets)[0],
        "warning: targets.store.credentials.access_key_id: environment variable \
         `TIDEGATE_TEST_UNSET_STORE_ACCESS_KEY_ID` is not set; expected it in the environment of the service"
    );
}

#[test]
fn an_audit_file_that_is_a_folder_is_found_and_a_missing_one_is_not_made() {
    let site = Site::new();
    assert_eq!(site.lines(check::audit), [""; 0]);
    assert!(!site.0.path().join("audit").exists());
    std::fs::create_dir_all(site.0.path().join("audit/audit.jsonl")).unwrap();
    assert_eq!(
        site.lines(check::audit),
        [
            "error: audit/audit.jsonl: cannot be appended to: Is a directory (os error 21); \
          expected a file, or a path where one can be made"
        ]
    );
}

#[test]
fn the_server_certificate_and_its_key_are_checked() {
    let site = Site::new();
    assert_eq!(site.lines(wiring::certificate), [""; 0]);
    site.write("certs/server.pem", "");
    site.write("certs/server.key", "");
    let lines = site.lines(wiring::certificate);
    assert!(
        !lines.is_empty() && lines[0].contains("certs/server.pem"),
        "{lines:?}"
    );
}

#[test]
fn a_missing_key_ring_is_an_error_that_says_how_to_make_one() {
    let lines = Site::new().lines(wiring::key_ring);
    assert_eq!(lines.len(), 1);
    assert!(
        lines[0].starts_with("error: ") && lines[0].contains("`tidegate keys new`"),
        "{lines:?}"
    );
}

#[test]
fn a_missing_policy_is_a_warning_that_says_what_follows() {
    let lines = Site::new().lines(wiring::policies);
    assert_eq!(lines.len(), 1);
    let start = "warning: policies/lake.cedar: does not exist: everything in bucket `lake` is denied";
    assert!(lines[0].starts_with(start), "{lines:?}");
}

#[test]
fn causes_are_told_on_one_line() {
    #[derive(Debug, thiserror::Error)]
    #[error("cannot read `x`")]
    struct Outer(#[source] io::Error);
    assert_eq!(
        describe(&Outer(io::Error::other("gone"))),
        "cannot read `x`: gone"
    );
}
