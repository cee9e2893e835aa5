//! SigV4 towards a target, in the header form, and its twin at Google.
//!
//! A general signer parses the URL again, copies all headers and derives its key anew for each request, which costs
//! more than the rest of a small request. What is signed here was put together a moment ago by `request`: paths and
//! parameters are encoded the one way already. So the canonical form is written straight into the hash, and the key
//! is derived once a day. A test holds every signature against the general signer of `aws-sigv4`.
//!
//! `GOOG4-HMAC-SHA256` is the same with other names. Google also takes `AWS4-HMAC-SHA256`, but then refuses every
//! `x-goog-*` header, and with them the only conditions on writes that it knows.
//!
//! Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>,
//! <https://cloud.google.com/storage/docs/authentication/signatures>

use super::SigningError;
use crate::credentials::Credential;
use crate::secret::Secret;
use aws_lc_rs::digest::{Context, SHA256};
use aws_lc_rs::hmac;
use data_encoding::HEXLOWER;
use http::{HeaderMap, HeaderName, HeaderValue, Request, header};
use jiff::{Timestamp, tz::TimeZone};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use zeroize::Zeroizing;

/// The names that tell one kind of signature from the other.
pub(super) struct Scheme {
    algorithm: &'static str,
    /// Goes before the secret.
    prefix: &'static str,
    terminator: &'static str,
    service: &'static str,
    date: HeaderName,
    content_sha256: HeaderName,
    /// Where it knows temporary credentials.
    security_token: Option<HeaderName>,
}

/// That of AWS.
pub(super) const AWS4: Scheme = Scheme {
    algorithm: "AWS4-HMAC-SHA256",
    prefix: "AWS4",
    terminator: "aws4_request",
    service: "s3",
    date: HeaderName::from_static("x-amz-date"),
    content_sha256: HeaderName::from_static("x-amz-content-sha256"),
    security_token: Some(HeaderName::from_static("x-amz-security-token")),
};

/// That of Google, for its HMAC keys.
pub(super) const GOOG4: Scheme = Scheme {
    algorithm: "GOOG4-HMAC-SHA256",
    prefix: "GOOG4",
    terminator: "goog4_request",
    service: "storage",
    date: HeaderName::from_static("x-goog-date"),
    content_sha256: HeaderName::from_static("x-goog-content-sha256"),
    security_token: None,
};

/// What proxies between here and the target may change.
const UNSIGNED: [HeaderName; 3] = [
    header::ACCEPT_ENCODING,
    header::CONTENT_LENGTH,
    header::USER_AGENT,
];

/// The key of the last request of one target. Hardly ever another one than that of the next.
#[derive(Default)]
pub(super) struct Keys(Mutex<Option<Arc<Derived>>>);

/// A signing key and what it was derived from.
struct Derived {
    // INVARIANT: compared by identity. A credential that was replaced never lends its key to the next one: while this
    // points to its place, nothing else is put there. It does not keep the secret itself.
    credential: Weak<Credential>,
    date: Box<str>,
    region: Box<str>,
    key: Zeroizing<Vec<u8>>,
}

impl Keys {
    /// The key for a day, remembered or derived. One target has one scheme.
    fn key(
        &self,
        scheme: &Scheme,
        credential: &Arc<Credential>,
        date: &str,
        region: &str,
    ) -> Result<Arc<Derived>, SigningError> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(derived) = last.as_ref().filter(|derived| {
            std::ptr::eq(derived.credential.as_ptr(), Arc::as_ptr(credential))
                && *derived.date == *date
                && *derived.region == *region
        }) {
            return Ok(Arc::clone(derived));
        }
        let secret = &credential.access_key().ok_or(SigningError::Credential)?.secret;
        let derived = Arc::new(Derived {
            credential: Arc::downgrade(credential),
            date: date.into(),
            region: region.into(),
            key: scheme.derive(secret, date, region),
        });
        *last = Some(Arc::clone(&derived));
        Ok(derived)
    }
}

impl Scheme {
    fn derive(&self, secret: &Secret, date: &str, region: &str) -> Zeroizing<Vec<u8>> {
        let mut key = Zeroizing::new(Vec::with_capacity(64));
        key.extend_from_slice(self.prefix.as_bytes());
        key.extend_from_slice(secret.expose());
        for part in [date, region, self.service, self.terminator] {
            key = Zeroizing::new(hmac(&key, part.as_bytes()).as_ref().to_vec());
        }
        key
    }
}

fn hmac(key: &[u8], message: &[u8]) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message)
}

/// Adds the signature to `request`, whose target is in origin form and canonically encoded.
///
/// `payload` is the value of `x-amz-content-sha256` or its twin.
///
/// # Errors
/// [`SigningError::Credential`] for a credential that is no key, or not text.
pub(super) fn sign<B>(
    scheme: &Scheme,
    request: &mut Request<B>,
    payload: HeaderValue,
    keys: &Keys,
    credential: &Arc<Credential>,
    region: &str,
    now: Timestamp,
) -> Result<(), SigningError> {
    let time = basic_date(now);
    let date = time.get(..8).unwrap_or_default();
    let unprintable = |_| SigningError::Credential;
    let access_key = credential.access_key().ok_or(SigningError::Credential)?;
    let headers = request.headers_mut();
    headers.insert(
        scheme.date.clone(),
        HeaderValue::from_str(&time).map_err(unprintable)?,
    );
    headers.insert(scheme.content_sha256.clone(), payload.clone());
    if let Some(token) = &access_key.session_token {
        // A scheme without sessions cannot make anything of half a credential.
        let name = scheme.security_token.clone().ok_or(SigningError::Credential)?;
        let mut token = HeaderValue::from_bytes(token.expose()).map_err(unprintable)?;
        token.set_sensitive(true);
        headers.insert(name, token);
    }

    let names = signed_names(request.headers());
    let signed_headers = names.join(";");
    let hash = canonical_hash(request, &names, &signed_headers, &payload);
    let algorithm = scheme.algorithm;
    let scope = format!("{date}/{region}/{}/{}", scheme.service, scheme.terminator);
    let mut to_sign = String::with_capacity(192);
    for line in [algorithm, &time, &scope] {
        to_sign.push_str(line);
        to_sign.push('\n');
    }
    HEXLOWER.encode_append(&hash, &mut to_sign);
    let key = keys.key(scheme, credential, date, region)?;
    let signature = HEXLOWER.encode(hmac(&key.key, to_sign.as_bytes()).as_ref());

    let id = &access_key.id;
    let authorization =
        format!("{algorithm} Credential={id}/{scope}, SignedHeaders={signed_headers}, Signature={signature}");
    let authorization = HeaderValue::try_from(authorization).map_err(unprintable)?;
    request.headers_mut().insert(header::AUTHORIZATION, authorization);
    Ok(())
}

fn signed_names(headers: &HeaderMap) -> Vec<&str> {
    let names = headers.keys().filter(|name| !UNSIGNED.contains(name));
    let mut names: Vec<&str> = names.map(HeaderName::as_str).collect();
    names.sort_unstable();
    names
}

fn canonical_hash<B>(
    request: &Request<B>,
    names: &[&str],
    signed_headers: &str,
    payload: &HeaderValue,
) -> [u8; 32] {
    // The hash takes many small pieces badly: one buffer, hashed at once.
    let mut text = Vec::with_capacity(1024);
    let mut line = |parts: &[&[u8]]| {
        for part in parts {
            text.extend_from_slice(part);
        }
    };
    line(&[request.method().as_str().as_bytes(), b"\n"]);
    line(&[request.uri().path().as_bytes(), b"\n"]);
    line(&[canonical_query(request.uri().query()).as_bytes(), b"\n"]);
    for name in names {
        line(&[name.as_bytes(), b":"]);
        for (i, value) in request.headers().get_all(*name).iter().enumerate() {
            line(&[if i > 0 { b"," } else { b"" }]);
            for (j, word) in words(value.as_bytes()).enumerate() {
                line(&[if j > 0 { b" " } else { b"" }, word]);
            }
        }
        line(&[b"\n"]);
    }
    line(&[b"\n", signed_headers.as_bytes(), b"\n", payload.as_bytes()]);
    let mut hash = Context::new(&SHA256);
    hash.update(&text);
    let mut digest = [0; 32];
    digest.copy_from_slice(hash.finish().as_ref());
    digest
}

/// What lies between runs of spaces: a value is signed without outer spaces and with single inner ones.
fn words(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b' ').filter(|word| !word.is_empty())
}

/// Sorted by name, then by value. All of them have a `=`.
fn canonical_query(query: Option<&str>) -> String {
    let mut pairs: Vec<(&str, &str)> = query
        .unwrap_or_default()
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .collect();
    pairs.sort_unstable();
    let mut sorted = String::with_capacity(query.map_or(0, str::len));
    for (i, (name, value)) in pairs.into_iter().enumerate() {
        for part in [if i > 0 { "&" } else { "" }, name, "=", value] {
            sorted.push_str(part);
        }
    }
    sorted
}

/// `yyyymmddThhmmssZ`.
fn basic_date(now: Timestamp) -> String {
    let at = TimeZone::UTC.to_datetime(now);
    let mut text = String::with_capacity(16);
    // Writing to a String cannot fail.
    let _ = write!(text, "{:04}{:02}{:02}T", at.year(), at.month(), at.day());
    let _ = write!(text, "{:02}{:02}{:02}Z", at.hour(), at.minute(), at.second());
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::{AccessKey, Material};
    use crate::dialect::s3::uri;
    use aws_credential_types::Credentials;
    use aws_sigv4::{http_request as aws, sign::v4};
    use proptest::prelude::*;
    use std::borrow::Cow;

    fn credential(secret: &str, token: Option<&str>) -> Arc<Credential> {
        Arc::new(Credential {
            material: Material::AccessKey(AccessKey {
                id: "TARGETKEY".into(),
                secret: Secret::new(secret),
                session_token: token.map(Secret::new),
            }),
            expires_at: None,
            version: None,
        })
    }

    /// What the general signer adds, with S3's settings: paths encoded once and never normalised.
    fn reference(request: &Request<()>, payload: &str, credential: &Credential, now: Timestamp) -> String {
        let text = |secret: &Secret| secret.expose_str().unwrap().to_owned();
        let key = credential.access_key().unwrap();
        let identity = Credentials::new(
            &*key.id,
            text(&key.secret),
            key.session_token.as_ref().map(text),
            None,
            "test",
        )
        .into();
        let mut settings = aws::SigningSettings::default();
        settings.percent_encoding_mode = aws::PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = aws::UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = aws::PayloadChecksumKind::XAmzSha256;
        settings.excluded_headers = Some(UNSIGNED.map(|name| Cow::Owned(name.to_string())).to_vec());
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region("us-east-1")
            .name("s3")
            .time(now.into())
            .settings(settings)
            .build()
            .unwrap();
        let headers = request.headers().iter();
        let signable = aws::SignableRequest::new(
            request.method().as_str(),
            format!("https://store.test:9000{}", request.uri()),
            headers.map(|(name, value)| (name.as_str(), value.to_str().unwrap())),
            aws::SignableBody::Precomputed(payload.to_owned()),
        );
        let (instructions, _) = aws::sign(signable.unwrap(), &parameters.into())
            .unwrap()
            .into_parts();
        let mut added = instructions.headers();
        added
            .find(|(name, _)| *name == "authorization")
            .unwrap()
            .1
            .to_owned()
    }

    fn request(path: &[u8], query: &[(&str, String)], headers: &[(&str, String)]) -> Request<()> {
        let mut target = String::from("/bucket/");
        uri::encode_path(path, &mut target);
        for (i, (name, value)) in query.iter().enumerate() {
            target.push(if i > 0 { '&' } else { '?' });
            uri::encode_query(name.as_bytes(), &mut target);
            target.push('=');
            uri::encode_query(value.as_bytes(), &mut target);
        }
        let mut request = Request::builder()
            .method("PUT")
            .uri(target)
            .header("host", "store.test:9000")
            .header("user-agent", "tidegate")
            .header("content-length", "3");
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        request.body(()).unwrap()
    }

    proptest! {
        #[test]
        fn every_signature_is_that_of_the_general_signer(
            path: Vec<u8>,
            query in proptest::collection::vec("\\PC{0,12}", 4),
            headers in proptest::collection::vec("[ -~]{0,24}", 4),
            token in proptest::option::of("[!-~]{1,40}"),
            second in 0_i64..4_000_000_000,
        ) {
            let query: Vec<_> = ["versionId", "x-id", "x", "partNumber"].into_iter().zip(query).collect();
            let names = ["x-amz-meta-b", "content-type", "x-amz-meta-a", "x-amz-meta-b"];
            let headers: Vec<_> = names.into_iter().zip(headers).collect();
            let now = Timestamp::from_second(second).unwrap();
            let credential = credential("secret", token.as_deref());
            let mut request = request(&path, &query, &headers);
            let expected = reference(&request, "UNSIGNED-PAYLOAD", &credential, now);
            let payload = HeaderValue::from_static("UNSIGNED-PAYLOAD");
            sign(&AWS4, &mut request, payload, &Keys::default(), &credential, "us-east-1", now).unwrap();
            prop_assert_eq!(request.headers().get("authorization").unwrap(), &expected);
            prop_assert_eq!(request.headers().get("x-amz-security-token").is_some(), token.is_some());
        }
    }

    #[test]
    fn keys_are_derived_as_by_the_general_signer() {
        let derived = AWS4.derive(&Secret::new("secret"), "20261122", "eu-west-1");
        let now = Timestamp::from_second(1_795_348_800).unwrap();
        let expected = v4::generate_signing_key("secret", now.into(), "eu-west-1", "s3");
        assert_eq!(&**derived, expected.as_ref());
    }

    #[test]
    fn the_twin_at_google_has_its_own_names_throughout() {
        let now = Timestamp::from_second(1_795_348_800).unwrap();
        let payload = || HeaderValue::from_static("UNSIGNED-PAYLOAD");
        let mut google = request(b"key", &[], &[]);
        let credential = credential("secret", None);
        sign(
            &GOOG4,
            &mut google,
            payload(),
            &Keys::default(),
            &credential,
            "auto",
            now,
        )
        .unwrap();
        let headers = google.headers();
        assert_eq!(headers["x-goog-date"], "20261122T120000Z");
        assert_eq!(headers["x-goog-content-sha256"], "UNSIGNED-PAYLOAD");
        let authorization = headers["authorization"].to_str().unwrap();
        let expected = "GOOG4-HMAC-SHA256 Credential=TARGETKEY/20261122/auto/storage/goog4_request, \
                        SignedHeaders=host;x-goog-content-sha256;x-goog-date, Signature=";
        assert!(authorization.starts_with(expected), "{authorization}");
        assert!(
            !headers.keys().any(|name| name.as_str().starts_with("x-amz-")),
            "{headers:?}"
        );
        // It has no sessions.
        let session = self::credential("secret", Some("token"));
        let signed = sign(
            &GOOG4,
            &mut google,
            payload(),
            &Keys::default(),
            &session,
            "auto",
            now,
        );
        assert!(matches!(signed, Err(SigningError::Credential)));
    }

    // CRD-01
    #[test]
    fn a_remembered_key_signs_for_its_credential_its_day_and_its_region_alone() {
        let keys = Keys::default();
        let (one, other) = (credential("one", None), credential("other", None));
        let noon = Timestamp::from_second(1_795_348_800).unwrap();
        let next_day = Timestamp::from_second(1_795_348_800 + 86_400).unwrap();
        let authorization = |keys: &Keys, credential: &Arc<Credential>, region: &str, now| {
            let mut request = request(b"key", &[], &[]);
            let payload = HeaderValue::from_static("UNSIGNED-PAYLOAD");
            sign(&AWS4, &mut request, payload, keys, credential, region, now).unwrap();
            request.headers().get("authorization").unwrap().clone()
        };
        for credential in [&one, &other, &one] {
            for now in [noon, next_day, noon] {
                for region in ["us-east-1", "eu-west-1"] {
                    assert_eq!(
                        authorization(&keys, credential, region, now),
                        authorization(&Keys::default(), credential, region, now)
                    );
                }
            }
        }
    }
}
