//! A target that does what a script says, byte by byte.

use crate::config::{Addressing, CredentialSource, Endpoint, SecretRef, StaticKeys, Target};
use std::{future::Future, io, path::PathBuf, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

/// A listening target. Each connection is handed to the script with its number.
pub(super) struct Fake {
    pub(super) target: Arc<Target>,
    seen: mpsc::UnboundedReceiver<Seen>,
}

/// What one connection saw after its script was through with it, or what the script reports.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) connection: usize,
    pub(super) bytes: Vec<u8>,
    pub(super) end: End,
}

/// How the peer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Closed,
    Reset,
}

/// One connection of a fake target.
pub(super) struct Peer {
    pub(super) number: usize,
    pub(super) io: TcpStream,
}

impl Fake {
    pub(super) async fn new<F, R>(script: F) -> Self
    where
        F: Fn(Peer) -> R + Send + Sync + 'static,
        R: Future<Output = Option<Peer>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (tell, seen) = mpsc::unbounded_channel();
        let script = Arc::new(script);
        tokio::spawn(async move {
            let mut number = 0;
            while let Ok((io, _)) = listener.accept().await {
                let (script, tell) = (script.clone(), tell.clone());
                let peer = Peer { number, io };
                number += 1;
                tokio::spawn(async move {
                    let number = peer.number;
                    if let Some(mut peer) = script(peer).await {
                        let (bytes, end) = drain(&mut peer.io).await;
                        let _ = tell.send(Seen {
                            connection: number,
                            bytes,
                            end,
                        });
                    }
                });
            }
        });
        Self {
            target: target(port, None),
            seen,
        }
    }

    /// What the next connection to end saw.
    pub(super) async fn seen(&mut self) -> Seen {
        let seen = tokio::time::timeout(Duration::from_secs(10), self.seen.recv()).await;
        seen.expect("the connection stays open").unwrap()
    }
}

impl Peer {
    /// Reads a request head; what follows stays unread.
    pub(super) async fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match self.io.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => break,
            }
        }
        String::from_utf8(head).unwrap()
    }

    pub(super) async fn body(&mut self, bytes: usize) -> Vec<u8> {
        let mut body = vec![0; bytes];
        self.io.read_exact(&mut body).await.unwrap();
        body
    }

    pub(super) async fn answer(&mut self, text: &str) {
        self.io.write_all(text.as_bytes()).await.unwrap();
    }

    pub(super) fn reset(self) {
        self.io.set_zero_linger().unwrap();
    }
}

/// Reads what comes until the peer ends.
pub(super) async fn drain(io: &mut (impl AsyncRead + Unpin)) -> (Vec<u8>, End) {
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match io.read(&mut buffer).await {
            Ok(0) => return (bytes, End::Closed),
            Ok(n) => bytes.extend_from_slice(&buffer[..n]),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return (bytes, End::Reset),
            Err(error) => panic!("{error}"),
        }
    }
}

/// A target on this machine, with TLS if there is a CA.
pub(super) fn target(port: u16, ca: Option<PathBuf>) -> Arc<Target> {
    let key = || SecretRef::File("none".into());
    Arc::new(Target {
        name: "fake".into(),
        endpoint: Endpoint {
            tls: ca.is_some(),
            host: if ca.is_some() { "localhost" } else { "127.0.0.1" }.into(),
            port,
        },
        region: "us-east-1".into(),
        addressing: Addressing::Path,
        ca,
        profile: crate::config::Profile::Plain,
        finds_profile: false,
        exact_keys: false,
        canary: None,
        project: None,
        connect_timeout: Duration::from_secs(5),
        response_timeout: Duration::from_secs(5),
        credentials: CredentialSource::Static(StaticKeys {
            access_key_id: key(),
            secret_access_key: key(),
            session_token: None,
        }),
    })
}
