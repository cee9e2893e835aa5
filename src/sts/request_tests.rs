use super::{
    RoleWish, StsRequest,
    tests::{ASSUME, web_identity},
};
use std::time::Duration;

const IDENTITY: &str = "Action=GetCallerIdentity&Version=2011-06-15";

#[test]
fn parameters_come_by_query_or_body_or_both() {
    // pgBackRest sends a GET; MinIO documents a POST with a query.
    assert!(StsRequest::parse(Some(ASSUME), None).is_ok());
    assert!(StsRequest::parse(None, Some(ASSUME.as_bytes())).is_ok());
    assert!(StsRequest::parse(Some(ASSUME), Some(b"")).is_ok());
    let (action, rest) = ASSUME.split_once('&').unwrap();
    assert!(StsRequest::parse(Some(action), Some(rest.as_bytes())).is_ok());
    assert!(matches!(
        StsRequest::parse(None, Some(IDENTITY.as_bytes())),
        Ok(StsRequest::GetCallerIdentity)
    ));
    for (action, name) in [
        ("AssumeRole", "AssumeRole"),
        ("GetSessionToken", "GetSessionToken"),
    ] {
        let form = format!("Action={action}&Version=2011-06-15&DurationSeconds=900");
        assert_eq!(
            StsRequest::parse(None, Some(form.as_bytes()))
                .unwrap()
                .action()
                .name(),
            name
        );
    }
    let presigned = format!("{IDENTITY}&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=00");
    assert!(StsRequest::parse(Some(&presigned), None).is_ok());
}

#[test]
fn bad_input_is_refused_with_one_code_for_each_cause() {
    // SES-09
    let action = "Action=AssumeRoleWithWebIdentity";
    let version = "Version=2011-06-15";
    let with = |more: &str| format!("{ASSUME}&{more}");
    let role = |more: &str| format!("Action=AssumeRole&{version}&{more}");
    let long = |n: usize| "a".repeat(n);
    for (input, code, says) in [
        (String::new(), "MissingAction", "Action"),
        ("eyJhbGciOiJub25lIn0.e30.".to_owned(), "MissingAction", "Action"),
        (version.to_owned(), "MissingAction", "Action"),
        (format!("Action=&{version}"), "InvalidAction", "available"),
        (
            format!("Action=GetFederationToken&{version}"),
            "InvalidAction",
            "available",
        ),
        (
            format!("Action=AssumeRoleWithSAML&{version}"),
            "InvalidAction",
            "available",
        ),
        (
            format!("Action=assumerolewithwebidentity&{version}"),
            "InvalidAction",
            "available",
        ),
        (
            format!("action=AssumeRoleWithWebIdentity&{version}"),
            "MissingAction",
            "Action",
        ),
        (
            format!("Action=AssumeRoleWithWebIdentity%00&{version}"),
            "InvalidAction",
            "available",
        ),
        (
            format!("{action}&WebIdentityToken=good"),
            "InvalidAction",
            "Version must be 2011-06-15",
        ),
        (
            format!("{action}&Version=2011-06-16&WebIdentityToken=good"),
            "InvalidAction",
            "Version",
        ),
        (
            format!("{action}&Version=&WebIdentityToken=good"),
            "InvalidAction",
            "Version",
        ),
        (
            format!("{action}&{version}"),
            "MissingParameter",
            "WebIdentityToken",
        ),
        (
            format!("{action}&{version}&WebIdentityToken="),
            "ValidationError",
            "WebIdentityToken",
        ),
        (
            format!("{action}&{version}&WebIdentityToken=%0A++abc"),
            "ValidationError",
            "WebIdentityToken",
        ),
        (
            format!("{action}&{version}&WebIdentityToken={}", long(20_001)),
            "ValidationError",
            "20000",
        ),
        (
            with("WebIdentityToken=good"),
            "InvalidParameterValue",
            "WebIdentityToken is there more than once",
        ),
        (
            with("Action=AssumeRoleWithWebIdentity"),
            "InvalidParameterValue",
            "Action is there more than once",
        ),
        (
            with("%41ction=GetCallerIdentity"),
            "InvalidParameterValue",
            "Action is there more than once",
        ),
        (
            with("Version=2011-06-15"),
            "InvalidParameterValue",
            "Version is there more than once",
        ),
        (with("Policy="), "ValidationError", "Policy must be 1 to 2048"),
        (
            with(&format!("Policy={}", long(2049))),
            "ValidationError",
            "Policy must be 1 to 2048",
        ),
        (
            with("PolicyArns.member.1.arn=arn"),
            "InvalidParameterValue",
            "PolicyArns is not supported",
        ),
        (
            with("PolicyArns="),
            "InvalidParameterValue",
            "PolicyArns is not supported",
        ),
        (with("Tags=team"), "ValidationError", "pairs of"),
        (with("Tags.member.1.Key=team"), "ValidationError", "pairs of"),
        (with("Tags.member.1.Value=blue"), "ValidationError", "pairs of"),
        (
            with("Tags.member.1.Key=team&Tags.member.2.Value=blue"),
            "ValidationError",
            "pairs of",
        ),
        (
            with("Tags.member.x.Key=team&Tags.member.x.Value=blue"),
            "ValidationError",
            "pairs of",
        ),
        (
            with("Tags.member.1.Key=a&Tags.member.1.Value=b&Tags.member.2.Key=a&Tags.member.2.Value=b"),
            "ValidationError",
            "once each",
        ),
        (
            with("Tags.member.1.Key=&Tags.member.1.Value=b"),
            "ValidationError",
            "1 to 128",
        ),
        (
            role("ExternalId=x"),
            "InvalidParameterValue",
            "ExternalId is not supported",
        ),
        (
            role("SerialNumber=x"),
            "InvalidParameterValue",
            "SerialNumber is not supported",
        ),
        (
            role("TokenCode=123456"),
            "InvalidParameterValue",
            "TokenCode is not supported",
        ),
        (
            role("SourceIdentity=x"),
            "InvalidParameterValue",
            "SourceIdentity is not supported",
        ),
        (
            role("TransitiveTagKeys.member.1=x"),
            "InvalidParameterValue",
            "TransitiveTagKeys is not supported",
        ),
        (
            role("ProvidedContexts.member.1.ContextAssertion=x"),
            "InvalidParameterValue",
            "ProvidedContexts is not supported",
        ),
        (
            role("PolicyArns.member.1.arn=x"),
            "InvalidParameterValue",
            "send the policy itself",
        ),
        (
            role("WebIdentityToken=x"),
            "InvalidParameterValue",
            "WebIdentityToken is not known",
        ),
        (
            format!("Action=GetSessionToken&{version}&TokenCode=1"),
            "InvalidParameterValue",
            "TokenCode is not supported",
        ),
        (
            format!("Action=GetSessionToken&{version}&RoleArn={}", long(20)),
            "InvalidParameterValue",
            "RoleArn is not known",
        ),
        (
            format!("Action=GetSessionToken&{version}&Policy=x"),
            "InvalidParameterValue",
            "Policy is not known",
        ),
        (
            with("ProviderId=accounts.google.com"),
            "InvalidParameterValue",
            "ProviderId is not supported",
        ),
        (
            with("SourceIdentity=root"),
            "InvalidParameterValue",
            "SourceIdentity is not known",
        ),
        (with("PolicyX=1"), "InvalidParameterValue", "PolicyX is not known"),
        (
            with("X-Amz-Algorithm=1"),
            "InvalidParameterValue",
            "X-Amz-Algorithm is not known",
        ),
        (with("=1"), "InvalidParameterValue", "(empty)"),
        (
            with(&format!("{}=1", long(49))),
            "InvalidParameterValue",
            "(unreadable)",
        ),
        (with("%3Cscript%3E=1"), "InvalidParameterValue", "(unreadable)"),
        (with("RoleArn="), "ValidationError", "RoleArn"),
        (with("RoleArn=arn:aws:iam::1:role"), "ValidationError", "RoleArn"),
        (
            with(&format!("RoleArn={}", long(2049))),
            "ValidationError",
            "RoleArn",
        ),
        (
            with(&format!("RoleArn={}%00", long(30))),
            "ValidationError",
            "RoleArn",
        ),
        (with("RoleSessionName="), "ValidationError", "RoleSessionName"),
        (with("RoleSessionName=x"), "ValidationError", "RoleSessionName"),
        (
            with(&format!("RoleSessionName={}", long(65))),
            "ValidationError",
            "RoleSessionName",
        ),
        (with("RoleSessionName=a/b"), "ValidationError", "RoleSessionName"),
        (
            with("RoleSessionName=a%20b"),
            "ValidationError",
            "RoleSessionName",
        ),
        (
            with("RoleSessionName=a%3Cb"),
            "ValidationError",
            "RoleSessionName",
        ),
        (
            with("RoleSessionName=b%C3%A4r"),
            "ValidationError",
            "RoleSessionName",
        ),
        (with("DurationSeconds="), "ValidationError", "DurationSeconds"),
        (with("DurationSeconds=-900"), "ValidationError", "DurationSeconds"),
        (
            with("DurationSeconds=%2B900"),
            "ValidationError",
            "DurationSeconds",
        ),
        (with("DurationSeconds=+900"), "ValidationError", "DurationSeconds"),
        (
            with("DurationSeconds=900.0"),
            "ValidationError",
            "DurationSeconds",
        ),
        (with("DurationSeconds=1e3"), "ValidationError", "DurationSeconds"),
        (
            with("DurationSeconds=99999999999"),
            "ValidationError",
            "DurationSeconds",
        ),
        (
            with("DurationSeconds=%D9%A9%D9%A0%D9%A0"),
            "ValidationError",
            "DurationSeconds",
        ),
        (
            format!("{IDENTITY}&WebIdentityToken=x"),
            "InvalidParameterValue",
            "WebIdentityToken is not known",
        ),
        (
            format!("{IDENTITY}&Policy=x"),
            "InvalidParameterValue",
            "Policy is not known",
        ),
    ] {
        // The same words by query, by body, and split in two.
        let halves = input.split_once('&').unwrap_or((&input, ""));
        for (query, body) in [
            (Some(&*input), None),
            (None, Some(&*input)),
            (Some(halves.0), Some(halves.1)),
        ] {
            let error = StsRequest::parse(query, body.map(str::as_bytes)).unwrap_err();
            let message = error.message();
            assert_eq!((error.code(), error.status()), (code, 400), "{input}");
            assert!(message.contains(says), "{input}: {message}");
            assert!(!format!("{message} {} {error:?}", error.cause()).contains("eyJ"));
        }
    }
}

#[test]
fn longest_and_shortest_values_are_accepted() {
    let request = web_identity(&format!("RoleArn={}&RoleSessionName=ab", "a".repeat(20)));
    assert_eq!(request.wish.name.as_deref(), Some("ab"));
    let (arn, name) = ("a".repeat(2048), "Az09_+=,.@-".repeat(5));
    let request = web_identity(&format!(
        "RoleArn={arn}&RoleSessionName={}",
        name.replace('+', "%2B")
    ));
    assert_eq!(
        (request.wish.role, request.wish.name.as_deref()),
        (RoleWish::Arn(arn.into()), Some(&*name))
    );
    assert_eq!(
        web_identity("DurationSeconds=0900").wish.lifetime,
        Some(Duration::from_secs(900))
    );
}

#[test]
fn a_policy_and_tags_are_read_as_they_are() {
    let request = web_identity(
        "Policy=%7B%22a%22:1%7D&Tags.member.10.Key=b&Tags.member.10.Value=2&Tags.member.2.Key=a&Tags.member.2.Value=%20",
    );
    assert_eq!(request.wish.policy.as_deref(), Some(r#"{"a":1}"#));
    let tags: Vec<(&str, &str)> = request
        .wish
        .tags
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect();
    assert_eq!(tags, [("b", "2"), ("a", " ")]);
}

#[test]
fn bytes_of_any_kind_do_not_panic() {
    for byte in 0..=255 {
        for text in [
            vec![byte],
            vec![b'%', byte],
            vec![b'a', b'=', byte, b'&', byte],
            vec![byte; 40],
        ] {
            assert!(StsRequest::parse(None, Some(&text)).is_err());
        }
    }
}
