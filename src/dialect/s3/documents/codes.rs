//! What a target's error code becomes for the caller: a code and a message out of our own table.
//!
//! LEK-07: a target's message may name its bucket, its endpoint, its access key or the string it wanted signed. And
//! an error about the target's credentials is not about the caller's: passed on, it would make clients throw away a
//! good session. Whatever is not listed here is an internal error.

/// The code and the message that the caller sees for a target's `code`.
pub(crate) fn outward(code: &str) -> (&'static str, &'static str) {
    TABLE
        .iter()
        .find(|(known, _)| *known == code)
        .copied()
        .unwrap_or(INTERNAL)
}

const INTERNAL: (&str, &str) = (
    "InternalError",
    "We encountered an internal error. Please try again.",
);

const TABLE: [(&str, &str); 53] = [
    INTERNAL,
    ("AccessControlListNotSupported", "The bucket does not allow ACLs."),
    (
        "AccessDenied",
        "Access Denied by the storage behind this bucket, not by its policy here. The operator's log says more.",
    ),
    (
        "BadDigest",
        "The checksum that you gave does not match what was received.",
    ),
    (
        "BucketAlreadyExists",
        "The requested bucket name is not available.",
    ),
    (
        "BucketAlreadyOwnedByYou",
        "The bucket that you tried to create already exists, and you own it.",
    ),
    (
        "BucketNotEmpty",
        "The bucket that you tried to delete is not empty.",
    ),
    (
        "ConditionalRequestConflict",
        "The conditional request cannot succeed due to a conflicting operation.",
    ),
    (
        "EntityTooLarge",
        "Your proposed upload exceeds the maximum allowed object size.",
    ),
    (
        "EntityTooSmall",
        "Your proposed upload is smaller than the minimum allowed object size.",
    ),
    ("InvalidArgument", "An argument of the request is not valid."),
    (
        "InvalidBucketState",
        "The request is not valid for the current state of the bucket.",
    ),
    ("InvalidDigest", "The checksum that you gave is not valid."),
    (
        "InvalidObjectState",
        "The operation is not valid for the current state of the object.",
    ),
    (
        "InvalidPart",
        "One or more of the specified parts could not be found or has another entity tag.",
    ),
    (
        "InvalidPartOrder",
        "The list of parts was not in ascending order.",
    ),
    ("InvalidRange", "The requested range is not satisfiable."),
    ("InvalidRequest", "The request is not valid."),
    (
        "InvalidStorageClass",
        "The storage class that you specified is not valid.",
    ),
    ("InvalidTag", "A tag of the request is not valid."),
    ("KeyTooLongError", "Your key is too long."),
    (
        "MalformedACLError",
        "The ACL that you provided is not well-formed.",
    ),
    (
        "MalformedPolicy",
        "The policy that you provided is not well-formed.",
    ),
    ("MalformedXML", "The XML that you provided is not well-formed."),
    (
        "MetadataTooLarge",
        "Your metadata headers exceed the maximum allowed metadata size.",
    ),
    (
        "MethodNotAllowed",
        "The specified method is not allowed against this resource.",
    ),
    ("NoSuchBucket", "The specified bucket does not exist."),
    (
        "NoSuchBucketPolicy",
        "The specified bucket does not have a bucket policy.",
    ),
    (
        "NoSuchCORSConfiguration",
        "The specified bucket does not have a CORS configuration.",
    ),
    (
        "NoSuchConfiguration",
        "The specified configuration does not exist.",
    ),
    ("NoSuchKey", "The specified key does not exist."),
    (
        "NoSuchLifecycleConfiguration",
        "The specified bucket does not have a lifecycle configuration.",
    ),
    (
        "NoSuchObjectLockConfiguration",
        "The specified object does not have an Object Lock configuration.",
    ),
    (
        "NoSuchPublicAccessBlockConfiguration",
        "The public access block configuration was not found.",
    ),
    ("NoSuchTagSet", "There is no tag set."),
    (
        "NoSuchUpload",
        "The specified upload does not exist. It may have been aborted or completed.",
    ),
    ("NoSuchVersion", "The specified version does not exist."),
    (
        "NoSuchWebsiteConfiguration",
        "The specified bucket does not have a website configuration.",
    ),
    (
        "NotImplemented",
        "A header or query you provided implies functionality that is not implemented.",
    ),
    ("ObjectAlreadyInActiveTierError", "The object is not archived."),
    (
        "ObjectLockConfigurationNotFoundError",
        "Object Lock configuration does not exist for this bucket.",
    ),
    (
        "OperationAborted",
        "A conflicting operation is in progress against this resource. Please try again.",
    ),
    (
        "OwnershipControlsNotFoundError",
        "The bucket ownership controls were not found.",
    ),
    (
        "PreconditionFailed",
        "At least one of the preconditions that you specified did not hold.",
    ),
    ("QuotaExceeded", "The storage has no room for this request."),
    (
        "ReplicationConfigurationNotFoundError",
        "The replication configuration was not found.",
    ),
    (
        "RequestTimeout",
        "Your socket connection was not read from or written to within the timeout period.",
    ),
    (
        "RestoreAlreadyInProgress",
        "The restore of the object is already in progress.",
    ),
    (
        "ServerSideEncryptionConfigurationNotFoundError",
        "The server-side encryption configuration was not found.",
    ),
    ("ServiceUnavailable", "Service is unable to handle request."),
    ("SlowDown", "Please reduce your request rate."),
    ("TooManyParts", "The upload has too many parts."),
    (
        "XAmzContentSHA256Mismatch",
        "The provided `x-amz-content-sha256` does not match what was computed.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_about_the_targets_credentials_become_internal_errors() {
        for code in [
            "InvalidAccessKeyId",
            "SignatureDoesNotMatch",
            "ExpiredToken",
            "",
            "x",
        ] {
            assert_eq!(outward(code), INTERNAL, "{code}");
        }
        assert_eq!(outward("SlowDown").0, "SlowDown");
    }
}
