//! Handles: what a target gives out to come back with, sealed for the principal that got it.
//!
//! A target's upload id is good for everybody whom the target trusts, and that is Tidegate itself: passed on as it is,
//! whoever learns one adds to the upload of somebody else (AUZ-07). So a caller gets the id sealed together with what
//! it is good for: a principal, a bucket and a key. It is not bound to a session, because committers finish on one host
//! what tasks began on others. Pages of a listing have such a handle too, the continuation token, which at many stores
//! is a key in the store's own words.
//!
//! Nothing is kept here: every replica with the key ring opens every handle, as long as the key that sealed it is in the
//! ring. A handle of one kind does not open as another, and neither opens as a session.

use super::Principal;
use super::key_ring::{KeyRing, Purpose};
use super::seal;
use crate::operation::gcs::{Session, Wishes};
use crate::operation::{Upload, UploadOrigin, UploadTerms};
use aws_lc_rs::digest;
use data_encoding::BASE64URL_NOPAD;
use jiff::Timestamp;
use std::sync::Arc;

/// Seals and opens the handles of one principal.
#[derive(Clone)]
pub struct Handles {
    ring: Arc<KeyRing>,
    principal: Fingerprint,
    now: Timestamp,
}

/// Where a handle is good: a virtual bucket, and what it stands for at its target.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The target's name in the configuration.
    pub target: &'a str,
    /// The bucket there.
    pub target_bucket: &'a str,
    /// The prefix in it.
    pub prefix: &'a str,
    /// The name callers use.
    pub bucket: &'a str,
}

/// Why a handle was not opened. For the operator: callers learn only that there is no such thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandleError {
    /// A target's own id, one that was changed, or one whose key left the ring.
    #[error("it is none of ours: it {0}")]
    NotOurs(&'static str),
    /// Another principal's.
    #[error("it was given to another principal")]
    OtherPrincipal,
    /// For another bucket, or the bucket is stored elsewhere now.
    #[error("it is of another bucket")]
    OtherBucket,
    /// For another key, or for another prefix.
    #[error("it is of another key or prefix")]
    OtherKey,
    /// Out of a listing, and used for more than that is good for.
    #[error("it is out of a listing, which is good for AbortMultipartUpload and ListParts only")]
    Listed,
}

/// Why there is no handle for what a target gave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Longer than a handle may be.
    #[error("sealed, it would have {0} characters, of which {limit} are allowed", limit = MAX_HANDLE)]
    TooLong(usize),
    /// Empty, or with characters that no query should carry.
    #[error("it is empty or has control characters")]
    Unprintable,
    /// No key of the ring may seal at this time.
    #[error("no key of the key ring may seal now; check `seals_from` and the clock")]
    NoSealingKey,
    /// Random bytes or a cipher failed.
    #[error("the system's random generator or a cipher failed")]
    Crypto,
}

/// Longest upload id, in characters. Callers send it in the query of each part.
pub const MAX_HANDLE: usize = 2048;

/// Most bytes of the terms of an upload, as JSON. With them a target's id may have 500 characters.
const MAX_TERMS: usize = 800;

/// Longest continuation token, in characters: one that is a key of 1024 bytes, encoded, fits.
const MAX_PAGE: usize = 8 * 1024;

impl Handles {
    /// The handles of `principal`, in whatever session.
    pub fn of(ring: Arc<KeyRing>, principal: &Principal, now: Timestamp) -> Self {
        let kind = principal.kind().name();
        Self {
            ring,
            principal: fingerprint(&["principal", kind, principal.id(), principal.issuer()]),
            now,
        }
    }

    /// Whether an upload with these terms can have a handle.
    pub fn fits(terms: &UploadTerms) -> bool {
        serde_json::to_vec(&terms.0).is_ok_and(|json| json.len() <= MAX_TERMS)
    }

    /// Whether a resumable upload that asks for this can have a handle: its later requests are decided by what is in that.
    pub fn fits_session(wishes: &Wishes) -> bool {
        let terms = (&wishes.kms_key, &wishes.storage_class, &wishes.contexts);
        serde_json::to_vec(&terms).is_ok_and(|json| json.len() <= MAX_TERMS)
    }

    /// The upload id for the caller, of at most [`MAX_HANDLE`] characters; good for `key` (the caller's) at `place`.
    ///
    /// # Errors
    /// [`SealError`] if the target's id is none, or the ring cannot seal.
    pub fn seal_upload(&self, place: &Place<'_>, key: &str, upload: &Upload) -> Result<String, SealError> {
        printable(&upload.target_id)?;
        let payload = UploadPayload {
            principal: self.principal.clone(),
            bucket: place.fingerprint(),
            key: of_key(key),
            target_id: upload.target_id.clone(),
            listed: upload.origin == UploadOrigin::Listed,
            terms: upload.terms.0.clone(),
        };
        self.seal(Purpose::UploadId, &payload, MAX_HANDLE)
    }

    /// The upload that the id `text` names for `key` at `place`.
    ///
    /// # Errors
    /// [`HandleError`] if it is not this principal's for this key.
    pub fn open_upload(&self, place: &Place<'_>, key: &str, text: &str) -> Result<Upload, HandleError> {
        let payload: UploadPayload = self.open(Purpose::UploadId, text, MAX_HANDLE)?;
        self.is_good(
            (&payload.principal, &payload.bucket, &payload.key),
            place,
            of_key(key),
        )?;
        let origin = match payload.listed {
            true => UploadOrigin::Listed,
            false => UploadOrigin::Begun,
        };
        Ok(Upload {
            target_id: payload.target_id,
            origin,
            terms: UploadTerms(payload.terms),
        })
    }

    /// The continuation token for the caller; good for listings of `prefix` (the caller's) at `place`.
    ///
    /// # Errors
    /// As for uploads.
    pub fn seal_page(&self, place: &Place<'_>, prefix: &str, token: &str) -> Result<String, SealError> {
        printable(token)?;
        let payload = PagePayload {
            principal: self.principal.clone(),
            bucket: place.fingerprint(),
            prefix: of_prefix(prefix),
            token: token.into(),
        };
        self.seal(Purpose::ContinuationToken, &payload, MAX_PAGE)
    }

    /// The target's continuation token.
    ///
    /// # Errors
    /// [`HandleError`] if it is not this principal's for listings of this prefix.
    pub fn open_page(&self, place: &Place<'_>, prefix: &str, text: &str) -> Result<Box<str>, HandleError> {
        let payload: PagePayload = self.open(Purpose::ContinuationToken, text, MAX_PAGE)?;
        let bound = (&payload.principal, &payload.bucket, &payload.prefix);
        self.is_good(bound, place, of_prefix(prefix))?;
        Ok(payload.token)
    }

    /// The rewrite token for the caller; good for going on with the copy between these two places and names.
    ///
    /// # Errors
    /// As for uploads.
    pub fn seal_rewrite(&self, ends: &Ends<'_>, token: &str) -> Result<String, SealError> {
        printable(token)?;
        let payload = RewritePayload {
            principal: self.principal.clone(),
            ends: ends.fingerprint(),
            token: token.into(),
        };
        self.seal(Purpose::RewriteToken, &payload, MAX_PAGE)
    }

    /// The target's rewrite token.
    ///
    /// # Errors
    /// [`HandleError`] if it is not this principal's for this copy.
    pub fn open_rewrite(&self, ends: &Ends<'_>, text: &str) -> Result<Box<str>, HandleError> {
        let payload: RewritePayload = self.open(Purpose::RewriteToken, text, MAX_PAGE)?;
        if payload.principal != self.principal {
            return Err(HandleError::OtherPrincipal);
        }
        match payload.ends == ends.fingerprint() {
            true => Ok(payload.token),
            false => Err(HandleError::OtherKey),
        }
    }

    /// The upload id of a resumable upload for the caller; good for `key` (the caller's) at `place`.
    ///
    /// # Errors
    /// As for uploads in parts.
    pub fn seal_session(&self, place: &Place<'_>, key: &str, session: &Session) -> Result<String, SealError> {
        printable(&session.target_id)?;
        let wishes = &session.wishes;
        let payload = SessionPayload {
            principal: self.principal.clone(),
            bucket: place.fingerprint(),
            key: of_key(key),
            target_id: session.target_id.clone(),
            wishes: [
                wishes.acl,
                wishes.retention,
                wishes.hold,
                wishes.lifts_retention,
                wishes.contexts.is_some(),
            ],
            kms_key: wishes.kms_key.clone(),
            storage_class: wishes.storage_class.clone(),
            contexts: wishes.contexts.clone(),
        };
        self.seal(Purpose::UploadSession, &payload, MAX_HANDLE)
    }

    /// The resumable upload that the id `text` names for `key` at `place`.
    ///
    /// # Errors
    /// [`HandleError`] if it is not this principal's for this key.
    pub fn open_session(&self, place: &Place<'_>, key: &str, text: &str) -> Result<Session, HandleError> {
        let payload: SessionPayload = self.open(Purpose::UploadSession, text, MAX_HANDLE)?;
        self.is_good(
            (&payload.principal, &payload.bucket, &payload.key),
            place,
            of_key(key),
        )?;
        let [acl, retention, hold, lifts_retention, contexts] = payload.wishes;
        // INVARIANT: policies see the contexts that the upload began with, or it does not go on.
        if contexts != payload.contexts.is_some() {
            return Err(HandleError::NotOurs("is of another release"));
        }
        Ok(Session {
            target_id: payload.target_id,
            wishes: Wishes {
                acl,
                retention,
                hold,
                lifts_retention,
                contexts: payload.contexts,
                kms_key: payload.kms_key,
                storage_class: payload.storage_class,
            },
        })
    }

    /// Whether a handle that is bound to a principal, a bucket and a key or prefix is good for this use.
    fn is_good(
        &self,
        (principal, bucket, name): (&Fingerprint, &Fingerprint, &Fingerprint),
        place: &Place<'_>,
        named: Fingerprint,
    ) -> Result<(), HandleError> {
        if *principal != self.principal {
            return Err(HandleError::OtherPrincipal);
        }
        if *bucket != place.fingerprint() {
            return Err(HandleError::OtherBucket);
        }
        match *name == named {
            true => Ok(()),
            false => Err(HandleError::OtherKey),
        }
    }

    fn seal(
        &self,
        purpose: Purpose,
        payload: &impl serde::Serialize,
        limit: usize,
    ) -> Result<String, SealError> {
        let key = self.ring.sealing(self.now).ok_or(SealError::NoSealingKey)?;
        let plaintext = serde_json::to_vec(payload).map_err(|_| SealError::Crypto)?;
        let text = seal::seal(key, purpose, &plaintext).map_err(|_| SealError::Crypto)?;
        match text.len() <= limit {
            true => Ok(text),
            false => Err(SealError::TooLong(text.len())),
        }
    }

    fn open<T: serde::de::DeserializeOwned>(
        &self,
        purpose: Purpose,
        text: &str,
        limit: usize,
    ) -> Result<T, HandleError> {
        if text.len() > limit {
            return Err(HandleError::NotOurs("is too long"));
        }
        let (_, plaintext) = seal::open(&self.ring, purpose, text).map_err(HandleError::NotOurs)?;
        serde_json::from_slice(&plaintext).map_err(|_| HandleError::NotOurs("is of another release"))
    }
}

impl Place<'_> {
    fn fingerprint(&self) -> Fingerprint {
        fingerprint(&[
            "bucket",
            self.target,
            self.target_bucket,
            self.prefix,
            self.bucket,
        ])
    }
}

/// The two ends of a copy: for each the place and the caller's key there.
#[derive(Clone, Copy, Debug)]
pub struct Ends<'a> {
    /// What is read.
    pub source: (Place<'a>, &'a str),
    /// What is written.
    pub destination: (Place<'a>, &'a str),
}

impl Ends<'_> {
    fn fingerprint(&self) -> Fingerprint {
        let (source, destination) = (self.source.0.fingerprint(), self.destination.0.fingerprint());
        fingerprint(&["copy", &source, self.source.1, &destination, self.destination.1])
    }
}

/// Stands for names of any length: base64url of half a SHA-256. Sealed with the rest, it is neither seen nor chosen.
type Fingerprint = Box<str>;

fn fingerprint(parts: &[&str]) -> Fingerprint {
    let mut all = digest::Context::new(&digest::SHA256);
    for part in parts {
        // Length first, so that no two lists of parts give the same bytes.
        all.update(&(part.len() as u64).to_be_bytes());
        all.update(part.as_bytes());
    }
    let all = all.finish();
    BASE64URL_NOPAD
        .encode(all.as_ref().get(..16).unwrap_or_default())
        .into()
}

fn of_key(key: &str) -> Fingerprint {
    fingerprint(&["key", key])
}

fn of_prefix(prefix: &str) -> Fingerprint {
    fingerprint(&["prefix", prefix])
}

fn printable(text: &str) -> Result<(), SealError> {
    match text.is_empty() || text.chars().any(char::is_control) {
        true => Err(SealError::Unprintable),
        false => Ok(()),
    }
}

/// What is sealed. Any change of shape needs a new version or purpose: replicas of two releases share handles.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct UploadPayload {
    #[serde(rename = "p")]
    principal: Fingerprint,
    #[serde(rename = "b")]
    bucket: Fingerprint,
    #[serde(rename = "k")]
    key: Fingerprint,
    #[serde(rename = "u")]
    target_id: Box<str>,
    #[serde(rename = "l", default, skip_serializing_if = "std::ops::Not::not")]
    listed: bool,
    #[serde(rename = "t", default, skip_serializing_if = "is_nothing")]
    terms: [Option<Box<str>>; UploadTerms::HEADERS.len()],
}

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct PagePayload {
    #[serde(rename = "p")]
    principal: Fingerprint,
    #[serde(rename = "b")]
    bucket: Fingerprint,
    #[serde(rename = "f")]
    prefix: Fingerprint,
    #[serde(rename = "n")]
    token: Box<str>,
}

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct SessionPayload {
    #[serde(rename = "p")]
    principal: Fingerprint,
    #[serde(rename = "b")]
    bucket: Fingerprint,
    #[serde(rename = "k")]
    key: Fingerprint,
    #[serde(rename = "u")]
    target_id: Box<str>,
    /// An access list, a retention, a hold, a retention lifted, contexts.
    #[serde(rename = "w")]
    wishes: [bool; 5],
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    kms_key: Option<Box<str>>,
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    storage_class: Option<Box<str>>,
    #[serde(rename = "g", default, skip_serializing_if = "Option::is_none")]
    contexts: Option<Vec<(String, String)>>,
}

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RewritePayload {
    #[serde(rename = "p")]
    principal: Fingerprint,
    #[serde(rename = "e")]
    ends: Fingerprint,
    #[serde(rename = "n")]
    token: Box<str>,
}

fn is_nothing(terms: &[Option<Box<str>>]) -> bool {
    terms.iter().all(Option::is_none)
}

#[cfg(test)]
mod tests {
    use super::super::PrincipalKind;
    use super::*;

    const LAKE: Place<'static> = Place {
        target: "store",
        target_bucket: "acme-lake-prod",
        prefix: "",
        bucket: "lake",
    };

    fn handles(seed: u8, kind: PrincipalKind, id: &str) -> Handles {
        let principal = Principal::for_test(kind, id, &[]);
        Handles::of(KeyRing::for_test(seed), &principal, Timestamp::UNIX_EPOCH)
    }

    fn etl() -> Handles {
        handles(1, PrincipalKind::Workload, "idp:etl")
    }

    fn upload(terms: [Option<&str>; 4]) -> Upload {
        Upload {
            target_id: "real id".into(),
            origin: UploadOrigin::Begun,
            terms: UploadTerms(terms.map(|term| term.map(Into::into))),
        }
    }

    #[test]
    fn an_upload_id_says_what_the_first_call_asked() {
        let listed = Upload {
            origin: UploadOrigin::Listed,
            ..upload([None; 4])
        };
        let all = upload([Some("aws:kms"), Some("key"), Some("GLACIER"), Some("a=b&c=d")]);
        for upload in [upload([None; 4]), all, listed] {
            let text = etl().seal_upload(&LAKE, "tmp/a", &upload).unwrap();
            assert_eq!(etl().open_upload(&LAKE, "tmp/a", &text), Ok(upload));
            assert!(!text.contains("real"));
        }
    }

    // AUZ-07
    #[test]
    fn an_upload_id_is_good_for_one_principal_one_bucket_and_one_key() {
        let text = etl().seal_upload(&LAKE, "tmp/a", &upload([None; 4])).unwrap();
        let workload = PrincipalKind::Workload;
        for (other, why) in [
            (handles(1, workload, "idp:etl2"), HandleError::OtherPrincipal),
            (
                handles(1, PrincipalKind::User, "idp:etl"),
                HandleError::OtherPrincipal,
            ),
            (
                handles(2, workload, "idp:etl"),
                HandleError::NotOurs("is sealed by an unknown key"),
            ),
        ] {
            assert_eq!(other.open_upload(&LAKE, "tmp/a", &text), Err(why));
        }
        for place in [
            Place {
                target: "store2",
                ..LAKE
            },
            Place {
                target_bucket: "acme",
                ..LAKE
            },
            Place { prefix: "a/", ..LAKE },
            Place {
                bucket: "lake2",
                ..LAKE
            },
            // The same text, cut elsewhere.
            Place {
                target: "storeacme",
                target_bucket: "-lake-prod",
                ..LAKE
            },
        ] {
            let opened = etl().open_upload(&place, "tmp/a", &text);
            assert_eq!(opened, Err(HandleError::OtherBucket), "{place:?}");
        }
        for key in ["tmp/b", "tmp/a/", "tmp/", "Tmp/a"] {
            let opened = etl().open_upload(&LAKE, key, &text);
            assert_eq!(opened, Err(HandleError::OtherKey), "{key}");
        }
    }

    #[test]
    fn what_no_ring_of_ours_sealed_does_not_open() {
        let long = "A".repeat(MAX_HANDLE + 1);
        for text in ["", "real id", "VXBsb2FkIElE", "2~abc", &long] {
            let opened = etl().open_upload(&LAKE, "tmp/a", text);
            assert!(matches!(opened, Err(HandleError::NotOurs(_))), "{text}");
        }
    }

    #[test]
    fn a_continuation_token_is_good_for_one_principal_one_bucket_and_one_prefix() {
        let text = etl().seal_page(&LAKE, "tmp/", "teams/a/tmp/x").unwrap();
        assert_eq!(
            etl().open_page(&LAKE, "tmp/", &text).as_deref(),
            Ok("teams/a/tmp/x")
        );
        assert!(!text.contains("teams"));
        let other = handles(1, PrincipalKind::Workload, "idp:other");
        assert_eq!(
            other.open_page(&LAKE, "tmp/", &text),
            Err(HandleError::OtherPrincipal)
        );
        assert_eq!(etl().open_page(&LAKE, "", &text), Err(HandleError::OtherKey));
        let elsewhere = Place { prefix: "b/", ..LAKE };
        assert_eq!(
            etl().open_page(&elsewhere, "tmp/", &text),
            Err(HandleError::OtherBucket)
        );
    }

    // GCS-03
    #[test]
    fn a_rewrite_token_is_good_for_one_principal_and_one_copy() {
        let ends = |from, to| Ends {
            source: (LAKE, from),
            destination: (LAKE, to),
        };
        let text = etl().seal_rewrite(&ends("a", "b"), "AAAtoken").unwrap();
        assert_eq!(
            etl().open_rewrite(&ends("a", "b"), &text).as_deref(),
            Ok("AAAtoken")
        );
        assert!(!text.contains("AAA"));
        let other = handles(1, PrincipalKind::Workload, "idp:other");
        assert_eq!(
            other.open_rewrite(&ends("a", "b"), &text),
            Err(HandleError::OtherPrincipal)
        );
        for (from, to) in [("b", "a"), ("a", "c"), ("c", "b"), ("", "ab")] {
            let opened = etl().open_rewrite(&ends(from, to), &text);
            assert_eq!(opened, Err(HandleError::OtherKey), "{from} {to}");
        }
        let elsewhere = Ends {
            source: (Place { prefix: "x/", ..LAKE }, "a"),
            destination: (LAKE, "b"),
        };
        assert!(etl().open_rewrite(&elsewhere, &text).is_err());
        assert!(etl().open_page(&LAKE, "", &text).is_err());
    }

    // GCS-04
    #[test]
    fn a_resumable_upload_is_good_for_one_principal_one_bucket_and_one_key() {
        let session = Session {
            target_id: "real id".into(),
            wishes: Wishes {
                hold: true,
                contexts: Some(vec![("class".into(), "public".into())]),
                kms_key: Some("projects/p/key".into()),
                storage_class: Some("NEARLINE".into()),
                ..Wishes::default()
            },
        };
        let text = etl().seal_session(&LAKE, "tmp/a", &session).unwrap();
        assert!(
            !text.contains("real")
                && text
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-_.~".contains(&b))
        );
        assert_eq!(etl().open_session(&LAKE, "tmp/a", &text), Ok(session));
        let other = handles(1, PrincipalKind::Workload, "idp:other");
        assert_eq!(
            other.open_session(&LAKE, "tmp/a", &text),
            Err(HandleError::OtherPrincipal)
        );
        let elsewhere = Place { prefix: "b/", ..LAKE };
        assert_eq!(
            etl().open_session(&elsewhere, "tmp/a", &text),
            Err(HandleError::OtherBucket)
        );
        assert_eq!(
            etl().open_session(&LAKE, "tmp/b", &text),
            Err(HandleError::OtherKey)
        );
        assert!(etl().open_upload(&LAKE, "tmp/a", &text).is_err(), "another kind");
        assert!(etl().open_session(&LAKE, "tmp/a", "real id").is_err());
    }

    // AUZ-17
    #[test]
    fn a_resumable_upload_carries_what_it_is_decided_by_or_does_not_begin() {
        let contexts = |length: usize| Wishes {
            kms_key: Some("k".repeat(200).into()),
            storage_class: Some("NEARLINE".into()),
            contexts: Some(vec![("class".into(), "v".repeat(length))]),
            ..Wishes::default()
        };
        assert!(Handles::fits_session(&Wishes::default()));
        assert!(!Handles::fits_session(&contexts(800)));
        let session = Session {
            target_id: "u".repeat(500).into(),
            wishes: contexts(540),
        };
        assert!(Handles::fits_session(&session.wishes));
        let key = "k".repeat(1024);
        let text = etl().seal_session(&LAKE, &key, &session).unwrap();
        assert!(text.len() <= MAX_HANDLE);
        assert_eq!(etl().open_session(&LAKE, &key, &text), Ok(session));
        // To say nothing of contexts, and to take all of them away, are two things.
        let none = Session {
            target_id: "u".into(),
            wishes: Wishes {
                contexts: Some(Vec::new()),
                ..Wishes::default()
            },
        };
        let text = etl().seal_session(&LAKE, "a", &none).unwrap();
        assert_eq!(etl().open_session(&LAKE, "a", &text), Ok(none));
        // One that was sealed without the values of its contexts does not go on.
        let payload = SessionPayload {
            principal: etl().principal,
            bucket: LAKE.fingerprint(),
            key: of_key("a"),
            target_id: "u".into(),
            wishes: [false, false, false, false, true],
            kms_key: None,
            storage_class: None,
            contexts: None,
        };
        let older = etl().seal(Purpose::UploadSession, &payload, MAX_HANDLE).unwrap();
        assert_eq!(
            etl().open_session(&LAKE, "a", &older),
            Err(HandleError::NotOurs("is of another release"))
        );
    }

    // SES-03
    #[test]
    fn handles_of_one_kind_do_not_open_as_another() {
        let upload_id = etl().seal_upload(&LAKE, "tmp/", &upload([None; 4])).unwrap();
        let page = etl().seal_page(&LAKE, "tmp/", "token").unwrap();
        assert!(etl().open_page(&LAKE, "tmp/", &upload_id).is_err());
        assert!(etl().open_upload(&LAKE, "tmp/", &page).is_err());
    }

    #[test]
    fn an_upload_id_fits_into_a_query() {
        let tags = "t".repeat(700);
        let terms = UploadTerms([Some("aws:kms".into()), None, None, Some(tags.into())]);
        assert!(Handles::fits(&terms));
        let with_id = |length: usize| Upload {
            target_id: "u".repeat(length).into(),
            terms: terms.clone(),
            ..upload([None; 4])
        };
        let key = "k".repeat(1024);
        let text = etl().seal_upload(&LAKE, &key, &with_id(500)).unwrap();
        assert!(text.len() <= MAX_HANDLE && text.is_ascii());
        assert!(matches!(
            etl().seal_upload(&LAKE, &key, &with_id(2000)),
            Err(SealError::TooLong(_))
        ));
        assert_eq!(
            etl().seal_upload(&LAKE, &key, &with_id(0)),
            Err(SealError::Unprintable)
        );
        let many = UploadTerms([None, None, None, Some("t".repeat(800).into())]);
        assert!(!Handles::fits(&many));
    }
}
