use super::*;

const FILE: &str = r#"
default_profile = "lake"
ca = "/etc/acme/ca.pem"
tags = { team = "data" }

[profiles.lake]
endpoint = "https://S3.acme.example/"
duration = "8h"
tags = { audit = "CHG-1" }

[profiles.etl]
endpoint = "s3.acme.example:8443"
identity = "gcp-metadata"
store = "file"
login = "device"
"#;

fn resolve(file: &str, choice: &Choice, variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(home.path().join(".config/tidegate")).unwrap();
    std::fs::write(home.path().join(".config/tidegate/config.toml"), file).unwrap();
    let mut all = vec![("HOME", home.path().to_str().unwrap())];
    all.extend(variables);
    Settings::resolve(choice, &Environment::of(all))
}

fn of_profile(name: &str) -> Choice {
    Choice {
        profile: Some(name.into()),
        ..Choice::default()
    }
}

#[test]
fn a_profile_stands_over_what_holds_for_all() {
    let lake = resolve(FILE, &Choice::default(), &[]).unwrap();
    assert_eq!(lake.endpoint.as_deref(), Some("https://s3.acme.example"));
    assert_eq!(lake.duration, Some(Duration::from_secs(8 * 3600)));
    assert_eq!(lake.ca.as_deref(), Some("/etc/acme/ca.pem".as_ref()));
    assert_eq!(
        lake.tags,
        BTreeMap::from([("team".into(), "data".into()), ("audit".into(), "CHG-1".into())])
    );
    assert_eq!(lake.login_command(), "tidegate login --profile lake");
    let etl = resolve(FILE, &of_profile("etl"), &[]).unwrap();
    assert_eq!(etl.endpoint.as_deref(), Some("https://s3.acme.example:8443"));
    assert_eq!(
        (etl.identity, etl.store, etl.login),
        (
            IdentityKind::GcpMetadata,
            StoreChoice::File,
            Some(LoginWay::Device)
        )
    );
    assert_eq!(etl.tags.len(), 1);
}

#[test]
fn the_command_line_beats_the_environment_beats_the_file() {
    let variables = [
        ("TIDEGATE_ENDPOINT", "https://env.example"),
        ("TIDEGATE_TAGS", "audit=CHG-2,x=y"),
    ];
    let settings = resolve(FILE, &Choice::default(), &variables).unwrap();
    assert_eq!(settings.endpoint.as_deref(), Some("https://env.example"));
    assert_eq!(settings.tags.get("audit").map(String::as_str), Some("CHG-2"));
    let choice = Choice {
        endpoint: Some("https://flag.example".into()),
        tags: vec![("audit".into(), "CHG-3".into())],
        ..Choice::default()
    };
    let settings = resolve(FILE, &choice, &variables).unwrap();
    assert_eq!(settings.endpoint.as_deref(), Some("https://flag.example"));
    assert_eq!(settings.tags.get("audit").map(String::as_str), Some("CHG-3"));
}

#[test]
fn what_is_wrong_is_said_with_its_place_and_what_would_be_right() {
    let check = |file: &str, choice: &Choice, said: &str| {
        let error = resolve(file, choice, &[]).unwrap_err();
        assert!(error.to_string().contains(said), "{error} does not say {said}");
        assert!(!error.next().is_empty());
    };
    let none = Choice::default();
    check(
        "endpoint = \"https://a\"\nendpiont = 1\n",
        &none,
        "config.toml:2: unknown field `endpiont`",
    );
    check("[profiles.a]\nx = 1\n", &none, "config.toml:2: unknown field `x`");
    check("endpoint = ", &none, "config.toml:1: ");
    check(FILE, &of_profile("laek"), "there is no profile `laek`");
    check(FILE, &of_profile("laek"), "expected one of `etl`, `lake`");
    check(
        "identity = \"gcp\"",
        &none,
        "identity = `gcp`: not an identity; expected `login`, `gcp-metadata`",
    );
    check(
        "login = \"phone\"",
        &none,
        "expected `browser`, `device` or `no-browser`",
    );
    check(
        "store = \"vault\"",
        &none,
        "expected `auto`, `keychain` or `file`",
    );
    check("duration = \"8\"", &none, "duration = `8`");
    check("redirect = \"https://acme.example/cb\"", &none, "redirect = ");
}

#[test]
fn an_endpoint_is_a_host_behind_tls() {
    let check = |written: &str, parsed: Option<&str>| {
        assert_eq!(parse_endpoint(written).ok().as_deref(), parsed, "{written}");
    };
    check("https://s3.acme.example", Some("https://s3.acme.example"));
    check(
        "https://S3.Acme.Example:8443/",
        Some("https://s3.acme.example:8443"),
    );
    check("s3.acme.example", Some("https://s3.acme.example"));
    check("http://localhost:9000", Some("http://localhost:9000"));
    check("http://127.0.0.1:9000", Some("http://127.0.0.1:9000"));
    check("http://[::1]:9000", Some("http://[::1]:9000"));
    check("http://s3.acme.example", None);
    check("http://localhost.acme.example", None);
    check("https://s3.acme.example/lake", None);
    check("https://s3.acme.example?x", None);
    check("https://user@s3.acme.example", None);
    check("https://s3.acme.example#x", None);
    check("ftp://s3.acme.example", None);
    check("https://", None);
    check("", None);
    let error = parse_endpoint("https://ana:hunter2@s3.acme.example")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("s3.acme.example") && !error.contains("hunter2"),
        "{error}"
    );
}

#[test]
fn tags_have_a_name_and_a_value() {
    assert_eq!(
        parse_tag("audit=CHG-1042"),
        Ok(("audit".into(), "CHG-1042".into()))
    );
    assert_eq!(parse_tag("a=b=c"), Ok(("a".into(), "b=c".into())));
    assert_eq!(parse_tag("a="), Ok(("a".into(), String::new())));
    assert!(parse_tag("audit").is_err() && parse_tag("=x").is_err() && parse_tag("a=b\n").is_err());
}

#[test]
fn without_a_home_there_are_settings_but_no_folder() {
    let settings = Settings::resolve(&Choice::default(), &Environment::default()).unwrap();
    assert_eq!(
        (settings.folder, settings.file, settings.endpoint),
        (None, None, None)
    );
    let relative = Environment::of([("XDG_STATE_HOME", "state"), ("HOME", "/home/ana")]);
    let settings = Settings::resolve(&Choice::default(), &relative).unwrap();
    assert_eq!(
        settings.folder.as_deref(),
        Some("/home/ana/.local/state/tidegate".as_ref())
    );
}
