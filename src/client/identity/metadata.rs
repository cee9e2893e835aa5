//! Metadata servers of Google Cloud and Azure: an identity token for whoever runs on the machine.
//!
//! Spec: <https://cloud.google.com/compute/docs/instances/verifying-instance-identity>,
//! <https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token>,
//! <https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference>

use super::error::{AZURE, GCP};
use super::{IdentityError, Source, encoded, header, token};
use crate::client::console::printable;
use crate::fetch::Fetched;
use crate::json::Object;
use crate::secret::Secret;
use http::StatusCode;

impl Source {
    /// The default service account of the machine, the node or the pod.
    pub(super) async fn gcp_token(&self) -> Result<Secret, IdentityError> {
        let host = self
            .environment
            .get("GCE_METADATA_HOST")
            .unwrap_or("metadata.google.internal");
        // `full` puts the machine itself into the token, which policies may ask for.
        let query = encoded(&[("audience", &self.audience), ("format", "full")]);
        let url =
            format!("http://{host}/computeMetadata/v1/instance/service-accounts/default/identity?{query}");
        let fetcher = self.fetcher.clone().allow_plain();
        let answer = self
            .get_patiently(&fetcher, GCP, &url, &[header("metadata-flavor", "Google")?])
            .await?;
        refused(GCP, &answer, None)?;
        // What answers without it is not the metadata server, and whoever it is must not choose the identity.
        if answer
            .headers
            .get("metadata-flavor")
            .is_none_or(|flavor| flavor != "Google")
        {
            return Err(IdentityError::Token {
                server: GCP,
                problem: "another server answered",
            });
        }
        token(GCP, &String::from_utf8_lossy(&answer.body))
    }

    /// The managed identity of the machine, or of the app that this is.
    pub(super) async fn azure_token(&self) -> Result<Secret, IdentityError> {
        let app = self
            .environment
            .get("IDENTITY_ENDPOINT")
            .zip(self.environment.get("IDENTITY_HEADER"));
        let mut query = vec![("resource", self.audience.as_str())];
        query.extend(self.azure_client_id.as_deref().map(|id| ("client_id", id)));
        let (url, header) = match app {
            Some((endpoint, secret)) => {
                query.push(("api-version", "2019-08-01"));
                (
                    format!("{endpoint}?{}", encoded(&query)),
                    header("x-identity-header", secret)?,
                )
            }
            None => {
                let host = self.environment.get("AZURE_POD_IDENTITY_AUTHORITY_HOST");
                let host = host.unwrap_or("http://169.254.169.254").trim_end_matches('/');
                query.push(("api-version", "2018-02-01"));
                (
                    format!("{host}/metadata/identity/oauth2/token?{}", encoded(&query)),
                    header("metadata", "true")?,
                )
            }
        };
        let fetcher = self.fetcher.clone().allow_plain();
        let answer = self.get_patiently(&fetcher, AZURE, &url, &[header]).await?;
        refused(AZURE, &answer, Some("error_description"))?;
        let document = Object::parse(&answer.body).ok();
        let given = document
            .as_ref()
            .and_then(|document| document.text("access_token"));
        token(
            AZURE,
            given.ok_or(IdentityError::Token {
                server: AZURE,
                problem: "there is no `access_token`",
            })?,
        )
    }
}

/// An error of any other status than 200. `member` is where a JSON answer says why.
pub(super) fn refused(
    server: &'static str,
    answer: &Fetched,
    member: Option<&str>,
) -> Result<(), IdentityError> {
    if answer.status == StatusCode::OK {
        return Ok(());
    }
    let document = Object::parse(&answer.body).ok();
    let told = member.and_then(|member| document.as_ref()?.text(member));
    let text = match told {
        Some(told) => told.to_owned(),
        // A page of HTML helps nobody in a terminal.
        None if answer.body.starts_with(b"<") || answer.body.is_empty() => "it does not say why".to_owned(),
        None => String::from_utf8_lossy(&answer.body).trim().to_owned(),
    };
    Err(IdentityError::Refused {
        server,
        status: answer.status.as_u16(),
        message: printable(&text),
    })
}
