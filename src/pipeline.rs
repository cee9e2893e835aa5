//! One request, top to bottom.
//!
//! Stages are plain functions: each one's output is the next one's argument, so that the compiler keeps the
//! order. [`Pipeline::serve`] owns the request id, the audit record and the rendering of errors;
//! [`Pipeline::proxy`] is a straight line.

use crate::audit::{Arrival, AuditLog, TargetIds, TargetInfo, Trail};
use crate::authn::{Authenticated, AuthnError, Claim, Handles, Principal, Service, SignatureForm};
use crate::authz::{Circumstances, Permit};
use crate::body::{Body, BodyError};
use crate::clock::{Clock, Drift};
use crate::config::{Profile, Target};
use crate::credentials::{Credential, Scope};
use crate::dialect::gcs as json_api;
use crate::dialect::gcs_xml;
use crate::dialect::s3::{
    self, Draft,
    error::S3Error,
    form::is_form,
    forward::IncomingPayload,
    payload::CallerBody,
    response::{self, Addressee},
};
use crate::drift::Observed;
use crate::error::Error;
use crate::generation::{Generation, TargetSide};
use crate::listener::{Connection, Handler, Inbound};
use crate::login::{Route, isolate};
use crate::operation::{Operation, Protocol};
use crate::signing::{OutgoingPayload, Stamp};
use crate::telemetry::Metrics;
use again::SecondTime;
use arc_swap::ArcSwap;
use documents::{DOCUMENT_TIME, in_time};
use doubt::Verdict;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri};
use hyper::body::Incoming;
use jiff::Timestamp;
use std::borrow::Cow;
use std::sync::{Arc, OnceLock};
use tokio::time::Instant;

mod again;
mod answers;
mod documents;
mod doors;
mod doubt;
mod forms;
mod gcs;
mod grpc;
mod handles;
mod login;
mod probes;
mod published;
mod sts;

/// Only a defect leads here: whatever needs no target was answered before.
const NO_TARGET: Error = Error::Internal("a permit without a target");

/// The life of every request.
pub(crate) struct Pipeline {
    current: Arc<ArcSwap<Generation>>,
    audit: AuditLog,
    clock: Clock,
    metrics: Metrics,
    /// How far the clocks of callers are from ours.
    callers: Arc<Observed>,
    /// What batches may have in memory.
    batches: gcs::BatchRoom,
}

impl Handler for Pipeline {
    async fn handle(
        &self,
        connection: Arc<Connection>,
        inbound: Inbound,
        deadline: Instant,
    ) -> Response<Body> {
        self.serve(&connection, inbound, deadline).await
    }

    fn connected(&self) -> Box<dyn Send> {
        Box::new(self.metrics.connected())
    }
}

impl Pipeline {
    /// A pipeline that serves whatever generation is current.
    pub(crate) fn new(
        current: Arc<ArcSwap<Generation>>,
        audit: AuditLog,
        clock: Clock,
        metrics: Metrics,
        callers: Arc<Observed>,
    ) -> Self {
        Self {
            current,
            audit,
            clock,
            metrics,
            callers,
            batches: gcs::BatchRoom::new(),
        }
    }

    /// Answers one request. Never fails: an error becomes a response in the caller's dialect.
    async fn serve(&self, connection: &Connection, inbound: Inbound, deadline: Instant) -> Response<Body> {
        // INVARIANT: config, policies and keys are those of one generation for the whole request; one whose body is waited
        // for before it is decided goes on with that of after.
        let generation = self.current.load_full();
        let view = View::of(&inbound, &generation.config.server.domains);
        let id = crate::audit::new_id(&self.clock);
        let request_id = id.to_string();
        let mut trail = match self.audit.begin(&view.arrival(connection, id)) {
            Ok(trail) => trail,
            Err(error) => {
                tracing::error!(%request_id, %error, "refused: the access cannot be recorded");
                return identified(view.render(&Error::AuditUnavailable, &request_id), &request_id);
            }
        };
        trail.generation(&generation.id);
        trail.deadline(deadline);
        let metrics = self.metrics.clone();
        trail.observe(move |ended| answers::count(&metrics, ended));
        let outcome = match inbound {
            Inbound::Malformed(violation, _) => {
                if view.is_json_api {
                    trail.protocol(Protocol::Gcs);
                }
                Err(Error::Malformed(violation))
            }
            Inbound::Request(request) => self.proxy(&generation, connection, request, &mut trail).await,
        };
        let isolated = |response| match generation.login {
            Some(_) => isolate(response),
            None => response,
        };
        let response = match outcome {
            Ok(response) => trail.follow(isolated(response)),
            Err(error) => {
                let refusal = view.refuse(&error, &request_id, &mut trail);
                trail.follow(isolated(refusal))
            }
        };
        identified(response, &request_id)
    }

    async fn proxy(
        &self,
        generation: &Generation,
        connection: &Connection,
        request: Request<Incoming>,
        trail: &mut Trail,
    ) -> Result<Response<Body>, Error> {
        let (head, body) = request.into_parts();
        let domains = &generation.config.server.domains;
        if grpc::is_call(&head, domains) {
            return Ok(grpc::refuse(trail));
        }
        if json_api::is_json_api(&head.uri, &head.headers, domains) {
            return Box::pin(self.call_json_api(generation, connection, head, body, trail)).await;
        }
        if s3::is_sts(&head, domains) {
            // Boxed, as are the other ways that few requests take: each makes the future of every request larger.
            return Box::pin(self.issue_session(generation, connection, head, body, trail)).await;
        }
        if s3::is_door(&head, domains) {
            if let Some(login) = &generation.login
                && let Some(route) = Route::of(head.uri.path())
            {
                let page = self.show_page((generation, login), connection, (&route, &head), body, trail);
                return Ok(Box::pin(page).await);
            }
            return Box::pin(self.knock(generation, connection, head, body, trail)).await;
        }
        if let Some(document) = published::asked(generation, &head) {
            return Ok(self.publish(generation, connection, &head, document, trail));
        }
        if is_form(&head, domains) {
            return Box::pin(self.post_object(generation, connection, head, body, trail)).await;
        }
        // Parse: what is being asked, and who says so?
        let mut glimpse = s3::Glimpse::default();
        let parsed = s3::parse(&head, domains, &mut glimpse);
        answers::glimpsed(trail, &glimpse, parsed.as_ref().ok());
        let s3::Parsed {
            draft,
            claim,
            declared,
        } = parsed?;
        // Authenticate: is the claim true?
        let now = self.clock.now();
        let (principal, chunk_signing) = match &claim {
            Claim::Bearer(token) => (Box::pin(generation.authenticate_bearer(token, now)).await?, None),
            Claim::Signature(_) | Claim::Anonymous => {
                let Authenticated {
                    principal,
                    chunk_signing,
                } = self.authenticate(generation, connection, &claim, Service::S3)?;
                (principal, Some(chunk_signing))
            }
        };
        trail.principal(&principal);
        let mut payload = IncomingPayload {
            chunk_signing: chunk_signing.filter(|_| declared.mode.is_signed_chunks()),
            stall: generation.config.server.stall_timeout,
            counter: trail.bytes_in(),
            body: Some(CallerBody::Request(body)),
            declared,
        };
        // Complete: some operations name their objects in a small document.
        let (operation, waited) = complete(draft, &mut payload).await?;
        let admitted = match waited {
            true => Some(self.admitted(connection, &claim, trail).await?),
            false => None,
        };
        let (generation, principal) = match &admitted {
            Some(admitted) => (&*admitted.generation, &admitted.principal),
            None => (generation, &principal),
        };
        let bucket = operation.bucket();
        let url = bucket.map(|bucket| s3::bucket_url(&head, domains, bucket));
        let caller = Caller {
            connection,
            principal,
            url: url.as_deref().unwrap_or_default(),
            protocol: spoken(generation, &claim, &operation),
        };
        self.perform(generation, caller, operation, payload, trail).await
    }

    /// Whether a claim is true. What its date says of the caller's clock is kept, if nothing else is wrong with it.
    fn authenticate(
        &self,
        generation: &Generation,
        connection: &Connection,
        claim: &Claim,
        service: Service,
    ) -> Result<Authenticated, AuthnError> {
        let now = self.clock.now();
        let outcome = generation.authenticate(claim, service, connection.peer.ip(), now);
        if let Claim::Signature(signature) = claim
            && signature.form == SignatureForm::Header
            && matches!(
                outcome,
                Ok(_) | Err(AuthnError::RequestTimeTooSkewed { proven: true, .. })
            )
        {
            self.callers.saw(Drift::seen(signature.signed_at, now, now));
        }
        outcome
    }

    /// What an authenticated caller asks for, once it is complete.
    async fn perform(
        &self,
        generation: &Generation,
        caller: Caller<'_>,
        operation: Operation,
        payload: IncomingPayload,
        trail: &mut Trail,
    ) -> Result<Response<Body>, Error> {
        // Open: what a caller came back with says whose it is, and what was asked for when it was given out.
        let handles = caller.handles(generation, self.clock.now());
        let (operation, opened) = handles::open(operation, &handles, &generation.config);
        trail.operation(&operation);
        trail.protocol(caller.protocol);
        // Authorize: does the bucket's policy allow it? Allowed or denied, the trail keeps the reasons.
        let probed = probes::object(&operation);
        let circumstances = caller.circumstances(self.clock.now());
        let started = Instant::now();
        let decision = generation
            .policies
            .authorize(caller.principal, operation, &circumstances);
        // What is allowed, but for an id that is none, is not recorded as allowed.
        if decision.is_err() || opened.is_ok() {
            answers::decided(trail, &decision, generation, started.elapsed(), &self.metrics);
        }
        let permit = match decision {
            Ok(permit) => permit,
            Err(denial) => {
                drop(opened);
                let explained = self.explained(generation, caller, probed, denial, trail);
                return Err(Box::pin(explained).await);
            }
        };
        opened?;
        answers::check_keys(&permit)?;
        if let Some(answer) = answers::without_target(&permit, generation)? {
            return Ok(answer);
        }
        let Some(side) = permit
            .bucket()
            .and_then(|bucket| generation.targets.get(&bucket.target.name))
        else {
            return Err(NO_TARGET);
        };
        let to = Addressee {
            url: caller.url,
            handles: &handles,
            speaks: caller.protocol,
        };
        // Boxed, once for each request that goes to a target: it is more than half of the future that all of them have.
        Box::pin(self.forward(side, (caller.principal, &permit), payload, to, trail)).await
    }

    /// Re-sign and stream; a second time if the target no longer takes our credential and there is another one.
    async fn forward(
        &self,
        side: &TargetSide,
        (principal, permit): (&Principal, &Permit),
        payload: IncomingPayload,
        to: Addressee<'_>,
        trail: &mut Trail,
    ) -> Result<Response<Body>, Error> {
        let scope = Scope::of(principal, permit);
        // What can be asked twice without harm may be the trial of keys that were rotated.
        let credential = match SecondTime::is_harmless(permit) {
            true => side.credentials.get_or_try(scope).await?,
            false => side.credentials.get(scope).await?,
        };
        // Asked once: what is known of a target may change while a request is under way.
        let rule = permit.bucket().map(|bucket| bucket.checksum).unwrap_or_default();
        let bridge = side.known.now().under(rule);
        let outgoing = payload
            .outgoing(permit.operation(), permit.bucket().ok_or(NO_TARGET)?, bridge)
            .await
            .map_err(Error::Payload)?;
        let way = Way {
            side,
            profile: bridge.profile,
            to,
        };
        let (outgoing, second_time) = SecondTime::keep(permit, outgoing);
        let answer = self.exchange(way, permit, outgoing, &credential, trail).await;
        if let Verdict::Served = Verdict::of(&answer) {
            side.credentials.worked(&credential);
            return answer;
        }
        // Boxed, as few requests come here.
        let so_far = (answer, credential, second_time);
        Box::pin(self.doubted((way, scope), permit, so_far, trail)).await
    }

    /// One request to the target and its answer.
    async fn exchange(
        &self,
        way: Way<'_>,
        permit: &Permit,
        outgoing: OutgoingPayload,
        credential: &Arc<Credential>,
        trail: &mut Trail,
    ) -> Result<Response<Body>, Error> {
        let side = way.side;
        let sent = outgoing.sum.clone();
        // Re-sign: the caller's signature stops here, the target's begins.
        let asked = self.clock.now();
        let stamp = Stamp {
            request_id: trail.request_id(),
            attribution: trail.attribution(),
        };
        let signed = side
            .signer
            .sign(permit, outgoing, way.profile, credential, stamp, asked)?;
        trail.target(target_info(&side.target, credential));
        trail.sending();
        // Stream: bodies flow both ways, unbuffered.
        let answer = side.upstream.send(signed).await?;
        let (status, headers) = (answer.head.status, &answer.head.headers);
        if let Some(date) = header_text(headers, "date") {
            side.drift.saw_date(date, asked, self.clock.now());
        }
        trail.answered(status.as_u16(), TargetIds::of(side.target.profile, headers));
        if let Some(sent) = sent.as_deref().and_then(OnceLock::get)
            && status.is_success()
            && gcs_xml::Hashes::answered(headers)
                .crc32c
                .is_some_and(|stored| stored != *sent)
        {
            return Err(Error::Corrupted);
        }
        let request_id = trail.request_id().to_string();
        let to = response::Destination {
            permit,
            addressee: way.to,
            request_id: &request_id,
        };
        response::relay(answer, to).await
    }
}

/// Where a request goes, how it is said there, and whom the answer is for.
#[derive(Clone, Copy)]
struct Way<'a> {
    side: &'a TargetSide,
    profile: Profile,
    to: Addressee<'a>,
}

/// What is asked, and whether its body was waited for.
async fn complete(draft: Draft, payload: &mut IncomingPayload) -> Result<(Operation, bool), Error> {
    match draft {
        Draft::Ready(operation) if payload.is_settled(&operation) => Ok((operation, false)),
        Draft::Ready(operation) => {
            let nothing = in_time(DOCUMENT_TIME, payload.settle(), |late| late);
            Box::pin(nothing).await.map_err(Error::Payload)?;
            Ok((operation, true))
        }
        Draft::Document(draft) => {
            let document = in_time(DOCUMENT_TIME, payload.document(draft.limit()), |late| late);
            let document = Box::pin(document).await.map_err(Error::Payload)?;
            Ok((draft.complete(&document)?, true))
        }
    }
}

/// On whose behalf something is done.
#[derive(Clone, Copy)]
struct Caller<'a> {
    connection: &'a Connection,
    principal: &'a Principal,
    /// Where it reaches the bucket, or all of the JSON API; without a slash at the end.
    url: &'a str,
    /// Whose words it speaks.
    protocol: Protocol,
}

impl Caller<'_> {
    /// What seals and opens what a target gives out.
    fn handles(&self, generation: &Generation, now: Timestamp) -> Handles {
        Handles::of(Arc::clone(&generation.key_ring), self.principal, now)
    }

    fn circumstances(&self, now: Timestamp) -> Circumstances {
        Circumstances {
            protocol: self.protocol.name(),
            ..circumstances(self.connection, now)
        }
    }
}

fn circumstances(connection: &Connection, now: Timestamp) -> Circumstances {
    Circumstances {
        source_ip: connection.peer.ip(),
        now,
        protocol: Protocol::S3.name(),
    }
}

/// Whose words a request on the paths of S3 is in. With a token they are those of Google's XML API where the bucket is at
/// Google, which a caller need not show, and wherever it shows.
fn spoken(generation: &Generation, claim: &Claim, operation: &Operation) -> Protocol {
    match claim {
        Claim::Signature(_) | Claim::Anonymous => Protocol::S3,
        Claim::Bearer(_) => {
            let name = operation.bucket();
            let bucket = name.and_then(|name| generation.config.buckets.get(name));
            match bucket.map(|bucket| bucket.target.profile) {
                Some(Profile::Gcs) => Protocol::Gcs,
                Some(Profile::Aws | Profile::Plain) | None => operation.spoken(),
            }
        }
    }
}

/// How the log speaks of a request that was not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tone {
    Loud,
    /// What it came from is in the log already, once: thousands of requests have nothing to add to it.
    Quiet,
    /// The audit record is enough.
    Silent,
}

impl Tone {
    fn of(error: &Error, status: u16) -> Self {
        match (error, status) {
            // Whoever asks for what is not implemented would fill the log.
            (_, ..=499 | 501) => Self::Silent,
            // The credential's keeper warned when it could not get one.
            (Error::Credential(_), _) => Self::Quiet,
            (_, _) => Self::Loud,
        }
    }
}

/// What rendering and the audit record need of a request that is about to be consumed.
struct View {
    method: Method,
    resource: String,
    user_agent: Option<String>,
    /// Whether it is answered in the words of Google's JSON API.
    is_json_api: bool,
    /// Whether sums are in the header that Google has for them.
    has_googles_hash: bool,
}

impl View {
    fn of(inbound: &Inbound, domains: &[Box<str>]) -> Self {
        match inbound {
            Inbound::Malformed(_, outline) => {
                let uri = Uri::try_from(&*outline.path).unwrap_or_default();
                let method = outline.method.clone().unwrap_or_default();
                Self::of_head(method, &uri, &outline.headers, domains)
            }
            Inbound::Request(request) => {
                let method = request.method().clone();
                Self::of_head(method, request.uri(), request.headers(), domains)
            }
        }
    }

    fn of_head(method: Method, uri: &Uri, headers: &HeaderMap, domains: &[Box<str>]) -> Self {
        Self {
            method,
            // Never the query: it may carry tokens and signatures.
            resource: uri.path().to_owned(),
            user_agent: header_text(headers, "user-agent").map(str::to_owned),
            is_json_api: json_api::is_json_api(uri, headers, domains),
            has_googles_hash: headers.contains_key(json_api::hash::NAME),
        }
    }

    /// Status and code of an error, as the caller gets them.
    fn described(&self, error: &Error) -> (u16, Cow<'static, str>) {
        if self.is_json_api {
            let described = json_api::describe(error);
            return (described.status, described.reason);
        }
        let described = s3::describe(error);
        (described.status, described.code)
    }

    /// Answers with an error, and says so in the log and in the record.
    fn refuse(&self, error: &Error, request_id: &str, trail: &mut Trail) -> Response<Body> {
        let (status, code) = self.described(error);
        match Tone::of(error, status) {
            Tone::Loud => {
                tracing::warn!(%request_id, error = error as &dyn std::error::Error, "not served");
            }
            Tone::Quiet => {
                tracing::debug!(%request_id, error = error as &dyn std::error::Error, "not served");
            }
            Tone::Silent => {}
        }
        trail.refused(status, &code, error.reason(), error);
        self.render(error, request_id)
    }

    fn arrival<'a>(&'a self, connection: &'a Connection, request_id: ulid::Ulid) -> Arrival<'a> {
        Arrival {
            peer: connection.peer,
            tls: connection.tls_version,
            method: self.method.as_str(),
            user_agent: self.user_agent.as_deref(),
            request_id,
        }
    }

    fn render(&self, error: &Error, request_id: &str) -> Response<Body> {
        let head = self.method == Method::HEAD;
        let mut response = if self.is_json_api {
            json_api::error::render(&json_api::describe(error), request_id, head)
        } else {
            let described: S3Error = match self.has_googles_hash {
                true => s3::describe_to_google(error),
                false => s3::describe(error),
            };
            s3::error_xml::render(&described, &self.resource, request_id, head)
        };
        if let Error::GcsTarget(target) = error {
            response.headers_mut().extend(target.headers.clone());
        }
        if let Error::Target(target) = error {
            response.headers_mut().extend(target.headers.clone());
        }
        if let Error::Unauthenticated(error) = error
            && let Some(flaw) = error.bearer()
        {
            let challenge = crate::doors::answer::challenge(&crate::authn::bearer_message(flaw));
            response
                .headers_mut()
                .insert(http::header::WWW_AUTHENTICATE, challenge);
        }
        // Of what was not waited for, the rest may still come.
        if let Error::Malformed(_) | Error::Payload(BodyError::Stalled(_) | BodyError::Late(_)) = error {
            response
                .headers_mut()
                .insert(http::header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

fn identified(mut response: Response<Body>, request_id: &str) -> Response<Body> {
    if let Ok(id) = HeaderValue::from_str(request_id) {
        response.headers_mut().insert("x-amz-request-id", id);
    }
    response
}

fn target_info(target: &Target, credential: &Credential) -> TargetInfo {
    TargetInfo {
        name: target.name.clone(),
        endpoint: target.endpoint.authority().into(),
        region: target.region.clone(),
        cred_expires: credential.expires_at,
        credential_version: credential.version.clone(),
    }
}

fn header_text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::CredentialError;

    #[test]
    fn requests_that_wait_for_a_credential_do_not_fill_the_log() {
        let unavailable = CredentialError::Unavailable {
            retry_after: std::time::Duration::from_secs(2),
        };
        assert_eq!(Tone::of(&Error::Credential(unavailable), 503), Tone::Quiet);
        assert_eq!(Tone::of(&NO_TARGET, 500), Tone::Loud);
        assert_eq!(Tone::of(&NO_TARGET, 501), Tone::Silent);
        assert_eq!(Tone::of(&NO_TARGET, 404), Tone::Silent);
    }

    fn size<A, F>(_: impl FnOnce(A) -> F) -> usize {
        size_of::<F>()
    }

    // P5, P8: it was 60 KiB once, which every request paid for in copies and every connection in memory.
    #[test]
    fn the_future_of_a_request_is_small() {
        let serve = size(
            |(pipeline, connection, inbound): (&'static Pipeline, &'static Connection, Inbound)| {
                pipeline.serve(connection, inbound, Instant::now())
            },
        );
        assert!(serve <= 12 * 1024, "{serve} bytes");
    }
}
