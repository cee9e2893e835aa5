//! Rows on disk: what is compared, in front, so that it sorts together; behind it what a finding needs.
//!
//! There are two spaces of keys, because there are two things to compare. In [`Space::Request`], entries and records meet
//! by the id that the provider gave to the request; in [`Space::Stamp`] by the id that we gave to it.

use super::entry::{Class, Hash};
use jiff::Timestamp;
use ulid::Ulid;

/// What rows are compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Space {
    /// The provider's id of the request, hashed. An entry without one has its identity there.
    Request,
    /// Our own.
    Stamp,
}

/// Which side a row is from. Records come first in the order of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Record,
    Entry,
}

/// What stands in front of a row: 34 bytes, in the order in which they sort.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) space: Space,
    pub(super) key: Hash,
    pub(super) side: Side,
    /// Equal only for what was delivered twice.
    pub(super) identity: Hash,
}

impl Head {
    /// A row with this head and `body`, into `row`.
    pub(super) fn write(&self, row: &mut Vec<u8>, body: &[u8]) {
        row.clear();
        row.push(match self.space {
            Space::Request => 0,
            Space::Stamp => 1,
        });
        row.extend_from_slice(&self.key);
        row.push(match self.side {
            Side::Record => 0,
            Side::Entry => 1,
        });
        row.extend_from_slice(&self.identity);
        row.extend_from_slice(body);
    }

    /// Head and body of a row.
    pub(super) fn read(row: &[u8]) -> Option<(Self, &[u8])> {
        let (head, body) = row.split_at_checked(34)?;
        let space = match head.first()? {
            0 => Space::Request,
            _ => Space::Stamp,
        };
        let side = match head.get(17)? {
            0 => Side::Record,
            _ => Side::Entry,
        };
        let head = Self {
            space,
            key: head.get(1..17)?.try_into().ok()?,
            side,
            identity: head.get(18..34)?.try_into().ok()?,
        };
        Some((head, body))
    }
}

/// Fields one after the other, each of which knows its length.
#[derive(Debug, Default)]
pub(super) struct Packer(pub(super) Vec<u8>);

impl Packer {
    pub(super) fn number(&mut self, value: i64) -> &mut Self {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    pub(super) fn time(&mut self, at: Timestamp) -> &mut Self {
        self.number(at.as_microsecond())
    }

    pub(super) fn bytes(&mut self, bytes: &[u8; 16]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(super) fn text(&mut self, text: Option<&str>) -> &mut Self {
        match text {
            None => self.number(-1),
            Some(text) => {
                self.number(text.len() as i64);
                self.0.extend_from_slice(text.as_bytes());
                self
            }
        }
    }
}

/// Reads what a [`Packer`] wrote.
pub(super) struct Unpacker<'a>(pub(super) &'a [u8]);

impl<'a> Unpacker<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn number(&mut self) -> Option<i64> {
        Some(i64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    pub(super) fn time(&mut self) -> Option<Timestamp> {
        Timestamp::from_microsecond(self.number()?).ok()
    }

    pub(super) fn bytes(&mut self) -> Option<[u8; 16]> {
        self.take(16)?.try_into().ok()
    }

    /// Outer `None` if there is no such field.
    pub(super) fn text(&mut self) -> Option<Option<&'a str>> {
        match usize::try_from(self.number()?) {
            Err(_) => Some(None),
            Ok(length) => Some(Some(std::str::from_utf8(self.take(length)?).ok()?)),
        }
    }
}

/// An entry, as far as a finding needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Theirs<'a> {
    pub(super) at: Timestamp,
    pub(super) bucket: &'a str,
    pub(super) key: Option<&'a str>,
    /// The place that the request names, if that is another one.
    pub(super) request_on: Option<&'a str>,
    pub(super) operation: &'a str,
    pub(super) principal: &'a str,
    pub(super) source: &'a str,
    pub(super) request_id: Option<&'a str>,
    pub(super) stamp: Option<Ulid>,
    /// It is about something in a mapped prefix.
    pub(super) inside: bool,
    pub(super) by_provider: bool,
}

impl<'a> Theirs<'a> {
    pub(super) fn pack(&self, packer: &mut Packer) {
        let flags =
            i64::from(self.inside) | i64::from(self.by_provider) << 1 | i64::from(self.stamp.is_some()) << 2;
        packer
            .number(flags)
            .time(self.at)
            .bytes(&self.stamp.unwrap_or_default().to_bytes())
            .text(Some(self.bucket))
            .text(self.key)
            .text(self.request_on)
            .text(Some(self.operation))
            .text(Some(self.principal))
            .text(Some(self.source))
            .text(self.request_id);
    }

    pub(super) fn unpack(bytes: &'a [u8]) -> Option<Self> {
        let mut unpacker = Unpacker(bytes);
        let flags = unpacker.number()?;
        let at = unpacker.time()?;
        let stamp = Ulid::from_bytes(unpacker.bytes()?);
        Some(Self {
            at,
            stamp: (flags & 4 != 0).then_some(stamp),
            inside: flags & 1 != 0,
            by_provider: flags & 2 != 0,
            bucket: unpacker.text()??,
            key: unpacker.text()?,
            request_on: unpacker.text()?,
            operation: unpacker.text()??,
            principal: unpacker.text()??,
            source: unpacker.text()??,
            request_id: unpacker.text()?,
        })
    }
}

/// A record of ours, as far as comparing needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ours {
    pub(super) at: Timestamp,
    /// When it ended.
    pub(super) until: Timestamp,
    pub(super) stamp: Ulid,
    pub(super) operation: Option<String>,
    pub(super) principal: Option<String>,
    /// In the names of callers.
    pub(super) bucket: Option<String>,
    pub(super) key: Option<String>,
    /// In the names of the provider: the bucket, and the key or what keys begin with.
    pub(super) place: Option<(String, Option<String>)>,
    /// What a copy reads from; of some copies there are several.
    pub(super) sources: Vec<(String, Option<String>)>,
    /// It is about many keys, which begin with that of `place`.
    pub(super) many: bool,
    /// If a log ought to have it.
    pub(super) class: Option<Class>,
    /// All requests to the target, and those of which no id is known.
    pub(super) requests: u32,
    pub(super) unknown: u32,
    /// This request, or the last one: its id, and whether the target did it.
    pub(super) request_id: Option<String>,
    pub(super) done: bool,
    /// The ids of all requests.
    pub(super) ids: Vec<Hash>,
}

impl Ours {
    pub(super) fn pack(&self, packer: &mut Packer) {
        let class = self.class.map_or(0, |class| class as i64 + 1);
        let place = |place: &Option<(String, Option<String>)>| match place {
            Some((bucket, key)) => (Some(bucket.clone()), key.clone()),
            None => (None, None),
        };
        let (bucket, key) = place(&self.place);
        packer
            .time(self.at)
            .time(self.until)
            .bytes(&self.stamp.to_bytes())
            .number(class)
            .number(i64::from(self.many) | i64::from(self.done) << 1)
            .number(self.requests.into())
            .number(self.unknown.into());
        for text in [
            &self.operation,
            &self.principal,
            &self.bucket,
            &self.key,
            &bucket,
            &key,
            &self.request_id,
        ] {
            packer.text(text.as_deref());
        }
        packer.number(self.ids.len() as i64);
        for id in &self.ids {
            packer.bytes(id);
        }
        packer.number(self.sources.len() as i64);
        for (bucket, key) in &self.sources {
            packer.text(Some(bucket)).text(key.as_deref());
        }
    }

    pub(super) fn unpack(bytes: &[u8]) -> Option<Self> {
        let mut unpacker = Unpacker(bytes);
        let (at, until) = (unpacker.time()?, unpacker.time()?);
        let stamp = Ulid::from_bytes(unpacker.bytes()?);
        let class = unpacker.number()?;
        let flags = unpacker.number()?;
        let requests = u32::try_from(unpacker.number()?).ok()?;
        let unknown = u32::try_from(unpacker.number()?).ok()?;
        let mut text = || Some(unpacker.text()?.map(str::to_owned));
        let (operation, principal, bucket, key) = (text()?, text()?, text()?, text()?);
        let place = (text()?, text()?);
        let request_id = text()?;
        let count = unpacker.number()?;
        let ids = (0..count).map(|_| unpacker.bytes()).collect::<Option<_>>()?;
        let count = unpacker.number()?;
        let mut text = || Some(unpacker.text()?.map(str::to_owned));
        let sources = (0..count).map(|_| Some((text()??, text()?)));
        let sources = sources.collect::<Option<_>>()?;
        Some(Self {
            at,
            until,
            stamp,
            operation,
            principal,
            bucket,
            key,
            place: place.0.map(|bucket| (bucket, place.1)),
            sources,
            many: flags & 1 != 0,
            done: flags & 2 != 0,
            class: Class::ALL.into_iter().find(|known| *known as i64 + 1 == class),
            requests,
            unknown,
            request_id,
            ids,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_as_they_were_written() {
        let head = Head {
            space: Space::Stamp,
            key: [7; 16],
            side: Side::Entry,
            identity: [9; 16],
        };
        let theirs = Theirs {
            at: "2026-11-22T10:00:00.123456Z".parse().unwrap(),
            bucket: "b",
            key: None,
            request_on: Some("c/k"),
            operation: "GetObject",
            principal: "ä\0",
            source: "",
            request_id: Some(""),
            stamp: Some(Ulid::from_parts(1, 2)),
            inside: true,
            by_provider: false,
        };
        let mut packer = Packer::default();
        theirs.pack(&mut packer);
        let mut row = Vec::new();
        head.write(&mut row, &packer.0);
        let (read, body) = Head::read(&row).unwrap();
        assert_eq!((read, Theirs::unpack(body)), (head, Some(theirs)));

        let ours = Ours {
            at: Timestamp::UNIX_EPOCH,
            until: "2026-11-22T10:00:00.5Z".parse().unwrap(),
            stamp: Ulid::from_parts(3, 4),
            operation: Some("PutObject".into()),
            principal: None,
            bucket: Some("lake".into()),
            key: Some("k".into()),
            place: Some(("b".into(), Some("p/k".into()))),
            sources: vec![("b".into(), None), ("c".into(), Some("k".into()))],
            many: true,
            class: Some(Class::Manage),
            requests: 3,
            unknown: 1,
            request_id: None,
            done: true,
            ids: vec![[1; 16], [2; 16]],
        };
        let mut packer = Packer::default();
        ours.pack(&mut packer);
        assert_eq!(Ours::unpack(&packer.0), Some(ours));
        for cut in 0..packer.0.len() {
            assert_eq!(Ours::unpack(&packer.0[..cut]), None, "{cut}");
        }
    }
}
