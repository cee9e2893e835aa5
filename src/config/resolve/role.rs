//! Roles.

use super::super::raw::Section;
use super::super::{Role, units};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Every `[[roles]]` that is right. There may be none.
pub(super) fn roles(root: &Section<'_>) -> BTreeMap<Box<str>, Arc<Role>> {
    let mut roles = BTreeMap::new();
    for section in root.repeated("roles", "tables `[[roles]]`") {
        let site = section.site_of("name");
        let name = section.required("name", "1 to 32 of `a-z`, `0-9` and `-`", units::name);
        let trust = section.path("trust");
        let document = section.document();
        section.finish();
        let Some(name) = name else { continue };
        let trust = trust.unwrap_or_else(|| document.resolve(&format!("policies/roles/{name}.cedar")));
        let role = Arc::new(Role {
            name: name.clone(),
            trust,
        });
        if roles.insert(name, role).is_some() {
            site.problem("already used", "a name of its own");
        }
    }
    roles
}
