//! `tidegate doctor` on a caller's machine: one fault at a time, and who is told what.

use crate::doctor::{fails_alone, is, one, output, report};
use crate::support::fake_target::{FakeTarget, Step, answer};
use crate::support::{AUDIENCE, World, binary, now};
use jiff::SignedDuration;
use serde_json::Value;
use std::process::Command;
use std::time::Duration;
use tidegate::dev::SampleIdentity;

/// A caller's machine, of which nothing is left over from the one that runs the tests.
struct Machine<'a> {
    world: &'a World,
    variables: Vec<(&'static str, String)>,
}

impl<'a> Machine<'a> {
    /// One with a token of `etl` in a file.
    fn new(world: &'a World) -> Self {
        std::fs::create_dir_all(world.path("home")).unwrap();
        std::fs::write(world.path("token"), world.token("etl")).unwrap();
        let path = |name: &str| world.path(name).display().to_string();
        Self {
            world,
            variables: vec![
                ("HOME", path("home")),
                (
                    "TIDEGATE_ENDPOINT",
                    format!("https://localhost:{}", world.data.port()),
                ),
                ("TIDEGATE_CA", path("certs/ca.pem")),
                ("TIDEGATE_IDENTITY", "file".to_owned()),
                ("TIDEGATE_TOKEN_FILE", path("token")),
                ("TIDEGATE_STORE", "file".to_owned()),
            ],
        }
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.variables.retain(|(known, _)| *known != name);
        self.variables.push((name, value.into()));
        self
    }

    async fn run(&self, words: &[&str]) -> std::process::Output {
        let mut command = Command::new(binary());
        command
            .arg("doctor")
            .args(words)
            .env_clear()
            .envs(self.variables.iter().map(|(name, value)| (name, value)));
        output(command).await
    }

    async fn examined(&self, words: &[&str]) -> Vec<Value> {
        let done = self.run(&[words, &["--json"]].concat()).await;
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(!said.contains(&self.world.token("etl")));
        report(&done)
    }
}

#[tokio::test]
async fn a_machine_with_which_nothing_is_wrong_is_well() {
    let world = World::start().await;
    world.store_file("acme-lake-prod", "raw/a", b"a");
    let machine = Machine::new(&world);
    let lines = machine
        .examined(&["--bucket", "lake", "--write", "--prefix", "tmp/doctor"])
        .await;
    for (check, about) in [
        ("settings", ""),
        ("env", ""),
        ("tls", "gateway"),
        ("clock", ""),
        ("gateway", ""),
        ("login", ""),
        ("audience", ""),
        ("credentials", ""),
        ("bucket", "lake"),
    ] {
        assert_eq!(one(&lines, check, about)["outcome"], "ok", "{lines:#?}");
    }
    let said = |check| one(&lines, check, "")["message"].as_str().unwrap().to_owned();
    assert_eq!(said("audience"), format!("for {AUDIENCE}, taken as `idp:etl`"));
    assert!(
        said("credentials").starts_with("valid for 59 minutes"),
        "{}",
        said("credentials")
    );
    assert_eq!(
        one(&lines, "bucket", "lake")["message"],
        "HEAD, list, put, get, delete"
    );
    // A certificate for the bucket's own name there is; whether the name leads here is up to the machine.
    let style = one(&lines, "path style", "lake");
    assert!(
        matches!(style["outcome"].as_str(), Some("ok" | "warn")),
        "{style}"
    );
    let left = std::fs::read_dir(world.path("store/acme-lake-prod/tmp/doctor"));
    assert_eq!(left.map_or(0, Iterator::count), 0);
    let plain = machine.run(&[]).await;
    let text = String::from_utf8(plain.stdout).unwrap();
    assert!(text.contains("ok    credentials            valid for"), "{text}");
}

#[tokio::test]
async fn a_gateway_that_is_not_reached_is_told_from_one_that_is_not_trusted() {
    let world = World::start().await;
    let lines = Machine::new(&world)
        .with("TIDEGATE_ENDPOINT", "https://nowhere.invalid")
        .examined(&["--bucket", "lake"])
        .await;
    fails_alone(
        &lines,
        "dns",
        "gateway",
        "this-machine",
        "cannot be resolved",
        "getent hosts nowhere.invalid",
    );
    assert_eq!(one(&lines, "credentials", "")["outcome"], "skip");
    let other = rcgen::generate_simple_self_signed(["ca.test".to_owned()]).unwrap();
    std::fs::write(world.path("other.pem"), other.cert.pem()).unwrap();
    let lines = Machine::new(&world)
        .with("TIDEGATE_CA", world.path("other.pem").display().to_string())
        .examined(&[])
        .await;
    fails_alone(
        &lines,
        "tls",
        "gateway",
        "tidegate",
        "no authority that is trusted here",
        "`ca`",
    );
    let done = Machine::new(&world)
        .with("TIDEGATE_ENDPOINT", "https://a/b")
        .run(&[])
        .await;
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(text.starts_with("FAIL  settings"), "{text}");
    assert_eq!(done.status.code(), Some(1));
}

#[tokio::test]
async fn whoever_is_not_logged_in_is_told_so() {
    let world = World::start().await;
    let lines = Machine::new(&world)
        .with("TIDEGATE_IDENTITY", "login")
        .examined(&["--bucket", "lake"])
        .await;
    fails_alone(
        &lines,
        "login",
        "",
        "this-machine",
        "not logged in",
        "tidegate login",
    );
    for check in ["audience", "credentials"] {
        assert_eq!(one(&lines, check, "")["outcome"], "skip");
    }
    assert_eq!(one(&lines, "bucket", "lake")["outcome"], "skip");
    world.untouched("nobody was anybody");
}

#[tokio::test]
async fn a_token_that_is_not_taken_is_held_against_what_is() {
    let world = World::start().await;
    let etl = SampleIdentity::ALL
        .into_iter()
        .find(|one| one.subject == "etl")
        .unwrap();
    let token = |audience: &str, at, lifetime: u64| {
        let lifetime = Duration::from_secs(lifetime);
        world
            .provider
            .token(&world.issuer, &etl, audience, at, lifetime)
            .unwrap()
    };
    let machine = Machine::new(&world);
    std::fs::write(world.path("token"), token("0oa9x", now(), 3600)).unwrap();
    let lines = machine.examined(&[]).await;
    fails_alone(
        &lines,
        "audience",
        "",
        "this-machine",
        &format!("the token is for \"0oa9x\", which is not among [{AUDIENCE}]"),
        &format!("--audience {AUDIENCE}"),
    );
    assert_eq!(one(&lines, "credentials", "")["outcome"], "skip");
    let past = now() - SignedDuration::from_hours(3);
    std::fs::write(world.path("token"), token(AUDIENCE, past, 3600)).unwrap();
    let lines = machine.examined(&[]).await;
    let failing: Vec<_> = lines.iter().filter(|line| line["outcome"] == "fail").collect();
    assert_eq!(failing.len(), 1, "{failing:#?}");
    std::fs::write(world.path("token"), "no token").unwrap();
    let lines = machine.examined(&[]).await;
    assert_eq!(one(&lines, "login", "")["side"], "this-machine");
}

#[tokio::test]
async fn variables_and_profiles_that_lead_elsewhere_are_named() {
    let world = World::start().await;
    let lines = Machine::new(&world)
        .with("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
        .examined(&[])
        .await;
    let env = one(&lines, "env", "");
    is(
        env,
        "env",
        "",
        "this-machine",
        "AWS_ACCESS_KEY_ID is set",
        "unset AWS_ACCESS_KEY_ID",
    );
    assert!(!lines.iter().any(|line| line.to_string().contains("IOSFODNN7")));
    let lines = Machine::new(&world)
        .with("AWS_ENDPOINT_URL_S3", "https://elsewhere.example")
        .examined(&[])
        .await;
    let env = one(&lines, "env", "");
    is(
        env,
        "env",
        "",
        "this-machine",
        "AWS_ENDPOINT_URL_S3 leads",
        "export AWS_ENDPOINT_URL_S3=https://localhost",
    );
    std::fs::create_dir_all(world.path("home/.aws")).unwrap();
    let profile = "[profile lake]\ncredential_process = tidegate credential-process\nregion = gateway\n";
    std::fs::write(world.path("home/.aws/config"), profile).unwrap();
    let lines = Machine::new(&world).examined(&[]).await;
    fails_alone(
        &lines,
        "aws profile",
        "lake",
        "this-machine",
        "sent to Amazon",
        "endpoint_url = https://localhost",
    );
}

#[tokio::test]
async fn what_a_policy_does_not_permit_is_not_the_targets_fault() {
    let world = World::start().await;
    let machine = Machine::new(&world);
    let lines = machine.examined(&["--bucket", "other"]).await;
    fails_alone(
        &lines,
        "bucket",
        "other",
        "tidegate",
        "list: 403 AccessDenied",
        "the policy of `other` for `list`",
    );
    let lines = machine
        .examined(&["--bucket", "lake", "--write", "--prefix", "frozen"])
        .await;
    fails_alone(
        &lines,
        "bucket",
        "lake",
        "tidegate",
        "put: 403 AccessDenied: ",
        "the policy of `lake` for `write`",
    );
    let lines = machine.examined(&["--bucket", "nowhere"]).await;
    let failing: Vec<_> = lines.iter().filter(|line| line["outcome"] == "fail").collect();
    assert!(
        failing.iter().all(|line| line["about"] == "nowhere"),
        "{failing:#?}"
    );
    for words in [&["--write"][..], &["--bucket", "a", "--bucket", "b"]] {
        assert_eq!(machine.run(words).await.status.code(), Some(2), "{words:?}");
    }
}

#[tokio::test]
async fn a_clock_that_is_off_by_17_minutes_is_this_machines() {
    let date = (now() + SignedDuration::from_secs(17 * 60 + 40))
        .strftime("%a, %d %b %Y %H:%M:%S GMT")
        .to_string();
    let gateway = FakeTarget::start(move |_| {
        let headers = format!("date: {date}\r\ncontent-type: application/json\r\n");
        let told = answer("200 OK", &headers, "{\"issuers\":[],\"audience\":\"a\"}");
        vec![Step::ReadBody, Step::Send(told)]
    })
    .await;
    let world = World::start().await;
    let lines = Machine::new(&world)
        .with("TIDEGATE_ENDPOINT", format!("http://{}", gateway.address))
        .examined(&[])
        .await;
    let clock = one(&lines, "clock", "");
    is(
        clock,
        "clock",
        "",
        "this-machine",
        "is 17 minutes behind the gateway",
        "timedatectl",
    );
    assert_eq!(clock["outcome"], "fail");
}
