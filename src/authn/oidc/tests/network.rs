//! Over real sockets and TLS, with a private CA.

use super::*;
use std::{
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

/// An issuer on this machine. Counts its answers.
async fn serve(keys: &'static str, ca: &Path) -> (String, Arc<AtomicUsize>) {
    serving(ca, move |path, issuer| {
        let page = match path.ends_with("openid-configuration") {
            true => {
                let jwks_uri = keys.replace("{issuer}", issuer);
                serde_json::json!({ "issuer": issuer, "jwks_uri": jwks_uri }).to_string()
            }
            false => usual_set(),
        };
        page_of(&page)
    })
    .await
}

/// An answer with this page.
fn page_of(page: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{page}", page.len()).into()
}

/// An issuer on this machine that answers with these bytes, by path and its own name.
async fn serving(
    ca: &Path,
    answer: impl Fn(&str, &str) -> Vec<u8> + Send + 'static,
) -> (String, Arc<AtomicUsize>) {
    let ours = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(ca, ours.cert.pem()).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(ours.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![ours.cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = format!(
        "https://localhost:{}/realm/",
        listener.local_addr().unwrap().port()
    );
    let answers = Arc::new(AtomicUsize::new(0));
    let (url, count) = (issuer.clone(), answers.clone());
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let Ok(mut io) = acceptor.accept(tcp).await else {
                continue;
            };
            let mut head = vec![0; 4096];
            let read = io.read(&mut head).await.unwrap_or(0);
            let head = String::from_utf8_lossy(&head[..read]).into_owned();
            let answer = answer(head.split(' ').nth(1).unwrap_or_default(), &url);
            count.fetch_add(1, Ordering::SeqCst);
            let _ = io.write_all(&answer).await;
            let _ = io.shutdown().await;
        }
    });
    (issuer, answers)
}

fn verifier(url: &str, ca: &Path) -> Result<Verifier, VerifierError> {
    let mut issuer = issuer("local", url);
    issuer.ca = Some(ca.to_owned());
    Verifier::new(
        &[Arc::new(issuer)],
        Clock::fixed(Timestamp::from_second(NOW).unwrap()),
        None,
    )
}

#[tokio::test]
async fn a_token_is_verified_with_keys_from_the_network() {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    let (url, answers) = serve("{issuer}keys", &ca).await;
    let verifier = verifier(&url, &ca).unwrap();
    let token = token(&claims(&[("iss", Some(&format!("{url:?}")))]));
    let now = Timestamp::from_second(NOW).unwrap();
    let identity = verifier.verify(&token, now).await.unwrap();
    assert_eq!(&*identity.id, "local:etl@acme.test");
    verifier.verify(&token, now).await.unwrap();
    assert_eq!(answers.load(Ordering::SeqCst), 2);
}

// JWT-13: `127.0.0.1` is the same machine but not the host that the operator configured.
#[tokio::test]
async fn a_document_cannot_send_us_to_another_host_inside() {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    let (url, answers) = serve("https://127.0.0.1:1/keys", &ca).await;
    let verifier = verifier(&url, &ca).unwrap();
    let token = token(&claims(&[("iss", Some(&format!("{url:?}")))]));
    let outcome = verifier
        .verify(&token, Timestamp::from_second(NOW).unwrap())
        .await;
    let Err(TokenError::IssuerUnavailable { cause, .. }) = outcome else {
        panic!("{outcome:?}");
    };
    assert!(cause.contains("`127.0.0.1` has no public address"), "{cause}");
    assert_eq!(answers.load(Ordering::SeqCst), 1);
}

// JWT-11 to JWT-14: whatever a provider answers with, its tokens are refused in time and nobody else is asked.
#[tokio::test]
async fn a_provider_that_misbehaves_gives_no_keys() {
    type Answer = fn(&str, &str) -> Vec<u8>;
    let cases: [(&str, usize, Answer); 8] = [
        ("answers with status 302", 1, |_, issuer| {
            format!("HTTP/1.1 302 Found\r\nlocation: {issuer}elsewhere\r\ncontent-length: 0\r\n\r\n").into()
        }),
        ("answers with status 307", 2, |path, issuer| {
            if path.ends_with("openid-configuration") {
                return own_document(issuer);
            }
            format!("HTTP/1.1 307 Temporary Redirect\r\nlocation: {issuer}more\r\ncontent-length: 0\r\n\r\n")
                .into()
        }),
        ("larger than 1048576 bytes", 2, |path, issuer| {
            if path.ends_with("openid-configuration") {
                return own_document(issuer);
            }
            // Ten megabytes of keys that would all be usable.
            let mut page = usual_set().trim_end_matches("]}").to_owned();
            while page.len() < 10 << 20 {
                page.push_str(",{\"kty\":\"RSA\",\"kid\":\"x\",\"n\":\"AQAB\",\"e\":\"AQAB\"}");
            }
            page_of(&format!("{page}]}}"))
        }),
        ("larger than 1048576 bytes", 1, |_, _| {
            let mut endless = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_vec();
            endless.resize(2 << 20, b' ');
            endless
        }),
        ("broke off", 1, |_, _| {
            b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{".to_vec()
        }),
        ("broke off", 1, |_, _| b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()),
        ("not strict JSON", 1, |_, _| page_of("<html>Sign in</html>")),
        ("status 503", 1, |_, _| {
            b"HTTP/1.1 503 Unavailable\r\ncontent-length: 0\r\n\r\n".to_vec()
        }),
    ];
    for (cause, asked, answer) in cases {
        let folder = tempfile::tempdir().unwrap();
        let ca = folder.path().join("ca.pem");
        let (url, answers) = serving(&ca, answer).await;
        let verifier = verifier(&url, &ca).unwrap();
        let token = token(&claims(&[("iss", Some(&format!("{url:?}")))]));
        for _ in 0..3 {
            let outcome = verifier
                .verify(&token, Timestamp::from_second(NOW).unwrap())
                .await;
            let Err(TokenError::IssuerUnavailable { cause: found, .. }) = outcome else {
                panic!("{cause}: {outcome:?}");
            };
            assert!(found.contains(cause), "{cause}: {found}");
        }
        assert_eq!(answers.load(Ordering::SeqCst), asked, "{cause}");
    }
}

/// The right discovery document.
fn own_document(issuer: &str) -> Vec<u8> {
    page_of(&serde_json::json!({ "issuer": issuer, "jwks_uri": format!("{issuer}keys") }).to_string())
}

#[tokio::test]
async fn the_date_of_an_answer_is_its_servers_clock() {
    for (head, seconds) in [
        ("date: Fri, 15 Jan 2027 08:17:00 GMT\r\n", Some(1020)),
        ("date: Fri, 15 Jan 2027 08:00:00 GMT\r\n", Some(0)),
        // Kept by a cache for ten minutes.
        ("date: Fri, 15 Jan 2027 07:50:00 GMT\r\nage: 600\r\n", Some(0)),
        ("date: yesterday\r\n", None),
        ("", None),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let ca = folder.path().join("ca.pem");
        let (url, _) = serving(&ca, move |path, issuer| {
            let page = match path.ends_with("openid-configuration") {
                true => own_document(issuer),
                false => page_of(&usual_set()),
            };
            let page = String::from_utf8(page).unwrap();
            page.replacen("\r\n", &format!("\r\n{head}"), 1).into_bytes()
        })
        .await;
        let verifier = verifier(&url, &ca).unwrap();
        verifier.warm().await;
        let found = verifier.drifts().first().map(|(_, drift)| drift.seconds());
        assert_eq!(found, seconds, "{head}");
    }
}

#[tokio::test]
async fn a_ca_that_cannot_be_read_is_reported_at_once() {
    let outcome = verifier("https://localhost/", Path::new("/nowhere/ca.pem"));
    assert!(matches!(outcome, Err(VerifierError::Ca { .. })), "{outcome:?}");
}
