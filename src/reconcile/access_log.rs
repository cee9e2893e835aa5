//! Server access logs of S3: a line for each request, fields between spaces, some in quotes, more of them every few years.
//!
//! Everything that decides (bucket, time, requester, request id, operation, key) stands before the first field that a
//! caller can put quotes into. The user agent stands behind two of those; whoever shifts it there can only claim a stamp,
//! as in any user agent.
//!
//! Spec: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/LogFormat.html>

use super::entry::{Class, Entry, Place, hash, stamp_of_agent};
use jiff::Timestamp;
use std::borrow::Cow;

/// Fields that have stood there from the beginning, up to the user agent: request, referer and user agent are in quotes.
const UP_TO_USER_AGENT: usize = 17;

/// One line.
pub(super) fn entry(line: &str) -> Result<Entry<'_>, &'static str> {
    let mut fields = Fields(line);
    let mut next = || fields.next();
    let first: [Option<&str>; UP_TO_USER_AGENT] = std::array::from_fn(|_| next());
    let [
        _owner,
        Some(bucket),
        Some(time),
        Some(address),
        Some(requester),
        Some(request_id),
        Some(operation),
        Some(key),
        Some(_request),
        Some(_status),
        _error,
        _sent,
        _size,
        _total,
        _turnaround,
        _referer,
        agent,
    ] = first
    else {
        return Err("not a line of a server access log: it has too few fields");
    };
    let at =
        Timestamp::strptime("%d/%b/%Y:%H:%M:%S %z", time).map_err(|_| "the third field is not a time")?;
    if operation.split('.').count() < 2 {
        return Err("the seventh field is not an operation");
    }
    let reads = operation
        .split('.')
        .nth(1)
        .is_some_and(|verb| matches!(verb, "GET" | "HEAD" | "OPTIONS"));
    Ok(Entry {
        at,
        // A copy has a second line for what it reads.
        places: vec![Place::new(
            bucket,
            Some(key).filter(|key| *key != "-").map(decoded),
        )],
        operation,
        principal: Cow::Borrowed(match requester {
            "-" => "anonymous",
            other => other,
        }),
        source: address,
        request_id: Some(request_id).filter(|id| *id != "-"),
        identity: hash(&[line]),
        stamp: agent.and_then(stamp_of_agent),
        class: match reads {
            true => Class::Read,
            false => Class::Write,
        },
        // `S3.EXPIRE.OBJECT`, `S3.TRANSITION_SIA.OBJECT` and so on: rules of lifecycle.
        by_provider: operation.starts_with("S3.") && requester == "-",
    })
}

/// Fields between single spaces; `[…]` and `"…"` may have spaces in them.
struct Fields<'a>(&'a str);

impl<'a> Iterator for Fields<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let rest = self.0.trim_start_matches(' ');
        if rest.is_empty() {
            return None;
        }
        let (field, rest) = if let Some(inner) = rest.strip_prefix('[') {
            inner.split_once(']')?
        } else if let Some(inner) = rest.strip_prefix('"') {
            // What a caller sent may have quotes: only one before a space or the end closes.
            match inner.split_once("\" ") {
                Some(parts) => parts,
                None => (inner.strip_suffix('"')?, ""),
            }
        } else {
            rest.split_once(' ').unwrap_or((rest, ""))
        };
        self.0 = rest;
        Some(field)
    }
}

/// Keys are written as in a URL. What cannot be decoded stays as it is.
pub(super) fn decoded(text: &str) -> Cow<'_, str> {
    if !text.contains(['%', '+']) {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = after.get(..2).filter(|_| *first == b'%');
        let byte = escaped
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (byte, first) {
            (Some(byte), _) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            (None, b'+') => {
                bytes.push(b' ');
                rest = after;
            }
            (None, other) => {
                bytes.push(*other);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).map_or(Cow::Borrowed(text), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fields_are_told_apart() {
        let check =
            |line: &str, fields: &[&str]| assert_eq!(Fields(line).collect::<Vec<_>>(), fields, "{line}");
        check("a [b c] \"d e\" - \"\" f", &["a", "b c", "d e", "-", "", "f"]);
        check("\"a \\\"b\" c\"", &["a \\\"b", "c\""]);
        check("a  b ", &["a", "b"]);
        check("a [never closed", &["a"]);
        check("a \"never closed", &["a"]);
        check("", &[]);
    }

    #[test]
    fn keys_are_decoded_once() {
        let check = |text: &str, key: &str| assert_eq!(decoded(text), key, "{text}");
        check("raw/a", "raw/a");
        check("raw/a+b%2Bc%252F", "raw/a b+c%2F");
        check("%c3%a4", "ä");
        check("%ff", "%ff");
        check("%zz%4", "%zz%4");
        check("ä+%", "ä %");
    }

    proptest! {
        #[test]
        fn no_line_makes_it_fail(line in "\\PC*|[a-z0-9./:%+ \\[\\]\"-]{0,200}", cut in 0_usize..400) {
            let real = "o b [22/Nov/2026:10:00:00 +0000] 192.0.2.3 r ID REST.GET.OBJECT k \"GET / HTTP/1.1\" 200 - 1 - 7 - \"-\" \"a\"";
            let cut = real.floor_char_boundary(cut.min(real.len()));
            let mixed = format!("{}{line}{}", &real[..cut], &real[cut..]);
            for line in [&line, &mixed] {
                if let Ok(entry) = entry(line) {
                    prop_assert_eq!(entry.places.len(), 1);
                }
            }
        }
    }
}
