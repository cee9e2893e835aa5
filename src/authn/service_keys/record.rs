//! What is on record of a service key. Nothing of it is secret.

use super::network::Network;
use crate::authn::PrincipalKind;
use crate::operation::BucketName;
use jiff::{SignedDuration, Timestamp};

/// A service key as it stands in the file, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The access key id: `TGSK` and 16 characters of base32.
    pub id: Box<str>,
    /// The key of the ring that its secret derives from.
    pub ring_key: Box<str>,
    /// Whom it makes known: a prefix of its own, colon, name.
    pub principal: Box<str>,
    /// What its principal is: always a workload.
    pub kind: PrincipalKind,
    /// The only buckets that it may be used for; at least one.
    pub buckets: Vec<BucketName>,
    /// When it was made.
    pub created: Timestamp,
    /// Its first second of not being valid.
    pub expires: Timestamp,
    /// Where it may be used; anywhere if there are none.
    pub source_addresses: Vec<Network>,
    /// For the operator.
    pub note: Option<Box<str>>,
    /// When it was revoked, if it was.
    pub revoked: Option<Timestamp>,
    /// The key that it took over from.
    pub replaces: Option<Box<str>>,
}

/// What a service key is at a point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It works.
    Alive,
    /// It is over.
    Expired,
    /// It was ended before its time.
    Revoked,
}

impl Standing {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Alive => "alive",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

impl Record {
    /// What it is at `now`.
    pub fn standing(&self, now: Timestamp) -> Standing {
        match self.revoked {
            Some(_) => Standing::Revoked,
            None if now >= self.expires => Standing::Expired,
            None => Standing::Alive,
        }
    }

    /// Whether it is alive and will not be for long.
    pub fn ends_soon(&self, now: Timestamp) -> bool {
        self.standing(now) == Standing::Alive && self.expires.duration_since(now) < SOON
    }

    /// What of its lifetime was granted when it was made.
    pub fn lifetime(&self) -> SignedDuration {
        self.expires.duration_since(self.created)
    }

    /// What is wrong with it, if anything is.
    pub(super) fn flaw(&self) -> Option<String> {
        if !is_access_key_id(&self.id) {
            return Some("`id` is not `TGSK` and 16 characters `A-Z` and `2-7`".to_owned());
        }
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        if !(8..=32).contains(&self.ring_key.len()) || !self.ring_key.bytes().all(plain) {
            return Some("`ring_key` is not the id of a key of the key ring".to_owned());
        }
        if let Err(wrong) = prefix_of(&self.principal) {
            return Some(format!("`principal` {wrong}"));
        }
        if self.kind != PrincipalKind::Workload {
            return Some("`kind` must be `workload`: people log in".to_owned());
        }
        if self.buckets.is_empty() {
            return Some("`buckets` is empty; a service key is for buckets that it names".to_owned());
        }
        if self.expires <= self.created {
            return Some("`expires` is not after `created`".to_owned());
        }
        if self.lifetime() > LONGEST {
            return Some("it lives for more than 90 days from `created` to `expires`".to_owned());
        }
        self.note
            .as_deref()
            .and_then(|note| flaw_of_note(note).map(str::to_owned))
    }
}

/// The part of a principal before the colon.
///
/// # Errors
/// What is wrong with the principal.
pub(super) fn prefix_of(principal: &str) -> Result<&str, &'static str> {
    const WRONG: &str = "must be `PREFIX:NAME`, the prefix of 1 to 32 characters `a-z`, `0-9` and `-`, the name of 1 to 256 \
                         without spaces";
    let (prefix, name) = principal.split_once(':').ok_or(WRONG)?;
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let printable = |c: char| !c.is_whitespace() && !c.is_control();
    if (1..=32).contains(&prefix.len())
        && prefix.bytes().all(plain)
        && (1..=256).contains(&name.len())
        && name.chars().all(printable)
    {
        Ok(prefix)
    } else {
        Err(WRONG)
    }
}

pub(super) fn flaw_of_note(note: &str) -> Option<&'static str> {
    let fits = note.len() <= 256 && !note.chars().any(char::is_control);
    (!fits).then_some("a note has 256 bytes at most and no control characters")
}

/// Whether this could be the access key id of a service key.
pub(in crate::authn) fn is_access_key_id(id: &str) -> bool {
    id.strip_prefix(ACCESS_KEY_PREFIX)
        .is_some_and(|rest| rest.len() == 16 && rest.bytes().all(|b| matches!(b, b'A'..=b'Z' | b'2'..=b'7')))
}

/// As long as `TGIA` of sessions, `AKIA` and `ASIA` are: tools count twenty characters.
pub(super) const ACCESS_KEY_PREFIX: &str = "TGSK";

/// Nothing that is given out here lives longer.
pub const LONGEST: SignedDuration = SignedDuration::from_hours(90 * 24);

/// Two weeks: whoever looks after a backup tool may be on holiday for one of them.
const SOON: SignedDuration = SignedDuration::from_hours(14 * 24);
