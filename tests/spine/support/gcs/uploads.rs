//! Uploads in parts. Their objects have a CRC32C and no MD5, and an entity tag that is no hash.

use super::objects::{Object, checked, crc32c, key_of};
use super::{Answer, BUCKET, Fault, Seen, State, empty, escaped, texts, xml};
use bytes::Bytes;
use data_encoding::HEXLOWER;
use http::{Method, Response, StatusCode};
use http_body_util::Full;
use md5::{Digest as _, Md5};
use std::collections::BTreeMap;

pub struct Upload {
    key: String,
    object: Object,
    parts: BTreeMap<u16, (String, Bytes)>,
}

const NO_SUCH_UPLOAD: Fault = Fault(404, "NoSuchUpload", "The requested upload was not found.");

impl State {
    pub fn of_upload(&mut self, key: &str, seen: &Seen) -> Answer {
        if seen.header("x-goog-if-generation-match").is_some() && seen.query.contains_key("uploads") {
            return Err(Fault(400, "NotImplemented", "Not with an upload in parts."));
        }
        let Some(id) = seen.query.get("uploadId") else {
            return self.initiate(key, seen);
        };
        let upload = self
            .uploads
            .get_mut(id)
            .filter(|upload| upload.key == key)
            .ok_or(NO_SUCH_UPLOAD)?;
        match seen.method {
            Method::PUT if seen.header("x-goog-copy-source").is_some() => {
                Err(Fault(400, "NotImplemented", "There is no copy of a part."))
            }
            Method::PUT => {
                if key_of(seen)? != upload.object.key_sha256 {
                    return Err(Fault(400, "InvalidArgument", "The key is another one."));
                }
                let number = seen.query["partNumber"].parse().unwrap();
                let body = checked(seen)?;
                let etag = format!("\"{}\"", HEXLOWER.encode(&Md5::digest(&body)));
                let response = Response::builder()
                    .header("etag", &etag)
                    .header("x-goog-hash", format!("crc32c={}", crc32c(&body)));
                upload.parts.insert(number, (etag, body));
                Ok(response.body(Full::default()).unwrap())
            }
            Method::GET => {
                let mut inner = format!(
                    "<Bucket>{BUCKET}</Bucket><Key>{}</Key><UploadId>{id}</UploadId>",
                    escaped(key)
                );
                for (number, (etag, body)) in &upload.parts {
                    inner += &format!(
                        "<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag><Size>{}</Size></Part>",
                        body.len()
                    );
                }
                Ok(xml("ListPartsResult", &inner))
            }
            Method::POST => {
                let id = id.clone();
                self.complete(key, &id, seen)
            }
            Method::DELETE => {
                self.uploads.remove(id);
                Ok(empty(StatusCode::NO_CONTENT))
            }
            _ => Err(Fault(405, "MethodNotAllowed", "Not here.")),
        }
    }

    fn initiate(&mut self, key: &str, seen: &Seen) -> Answer {
        self.count += 1;
        let id = format!("ABPnzm{}", self.count);
        let upload = Upload {
            key: key.to_owned(),
            object: Object::new(seen)?,
            parts: BTreeMap::new(),
        };
        self.uploads.insert(id.clone(), upload);
        Ok(xml(
            "InitiateMultipartUploadResult",
            &format!(
                "<Bucket>{BUCKET}</Bucket><Key>{}</Key><UploadId>{id}</UploadId>",
                escaped(key)
            ),
        ))
    }

    /// Ignores conditions.
    fn complete(&mut self, key: &str, id: &str, seen: &Seen) -> Answer {
        assert_eq!(seen.header("content-type"), Some("application/xml"));
        let document = String::from_utf8(seen.body.to_vec()).unwrap();
        if document.contains("Checksum") {
            return Err(Fault(400, "MalformedXML", "There are no checksums of parts."));
        }
        let upload = &self.uploads[id];
        let mut body = Vec::new();
        let parts = texts(&document, "PartNumber")
            .into_iter()
            .zip(texts(&document, "ETag"));
        for (number, etag) in parts {
            match upload.parts.get(&number.parse::<u16>().unwrap()) {
                Some((known, bytes)) if known.trim_matches('"') == etag.trim_matches('"') => {
                    body.extend(bytes)
                }
                _ => return Err(Fault(400, "InvalidPart", "One of the parts is another one.")),
            }
        }
        let mut object = upload.object.clone();
        object.body = body.into();
        object.etag = format!("\"-CK{id}EAE=\"");
        let etag = object.etag.clone();
        self.store(key, object);
        self.uploads.remove(id);
        Ok(xml(
            "CompleteMultipartUploadResult",
            &format!(
                "<Location>http://storage.googleapis.com/{BUCKET}/{key}</Location><Bucket>{BUCKET}</Bucket>\
                 <Key>{}</Key><ETag>{etag}</ETag>",
                escaped(key)
            ),
        ))
    }

    pub fn list_uploads(&self, seen: &Seen) -> Response<Full<Bytes>> {
        let prefix = seen.query.get("prefix").map(String::as_str).unwrap_or_default();
        let mut inner = format!("<Bucket>{BUCKET}</Bucket><IsTruncated>false</IsTruncated>");
        for (id, upload) in self
            .uploads
            .iter()
            .filter(|(_, upload)| upload.key.starts_with(prefix))
        {
            inner += &format!(
                "<Upload><Key>{}</Key><UploadId>{id}</UploadId><StorageClass>{}</StorageClass></Upload>",
                escaped(&upload.key),
                upload.object.class
            );
        }
        xml("ListMultipartUploadsResult", &inner)
    }
}
