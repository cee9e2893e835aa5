//! The form of a token: what can be refused without a key.
//!
//! Everything cheap comes first, so that garbage never reaches RSA. Before the signature is verified nothing of
//! the claims can be read but `iss`, and that only as a name to look up (JWT-05): [`Unverified`] has no other
//! door. Members that point at keys (`jku`, `x5u`, `jwk`, `x5c`) are not looked at; keys come from the
//! configured issuer alone.
//!
//! Spec: <https://www.rfc-editor.org/rfc/rfc7515>, <https://www.rfc-editor.org/rfc/rfc8725>

use super::{TokenError, jwks::Key};
use crate::config::ClaimPath;
use crate::json::{Json, Object};
use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::Algorithm;

/// Bytes of a token. Entra's longest, with 200 groups, has about 10 KiB.
const MAX_TOKEN: usize = 16 * 1024;
/// Bytes of a `kid`.
const MAX_KID: usize = 1024;

/// A token that looks like one. Nothing in it is true yet.
pub(super) struct Unverified<'t> {
    algorithm: Algorithm,
    kid: Box<str>,
    claims: Object,
    signed: &'t str,
    signature: &'t str,
    signature_bytes: usize,
}

/// The claims of a token whose signature is right.
#[derive(Debug)]
pub(super) struct Claims(Object);

impl<'t> Unverified<'t> {
    /// Takes a token apart.
    ///
    /// # Errors
    /// [`TokenError::Malformed`] for what is not a signed JWT; [`TokenError::Refused`] for one that we would not
    /// accept from anybody.
    pub(super) fn parse(token: &'t str) -> Result<Self, TokenError> {
        // The size is checked before anything walks through the token.
        if token.len() > MAX_TOKEN {
            return Err(TokenError::Malformed("longer than 16 KiB"));
        }
        let mut segments = token.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (segments.next(), segments.next(), segments.next(), segments.next())
        else {
            return Err(TokenError::Malformed("not three segments"));
        };
        let (algorithm, kid) = read_header(&object(header, "the header is not strict JSON")?)?;
        let claims = object(payload, "the claims are not strict JSON")?;
        let signature_bytes = decoded(signature)?.len();
        let signed = token
            .get(..header.len() + 1 + payload.len())
            .ok_or(TokenError::Malformed("not three segments"))?;
        Ok(Self {
            algorithm,
            kid,
            claims,
            signed,
            signature,
            signature_bytes,
        })
    }

    /// `iss`, to be looked up and for nothing else.
    pub(super) fn issuer(&self) -> Result<&str, TokenError> {
        self.claims
            .text("iss")
            .ok_or(TokenError::Malformed("`iss` is missing or not a string"))
    }

    /// Which of the issuer's keys signed it, as the token says.
    pub(super) fn kid(&self) -> &str {
        &self.kid
    }

    /// How it is signed and how long it is, for a report.
    pub(super) fn summary(&self) -> String {
        let bytes = self.signed.len() + 1 + self.signature.len();
        format!("{:?}, kid {:?}, {bytes} bytes", self.algorithm, self.kid)
    }

    /// How it was signed, as the token says.
    pub(super) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Gives the claims out if `key` signed them.
    ///
    /// # Errors
    /// [`TokenError::Refused`] if the key is not for this algorithm or the signature is wrong.
    pub(super) fn verify(self, key: &Key) -> Result<Claims, TokenError> {
        if !key.allows(self.algorithm) {
            return Err(TokenError::Refused("`alg` does not belong to the key"));
        }
        if self.signature_bytes != key.signature_bytes() {
            return Err(TokenError::Refused("the signature has the wrong length"));
        }
        match jsonwebtoken::crypto::verify(
            self.signature,
            self.signed.as_bytes(),
            key.decoding(),
            self.algorithm,
        ) {
            Ok(true) => Ok(Claims(self.claims)),
            Ok(false) | Err(_) => Err(TokenError::Refused("the signature is wrong")),
        }
    }
}

impl Claims {
    /// The claim with exactly this name.
    pub(super) fn get(&self, name: &str) -> Option<&Json> {
        self.0.get(name)
    }

    /// The claim that these names lead to.
    pub(super) fn at(&self, path: &ClaimPath) -> Option<&Json> {
        let (first, inner) = path.names().split_first()?;
        inner
            .iter()
            .try_fold(self.0.get(first)?, |claim, name| match claim {
                Json::Object(members) => members.get(name),
                _ => None,
            })
    }

    /// Claims that nobody signed.
    #[cfg(test)]
    pub(super) fn for_test(document: &str) -> Self {
        Self(Object::parse(document.as_bytes()).unwrap())
    }
}

fn object(segment: &str, otherwise: &'static str) -> Result<Object, TokenError> {
    let json = decoded(segment)?;
    // serde's message is dropped: it is about the caller's bytes and would reach the log.
    Object::parse(&json).map_err(|_| TokenError::Malformed(otherwise))
}

/// Strict: one text for each value, without padding, line ends or unused bits.
fn decoded(segment: &str) -> Result<Vec<u8>, TokenError> {
    BASE64URL_NOPAD
        .decode(segment.as_bytes())
        .map_err(|_| TokenError::Malformed("a segment is not base64url"))
}

fn read_header(header: &Object) -> Result<(Algorithm, Box<str>), TokenError> {
    let algorithm = header
        .text("alg")
        .and_then(algorithm)
        .ok_or(TokenError::Refused("`alg` is missing or not accepted"))?;
    // We understand no extension, and `b64` changes what is signed.
    if header.get("crit").is_some() || header.get("b64").is_some() {
        return Err(TokenError::Refused("the header asks for an extension"));
    }
    match header.get("typ") {
        None => {}
        Some(Json::String(typ)) if is_accepted_type(typ) => {}
        Some(_) => return Err(TokenError::Refused("`typ` is not accepted")),
    }
    match header.text("kid") {
        Some(kid) if !kid.is_empty() && kid.len() <= MAX_KID => Ok((algorithm, kid.into())),
        _ => Err(TokenError::Refused("`kid` is missing or not accepted")),
    }
}

/// INVARIANT: signatures by public key only. An HMAC here would make every published key a shared secret
/// (JWT-01, JWT-02).
pub(super) fn algorithm(name: &str) -> Option<Algorithm> {
    match name {
        "RS256" => Some(Algorithm::RS256),
        "RS384" => Some(Algorithm::RS384),
        "RS512" => Some(Algorithm::RS512),
        "PS256" => Some(Algorithm::PS256),
        "PS384" => Some(Algorithm::PS384),
        "PS512" => Some(Algorithm::PS512),
        "ES256" => Some(Algorithm::ES256),
        "ES384" => Some(Algorithm::ES384),
        "EdDSA" => Some(Algorithm::EdDSA),
        _ => None,
    }
}

/// Identity and access tokens; not logout tokens, DPoP proofs and whatever else an issuer signs (JWT-07).
///
/// Media types are compared without case, and `application/` may be left out (RFC 7515, 4.1.9).
fn is_accepted_type(typ: &str) -> bool {
    let short = match typ.split_at_checked("application/".len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case("application/") => rest,
        _ => typ,
    };
    short.eq_ignore_ascii_case("JWT") || short.eq_ignore_ascii_case("at+jwt")
}
