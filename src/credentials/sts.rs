//! Calls of a security token service: AssumeRole and AssumeRoleWithWebIdentity.
//!
//! What signs the call, key pair or identity token, is read anew for each call, so that whoever rotates it needs no
//! reload; only the machine's own credentials are kept while they last. The endpoint is the operator's (CRD-09); no redirect is followed (CRD-06).

use super::ambient::Ambient;
use super::aws_call::sign_sts;
use super::call_keys::CallKeys;
use super::identity_token::{TokenSource, of_target};
use super::refusal::{drifting, is_throttled, refusal};
use super::role_session::RoleSession;
use super::scope::CloudSession;
use super::{
    AccessKey, Credential, Fetching, Material, Resources, Source, SourceError, check, sts_xml, written,
};
use crate::{
    clock::Clock,
    config::{AssumedRole, RoleProof},
    fetch::{Fetched, Fetcher},
    secret::Secret,
};
use form_urlencoded::Serializer;
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// A role at a security token service.
pub(super) struct RoleSource {
    url: String,
    host: String,
    role: AssumedRole,
    proof: Proof,
    fetcher: Fetcher,
    clock: Clock,
    /// Until when the service is left alone, by everybody.
    rests: Mutex<Option<Timestamp>>,
}

/// What shows that the role is ours to assume.
enum Proof {
    Signature {
        signer: Signer,
        region: Box<str>,
        external_id: Option<Box<str>>,
    },
    Token(TokenSource),
}

/// What signs a call.
enum Signer {
    Keys(Box<CallKeys>),
    Ambient(Ambient),
}

impl Signer {
    async fn keys(&self) -> Result<Vec<AccessKey>, SourceError> {
        match self {
            Self::Keys(keys) => keys.keys().await,
            Self::Ambient(ambient) => Ok(vec![ambient.key().await?]),
        }
    }

    fn worked(&self, key: AccessKey) {
        match self {
            Self::Keys(keys) => keys.worked(key),
            Self::Ambient(_) => {}
        }
    }

    /// What else may be tried after all of [`Signer::keys`], of which `refused` was the last.
    async fn other_than(&self, refused: &AccessKey) -> Option<AccessKey> {
        match self {
            Self::Keys(_) => None,
            Self::Ambient(ambient) => ambient.other_than(refused).await,
        }
    }
}

/// How long a service that is asked too often is left alone. Each session has pauses of its own; but where there are many,
/// theirs would not be enough.
const PAUSE: SignedDuration = SignedDuration::from_secs(2);
/// The longest life that a credential may claim: the longest role session is 12 hours.
const LONGEST: SignedDuration = SignedDuration::from_hours(36);

impl RoleSource {
    /// Prepares the calls for `role` on behalf of the target `name`.
    ///
    /// # Errors
    /// A CA file or keys that cannot be read.
    pub(super) fn new(name: &str, role: &AssumedRole, resources: &Resources) -> Result<Self, SourceError> {
        Self::of_subject(of_target(name), role, resources)
    }

    /// The same for whatever else asks AWS on Tidegate's own account. `subject` is that of Tidegate's own tokens.
    ///
    /// # Errors
    /// As [`RoleSource::new`].
    pub(super) fn of_subject(
        subject: Box<str>,
        role: &AssumedRole,
        resources: &Resources,
    ) -> Result<Self, SourceError> {
        let proof = match &role.proof {
            RoleProof::WebIdentity(token) => {
                Proof::Token(TokenSource::of_subject(subject, token, resources)?)
            }
            RoleProof::Keys {
                keys,
                region,
                external_id,
            } => {
                let keys = written::KeyPair::new(keys, &resources.secrets)?;
                // Keys that are missing are better found at start than with the first request.
                if keys.is_here() {
                    keys.read()?;
                }
                Proof::Signature {
                    signer: Signer::Keys(Box::new(CallKeys::new(keys))),
                    region: region.clone(),
                    external_id: external_id.clone(),
                }
            }
            RoleProof::Ambient { region, external_id } => Proof::Signature {
                signer: Signer::Ambient(Ambient::new(region, resources)?),
                region: region.clone(),
                external_id: external_id.clone(),
            },
        };
        let endpoint = &role.sts_endpoint;
        let fetcher = Fetcher::new(role.sts_ca.as_deref())?;
        let host = endpoint.authority();
        let scheme = if endpoint.tls { "https" } else { "http" };
        Ok(Self {
            url: format!("{scheme}://{host}/"),
            host,
            role: role.clone(),
            proof,
            fetcher: if endpoint.tls {
                fetcher
            } else {
                fetcher.allow_plain()
            },
            clock: resources.clock.clone(),
            rests: Mutex::default(),
        })
    }

    async fn ask(&self, session: &CloudSession) -> Result<Credential, SourceError> {
        let wanted = RoleSession::of(&self.role, session)?;
        let asked = self.clock.now();
        if self.rests(asked) {
            return Err(SourceError::Resting);
        }
        let (action, answer, token) = match &self.proof {
            Proof::Signature {
                signer,
                region,
                external_id,
            } => {
                const ACTION: &str = "AssumeRole";
                let mut more = wanted.parameters();
                more.extend(external_id.as_deref().map(|id| ("ExternalId".to_owned(), id)));
                let body = self.form(ACTION, &wanted, &more);
                let mut last = None;
                // New keys first; while they are refused, those that worked go on, and the machine is asked for others.
                let mut keys = VecDeque::from(signer.keys().await?);
                let mut asks_for_others = true;
                while let Some(key) = keys.pop_front() {
                    let now = self.clock.now();
                    let headers = sign_sts(&key, region, &self.url, &self.host, &body, now)?;
                    let answer = self.fetcher.post_form(&self.url, body.clone(), &headers).await?;
                    let is_refused = refuses_key(&answer);
                    let is_fine = answer.status == StatusCode::OK;
                    last = Some(answer);
                    if is_fine {
                        signer.worked(key);
                        break;
                    }
                    if !is_refused {
                        break;
                    }
                    if keys.is_empty() && std::mem::take(&mut asks_for_others) {
                        keys.extend(signer.other_than(&key).await);
                    }
                }
                (ACTION, last.ok_or(SourceError::Signature)?, None)
            }
            Proof::Token(source) => {
                const ACTION: &str = "AssumeRoleWithWebIdentity";
                let token = source.token(session, wanted.claims()).await?;
                let text = token.expose_str().unwrap_or_default();
                let body = self.form(ACTION, &wanted, &[("WebIdentityToken".to_owned(), text)]);
                (
                    ACTION,
                    self.fetcher.post_form(&self.url, body, &[]).await?,
                    Some(token),
                )
            }
        };
        let read = self.read(action, &answer, token.as_ref());
        let now = self.clock.now();
        if read.as_ref().is_err_and(is_throttled) {
            let until = now.checked_add(PAUSE).ok();
            *self.rests.lock().unwrap_or_else(PoisonError::into_inner) = until;
        }
        read.map_err(|error| drifting(error, &answer, asked, now))
    }

    fn rests(&self, now: Timestamp) -> bool {
        let until = *self.rests.lock().unwrap_or_else(PoisonError::into_inner);
        let left = until.map(|until| until.duration_since(now));
        // Not for longer than that, also if the clock was set back.
        left.is_some_and(|left| left.is_positive() && left <= PAUSE)
    }

    fn form(&self, action: &str, wanted: &RoleSession, more: &[(String, &str)]) -> String {
        Serializer::new(String::new())
            .append_pair("Action", action)
            .append_pair("Version", "2011-06-15")
            .append_pair("RoleArn", &self.role.role_arn)
            .append_pair("RoleSessionName", &wanted.name)
            .append_pair("DurationSeconds", &self.role.duration.as_secs().to_string())
            .extend_pairs(wanted.policy.iter().map(|policy| ("Policy", policy)))
            .extend_pairs(more)
            .finish()
    }

    /// Reads an answer strictly. CRD-07.
    fn read(
        &self,
        action: &str,
        answer: &Fetched,
        token: Option<&Secret>,
    ) -> Result<Credential, SourceError> {
        if answer.body.len() > sts_xml::MAX_DOCUMENT {
            return Err(SourceError::Answer("it is larger than 64 KiB"));
        }
        let text = std::str::from_utf8(&answer.body).map_err(|_| SourceError::Answer("it is not UTF-8"))?;
        if answer.status != StatusCode::OK {
            return Err(refusal(answer.status, text, token));
        }
        let is_xml = answer.content_type.as_deref().is_some_and(|kind| {
            let kind = kind.split(';').next().unwrap_or_default().trim();
            kind.eq_ignore_ascii_case("text/xml") || kind.eq_ignore_ascii_case("application/xml")
        });
        if !is_xml {
            return Err(SourceError::Answer("its content type is not XML"));
        }
        let (key, end) = sts_xml::credentials(action, text).map_err(SourceError::Answer)?;
        let key = check(key)?;
        match end.duration_since(self.clock.now()) {
            left if !left.is_positive() => {
                Err(SourceError::Answer("it has expired already: check the clocks"))
            }
            left if left > LONGEST => Err(SourceError::Answer("it claims to be good for more than 36 hours")),
            _ => Ok(Credential {
                material: Material::AccessKey(key),
                expires_at: Some(end),
                version: None,
            }),
        }
    }
}

impl Source for RoleSource {
    fn fetch<'a>(&'a self, session: &'a CloudSession) -> Fetching<'a> {
        Box::pin(self.ask(session))
    }
}

/// Whether the service does not know the key that signed, or not so, or not any more.
fn refuses_key(answer: &Fetched) -> bool {
    let text = std::str::from_utf8(&answer.body).unwrap_or_default();
    let code = match answer.status {
        StatusCode::OK => None,
        _ => sts_xml::error(text).map(|(code, _)| code),
    };
    matches!(
        code.as_deref(),
        Some(
            "InvalidClientTokenId"
                | "InvalidAccessKeyId"
                | "SignatureDoesNotMatch"
                | "ExpiredToken"
                | "ExpiredTokenException"
        )
    )
}

#[cfg(test)]
#[path = "sts_tests.rs"]
mod tests;
