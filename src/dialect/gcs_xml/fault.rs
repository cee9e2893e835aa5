//! Google's errors in the words of S3.
//!
//! Most codes are the same. What differs is what clients act on: an object that is not there is no error to a deletion
//! at S3, a missing generation is a missing version, and "too many requests" is a 503.

use crate::operation::{Api, Operation, Protocol};

/// What an error means at S3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// None at all: the call achieved what it is for.
    Success,
    /// This status and code.
    Failure(u16, Option<String>),
}

/// The fault of `operation` in S3's words, or as far as they are Google's own for whoever speaks those.
pub(crate) fn translate(operation: &Operation, to: Protocol, status: u16, code: Option<String>) -> Fault {
    let api = operation.api();
    let as_code = |status: u16, code: &str| Fault::Failure(status, Some(code.to_owned()));
    let versioned = operation.parameter("versionId").is_some();
    match (status, code.as_deref()) {
        // What is not there was not deleted, and a generation that is not there is a key that is not there.
        (404, None | Some("NoSuchKey")) if to == Protocol::Gcs => Fault::Failure(status, code),
        (429, _) if to == Protocol::Gcs => as_code(429, "SlowDown"),
        // HEAD has no document, and a bucket that is not there is not the object's absence.
        (404, Some("NoSuchKey")) if api == Api::DeleteObject => Fault::Success,
        (404, Some("NoSuchKey") | None) if versioned => as_code(404, "NoSuchVersion"),
        // Our credential, whatever Google calls what is wrong with it.
        (401, _)
        | (
            _,
            Some(
                "AuthenticationRequired"
                | "InvalidAuthentication"
                | "InvalidSecurity"
                | "MissingSecurityElement"
                | "MissingSecurityHeader",
            ),
        ) => as_code(status, "InvalidAccessKeyId"),
        (
            _,
            Some("UserProjectMissing" | "UserProjectInvalid" | "UserProjectAccountProblem" | "NotSignedUp"),
        ) => as_code(status, "AccountProblem"),
        (429, _) => as_code(503, "SlowDown"),
        (400, Some("CrcMismatch")) => as_code(400, "BadDigest"),
        (400, Some("InvalidMultiObjectDeleteRequest" | "MalformedMultiObjectDeleteRequest")) => {
            as_code(400, "MalformedXML")
        }
        (403, Some("ObjectUnderActiveHold" | "RetentionPolicyNotMet" | "ResourceIsImmutable")) => {
            as_code(403, "AccessDenied")
        }
        _ => Fault::Failure(status, code),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::{BucketName, Detail, ObjectKey, ObjectName, Resource};

    #[test]
    fn what_clients_act_on_is_as_at_s3() {
        let check =
            |api: Api, version: Option<&str>, status: u16, code: &str, expected: Option<(u16, &str)>| {
                let object = ObjectName {
                    bucket: BucketName::parse("lake").unwrap(),
                    key: ObjectKey::parse(b"k").unwrap(),
                };
                let parameters = version.map(|version| ("versionId", version.into()));
                let resource = Resource::Object(object);
                let operation = Operation::new(
                    api,
                    resource,
                    parameters.into_iter().collect(),
                    Vec::new(),
                    Detail::None,
                );
                let code = Some(code.to_owned()).filter(|code| !code.is_empty());
                let expected = match expected {
                    None => Fault::Success,
                    Some((status, "")) => Fault::Failure(status, None),
                    Some((status, code)) => Fault::Failure(status, Some(code.to_owned())),
                };
                assert_eq!(
                    translate(&operation.unwrap(), Protocol::S3, status, code.clone()),
                    expected,
                    "{api:?} {status} {code:?}"
                );
            };
        let (get, delete) = (Api::GetObject, Api::DeleteObject);
        check(get, None, 404, "NoSuchKey", Some((404, "NoSuchKey")));
        check(get, Some("1"), 404, "NoSuchKey", Some((404, "NoSuchVersion")));
        check(Api::HeadObject, Some("1"), 404, "", Some((404, "NoSuchVersion")));
        check(Api::HeadObject, None, 404, "", Some((404, "")));
        check(delete, None, 404, "NoSuchKey", None);
        check(delete, Some("1"), 404, "NoSuchKey", None);
        check(delete, None, 404, "NoSuchBucket", Some((404, "NoSuchBucket")));
        check(
            Api::AbortMultipartUpload,
            None,
            404,
            "NoSuchUpload",
            Some((404, "NoSuchUpload")),
        );
        for code in ["AuthenticationRequired", "MissingSecurityHeader", ""] {
            check(get, None, 401, code, Some((401, "InvalidAccessKeyId")));
        }
        check(
            get,
            None,
            403,
            "InvalidSecurity",
            Some((403, "InvalidAccessKeyId")),
        );
        check(get, None, 403, "AccessDenied", Some((403, "AccessDenied")));
        check(
            get,
            None,
            400,
            "UserProjectMissing",
            Some((400, "AccountProblem")),
        );
        check(get, None, 429, "RateLimitExceeded", Some((503, "SlowDown")));
        check(
            get,
            None,
            412,
            "PreconditionFailed",
            Some((412, "PreconditionFailed")),
        );
    }

    #[test]
    fn what_googles_clients_act_on_is_as_at_google() {
        let resource = Resource::Object(ObjectName {
            bucket: BucketName::parse("lake").unwrap(),
            key: ObjectKey::parse(b"k").unwrap(),
        });
        let parameters = vec![("versionId", "1".into())];
        let api = Api::DeleteObject;
        let delete = Operation::new(api, resource, parameters, Vec::new(), Detail::None).unwrap();
        let check = |status: u16, code: &str, expected: (u16, &str)| {
            let fault = translate(&delete, Protocol::Gcs, status, Some(code.to_owned()));
            assert_eq!(
                fault,
                Fault::Failure(expected.0, Some(expected.1.to_owned())),
                "{code}"
            );
        };
        check(404, "NoSuchKey", (404, "NoSuchKey"));
        check(429, "RateLimitExceeded", (429, "SlowDown"));
        check(401, "AuthenticationRequired", (401, "InvalidAccessKeyId"));
        check(412, "PreconditionFailed", (412, "PreconditionFailed"));
    }
}
