//! Templates: text with places for values, and parts that need a value to be there.
//!
//! What comes out goes into shells, INI files, SQL and HCL, each with quoting of its own. Nothing is quoted here, because
//! a rule for one is wrong for the next: the values are such that none of them needs it (`values.rs`).
//!
//! `{{name}}` is a value, `{{>name}}` another template, and what stands between `{{?name}}` and `{{/name}}` is left out if
//! there is no such value. A line with nothing but one of the latter two is left out itself.

use std::collections::BTreeMap;

/// Values by their names.
pub(super) type Values = BTreeMap<&'static str, String>;

/// Templates that are part of others.
const PARTS: [(&str, &str); 4] = [
    ("external-account", include_str!("templates/external-account.txt")),
    ("profile", include_str!("templates/profile.txt")),
    ("use-profile", include_str!("templates/use-profile.txt")),
    ("web-identity", include_str!("templates/web-identity.txt")),
];

/// Fills in what is named. `None` if a template names what there is not: a mistake of ours that the tests find.
pub(super) fn fill(template: &str, values: &Values) -> Option<String> {
    let mut whole = String::new();
    for line in template.lines() {
        match line.strip_prefix("{{>").and_then(|rest| rest.strip_suffix("}}")) {
            Some(name) => {
                let (_, part) = PARTS.iter().find(|(part, _)| *part == name)?;
                whole.push_str(part);
            }
            None => {
                whole.push_str(line);
                whole.push('\n');
            }
        }
    }
    let mut out = String::new();
    let mut left_out = None;
    for line in whole.lines() {
        if let Some(name) = tag(line, "{{?") {
            if !values.contains_key(name) {
                left_out = Some(name);
            }
            continue;
        }
        if let Some(name) = tag(line, "{{/") {
            if left_out == Some(name) {
                left_out = None;
            }
            continue;
        }
        if left_out.is_none() {
            fill_line(line, values, &mut out)?;
            out.push('\n');
        }
    }
    Some(out)
}

/// The name in a line that is `{{?name}}` or the like and nothing else.
fn tag<'a>(line: &'a str, opening: &str) -> Option<&'a str> {
    let name = line.strip_prefix(opening)?.strip_suffix("}}")?;
    (!name.contains('{')).then_some(name)
}

fn fill_line(line: &str, values: &Values, out: &mut String) -> Option<()> {
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("{{") {
        out.push_str(before);
        let (name, after) = after.split_once("}}")?;
        rest = match name.strip_prefix('?') {
            Some(name) => {
                let (part, after) = after.split_once(&format!("{{{{/{name}}}}}"))?;
                if values.contains_key(name) {
                    fill_line(part, values, out)?;
                }
                after
            }
            None => {
                out.push_str(values.get(name)?);
                after
            }
        };
    }
    out.push_str(rest);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_optional_parts_are_filled_in() {
        let values = Values::from([("a", "1".to_owned()), ("b", "2".to_owned())]);
        let check = |template: &str, expected: Option<&str>| {
            assert_eq!(fill(template, &values).as_deref(), expected, "{template}");
        };
        check("x {{a}}-{{b}}\n", Some("x 1-2\n"));
        check("x{{?a}} a={{a}}{{/a}}{{?c}} c={{c}}{{/c}}!\n", Some("x a=1!\n"));
        check(
            "x\n{{?c}}\nc\n{{/c}}\n{{?a}}\ny {{a}}\n{{/a}}\nz\n",
            Some("x\ny 1\nz\n"),
        );
        check("{{c}}\n", None);
        check("{{>no such part}}\n", None);
        check("{{a\n", None);
    }
}
