//! Stand-ins for those of Google's services that give out access tokens, as strict as their documentation.
//!
//! The token service verifies our tokens with our key set, as if it had been uploaded to the provider: signature, issuer,
//! audience, times, length of the subject, attribute condition. IAM Credentials wants a federated token and a binding of
//! its principal. The metadata server wants its header and says who it is. The OAuth endpoint verifies the assertion of
//! the service account. A token is known by whom it was given for, what it may be used for and when it ends: the stand-in
//! for Cloud Storage asks.

use data_encoding::BASE64URL_NOPAD;
use http::{Request, Response, request::Parts};
use http_body_util::{BodyExt, Full};
use hyper::{body::Bytes, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use tempfile::TempDir;
use tidegate::clock::Clock;
use tidegate::config::OwnIssuer;
use tidegate::issuer::{Issuer, SigningKeys};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub const POOL: &str = "//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/tidegate";
pub const ACCOUNT: &str = "tidegate@acme.iam.gserviceaccount.com";
/// `iss` of Tidegate's own tokens.
pub const ISSUER: &str = "https://s3.tidegate.test";
const STORAGE: &str = "https://www.googleapis.com/auth/devstorage.full_control";
const PLATFORM: &str = "https://www.googleapis.com/auth/cloud-platform";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// The provider's full name.
pub fn provider() -> String {
    format!("{POOL}/providers/tidegate")
}

/// The principal that a subject of the pool is.
pub fn principal(subject: &str) -> String {
    format!("principal:{POOL}/subject/{subject}")
}

/// Dropping it ends it.
pub struct FakeGoogle {
    pub address: SocketAddr,
    /// Keys of Tidegate's issuer, and of the service account.
    pub dir: TempDir,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

struct State {
    /// Of the provider: whose tokens it takes.
    issuer: String,
    audiences: Vec<String>,
    keys: JwkSet,
    /// The attribute condition: what subjects begin with.
    admits: Vec<String>,
    /// Who may impersonate the service account.
    impersonators: Vec<String>,
    account_keys: JwkSet,
    /// Seconds that tokens are good for.
    life: i64,
    /// Answered instead of anything else: status, headers, body.
    broken: Option<(u16, &'static str, String)>,
    tokens: BTreeMap<String, Token>,
    asked: Vec<String>,
    count: u64,
}

/// What is known of an access token.
#[derive(Clone, Debug)]
struct Token {
    to: String,
    scopes: Vec<String>,
    ends: i64,
}

/// Status and body.
type Refused = (u16, Value);

impl FakeGoogle {
    /// One that takes the tokens of shared sessions, and those of principals of the issuer `idp`.
    pub async fn start() -> Arc<Self> {
        let dir = tempfile::tempdir().unwrap();
        let keys = |name: &str| {
            let keys = dir.path().join(name);
            SigningKeys::create(&keys, super::now()).unwrap();
            let settings = OwnIssuer {
                url: ISSUER.into(),
                keys,
                serves: false,
            };
            let issuer = Issuer::load(&settings, &Clock::system()).unwrap();
            serde_json::from_str::<JwkSet>(&issuer.jwks()).unwrap()
        };
        let (keys, account_keys) = (keys("issuer-keys.toml"), keys("account-keys.toml"));
        write_account(dir.path(), &account_keys);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State {
            issuer: ISSUER.into(),
            audiences: vec![format!("https:{}", provider())],
            keys,
            admits: vec!["target/store".into(), "idp:".into()],
            impersonators: Vec::new(),
            account_keys,
            life: 3600,
            broken: None,
            tokens: BTreeMap::new(),
            asked: Vec::new(),
            count: 0,
        }));
        let shared = state.clone();
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let state = shared.clone();
                let service = service_fn(move |request| serve(state.clone(), request));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Arc::new(Self {
            address,
            dir,
            state,
            task,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn trusts(&self, issuer: &str, audience: &str) {
        let mut state = self.state();
        state.issuer = issuer.into();
        state.audiences = vec![audience.into()];
    }

    pub fn admits(&self, subjects: &[&str]) {
        self.state().admits = subjects.iter().map(|subject| (*subject).to_owned()).collect();
    }

    pub fn lets_impersonate(&self, members: &[String]) {
        self.state().impersonators = members.to_vec();
    }

    pub fn answers(&self, status: u16, headers: &'static str, body: &str) {
        self.state().broken = Some((status, headers, body.to_owned()));
    }

    pub fn recovers(&self) {
        self.state().broken = None;
    }

    /// Every token that was given out is unknown from now on.
    pub fn revokes_all(&self) {
        self.state().tokens.clear();
    }

    /// The service account's key was deleted: another one is known.
    pub fn forgets_the_key(&self) {
        let mut state = self.state();
        state.account_keys = state.keys.clone();
    }

    /// The paths that were asked for, in order.
    pub fn asked(&self) -> Vec<String> {
        self.state().asked.clone()
    }

    /// Who a token was given for.
    pub fn given_for(&self, token: &str) -> String {
        self.state()
            .tokens
            .get(token)
            .expect("a token that is known")
            .to
            .clone()
    }

    /// Every token that was given out and is good.
    pub fn tokens(&self) -> Vec<String> {
        self.state().tokens.keys().cloned().collect()
    }

    /// Whether Cloud Storage takes a token.
    pub fn may_use_storage(&self, token: &str) -> Result<(), (u16, &'static str)> {
        let state = self.state();
        let known = state.tokens.get(token).ok_or((401, "Invalid Credentials"))?;
        if known.ends <= super::now().as_second() {
            return Err((401, "Token expired"));
        }
        match known
            .scopes
            .iter()
            .any(|scope| [STORAGE, PLATFORM].contains(&&**scope))
        {
            true => Ok(()),
            false => Err((403, "Insufficient OAuth2 scope to perform this operation.")),
        }
    }
}

impl Drop for FakeGoogle {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The key file of the service account, as Google would have made it.
fn write_account(dir: &Path, keys: &JwkSet) {
    let text = std::fs::read_to_string(dir.join("account-keys.toml")).unwrap();
    let (start, end) = (text.find("-----BEGIN").unwrap(), text.find("-----END").unwrap());
    let document = json!({
        "type": "service_account",
        "project_id": "acme",
        "private_key_id": keys.keys[0].common.key_id,
        "private_key": format!("{}-----END PRIVATE KEY-----\n", &text[start..end]),
        "client_email": ACCOUNT,
        "client_id": "1",
        "token_uri": "https://oauth2.googleapis.com/token",
        "universe_domain": "googleapis.com",
    });
    let path = dir.join("account.json");
    std::fs::write(&path, document.to_string()).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

async fn serve(
    state: Arc<Mutex<State>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    #[allow(clippy::disallowed_methods, reason = "what is sent to it in tests is small")]
    let body = body.collect().await.unwrap().to_bytes();
    let mut state = state.lock().unwrap();
    let path = head.uri.path().to_owned();
    state.asked.push(path.clone());
    if let Some((status, headers, body)) = &state.broken {
        let mut response = Response::builder().status(*status);
        for (name, value) in headers.lines().filter_map(|line| line.split_once(": ")) {
            response = response.header(name, value);
        }
        return Ok(response.body(Full::from(body.clone())).unwrap());
    }
    let is_metadata = path.starts_with("/computeMetadata/");
    let answer = match &*path {
        "/v1/token" => state.exchange(&head, &body),
        "/token" => state.assertion(&head, &body),
        _ if is_metadata => state.metadata(&head),
        _ => state.impersonate(&head, &body),
    };
    let (status, body) = answer.map_or_else(|refused| refused, |body| (200, body));
    let mut response = Response::builder()
        .status(status)
        .header("content-type", "application/json; charset=UTF-8");
    if is_metadata {
        response = response.header("Metadata-Flavor", "Google");
    }
    Ok(response.body(Full::from(body.to_string())).unwrap())
}

impl State {
    /// `sts.googleapis.com/v1/token`.
    fn exchange(&mut self, head: &Parts, body: &[u8]) -> Result<Value, Refused> {
        let form = form(head, body)?;
        let refused =
            |code: &str, message: &str| (400, json!({ "error": code, "error_description": message }));
        let field = |name: &str| form.get(name).cloned().unwrap_or_default();
        if field("grant_type") != "urn:ietf:params:oauth:grant-type:token-exchange" {
            return Err(refused("unsupported_grant_type", "Invalid grant type"));
        }
        if field("requested_token_type") != ACCESS_TOKEN {
            return Err(refused(
                "invalid_request",
                "Invalid value for \"requestedTokenType\"",
            ));
        }
        if field("subject_token_type") != "urn:ietf:params:oauth:token-type:jwt" {
            return Err(refused(
                "invalid_request",
                "Invalid value for \"subjectTokenType\"",
            ));
        }
        if field("audience") != provider() {
            let message = "The target service indicated by the \"audience\" parameters is invalid.";
            return Err(refused("invalid_target", message));
        }
        let scopes =
            scopes(&field("scope")).ok_or_else(|| refused("invalid_scope", "Invalid OAuth scope."))?;
        let claims = verified(&field("subject_token"), &self.keys)
            .map_err(|message| refused("invalid_grant", &message))?;
        if claims["iss"] != *self.issuer {
            let message = format!(
                "The issuer in ID Token {} does not match the expected ones.",
                claims["iss"]
            );
            return Err(refused("invalid_grant", &message));
        }
        if !claims["aud"]
            .as_str()
            .is_some_and(|aud| self.audiences.iter().any(|known| known == aud))
        {
            let message = format!(
                "The audience in ID Token [{}] does not match the expected audience.",
                claims["aud"]
            );
            return Err(refused("invalid_grant", &message));
        }
        let subject = claims["sub"].as_str().unwrap_or_default().to_owned();
        if subject.is_empty() || subject.len() > 127 {
            let message = "The size of mapped attribute google.subject exceeds the 127 bytes limit.";
            return Err(refused("invalid_grant", message));
        }
        if !self.admits.iter().any(|start| subject.starts_with(&**start)) {
            let message = "The given credential is rejected by the attribute condition.";
            return Err(refused("unauthorized_client", message));
        }
        let token = self.grant(principal(&subject), scopes);
        Ok(json!({
            "access_token": token,
            "issued_token_type": ACCESS_TOKEN,
            "token_type": "Bearer",
            "expires_in": self.life,
        }))
    }

    /// `iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/…:generateAccessToken`.
    fn impersonate(&mut self, head: &Parts, body: &[u8]) -> Result<Value, Refused> {
        let refused = |code: u16, status: &str, message: &str| {
            (
                code,
                json!({ "error": { "code": code, "message": message, "status": status } }),
            )
        };
        if head.uri.path() != format!("/v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken") {
            return Err(refused(404, "NOT_FOUND", "Requested entity was not found."));
        }
        let bearer = header(head, "authorization")
            .strip_prefix("Bearer ")
            .unwrap_or_default();
        let Some(caller) = self
            .tokens
            .get(bearer)
            .filter(|token| token.ends > super::now().as_second())
        else {
            return Err(refused(
                401,
                "UNAUTHENTICATED",
                "Request had invalid authentication credentials.",
            ));
        };
        if !caller.scopes.iter().any(|scope| scope == PLATFORM) {
            return Err(refused(
                403,
                "PERMISSION_DENIED",
                "Request had insufficient authentication scopes.",
            ));
        }
        if !self.impersonators.contains(&caller.to) {
            let message =
                "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).";
            return Err(refused(403, "PERMISSION_DENIED", message));
        }
        let invalid = |message: &str| refused(400, "INVALID_ARGUMENT", message);
        if !header(head, "content-type").starts_with("application/json") {
            return Err(invalid("Invalid JSON payload received."));
        }
        let body: Value =
            serde_json::from_slice(body).map_err(|_| invalid("Invalid JSON payload received."))?;
        let wanted: Vec<&str> = body["scope"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let scopes = scopes(&wanted.join(" ")).ok_or_else(|| invalid("Scope required."))?;
        let lifetime = body["lifetime"]
            .as_str()
            .and_then(|text| text.strip_suffix('s')?.parse::<i64>().ok());
        if !lifetime.is_some_and(|seconds| (1..=3600).contains(&seconds)) {
            return Err(invalid(
                "The token lifetime exceeds the maximum lifetime of 3600 seconds.",
            ));
        }
        let token = self.grant(ACCOUNT.to_owned(), scopes);
        let ends = jiff::Timestamp::from_second(super::now().as_second() + self.life).unwrap();
        Ok(json!({ "accessToken": token, "expireTime": ends.to_string() }))
    }

    /// `metadata.google.internal`.
    fn metadata(&mut self, head: &Parts) -> Result<Value, Refused> {
        if header(head, "metadata-flavor") != "Google" || head.headers.contains_key("x-forwarded-for") {
            return Err((403, json!("Missing Metadata-Flavor:Google header.")));
        }
        let known = ["default", ACCOUNT];
        let path = |account: &&str| {
            head.uri.path() == format!("/computeMetadata/v1/instance/service-accounts/{account}/token")
        };
        if head.method != "GET" || !known.iter().any(path) {
            return Err((404, json!("not found")));
        }
        let token = self.grant(ACCOUNT.to_owned(), vec![PLATFORM.to_owned()]);
        Ok(json!({ "access_token": token, "expires_in": self.life, "token_type": "Bearer" }))
    }

    /// `oauth2.googleapis.com/token`.
    fn assertion(&mut self, head: &Parts, body: &[u8]) -> Result<Value, Refused> {
        let form = form(head, body)?;
        let refused =
            |code: &str, message: &str| (400, json!({ "error": code, "error_description": message }));
        let field = |name: &str| form.get(name).cloned().unwrap_or_default();
        if field("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
            return Err(refused("unsupported_grant_type", "Invalid grant_type"));
        }
        let claims = verified(&field("assertion"), &self.account_keys)
            .map_err(|_| refused("invalid_grant", "Invalid JWT Signature."))?;
        if claims["iss"] != ACCOUNT {
            return Err(refused("invalid_grant", "Invalid grant: account not found"));
        }
        if claims["aud"] != "https://oauth2.googleapis.com/token" {
            return Err(refused("invalid_grant", "Invalid JWT: Failed audience check."));
        }
        let life = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
        if life > 3600 {
            let message =
                "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe.";
            return Err(refused("invalid_grant", message));
        }
        let scopes = scopes(claims["scope"].as_str().unwrap_or_default()).ok_or_else(|| {
            refused(
                "invalid_scope",
                "Invalid OAuth scope or ID token audience provided.",
            )
        })?;
        let token = self.grant(ACCOUNT.to_owned(), scopes);
        Ok(json!({ "access_token": token, "expires_in": self.life, "token_type": "Bearer" }))
    }

    fn grant(&mut self, to: String, scopes: Vec<String>) -> String {
        self.count += 1;
        let token = format!("ya29.canary-{:03}-of-google", self.count);
        let ends = super::now().as_second() + self.life;
        self.tokens.insert(token.clone(), Token { to, scopes, ends });
        token
    }
}

/// The claims of a token that is genuine and of now. Google knows no other algorithm of ours, and wants a `kid`.
fn verified(token: &str, keys: &JwkSet) -> Result<Value, String> {
    let header = decode_header(token).map_err(|_| "Error parsing the ID Token.")?;
    let kid = header.kid.ok_or("The JWT header has no kid.")?;
    let key = keys
        .find(&kid)
        .ok_or("Unable to verify the ID Token signature.")?;
    if header.alg != Algorithm::RS256
        || BASE64URL_NOPAD
            .decode(token.split('.').next_back().unwrap().as_bytes())
            .is_err()
    {
        return Err("Unable to verify the ID Token signature.".into());
    }
    let mut validation = Validation::new(Algorithm::RS256);
    validation.validate_aud = false;
    validation.validate_exp = true;
    validation.validate_nbf = true;
    validation.leeway = 0;
    validation.set_required_spec_claims(&["exp", "iss", "aud"]);
    let key = DecodingKey::from_jwk(key).unwrap();
    let claims = decode::<Value>(token, &key, &validation)
        .map_err(|error| error.to_string())?
        .claims;
    let number = |name: &str| claims[name].as_i64().ok_or(format!("no {name}"));
    let (issued, ends) = (number("iat")?, number("exp")?);
    if issued > super::now().as_second() {
        return Err("ID Token issued in the future.".into());
    }
    if ends - issued > 24 * 3600 {
        return Err("The ID Token is good for more than 24 hours.".into());
    }
    Ok(claims)
}

fn form(head: &Parts, body: &[u8]) -> Result<BTreeMap<String, String>, Refused> {
    let refused = |message: &str| {
        (
            400,
            json!({ "error": "invalid_request", "error_description": message }),
        )
    };
    if head.method != "POST" || header(head, "content-type") != "application/x-www-form-urlencoded" {
        return Err(refused("not a form"));
    }
    let mut fields = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(body).into_owned() {
        if fields.insert(name, value).is_some() {
            return Err(refused("a parameter appears twice"));
        }
    }
    Ok(fields)
}

fn scopes(text: &str) -> Option<Vec<String>> {
    let scopes: Vec<String> = text
        .split(' ')
        .filter(|scope| !scope.is_empty())
        .map(str::to_owned)
        .collect();
    let known = scopes
        .iter()
        .all(|scope| scope.starts_with("https://www.googleapis.com/auth/"));
    (known && !scopes.is_empty()).then_some(scopes)
}

fn header<'h>(head: &'h Parts, name: &str) -> &'h str {
    head.headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}
