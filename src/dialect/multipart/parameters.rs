//! The parameters of `Content-Type` and `Content-Disposition`: `name=value; name="value"`.
//!
//! Within quotes, `\"` is a quote and every other backslash is itself: some browsers send whole Windows paths. What
//! is left of RFC 2045 (comments, other escapes) is refused by not being read.

/// The parameters behind the first `;`, names in lower case, in order; `None` if they are not of this form.
pub(crate) fn parameters(text: &str) -> Option<Vec<(String, String)>> {
    let mut parameters = Vec::new();
    let mut rest = text.trim_matches([' ', '\t']);
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=')?;
        let name = name.trim_matches([' ', '\t']);
        let token = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'*');
        if name.is_empty() || !name.bytes().all(token) {
            return None;
        }
        let (value, after) = match after.trim_start_matches([' ', '\t']).strip_prefix('"') {
            Some(quoted) => unquoted(quoted)?,
            None => {
                let (value, after) = after.split_at(after.find(';').unwrap_or(after.len()));
                if value.contains('"') {
                    return None;
                }
                (value.trim_matches([' ', '\t']).to_owned(), after)
            }
        };
        parameters.push((name.to_ascii_lowercase(), value));
        let after = after.trim_start_matches([' ', '\t']);
        rest = match after.strip_prefix(';') {
            Some(more) => more.trim_matches([' ', '\t']),
            None if after.is_empty() => after,
            None => return None,
        };
    }
    Some(parameters)
}

/// The text up to the closing quote, and what follows.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' if characters.next_if(|(_, next)| *next == '"').is_some() => value.push('"'),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_one_way_or_not_at_all() {
        let good = |text: &str, expected: &[(&str, &str)]| {
            let found = parameters(text).unwrap_or_else(|| panic!("{text}"));
            let found: Vec<_> = found.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            assert_eq!(found, expected, "{text}");
        };
        good("", &[]);
        good(" ", &[]);
        good("a=b", &[("a", "b")]);
        good(" A = b ;c=\"d;e\" ; f=", &[("a", "b"), ("c", "d;e"), ("f", "")]);
        good("n=\"a\\\"b\"", &[("n", "a\"b")]);
        good(r#"n="C:\dir\file.txt""#, &[("n", r"C:\dir\file.txt")]);
        good("n=\"ä =\";", &[("n", "ä =")]);
        for bad in [
            "a",
            "=b",
            "a b=c",
            "a=\"b",
            "a=\"b\"c",
            "a=b\"c\"",
            "a=\"b\\\"",
            ";",
            "a=b;;c=d",
            "ä=b",
        ] {
            assert_eq!(parameters(bad), None, "{bad}");
        }
    }
}
