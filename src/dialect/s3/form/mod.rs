//! POST-object forms: an upload by somebody who has no session, under a policy that the holder of one signed.
//!
//! The signature covers the policy and nothing else of the request, so everything else is taken for what it is: the
//! word of a stranger. Fields count only as far as the policy speaks of them; HTTP headers count for nothing, and
//! those that would mean something to a store are refused. What comes out is a PutObject like any other: the same
//! parser of keys, the same headers, the same rights, decided for the session that signed.
//!
//! - [`boundary`], [`head`] and [`file`] take the body apart while it comes,
//! - [`fields`] and [`policy`] hold what was filled in against what was signed,
//! - [`claim`] is the signature, [`object`] the upload that comes of it, [`answer`] what the browser is told.
//!
//! Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html>

mod answer;
mod boundary;
mod claim;
mod fields;
mod file;
#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod fuzzing;
mod head;
mod object;
mod policy;

pub(crate) use self::file::File;
pub(crate) use self::object::Upload;

use self::boundary::Delimiter;
use self::fields::Fields;
use self::head::Head;
use self::policy::Policy;
use super::error::S3Error;
use super::payload::{self, next_frame};
use super::query::Query;
use super::{Glimpse, address};
use crate::authn::Claim;
use crate::body::PayloadError;
use crate::error::Error;
use crate::operation::{BucketName, Resource};
use http::{HeaderMap, header, request::Parts};
use std::time::Duration;

/// How much of a frame is looked at in one go: what belongs to the file is not copied.
const GULP: usize = 16 << 10;
/// Prefixes with which storage systems give headers a meaning of their own.
const VENDOR_PREFIXES: [&str; 4] = ["x-amz-", "x-goog-", "x-minio-", "x-rustfs-"];

/// The head of a request that carries a form.
pub(crate) struct Request {
    bucket: BucketName,
    delimiter: Delimiter,
    content_length: u64,
}

/// A form up to its file, and nothing of it verified.
pub(crate) struct Form<B> {
    bucket: BucketName,
    fields: Fields,
    policy: Option<Policy>,
    claim: Claim,
    file: File<B>,
}

/// Whether a request carries a form: a POST to a bucket, without a sub-resource, of the type that forms have.
pub(crate) fn is_form(head: &Parts, domains: &[Box<str>]) -> bool {
    let content_type = || text(&head.headers, header::CONTENT_TYPE).is_some_and(boundary::is_form);
    let addressed = || {
        let authority = super::authority(&head.uri, &head.headers).ok()?;
        Some(
            address::parse(&authority, head.uri.path(), domains)
                .ok()?
                .resource,
        )
    };
    // `?delete` and the like are calls of their own, whatever their body is said to be.
    let plain =
        || Query::parse(head.uri.query()).is_ok_and(|query| query.iter().all(|(name, _)| is_of_claim(name)));
    head.method == http::Method::POST
        && content_type()
        && plain()
        && matches!(addressed(), Some(Resource::Bucket(_)))
}

impl Request {
    /// Reads the head. `glimpse` gets what it addresses, also if the rest is refused.
    ///
    /// # Errors
    /// Two authentications at once, headers that no signature covers, no length, a type that is no form's.
    pub(crate) fn parse(head: &Parts, domains: &[Box<str>], glimpse: &mut Glimpse) -> Result<Self, S3Error> {
        let address = address::parse(
            &super::authority(&head.uri, &head.headers)?,
            head.uri.path(),
            domains,
        )?;
        glimpse.resource = Some(address.resource.clone());
        let Resource::Bucket(bucket) = address.resource else {
            return Err(S3Error::method_not_allowed("a form is posted to a bucket"));
        };
        let query = Query::parse(head.uri.query())?;
        // SIG-05: what a form says of its signature is in its fields.
        if head.headers.contains_key(header::AUTHORIZATION) || query.iter().any(|(name, _)| name != "x-id") {
            return Err(S3Error::invalid_argument(
                "Only one auth mechanism allowed: a form is signed in its fields, not in a header or in the query",
            ));
        }
        refuse_headers(&head.headers)?;
        let content_type = text(&head.headers, header::CONTENT_TYPE).unwrap_or_default();
        let delimiter = Delimiter::of(content_type)?;
        let content_length = text(&head.headers, header::CONTENT_LENGTH)
            .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(|| {
                S3Error::missing_content_length("You must provide the Content-Length HTTP header")
            })?;
        Ok(Self {
            bucket,
            delimiter,
            content_length,
        })
    }

    /// Reads the fields, up to the first byte of the file.
    ///
    /// # Errors
    /// [`Error::Payload`] if the body breaks off or stands still for `stall`, [`Error::Refused`] for whatever is not
    /// a form, or has no clear policy.
    pub(crate) async fn read<B: payload::Incoming>(
        self,
        mut body: B,
        stall: Duration,
    ) -> Result<Form<B>, Error> {
        let mut head = Head::new(self.delimiter.clone());
        let (mut complete, rest) = loop {
            let Some(mut frame) = next_frame(&mut body, stall).await.map_err(Error::Payload)? else {
                return Err(Error::Payload(
                    PayloadError::Form("it ends before the file").into(),
                ));
            };
            let mut found = None;
            while found.is_none() && !frame.is_empty() {
                let gulp = frame.split_to(frame.len().min(GULP));
                found = head.push(&gulp)?;
            }
            if let Some(complete) = found {
                break (complete, frame);
            }
        };
        complete.fields.name_the_file(&complete.file_name)?;
        let policy = complete.fields.get("policy").map(Policy::parse).transpose()?;
        let claim = claim::read(&complete.fields, policy.as_ref())?;
        let left = self
            .content_length
            .checked_sub(complete.used)
            .ok_or(Error::Payload(PayloadError::Incomplete.into()))?;
        let file = File::new(body, [complete.rest.freeze(), rest], left, self.delimiter)
            .map_err(|error| Error::Payload(error.into()))?;
        Ok(Form {
            bucket: self.bucket,
            fields: complete.fields,
            policy,
            claim,
            file,
        })
    }
}

impl<B: payload::Incoming> Form<B> {
    /// Who signed it, unverified.
    pub(crate) fn claim(&self) -> &Claim {
        &self.claim
    }

    /// The upload that the form asks for. To be called once its claim is known to be true.
    ///
    /// # Errors
    /// [`Error::Refused`] with `AccessDenied` for what its policy does not allow, and as for a PutObject;
    /// [`Error::Payload`] if a small form does not end as it must.
    pub(crate) async fn into_upload(mut self, stall: Duration) -> Result<Upload<B>, Error> {
        let policy = self
            .policy
            .as_ref()
            .ok_or(Error::Internal("a form without a policy"))?;
        policy.check(&self.fields, self.bucket.as_str())?;
        self.file.settle(stall).await.map_err(Error::Payload)?;
        policy.check_length(self.file.length())?;
        Ok(object::upload(self.bucket, &self.fields, self.file)?)
    }
}

/// SIG-02: nothing of the head is signed, so nothing of it may mean anything to a store.
fn refuse_headers(headers: &HeaderMap) -> Result<(), S3Error> {
    let mut meant: Vec<&str> = headers
        .keys()
        .map(header::HeaderName::as_str)
        .filter(|name| {
            VENDOR_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || *name == "content-md5"
        })
        .collect();
    if meant.is_empty() {
        return Ok(());
    }
    meant.sort_unstable();
    Err(S3Error::access_denied(
        "There were headers present in the request which were not signed: use form fields",
    )
    .with("HeadersNotSigned", meant.join(", ")))
}

/// Query keys that say something of the caller and nothing of the call.
fn is_of_claim(name: &str) -> bool {
    let of_version_2 = ["AWSAccessKeyId", "Signature", "Expires"];
    name == "x-id"
        || name
            .get(..6)
            .is_some_and(|start| start.eq_ignore_ascii_case("x-amz-"))
        || of_version_2.contains(&name)
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}
