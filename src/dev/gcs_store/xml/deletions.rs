//! Many objects deleted at once: `POST /BUCKET?delete`.
//!
//! Spec: <https://docs.cloud.google.com/storage/docs/xml-api/post-bucket-delete>

use super::asked::{Asked, HASHES};
use super::document;
use crate::body::Body;
use crate::dev::gcs_store::conditions::Conditions;
use crate::dev::gcs_store::faults::Inbound;
use crate::dev::gcs_store::intake::Expected;
use crate::dev::gcs_store::object::Content;
use crate::dev::gcs_store::{Refusal, Shared};
use crate::dialect::s3::documents::{escape, parse_delete};
use crate::operation::BucketName;
use crc_fast::CrcAlgorithm;
use data_encoding::BASE64;
use http::Response;
use md5::{Digest as _, Md5};
use std::fmt::Write as _;

/// Bytes of a document that names objects or parts.
pub(super) const MAX_DOCUMENT: usize = 2 << 20;

impl Shared {
    pub(super) async fn xml_delete_many(
        &self,
        asked: &Asked,
        body: &mut Inbound,
    ) -> Result<Response<Body>, Refusal> {
        asked.only(&["delete"], &[&HASHES])?;
        let text = body.document(MAX_DOCUMENT).await?;
        is_as_said(asked, &text)?;
        let malformed = |why: String| Refusal::invalid(why).coded("MalformedMultiObjectDeleteRequest");
        let name = BucketName::parse(&asked.bucket).map_err(|error| malformed(error.to_string()))?;
        let (objects, quiet) = parse_delete(&text, &name).map_err(|error| malformed(error.to_string()))?;
        let mut shelf = self.shelf();
        shelf.bucket(&asked.bucket)?;
        let mut inner = String::new();
        for deletion in objects {
            let key = deletion.object.key.as_str();
            let generation = deletion.version_id.as_deref();
            let deleted = match generation.map(str::parse).transpose() {
                Ok(number) => shelf.delete(&asked.bucket, key, number, &Conditions::default()),
                Err(_) => Err(Refusal::parameter("VersionId", generation.unwrap_or_default())),
            };
            let version =
                generation.map(|generation| format!("<VersionId>{}</VersionId>", escape(generation)));
            let named = format!("<Key>{}</Key>{}", escape(key), version.unwrap_or_default());
            match deleted {
                Ok(()) if quiet => {}
                Ok(()) => {
                    let _ = write!(inner, "<Deleted>{named}</Deleted>");
                }
                Err(refusal) => {
                    let (code, message) = refusal.in_xml();
                    let message = escape(message);
                    let _ = write!(
                        inner,
                        "<Error>{named}<Code>{code}</Code><Message>{message}</Message></Error>"
                    );
                }
            }
        }
        Ok(document("DeleteResult", &inner))
    }
}

/// Holds a document against the hashes that are said of it.
///
/// # Errors
/// 400 for another one.
pub(super) fn is_as_said(asked: &Asked, document: &[u8]) -> Result<(), Refusal> {
    let crc32c = crc_fast::checksum(CrcAlgorithm::Crc32Iscsi, document);
    let content = Content {
        size: document.len() as u64,
        crc32c: u32::try_from(crc32c).unwrap_or_default(),
        md5: Some(BASE64.encode(&Md5::digest(document))),
        components: None,
    };
    Expected::read(&asked.headers, None, None)?.check(&content)
}
