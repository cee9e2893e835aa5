//! `fields`: which members of an answer a caller wants to see.
//!
//! A mask goes to the target as it was written, if it follows the grammar. That of a listing asks for the names as well:
//! without them it cannot be told whether an entry is of what was asked for, and a page with such an entry is no answer.
//!
//! Spec: <https://cloud.google.com/storage/docs/json_api#partial-response>

use std::borrow::Cow;

/// Most bytes of a mask.
const LIMIT: usize = 2048;
/// Levels of brackets and slashes.
const DEPTH: usize = 16;

/// Whether it is a mask, such as `kind,items(name,acl/role)`.
pub(super) fn is_valid(mask: &str) -> bool {
    mask.len() <= LIMIT && list(mask, 0) == Some("")
}

/// The mask of a listing, with the names of objects wherever it has a part of an object.
pub(super) fn with_names(mask: &str) -> Cow<'_, str> {
    let mut narrowed = false;
    for part in parts(mask) {
        let (name, of_item) = part.split_once(['/', '(']).unwrap_or((part, "*"));
        if matches!(name.trim(), "items" | "*") {
            let of_item = of_item.trim_end().trim_end_matches(')');
            if parts(of_item).any(|wanted| matches!(wanted.trim(), "name" | "*")) {
                return mask.into();
            }
            narrowed = true;
        }
    }
    if !narrowed {
        return mask.into();
    }
    // `items(size)` becomes `items(name,size)`, and `items/size` gets another part.
    let mut is_in = false;
    let mut named: Vec<Cow<'_, str>> = Vec::new();
    for part in parts(mask) {
        named.push(match part.strip_prefix("items(") {
            Some(rest) if !is_in => {
                is_in = true;
                format!("items(name,{rest}").into()
            }
            _ => part.into(),
        });
    }
    if !is_in {
        named.push("items/name".into());
    }
    named.join(",").into()
}

/// The fields of a list, with what is in their brackets.
fn parts(list: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_usize;
    list.split(move |c| {
        match c {
            '(' => depth = depth.saturating_add(1),
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    })
}

/// Reads fields with commas between them; what is left is a closing bracket, or nothing.
fn list(mut text: &str, depth: usize) -> Option<&str> {
    loop {
        let rest = field(text, depth)?;
        match rest.strip_prefix(',') {
            Some(next) => text = next,
            None => return Some(rest),
        }
    }
}

/// Reads `a`, `a/b` or `a(b,c)`.
fn field(text: &str, depth: usize) -> Option<&str> {
    let end = text.find([',', '/', '(', ')']).unwrap_or(text.len());
    let (name, rest) = text.split_at_checked(end)?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-*. ".contains(&b);
    if depth > DEPTH || name.trim().is_empty() || !name.bytes().all(plain) {
        return None;
    }
    if let Some(inner) = rest.strip_prefix('/') {
        field(inner, depth + 1)
    } else if let Some(inner) = rest.strip_prefix('(') {
        list(inner, depth + 1)?.strip_prefix(')')
    } else {
        Some(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_follows_the_grammar() {
        for mask in [
            "name",
            "*",
            "items(name,size),nextPageToken",
            "items(name, size)",
            "prefixes,items/name,items/size",
            "items(acl/role,metadata(a-b,c.d))",
            "kind,items/acl(role)",
        ] {
            assert!(is_valid(mask), "{mask}");
        }
        let deep = "a(".repeat(1000);
        let slashes = "a/".repeat(1000) + "a";
        let long = "a,".repeat(1024) + "a";
        for mask in [
            "",
            " ",
            ",",
            "a,",
            "a(",
            "items(na,",
            "items(name",
            "a()",
            "a)",
            "a/",
            "(a)",
            "a(b)c",
            "a&b",
            "ä",
            "a\n",
            &deep,
            &slashes,
            &long,
        ] {
            assert!(!is_valid(mask), "{mask}");
        }
    }

    #[test]
    fn a_listing_always_asks_for_names() {
        for (mask, asked) in [
            ("items(size,updated)", "items(name,size,updated)"),
            ("items/size", "items/size,items/name"),
            (
                "kind,items/size,items/updated",
                "kind,items/size,items/updated,items/name",
            ),
            (
                "items(acl(name)),nextPageToken",
                "items(name,acl(name)),nextPageToken",
            ),
            ("items(size),items(updated)", "items(name,size),items(updated)"),
            ("items/acl/name", "items/acl/name,items/name"),
            ("*/size", "*/size,items/name"),
            (" items (size)", " items (size),items/name"),
        ] {
            assert!(is_valid(mask));
            assert_eq!(with_names(mask), asked);
            assert!(is_valid(asked));
            assert_eq!(with_names(asked), asked);
        }
        for enough in [
            "*",
            "items",
            "items/*",
            "items(*)",
            "items(size,name)",
            "items(size, name )",
            "prefixes,items/size,items/name",
            "items/size,items",
            "nextPageToken,prefixes",
            "kind",
        ] {
            assert_eq!(with_names(enough), enough);
        }
    }
}
