//! What is hardly meant about signing keys, although they work: for `tidegate check` and `tidegate doctor`.

use super::{SigningKeys, Standing};
use crate::authn::service_keys::in_words;
use jiff::{SignedDuration, Timestamp};
use std::fmt;

/// How long a key should be published before it signs: clouds keep the key set that they fetched, some for a day.
pub const PUBLISHED_BEFORE_USE: SignedDuration = SignedDuration::from_hours(24);
/// How long a key may sign before it is called old.
const OLD: SignedDuration = SignedDuration::from_hours(365 * 24);
/// A key set that is uploaded changes hands before its new key signs.
const UPLOAD_SOON: SignedDuration = SignedDuration::from_hours(7 * 24);
/// AWS takes a hundred keys; more than this is a rotation that runs too often.
const MANY: usize = 10;

/// Something that is hardly meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Concern {
    /// The key that signs is old.
    Old {
        /// `kid`.
        id: Box<str>,
        /// Since when it signs.
        since: Timestamp,
        /// For how long.
        age: SignedDuration,
    },
    /// A key will sign before every cloud has it.
    Hasty {
        /// `kid`.
        id: Box<str>,
        /// From when on.
        signs_from: Timestamp,
        /// How long it is published by then.
        published: SignedDuration,
    },
    /// The key set is not fetched here, and a new key will sign soon.
    Upload {
        /// `kid`.
        id: Box<str>,
        /// From when on.
        signs_from: Timestamp,
    },
    /// There are very many.
    Many(usize),
}

impl SigningKeys {
    /// What is hardly meant at `now`. `serves` says whether clouds fetch the key set here.
    pub fn concerns(&self, now: Timestamp, serves: bool) -> Vec<Concern> {
        let listed = self.listed(now);
        let mut concerns = Vec::new();
        for key in &listed {
            let id = || Box::from(key.id);
            let signs_from = key.signs_from;
            match key.standing {
                Standing::Signing => {
                    let age = now.duration_since(signs_from);
                    let has_successor = listed
                        .iter()
                        .any(|other| matches!(other.standing, Standing::Announced(_)));
                    if age > OLD && !has_successor {
                        concerns.push(Concern::Old {
                            id: id(),
                            since: signs_from,
                            age,
                        });
                    }
                }
                Standing::Announced(_) => {
                    let published = signs_from.duration_since(key.created);
                    if published < PUBLISHED_BEFORE_USE {
                        concerns.push(Concern::Hasty {
                            id: id(),
                            signs_from,
                            published,
                        });
                    }
                    if !serves && signs_from.duration_since(now) < UPLOAD_SOON {
                        concerns.push(Concern::Upload { id: id(), signs_from });
                    }
                }
                Standing::Superseded(_) | Standing::Gone => {}
            }
        }
        if listed.len() > MANY {
            concerns.push(Concern::Many(listed.len()));
        }
        concerns
    }
}

impl Concern {
    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Old { .. } => "`tidegate issuer rotate` once a year",
            Self::Hasty { .. } => "a key that is published for a day before it signs",
            Self::Upload { .. } => "what `tidegate issuer jwks` prints, uploaded to every cloud before that",
            Self::Many(_) => "`tidegate issuer rotate` a few times a year, which drops the old ones",
        }
    }
}

impl fmt::Display for Concern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Old { id, since, age } => {
                write!(f, "key `{id}` signs since {since:.0}, for {}", in_words(*age))
            }
            Self::Hasty {
                id,
                signs_from,
                published,
            } => write!(
                f,
                "key `{id}` signs from {signs_from:.0} on and is published only {} before that: a cloud that holds an older key set refuses its tokens",
                in_words(*published)
            ),
            Self::Upload { id, signs_from } => {
                write!(
                    f,
                    "key `{id}` signs from {signs_from:.0} on, and the key set is not fetched here"
                )
            }
            Self::Many(count) => write!(f, "there are {count} keys"),
        }
    }
}
