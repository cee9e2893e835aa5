//! Callers of Google's XML API: the same paths as S3's, with a token, and headers of Google's own.
//!
//! What they say is understood as the S3 call that it is: `x-goog-acl` needs the right that `x-amz-acl` needs, a source in
//! `x-goog-copy-source` is read as any source is, and a sum in `x-goog-hash` is held against the bytes. What Amazon has no
//! word for is carried as it is, or refused; nothing of Google's is ignored that could change what happens.
//!
//! A token is what tells such callers apart: beside a signature of S3's, `x-goog-*` is refused as before. Whether the
//! bucket is Google's is not asked here, because nobody is known yet, and whoever has no token would learn it.

use super::classify::{Classified, Headers};
use super::error::S3Error;
use super::query::Query;
use crate::dialect::gcs_xml::{CONDITIONS, LEFT_OUT, SHARED, conditions};
use crate::operation::{Api, BodyRule, CopySource, DeclaredPayload};
use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::{BASE64, HEXLOWER};
use http::{HeaderMap, HeaderName, HeaderValue};
use md5::{Digest as _, Md5};
use zeroize::Zeroizing;

const METADATA: &str = "x-goog-meta-";
const CRC32C: &str = "x-amz-checksum-crc32c";
const MD5: &str = "x-amz-checksum-md5";
const CONTENT_SHA256: &str = "x-amz-content-sha256";
const KMS_KEY: &str = "x-goog-encryption-kms-key-name";
const CUSTOMER_KEY: [&str; 3] = [
    "x-goog-encryption-algorithm",
    "x-goog-encryption-key",
    "x-goog-encryption-key-sha256",
];

/// A request in Google's words, said in Amazon's.
#[derive(Debug)]
pub(super) struct Heard {
    /// Its headers, with none of Google's.
    pub(super) headers: HeaderMap,
    pub(super) query: Query,
    /// What it says about its payload's hash.
    pub(super) payload: Option<Box<str>>,
    conditions: Headers,
    source_generation: Option<Box<str>>,
    lengths: Option<(u64, u64)>,
}

/// Hears Google's words in the request of a caller with a token; `None` if there are none.
///
/// # Errors
/// `InvalidArgument` for what is malformed, unknown, or said in both vocabularies; `NotImplemented` for what is not served.
pub(super) fn hear(headers: &HeaderMap, query: &Query) -> Result<Option<Heard>, S3Error> {
    let query_heard = query.heard()?;
    let is_googles = |name: &HeaderName| name.as_str().starts_with("x-goog-");
    if query_heard.is_none() && !headers.keys().any(is_googles) {
        return Ok(None);
    }
    let amazons = headers.iter().filter(|(name, _)| !is_googles(name));
    let mut heard = Heard {
        headers: amazons
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
        query: query_heard.unwrap_or_else(|| query.clone()),
        payload: None,
        conditions: Headers::new(),
        source_generation: None,
        lengths: None,
    };
    let mut said = HeaderMap::new();
    for name in headers.keys().filter(|name| is_googles(name)) {
        heard.word(name.as_str(), headers, &mut said)?;
    }
    heard.customer_key(headers, &mut said)?;
    for name in said.keys() {
        if heard.headers.contains_key(name) {
            return Err(S3Error::invalid_argument(format!(
                "`{name}` and what Google calls the same are both there: say it once"
            )));
        }
    }
    heard.headers.extend(said);
    Ok(Some(heard))
}

impl Heard {
    /// Takes in one header, into `said` as far as Amazon has a word for it.
    fn word(&mut self, name: &str, headers: &HeaderMap, said: &mut HeaderMap) -> Result<(), S3Error> {
        let same = SHARED.iter().find(|(google, _)| *google == name);
        let metadata = name.strip_prefix(METADATA).map(|key| format!("x-amz-meta-{key}"));
        if let Some(amazons) = same.map(|(_, amazon)| (*amazon).to_owned()).or(metadata) {
            let amazons =
                HeaderName::try_from(amazons).map_err(|_| refused(name, "it is no valid header"))?;
            // Each value goes along, so that one that is given twice is refused as any is.
            let values = headers.get_all(name).iter();
            values.for_each(|value| {
                said.append(amazons.clone(), value.clone());
            });
            return Ok(());
        }
        if let Some(condition) = CONDITIONS.iter().find(|condition| **condition == name) {
            let value = number(name, single(headers, name)?)?;
            self.conditions.push(((*condition).into(), value.into()));
            return Ok(());
        }
        match name {
            _ if LEFT_OUT.contains(&name) || CUSTOMER_KEY.contains(&name) => {}
            "x-goog-hash" => hashes(headers, said)?,
            "x-goog-content-sha256" => self.payload = Some(content_sha256(headers)?.into()),
            "x-goog-copy-source-generation" => {
                self.source_generation = Some(number(name, single(headers, name)?)?.into());
            }
            "x-goog-content-length-range" => self.lengths = Some(lengths(single(headers, name)?)?),
            // Said when an upload in parts begins; later calls repeat it to no effect.
            KMS_KEY if self.query.get("uploadId").is_some() => {}
            KMS_KEY => {
                let key = value(single(headers, name)?, name)?;
                said.insert(
                    "x-amz-server-side-encryption",
                    HeaderValue::from_static("aws:kms"),
                );
                said.insert("x-amz-server-side-encryption-aws-kms-key-id", key);
            }
            "x-goog-resumable" => {
                return Err(S3Error::not_implemented(
                    "resumable uploads of the XML API are not served here: upload in one request, in parts, or with the \
                     JSON API (`/upload/storage/v1/`)",
                ));
            }
            _ => return Err(refused(name, "it is not known here: leave it out")),
        }
        Ok(())
    }

    /// A key that the caller brings along, checked by its SHA-256 here and known to S3 by its MD5.
    fn customer_key(&self, headers: &HeaderMap, said: &mut HeaderMap) -> Result<(), S3Error> {
        let [algorithm, key, sha256] = CUSTOMER_KEY;
        if !CUSTOMER_KEY.iter().any(|name| headers.contains_key(*name)) {
            return Ok(());
        }
        let text = single(headers, key)?;
        let bytes = BASE64.decode(text.as_bytes()).ok().map(Zeroizing::new);
        let bytes = bytes
            .filter(|bytes| bytes.len() == 32)
            .ok_or_else(|| refused(key, "a key is 256 bits in base64"))?;
        if single(headers, sha256)? != BASE64.encode(digest(&SHA256, &bytes).as_ref()) {
            return Err(refused(sha256, "it is the SHA-256 of the key in base64"));
        }
        let mut secret = value(text, key)?;
        secret.set_sensitive(true);
        let md5 = value(&BASE64.encode(&Md5::digest(&bytes[..])), key)?;
        let cipher = value(single(headers, algorithm)?, algorithm)?;
        said.insert("x-amz-server-side-encryption-customer-algorithm", cipher);
        said.insert("x-amz-server-side-encryption-customer-key", secret);
        said.insert("x-amz-server-side-encryption-customer-key-md5", md5);
        Ok(())
    }

    /// Adds what Amazon has no word for to a call that takes it.
    ///
    /// # Errors
    /// `NotImplemented` for conditions that are not heeded in this call, `EntityTooSmall` and `EntityTooLarge`.
    pub(super) fn complete(&self, found: &mut Classified, declared: &DeclaredPayload) -> Result<(), S3Error> {
        let api = found.api;
        if let Some((name, _)) = self
            .conditions
            .iter()
            .find(|(name, _)| !conditions(api).contains(&&**name))
        {
            return Err(S3Error::not_implemented(format!(
                "`{name}` is not heeded in {}, so it is not taken: leave it out, or upload in one request",
                api.name()
            )));
        }
        let absent = found.headers.iter().any(|(name, _)| name == "if-none-match");
        let writes = matches!(api, Api::PutObject | Api::CopyObject);
        if writes && absent && !self.conditions.is_empty() {
            return Err(S3Error::invalid_argument(
                "`If-None-Match` and a condition of Google's are both there: say it once",
            ));
        }
        found.headers.extend(self.conditions.iter().cloned());
        if self.source_generation.is_some() && api != Api::CopyObject {
            return Err(refused(
                "x-goog-copy-source-generation",
                "there is no `x-goog-copy-source`",
            ));
        }
        match (self.lengths, api.row().body) {
            (None, _) => Ok(()),
            (Some((least, _)), BodyRule::Object) if declared.length < least => Err(
                S3Error::entity_too_small("Your proposed upload is smaller than the minimum allowed size"),
            ),
            (Some((_, most)), BodyRule::Object) if declared.length > most => Err(S3Error::entity_too_large(
                "Your proposed upload exceeds the maximum allowed size",
            )),
            (Some(_), BodyRule::Object) => Ok(()),
            (Some(_), _) => Err(refused("x-goog-content-length-range", "nothing is uploaded")),
        }
    }

    /// The source of a copy with its generation.
    ///
    /// # Errors
    /// `InvalidArgument` if it names a version already.
    pub(super) fn source(&self, mut source: CopySource) -> Result<CopySource, S3Error> {
        match (&self.source_generation, &source.version_id) {
            (Some(_), Some(_)) => Err(refused(
                "x-goog-copy-source-generation",
                "the source names a version already",
            )),
            (Some(generation), None) => {
                source.version_id = Some(generation.clone());
                Ok(source)
            }
            (None, _) => Ok(source),
        }
    }
}

/// `crc32c=…,md5=…`, in one value or in several: each is a sum that the bytes are held against.
fn hashes(headers: &HeaderMap, said: &mut HeaderMap) -> Result<(), S3Error> {
    const NAME: &str = "x-goog-hash";
    for one in headers.get_all(NAME) {
        let one = one
            .to_str()
            .map_err(|_| refused(NAME, "it is not printable ASCII"))?;
        for item in one.split(',').map(str::trim) {
            let (header, sum) = match item.split_once('=') {
                Some(("crc32c", sum)) => (CRC32C, sum),
                Some(("md5", sum)) => (MD5, sum),
                _ => return Err(refused(NAME, "it is `crc32c=` or `md5=` with a sum in base64")),
            };
            if said.insert(header, value(sum, NAME)?).is_some() {
                return Err(refused(NAME, "it has a sum twice"));
            }
        }
    }
    Ok(())
}

/// The hash of the payload, or the word for none.
fn content_sha256(headers: &HeaderMap) -> Result<&str, S3Error> {
    const NAME: &str = "x-goog-content-sha256";
    let declared = single(headers, NAME)?;
    let is_hash = declared.len() == 64 && HEXLOWER.decode(declared.as_bytes()).is_ok();
    if headers.contains_key(CONTENT_SHA256) {
        return Err(refused(NAME, "`x-amz-content-sha256` is there as well"));
    }
    match is_hash || declared == "UNSIGNED-PAYLOAD" {
        true => Ok(declared),
        false => Err(refused(NAME, "it is `UNSIGNED-PAYLOAD` or a SHA-256 in hex")),
    }
}

/// `least,most`, in bytes.
fn lengths(range: &str) -> Result<(u64, u64), S3Error> {
    const NAME: &str = "x-goog-content-length-range";
    let range = range.split_once(',').and_then(|(least, most)| {
        let parsed = |text: &str| number(NAME, text.trim()).ok()?.parse::<u64>().ok();
        Some((parsed(least)?, parsed(most)?))
    });
    range.ok_or_else(|| refused(NAME, "it is `least,most` in bytes"))
}

/// The text itself if it is a whole number, as generations are.
fn number<'v>(name: &str, text: &'v str) -> Result<&'v str, S3Error> {
    let digits = (1..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    match digits {
        true => Ok(text),
        false => Err(refused(name, "it is a whole number")),
    }
}

fn single<'h>(headers: &'h HeaderMap, name: &str) -> Result<&'h str, S3Error> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value
            .to_str()
            .map_err(|_| refused(name, "it is not printable ASCII")),
        (None, _) => Err(refused(name, "it is missing")),
        (Some(_), Some(_)) => Err(refused(name, "it is given twice")),
    }
}

fn value(text: &str, name: &str) -> Result<HeaderValue, S3Error> {
    HeaderValue::from_str(text).map_err(|_| refused(name, "it is not printable ASCII"))
}

fn refused(name: &str, why: &str) -> S3Error {
    S3Error::invalid_argument(format!("`{name}` is not accepted: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(headers: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = headers.iter();
        pairs
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    fn heard(headers: &[(&'static str, &str)], query: &str) -> Result<Heard, String> {
        let query = Query::parse(Some(query)).unwrap();
        match hear(&map(headers), &query) {
            Ok(heard) => Ok(heard.expect("words of Google's")),
            Err(error) => Err(error.code.into_owned()),
        }
    }

    /// What Amazon would have been told.
    fn said(headers: &[(&'static str, &str)]) -> Vec<String> {
        let heard = heard(headers, "").unwrap();
        let lines = heard.headers.iter();
        let mut lines: Vec<String> = lines
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        lines.sort();
        lines
    }

    #[test]
    fn googles_words_are_amazons_where_both_have_one() {
        for (google, amazon) in SHARED {
            assert_eq!(said(&[(google, "v")]), [format!("{amazon}: v")]);
        }
        for name in LEFT_OUT {
            assert_eq!(said(&[(name, "v")]), [""; 0], "{name}");
        }
        assert_eq!(
            said(&[("x-goog-meta-a", "1"), ("range", "bytes=0-1")]),
            ["range: bytes=0-1", "x-amz-meta-a: 1"]
        );
        for hash in [
            &[("x-goog-hash", "crc32c=4waSgw==,md5=JfnnlDI7RTiF9RgfG2JNCw==")][..],
            &[
                ("x-goog-hash", "md5=JfnnlDI7RTiF9RgfG2JNCw=="),
                ("x-goog-hash", "crc32c=4waSgw=="),
            ],
        ] {
            assert_eq!(
                said(hash),
                [
                    "x-amz-checksum-crc32c: 4waSgw==",
                    "x-amz-checksum-md5: JfnnlDI7RTiF9RgfG2JNCw=="
                ]
            );
        }
        assert_eq!(
            said(&[(KMS_KEY, "projects/p")]),
            [
                "x-amz-server-side-encryption-aws-kms-key-id: projects/p",
                "x-amz-server-side-encryption: aws:kms"
            ]
        );
        let key = [
            ("x-goog-encryption-algorithm", "AES256"),
            (
                "x-goog-encryption-key",
                "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            ),
            (
                "x-goog-encryption-key-sha256",
                "Zmh6rfhivXdsj8GLjp+OIAiXFIVu4jOzkCpZHQ1fKSU=",
            ),
        ];
        assert_eq!(
            said(&key),
            [
                "x-amz-server-side-encryption-customer-algorithm: AES256",
                "x-amz-server-side-encryption-customer-key-md5: cLyPS3KoaSFGi/joRB3OUQ==",
                "x-amz-server-side-encryption-customer-key: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            ]
        );
    }

    #[test]
    fn a_generation_is_a_version() {
        let heard = heard(&[], "generation=17&userProject=p").unwrap();
        assert_eq!(heard.query.get("versionId"), Some("17"));
        assert_eq!(heard.query.iter().count(), 1);
        let plain = Query::parse(Some("versionId=17")).unwrap();
        assert!(hear(&map(&[("range", "bytes=0-1")]), &plain).unwrap().is_none());
        let both = Query::parse(Some("versionId=17&generation=17")).unwrap();
        assert!(hear(&HeaderMap::new(), &both).is_err());
    }

    // CLS-02
    #[test]
    fn what_is_unknown_malformed_or_said_twice_is_refused() {
        for headers in [
            &[("x-goog-allowed-resources", "1")][..],
            &[("x-goog-custom-time", "1")],
            &[("x-goog-acl", "private"), ("x-amz-acl", "private")],
            &[
                ("x-goog-hash", "crc32c=4waSgw=="),
                ("x-amz-checksum-crc32c", "4waSgw=="),
            ],
            &[("x-goog-hash", "crc32c=4waSgw==, crc32c=4waSgw==")],
            &[("x-goog-hash", "sha256=4waSgw==")],
            &[("x-goog-hash", "")],
            &[("x-goog-if-generation-match", "")],
            &[("x-goog-if-generation-match", "-1")],
            &[
                ("x-goog-if-generation-match", "1"),
                ("x-goog-if-generation-match", "2"),
            ],
            &[("x-goog-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")],
            &[("x-goog-content-length-range", "1")],
            &[("x-goog-content-length-range", "1,+2")],
            &[("x-goog-encryption-key", "AAAA")],
            &[("x-goog-encryption-algorithm", "AES256")],
        ] {
            assert_eq!(heard(headers, "").unwrap_err(), "InvalidArgument", "{headers:?}");
        }
        let resumable = [("x-goog-resumable", "start")];
        assert_eq!(heard(&resumable, "").unwrap_err(), "NotImplemented");
    }
}
