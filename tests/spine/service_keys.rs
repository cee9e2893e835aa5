//! Service keys: two strings that open what their record says, as long as it says so, and nothing else.

use crate::support::chunked::{SIGNED, Stream};
use crate::support::fake_target::{FakeTarget, Step};
use crate::support::post_form::Form;
use crate::support::world::{becomes, binary, eventually};
use crate::support::{Client, Keys, Payload, Settings, World, form, now, raw};
use jiff::SignedDuration;
use std::process::Command;
use tokio::io::AsyncReadExt;

const VEEAM: [&str; 4] = ["--principal", "backup:veeam", "--bucket", "lake"];

fn settings() -> Settings {
    let everything = r#"permit (principal == Tidegate::Workload::"backup:veeam", action, resource);"#;
    Settings {
        more: "[service_keys]\nfile = \"service-keys.toml\"".into(),
        policy: Some(format!("{}{everything}", crate::support::world::POLICY)),
        other_policy: Some(everything.into()),
        ..Settings::default()
    }
}

/// A client with a new key, once the process knows it.
async fn client(world: &World, words: &[&str]) -> Client {
    let client = world.client_with(world.service_key(words));
    let id = client.keys.clone().unwrap().access_key_id;
    let metric = format!("tidegate_service_key_expiry_seconds{{id=\"{id}\"}}");
    world.metric_when(&metric, |expires| expires > 0).await;
    client
}

#[tokio::test]
async fn a_service_key_signs_in_every_way_and_for_its_buckets_only() {
    let world = World::with(settings()).await;
    let veeam = client(&world, &VEEAM).await;
    let keys = veeam.keys.clone().unwrap();
    let put = veeam.put("/lake/vm/a", b"header").await;
    assert_eq!(put.status, 200, "{}", put.text());
    let record = world.recorded(&put, "allow", "permit").await;
    let actor = &record["actor"];
    assert_eq!(actor["id"], "backup:veeam");
    assert_eq!(
        (&actor["kind"], &actor["service_key"]),
        (&"workload".into(), &true.into())
    );
    assert_eq!(actor["issuer"], "tidegate:service-keys");
    assert_eq!(actor["access_key_id"], *keys.access_key_id);
    assert_eq!(record["client"]["auth"], "sigv4-header");

    let link = veeam.presign("GET", "/lake/vm/a", &[], b"", 604_800);
    let got = veeam.send(link).await;
    assert_eq!((got.status, got.text().as_str()), (200, "header"));
    assert_eq!(world.record_of(&got).await["client"]["auth"], "presigned");
    let posted = veeam.send(Form::of("vm/b", b"form").request(&veeam)).await;
    assert_eq!(posted.status, 204, "{}", posted.text());
    assert_eq!(world.record_of(&posted).await["actor"]["service_key"], true);
    let chunked = veeam.stream("PUT", "/lake/vm/c", Stream::of(SIGNED), &[b"12345", b"6789"]);
    assert_eq!(veeam.send(chunked.request()).await.status, 200);
    assert_eq!(world.stored("vm/c").as_deref(), Some(&b"123456789"[..]));

    // Both buckets let the principal do everything; the key is for one of them.
    let listed = veeam.get("/").await;
    assert!(listed.text().contains("<Name>lake</Name>"), "{}", listed.text());
    assert!(!listed.text().contains("<Name>other</Name>"), "{}", listed.text());
    let before = world.target_requests().len();
    for (what, request) in [
        ("read", veeam.sign("GET", "/other/k", &[], b"", Payload::Literal)),
        (
            "write",
            veeam.sign("PUT", "/other/k", &[], b"x", Payload::Literal),
        ),
        (
            "list",
            veeam.sign("GET", "/other?list-type=2", &[], b"", Payload::Literal),
        ),
        ("link", veeam.presign("GET", "/other/k", &[], b"", 60)),
        (
            "copy from there",
            veeam.sign(
                "PUT",
                "/lake/vm/d",
                &[("x-amz-copy-source", "other/k")],
                b"",
                Payload::Literal,
            ),
        ),
    ] {
        let answer = veeam.send(request).await;
        answer.refused(what, 403, "AccessDenied");
        world.recorded(&answer, "deny", "session-policy").await;
    }
    assert_eq!(world.target_requests().len(), before);
    let file = std::fs::read_to_string(world.path("service-keys.toml")).unwrap();
    assert!(!file.contains(&keys.secret_access_key));
    world.kept_secret(&[&keys.secret_access_key]);
}

// SIG-11, SES-03, SES-07, SES-08
#[tokio::test]
async fn a_service_key_that_may_not_be_used_reaches_nothing() {
    let world = World::with(settings()).await;
    let elsewhere = [&VEEAM[..], &["--source-address", "192.0.2.0/24"]].concat();
    let (good, elsewhere) = (client(&world, &VEEAM).await, client(&world, &elsewhere).await);
    let keys = good.keys.clone().unwrap();
    let with = |change: &dyn Fn(&mut Keys)| {
        let mut client = good.clone();
        change(client.keys_mut());
        client
    };
    let session = world.session("etl").await;
    let token = session.session_token.clone();
    let wrong = with(&|keys| keys.secret_access_key = "x".repeat(40));
    let unknown = with(&|keys| keys.access_key_id = "TGSKAAAAAAAAAAAAAAAA".into());
    let (denied, mismatch) = ("AccessDenied", "SignatureDoesNotMatch");
    for (what, client, code, reason, told) in [
        (
            "network",
            &elsewhere,
            denied,
            "source-address",
            "may not be used from this network (127.0.0.1)",
        ),
        ("secret", &wrong, mismatch, "bad-signature", "does not match"),
        (
            "unknown id",
            &unknown,
            mismatch,
            "unauthenticated",
            "does not match",
        ),
        (
            "session token",
            &with(&|keys| keys.session_token = token.clone()),
            denied,
            "bad-token",
            "has no session token",
        ),
    ] {
        for request in [
            client.sign("PUT", "/lake/vm/a", &[], b"x", Payload::Literal),
            client.presign("GET", "/lake/vm/a", &[], b"", 60),
            Form::of("vm/a", b"x").request(client),
        ] {
            let answer = client.send(request).await;
            answer.refused(what, 403, code);
            assert!(answer.text().contains(told), "{}", answer.text());
            let record = world.recorded(&answer, "deny", reason).await;
            assert_eq!(
                record["actor"]["access_key_id"],
                client.keys.clone().unwrap().access_key_id
            );
        }
    }
    // The keys of a session with the id of a service key, and the other way round.
    let mixed = with(&|keys| keys.secret_access_key = session.secret_access_key.clone());
    mixed
        .put("/lake/vm/a", b"x")
        .await
        .refused("mixed", 403, mismatch);
    let mut mixed = world.client_with(session);
    mixed.keys_mut().secret_access_key = keys.secret_access_key.clone();
    mixed
        .put("/lake/vm/a", b"x")
        .await
        .refused("mixed", 403, mismatch);
    // A wrong secret and an id that nobody has are answered alike, but for the id.
    let shape = async |client: &Client| {
        let id = client.keys.clone().unwrap().access_key_id;
        let answer = client.get("/lake/vm/a").await;
        let text = answer.text().replace(&id, "ID");
        let text = text.replace(answer.header("x-amz-request-id").unwrap(), "REQUEST");
        (
            answer.status,
            text.len(),
            text.split("<StringToSign>").next().map(str::to_owned),
        )
    };
    assert_eq!(shape(&wrong).await, shape(&unknown).await);
    world.untouched("service keys that may not be used");
    world.kept_secret(&[&keys.secret_access_key]);
}

// SES-06: within the reload, which follows the file within a second.
#[tokio::test]
async fn a_revoked_service_key_ends_and_others_go_on() {
    let world = World::with(settings()).await;
    let (one, other) = (client(&world, &VEEAM).await, client(&world, &VEEAM).await);
    let id = one.keys.clone().unwrap().access_key_id;
    assert_eq!(one.put("/lake/vm/a", b"x").await.status, 200);
    let said = world.does(&["service-keys", "revoke", &id]);
    assert!(said.contains("revoked"), "{said}");
    becomes("the end of a revoked key", async || {
        one.head("/lake/vm/a").await.status == 403
    })
    .await;
    let before = world.target_requests().len();
    let answer = one.put("/lake/vm/a", b"y").await;
    answer.refused("revoked", 403, "AccessDenied");
    assert!(
        answer
            .text()
            .contains(&format!("service key {id} was revoked on")),
        "{}",
        answer.text()
    );
    world.recorded(&answer, "deny", "revoked").await;
    assert_eq!(world.target_requests().len(), before);
    assert_eq!(other.put("/lake/vm/b", b"x").await.status, 200);

    // As a principal of the revocations, too.
    world.does(&[
        "sessions",
        "revoke",
        "--principal",
        "backup:veeam",
        "--reason",
        "moved out",
    ]);
    becomes("the end of its principal", async || {
        other.head("/lake/vm/b").await.status == 403
    })
    .await;
    let before = world.target_requests().len();
    let answer = other.put("/lake/vm/b", b"y").await;
    answer.refused("revoked principal", 403, "AccessDenied");
    assert!(answer.text().contains("revoked: moved out"), "{}", answer.text());
    world.recorded(&answer, "deny", "revoked").await;
    assert_eq!(world.target_requests().len(), before);

    // And all of them at once.
    world.does(&["sessions", "revoke", "--principal", "backup:veeam", "--undo"]);
    becomes("its return", async || {
        other.head("/lake/vm/b").await.status == 200
    })
    .await;
    let config = std::fs::read_to_string(world.path("tidegate.toml")).unwrap();
    let off = config.replace("[service_keys]", "[service_keys]\nenabled = false");
    std::fs::write(world.path("tidegate.toml"), off).unwrap();
    becomes("the end of all", async || {
        other.head("/lake/vm/b").await.status == 403
    })
    .await;
    let answer = other.put("/lake/vm/b", b"y").await;
    answer.refused("switched off", 403, "AccessDenied");
    assert!(
        answer.text().contains("service keys are switched off"),
        "{}",
        answer.text()
    );
    let refused = world.command(&[&["service-keys", "create"], &VEEAM[..]].concat());
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("switched off"));
}

// SES-07: a key that expires in the middle of a transfer lets it finish, and begins no other.
#[tokio::test]
async fn a_transfer_outlives_its_service_key() {
    let size = 64 << 20;
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n");
    let target = FakeTarget::start(move |_| vec![Step::Send(head.clone().into()), Step::Flood(64)]).await;
    let world = World::with(Settings {
        target: Some(target.address),
        ..settings()
    })
    .await;
    let veeam = client(&world, &VEEAM).await;
    // The shortest that a command makes is a day.
    let file = world.path("service-keys.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let line = text.lines().find(|line| line.starts_with("expires")).unwrap();
    let ends = jiff::Timestamp::from_second(now().as_second() + 4).unwrap();
    std::fs::write(&file, text.replace(line, &format!("expires = \"{ends}\""))).unwrap();
    let id = veeam.keys.clone().unwrap().access_key_id;
    let metric = format!("tidegate_service_key_expiry_seconds{{id=\"{id}\"}}");
    world
        .metric_when(&metric, |expires| expires == ends.as_second() as u64)
        .await;

    let request = veeam.sign("GET", "/lake/vm/a", &[], b"", Payload::Literal);
    let mut stream = veeam.say(&raw::head(&request, "connection: close\r\n")).await;
    assert_eq!(raw::answer_head(&mut stream).await.unwrap().status, 200);
    eventually("the end of the key", || (now() >= ends).then_some(())).await;
    let mut received = 0;
    let mut piece = vec![0; 1 << 20];
    while received < size {
        let count = stream.read(&mut piece).await.unwrap();
        assert!(count > 0, "cut after {received} bytes");
        received += count;
    }
    let before = target.count();
    let answer = veeam.get("/lake/vm/a").await;
    answer.refused("expired", 403, "AccessDenied");
    assert!(
        answer.text().contains(&format!("service key {id} expired on")),
        "{}",
        answer.text()
    );
    world.recorded(&answer, "deny", "expired").await;
    let link = veeam
        .send(veeam.presign("GET", "/lake/vm/a", &[], b"", 604_800))
        .await;
    link.refused("a link that outlives its key", 403, "AccessDenied");
    assert_eq!(target.count(), before);
}

#[tokio::test]
async fn a_service_key_opens_no_door_at_which_sessions_are_issued() {
    // SES-03
    let world = World::with(settings()).await;
    let mut veeam = client(&world, &VEEAM).await;
    veeam.service = "sts";
    let ask = async |action: &str| {
        let body = form(&[("Action", action), ("Version", "2011-06-15")]);
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let request = veeam.sign("POST", "/", &headers, body.as_bytes(), Payload::Literal);
        veeam.send(request).await
    };
    let who = ask("GetCallerIdentity").await;
    assert_eq!(who.status, 200, "{}", who.text());
    assert!(who.text().contains("backup:veeam"), "{}", who.text());
    for action in ["GetSessionToken", "AssumeRole"] {
        let answer = ask(action).await;
        assert!([400, 403].contains(&answer.status), "{action}: {}", answer.text());
        assert!(
            !answer.text().contains("SecretAccessKey"),
            "{action}: {}",
            answer.text()
        );
    }
    world.untouched("the token service");
}

#[tokio::test]
async fn the_command_line_makes_lists_and_rotates_keys() {
    let world = World::with(settings()).await;
    let old = client(
        &world,
        &[&VEEAM[..], &["--days", "10", "--note", "the NAS"]].concat(),
    )
    .await;
    let id = old.keys.clone().unwrap().access_key_id;
    let warned = eventually("the warning of its end", || {
        let log = world.written();
        log.contains("a service key expires soon").then_some(log)
    })
    .await;
    assert!(warned.contains(&id), "{warned}");
    let checked = world.command(&["check"]);
    let findings = String::from_utf8(checked.stdout).unwrap();
    assert!(
        findings.contains(&format!("{id}: expires in 9 days")),
        "{findings}"
    );

    let rotated = world.does(&["service-keys", "rotate", &id, "--overlap", "1d", "--json"]);
    let new = world.client_with(Keys::of_json(&rotated));
    becomes("the new key", async || {
        new.put("/lake/vm/a", b"x").await.status == 200
    })
    .await;
    assert_eq!(old.get("/lake/vm/a").await.status, 200, "both work for a while");
    let listed: serde_json::Value =
        serde_json::from_str(&world.does(&["service-keys", "list", "--json"])).unwrap();
    let keys = listed.as_array().unwrap();
    assert_eq!((keys.len(), &keys[0]["access_key_id"]), (2, &id.clone().into()));
    assert_eq!(
        (&keys[1]["replaces"], &keys[1]["note"]),
        (&id.clone().into(), &"the NAS".into())
    );
    assert!(
        keys.iter()
            .all(|key| key["standing"] == "alive" && key["secret_access_key"].is_null())
    );
    let text = world.does(&["service-keys", "list"]);
    assert!(
        text.contains("alive") && text.contains("backup:veeam in lake"),
        "{text}"
    );

    for (words, because) in [
        (
            &["--principal", "idp:etl", "--bucket", "lake"][..],
            "issuer `idp`",
        ),
        (
            &["--principal", "backup:x", "--bucket", "none"],
            "there is no bucket `none`; there are lake, other",
        ),
        (&["--principal", "x", "--bucket", "lake"], "PREFIX:NAME"),
    ] {
        let refused = world.command(&[&["service-keys", "create"], words].concat());
        let said = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(1));
        assert!(said.contains(because) && refused.stdout.is_empty(), "{said}");
    }
    // Two at once: one of them is told.
    std::fs::write(world.path("service-keys.toml.new"), "").unwrap();
    let busy = world.command(&[&["service-keys", "create"], &VEEAM[..]].concat());
    assert!(String::from_utf8_lossy(&busy.stderr).contains("another command is writing"));
}

// SES-05
#[tokio::test]
async fn service_keys_outlive_a_rotation_of_the_ring_and_end_with_their_ring_key() {
    let world = World::with(settings()).await;
    let veeam = client(&world, &VEEAM).await;
    let id = veeam.keys.clone().unwrap().access_key_id;
    let ring = world.path("secrets/session-keys.toml");
    let first = std::fs::read_to_string(&ring).unwrap();
    let first = first.split("id = \"").nth(1).unwrap().split('"').next().unwrap();
    let keys = |words: &[&str]| {
        let done = Command::new(binary()).args(words).output().unwrap();
        let said =
            String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
        (done.status.success(), said)
    };
    let (ring, config) = (ring.to_str().unwrap().to_owned(), world.path("tidegate.toml"));
    let config = config.to_str().unwrap();
    let (done, said) = keys(&["keys", "rotate", &ring, "--seals-after", "0s"]);
    assert!(done && said.contains(&format!("still open: {first}")), "{said}");
    let generation = "tidegate_generation";
    let loaded = world.metric_when(generation, |_| true).await;
    world.signal("HUP");
    world.metric_when(generation, |number| number > loaded).await;
    assert_eq!(veeam.put("/lake/vm/a", b"x").await.status, 200);

    let (done, said) = keys(&["keys", "drop", &ring, first, "--config", config, "--dry-run"]);
    assert!(
        done && said.contains(&format!("would drop {first}")) && said.contains(&id),
        "{said}"
    );
    assert_eq!(veeam.get("/lake/vm/a").await.status, 200, "nothing was done");
    let (done, said) = keys(&["keys", "drop", &ring, first, "--config", config]);
    assert!(
        done && said.contains(&format!("service keys that end: {id} of backup:veeam")),
        "{said}"
    );
    becomes("the end of the key", async || {
        veeam.head("/lake/vm/a").await.status == 403
    })
    .await;
    let before = world.target_requests().len();
    let answer = veeam.put("/lake/vm/a", b"y").await;
    answer.refused("its ring key is gone", 403, "SignatureDoesNotMatch");
    world.recorded(&answer, "deny", "unauthenticated").await;
    assert_eq!(world.target_requests().len(), before);
    let (_, said) = keys(&["check", "--config", config]);
    assert!(said.contains("has left the key ring"), "{said}");
}

// CFG-02
#[tokio::test]
async fn a_file_of_service_keys_that_breaks_leaves_the_last_good_one() {
    let world = World::with(settings()).await;
    let veeam = client(&world, &VEEAM).await;
    let file = world.path("service-keys.toml");
    let good = std::fs::read_to_string(&file).unwrap();
    for (broken, said) in [
        (good.replace("backup:veeam", "idp:etl"), "the issuer of that name"),
        (good.replace("buckets", "bukets"), "unknown field"),
        (good[..good.len() - 20].to_owned(), "service-keys.toml:"),
    ] {
        std::fs::write(&file, broken).unwrap();
        world
            .ready_when(|status, body| status == 200 && body.contains("degraded") && body.contains(said))
            .await;
        assert_eq!(veeam.put("/lake/vm/a", b"x").await.status, 200, "{said}");
        std::fs::write(&file, &good).unwrap();
        world.ready_when(|_, body| !body.contains("degraded")).await;
    }
    // Without the file there are no keys: nothing was promised to outlive it.
    std::fs::remove_file(&file).unwrap();
    becomes("the end of all", async || {
        veeam.head("/lake/vm/a").await.status == 403
    })
    .await;
}

#[tokio::test]
async fn a_skewed_clock_is_named_and_measured() {
    let world = World::with(settings()).await;
    let mut veeam = client(&world, &VEEAM).await;
    veeam.skew = SignedDuration::from_secs(-17 * 60 - 20);
    let answer = veeam.get("/lake/vm/a").await;
    answer.refused("clock", 403, "RequestTimeTooSkewed");
    let message = answer.element("Message").unwrap();
    assert!(message.contains("your clock is 17 min behind"), "{message}");
    for element in ["RequestTime", "ServerTime", "MaxAllowedSkewMilliseconds"] {
        assert!(answer.element(element).is_some(), "{element}");
    }
    let largest = "tidegate_clock_drift_seconds{party=\"caller\",name=\"largest\"} -10";
    becomes("the caller's drift", async || {
        world.admin_get("/metrics").await.1.contains(largest)
    })
    .await;
    eventually("the warning", || {
        world.written().contains("17 min behind").then_some(())
    })
    .await;
    // Whoever has no key can say any date.
    veeam.keys_mut().secret_access_key = "x".repeat(40);
    veeam.skew = SignedDuration::from_hours(-5000);
    veeam
        .get("/lake/vm/a")
        .await
        .refused("forged", 403, "RequestTimeTooSkewed");
    let (_, metrics) = world.admin_get("/metrics").await;
    assert!(metrics.contains(largest), "{metrics}");
    veeam.service = "sts";
    let body = form(&[("Action", "GetCallerIdentity"), ("Version", "2011-06-15")]);
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    veeam.skew = SignedDuration::from_mins(20);
    let request = veeam.sign("POST", "/", &headers, body.as_bytes(), Payload::Literal);
    let answer = veeam.send(request).await;
    assert!(
        answer.text().contains("clock is 20 min ahead") || answer.text().contains("clock is 19 min ahead"),
        "{}",
        answer.text()
    );
    world.untouched("skewed requests");
    world
        .ready_when(|status, body| status == 200 && !body.contains("degraded"))
        .await;
}
