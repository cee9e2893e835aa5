//! The record: one schema, in one order, with absent fields left out.
//!
//! The fields are few and typed on purpose: a header, a query or a body has no place to go.

use super::redact::OneLine;
use crate::config::Profile;
use crate::dialect::gcs_xml;
use http::HeaderMap;
use jiff::Timestamp;
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;
use std::sync::Arc;
use ulid::Ulid;

/// The version of the schema: `v`.
const VERSION: u8 = 1;

/// What kind of request it was: `type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A storage operation, or something that was not recognised.
    Request,
    /// The issue of a session.
    Auth,
    /// An object of our own, by which we find out what a target understands.
    Canary,
}

/// How the caller said who it is: `client.auth`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuthMethod {
    /// `Authorization: AWS4-HMAC-SHA256 …`.
    #[serde(rename = "sigv4-header")]
    SigV4Header,
    /// A signature in the query.
    Presigned,
    /// The signed policy of a form.
    PostPolicy,
    /// Not at all.
    Anonymous,
    /// An identity token, to the token service.
    WebIdentity,
    /// `Authorization: Bearer …`: an identity token or an access token.
    Bearer,
    /// An identity token, as SDKs ask for container credentials.
    ContainerCredentials,
    /// An identity token, by RFC 8693.
    TokenExchange,
    /// A browser that comes back from its identity provider.
    Login,
    /// The cookie of a browser.
    Cookie,
}

/// What came out: `decision.effect`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// It was allowed. Whether it worked then is in `response`.
    Allow,
    /// It was refused because of what it was or who asked.
    Deny,
    /// It was refused because something did not work here.
    Error,
}

/// Why: `decision.reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// A policy permits it.
    Permit,
    /// The caller has proved who it is, and no policy is asked: sessions and identities.
    Authenticated,
    /// It is told to anybody.
    Public,
    /// It is Tidegate's own doing: nobody asked for it.
    Own,
    /// A policy forbids it.
    Forbid,
    /// No policy permits it.
    NoPermit,
    /// The policies permit it, and the session was narrowed to less.
    SessionPolicy,
    /// A policy could not be evaluated, which denies.
    EvalError,
    /// Some of several objects are allowed, others not.
    Partial,
    /// No usable credentials.
    Unauthenticated,
    /// The token is not acceptable.
    BadToken,
    /// The session, token or presigned URL has expired.
    Expired,
    /// The session, the service key or its principal is revoked.
    Revoked,
    /// The service key is not to be used from there.
    SourceAddress,
    /// The signature is wrong.
    BadSignature,
    /// The caller's clock is too far off.
    ClockSkew,
    /// The request cannot be understood.
    Malformed,
    /// The request is understood, and not offered.
    Unsupported,
    /// There is no such bucket.
    NoSuchBucket,
    /// The upload id is not one of this principal for this key; `cause` says why.
    NoSuchUpload,
    /// The payload is not what was declared.
    BadPayload,
    /// Too much at once.
    Limited,
    /// The identity provider, the credential or the target cannot be had now.
    Unavailable,
    /// The caller went away before anything was decided.
    Aborted,
    /// A defect.
    Internal,
}

impl Reason {
    /// The effect that goes with it.
    pub fn effect(self) -> Effect {
        match self {
            Self::Permit | Self::Authenticated | Self::Public | Self::Own | Self::Partial => Effect::Allow,
            Self::Forbid
            | Self::NoPermit
            | Self::SessionPolicy
            | Self::EvalError
            | Self::Unauthenticated
            | Self::BadToken
            | Self::Expired
            | Self::Revoked
            | Self::SourceAddress
            | Self::BadSignature
            | Self::ClockSkew
            | Self::Malformed
            | Self::Unsupported
            | Self::NoSuchBucket
            | Self::NoSuchUpload
            | Self::BadPayload
            | Self::Limited => Effect::Deny,
            Self::Unavailable | Self::Aborted | Self::Internal => Effect::Error,
        }
    }
}

/// How the answer ended: `response.end_reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndReason {
    /// With its last byte.
    Complete,
    /// The caller went away before the last byte.
    CallerWentAway,
    /// The target broke off.
    TargetBrokeOff,
    /// The payload was not what was declared.
    PayloadRefused,
    /// Nothing moved for too long.
    Stalled,
    /// It took longer than `server.longest_transfer` and was reset.
    TooLong,
    /// The request was dropped before there was an answer: the caller went away, or the time to drain was over.
    Aborted,
    /// A defect.
    Panic,
}

/// The outcome of authorization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What came out.
    pub effect: Effect,
    /// Why.
    pub reason: Reason,
    /// The ids of the policies that decided.
    pub policies: Vec<Box<str>>,
    /// The hash of the policies' text.
    pub policy_version: Option<Box<str>>,
    /// How long it took, in microseconds.
    pub micros: u64,
}

/// Where a request was sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetInfo {
    /// The target's name in the configuration.
    pub name: Box<str>,
    /// Host and port.
    pub endpoint: Box<str>,
    /// Its region.
    pub region: Box<str>,
    /// When the credential that signed ends.
    pub cred_expires: Option<Timestamp>,
    /// Which version of a secret signed, where secrets have versions.
    pub credential_version: Option<Box<str>>,
}

/// The names that a target gave to a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TargetIds<'a> {
    /// What its operators find it by, and what its log has.
    pub request_id: Option<&'a str>,
    /// What AWS asks for besides, when it is asked for help.
    pub extended_id: Option<&'a str>,
}

impl<'a> TargetIds<'a> {
    /// Those in the answer of a target of this kind.
    pub fn of(profile: Profile, headers: &'a HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        match profile {
            Profile::Aws | Profile::Plain => Self {
                request_id: text("x-amz-request-id"),
                extended_id: text("x-amz-id-2"),
            },
            Profile::Gcs => Self {
                request_id: text(gcs_xml::REQUEST_ID),
                extended_id: None,
            },
        }
    }
}

/// One line.
#[derive(Debug, Serialize)]
pub(super) struct Record {
    pub(super) v: Version,
    #[serde(rename = "type")]
    pub(super) kind: Kind,
    #[serde(serialize_with = "millis")]
    pub(super) time: Timestamp,
    pub(super) duration_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) upstream_ttfb_ms: Option<u64>,
    #[serde(serialize_with = "display")]
    pub(super) request_id: Ulid,
    #[serde(serialize_with = "display")]
    pub(super) event_id: Ulid,
    /// The request that this was a part of.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "display_some")]
    pub(super) batch_id: Option<Ulid>,
    /// The process; set by the writer.
    pub(super) instance: Arc<str>,
    /// Counts the records of the instance from 1 without a gap; set by the writer.
    pub(super) seq: u64,
    #[serde(skip_serializing_if = "Actor::is_empty")]
    pub(super) actor: Actor,
    pub(super) client: Client,
    pub(super) api: ApiCall,
    #[serde(skip_serializing_if = "Resource::is_empty")]
    pub(super) resource: Resource,
    pub(super) request: Request,
    pub(super) decision: Decided,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) generation: Option<Box<str>>,
    pub(super) response: Response,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) target: Option<Target>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cause: Option<Box<str>>,
}

/// Always [`VERSION`].
#[derive(Debug)]
pub(super) struct Version;

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(VERSION)
    }
}

#[derive(Debug, Default, PartialEq, Serialize)]
pub(super) struct Actor {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) kind: Option<crate::authn::PrincipalKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) issuer: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sub: Option<Box<str>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) groups: Vec<Box<str>>,
    /// Set if not all of them are listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) groups_count: Option<usize>,
    /// What else policies may ask about.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) tags: BTreeMap<Box<str>, Box<str>>,
    /// The role that the session carries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) role: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) session_id: Option<Box<str>>,
    /// The first session of the chain, if another one made this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) session_root: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "seconds")]
    pub(super) session_issued: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "seconds")]
    pub(super) session_expires: Option<Timestamp>,
    /// Only claimed, as long as there is no `id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) access_key_id: Option<Box<str>>,
    /// Whether it came with a service key and not with a session.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) service_key: bool,
}

impl Actor {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Client {
    #[serde(serialize_with = "display")]
    pub(super) ip: std::net::IpAddr,
    pub(super) port: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user_agent: Option<Box<str>>,
    pub(super) tls: Box<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) auth: Option<AuthMethod>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) payload: Option<&'static str>,
}

#[derive(Debug, Serialize)]
pub(super) struct ApiCall {
    pub(super) protocol: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) operation: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) read_only: Option<bool>,
}

#[derive(Debug, Default, PartialEq, Serialize)]
pub(super) struct Resource {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bucket: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) version_id: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) prefix: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) copy_source: Option<Box<str>>,
    /// The other objects that one is put together of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) copy_sources: Vec<Box<str>>,
    /// The first 16 hex digits of its SHA-256: tells uploads apart, opens none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) upload_id: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) part: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) keys_count: Option<usize>,
}

impl Resource {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[derive(Debug, Default, Serialize)]
pub(super) struct Request {
    pub(super) method: Box<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) range: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sse: Option<Box<str>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) object_tags: BTreeMap<Box<str>, Box<str>>,
    /// Whether a listing is asked for versions as well.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) versions: bool,
    /// Whether it is about what was deleted, and can still be restored.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) soft_deleted: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct Decided {
    pub(super) effect: Effect,
    pub(super) reason: Reason,
    /// What the call needs: of calls that do several things, these are what it does.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) actions: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) policies: Vec<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) policy_version: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) us: Option<u64>,
}

#[derive(Debug, Serialize)]
pub(super) struct Response {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error_code: Option<Box<str>>,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
    pub(super) aborted: bool,
    pub(super) end_reason: EndReason,
}

#[derive(Debug, Serialize)]
pub(super) struct Target {
    pub(super) name: Box<str>,
    pub(super) endpoint: Box<str>,
    pub(super) region: Box<str>,
    /// The last request and its answer.
    #[serde(flatten)]
    pub(super) last: Exchange,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "seconds")]
    pub(super) cred_expires: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) credential_version: Option<Box<str>>,
    /// By which name the target's log knows the principal, where it is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) attribution: Option<Box<str>>,
    /// The requests before the last one: tried with another credential, probes, and those of a canary.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) earlier: Vec<Exchange>,
    /// How many requests there were, if not all of them are listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) requests: Option<usize>,
}

/// One request to a target and its answer. Without a status there was none.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(super) struct Exchange {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) request_id: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) extended_id: Option<Box<str>>,
}

impl Record {
    /// Appends the record and a line end to `out`.
    pub(super) fn write_line(&self, out: &mut Vec<u8>) {
        let start = out.len();
        let mut serializer = serde_json::Serializer::with_formatter(&mut *out, OneLine);
        // Maps have string keys and a `Vec` takes everything: this cannot fail. If a later field could, the line
        // still says that there was a request.
        if self.serialize(&mut serializer).is_err() {
            out.truncate(start);
            let fallback = format!(
                r#"{{"v":{VERSION},"type":"request","request_id":"{}","instance":"{}","seq":{}}}"#,
                self.request_id, self.instance, self.seq
            );
            out.extend_from_slice(fallback.as_bytes());
        }
        out.push(b'\n');
    }
}

fn millis<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{time:.3}"))
}

fn seconds<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.collect_str(&format_args!("{time:.0}")),
        None => serializer.serialize_none(),
    }
}

fn display_some<S: Serializer>(value: &Option<Ulid>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(id) => serializer.collect_str(id),
        None => serializer.serialize_none(),
    }
}

fn display<T: std::fmt::Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}
