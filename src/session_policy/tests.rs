use super::*;

fn policy(statement: &str) -> SessionPolicy {
    let text = format!("{{\"Version\":\"2012-10-17\",\"Statement\":[{statement}]}}");
    SessionPolicy::parse(&text).unwrap()
}

fn ask<'a>(action: &'a str, bucket: &'a str, key: Option<&'a str>, prefix: Option<&'a str>) -> Ask<'a> {
    Ask {
        action,
        bucket: Some(bucket),
        key,
        prefix,
        source_ip: [203, 0, 113, 9].into(),
    }
}

#[test]
fn statements_match_by_action_and_resource() {
    let read = policy(
        r#"{"Effect":"Allow","Action":["s3:GetObject*","s3:listbucket"],"Resource":["arn:aws:s3:::lake","arn:aws:s3:::lake/raw/*"]},
           {"Effect":"Deny","Action":"s3:*","Resource":"arn:aws:s3:::lake/raw/secret/*"}"#,
    );
    let check = |action, bucket, key, expected| {
        assert_eq!(
            read.decide(&ask(action, bucket, key, None)),
            expected,
            "{action} {bucket} {key:?}"
        );
    };
    check("GetObject", "lake", Some("raw/a"), Verdict::Allowed);
    check("GetObjectVersion", "lake", Some("raw/a"), Verdict::Allowed);
    check("ListBucket", "lake", None, Verdict::Allowed);
    check("GetObject", "lake", Some("rawa"), Verdict::NotAllowed);
    check("GetObject", "lake2", Some("raw/a"), Verdict::NotAllowed);
    check("PutObject", "lake", Some("raw/a"), Verdict::NotAllowed);
    check("GetObject", "lake", Some("raw/secret/a"), Verdict::Denied);
    check("ListBucket", "lak", None, Verdict::NotAllowed);
}

#[test]
fn negations_and_other_services_are_what_they_say() {
    let rest =
        policy(r#"{"Effect":"Allow","NotAction":"s3:Delete*","NotResource":"arn:aws:s3:::lake/private/*"}"#);
    assert_eq!(
        rest.decide(&ask("GetObject", "lake", Some("a"), None)),
        Verdict::Allowed
    );
    assert_eq!(
        rest.decide(&ask("DeleteObject", "lake", Some("a"), None)),
        Verdict::NotAllowed
    );
    assert_eq!(
        rest.decide(&ask("GetObject", "lake", Some("private/a"), None)),
        Verdict::NotAllowed
    );
    let kms = policy(r#"{"Effect":"Allow","Action":["kms:*"],"Resource":"*"}"#);
    assert_eq!(
        kms.decide(&ask("GetObject", "lake", Some("a"), None)),
        Verdict::NotAllowed
    );
    let dynamo =
        policy(r#"{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:dynamodb:eu-west-1:1:table/t"}"#);
    assert_eq!(
        dynamo.decide(&ask("GetObject", "lake", Some("a"), None)),
        Verdict::NotAllowed
    );
}

#[test]
fn conditions_hold_or_not() {
    let with = |condition: &str| {
        policy(&format!(
            r#"{{"Effect":"Allow","Action":"s3:ListBucket","Resource":"*","Condition":{{{condition}}}}}"#
        ))
    };
    let check = |condition: &str, prefix: Option<&str>, expected: bool| {
        let verdict = with(condition).decide(&ask("ListBucket", "lake", None, prefix));
        assert_eq!(verdict == Verdict::Allowed, expected, "{condition} {prefix:?}");
    };
    let like = r#""StringLike":{"s3:prefix":["raw/*",""]}"#;
    check(like, Some("raw/a"), true);
    check(like, Some(""), true);
    check(like, Some("ra"), false);
    check(like, None, false);
    check(r#""StringLikeIfExists":{"s3:prefix":"raw/*"}"#, None, true);
    check(r#""StringNotEquals":{"s3:prefix":"x"}"#, None, true);
    check(r#""StringNotEquals":{"s3:prefix":"x"}"#, Some("x"), false);
    check(r#""IpAddress":{"aws:SourceIp":"203.0.113.0/24"}"#, None, true);
    check(
        r#""IpAddress":{"aws:SourceIp":["10.0.0.0/8","2001:db8::/32"]}"#,
        None,
        false,
    );
    check(r#""NotIpAddress":{"aws:SourceIp":"0.0.0.0/0"}"#, None, false);
    check(r#""Bool":{"aws:SecureTransport":true}"#, None, true);
    check(r#""Bool":{"aws:SecureTransport":"false"}"#, None, false);
    check(
        r#""StringEquals":{"s3:prefix":"raw/"},"IpAddress":{"aws:SourceIp":"10.0.0.1"}"#,
        Some("raw/"),
        false,
    );
}

#[test]
fn what_is_not_understood_refuses_the_whole_policy() {
    let allow = |rest: &str| format!(r#"{{"Statement":{{"Effect":"Allow",{rest}}}}}"#);
    let good = r#""Action":"s3:*","Resource":"*""#;
    assert!(SessionPolicy::parse(&allow(good)).is_ok());
    for text in [
        "",
        "[]",
        "{}",
        r#"{"Statement":[]}"#,
        r#"{"Statement":[7]}"#,
        r#"{"Version":"2020-01-01","Statement":[]}"#,
        &allow(r#""Action":"s3:*""#),
        &allow(r#""Resource":"*""#),
        &allow(r#""Action":[],"Resource":"*""#),
        &allow(r#""Action":"GetObject","Resource":"*""#),
        &allow(r#""Action":"s3:*","NotAction":"s3:*","Resource":"*""#),
        &allow(r#""Action":"s3:*","Resource":"lake/*""#),
        &allow(r#""Action":"s3:*","Resource":"arn:aws:s3:::lake/${aws:username}/*""#),
        &allow(&format!(r#"{good},"Principal":"*""#)),
        &allow(&format!(r#"{good},"Effekt":"Deny""#)),
        &allow(&format!(r#"{good},"Effect":"Deny""#)),
        &allow(&format!(
            r#"{good},"Condition":{{"StringLike":{{"aws:username":"a"}}}}"#
        )),
        &allow(&format!(
            r#"{good},"Condition":{{"StringEquals":{{"s3:prefix":"a*"}}}}"#
        )),
        &allow(&format!(
            r#"{good},"Condition":{{"IpAddress":{{"aws:SourceIp":"10.0.0.0/33"}}}}"#
        )),
        &allow(&format!(
            r#"{good},"Condition":{{"ForAnyValue:StringLike":{{"s3:prefix":"a"}}}}"#
        )),
        &allow(&format!(r#"{good},"Condition":[]"#)),
    ] {
        assert!(SessionPolicy::parse(text).is_err(), "{text}");
    }
    let long = allow(good) + &" ".repeat(2048);
    assert_eq!(
        SessionPolicy::parse(&long),
        Err(SessionPolicyError::TooLong(long.chars().count()))
    );
}

#[test]
fn buckets_are_mentioned_if_something_in_them_may_be_allowed() {
    let check = |resource: &str, expected: bool| {
        let policy = policy(&format!(
            r#"{{"Effect":"Allow","Action":"s3:*","Resource":"{resource}"}}"#
        ));
        assert_eq!(policy.mentions("lake"), expected, "{resource}");
    };
    check("*", true);
    check("arn:aws:s3:::lake", true);
    check("arn:aws:s3:::lake/raw/*", true);
    check("arn:aws:s3:::la*", true);
    check("arn:aws:s3:::la*/x", true);
    check("arn:aws:s3:::l?ke/x", true);
    check("arn:aws:s3:::lakes", false);
    check("arn:aws:s3:::lak", false);
    check("arn:aws:s3:::other/lake", false);
}

#[test]
fn buckets_of_a_list_and_no_others_are_open() {
    let backups = BucketName::parse("backups").unwrap();
    let policy = SessionPolicy::of_buckets([&backups]);
    assert_eq!(
        policy.decide(&ask("PutObject", "backups", Some("a"), None)),
        Verdict::Allowed
    );
    assert_eq!(
        policy.decide(&ask("ListBucket", "backups", None, Some(""))),
        Verdict::Allowed
    );
    assert_eq!(
        policy.decide(&ask("ListBucket", "backups2", None, None)),
        Verdict::NotAllowed
    );
    assert_eq!(
        policy.decide(&Ask::list_buckets([127, 0, 0, 1].into())),
        Verdict::Allowed
    );
    assert!(policy.mentions("backups") && !policy.mentions("lake"));
}

#[test]
fn patterns_take_time_in_proportion() {
    let pattern = Pattern::new(&"*a".repeat(500));
    assert!(!pattern.matches(&"b".repeat(5000)));
    assert!(pattern.matches(&"a".repeat(500)));
    assert!(!pattern.matches(&"a".repeat(499)));
    assert!(Pattern::new("a?c").matches("aéc"));
    assert!(!Pattern::new("a?c").matches("ac"));
}
