//! The authorization code with PKCE, in a browser.
//!
//! Spec: RFC 6749, 7636 (S256 alone), 8252, 9207.

use super::landing::{Expected, Landing};
use super::provider::Provider;
use super::tokens::Granted;
use super::{Flow, Lines, LoginError, browser};
use crate::client::random;
use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::BASE64URL_NOPAD;

impl Flow<'_> {
    /// Sends somebody to the provider and waits until the browser, or what is pasted, comes back.
    pub(super) async fn with_code(&self, open: bool, lines: Option<Lines>) -> Result<Granted, LoginError> {
        let landing = Landing::open(self.redirect).await?;
        let verifier = random::string()?;
        let (state, nonce) = (random::string()?, random::string()?);
        let url = self.authorization_url(landing.redirect_uri(), &state, &nonce, &verifier)?;
        let expected = Expected::new(state, &self.provider.issuer, self.provider.names_itself);
        let opened = open && browser::open(&url, self.environment);
        if opened {
            self.console.say("Logging in: a browser has been opened.");
            self.console.say(format!("If it has not, go to\n\n  {url}\n"));
        } else {
            self.console.say(format!("To log in, go to\n\n  {url}\n"));
        }
        if lines.is_some() {
            self.console.say(
                "If the last page cannot be shown (`127.0.0.1 refused to connect`), paste its whole address here and press Enter.",
            );
        }
        let waiting = landing.wait(&expected, lines, self.console);
        let code = match tokio::time::timeout(self.patience, waiting).await {
            Ok(answer) => answer?,
            Err(_) => return Err(LoginError::TimedOut(self.patience)),
        };
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code.expose_str().unwrap_or_default()),
            ("redirect_uri", landing.redirect_uri()),
            ("code_verifier", &verifier),
        ];
        self.grant(&form, Some(&nonce)).await
    }

    fn authorization_url(
        &self,
        redirect_uri: &str,
        state: &str,
        nonce: &str,
        verifier: &str,
    ) -> Result<String, LoginError> {
        let Provider {
            issuer,
            authorization_endpoint,
            ..
        } = self.provider;
        let endpoint = authorization_endpoint
            .as_deref()
            .ok_or_else(|| LoginError::Provider {
                issuer: issuer.clone(),
                problem: "it has no authorization endpoint".to_owned(),
            })?;
        let scopes = self.provider.scopes(&self.issuer.scopes);
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs([
            ("response_type", "code"),
            ("client_id", &self.issuer.client_id),
            ("redirect_uri", redirect_uri),
            ("scope", &scopes),
            ("state", state),
            ("nonce", nonce),
            ("code_challenge", &challenge(verifier)),
            ("code_challenge_method", "S256"),
        ]);
        // OpenID Connect Core 11: without it, a provider ignores `offline_access`.
        if scopes.split(' ').any(|scope| scope == "offline_access") {
            query.append_pair("prompt", "consent");
        }
        let separator = if endpoint.contains('?') { '&' } else { '?' };
        Ok(format!("{endpoint}{separator}{}", query.finish()))
    }
}

/// RFC 7636, 4.2.
fn challenge(verifier: &str) -> String {
    BASE64URL_NOPAD.encode(digest(&SHA256, verifier.as_bytes()).as_ref())
}

#[cfg(test)]
mod tests {
    // RFC 7636, appendix B.
    #[test]
    fn the_challenge_is_that_of_the_standard() {
        let challenge = super::challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert_eq!(challenge, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }
}
