use super::*;
use crate::config::{Attribution, Endpoint, IdentityToken, SecretRef, StaticKeys};
use crate::credentials::CredentialCache;
use std::{
    io::Write as _,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

const TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJlLWNhbmFyeQ";

fn document(action: &str, expiration: &str) -> String {
    format!(
        r#"<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <{action}Result>
    <AssumedRoleUser><Arn>arn:aws:sts::1:assumed-role/r/s</Arn><AssumedRoleId>AROA:s</AssumedRoleId></AssumedRoleUser>
    <Credentials><AccessKeyId>ASIAEXAMPLE</AccessKeyId><SecretAccessKey>se/cr+et=</SecretAccessKey>
      <SessionToken>tok/en+=</SessionToken><Expiration>{expiration}</Expiration></Credentials>
  </{action}Result>
  <ResponseMetadata><RequestId>c6104cbe</RequestId></ResponseMetadata>
</{action}Response>"#
    )
}

/// A token service that gives the same answer to everybody, and its requests.
async fn service(status: &str, kind: &str, body: String) -> (Endpoint, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint {
        tls: false,
        host: "127.0.0.1".into(),
        port: listener.local_addr().unwrap().port(),
    };
    let requests = Arc::new(Mutex::new(Vec::new()));
    let seen = requests.clone();
    let length = body.len();
    let answer =
        format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n{body}");
    tokio::spawn(async move {
        while let Ok((mut io, _)) = listener.accept().await {
            let mut request = vec![0; 32 << 10];
            let n = io.read(&mut request).await.unwrap();
            seen.lock()
                .unwrap()
                .push(String::from_utf8_lossy(&request[..n]).into_owned());
            let _ = io.write_all(answer.as_bytes()).await;
        }
    });
    (endpoint, requests)
}

fn clock() -> Clock {
    Clock::fixed("2026-11-22T00:00:00Z".parse().unwrap())
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn resources() -> Resources {
    Resources {
        clock: clock(),
        cache: CredentialCache::new(),
        issuer: None,
        secrets: crate::secrets::SecretReader::default(),
    }
}

fn role(sts_endpoint: Endpoint, proof: RoleProof, seconds: u64) -> AssumedRole {
    AssumedRole {
        role_arn: "arn:aws:iam::1:role/r".into(),
        proof,
        sts_endpoint,
        sts_ca: None,
        duration: Duration::from_secs(seconds),
        session_name: "tidegate".into(),
        attribution: Attribution::Shared,
        source_identity: false,
        session_tags: false,
        narrow: false,
    }
}

fn nobodys() -> CloudSession {
    CloudSession {
        principal: None,
        places: Vec::new(),
    }
}

fn web_identity(endpoint: Endpoint, token: &Path) -> RoleSource {
    let proof = RoleProof::WebIdentity(IdentityToken::File(token.to_owned()));
    RoleSource::new("store", &role(endpoint, proof, 3600), &resources()).unwrap()
}

// 2.1
#[tokio::test]
async fn a_web_identity_token_is_sent_trimmed_and_unsigned() {
    let xml = document("AssumeRoleWithWebIdentity", "2026-11-22T01:00:00Z");
    let (endpoint, requests) = service("200 OK", "text/xml", xml).await;
    let token = file(&format!("{TOKEN}\r\n"));
    let credential = web_identity(endpoint, token.path())
        .ask(&nobodys())
        .await
        .unwrap();
    let key = credential.access_key().unwrap();
    assert_eq!(&*key.id, "ASIAEXAMPLE");
    assert_eq!(key.secret.expose(), b"se/cr+et=");
    assert_eq!(key.session_token.as_ref().unwrap().expose(), b"tok/en+=");
    assert_eq!(credential.expires_at.unwrap().to_string(), "2026-11-22T01:00:00Z");
    let requests = requests.lock().unwrap();
    let (head, body) = requests[0].split_once("\r\n\r\n").unwrap();
    assert!(
        head.starts_with("POST / HTTP/1.1\r\n") && !head.contains("authorization"),
        "{head}"
    );
    assert_eq!(
        body,
        format!(
            "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr\
             &RoleSessionName=tidegate&DurationSeconds=3600&WebIdentityToken={TOKEN}"
        )
    );
}

#[tokio::test]
async fn the_token_is_read_for_each_call() {
    let xml = document("AssumeRoleWithWebIdentity", "2026-11-22T01:00:00Z");
    let (endpoint, requests) = service("200 OK", "text/xml; charset=utf-8", xml).await;
    let token = file("first.first.first");
    let call = web_identity(endpoint, token.path());
    call.ask(&nobodys()).await.unwrap();
    std::fs::write(token.path(), "second.second.second\n").unwrap();
    call.ask(&nobodys()).await.unwrap();
    let requests = requests.lock().unwrap();
    assert!(requests[0].ends_with("=first.first.first") && requests[1].ends_with("=second.second.second"));
}

#[tokio::test]
async fn what_is_no_token_is_not_sent() {
    let (endpoint, requests) = service("200 OK", "text/xml", String::new()).await;
    for text in [" \n", "a b", "caf\u{e9}", &"x".repeat(20_001)] {
        let token = file(text);
        let outcome = web_identity(endpoint.clone(), token.path()).ask(&nobodys()).await;
        assert!(matches!(outcome, Err(SourceError::Token { .. })), "{outcome:?}");
    }
    let outcome = web_identity(endpoint, Path::new("/nowhere/token"))
        .ask(&nobodys())
        .await;
    assert!(
        matches!(outcome, Err(SourceError::TokenFile { .. })),
        "{outcome:?}"
    );
    assert!(requests.lock().unwrap().is_empty());
}

// CRD-08: the external id crosses. CRD-06: the call is signed for `sts`.
#[tokio::test]
async fn assume_role_is_signed() {
    let xml = document("AssumeRole", "2026-11-22T01:00:00Z");
    let (endpoint, requests) = service("200 OK", "text/xml", xml).await;
    let (id, secret) = (file("AKIDSOURCE\n"), file("source-secret\n"));
    let host = endpoint.authority();
    let proof = RoleProof::Keys {
        keys: StaticKeys {
            access_key_id: SecretRef::File(id.path().into()),
            secret_access_key: SecretRef::File(secret.path().into()),
            session_token: None,
        },
        region: "eu-central-1".into(),
        external_id: Some("a&b".into()),
    };
    let source = RoleSource::new("store", &role(endpoint, proof, 900), &resources()).unwrap();
    source.ask(&nobodys()).await.unwrap();
    let requests = requests.lock().unwrap();
    let (head, body) = requests[0].split_once("\r\n\r\n").unwrap();
    assert!(body.ends_with("&DurationSeconds=900&ExternalId=a%26b"), "{body}");
    assert!(head.contains("x-amz-date: 20261122T000000Z\r\n"), "{head}");
    let expected = signature(&host, body);
    let authorization = format!(
        "authorization: AWS4-HMAC-SHA256 Credential=AKIDSOURCE/20261122/eu-central-1/sts/aws4_request, \
         SignedHeaders=content-type;host;x-amz-date, Signature={expected}\r\n"
    );
    assert!(head.contains(&authorization), "{head}\n{authorization}");
    assert!(!requests[0].contains("source-secret"));
}

/// The signature, by the specification and by other means than the code under test.
fn signature(host: &str, body: &str) -> String {
    use aws_lc_rs::{digest, hmac};
    let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
    let sha = |text: &str| hex(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
    let mac = |key: &[u8], text: &str| {
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes())
            .as_ref()
            .to_vec()
    };
    let canonical = format!(
        "POST\n/\n\ncontent-type:application/x-www-form-urlencoded\nhost:{host}\nx-amz-date:20261122T000000Z\n\n\
         content-type;host;x-amz-date\n{}",
        sha(body)
    );
    let scope = "20261122/eu-central-1/sts/aws4_request";
    let to_sign = format!("AWS4-HMAC-SHA256\n20261122T000000Z\n{scope}\n{}", sha(&canonical));
    let key = ["20261122", "eu-central-1", "sts", "aws4_request"]
        .iter()
        .fold(b"AWS4source-secret".to_vec(), |key, part| mac(&key, part));
    hex(&mac(&key, &to_sign))
}

// CRD-07
#[tokio::test]
async fn answers_that_are_not_strictly_credentials_are_refused() {
    let action = "AssumeRoleWithWebIdentity";
    let good = document(action, "2026-11-22T01:00:00Z");
    let with = |from: &str, to: &str| {
        assert!(good.contains(from));
        good.replace(from, to)
    };
    let cases = [
        ("text/html", good.clone()),
        ("application/json", good.clone()),
        ("text/xml", String::new()),
        ("text/xml", "garbage".to_owned()),
        ("text/xml", good[..good.len() - 5].to_owned()),
        ("text/xml", format!("{good}{good}")),
        ("text/xml", format!("<!DOCTYPE a [<!ENTITY x \"y\">]>{good}")),
        ("text/xml", format!("<?target?>{good}")),
        ("text/xml", format!("{good}{}", " ".repeat(64 << 10))),
        ("text/xml", document("AssumeRole", "2026-11-22T01:00:00Z")),
        ("text/xml", document(action, "2026-11-22T00:00:00Z")),
        ("text/xml", document(action, "2026-11-21T23:00:00Z")),
        ("text/xml", document(action, "2026-11-23T12:00:01Z")),
        ("text/xml", document(action, "9999-12-31T00:00:00Z")),
        ("text/xml", document(action, "tomorrow")),
        ("text/xml", document(action, "")),
        ("text/xml", with("<AccessKeyId>ASIAEXAMPLE</AccessKeyId>", "")),
        (
            "text/xml",
            with("<AccessKeyId>ASIAEXAMPLE</AccessKeyId>", "<AccessKeyId/>"),
        ),
        ("text/xml", with("ASIAEXAMPLE", "ASIA/EXAMPLE")),
        ("text/xml", with("ASIAEXAMPLE", "ASIA&own;EXAMPLE")),
        ("text/xml", with("ASIAEXAMPLE", "ASIA\nEXAMPLE")),
        ("text/xml", with("ASIAEXAMPLE", "<b>ASIAEXAMPLE</b>")),
        ("text/xml", with("se/cr+et=", "se cret")),
        ("text/xml", with("tok/en+=", "")),
        (
            "text/xml",
            with("<SessionToken>", "<SessionToken>a</SessionToken><SessionToken>"),
        ),
        (
            "text/xml",
            with("<Credentials>", "<Wrapper><Credentials>")
                .replace("</Credentials>", "</Credentials></Wrapper>"),
        ),
    ];
    let token = file(TOKEN);
    for (kind, body) in cases {
        let (endpoint, _) = service("200 OK", kind, body.clone()).await;
        let outcome = web_identity(endpoint, token.path()).ask(&nobodys()).await;
        let refused = matches!(outcome, Err(SourceError::Answer(_) | SourceError::Malformed(_)));
        assert!(refused, "{kind} {body}: {outcome:?}");
    }
}

#[tokio::test]
async fn entities_comments_and_sections_are_read_as_text() {
    let xml = document("AssumeRoleWithWebIdentity", "2026-11-22T01:00:00Z")
        .replace("se/cr+et=", "<![CDATA[a/]]>&#98;&amp;<!-- no -->c");
    let (endpoint, _) = service(
        "200 OK",
        "application/xml",
        format!("<?xml version=\"1.0\"?>\n{xml}"),
    )
    .await;
    let token = file(TOKEN);
    let credential = web_identity(endpoint, token.path())
        .ask(&nobodys())
        .await
        .unwrap();
    assert_eq!(credential.access_key().unwrap().secret.expose(), b"a/b&c");
}

// AUD-05
#[tokio::test]
async fn a_refusal_is_told_without_the_token() {
    let error = |code: &str, message: &str| {
        format!(
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
             <Code>{code}</Code><Message>{message}</Message></Error><RequestId>1</RequestId></ErrorResponse>"
        )
    };
    let token = file(TOKEN);
    let cases = [
        (
            error("InvalidIdentityToken", "No OpenIDConnect provider"),
            "identity provider in the role's account",
        ),
        (
            error("AccessDenied", &format!("not with {TOKEN}")),
            "trust policy",
        ),
        (error("ExpiredTokenException", "\u{1b}[31mline\nbreak"), "fresh"),
        ("<html>502</html>".to_owned(), "asked again"),
        (error(&"x".repeat(1000), &"y".repeat(10_000)), "asked again"),
    ];
    for (body, hint) in cases {
        let (endpoint, _) = service("403 Forbidden", "text/xml", body).await;
        let error = web_identity(endpoint, token.path())
            .ask(&nobodys())
            .await
            .unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains("403") && text.contains(hint), "{text}");
        assert!(
            !text.contains("canary") && !TOKEN.split('.').any(|part| text.contains(part)),
            "{text}"
        );
        assert!(text.len() < 1500 && !text.contains(['\n', '\u{1b}']), "{text}");
    }
}

// CRD-06
#[tokio::test]
async fn a_redirect_is_a_refusal() {
    let (endpoint, requests) = service(
        "307 Temporary Redirect\r\nlocation: /elsewhere",
        "text/xml",
        String::new(),
    )
    .await;
    let token = file(TOKEN);
    let outcome = web_identity(endpoint, token.path()).ask(&nobodys()).await;
    assert!(matches!(outcome, Err(SourceError::Refused { .. })), "{outcome:?}");
    assert_eq!(requests.lock().unwrap().len(), 1);
}

#[test]
fn keys_that_are_missing_are_found_at_start() {
    let nowhere = || SecretRef::File("/nowhere/key".into());
    let endpoint = Endpoint {
        tls: true,
        host: "sts.example".into(),
        port: 443,
    };
    let proof = RoleProof::Keys {
        keys: StaticKeys {
            access_key_id: nowhere(),
            secret_access_key: nowhere(),
            session_token: None,
        },
        region: "eu-central-1".into(),
        external_id: None,
    };
    let refused = RoleSource::new("store", &role(endpoint, proof, 900), &resources());
    assert!(matches!(refused, Err(SourceError::Secret(_))));
}

// F9
#[tokio::test]
async fn keys_of_the_machine_that_are_refused_are_looked_for_again() {
    for code in ["InvalidClientTokenId", "ExpiredToken"] {
        let refused =
            format!("<ErrorResponse><Error><Code>{code}</Code><Message>no</Message></Error></ErrorResponse>");
        let (endpoint, requests) = service("403 Forbidden", "text/xml", refused).await;
        let proof = RoleProof::Ambient {
            region: "eu-central-1".into(),
            external_id: None,
        };
        let resources = resources();
        let source = RoleSource::new("store", &role(endpoint, proof, 900), &resources).unwrap();
        let Proof::Signature {
            signer: Signer::Ambient(ambient),
            ..
        } = &source.proof
        else {
            panic!("another proof")
        };
        ambient.will_find("AKIDFIRST").await;
        source.ask(&nobodys()).await.unwrap_err();
        assert_eq!(requests.lock().unwrap().len(), 1, "they were found just now");

        resources.clock.advance(SignedDuration::from_secs(10));
        ambient.will_find("AKIDOTHER").await;
        source.ask(&nobodys()).await.unwrap_err();
        resources.clock.advance(SignedDuration::from_secs(10));
        ambient.will_find("AKIDOTHER").await;
        source.ask(&nobodys()).await.unwrap_err();
        let signed: Vec<bool> = requests
            .lock()
            .unwrap()
            .iter()
            .map(|request| request.contains("Credential=AKIDFIRST/"))
            .collect();
        assert_eq!(
            signed,
            [true, true, false, false],
            "the same keys are not tried twice"
        );
    }
}

// F9: each session has pauses of its own, and a service that is asked too often needs one of all of them.
#[tokio::test]
async fn a_service_that_is_asked_too_often_is_left_alone_by_everybody() {
    let throttled = "<ErrorResponse><Error><Code>Throttling</Code><Message>Rate exceeded</Message></Error></ErrorResponse>";
    let (endpoint, requests) = service("400 Bad Request", "text/xml", throttled.to_owned()).await;
    let token = file(TOKEN);
    let proof = RoleProof::WebIdentity(IdentityToken::File(token.path().to_owned()));
    let resources = resources();
    let source = RoleSource::new("store", &role(endpoint, proof, 3600), &resources).unwrap();
    let first = source.ask(&nobodys()).await.unwrap_err();
    assert!(first.to_string().contains("asked too often"), "{first}");
    for _ in 0..5 {
        let next = source.ask(&nobodys()).await.unwrap_err();
        assert!(matches!(next, SourceError::Resting), "{next}");
    }
    assert_eq!(requests.lock().unwrap().len(), 1);
    resources.clock.advance(SignedDuration::from_secs(2));
    source.ask(&nobodys()).await.unwrap_err();
    assert_eq!(requests.lock().unwrap().len(), 2);
}
