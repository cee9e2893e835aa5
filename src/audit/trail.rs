//! The trail of one request: every stage adds what it found, and it ends in exactly one record.

use super::record::{
    Actor, ApiCall, AuthMethod, Client, Decided, Decision, Effect, EndReason, Exchange, Kind, Reason, Record,
    Request, Resource, Response, Target, TargetIds, TargetInfo, Version,
};
use super::redact::{clip, is_access_key_id, scrub};
use crate::authn::oidc::Identity;
use crate::authn::{Claim, Principal, PrincipalKind, SessionInfo, SignatureForm, attribution_name};
use crate::operation::gcs::{Call, Source};
use crate::operation::{Access, Asked as _, Detail, Operation, PayloadMode, Protocol};
use data_encoding::HEXLOWER;
use jiff::Timestamp;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc::OwnedPermit;
use tokio::time::Instant;
use ulid::Ulid;

/// What is known of a request before it is parsed.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// The other end of the connection.
    pub peer: SocketAddr,
    /// Protocol version, and what else is worth keeping: `TLSv1.3`.
    pub tls: &'a str,
    /// The HTTP method.
    pub method: &'a str,
    /// `User-Agent`.
    pub user_agent: Option<&'a str>,
    /// Unique; also what the caller is told.
    pub request_id: Ulid,
}

/// What became of a request, for whoever counts.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// The API call; `None` if the request was not understood.
    pub operation: Option<&'static str>,
    /// What the caller was answered; `None` if nothing.
    pub status: Option<u16>,
    /// What was decided.
    pub effect: Effect,
    /// From the arrival to the last byte.
    pub took: Duration,
    /// Payload bytes from the caller.
    pub bytes_in: u64,
    /// Bytes of the answer's body.
    pub bytes_out: u64,
}

/// Somebody to be told at the end.
struct Observer(Box<dyn FnOnce(Ended) + Send + Sync>);

impl std::fmt::Debug for Observer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Observer")
    }
}

/// The open record of a request.
///
/// Ends with [`Trail::follow`] or [`Trail::close`]. Dropped before that, it is recorded as aborted.
#[derive(Debug)]
#[must_use = "a trail that is dropped says that the request was aborted"]
pub struct Trail(Option<Box<Open>>);

#[derive(Debug)]
struct Open {
    slot: OwnedPermit<Box<Record>>,
    record: Record,
    begun: Instant,
    sent: Option<Instant>,
    /// Requests to the target.
    requests: usize,
    /// The name of the principal in the target's log.
    attribution: Option<Box<str>>,
    decided: bool,
    /// When the listener resets it.
    deadline: Option<Instant>,
    bytes_in: Arc<AtomicU64>,
    observer: Option<Observer>,
}

/// Characters of a user agent that are kept.
const USER_AGENT: usize = 256;
/// Characters of a cause that are kept.
const CAUSE: usize = 1024;
/// Bytes of any other text; the longest is a key with its bucket and version.
const TEXT: usize = 2304;
/// Groups that are listed; a directory may name thousands.
const GROUPS: usize = 32;
/// Policies that are listed.
const POLICIES: usize = 32;
/// Requests to a target that are listed beside the last one. A canary makes about fifty.
const REQUESTS: usize = 64;
/// Characters of a target's own ids.
const ID: usize = 256;
/// Who asks when nobody called.
const OWN: &str = "tidegate";
/// Sources that are listed beside the first; Google takes 32.
const SOURCES: usize = 31;
/// Tags that are listed; S3 takes ten, and Google fifty contexts.
const TAGS: usize = 50;

/// A source by its name and generation.
fn named(source: &Source) -> Box<str> {
    let name = format!("{}/{}", source.object.bucket, source.object.key);
    match &source.generation {
        Some(generation) => text(&format!("{name}#{generation}")),
        None => text(&name),
    }
}

/// The actions of what a call needs, each once.
fn actions<'a>(accesses: impl IntoIterator<Item = Access<'a>>) -> Vec<&'static str> {
    let mut names = Vec::new();
    for name in accesses.into_iter().map(|access| access.action.name()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

impl Trail {
    pub(super) fn open(slot: OwnedPermit<Box<Record>>, arrival: &Arrival<'_>, now: Timestamp) -> Self {
        let record = Record {
            v: Version,
            kind: Kind::Request,
            time: now,
            duration_ms: 0,
            upstream_ttfb_ms: None,
            request_id: arrival.request_id,
            event_id: arrival.request_id,
            batch_id: None,
            instance: "".into(),
            seq: 0,
            actor: Actor::default(),
            client: Client {
                ip: arrival.peer.ip().to_canonical(),
                port: arrival.peer.port(),
                user_agent: arrival.user_agent.map(|agent| scrub(agent, USER_AGENT)),
                tls: clip(arrival.tls, 64).into(),
                auth: None,
                payload: None,
            },
            api: ApiCall {
                protocol: "s3",
                operation: None,
                read_only: None,
            },
            resource: Resource::default(),
            request: Request {
                method: clip(arrival.method, 16).into(),
                ..Request::default()
            },
            decision: Decided {
                effect: Reason::Aborted.effect(),
                reason: Reason::Aborted,
                actions: Vec::new(),
                policies: Vec::new(),
                policy_version: None,
                us: None,
            },
            generation: None,
            response: Response {
                status: None,
                error_code: None,
                bytes_in: 0,
                bytes_out: 0,
                aborted: true,
                end_reason: EndReason::Aborted,
            },
            target: None,
            cause: None,
        };
        Self(Some(Box::new(Open {
            slot,
            record,
            begun: Instant::now(),
            sent: None,
            requests: 0,
            attribution: None,
            decided: false,
            deadline: None,
            bytes_in: Arc::new(AtomicU64::new(0)),
            observer: None,
        })))
    }

    /// The id that the caller is told.
    pub fn request_id(&self) -> Ulid {
        self.0
            .as_ref()
            .map_or_else(Ulid::nil, |open| open.record.request_id)
    }

    /// Tells `observer` when the record ends.
    pub fn observe(&mut self, observer: impl FnOnce(Ended) + Send + Sync + 'static) {
        self.edit(|open| open.observer = Some(Observer(Box::new(observer))));
    }

    /// When whatever is still under way is reset: who is dropped then did not go away by itself.
    pub fn deadline(&mut self, at: Instant) {
        self.edit(|open| open.deadline = Some(at));
    }

    /// A storage operation (the default) or the issue of a session.
    pub fn kind(&mut self, kind: Kind) {
        self.edit(|open| open.record.kind = kind);
    }

    /// That it is one call of a batch, which has a record of its own under this id.
    pub fn part_of(&mut self, batch: Ulid) {
        self.edit(|open| open.record.batch_id = Some(batch));
    }

    /// The configuration and policies that apply.
    pub fn generation(&mut self, id: &str) {
        self.edit(|open| open.record.generation = Some(text(id)));
    }

    /// How the caller says who it is, and how its payload is framed. Nothing secret of the claim is kept.
    pub fn claim(&mut self, claim: &Claim, payload: Option<PayloadMode>) {
        self.edit(|open| {
            let client = &mut open.record.client;
            client.payload = payload.map(PayloadMode::name);
            match claim {
                Claim::Anonymous => client.auth = Some(AuthMethod::Anonymous),
                Claim::Bearer(_) => client.auth = Some(AuthMethod::Bearer),
                Claim::Signature(signature) => {
                    client.auth = Some(match signature.form {
                        SignatureForm::Header => AuthMethod::SigV4Header,
                        SignatureForm::Presigned { .. } => AuthMethod::Presigned,
                        SignatureForm::Form { .. } => AuthMethod::PostPolicy,
                    });
                    open.record.actor.access_key_id = Some(&signature.access_key_id)
                        .filter(|id| is_access_key_id(id))
                        .cloned();
                }
            }
        });
    }

    /// How the caller says who it is, where there is no [`Claim`].
    pub fn auth(&mut self, method: AuthMethod) {
        self.edit(|open| open.record.client.auth = Some(method));
    }

    /// Who it is.
    pub fn principal(&mut self, principal: &Principal) {
        let (kind, id) = (principal.kind(), principal.id());
        self.actor(
            kind,
            id,
            principal.groups(),
            principal.issuer(),
            principal.subject(),
        );
        self.edit(|open| {
            let actor = &mut open.record.actor;
            open.attribution = Some(attribution_name(principal.id()));
            actor.service_key = principal.has_service_key();
            actor.role = principal.role().map(text);
            actor.tags = principal
                .tags()
                .iter()
                .map(|(name, value)| (text(name), text(value)))
                .collect();
        });
        self.session(principal.session());
    }

    /// Whom a verified token names: for the issue of a session.
    pub fn identity(&mut self, identity: &Identity) {
        let (kind, id) = (identity.kind, &identity.id);
        self.actor(kind, id, &identity.groups, &identity.issuer, &identity.subject);
    }

    /// The session that was used, or issued.
    pub fn session(&mut self, session: &SessionInfo) {
        self.edit(|open| {
            let actor = &mut open.record.actor;
            actor.session_id = Some(text(&session.id));
            actor.session_root = (session.root != session.id).then(|| text(&session.root));
            actor.session_issued = Some(session.issued_at);
            actor.session_expires = Some(session.expires_at);
            actor.access_key_id = Some(&session.access_key_id)
                .filter(|id| !id.is_empty())
                .map(|id| text(id));
        });
    }

    fn actor(&mut self, kind: PrincipalKind, id: &str, groups: &[Box<str>], issuer: &str, subject: &str) {
        self.edit(|open| {
            let actor = &mut open.record.actor;
            actor.kind = Some(kind);
            actor.id = Some(text(id));
            actor.issuer = Some(text(issuer));
            actor.sub = Some(text(subject));
            actor.groups = groups.iter().take(GROUPS).map(|group| text(group)).collect();
            actor.groups_count = Some(groups.len()).filter(|count| *count > GROUPS);
        });
    }

    /// What is called, where there is no [`Operation`]: protocol and name as in the record (`sts`,
    /// `AssumeRoleWithWebIdentity`).
    pub fn call(&mut self, protocol: &'static str, operation: &'static str, read_only: bool) {
        self.edit(|open| {
            open.record.api = ApiCall {
                protocol,
                operation: Some(operation),
                read_only: Some(read_only),
            };
        });
    }

    /// Whose words it was said in, where that is not what the call says.
    pub fn protocol(&mut self, protocol: Protocol) {
        self.edit(|open| open.record.api.protocol = protocol.name());
    }

    /// What the request's address names, even if it is not understood any further.
    pub fn addressed(&mut self, bucket: Option<&str>, key: Option<&str>) {
        self.edit(|open| {
            open.record.resource.bucket = bucket.map(text);
            open.record.resource.key = key.map(text);
        });
    }

    /// What is called, on what.
    pub fn operation(&mut self, operation: &Operation) {
        let api = operation.called();
        self.call("s3", api.name(), api.is_read_only());
        self.edit(|open| {
            let deletions = operation.deletions().iter();
            let deletions = deletions.flat_map(|deletion| operation.deletion_accesses(deletion));
            open.record.decision.actions = actions(operation.accesses().into_iter().chain(deletions));
            open.record.resource = Resource {
                bucket: operation.bucket().map(|bucket| text(bucket.as_str())),
                key: operation.object().map(|object| text(object.key.as_str())),
                version_id: operation.parameter("versionId").map(text),
                prefix: operation.parameter("prefix").map(text),
                copy_source: operation.copy_source().map(|source| {
                    let name = format!("{}/{}", source.object.bucket, source.object.key);
                    match &source.version_id {
                        Some(version) => text(&format!("{name}?versionId={version}")),
                        None => text(&name),
                    }
                }),
                copy_sources: Vec::new(),
                upload_id: match operation.upload() {
                    // The same upload has the same fingerprint, whoever names it and whatever sealed its id.
                    Some(upload) => Some(fingerprint(&upload.target_id)),
                    None => operation.parameter("uploadId").map(fingerprint),
                },
                part: operation.parameter("partNumber").and_then(|n| n.parse().ok()),
                keys_count: match operation.detail() {
                    Detail::Deletions { objects, .. } => Some(objects.len()),
                    Detail::None
                    | Detail::Copy(_)
                    | Detail::Parts(_)
                    | Detail::Tags(_)
                    | Detail::Document(_) => None,
                },
            };
            let request = &mut open.record.request;
            request.range = operation.header("range").map(|range| clip(range, 256).into());
            request.sse = operation
                .header("x-amz-server-side-encryption")
                .map(|sse| clip(sse, 64).into());
            if operation
                .header("x-amz-server-side-encryption-customer-algorithm")
                .is_some()
            {
                request.sse = Some("customer".into());
            }
            if let Some(tags) = operation.header("x-amz-tagging") {
                let pairs = form_urlencoded::parse(tags.as_bytes()).take(TAGS);
                request.object_tags = pairs
                    .map(|(key, value)| (clip(&key, 128).into(), clip(&value, 256).into()))
                    .collect();
            }
        });
    }

    /// What is called by Google's JSON API, on what.
    pub fn json_call(&mut self, call: &Call) {
        self.call("gcs", call.method().id(), call.is_read_only());
        self.edit(|open| {
            open.record.decision.actions = actions(call.accesses());
            open.record.resource = Resource {
                bucket: call.bucket().map(|bucket| text(bucket.as_str())),
                key: call.object().map(|object| text(object.key.as_str())),
                version_id: call.parameter("generation").map(text),
                prefix: call.parameter("prefix").map(text),
                copy_source: call.sources().first().map(named),
                copy_sources: call.sources().iter().skip(1).take(SOURCES).map(named).collect(),
                upload_id: call.session().map(|session| fingerprint(&session.target_id)),
                part: None,
                keys_count: None,
            };
            let headers = call.headers().iter();
            let mut range = headers.clone().filter(|(name, _)| *name == "range");
            let own_key = headers.clone().any(|(name, _)| *name == "x-goog-encryption-key");
            let request = &mut open.record.request;
            request.range = range.next().map(|(_, range)| clip(range, 256).into());
            request.sse = match own_key {
                true => Some("customer".into()),
                false => Some(call.encryption()).filter(|sse| !sse.is_empty()).map(text),
            };
            let tags = call.wishes().tags().iter().take(TAGS);
            request.object_tags = tags.map(|(key, value)| (text(key), text(value))).collect();
            request.versions = call.says("versions");
            request.soft_deleted = call.says("softDeleted");
        });
    }

    /// Whether policy allows it, and why.
    pub fn decided(&mut self, decision: Decision) {
        self.edit(|open| {
            open.decided = true;
            open.record.decision = Decided {
                effect: decision.effect,
                reason: decision.reason,
                actions: std::mem::take(&mut open.record.decision.actions),
                policies: decision
                    .policies
                    .iter()
                    .take(POLICIES)
                    .map(|id| text(id))
                    .collect(),
                policy_version: decision.policy_version.as_deref().map(text),
                us: Some(decision.micros),
            };
        });
    }

    /// That it was served to a caller who proved who it is, and that no policy is asked for such a call.
    pub fn authenticated(&mut self) {
        self.edit(|open| open.settle(Reason::Authenticated));
    }

    /// That it was given to whoever asked, as it is to anybody.
    pub fn public(&mut self) {
        self.edit(|open| {
            open.record.client.auth = Some(AuthMethod::Anonymous);
            open.settle(Reason::Public);
        });
    }

    /// That it is a call of our own, by which we find out what a target understands.
    pub fn own(&mut self, operation: &'static str) {
        self.kind(Kind::Canary);
        self.call("s3", operation, false);
        self.edit(|open| {
            open.record.actor.id = Some(OWN.into());
            open.attribution = Some(OWN.into());
            open.settle(Reason::Own);
        });
    }

    /// Why a call of our own came to nothing.
    pub fn failed(&mut self, cause: &(dyn Error + 'static)) {
        self.cause(cause);
    }

    /// That it was not served: the status and code that the caller gets, and the operator's words.
    ///
    /// A decision that was made before stays: a request may be allowed and fail at the target.
    pub fn refused(&mut self, status: u16, code: &str, reason: Reason, cause: &(dyn Error + 'static)) {
        let words = chain(cause);
        self.edit(|open| {
            open.record.response.status = Some(status);
            open.record.response.error_code = Some(clip(code, 128).into());
            open.record.cause = Some(scrub(&words, CAUSE));
            open.settle(reason);
        });
    }

    /// Where it goes.
    pub fn target(&mut self, target: TargetInfo) {
        self.edit(|open| {
            let before = open.record.target.take();
            let (last, earlier, requests) = match before {
                Some(before) => (before.last, before.earlier, before.requests),
                None => Default::default(),
            };
            open.record.target = Some(Target {
                name: text(&target.name),
                endpoint: text(&target.endpoint),
                region: text(&target.region),
                last,
                cred_expires: target.cred_expires,
                credential_version: target.credential_version.as_deref().map(|v| clip(v, ID).into()),
                attribution: open.attribution.clone(),
                earlier,
                requests,
            });
        });
    }

    /// That a request is sent there. The time to the first answer counts from the first one.
    pub fn sending(&mut self) {
        self.edit(|open| {
            open.sent.get_or_insert_with(Instant::now);
            open.requests += 1;
            let (requests, Some(target)) = (open.requests, &mut open.record.target) else {
                return;
            };
            if requests > 1 {
                let before = std::mem::take(&mut target.last);
                if target.earlier.len() < REQUESTS {
                    target.earlier.push(before);
                } else {
                    target.requests = Some(requests);
                }
            }
        });
    }

    /// What the target answered: its status, and its own names of the request.
    pub fn answered(&mut self, status: u16, ids: TargetIds<'_>) {
        self.edit(|open| {
            open.record.upstream_ttfb_ms = open.sent.map(|sent| whole_millis(sent.elapsed()));
            if let Some(target) = &mut open.record.target {
                target.last = Exchange {
                    status: Some(status),
                    request_id: ids.request_id.map(|id| clip(id, ID).into()),
                    extended_id: ids.extended_id.map(|id| clip(id, ID).into()),
                };
            }
        });
    }

    /// By which name a target's log is told of the principal.
    pub fn attribution(&self) -> &str {
        let open = self.0.as_ref();
        open.and_then(|open| open.attribution.as_deref()).unwrap_or(OWN)
    }

    /// Counts the bytes of the request's body; whoever relays it adds to it.
    pub fn bytes_in(&self) -> Arc<AtomicU64> {
        self.0
            .as_ref()
            .map_or_else(Arc::default, |open| open.bytes_in.clone())
    }

    /// Ends the record of a request that was answered with `status` and no body.
    pub fn close(mut self, status: u16) {
        self.status(status);
        self.end(EndReason::Complete, 0);
    }

    pub(super) fn method(&self) -> &str {
        self.0.as_ref().map_or("", |open| &open.record.request.method)
    }

    pub(super) fn status(&mut self, status: u16) {
        self.edit(|open| open.record.response.status = Some(status));
    }

    pub(super) fn cause(&mut self, cause: &(dyn Error + 'static)) {
        let words = chain(cause);
        self.edit(|open| open.record.cause = Some(scrub(&words, CAUSE)));
    }

    /// Hands the record over. The place in the queue was reserved: this neither blocks nor fails.
    pub(super) fn end(&mut self, reason: EndReason, bytes_out: u64) {
        if let Some(open) = self.0.take() {
            let mut open = *open;
            let response = &mut open.record.response;
            let overdue = open.deadline.is_some_and(|at| Instant::now() >= at);
            let reason = match reason {
                EndReason::CallerWentAway | EndReason::Aborted if overdue => EndReason::TooLong,
                reason => reason,
            };
            response.end_reason = reason;
            response.aborted = reason != EndReason::Complete;
            response.bytes_out = bytes_out;
            response.bytes_in = open.bytes_in.load(Ordering::Relaxed);
            let took = open.begun.elapsed();
            open.record.duration_ms = whole_millis(took);
            if !open.decided && reason == EndReason::Complete {
                // An answer without a decision is not something that may pass for allowed.
                open.record.decision.reason = Reason::Internal;
            }
            if let Some(Observer(observer)) = open.observer.take() {
                let response = &open.record.response;
                observer(Ended {
                    operation: open.record.api.operation,
                    status: response.status,
                    effect: open.record.decision.effect,
                    took,
                    bytes_in: response.bytes_in,
                    bytes_out,
                });
            }
            open.slot.send(Box::new(open.record));
        }
    }

    fn edit(&mut self, edit: impl FnOnce(&mut Open)) {
        if let Some(open) = &mut self.0 {
            edit(open);
        }
    }
}

impl Open {
    /// The first outcome stays.
    fn settle(&mut self, reason: Reason) {
        if !self.decided {
            self.decided = true;
            self.record.decision.effect = reason.effect();
            self.record.decision.reason = reason;
        }
    }
}

impl Drop for Trail {
    /// INVARIANT: every trail becomes one record.
    fn drop(&mut self) {
        let reason = if std::thread::panicking() {
            EndReason::Panic
        } else {
            EndReason::Aborted
        };
        if reason == EndReason::Panic {
            self.edit(|open| {
                if !open.decided {
                    open.record.decision.reason = Reason::Internal;
                }
            });
        }
        self.end(reason, 0);
    }
}

fn text(value: &str) -> Box<str> {
    clip(value, TEXT).into()
}

/// Whoever knows an upload id can add to the upload: records tell uploads apart without it (AUD-05).
fn fingerprint(upload_id: &str) -> Box<str> {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, upload_id.as_bytes());
    HEXLOWER
        .encode(digest.as_ref().get(..8).unwrap_or_default())
        .into()
}

/// An error and what led to it, in one line.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    // Bounded: nothing keeps a faulty error from being its own source.
    for _ in 0..8 {
        let Some(error) = cause else { break };
        let next = error.to_string();
        // Wrappers that print their source would say it twice.
        if !words.ends_with(&next) {
            words.push_str(": ");
            words.push_str(&next);
        }
        cause = error.source();
    }
    words
}

fn whole_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
