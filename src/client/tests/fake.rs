//! A server that answers as it is told and remembers what it was asked.

use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A request as it came.
#[derive(Clone, Debug)]
pub(in crate::client) struct Seen {
    pub(in crate::client) method: String,
    /// Path and query.
    pub(in crate::client) target: String,
    /// Names in lower case.
    pub(in crate::client) headers: Vec<(String, String)>,
    pub(in crate::client) body: String,
}

/// Status, headers and body.
pub(in crate::client) type Answer = (u16, Vec<(&'static str, String)>, String);

pub(in crate::client) fn answer(status: u16, body: impl ToString) -> Answer {
    (
        status,
        vec![("content-type", "application/json".into())],
        body.to_string(),
    )
}

/// The server.
#[derive(Clone)]
pub(in crate::client) struct Fake {
    pub(in crate::client) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Fake {
    pub(in crate::client) async fn serve(answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (answer, remembered) = (Arc::new(answer), Arc::clone(&seen));
        tokio::spawn(async move {
            while let Ok((io, _)) = listener.accept().await {
                let (answer, seen) = (Arc::clone(&answer), Arc::clone(&remembered));
                tokio::spawn(async move {
                    let _ = one(io, &*answer, &seen).await;
                });
            }
        });
        Self { url, seen }
    }

    pub(in crate::client) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// How many requests had this in their first line.
    pub(in crate::client) fn count(&self, part: &str) -> usize {
        self.seen()
            .iter()
            .filter(|seen| seen.target.contains(part))
            .count()
    }
}

impl Seen {
    pub(in crate::client) fn path(&self) -> &str {
        self.target.split('?').next().unwrap()
    }

    pub(in crate::client) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }

    /// A parameter of the query.
    pub(in crate::client) fn query(&self, name: &str) -> Option<String> {
        parameter(self.target.split_once('?')?.1, name)
    }

    /// A parameter of the form.
    pub(in crate::client) fn form(&self, name: &str) -> Option<String> {
        parameter(&self.body, name)
    }
}

pub(in crate::client) fn parameter(query: &str, name: &str) -> Option<String> {
    form_urlencoded::parse(query.as_bytes())
        .find(|(n, _)| n == name)
        .map(|(_, value)| value.into_owned())
}

async fn one(
    mut io: TcpStream,
    answer: &(impl Fn(&Seen) -> Answer + ?Sized),
    all: &Mutex<Vec<Seen>>,
) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if io.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
    };
    let text = String::from_utf8_lossy(&bytes[..head]).into_owned();
    let mut lines = text.lines();
    let mut first = lines.next().unwrap_or_default().split(' ').map(str::to_owned);
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers
        .iter()
        .find(|(name, _)| name == "content-length")
        .map_or(0, |(_, value)| value.parse().unwrap());
    while bytes.len() < head + 4 + length {
        if io.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
    }
    let seen = Seen {
        method: first.next().unwrap_or_default(),
        target: first.next().unwrap_or_default(),
        headers,
        body: String::from_utf8_lossy(&bytes[head + 4..]).into_owned(),
    };
    let (status, headers, body) = answer(&seen);
    all.lock().unwrap().push(seen);
    let headers: String = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let written = format!(
        "HTTP/1.1 {status} X\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    io.write_all(written.as_bytes()).await?;
    io.shutdown().await
}
