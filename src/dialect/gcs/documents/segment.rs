//! An object's name as one segment of a path.
//!
//! The JSON API escapes names differently from the XML API (GCS-08): a slash of the name is `%2F`, and a slash of the
//! path ends the name. So a path is split first and each segment is decoded once; what was escaped is data, whatever it
//! looks like then.

use crate::dialect::s3::uri;

/// Writes a name; nothing of it can end the segment.
pub(crate) fn encode(name: &str) -> String {
    let mut segment = String::with_capacity(name.len() + 16);
    uri::encode_query(name.as_bytes(), &mut segment);
    segment
}

/// Reads a segment of a path that was split at its slashes; a `+` is a `+`.
///
/// `None` if a `%` is not followed by two hex digits, or if it was more than a segment.
pub(crate) fn decode(segment: &str) -> Option<Vec<u8>> {
    match segment.contains(['/', '?', '#']) {
        true => None,
        false => uri::decode(segment),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // GCS-08
    #[test]
    fn what_was_escaped_is_data() {
        for (segment, name) in [
            ("a%2Fb", "a/b"),
            ("a%2fb%3Fc%23", "a/b?c#"),
            ("a%252Fb", "a%2Fb"),
            ("a+b%20c", "a+b c"),
            ("%2E%2E", ".."),
        ] {
            assert_eq!(decode(segment).as_deref(), Some(name.as_bytes()), "{segment}");
        }
        for bad in ["a/b", "a?b", "a#b", "%", "%2", "%zz"] {
            assert_eq!(decode(bad), None, "{bad}");
        }
        assert_eq!(encode("a/b?c%2F ä+"), "a%2Fb%3Fc%252F%20%C3%A4%2B");
    }

    proptest! {
        // GCS-08
        #[test]
        fn any_name_is_one_segment_and_comes_back(name: String) {
            let segment = encode(&name);
            prop_assert!(segment.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%".contains(&b)));
            prop_assert_eq!(decode(&segment), Some(name.clone().into_bytes()));
            // In the XML API the same name is a path, and both mean the same.
            let mut path = String::new();
            uri::encode_path(name.as_bytes(), &mut path);
            prop_assert_eq!(path.replace('/', "%2F"), segment);
        }

        #[test]
        fn no_segment_is_decoded_twice(segment in "[a-z%0-9A-F]{0,12}") {
            if let Some(once) = decode(&segment).and_then(|bytes| String::from_utf8(bytes).ok()) {
                prop_assert_eq!(decode(&encode(&once)), Some(once.into_bytes()));
            }
        }
    }
}
