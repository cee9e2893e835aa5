//! Lists of the XML API, of both versions.
//!
//! Spec: <https://docs.cloud.google.com/storage/docs/xml-api/get-bucket-list>

use super::asked::Asked;
use super::document;
use crate::body::Body;
use crate::dev::gcs_store::listing::{Listing, Page, Position};
use crate::dev::gcs_store::object::{encoded, milliseconds};
use crate::dev::gcs_store::request::Query;
use crate::dev::gcs_store::{Refusal, Shared};
use crate::dialect::s3::documents::escape;
use http::Response;
use std::fmt::Write as _;

const BOTH: [&str; 4] = ["delimiter", "encoding-type", "max-keys", "prefix"];
const FIRST: [&str; 1] = ["marker"];
const SECOND: [&str; 4] = ["continuation-token", "fetch-owner", "list-type", "start-after"];

/// Items and prefixes of a page, unless fewer are asked for.
const PAGE: u64 = 1000;

impl Shared {
    /// GET of a bucket.
    pub(super) fn xml_list(&self, asked: &Asked) -> Result<Response<Body>, Refusal> {
        let (query, bucket) = (&asked.query, asked.bucket.as_str());
        let second = match query.get("list-type") {
            None => false,
            Some("2") => true,
            Some(other) => return Err(Refusal::parameter("list-type", other)),
        };
        let own: &[&str] = if second { &SECOND } else { &FIRST };
        asked.only(&[&BOTH, own].concat(), &[])?;
        let words = Words::read(query)?;
        let prefix = query.get("prefix").unwrap_or_default();
        let delimiter = query.get("delimiter").filter(|delimiter| !delimiter.is_empty());
        let limit = query.number("max-keys")?.unwrap_or(PAGE).min(PAGE);
        let owner = query.flag("fetch-owner")?;
        let token = query.get("continuation-token");
        let token = match token {
            Some(token) => {
                let position = Position::read(token, bucket);
                Some(position.ok_or_else(|| Refusal::parameter("continuation-token", token))?)
            }
            None => None,
        };
        let behind = query.get(if second { "start-after" } else { "marker" });
        let behind = behind.filter(|behind| !behind.is_empty());
        // A marker may be a prefix that a page ended with.
        let folder = behind.filter(|behind| {
            let rest = behind.strip_prefix(prefix).filter(|rest| !rest.is_empty());
            !second && rest.is_some_and(|rest| delimiter.is_some_and(|delimiter| rest.ends_with(delimiter)))
        });
        let after = token.or_else(|| folder.map(|folder| Position::Prefix(folder.to_owned())));
        let start = behind.map(|behind| format!("{behind}\0"));
        let count = usize::try_from(limit).unwrap_or(usize::MAX);
        let listing = Listing::plain((prefix, delimiter), start.as_deref(), after, count);
        let shelf = self.shelf();
        let page = listing.page(shelf.bucket(bucket)?);

        let mut text = format!("<Name>{}</Name>", escape(bucket));
        words.put(&mut text, "Prefix", Some(prefix));
        words.put(&mut text, "Delimiter", delimiter);
        let _ = write!(text, "<MaxKeys>{limit}</MaxKeys>");
        if words.url {
            text.push_str("<EncodingType>url</EncodingType>");
        }
        let truncated = page.next.is_some();
        let _ = write!(text, "<IsTruncated>{truncated}</IsTruncated>");
        if second {
            let _ = write!(text, "<KeyCount>{}</KeyCount>", page.len());
            words.put(&mut text, "StartAfter", query.get("start-after"));
            if let Some(token) = query.get("continuation-token") {
                let _ = write!(text, "<ContinuationToken>{}</ContinuationToken>", escape(token));
            }
            if let Some(next) = &page.next {
                let token = next.token(bucket);
                let _ = write!(text, "<NextContinuationToken>{token}</NextContinuationToken>");
            }
        } else {
            words.put(&mut text, "Marker", Some(query.get("marker").unwrap_or_default()));
            let next = page.next.as_ref().map(|next| match next {
                Position::Item(name, _) | Position::Prefix(name) => name.as_str(),
            });
            words.put(&mut text, "NextMarker", next);
        }
        words.contents(&mut text, &page, owner);
        Ok(document("ListBucketResult", &text))
    }
}

/// How names are written.
struct Words {
    /// `encoding-type=url`.
    url: bool,
}

impl Words {
    fn read(query: &Query) -> Result<Self, Refusal> {
        match query.get("encoding-type") {
            None => Ok(Self { url: false }),
            Some("url") => Ok(Self { url: true }),
            Some(other) => Err(Refusal::parameter("encoding-type", other)),
        }
    }

    fn put(&self, text: &mut String, element: &str, name: Option<&str>) {
        let Some(name) = name else {
            return;
        };
        let name = match self.url {
            true => encoded(name).replace("%2F", "/"),
            false => escape(name),
        };
        let _ = write!(text, "<{element}>{name}</{element}>");
    }

    fn contents(&self, text: &mut String, page: &Page<'_>, owner: bool) {
        for object in &page.items {
            text.push_str("<Contents>");
            self.put(text, "Key", Some(&object.name));
            let _ = write!(
                text,
                "<Generation>{}</Generation><MetaGeneration>{}</MetaGeneration><LastModified>{}</LastModified>\
                 <ETag>{}</ETag><Size>{}</Size><StorageClass>{}</StorageClass>",
                object.generation,
                object.metageneration,
                milliseconds(object.updated),
                object.xml_etag(),
                object.content.size,
                object.class(),
            );
            if owner {
                text.push_str("<Owner><ID>store-owner</ID></Owner>");
            }
            text.push_str("</Contents>");
        }
        for prefix in &page.prefixes {
            text.push_str("<CommonPrefixes>");
            self.put(text, "Prefix", Some(prefix));
            text.push_str("</CommonPrefixes>");
        }
    }
}
