//! Secrets of the configuration: which can be read now, which version, and which are older than they should be.

use super::ward::Seen;
use super::{Line, Side};
use crate::authn::service_keys::in_words;
use crate::config::{Config, Secrets};
use crate::credentials::Resources;
use crate::error::with_causes;
use crate::secrets::{Surveyed, survey};
use jiff::Timestamp;
use std::sync::Arc;

const CHECK: &str = "secret";

/// Reads all of them.
pub(super) async fn examine(config: Arc<Config>, resources: Resources) -> Seen {
    let now = resources.clock.now();
    Seen::of(match survey(&config, &resources).await {
        Ok(surveyed) => {
            let settings = &config.secrets;
            let line = |one: &Surveyed| of_secret(one, &manager(settings, &one.secret), now);
            surveyed.iter().map(line).collect()
        }
        Err(error) => {
            let remedy = "`[secrets]`; `tidegate check` names the line";
            vec![Line::fail(CHECK, "", with_causes(&error), Side::Tidegate, remedy)]
        }
    })
}

/// Who keeps a secret, and where that is asked.
fn manager(settings: &Secrets, secret: &str) -> String {
    let at = |name: &str, address: Option<String>, key: &str| match address {
        Some(address) => format!("{name} at `{address}` (`secrets.{key}`)"),
        None => format!("{name} (`secrets.{key}`)"),
    };
    match secret.split_once("://").map(|(scheme, _)| scheme) {
        Some("vault") => {
            let vault = settings.vault.as_ref();
            at(
                "Vault",
                vault.map(|vault| vault.address.authority()),
                "vault.address",
            )
        }
        Some("aws-secrets-manager") => {
            let endpoint = settings.aws.endpoint.as_ref();
            at("AWS Secrets Manager", endpoint.map(|at| at.authority()), "aws")
        }
        Some("gcp-secret-manager") => {
            let endpoint = settings.gcp.endpoint.authority();
            at("Secret Manager of Google Cloud", Some(endpoint), "gcp")
        }
        Some("azure-key-vault") => {
            let endpoint = settings.azure.endpoint.as_ref();
            at("Azure Key Vault", endpoint.map(|at| at.authority()), "azure")
        }
        Some(_) | None => "this machine".to_owned(),
    }
}

/// What keeps a secret from being read, and so who can mend it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    /// There is no answer.
    Unreachable,
    /// There is one, and it is to come again.
    Busy,
    /// We may not read it.
    Refused,
    /// It is not there, or not any more.
    Absent,
    /// It is there and says nothing that can be used.
    Malformed,
    /// Nothing opens the manager.
    Closed,
}

impl Trouble {
    /// From the words of [`SecretError`](crate::secrets::SecretError), which are all that a survey keeps: a test holds the
    /// two together.
    fn of(cause: &str) -> Self {
        const ABSENT: [&str; 6] = [
            "ResourceNotFoundException",
            "InvalidRequestException",
            "NOT_FOUND",
            "FAILED_PRECONDITION",
            "SecretNotFound",
            "SecretDisabled",
        ];
        if cause.starts_with("the secret manager cannot be asked") || cause.starts_with("it is not read yet")
        {
            return Self::Unreachable;
        }
        if cause.starts_with("version `") || cause.starts_with("the answer of ") {
            return Self::Malformed;
        }
        let Some((_, refusal)) = cause.split_once(" refused (") else {
            return Self::Closed;
        };
        let status = refusal.get(..3).and_then(|digits| digits.parse::<u16>().ok());
        let code = refusal.split('`').nth(1).unwrap_or_default();
        match status {
            _ if ABSENT.contains(&code) => Self::Absent,
            Some(404) => Self::Absent,
            Some(412 | 429 | 472 | 473 | 500..) => Self::Busy,
            Some(_) | None => Self::Refused,
        }
    }

    fn remedy(self, secret: &str, manager: &str, places: &str) -> String {
        match self {
            Self::Unreachable => format!(
                "see how {manager} is reached from this machine: address, name resolution, firewall, `ca`"
            ),
            Self::Busy => format!("see how {manager} is; it is asked again"),
            Self::Refused => format!("give Tidegate the right to read `{secret}` in {manager}"),
            Self::Absent => {
                format!("put `{secret}` into {manager} again, or enable it there: {places} needs it")
            }
            Self::Malformed => {
                format!("put a version into `{secret}` that {places} can use, or correct the reference")
            }
            Self::Closed => format!("what opens {manager}: its table in `[secrets]`"),
        }
    }

    fn side(self) -> Side {
        match self {
            Self::Closed => Side::Tidegate,
            Self::Unreachable | Self::Busy | Self::Refused | Self::Absent | Self::Malformed => {
                Side::SecretManager
            }
        }
    }
}

fn of_secret(one: &Surveyed, manager: &str, now: Timestamp) -> Line {
    let name = &*one.secret;
    // `env:` and `file:` are on this machine, all others have a scheme of two slashes.
    let is_managed = name.contains("://");
    let places = one.places.join(", ");
    if let Some(cause) = &one.cause {
        let (side, remedy) = match is_managed {
            true => {
                let trouble = Trouble::of(cause);
                (trouble.side(), trouble.remedy(name, manager, &places))
            }
            false => (
                Side::Tidegate,
                format!("{places}, in the environment and as the user of the service"),
            ),
        };
        return Line::fail(CHECK, name, format!("cannot be read: {cause}"), side, remedy);
    }
    let version = one.version.as_deref().unwrap_or("-");
    let age = one
        .created_at
        .map(|at| format!(", {} old", in_words(now.duration_since(at))));
    let said = format!("version {version}{}", age.unwrap_or_default());
    match one.too_old {
        None => Line::ok(CHECK, name, said),
        Some(_) => {
            let side = if is_managed {
                Side::SecretManager
            } else {
                Side::Tidegate
            };
            let said = format!("{said}, which is more than `secrets.max_age`");
            Line::fail(
                CHECK,
                name,
                said,
                side,
                "rotate it; Tidegate picks the new one up",
            )
            .as_warning()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::FetchError;
    use crate::secrets::{PayloadFlaw, SecretError};
    use http::StatusCode;
    use std::io;

    #[test]
    fn what_keeps_a_secret_is_mended_where_it_is() {
        let check = |error: SecretError, side: Side, expected: &str| {
            let one = Surveyed {
                secret: "vault://kv/data/store".to_owned(),
                places: vec!["targets.store.credentials.secret_access_key".to_owned()],
                version: None,
                created_at: None,
                too_old: None,
                cause: Some(with_causes(&error)),
            };
            let line = of_secret(&one, "Vault at `vault.acme.example:8200`", Timestamp::UNIX_EPOCH);
            let remedy = line.remedy.unwrap();
            assert_eq!(line.side, Some(side), "{error}");
            assert!(remedy.contains(expected), "{error}: {remedy}");
            let is_right = remedy.contains("right to read");
            assert_eq!(is_right, expected.contains("right to read"), "{error}: {remedy}");
        };
        let refused = |status: u16, code| SecretError::Refused {
            manager: "Vault",
            status: StatusCode::from_u16(status).unwrap(),
            code,
            hint: "as it is",
        };
        let gone = SecretError::Fetch(FetchError::Connect {
            host: "vault.acme.example".to_owned(),
            source: io::ErrorKind::ConnectionRefused.into(),
        });
        let manager = Side::SecretManager;
        check(gone, manager, "how Vault at `vault.acme.example:8200` is reached");
        check(refused(403, "none"), manager, "right to read");
        check(refused(400, "AccessDeniedException"), manager, "right to read");
        check(refused(404, "none"), manager, "into Vault");
        check(refused(400, "ResourceNotFoundException"), manager, "again");
        check(refused(503, "none"), manager, "asked again");
        let answer = SecretError::Answer {
            manager: "Vault",
            problem: "it is not JSON",
        };
        check(answer, manager, "can use");
        let flawed = SecretError::Payload {
            version: "3".into(),
            flaw: PayloadFlaw::Empty,
        };
        check(flawed, manager, "can use");
        check(
            SecretError::Identity("none".to_owned()),
            Side::Tidegate,
            "what opens Vault",
        );
    }
}
