//! Values of more than one shape: a text or a list of them, tables whose keys the operator chooses.

use super::{Section, Site, join, shown, type_of};
use toml::Spanned;
use toml::de::DeValue;

/// A value with its place.
pub(in super::super) struct Entry<'a> {
    site: Site<'a>,
    value: &'a DeValue<'a>,
}

/// A value that is neither a list nor a table.
pub(in super::super) enum Scalar<'a> {
    Text(&'a str),
    Flag(bool),
    Integer(i64),
}

impl<'a> Section<'a> {
    /// The value of `key`, whatever it is.
    pub(in super::super) fn entry(&self, key: &'static str) -> Option<Entry<'a>> {
        let value = self.value(key)?;
        Some(Entry {
            site: self.site_of(key),
            value,
        })
    }
}

impl<'a> Entry<'a> {
    pub(in super::super) fn site(&self) -> &Site<'a> {
        &self.site
    }

    /// Reports that this is something else than `wanted`.
    pub(in super::super) fn mistyped(&self, wanted: &str, accepted: &str) {
        let found = type_of(self.value);
        self.site
            .showing(None)
            .problem(format!("{found}, not {wanted}"), accepted);
    }

    /// The value, if it is a string, a boolean or an integer of 64 bits.
    pub(in super::super) fn scalar(&self) -> Option<Scalar<'a>> {
        match self.value {
            DeValue::String(text) => Some(Scalar::Text(text)),
            DeValue::Boolean(flag) => Some(Scalar::Flag(*flag)),
            DeValue::Integer(digits) => i64::from_str_radix(digits.as_str(), digits.radix())
                .ok()
                .map(Scalar::Integer),
            DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
        }
    }

    /// The text, if it is one.
    pub(in super::super) fn text(&self) -> Option<&'a str> {
        match self.scalar()? {
            Scalar::Text(text) => Some(text),
            Scalar::Flag(_) | Scalar::Integer(_) => None,
        }
    }

    /// The items, if it is a list.
    pub(in super::super) fn items(&self) -> Option<Vec<Self>> {
        let DeValue::Array(items) = self.value else {
            return None;
        };
        let item = |(n, item): (usize, &'a Spanned<DeValue<'a>>)| Self {
            site: Site {
                key: format!("{}[{n}]", self.site.key),
                offset: Some(item.span().start),
                ..self.site.showing(shown(item.get_ref()))
            },
            value: item.get_ref(),
        };
        Some(items.iter().enumerate().map(item).collect())
    }

    /// The entries, if it is a table.
    pub(in super::super) fn fields(&self) -> Option<Vec<(&'a str, Self)>> {
        let DeValue::Table(entries) = self.value else {
            return None;
        };
        let each = entries.iter().map(|(name, value)| {
            let key: &'a str = name.get_ref();
            let site = Site {
                key: join(&self.site.key, key),
                offset: Some(name.span().start),
                ..self.site.showing(shown(value.get_ref()))
            };
            let value = value.get_ref();
            (key, Self { site, value })
        });
        Some(each.collect())
    }

    /// One text, or a list of them: each with its place. Anything else is reported.
    pub(in super::super) fn texts(&self, accepted: &str) -> Option<Vec<(Site<'a>, &'a str)>> {
        if let Some(text) = self.text() {
            return Some(vec![(self.site.clone(), text)]);
        }
        let Some(items) = self.items() else {
            self.mistyped("a string or a list of strings", accepted);
            return None;
        };
        if items.is_empty() {
            self.site.problem("empty", accepted);
            return None;
        }
        let mut texts = Vec::with_capacity(items.len());
        for item in &items {
            match item.text() {
                Some(text) => texts.push((item.site.clone(), text)),
                None => item.mistyped("a string", accepted),
            }
        }
        (texts.len() == items.len()).then_some(texts)
    }
}
