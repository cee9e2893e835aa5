//! A request from its head to its answer: noted, let in, read, carried out.

use super::answer::Answer;
use super::faults::{GcsFault, Inbound, Planned};
use super::refusal::Form;
use super::request::{self, Query};
use super::shelf::Shelf;
use super::target::Target;
use super::{GcsRequest, Refusal, batch, copies, members, resumable, xml};
use crate::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Uri, header};
use hyper::body::Incoming;
use jiff::Timestamp;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes of a document that is not a batch.
const MAX_DOCUMENT: usize = 1 << 20;
/// Requests that a store remembers.
const REMEMBERED: usize = 10_000;

/// What all connections share.
pub(super) struct Shared {
    pub(super) shelf: Mutex<Shelf>,
    /// And when each ends.
    pub(super) tokens: Mutex<BTreeMap<String, Option<Timestamp>>>,
    pub(super) sessions: Mutex<BTreeMap<String, Arc<resumable::Session>>>,
    pub(super) rewrites: Mutex<BTreeMap<String, copies::Rewrite>>,
    pub(super) in_parts: Mutex<BTreeMap<String, xml::Upload>>,
    pub(super) log: Mutex<Log>,
    pub(super) planned: Mutex<Vec<Planned>>,
    pub(super) rewrite_bytes: Option<u64>,
    pub(super) tls: bool,
}

#[derive(Default)]
pub(super) struct Log {
    pub(super) requests: VecDeque<GcsRequest>,
    pub(super) count: u64,
}

/// A request's head, read.
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) target: Target,
    pub(super) query: Query,
    pub(super) headers: HeaderMap,
    /// `http://HOST`, as the request was sent to.
    pub(super) origin: String,
}

impl Shared {
    pub(super) fn shelf(&self) -> MutexGuard<'_, Shelf> {
        lock(&self.shelf)
    }

    pub(super) fn sessions(&self) -> MutexGuard<'_, BTreeMap<String, Arc<resumable::Session>>> {
        lock(&self.sessions)
    }

    pub(super) fn rewrites(&self) -> MutexGuard<'_, BTreeMap<String, copies::Rewrite>> {
        lock(&self.rewrites)
    }

    /// The whole life of a request. An error ends the connection.
    pub(super) async fn serve(&self, request: Request<Incoming>) -> io::Result<Response<Body>> {
        let number = self.note(&request);
        let fault = self.fault(&request);
        let is_media = request
            .uri()
            .query()
            .is_some_and(|query| query.split('&').any(|pair| pair == "alt=media"));
        let expects = request.headers().contains_key(header::EXPECT);
        let (head, body) = request.into_parts();
        let mut body = Inbound::new(body, fault);
        let (form, answer) = if xml::serves(head.uri.path()) {
            (Form::Xml, self.xml(head, &mut body).await)
        } else {
            let form = if is_media { Form::Text } else { Form::Json };
            (form, self.answer(head, &mut body).await)
        };
        let answer = answer.or_else(|refusal| refusal.response(form).ok_or(Refusal::Cut));
        let answer = answer.and_then(|response| Inbound::answer(fault, response));
        let mut log = lock(&self.log);
        let back = usize::try_from(log.count.saturating_sub(number)).unwrap_or(usize::MAX);
        if let Some(noted) = log.requests.iter_mut().rev().nth(back) {
            noted.status = answer.as_ref().ok().map(|response| response.status().as_u16());
            noted.document = std::mem::take(&mut body.document);
        }
        drop(log);
        if answer.is_ok() {
            body.discard(expects);
        }
        answer.map_err(|_| io::Error::from(io::ErrorKind::ConnectionReset))
    }

    async fn answer(
        &self,
        head: http::request::Parts,
        body: &mut Inbound,
    ) -> Result<Response<Body>, Refusal> {
        let target = Target::parse(head.uri.path())?;
        let query = Query::parse(&head.uri)?;
        let call = Call {
            origin: request::origin(&head.headers, self.tls),
            method: head.method,
            uri: head.uri,
            target,
            query,
            headers: head.headers,
        };
        let session = match (&call.target, call.query.get("upload_id")) {
            (Target::Upload(bucket), Some(id)) => Some((bucket, id)),
            _ => None,
        };
        self.authorize(&call.headers, session.is_some())?;
        request::check_headers(&call.headers, matches!(call.target, Target::Upload(_)))?;
        if matches!(call.method, Method::GET | Method::HEAD) && !body.is_empty() {
            return Err(Refusal::invalid("A request that reads has no body"));
        }
        body.begin().await?;
        let answer = match (&call.target, call.method.as_str()) {
            (Target::Upload(bucket), method) => match (session, method) {
                (Some((bucket, id)), "PUT" | "POST" | "DELETE") => {
                    self.resume(&call, bucket, id, body).await?
                }
                (None, "POST") => self.insert(&call, bucket, body).await?,
                _ => return Err(Refusal::new(405, "methodNotAllowed", "Method Not Allowed")),
            },
            (Target::Download(bucket, name) | Target::Object(bucket, name), "GET")
                if call.query.get("alt") == Some("media") =>
            {
                let object = self.read(&call, bucket, name)?;
                return self.download(&call.headers, bucket, &object, &object.etag());
            }
            (Target::Batch, "POST") => {
                let document = body.document(batch::MAX_BATCH).await?;
                self.batch(&call, &document).await?
            }
            _ => {
                let document = body.document(MAX_DOCUMENT).await?;
                self.control(&call, &document).await?
            }
        };
        Ok(answer.response(&call))
    }

    /// What has a document for an answer, or none.
    pub(super) async fn control(&self, call: &Call, document: &[u8]) -> Result<Answer, Refusal> {
        let reads = matches!(call.method, Method::GET | Method::DELETE);
        if reads && !document.is_empty() {
            return Err(Refusal::invalid("This request has no body"));
        }
        let members = members::members(&call.headers, document)?;
        let nothing = || match members.keys().next() {
            Some(member) => Err(Refusal::unknown("body", member)),
            None => Ok(()),
        };
        match (&call.target, call.method.as_str()) {
            (Target::Buckets, "GET" | "POST") => self.buckets(call, &members),
            (Target::Bucket(bucket), _) => self.bucket(call, bucket, &members),
            (Target::OfBucket(bucket, what), _) => self.of_bucket(call, bucket, what, &members),
            (Target::Objects(bucket), "GET") => self.list(call, bucket),
            (Target::Object(bucket, name), "GET") => self.get(call, bucket, name),
            (Target::Object(bucket, name), "DELETE") => self.delete(call, bucket, name),
            (Target::Object(bucket, name), "PATCH" | "PUT") => self.change(call, bucket, name, &members),
            (Target::ObjectAcl(bucket, name, entity), _) => {
                self.acl(call, (bucket, name), entity.as_deref(), &members)
            }
            (Target::ObjectIam(bucket, name), _) => self.object_iam(call, bucket, name),
            (Target::ObjectIamTest(bucket, name), "GET") => self.object_iam_test(call, bucket, name),
            (Target::Copy(pair), "POST") => self.copy(call, pair, &members),
            (Target::Rewrite(pair), "POST") => self.rewrite(call, pair, &members),
            (Target::Move(pair), "POST") => {
                nothing()?;
                self.move_object(call, pair)
            }
            (Target::Compose(bucket, name), "POST") => self.compose(call, bucket, name, &members).await,
            (Target::Restore(bucket, name), "POST") => self.restore(call, bucket, name, &members),
            (Target::ServiceAccount(project), "GET") => self.service_account(call, project),
            // As at Google: without `alt=media` there is nothing to download.
            (Target::Download(..), "GET") => Err(Refusal::required("alt")),
            _ => Err(Refusal::new(405, "methodNotAllowed", "Method Not Allowed")),
        }
    }

    /// Whether a request may be answered at all. The address of a session lets in whoever has it.
    pub(super) fn authorize(&self, headers: &HeaderMap, session: bool) -> Result<(), Refusal> {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let Some(value) = values.next() else {
            return if session {
                Ok(())
            } else {
                Err(Refusal::login_required())
            };
        };
        let token = value
            .to_str()
            .ok()
            .and_then(|value| value.strip_prefix("Bearer "));
        let ends = token.and_then(|token| lock(&self.tokens).get(token).copied());
        match ends {
            Some(ends) if values.next().is_none() && ends.is_none_or(|ends| self.shelf().now() < ends) => {
                Ok(())
            }
            Some(_) | None => Err(Refusal::unauthorized()),
        }
    }

    /// Remembers a request; its number counts from 1.
    fn note(&self, request: &Request<Incoming>) -> u64 {
        let mut log = lock(&self.log);
        if log.requests.len() == REMEMBERED {
            log.requests.pop_front();
        }
        log.requests.push_back(GcsRequest {
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            query: request.uri().query().unwrap_or_default().to_owned(),
            headers: request.headers().clone(),
            document: Bytes::new(),
            status: None,
        });
        log.count += 1;
        log.count
    }

    /// Takes what was planned for a request.
    fn fault(&self, request: &Request<Incoming>) -> Option<GcsFault> {
        let target = request.uri().to_string();
        let mut planned = lock(&self.planned);
        let fits = |plan: &Planned| request.method() == plan.method.as_str() && target.contains(&plan.part);
        let index = planned.iter().position(fits)?;
        Some(planned.remove(index).fault)
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
