//! Percent-encoding as S3 signs it. Every byte is decoded exactly once and encoded exactly one way.

use std::fmt::Write as _;

/// Decodes `%XX`; everything else stays as it is, `+` included.
///
/// `None` if a `%` is not followed by two hex digits.
pub(crate) fn decode(raw: &str) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(raw.len());
    let mut bytes = raw.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let high = hex_digit(bytes.next()?)?;
            let low = hex_digit(bytes.next()?)?;
            decoded.push(high << 4 | low);
        } else {
            decoded.push(byte);
        }
    }
    Some(decoded)
}

/// Appends `bytes` with all but `A-Za-z0-9-._~` encoded.
pub(crate) fn encode_query(bytes: &[u8], into: &mut String) {
    encode(bytes, false, into);
}

/// Appends `bytes` with all but `A-Za-z0-9-._~/` encoded.
pub(crate) fn encode_path(bytes: &[u8], into: &mut String) {
    encode(bytes, true, into);
}

fn encode(bytes: &[u8], keep_slash: bool, into: &mut String) {
    for &byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => into.push(byte.into()),
            b'/' if keep_slash => into.push('/'),
            other => {
                // Writing to a String cannot fail.
                let _ = write!(into, "%{other:02X}");
            }
        }
    }
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_lone_percent_sign_is_refused() {
        for raw in ["%", "%a", "a%zz", "%%41", "%4"] {
            assert_eq!(decode(raw), None, "{raw}");
        }
        assert_eq!(decode("a%2Fb+%2b%252e"), Some(b"a/b++%2e".to_vec()));
    }

    proptest! {
        // CLS-05
        #[test]
        fn any_bytes_survive_encoding_and_decoding(bytes: Vec<u8>) {
            for encode in [encode_path, encode_query] {
                let mut encoded = String::new();
                encode(&bytes, &mut encoded);
                prop_assert_eq!(decode(&encoded), Some(bytes.clone()));
            }
        }
    }
}
