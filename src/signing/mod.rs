//! Signing: the caller's signature stopped, the target's begins.
//!
//! The only place a [`SignedRequest`] is made, and the only kind of request that `upstream` sends. It is put
//! together from a [`Permit`] alone: nothing that the parser did not understand can be in it. What Tidegate asks of a
//! target on its own account (see `own`) has nothing of a caller in it.

mod call;
mod own;
mod request;
mod signature;
mod stamp;

pub(crate) use own::OwnRequest;
pub use stamp::Stamp;
pub(crate) use stamp::{GOOGLE_REQUEST, TOKEN as STAMP_TOKEN};

use crate::authz::Permit;
use crate::body::Body;
use crate::config::{Profile, Target};
use crate::credentials::{Credential, Material};
pub use crate::dialect::gcs_xml::Untranslatable;
use crate::operation::KeyError;
use crate::secret::Secret;
use http::HeaderValue;
use http::header::AUTHORIZATION;
use jiff::Timestamp;
use std::sync::{Arc, OnceLock};
use zeroize::Zeroizing;

/// A request that carries the target's signature. Made from a permit, or for a canary of our own.
pub struct SignedRequest {
    request: http::Request<Body>,
    target: Arc<Target>,
}

/// A payload on its way out: verified while it passes, framed as the target understands it.
pub struct OutgoingPayload {
    /// The bytes.
    pub body: Body,
    /// Bytes on the wire; `None` for requests that have no body by their method.
    pub length: Option<u64>,
    /// What the signature says about the payload.
    pub hash: PayloadHash,
    /// Headers that describe the payload, such as checksums.
    pub headers: Vec<(&'static str, String)>,
    /// The CRC32C of the bytes, there once the last of them was verified; `None` if the target's own is not asked for.
    pub sum: Option<Arc<OnceLock<[u8; 4]>>>,
}

/// The value of `x-amz-content-sha256` towards the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PayloadHash {
    /// A SHA-256 in hex: the caller's own, or that of a document which was rebuilt.
    Literal(String),
    /// `UNSIGNED-PAYLOAD`.
    Unsigned,
    /// `STREAMING-UNSIGNED-PAYLOAD-TRAILER`.
    UnsignedTrailer,
}

/// Why a permitted request could not be signed: the target cannot do it, a key is too long with the prefix of its bucket,
/// or there is a defect here or in the configuration.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// The operation is answered here and has no request at the target.
    #[error("`{0}` is not forwarded")]
    NotForwarded(&'static str),
    /// The target has no such thing, or would quietly do something else.
    #[error(transparent)]
    Untranslatable(#[from] Untranslatable),
    /// A name or value that HTTP cannot carry.
    #[error("the request cannot be put together")]
    Request(#[from] http::Error),
    /// A name that the target cannot have: the caller's, with the prefix of its bucket.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A handle of a caller that was not opened.
    #[error("`{0}` is not opened: callers' handles mean nothing to a target")]
    Handle(&'static str),
    /// The words of the caller take an access token, and the target has keys.
    #[error(
        "the target has HMAC keys, and the JSON API of Google takes access tokens only: give it credentials of a kind that \
         has some, such as `google-workload-identity`"
    )]
    NoAccessToken,
    /// A new bucket belongs to a project, and the target has none.
    #[error("a new bucket needs a project: set `targets.<name>.project`")]
    NoProject,
    /// A pattern that the bucket's folder cannot be put in front of.
    #[error("the bucket is a folder whose name cannot stand in a pattern")]
    Pattern,
    /// Words that only Google has, for another store.
    #[error("headers of Google's mean nothing to this target")]
    Googles,
    /// The credential is not text.
    #[error("the target's credential is not of the kind that it takes, or not printable text")]
    Credential,
}

/// Signs towards one target.
#[derive(Default)]
pub struct Signer {
    keys: signature::Keys,
}

impl Signer {
    /// Builds the target's request, in the dialect that `profile` names, stamps it and signs it.
    ///
    /// # Errors
    /// [`SigningError`]; nothing has been sent then.
    pub fn sign(
        &self,
        permit: &Permit,
        payload: OutgoingPayload,
        profile: Profile,
        credential: &Arc<Credential>,
        stamp: Stamp<'_>,
        now: Timestamp,
    ) -> Result<SignedRequest, SigningError> {
        let hash = payload.hash.header()?;
        let built = request::build(permit, payload, profile)?;
        self.finish(built, hash, profile, credential, stamp, now)
    }

    /// What HEAD asks, asked so that a refusal has a body and says why: with GET, for one byte or one key. Needs the
    /// same right of S3, and a permit for HEAD; the answer is for nobody but us.
    ///
    /// # Errors
    /// As [`Signer::sign`].
    pub(crate) fn sign_aloud(
        &self,
        permit: &Permit,
        payload: OutgoingPayload,
        profile: Profile,
        credential: &Arc<Credential>,
        stamp: Stamp<'_>,
        now: Timestamp,
    ) -> Result<SignedRequest, SigningError> {
        let hash = payload.hash.header()?;
        let (mut request, target) = request::build(permit, payload, profile)?;
        request::say_aloud(permit.operation(), &mut request)?;
        self.finish((request, target), hash, profile, credential, stamp, now)
    }

    fn finish(
        &self,
        (mut request, target): (http::Request<Body>, Arc<Target>),
        hash: HeaderValue,
        profile: Profile,
        credential: &Arc<Credential>,
        stamp: Stamp<'_>,
        now: Timestamp,
    ) -> Result<SignedRequest, SigningError> {
        stamp.put(profile, request.headers_mut())?;
        let scheme = match (profile, &credential.material) {
            (Profile::Aws | Profile::Plain, _) => &signature::AWS4,
            (Profile::Gcs, Material::AccessKey(_)) => &signature::GOOG4,
            (Profile::Gcs, Material::BearerToken(token)) => {
                bear(&mut request, token)?;
                return Ok(SignedRequest { request, target });
            }
        };
        let region = &target.region;
        signature::sign(scheme, &mut request, hash, &self.keys, credential, region, now)?;
        Ok(SignedRequest { request, target })
    }
}

/// `Authorization: Bearer`.
fn bear(request: &mut http::Request<Body>, token: &Secret) -> Result<(), SigningError> {
    let mut value = Zeroizing::new(b"Bearer ".to_vec());
    value.extend_from_slice(token.expose());
    let mut value = HeaderValue::from_bytes(&value).map_err(|_| SigningError::Credential)?;
    // Neither shown in a debugging line nor put into the tables of header compression.
    value.set_sensitive(true);
    request.headers_mut().insert(AUTHORIZATION, value);
    Ok(())
}

/// The request before it is signed, for tests of what is in it.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn unsigned(
    permit: &Permit,
    payload: OutgoingPayload,
    profile: Profile,
) -> Result<http::Request<Body>, SigningError> {
    let (mut request, _) = request::build(permit, payload, profile)?;
    let stamp = Stamp {
        request_id: ulid::Ulid::nil(),
        attribution: "test",
    };
    stamp.put(profile, request.headers_mut())?;
    Ok(request)
}

impl PayloadHash {
    fn header(&self) -> Result<HeaderValue, SigningError> {
        Ok(match self {
            Self::Literal(sha256) => HeaderValue::from_str(sha256).map_err(http::Error::from)?,
            Self::Unsigned => HeaderValue::from_static("UNSIGNED-PAYLOAD"),
            Self::UnsignedTrailer => HeaderValue::from_static("STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
        })
    }
}

impl SignedRequest {
    /// Where it goes.
    pub fn target(&self) -> &Arc<Target> {
        &self.target
    }

    /// The request in origin form, `Host` set. For `upstream`.
    pub(crate) fn into_request(self) -> http::Request<Body> {
        self.request
    }

    /// A request for tests of other rooms.
    #[cfg(test)]
    pub(crate) fn for_test(request: http::Request<Body>, target: Arc<Target>) -> Self {
        Self { request, target }
    }
}
