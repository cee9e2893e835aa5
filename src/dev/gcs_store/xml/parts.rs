//! Uploads in parts. What comes of them has a CRC32C and no MD5, and an entity tag that is no hash.
//!
//! Spec: <https://docs.cloud.google.com/storage/docs/multipart-uploads>

use super::asked::{Asked, DESCRIPTION, ENCRYPTION, HASHES};
use super::deletions::{MAX_DOCUMENT, is_as_said};
use super::{document, nothing};
use crate::body::Body;
use crate::dev::gcs_store::conditions::Conditions;
use crate::dev::gcs_store::download::put;
use crate::dev::gcs_store::faults::Inbound;
use crate::dev::gcs_store::intake::{BLOCK, Expected};
use crate::dev::gcs_store::object::{Object, check_name};
use crate::dev::gcs_store::server::lock;
use crate::dev::gcs_store::settings::Settings;
use crate::dev::gcs_store::shelf::Received;
use crate::dev::gcs_store::uploads::receive;
use crate::dev::gcs_store::{Refusal, Shared, encryption};
use crate::dialect::s3::documents::{escape, parse_complete};
use crate::operation::CompletedPart;
use aws_lc_rs::rand;
use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
use http::{Response, StatusCode};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;

/// Bytes of a part that is not the last one, at least.
const MIN_PART: u64 = 5 << 20;

/// An upload that is not done. Its parts go with it.
pub(in crate::dev::gcs_store) struct Upload {
    bucket: String,
    key: String,
    settings: Settings,
    parts: BTreeMap<u16, Received>,
}

impl Shared {
    /// `POST ?uploads`.
    pub(super) fn begin_parts(&self, asked: &Asked, key: &str) -> Result<Response<Body>, Refusal> {
        asked.only(&["uploads"], &[&DESCRIPTION, &ENCRYPTION])?;
        check_name(key)?;
        self.shelf().bucket(&asked.bucket)?;
        let mut random = [0; 32];
        rand::fill(&mut random).map_err(|_| io::Error::other("no randomness"))?;
        let id = BASE64URL_NOPAD.encode(&random);
        let upload = Upload {
            bucket: asked.bucket.clone(),
            key: key.to_owned(),
            settings: asked.settings()?,
            parts: BTreeMap::new(),
        };
        lock(&self.in_parts).insert(id.clone(), upload);
        Ok(document("InitiateMultipartUploadResult", &named(asked, key, &id)))
    }

    /// `PUT ?partNumber&uploadId`.
    pub(super) async fn take_part(
        &self,
        asked: &Asked,
        key: &str,
        body: &mut Inbound,
    ) -> Result<Response<Body>, Refusal> {
        asked.only(&["partNumber", "uploadId"], &[&ENCRYPTION, &HASHES])?;
        let number = asked.query.number("partNumber")?;
        let number = number.and_then(|number| u16::try_from(number).ok());
        let number = number.filter(|number| (1..=10_000).contains(number));
        let number = number.ok_or_else(|| Refusal::invalid("A part has a number from 1 to 10000"))?;
        let sha256 = encryption::key_sha256(&asked.headers, "x-goog-encryption-")?;
        if self.of_upload(asked, key, |upload| upload.settings.key_sha256 != sha256)? {
            return Err(Refusal::invalid("The key is not that of the upload"));
        }
        let expected = Expected::read(&asked.headers, None, None)?;
        let mut intake = self.intake().await?;
        receive(body, &mut intake).await?;
        let received = intake.finish(&expected).await?;
        let mut response = nothing(StatusCode::OK);
        put(response.headers_mut(), "etag", &etag(&received));
        put(response.headers_mut(), "x-goog-hash", &received.content.hashes());
        self.of_upload(asked, key, |upload| upload.parts.insert(number, received))?;
        Ok(response)
    }

    /// `GET ?uploadId`.
    pub(super) fn list_parts(&self, asked: &Asked, key: &str) -> Result<Response<Body>, Refusal> {
        asked.only(&["max-parts", "part-number-marker", "uploadId"], &[])?;
        let after = asked.query.number("part-number-marker")?.unwrap_or(0);
        let most = asked.query.number("max-parts")?.unwrap_or(1000).min(1000);
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let id = asked.query.get("uploadId").unwrap_or_default();
        let mut inner = named(asked, key, id);
        self.of_upload(asked, key, |upload| {
            let parts = upload.parts.iter();
            let mut parts = parts.filter(|(number, _)| u64::from(**number) > after);
            let mut last = None;
            for (number, part) in parts.by_ref().take(most) {
                let (etag, size) = (etag(part), part.content.size);
                let _ = write!(
                    inner,
                    "<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag><Size>{size}</Size></Part>"
                );
                last = Some(*number);
            }
            let truncated = last.is_some() && parts.next().is_some();
            let _ = write!(inner, "<IsTruncated>{truncated}</IsTruncated>");
            if let Some(last) = last.filter(|_| truncated) {
                let _ = write!(inner, "<NextPartNumberMarker>{last}</NextPartNumberMarker>");
            }
        })?;
        Ok(document("ListPartsResult", &inner))
    }

    /// `POST ?uploadId`. As at Google it heeds no conditions.
    pub(super) async fn complete_parts(
        &self,
        asked: &Asked,
        key: &str,
        body: &mut Inbound,
    ) -> Result<Response<Body>, Refusal> {
        asked.only(&["uploadId"], &[&HASHES])?;
        let text = body.document(MAX_DOCUMENT).await?;
        is_as_said(asked, &text)?;
        let parts = parse_complete(&text);
        let parts = parts.map_err(|error| Refusal::invalid(error.to_string()).coded("MalformedXML"))?;
        self.of_upload(asked, key, |upload| upload.accepts(&parts))??;
        let id = asked.query.get("uploadId").unwrap_or_default();
        // Whoever is second finds no upload; one that fails stays for another attempt.
        let upload = lock(&self.in_parts).remove(id).ok_or_else(no_upload)?;
        let object = match self.assemble(&upload, &parts).await {
            Ok(object) => object,
            Err(refusal) => {
                lock(&self.in_parts).insert(id.to_owned(), upload);
                return Err(refusal);
            }
        };
        let inner = format!(
            "<Bucket>{}</Bucket><Key>{}</Key><ETag>{}</ETag>",
            escape(&asked.bucket),
            escape(key),
            object.xml_etag()
        );
        Ok(document("CompleteMultipartUploadResult", &inner))
    }

    /// `DELETE ?uploadId`.
    pub(super) fn abort_parts(&self, asked: &Asked, key: &str) -> Result<Response<Body>, Refusal> {
        asked.only(&["uploadId"], &[])?;
        self.of_upload(asked, key, |_| ())?;
        lock(&self.in_parts).remove(asked.query.get("uploadId").unwrap_or_default());
        Ok(nothing(StatusCode::NO_CONTENT))
    }

    async fn assemble(&self, upload: &Upload, parts: &[CompletedPart]) -> Result<Object, Refusal> {
        let mut intake = self.intake().await?;
        let mut block = vec![0; BLOCK];
        for part in parts.iter().filter_map(|part| upload.parts.get(&part.number)) {
            let mut file = File::open(&part.path).await?;
            loop {
                let length = file.read(&mut block).await?;
                match block.get(..length) {
                    Some(read) if length > 0 => intake.take(read).await?,
                    _ => break,
                }
            }
        }
        let mut received = intake.finish(&Expected::default()).await?;
        received.content.md5 = None;
        let settings = upload.settings.clone();
        let anything = Conditions::default();
        self.shelf()
            .commit(&upload.bucket, &upload.key, settings, &received, &anything)
    }

    /// Looks at the upload that is asked for.
    fn of_upload<T>(
        &self,
        asked: &Asked,
        key: &str,
        look: impl FnOnce(&mut Upload) -> T,
    ) -> Result<T, Refusal> {
        let id = asked.query.get("uploadId").unwrap_or_default();
        let mut uploads = lock(&self.in_parts);
        let upload = uploads.get_mut(id);
        let upload = upload.filter(|upload| upload.bucket == asked.bucket && upload.key == key);
        upload.map(look).ok_or_else(no_upload)
    }
}

impl Upload {
    /// Whether it can be completed of these parts.
    fn accepts(&self, parts: &[CompletedPart]) -> Result<(), Refusal> {
        if !parts.is_sorted_by(|one, other| one.number < other.number) {
            return Err(Refusal::invalid("The parts are not in order").coded("InvalidPartOrder"));
        }
        let mut left = parts.len();
        for part in parts {
            left -= 1;
            if !part.checksums.is_empty() {
                return Err(Refusal::invalid("There are no checksums of parts").coded("MalformedXML"));
            }
            let known = self.parts.get(&part.number);
            let known = known.filter(|known| etag(known).trim_matches('"') == part.etag.trim_matches('"'));
            let known =
                known.ok_or_else(|| Refusal::invalid("A part is another one").coded("InvalidPart"))?;
            if left > 0 && known.content.size < MIN_PART {
                return Err(Refusal::invalid("A part is too small").coded("EntityTooSmall"));
            }
        }
        Ok(())
    }
}

fn named(asked: &Asked, key: &str, id: &str) -> String {
    let (bucket, key) = (escape(&asked.bucket), escape(key));
    format!("<Bucket>{bucket}</Bucket><Key>{key}</Key><UploadId>{id}</UploadId>")
}

fn etag(part: &Received) -> String {
    let md5 = part.content.md5.as_deref().unwrap_or_default();
    let md5 = BASE64.decode(md5.as_bytes()).unwrap_or_default();
    format!("\"{}\"", HEXLOWER.encode(&md5))
}

fn no_upload() -> Refusal {
    Refusal::not_found("The requested upload was not found.").coded("NoSuchUpload")
}
