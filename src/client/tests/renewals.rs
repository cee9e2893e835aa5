use super::world::World;
use crate::client::{Choice, ClientError, Renewal};
use crate::config::Environment;
use jiff::SignedDuration;
use serde_json::json;
use std::time::Duration;

async fn logged_in() -> World {
    let world = World::new().await;
    world.log_in().await.unwrap();
    world
}

#[tokio::test]
async fn nobody_logged_in_is_an_error_with_its_own_exit_code() {
    let world = World::new().await;
    let error = world.keys().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("not logged in to `{}`", world.gateway.url)
    );
    // Nothing is remembered yet: what is to be run says which gateway.
    let next = format!("tidegate login {}", world.gateway.url);
    assert_eq!((error.exit_code(), error.next()), (3, next));
    assert!(world.gateway.seen().is_empty());
}

#[tokio::test]
async fn keys_are_kept_until_the_window() {
    let world = logged_in().await;
    world.advance(44);
    world.keys().await.unwrap();
    assert_eq!(world.gateway.count("/credentials"), 1);
    world.advance(1);
    world.keys().await.unwrap();
    assert_eq!(world.gateway.count("/credentials"), 2);
    // Those are kept, too.
    world.keys().await.unwrap();
    assert_eq!(world.gateway.count("/credentials"), 2);
    let uncached = Renewal {
        cache: false,
        ..Renewal::default()
    };
    world.client().keys(uncached).await.unwrap();
    assert_eq!(world.gateway.count("/credentials"), 3);
}

#[tokio::test]
async fn what_was_asked_for_at_the_login_holds_until_the_next_one() {
    let world = World::new().await;
    let choice = Choice {
        role: Some("exporter".into()),
        duration: Some(Duration::from_secs(8 * 3600)),
        tags: vec![("audit".into(), "CHG-1042".into())],
        ..Choice::default()
    };
    let client = world.client_with(&choice);
    let (outcome, _) = tokio::join!(
        client.log_in(
            Some(crate::client::LoginWay::Browser),
            crate::client::Hold::UntilTheNextLogin,
            client.now()
        ),
        world.browse()
    );
    outcome.unwrap();
    world.advance(50);
    world.set(|state| state.keys_live = SignedDuration::from_hours(8));
    world
        .client()
        .keys(Renewal {
            cache: false,
            ..Renewal::default()
        })
        .await
        .unwrap();
    let asked = world.gateway.seen();
    let asked: Vec<_> = asked
        .iter()
        .filter(|seen| seen.path() == "/_tidegate/credentials")
        .collect();
    assert_eq!(asked.len(), 2);
    for seen in &asked {
        assert_eq!(seen.query("role").as_deref(), Some("exporter"));
        assert_eq!(seen.query("duration").as_deref(), Some("28800"));
        assert_eq!(seen.query("tag").as_deref(), Some("audit=CHG-1042"));
        assert!(seen.header("authorization").unwrap().starts_with("e30."));
    }
    // Another role has other keys.
    let other = Choice {
        role: Some("reader".into()),
        ..Choice::default()
    };
    world.client_with(&other).keys(Renewal::default()).await.unwrap();
    assert_eq!(world.gateway.count("role=reader"), 1);
}

// One refresh token, good once: whoever spends it twice loses the login.
#[tokio::test]
async fn ten_processes_renew_once() {
    let world = logged_in().await;
    world.advance(50);
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let client = world.client();
        running.spawn(async move { client.keys(Renewal::default()).await.map(|keys| keys.expires_at) });
    }
    while let Some(keys) = running.join_next().await {
        assert_eq!(keys.unwrap().unwrap().to_string(), "2026-11-20T11:50:00Z");
    }
    let refreshed = world
        .idp
        .seen()
        .iter()
        .filter(|seen| seen.body.contains("grant_type=refresh_token"))
        .count();
    assert_eq!((refreshed, world.gateway.count("/credentials")), (1, 2));
    // The one that came with the renewal is what is good next time.
    world.advance(50);
    world.keys().await.unwrap();
    assert_eq!(world.state.lock().unwrap().rotations, 3);
    world.assert_nothing_secret_was_said();
}

#[tokio::test]
async fn a_login_that_cannot_be_renewed_ends_and_says_when() {
    let world = World::new().await;
    world.set(|state| state.refresh_token = None);
    assert!(!world.log_in().await.unwrap().renewable);
    // Near its end nothing is to be gained: the keys end with the login.
    world.advance(55);
    world.keys().await.unwrap();
    assert_eq!(world.gateway.count("/credentials"), 1);
    world.advance(17);
    let error = world.keys().await.unwrap_err();
    assert_eq!(
        (error.to_string().as_str(), error.next().as_str()),
        ("session expired 12 min ago", "tidegate login")
    );
    assert_eq!((error.exit_code(), world.gateway.count("/credentials")), (3, 1));
}

#[tokio::test]
async fn an_expired_refresh_token_ends_the_login_and_is_not_tried_again() {
    let world = logged_in().await;
    world.set(|state| state.refresh_token = Some("another".into()));
    // The identity token itself is still good.
    world.advance(50);
    world.keys().await.unwrap();
    world.advance(72 - 50);
    let error = world
        .client()
        .keys(Renewal {
            cache: false,
            ..Renewal::default()
        })
        .await
        .unwrap_err();
    assert_eq!(
        (error.to_string().as_str(), error.exit_code()),
        ("session expired 12 min ago", 3)
    );
    let tried = world
        .idp
        .seen()
        .iter()
        .filter(|seen| seen.body.contains("grant_type=refresh_token"))
        .count();
    assert_eq!(tried, 1);
}

#[tokio::test]
async fn a_renewal_for_somebody_else_is_refused() {
    let world = logged_in().await;
    world.set(|state| state.twisted = json!({ "sub": "00u2" }));
    world.advance(70);
    let error = world.keys().await.unwrap_err();
    assert!(matches!(error, ClientError::LoginRejected { .. }), "{error:?}");
    assert_eq!(world.gateway.count("/credentials"), 1);
}

#[tokio::test]
async fn a_provider_that_is_down_is_no_reason_to_log_in_again() {
    let world = logged_in().await;
    world.set(|state| state.idp_status = Some((503, json!({}))));
    // As long as the identity token is good, nobody notices.
    world.advance(50);
    world.keys().await.unwrap();
    assert_eq!(world.gateway.count("/credentials"), 2);
    world.advance(70);
    let error = world.keys().await.unwrap_err();
    assert_eq!(error.exit_code(), 1);
    assert!(error.to_string().contains("status 503"), "{error}");
    // It comes back, and so does the login.
    world.set(|state| state.idp_status = None);
    world.keys().await.unwrap();
}

#[tokio::test]
async fn a_gateway_that_is_down_is_bridged_by_keys_that_are_still_good() {
    let world = logged_in().await;
    world.set(|state| {
        state.gateway_status = Some((
            503,
            json!({ "code": "ServiceUnavailable", "message": "draining" }),
        ))
    });
    world.advance(50);
    let keys = world.keys().await.unwrap();
    assert_eq!(keys.expires_at.to_string(), "2026-11-20T11:00:00Z");
    let said = world.said();
    assert!(said.contains("warning: the gateway refuses: draining (ServiceUnavailable). The keys at hand are good for 10 min more."), "{said}");
    world.advance(20);
    let error = world.keys().await.unwrap_err();
    assert_eq!(error.exit_code(), 1);
}

#[tokio::test]
async fn a_caller_that_is_refused_does_not_go_on_with_earlier_keys() {
    let world = logged_in().await;
    world.set(|state| {
        state.gateway_status = Some((
            403,
            json!({ "code": "AccessDenied", "message": "the principal is revoked" }),
        ));
    });
    world.advance(50);
    let error = world.keys().await.unwrap_err();
    assert_eq!(
        (error.exit_code(), error.to_string().as_str()),
        (1, "the gateway refuses: the principal is revoked (AccessDenied)")
    );
}

#[tokio::test]
async fn a_gateway_that_cannot_be_reached_is_named() {
    let world = logged_in().await;
    let home = world.home.path().to_str().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let environment = Environment::of([
        ("HOME", home),
        ("BROWSER", "true"),
        ("TIDEGATE_ENDPOINT", endpoint.as_str()),
    ]);
    let client = world.client_in(environment, &Choice::default(), false);
    let error = client
        .log_in(
            Some(crate::client::LoginWay::Browser),
            crate::client::Hold::UntilTheNextLogin,
            client.now(),
        )
        .await
        .unwrap_err();
    assert_eq!(
        (error.exit_code(), error.to_string().as_str()),
        (1, "the gateway cannot be reached")
    );
    assert_eq!(
        error.next(),
        format!("curl -sS {endpoint}/_tidegate/configuration")
    );
}

#[tokio::test]
async fn a_clock_that_is_off_is_named_with_by_how_much() {
    let world = logged_in().await;
    world.set(|state| {
        state.gateway_ahead = SignedDuration::from_mins(17);
        state.gateway_status = Some((
            403,
            json!({ "code": "ExpiredToken", "message": "the token expired" }),
        ));
    });
    world.advance(50);
    let error = world.keys().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the gateway does not accept this login: the token expired (ExpiredToken); \
         this machine's clock is 17 min behind the gateway's"
    );
    assert_eq!(
        (error.exit_code(), error.next().as_str()),
        (3, "sudo timedatectl set-ntp true && tidegate login")
    );
    // It is said in time, too: signatures are refused at a quarter of an hour.
    world.set(|state| {
        state.gateway_ahead = -SignedDuration::from_mins(6);
        state.gateway_status = None;
    });
    world.keys().await.unwrap();
    assert!(
        world
            .said()
            .contains("warning: this machine's clock is 6 min ahead of the gateway's"),
        "{}",
        world.said()
    );
}

#[tokio::test]
async fn keys_that_cannot_be_kept_are_given_all_the_same() {
    let world = logged_in().await;
    // Where the folder of keys should be is a file: as little can be written as on a full disk.
    let keys = world.folder().join("keys");
    std::fs::remove_dir_all(&keys).unwrap();
    std::fs::write(&keys, "").unwrap();
    assert_eq!(world.keys().await.unwrap().access_key_id, "TGIAEXAMPLE");
    assert!(
        world
            .said()
            .contains("warning: the keys cannot be kept for the next time"),
        "{}",
        world.said()
    );
    world.assert_nothing_secret_was_said();
}

#[tokio::test]
async fn without_a_place_for_locks_it_goes_on_and_says_so() {
    let world = logged_in().await;
    let locks = world.folder().join("locks");
    std::fs::remove_dir_all(&locks).unwrap();
    std::fs::write(&locks, "").unwrap();
    world.advance(50);
    world.keys().await.unwrap();
    assert!(
        world.said().contains("warning: going on without a lock"),
        "{}",
        world.said()
    );
}

#[tokio::test]
async fn who_one_is_is_what_the_gateway_says() {
    let world = logged_in().await;
    let me = world.client().who_am_i().await.unwrap();
    assert_eq!(me.gateway["principal"], json!("okta:ana@acme.example"));
    assert!(me.login.unwrap().renewable && me.role.is_none() && me.tags.is_empty());
    let asked = world
        .gateway
        .seen()
        .into_iter()
        .rfind(|seen| seen.path() == "/_tidegate/whoami")
        .unwrap();
    assert!(asked.header("authorization").unwrap().starts_with("Bearer e30."));
    assert_eq!(
        world.client().keys_end().await.unwrap().to_string(),
        "2026-11-20T11:00:00Z"
    );
}

#[tokio::test]
async fn the_login_of_another_provider_is_not_taken() {
    let world = logged_in().await;
    let client = world.client_with(&Choice {
        issuer: Some("google".into()),
        ..Choice::default()
    });
    assert_eq!(client.keys(Renewal::default()).await.unwrap_err().exit_code(), 3);
}
