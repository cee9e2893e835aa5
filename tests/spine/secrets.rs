//! Keys of a target in secret managers: read, rotated, and lost in all the ways that secrets are lost.

use crate::support::keyed_target::KeyedTarget;
use crate::support::login_provider::CLIENT_SECRET;
use crate::support::managers::{
    CANARY, ISSUER, Kind, MACHINE, Manager, Mood, POD_TOKEN, Standing, VAULT_TOKEN,
};
use crate::support::{Client, Settings, World, becomes};

const OLD: (&str, &str) = ("AKIDOLD", "canary-secret-of-the-old-key");
const NEW: (&str, &str) = ("AKIDNEW", "canary-secret-of-the-new-key");
const SECRETS: [&str; 7] = [
    OLD.1,
    NEW.1,
    MACHINE.1,
    VAULT_TOKEN,
    POD_TOKEN,
    CANARY,
    "STRING-TO-SIGN",
];

const KINDS: [Kind; 8] = [
    Kind::VaultToken,
    Kind::VaultJwt,
    Kind::VaultKubernetes,
    Kind::VaultOne,
    Kind::Aws,
    Kind::Gcp,
    Kind::Azure,
    Kind::AzureWorkload,
];

pub fn settings(manager: &Manager, target: &KeyedTarget) -> Settings {
    let variables = [
        ("AWS_ACCESS_KEY_ID", MACHINE.0),
        ("AWS_SECRET_ACCESS_KEY", MACHINE.1),
    ];
    Settings {
        target_table: Some(format!(
            "[targets.store]\nkind = \"s3\"\nendpoint = \"http://{}\"\nregion = \"us-east-1\"\n\
             [targets.store.credentials]\nkind = \"static\"\naccess_key_id = \"{}\"\nsecret_access_key = \"{}\"",
            target.address,
            manager.reference("id"),
            manager.reference("secret"),
        )),
        more: manager.tables(),
        own_issuer: manager.takes_own_tokens().then_some(ISSUER),
        environment: variables.map(|(name, value)| (name, value.to_owned())).into(),
        policy: Some("permit (principal, action, resource);".into()),
        ..Settings::default()
    }
}

/// A manager with `OLD` in it, a target that knows both keys, and a world that reads the one for the other.
pub async fn world(kind: Kind) -> (Manager, KeyedTarget, World) {
    let manager = Manager::start(kind).await;
    let target = KeyedTarget::start(OLD.0, OLD.1).await;
    target.knows(NEW.0, NEW.1);
    manager.write(OLD.0, OLD.1);
    let world = World::with(settings(&manager, &target)).await;
    if manager.takes_own_tokens() {
        manager.trusts(&world).await;
    }
    (manager, target, world)
}

/// Reads until `key` signs; nothing but success is answered meanwhile.
async fn signs(etl: &Client, target: &KeyedTarget, key: &str, what: &str) {
    becomes(&format!("{what}: {key}"), async || {
        assert_eq!(etl.get("/lake/a").await.status, 200, "{what}");
        target
            .take_seen()
            .iter()
            .any(|(_, id, code)| id == key && *code == "ok")
    })
    .await;
}

/// `/readyz` says all of this of secrets or targets.
async fn says(world: &World, words: &[&str]) {
    world
        .ready_when(|status, body| status == 200 && words.iter().all(|word| body.contains(word)))
        .await;
}

async fn is_well(world: &World) {
    world
        .ready_when(|_, body| {
            let report: serde_json::Value = serde_json::from_str(body).unwrap();
            ["secrets", "targets"]
                .iter()
                .all(|name| report["components"][name]["status"] == "ok")
        })
        .await;
}

/// Nothing secret is in anything that was written down or can be asked for.
async fn kept(world: &World, kind: Kind) {
    world.kept_secret(&SECRETS);
    for path in ["/readyz", "/metrics"] {
        let (_, text) = world.admin_get(path).await;
        for secret in SECRETS {
            assert!(!text.contains(secret), "{kind:?} {path}: {text}");
        }
    }
}

// F9, AUD-05, 7.4
async fn life(kind: Kind) {
    let (manager, target, world) = world(kind).await;
    let etl = world.client("etl").await;
    becomes("a first read", async || etl.get("/lake/a").await.status == 200).await;
    is_well(&world).await;
    if let Some(version) = manager.version() {
        let read = etl.get("/lake/a").await;
        let record = world.recorded(&read, "allow", "permit").await;
        assert_eq!(record["target"]["credential_version"], *version, "{record}");
        let secret = manager.secret();
        let labels = format!("tidegate_secret_version_info{{secret=\"{secret}\",version=\"{version}\"}}");
        world.metric_when(&labels, |value| value == 1).await;
        let age = format!("tidegate_secret_age_seconds{{secret=\"{secret}\"}}");
        world.metric_when(&age, |age| age < 100).await;
        let labels = format!("tidegate_credential_version_info{{target=\"store\",version=\"{version}\"}}");
        world.metric_when(&labels, |value| value == 1).await;
    }

    manager.write(NEW.0, NEW.1);
    signs(&etl, &target, NEW.0, "rotated").await;
    if let Some(version) = manager.version() {
        let labels = format!("tidegate_credential_version_info{{target=\"store\",version=\"{version}\"}}");
        world.metric_when(&labels, |value| value == 1).await;
    }
    is_well(&world).await;

    // Everything that may go wrong from now on leaves the last good one at work.
    let works_on = async |what: &str, words: &[&str]| {
        says(&world, words).await;
        target.take_seen();
        signs(&etl, &target, NEW.0, what).await;
        assert_eq!(etl.put("/lake/b", b"body").await.status, 200, "{what}");
        kept(&world, kind).await;
    };
    manager.permits(false);
    works_on("permission lost", &["degraded", "goes on", "refused (40"]).await;
    manager.permits(true);
    is_well(&world).await;
    for mood in [Mood::Down, Mood::Silent, Mood::Failing, Mood::Babbling] {
        manager.is(mood);
        works_on(&format!("{mood:?}"), &["degraded", "goes on"]).await;
        manager.is(Mood::Well);
        is_well(&world).await;
    }
    manager.stands(Standing::Deleted);
    works_on("deleted", &["degraded", "goes on"]).await;
    if kind != Kind::VaultOne {
        manager.stands(Standing::Disabled);
        works_on("disabled", &["degraded", "goes on"]).await;
    }
    manager.stands(Standing::Enabled);
    is_well(&world).await;
    for garbage in [
        "canary-garbage",
        r#"{"id":"AKID"}"#,
        r#"{"id":"A","secret":7}"#,
        r#"{"id":"A B","secret":"x"}"#,
    ] {
        manager.write_text(garbage);
        works_on(garbage, &["degraded", "goes on"]).await;
    }
    manager.write(OLD.0, OLD.1);
    signs(&etl, &target, OLD.0, "rotated back").await;
    is_well(&world).await;
    manager.made(91);
    manager.write(NEW.0, NEW.1);
    manager.made(91);
    if manager.version().is_some() {
        says(&world, &["degraded", "91 days old: rotate it"]).await;
    }
    kept(&world, kind).await;
    manager.was_asked_rightly();
}

#[tokio::test]
async fn a_key_in_vault_lives_and_is_lost() {
    life(Kind::VaultToken).await;
}

#[tokio::test]
async fn a_key_in_the_first_engine_of_vault_lives_and_is_lost() {
    life(Kind::VaultOne).await;
}

#[tokio::test]
async fn a_key_in_aws_secrets_manager_lives_and_is_lost() {
    life(Kind::Aws).await;
}

#[tokio::test]
async fn a_key_in_secret_manager_of_google_lives_and_is_lost() {
    life(Kind::Gcp).await;
}

#[tokio::test]
async fn a_key_in_azure_key_vault_lives_and_is_lost() {
    life(Kind::Azure).await;
}

#[tokio::test]
async fn a_manager_is_opened_in_every_way_and_anew_when_it_forgets_us() {
    for kind in [
        Kind::VaultJwt,
        Kind::VaultKubernetes,
        Kind::Gcp,
        Kind::Azure,
        Kind::AzureWorkload,
    ] {
        let (manager, target, world) = world(kind).await;
        let etl = world.client("etl").await;
        becomes("a first read", async || etl.get("/lake/a").await.status == 200).await;
        let before = manager.logins();
        assert!(before > 0, "{kind:?}");
        manager.revokes();
        manager.write(NEW.0, NEW.1);
        signs(&etl, &target, NEW.0, &format!("{kind:?}")).await;
        assert!(manager.logins() > before, "{kind:?}");
        is_well(&world).await;
        kept(&world, kind).await;
        manager.was_asked_rightly();
    }
}

// F9
#[tokio::test]
async fn a_manager_that_is_down_at_start_keeps_its_buckets_waiting_and_nothing_else() {
    for kind in KINDS {
        let manager = Manager::start(kind).await;
        let target = KeyedTarget::start(OLD.0, OLD.1).await;
        manager.is(Mood::Down);
        let world = World::with(settings(&manager, &target)).await;
        if manager.takes_own_tokens() {
            manager.trusts(&world).await;
        }
        let etl = world.client("etl").await;
        let read = etl.get("/lake/a").await;
        read.refused(&format!("{kind:?}"), 503, "SlowDown");
        assert!(read.header("retry-after").is_some(), "{kind:?}");
        assert!(target.take_seen().is_empty(), "{kind:?}");
        says(&world, &["degraded", manager.secret(), "buckets answer 503"]).await;
        manager.write(OLD.0, OLD.1);
        manager.is(Mood::Well);
        becomes("the first secret", async || {
            etl.get("/lake/a").await.status == 200
        })
        .await;
        is_well(&world).await;
        kept(&world, kind).await;
    }
}

// AUD-05
#[tokio::test(flavor = "multi_thread")]
async fn a_command_says_which_secrets_cannot_be_read_and_which_are_old() {
    let (manager, target, world) = world(Kind::VaultToken).await;
    let check = |words: &[&str]| {
        let done = world.command(words);
        String::from_utf8(done.stdout).unwrap()
    };
    // The canary of `--targets` is not what this is about.
    let said = check(&["check"]);
    assert!(said.contains(": ok: "), "{said}");
    manager.made(100);
    let said = check(&["check", "--targets"]);
    assert!(
        said.contains("`vault://team/kv/tidegate/store` is 100 days old: rotate it"),
        "{said}"
    );
    manager.permits(false);
    let said = check(&["check", "--targets"]);
    let wanted = "targets.store.credentials.access_key_id, targets.store.credentials.secret_access_key: \
                  `vault://team/kv/tidegate/store` cannot be read: Vault refused (403 Forbidden, `none`): permission denied";
    assert!(said.contains(wanted), "{said}");
    for secret in SECRETS {
        assert!(!said.contains(secret), "{said}");
    }
    drop(target);
}

// SUP-01
#[tokio::test]
async fn the_secret_of_a_login_can_be_in_a_manager() {
    let manager = Manager::start(Kind::VaultToken).await;
    manager.write_text(&serde_json::json!({ "portal": CLIENT_SECRET }).to_string());
    crate::login::with_client_secret(&manager.reference("portal"), &manager.tables()).await;
    assert!(manager.reads() > 0);
    manager.was_asked_rightly();
}
