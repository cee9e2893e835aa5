//! The identity of a job of GitHub Actions.
//!
//! Spec: <https://docs.github.com/actions/reference/security/oidc>

use super::error::GITHUB;
use super::metadata::refused;
use super::{IdentityError, Source, encoded, header, token};
use crate::client::settings::is_loopback;
use crate::json::Object;
use crate::secret::Secret;

impl Source {
    pub(super) async fn github_token(&self) -> Result<Secret, IdentityError> {
        let variable = |name| {
            let meaning = "this is no job of GitHub Actions with `permissions: id-token: write`";
            self.environment
                .get(name)
                .ok_or(IdentityError::Missing { name, meaning })
        };
        let url = variable("ACTIONS_ID_TOKEN_REQUEST_URL")?;
        let bearer = format!("Bearer {}", variable("ACTIONS_ID_TOKEN_REQUEST_TOKEN")?);
        // The address has parameters of its own.
        let separator = if url.contains('?') { '&' } else { '?' };
        let audience = encoded(&[("audience", &self.audience)]);
        let host = url
            .parse::<http::Uri>()
            .ok()
            .and_then(|uri| Some(uri.host()?.to_owned()));
        let fetcher = match host {
            Some(host) if is_loopback(&host) => self.fetcher.clone().allow_plain(),
            _ => self.fetcher.clone(),
        };
        let url = format!("{url}{separator}{audience}");
        let answer = self
            .get_patiently(&fetcher, GITHUB, &url, &[header("authorization", &bearer)?])
            .await?;
        refused(GITHUB, &answer, Some("message"))?;
        let document = Object::parse(&answer.body).ok();
        let given = document.as_ref().and_then(|document| document.text("value"));
        token(
            GITHUB,
            given.ok_or(IdentityError::Token {
                server: GITHUB,
                problem: "there is no `value`",
            })?,
        )
    }
}
