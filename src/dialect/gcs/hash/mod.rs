//! The hashes that Google knows, CRC32C and MD5, wherever they are said: `x-goog-hash`, `Content-MD5`, and the members
//! `crc32c` and `md5Hash` of an object.
//!
//! Its CRC32C is that of all bytes of the object, however the object came together; an MD5 is there only for what was
//! uploaded in one request. Both are base64; in the header several come in one value or in several. What a caller
//! declares is read strictly, because a declaration that is not understood is one that nobody holds the bytes against;
//! what a target answers is read as far as it can be.
//!
//! Spec: <https://cloud.google.com/storage/docs/xml-api/reference-headers#xgooghash>

mod checked;

pub(crate) use checked::Checked;

use crate::operation::{Checksum, ChecksumAlgorithm, DeclaredPayload};
use data_encoding::BASE64;
use http::HeaderMap;

/// The name of the header, in both directions.
pub(crate) const NAME: &str = "x-goog-hash";

/// What is said about an object's bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hashes {
    /// Of all its bytes, big-endian.
    pub(crate) crc32c: Option<[u8; 4]>,
    /// Of all its bytes.
    pub(crate) md5: Option<[u8; 16]>,
}

/// Why a declaration is refused. The text is for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HashError {
    /// Not base64, of another length, or of another algorithm.
    #[error("`{0}` is not a base64 hash of the right length; Cloud Storage knows crc32c and md5")]
    Malformed(&'static str),
    /// Two that cannot both be right.
    #[error("`{0}` is declared twice with different values")]
    Contradiction(&'static str),
}

impl Hashes {
    /// Reads what an answer says. What is malformed is not there.
    pub(crate) fn answered(headers: &HeaderMap) -> Self {
        let mut hashes = Self::default();
        for item in items(headers).flatten() {
            if let Some(value) = item.strip_prefix("crc32c=") {
                hashes.crc32c = hashes.crc32c.or_else(|| decode(value));
            } else if let Some(value) = item.strip_prefix("md5=") {
                hashes.md5 = hashes.md5.or_else(|| decode(value));
            }
        }
        hashes
    }

    /// Reads what the headers of an upload declare.
    ///
    /// # Errors
    /// [`HashError`] for what is not understood, and for two values that differ.
    pub(crate) fn declared(headers: &HeaderMap) -> Result<Self, HashError> {
        let mut hashes = Self::default();
        for item in items(headers) {
            let (name, value) = item
                .and_then(|item| item.split_once('='))
                .ok_or(HashError::Malformed(NAME))?;
            let one = match name {
                "crc32c" => Self::of_members(Some(value), None),
                "md5" => Self::of_members(None, Some(value)),
                _ => Err(HashError::Malformed(NAME)),
            };
            hashes = hashes.and(one.map_err(|_| HashError::Malformed(NAME))?)?;
        }
        for value in headers.get_all("content-md5") {
            let md5 = value.to_str().ok().and_then(decode);
            let md5 = Some(md5.ok_or(HashError::Malformed("content-md5"))?);
            hashes = hashes.and(Self { crc32c: None, md5 })?;
        }
        Ok(hashes)
    }

    /// Reads `crc32c` and `md5Hash` of an object.
    ///
    /// # Errors
    /// [`HashError`] for what is not the base64 of one.
    pub(crate) fn of_members(crc32c: Option<&str>, md5: Option<&str>) -> Result<Self, HashError> {
        let crc32c = crc32c.map(|value| decode(value).ok_or(HashError::Malformed("crc32c")));
        let md5 = md5.map(|value| decode(value).ok_or(HashError::Malformed("md5Hash")));
        Ok(Self {
            crc32c: crc32c.transpose()?,
            md5: md5.transpose()?,
        })
    }

    /// Both together.
    ///
    /// # Errors
    /// [`HashError::Contradiction`] if they differ: whichever of the two were believed, the other was not.
    pub(crate) fn and(self, other: Self) -> Result<Self, HashError> {
        Ok(Self {
            crc32c: one_of(self.crc32c, other.crc32c, "crc32c")?,
            md5: one_of(self.md5, other.md5, "md5")?,
        })
    }

    /// The value of `x-goog-hash` that says the same; `None` if there is nothing to say.
    pub(crate) fn header(self) -> Option<String> {
        let crc32c = self.crc32c.map(|hash| format!("crc32c={}", BASE64.encode(&hash)));
        let md5 = self.md5.map(|hash| format!("md5={}", BASE64.encode(&hash)));
        let items: Vec<String> = crc32c.into_iter().chain(md5).collect();
        Some(items.join(",")).filter(|value| !value.is_empty())
    }

    /// As a declaration about a payload of `length` bytes.
    fn payload(self, length: u64) -> DeclaredPayload {
        let checksum = |algorithm, value: &[u8]| Checksum {
            algorithm,
            value: value.to_vec(),
        };
        let crc32c = self.crc32c.map(|hash| checksum(ChecksumAlgorithm::Crc32c, &hash));
        let md5 = self.md5.map(|hash| checksum(ChecksumAlgorithm::Md5, &hash));
        DeclaredPayload {
            length,
            checksums: crc32c.into_iter().chain(md5).collect(),
            ..DeclaredPayload::none()
        }
    }
}

/// The items of all values; `None` for a value that is not text.
fn items(headers: &HeaderMap) -> impl Iterator<Item = Option<&str>> {
    headers.get_all(NAME).iter().flat_map(|value| {
        let text = value.to_str().ok();
        let split = text
            .into_iter()
            .flat_map(|text| text.split(','))
            .map(|item| Some(item.trim()));
        split.chain(text.is_none().then_some(None))
    })
}

fn decode<const N: usize>(value: &str) -> Option<[u8; N]> {
    BASE64.decode(value.as_bytes()).ok()?.try_into().ok()
}

fn one_of<T: PartialEq>(
    one: Option<T>,
    other: Option<T>,
    name: &'static str,
) -> Result<Option<T>, HashError> {
    match (one, other) {
        (Some(one), Some(other)) if one != other => Err(HashError::Contradiction(name)),
        (Some(one), _) => Ok(Some(one)),
        (None, other) => Ok(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CRC: [u8; 4] = [0xe3, 0x06, 0x92, 0x83];
    const MD5: [u8; 16] = *b"\x25\xf9\xe7\x94\x32\x3b\x45\x38\x85\xf5\x18\x1f\x1b\x62\x4d\x0b";

    fn headers(values: &[&str], md5: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(NAME, value.parse().unwrap());
        }
        for value in md5 {
            headers.append("content-md5", value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn the_sum_of_an_answer_is_found_wherever_it_stands() {
        let check = |values: &[&str], expected: Option<[u8; 4]>| {
            let hashes = Hashes::answered(&headers(values, &[]));
            assert_eq!(hashes.crc32c, expected, "{values:?}");
        };
        let sum = Some(CRC);
        check(&["crc32c=4waSgw=="], sum);
        check(&["crc32c=4waSgw==", "md5=JfnnlDI7RTiF9RgfG2JNCw=="], sum);
        check(&["md5=JfnnlDI7RTiF9RgfG2JNCw==, crc32c=4waSgw=="], sum);
        check(&["md5=JfnnlDI7RTiF9RgfG2JNCw=="], None);
        check(&["crc32c=4waSgw"], None);
        check(&["crc32c=JfnnlDI7RTiF9RgfG2JNCw=="], None);
        check(&[], None);
    }

    #[test]
    fn what_a_caller_declares_is_understood_or_refused() {
        let check = |values: &[&str], md5: &[&str], expected: Result<(bool, bool), HashError>| {
            let declared = Hashes::declared(&headers(values, md5));
            let found = declared.map(|h| (h.crc32c == Some(CRC), h.md5 == Some(MD5)));
            assert_eq!(found, expected, "{values:?} {md5:?}");
        };
        const C: &str = "crc32c=4waSgw==";
        const M: &str = "md5=JfnnlDI7RTiF9RgfG2JNCw==";
        let (both, malformed) = (Ok((true, true)), Err(HashError::Malformed(NAME)));
        check(&[], &[], Ok((false, false)));
        check(&[C], &[], Ok((true, false)));
        check(&[C, C], &[], Ok((true, false)));
        check(&["crc32c=4waSgw==,md5=JfnnlDI7RTiF9RgfG2JNCw=="], &[], both);
        check(&[M, C], &["JfnnlDI7RTiF9RgfG2JNCw=="], both);
        check(&[C], &["JfnnlDI7RTiF9RgfG2JNCw=="], both);
        check(&["sha256=4waSgw=="], &[], malformed);
        check(&["crc32c=4waSgw"], &[], malformed);
        check(&["crc32c=JfnnlDI7RTiF9RgfG2JNCw=="], &[], malformed);
        check(&[""], &[], malformed);
        check(&["crc32c=4waSgw==,"], &[], malformed);
        check(&[], &["4waSgw=="], Err(HashError::Malformed("content-md5")));
        check(
            &[C, "crc32c=AAAAAA=="],
            &[],
            Err(HashError::Contradiction("crc32c")),
        );
        check(
            &[M],
            &["AAAAAAAAAAAAAAAAAAAAAA=="],
            Err(HashError::Contradiction("md5")),
        );
    }

    #[test]
    fn hashes_are_written_as_they_are_read() {
        let all = Hashes {
            crc32c: Some(CRC),
            md5: Some(MD5),
        };
        let header = all.header().unwrap();
        assert_eq!(Hashes::declared(&headers(&[&header], &[])), Ok(all));
        assert_eq!(Hashes::default().header(), None);
        let members = Hashes::of_members(Some("4waSgw=="), Some("JfnnlDI7RTiF9RgfG2JNCw=="));
        assert_eq!(members, Ok(all));
        let bad = Hashes::of_members(Some("4waSg"), None);
        assert_eq!(bad, Err(HashError::Malformed("crc32c")));
    }
}
