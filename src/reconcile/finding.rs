//! What is found, one by one.

use super::row::{Ours, Packer, Theirs, Unpacker};
use jiff::Timestamp;
use serde::Serialize;

/// What is wrong with an entry or a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    /// The provider logged a request of which there is no record: somebody went around the proxy.
    Unrecorded,
    /// The provider logged a request that says it is one of ours and is not.
    ForgedStamp,
    /// The target did what we asked, and the provider has not logged it.
    Unlogged,
}

impl Kind {
    pub(super) const ALL: [Self; 3] = [Self::Unrecorded, Self::ForgedStamp, Self::Unlogged];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Unrecorded => "unrecorded",
            Self::ForgedStamp => "forged-stamp",
            Self::Unlogged => "unlogged",
        }
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) kind: Kind,
    pub(super) time: Timestamp,
    /// In the provider's names, except of what the provider has not logged.
    pub(super) bucket: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<String>,
    /// The place that the request names, if that is another one: where something was copied to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) request_on: Option<String>,
    pub(super) operation: String,
    /// As the provider names it; for what is not logged, as we do.
    pub(super) principal: String,
    /// The address that the provider saw.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) source: Option<String>,
    /// The provider's id of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) target_request_id: Option<String>,
    /// Our own id: of the record, or as the entry claims.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) request_id: Option<String>,
    /// Before the first or after the last record that was given.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) outside_records: bool,
    /// Not in a prefix that is mapped.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) unmapped_key: bool,
    /// More entries claim to be this request than there were requests: some of them are ours, and it cannot be said which.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) disputed: bool,
}

impl Finding {
    /// About an entry.
    pub(super) fn of_entry(kind: Kind, entry: &Theirs<'_>, outside_records: bool) -> Self {
        Self {
            kind,
            time: entry.at,
            bucket: entry.bucket.to_owned(),
            key: entry.key.map(str::to_owned),
            request_on: entry.request_on.map(str::to_owned),
            operation: entry.operation.to_owned(),
            principal: entry.principal.to_owned(),
            source: Some(entry.source.to_owned()),
            target_request_id: entry.request_id.map(str::to_owned),
            request_id: entry.stamp.map(|stamp| stamp.to_string()),
            outside_records,
            unmapped_key: !entry.inside,
            disputed: false,
        }
    }

    /// About a record.
    pub(super) fn of_record(record: &Ours) -> Self {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        Self {
            kind: Kind::Unlogged,
            time: record.at,
            bucket: text(&record.bucket),
            key: record.key.clone(),
            request_on: None,
            operation: text(&record.operation),
            principal: text(&record.principal),
            source: None,
            target_request_id: record.request_id.clone(),
            request_id: Some(record.stamp.to_string()),
            outside_records: false,
            unmapped_key: false,
            disputed: false,
        }
    }

    /// A row that sorts by time.
    pub(super) fn pack(&self, row: &mut Vec<u8>) {
        // Times before 1970 sort before the others, too.
        let time = (self.time.as_microsecond() as u64) ^ (1 << 63);
        let mut packer = Packer(std::mem::take(row));
        packer.0.clear();
        packer.0.extend_from_slice(&time.to_be_bytes());
        packer
            .number(self.kind as i64)
            .number(
                i64::from(self.outside_records)
                    | i64::from(self.unmapped_key) << 1
                    | i64::from(self.disputed) << 2,
            )
            .text(Some(&self.bucket))
            .text(self.key.as_deref())
            .text(self.request_on.as_deref())
            .text(Some(&self.operation))
            .text(Some(&self.principal))
            .text(self.source.as_deref())
            .text(self.target_request_id.as_deref())
            .text(self.request_id.as_deref());
        *row = packer.0;
    }

    pub(super) fn unpack(row: &[u8]) -> Option<Self> {
        let (time, rest) = row.split_at_checked(8)?;
        let time = u64::from_be_bytes(time.try_into().ok()?) ^ (1 << 63);
        let mut unpacker = Unpacker(rest);
        let kind = unpacker.number()?;
        let flags = unpacker.number()?;
        let mut text = || Some(unpacker.text()?.map(str::to_owned));
        Some(Self {
            kind: Kind::ALL.into_iter().find(|known| *known as i64 == kind)?,
            time: Timestamp::from_microsecond(time as i64).ok()?,
            bucket: text()??,
            key: text()?,
            request_on: text()?,
            operation: text()??,
            principal: text()??,
            source: text()?,
            target_request_id: text()?,
            request_id: text()?,
            outside_records: flags & 1 != 0,
            unmapped_key: flags & 2 != 0,
            disputed: flags & 4 != 0,
        })
    }
}
