//! Objects with their generations, and lists of them.

use super::auth::sha256;
use super::{Answer, BUCKET, Fault, Seen, State, decoded, empty, escaped, texts, xml};
use bytes::Bytes;
use data_encoding::{BASE64, HEXLOWER};
use http::{Method, Response, StatusCode};
use http_body_util::Full;
use md5::{Digest as _, Md5};
use std::collections::BTreeSet;

/// One generation of an object.
#[derive(Clone, Debug)]
pub struct Object {
    pub generation: u64,
    pub body: Bytes,
    /// Of HTTP, and `x-goog-meta-*`.
    pub metadata: Vec<(String, String)>,
    pub class: String,
    pub etag: String,
    /// Only for what came in one request.
    pub md5: Option<String>,
    /// The hash of the caller's key.
    pub key_sha256: Option<String>,
    pub kms_key: Option<String>,
    /// Whether it is there, or was.
    pub live: bool,
}

const METADATA: [&str; 5] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
];

const NO_SUCH_KEY: Fault = Fault(404, "NoSuchKey", "The specified key does not exist.");
const FAILED: Fault = Fault(
    412,
    "PreconditionFailed",
    "At least one of the pre-conditions you specified did not hold.",
);

pub fn crc32c(bytes: &[u8]) -> String {
    let sum = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, bytes) as u32;
    BASE64.encode(&sum.to_be_bytes())
}

impl Object {
    pub fn new(seen: &Seen) -> Result<Self, Fault> {
        let kept = |name: &str| METADATA.contains(&name) || name.starts_with("x-goog-meta-");
        let metadata = seen.headers.iter().filter(|(name, _)| kept(name.as_str()));
        let class = seen
            .header("x-goog-storage-class")
            .unwrap_or("STANDARD")
            .to_owned();
        if !["STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE"].contains(&&*class) {
            return Err(Fault(400, "InvalidStorageClass", "There is no such class."));
        }
        Ok(Self {
            generation: 0,
            body: Bytes::new(),
            metadata: metadata
                .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
                .collect(),
            class,
            etag: String::new(),
            md5: None,
            key_sha256: key_of(seen)?,
            kms_key: seen.header("x-goog-encryption-kms-key-name").map(str::to_owned),
            live: true,
        })
    }

    /// With the bytes of one request.
    pub fn whole(mut self, body: Bytes) -> Self {
        let md5 = Md5::digest(&body);
        self.etag = format!("\"{}\"", HEXLOWER.encode(&md5));
        self.md5 = Some(BASE64.encode(&md5));
        self.body = body;
        self
    }

    pub fn metadata(&self, name: &str) -> Option<&str> {
        let mut metadata = self.metadata.iter();
        metadata.find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    fn describe(&self, mut response: http::response::Builder) -> http::response::Builder {
        let coding = self.metadata("content-encoding").unwrap_or("identity");
        response = response
            .header("etag", &self.etag)
            .header("last-modified", "Sun, 22 Nov 2026 12:00:00 GMT")
            .header("x-goog-generation", self.generation)
            .header("x-goog-metageneration", 1)
            .header("x-goog-hash", format!("crc32c={}", crc32c(&self.body)))
            .header("x-goog-storage-class", &self.class)
            .header("x-goog-stored-content-encoding", coding)
            .header("x-goog-stored-content-length", self.body.len());
        if let Some(md5) = &self.md5 {
            response = response.header("x-goog-hash", format!("md5={md5}"));
        }
        if let Some(key) = &self.key_sha256 {
            response = response
                .header("x-goog-encryption-algorithm", "AES256")
                .header("x-goog-encryption-key-sha256", key);
        }
        if let Some(key) = &self.kms_key {
            response = response.header("x-goog-encryption-kms-key-name", key);
        }
        response
    }
}

/// The hash of the caller's key, which must be that of the key.
pub fn key_of(seen: &Seen) -> Result<Option<String>, Fault> {
    let header = |name: &str| seen.header(&format!("x-goog-encryption-{name}"));
    let (Some(key), Some(hash)) = (header("key"), header("key-sha256")) else {
        return Ok(None);
    };
    let bytes = BASE64.decode(key.as_bytes()).unwrap_or_default();
    if header("algorithm") != Some("AES256") || BASE64.encode(sha256(&bytes).as_ref()) != hash {
        return Err(Fault(400, "InvalidArgument", "The hash is not that of the key."));
    }
    Ok(Some(hash.to_owned()))
}

/// Whether a payload is what its headers say.
pub fn checked(seen: &Seen) -> Result<Bytes, Fault> {
    const BAD: Fault = Fault(
        400,
        "BadDigest",
        "The Content-MD5 or x-goog-hash you specified did not match what we received.",
    );
    let md5 = BASE64.encode(&Md5::digest(&seen.body));
    if seen.header("content-md5").is_some_and(|given| given != md5) {
        return Err(BAD);
    }
    for item in seen
        .header("x-goog-hash")
        .unwrap_or_default()
        .split(',')
        .map(str::trim)
    {
        let right = match item.split_once('=') {
            Some(("crc32c", value)) => value == crc32c(&seen.body),
            Some(("md5", value)) => value == md5,
            _ => item.is_empty(),
        };
        if !right {
            return Err(BAD);
        }
    }
    Ok(seen.body.clone())
}

impl State {
    pub fn live(&self, key: &str) -> Option<&Object> {
        self.objects.get(key)?.last().filter(|object| object.live)
    }

    fn find(&self, key: &str, generation: Option<&String>) -> Result<&Object, Fault> {
        let Some(generation) = generation else {
            return self.live(key).ok_or(NO_SUCH_KEY);
        };
        let mut objects = self.objects.get(key).into_iter().flatten();
        objects
            .find(|object| object.generation.to_string() == *generation)
            .ok_or(NO_SUCH_KEY)
    }

    /// Stores an object and gives its generation.
    pub fn store(&mut self, key: &str, mut object: Object) -> u64 {
        self.count += 1;
        object.generation = 1_795_348_800_000_000 + self.count;
        if std::mem::take(&mut self.corrupts) {
            let mut body = object.body.to_vec();
            body[0] ^= 1;
            object.body = body.into();
        }
        let generation = object.generation;
        let versioning = self.versioning;
        let generations = self.objects.entry(key.to_owned()).or_default();
        if !versioning {
            generations.clear();
        }
        generations.iter_mut().for_each(|old| old.live = false);
        generations.push(object);
        generation
    }

    pub fn of_object(&mut self, key: &str, seen: &Seen) -> Answer {
        let asks = |name: &str| seen.query.contains_key(name);
        if asks("uploads") || asks("uploadId") {
            return self.of_upload(key, seen);
        }
        if let Some(unknown) = seen.query.keys().find(|name| {
            ![
                "generation",
                "response-content-type",
                "response-content-disposition",
            ]
            .contains(&name.as_str())
        }) {
            panic!("`{unknown}` is not known to objects");
        }
        match seen.method {
            Method::GET | Method::HEAD => self.read(key, seen),
            Method::PUT if seen.header("x-goog-copy-source").is_some() => self.copy(key, seen),
            Method::PUT => {
                let body = checked(seen)?;
                self.held(key, seen)?;
                let generation = self.store(key, Object::new(seen)?.whole(body));
                let object = self.find(key, Some(&generation.to_string()))?;
                Ok(object
                    .describe(Response::builder())
                    .body(Full::default())
                    .unwrap())
            }
            Method::DELETE => {
                self.held(key, seen)?;
                let object = self.find(key, seen.query.get("generation"))?;
                let generation = object.generation;
                self.delete(key, generation, asks("generation"));
                Ok(empty(StatusCode::NO_CONTENT))
            }
            _ => Err(Fault(405, "MethodNotAllowed", "Not here.")),
        }
    }

    fn delete(&mut self, key: &str, generation: u64, for_good: bool) {
        let keeps = self.versioning && !for_good;
        let generations = self.objects.get_mut(key).unwrap();
        match keeps {
            true => generations.iter_mut().for_each(|object| object.live = false),
            false => generations.retain(|object| object.generation != generation),
        }
    }

    /// The only conditions that there are on writes and deletions. `If-None-Match` and `If-Match` are ignored.
    fn held(&self, key: &str, seen: &Seen) -> Result<(), Fault> {
        let live = self.live(key);
        let generation = live.map_or(0, |object| object.generation).to_string();
        let metageneration = live.map_or("0", |_| "1");
        let fails = |name: &str, value: &str| seen.header(name).is_some_and(|wanted| wanted != value);
        match fails("x-goog-if-generation-match", &generation)
            || fails("x-goog-if-metageneration-match", metageneration)
        {
            true => Err(FAILED),
            false => Ok(()),
        }
    }

    fn read(&self, key: &str, seen: &Seen) -> Answer {
        let object = self.find(key, seen.query.get("generation"))?;
        let says = |name: &str, value: &str| seen.header(name).map(|wanted| wanted == value);
        let generation = object.generation.to_string();
        if says("x-goog-if-generation-match", &generation) == Some(false)
            || says("x-goog-if-metageneration-match", "1") == Some(false)
        {
            return Err(FAILED);
        }
        if says("x-goog-if-generation-not-match", &generation) == Some(true)
            || says("x-goog-if-metageneration-not-match", "1") == Some(true)
        {
            let unchanged = object.describe(Response::builder()).status(304);
            return Ok(unchanged.body(Full::default()).unwrap());
        }
        if object.key_sha256 != key_of(seen)? {
            return Err(Fault(
                400,
                "ResourceIsEncryptedWithCustomerEncryptionKey",
                "The key is another one.",
            ));
        }
        if seen.header("if-match").is_some_and(|etag| etag != object.etag) {
            return Err(FAILED);
        }
        let mut response = object.describe(Response::builder());
        for (name, value) in &object.metadata {
            let query = seen.query.get(&format!("response-{name}"));
            response = response.header(name, query.unwrap_or(value));
        }
        if seen
            .header("if-none-match")
            .is_some_and(|etag| etag == object.etag)
        {
            return Ok(response.status(304).body(Full::default()).unwrap());
        }
        let packed = object.metadata("content-encoding") == Some("gzip");
        let takes = seen
            .header("accept-encoding")
            .is_some_and(|coding| coding.contains("gzip"));
        if packed && !takes {
            let mut response = response
                .body(Full::from([b"unpacked ", &object.body[..]].concat()))
                .unwrap();
            response.headers_mut().remove("content-encoding");
            return Ok(response);
        }
        let length = object.body.len();
        let mut body = object.body.clone();
        if let Some(range) = seen.header("range") {
            let (from, to) = range_of(range, length).ok_or(Fault(416, "InvalidRange", "No such range."))?;
            body = body.slice(from..to);
            response = response
                .status(206)
                .header("content-range", format!("bytes {from}-{}/{length}", to - 1));
        }
        if seen.method == Method::HEAD {
            if !packed {
                response = response.header("content-length", length);
            }
            body = Bytes::new();
        }
        Ok(response.body(Full::from(body)).unwrap())
    }

    fn copy(&mut self, key: &str, seen: &Seen) -> Answer {
        let source = decoded(seen.header("x-goog-copy-source").unwrap());
        let (bucket, from) = source.trim_start_matches('/').split_once('/').unwrap();
        if bucket != BUCKET {
            return Err(Fault(404, "NoSuchBucket", "The specified bucket does not exist."));
        }
        let generation = seen.header("x-goog-copy-source-generation").map(str::to_owned);
        let source = self.find(from, generation.as_ref())?.clone();
        let differs = |name: &str| seen.header(name).map(|etag| etag != source.etag);
        if differs("x-goog-copy-source-if-match") == Some(true)
            || differs("x-goog-copy-source-if-none-match") == Some(false)
        {
            return Err(FAILED);
        }
        self.held(key, seen)?;
        let mut object = Object::new(seen)?;
        if seen.header("x-goog-metadata-directive") != Some("REPLACE") {
            object.metadata = source.metadata.clone();
        }
        let object = object.whole(source.body.clone());
        let etag = object.etag.clone();
        self.store(key, object);
        Ok(xml(
            "CopyObjectResult",
            &format!("<LastModified>2026-11-22T12:00:00.000Z</LastModified><ETag>{etag}</ETag>"),
        ))
    }

    pub fn bucket(&mut self, seen: &Seen) -> Answer {
        let asks = |name: &str| seen.query.contains_key(name);
        match seen.method {
            Method::HEAD => Ok(empty(StatusCode::OK)),
            Method::GET if asks("uploads") => Ok(self.list_uploads(seen)),
            Method::GET if asks("versions") => {
                if seen.header("x-goog-interop-list-objects-format") != Some("enabled") {
                    return Ok(xml("ListBucketResult", "<Version/>"));
                }
                Ok(self.list_versions(seen))
            }
            Method::GET if asks("versioning") => {
                let status = if self.versioning { "Enabled" } else { "Suspended" };
                Ok(xml(
                    "VersioningConfiguration",
                    &format!("<Status>{status}</Status>"),
                ))
            }
            Method::GET => Ok(self.list(seen)),
            Method::POST if asks("delete") => self.delete_many(seen),
            Method::PUT => Ok(empty(StatusCode::OK)),
            Method::DELETE => Ok(empty(StatusCode::NO_CONTENT)),
            _ => Err(Fault(405, "MethodNotAllowed", "Not here.")),
        }
    }

    fn delete_many(&mut self, seen: &Seen) -> Answer {
        let document = String::from_utf8(checked(seen)?.to_vec()).unwrap();
        assert_eq!(seen.header("content-type"), Some("application/xml"));
        let mut inner = String::new();
        for object in document.split("<Object>").skip(1) {
            let key = texts(object, "Key").remove(0);
            let generation = texts(object, "VersionId").pop();
            let found = self
                .find(&key, generation.as_ref())
                .map(|object| object.generation);
            match found {
                Ok(found) => {
                    self.delete(&key, found, generation.is_some());
                    inner += &format!("<Deleted><Key>{}</Key></Deleted>", escaped(&key));
                }
                Err(Fault(_, code, message)) => {
                    inner += &format!(
                        "<Error><Key>{}</Key><Code>{code}</Code><Message>{message}</Message></Error>",
                        escaped(&key)
                    );
                }
            }
        }
        Ok(xml("DeleteResult", &inner))
    }

    fn list(&self, seen: &Seen) -> Response<Full<Bytes>> {
        let query = |name: &str| seen.query.get(name).map(String::as_str).unwrap_or_default();
        let (prefix, delimiter) = (query("prefix"), query("delimiter"));
        let second = query("list-type") == "2";
        let after = match second {
            true => [query("continuation-token"), query("start-after")]
                .into_iter()
                .max()
                .unwrap(),
            false => query("marker"),
        };
        let most: usize = seen
            .query
            .get("max-keys")
            .map_or(1000, |most| most.parse().unwrap());
        let mut groups = BTreeSet::new();
        let (mut contents, mut last, mut count, mut truncated) = (String::new(), String::new(), 0, false);
        for key in self
            .objects
            .keys()
            .filter(|key| key.starts_with(prefix) && key.as_str() > after)
        {
            let Some(object) = self.live(key) else { continue };
            if count == most {
                truncated = true;
                break;
            }
            let end = key[prefix.len()..]
                .find(delimiter)
                .filter(|_| !delimiter.is_empty());
            if let Some(end) = end {
                let group = &key[..prefix.len() + end + delimiter.len()];
                count += usize::from(groups.insert(group.to_owned()));
            } else {
                count += 1;
                contents += &format!(
                    "<Contents><Key>{}</Key><Generation>{}</Generation><MetaGeneration>1</MetaGeneration>\
                     <LastModified>2026-11-22T12:00:00.000Z</LastModified><ETag>{}</ETag><Size>{}</Size>\
                     <StorageClass>{}</StorageClass></Contents>",
                    listed(key, query("encoding-type")),
                    object.generation,
                    object.etag,
                    object.body.len(),
                    object.class
                );
            }
            last = key.clone();
        }
        for group in groups {
            contents += &format!(
                "<CommonPrefixes><Prefix>{}</Prefix></CommonPrefixes>",
                escaped(&group)
            );
        }
        let mut inner = format!(
            "<Name>{BUCKET}</Name><Prefix>{}</Prefix><MaxKeys>{most}</MaxKeys><IsTruncated>{truncated}</IsTruncated>",
            escaped(prefix)
        );
        if second {
            inner += &format!("<KeyCount>{count}</KeyCount>");
        }
        if truncated {
            let name = if second {
                "NextContinuationToken"
            } else {
                "NextMarker"
            };
            inner += &format!("<{name}>{}</{name}>", escaped(&last));
        }
        xml("ListBucketResult", &(inner + &contents))
    }

    fn list_versions(&self, seen: &Seen) -> Response<Full<Bytes>> {
        let prefix = seen.query.get("prefix").map(String::as_str).unwrap_or_default();
        let mut inner = format!("<Name>{BUCKET}</Name><IsTruncated>false</IsTruncated>");
        for (key, generations) in self.objects.iter().filter(|(key, _)| key.starts_with(prefix)) {
            for object in generations.iter().rev() {
                inner += &format!(
                    "<Version><Key>{}</Key><VersionId>{}</VersionId><IsLatest>{}</IsLatest><ETag>{}</ETag>\
                     <Size>{}</Size><StorageClass>{}</StorageClass></Version>",
                    escaped(key),
                    object.generation,
                    object.live,
                    object.etag,
                    object.body.len(),
                    object.class
                );
            }
        }
        xml("ListVersionsResult", &inner)
    }
}

fn listed(key: &str, encoding: &str) -> String {
    match encoding {
        "url" => form_urlencoded::byte_serialize(key.as_bytes())
            .collect::<String>()
            .replace("%2F", "/"),
        _ => escaped(key),
    }
}

fn range_of(range: &str, length: usize) -> Option<(usize, usize)> {
    let (from, to) = range.strip_prefix("bytes=")?.split_once('-')?;
    let (from, to) = match (from, to) {
        ("", last) => (length.saturating_sub(last.parse().ok()?), length),
        (from, "") => (from.parse().ok()?, length),
        (from, to) => (from.parse().ok()?, (to.parse::<usize>().ok()? + 1).min(length)),
    };
    (from < to).then_some((from, to))
}
