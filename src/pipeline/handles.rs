//! What callers come back with: upload ids and continuation tokens, opened before anybody decides.
//!
//! Opened first, because a policy wants to know what the upload was begun with; refused last, because somebody who may
//! not even ask learns from a denial what there is to learn. An id that does not open is no upload to anybody: whether
//! it is another principal's, another key's or never was one is in the record, not in the answer.

use crate::authn::{HandleError, Handles};
use crate::config::{Bucket, Config};
use crate::dialect::s3::documents;
use crate::error::Error;
use crate::operation::{Api, Operation, Upload, UploadOrigin, UploadTerms};

/// The operation with what its handles say, and why one of them did not open.
pub(super) fn open(
    operation: Operation,
    handles: &Handles,
    config: &Config,
) -> (Operation, Result<(), Error>) {
    match opened(&operation, handles, config) {
        Ok(Opened {
            upload,
            marker,
            token,
        }) => {
            let operation = match upload {
                Some(upload) => operation.with_upload(upload),
                None => operation,
            };
            (operation.with_target_markers(marker, token), Ok(()))
        }
        Err(error) => (operation, Err(error)),
    }
}

#[derive(Default)]
struct Opened {
    upload: Option<Upload>,
    marker: Option<Box<str>>,
    token: Option<Box<str>>,
}

fn opened(operation: &Operation, handles: &Handles, config: &Config) -> Result<Opened, Error> {
    let mut opened = Opened::default();
    let Some(bucket) = operation.bucket().and_then(|name| config.buckets.get(name)) else {
        // No policy allows anything in a bucket that is not there.
        return Ok(opened);
    };
    let place = documents::place(bucket);
    if let (Some(id), Some(object)) = (operation.parameter("uploadId"), operation.object()) {
        let upload = handles
            .open_upload(&place, object.key.as_str(), id)
            .map_err(Error::NoSuchUpload)?;
        if upload.origin == UploadOrigin::Listed && !goes_with_listed(operation.api(), bucket) {
            return Err(Error::NoSuchUpload(HandleError::Listed));
        }
        opened.upload = Some(upload);
    }
    // As at S3, the marker of an upload means nothing without that of its key.
    let key_marker = operation.parameter("key-marker").filter(|key| !key.is_empty());
    let upload_marker = operation
        .parameter("upload-id-marker")
        .filter(|id| !id.is_empty());
    if let (Some(key), Some(id)) = (key_marker, upload_marker) {
        let upload = handles.open_upload(&place, key, id);
        let upload = upload.map_err(|error| Error::NotAMarker("upload-id-marker", error))?;
        opened.marker = Some(upload.target_id);
    }
    let token = operation.parameter("continuation-token");
    if let (Some(prefix), Some(token), false) = (operation.listed_prefix(), token, bucket.prefix.is_empty()) {
        let token = handles.open_page(&place, prefix, token);
        opened.token = Some(token.map_err(|error| Error::NotAMarker("continuation-token", error))?);
    }
    if operation.api() == Api::CreateMultipartUpload && !Handles::fits(&UploadTerms::of(operation)) {
        return Err(Error::UploadTerms);
    }
    Ok(opened)
}

/// What may be done with an upload that nobody knows the beginner of: what tidies up.
fn goes_with_listed(api: Api, bucket: &Bucket) -> bool {
    matches!(api, Api::AbortMultipartUpload | Api::ListParts) || bucket.resume_listed_uploads
}
