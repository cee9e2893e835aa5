//! The two messages of the authorization code flow with PKCE: the browser is sent to the issuer, and the code that it
//! comes back with is exchanged.
//!
//! `openidconnect` writes and reads them. What its ID token says is not taken from it: the token goes, as it was
//! received, to the verifier that judges the tokens of every other door. The one HTTP client is [`Fetcher`]: nothing
//! is followed, and time and size are bounded.
//!
//! INVARIANT: the redirect URI is made of configuration alone (OID-03), and the challenge is always S256 (OID-02).
//!
//! Spec: <https://openid.net/specs/openid-connect-core-1_0.html#CodeFlowAuth>, <https://www.rfc-editor.org/rfc/rfc7636>

use super::attempt::Begun;
use crate::authn::oidc::Endpoints;
use crate::config;
use crate::error::with_causes;
use crate::fetch::{FetchError, Fetcher};
use crate::secret::Secret;
use crate::secrets::SecretReader;
use http::{HeaderValue, header};
use openidconnect::core::{
    CoreAuthPrompt, CoreAuthenticationFlow, CoreClient, CoreErrorResponseType, CoreTokenResponse,
};
use openidconnect::{
    AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointNotSet, EndpointSet,
    HttpRequest, HttpResponse, IssuerUrl, JsonWebKeySet, Nonce, OAuth2TokenResponse, PkceCodeChallenge,
    PkceCodeVerifier, RedirectUrl, RequestTokenError, Scope, StandardErrorResponse, TokenResponse, TokenUrl,
};

/// A client that can do both.
type Client =
    CoreClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet, EndpointNotSet>;

/// One side of the flow: us, at one issuer.
pub(super) struct Flow<'a> {
    pub(super) issuer: &'a config::Issuer,
    pub(super) settings: &'a config::Login,
    pub(super) endpoints: &'a Endpoints,
    /// Where the browser comes back to.
    pub(super) redirect: &'a str,
    pub(super) secrets: &'a SecretReader,
}

/// What a code was exchanged for.
pub(super) struct Tokens {
    /// As it was received.
    pub(super) id_token: Secret,
    /// Only looked at to see whether the ID token belongs to it.
    pub(super) access_token: Secret,
}

/// Why a flow cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FlowError {
    #[error("the configured login cannot be used: {0}")]
    Settings(String),
    #[error("the identity provider cannot be reached: {0}")]
    Unreachable(String),
    #[error("the identity provider does not take the code: `{0}`")]
    Code(&'static str),
    #[error("the identity provider does not take our client: `{0}`")]
    Client(&'static str),
    #[error("the identity provider's answer is not understood: {0}")]
    Answer(&'static str),
}

impl Flow<'_> {
    /// Where the browser is sent. With `other_account` the person is asked who they are, even if the issuer knows.
    ///
    /// # Errors
    /// [`FlowError::Settings`] if the issuer's URLs are not acceptable.
    pub(super) fn authorization(&self, begun: &Begun, other_account: bool) -> Result<String, FlowError> {
        let client = self.client()?;
        let (state, nonce) = (begun.state.clone(), begun.nonce.clone());
        let mut request = client.authorize_url(
            CoreAuthenticationFlow::AuthorizationCode,
            move || CsrfToken::new(state),
            move || Nonce::new(nonce),
        );
        for scope in self.settings.scopes.iter().filter(|scope| ***scope != *"openid") {
            request = request.add_scope(Scope::new(scope.to_string()));
        }
        if other_account {
            request = request.add_prompt(self.prompt());
        }
        let verifier = pkce(&begun.verifier)?;
        let request = request.set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier));
        Ok(request.url().0.into())
    }

    /// Exchanges a code. Waits up to five seconds for the issuer.
    ///
    /// # Errors
    /// [`FlowError`]; nothing of the issuer's own words is in it.
    pub(super) async fn exchange(&self, code: &str, verifier: &Secret) -> Result<Tokens, FlowError> {
        let client = self.authenticated().await?;
        let ca = self.issuer.ca.clone();
        let fetcher = tokio::task::spawn_blocking(move || Fetcher::new(ca.as_deref())).await;
        let fetcher = fetcher
            .map_err(|_| FlowError::Settings("the trusted roots could not be loaded".to_owned()))?
            .map_err(|error| FlowError::Settings(with_causes(&error)))?
            .with_guard(self.endpoints.guard);
        let http = |request: HttpRequest| send(fetcher.clone(), request);
        let exchange = client
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .set_pkce_verifier(pkce(verifier)?)
            .request_async(&http);
        let answer: CoreTokenResponse = exchange.await.map_err(|error| refused(&error))?;
        let id_token = answer
            .id_token()
            .ok_or(FlowError::Answer("it has no `id_token`"))?;
        Ok(Tokens {
            id_token: Secret::new(id_token.to_string()),
            access_token: Secret::new(answer.access_token().secret().as_str()),
        })
    }

    fn client(&self) -> Result<Client, FlowError> {
        let unusable =
            |what: &'static str| move |error| FlowError::Settings(format!("{what} is not a URL: {error}"));
        let issuer = IssuerUrl::new(self.issuer.issuer.to_string()).map_err(unusable("`issuer`"))?;
        let authorization = AuthUrl::new(self.endpoints.authorization.to_string());
        let token = TokenUrl::new(self.endpoints.token.to_string());
        let redirect = RedirectUrl::new(self.redirect.to_owned());
        // No keys: the ID token is verified elsewhere.
        let client = CoreClient::new(
            ClientId::new(self.settings.client_id.to_string()),
            issuer,
            JsonWebKeySet::new(Vec::new()),
        );
        Ok(client
            .set_auth_uri(authorization.map_err(unusable("`authorization_endpoint`"))?)
            .set_token_uri(token.map_err(unusable("`token_endpoint`"))?)
            .set_redirect_uri(redirect.map_err(unusable("`login.url`"))?))
    }

    /// The client with its secret, if it has one; read anew, so that a rotated one counts without a reload.
    async fn authenticated(&self) -> Result<Client, FlowError> {
        let client = self.client()?;
        let Some(reference) = &self.settings.client_secret else {
            return Ok(client);
        };
        let secret = Box::pin(self.secrets.read(reference)).await;
        let secret = secret.map_err(|error| FlowError::Settings(with_causes(&error)))?;
        let text = secret
            .expose_str()
            .ok_or_else(|| FlowError::Settings("`client_secret` is not UTF-8".to_owned()))?;
        let how = match self.endpoints.secret_in_form {
            true => AuthType::RequestBody,
            false => AuthType::BasicAuth,
        };
        Ok(client
            .set_client_secret(ClientSecret::new(text.to_owned()))
            .set_auth_type(how))
    }

    /// How an issuer is told to ask again. Where it does not say what it knows: `login` is known to nearly all, and
    /// Google has only the choice of an account.
    fn prompt(&self) -> CoreAuthPrompt {
        let knows = |prompt: &str| self.endpoints.prompts.iter().any(|known| **known == *prompt);
        let google = *self.issuer.issuer == *"https://accounts.google.com";
        if knows("select_account") || (google && self.endpoints.prompts.is_empty()) {
            CoreAuthPrompt::SelectAccount
        } else {
            CoreAuthPrompt::Login
        }
    }
}

fn pkce(verifier: &Secret) -> Result<PkceCodeVerifier, FlowError> {
    let text = verifier.expose_str().ok_or(FlowError::Answer("no verifier"))?;
    Ok(PkceCodeVerifier::new(text.to_owned()))
}

/// Why a token endpoint gave no answer.
#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("its token endpoint answers with status {0}")]
    Status(u16),
}

/// The HTTP client of `openidconnect`.
async fn send(fetcher: Fetcher, request: HttpRequest) -> Result<HttpResponse, SendError> {
    let (head, body) = request.into_parts();
    let body = String::from_utf8(body).map_err(|_| FetchError::Url("the form is not text"))?;
    let headers: Vec<_> = head
        .headers
        .iter()
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let answer = fetcher.post_form(&head.uri.to_string(), body, &headers).await?;
    if answer.status.is_server_error() {
        return Err(SendError::Status(answer.status.as_u16()));
    }
    let mut response = HttpResponse::new(answer.body.to_vec());
    *response.status_mut() = answer.status;
    let content_type = answer.content_type.as_deref().map(HeaderValue::from_str);
    if let Some(Ok(content_type)) = content_type {
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    }
    Ok(response)
}

/// In our own words: whatever the issuer says besides its code may quote the code or the secret.
fn refused(error: &RequestTokenError<SendError, StandardErrorResponse<CoreErrorResponseType>>) -> FlowError {
    match error {
        RequestTokenError::Request(cause) => FlowError::Unreachable(with_causes(cause)),
        RequestTokenError::ServerResponse(answer) => match answer.error() {
            CoreErrorResponseType::InvalidGrant => FlowError::Code("invalid_grant"),
            CoreErrorResponseType::InvalidClient => FlowError::Client("invalid_client"),
            CoreErrorResponseType::UnauthorizedClient => FlowError::Client("unauthorized_client"),
            CoreErrorResponseType::InvalidScope => FlowError::Client("invalid_scope"),
            CoreErrorResponseType::InvalidRequest => FlowError::Client("invalid_request"),
            CoreErrorResponseType::UnsupportedGrantType => FlowError::Client("unsupported_grant_type"),
            CoreErrorResponseType::Extension(_) => {
                FlowError::Answer("its error is not one of a token endpoint")
            }
        },
        RequestTokenError::Parse(..) => FlowError::Answer("it is not a token response"),
        RequestTokenError::Other(_) => FlowError::Answer("it is empty, or of another content type"),
    }
}
