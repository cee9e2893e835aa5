//! Browser login: a person logs in, sees who it is, and logs out; and its cookie opens nothing else.

use crate::support::browser::{ATTEMPT, Browser, ORIGIN, SESSION, VISIT};
use crate::support::login_provider::{Authentication, CLIENT_ID, CLIENT_SECRET, LoginProvider};
use crate::support::{Answer, Settings, World, form};
use serde_json::json;

/// A Tidegate at which people log in with these providers.
pub async fn world(providers: &[&LoginProvider]) -> World {
    let tables: Vec<String> = providers.iter().map(|provider| provider.table()).collect();
    with_tables(&tables.concat()).await
}

/// A Tidegate with a browser login and these tables.
pub async fn with_tables(tables: &str) -> World {
    World::with(Settings {
        more: format!("[login]\nurl = \"{ORIGIN}\"\n{tables}"),
        ..Settings::default()
    })
    .await
}

// OID-01, OID-02, OID-03, OID-07
#[tokio::test]
async fn a_person_logs_in_and_sees_who_it_is() {
    let provider = LoginProvider::start("staff").await;
    let world = world(&[&provider]).await;
    let mut browser = Browser::new(&world);

    let begun = browser.open("/_tidegate/login?to=/_tidegate/").await;
    assert_eq!(begun.status, 303, "{}", begun.text());
    let record = world.recorded(&begun, "allow", "public").await;
    assert_eq!(
        (&record["type"], &record["api"]["operation"]),
        (&json!("auth"), &json!("BeginLogin"))
    );
    assert_eq!(browser.attempts().len(), 1);

    let answer = browser.login(&provider).await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, Some("/_tidegate/")),
        "{}",
        answer.text()
    );
    let record = world.recorded(&answer, "allow", "authenticated").await;
    assert_eq!(record["type"], "auth");
    assert_eq!(
        record["api"],
        json!({"protocol": "login", "operation": "CompleteLogin", "read_only": false})
    );
    assert_eq!(record["client"]["auth"], "login");
    assert_eq!(record["actor"]["id"], "staff:ana");
    assert_eq!(record["actor"]["groups"], json!(["staff:analysts"]));

    let home = browser.open("/_tidegate/").await;
    assert_eq!(home.status, 200, "{}", home.text());
    for told in [
        "staff:ana",
        "User",
        provider.issuer(),
        "staff:analysts",
        "Log out",
        "Switch account",
    ] {
        assert!(home.text().contains(told), "{told}: {}", home.text());
    }
    let record = world.recorded(&home, "allow", "authenticated").await;
    assert_eq!(
        (&record["client"]["auth"], &record["actor"]["id"]),
        (&json!("cookie"), &json!("staff:ana"))
    );
    let head = browser.request("HEAD", "/_tidegate/", &VISIT, "");
    let head = browser.send(head).await;
    assert_eq!((head.status, head.body.len()), (200, 0));

    // What the provider was sent.
    let asked = provider.asked("/authorize").remove(0);
    assert_eq!(
        asked.parameter("redirect_uri"),
        Some("https://s3.tidegate.test/_tidegate/callback/staff")
    );
    assert_eq!(asked.parameter("code_challenge_method"), Some("S256"));
    assert_eq!(asked.parameter("client_id"), Some(CLIENT_ID));
    assert_eq!(asked.parameter("scope"), Some("openid profile groups"));
    assert_eq!(asked.parameter("prompt"), None);
    let exchanged = provider.asked("/token").remove(0);
    let secrets: Vec<&str> = [
        asked.parameter("state"),
        asked.parameter("nonce"),
        exchanged.parameter("code"),
        exchanged.parameter("code_verifier"),
        browser.jar.get(SESSION).map(String::as_str),
        Some(CLIENT_SECRET),
    ]
    .into_iter()
    .map(Option::unwrap)
    .collect();
    assert!(secrets.iter().all(|secret| secret.len() >= 22), "{secrets:?}");
    world.kept_secret(&secrets);
    world.untouched("a login");
}

// OID-01
#[tokio::test]
async fn each_tab_has_a_login_of_its_own_and_five_is_the_most() {
    let provider = LoginProvider::start("staff").await;
    let world = world(&[&provider]).await;
    let mut browser = Browser::new(&world);
    let mut backs = Vec::new();
    for tab in 0..7 {
        backs.push(browser.consent(&provider, "/_tidegate/login").await);
        assert_eq!(browser.attempts().len(), (tab + 1).min(5));
    }
    // The first two were given up for the last two; the others come back in any order.
    for back in &backs[..2] {
        assert_eq!(browser.open(back).await.status, 400);
    }
    for back in [&backs[6], &backs[2], &backs[4], &backs[3], &backs[5]] {
        let answer = browser.open(back).await;
        assert_eq!(answer.status, 303, "{}", answer.text());
    }
    assert_eq!(browser.attempts(), Vec::<String>::new());
    // What does not open is cleared with the next login.
    browser
        .jar
        .insert(format!("{ATTEMPT}AAAAAAAAAAAAAAAA"), "garbage".to_owned());
    browser.open("/_tidegate/login").await;
    assert_eq!(browser.attempts().len(), 1);
}

// OID-07
#[tokio::test]
async fn each_login_gives_a_new_session() {
    let provider = LoginProvider::start("staff").await;
    let world = world(&[&provider]).await;
    let mut browser = Browser::new(&world);
    browser.login(&provider).await;
    let (first, page) = (
        browser.jar[SESSION].clone(),
        browser.open("/_tidegate/").await.text(),
    );
    let id = |page: &str| page.split("<dt>Session</dt><dd>").nth(1).unwrap()[..32].to_owned();
    provider.change(|behaviour| behaviour.subject = "bob".into());
    let back = browser
        .consent(&provider, "/_tidegate/login?issuer=staff&account=other")
        .await;
    browser.open(&back).await;
    let asked = provider.asked("/authorize");
    assert_eq!(asked.last().unwrap().parameter("prompt"), Some("login"));
    let again = browser.open("/_tidegate/").await.text();
    assert!(
        again.contains("<dd>staff:bob</dd>") && !again.contains("<dd>staff:ana</dd>"),
        "{again}"
    );
    assert_ne!(id(&again), id(&page));
    assert_ne!(browser.jar[SESSION], first);
}

#[tokio::test]
async fn several_issuers_are_offered_and_one_is_chosen() {
    let (staff, partners) = (
        LoginProvider::start("staff").await,
        LoginProvider::start("partners").await,
    );
    let world = world(&[&staff, &partners]).await;
    let mut browser = Browser::new(&world);
    let page = browser.open("/_tidegate/login").await;
    assert_eq!(page.status, 200);
    world.recorded(&page, "allow", "public").await;
    for link in [
        "href=\"/_tidegate/login?issuer=staff&amp;to=%2F_tidegate%2F\">Log in with staff</a>",
        "href=\"/_tidegate/login?issuer=partners&amp;to=%2F_tidegate%2F\">Log in with partners</a>",
    ] {
        assert!(page.text().contains(link), "{}", page.text());
    }
    // The issuer of every other door is none of a browser.
    assert!(!page.text().contains("issuer=idp"), "{}", page.text());
    let back = browser
        .consent(&partners, "/_tidegate/login?issuer=partners")
        .await;
    assert!(back.starts_with("/_tidegate/callback/partners?"), "{back}");
    browser.open(&back).await;
    assert!(browser.open("/_tidegate/").await.text().contains("partners:ana"));
}

#[tokio::test]
async fn a_client_says_who_it_is_as_its_provider_wants() {
    let methods = "token_endpoint_auth_methods_supported";
    for (authentication, announced) in [
        (Authentication::Header, json!(null)),
        (
            Authentication::Header,
            json!(["client_secret_post", "client_secret_basic"]),
        ),
        (
            Authentication::Form,
            json!(["client_secret_post", "private_key_jwt"]),
        ),
        (Authentication::Public, json!(["none"])),
    ] {
        let provider = LoginProvider::start("staff").await;
        provider.change(|behaviour| {
            behaviour.authentication = authentication;
            behaviour.discovery.insert(methods, announced.clone());
        });
        let mut table = provider.table();
        if authentication == Authentication::Public {
            let lines = table.lines().filter(|line| !line.starts_with("client_secret"));
            table = lines.collect::<Vec<_>>().join("\n");
        }
        let world = with_tables(&table).await;
        let answer = Browser::new(&world).login(&provider).await;
        assert_eq!(answer.status, 303, "{announced}: {}", answer.text());
        world.kept_secret(&[CLIENT_SECRET]);
    }
}

/// A login where the client's secret is behind this reference, which these tables explain.
pub async fn with_client_secret(reference: &str, tables: &str) {
    let provider = LoginProvider::start("staff").await;
    let table = provider.table();
    let lines = table.lines().map(|line| match line.starts_with("client_secret") {
        true => format!("client_secret = \"{reference}\""),
        false => line.to_owned(),
    });
    let lines: Vec<String> = lines.collect();
    let world = with_tables(&format!("{}\n{tables}", lines.join("\n"))).await;
    let answer = Browser::new(&world).login(&provider).await;
    assert_eq!(answer.status, 303, "{}", answer.text());
    world.kept_secret(&[CLIENT_SECRET]);
}

// OID-01
#[tokio::test]
async fn a_login_may_end_at_another_replica() {
    let provider = LoginProvider::start("staff").await;
    let (one, other) = (world(&[&provider]).await, world(&[&provider]).await);
    let ring = "secrets/session-keys.toml";
    std::fs::copy(one.path(ring), other.path(ring)).unwrap();
    other.signal("HUP");
    other
        .metric_when("tidegate_generation", |number| number >= 2)
        .await;
    let mut browser = Browser::new(&one);
    let back = browser.consent(&provider, "/_tidegate/login").await;
    browser.client = Browser::new(&other).client;
    assert_eq!(browser.open(&back).await.status, 303);
    browser.client = Browser::new(&one).client;
    let page = browser.open("/_tidegate/").await.text();
    assert!(page.contains("<dd>staff:ana</dd>"), "{page}");
    // The form of one is a form of the other.
    let token = browser.form_token().await;
    browser.client = Browser::new(&other).client;
    let answer = browser
        .submit("/_tidegate/logout", &form(&[("token", &token)]))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

// SES-06
#[tokio::test]
async fn a_session_ends_with_its_issuer() {
    let (staff, partners) = (
        LoginProvider::start("staff").await,
        LoginProvider::start("partners").await,
    );
    let world = world(&[&staff, &partners]).await;
    let mut browser = Browser::new(&world);
    let back = browser.consent(&staff, "/_tidegate/login?issuer=staff").await;
    browser.open(&back).await;
    let open_still = browser.consent(&staff, "/_tidegate/login?issuer=staff").await;
    assert_eq!(browser.open("/_tidegate/").await.status, 200);
    let config = std::fs::read_to_string(world.path("tidegate.toml")).unwrap();
    std::fs::write(world.path("tidegate.toml"), config.replace(&staff.table(), "")).unwrap();
    world.signal("HUP");
    world
        .metric_when("tidegate_generation", |number| number >= 2)
        .await;
    assert_eq!(
        browser.open(&open_still).await.status,
        404,
        "nobody logs in there any more"
    );
    let answer = browser.open("/_tidegate/").await;
    assert_eq!(answer.status, 401, "{}", answer.text());
    assert!(!browser.jar.contains_key(SESSION));
    world.recorded(&answer, "deny", "bad-token").await;
}

// OID-07, OID-09
#[tokio::test]
async fn only_the_button_of_our_own_page_logs_out() {
    let provider = LoginProvider::start("staff").await;
    let world = world(&[&provider]).await;
    let mut browser = Browser::new(&world);
    browser.login(&provider).await;
    let token = browser.form_token().await;
    let mut other = Browser::new(&world);
    other.login(&provider).await;
    let of_another = other.form_token().await;
    let form_of = |token: &str| form(&[("token", token)]);
    let mine = form_of(&token);
    let (site, origin) = ("sec-fetch-site", "origin");
    for (what, headers, body) in [
        ("cross-site", vec![(site, "cross-site")], &*mine),
        ("from a bucket's host", vec![(site, "same-site")], &mine),
        ("typed", vec![(site, "none")], &mine),
        (
            "two sites",
            vec![(site, "same-origin"), (site, "cross-site")],
            &mine,
        ),
        ("no sign of its page", vec![], &mine),
        ("another origin", vec![(origin, "https://evil.test")], &mine),
        ("plain origin", vec![(origin, "http://s3.tidegate.test")], &mine),
        (
            "another port",
            vec![(origin, "https://s3.tidegate.test:444")],
            &mine,
        ),
        ("no origin", vec![(origin, "null")], &mine),
        (
            "site and another origin",
            vec![(site, "same-origin"), (origin, "https://evil.test")],
            &mine,
        ),
        ("no token", vec![(site, "same-origin")], ""),
        (
            "token of another",
            vec![(site, "same-origin")],
            &form_of(&of_another),
        ),
        ("empty token", vec![(site, "same-origin")], "token="),
    ] {
        let request = browser.request("POST", "/_tidegate/logout", &headers, body);
        let answer = browser.send(request).await;
        assert_eq!(answer.status, 403, "{what}: {}", answer.text());
        assert!(browser.jar.contains_key(SESSION), "{what}");
        let record = world.recorded(&answer, "deny", "unauthenticated").await;
        assert_eq!(record["actor"]["id"], "staff:ana", "{what}");
    }
    let got = browser.open("/_tidegate/logout").await;
    assert_eq!((got.status, got.header("allow")), (405, Some("POST")));
    let huge = browser.submit("/_tidegate/logout", &"x".repeat(5000)).await;
    assert_eq!(huge.status, 400, "{}", huge.text());
    assert_eq!(browser.open("/_tidegate/").await.status, 200);

    // A browser of before `Sec-Fetch-Site` says where it comes from.
    let request = other.request(
        "POST",
        "/_tidegate/logout",
        &[(origin, ORIGIN)],
        &form_of(&of_another),
    );
    assert_eq!(other.send(request).await.status, 200);
    assert!(other.jar.is_empty());

    let cookie = browser.jar[SESSION].clone();
    let answer = browser.submit("/_tidegate/logout", &mine).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.text().contains("You are logged out"));
    let record = world.recorded(&answer, "allow", "authenticated").await;
    assert_eq!(
        (&record["api"]["operation"], &record["actor"]["id"]),
        (&json!("Logout"), &json!("staff:ana"))
    );
    assert!(browser.jar.is_empty());
    assert_eq!(browser.open("/_tidegate/").await.status, 401);
    // Without a session there is nothing to forge.
    assert_eq!(browser.submit("/_tidegate/logout", "").await.status, 200);
    world.kept_secret(&[&cookie, &token]);
}

// OID-08, OID-09, OID-10, SES-03
#[tokio::test]
async fn a_cookie_opens_nothing_but_the_pages() {
    let provider = LoginProvider::start("staff").await;
    let policy = r#"permit (principal == Tidegate::User::"staff:ana", action, resource);"#;
    let world = World::with(Settings {
        more: format!("[login]\nurl = \"{ORIGIN}\"\n{}", provider.table()),
        policy: Some(policy.to_owned()),
        ..Settings::default()
    })
    .await;
    world.store_file("acme-lake-prod", "page.html", b"<script>1</script>");
    let mut browser = Browser::new(&world);
    browser.login(&provider).await;
    let token = browser.form_token().await;
    let cookie = browser.jar[SESSION].clone();
    for (method, target, body) in [
        ("GET", "/", ""),
        ("GET", "/lake", ""),
        ("GET", "/lake?list-type=2", ""),
        ("GET", "/lake/page.html", ""),
        ("HEAD", "/lake/page.html", ""),
        ("PUT", "/lake/new", "x"),
        ("DELETE", "/lake/page.html", ""),
        (
            "POST",
            "/lake?delete",
            "<Delete><Object><Key>page.html</Key></Object></Delete>",
        ),
        ("POST", "/lake/new?uploads", ""),
        ("PUT", "/lake?tagging", "<Tagging/>"),
        ("GET", "/lake/_tidegate/", ""),
    ] {
        // What S3 wants with a document before it looks at anything else.
        let digest = [("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg==")];
        let document = if body.starts_with('<') { &digest[..] } else { &[] };
        for headers in [[&VISIT, document].concat(), document.to_vec()] {
            let request = browser.request(method, target, &headers, body);
            let answer = browser.send(request).await;
            assert_eq!(answer.status, 403, "{method} {target}: {}", answer.text());
            let record = world.recorded(&answer, "deny", "unauthenticated").await;
            assert_eq!(record["actor"]["id"], json!(null), "{record}");
            assert_eq!(record["client"]["auth"], "anonymous", "{record}");
        }
    }
    // In a bucket's own host name the path of a page is a key.
    let mut of_bucket = browser.clone();
    of_bucket.client.host = "lake.s3.tidegate.test".to_owned();
    for target in ["/_tidegate/", "/_tidegate/login", "/_tidegate/logout"] {
        let answer = of_bucket.open(target).await;
        answer.refused(target, 403, "AccessDenied");
    }
    // A form of an upload, and the token service.
    let posted = browser.request(
        "POST",
        "/lake",
        &[("content-type", "multipart/form-data; boundary=b")],
        "--b\r\ncontent-disposition: form-data; name=\"key\"\r\n\r\nk\r\n--b\r\ncontent-disposition: form-data; \
         name=\"file\"\r\n\r\nx\r\n--b--\r\n",
    );
    assert_eq!(browser.send(posted).await.status, 403);
    let asked = browser
        .submit("/", "Action=GetCallerIdentity&Version=2011-06-15")
        .await;
    assert_eq!(
        (asked.status, &*asked.code()),
        (403, "MissingAuthenticationToken")
    );

    // Nor is it any other token, or any other token it.
    let traded = world.anonymous().assume_role(&cookie).await;
    assert_eq!(&*traded.code(), "InvalidIdentityToken", "{}", traded.text());
    let bearer = format!("Bearer {cookie}");
    for target in ["/lake/page.html", "/_tidegate/whoami"] {
        let answer = browser
            .send(browser.request("GET", target, &[("authorization", &bearer)], ""))
            .await;
        assert!(
            matches!(answer.status, 400 | 401 | 403),
            "{target}: {}",
            answer.text()
        );
    }
    let exchanged = form(&[
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"),
        ("subject_token", &world.token("etl")),
    ]);
    let exchanged = browser.submit("/_tidegate/token", &exchanged).await;
    assert_eq!(exchanged.status, 200, "{}", exchanged.text());
    let exchanged: serde_json::Value = serde_json::from_slice(&exchanged.body).unwrap();
    let access_token = exchanged["access_token"].as_str().unwrap().to_owned();
    // At the doors beside, a cookie is nothing.
    for door in ["/_tidegate/whoami", "/_tidegate/credentials"] {
        let answer = browser.send(browser.request("GET", door, &VISIT, "")).await;
        assert!(
            matches!(answer.status, 400 | 401 | 403),
            "{door}: {}",
            answer.text()
        );
        assert!(!answer.text().contains("staff:ana"), "{door}");
    }
    let mut keys = world.session("etl").await;
    let session_token = keys.session_token.replace(cookie.clone()).unwrap();
    let mut signer = world.anonymous();
    signer.keys = Some(keys);
    signer
        .get("/lake/page.html")
        .await
        .refused("cookie as session token", 400, "InvalidToken");
    for other in [
        &*session_token,
        &*access_token,
        &token,
        &world.token("etl"),
        "",
        "x",
    ] {
        let mut stranger = Browser::new(&world);
        stranger.jar.insert(SESSION.to_owned(), other.to_owned());
        let answer = stranger.open("/_tidegate/").await;
        assert_eq!(answer.status, 401, "{other}");
        assert!(stranger.jar.is_empty(), "what is not taken is cleared");
        world.recorded(&answer, "deny", "bad-token").await;
    }
    world.untouched("a cookie");
    world.kept_secret(&[&cookie, &access_token]);
}

// OID-10
#[tokio::test]
async fn an_object_cannot_act_as_the_page_on_its_host() {
    let provider = LoginProvider::start("staff").await;
    let world = world(&[&provider]).await;
    let html = b"<script>fetch('/_tidegate/')</script>";
    world.store_file("acme-lake-prod", "raw/page.html", html);
    let mut etl = world.client("etl").await;
    etl.host = "s3.tidegate.test".to_owned();
    let put = |target: &'static str, media_type: &'static str| {
        etl.sign(
            "PUT",
            target,
            &[("content-type", media_type)],
            b"x",
            crate::support::Payload::Literal,
        )
    };
    assert_eq!(
        etl.send(put("/lake/raw/page.svg", "image/svg+xml")).await.status,
        200
    );
    for (target, sandboxed) in [
        ("/lake/raw/page.html?response-content-type=text%2Fhtml", true),
        (
            "/lake/raw/page.html?response-content-type=image%2Fsvg%2Bxml",
            true,
        ),
        ("/lake/raw/page.html?response-content-type=text%2Fxml", true),
        ("/lake/raw/page.html?response-content-type=text%2Fplain", false),
        ("/lake/raw/absent", true),
        ("/lake?list-type=2", true),
    ] {
        // As a link that somebody sends.
        let answer = etl.send(etl.presign("GET", target, &VISIT, b"", 60)).await;
        assert_eq!(
            answer.header("x-content-type-options"),
            Some("nosniff"),
            "{target}"
        );
        let policy = answer.header("content-security-policy");
        assert_eq!(
            policy,
            sandboxed.then_some("sandbox"),
            "{target}: {}",
            answer.text()
        );
    }
    // The pages are closed to what a script of the same origin could do.
    let mut browser = Browser::new(&world);
    browser.login(&provider).await;
    for headers in [
        [
            ("sec-fetch-mode", "cors"),
            ("sec-fetch-dest", "empty"),
            ("sec-fetch-site", "same-origin"),
        ],
        [
            ("sec-fetch-mode", "no-cors"),
            ("sec-fetch-dest", "script"),
            ("sec-fetch-site", "same-origin"),
        ],
        [
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "iframe"),
            ("sec-fetch-site", "same-origin"),
        ],
        [
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "object"),
            ("sec-fetch-site", "cross-site"),
        ],
    ] {
        for target in ["/_tidegate/", "/_tidegate/login"] {
            let answer = browser.send(browser.request("GET", target, &headers, "")).await;
            assert_eq!(answer.status, 403, "{headers:?}");
            assert!(!answer.text().contains("staff:ana"));
            world.recorded(&answer, "deny", "unauthenticated").await;
        }
    }
    assert_eq!(browser.open("/_tidegate/").await.status, 200);

    // Where nobody logs in with a browser, answers are as they always were.
    let plain = World::start().await;
    plain.store_file("acme-lake-prod", "raw/page.html", html);
    let answer = plain.client("etl").await.get("/lake/raw/page.html").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-security-policy"), None);
    assert_eq!(
        plain
            .anonymous()
            .send(plain.anonymous().unsigned("GET", "/_tidegate/login", &[], b""))
            .await
            .status,
        404
    );
}

// OID-08, OID-12
#[tokio::test]
async fn no_page_is_cached_framed_or_shared_with_another_origin() {
    let (staff, partners) = (
        LoginProvider::start("staff").await,
        LoginProvider::start("partners").await,
    );
    let world = world(&[&staff, &partners]).await;
    let mut browser = Browser::new(&world);
    let back = browser.consent(&staff, "/_tidegate/login?issuer=staff").await;
    browser.open(&back).await;
    let check = |what: &str, answer: &Answer| {
        let header = |name: &str| answer.header(name).unwrap_or_default().to_owned();
        let policy = header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'; style-src 'sha256-"),
            "{what}: {policy}"
        );
        for part in ["frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"] {
            assert!(policy.contains(part), "{what}: {policy}");
        }
        assert_eq!(header("cache-control"), "no-store", "{what}");
        assert_eq!(header("referrer-policy"), "no-referrer", "{what}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{what}");
        assert_eq!(header("x-frame-options"), "DENY", "{what}");
        assert_eq!(header("cross-origin-opener-policy"), "same-origin", "{what}");
        assert_eq!(header("cross-origin-resource-policy"), "same-origin", "{what}");
        let mut names = answer.headers.keys();
        assert!(
            !names.any(|name| name.as_str().starts_with("access-control")),
            "{what}"
        );
        assert!(!answer.text().contains("<script"), "{what}");
    };
    for origin in [
        "https://evil.test",
        "null",
        ORIGIN,
        "https://lake.s3.tidegate.test",
    ] {
        for (method, target, status) in [
            ("GET", "/_tidegate/", 200),
            ("GET", "/_tidegate/login", 200),
            ("GET", "/_tidegate/login?issuer=staff", 303),
            ("GET", "/_tidegate/login?issuer=nobody", 404),
            ("GET", "/_tidegate/callback/staff", 400),
            ("GET", "/_tidegate/callback/nobody", 404),
            ("GET", "/_tidegate/logout", 405),
            ("OPTIONS", "/_tidegate/", 405),
            ("OPTIONS", "/_tidegate/login", 405),
            ("OPTIONS", "/_tidegate/logout", 405),
            ("POST", "/_tidegate/", 405),
            ("PUT", "/_tidegate/login", 405),
            ("DELETE", "/_tidegate/callback/staff", 405),
        ] {
            let headers = [
                ("origin", origin),
                ("access-control-request-method", "POST"),
                ("access-control-request-headers", "x-a"),
            ];
            let answer = browser.send(browser.request(method, target, &headers, "")).await;
            assert_eq!(answer.status, status, "{method} {target}: {}", answer.text());
            check(&format!("{method} {target} from {origin}"), &answer);
        }
    }
}
