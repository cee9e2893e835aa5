//! A target that follows a script, for what no real store does on demand: it breaks off, lies and babbles. It keeps
//! every byte that it was sent.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What the target does next.
#[derive(Clone)]
pub enum Step {
    /// Reads the request's body to its end.
    ReadBody,
    /// Sends bytes.
    Send(Vec<u8>),
    /// Sends so many MiB of zeros.
    Flood(usize),
    /// Keeps the connection and says nothing more.
    Hold,
    /// Ends the connection as if all were said.
    Close,
    /// Ends the connection with a reset.
    Reset,
}

/// A request as it arrived.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub head: String,
    pub body: Vec<u8>,
}

impl Seen {
    /// Method and target.
    pub fn line(&self) -> &str {
        self.head.split(" HTTP/").next().unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines
            .into_iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

/// An answer with a body and its length. `headers` are whole lines.
pub fn answer(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n{body}").into_bytes()
}

/// Dropping it ends it.
pub struct FakeTarget {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl FakeTarget {
    /// Answers every request by what `script` says to its head.
    pub async fn start(script: impl Fn(&str) -> Vec<Step> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let (script, record) = (Arc::new(script), seen.clone());
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (script, record) = (script.clone(), record.clone());
                // A connection that the other side ends is part of the tests.
                tokio::spawn(async move { follow(stream, &*script, &record).await });
            }
        });
        Self { address, seen, task }
    }

    /// Answers every request with these bytes, after its body.
    pub async fn saying(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::start(move |_| vec![Step::ReadBody, Step::Send(answer.clone())]).await
    }

    /// Answers by the last part of the path.
    pub async fn by_name(scripts: Vec<(String, Vec<Step>)>) -> Self {
        Self::start(move |head| {
            let path = head.split([' ', '?']).nth(1).unwrap_or_default();
            let name = path.rsplit('/').next().unwrap_or_default();
            let script = scripts.iter().find(|(known, _)| known == name);
            script
                .unwrap_or_else(|| panic!("no script for `{name}`"))
                .1
                .clone()
        })
        .await
    }

    /// Answers every call of uploads in parts: each is begun with the id `real/id+1`, and `listing` is what is listed.
    pub async fn of_uploads(listing: &str) -> Self {
        let document = |root: &str, inner: &str| answer("200 OK", "", &format!("<{root}>{inner}</{root}>"));
        let names = "<Bucket>acme-lake-prod</Bucket><Key>canary</Key><UploadId>real/id+1</UploadId>";
        let begun = document("InitiateMultipartUploadResult", names);
        let done = document(
            "CompleteMultipartUploadResult",
            "<Location>canary</Location><Bucket>canary</Bucket>",
        );
        let copied = document("CopyPartResult", "<ETag>\"e\"</ETag>");
        let parts = document("ListPartsResult", names);
        let listing = document("ListMultipartUploadsResult", listing);
        Self::start(move |head| {
            let of_upload = head.lines().next().unwrap_or_default().contains("uploadId=");
            let say = match head.split(' ').next() {
                Some("POST") if of_upload => done.clone(),
                Some("POST") => begun.clone(),
                Some("GET") if of_upload => parts.clone(),
                Some("GET") => listing.clone(),
                Some("PUT") if head.contains("x-amz-copy-source") => copied.clone(),
                _ => answer("200 OK", "etag: \"e\"\r\n", ""),
            };
            vec![Step::ReadBody, Step::Send(say)]
        })
        .await
    }

    /// What arrived so far, in order.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// How many requests arrived so far.
    pub fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    /// What arrived after the first so many.
    pub fn since(&self, count: usize) -> Vec<Seen> {
        self.seen.lock().unwrap()[count..].to_vec()
    }

    /// What arrived last.
    pub fn last(&self) -> Seen {
        self.seen.lock().unwrap().last().cloned().expect("a request")
    }

    /// The request lines so far.
    pub fn lines(&self) -> Vec<String> {
        self.seen().iter().map(|seen| seen.line().to_owned()).collect()
    }
}

impl Drop for FakeTarget {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn follow(
    mut stream: TcpStream,
    script: &(impl Fn(&str) -> Vec<Step> + ?Sized),
    record: &Mutex<Vec<Seen>>,
) -> Option<()> {
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.ok()?);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let mine = {
            let mut seen = record.lock().unwrap();
            seen.push(Seen {
                head: head.clone(),
                ..Seen::default()
            });
            seen.len() - 1
        };
        for step in script(&head) {
            match step {
                Step::ReadBody => {
                    let length = record.lock().unwrap()[mine]
                        .header("content-length")
                        .map(str::to_owned);
                    for _ in 0..length.map_or(0, |length| length.parse().unwrap()) {
                        let byte = stream.read_u8().await.ok()?;
                        record.lock().unwrap()[mine].body.push(byte);
                    }
                }
                Step::Send(bytes) => {
                    stream.write_all(&bytes).await.ok()?;
                    stream.flush().await.ok()?;
                }
                Step::Flood(mebibytes) => {
                    let piece = vec![0; 1 << 20];
                    for _ in 0..mebibytes {
                        stream.write_all(&piece).await.ok()?;
                    }
                }
                Step::Hold => std::future::pending().await,
                Step::Close => return None,
                Step::Reset => {
                    stream.set_zero_linger().ok()?;
                    return None;
                }
            }
        }
    }
}
