//! Preconditions: generations that must be, or must not be.
//!
//! Spec: <https://docs.cloud.google.com/storage/docs/request-preconditions>

use super::{Refusal, object::Object, request::Query};
use http::{HeaderMap, header};

/// The parameters of the object that a request is about.
pub(super) const OBJECT: [&str; 4] = [
    "ifGenerationMatch",
    "ifGenerationNotMatch",
    "ifMetagenerationMatch",
    "ifMetagenerationNotMatch",
];
/// Those of the object that is copied.
pub(super) const SOURCE: [&str; 4] = [
    "ifSourceGenerationMatch",
    "ifSourceGenerationNotMatch",
    "ifSourceMetagenerationMatch",
    "ifSourceMetagenerationNotMatch",
];

/// Holds `If-Match` and `If-None-Match` against the entity tag of what is about to be read.
///
/// # Errors
/// 412, or 304 for what must not match.
pub(super) fn check_tag(asked: &HeaderMap, etag: &str) -> Result<(), Refusal> {
    let tags = |name: header::HeaderName| super::request::text(asked, name.as_str());
    let matches = |tags: &str| tags == "*" || tags.split(',').any(|tag| tag.trim() == etag);
    if tags(header::IF_MATCH).is_some_and(|wanted| !matches(wanted)) {
        return Err(Refusal::condition("If-Match"));
    }
    match tags(header::IF_NONE_MATCH).is_some_and(matches) {
        true => Err(Refusal::not_modified()),
        false => Ok(()),
    }
}

/// What must hold.
#[derive(Clone, Debug, Default)]
pub(super) struct Conditions {
    /// In the order of the names.
    numbers: [Option<u64>; 4],
    names: [&'static str; 4],
}

impl Conditions {
    /// Reads those with these names.
    ///
    /// # Errors
    /// What is not a number.
    pub(super) fn read(query: &Query, names: [&'static str; 4]) -> Result<Self, Refusal> {
        let mut numbers = [None; 4];
        for (number, name) in numbers.iter_mut().zip(names) {
            *number = query.number(name)?;
        }
        Ok(Self { numbers, names })
    }

    /// Reads them from headers, as the XML API has them.
    ///
    /// # Errors
    /// What is not a number.
    pub(super) fn of_headers(headers: &HeaderMap, names: [&'static str; 4]) -> Result<Self, Refusal> {
        let mut numbers = [None; 4];
        for (number, name) in numbers.iter_mut().zip(names) {
            let Some(value) = headers.get(name) else {
                continue;
            };
            let text = value.to_str().unwrap_or_default();
            let plain = text.bytes().all(|byte| byte.is_ascii_digit());
            let read = text.parse().ok().filter(|_| plain);
            *number = Some(read.ok_or_else(|| Refusal::parameter(name, text))?);
        }
        Ok(Self { numbers, names })
    }

    /// Only that the object is, or becomes, of this generation.
    pub(super) fn generation(generation: Option<u64>) -> Self {
        Self {
            numbers: [generation, None, None, None],
            names: OBJECT,
        }
    }

    /// Whether they hold of `live`, which is about to be written or deleted.
    ///
    /// # Errors
    /// 412.
    pub(super) fn check(&self, live: Option<&Object>) -> Result<(), Refusal> {
        match self.failed(live) {
            Some((_, name)) => Err(Refusal::condition(name)),
            None => Ok(()),
        }
    }

    /// The same for an object that is about to be read.
    ///
    /// # Errors
    /// 412, or 304 for what must not match.
    pub(super) fn check_read(&self, object: &Object) -> Result<(), Refusal> {
        match self.failed(Some(object)) {
            Some((index, _)) if index % 2 == 1 => Err(Refusal::not_modified()),
            Some((_, name)) => Err(Refusal::condition(name)),
            None => Ok(()),
        }
    }

    /// The same for numbers of something else, such as a bucket, which has only one.
    ///
    /// # Errors
    /// 412.
    pub(super) fn check_metageneration(&self, metageneration: u64) -> Result<(), Refusal> {
        let [_, _, wanted, unwanted] = self.numbers;
        let [_, _, wanted_name, unwanted_name] = self.names;
        if wanted.is_some_and(|wanted| wanted != metageneration) {
            return Err(Refusal::condition(wanted_name));
        }
        if unwanted == Some(metageneration) {
            return Err(Refusal::condition(unwanted_name));
        }
        Ok(())
    }

    fn failed(&self, object: Option<&Object>) -> Option<(usize, &'static str)> {
        // What is not there has generation 0, and no metageneration.
        let generation = Some(object.map_or(0, |object| object.generation));
        let metageneration = object.map(|object| object.metageneration);
        let actual = [generation, generation, metageneration, metageneration];
        let numbers = self.numbers.iter().zip(actual).zip(self.names).enumerate();
        numbers
            .filter_map(|(index, ((number, actual), name))| {
                let number = (*number)?;
                let matches = actual == Some(number);
                let holds = if index % 2 == 0 { matches } else { !matches };
                (!holds).then_some((index, name))
            })
            .next()
    }
}
