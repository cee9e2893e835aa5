//! A small S3 store with the habits of real ones, old and new: what it takes, what it ignores and what it gets wrong.
//! It keeps every request, so that a test can see what it was asked.

use bytes::{Bytes, BytesMut};
use data_encoding::{BASE64, HEXLOWER};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use md5::{Digest as _, Md5};
use std::{
    collections::BTreeMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What a store does with `STREAMING-UNSIGNED-PAYLOAD-TRAILER`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Refuses it.
    Refused,
    /// Does not notice, and stores the framing.
    StoredAsData,
    /// Takes it apart.
    Understood,
}

/// How a store behaves.
#[derive(Clone, Copy)]
pub struct Habits {
    pub framing: Framing,
    /// Whether it holds payloads against their SHA-256 and `Content-MD5`.
    pub checks: bool,
    /// Whether it holds payloads against `x-amz-checksum-*`: those of before 2025.
    pub checks_checksums: bool,
    /// Whether it knows the algorithms of 2025, too.
    pub checks_newer: bool,
    /// Whether `If-None-Match` keeps it from overwriting.
    pub conditions: bool,
    /// Whether it keeps versions.
    pub versions: bool,
    /// Whether it answers 403 to everything.
    pub forbids: bool,
    /// Whether it answers 403 to deletions.
    pub keeps: bool,
}

impl Habits {
    /// Ceph RGW 16 and its kin: S3 as it was before 2022.
    pub const OLD: Self = Self {
        framing: Framing::Refused,
        checks: true,
        checks_checksums: false,
        checks_newer: false,
        conditions: true,
        versions: false,
        forbids: false,
        keeps: false,
    };
    /// S3 itself.
    pub const AWS: Self = Self {
        framing: Framing::Understood,
        checks_checksums: true,
        checks_newer: true,
        ..Self::OLD
    };
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: Method,
    /// Path and query.
    pub target: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

#[derive(Default)]
struct State {
    habits: Option<Habits>,
    asked: Vec<Asked>,
    /// By path. With versions, all of them.
    objects: BTreeMap<String, Vec<(String, Bytes)>>,
    parts: BTreeMap<u16, Bytes>,
    markers: usize,
}

/// Dropping it ends it.
pub struct PickyTarget {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

impl Drop for PickyTarget {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl PickyTarget {
    pub async fn start(habits: Habits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State {
            habits: Some(habits),
            ..State::default()
        }));
        let shared = state.clone();
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let state = shared.clone();
                let service = service_fn(move |request| answer(state.clone(), request));
                // A connection that the other side resets is part of the tests.
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { address, state, task }
    }

    /// Changes its habits from now on.
    pub fn becomes(&self, habits: Habits) {
        self.state.lock().unwrap().habits = Some(habits);
    }

    /// The whole requests so far, those of canaries included.
    pub fn asked(&self) -> Vec<Asked> {
        self.state.lock().unwrap().asked.clone()
    }

    /// The whole requests of callers.
    pub fn asked_by_callers(&self) -> Vec<Asked> {
        let all = self.asked().into_iter();
        all.filter(|asked| !asked.target.contains(".tidegate-canary"))
            .collect()
    }

    /// The last of them.
    pub fn last(&self) -> Asked {
        self.asked_by_callers().pop().expect("a request")
    }

    /// An object in bucket `acme-lake-prod`.
    pub fn object(&self, key: &str) -> Option<Bytes> {
        let state = self.state.lock().unwrap();
        let versions = state.objects.get(&format!("/acme-lake-prod/{key}"))?;
        versions.last().map(|(_, bytes)| bytes.clone())
    }

    /// The paths of all objects and how many versions there are.
    pub fn objects(&self) -> Vec<String> {
        self.state.lock().unwrap().objects.keys().cloned().collect()
    }

    /// How many deletions left a marker, for want of a version.
    pub fn markers(&self) -> usize {
        self.state.lock().unwrap().markers
    }
}

async fn answer(
    state: Arc<Mutex<State>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, mut incoming) = request.into_parts();
    let mut body = BytesMut::new();
    while let Some(frame) = incoming.frame().await {
        match frame {
            Ok(frame) => body.extend_from_slice(frame.data_ref().unwrap()),
            // What is cut off never happened.
            Err(_) => return Ok(refuse(400, "IncompleteBody")),
        }
    }
    let asked = Asked {
        method: head.method,
        target: head.uri.to_string(),
        headers: head.headers,
        body: body.freeze(),
    };
    let mut state = state.lock().unwrap();
    state.asked.push(asked.clone());
    Ok(state
        .serve(&asked)
        .unwrap_or_else(|(status, code)| refuse(status, code)))
}

type Refusal = (u16, &'static str);

impl State {
    fn serve(&mut self, asked: &Asked) -> Result<Response<Full<Bytes>>, Refusal> {
        let habits = self.habits.unwrap();
        if habits.forbids {
            return Err((403, "AccessDenied"));
        }
        if asked.headers.contains_key("transfer-encoding") {
            return Err((411, "MissingContentLength"));
        }
        let (path, query) = asked.target.split_once('?').unwrap_or((&asked.target, ""));
        let parameter = |name: &str| {
            let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs
                .into_iter()
                .find(|(n, _)| *n == name)
                .map(|(_, value)| value.to_owned())
        };
        match asked.method {
            Method::PUT => {
                let payload = payload(asked, habits)?;
                if let Some(number) = parameter("partNumber") {
                    self.parts.insert(number.parse().unwrap(), payload.clone());
                    return Ok(tagged(&payload, None));
                }
                let versions = self.objects.entry(path.to_owned()).or_default();
                let there = !versions.is_empty();
                if there && habits.conditions && asked.headers.contains_key("if-none-match") {
                    return Err((412, "PreconditionFailed"));
                }
                if !habits.versions {
                    versions.clear();
                }
                let version = format!("v{}", self.asked.len());
                versions.push((version.clone(), payload.clone()));
                Ok(tagged(&payload, habits.versions.then_some(version)))
            }
            Method::GET | Method::HEAD => {
                let found = self.objects.get(path).and_then(|versions| versions.last());
                let (_, bytes) = found.ok_or((404, "NoSuchKey"))?;
                Ok(Response::new(Full::new(bytes.clone())))
            }
            Method::DELETE if habits.keeps => Err((403, "AccessDenied")),
            Method::DELETE => {
                match parameter("versionId") {
                    Some(version) => {
                        let versions = self.objects.entry(path.to_owned()).or_default();
                        versions.retain(|(known, _)| *known != version);
                        if versions.is_empty() {
                            self.objects.remove(path);
                        }
                    }
                    None if habits.versions => self.markers += 1,
                    None => drop(self.objects.remove(path)),
                }
                Ok(empty(204))
            }
            Method::POST if query.starts_with("uploads") => Ok(document(
                "<InitiateMultipartUploadResult><Bucket>acme-lake-prod</Bucket><Key>k</Key>\
                 <UploadId>upload-1</UploadId></InitiateMultipartUploadResult>",
            )),
            Method::POST => {
                let whole: Vec<u8> = self.parts.values().flatten().copied().collect();
                self.parts.clear();
                self.objects
                    .insert(path.to_owned(), vec![(String::new(), whole.into())]);
                Ok(document(
                    "<CompleteMultipartUploadResult><Location>l</Location><Bucket>acme-lake-prod</Bucket>\
                     <Key>k</Key><ETag>&quot;e&quot;</ETag></CompleteMultipartUploadResult>",
                ))
            }
            _ => Err((405, "MethodNotAllowed")),
        }
    }
}

/// The payload, as far as the store understands and checks it.
fn payload(asked: &Asked, habits: Habits) -> Result<Bytes, Refusal> {
    let mode = asked
        .header("x-amz-content-sha256")
        .ok_or((400, "InvalidRequest"))?;
    let (payload, trailer) = match (mode.starts_with("STREAMING-"), habits.framing) {
        (false, _) | (true, Framing::StoredAsData) => (asked.body.clone(), None),
        (true, Framing::Refused) => return Err((400, "InvalidArgument")),
        (true, Framing::Understood) => {
            let (payload, name, value) = unframe(&asked.body)?;
            let declared = asked.header("x-amz-decoded-content-length");
            if declared != Some(&payload.len().to_string()) || asked.header("x-amz-trailer") != Some(&name) {
                return Err((400, "InvalidRequest"));
            }
            (payload, Some((name, value)))
        }
    };
    if habits.checks {
        let sha256 = HEXLOWER.encode(&sum("x-amz-checksum-sha256", &payload).unwrap());
        if !mode.contains("PAYLOAD") && mode != sha256 {
            return Err((400, "XAmzContentSHA256Mismatch"));
        }
        if asked
            .header("content-md5")
            .is_some_and(|md5| md5 != BASE64.encode(&Md5::digest(&payload)))
        {
            return Err((400, "BadDigest"));
        }
    }
    let headers = asked.headers.iter().map(|(name, value)| {
        let value = value.to_str().unwrap().to_owned();
        (name.as_str().to_owned(), value)
    });
    for (name, value) in headers.chain(trailer) {
        let known = matches!(
            name.as_str(),
            "x-amz-checksum-crc32"
                | "x-amz-checksum-crc32c"
                | "x-amz-checksum-crc64nvme"
                | "x-amz-checksum-sha1"
                | "x-amz-checksum-sha256"
        );
        let checked = match known {
            true => habits.checks_checksums,
            false => habits.checks_newer && name.starts_with("x-amz-checksum-"),
        };
        // What it has no sum for is right unless it is all zeros, which no test means.
        let value = BASE64.decode(value.as_bytes()).unwrap_or_default();
        let right = match sum(&name, &payload) {
            Some(sum) => sum == value,
            None => value.iter().any(|byte| *byte != 0),
        };
        if checked && !right {
            return Err((400, "BadDigest"));
        }
    }
    Ok(payload)
}

fn sum(name: &str, payload: &[u8]) -> Option<Vec<u8>> {
    use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA512, digest};
    use crc_fast::{CrcAlgorithm, checksum};
    let crc = |algorithm| checksum(algorithm, payload);
    Some(match name {
        "x-amz-checksum-crc32" => (crc(CrcAlgorithm::Crc32IsoHdlc) as u32).to_be_bytes().to_vec(),
        "x-amz-checksum-crc32c" => (crc(CrcAlgorithm::Crc32Iscsi) as u32).to_be_bytes().to_vec(),
        "x-amz-checksum-crc64nvme" => crc(CrcAlgorithm::Crc64Nvme).to_be_bytes().to_vec(),
        "x-amz-checksum-sha1" => digest(&SHA1_FOR_LEGACY_USE_ONLY, payload).as_ref().to_vec(),
        "x-amz-checksum-sha256" => digest(&SHA256, payload).as_ref().to_vec(),
        "x-amz-checksum-sha512" => digest(&SHA512, payload).as_ref().to_vec(),
        "x-amz-checksum-md5" => Md5::digest(payload).to_vec(),
        _ => return None,
    })
}

/// Payload, name and value of the trailer. Every chunk but the last must have 8 KiB, as at S3.
fn unframe(mut wire: &[u8]) -> Result<(Bytes, String, String), Refusal> {
    let mut payload = BytesMut::new();
    let mut short = false;
    loop {
        let end = wire
            .windows(2)
            .position(|pair| pair == b"\r\n")
            .ok_or((400, "IncompleteBody"))?;
        let size = std::str::from_utf8(&wire[..end]).unwrap();
        let size = usize::from_str_radix(size, 16).map_err(|_| (400, "IncompleteBody"))?;
        wire = &wire[end + 2..];
        if size == 0 {
            break;
        }
        if std::mem::replace(&mut short, size < 8192) {
            return Err((400, "InvalidChunkSizeError"));
        }
        payload.extend_from_slice(&wire[..size]);
        wire = &wire[size + 2..];
    }
    let trailer = std::str::from_utf8(wire).unwrap().trim_end();
    let (name, value) = trailer.split_once(':').ok_or((400, "MalformedTrailerError"))?;
    Ok((payload.freeze(), name.to_owned(), value.to_owned()))
}

fn tagged(payload: &[u8], version: Option<String>) -> Response<Full<Bytes>> {
    let mut response = empty(200);
    let tag = format!("\"{}\"", HEXLOWER.encode(&Md5::digest(payload)));
    response.headers_mut().insert("etag", tag.parse().unwrap());
    if let Some(version) = version {
        response
            .headers_mut()
            .insert("x-amz-version-id", version.parse().unwrap());
    }
    response
}

fn empty(status: u16) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

fn document(text: &'static str) -> Response<Full<Bytes>> {
    Response::new(Full::from(text))
}

fn refuse(status: u16, code: &str) -> Response<Full<Bytes>> {
    let text = format!("<Error><Code>{code}</Code><Message>no</Message></Error>");
    empty(status).map(|_| Full::from(text))
}
