//! The machine's own AWS credentials: what signs AssumeRole where no key is in the configuration.
//!
//! Environment, profile, web identity of a pod, container, instance: found by `aws-config`, in the order that Amazon's SDKs
//! share. It asks the network through our own client, which follows nothing and is bounded, so that no second TLS
//! stack comes with it. Profiles that need a browser (SSO) are an error here; those with a `credential_process` work.
//!
//! Spec: <https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html>

use super::cache::Key;
use super::call_keys::same;
use super::keeper::{Keeper, Tally};
use super::scope::CloudSession;
use super::{
    AccessKey, Credential, CredentialCache, Fetching, Material, Resources, Source, SourceError, check,
    refusal,
};
use crate::clock::Clock;
use crate::error::with_causes;
use crate::fetch::{FetchError, Fetched, Fetcher};
use crate::secret::Secret;
use aws_config::Region;
use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials as _;
use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// The machine's credentials, kept fresh like all others and shared by all targets that need them.
pub(crate) struct Ambient {
    chain: Arc<Chain>,
    cache: CredentialCache,
    key: Key,
}

/// Keys of which nobody says how long they last are looked up again after this.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_mins(15);
/// How long a search is waited for: less than whoever needs the keys waits, so that he learns what it is that hangs.
const PATIENCE: Duration = Duration::from_secs(10);
/// After this a search that hangs is given up and another one is begun, so that few processes are left behind.
const ABANDON: SignedDuration = SignedDuration::from_mins(5);

impl Ambient {
    /// Prepares to look for them. `region` is for profiles that assume a role.
    ///
    /// # Errors
    /// [`SourceError::Fetch`] if nothing can be asked by HTTPS.
    pub(crate) fn new(region: &str, resources: &Resources) -> Result<Self, SourceError> {
        Ok(Self {
            chain: Arc::new(Chain {
                region: region.to_owned(),
                http: Http(Fetcher::new(None)?.allow_plain()),
                clock: resources.clock.clone(),
                search: tokio::sync::Mutex::default(),
            }),
            cache: resources.cache.clone(),
            // No target has an empty name, so that none of their keys begins like this one.
            key: Key::default().and(b"").and(b"ambient").and(region.as_bytes()),
        })
    }

    /// The key of now.
    ///
    /// # Errors
    /// [`SourceError::Ambient`] if the machine has none.
    pub(crate) async fn key(&self) -> Result<AccessKey, SourceError> {
        let keeper = self.keeper();
        let found = keeper.get().await.ok();
        let key = found.and_then(|credential| credential.access_key().cloned());
        key.ok_or_else(|| SourceError::Ambient(keeper.cause().unwrap_or_default()))
    }

    /// Another key than `refused`, which a service did not accept: looked for now, but not right after it was found. `None`
    /// if the machine has no other.
    pub(crate) async fn other_than(&self, refused: &AccessKey) -> Option<AccessKey> {
        let keeper = self.keeper();
        let mut credential = keeper.get().await.ok()?;
        if same(credential.access_key()?, refused) {
            if !keeper.doubt(&credential).await {
                return None;
            }
            credential = keeper.get().await.ok()?;
        }
        let key = credential.access_key()?;
        (!same(key, refused)).then(|| key.clone())
    }

    fn keeper(&self) -> Keeper {
        self.cache.keeper(self.key.clone(), || {
            let nobodys = CloudSession {
                principal: None,
                places: Vec::new(),
            };
            let (chain, clock) = (self.chain.clone(), self.chain.clock.clone());
            Keeper::temporary("ambient", chain, nobodys, clock, Arc::<Tally>::default())
        })
    }
}

struct Chain {
    region: String,
    http: Http,
    clock: Clock,
    /// The search under way, and since when.
    search: tokio::sync::Mutex<Option<(Timestamp, Search)>>,
}

/// What Amazon's library found.
type Search = JoinHandle<Result<Credentials, CredentialsError>>;

impl Chain {
    async fn find(&self) -> Result<Credential, SourceError> {
        let found = self.searched().await?;
        let ends = found.expiry().and_then(|end| Timestamp::try_from(end).ok());
        let key = check(AccessKey {
            id: found.access_key_id().into(),
            secret: Secret::new(found.secret_access_key()),
            session_token: found.session_token().map(Secret::new),
        })?;
        Ok(Credential {
            material: Material::AccessKey(key),
            expires_at: ends.or_else(|| self.clock.now().checked_add(LOOK_AGAIN).ok()),
            version: None,
        })
    }

    /// What a search finds in time.
    ///
    /// The library starts a `credential_process` and does not end it when nobody waits any more. So whoever asks again
    /// waits for the search that hangs, instead of leaving one process behind each time.
    async fn searched(&self) -> Result<Credentials, SourceError> {
        let now = self.clock.now();
        let mut under_way = self.search.lock().await;
        let (_, search) = match under_way.take() {
            Some((since, search)) if now.duration_since(since).abs() < ABANDON => {
                under_way.insert((since, search))
            }
            Some(_) | None => under_way.insert((now, self.begin())),
        };
        let found = tokio::time::timeout(PATIENCE, search).await;
        let found = found.map_err(|_| SourceError::Silent { after: PATIENCE })?;
        *under_way = None;
        let why = match found {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(error)) => with_causes(&error),
            Err(panicked) => with_causes(&panicked),
        };
        Err(SourceError::Ambient(refusal::printable(&why, None, 512)))
    }

    fn begin(&self) -> Search {
        let region = Region::new(self.region.clone());
        let config = ProviderConfig::without_region()
            .with_region(Some(region.clone()))
            .with_http_client(self.http.clone());
        tokio::spawn(async move {
            // Made anew each time: files and variables are read when they are needed.
            let chain = DefaultCredentialsChain::builder()
                .region(region)
                .configure(config);
            chain.build().await.provide_credentials().await
        })
    }
}

impl Source for Chain {
    fn fetch<'a>(&'a self, _: &'a CloudSession) -> Fetching<'a> {
        Box::pin(self.find())
    }
}

/// Our HTTP client in the words of Amazon's libraries.
#[derive(Clone)]
struct Http(Fetcher);

impl HttpClient for Http {
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        let asked = [settings.connect_timeout(), settings.read_timeout()];
        let timeout: Duration = asked.into_iter().flatten().sum();
        SharedHttpConnector::new(match timeout {
            Duration::ZERO => self.clone(),
            timeout => Self(self.0.clone().with_timeout(timeout)),
        })
    }
}

impl HttpConnector for Http {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let fetcher = self.0.clone();
        HttpConnectorFuture::new(async move {
            let (method, headers, body) = parts(&request)
                .ok_or_else(|| ConnectorError::user("the request cannot be sent as it is".into()))?;
            let answer = fetcher.send(method, request.uri(), body, &headers).await;
            response(answer.map_err(connector_error)?)
                .ok_or_else(|| ConnectorError::other("the answer cannot be passed on".into(), None))
        })
    }
}

type Headers = Vec<(HeaderName, HeaderValue)>;

fn parts(request: &HttpRequest) -> Option<(Method, Headers, Bytes)> {
    let method = request.method().parse().ok()?;
    let mut headers = Vec::new();
    for (name, value) in request.headers() {
        // Ours to say.
        if name.eq_ignore_ascii_case("content-length") || name.eq_ignore_ascii_case("host") {
            continue;
        }
        let mut value = HeaderValue::from_str(value).ok()?;
        value.set_sensitive(true);
        headers.push((HeaderName::from_bytes(name.as_bytes()).ok()?, value));
    }
    Some((method, headers, Bytes::copy_from_slice(request.body().bytes()?)))
}

fn response(answer: Fetched) -> Option<HttpResponse> {
    let mut response = HttpResponse::new(
        answer.status.as_u16().try_into().ok()?,
        SdkBody::from(answer.body),
    );
    for (name, value) in &answer.headers {
        let value = value.to_str().ok()?.to_owned();
        response
            .headers_mut()
            .try_append(name.as_str().to_owned(), value)
            .ok()?;
    }
    Some(response)
}

fn connector_error(error: FetchError) -> ConnectorError {
    match error {
        FetchError::Timeout { .. } => ConnectorError::timeout(error.into()),
        FetchError::Connect { .. } | FetchError::Tls { .. } | FetchError::Http { .. } => {
            ConnectorError::io(error.into())
        }
        FetchError::Ca { .. }
        | FetchError::NoRoots
        | FetchError::Url(_)
        | FetchError::Private { .. }
        | FetchError::TooLarge { .. } => ConnectorError::user(error.into()),
    }
}

impl std::fmt::Debug for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Http")
    }
}

#[cfg(test)]
impl Ambient {
    /// The next search finds a key with this id.
    pub(super) async fn will_find(&self, id: &'static str) {
        let found = tokio::spawn(async move { Ok(Credentials::from_keys(id, "secret", None)) });
        *self.chain.search.lock().await = Some((self.chain.clock.now(), found));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // F9
    #[tokio::test(start_paused = true)]
    async fn a_search_that_hangs_is_waited_for_again_and_not_begun_again() {
        let resources = Resources {
            clock: Clock::fixed("2026-11-22T00:00:00Z".parse().unwrap()),
            cache: CredentialCache::new(),
            issuer: None,
            secrets: crate::secrets::SecretReader::default(),
        };
        let ambient = Ambient::new("eu-central-1", &resources).unwrap();
        let (finds, found) = tokio::sync::oneshot::channel();
        let hanging = tokio::spawn(async { found.await.unwrap() });
        *ambient.chain.search.lock().await = Some((resources.clock.now(), hanging));
        let error = ambient.key().await.unwrap_err().to_string();
        assert!(
            error.contains("did not answer within 10s") && error.contains("`credential_process`"),
            "{error}"
        );
        let _ = finds.send(Ok(Credentials::from_keys("AKIDFOUND", "secret", None)));
        resources.clock.advance(SignedDuration::from_secs(5));
        assert_eq!(&*ambient.key().await.unwrap().id, "AKIDFOUND");
        assert!(ambient.chain.search.lock().await.is_none());
    }
}
