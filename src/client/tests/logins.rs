use super::fake::parameter;
use super::world::{START, World, eventually, files, get};
use crate::client::login::Lines;
use crate::client::{Choice, ClientError, LoginError, LoginWay, Renewal};
use crate::config::Environment;
use serde_json::json;

#[tokio::test]
async fn somebody_logs_in_with_a_browser() {
    let world = World::new().await;
    let logged_in = world.log_in().await.unwrap();
    assert_eq!(
        (logged_in.who.as_str(), logged_in.issuer.as_str()),
        ("ana@acme.example", "okta")
    );
    assert!(logged_in.renewable && !logged_in.by_another);
    assert_eq!(logged_in.gateway.unwrap()["groups"], json!(["okta:analysts"]));
    let keys = world.keys().await.unwrap();
    assert_eq!(keys.secret_access_key.expose(), b"hidden-secret");
    // The login brought keys already.
    assert_eq!(world.gateway.count("/credentials"), 1);
    world.assert_nothing_secret_was_said();
}

#[tokio::test]
async fn the_authorization_request_is_bound_to_this_process() {
    let world = World::new().await;
    let client = world.client();
    let logging_in = client.log_in(
        Some(LoginWay::Browser),
        crate::client::Hold::UntilTheNextLogin,
        client.now(),
    );
    let looking = async {
        let url = world.shown_address().await;
        let query = url.split_once('?').unwrap().1;
        for (name, value) in [
            ("response_type", "code"),
            ("client_id", "tidegate-cli"),
            ("scope", "openid email offline_access"),
            ("prompt", "consent"),
            ("code_challenge_method", "S256"),
        ] {
            assert_eq!(parameter(query, name).as_deref(), Some(value));
        }
        let random: Vec<String> = ["state", "nonce", "code_challenge"]
            .iter()
            .map(|name| parameter(query, name).unwrap())
            .collect();
        assert!(random.iter().all(|text| text.len() == 43), "{random:?}");
        assert!(
            parameter(query, "redirect_uri")
                .unwrap()
                .starts_with("http://127.0.0.1:")
        );
    };
    tokio::select! {
        _ = logging_in => panic!("nobody came back"),
        () = looking => {}
    }
}

// OID-01: whatever else knocks is not the answer.
#[tokio::test]
async fn a_browser_that_comes_back_with_another_state_is_waited_past() {
    let world = World::new().await;
    let client = world.client();
    let stray = async {
        let url = world.shown_address().await;
        let query = url.split_once('?').unwrap().1.to_owned();
        let back = parameter(&query, "redirect_uri").unwrap();
        let state = parameter(&query, "state").unwrap();
        let root = back.strip_suffix("/callback").unwrap();
        for url in [
            format!("{back}?code=evil&state=other"),
            format!("{back}?code=evil"),
            format!("{back}?error=access_denied"),
            format!("{back}?error=access_denied&state=other"),
            // Two readers may read this in two ways.
            format!("{back}?code=evil&state=other&state={state}"),
            format!("{back}?code=evil&code=code-1&state={state}"),
            format!("{back}?state={state}"),
            back.clone(),
            format!("{root}/favicon.ico"),
            format!("{root}/?code=evil&state={state}"),
        ] {
            let page = get(&url).await;
            assert!(page.starts_with("404 "), "{url}: {page}");
            assert!(!page.contains("evil"), "{page}");
        }
        assert_eq!(world.idp.count("/token"), 0);
        world.browse().await
    };
    let (outcome, page) = tokio::join!(
        client.log_in(
            Some(LoginWay::Browser),
            crate::client::Hold::UntilTheNextLogin,
            client.now()
        ),
        stray
    );
    outcome.unwrap();
    assert!(page.starts_with("200 ") && page.contains("Logged in"), "{page}");
}

// OID-04: the answer of another provider is an attack, not an accident.
#[tokio::test]
async fn an_answer_that_names_another_provider_ends_the_login() {
    for issuer in ["&iss=https://evil.example", ""] {
        let world = World::new().await;
        let client = world.client();
        let back = async {
            let url = world.shown_address().await;
            let query = url.split_once('?').unwrap().1.to_owned();
            let parameter = |name| parameter(&query, name).unwrap();
            get(&format!(
                "{}?code=code-1&state={}{issuer}",
                parameter("redirect_uri"),
                parameter("state")
            ))
            .await
        };
        let (outcome, _) = tokio::join!(
            client.log_in(
                Some(LoginWay::Browser),
                crate::client::Hold::UntilTheNextLogin,
                client.now()
            ),
            back
        );
        assert!(
            matches!(outcome, Err(ClientError::Login(LoginError::IdToken(_)))),
            "{outcome:?}"
        );
        assert_eq!(world.idp.count("/token"), 0);
    }
}

#[tokio::test]
async fn a_login_that_is_denied_says_so() {
    let world = World::new().await;
    let client = world.client();
    let back = async {
        let url = world.shown_address().await;
        let query = url.split_once('?').unwrap().1.to_owned();
        let parameter = |name| parameter(&query, name).unwrap();
        let answer = format!(
            "error=access_denied&error_description=%1b%5B2J%3Cb%3E&iss={}",
            world.idp.url
        );
        get(&format!(
            "{}?{answer}&state={}",
            parameter("redirect_uri"),
            parameter("state")
        ))
        .await
    };
    let (outcome, page) = tokio::join!(
        client.log_in(
            Some(LoginWay::Browser),
            crate::client::Hold::UntilTheNextLogin,
            client.now()
        ),
        back
    );
    let error = outcome.unwrap_err();
    assert_eq!(
        (error.to_string().as_str(), error.exit_code()),
        ("the login was denied", 1)
    );
    assert!(!page.contains("<b>"), "{page}");
    assert_eq!(files(&world.folder().join("logins")), 0);
}

// OID-02 and the rest of what a client looks at.
#[tokio::test]
async fn a_token_that_was_not_asked_for_is_no_login() {
    for twisted in [
        json!({ "nonce": "other" }),
        json!({ "nonce": null }),
        json!({ "aud": "another-client" }),
        json!({ "aud": ["tidegate-cli", "another-client"] }),
        json!({ "iss": "https://evil.example" }),
        json!({ "exp": 0 }),
        json!({ "exp": "2027" }),
    ] {
        let world = World::new().await;
        world.set(|state| state.twisted = twisted.clone());
        let error = world.log_in().await.unwrap_err();
        assert!(
            matches!(error, ClientError::Login(LoginError::IdToken(_))),
            "{twisted}: {error:?}"
        );
        assert_eq!(world.gateway.count("/credentials"), 0, "{twisted}");
        assert_eq!(files(&world.folder().join("logins")), 0, "{twisted}");
    }
}

#[tokio::test]
async fn a_login_that_the_gateway_does_not_take_is_no_login() {
    let world = World::new().await;
    world.set(|state| {
        state.gateway_status = Some((
            403,
            json!({ "code": "AccessDenied", "message": "the principal is revoked" }),
        ));
    });
    let error = world.log_in().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the gateway refuses: the principal is revoked (AccessDenied)"
    );
    assert_eq!((error.exit_code(), files(&world.folder().join("logins"))), (1, 0));
}

fn pasted() -> Lines {
    let (sender, lines) = tokio::sync::mpsc::channel(4);
    PASTED.with(|slot| *slot.borrow_mut() = Some(sender));
    lines
}

thread_local! {
    static PASTED: std::cell::RefCell<Option<tokio::sync::mpsc::Sender<String>>> = const { std::cell::RefCell::new(None) };
}

/// Logs in with somebody who pastes: first what is wrong, then what is right.
async fn paste(world: &World, client: &crate::client::Client, way: LoginWay) {
    let typing = async {
        let url = world.shown_address().await;
        let query = url.split_once('?').unwrap().1.to_owned();
        let parameter = |name| parameter(&query, name).unwrap();
        world.set(|state| {
            state.challenge = parameter("code_challenge");
            state.nonce = parameter("nonce");
        });
        let sender = PASTED.with(|slot| slot.borrow().clone().unwrap());
        let back = parameter("redirect_uri");
        sender
            .send(format!("{back}?code=evil&state=other"))
            .await
            .unwrap();
        sender.send("what?".into()).await.unwrap();
        eventually(|| (world.said().matches("That is not the address").count() == 2).then_some(())).await;
        let right = format!(
            "  \"{back}?code=code-1&state={}&iss={}#_\" ",
            parameter("state"),
            world.idp.url
        );
        sender.send(right).await.unwrap();
    };
    let (outcome, ()) = tokio::join!(
        client.log_in(Some(way), crate::client::Hold::UntilTheNextLogin, client.now()),
        typing
    );
    assert_eq!(outcome.unwrap().who, "ana@acme.example");
    world.assert_nothing_secret_was_said();
}

#[tokio::test]
async fn the_last_address_can_be_pasted_back() {
    let world = World::new().await;
    let mut client = world.client();
    client.lines = Some(pasted);
    paste(&world, &client, LoginWay::Paste).await;
    assert!(!world.said().contains("a browser has been opened"));
}

#[tokio::test]
async fn in_an_ssh_session_the_address_is_shown_and_the_other_ways_are_said() {
    let world = World::new().await;
    let home = world.home.path().to_str().unwrap();
    let variables = [
        ("HOME", home),
        ("SSH_CONNECTION", "a b c d"),
        ("TIDEGATE_ENDPOINT", &world.gateway.url),
    ];
    let mut client = world.client_in(Environment::of(variables), &Choice::default(), true);
    client.lines = Some(pasted);
    paste(&world, &client, LoginWay::Browser).await;
    let said = world.said();
    assert!(
        said.starts_with("This is an SSH session: a browser that is opened here would not be yours."),
        "{said}"
    );
    assert!(said.contains("`tidegate login --device`"), "{said}");
}

#[tokio::test]
async fn somebody_logs_in_with_a_code_on_another_device() {
    let world = World::new().await;
    world.set(|state| {
        state.pending = vec![
            json!({ "error": "authorization_pending" }),
            json!({ "error": "authorization_pending" }),
        ]
    });
    let client = world.client();
    let logged_in = client
        .log_in(
            Some(LoginWay::Device),
            crate::client::Hold::UntilTheNextLogin,
            client.now(),
        )
        .await
        .unwrap();
    assert_eq!(logged_in.who, "ana@acme.example");
    let said = world.said();
    assert!(
        said.contains(&format!("go to {}/activate on any device", world.idp.url)),
        "{said}"
    );
    assert!(said.contains("Only approve if you see WDJB-MJHT"), "{said}");
    // A link with the code in it is what gets followed without a look.
    assert!(!said.contains("user_code="), "{said}");
    assert_eq!(world.idp.count("/token"), 3);
    world.assert_nothing_secret_was_said();
}

#[tokio::test]
async fn a_device_code_that_is_never_approved_ends() {
    let check = async |answer: serde_json::Value, said: &str, next: &str| {
        let world = World::new().await;
        world.set(|state| state.pending = vec![answer]);
        let client = world.client();
        let error = client
            .log_in(
                Some(LoginWay::Device),
                crate::client::Hold::UntilTheNextLogin,
                client.now(),
            )
            .await
            .unwrap_err();
        assert_eq!(
            (
                error.to_string().as_str(),
                error.next().as_str(),
                error.exit_code()
            ),
            (said, next, 1)
        );
        assert_eq!(world.idp.count("/token"), 1);
    };
    check(
        json!({ "error": "expired_token" }),
        "the code was not approved in time",
        "tidegate login --device",
    )
    .await;
    check(
        json!({ "error": "access_denied" }),
        "the login was denied",
        "tidegate login",
    )
    .await;
}

#[tokio::test]
async fn without_a_browser_and_a_terminal_a_login_fails_at_once() {
    let world = World::new().await;
    let home = world.home.path().to_str().unwrap();
    let environment = Environment::of([
        ("HOME", home),
        ("SSH_CONNECTION", "a b c d"),
        ("TIDEGATE_ENDPOINT", &world.gateway.url),
    ]);
    let client = world.client_in(environment, &Choice::default(), false);
    let error = client
        .log_in(
            Some(LoginWay::Browser),
            crate::client::Hold::UntilTheNextLogin,
            client.now(),
        )
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "a browser cannot be opened in an SSH session, and no address can be pasted"
    );
    assert_eq!(error.next(), "tidegate login --device");
}

#[tokio::test]
async fn which_provider_is_asked_is_said_if_there_are_several() {
    let world = World::new().await;
    let client = world.client_with(&Choice {
        issuer: Some("google".into()),
        ..Choice::default()
    });
    let error = client
        .log_in(
            Some(LoginWay::Browser),
            crate::client::Hold::UntilTheNextLogin,
            client.now(),
        )
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no identity provider `google`; expected one of okta"
    );
    assert_eq!(error.next(), "tidegate login --issuer okta");
}

// Ten at once: one tab.
#[tokio::test]
async fn ten_processes_that_need_a_login_open_one_browser_tab() {
    let world = World::new().await;
    let renewal = Renewal {
        auto_login: true,
        ..Renewal::default()
    };
    let clients: Vec<_> = (0..10).map(|_| world.client()).collect();
    let mut running = tokio::task::JoinSet::new();
    for client in clients {
        running.spawn(async move { client.keys(renewal).await.map(|keys| keys.access_key_id) });
    }
    world.browse().await;
    while let Some(keys) = running.join_next().await {
        assert_eq!(keys.unwrap().unwrap(), "TGIAEXAMPLE");
    }
    assert_eq!(
        world.said().matches("a browser has been opened").count(),
        1,
        "{}",
        world.said()
    );
    assert_eq!(
        (world.idp.count("/token"), world.gateway.count("/credentials")),
        (1, 1)
    );
}

// What was said to a command that had to log in on its way is not said to those that come after it.
#[tokio::test]
async fn a_command_that_logs_in_leaves_no_role_behind() {
    let world = World::new().await;
    let choice = Choice {
        role: Some("exporter".into()),
        tags: vec![("a".into(), "b".into())],
        ..Choice::default()
    };
    let renewal = Renewal {
        auto_login: true,
        ..Renewal::default()
    };
    let client = world.client_with(&choice);
    let (keys, _) = tokio::join!(client.keys(renewal), world.browse());
    keys.unwrap();
    assert_eq!(world.gateway.count("role=exporter&tag=a%3Db"), 1);
    world.keys().await.unwrap();
    assert_eq!(
        (
            world.gateway.count("/credentials"),
            world.gateway.count("role=exporter")
        ),
        (2, 1)
    );
}

// Two that log in at once for different things: one tab, and the later one's wish is not lost.
#[tokio::test]
async fn whoever_waits_for_a_login_keeps_its_own_wish() {
    let world = World::new().await;
    let choice = Choice {
        role: Some("exporter".into()),
        ..Choice::default()
    };
    let (plain, wishing) = (world.client(), world.client_with(&choice));
    let (way, hold, begun) = (
        Some(LoginWay::Browser),
        crate::client::Hold::UntilTheNextLogin,
        START.parse().unwrap(),
    );
    let running = tokio::spawn(async move { plain.log_in(way, hold, begun).await });
    world.shown_address().await;
    let waiting = tokio::spawn(async move { wishing.log_in(way, hold, begun).await });
    eventually(|| world.said().contains("waiting for it").then_some(())).await;
    world.browse().await;
    assert!(!running.await.unwrap().unwrap().by_another);
    assert!(waiting.await.unwrap().unwrap().by_another);
    world.keys().await.unwrap();
    assert_eq!(world.gateway.count("role=exporter"), 1);
}

#[tokio::test]
async fn those_who_wait_for_a_login_hear_that_it_failed() {
    let world = World::new().await;
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..5 {
        let client = world.client();
        let begun = START.parse().unwrap();
        running.spawn(async move {
            client
                .log_in(
                    Some(LoginWay::Browser),
                    crate::client::Hold::UntilTheNextLogin,
                    begun,
                )
                .await
        });
    }
    let url = world.shown_address().await;
    eventually(|| (world.said().matches("waiting for it").count() == 4).then_some(())).await;
    let query = url.split_once('?').unwrap().1.to_owned();
    let parameter = |name| parameter(&query, name).unwrap();
    let answer = format!(
        "error=access_denied&state={}&iss={}",
        parameter("state"),
        world.idp.url
    );
    get(&format!("{}?{answer}", parameter("redirect_uri"))).await;
    while let Some(outcome) = running.join_next().await {
        let error = outcome.unwrap().unwrap_err();
        assert_eq!(
            (error.to_string().as_str(), error.exit_code()),
            ("the login was denied", 1)
        );
    }
    assert_eq!(world.said().matches("a browser has been opened").count(), 1);
}

#[tokio::test]
async fn logging_out_forgets_and_tells_the_provider() {
    let world = World::new().await;
    world.log_in().await.unwrap();
    assert_eq!(
        (
            files(&world.folder().join("logins")),
            files(&world.folder().join("keys"))
        ),
        (1, 1)
    );
    let gone = world.client().log_out(false).await.unwrap();
    assert_eq!(gone.len(), 1);
    assert!(gone[0].revoked && gone[0].who == "ana@acme.example");
    assert_eq!(
        gone[0].end_session.as_deref(),
        Some(&*format!("{}/end?client_id=tidegate-cli", world.idp.url))
    );
    let revoked = world
        .idp
        .seen()
        .into_iter()
        .find(|seen| seen.path() == "/revoke")
        .unwrap();
    assert_eq!(revoked.form("token").as_deref(), Some("refresh-1"));
    assert_eq!(
        (
            files(&world.folder().join("logins")),
            files(&world.folder().join("keys"))
        ),
        (0, 0)
    );
    let error = world.keys().await.unwrap_err();
    assert_eq!(error.exit_code(), 3);
    assert!(world.client().log_out(true).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_last_gateway_is_remembered() {
    let world = World::new().await;
    world.log_in().await.unwrap();
    let home = world.home.path().to_str().unwrap();
    let client = world.client_in(Environment::of([("HOME", home)]), &Choice::default(), false);
    assert_eq!(client.endpoint(), world.gateway.url);
}
