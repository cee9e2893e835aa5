//! Parameters of a query and of a form, each of which is understood or refused.
//!
//! Of two values for one name the other party may have checked the other one, and a parameter that was ignored is a
//! wish that nobody granted: a session policy that narrows nothing. So a name is there once, in the query or in the
//! body, and [`Parameters::unknown`] finds whatever nobody asked for.

use std::{borrow::Cow, collections::BTreeMap};

/// All parameters by name, each at most once.
pub(crate) struct Parameters<'a>(BTreeMap<Cow<'a, str>, Vec<Cow<'a, str>>>);

/// A name that is there twice; as it may be shown.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Repeated(pub(crate) Box<str>);

impl<'a> Parameters<'a> {
    /// Reads a query string and an `application/x-www-form-urlencoded` body. The caller bounds the size of both.
    /// `lists` are the names that may be there more than once.
    ///
    /// # Errors
    /// [`Repeated`] for any other name that is there twice, perhaps once in the query and once in the body.
    pub(crate) fn read(query: Option<&'a str>, body: &'a [u8], lists: &[&str]) -> Result<Self, Repeated> {
        let query = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        let mut parameters = BTreeMap::<_, Vec<_>>::new();
        for (name, value) in query.chain(form_urlencoded::parse(body)) {
            if parameters.contains_key(&name) && !lists.contains(&&*name) {
                return Err(Repeated(printable(&name)));
            }
            parameters.entry(name).or_default().push(value);
        }
        Ok(Self(parameters))
    }

    /// Takes a parameter out.
    pub(crate) fn take(&mut self, name: &str) -> Option<Cow<'a, str>> {
        self.take_all(name).pop()
    }

    /// Takes out all values of a list, in their order.
    pub(crate) fn take_all(&mut self, name: &str) -> Vec<Cow<'a, str>> {
        self.0.remove(name).unwrap_or_default()
    }

    /// Whether there is `name`, or a member of it: `name.member.1.arn`.
    pub(crate) fn any_within(&self, name: &str) -> bool {
        self.0.keys().any(|key| is_within(key, name))
    }

    /// Takes out `name` and all its members, in the order of their names.
    pub(crate) fn take_within(&mut self, name: &str) -> Vec<(Cow<'a, str>, Cow<'a, str>)> {
        let taken = self.0.extract_if(.., |key, _| is_within(key, name));
        taken
            .filter_map(|(key, mut values)| Some((key, values.pop()?)))
            .collect()
    }

    /// The first name, as it may be shown, that is left over and not `known`.
    pub(crate) fn unknown(&self, known: impl Fn(&str) -> bool) -> Option<Box<str>> {
        self.0
            .keys()
            .find(|name| !known(name))
            .map(|name| printable(name))
    }
}

fn is_within(key: &str, name: &str) -> bool {
    key.strip_prefix(name)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// A parameter's name for a message. A body that is a bare token is one long name: that is not repeated.
pub(crate) fn printable(name: &str) -> Box<str> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    match name {
        "" => "(empty)".into(),
        name if name.len() <= 48 && name.bytes().all(plain) => name.into(),
        _ => "(unreadable)".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_there_once_unless_it_is_a_list() {
        let read = |query: &'static str, body: &'static str| {
            Parameters::read(Some(query), body.as_bytes(), &["tag"]).map(|p| p.0.len())
        };
        assert_eq!(read("a=1", "b=2"), Ok(2));
        assert_eq!(read("tag=1&tag=2", "tag=3"), Ok(1));
        assert_eq!(read("a=1&a=1", ""), Err(Repeated("a".into())));
        assert_eq!(read("a=1", "%61=2"), Err(Repeated("a".into())));
        assert_eq!(read("=1&=2", ""), Err(Repeated("(empty)".into())));
        assert_eq!(read("a%0a=1&a%0a=2", ""), Err(Repeated("(unreadable)".into())));
    }

    #[test]
    fn what_nobody_asked_for_is_found() {
        let mut parameters = Parameters::read(Some("a=1&b.member.1=2&b=3&bc=4"), b"", &[]).unwrap();
        assert!(parameters.any_within("b") && !parameters.any_within("c"));
        assert_eq!(parameters.take("a").as_deref(), Some("1"));
        assert_eq!(parameters.take("a"), None);
        let taken: Vec<_> = parameters.take_within("b").into_iter().map(|(k, _)| k).collect();
        assert_eq!(taken, ["b", "b.member.1"]);
        assert_eq!(parameters.unknown(|_| false).as_deref(), Some("bc"));
        assert_eq!(parameters.unknown(|name| name == "bc"), None);
    }
}
