//! Unverified identity, as the dialect read it.

use crate::secret::Secret;
use jiff::Timestamp;
use std::time::Duration;

/// Who a request says it comes from. Nothing in it is true until authentication says so.
#[derive(Clone, Debug)]
pub enum Claim {
    /// A SigV4 signature, in the header, in the query or in a form.
    Signature(Box<SignatureClaim>),
    /// `Authorization: Bearer`: an identity token or an access token.
    Bearer(Secret),
    /// No credentials at all.
    Anonymous,
}

/// What stands behind `Bearer` in an `Authorization`, without white space around it; `None` for another scheme.
///
/// Spec: <https://www.rfc-editor.org/rfc/rfc6750#section-2.1>
pub fn bearer_token(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_ascii())
}

/// A SigV4 signature and what it covers.
///
/// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html>
#[derive(Clone, Debug)]
pub struct SignatureClaim {
    /// Header, presigned URL or form.
    pub form: SignatureForm,
    /// The access key id as sent.
    pub access_key_id: Box<str>,
    /// The rest of the credential.
    pub scope: CredentialScope,
    /// `x-amz-date`, parsed.
    pub signed_at: Timestamp,
    /// `x-amz-date` as sent: `yyyymmddThhmmssZ`.
    pub signed_at_text: Box<str>,
    /// `x-amz-security-token`: header, query or field.
    pub session_token: Option<Box<str>>,
    /// What it covers.
    pub signs: Signs,
    /// The signature as sent.
    pub signature: [u8; 32],
}

/// What a signature covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signs {
    /// A request: the SHA-256 of its canonical form.
    CanonicalRequest([u8; 32]),
    /// The policy of a form: its base64 as sent, which is all that is signed.
    Policy(Box<str>),
}

/// Where the signature was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureForm {
    /// `Authorization`.
    Header,
    /// `X-Amz-Signature` in the query, valid for `expires` after [`SignatureClaim::signed_at`].
    Presigned {
        /// 1 second to 7 days.
        expires: Duration,
    },
    /// `x-amz-signature` in a form, valid until the `expiration` of its policy, for seven days at most.
    Form {
        /// By the policy.
        expiration: Timestamp,
    },
}

/// `yyyymmdd/region/service/aws4_request`. The terminator is checked by the parser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialScope {
    /// `yyyymmdd`.
    pub date: Box<str>,
    /// Any region name.
    pub region: Box<str>,
    /// `s3` or `sts`.
    pub service: Box<str>,
}

impl std::fmt::Display for CredentialScope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}/aws4_request", self.date, self.region, self.service)
    }
}
