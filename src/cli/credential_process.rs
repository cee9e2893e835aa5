//! `tidegate credential-process`: keys for an SDK, in the form that every SDK reads.
//!
//! Standard output is the document or nothing. Standard error becomes the SDK's own error text, so it has no secret in it and
//! ends in the command that helps.

use super::choice::{self, Wanted};
use crate::client::Keys;
use serde_json::json;
use std::io::Write;
use std::process::ExitCode;

/// `tidegate credential-process`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Which keys.
    #[command(flatten)]
    pub wanted: Wanted,
}

const EXAMPLES: &str = "\
Examples:
  tidegate credential-process --profile lake
  tidegate credential-process --identity gcp-metadata --endpoint https://s3.acme.example

In ~/.aws/config:
  [profile lake]
  credential_process = tidegate credential-process --profile lake
  endpoint_url       = https://s3.acme.example
  region             = gateway

Identities: `login` is a person's (tidegate login). The others need none:
  gcp-metadata   Google Cloud: VM, GKE, Dataproc, Cloud Run
  azure-imds     Azure: managed identity of a VM, App Service, Container Apps
  aws            AWS: keys of the environment, the container or EC2, traded at STS
  kubernetes     a projected token at /var/run/secrets/tidegate/token, or --token-file
  github         GitHub Actions, with `permissions: id-token: write`
  file           --token-file, or AWS_WEB_IDENTITY_TOKEN_FILE

Keys are kept until the refresh window; parallel runs ask the gateway once. When nobody is logged
in it fails at once, unless --auto-login lets it open a browser: one, however many run.

Exit codes: 0 printed, 1 failed or denied, 2 the command was not understood, 3 not logged in.";

/// Prints keys.
pub fn run(args: &Args, out: &mut dyn Write) -> ExitCode {
    // The document of this command is JSON anyhow, and an error is no document: SDKs read standard error.
    choice::run(false, async || {
        let client = args.wanted.client()?;
        let keys = client.keys(args.wanted.fresh.renewal(&client)).await?;
        writeln!(out, "{}", document(&keys))?;
        Ok(0)
    })
}

/// Spec: <https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html>
pub(super) fn document(keys: &Keys) -> serde_json::Value {
    json!({
        "Version": 1,
        "AccessKeyId": keys.access_key_id,
        "SecretAccessKey": keys.secret_access_key.expose_str().unwrap_or_default(),
        "SessionToken": keys.session_token.expose_str().unwrap_or_default(),
        // Without fractions of a second, which not every SDK reads.
        "Expiration": keys.expires_at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    })
}
