//! What S3 says when it refuses: a code that clients act on and a sentence that says what to do.

use std::borrow::Cow;

/// An error in S3's words, ready to be rendered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct S3Error {
    /// HTTP status.
    pub(crate) status: u16,
    /// The `Code` that clients act on.
    pub(crate) code: Cow<'static, str>,
    /// For people.
    pub(crate) message: Cow<'static, str>,
    /// Further elements of the document, such as `HeadersNotSigned`.
    pub(crate) elements: Vec<(&'static str, String)>,
    /// Seconds, for 503.
    pub(crate) retry_after: Option<u64>,
}

/// The codes that Tidegate itself answers, with the status that S3 gives them.
macro_rules! codes {
    ($($name:ident $code:literal $status:literal;)*) => {
        impl S3Error {
            $(pub(crate) fn $name(message: impl Into<Cow<'static, str>>) -> Self {
                Self::new($status, $code, message)
            })*
        }
    };
}

codes! {
    access_denied "AccessDenied" 403;
    authorization_header_malformed "AuthorizationHeaderMalformed" 400;
    authorization_query_parameters "AuthorizationQueryParametersError" 400;
    bad_digest "BadDigest" 400;
    bad_gateway "ServiceUnavailable" 503;
    bucket_already_owned_by_you "BucketAlreadyOwnedByYou" 409;
    entity_too_large "EntityTooLarge" 400;
    entity_too_small "EntityTooSmall" 400;
    expired_token "ExpiredToken" 400;
    incomplete_body "IncompleteBody" 400;
    incorrect_number_of_files "IncorrectNumberOfFilesInPostRequest" 400;
    internal_error "InternalError" 500;
    invalid_access_key_id "InvalidAccessKeyId" 403;
    invalid_argument "InvalidArgument" 400;
    invalid_bucket_name "InvalidBucketName" 400;
    invalid_chunk_size "InvalidChunkSizeError" 400;
    invalid_digest "InvalidDigest" 400;
    invalid_policy_document "InvalidPolicyDocument" 400;
    invalid_request "InvalidRequest" 400;
    invalid_token "InvalidToken" 400;
    invalid_uri "InvalidURI" 400;
    key_too_long "KeyTooLongError" 400;
    malformed_post_request "MalformedPOSTRequest" 400;
    malformed_trailer "MalformedTrailerError" 400;
    malformed_xml "MalformedXML" 400;
    max_message_length "MaxMessageLengthExceeded" 400;
    max_post_pre_data_length "MaxPostPreDataLengthExceededError" 400;
    metadata_too_large "MetadataTooLarge" 400;
    method_not_allowed "MethodNotAllowed" 405;
    missing_content_length "MissingContentLength" 411;
    no_such_key "NoSuchKey" 404;
    no_such_upload "NoSuchUpload" 404;
    not_implemented "NotImplemented" 501;
    precondition_failed "PreconditionFailed" 412;
    request_time_too_skewed "RequestTimeTooSkewed" 403;
    request_timeout "RequestTimeout" 400;
    signature_does_not_match "SignatureDoesNotMatch" 403;
    slow_down "SlowDown" 503;
    sha256_mismatch "XAmzContentSHA256Mismatch" 400;
}

impl S3Error {
    pub(crate) fn new(
        status: u16,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            status,
            code: code.into(),
            message: message.into(),
            elements: Vec::new(),
            retry_after: None,
        }
    }

    /// Adds an element to the document.
    pub(crate) fn with(mut self, element: &'static str, text: impl Into<String>) -> Self {
        self.elements.push((element, text.into()));
        self
    }

    /// Tells the caller when to try again.
    pub(crate) fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }
}
