//! Secrets of the configuration: which can be read now, which version, and which are older than they should be.

use super::ward::Seen;
use super::{Line, Side};
use crate::authn::service_keys::in_words;
use crate::config::Config;
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
        Ok(surveyed) => surveyed.iter().map(|one| of_secret(one, now)).collect(),
        Err(error) => {
            let remedy = "`[secrets]`; `tidegate check` names the line";
            vec![Line::fail(CHECK, "", with_causes(&error), Side::Tidegate, remedy)]
        }
    })
}

fn of_secret(one: &Surveyed, now: Timestamp) -> Line {
    let name = &*one.secret;
    // `env:` and `file:` are on this machine, all others have a scheme of two slashes.
    let is_managed = name.contains("://");
    let places = one.places.join(", ");
    if let Some(cause) = &one.cause {
        let (side, remedy) = match is_managed {
            true => (
                Side::SecretManager,
                format!("give Tidegate the right to read `{name}`, or put it there again: {places} needs it"),
            ),
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
