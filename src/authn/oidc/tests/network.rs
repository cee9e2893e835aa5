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
            let page = match head[..read].split(|byte| *byte == b' ').nth(1) {
                Some(b"/realm/.well-known/openid-configuration") => {
                    let jwks_uri = keys.replace("{issuer}", &url);
                    serde_json::json!({ "issuer": url, "jwks_uri": jwks_uri }).to_string()
                }
                _ => usual_set(),
            };
            count.fetch_add(1, Ordering::SeqCst);
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", page.len());
            let _ = io.write_all((head + &page).as_bytes()).await;
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

#[tokio::test]
async fn a_ca_that_cannot_be_read_is_reported_at_once() {
    let outcome = verifier("https://localhost/", Path::new("/nowhere/ca.pem"));
    assert!(matches!(outcome, Err(VerifierError::Ca { .. })), "{outcome:?}");
}
