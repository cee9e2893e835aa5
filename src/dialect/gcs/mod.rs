//! Google's JSON API: a request becomes a [`Call`], a claim and a body that is still to be read, or Google's own error.
//!
//! Spec: <https://cloud.google.com/storage/docs/json_api/v1>

mod address;
pub(crate) mod answer;
pub(crate) mod batch;
pub(crate) mod documents;
mod draft;
pub(crate) mod error;
pub(crate) mod forward;
pub(crate) mod hash;
mod headers;
mod mask;
pub(crate) mod multipart;
pub(crate) mod packed;
mod query;
pub(crate) mod sessions;
pub(crate) mod settings;
pub(crate) mod upload;

#[cfg(test)]
mod tests;

pub(crate) use self::address::Family;
pub(crate) use self::draft::{agree, decidable, wishes};
pub(crate) use self::error::describe;

use self::address::Address;
use self::draft::DocumentDraft;
use self::error::GcsError;
use self::query::Query;
use crate::authn::{Claim, bearer_token};
use crate::dialect::s3::{self, authority};
use crate::operation::gcs::{Call, Detail, Handling, Method, Sent, Source, Wishes};
use crate::operation::{ObjectName, Resource};
use crate::secret::Secret;
use http::{HeaderMap, header, request::Parts};
use std::collections::BTreeSet;

/// What there is of a request before its body.
#[derive(Clone, Copy)]
pub(crate) struct Head<'a> {
    pub(crate) method: &'a str,
    /// As it came: nothing of it is decoded.
    pub(crate) path: &'a str,
    pub(crate) query: Option<&'a str>,
    pub(crate) headers: &'a HeaderMap,
}

impl<'a> Head<'a> {
    pub(crate) fn of(parts: &'a Parts) -> Self {
        Self {
            method: parts.method.as_str(),
            path: parts.uri.path(),
            query: parts.uri.query(),
            headers: &parts.headers,
        }
    }
}

/// A call, or one that waits for its document.
#[derive(Debug)]
pub(crate) enum Draft {
    /// Complete.
    Ready(Call),
    /// Metadata, sources or settings are to come.
    Document(DocumentDraft),
}

/// Whether a request is one of the JSON API: by its path, at a host name that is served and not at that of a bucket.
pub(crate) fn is_json_api(uri: &http::Uri, headers: &HeaderMap, domains: &[Box<str>]) -> bool {
    let service =
        || authority(uri, headers).is_ok_and(|authority| s3::address::is_service_host(&authority, domains));
    Family::of(uri.path()).is_some() && service()
}

/// What a request calls, if that can be told, and what it addresses: for the record, also if it is refused.
pub(crate) fn glimpse(head: Head<'_>) -> (Option<Method>, Option<Resource>) {
    let Some((family, rest)) = Family::of(head.path) else {
        return (None, None);
    };
    let address = match family {
        Family::Plain | Family::Download => address::parse(head.method, rest),
        Family::Upload => address::parse("POST", rest),
        Family::Batch => return (None, None),
    };
    match address {
        Ok(Address { method, resource, .. }) => {
            (Some(method), Some(named_in_query(method, resource, head.query)))
        }
        Err(_) => (None, address::whatever_the_verb(rest)),
    }
}

/// An upload may name its object in the query.
fn named_in_query(method: Method, resource: Resource, query: Option<&str>) -> Resource {
    let name = || {
        let query = Query::parse(query).ok()?;
        address::object_key(query.get("name")?).ok()
    };
    match (method, resource) {
        (Method::ObjectsInsert, Resource::Bucket(bucket)) => match name() {
            Some(key) => Resource::Object(ObjectName { bucket, key }),
            None => Resource::Bucket(bucket),
        },
        (_, resource) => resource,
    }
}

/// Who a request says it comes from.
///
/// # Errors
/// 401 for anything but one bearer token, or nothing.
pub(crate) fn claim(headers: &HeaderMap) -> Result<Claim, GcsError> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = match (values.next(), values.next()) {
        (None, _) => return Ok(Claim::Anonymous),
        (Some(value), None) => value.to_str().unwrap_or_default(),
        (Some(_), Some(_)) => {
            return Err(GcsError::unauthenticated(
                "one `Authorization` header is sent, not several",
            ));
        }
    };
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b);
    match bearer_token(value) {
        Some(token) if !token.is_empty() && token.bytes().all(plain) => {
            Ok(Claim::Bearer(Secret::new(token.as_bytes().to_vec())))
        }
        _ => Err(GcsError::unauthenticated(
            "the JSON API takes `Authorization: Bearer` with an identity token or an access token of Tidegate; HMAC keys and \
             signed URLs are not taken",
        )),
    }
}

/// Parses the head of a request that carries no object bytes.
///
/// # Errors
/// Google's own error for whatever is malformed or not known.
pub(crate) fn parse(head: Head<'_>) -> Result<Draft, GcsError> {
    let (family, rest) = Family::of(head.path).ok_or(GcsError::not_found("no path of the JSON API"))?;
    headers::check(head.headers)?;
    let address = address::parse(head.method, rest)?;
    check_served(family, address.method)?;
    let query = Query::parse(head.query)?;
    let parameters = query.crossing(address.method.row())?;
    let media = query.get("alt") == Some("media") || family == Family::Download;
    if media && address.method != Method::ObjectsGet {
        return Err(GcsError::invalid("`alt=media` is for the bytes of objects"));
    }
    let crossing = headers::crossing(address.method, media, head.headers)?;
    // Each of them is a question to the policies: nobody asks one twice.
    let permissions: BTreeSet<&str> = query.all("permissions").collect();
    let call = called(address, parameters, crossing, permissions)?;
    Ok(match call.row().sent {
        Sent::Nothing if media => Draft::Ready(call.with_detail(Detail::Media, Wishes::default())),
        Sent::Nothing => Draft::Ready(call),
        Sent::Object | Sent::Compose | Sent::NewBucket | Sent::Bucket | Sent::Setting | Sent::Media => {
            Draft::Document(DocumentDraft { call })
        }
    })
}

/// That a method is served, and on a path of this family.
fn check_served(family: Family, method: Method) -> Result<(), GcsError> {
    let row = method.row();
    if let Handling::Refused(why) = row.handling {
        let id = method.id();
        return Err(GcsError::not_implemented(format!("{id} is not served: {why}")));
    }
    if family == Family::Download && method != Method::ObjectsGet {
        return Err(GcsError::not_found("`/download/` is for the bytes of objects"));
    }
    if row.sent == Sent::Media {
        return Err(GcsError::invalid(
            "objects are uploaded below `/upload/storage/v1/`",
        ));
    }
    Ok(())
}

/// What is called, but for what its document says.
fn called(
    address: Address,
    parameters: Vec<(&'static str, Box<str>)>,
    headers: Vec<(&'static str, Box<str>)>,
    permissions: BTreeSet<&str>,
) -> Result<Call, GcsError> {
    let wishes = asked_in_parameters(&parameters);
    let generation = parameters.iter().find(|(name, _)| *name == "sourceGeneration");
    let generation = generation.map(|(_, value)| value.clone());
    let source = address.source.map(|object| Source { object, generation });
    let permissions = permissions.into_iter().map(Into::into);
    let call = Call::new(address.method, address.resource, parameters, headers)
        .map_err(|error| GcsError::invalid(error.to_string()))?;
    Ok(call
        .with_sources(source.into_iter().collect())
        .with_names(address.names.into_iter().chain(permissions).collect())
        .with_wishes(wishes))
}

/// What the parameters ask of the store besides.
fn asked_in_parameters(parameters: &[(&'static str, Box<str>)]) -> Wishes {
    let mut wishes = Wishes::default();
    for (name, value) in parameters {
        match *name {
            "predefinedAcl" | "destinationPredefinedAcl" => wishes.acl = true,
            "copySourceAcl" => wishes.acl |= **value == *"true",
            "overrideUnlockedRetention" => wishes.lifts_retention |= **value == *"true",
            "kmsKeyName" | "destinationKmsKeyName" => wishes.kms_key = Some(value.clone()),
            _ => {}
        }
    }
    wishes
}

/// Where the caller of a request reaches the API: `https://host:port`.
pub(crate) fn origin(head: &Parts) -> Option<String> {
    let authority = authority(&head.uri, &head.headers).ok()?;
    Some(format!("https://{authority}"))
}
