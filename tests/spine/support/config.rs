//! The configuration of the process under test.

use super::world::{AUDIENCE, ISSUER_KEYS, Settings};
use std::net::SocketAddr;

/// Two buckets at one target, one issuer, ports that the kernel chooses.
pub fn config(settings: &Settings, target: SocketAddr, issuer: &str) -> String {
    let Settings {
        server,
        sessions,
        target_lines,
        bucket_lines,
        more,
        ..
    } = settings;
    // Most tests are about keys as they are, whatever a store makes of them.
    let exact_keys = match target_lines.contains("exact_keys") {
        true => "",
        false => "exact_keys = true",
    };
    let store = format!(
        r#"
[targets.store]
kind = "s3"
endpoint = "http://{target}"
region = "us-east-1"
{exact_keys}
{target_lines}
[targets.store.credentials]
kind = "static"
access_key_id = "env:STORE_ACCESS_KEY_ID"
secret_access_key = "env:STORE_SECRET_ACCESS_KEY"
"#
    );
    let own_issuer = settings
        .own_issuer
        .map(|url| format!("[issuer]\nurl = \"{url}\"\nkeys = \"{ISSUER_KEYS}\""));
    let own_issuer = own_issuer.unwrap_or_default();
    let store = settings.target_table.as_ref().unwrap_or(&store);
    let audit_file = settings.audit_file.unwrap_or("audit/audit.jsonl");
    format!(
        r#"
[server]
listen = "127.0.0.1:0"
domains = ["localhost", "s3.tidegate.test"]
{server}
[server.tls]
certificate = "certs/server.pem"
key = "certs/server.key"
[admin]
listen = "127.0.0.1:0"
[sessions]
keys = "secrets/session-keys.toml"
{sessions}
[audit]
file = "{audit_file}"
[[issuers]]
name = "idp"
issuer = "{issuer}"
audiences = ["{AUDIENCE}"]
kind = "workload"
groups = "groups"
ca = "certs/ca.pem"
{store}
[buckets.lake]
target = "store"
bucket = "acme-lake-prod"
{bucket_lines}
[buckets.other]
target = "store"
bucket = "acme-other"
{own_issuer}
{more}
"#
    )
}
