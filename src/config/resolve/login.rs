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

#[cfg(test)]
mod tests {
    use super::super::super::resolve_text;
    use std::path::Path;
    use std::time::Duration;

    /// The sample with this `[login]`, and with an issuer that has `login` or not.
    fn resolved(table: &str, with_issuer: bool) -> Result<Option<super::BrowserLogin>, String> {
        let sample = include_str!("../sample.toml");
        let issuer = "name      = \"google\"";
        assert!(sample.contains(issuer));
        let client = match with_issuer {
            true => format!("login = {{ client_id = \"7.apps.googleusercontent.com\" }}\n{issuer}"),
            false => issuer.to_owned(),
        };
        let text = format!("{}\n[login]\n{table}\n", sample.replacen(issuer, &client, 1));
        let config = resolve_text(Path::new("tidegate.toml"), &text);
        config
            .map(|config| config.login)
            .map_err(|errors| errors.to_string())
    }

    #[test]
    fn a_login_has_an_address_and_a_lifetime() {
        let check = |table: &str, origin: &str, seconds: u64| {
            let login = resolved(table, true).unwrap().unwrap();
            assert_eq!(
                (&*login.origin, login.lifetime),
                (origin, Duration::from_secs(seconds))
            );
        };
        check(
            "url = \"https://s3.tidegate.test\"",
            "https://s3.tidegate.test",
            3600,
        );
        check(
            "url = \"https://S3.tidegate.test:443/\"",
            "https://s3.tidegate.test",
            3600,
        );
        check(
            "url = \"https://localhost:8443\"\nlifetime = \"8h\"",
            "https://localhost:8443",
            8 * 3600,
        );
    }

    // OID-03
    #[test]
    fn a_login_at_an_address_that_is_not_ours_is_refused() {
        let check = |table: &str, expected: &str| {
            let errors = resolved(table, true).unwrap_err();
            assert!(errors.contains(expected), "{errors}");
            assert_eq!(errors.lines().count(), 1, "{errors}");
        };
        let accepted = "expected an `https` URL without a path whose host is one of `server.domains`";
        check("", &format!("login.url: missing; {accepted}"));
        check(
            "url = \"http://s3.tidegate.test\"",
            &format!("not an `https` URL; {accepted}"),
        );
        check(
            "url = \"https://evil.test\"",
            "its host is not one of `server.domains`",
        );
        check(
            "url = \"https://lake.s3.tidegate.test\"",
            "its host is not one of `server.domains`",
        );
        check("url = \"https://s3.tidegate.test/login\"", "has a path");
        check("url = \"https://a@s3.tidegate.test\"", "has a user name");
        let url = "url = \"https://s3.tidegate.test\"\n";
        check(
            &format!("{url}lifetime = \"13h\""),
            "login.lifetime = \"13h\": too long",
        );
        check(
            &format!("{url}lifetime = \"5m\""),
            "login.lifetime = \"5m\": too short",
        );
        check(
            &format!("{url}uri = \"x\""),
            "login.uri: not a known key (did you mean `url`?)",
        );
        let errors = resolved(url, false).unwrap_err();
        assert!(
            errors.contains("login: there is no issuer to log in with"),
            "{errors}"
        );
    }
}
