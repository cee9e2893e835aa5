//! Browser login: what comes back otherwise than it went is no login.

use crate::login::{with_tables, world};
use crate::support::browser::{Browser, ORIGIN, SESSION, VISIT};
use crate::support::login_provider::{Behaviour, CLIENT_ID, LoginProvider};
use crate::support::{Answer, World};
use serde_json::json;

/// Fails if this is not a refusal on a page, with one record, that gives no session.
async fn refused(world: &World, what: &str, answer: &Answer, status: u16, reason: &str) {
    assert_eq!(answer.status, status, "{what}: {}", answer.text());
    let mut cookies = answer.headers.get_all("set-cookie").into_iter();
    let session = format!("{SESSION}=");
    let gives = |cookie: &str| cookie.starts_with(&session) && !cookie.contains("Max-Age=0;");
    assert!(!cookies.any(|cookie| gives(cookie.to_str().unwrap())), "{what}");
    let effect = if status >= 500 { "error" } else { "deny" };
    let record = world.recorded(answer, effect, reason).await;
    assert_eq!(record["type"], "auth", "{what}");
    let id = answer.header("x-amz-request-id").unwrap();
    assert!(
        answer.text().contains(id),
        "{what}: a person can tell which request it was"
    );
}

// OID-01
#[tokio::test]
async fn a_login_that_comes_back_elsewhere_or_twice_is_refused() {
    let provider = LoginProvider::start("staff").await;
    let world = world(&[&provider]).await;
    let mut browser = Browser::new(&world);
    let back = browser.consent(&provider, "/_tidegate/login").await;
    let state = provider.asked("/authorize")[0]
        .parameter("state")
        .unwrap()
        .to_owned();
    let other_tab = browser.consent(&provider, "/_tidegate/login").await;
    let other_state = provider.asked("/authorize")[1]
        .parameter("state")
        .unwrap()
        .to_owned();
    let with = |state: &str| format!("/_tidegate/callback/staff?code=c&state={state}");
    // The cookie of one login with the secret of another.
    let mixed = format!("{}{}", &state[..17], &other_state[17..]);
    let mut longer = state.clone();
    longer.push('A');
    for (what, target) in [
        ("no state", "/_tidegate/callback/staff?code=c".to_owned()),
        ("empty state", with("")),
        ("a state of nobody", with(&"A".repeat(60))),
        ("half a state", with(&state[..17])),
        ("a longer state", with(&longer)),
        ("another secret", with(&mixed)),
        ("a state twice", format!("{}&state={state}", with(&state))),
        ("an injected name", with("x%3D1%3B%20__Host-tidegate%3Dx")),
    ] {
        let answer = browser.open(&target).await;
        assert_eq!(answer.status, 400, "{what}: {}", answer.text());
        assert_eq!(
            browser.attempts().len(),
            2,
            "{what}: the logins that are open stay so"
        );
    }
    // Swapped: somebody sends its own return to a victim, whose browser never began it.
    let mut victim = Browser::new(&world);
    let answer = victim.open(&back).await;
    refused(&world, "another browser", &answer, 400, "unauthenticated").await;
    assert!(
        answer.text().contains("another browser")
            && answer.text().contains(&format!("{ORIGIN}/_tidegate/login"))
    );
    victim.consent(&provider, "/_tidegate/login").await;
    refused(
        &world,
        "another login",
        &victim.open(&back).await,
        400,
        "unauthenticated",
    )
    .await;
    let flipped = browser.attempts().remove(0);
    let mut tampered = browser.clone();
    tampered.jar.insert(flipped, "A".repeat(400));
    let bad = [tampered.open(&back).await, tampered.open(&other_tab).await];
    assert_eq!(bad.iter().filter(|answer| answer.status == 400).count(), 1);
    assert_eq!(
        provider.asked("/token").len(),
        1,
        "a code of a refused login goes nowhere"
    );

    // Once is enough, also for whoever keeps the cookie.
    let mut thief = browser.clone();
    let answer = browser.open(&back).await;
    assert_eq!(
        answer.status,
        if bad[0].status == 303 { 400 } else { 303 },
        "{}",
        answer.text()
    );
    refused(
        &world,
        "again",
        &browser.open(&back).await,
        400,
        "unauthenticated",
    )
    .await;
    refused(
        &world,
        "replayed",
        &thief.open(&back).await,
        400,
        "unauthenticated",
    )
    .await;
    world.kept_secret(&[&state, &other_state]);
    world.untouched("refused logins");
}

// OID-02
#[tokio::test]
async fn a_code_is_worth_nothing_without_its_login() {
    let provider = LoginProvider::start("staff").await;
    let world = world(&[&provider]).await;
    let mut browser = Browser::new(&world);
    let mut thief = Browser::new(&world);
    // A code that was stolen from somebody else's return is tried in a login of the thief's own.
    let stolen = browser.consent(&provider, "/_tidegate/login").await;
    let code = |back: &str| {
        back.split("code=")
            .nth(1)
            .unwrap()
            .split('&')
            .next()
            .unwrap()
            .to_owned()
    };
    let own = thief.consent(&provider, "/_tidegate/login").await;
    let injected = own.replace(&code(&own), &code(&stolen));
    refused(
        &world,
        "injected code",
        &thief.open(&injected).await,
        403,
        "bad-token",
    )
    .await;
    // The challenge is that of the thief's login, but the nonce is of another.
    let own = thief.consent(&provider, "/_tidegate/login").await;
    let asked = provider.asked("/authorize").pop().unwrap();
    let parameter = |name: &str| asked.parameter(name).unwrap().to_owned();
    let forged = provider.code(
        &parameter("code_challenge"),
        "another-nonce",
        &parameter("redirect_uri"),
    );
    let answer = thief.open(&own.replace(&code(&own), &forged)).await;
    refused(&world, "another nonce", &answer, 403, "bad-token").await;
    for asked in provider.asked("/authorize") {
        assert_eq!(asked.parameter("code_challenge_method"), Some("S256"));
        assert_eq!(asked.parameter("code_challenge").unwrap().len(), 43);
    }
    world.kept_secret(&[&code(&stolen), &forged]);
}

// OID-02, OID-11, JWT-01, JWT-03
#[tokio::test]
async fn an_id_token_is_for_this_login_of_this_client() {
    let provider = LoginProvider::start("staff").await;
    let world = with_tables(&provider.table_with("", "groups = \"groups\"\nprincipal = \"email\"")).await;
    let mut browser = Browser::new(&world);
    let good = |behaviour: &mut Behaviour| {
        behaviour.claims = [("email", json!("ana@acme.com")), ("email_verified", json!(true))].into();
    };
    let now = crate::support::now().as_second();
    for (what, claim, value, reason) in [
        ("another client", "aud", json!("another"), "bad-token"),
        (
            "the audience of other doors",
            "aud",
            json!("https://s3.tidegate.test"),
            "bad-token",
        ),
        ("several audiences", "aud", json!([CLIENT_ID, "api"]), "bad-token"),
        ("no audience", "aud", json!(null), "bad-token"),
        ("authorized party", "azp", json!("another"), "bad-token"),
        ("another issuer", "iss", json!("https://idp.test"), "bad-token"),
        (
            "the other configured issuer",
            "iss",
            json!(world.issuer),
            "bad-token",
        ),
        ("no nonce", "nonce", json!(null), "bad-token"),
        ("another nonce", "nonce", json!("x"), "bad-token"),
        (
            "another access token",
            "at_hash",
            json!("77QmUPtjPfzWtF2AnpK9RQ"),
            "bad-token",
        ),
        ("expired", "exp", json!(now - 60), "expired"),
        ("of the future", "iat", json!(now + 300), "clock-skew"),
        ("about to end", "exp", json!(now + 30), "expired"),
        ("no subject", "sub", json!(null), "bad-token"),
        ("unverified address", "email_verified", json!(false), "bad-token"),
        (
            "nothing about the address",
            "email_verified",
            json!(null),
            "bad-token",
        ),
        ("no address", "email", json!(null), "bad-token"),
        (
            "groups elsewhere",
            "_claim_names",
            json!({"groups": "src1"}),
            "bad-token",
        ),
        ("groups that are none", "groups", json!([7]), "bad-token"),
    ] {
        provider.change(|behaviour| {
            good(behaviour);
            behaviour.claims.insert(claim, value);
            if what == "expired" {
                behaviour.claims.insert("iat", json!(now - 3600));
            }
        });
        let answer = browser.login(&provider).await;
        let answer_is = (answer.status, what);
        assert!(
            matches!(answer.status, 403 | 502),
            "{answer_is:?}: {}",
            answer.text()
        );
        let reason = if answer.status == 502 {
            "unavailable"
        } else {
            reason
        };
        refused(&world, what, &answer, answer.status, reason).await;
        assert!(!browser.jar.contains_key(SESSION), "{what}");
    }
    provider.change(good);
    assert_eq!(browser.login(&provider).await.status, 303);
    let page = browser.open("/_tidegate/").await.text();
    assert!(page.contains("staff:ana@acme.com"), "{page}");
    world.untouched("refused ID tokens");
}

// OID-03
#[tokio::test]
async fn no_header_says_where_a_browser_comes_back_to() {
    let provider = LoginProvider::start("staff").await;
    let world = world(&[&provider]).await;
    let evil = "evil.test";
    for spoofed in [
        vec![("x-forwarded-host", evil)],
        vec![("x-forwarded-proto", "http"), ("x-forwarded-port", "80")],
        vec![("forwarded", "host=evil.test;proto=http")],
        vec![("x-original-host", evil), ("x-host", evil)],
        vec![("x-original-url", "//evil.test/"), ("x-rewrite-url", "/evil")],
        vec![
            ("origin", "https://evil.test"),
            ("referer", "https://evil.test/_tidegate/login"),
        ],
    ] {
        let mut browser = Browser::new(&world);
        let answer = browser
            .send(browser.request("GET", "/_tidegate/login", &spoofed, ""))
            .await;
        assert_eq!(answer.status, 303, "{spoofed:?}");
        let place = answer.header("location").unwrap();
        assert!(
            place.starts_with(provider.issuer()) && !place.contains("evil"),
            "{spoofed:?}: {place}"
        );
        let redirect = "redirect_uri=https%3A%2F%2Fs3.tidegate.test%2F_tidegate%2Fcallback%2Fstaff&";
        assert!(place.contains(redirect), "{place}");
    }
    // Other names of the service lead back to the one that is configured; names that are not served, nowhere.
    for (host, sent, status) in [
        ("localhost", "localhost", 303),
        ("s3.tidegate.test", "s3.tidegate.test:8443", 303),
        ("s3.tidegate.test", "S3.TIDEGATE.TEST", 303),
        ("s3.tidegate.test", evil, 421),
    ] {
        let mut browser = Browser::new(&world);
        browser.client.host = host.to_owned();
        let mut request = browser.request("GET", "/_tidegate/login", &[], "");
        request.headers_mut().insert("host", sent.parse().unwrap());
        let answer = browser.send(request).await;
        assert_eq!(answer.status, status, "{sent}: {}", answer.text());
        let place = answer.header("location").unwrap_or_default();
        let redirect = "redirect_uri=https%3A%2F%2Fs3.tidegate.test%2F_tidegate%2Fcallback%2Fstaff&";
        assert_eq!(place.contains(redirect), status == 303, "{sent}: {place}");
    }
}

// OID-04
#[tokio::test]
async fn the_answer_of_one_issuer_is_none_of_another() {
    let (honest, other) = (
        LoginProvider::start("honest").await,
        LoginProvider::start("other").await,
    );
    let world = world(&[&honest, &other]).await;
    let mut browser = Browser::new(&world);
    let begin = "/_tidegate/login?issuer=honest";
    // Sent back to the path of another issuer: the code would go there.
    let back = browser.consent(&honest, begin).await;
    let answer = browser
        .open(&back.replace("/callback/honest", "/callback/other"))
        .await;
    refused(&world, "another path", &answer, 400, "unauthenticated").await;
    for (what, named) in [
        ("another issuer", other.issuer().to_owned()),
        ("nearly this issuer", format!("{}/", honest.issuer())),
        ("no issuer", String::new()),
    ] {
        honest.change(|behaviour| behaviour.named = Some(named));
        let back = browser.consent(&honest, begin).await;
        let answer = browser.open(&back).await;
        refused(&world, what, &answer, 400, "unauthenticated").await;
        assert_eq!(browser.attempts(), Vec::<String>::new(), "{what}");
    }
    let own = honest.issuer().to_owned();
    honest.change(|behaviour| behaviour.named = Some(own));
    let back = browser.consent(&honest, begin).await;
    let twice = format!("{back}&iss={}", other.issuer());
    assert_eq!(browser.open(&twice).await.status, 400);
    assert_eq!(browser.open(&back).await.status, 303);
    assert_eq!(
        (honest.asked("/token").len(), other.asked("/token").len()),
        (1, 0)
    );

    // One that says it names itself must do so.
    let named = LoginProvider::start("named").await;
    let announced = "authorization_response_iss_parameter_supported";
    named.change(|behaviour| drop(behaviour.discovery.insert(announced, json!(true))));
    let world = self::world(&[&named]).await;
    let mut browser = Browser::new(&world);
    refused(
        &world,
        "unnamed",
        &browser.login(&named).await,
        400,
        "unauthenticated",
    )
    .await;
    let own = named.issuer().to_owned();
    named.change(|behaviour| behaviour.named = Some(own));
    assert_eq!(browser.login(&named).await.status, 303);
    assert_eq!(named.asked("/token").len(), 1);
}

// OID-05
#[tokio::test]
async fn what_a_provider_says_of_its_refusal_is_not_shown() {
    let provider = LoginProvider::start("staff").await;
    let world = world(&[&provider]).await;
    let mut browser = Browser::new(&world);
    let payload = "%3Cscript%3Ealert(1)%3C%2Fscript%3Ecall%20555-0100";
    for (error, told) in [
        ("access_denied", "did not let you in"),
        ("temporarily_unavailable", "Try again"),
        (payload, "refused the login"),
    ] {
        let answer = format!("error={error}&error_description={payload}&error_uri=https%3A%2F%2Fevil.test");
        provider.change(|behaviour| behaviour.error = Some(answer));
        let answer = browser.login(&provider).await;
        refused(&world, error, &answer, 403, "unauthenticated").await;
        let page = answer.text();
        assert!(page.contains(told), "{page}");
        for shown in ["alert", "555-0100", "evil.test"] {
            assert!(!page.contains(shown), "{page}");
        }
    }
    // Nor what the token endpoint says.
    for (answer, status, reason) in [
        (
            (
                400,
                r#"{"error":"invalid_grant","error_description":"<b>555-0100</b>"}"#,
            ),
            403,
            "bad-token",
        ),
        (
            (
                401,
                r#"{"error":"invalid_client","error_description":"555-0100"}"#,
            ),
            502,
            "unavailable",
        ),
        ((400, r#"{"error":"555-0100"}"#), 502, "unavailable"),
        (
            (200, r#"{"token_type":"Bearer","access_token":"555-0100"}"#),
            502,
            "unavailable",
        ),
        (
            (
                200,
                r#"{"token_type":"Bearer","access_token":"a","id_token":"555-0100"}"#,
            ),
            502,
            "unavailable",
        ),
        ((200, r#"["555-0100"]"#), 502, "unavailable"),
        ((302, r#"{"error":"555-0100"}"#), 502, "unavailable"),
        ((500, r#"{"error":"555-0100"}"#), 503, "unavailable"),
    ] {
        provider.change(|behaviour| {
            behaviour.error = None;
            behaviour.token_answer = Some((answer.0, answer.1.to_owned()));
        });
        let page = browser.login(&provider).await;
        refused(&world, answer.1, &page, status, reason).await;
        assert!(!page.text().contains("555-0100"), "{}", page.text());
    }
    world.kept_secret(&["555-0100", "alert(1)"]);
}

// OID-06
#[tokio::test]
async fn a_login_leads_to_pages_of_our_own_alone() {
    let provider = LoginProvider::start("staff").await;
    let world = world(&[&provider]).await;
    let mut browser = Browser::new(&world);
    for to in [
        "//evil.test",
        "%2F%2Fevil.test",
        "/%5Cevil.test",
        "/%5C%5Cevil.test/_tidegate/",
        "/%09/evil.test",
        "/%0A/evil.test",
        "%20//evil.test",
        "https://evil.test/_tidegate/",
        "https:evil.test",
        "javascript:alert(1)",
        "data:text/html,x",
        "/_tidegate/%0D%0Aset-cookie:%20a=b",
        "/_tidegate//evil.test",
        "/_tidegate/../lake/page.html",
        "/_tidegate/%252e%252e/lake/page.html",
        "/_tidegate/%2e%2e/lake/page.html",
        "/_tidegate/login",
        "/_tidegate/logout",
        "/lake/page.html",
        "/",
        "",
    ] {
        let answer = browser.open(&format!("/_tidegate/login?to={to}")).await;
        refused(&world, to, &answer, 400, "malformed").await;
        assert!(
            !answer.text().contains("evil") && browser.attempts().is_empty(),
            "{to}"
        );
    }
    for query in [
        "to=/_tidegate/&to=/_tidegate/",
        "issuer=staff&issuer=staff",
        "next=/_tidegate/",
        "account=ana",
    ] {
        let answer = browser.open(&format!("/_tidegate/login?{query}")).await;
        refused(&world, query, &answer, 400, "malformed").await;
    }
    let back = browser
        .consent(&provider, "/_tidegate/login?to=/_tidegate/buckets%3Fpage=2")
        .await;
    // What comes with the return has no say in it.
    let answer = browser.open(&format!("{back}&to=//evil.test")).await;
    assert_eq!(
        answer.header("location"),
        Some("/_tidegate/buckets?page=2"),
        "{}",
        answer.text()
    );
}

// OID-07
#[tokio::test]
async fn two_sessions_are_none_and_an_oversized_one_is_not_begun() {
    let provider = LoginProvider::start("staff").await;
    let world = world(&[&provider]).await;
    let mut browser = Browser::new(&world);
    browser.login(&provider).await;
    let cookie = browser.jar[SESSION].clone();
    for second in [&*cookie, "x", ""] {
        let mut request = browser.request("GET", "/_tidegate/", &VISIT, "");
        let both = format!("{SESSION}={cookie}; {SESSION}={second}");
        request.headers_mut().insert("cookie", both.parse().unwrap());
        let mut other = browser.clone();
        let answer = other.send(request).await;
        refused(&world, second, &answer, 400, "malformed").await;
        assert!(!other.jar.contains_key(SESSION), "both are cleared");
    }
    let anonymous = Browser::new(&world).open("/_tidegate/").await;
    refused(&world, "no session", &anonymous, 401, "unauthenticated").await;
    assert!(anonymous.header("www-authenticate").is_some());

    // Entra stops at 200 groups, each of 36 characters.
    let groups = |count: usize| {
        (0..count)
            .map(|n| format!("{n:08}-0000-4000-8000-000000000000"))
            .collect()
    };
    for (count, kept) in [(40, true), (200, false)] {
        provider.change(|behaviour| behaviour.groups = groups(count));
        let mut browser = Browser::new(&world);
        let answer = browser.login(&provider).await;
        assert_eq!(answer.status == 303, kept, "{count} groups: {}", answer.text());
        if !kept {
            refused(&world, "too many groups", &answer, 403, "bad-token").await;
            assert!(answer.text().contains("too many groups"), "{}", answer.text());
            assert!(browser.jar.is_empty());
        }
    }
}

#[tokio::test]
async fn a_provider_that_is_down_is_told_as_that() {
    let provider = LoginProvider::start("staff").await;
    let world = world(&[&provider]).await;
    provider.change(|behaviour| behaviour.is_down = true);
    let mut browser = Browser::new(&world);
    for _ in 0..3 {
        let answer = browser.open("/_tidegate/login").await;
        refused(&world, "down", &answer, 503, "unavailable").await;
        assert!(answer.text().contains("cannot be reached"), "{}", answer.text());
        assert!(answer.header("retry-after").is_some());
    }
    // What is known of it stays of use: the login begins, and ends with the exchange.
    let second = LoginProvider::start("staff").await;
    let world = self::world(&[&second]).await;
    let mut browser = Browser::new(&world);
    let back = browser.consent(&second, "/_tidegate/login").await;
    second.change(|behaviour| behaviour.is_down = true);
    refused(
        &world,
        "down in between",
        &browser.open(&back).await,
        503,
        "unavailable",
    )
    .await;
    assert_eq!(browser.open("/_tidegate/login").await.status, 303);
    // A discovery document of somebody else leads nowhere.
    let third = LoginProvider::start("staff").await;
    third.change(|behaviour| drop(behaviour.discovery.insert("issuer", json!("https://evil.test"))));
    let world = self::world(&[&third]).await;
    let answer = Browser::new(&world).open("/_tidegate/login").await;
    refused(&world, "another issuer's document", &answer, 503, "unavailable").await;
}
