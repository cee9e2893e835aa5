//! S3's limits on what is declared: refused by the head, before a byte is read or a target hears of it.

use super::error::S3Error;
use crate::operation::{Api, BodyRule, DeclaredPayload};
use http::HeaderMap;

/// The largest object or part that one request can carry: 5 GiB. Larger objects are uploaded in parts.
pub(crate) const LARGEST_UPLOAD: u64 = 5 << 30;
/// Names and values of `x-amz-meta-*` together, without the prefix: 2 KiB.
const LARGEST_METADATA: usize = 2 << 10;
const METADATA: &str = "x-amz-meta-";

/// Holds a request against the limits, whatever its framing is.
///
/// # Errors
/// `EntityTooLarge`, `MetadataTooLarge`.
pub(crate) fn check(api: Api, headers: &HeaderMap, declared: &DeclaredPayload) -> Result<(), S3Error> {
    let row = api.row();
    if matches!(row.body, BodyRule::Object) {
        upload(declared.length)?;
    }
    if row.metadata { metadata(headers) } else { Ok(()) }
}

/// Holds the length of an object or part, in bytes, against the limit.
///
/// # Errors
/// `EntityTooLarge`.
pub(crate) fn upload(length: u64) -> Result<(), S3Error> {
    if length <= LARGEST_UPLOAD {
        return Ok(());
    }
    let message = "Your proposed upload exceeds the maximum allowed size; upload larger objects in parts";
    Err(S3Error::entity_too_large(message)
        .with("ProposedSize", length.to_string())
        .with("MaxSizeAllowed", LARGEST_UPLOAD.to_string()))
}

/// Holds the metadata of an object against the limit.
///
/// # Errors
/// `MetadataTooLarge`.
pub(crate) fn metadata(headers: &HeaderMap) -> Result<(), S3Error> {
    let of = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        let name = name.as_str().strip_prefix(METADATA)?;
        Some(name.len() + value.len())
    };
    let size: usize = headers.iter().filter_map(of).sum();
    if size <= LARGEST_METADATA {
        return Ok(());
    }
    Err(
        S3Error::metadata_too_large("Your metadata headers exceed the maximum allowed metadata size")
            .with("Size", size.to_string())
            .with("MaxSizeAllowed", LARGEST_METADATA.to_string()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    #[test]
    fn an_upload_of_five_gibibytes_is_the_largest() {
        let declared = |length| DeclaredPayload {
            length,
            ..DeclaredPayload::none()
        };
        for (api, length, refused) in [
            (Api::PutObject, 0, false),
            (Api::PutObject, 5_368_709_120, false),
            (Api::PutObject, 5_368_709_121, true),
            (Api::UploadPart, 5_368_709_120, false),
            (Api::UploadPart, u64::MAX, true),
            (Api::GetObject, u64::MAX, false),
        ] {
            let checked = check(api, &HeaderMap::new(), &declared(length));
            assert_eq!(checked.is_err(), refused, "{api:?} {length}");
            if let Err(error) = checked {
                assert_eq!((error.status, &*error.code), (400, "EntityTooLarge"));
                let elements = [
                    ("ProposedSize", length.to_string()),
                    ("MaxSizeAllowed", "5368709120".to_owned()),
                ];
                assert_eq!(error.elements, elements);
            }
        }
    }

    #[test]
    fn two_kibibytes_of_metadata_are_the_most() {
        let headers = |names: &[(&'static str, usize)]| -> HeaderMap {
            let pair = |(name, size): &(&'static str, usize)| {
                let value = HeaderValue::from_str(&"v".repeat(*size)).unwrap();
                (HeaderName::from_static(name), value)
            };
            names.iter().map(pair).collect()
        };
        for (names, refused) in [
            (&[("x-amz-meta-a", 2047)][..], false),
            (&[("x-amz-meta-a", 2048)], true),
            (&[("x-amz-meta-a", 1023), ("x-amz-meta-b", 1023)], false),
            (&[("x-amz-meta-a", 1023), ("x-amz-meta-b", 1024)], true),
            (&[("content-disposition", 4000)], false),
        ] {
            for api in [Api::PutObject, Api::CreateMultipartUpload, Api::CopyObject] {
                let checked = check(api, &headers(names), &DeclaredPayload::none());
                assert_eq!(checked.is_err(), refused, "{api:?} {names:?}");
                if let Err(error) = checked {
                    assert_eq!((error.status, &*error.code), (400, "MetadataTooLarge"));
                }
            }
            // S3 ignores metadata where a call takes none.
            assert!(check(Api::UploadPart, &headers(names), &DeclaredPayload::none()).is_ok());
        }
    }
}
