//! Tidegate as an issuer towards clouds: `[issuer]`, not to be taken for `[[issuers]]`.

use super::super::raw::Section;
use super::super::{Issuer, OwnIssuer, Server, units};
use std::sync::Arc;

const URL: &str = "an `https` URL without a query, such as \"https://s3.acme.example\"";

/// `Some(None)` without the table; `None` if something is wrong with it, which is reported then.
pub(super) fn own_issuer(
    root: &Section<'_>,
    server: Option<&Server>,
    trusted: &[Arc<Issuer>],
) -> Option<Option<OwnIssuer>> {
    if !root.has("issuer") {
        return Some(None);
    }
    let section = root.section("issuer", "a table `[issuer]`")?;
    let url = section.required("url", URL, issuer_url);
    let keys = section.required_path("keys");
    let mut serves = false;
    // Its tokens are for clouds. Whoever had one would be somebody here.
    let twin = url.as_deref().and_then(|url| {
        let same = |theirs: &str| is_same_place(theirs, url);
        trusted.iter().find(|issuer| issuer.accepted().any(same))
    });
    if let Some(twin) = twin {
        section.site_of("url").problem(
            format!(
                "also accepted as `[[issuers]]` `{}`: what Tidegate tells clouds must not open its own doors",
                twin.name
            ),
            "another URL, or no such table of `[[issuers]]`",
        );
        section.finish();
        return None;
    }
    if let (Some(url), Some(server)) = (&url, server) {
        let place = url.trim_start_matches("https://");
        let (host, path) = place.split_once('/').map_or((place, None), |(h, p)| (h, Some(p)));
        let (name, port) = host.split_once(':').map_or((host, None), |(n, p)| (n, Some(p)));
        serves = server.domains.iter().any(|domain| **domain == *name);
        let site = section.site_of("url");
        if serves && path.is_some() {
            site.problem(
                "has a path, and its host is one that Tidegate serves, where the documents are at the root",
                URL,
            );
        } else if !serves {
            site.warning(
                "no host of `server.domains`: publish there what `tidegate issuer discovery` and `tidegate issuer jwks` print",
            );
        }
        if port.is_some() {
            site.warning("AWS takes no issuer with a port");
        }
    }
    section.finish();
    Some(Some(OwnIssuer {
        url: url?,
        keys: keys?,
        serves,
    }))
}

/// As generously as the most generous reader of URLs.
fn is_same_place(one: &str, other: &str) -> bool {
    let plain = |url: &str| {
        let url = url.trim_end_matches('/').to_ascii_lowercase();
        let place = url.strip_prefix("https://").unwrap_or(&url);
        let (host, path) = place.split_once('/').unwrap_or((place, ""));
        format!("{}/{path}", host.strip_suffix(":443").unwrap_or(host))
    };
    plain(one) == plain(other)
}

fn issuer_url(text: &str) -> Result<Box<str>, &'static str> {
    let place = text.strip_prefix("https://").ok_or("not `https`")?;
    let (host, path) = place.split_once('/').unwrap_or((place, "x"));
    let (name, port) = host.split_once(':').unwrap_or((host, "443"));
    units::host_name(name)?;
    port.parse::<u16>().map_err(|_| "not a port")?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~/".contains(&b);
    match path {
        // `iss` is compared byte for byte, and half of the clouds add or take away a slash.
        "" => Err("ends with a slash"),
        _ if path.ends_with('/') => Err("ends with a slash"),
        _ if text.len() > 255 => Err("too long"),
        _ if path.bytes().all(plain) && !path.split('/').any(|part| matches!(part, "" | "." | "..")) => {
            Ok(text.into())
        }
        _ => Err("has other characters in its path than clouds agree on"),
    }
}
