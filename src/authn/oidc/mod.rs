//! OpenID Connect: is this identity token genuine, and whom does it name?
//!
//! The hazards are a verifier that lets the token choose how it is verified, libraries that take a missing claim
//! for a good one, and strangers who make us fetch. The path is short: the form of the token (`token`), its
//! issuer by exact name, one key of that issuer by exact `kid` (`keys`), the signature, the claims
//! (`validation`). Each step is a check of one list (`tally`), which a report (`examination`) shows whole. Knows
//! nothing of sessions, buckets and policies.

mod discovery;
mod documents;
mod endpoints;
mod examination;
mod jwks;
mod keys;
mod login;
mod tally;
mod token;
mod validation;

#[cfg(test)]
mod tests;

pub(crate) use endpoints::{Endpoints, EndpointsError};
pub use examination::{Checked, Examination, Outcome};
pub use keys::IssuerState;
pub(crate) use login::LoginProof;
pub(crate) use validation::LEEWAY;

use crate::{
    clock::{Clock, Drift},
    config,
    fetch::{FetchError, MAX_BODY},
};
use aws_lc_rs::digest;
use documents::{Documents, Network};
use jiff::Timestamp;
use jwks::KeySet;
use keys::{IssuerKeys, Source};
use std::{collections::HashMap, path::PathBuf, sync::Arc};
use tally::{Notes, Silent, Tally};
use token::Unverified;
use validation::Case;

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
    /// `iat`.
    pub issued_at: Timestamp,
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
    #[error("issuers `{first}` and `{second}` accept the same `iss` and the same audience")]
    SameIssuer {
        /// The earlier one's name.
        first: Box<str>,
        /// The later one's name.
        second: Box<str>,
    },
    /// One `iss` would have two sets of keys.
    #[error("issuers `{first}` and `{second}` accept the same `iss` with different keys")]
    OtherKeys {
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
    /// The key set cannot be read.
    #[error("the `jwks` of issuer `{issuer}` cannot be used: `{path}`: {cause}")]
    Jwks {
        /// The issuer's configured name.
        issuer: Box<str>,
        /// The file.
        path: PathBuf,
        /// Why.
        cause: String,
    },
}

/// Whoever can say whether an identity token is genuine, and whom it names.
pub trait IdentityVerifier: Send + Sync {
    /// Verifies `token` as of `now`.
    ///
    /// # Errors
    /// [`TokenError`] if it is not acceptable, or cannot be judged now.
    fn verify(
        &self,
        token: &str,
        now: Timestamp,
    ) -> impl Future<Output = Result<Identity, TokenError>> + Send;
}

impl IdentityVerifier for Verifier {
    fn verify(
        &self,
        token: &str,
        now: Timestamp,
    ) -> impl Future<Output = Result<Identity, TokenError>> + Send {
        Self::verify(self, token, now)
    }
}

impl<V: IdentityVerifier> IdentityVerifier for Arc<V> {
    fn verify(
        &self,
        token: &str,
        now: Timestamp,
    ) -> impl Future<Output = Result<Identity, TokenError>> + Send {
        V::verify(self, token, now)
    }
}

/// Verifies identity tokens of the configured issuers.
pub struct Verifier {
    /// By `iss`.
    realms: HashMap<Box<str>, Realm>,
    /// Every table and its keys, in the order of the file.
    issuers: Vec<(Arc<config::Issuer>, Arc<IssuerKeys>)>,
    /// SHA-256 of every key set that is a file, in the order of the tables.
    key_files: Vec<[u8; 32]>,
}

/// Everything that accepts one `iss`.
struct Realm {
    keys: Arc<IssuerKeys>,
    /// INVARIANT: no two of them have an audience in common.
    issuers: Vec<Arc<config::Issuer>>,
}

/// A token that was accepted.
struct Accepted {
    identity: Identity,
    issuer: Arc<config::Issuer>,
}

impl Verifier {
    /// A verifier for these issuers. Nothing is fetched before a token asks for it, or [`Verifier::warm`]; key sets that
    /// are files are read.
    ///
    /// The keys of issuers that come from the same place in `reuse` are carried over, and so is a fetch that is under
    /// way.
    ///
    /// # Errors
    /// [`VerifierError`] if two issuers cannot be told apart, or a CA or key set cannot be used.
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
        let mut made = Self {
            realms: HashMap::new(),
            issuers: Vec::with_capacity(issuers.len()),
            key_files: Vec::new(),
        };
        for issuer in issuers {
            // INVARIANT: one issuer, one prefix; two issuers with the same `sub` never meet (JWT-09).
            if made.issuers.iter().any(|(other, _)| other.name == issuer.name) {
                return Err(VerifierError::SameName(issuer.name.clone()));
            }
            let source = Source::of(issuer);
            let documents = documents(issuer)?;
            let shared = made
                .issuers
                .iter()
                .map(|(_, keys)| keys)
                .find(|keys| keys.source().is_same(&source));
            let kept = || {
                let mut old = reuse?.issuers.iter().map(|(_, keys)| keys);
                old.find(|keys| *keys.source() == source && source.jwks.is_none())
            };
            let keys = match shared.or_else(kept) {
                Some(keys) => Arc::clone(keys),
                None => Arc::new(match key_file(issuer)? {
                    Some((set, digest)) => {
                        made.key_files.push(digest);
                        IssuerKeys::fixed(source, set, documents, clock.clone())
                    }
                    None => IssuerKeys::new(source, documents, clock.clone()),
                }),
            };
            for iss in issuer.accepted() {
                made.admit(iss, issuer, &keys)?;
            }
            made.issuers.push((Arc::clone(issuer), keys));
        }
        Ok(made)
    }

    /// Lets `issuer` accept tokens of this `iss`.
    fn admit(
        &mut self,
        iss: &str,
        issuer: &Arc<config::Issuer>,
        keys: &Arc<IssuerKeys>,
    ) -> Result<(), VerifierError> {
        let realm = self.realms.entry(iss.into()).or_insert_with(|| Realm {
            keys: Arc::clone(keys),
            issuers: Vec::new(),
        });
        for other in &realm.issuers {
            let (first, second) = (other.name.clone(), issuer.name.clone());
            if !Arc::ptr_eq(&realm.keys, keys) {
                return Err(VerifierError::OtherKeys { first, second });
            }
            if issuer
                .audiences
                .iter()
                .any(|audience| other.audiences.contains(audience))
            {
                return Err(VerifierError::SameIssuer { first, second });
            }
        }
        realm.issuers.push(Arc::clone(issuer));
        Ok(())
    }

    /// Verifies a token at this time. May wait up to ten seconds for the issuer's keys.
    ///
    /// # Errors
    /// [`TokenError`] says which rule was broken. Only [`TokenError::IssuerUnavailable`] is worth another try.
    ///
    /// Spec: <https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation>,
    /// <https://www.rfc-editor.org/rfc/rfc8725>
    pub async fn verify(&self, token: &str, now: Timestamp) -> Result<Identity, TokenError> {
        let (verdict, Silent) = self.judge(token, now, Tally::new(Silent)).await;
        verdict.map(|accepted| accepted.identity)
    }

    /// Makes every check of a token.
    async fn judge<N: Notes>(
        &self,
        token: &str,
        now: Timestamp,
        mut tally: Tally<N>,
    ) -> (Result<Accepted, TokenError>, N) {
        let parsed = Unverified::parse(token);
        let summary = match &parsed {
            Ok(token) if N::WHOLE => token.summary(),
            _ => String::new(),
        };
        let Some(token) = tally.check("form", || parsed, || summary) else {
            return tally.verdict(None);
        };
        let iss = token.issuer().unwrap_or_default();
        let found = || self.realms.get(token.issuer()?).ok_or(TokenError::UnknownIssuer);
        let Some(realm) = tally.check("issuer", found, || self.of_iss(iss)) else {
            return tally.verdict(None);
        };
        let key = realm.keys.key(token.kid()).await;
        let Some(key) = tally.check("key", || key, || realm.keys.summary()) else {
            return tally.verdict(None);
        };
        // Inline: 30 to 50 microseconds with RSA, less than it costs to hand it to another thread.
        let Some(claims) = tally.check("signature", || token.verify(&key), String::new) else {
            return tally.verdict(None);
        };
        let case = Case {
            claims: &claims,
            now,
            drift: realm.keys.drift(),
        };
        let accepted = validation::accept(&realm.issuers, case, &mut tally);
        tally.verdict(accepted)
    }

    /// Whose `iss` this is, for a report; and if it is nobody's, whose it may have been meant to be.
    fn of_iss(&self, iss: &str) -> String {
        if let Some(realm) = self.realms.get(iss) {
            let names: Vec<&str> = realm.issuers.iter().map(|issuer| &*issuer.name).collect();
            return format!("iss: {iss:?}, of `{}`", names.join("` or `"));
        }
        let plain = |iss: &str| {
            let iss = iss.trim_end_matches('/').to_ascii_lowercase();
            iss.strip_prefix("https://").map_or(iss.clone(), str::to_owned)
        };
        let mut near = self.realms.keys().filter(|known| plain(known) == plain(iss));
        match near.next() {
            Some(near) => format!("iss: {iss:?}, and every byte counts: configured is {near:?}"),
            None => format!("iss: {iss:?}"),
        }
    }

    /// Fetches the keys of all issuers that have none, at the same time, and waits for the outcome. An issuer
    /// that cannot be reached is not an error: it shows in [`Verifier::readiness`].
    pub async fn warm(&self) {
        let mut fetches = tokio::task::JoinSet::new();
        for (_, keys) in &self.issuers {
            let keys = keys.clone();
            fetches.spawn(async move { keys.warm().await });
        }
        while fetches.join_next().await.is_some() {}
    }

    /// SHA-256 of every key set that is a file: with others, other tokens are accepted.
    pub(crate) fn key_files(&self) -> &[[u8; 32]] {
        &self.key_files
    }

    /// How each issuer is, by its configured name, in the order of names.
    pub fn readiness(&self) -> Vec<(Box<str>, IssuerState)> {
        self.by_name(|keys| keys.state())
    }

    /// How far the clock of each issuer is from ours, as far as one has answered, in the order of names.
    pub fn drifts(&self) -> Vec<(Box<str>, Drift)> {
        let drifts = self.by_name(|keys| keys.drift()).into_iter();
        drifts.filter_map(|(name, drift)| Some((name, drift?))).collect()
    }

    fn by_name<T>(&self, of: impl Fn(&IssuerKeys) -> T) -> Vec<(Box<str>, T)> {
        let issuers = self.issuers.iter();
        let mut all: Vec<_> = issuers
            .map(|(issuer, keys)| (issuer.name.clone(), of(keys)))
            .collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }
}

/// The key set that an issuer's table names, if it names one, and its digest.
fn key_file(issuer: &config::Issuer) -> Result<Option<(KeySet, [u8; 32])>, VerifierError> {
    let Some(path) = &issuer.jwks else {
        return Ok(None);
    };
    let unusable = |cause: String| VerifierError::Jwks {
        issuer: issuer.name.clone(),
        path: path.clone(),
        cause,
    };
    let size = std::fs::metadata(path)
        .map_err(|error| unusable(error.to_string()))?
        .len();
    if size > MAX_BODY as u64 {
        return Err(unusable(format!("larger than {MAX_BODY} bytes")));
    }
    let document = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
    let set = KeySet::parse(&document).map_err(|error| unusable(error.to_string()))?;
    match set.len() {
        0 => Err(unusable("there is no key in it that can be used".to_owned())),
        _ => {
            let mut sum = [0; 32];
            sum.copy_from_slice(digest::digest(&digest::SHA256, &document).as_ref());
            Ok(Some((set, sum)))
        }
    }
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier")
            .field("issuers", &self.readiness())
            .finish()
    }
}
