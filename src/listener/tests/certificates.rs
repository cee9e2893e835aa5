//! Certificates: what is loaded, what is refused, and how one replaces another.

use super::support::{PATIENCE, echo, new_certificate, settings, start};
use crate::listener::{CertificateStore, TlsError, validate};
use std::{error::Error, fs};
use tokio::net::TcpStream;

#[test]
fn a_matching_pair_is_accepted() {
    let folder = tempfile::tempdir().unwrap();
    new_certificate(folder.path());
    validate(&settings(folder.path())).unwrap();
}

#[test]
fn what_is_wrong_with_a_file_is_told() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    new_certificate(folder.path());
    new_certificate(other.path());
    let good = settings(folder.path());
    let check = |change: &dyn Fn(&mut crate::config::Server), expected: &str| {
        let mut server = good.clone();
        change(&mut server);
        let error = validate(&server).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(error.to_string().contains("server."), "names the file: {error}");
    };
    check(
        &|s| s.key = other.path().join("server.key"),
        "does not belong to the first certificate",
    );
    check(&|s| s.key = s.certificate.clone(), "holds no private key");
    check(&|s| s.certificate = s.key.clone(), "holds no certificate");
    check(
        &|s| s.certificate = folder.path().join("server.missing"),
        "cannot read",
    );
    fs::write(
        folder.path().join("server.bad"),
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    )
    .unwrap();
    check(
        &|s| s.certificate = folder.path().join("server.bad"),
        "certificate 1 in",
    );
    fs::write(
        folder.path().join("server.bad"),
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    )
    .unwrap();
    check(&|s| s.key = folder.path().join("server.bad"), "cannot be used");
}

#[test]
fn errors_do_not_show_the_key() {
    let folder = tempfile::tempdir().unwrap();
    new_certificate(folder.path());
    let key = fs::read_to_string(folder.path().join("server.key")).unwrap();
    let secret = key.lines().nth(1).unwrap();
    fs::write(
        folder.path().join("server.key"),
        key.replace("-----END", "----END"),
    )
    .unwrap();
    let error = validate(&settings(folder.path())).unwrap_err();
    assert!(matches!(error, TlsError::Pem { .. }));
    let shown = format!("{error} {error:?} {:?}", error.source());
    assert!(!shown.contains(secret));
}

#[tokio::test]
async fn a_new_certificate_is_served_and_a_broken_one_is_not() {
    // TLS-09, CFG-02
    let mut running = start(|_| {}, echo);
    let served = |running: &super::support::Running| {
        let connecting = TcpStream::connect(running.address);
        let client = running.client(&[]);
        async move {
            let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
            let tls = tokio_rustls::TlsConnector::from(std::sync::Arc::new(client));
            let stream = tls.connect(name, connecting.await.unwrap()).await;
            stream.map(|stream| {
                stream.get_ref().1.peer_certificates().unwrap()[0]
                    .clone()
                    .into_owned()
            })
        }
    };
    let first = running.trusted.clone();
    assert_eq!(served(&running).await.unwrap(), first);
    let second = new_certificate(running.folder.path());
    assert_eq!(
        served(&running).await.unwrap(),
        first,
        "files count only when they are reloaded"
    );
    running.certificates.reload().unwrap();
    running.trusted = second.clone();
    assert_eq!(served(&running).await.unwrap(), second);
    fs::write(running.folder.path().join("server.pem"), "broken").unwrap();
    running.certificates.reload().unwrap_err();
    assert_eq!(served(&running).await.unwrap(), second, "the old one stays");
}

#[tokio::test]
async fn sessions_resume_and_early_data_is_not_offered() {
    // TLS-06
    let running = start(|_| {}, echo);
    let client = std::sync::Arc::new(running.client(&["http/1.1"]));
    let mut kinds = Vec::new();
    for _ in 0..3 {
        let tcp = TcpStream::connect(running.address).await.unwrap();
        let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
        let mut tls = tokio_rustls::TlsConnector::from(client.clone())
            .connect(name, tcp)
            .await
            .unwrap();
        let request = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        super::support::exchange(&mut tls, request).await;
        kinds.push(tls.get_ref().1.handshake_kind().unwrap());
        assert!(!tls.get_ref().1.is_early_data_accepted());
    }
    use rustls::HandshakeKind::{Full, Resumed};
    assert_eq!(kinds, [Full, Resumed, Resumed]);
}

#[tokio::test]
async fn tls_1_2_is_served_with_aead_and_forward_secrecy_only() {
    // TLS-01
    let running = start(|_| {}, echo);
    let certificates = CertificateStore::load(&settings(running.folder.path())).unwrap();
    let server = std::sync::Arc::new(certificates).server_config().unwrap();
    for suite in &server.crypto_provider().cipher_suites {
        let name = suite.suite().as_str().unwrap();
        let strong = name.contains("GCM") || name.contains("CHACHA20_POLY1305");
        assert!(
            strong && (name.starts_with("TLS13_") || name.starts_with("TLS_ECDHE_")),
            "{name}"
        );
    }
    assert_eq!(server.max_early_data_size, 0);
}

#[tokio::test]
async fn a_handshake_that_stands_still_is_closed() {
    // TLS-02, LIM-02
    let running = start(
        |s| s.handshake_timeout = std::time::Duration::from_millis(50),
        echo,
    );
    let mut tcp = TcpStream::connect(running.address).await.unwrap();
    let mut read = Vec::new();
    let end = tokio::io::AsyncReadExt::read_to_end(&mut tcp, &mut read);
    let end = tokio::time::timeout(PATIENCE, end).await.unwrap();
    assert!(matches!(end, Ok(0) | Err(_)));
}
