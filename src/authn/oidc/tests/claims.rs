//! What verified claims must say: JWT-03, JWT-04, JWT-08, JWT-09.

use super::*;

const AUD: &str = "`aud` is missing or not a string or array of strings";
const NOT_OURS: &str = "`aud` names none of the configured audiences";
const TIME: &str = "a time is not a positive integer";
const RANGE: &str = "a time is out of range";
const LIFETIME: &str = "the token's lifetime is not acceptable";
const SUB: &str = "`sub` is missing or not acceptable";
const PRINCIPAL: &str = "the principal's claim is missing or not acceptable";
const UNVERIFIED: &str = "`email` is not verified";
const OVERAGE: &str = "the issuer left the groups out because there are too many";
const GROUPS: &str = "the groups' claim is not an array of acceptable names";

#[track_caller]
fn check(changes: &[(&str, Option<&str>)], refusal: Option<&str>) {
    let world = World::new();
    let refusal = refusal.map(|reason| match reason == OVERAGE {
        true => reason.to_owned(),
        false => format!("the token is refused: {reason}"),
    });
    world.check(&token(&claims(changes)), refusal.as_deref().map_or(Ok(()), Err));
}

fn identity_of(issuer: config::Issuer, changes: &[(&str, Option<&str>)]) -> Result<Identity, TokenError> {
    let world = World::with(&[issuer], Fake::default());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(world.verify(&token(&claims(changes))))
}

#[test]
fn an_identity_says_who_and_until_when() {
    let found = identity_of(issuer("idp", ISSUER), &[]).unwrap();
    let expected = Identity {
        kind: PrincipalKind::Workload,
        id: "idp:etl@acme.test".into(),
        groups: vec!["idp:analysts".into(), "idp:etl".into()],
        tags: crate::authn::Tags::new(),
        issuer: ISSUER.into(),
        subject: "1234".into(),
        audience: "https://s3.tidegate.test".into(),
        issued_at: Timestamp::from_second(NOW - 60).unwrap(),
        expires_at: Timestamp::from_second(NOW + 3540).unwrap(),
    };
    assert_eq!(found, expected);
}

/// The values that a claim of another type may have.
const MISTYPED: [&str; 9] = [
    "null",
    "true",
    "[]",
    "{}",
    "[1]",
    "1.5",
    "1e300",
    "99999999999999999999",
    "-1",
];

// JWT-03
#[test]
fn times_are_required_integers() {
    for claim in ["exp", "iat", "nbf"] {
        for value in MISTYPED
            .into_iter()
            .chain([r#""1800003540""#, r#""""#, "0", "1800003540.0", "18e8"])
        {
            check(&[(claim, Some(value))], Some(TIME));
        }
        check(&[(claim, Some("9223372036854775807"))], Some(RANGE));
        check(&[(claim, Some("253402300800"))], Some(RANGE));
    }
    check(&[("exp", None)], Some("`exp` is missing"));
    check(&[("iat", None)], Some("`iat` is missing"));
    check(&[("nbf", None)], None);
}

// JWT-03
#[test]
fn iss_and_sub_are_required_strings() {
    let world = World::new();
    for value in MISTYPED.into_iter().chain(["1"]) {
        let malformed = Err("the token is malformed: `iss` is missing or not a string");
        world.check(&token(&claims(&[("iss", Some(value))])), malformed);
        check(&[("sub", Some(value))], Some(SUB));
    }
    world.check(
        &token(&claims(&[("iss", None)])),
        Err("the token is malformed: `iss`"),
    );
    check(&[("sub", None)], Some(SUB));
    check(&[("sub", Some(r#""""#))], Some(SUB));
    check(&[("sub", Some(r#""a\u0000b""#))], Some(SUB));
    check(&[("sub", Some(&format!("\"{}\"", "s".repeat(1024))))], None);
    check(&[("sub", Some(&format!("\"{}\"", "s".repeat(1025))))], Some(SUB));
}

// JWT-03, JWT-04
#[test]
fn a_configured_audience_is_required() {
    for value in [
        "null",
        "true",
        "{}",
        "[1]",
        "1.5",
        "1e300",
        "99999999999999999999",
        "-1",
        "5",
    ] {
        check(&[("aud", Some(value))], Some(AUD));
    }
    check(&[("aud", None)], Some(AUD));
    check(&[("aud", Some("[]"))], Some(NOT_OURS));
    check(&[("aud", Some(r#""""#))], Some(NOT_OURS));
    check(&[("aud", Some(r#""https://s3.tidegate.test/""#))], Some(NOT_OURS));
    check(&[("aud", Some(r#""HTTPS://s3.tidegate.test""#))], Some(NOT_OURS));
    check(
        &[("aud", Some(r#""https://s3.tidegate.test https://other""#))],
        Some(NOT_OURS),
    );
    check(&[("aud", Some(r#"["https://other"]"#))], Some(NOT_OURS));
    check(&[("aud", Some(r#"["https://s3.tidegate.test", 5]"#))], Some(AUD));
    check(
        &[("aud", Some(r#"["https://s3.tidegate.test", null]"#))],
        Some(AUD),
    );
    check(&[("aud", Some(r#"[["https://s3.tidegate.test"]]"#))], Some(AUD));
    check(
        &[("aud", Some(r#"["https://other","https://s3.tidegate.test"]"#))],
        None,
    );
    let found = identity_of(
        issuer("idp", ISSUER),
        &[("aud", Some(r#"["x","other-audience"]"#))],
    )
    .unwrap();
    assert_eq!(&*found.audience, "other-audience");
}

// JWT-08
#[test]
fn a_token_is_valid_in_its_time_and_thirty_seconds_around_it() {
    let world = World::new();
    let at = |claim: &'static str, seconds: i64| token(&claims(&[(claim, Some(&seconds.to_string()))]));
    let expired = Err("the token has expired");
    world.check(&at("exp", NOW + 1), Ok(()));
    world.check(&at("exp", NOW), Ok(()));
    world.check(&at("exp", NOW - 29), Ok(()));
    world.check(&at("exp", NOW - 30), expired);
    world.check(&at("exp", NOW - 59), expired);
    world.check(&at("nbf", NOW), Ok(()));
    world.check(&at("nbf", NOW + 30), Ok(()));
    world.check(
        &at("nbf", NOW + 31),
        Err("the token is refused: `nbf` is in the future"),
    );
    world.check(&at("nbf", 1), Ok(()));
    world.check(&at("iat", NOW + 30), Ok(()));
    world.check(
        &at("iat", NOW + 31),
        Err("the token is refused: `iat` is in the future"),
    );
}

// JWT-08
#[test]
fn a_token_lives_no_longer_than_configured() {
    let lived = |iat: i64, exp: i64, refusal| {
        check(
            &[("iat", Some(&iat.to_string())), ("exp", Some(&exp.to_string()))],
            refusal,
        );
    };
    lived(NOW, NOW + 24 * 3600, None);
    lived(NOW, NOW + 24 * 3600 + 1, Some(LIFETIME));
    lived(NOW - 100, NOW + 24 * 3600 - 50, Some(LIFETIME));
    lived(NOW, 253_402_200_000, Some(LIFETIME));
    lived(NOW, NOW, Some(LIFETIME));
    lived(NOW + 20, NOW + 10, Some(LIFETIME));
}

// JWT-09
#[test]
fn an_issuer_is_its_exact_bytes() {
    let world = World::new();
    for other in [
        "https://idp.test/",
        "https://IDP.test",
        "HTTPS://idp.test",
        "http://idp.test",
        "idp.test",
        "https://idp.test:443",
        "https://idp.test ",
        "https://idp.test.evil.test",
        "",
    ] {
        let unknown = Err("the token's issuer is not configured");
        world.check(&token(&claims(&[("iss", Some(&format!("{other:?}")))])), unknown);
    }
    assert!(
        world.documents.asked().is_empty(),
        "an unknown issuer made us fetch"
    );
}

// JWT-09
#[test]
fn an_issuer_with_a_trailing_slash_is_another_issuer() {
    let slash = "https://sts.test/tenant/";
    let world = World::with(&[issuer("v1", slash)], Fake::default());
    world.check(
        &token(&claims(&[("iss", Some(r#""https://sts.test/tenant/""#))])),
        Ok(()),
    );
    let unknown = Err("the token's issuer is not configured");
    world.check(
        &token(&claims(&[("iss", Some(r#""https://sts.test/tenant""#))])),
        unknown,
    );
    let asked: Vec<_> = world.documents.asked().into_iter().map(|(url, _)| url).collect();
    let expected = [
        "https://sts.test/tenant/.well-known/openid-configuration",
        "https://sts.test/tenant/keys",
    ];
    assert_eq!(asked, expected);
}

// JWT-09
#[test]
fn the_same_subject_at_two_issuers_is_two_principals() {
    let mut issuers = [issuer("a", "https://a.test"), issuer("b", "https://b.test")];
    issuers
        .iter_mut()
        .for_each(|issuer| issuer.principal = "sub".into());
    let world = World::with(&issuers, Fake::default());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let identity = |iss: &str| {
        let token = token(&claims(&[("iss", Some(&format!("{iss:?}")))]));
        runtime.block_on(world.verify(&token)).unwrap()
    };
    let (a, b) = (identity("https://a.test"), identity("https://b.test"));
    assert_eq!(a.subject, b.subject);
    assert_eq!((&*a.id, &*b.id), ("a:1234", "b:1234"));
    assert_eq!((&*a.groups[0], &*b.groups[0]), ("a:analysts", "b:analysts"));
}

// JWT-09
#[test]
fn a_key_of_one_issuer_does_not_sign_for_another() {
    let world = World::with(
        &[issuer("a", "https://a.test"), issuer("b", "https://b.test")],
        Fake::default(),
    );
    world
        .documents
        .publish("https://b.test/keys", set(&[jwk("RS256", "p256", &[])]));
    world.check(&token(&claims(&[("iss", Some(r#""https://a.test""#))])), Ok(()));
    let wrong = Err("the token is refused: `alg` does not belong to the key");
    world.check(&token(&claims(&[("iss", Some(r#""https://b.test""#))])), wrong);
}

#[test]
fn issuers_that_cannot_be_told_apart_are_refused() {
    let build = |a: config::Issuer, b: config::Issuer| {
        build(&[a, b], &Clock::system(), None, &Arc::new(Fake::default())).err()
    };
    let same = build(issuer("a", ISSUER), issuer("b", ISSUER));
    assert!(matches!(same, Some(VerifierError::SameIssuer { .. })), "{same:?}");
    let mut b = issuer("b", "https://b.test");
    b.aliases = vec![ISSUER.into()];
    b.audiences = vec!["of b".into()];
    let same = build(issuer("a", ISSUER), b);
    assert!(matches!(same, Some(VerifierError::OtherKeys { .. })), "{same:?}");
    let same = build(issuer("a", "https://a.test"), issuer("a", "https://b.test"));
    assert!(matches!(same, Some(VerifierError::SameName(_))), "{same:?}");
}

#[test]
fn a_principal_is_a_plain_name() {
    check(&[("email", None)], Some(PRINCIPAL));
    for value in ["null", "5", "true", r#"["etl@acme.test"]"#, "{}", r#""""#] {
        check(&[("email", Some(value))], Some(PRINCIPAL));
    }
    for control in ["\\u0000", "\\n", "\\r", "\\u001b", "\\u007f", "\\u0085"] {
        check(&[("email", Some(&format!("\"a{control}b\"")))], Some(PRINCIPAL));
    }
    check(&[("email", Some(&format!("\"{}\"", "é".repeat(256))))], None);
    check(
        &[("email", Some(&format!("\"{}\"", "é".repeat(257))))],
        Some(PRINCIPAL),
    );
}

#[test]
fn an_address_counts_only_when_verified() {
    check(&[("email_verified", Some(r#""true""#))], None);
    check(&[("email_verified", None)], Some(UNVERIFIED));
    for value in ["false", "null", "1", r#""false""#, r#""True""#, r#""""#, "[true]"] {
        check(&[("email_verified", Some(value))], Some(UNVERIFIED));
    }
    let mut by_subject = issuer("idp", ISSUER);
    by_subject.principal = "sub".into();
    assert_eq!(
        &*identity_of(by_subject, &[("email_verified", None)]).unwrap().id,
        "idp:1234"
    );
}

#[test]
fn groups_are_complete_or_the_token_is_refused() {
    let groups = |value: Option<&str>| {
        identity_of(issuer("idp", ISSUER), &[("groups", value)])
            .unwrap()
            .groups
    };
    assert_eq!(groups(None), Vec::<Box<str>>::new());
    assert_eq!(groups(Some("[]")), Vec::<Box<str>>::new());
    assert_eq!(
        groups(Some(r#""one group""#)),
        [Box::<str>::from("idp:one group")]
    );
    assert_eq!(
        groups(Some(r#"["b","a","b"]"#)),
        [Box::<str>::from("idp:b"), Box::<str>::from("idp:a")]
    );
    for value in [
        "null",
        "5",
        "true",
        "{}",
        r#""""#,
        r#"["a",5]"#,
        r#"["a",null]"#,
        r#"["a",""]"#,
        r#"[["a"]]"#,
    ] {
        check(&[("groups", Some(value))], Some(GROUPS));
    }
    check(&[("groups", Some(r#"["a\u0000"]"#))], Some(GROUPS));
    let many = |count: usize| {
        format!(
            "[{}]",
            (0..count)
                .map(|n| format!("\"g{n}\""))
                .collect::<Vec<_>>()
                .join(",")
        )
    };
    assert_eq!(groups(Some(&many(256))).len(), 256);
    check(
        &[("groups", Some(&many(257)))],
        Some("there are more than 256 groups"),
    );
}

#[test]
fn groups_that_were_left_out_refuse_the_token() {
    check(
        &[("groups", None), ("_claim_names", Some(r#"{"groups":"src1"}"#))],
        Some(OVERAGE),
    );
    check(&[("_claim_names", Some(r#"{"groups":"src1"}"#))], Some(OVERAGE));
    check(&[("_claim_names", Some(r#""groups""#))], Some(OVERAGE));
    check(&[("_claim_names", Some(r#"{"other":"src1"}"#))], None);
    for value in ["true", r#""true""#, "1", "null"] {
        check(&[("groups", None), ("hasgroups", Some(value))], Some(OVERAGE));
    }
    check(&[("hasgroups", Some("false"))], None);
    let mut without = issuer("idp", ISSUER);
    without.groups = None;
    let found = identity_of(
        without,
        &[
            ("_claim_names", Some(r#"{"groups":"src1"}"#)),
            ("groups", Some("5")),
        ],
    );
    assert_eq!(found.unwrap().groups, Vec::<Box<str>>::new());
}

/// The shapes of `protocol.md` 3.1 to 3.5, with each issuer's natural principal.
#[test]
fn tokens_of_known_issuers_are_understood() {
    let check = |principal: &str, changes: &[(&str, Option<&str>)], id: &str| {
        let mut issuer = issuer("idp", ISSUER);
        issuer.principal = principal.into();
        let none: Vec<_> = ["email", "email_verified", "groups"]
            .map(|name| (name, None))
            .into();
        assert_eq!(
            &*identity_of(issuer, &[none.as_slice(), changes].concat())
                .unwrap()
                .id,
            id
        );
    };
    let aud = ("aud", Some(r#"["https://s3.tidegate.test"]"#));
    let sub = ("sub", Some(r#""system:serviceaccount:jobs:etl""#));
    let pod = r#"{"namespace":"jobs","node":{"name":"n","uid":"u"},"pod":{"name":"p","uid":"u"},"serviceaccount":{"name":"etl","uid":"u"}}"#;
    check(
        "sub",
        &[aud, sub, ("kubernetes.io", Some(pod))],
        "idp:system:serviceaccount:jobs:etl",
    );
    let sub = ("sub", Some(r#""repo:acme@1/lake@2:ref:refs/heads/main""#));
    check(
        "sub",
        &[sub, ("repository_id", Some(r#""2""#))],
        "idp:repo:acme@1/lake@2:ref:refs/heads/main",
    );
    check(
        "oid",
        &[("oid", Some(r#""9d1c-oid""#)), ("idtyp", Some(r#""app""#))],
        "idp:9d1c-oid",
    );
    let email = ("email", Some(r#""etl@acme.iam.gserviceaccount.com""#));
    let engine = (
        "google",
        Some(r#"{"compute_engine":{"instance_creation_timestamp":1700000000}}"#),
    );
    let verified = ("email_verified", Some("true"));
    check(
        "email",
        &[email, verified, engine],
        "idp:etl@acme.iam.gserviceaccount.com",
    );
}
