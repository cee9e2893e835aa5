//! Answers about objects, rewritten member by member.
//!
//! Each document is read once and written once; a page of a thousand objects is linear work. Callers ask for parts of a
//! document (`fields`), so any member may be missing.

use super::names::is_number;
use super::{AnswerError, Names};
use crate::dialect::gcs::hash::Hashes;
use crate::json::{Json, Object};

/// What callers may know of an object, as it is. Sorted, to be searched.
const SHOWN: [&str; 31] = [
    "cacheControl",
    "componentCount",
    "contentDisposition",
    "contentEncoding",
    "contentLanguage",
    "contentType",
    "contexts",
    "crc32c",
    "customTime",
    "customerEncryption",
    "etag",
    "eventBasedHold",
    "generation",
    "hardDeleteTime",
    "isUnfinalized",
    "kind",
    "kmsKeyName",
    "md5Hash",
    "metadata",
    "metageneration",
    "retention",
    "retentionExpirationTime",
    "size",
    "softDeleteTime",
    "storageClass",
    "temporaryHold",
    "timeCreated",
    "timeDeleted",
    "timeFinalized",
    "timeStorageClassUpdated",
    "updated",
];

/// Rewrites an object's resource.
///
/// # Errors
/// [`AnswerError`] if it is of another bucket or outside of the folder.
pub(crate) fn object(body: &[u8], names: &Names<'_>) -> Result<Vec<u8>, AnswerError> {
    let document = parse(body)?;
    // What is no resource has nothing of one, and an empty document is a partial answer.
    write(&resource(document, names)?)
}

/// Rewrites a page of a listing. `asked` is the prefix that the caller asked for; `seal` makes a token of the caller's
/// out of the target's. The marker that consoles make of a folder is no object to those whose bucket the folder is.
///
/// # Errors
/// [`AnswerError`] for the whole page if any name in it is not below the folder and `asked`, or cannot be told.
pub(crate) fn objects(
    body: &[u8],
    names: &Names<'_>,
    asked: &str,
    seal: impl FnOnce(&str) -> Option<String>,
) -> Result<Vec<u8>, AnswerError> {
    let narrowed = !names.prefix.is_empty() || !asked.is_empty();
    let mut page = Object::default();
    let mut seal = Some(seal);
    for (member, value) in parse(body)?.into_members() {
        let value = match (&*member, value) {
            ("kind", kind @ Json::String(_)) => kind,
            // That there is no more is also said by a token of nothing.
            ("nextPageToken", Json::String(token)) if token.is_empty() => continue,
            ("nextPageToken", Json::String(token)) => {
                let sealed = seal.take().and_then(|seal| seal(&token));
                Json::from(sealed.ok_or(AnswerError::Unsealed)?)
            }
            ("items", Json::Array(items)) => {
                let items = items.into_iter().map(|item| match item {
                    Json::Object(item) => Ok(item),
                    _ => Err(AnswerError::Malformed),
                });
                let is_marker = |item: &Result<Object, _>| {
                    let name = item.as_ref().ok().and_then(|item| item.text("name"));
                    asked.is_empty() && name.is_some_and(|name| names.is_marker(name))
                };
                let items = items.filter(|item| !is_marker(item)).map(|item| {
                    let item = item?;
                    match item.text("name") {
                        Some(name) if names.key(name)?.starts_with(asked) => {}
                        Some(_) => return Err(AnswerError::Outside),
                        None if narrowed => return Err(AnswerError::Nameless),
                        None => {}
                    }
                    Ok(Json::Object(resource(item, names)?))
                });
                Json::Array(items.collect::<Result<_, _>>()?)
            }
            ("prefixes", Json::Array(prefixes)) => {
                let prefixes = prefixes.iter().map(|prefix| {
                    let prefix = names.key(prefix.as_str().ok_or(AnswerError::Malformed)?)?;
                    match prefix.starts_with(asked) {
                        true => Ok(Json::from(prefix)),
                        false => Err(AnswerError::Outside),
                    }
                });
                Json::Array(prefixes.collect::<Result<_, _>>()?)
            }
            ("items" | "prefixes" | "nextPageToken" | "kind", _) => return Err(AnswerError::Malformed),
            _ => continue,
        };
        page.push(member, value);
    }
    write(&page)
}

/// Rewrites the answer to a rewrite; `names` are those of the destination, `seal` as for a page.
///
/// # Errors
/// As for an object, and if the token cannot be sealed.
pub(crate) fn rewrite_response(
    body: &[u8],
    names: &Names<'_>,
    seal: impl FnOnce(&str) -> Option<String>,
) -> Result<Vec<u8>, AnswerError> {
    let mut answer = Object::default();
    let mut seal = Some(seal);
    for (member, value) in parse(body)?.into_members() {
        let value = match (&*member, value) {
            ("kind" | "totalBytesRewritten" | "objectSize" | "done", value) => value,
            ("rewriteToken", Json::String(token)) if token.is_empty() => continue,
            ("rewriteToken", Json::String(token)) => {
                let sealed = seal.take().and_then(|seal| seal(&token));
                Json::from(sealed.ok_or(AnswerError::Unsealed)?)
            }
            ("resource", Json::Object(object)) => Json::Object(resource(object, names)?),
            ("rewriteToken" | "resource", _) => return Err(AnswerError::Malformed),
            _ => continue,
        };
        answer.push(member, value);
    }
    write(&answer)
}

/// The CRC32C in an object's resource, if there is one.
pub(crate) fn crc32c(body: &[u8]) -> Option<[u8; 4]> {
    let document = parse(body).ok()?;
    Hashes::of_members(document.text("crc32c"), None).ok()?.crc32c
}

/// The resource of an object for a caller.
fn resource(found: Object, names: &Names<'_>) -> Result<Object, AnswerError> {
    // Before anything else: links are made from it.
    let key = found
        .get("name")
        .map(|name| names.key(name.as_str().ok_or(AnswerError::Malformed)?));
    let key = key.transpose()?.map(str::to_owned);
    let generation = found
        .text("generation")
        .filter(|text| is_number(text))
        .map(str::to_owned);
    // The key and the generation that a link is of; without a name, the link itself has to say it.
    let linked = |link: &str| match &key {
        Some(key) => Some((key.clone(), generation.clone())),
        None => names.of_link(link),
    };
    let mut shown = Object::default();
    for (member, value) in found.into_members() {
        let value = match (&*member, value) {
            ("name", _) => key.as_deref().map(Json::from),
            ("bucket", value) => Some(Json::from(
                names.bucket(value.as_str().ok_or(AnswerError::Malformed)?)?,
            )),
            ("id", value) => Some(Json::from(
                names.id(value.as_str().ok_or(AnswerError::Malformed)?)?,
            )),
            ("selfLink", value) => {
                let linked = value.as_str().and_then(linked);
                linked.map(|(key, _)| Json::from(names.self_link(&key)))
            }
            ("mediaLink", value) => {
                let linked = value.as_str().and_then(linked);
                linked.map(|(key, generation)| Json::from(names.media_link(&key, generation.as_deref())))
            }
            (other, value) => SHOWN.binary_search(&other).is_ok().then_some(value),
        };
        if let Some(value) = value {
            shown.push(member, value);
        }
    }
    Ok(shown)
}

fn parse(body: &[u8]) -> Result<Object, AnswerError> {
    Object::parse(body).map_err(|_| AnswerError::Malformed)
}

fn write(object: &Object) -> Result<Vec<u8>, AnswerError> {
    serde_json::to_vec(object).map_err(|_| AnswerError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_sorted_and_has_no_access_list() {
        assert!(SHOWN.is_sorted());
        for hidden in [
            "acl",
            "owner",
            "restoreToken",
            "name",
            "bucket",
            "id",
            "selfLink",
            "mediaLink",
        ] {
            assert!(SHOWN.binary_search(&hidden).is_err(), "{hidden}");
        }
    }
}
