use super::*;
use crate::authn::{AuthnError, PrincipalKind, SessionError, Tags};
use crate::authz::Names;
use jiff::SignedDuration;
use std::{collections::BTreeMap, path::PathBuf, sync::Mutex};

pub(super) const ASSUME: &str = "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&WebIdentityToken=good";

fn behind(minutes: i64) -> crate::clock::Drift {
    let theirs = now() - jiff::SignedDuration::from_mins(minutes);
    crate::clock::Drift::seen(theirs, now(), now())
}

fn now() -> Timestamp {
    "2026-11-22T03:00:00.75Z".parse().unwrap()
}

/// Accepts `good`; keeps what it was given.
#[derive(Default)]
struct FakeVerifier {
    lifetime: i64,
    groups: usize,
    id: Option<&'static str>,
    refuse: Mutex<Option<TokenError>>,
    seen: Mutex<Vec<String>>,
}

impl IdentityVerifier for FakeVerifier {
    async fn verify(&self, token: &str, now: Timestamp) -> Result<Identity, TokenError> {
        self.seen.lock().unwrap().push(token.to_owned());
        if let Some(error) = self.refuse.lock().unwrap().take() {
            return Err(error);
        }
        let second = Timestamp::from_second(now.as_second()).unwrap();
        Ok(Identity {
            kind: PrincipalKind::Workload,
            id: self.id.unwrap_or("google:etl@acme.test").into(),
            groups: (0..self.groups)
                .map(|n| format!("google:group-{n:06}").into())
                .collect(),
            tags: Tags::new(),
            issuer: "https://issuer.test/?a=1&b=2".into(),
            subject: "<sub>".into(),
            audience: "https://s3.tidegate.test".into(),
            issued_at: second,
            expires_at: second + SignedDuration::from_secs(self.lifetime),
        })
    }
}

fn verifier() -> FakeVerifier {
    FakeVerifier {
        lifetime: 86_400,
        ..FakeVerifier::default()
    }
}

fn settings() -> Sessions {
    Sessions {
        keys: PathBuf::new(),
        default_lifetime: Duration::from_secs(3600),
        maximum_lifetime: Duration::from_secs(7200),
        bound_to_token: true,
        revocations: PathBuf::new(),
        caller_tags: vec!["audit".into(), "case".into()],
    }
}

fn sts(verifier: FakeVerifier) -> Sts<FakeVerifier> {
    Sts::new(&settings(), KeyRing::for_test(1), Arc::default(), verifier)
}

pub(super) fn web_identity(parameters: &str) -> WebIdentityRequest {
    match StsRequest::parse(None, Some(format!("{ASSUME}&{parameters}").as_bytes())).unwrap() {
        StsRequest::AssumeRoleWithWebIdentity(request) => request,
        other => panic!("another action: {other:?}"),
    }
}

/// What was granted, issued and asked for.
#[derive(Debug)]
struct Issued {
    grant: Grant,
    session: IssuedSession,
    wish: Wish,
}

impl Issued {
    fn render(&self, request_id: &str) -> (u16, String) {
        self.render_as(StsAction::AssumeRoleWithWebIdentity, request_id)
    }

    fn render_as(&self, action: StsAction, request_id: &str) -> (u16, String) {
        let trade = Trade {
            action,
            wish: &self.wish,
            grant: &self.grant,
            session: &self.session,
        };
        trade.render(request_id)
    }
}

/// Asks where there are no roles.
fn asked<T>(at: Timestamp, ask: impl FnOnce(Asking<'_>) -> T) -> T {
    let policies = Policies::load(&BTreeMap::new(), &BTreeMap::new(), &Names::default()).unwrap();
    let circumstances = Circumstances {
        source_ip: [192, 0, 2, 1].into(),
        now: at,
        protocol: "s3",
    };
    ask(Asking {
        policies: &policies,
        circumstances: &circumstances,
    })
}

async fn trade(sts: &Sts<FakeVerifier>, request: &WebIdentityRequest) -> Result<Issued, StsError> {
    let policies = Policies::load(&BTreeMap::new(), &BTreeMap::new(), &Names::default()).unwrap();
    let circumstances = Circumstances {
        source_ip: [192, 0, 2, 1].into(),
        now: now(),
        protocol: "s3",
    };
    let asking = Asking {
        policies: &policies,
        circumstances: &circumstances,
    };
    let grant = sts.trade(&request.token, &request.wish, asking).await?;
    Ok(Issued {
        session: sts.keys(&grant)?,
        grant,
        wish: request.wish.clone(),
    })
}

/// A session of a session, by these parameters of AssumeRole.
fn narrow(
    sts: &Sts<FakeVerifier>,
    parent: &Principal,
    parameters: &str,
    at: Timestamp,
) -> Result<Issued, StsError> {
    let form = format!("Action=AssumeRole&Version=2011-06-15&{parameters}");
    let StsRequest::AssumeRole(wish) = StsRequest::parse(None, Some(form.as_bytes()))? else {
        panic!("another action");
    };
    let grant = asked(at, |asking| sts.narrow(parent, &wish, asking))?;
    Ok(Issued {
        session: sts.keys(&grant)?,
        grant,
        wish,
    })
}

async fn assume(sts: &Sts<FakeVerifier>, parameters: &str) -> Result<Issued, StsError> {
    trade(sts, &web_identity(parameters)).await
}

/// Elements with text, by name, in order; also that it is XML.
fn elements(document: &str) -> BTreeMap<String, Vec<String>> {
    use quick_xml::events::Event;
    let mut reader = quick_xml::Reader::from_str(document);
    let (mut open, mut found) = (Vec::new(), BTreeMap::<String, Vec<String>>::new());
    loop {
        match reader.read_event().unwrap() {
            Event::Start(start) => open.push((start.name().as_ref().to_owned(), String::new())),
            Event::End(_) => {
                let (name, text) = open.pop().unwrap();
                found.entry(name).or_default().push(text);
            }
            Event::Text(text) => open.last_mut().unwrap().1.push_str(&text),
            Event::GeneralRef(name) => {
                let name: &str = &name;
                open.last_mut().unwrap().1.push_str(&format!("&{name};"));
            }
            Event::Eof => return found,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_token_is_traded_for_a_session_in_the_words_of_aws() {
    let sts = sts(verifier());
    let parameters =
        "RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fteam%2Freader&RoleSessionName=nightly-1";
    let answer = assume(&sts, parameters).await.unwrap();
    let (status, body) = answer.render("req-1");
    assert_eq!(status, 200);
    assert!(body.starts_with(
        "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
         <AssumeRoleWithWebIdentityResult>"
    ));
    let found = elements(&body);
    let session = &answer.session;
    let id = &session.principal.session().id;
    for (name, expected) in [
        ("SubjectFromWebIdentityToken", "&lt;sub&gt;"),
        ("Audience", "https://s3.tidegate.test"),
        ("Provider", "https://issuer.test/?a=1&amp;b=2"),
        ("Arn", "arn:aws:sts::000000000000:assumed-role/reader/nightly-1"),
        ("AssumedRoleId", &format!("{id}:nightly-1")),
        ("AccessKeyId", &session.access_key_id),
        ("SecretAccessKey", session.secret_access_key.expose_str().unwrap()),
        ("SessionToken", session.session_token.expose_str().unwrap()),
        ("Expiration", "2026-11-22T04:00:00Z"),
        ("RequestId", "req-1"),
    ] {
        assert_eq!(found[name], [expected], "{name}");
    }
    assert_eq!(session.principal.id(), "google:etl@acme.test");
}

#[tokio::test]
async fn issued_credentials_sign_requests() {
    use crate::authn::{
        Authenticator, Claim, CredentialScope, Service, SignatureClaim, SignatureForm, Signs,
    };
    use aws_lc_rs::hmac;
    let answer = assume(&sts(verifier()), "").await.unwrap();
    let session = &answer.session;
    let sign = |key: &[u8], text: &str| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
    };
    let mut key = [b"AWS4", session.secret_access_key.expose()].concat();
    for part in ["20261122", "eu", "sts", "aws4_request"] {
        key = sign(&key, part);
    }
    let text = format!(
        "AWS4-HMAC-SHA256\n20261122T030000Z\n20261122/eu/sts/aws4_request\n{}",
        "00".repeat(32)
    );
    let claim = Claim::Signature(Box::new(SignatureClaim {
        form: SignatureForm::Header,
        access_key_id: session.access_key_id.clone(),
        scope: CredentialScope {
            date: "20261122".into(),
            region: "eu".into(),
            service: "sts".into(),
        },
        signed_at: "2026-11-22T03:00:00Z".parse().unwrap(),
        signed_at_text: "20261122T030000Z".into(),
        session_token: Some(session.session_token.expose_str().unwrap().into()),
        signs: Signs::CanonicalRequest([0; 32]),
        signature: sign(&key, &text).try_into().unwrap(),
    }));
    let authenticator = Authenticator::new(KeyRing::for_test(1), Arc::default());
    let from = std::net::IpAddr::from([192, 0, 2, 1]);
    let caller = authenticator
        .authenticate(&claim, Service::Sts, from, now())
        .unwrap();

    let (status, body) = caller_identity(&caller.principal, "req-2");
    let (found, info) = (elements(&body), caller.principal.session());
    assert_eq!(status, 200);
    assert_eq!(
        found["Arn"],
        ["arn:aws:sts::000000000000:assumed-role/Workload/google:etl@acme.test"]
    );
    assert_eq!(found["UserId"], [format!("{}:{}", info.id, info.name)]);
    assert_eq!(found["Account"], ["000000000000"]);
    assert_eq!(found["RequestId"], ["req-2"]);
}

#[tokio::test]
async fn the_white_space_of_token_files_is_not_part_of_the_token() {
    let sts = sts(verifier());
    for token in ["good%0A", "%20good%0D%0A", "good+", "%09good"] {
        let query = format!("Action=AssumeRoleWithWebIdentity&Version=2011-06-15&WebIdentityToken={token}");
        let Ok(StsRequest::AssumeRoleWithWebIdentity(request)) = StsRequest::parse(Some(&query), None) else {
            panic!("{token}");
        };
        assert!(trade(&sts, &request).await.is_ok());
    }
    assert_eq!(*sts.verifier.seen.lock().unwrap(), ["good"; 4]);
}

#[tokio::test]
async fn a_lifetime_out_of_range_is_refused_with_the_range() {
    // SES-07
    let sts = sts(verifier());
    for seconds in [0, 1, 899, 7201, 43_200, u64::from(u32::MAX)] {
        let error = assume(&sts, &format!("DurationSeconds={seconds}"))
            .await
            .unwrap_err();
        assert_eq!((error.code(), error.status()), ("ValidationError", 400));
        assert_eq!(
            error.message(),
            format!("DurationSeconds is {seconds}, but must be from 900 to 7200.")
        );
    }
    assert!(
        sts.verifier.seen.lock().unwrap().is_empty(),
        "no token is judged for nothing"
    );
}

#[tokio::test]
async fn a_session_lasts_as_asked_but_no_longer_than_its_token() {
    // SES-07
    for (token_seconds, bound, parameters, expected) in [
        (86_400, true, "", Some(3600)),
        (86_400, true, "DurationSeconds=900", Some(900)),
        (86_400, true, "DurationSeconds=7200", Some(7200)),
        (3599, true, "", Some(3599)),
        (300, true, "DurationSeconds=900", Some(300)),
        (60, true, "", Some(60)),
        (59, true, "", None),
        (0, true, "", None),
        (-5, true, "", None),
        (59, false, "", Some(3600)),
        (300, false, "DurationSeconds=7200", Some(7200)),
    ] {
        let verifier = FakeVerifier {
            lifetime: token_seconds,
            ..verifier()
        };
        let settings = Sessions {
            bound_to_token: bound,
            ..settings()
        };
        let sts = Sts::new(&settings, KeyRing::for_test(1), Arc::default(), verifier);
        match assume(&sts, parameters).await {
            Ok(answer) => {
                let info = answer.session.principal.session().clone();
                let lifetime = info.expires_at.as_second() - info.issued_at.as_second();
                assert_eq!(Some(lifetime), expected);
                assert_eq!(answer.session.expires_at, info.expires_at);
                assert!(!bound || info.expires_at <= now() + SignedDuration::from_secs(token_seconds));
            }
            Err(error) => {
                assert_eq!((error.code(), expected), ("ExpiredTokenException", None));
            }
        }
    }
}

#[tokio::test]
async fn a_session_without_a_name_is_named_after_its_principal() {
    let name_for = async |id| {
        let verifier = FakeVerifier {
            id: Some(id),
            ..verifier()
        };
        let answer = assume(&sts(verifier), "").await.unwrap();
        answer.session.principal.session().name.to_string()
    };
    assert_eq!(name_for("google:etl@acme.test").await, "etl@acme.test");
    assert_eq!(
        name_for("k8s:system:serviceaccount:ns/app").await,
        "system-serviceaccount-ns-app"
    );
    assert_eq!(name_for("google:jürgen").await, "j-rgen");
    assert_eq!(name_for("google:x").await, "tidegate");
    assert_eq!(name_for("google:").await, "tidegate");
    let long = "google:0123456789012345678901234567890123456789012345678901234567890123456789";
    assert_eq!(name_for(long).await.len(), 64);
}

#[tokio::test]
async fn only_a_plain_role_name_gets_into_the_arn() {
    for (role_arn, expected) in [
        ("", "tidegate"),
        ("RoleArn=arn:aws:iam::000000000000:role/etl", "etl"),
        ("RoleArn=arn:aws:iam::000000000000:role/a/b/etl", "etl"),
        ("RoleArn=arn:aws:iam::000000000000:role/", "tidegate"),
        ("RoleArn=arn:minio:iam:::no-role-at-all", "tidegate"),
        ("RoleArn=arn:aws:iam::000000000000:role/%3Cb%3E", "tidegate"),
        ("RoleArn=arn:aws:iam::000000000000:role/a:b", "tidegate"),
    ] {
        let answer = assume(&sts(verifier()), role_arn).await.unwrap();
        let found = elements(&answer.render("r").1);
        let arn = format!("arn:aws:sts::000000000000:assumed-role/{expected}/etl@acme.test");
        assert_eq!(found["Arn"], [arn], "{role_arn}");
        assert_eq!(
            answer.session.principal.id(),
            "google:etl@acme.test",
            "the role adds nothing"
        );
    }
}

#[tokio::test]
async fn refused_tokens_look_alike_to_the_caller_and_not_to_the_operator() {
    // JWT-10
    let refuse = async |error| {
        let sts = sts(verifier());
        *sts.verifier.refuse.lock().unwrap() = Some(error);
        assume(&sts, "").await.unwrap_err()
    };
    let mut documents = std::collections::BTreeSet::new();
    for (error, cause) in [
        (TokenError::Malformed("four segments"), "four segments"),
        (TokenError::UnknownIssuer, "not configured"),
        (TokenError::Refused("audience"), "audience"),
        (TokenError::Refused("signature"), "signature"),
        (TokenError::Unmet("`hd` is \"acme.com\"".into()), "acme.com"),
    ] {
        let error = refuse(error).await;
        assert!(error.cause().contains(cause), "{}", error.cause());
        documents.insert(error.render("r"));
    }
    assert_eq!(documents.len(), 1);
    let (status, document) = documents.pop_first().unwrap();
    assert_eq!(
        (status, &elements(&document)["Code"]),
        (400, &vec!["InvalidIdentityToken".to_owned()])
    );

    let (at, now) = (
        Timestamp::UNIX_EPOCH,
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(60),
    );
    let drift = None;
    let error = refuse(TokenError::Expired { at, now, drift }).await;
    assert_eq!(error.code(), "ExpiredTokenException");
    assert!(
        error
            .message()
            .contains("time of this service is 1970-01-01T00:01:00Z")
    );
    let claim = "iat";
    let error = refuse(TokenError::NotYetValid {
        claim,
        at,
        now,
        drift,
    })
    .await;
    assert_eq!((error.code(), error.status()), ("InvalidIdentityToken", 400));
    let error = refuse(TokenError::GroupsLeftOut).await;
    assert_eq!((error.code(), error.status()), ("IDPRejectedClaim", 403));
    assert!(error.message().contains("leaves out your groups"));
    let unavailable = TokenError::IssuerUnavailable {
        issuer: "corp".into(),
        cause: "connect to 10.0.0.7 refused".into(),
    };
    let error = refuse(unavailable).await;
    assert_eq!((error.code(), error.status()), ("IDPCommunicationError", 400));
    assert!(error.cause().contains("10.0.0.7") && !error.render("r").1.contains("10.0.0.7"));
}

#[tokio::test]
async fn too_many_groups_are_said_to_be_too_many() {
    let verifier = FakeVerifier {
        groups: 1000,
        ..verifier()
    };
    let error = assume(&sts(verifier), "").await.unwrap_err();
    assert_eq!((error.code(), error.status()), ("PackedPolicyTooLarge", 400));
    assert!(error.message().contains("Limit the groups"));
}

#[test]
fn unauthenticated_callers_get_the_codes_of_aws() {
    let at = now();
    let access_key_id = || Box::from("TGIAABCDEFGHIJKLMNOP");
    for (error, code) in [
        (AuthnError::Anonymous, "MissingAuthenticationToken"),
        (
            AuthnError::InvalidAccessKeyId {
                access_key_id: access_key_id(),
            },
            "InvalidClientTokenId",
        ),
        (
            AuthnError::InvalidToken {
                access_key_id: access_key_id(),
                cause: SessionError::Invalid("does not open"),
            },
            "InvalidClientTokenId",
        ),
        (
            AuthnError::ExpiredToken {
                access_key_id: access_key_id(),
                expired_at: at,
            },
            "ExpiredToken",
        ),
        (
            AuthnError::SignatureDoesNotMatch {
                access_key_id: access_key_id(),
                string_to_sign: "AWS4".into(),
            },
            "SignatureDoesNotMatch",
        ),
        (
            AuthnError::RequestTimeTooSkewed {
                request_time: "20261122T010000Z".into(),
                server_time: at,
                drift: behind(17),
                proven: true,
            },
            "SignatureDoesNotMatch",
        ),
    ] {
        let error = StsError::from(error);
        assert_eq!((error.code(), error.status()), (code, 403));
        let (_, document) = error.render("r");
        let found = elements(&document);
        assert_eq!(
            (&*found["Code"][0], &*found["Type"][0], &*found["RequestId"][0]),
            (code, "Sender", "r")
        );
        assert!(!document.contains("does not open"));
        assert!(!error.cause().is_empty());
    }
    let skewed = AuthnError::RequestTimeTooSkewed {
        request_time: "20261122T010000Z".into(),
        server_time: at,
        drift: behind(17),
        proven: true,
    };
    let message = StsError::from(skewed).message();
    for said in ["time 2026-11-22T03:00:00Z", "Your clock is 17 min behind"] {
        assert!(message.contains(said), "{message}");
    }
}

#[test]
fn what_callers_send_cannot_leave_its_element() {
    let error = StsError::Caller(AuthnError::RequestTimeTooSkewed {
        request_time: "</Message><Code>x</Code>\u{0}\u{1b}\u{fffe}\r".into(),
        server_time: now(),
        drift: behind(-16),
        proven: false,
    });
    let found = elements(&error.render("<r>&'\"").1);
    assert_eq!(found["Code"], ["SignatureDoesNotMatch"]);
    assert!(
        found["Message"][0]
            .contains("&lt;/Message&gt;&lt;Code&gt;x&lt;/Code&gt;\u{fffd}\u{fffd}\u{fffd}&#13;")
    );
    assert_eq!(found["RequestId"], ["&lt;r&gt;&amp;&apos;&quot;"]);
}

const READ_ONLY: &str = r#"Policy={"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}}"#;
const LIST_ONLY: &str = r#"Policy={"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:ListBucket","Resource":"*"}}"#;

// AUZ-12, SES-07
#[tokio::test]
async fn a_session_of_a_session_has_no_more_and_ends_no_later() {
    let sts = sts(verifier());
    let first = assume(&sts, &format!("DurationSeconds=900&{READ_ONLY}"))
        .await
        .unwrap();
    let parent = &first.session.principal;
    let second = narrow(&sts, parent, &format!("DurationSeconds=7200&{LIST_ONLY}"), now()).unwrap();
    let child = &second.session.principal;
    assert_eq!((child.id(), child.groups()), (parent.id(), parent.groups()));
    assert_eq!(second.session.expires_at, first.session.expires_at);
    let sources = child
        .session_policies()
        .iter()
        .map(|policy| policy.source().to_owned());
    let expected = [READ_ONLY, LIST_ONLY].map(|text| text.strip_prefix("Policy=").unwrap().to_owned());
    assert_eq!(sources.collect::<Vec<_>>(), expected);
    assert_eq!(child.session().root, parent.session().id);
    assert_ne!(child.session().id, parent.session().id);
    // And so on: whatever is made of it carries both.
    let third = narrow(&sts, child, "", now()).unwrap();
    assert_eq!(third.session.principal.session_policies().len(), 2);
    assert_eq!(third.session.principal.session().root, parent.session().id);
    assert_eq!(third.session.expires_at, first.session.expires_at);

    let almost = first.session.expires_at - SignedDuration::from_secs(59);
    let late = narrow(&sts, parent, "", almost).unwrap_err();
    assert_eq!((late.code(), late.status()), ("ExpiredTokenException", 400));
    let (_, document) = second.render_as(StsAction::AssumeRole, "r");
    assert!(document.starts_with("<AssumeRoleResponse xmlns="));
    let found = elements(&document);
    assert_eq!(found["PackedPolicySize"], ["5"]);
    assert!(!found.contains_key("SubjectFromWebIdentityToken"));
    let (_, document) = third.render_as(StsAction::GetSessionToken, "r");
    assert!(document.starts_with("<GetSessionTokenResponse xmlns=") && !document.contains("AssumedRoleUser"));
}

// AUZ-12
#[tokio::test]
async fn a_policy_that_is_not_enforced_is_refused() {
    let sts = sts(verifier());
    for policy in [
        "{}",
        "no",
        r#"{"Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"*","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}}}"#,
        r#"{"Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"*","Principal":"*"}}"#,
    ] {
        let policy = form_urlencoded::byte_serialize(policy.as_bytes()).collect::<String>();
        let error = assume(&sts, &format!("Policy={policy}")).await.unwrap_err();
        assert_eq!(
            (error.code(), error.status()),
            ("MalformedPolicyDocument", 400),
            "{policy}"
        );
        assert!(
            error
                .message()
                .starts_with("The session policy is not accepted: "),
            "{}",
            error.message()
        );
    }
    assert!(
        sts.verifier.seen.lock().unwrap().is_empty(),
        "no token is judged for nothing"
    );
}

#[tokio::test]
async fn callers_choose_the_tags_that_are_theirs_to_choose() {
    let sts = sts(verifier());
    let tag = |name: &str, value: &str| format!("Tags.member.1.Key={name}&Tags.member.1.Value={value}");
    let tagged = assume(&sts, &tag("audit", "CHG-1042")).await.unwrap();
    let parent = &tagged.session.principal;
    assert_eq!(parent.tags().get("audit").map(|value| &**value), Some("CHG-1042"));
    let refused = assume(&sts, &tag("team", "blue")).await.unwrap_err();
    assert_eq!((refused.code(), refused.status()), ("AccessDenied", 403));
    // A session keeps what it has, and may have more of its own.
    let same = narrow(&sts, parent, &tag("audit", "CHG-1042"), now()).unwrap();
    assert_eq!(same.session.principal.tags(), parent.tags());
    let more = narrow(&sts, parent, &tag("case", "7"), now()).unwrap();
    assert_eq!(more.session.principal.tags().len(), 2);
    let other = narrow(&sts, parent, &tag("audit", "CHG-1"), now()).unwrap_err();
    assert_eq!(other.code(), "AccessDenied");
    // One that was narrowed was handed on as it is.
    let narrowed = narrow(&sts, parent, READ_ONLY, now()).unwrap();
    let widened = narrow(&sts, &narrowed.session.principal, &tag("case", "7"), now()).unwrap_err();
    assert_eq!((widened.code(), widened.status()), ("AccessDenied", 403));
    assert!(widened.message().contains("neither a role nor tags"));
}
