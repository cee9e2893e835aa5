//! The variables by which SDKs find the gateway and the keys, and those that would lead them elsewhere.

use super::gateway::Keys;
use super::settings::Settings;

/// What goes into the environment of a program.
#[derive(Clone, Copy, Debug)]
pub struct Variables<'a> {
    settings: &'a Settings,
    endpoint: &'a str,
}

/// Each of these beats, or is mixed with, the keys that are handed over.
pub(super) const MISLEADING: [&str; 17] = [
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_ACCESS_KEY_ID",
    "AWS_ACCESS_KEY",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SECRET_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
];

impl<'a> Variables<'a> {
    pub(super) fn new(settings: &'a Settings, endpoint: &'a str) -> Self {
        Self { settings, endpoint }
    }

    /// With keys that end.
    pub fn of_keys(&self, keys: &Keys) -> Vec<(&'static str, Option<String>)> {
        let text = |secret: &crate::secret::Secret| secret.expose_str().unwrap_or_default().to_owned();
        self.with([
            ("AWS_ACCESS_KEY_ID", keys.access_key_id.clone()),
            ("AWS_SECRET_ACCESS_KEY", text(&keys.secret_access_key)),
            ("AWS_SESSION_TOKEN", text(&keys.session_token)),
            (
                "AWS_CREDENTIAL_EXPIRATION",
                keys.expires_at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            ),
        ])
    }

    /// With a door on this machine, at which keys are asked for as often as they are needed.
    pub fn of_door(&self, url: &str, token: &str) -> Vec<(&'static str, Option<String>)> {
        self.with([
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", url.to_owned()),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN", token.to_owned()),
            // SDKs look into these files first, and would find the keys of something else.
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null".to_owned()),
            ("AWS_CONFIG_FILE", "/dev/null".to_owned()),
        ])
    }

    /// Names with the values that they get; `None` for those that are removed.
    fn with<const N: usize>(&self, own: [(&'static str, String); N]) -> Vec<(&'static str, Option<String>)> {
        let mut all: Vec<(&'static str, Option<String>)> =
            own.into_iter().map(|(name, value)| (name, Some(value))).collect();
        for name in ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_STS"] {
            all.push((name, Some(self.endpoint.to_owned())));
        }
        for name in ["AWS_REGION", "AWS_DEFAULT_REGION"] {
            all.push((name, Some(self.settings.region.clone())));
        }
        if let Some(ca) = &self.settings.ca {
            all.push(("AWS_CA_BUNDLE", Some(ca.display().to_string())));
        }
        for name in MISLEADING {
            if all.iter().all(|(own, _)| *own != name) {
                all.push((name, None));
            }
        }
        all
    }
}
