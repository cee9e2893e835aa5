//! OpenID Connect: is this identity token genuine, and whom does it name?
//!
//! The hazards are a verifier that lets the token choose how it is verified, libraries that take a missing claim
//! for a good one, and strangers who make us fetch. The path is short: the form of the token (`token`), its
//! issuer by exact name, one key of that issuer by exact `kid` (`keys`), the signature, the claims
//! (`validation`). Knows nothing of sessions, buckets and policies.

mod discovery;
mod documents;
mod jwks;
mod keys;
mod token;
mod validation;

#[cfg(test)]
mod tests;

pub use keys::IssuerState;

use crate::{
    clock::{Clock, Drift},
    config,
    fetch::FetchError,
};
use documents::{Documents, Network};
use jiff::Timestamp;
use keys::IssuerKeys;
use std::{collections::HashMap, sync::Arc};
use token::Unverified;

/// What a verified identity token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Person or program, by the issuer's configuration.
    pub kind: super::PrincipalKind,
    /// Issuer name, colon, principal claim.
    pub id: Box<str>,
    /// Issuer name, colon, group; for each group claimed.
    pub groups: Vec<Box<str>>,
    /// What else policies may ask about, by name.
    pub tags: super::Tags,
    /// `iss`.
    pub issuer: Box<str>,
    /// `sub`.
    pub subject: Box<str>,
    /// The configured audience that matched.
    pub audience: Box<str>,
    /// `exp`.
    pub expires_at: Timestamp,
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
    #[error("the token has expired{}", aside(drift))]
    Expired {
        /// `exp`.
        at: Timestamp,
        /// Our time.
        now: Timestamp,
        /// The issuer's clock, if it is known to be off.
        drift: Option<Drift>,
    },
    /// `iat` or `nbf` is yet to come.
    #[error("the token is refused: `{claim}` is in the future{}", aside(drift))]
    NotYetValid {
        /// Which of the two.
        claim: &'static str,
        /// What it says.
        at: Timestamp,
        /// Our time.
        now: Timestamp,
        /// The issuer's clock, if it is known to be off.
        drift: Option<Drift>,
    },
    /// The issuer left the groups out because there are too many.
    #[error(
        "the issuer left the groups out because there are too many: assign groups to the application, or name the \
         ones that matter as its roles"
    )]
    GroupsLeftOut,
    /// Signature, algorithm, audience, time or a required claim is not acceptable.
    #[error("the token is refused: {0}")]
    Refused(&'static str),
    /// A condition of the configuration is not met, or a tag cannot be made.
    #[error("the token is refused: {0}")]
    Unmet(Box<str>),
    /// The issuer's keys cannot be had now.
    #[error("the keys of issuer `{issuer}` cannot be fetched: {cause}")]
    IssuerUnavailable {
        /// The issuer's configured name.
        issuer: Box<str>,
        /// For the operator.
        cause: String,
    },
}

/// What the issuer's clock explains.
fn aside(drift: &Option<Drift>) -> String {
    match drift {
        Some(drift) => format!("; the issuer's clock is {drift}"),
        None => String::new(),
    }
}

/// Why the configured issuers cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum VerifierError {
    /// A token could not tell which of the two is meant.
    #[error("issuers `{first}` and `{second}` have the same `issuer`: give one of them all audiences")]
    SameIssuer {
        /// The earlier one's name.
        first: Box<str>,
        /// The later one's name.
        second: Box<str>,
    },
    /// Principals of the two could not be told apart.
    #[error("two issuers are named `{0}`: a name is the prefix of its principals and must be unique")]
    SameName(Box<str>),
    /// The private CA cannot be read.
    #[error("the `ca` of issuer `{issuer}` cannot be used")]
    Ca {
        /// The issuer's configured name.
        issuer: Box<str>,
        /// Why.
        #[source]
        source: FetchError,
    },
}

/// Verifies identity tokens of the configured issuers.
pub struct Verifier {
    /// By `iss`.
    issuers: HashMap<Box<str>, Arc<IssuerKeys>>,
}

impl Verifier {
    /// A verifier for these issuers. Nothing is fetched before a token asks for it, or [`Verifier::warm`].
    ///
    /// The keys of issuers whose configuration is the same in `reuse` are carried over, and so is a fetch that is
    /// under way.
    ///
    /// # Errors
    /// [`VerifierError`] if two issuers cannot be told apart or a CA file cannot be used.
    pub fn new(
        issuers: &[Arc<config::Issuer>],
        clock: Clock,
        reuse: Option<&Self>,
    ) -> Result<Self, VerifierError> {
        Self::with_documents(issuers, clock, reuse, |issuer| {
            Network::new(issuer)
                .map(|network| Arc::new(network) as Arc<dyn Documents>)
                .map_err(|source| VerifierError::Ca {
                    issuer: issuer.name.clone(),
                    source,
                })
        })
    }

    fn with_documents(
        issuers: &[Arc<config::Issuer>],
        clock: Clock,
        reuse: Option<&Self>,
        documents: impl Fn(&Arc<config::Issuer>) -> Result<Arc<dyn Documents>, VerifierError>,
    ) -> Result<Self, VerifierError> {
        let mut by_issuer: HashMap<Box<str>, Arc<IssuerKeys>> = HashMap::new();
        for issuer in issuers {
            if let Some(first) = by_issuer.get(&issuer.issuer) {
                return Err(VerifierError::SameIssuer {
                    first: first.issuer().name.clone(),
                    second: issuer.name.clone(),
                });
            }
            // INVARIANT: one issuer, one prefix; two issuers with the same `sub` never meet (JWT-09).
            if by_issuer.values().any(|other| other.issuer().name == issuer.name) {
                return Err(VerifierError::SameName(issuer.name.clone()));
            }
            let documents = documents(issuer)?;
            let kept = reuse
                .and_then(|old| old.issuers.get(&issuer.issuer))
                .filter(|old| old.issuer() == issuer)
                .cloned();
            let keys =
                kept.unwrap_or_else(|| Arc::new(IssuerKeys::new(issuer.clone(), documents, clock.clone())));
            by_issuer.insert(issuer.issuer.clone(), keys);
        }
        Ok(Self { issuers: by_issuer })
    }

    /// Verifies a token at this time. May wait up to ten seconds for the issuer's keys.
    ///
    /// # Errors
    /// [`TokenError`] says which rule was broken. Only [`TokenError::IssuerUnavailable`] is worth another try.
    ///
    /// Spec: <https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation>,
    /// <https://www.rfc-editor.org/rfc/rfc8725>
    pub async fn verify(&self, token: &str, now: Timestamp) -> Result<Identity, TokenError> {
        let token = Unverified::parse(token)?;
        let issuer = self
            .issuers
            .get(token.issuer()?)
            .ok_or(TokenError::UnknownIssuer)?;
        let key = issuer.key(token.kid()).await?;
        // Inline: 30 to 50 microseconds with RSA, less than it costs to hand it to another thread.
        let claims = token.verify(&key)?;
        validation::identity(issuer.issuer(), &claims, now)
    }

    /// Fetches the keys of all issuers that have none, at the same time, and waits for the outcome. An issuer
    /// that cannot be reached is not an error: it shows in [`Verifier::readiness`].
    pub async fn warm(&self) {
        let mut fetches = tokio::task::JoinSet::new();
        for keys in self.issuers.values() {
            let keys = keys.clone();
            fetches.spawn(async move { keys.warm().await });
        }
        while fetches.join_next().await.is_some() {}
    }

    /// How each issuer is, by its configured name, in the order of names.
    pub fn readiness(&self) -> Vec<(Box<str>, IssuerState)> {
        let state = |keys: &Arc<IssuerKeys>| (keys.issuer().name.clone(), keys.state());
        let mut states: Vec<_> = self.issuers.values().map(state).collect();
        states.sort_by(|a, b| a.0.cmp(&b.0));
        states
    }
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier")
            .field("issuers", &self.readiness())
            .finish()
    }
}
