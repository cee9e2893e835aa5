//! OpenID Connect: is this identity token genuine, and whom does it name?

/// What a verified identity token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Person or program, by the issuer's configuration.
    pub kind: super::PrincipalKind,
    /// Issuer name, colon, principal claim.
    pub id: Box<str>,
    /// Issuer name, colon, group; for each group claimed.
    pub groups: Vec<Box<str>>,
    /// `iss`.
    pub issuer: Box<str>,
    /// `sub`.
    pub subject: Box<str>,
    /// The configured audience that matched.
    pub audience: Box<str>,
    /// `exp`.
    pub expires_at: jiff::Timestamp,
}

/// Why a token was not accepted. The caller's answer distinguishes only what STS has codes for; the
/// operator's log gets this.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Not a JWT that is acceptable in form: size, segments, header, claims' types.
    #[error("the token is malformed: {0}")]
    Malformed(&'static str),
    /// `iss` is not a configured issuer.
    #[error("the token's issuer is not configured")]
    UnknownIssuer,
    /// `exp` has passed.
    #[error("the token has expired")]
    Expired,
    /// Signature, algorithm, audience, time or a required claim is not acceptable.
    #[error("the token is refused: {0}")]
    Refused(&'static str),
    /// The issuer's keys cannot be had now.
    #[error("the keys of issuer `{issuer}` cannot be fetched: {cause}")]
    IssuerUnavailable {
        /// The issuer's configured name.
        issuer: Box<str>,
        /// For the operator.
        cause: String,
    },
}
