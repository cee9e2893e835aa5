//! Identity providers.

use super::super::raw::{Section, Site};
use super::super::{Issuer, units};
use super::{HOUR, MINUTE};
use crate::authn::PrincipalKind;
use std::collections::HashMap;
use std::sync::Arc;

/// Every `[[issuers]]` that is right. There must be one, and neither names nor URLs may be ambiguous: who a
/// principal is depends on them.
pub(super) fn issuers(root: &Section<'_>) -> Vec<Arc<Issuer>> {
    const ACCEPTED: &str = "at least one table `[[issuers]]`";
    let sections = root.repeated("issuers", ACCEPTED);
    if sections.is_empty() && !root.has("issuers") {
        root.missing("issuers", ACCEPTED);
    }
    let mut names = HashMap::new();
    let mut urls = HashMap::new();
    let read = sections.into_iter().filter_map(|section| {
        let (name_site, url_site) = (section.site_of("name"), section.site_of("issuer"));
        let issuer = issuer(section)?;
        once(
            &mut names,
            &issuer.name,
            &name_site,
            "a name of its own: it is the prefix of its principals",
        );
        once(&mut urls, &issuer.issuer, &url_site, "one table for each issuer");
        Some(Arc::new(issuer))
    });
    read.collect()
}

fn issuer(section: Section<'_>) -> Option<Issuer> {
    let claim = |text: &str| units::word(text, 128);
    let name = section.required("name", "1 to 32 of `a-z`, `0-9` and `-`", units::name);
    let issuer = section.required(
        "issuer",
        "an `https` URL without query and fragment, exactly as in the `iss` of its tokens",
        units::issuer,
    );
    let audiences = section.list(
        "audiences",
        "audiences, such as \"https://s3.example.com\"",
        |text| units::word(text, 512),
    );
    let kind = section.required("kind", "\"workload\" or \"user\"", |text| match text {
        "workload" => Ok(PrincipalKind::Workload),
        "user" => Ok(PrincipalKind::User),
        _ => Err("not a kind of principal"),
    });
    let principal = section.parsed(
        "principal",
        "the name of a claim, such as \"sub\" or \"email\"",
        claim,
    );
    let groups = section.parsed("groups", "the name of a claim, such as \"groups\"", claim);
    let ca = section.path("ca");
    let max_token_lifetime = section.duration("max_token_lifetime", MINUTE..=30 * 24 * HOUR);
    section.finish();
    Some(Issuer {
        name: name?,
        issuer: issuer?,
        audiences: audiences?,
        kind: kind?,
        principal: principal.unwrap_or_else(|| "sub".into()),
        groups,
        ca,
        max_token_lifetime: max_token_lifetime.unwrap_or(24 * HOUR),
    })
}

fn once(seen: &mut HashMap<Box<str>, usize>, value: &str, site: &Site<'_>, accepted: &str) {
    match seen.insert(value.into(), site.line()) {
        None => {}
        Some(line) => site.problem(format!("already used in line {line}"), accepted),
    }
}
