//! `x-goog-hash`: the checksums that Google knows, CRC32C and MD5, in one header.
//!
//! Its CRC32C is that of all bytes of the object, however the object came together; an MD5 is there only for what was
//! uploaded in one request. Both are base64; several come in one value or in several.

use data_encoding::BASE64;
use http::HeaderMap;

/// The name of the header, in both directions.
pub(super) const NAME: &str = "x-goog-hash";

/// What an answer says about an object's bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hashes {
    /// Of all its bytes, big-endian.
    pub(crate) crc32c: Option<[u8; 4]>,
}

impl Hashes {
    /// Reads the headers of an answer. What is malformed is not there.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let values = headers
            .get_all(NAME)
            .iter()
            .filter_map(|value| value.to_str().ok());
        let mut items = values.flat_map(|value| value.split(',')).map(str::trim);
        let crc32c = items.find_map(|item| {
            let value = item.strip_prefix("crc32c=")?;
            BASE64.decode(value.as_bytes()).ok()?.try_into().ok()
        });
        Self { crc32c }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_found_wherever_it_stands() {
        let check = |values: &[&str], expected: Option<[u8; 4]>| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(NAME, value.parse().unwrap());
            }
            assert_eq!(Hashes::of(&headers).crc32c, expected, "{values:?}");
        };
        let sum = Some([0xe3, 0x06, 0x92, 0x83]);
        check(&["crc32c=4waSgw=="], sum);
        check(&["crc32c=4waSgw==", "md5=JfnnlDI7RTiF9RgfG2JNCw=="], sum);
        check(&["md5=JfnnlDI7RTiF9RgfG2JNCw==, crc32c=4waSgw=="], sum);
        check(&["md5=JfnnlDI7RTiF9RgfG2JNCw=="], None);
        check(&["crc32c=4waSgw"], None);
        check(&["crc32c=JfnnlDI7RTiF9RgfG2JNCw=="], None);
        check(&[], None);
    }
}
