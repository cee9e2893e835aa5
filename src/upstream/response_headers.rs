//! Which response headers may go on to the caller.
//!
//! A list of what may, because what may not is open-ended: cookies, `Alt-Svc` (a way around the proxy), `Location`
//! and `x-amz-bucket-region` (they make clients turn to the target), and whatever is invented next. LEK-04, LEK-05.

use crate::operation::{Answer, Api, ChecksumAlgorithm};
use http::{HeaderMap, HeaderName, header};

/// The response headers of `api` that cross. Framing and `Date` are the listener's own, except `Content-Length`.
pub fn relayed(api: Api, headers: &HeaderMap) -> HeaderMap {
    let mut crossing = HeaderMap::with_capacity(headers.keys_len());
    for (name, value) in headers {
        if crosses(api, name) && !is_named_by_connection(headers, name) {
            crossing.append(name.clone(), value.clone());
        }
    }
    crossing
}

fn crosses(api: Api, name: &HeaderName) -> bool {
    let name = name.as_str();
    COMMON.contains(&name)
        || ChecksumAlgorithm::from_header(name).is_some()
        || (reads_object(api) && (OBJECT.contains(&name) || name.starts_with("x-amz-meta-")))
}

/// On any answer.
const COMMON: [&str; 19] = [
    "accept-ranges",
    "content-length",
    "content-type",
    "etag",
    "last-modified",
    "x-amz-abort-date",
    "x-amz-abort-rule-id",
    "x-amz-checksum-type",
    "x-amz-copy-source-version-id",
    "x-amz-delete-marker",
    "x-amz-expiration",
    "x-amz-request-charged",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-bucket-key-enabled",
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-server-side-encryption-customer-key-md5",
    "x-amz-storage-class",
    "x-amz-version-id",
];

/// On answers that are about the bytes of an object.
const OBJECT: [&str; 14] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-range",
    "expires",
    "x-amz-missing-meta",
    "x-amz-mp-parts-count",
    "x-amz-object-lock-legal-hold",
    "x-amz-object-lock-mode",
    "x-amz-object-lock-retain-until-date",
    "x-amz-replication-status",
    "x-amz-restore",
    "x-amz-tagging-count",
];

fn reads_object(api: Api) -> bool {
    api.row().answer == Answer::Object
}

/// What `Connection` names belongs to that hop, whatever it is called.
fn is_named_by_connection(headers: &HeaderMap, name: &HeaderName) -> bool {
    headers.get_all(header::CONNECTION).iter().any(|value| {
        value
            .as_bytes()
            .split(|b| *b == b',')
            .any(|token| token.trim_ascii().eq_ignore_ascii_case(name.as_str().as_bytes()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(api: Api, name: &str, crosses: bool) {
        let name: HeaderName = name.parse().unwrap();
        let headers = HeaderMap::from_iter([(name.clone(), "value".parse().unwrap())]);
        assert_eq!(
            relayed(api, &headers).contains_key(&name),
            crosses,
            "{api:?} {name}"
        );
    }

    // LEK-04, LEK-05
    #[test]
    fn only_listed_headers_cross() {
        for name in COMMON {
            check(Api::PutObject, name, true);
        }
        for name in OBJECT {
            check(Api::GetObject, name, true);
            check(Api::PutObject, name, false);
        }
        for name in [
            "x-amz-checksum-crc64nvme",
            "x-amz-checksum-sha256",
            "x-amz-meta-colour",
        ] {
            check(Api::HeadObject, name, true);
        }
        for name in [
            "set-cookie",
            "alt-svc",
            "location",
            "server",
            "date",
            "via",
            "x-amz-bucket-region",
            "x-amz-request-id",
            "x-amz-id-2",
            "x-amz-website-redirect-location",
            "x-amz-checksum-rot13",
            "strict-transport-security",
            "clear-site-data",
            "access-control-allow-origin",
            "transfer-encoding",
            "connection",
            "keep-alive",
            "trailer",
            "upgrade",
            "www-authenticate",
            "content-security-policy",
            "x-goog-hash",
        ] {
            check(Api::GetObject, name, false);
        }
    }

    #[test]
    fn what_connection_names_does_not_cross() {
        let mut headers = HeaderMap::new();
        headers.insert("connection", "close, ETag".parse().unwrap());
        headers.insert("etag", "\"a\"".parse().unwrap());
        headers.insert("content-length", "3".parse().unwrap());
        let crossing = relayed(Api::GetObject, &headers);
        assert_eq!(crossing.keys().collect::<Vec<_>>(), ["content-length"]);
    }
}
