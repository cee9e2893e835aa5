//! Identity providers: the table, what a preset adds to it, and what is never right.

mod audience;
mod claims;
mod preset;
#[cfg(test)]
mod tests;

use super::super::raw::{Scalar, Section, Site};
use super::super::{ClaimPath, Issuer, Login, units};
use super::{HOUR, MINUTE, credentials};
use crate::authn::PrincipalKind;
use preset::Known;
use std::collections::HashMap;
use std::sync::Arc;

const URL: &str = "an `https` URL without query and fragment, exactly as in the `iss` of its tokens";
const KIND: &str = "\"workload\" or \"user\"";
/// Names that people give themselves at many providers, or may have changed: others may get them afterwards.
const MUTABLE: [&str; 7] = [
    "login",
    "name",
    "nickname",
    "preferred_username",
    "unique_name",
    "upn",
    "username",
];

/// Every `[[issuers]]` that is right. There must be one, and neither names nor URLs may be ambiguous: who a
/// principal is depends on them.
pub(super) fn issuers(root: &Section<'_>) -> Vec<Arc<Issuer>> {
    const ACCEPTED: &str = "at least one table `[[issuers]]`";
    let sections = root.repeated("issuers", ACCEPTED);
    if sections.is_empty() && !root.has("issuers") {
        root.missing("issuers", ACCEPTED);
    }
    let mut names = HashMap::new();
    let mut read: Vec<(Arc<Issuer>, usize)> = Vec::new();
    for section in sections {
        let (name_site, url_site) = (section.site_of("name"), section.site_of("issuer"));
        let Some(issuer) = issuer(section) else {
            continue;
        };
        match names.insert(issuer.name.clone(), name_site.line()) {
            None => {}
            Some(line) => name_site.problem(
                format!("already used in line {line}"),
                "a name of its own: it is the prefix of its principals",
            ),
        }
        for (other, line) in &read {
            apart(&issuer, other, *line, &url_site);
        }
        read.push((Arc::new(issuer), url_site.line()));
    }
    read.into_iter().map(|(issuer, _)| issuer).collect()
}

/// Reports two issuers that a token could not choose between, or that would have two sets of keys for one `iss`.
fn apart(issuer: &Issuer, other: &Issuer, line: usize, site: &Site<'_>) {
    if !issuer
        .accepted()
        .any(|iss| other.accepted().any(|theirs| theirs == iss))
    {
        return;
    }
    if issuer
        .audiences
        .iter()
        .any(|audience| other.audiences.contains(audience))
    {
        site.problem(
            format!("already used in line {line}"),
            "one table for each issuer, or tables that have no audience in common",
        );
    } else if (&issuer.issuer, &issuer.ca, &issuer.jwks) != (&other.issuer, &other.ca, &other.jwks) {
        site.problem(
            format!("also accepted by the table of line {line}, which has other keys"),
            "the same `issuer`, `ca` and `jwks` in both: an `iss` has one set of keys",
        );
    }
}

fn issuer(section: Section<'_>) -> Option<Issuer> {
    let name = section.required("name", "1 to 32 of `a-z`, `0-9` and `-`", units::name);
    let preset = preset::of(&section);
    if section.has("preset") && preset.is_none() {
        // Reported. Which keys the others are is not known without it.
        return None;
    }
    let kind = section.parsed("kind", KIND, |text| match text {
        "workload" => Ok(PrincipalKind::Workload),
        "user" => Ok(PrincipalKind::User),
        _ => Err("not a kind of principal"),
    });
    if preset.is_none() && !section.has("kind") {
        section.missing("kind", KIND);
    }
    let urls = urls(&section);
    let require = claims::conditions(&section);
    let known = match preset {
        // What the preset lacks was reported, and the rest is read all the same.
        Some(preset) => preset.read(&section, kind, require.as_deref().unwrap_or_default()),
        None => Some(Known::default()),
    };
    if known.as_ref().is_some_and(|known| known.issuers.is_empty()) && !section.has("issuer") {
        section.missing("issuer", preset.map_or(URL, preset::Preset::url));
    }
    let login = login(&section);
    let audiences = audience::read(&section, login.as_ref());
    let principal = claims::path(&section, "principal", "\"sub\" or \"email\"");
    let groups = groups(&section);
    let tags = claims::tags(&section);
    let ca = section.path("ca");
    let jwks = section.path("jwks");
    let max_token_lifetime = section.duration("max_token_lifetime", MINUTE..=30 * 24 * HOUR);
    if let Some(principal) = &principal {
        changeable(&section, preset, principal);
    }
    let (site, tags_site) = (section.site_of("require"), section.site_of("tags"));
    let jwks_site = section.site_of("jwks");
    let audience_site = section.site_of("audiences");
    section.finish();

    let known = known?;
    let mut urls = urls?.unwrap_or(known.issuers).into_iter();
    let issuer = urls.next()?;
    let audiences = audiences?;
    if let Some(preset) = preset {
        preset.reachable(&issuer, jwks.is_some(), &jwks_site);
        preset.audiences(&issuer, &audiences, &audience_site);
    }
    Some(Issuer {
        name: name?,
        issuer,
        aliases: urls.collect(),
        audiences,
        kind: kind.or(known.kind)?,
        principal: principal.map_or(known.principal, Into::into),
        groups: groups.unwrap_or(known.groups),
        require: claims::joined(known.require, require?, &site)?,
        tags: claims::merged(known.tags, tags?, &tags_site)?,
        ca,
        jwks,
        max_token_lifetime: max_token_lifetime.unwrap_or(24 * HOUR),
        login: login?,
    })
}

/// `issuer`: one, or several of which the first is the canonical one. `Some(None)` if it is not written.
fn urls(section: &Section<'_>) -> Option<Option<Vec<Box<str>>>> {
    let Some(entry) = section.entry("issuer") else {
        return Some(None);
    };
    let texts = entry.texts(URL)?;
    let mut urls: Vec<Box<str>> = Vec::with_capacity(texts.len());
    for (n, (site, text)) in texts.iter().enumerate() {
        // The others are only compared. Some old ones are no URLs.
        let read = match n {
            0 => units::issuer(text),
            _ => units::word(text, 512),
        };
        match read {
            Ok(url) if urls.contains(&url) => site.problem("listed twice", "each once"),
            Ok(url) => urls.push(url),
            Err(wrong) => site.problem(wrong, URL),
        }
    }
    (urls.len() == texts.len()).then_some(Some(urls))
}

/// `groups`: where they are, or `false` for none. `None` if it is not written.
fn groups(section: &Section<'_>) -> Option<Option<ClaimPath>> {
    if section
        .entry("groups")
        .is_some_and(|entry| matches!(entry.scalar(), Some(Scalar::Flag(false))))
    {
        return Some(None);
    }
    claims::path(section, "groups", "\"groups\"").map(Some)
}

/// `login`. `Some(None)` if it is not written.
fn login(section: &Section<'_>) -> Option<Option<Login>> {
    if !section.has("login") {
        return Some(None);
    }
    let table = section
        .section("login", "a table, such as { client_id = \"0oa1x2\" }")?
        .private();
    let client_id = table.required(
        "client_id",
        "the client that is registered at the issuer",
        |text| units::word(text, 512),
    );
    let client_secret = credentials::secret(&table, "client_secret");
    let scopes = if table.has("scopes") {
        table.list("scopes", "scopes, such as \"openid\"", |text| {
            units::word(text, 256)
        })
    } else {
        Some(["openid", "profile", "email"].map(Box::from).into())
    };
    if scopes
        .as_ref()
        .is_some_and(|scopes| !scopes.iter().any(|scope| **scope == *"openid"))
    {
        table.site_of("scopes").problem(
            "without `openid` there is no identity token",
            "\"openid\" among them",
        );
    }
    let device = table.flag("device").unwrap_or(false);
    let secret_is_right = client_secret.is_some() || !table.has("client_secret");
    table.finish();
    Some(Some(Login {
        client_id: client_id?,
        client_secret: Some(client_secret).filter(|_| secret_is_right)?,
        scopes: scopes?,
        device,
    }))
}

/// Names that others may have tomorrow make others principals of today's policies.
fn changeable(section: &Section<'_>, preset: Option<preset::Preset>, principal: &ClaimPath) {
    let site = section.site_of("principal");
    let named = MUTABLE.iter().any(|name| principal.is(name));
    match preset {
        Some(preset::Preset::Entra) if named || principal.is("email") => site.problem(
            "can be changed, and be given to somebody else",
            "\"oid\", which is the same for ever, or \"sub\"",
        ),
        Some(preset::Preset::Github) if principal.is("sub") => site.warning(
            "GitHub writes `sub` in two ways (with ids for repositories made after 15 July 2026), and organisations \
             may rewrite it: `repository_id` is the same for ever",
        ),
        _ if named => site.warning("many issuers let this claim be changed, and be given to somebody else"),
        _ => {}
    }
}
