//! One object in the XML API: read, written, copied, deleted.
//!
//! Spec: <https://docs.cloud.google.com/storage/docs/xml-api/reference-methods>

use super::asked::{Asked, CONDITIONS, DESCRIPTION, ENCRYPTION, HASHES, WRITE_CONDITIONS};
use super::{document, nothing};
use crate::body::{Body, empty};
use crate::dev::gcs_store::conditions::Conditions;
use crate::dev::gcs_store::copies::link;
use crate::dev::gcs_store::download::{describe, put};
use crate::dev::gcs_store::faults::Inbound;
use crate::dev::gcs_store::intake::Expected;
use crate::dev::gcs_store::object::{Object, check_name, milliseconds};
use crate::dev::gcs_store::settings::Settings;
use crate::dev::gcs_store::target::decoded;
use crate::dev::gcs_store::uploads::{Destination, receive};
use crate::dev::gcs_store::{Refusal, Shared, encryption};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use http_body::Body as _;
use jiff::fmt::rfc2822::DateTimePrinter;

const COPY: [&str; 9] = [
    "x-goog-copy-source",
    "x-goog-copy-source-generation",
    "x-goog-copy-source-if-generation-match",
    "x-goog-copy-source-if-match",
    "x-goog-copy-source-if-metageneration-match",
    "x-goog-copy-source-if-modified-since",
    "x-goog-copy-source-if-none-match",
    "x-goog-copy-source-if-unmodified-since",
    "x-goog-metadata-directive",
];
const SOURCE: [&str; 4] = [
    "x-goog-copy-source-if-generation-match",
    "x-goog-copy-source-if-generation-not-match",
    "x-goog-copy-source-if-metageneration-match",
    "x-goog-copy-source-if-metageneration-not-match",
];
/// Parameters that replace a header of a download.
const REPLACED: [(&str, &str); 2] = [
    ("response-content-type", "content-type"),
    ("response-content-disposition", "content-disposition"),
];

impl Shared {
    /// GET and HEAD.
    pub(super) fn xml_read(&self, asked: &Asked, key: &str) -> Result<Response<Body>, Refusal> {
        let [(kind, _), (disposition, _)] = REPLACED;
        asked.only(&["generation", kind, disposition], &[&CONDITIONS, &ENCRYPTION])?;
        let generation = asked.query.number("generation")?;
        let object = {
            let shelf = self.shelf();
            shelf.object(&asked.bucket, key, generation)?.clone()
        };
        asked.conditions()?.check_read(&object)?;
        match asked.failed("", &object)? {
            Some(304) => return Err(Refusal::not_modified()),
            Some(_) => return Err(Refusal::condition("If-Match")),
            None => {}
        }
        let mut response = self.download(&asked.headers, &asked.bucket, &object, &object.xml_etag())?;
        tell(response.headers_mut(), &object);
        for (parameter, name) in REPLACED {
            if let Some(value) = asked.query.get(parameter) {
                put(response.headers_mut(), name, value);
            }
        }
        if asked.method == Method::HEAD {
            // Of what is unpacked on the way nobody knows the length.
            if let Some(length) = response.body().size_hint().exact() {
                put(response.headers_mut(), "content-length", &length.to_string());
            }
            *response.body_mut() = empty();
        }
        Ok(response)
    }

    /// PUT.
    pub(super) async fn xml_write(
        &self,
        asked: &Asked,
        key: &str,
        body: &mut Inbound,
    ) -> Result<Response<Body>, Refusal> {
        asked.only(&[], &[&WRITE_CONDITIONS, &DESCRIPTION, &ENCRYPTION, &HASHES])?;
        check_name(key)?;
        let to = Destination {
            bucket: asked.bucket.clone(),
            name: key.to_owned(),
            settings: asked.settings()?,
            conditions: asked.conditions()?,
            expected: Expected::read(&asked.headers, None, None)?,
            full: false,
        };
        {
            let shelf = self.shelf();
            let generations = shelf.bucket(&to.bucket)?.objects.get(key);
            to.conditions
                .check(generations.and_then(|generations| generations.live.as_ref()))?;
        }
        let mut intake = self.intake().await?;
        receive(body, &mut intake).await?;
        let object = self.commit(&to, intake).await?;
        let mut response = nothing(StatusCode::OK);
        describe(response.headers_mut(), &object, &object.xml_etag());
        Ok(response)
    }

    /// DELETE.
    pub(super) fn xml_delete(&self, asked: &Asked, key: &str) -> Result<Response<Body>, Refusal> {
        asked.only(&["generation"], &[&WRITE_CONDITIONS])?;
        let generation = asked.query.number("generation")?;
        let conditions = asked.conditions()?;
        self.shelf().delete(&asked.bucket, key, generation, &conditions)?;
        Ok(nothing(StatusCode::NO_CONTENT))
    }

    /// PUT with `x-goog-copy-source`.
    pub(super) fn xml_copy(&self, asked: &Asked, key: &str) -> Result<Response<Body>, Refusal> {
        asked.only(&[], &[&WRITE_CONDITIONS, &DESCRIPTION, &ENCRYPTION, &COPY])?;
        check_name(key)?;
        let source = decoded(asked.header("x-goog-copy-source").unwrap_or_default())?;
        let (bucket, name) = source
            .strip_prefix('/')
            .unwrap_or(&source)
            .split_once('/')
            .ok_or_else(|| Refusal::parameter("x-goog-copy-source", &source))?;
        let generation = match asked.header("x-goog-copy-source-generation") {
            Some(text) => Some(
                text.parse()
                    .map_err(|_| Refusal::parameter("x-goog-copy-source-generation", text))?,
            ),
            None => None,
        };
        let mut shelf = self.shelf();
        let source = shelf.object(bucket, name, generation)?.clone();
        Conditions::of_headers(&asked.headers, SOURCE)?.check(Some(&source))?;
        if asked.failed("x-goog-copy-source-", &source)?.is_some() {
            return Err(Refusal::condition("x-goog-copy-source-if-match"));
        }
        encryption::check(&asked.headers, "x-goog-encryption-", &source)?;
        let told = asked.settings()?;
        let settings = match asked.header("x-goog-metadata-directive") {
            Some("REPLACE") => told,
            None | Some("COPY") => {
                let kept = source.settings.storage_class.clone();
                Settings {
                    storage_class: told.storage_class.or(kept),
                    key_sha256: told.key_sha256,
                    retention: None,
                    acl: Default::default(),
                    ..source.settings.clone()
                }
            }
            Some(other) => return Err(Refusal::parameter("x-goog-metadata-directive", other)),
        };
        let received = link(&mut shelf, bucket, &source)?;
        let object = shelf.commit(&asked.bucket, key, settings, &received, &asked.conditions()?)?;
        drop(shelf);
        let mut response = document(
            "CopyObjectResult",
            &format!(
                "<LastModified>{}</LastModified><ETag>{}</ETag>",
                milliseconds(object.updated),
                object.xml_etag()
            ),
        );
        describe(response.headers_mut(), &object, &object.xml_etag());
        Ok(response)
    }
}

/// What only the XML API says in headers.
fn tell(headers: &mut HeaderMap, object: &Object) {
    if let Ok(date) = DateTimePrinter::new().timestamp_to_rfc9110_string(&object.updated) {
        put(headers, header::LAST_MODIFIED.as_str(), &date);
    }
    if let Some(sha256) = &object.settings.key_sha256 {
        put(headers, "x-goog-encryption-algorithm", "AES256");
        put(headers, "x-goog-encryption-key-sha256", sha256);
    }
    if let Some(count) = object.content.components {
        put(headers, "x-goog-component-count", &count.to_string());
    }
    for (key, value) in &object.settings.metadata {
        // What was said in JSON may fit into no header, and Google leaves it out as well.
        let name = HeaderName::try_from(format!("x-goog-meta-{key}"));
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
            headers.insert(name, value);
        }
    }
}
