//! The S3 dialect: a request becomes an [`Operation`], a claim and a declared payload, or S3's own error.

pub(crate) mod address;
mod authn_error;
mod claim;
mod classify;
mod copy_source;
mod declared;
mod describe;
pub(crate) mod documents;
pub(crate) mod error;
pub(crate) mod error_xml;
pub(crate) mod form;
pub(crate) mod forward;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod google;
pub(crate) mod limits;
pub(crate) mod payload;
mod query;
pub(crate) mod response;
pub(crate) mod uri;

pub(crate) use self::describe::{describe, describe_to_google};

use self::claim::Signable;
use self::error::S3Error;
use self::query::Query;
use crate::authn::Claim;
use crate::operation::{
    Api, BodyRule, BucketName, CopySource, DeclaredPayload, Detail, DocumentForm, Operation, Protocol,
    Resource,
};
use bytes::Bytes;
use http::{HeaderMap, Uri, request::Parts};

/// A request as far as its head tells.
pub(crate) struct Parsed {
    /// What is asked.
    pub(crate) draft: Draft,
    /// Who says so, unverified.
    pub(crate) claim: Claim,
    /// What the body is said to be.
    pub(crate) declared: DeclaredPayload,
}

/// What is known of a request as soon as it is read, whether or not it can be answered: for the record.
#[derive(Default)]
pub(crate) struct Glimpse {
    /// What it addresses.
    pub(crate) resource: Option<Resource>,
    /// Who it says it comes from.
    pub(crate) claim: Option<Claim>,
}

/// An operation, or one that names its objects in a document that is still to be read.
pub(crate) enum Draft {
    /// Complete.
    Ready(Operation),
    /// DeleteObjects, CompleteMultipartUpload, tags and settings.
    Document(DocumentDraft),
}

/// A call that waits for its document.
pub(crate) struct DocumentDraft {
    api: Api,
    resource: Resource,
    parameters: classify::Parameters,
    headers: classify::Headers,
    spoken: Protocol,
}

/// Parses the head of a request. `domains` are the host names that are served. `glimpse` gets what was read, also
/// if the rest is refused.
///
/// # Errors
/// S3's own error for whatever is malformed, unsigned or not known.
pub(crate) fn parse(head: &Parts, domains: &[Box<str>], glimpse: &mut Glimpse) -> Result<Parsed, S3Error> {
    let authority = authority(&head.uri, &head.headers)?;
    let address = address::parse(&authority, head.uri.path(), domains)?;
    glimpse.resource = Some(address.resource.clone());
    let query = Query::parse(head.uri.query())?;
    let read = claim::read(&Signable {
        method: head.method.as_str(),
        canonical_path: &address.canonical_path,
        query: &query,
        headers: &head.headers,
        authority: &authority,
        body_sha256: None,
    })?;
    glimpse.claim = Some(read.claim.clone());
    let unhoisted = classify::unhoist(&query, &head.headers)?;
    let headers = unhoisted.as_ref().unwrap_or(&head.headers);
    let heard = match &read.claim {
        Claim::Bearer(_) => google::hear(headers, &query)?,
        Claim::Signature(_) | Claim::Anonymous => None,
    };
    let (headers, query, spoken) = match &heard {
        Some(heard) => (&heard.headers, &heard.query, Protocol::Gcs),
        None => (headers, &query, Protocol::S3),
    };
    let mut found = classify::classify(head.method.as_str(), &address.resource, query, headers)?;
    let presigned = query.get("X-Amz-Signature").is_some();
    let payload = read.payload.as_deref();
    let payload = payload.or_else(|| heard.as_ref().and_then(|heard| heard.payload.as_deref()));
    let declared = declared::read(found.api, headers, payload, presigned)?;
    limits::check(found.api, headers, &declared)?;
    if let Some(heard) = &heard {
        heard.complete(&mut found, &declared)?;
    }
    let detail = match (source_of(headers)?, &heard) {
        (None, _) => Detail::None,
        (Some(source), None) => Detail::Copy(source),
        (Some(source), Some(heard)) => Detail::Copy(heard.source(source)?),
    };
    let draft = match found.api.row().body {
        BodyRule::Document { .. } => Draft::Document(DocumentDraft {
            api: found.api,
            resource: address.resource,
            parameters: found.parameters,
            headers: found.headers,
            spoken,
        }),
        BodyRule::Empty | BodyRule::Object | BodyRule::Form => {
            let (parameters, headers) = (found.parameters, found.headers);
            let operation = operation(found.api, address.resource, parameters, headers, detail)?;
            Draft::Ready(operation.spoken_in(spoken))
        }
    };
    Ok(Parsed {
        draft,
        claim: read.claim,
        declared,
    })
}

impl DocumentDraft {
    /// How many bytes the document may have.
    pub(crate) fn limit(&self) -> usize {
        match self.api.row().body {
            BodyRule::Document { limit, .. } => limit,
            BodyRule::Empty | BodyRule::Object | BodyRule::Form => 0,
        }
    }

    /// Completes the operation with its verified document.
    ///
    /// # Errors
    /// `MalformedXML` and its relatives.
    pub(crate) fn complete(self, document: &Bytes) -> Result<Operation, S3Error> {
        let BodyRule::Document { form, optional, .. } = self.api.row().body else {
            return Err(S3Error::internal_error("a document that no call takes"));
        };
        let detail = match (form, &self.resource) {
            _ if optional && document.is_empty() => Detail::None,
            (DocumentForm::Deletions, Resource::Bucket(bucket)) => {
                let (objects, quiet) = documents::parse_delete(document, bucket)?;
                Detail::Deletions { objects, quiet }
            }
            (DocumentForm::Deletions, _) => {
                return Err(S3Error::internal_error("deletions without a bucket"));
            }
            (DocumentForm::Parts, _) => Detail::Parts(documents::parse_complete(document)?),
            (DocumentForm::ObjectTags, _) => Detail::Tags(documents::parse_tags(document)?),
            (DocumentForm::NewBucket, _) => {
                documents::check_new_bucket(document)?;
                Detail::None
            }
            (DocumentForm::Retention, _) => {
                Detail::Document(documents::rebuild(document, &documents::RETENTION)?)
            }
            (DocumentForm::LegalHold, _) => {
                Detail::Document(documents::rebuild(document, &documents::LEGAL_HOLD)?)
            }
            (DocumentForm::Restore, _) => {
                Detail::Document(documents::rebuild(document, &documents::RESTORE)?)
            }
            (DocumentForm::Setting(root), _) => Detail::Document(documents::rebuild_setting(document, root)?),
            (DocumentForm::Policy, _) => Detail::Document(documents::rebuild_policy(document)?),
        };
        let operation = operation(self.api, self.resource, self.parameters, self.headers, detail)?;
        Ok(operation.spoken_in(self.spoken))
    }
}

/// The source of a copy, if there is one.
fn source_of(headers: &http::HeaderMap) -> Result<Option<CopySource>, S3Error> {
    let mut values = headers.get_all("x-amz-copy-source").iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(source), None) => {
            let text = source.to_str().map_err(|_| {
                S3Error::invalid_argument("x-amz-copy-source is not printable ASCII; percent-encode it")
            })?;
            copy_source::parse(text).map(Some)
        }
        // CLS-07: each side could take another one for the source.
        (Some(_), Some(_)) => Err(S3Error::invalid_argument(
            "the source of a copy is given twice; give it once",
        )),
    }
}

/// Whether a request is for STS, which shares the host: `/` with an `Action`, or a form posted to `/`.
pub(crate) fn is_sts(head: &Parts, domains: &[Box<str>]) -> bool {
    let form = || {
        let content_type = head
            .headers
            .get(http::header::CONTENT_TYPE)
            .and_then(|v| v.to_str().ok());
        head.method == http::Method::POST
            && content_type.is_some_and(|v| {
                v.to_ascii_lowercase()
                    .starts_with("application/x-www-form-urlencoded")
            })
    };
    let action = || {
        let pairs = head.uri.query().unwrap_or_default().split('&');
        pairs
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")).0)
            .any(|name| name == "Action")
    };
    let service = || {
        let address = authority(&head.uri, &head.headers)
            .and_then(|authority| address::parse(&authority, head.uri.path(), domains));
        matches!(address.map(|a| a.resource), Ok(Resource::Service))
    };
    let method = matches!(head.method, http::Method::GET | http::Method::POST);
    method && head.uri.path() == "/" && (form() || action()) && service()
}

/// Whether a request is for one of the doors below `/_tidegate/`. In the host name of a bucket that is a key.
pub(crate) fn is_door(head: &Parts, domains: &[Box<str>]) -> bool {
    let below = |path: &str| path == "/_tidegate" || path.starts_with("/_tidegate/");
    below(head.uri.path()) && is_service(head, domains)
}

/// Whether a request came to one of the host names that are served, and not to that of a bucket.
pub(crate) fn is_service(head: &Parts, domains: &[Box<str>]) -> bool {
    authority(&head.uri, &head.headers).is_ok_and(|authority| address::is_service_host(&authority, domains))
}

/// The claim of an STS request, whose signature covers the hash of the body.
///
/// # Errors
/// As for S3.
pub(crate) fn sts_claim(head: &Parts, body: &[u8]) -> Result<Claim, S3Error> {
    let mut body_sha256 = [0; 32];
    body_sha256.copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, body).as_ref());
    let query = Query::parse(head.uri.query())?;
    let read = claim::read(&Signable {
        method: head.method.as_str(),
        canonical_path: "/",
        query: &query,
        headers: &head.headers,
        authority: &authority(&head.uri, &head.headers)?,
        body_sha256: Some(body_sha256),
    })?;
    match (&read.claim, read.payload.as_deref()) {
        (Claim::Signature(_), Some(declared)) if declared != data_encoding::HEXLOWER.encode(&body_sha256) => {
            Err(S3Error::sha256_mismatch(
                "The provided 'x-amz-content-sha256' header does not match what was computed.",
            ))
        }
        _ => Ok(read.claim),
    }
}

/// The `Host` header or, in HTTP/2, `:authority`; in lower case.
pub(crate) fn authority(uri: &Uri, headers: &HeaderMap) -> Result<String, S3Error> {
    let host = headers
        .get(http::header::HOST)
        .and_then(|host| host.to_str().ok());
    host.or_else(|| uri.authority().map(http::uri::Authority::as_str))
        .map(str::to_ascii_lowercase)
        .ok_or_else(|| S3Error::invalid_request("the request has no valid Host"))
}

/// Where the caller of a request reaches `bucket`, without a slash at the end.
pub(crate) fn bucket_url(head: &Parts, domains: &[Box<str>], bucket: &BucketName) -> String {
    address::bucket_url(
        &authority(&head.uri, &head.headers).unwrap_or_default(),
        domains,
        bucket,
    )
}

fn operation(
    api: Api,
    resource: Resource,
    parameters: classify::Parameters,
    headers: classify::Headers,
    detail: Detail,
) -> Result<Operation, S3Error> {
    Operation::new(api, resource, parameters, headers, detail)
        .map_err(|error| S3Error::invalid_request(error.to_string()))
}

impl From<documents::DocumentError> for S3Error {
    fn from(error: documents::DocumentError) -> Self {
        match error.code() {
            "NotImplemented" => Self::not_implemented(error.to_string()),
            "InvalidTag" => Self::new(400, "InvalidTag", error.to_string()),
            "MalformedPolicy" => Self::new(400, "MalformedPolicy", error.to_string()),
            _ => Self::malformed_xml(error.to_string()),
        }
    }
}
