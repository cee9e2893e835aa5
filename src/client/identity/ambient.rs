//! The AWS keys of this machine: in its environment, from the endpoint of its container, or from EC2.
//!
//! In the order in which the SDKs look for them. Only the version of EC2's metadata service that asks for a session first
//! is spoken: the other one is what server-side request forgery lives on.
//!
//! Spec: <https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html>,
//! <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html>

use super::error::{AWS_CONTAINER, AWS_METADATA};
use super::metadata::refused;
use super::{IdentityError, Source, digest, header};
use crate::client::settings::is_loopback;
use crate::config::Environment;
use crate::credentials::AccessKey;
use crate::fetch::{Fetched, Fetcher};
use crate::json::Object;
use crate::secret::Secret;
use http::{HeaderName, HeaderValue};

const EC2: &str = "http://169.254.169.254";
const ECS: &str = "http://169.254.170.2";
/// The other addresses at which AWS serves containers, by plain HTTP.
const OF_AWS: [&str; 4] = [
    "169.254.170.2",
    "169.254.170.23",
    "fd00:ec2::23",
    "[fd00:ec2::23]",
];

impl Source {
    /// Keys, and the region if the machine has one.
    pub(super) async fn ambient_keys(&self) -> Result<(AccessKey, Option<String>), IdentityError> {
        let region = ["AWS_REGION", "AWS_DEFAULT_REGION"]
            .iter()
            .find_map(|name| self.environment.get(name));
        let region = region.map(str::to_owned);
        let variable = |name| self.environment.get(name);
        if let (Some(id), Some(secret)) = (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY")) {
            let key = AccessKey {
                id: id.into(),
                secret: Secret::new(secret),
                session_token: variable("AWS_SESSION_TOKEN").map(Secret::new),
            };
            return Ok((key, region));
        }
        if let Some(url) = container_url(&self.environment)? {
            return Ok((self.container_keys(&url).await?, region));
        }
        if variable("AWS_EC2_METADATA_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Err(IdentityError::Missing {
                name: "AWS_ACCESS_KEY_ID",
                meaning: "there are no keys in the environment, this is no container, and EC2's metadata is switched off",
            });
        }
        self.instance_keys(region).await
    }

    async fn container_keys(&self, url: &str) -> Result<AccessKey, IdentityError> {
        let authorization = match self.environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
            Some(path) => {
                let read = tokio::fs::read_to_string(path).await;
                let text = read.map_err(|source| IdentityError::File {
                    path: path.into(),
                    source,
                })?;
                Some(text.trim().to_owned())
            }
            None => self
                .environment
                .get("AWS_CONTAINER_AUTHORIZATION_TOKEN")
                .map(str::to_owned),
        };
        let headers: Vec<_> = authorization
            .iter()
            .map(|value| header("authorization", value))
            .collect::<Result<_, _>>()?;
        let fetcher = self.fetcher.clone().allow_plain();
        let answer = self.get_patiently(&fetcher, AWS_CONTAINER, url, &headers).await?;
        refused(AWS_CONTAINER, &answer, Some("message"))?;
        keys(AWS_CONTAINER, &answer)
    }

    async fn instance_keys(
        &self,
        region: Option<String>,
    ) -> Result<(AccessKey, Option<String>), IdentityError> {
        let base = self
            .environment
            .get("AWS_EC2_METADATA_SERVICE_ENDPOINT")
            .unwrap_or(EC2)
            .trim_end_matches('/');
        let fetcher = self.fetcher.clone().allow_plain();
        let lifetime = [header("x-aws-ec2-metadata-token-ttl-seconds", "300")?];
        let begun = fetcher
            .put_empty(&format!("{base}/latest/api/token"), &lifetime)
            .await;
        let begun = begun.map_err(|source| IdentityError::Unreachable {
            server: AWS_METADATA,
            source,
        })?;
        refused(AWS_METADATA, &begun, None)?;
        let session = [header("x-aws-ec2-metadata-token", &text(&begun))?];
        let roles = format!("{base}/latest/meta-data/iam/security-credentials/");
        let role = self.metadata(&fetcher, &roles, &session).await?;
        let role = text(&role).lines().next().unwrap_or_default().trim().to_owned();
        // It becomes part of an address.
        if role.is_empty()
            || !role
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"+=,.@_-".contains(&b))
        {
            return Err(IdentityError::Refused {
                server: AWS_METADATA,
                status: 200,
                message: "this instance has no role".to_owned(),
            });
        }
        let keys = keys(
            AWS_METADATA,
            &self
                .metadata(&fetcher, &format!("{roles}{role}"), &session)
                .await?,
        )?;
        let region = match region {
            Some(region) => region,
            None => text(
                &self
                    .metadata(
                        &fetcher,
                        &format!("{base}/latest/meta-data/placement/region"),
                        &session,
                    )
                    .await?,
            ),
        };
        Ok((keys, Some(region)))
    }

    async fn metadata(
        &self,
        fetcher: &Fetcher,
        url: &str,
        session: &[(HeaderName, HeaderValue)],
    ) -> Result<Fetched, IdentityError> {
        let answer = self.get_patiently(fetcher, AWS_METADATA, url, session).await?;
        refused(AWS_METADATA, &answer, None)?;
        Ok(answer)
    }
}

/// What decides whose keys they are.
pub(super) fn inputs(environment: &Environment) -> Vec<String> {
    let variable = |name: &str| environment.get(name).unwrap_or_default().to_owned();
    let mut inputs = [
        "AWS_ACCESS_KEY_ID",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    ]
    .map(variable)
    .to_vec();
    inputs.push(digest(variable("AWS_CONTAINER_AUTHORIZATION_TOKEN").as_bytes()));
    inputs
}

/// The endpoint of this container. Plain HTTP only to this machine and to AWS's own addresses, as the SDKs have it.
fn container_url(environment: &Environment) -> Result<Option<String>, IdentityError> {
    if let Some(path) = environment.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") {
        const NAME: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
        return if path.starts_with('/') {
            Ok(Some(format!("{ECS}{path}")))
        } else {
            Err(IdentityError::Variable { name: NAME })
        };
    }
    const NAME: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
    let Some(url) = environment.get(NAME) else {
        return Ok(None);
    };
    let wrong = || IdentityError::Variable { name: NAME };
    let uri: http::Uri = url.parse().map_err(|_| wrong())?;
    let host = uri.host().ok_or_else(wrong)?;
    match uri.scheme_str() {
        Some("https") => Ok(Some(url.to_owned())),
        Some("http") if is_loopback(host) || OF_AWS.contains(&host) => Ok(Some(url.to_owned())),
        _ => Err(wrong()),
    }
}

fn keys(server: &'static str, answer: &Fetched) -> Result<AccessKey, IdentityError> {
    let problem = |problem| IdentityError::Token { server, problem };
    let document = Object::parse(&answer.body).map_err(|_| problem("it is not JSON"))?;
    let member = |name| document.text(name).filter(|text| !text.is_empty());
    Ok(AccessKey {
        id: member("AccessKeyId")
            .ok_or_else(|| problem("there is no `AccessKeyId`"))?
            .into(),
        secret: Secret::new(
            member("SecretAccessKey").ok_or_else(|| problem("there is no `SecretAccessKey`"))?,
        ),
        session_token: member("Token").map(Secret::new),
    })
}

fn text(answer: &Fetched) -> String {
    String::from_utf8_lossy(&answer.body).trim().to_owned()
}
