//! The browser login.

use super::super::raw::Section;
use super::super::{BrowserLogin, Issuer, Server, Sessions, units};
use super::MINUTE;
use std::sync::Arc;

const ACCEPTED: &str = "an `https` URL without a path whose host is one of `server.domains`, such as \
                        \"https://s3.example.com\"";

/// `[login]`. `Some(None)` if it is not written.
pub(super) fn login(
    root: &Section<'_>,
    server: Option<&Server>,
    sessions: Option<&Sessions>,
    issuers: &[Arc<Issuer>],
) -> Option<Option<BrowserLogin>> {
    if !root.has("login") {
        return Some(None);
    }
    let section = root.section("login", "a table `[login]`")?;
    // OID-03: where identity providers send browsers back to, and so their codes.
    let origin = section.required("url", ACCEPTED, |text| {
        let endpoint = units::endpoint(text)?;
        if !endpoint.tls {
            return Err("not an `https` URL");
        }
        if server.is_some_and(|server| !server.domains.contains(&endpoint.host)) {
            return Err("its host is not one of `server.domains`");
        }
        Ok(format!("https://{}", endpoint.authority()).into_boxed_str())
    });
    let lifetime = sessions.map(|sessions| {
        let range = 15 * MINUTE..=sessions.maximum_lifetime;
        let lifetime = section.duration("lifetime", range);
        lifetime.unwrap_or(sessions.default_lifetime)
    });
    if !issuers.is_empty() && issuers.iter().all(|issuer| issuer.login.is_none()) {
        section.site().problem(
            "there is no issuer to log in with",
            "`login = { client_id = \"…\" }` in one of `[[issuers]]`",
        );
    }
    if lifetime.is_some() {
        section.finish();
    }
    Some(Some(BrowserLogin {
        origin: origin?,
        lifetime: lifetime?,
    }))
}
