//! A bucket at the gateway, as a caller's machine reaches it and as far as policy lets the caller.

use super::client::Options;
use super::reach::SET_CLOCK;
use super::signed::{Signed, SignedError};
use super::{Line, Side};
use crate::bridge::canary;
use crate::client::{Client, Keys};
use crate::clock::Clock;
use crate::dialect::s3::{documents, uri};
use crate::error::with_causes;
use crate::fetch::{Fetched, Fetcher};
use bytes::Bytes;
use http::Method;

/// A bucket at the gateway.
pub(super) struct Visit<'a> {
    pub(super) client: &'a Client,
    pub(super) fetcher: &'a Fetcher,
    pub(super) bucket: &'a str,
    pub(super) clock: &'a Clock,
}

impl Visit<'_> {
    fn path_style(&self) -> String {
        format!("{}/{}", self.client.endpoint(), self.bucket)
    }

    /// Without keys: whether it is the gateway that refuses.
    pub(super) async fn styles(&self) -> Line {
        const CHECK: &str = "path style";
        let (scheme, host) = self.client.endpoint().split_once("://").unwrap_or_default();
        let own_host = format!("{scheme}://{}.{host}/", self.bucket);
        let path_style = self.path_style();
        let (path, virtual_host) = tokio::join!(self.knock(&path_style), self.knock(&own_host));
        let about = self.bucket;
        match (path, virtual_host) {
            (Ok(()), Ok(())) => Line::ok(CHECK, about, "reachable as path and virtual host"),
            (Ok(()), Err(why)) => {
                let said = format!("reachable as path; not as virtual host: {why}");
                let remedy = format!(
                    "`s3.addressing_style = path` in the client, or a DNS entry and a certificate for `*.{}` at the gateway",
                    host.split(':').next().unwrap_or_default()
                );
                Line::fail(CHECK, about, said, Side::Tidegate, remedy).as_warning()
            }
            (Err(why), _) => Line::fail(CHECK, about, why, Side::Tidegate, "the gateway's log"),
        }
    }

    async fn knock(&self, url: &str) -> Result<(), String> {
        let answer = self.fetcher.send(Method::HEAD, url, Bytes::new(), &[]).await;
        let answer = answer.map_err(|error| with_causes(&error))?;
        match answer.headers.contains_key("x-amz-request-id") {
            true => Ok(()),
            false => Err(format!("something else answers {}", answer.status.as_u16())),
        }
    }

    /// With keys: what the bucket's policy lets this caller do.
    pub(super) async fn trial(&self, keys: Option<&Keys>, options: &Options) -> Vec<Line> {
        let Some(keys) = keys else {
            return vec![Line::skip("bucket", self.bucket, "there are no keys")];
        };
        let signed = Signed {
            fetcher: self.fetcher,
            keys,
            region: &self.client.settings().region,
            clock: self.clock,
        };
        let mut trial = Trial {
            about: self.bucket,
            done: Vec::new(),
            failed: Vec::new(),
        };
        let url = self.path_style();
        let below = options
            .prefix
            .as_deref()
            .unwrap_or(canary::PREFIX)
            .trim_matches('/');
        let encoded: String = form_urlencoded::byte_serialize(below.as_bytes()).collect();
        // Whoever may not list everything may be allowed to list a folder.
        let prefix = options
            .prefix
            .as_ref()
            .map(|_| format!("&prefix={}%2F", encoded.replace('+', "%20")));
        let listing = format!("{url}?list-type=2&max-keys=1{}", prefix.unwrap_or_default());
        trial.note("HEAD", signed.send(Method::HEAD, &url, Bytes::new()).await);
        trial.note("list", signed.send(Method::GET, &listing, Bytes::new()).await);
        if options.write {
            let mut key = format!("{url}/");
            let name = format!("{below}/{}", crate::audit::new_id(self.clock));
            uri::encode_path(name.as_bytes(), &mut key);
            const CONTENT: &[u8] = b"tidegate doctor";
            let put = signed.send(Method::PUT, &key, Bytes::from_static(CONTENT)).await;
            if trial.note("put", put) {
                trial.note("get", signed.send(Method::GET, &key, Bytes::new()).await);
                trial.note("delete", signed.send(Method::DELETE, &key, Bytes::new()).await);
            }
        }
        trial.lines()
    }
}

struct Trial<'a> {
    about: &'a str,
    done: Vec<&'static str>,
    failed: Vec<Line>,
}

impl Trial<'_> {
    /// Gives whether it worked.
    fn note(&mut self, step: &'static str, outcome: Result<Fetched, SignedError>) -> bool {
        let line = match outcome {
            Ok(answer) if answer.status.is_success() => {
                self.done.push(step);
                return true;
            }
            Ok(answer) => self.refused(step, &answer),
            Err(error) => {
                let said = format!("{step}: {}", with_causes(&error));
                Line::fail("bucket", self.about, said, Side::Tidegate, "the gateway's log")
            }
        };
        self.failed.push(line);
        false
    }

    fn refused(&self, step: &str, answer: &Fetched) -> Line {
        let status = answer.status.as_u16();
        let told = documents::parse_target_error(&answer.body);
        let (code, message) = told.unwrap_or_default();
        let id = answer
            .headers
            .get("x-amz-request-id")
            .and_then(|id| id.to_str().ok());
        let message = if message.is_empty() {
            String::new()
        } else {
            format!(": {}", message.escape_debug())
        };
        let said = format!("{step}: {status} {}{message}", code.escape_debug());
        let said = said.trim_end().to_owned();
        let request = id.map(|id| format!(", request {id}")).unwrap_or_default();
        let (side, remedy) = match (status, &*code) {
            (_, "RequestTimeTooSkewed") => (Side::ThisMachine, SET_CLOCK.to_owned()),
            (_, "ExpiredToken" | "InvalidToken") => (Side::ThisMachine, "`tidegate login`".to_owned()),
            (404, _) => (
                Side::ThisMachine,
                "`tidegate whoami` lists the buckets that there are for you".to_owned(),
            ),
            (403, _) => (
                Side::Tidegate,
                format!(
                    "ask whoever keeps the policy of `{}` for `{}`{request}",
                    self.about,
                    action(step)
                ),
            ),
            (500.., _) => (
                Side::Target,
                format!(
                    "whoever runs the gateway: `tidegate doctor --config FILE --bucket {}`{request}",
                    self.about
                ),
            ),
            _ => (Side::Tidegate, format!("the gateway's log{request}")),
        };
        Line::fail("bucket", self.about, said, side, remedy)
    }

    fn lines(mut self) -> Vec<Line> {
        // Refusals of `HEAD` have no body; what the listing is told says more.
        if self.failed.len() > 1
            && self
                .failed
                .first()
                .is_some_and(|line| line.said.starts_with("HEAD: 403"))
        {
            self.failed.remove(0);
        }
        match self.failed.is_empty() {
            true => vec![Line::ok("bucket", self.about, self.done.join(", "))],
            false => self.failed,
        }
    }
}

fn action(step: &str) -> &'static str {
    match step {
        "put" => "write",
        "get" => "read",
        "delete" => "delete",
        _ => "list",
    }
}
