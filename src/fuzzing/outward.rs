//! The target's request for an operation, without a socket, and without a policy to permit it.

use crate::authz::Permit;
use crate::body::{self, Body};
use crate::config::{self, Bucket, Profile};
use crate::dialect::s3::forward;
use crate::operation::{BucketName, Operation, Upload, UploadOrigin, UploadTerms};
use crate::signing::{self, OutgoingPayload, PayloadHash, SigningError};
use bytes::{Bytes, BytesMut};
use http::Request;
use http_body::Body as _;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};

/// The host of the targets below.
pub(crate) const STORE: &str = "store.test";

/// The folder of [`Style::Folder`].
#[cfg_attr(not(test), allow(dead_code, reason = "only tests look into folders"))]
pub(crate) const FOLDER: &str = "teams/a/";

const CONFIG: &str = r#"
[server]
listen  = "127.0.0.1:0"
domains = ["localhost"]
[server.tls]
certificate = "server.pem"
key         = "server.key"
[admin]
listen = "127.0.0.1:0"
[sessions]
keys             = "keys.toml"
default_lifetime = "1h"
[audit]
file = "audit.jsonl"

[[issuers]]
name      = "test"
issuer    = "https://idp.test"
audiences = ["https://localhost"]
kind      = "user"

[targets.path]
kind       = "s3"
endpoint   = "https://store.test"
region     = "eu-central-1"
addressing = "path"
profile    = "aws"
credentials = { kind = "static", access_key_id = "env:NONE", secret_access_key = "env:NONE" }

[targets.host]
kind       = "s3"
endpoint   = "https://store.test"
region     = "eu-central-1"
addressing = "virtual-host"
profile    = "aws"
credentials = { kind = "static", access_key_id = "env:NONE", secret_access_key = "env:NONE" }

[buckets.path]
target = "path"
create = true
[buckets.host]
target = "host"
create = true
[buckets.folder]
target = "path"
prefix = "teams/a/"
"#;

/// How a target addresses its buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Path,
    Host,
    #[cfg_attr(not(test), allow(dead_code, reason = "only tests look into folders"))]
    /// As `Path`; the bucket is the folder [`FOLDER`] of that of the target.
    Folder,
}

/// The bucket `name` at a target where it has the same name.
pub(crate) fn bucket(name: &BucketName, style: Style) -> Arc<Bucket> {
    static BUCKETS: OnceLock<[Arc<Bucket>; 3]> = OnceLock::new();
    let [path, host, folder] = BUCKETS.get_or_init(|| {
        let config = config::resolve_text(Path::new("/fuzzing.toml"), CONFIG);
        let buckets =
            config.map(|config| ["path", "host", "folder"].map(|name| config.buckets.get(name).cloned()));
        match buckets {
            Ok([Some(path), Some(host), Some(folder)]) => [path, host, folder],
            // A defect here: nothing of the caller's is in it.
            other => unreachable!("{other:?}"),
        }
    });
    let template = match style {
        Style::Path => path,
        Style::Host => host,
        Style::Folder => folder,
    };
    Arc::new(Bucket {
        name: name.clone(),
        target_bucket: name.clone(),
        ..Bucket::clone(template)
    })
}

/// The request, unsigned, with its document. `object` stands for the bytes of an upload.
pub(crate) fn request(
    operation: &Operation,
    style: Style,
    object: &'static [u8],
) -> Result<Request<Bytes>, SigningError> {
    let own = operation.bucket().map(|name| bucket(name, style));
    let source = operation.copy_source();
    let source = source.map(|source| bucket(&source.object.bucket, style));
    let payload = own
        .as_ref()
        .and_then(|own| forward::without_caller(operation, own));
    let payload = payload.unwrap_or_else(|| OutgoingPayload {
        body: body::full(object),
        length: u64::try_from(object.len()).ok(),
        hash: PayloadHash::Unsigned,
        headers: Vec::new(),
        sum: None,
    });
    let permit = Permit::for_test(opened(operation.clone()), own, source);
    let (head, body) = signing::unsigned(&permit, payload, Profile::Aws)?.into_parts();
    Ok(Request::from_parts(head, whole(body)))
}

/// The operation with its handles opened, as if the target's own words had been sealed into them.
fn opened(operation: Operation) -> Operation {
    let word = |name: &str| operation.parameter(name).map(Box::from);
    let (upload, marker, token) = (
        word("uploadId"),
        word("upload-id-marker"),
        word("continuation-token"),
    );
    let operation = operation.with_target_markers(marker, token);
    match upload {
        None => operation,
        Some(target_id) => operation.with_upload(Upload {
            target_id,
            origin: UploadOrigin::Begun,
            terms: UploadTerms::default(),
        }),
    }
}

/// A body that is there already.
fn whole(mut body: Body) -> Bytes {
    let mut context = Context::from_waker(Waker::noop());
    let mut bytes = BytesMut::new();
    while let Poll::Ready(Some(Ok(frame))) = Pin::new(&mut body).poll_frame(&mut context) {
        if let Ok(data) = frame.into_data() {
            bytes.extend_from_slice(&data);
        }
    }
    bytes.freeze()
}
