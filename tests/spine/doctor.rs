//! `tidegate doctor` on a server: one fault at a time, and who is told what.

use crate::support::fake_target::{FakeTarget, Step, answer};
use crate::support::world::{ISSUER_KEYS, STORE_SECRET};
use crate::support::{Settings, World, becomes, binary, now};
use jiff::SignedDuration;
use serde_json::Value;
use std::process::{Command, Output};
use tidegate::issuer::SigningKeys;

/// Runs it with these words, in the environment of the service.
async fn doctor(world: &World, words: &[&str]) -> Output {
    doctor_with(world, "tidegate.toml", words).await
}

async fn doctor_with(world: &World, config: &str, words: &[&str]) -> Output {
    let mut command = Command::new(binary());
    command
        .args(["doctor", "--config"])
        .arg(world.path(config))
        .args(words)
        .env("STORE_ACCESS_KEY_ID", "STOREKEY")
        .env("STORE_SECRET_ACCESS_KEY", STORE_SECRET)
        .env("SSL_CERT_FILE", world.path("certs/ca.pem"));
    output(command).await
}

/// Waits beside the runtime, in which the store and the provider live.
pub async fn output(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap()
}

/// Its report. The exit code is held against it.
pub fn report(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    let report: Value = serde_json::from_str(&text)
        .unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)));
    let lines = report["checks"].as_array().unwrap().clone();
    let fails = lines.iter().any(|line| line["outcome"] == "fail");
    assert_eq!(report["well"], !fails);
    assert_eq!(output.status.code(), Some(i32::from(fails)), "{text}");
    for line in &lines {
        let has_fix = line["fix"].as_str().is_some_and(|fix| fix.len() > 5);
        let is_wrong = line["outcome"] == "fail" || line["outcome"] == "warn";
        assert_eq!(
            (line["side"].is_string(), has_fix),
            (is_wrong, is_wrong),
            "{line}"
        );
    }
    lines
}

/// The only lines that fail are one of this check, on this side, with these words in it and in what mends it.
pub fn fails_alone(lines: &[Value], check: &str, about: &str, side: &str, said: &str, fix: &str) {
    let failing: Vec<_> = lines.iter().filter(|line| line["outcome"] == "fail").collect();
    assert_eq!(failing.len(), 1, "{failing:#?}");
    is(failing[0], check, about, side, said, fix);
}

pub fn is(line: &Value, check: &str, about: &str, side: &str, said: &str, fix: &str) {
    assert_eq!(
        (&line["check"], &line["about"]),
        (&check.into(), &about.into()),
        "{line}"
    );
    assert_eq!(line["side"], side, "{line}");
    assert!(line["message"].as_str().unwrap().contains(said), "{line}");
    assert!(line["fix"].as_str().unwrap().contains(fix), "{line}");
}

pub fn one<'a>(lines: &'a [Value], check: &str, about: &str) -> &'a Value {
    let found: Vec<_> = lines
        .iter()
        .filter(|line| line["check"] == check && line["about"] == about)
        .collect();
    assert_eq!(found.len(), 1, "{check} {about}: {lines:#?}");
    found[0]
}

async fn examined(world: &World, words: &[&str]) -> Vec<Value> {
    report(&doctor(world, &[words, &["--json"]].concat()).await)
}

/// Changes the configuration, as the doctor will read it.
fn rewrite(world: &World, pairs: &[(&str, &str)]) {
    let path = world.path("tidegate.toml");
    let mut text = std::fs::read_to_string(&path).unwrap();
    for (from, to) in pairs {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    std::fs::write(path, text).unwrap();
}

#[tokio::test]
async fn a_server_with_which_nothing_is_wrong_is_well_and_nothing_is_written() {
    let world = World::start().await;
    let lines = examined(&world, &[]).await;
    for (check, about) in [
        ("configuration", ""),
        ("key ring", ""),
        ("secrets", ""),
        ("audit", ""),
        ("clock", ""),
        ("tls", "issuer idp"),
        ("issuer", "idp"),
        ("connect", "target store"),
        ("credential", "store"),
        ("bucket", "lake"),
        ("bucket", "other"),
    ] {
        let line = one(&lines, check, about);
        assert!(matches!(line["outcome"].as_str(), Some("ok" | "warn")), "{line}");
    }
    let said = &one(&lines, "bucket", "lake")["message"];
    assert_eq!(said, "HEAD, list in `acme-lake-prod` at target `store`");
    let asked = world.target_requests();
    assert!(
        asked
            .iter()
            .all(|request| request.starts_with("GET ") || request.starts_with("HEAD ")),
        "{asked:?}"
    );
    let plain = doctor(&world, &[]).await;
    let text = String::from_utf8(plain.stdout).unwrap();
    assert!(text.contains("ok    bucket lake            HEAD, list"), "{text}");
    assert!(!text.contains(STORE_SECRET));
}

#[tokio::test]
async fn what_is_written_on_request_is_gone_again() {
    let world = World::start().await;
    let lines = examined(&world, &["--bucket", "lake", "--write", "--prefix", "tmp/doctor"]).await;
    let said = &one(&lines, "bucket", "lake")["message"];
    assert_eq!(
        said,
        "HEAD, list, put, get, delete in `acme-lake-prod` at target `store`"
    );
    assert!(
        !lines
            .iter()
            .any(|line| line["about"] == "other" || line["check"] == "issuer")
    );
    let puts: Vec<_> = world
        .target_requests()
        .into_iter()
        .filter(|request| request.starts_with("PUT "))
        .collect();
    assert_eq!(puts.len(), 1, "{puts:?}");
    assert!(puts[0].contains("/acme-lake-prod/tmp/doctor/"), "{puts:?}");
    let left = std::fs::read_dir(world.path("store/acme-lake-prod/tmp/doctor"));
    assert_eq!(left.map_or(0, Iterator::count), 0);
}

#[tokio::test]
async fn what_cannot_be_understood_is_said_with_another_exit_code() {
    let world = World::start().await;
    for words in [
        &["--bucket", "nowhere"][..],
        &["--target", "nowhere"],
        &["--prefix", "tmp"],
        &["--endpoint", "https://localhost"],
    ] {
        let output = doctor(&world, words).await;
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(output.stdout.is_empty());
    }
    std::fs::write(world.path("tidegate.toml"), "[server]\nlisten = 1\n").unwrap();
    let lines = examined(&world, &[]).await;
    assert!(
        lines
            .iter()
            .any(|line| line["check"] == "configuration" && line["outcome"] == "fail")
    );
    assert_eq!(one(&lines, "everything", "")["outcome"], "skip");
}

#[tokio::test]
async fn our_own_certificate_is_held_against_names_and_days() {
    let world = World::start().await;
    rewrite(
        &world,
        &[(
            "domains = [\"localhost\",",
            "domains = [\"localhost\", \"s3.other.test\",",
        )],
    );
    let lines = examined(&world, &[]).await;
    fails_alone(
        &lines,
        "certificate",
        "",
        "tidegate",
        "is not for `s3.other.test`",
        "a certificate with all names",
    );
    rewrite(&world, &[("\"s3.other.test\",", "")]);
    let write = |days: i64| certificate(&world, "certs/server", &["localhost", "s3.tidegate.test"], days);
    write(-3);
    let lines = examined(&world, &[]).await;
    fails_alone(
        &lines,
        "certificate",
        "",
        "tidegate",
        "expired 3 days ago",
        "renew it",
    );
    write(5);
    let lines = examined(&world, &[]).await;
    let warned: Vec<_> = lines
        .iter()
        .filter(|line| line["check"] == "certificate" && line["outcome"] == "warn")
        .collect();
    assert!(
        warned
            .iter()
            .any(|line| line["message"].as_str().unwrap().contains("expires in "))
    );
    assert!(
        warned
            .iter()
            .any(|line| line["message"].as_str().unwrap().contains("*.s3.tidegate.test"))
    );
}

/// A certificate that is signed by itself, valid until so many days from now.
fn certificate(world: &World, stem: &str, names: &[&str], days: i64) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut parameters = rcgen::CertificateParams::new(names).unwrap();
    let at = |days: i64| {
        let date = (now() + SignedDuration::from_hours(24 * days)).to_zoned(jiff::tz::TimeZone::UTC);
        rcgen::date_time_ymd(
            i32::from(date.year()),
            date.month().unsigned_abs(),
            date.day().unsigned_abs(),
        )
    };
    (parameters.not_before, parameters.not_after) = (at(days - 30), at(days));
    let key = rcgen::KeyPair::generate().unwrap();
    let made = parameters.self_signed(&key).unwrap();
    std::fs::write(world.path(&format!("{stem}.pem")), made.pem()).unwrap();
    std::fs::write(world.path(&format!("{stem}.key")), key.serialize_pem()).unwrap();
}

#[tokio::test]
async fn an_identity_provider_that_is_down_or_has_another_authority() {
    let mut world = World::start().await;
    let config = std::fs::read_to_string(world.path("tidegate.toml")).unwrap();
    // The authority of somebody else.
    certificate(&world, "certs/another", &["ca.test"], 300);
    rewrite(&world, &[("ca = \"certs/ca.pem\"", "ca = \"certs/another.pem\"")]);
    let lines = examined(&world, &[]).await;
    fails_alone(
        &lines,
        "tls",
        "issuer idp",
        "tidegate",
        "is signed by no authority that is trusted here",
        "issuers.idp.ca",
    );
    assert_eq!(one(&lines, "issuer", "idp")["outcome"], "skip");
    std::fs::write(world.path("tidegate.toml"), &config).unwrap();
    // Another name than it has.
    let issuer = world.issuer.clone();
    let elsewhere = issuer.replace("localhost", "nowhere.invalid");
    rewrite(&world, &[(&issuer, &elsewhere)]);
    let lines = examined(&world, &[]).await;
    fails_alone(
        &lines,
        "dns",
        "issuer idp",
        "this-machine",
        "cannot be resolved",
        "getent hosts nowhere.invalid",
    );
    std::fs::write(world.path("tidegate.toml"), &config).unwrap();
    // A path at which there is no document.
    rewrite(&world, &[(&issuer, &format!("{issuer}/other"))]);
    let lines = examined(&world, &[]).await;
    fails_alone(
        &lines,
        "issuer",
        "idp",
        "identity-provider",
        "no keys, its tokens are refused",
        "/other/.well-known/openid-configuration",
    );
    std::fs::write(world.path("tidegate.toml"), &config).unwrap();
    world.stop_provider();
    becomes("the end of the provider", async || {
        let lines = examined(&world, &[]).await;
        let failing: Vec<_> = lines.iter().filter(|line| line["outcome"] == "fail").collect();
        failing.len() == 1 && failing[0]["check"] == "connect" && failing[0]["side"] == "identity-provider"
    })
    .await;
}

#[tokio::test]
async fn secrets_keys_and_files_are_read_as_the_service_would() {
    let world = World::start().await;
    rewrite(&world, &[("env:STORE_SECRET_ACCESS_KEY", "file:secrets/nothing")]);
    let lines = examined(&world, &[]).await;
    let secret = one(&lines, "secrets", "");
    is(secret, "secrets", "", "tidegate", "secrets/nothing", "");
    assert_eq!(one(&lines, "credential", "store")["side"], "tidegate");
    assert_eq!(one(&lines, "bucket", "lake")["outcome"], "skip");
    rewrite(&world, &[("file:secrets/nothing", "env:STORE_SECRET_ACCESS_KEY")]);
    std::fs::remove_file(world.path("secrets/session-keys.toml")).unwrap();
    let lines = examined(&world, &[]).await;
    fails_alone(&lines, "key ring", "", "tidegate", "session-keys.toml", "");
}

#[tokio::test]
async fn a_refusal_of_a_target_is_told_apart_by_its_code() {
    let world = World::start().await;
    let config = std::fs::read_to_string(world.path("tidegate.toml")).unwrap();
    rewrite(
        &world,
        &[("bucket = \"acme-lake-prod\"", "bucket = \"acme-nowhere\"")],
    );
    let lines = examined(&world, &[]).await;
    fails_alone(
        &lines,
        "bucket",
        "lake",
        "tidegate",
        "HEAD: 404",
        "buckets.lake.bucket",
    );
    std::fs::write(world.path("tidegate.toml"), &config).unwrap();
    for (code, side, fix) in [
        ("InvalidAccessKeyId", "tidegate", "targets.store.credentials"),
        ("SignatureDoesNotMatch", "tidegate", "targets.store.credentials"),
        ("RequestTimeTooSkewed", "this-machine", "timedatectl"),
        ("ExpiredToken", "token-service", "of one cloud"),
        ("AuthorizationHeaderMalformed", "tidegate", "targets.store.region"),
        (
            "AccessDenied",
            "target",
            r#"{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::acme-lake-prod"}"#,
        ),
    ] {
        let body = format!("<Error><Code>{code}</Code><Message>m</Message></Error>");
        let target = refusing(move |head| match head.starts_with("HEAD ") {
            true => Some((403, String::new())),
            false => Some((403, body.clone())),
        })
        .await;
        point_at(&world, &config, &target);
        let lines = examined(&world, &["--bucket", "lake"]).await;
        fails_alone(&lines, "bucket", "lake", side, code, fix);
    }
}

/// A target that does everything but what `refuses` names, with status and body.
async fn refusing(refuses: impl Fn(&str) -> Option<(u16, String)> + Send + Sync + 'static) -> FakeTarget {
    FakeTarget::start(move |head| {
        let is_root = head.starts_with("GET / ");
        let told = match refuses(head).filter(|_| !is_root) {
            Some((status, body)) => answer(
                &format!("{status} No"),
                "content-type: application/xml\r\n",
                &body,
            ),
            None if head.starts_with("GET /acme-lake-prod/") => answer("200 OK", "", "tidegate doctor"),
            None if head.starts_with("HEAD ") || head.starts_with("DELETE ") => answer("200 OK", "", ""),
            None => answer("200 OK", "etag: \"e\"\r\n", ""),
        };
        vec![Step::ReadBody, Step::Send(told)]
    })
    .await
}

fn point_at(world: &World, config: &str, target: &FakeTarget) {
    let store = format!("endpoint = \"http://{}\"", world.store.address());
    let fake = format!("endpoint = \"http://{}\"", target.address);
    assert!(config.contains(&store), "{config}");
    std::fs::write(world.path("tidegate.toml"), config.replace(&store, &fake)).unwrap();
}

#[tokio::test]
async fn permissions_that_lack_on_put_or_delete_alone_are_named() {
    let world = World::start().await;
    let config = std::fs::read_to_string(world.path("tidegate.toml")).unwrap();
    let denied = || "<Error><Code>AccessDenied</Code><Message>m</Message></Error>".to_owned();
    let target = refusing(move |head| head.starts_with("PUT ").then(|| (403, denied()))).await;
    point_at(&world, &config, &target);
    let words = ["--bucket", "lake", "--write", "--prefix", "tmp"];
    let lines = examined(&world, &words).await;
    fails_alone(
        &lines,
        "bucket",
        "lake",
        "target",
        "put: 403 AccessDenied; HEAD, list worked",
        r#"{"Effect": "Allow", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::acme-lake-prod/*"}"#,
    );
    let lines = examined(&world, &["--bucket", "lake"]).await;
    assert_eq!(
        one(&lines, "bucket", "lake")["outcome"],
        "ok",
        "nobody asked for it"
    );
    let target = refusing(move |head| head.starts_with("DELETE ").then(|| (403, denied()))).await;
    point_at(&world, &config, &target);
    let lines = examined(&world, &words).await;
    fails_alone(
        &lines,
        "bucket",
        "lake",
        "target",
        "delete: 403 AccessDenied; HEAD, list, put, get worked",
        "s3:DeleteObject",
    );
}

#[tokio::test]
async fn a_target_that_is_gone_silences_its_buckets_and_nothing_else() {
    let world = World::start().await;
    let config = std::fs::read_to_string(world.path("tidegate.toml")).unwrap();
    let gone = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let store = world.store.address().to_string();
    std::fs::write(
        world.path("tidegate.toml"),
        config.replace(&store, &gone.to_string()),
    )
    .unwrap();
    let lines = examined(&world, &[]).await;
    fails_alone(
        &lines,
        "connect",
        "target store",
        "target",
        "no connection to",
        "curl -sv http://127.0.0.1:",
    );
    assert_eq!(one(&lines, "bucket", "lake")["outcome"], "skip");
    assert_eq!(one(&lines, "issuer", "idp")["outcome"], "ok");
}

#[tokio::test]
async fn a_token_service_that_refuses_is_told_from_the_target() {
    let sts = FakeTarget::start(|head| {
        let body = "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
                    <Code>AccessDenied</Code><Message>Not authorized to perform sts:AssumeRoleWithWebIdentity</Message>\
                    </Error><RequestId>r</RequestId></ErrorResponse>";
        let told = match head.starts_with("POST ") {
            true => answer("403 Forbidden", "content-type: text/xml\r\n", body),
            false => answer("302 Found", "location: https://aws.amazon.com/iam\r\n", ""),
        };
        vec![Step::ReadBody, Step::Send(told)]
    })
    .await;
    let world = World::with(Settings {
        own_issuer: Some("https://s3.tidegate.test"),
        ..Settings::default()
    })
    .await;
    let keys = "kind = \"static\"\naccess_key_id = \"env:STORE_ACCESS_KEY_ID\"\nsecret_access_key = \"env:STORE_SECRET_ACCESS_KEY\"";
    let role = format!(
        "kind = \"aws-web-identity\"\nrole_arn = \"arn:aws:iam::123456789012:role/tidegate-lake\"\nsts_endpoint = \"http://{}\"",
        sts.address
    );
    rewrite(&world, &[(keys, &role)]);
    let lines = examined(&world, &["--target", "store"]).await;
    fails_alone(
        &lines,
        "credential",
        "store",
        "token-service",
        "AccessDenied",
        "the trust policy of `arn:aws:iam::123456789012:role/tidegate-lake`",
    );
    assert_eq!(one(&lines, "connect", "sts of store")["outcome"], "ok");
    assert_eq!(one(&lines, "bucket", "lake")["outcome"], "skip");
    let asked = world.target_requests();
    assert!(
        asked.iter().all(|request| request == "GET /"),
        "the time alone: {asked:?}"
    );
    assert!(sts.seen().iter().any(|seen| seen.line() == "POST /"));
}

#[tokio::test]
async fn a_clock_that_is_off_by_17_minutes_is_blamed_on_who_stands_alone() {
    let world = World::start().await;
    let config = std::fs::read_to_string(world.path("tidegate.toml")).unwrap();
    let date = (now() - SignedDuration::from_mins(17))
        .strftime("%a, %d %b %Y %H:%M:%S GMT")
        .to_string();
    let target = FakeTarget::start(move |_| {
        let told = answer("200 OK", &format!("date: {date}\r\n"), "");
        vec![Step::ReadBody, Step::Send(told)]
    })
    .await;
    point_at(&world, &config, &target);
    let lines = examined(&world, &[]).await;
    let clock = lines.iter().find(|line| line["check"] == "clock").unwrap();
    is(
        clock,
        "clock",
        "target store",
        "target",
        "its clock is 17 min behind",
        "set the clock",
    );
    assert_eq!(clock["outcome"], "fail");
}

#[tokio::test]
async fn our_own_issuer_is_read_as_clouds_read_it() {
    let world = World::start().await;
    SigningKeys::create(&world.path(ISSUER_KEYS), now()).unwrap();
    let url = format!("https://localhost:{}", world.data.port());
    let config = std::fs::read_to_string(world.path("tidegate.toml")).unwrap();
    let with = format!("{config}[issuer]\nurl = \"{url}\"\nkeys = \"{ISSUER_KEYS}\"\n");
    std::fs::write(world.path("tidegate.toml"), &with).unwrap();
    world
        .metric_when("tidegate_generation", |number| number >= 2)
        .await;
    let lines = examined(&world, &[]).await;
    let own: Vec<_> = lines.iter().filter(|line| line["about"] == "own").collect();
    assert!(own.iter().all(|line| line["outcome"] == "ok"), "{own:#?}");
    assert!(
        own.iter()
            .any(|line| line["message"].as_str().unwrap().contains("publishes is what"))
    );
    // A replica with an older file: here, a doctor with a newer one.
    std::fs::copy(world.path(ISSUER_KEYS), world.path("secrets/newer.toml")).unwrap();
    let day = std::time::Duration::from_secs(24 * 3600);
    let rotated = SigningKeys::rotate(&world.path("secrets/newer.toml"), now(), day).unwrap();
    let other = with.replace(ISSUER_KEYS, "secrets/newer.toml");
    std::fs::write(world.path("doctor.toml"), &other).unwrap();
    let examined_with = async |name: &str| report(&doctor_with(&world, name, &["--json"]).await);
    fails_alone(
        &examined_with("doctor.toml").await,
        "issuer",
        "own",
        "tidegate",
        &rotated.added.0,
        "the same file of keys",
    );
    // An issuer of another name.
    let other = with.replace(&url, &url.replace("localhost", "127.0.0.1"));
    std::fs::write(world.path("doctor.toml"), &other).unwrap();
    let lines = examined_with("doctor.toml").await;
    let failing: Vec<_> = lines.iter().filter(|line| line["outcome"] == "fail").collect();
    assert_eq!(failing.len(), 1, "{failing:#?}");
    assert_eq!(failing[0]["about"], "own");
    // No keys at all.
    std::fs::write(world.path("secrets/newer.toml"), "").unwrap();
    std::fs::write(
        world.path("doctor.toml"),
        with.replace(ISSUER_KEYS, "secrets/newer.toml"),
    )
    .unwrap();
    let lines = examined_with("doctor.toml").await;
    assert!(lines.iter().any(|line| line["check"] == "issuer"
        && line["outcome"] == "fail"
        && line["side"] == "tidegate"
        && line["fix"].as_str().is_some_and(|fix| fix.contains("issuer"))));
}
