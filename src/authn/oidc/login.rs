//! The ID token of a login: everything that holds for tokens, and that it answers this login.
//!
//! A genuine token is not enough here. One that the issuer gave to another client, or to this client for another
//! login, would log its finder in as somebody else. So the token is for our client alone, carries the nonce of the
//! login (OID-02), and fits the access token that came with it.
//!
//! Spec: <https://openid.net/specs/openid-connect-core-1_0.html#CodeIDToken>

use super::tally::{Silent, Tally};
use super::token::{Claims, Unverified};
use super::validation::{self, Case};
use super::{Identity, TokenError, Verifier};
use crate::config;
use crate::json::Json;
use aws_lc_rs::{constant_time, digest};
use data_encoding::BASE64URL_NOPAD;
use jiff::Timestamp;
use jsonwebtoken::Algorithm;
use std::sync::Arc;

/// What an ID token must answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LoginProof<'a> {
    /// The login was begun there.
    pub(crate) issuer: &'a config::Issuer,
    /// Ours, at that issuer.
    pub(crate) client_id: &'a str,
    /// What the browser was sent with.
    pub(crate) nonce: &'a str,
    /// What came along with the ID token.
    pub(crate) access_token: &'a str,
}

impl Verifier {
    /// Verifies the ID token of a login at this time. The audience is the client's id, whatever audiences are
    /// configured for other doors. May wait up to ten seconds for the issuer's keys.
    ///
    /// # Errors
    /// As [`Verifier::verify`].
    pub(crate) async fn verify_login(
        &self,
        token: &str,
        proof: LoginProof<'_>,
        now: Timestamp,
    ) -> Result<Identity, TokenError> {
        let token = Unverified::parse(token)?;
        if token.issuer()? != &*proof.issuer.issuer {
            return Err(TokenError::Refused(
                "the ID token is of another issuer than the login",
            ));
        }
        let mut known = self.issuers.iter();
        let known = known.find(|(issuer, _)| issuer.name == proof.issuer.name);
        let (_, keys) = known.ok_or(TokenError::UnknownIssuer)?;
        let key = keys.key(token.kid()).await?;
        let algorithm = token.algorithm();
        let claims = token.verify(&key)?;
        // Its table, but for the audiences: those are for other doors.
        let ours = Arc::new(config::Issuer {
            audiences: vec![proof.client_id.into()],
            ..proof.issuer.clone()
        });
        let case = Case {
            claims: &claims,
            now,
            drift: keys.drift(),
        };
        let mut tally = Tally::new(Silent);
        let accepted = validation::accept(&[ours], case, &mut tally);
        let (verdict, Silent) = tally.verdict(accepted);
        let identity = verdict?.identity;
        check(&claims, algorithm, &proof)?;
        Ok(identity)
    }
}

/// What an ID token says of its login.
fn check(claims: &Claims, algorithm: Algorithm, proof: &LoginProof<'_>) -> Result<(), TokenError> {
    let text = |name: &str| claims.get(name).and_then(Json::as_str);
    let equal = |a: &str, b: &str| constant_time::verify_slices_are_equal(a.as_bytes(), b.as_bytes()).is_ok();
    if !text("nonce").is_some_and(|nonce| equal(nonce, proof.nonce)) {
        return Err(TokenError::Refused("`nonce` is not that of the login"));
    }
    let several = matches!(claims.get("aud"), Some(Json::Array(audiences)) if audiences.len() > 1);
    match claims.get("azp") {
        None if several => {
            return Err(TokenError::Refused(
                "the ID token has several audiences and no `azp`",
            ));
        }
        None => {}
        Some(Json::String(azp)) if **azp == *proof.client_id => {}
        Some(_) => return Err(TokenError::Refused("`azp` is another client")),
    }
    match claims.get("at_hash") {
        // Optional when a code is exchanged.
        None => Ok(()),
        Some(Json::String(hash)) if equal(hash, &half_hash(algorithm, proof.access_token)) => Ok(()),
        Some(_) => Err(TokenError::Refused("`at_hash` is not that of the access token")),
    }
}

/// The left half of the hash that goes with the algorithm of the ID token.
fn half_hash(algorithm: Algorithm, text: &str) -> String {
    let hash = match algorithm {
        Algorithm::RS384 | Algorithm::PS384 | Algorithm::ES384 => &digest::SHA384,
        // Ed25519 has SHA-512 inside.
        Algorithm::RS512 | Algorithm::PS512 | Algorithm::EdDSA => &digest::SHA512,
        // The rest of those that a token may name; of another one the hash would be wrong, and refused.
        _ => &digest::SHA256,
    };
    let digest = digest::digest(hash, text.as_bytes());
    let half = digest.as_ref().len() / 2;
    BASE64URL_NOPAD.encode(digest.as_ref().get(..half).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(claims: &str, accepted: bool) {
        let claims = Claims::for_test(claims);
        let issuer = crate::authn::oidc::tests::issuer("idp", "https://idp.test");
        let proof = LoginProof {
            issuer: &issuer,
            client_id: "tidegate",
            nonce: "n-0S6_WzA2Mj",
            access_token: "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y",
        };
        let found = super::check(&claims, Algorithm::RS256, &proof);
        assert_eq!(found.is_ok(), accepted, "{claims:?}: {found:?}");
    }

    // OID-02
    #[test]
    fn an_id_token_answers_one_login_of_one_client() {
        check(r#"{"nonce":"n-0S6_WzA2Mj"}"#, true);
        check(r#"{"nonce":"n-0S6_WzA2Mj","aud":["tidegate"]}"#, true);
        check(
            r#"{"nonce":"n-0S6_WzA2Mj","aud":["tidegate","api"],"azp":"tidegate"}"#,
            true,
        );
        check(r#"{"nonce":"n-0S6_WzA2Mj","azp":"tidegate"}"#, true);
        for refused in [
            r#"{}"#,
            r#"{"nonce":""}"#,
            r#"{"nonce":"n-0S6_WzA2Mk"}"#,
            r#"{"nonce":"n-0S6_WzA2M"}"#,
            r#"{"nonce":["n-0S6_WzA2Mj"]}"#,
            r#"{"nonce":null}"#,
            r#"{"nonce":"n-0S6_WzA2Mj","aud":["tidegate","api"]}"#,
            r#"{"nonce":"n-0S6_WzA2Mj","azp":"api"}"#,
            r#"{"nonce":"n-0S6_WzA2Mj","azp":["tidegate"]}"#,
            r#"{"nonce":"n-0S6_WzA2Mj","azp":null}"#,
            r#"{"nonce":"n-0S6_WzA2Mj","at_hash":null}"#,
            r#"{"nonce":"n-0S6_WzA2Mj","at_hash":""}"#,
        ] {
            check(refused, false);
        }
    }

    // Vector: OpenID Connect Core 1.0, A.3.
    #[test]
    fn the_access_token_fits_the_id_token() {
        check(
            r#"{"nonce":"n-0S6_WzA2Mj","at_hash":"77QmUPtjPfzWtF2AnpK9RQ"}"#,
            true,
        );
        check(
            r#"{"nonce":"n-0S6_WzA2Mj","at_hash":"77QmUPtjPfzWtF2AnpK9RR"}"#,
            false,
        );
        let lengths = |algorithm| half_hash(algorithm, "x").len();
        assert_eq!(lengths(Algorithm::ES256), 22);
        assert_eq!(lengths(Algorithm::ES384), 32);
        assert_eq!(lengths(Algorithm::EdDSA), 43);
    }
}
