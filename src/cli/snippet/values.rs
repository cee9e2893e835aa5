//! What is filled in, checked so that it needs no quoting anywhere.
//!
//! The text is pasted into shells as people who trust us. A bucket called `$(…)` must not become a command, so whatever is
//! not plainly a name, an address or a path is refused, and nothing is escaped.

use super::{Args, Client, template::Values};
use crate::operation::BucketName;

/// A value that cannot be filled in.
#[derive(Debug, thiserror::Error)]
#[error("`--{option}` is {value:?}; expected {expected}")]
pub(super) struct ValueError {
    option: &'static str,
    value: String,
    expected: &'static str,
}

/// Everything that templates name.
pub(super) fn of(args: &Args, client: &Client) -> Result<Values, ValueError> {
    let endpoint = args.endpoint.as_deref().unwrap_or(EXAMPLE).trim_end_matches('/');
    let (host, port) = authority(endpoint).ok_or_else(|| wrong("endpoint", endpoint, ENDPOINT))?;
    let bucket = args.bucket.as_deref().unwrap_or(client.bucket);
    if BucketName::parse(bucket).is_err() {
        return Err(wrong("bucket", bucket, "the name of a bucket, such as \"lake\""));
    }
    let token_file = path("token-file", args.token_file.as_deref())?;
    let binary = path("binary", Some(&args.binary))?.unwrap_or_default();
    let ca = path("ca", args.ca.as_deref())?;
    let role = name("role", args.role.as_deref())?;
    let identity = match (&token_file, args.identity.as_deref()) {
        (_, Some(identity)) => name("identity", Some(identity))?.unwrap_or_default(),
        (Some(_), None) => "file".to_owned(),
        (None, None) => client.identity.to_owned(),
    };
    let mut options = format!("--endpoint {endpoint}");
    let mut option = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            options.push_str(&format!(" --{name} {value}"));
        }
    };
    option("ca", ca.as_deref());
    option("identity", (identity != "login").then_some(&*identity));
    let with_file = matches!(&*identity, "file" | "kubernetes");
    let token_file = token_file.unwrap_or_else(|| TOKEN_FILE.to_owned());
    option("token-file", with_file.then_some(&*token_file));
    option("role", role.as_deref());

    let mut values = Values::from([
        ("endpoint", endpoint.to_owned()),
        ("authority", endpoint.trim_start_matches(SCHEME).to_owned()),
        ("host", host.to_owned()),
        ("port", port.to_string()),
        ("bucket", bucket.to_owned()),
        (
            "profile",
            name("profile", Some(&args.profile))?.unwrap_or_default(),
        ),
        ("region", name("region", Some(&args.region))?.unwrap_or_default()),
        (
            "role_arn",
            format!("{ROLE_ARN}{}", role.as_deref().unwrap_or("tidegate")),
        ),
        ("container_uri", container_uri(endpoint, role.as_deref())),
        ("token_file", token_file),
        (
            "credential_process",
            format!("{binary} credential-process {options}"),
        ),
        ("env", format!("{binary} env {options}")),
        ("exec", format!("{binary} exec {options}")),
        ("binary", binary),
    ]);
    values.extend(ca.map(|ca| ("ca", ca)));
    values.extend(role.map(|role| ("role", role)));
    Ok(values)
}

fn container_uri(endpoint: &str, role: Option<&str>) -> String {
    let query = role.map(|role| format!("?role={role}")).unwrap_or_default();
    format!("{endpoint}/_tidegate/credentials{query}")
}

/// Host and port of an endpoint.
fn authority(endpoint: &str) -> Option<(&str, u16)> {
    let authority = endpoint.strip_prefix(SCHEME)?;
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().ok()?),
        None => (authority, 443),
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    (!host.is_empty() && host.chars().all(plain) && !host.starts_with('-')).then_some((host, port))
}

fn name(option: &'static str, value: Option<&str>) -> Result<Option<String>, ValueError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    match value {
        Some(value) if value.is_empty() || value.starts_with('-') || !value.chars().all(plain) => {
            Err(wrong(option, value, "letters, digits, `_`, `.` and `-`"))
        }
        value => Ok(value.map(str::to_owned)),
    }
}

fn path(option: &'static str, value: Option<&str>) -> Result<Option<String>, ValueError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/_.+@,-".contains(c);
    match value {
        Some(value) if !value.starts_with('/') || !value.chars().all(plain) => Err(wrong(
            option,
            value,
            "an absolute path without spaces or anything that a shell would read",
        )),
        value => Ok(value.map(str::to_owned)),
    }
}

fn wrong(option: &'static str, value: &str, expected: &'static str) -> ValueError {
    ValueError {
        option,
        value: value.to_owned(),
        expected,
    }
}

/// The gateway of all examples.
pub(super) const EXAMPLE: &str = "https://s3.acme.example";
const SCHEME: &str = "https://";
const ENDPOINT: &str = "`https://HOST` or `https://HOST:PORT`";
/// SDKs insist on a role. One that there is not means the caller's own rights.
const ROLE_ARN: &str = "arn:aws:iam::000000000000:role/";
/// Where nobody says.
const TOKEN_FILE: &str = "/run/secrets/tidegate/token";
