use super::guard::is_public;
use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A server that answers one request with `answer` and gives back what it received.
async fn server(answer: Vec<u8>) -> (String, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/path?q=1", listener.local_addr().unwrap());
    let seen = tokio::spawn(async move {
        let (mut io, _) = listener.accept().await.unwrap();
        let mut seen = vec![0; 64 << 10];
        let n = io.read(&mut seen).await.unwrap();
        let _ = io.write_all(&answer).await;
        let _ = io.shutdown().await;
        String::from_utf8_lossy(&seen[..n]).into_owned()
    });
    (url, seen)
}

fn plain() -> Fetcher {
    Fetcher::new(None).unwrap().allow_plain()
}

#[tokio::test]
async fn an_answer_is_read_completely() {
    let (url, seen) =
        server(b"HTTP/1.1 403 Forbidden\r\ncontent-type: text/xml\r\ncontent-length: 4\r\n\r\nbody".to_vec())
            .await;
    let header = (
        HeaderName::from_static("x-amz-date"),
        HeaderValue::from_static("now"),
    );
    let answer = plain().post_form(&url, "a=b".into(), &[header]).await.unwrap();
    assert_eq!(answer.status, 403);
    assert_eq!(answer.content_type.as_deref(), Some("text/xml"));
    assert_eq!(&*answer.body, b"body");
    let seen = seen.await.unwrap();
    assert!(seen.starts_with("POST /path?q=1 HTTP/1.1\r\n"), "{seen}");
    assert!(
        seen.contains("x-amz-date: now\r\n") && seen.ends_with("\r\n\r\na=b"),
        "{seen}"
    );
    assert!(
        seen.contains("content-type: application/x-www-form-urlencoded\r\n"),
        "{seen}"
    );
}

// CRD-06, JWT-13
#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let answer = b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
    let (url, _) = server(answer.to_vec()).await;
    assert_eq!(plain().get(&url).await.unwrap().status, 302);
}

#[tokio::test]
async fn an_answer_above_the_limit_is_an_error() {
    let mut answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_vec();
    answer.resize(answer.len() + MAX_BODY + 1, b'x');
    let (url, _) = server(answer).await;
    assert!(matches!(
        plain().get(&url).await,
        Err(FetchError::TooLarge { .. })
    ));
}

#[tokio::test]
async fn a_cut_answer_is_an_error() {
    let (url, _) = server(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort".to_vec()).await;
    assert!(matches!(plain().get(&url).await, Err(FetchError::Http { .. })));
}

#[tokio::test]
async fn a_silent_server_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let mut fetcher = plain();
    fetcher.timeout = Duration::from_millis(20);
    assert!(matches!(fetcher.get(&url).await, Err(FetchError::Timeout { .. })));
}

// JWT-14: an answer that never ends, byte by byte, is no longer waited for than a silent one.
#[tokio::test]
async fn a_server_that_drips_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut io, _) = listener.accept().await.unwrap();
        let _ = io
            .write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")
            .await;
        let mut drops = tokio::time::interval(Duration::from_millis(5));
        while io.write_all(b" ").await.is_ok() {
            drops.tick().await;
        }
    });
    let mut fetcher = plain();
    fetcher.timeout = Duration::from_millis(100);
    assert!(matches!(fetcher.get(&url).await, Err(FetchError::Timeout { .. })));
}

// JWT-13: the resolved address counts, however it is written.
#[tokio::test]
async fn private_addresses_are_refused_at_connect() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let fetcher = plain().with_guard(Guard::PublicOnly);
    for host in [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "0x7f.1",
        "127.1",
        "[::ffff:127.0.0.1]",
    ] {
        let outcome = fetcher.get(&format!("http://{host}:{port}/")).await;
        let refused = matches!(
            outcome,
            Err(FetchError::Private { .. } | FetchError::Connect { .. } | FetchError::Url(_))
        );
        assert!(refused, "{host}: {outcome:?}");
    }
    let knocked = tokio::time::timeout(Duration::ZERO, listener.accept()).await;
    assert!(knocked.is_err(), "a connection was made");
}

// JWT-13
#[test]
fn addresses_are_public_or_not() {
    let check = |address: &str, public| {
        assert_eq!(is_public(address.parse().unwrap()), public, "{address}");
    };
    for private in [
        "0.0.0.0",
        "10.0.0.1",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.192",
        "192.168.1.1",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:8.8.8.8",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
    ] {
        check(private, false);
    }
    for public in [
        "8.8.8.8",
        "100.63.255.255",
        "100.128.0.1",
        "172.32.0.1",
        "198.20.0.1",
        "2606:4700::1111",
        "2001:4860:4860::8888",
        "64:ff9b::808:808",
    ] {
        check(public, true);
    }
}

#[tokio::test]
async fn unusable_urls_are_refused() {
    let fetcher = Fetcher::new(None).unwrap();
    for url in [
        "http://idp.example/",
        "ftp://idp.example/",
        "idp.example",
        "https:///path",
        "https://user@idp.example/",
        "https://idp.example/#part",
        "https://idp.example:port/",
        "https://idp.example/a b",
        "",
    ] {
        assert!(matches!(fetcher.get(url).await, Err(FetchError::Url(_))), "{url}");
    }
}

#[tokio::test]
async fn only_the_configured_ca_is_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let ours = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (ours_file, other_file) = (folder.path().join("ours.pem"), folder.path().join("other.pem"));
    std::fs::write(&ours_file, ours.cert.pem()).unwrap();
    std::fs::write(&other_file, other.cert.pem()).unwrap();
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
    let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            if let Ok(mut io) = acceptor.accept(tcp).await {
                let _ = io.read(&mut [0; 4096]).await;
                let _ = io
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                    .await;
                let _ = io.shutdown().await;
            }
        }
    });
    let trusted = Fetcher::new(Some(&ours_file)).unwrap().get(&url).await.unwrap();
    assert_eq!(&*trusted.body, b"ok");
    let refused = Fetcher::new(Some(&other_file)).unwrap().get(&url).await;
    assert!(matches!(refused, Err(FetchError::Tls { .. })), "{refused:?}");
}

#[test]
fn a_ca_file_without_certificates_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    assert!(matches!(
        Fetcher::new(Some(file.path())),
        Err(FetchError::Ca { .. })
    ));
}
