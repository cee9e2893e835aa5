//! The name by which a cloud's own log knows a principal.
//!
//! AWS takes it as `RoleSessionName` and `SourceIdentity`, Google as the value of a custom audit header. What they allow
//! is less than what a principal id may have, so the id is mapped. The hazard is that two principals come out as one: then
//! the log of the cloud names the wrong person, and what was given to one of them may be taken for the other's (CRD-10).
//!
//! Ids that need no more than their colons replaced keep a name that can be read and turned back; every other id gets a
//! hash of the whole id.

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::BASE32_NOPAD;

/// What AWS takes for a `RoleSessionName` and a `SourceIdentity`.
const LENGTHS: std::ops::RangeInclusive<usize> = 2..=64;
/// 80 bits of SHA-256: whoever chooses an id of its own does not find one with somebody else's name.
const HASH_BYTES: usize = 10;
const HASH: usize = 16;

/// The name of a principal in the log of a cloud: 2 to 64 characters of `A-Z a-z 0-9 _ + = , . @ -`.
///
/// Colons become `=`: `google:ana@acme.example` is `google=ana@acme.example`. An id for which that is not enough (because
/// it is too long, or has `=` itself or other characters) becomes its beginning, with `_` for what is not allowed, `-` and
/// 16 characters of its SHA-256 in base32.
///
/// INVARIANT: two ids have the same name only if their hashes are the same. A name without a hash has one id, the one
/// with `:` for each `=`; and a name that looks as if it ended in a hash always does.
pub fn attribution_name(principal_id: &str) -> Box<str> {
    if is_clean(principal_id) {
        return principal_id.replace(':', "=").into();
    }
    let kept = LENGTHS.end() - HASH - 1;
    let mut name: String = principal_id
        .chars()
        .take(kept)
        .map(|c| match c {
            ':' => '=',
            c if is_allowed(c) => c,
            _ => '_',
        })
        .collect();
    name.push('-');
    name.push_str(&hash_of(principal_id));
    name.into()
}

/// What is said of a principal in a session tag of AWS: 1 to 256 characters of `A-Z a-z 0-9 _ . : / = + - @`, which all
/// principal ids and issuers of the usual kind are made of.
///
/// Any other text becomes its beginning, with `_` for what is not allowed, `-` and the hash. AWS takes letters of all
/// scripts and spaces too; but what looks or compares alike there need not be the same text.
///
/// INVARIANT: two texts have the same value only if their hashes are the same.
pub fn tag_value(text: &str) -> Box<str> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_.:/=+-@".contains(c);
    if (1..=LONGEST_TAG).contains(&text.len()) && text.chars().all(allowed) && !ends_like_a_hash(text) {
        return text.into();
    }
    let kept = text.chars().take(LONGEST_TAG - HASH - 1);
    let mut value: String = kept.map(|c| if allowed(c) { c } else { '_' }).collect();
    value.push('-');
    value.push_str(&hash_of(text));
    value.into()
}

/// Characters of a session tag's value.
const LONGEST_TAG: usize = 256;

fn hash_of(text: &str) -> String {
    let hash = digest(&SHA256, text.as_bytes());
    let hash = hash.as_ref().get(..HASH_BYTES).unwrap_or_default();
    BASE32_NOPAD.encode(hash).to_ascii_lowercase()
}

/// Whether replacing its colons makes a name that nothing else has.
fn is_clean(id: &str) -> bool {
    let allowed = |c| c == ':' || (c != '=' && is_allowed(c));
    LENGTHS.contains(&id.len()) && id.chars().all(allowed) && !ends_like_a_hash(id)
}

fn ends_like_a_hash(id: &str) -> bool {
    id.rsplit_once('-').is_some_and(|(_, hash)| {
        hash.len() == HASH
            && hash
                .bytes()
                .all(|b| b.is_ascii_lowercase() || matches!(b, b'2'..=b'7'))
    })
}

fn is_allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '+' | '=' | ',' | '.' | '@' | '-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(id: &str, name: &str) {
        assert_eq!(&*attribution_name(id), name, "{id:?}");
    }

    #[test]
    fn what_needs_no_more_than_its_colons_replaced_can_be_read() {
        check("google:ana@acme.example", "google=ana@acme.example");
        check(
            "kube:system:serviceaccount:etl:writer",
            "kube=system=serviceaccount=etl=writer",
        );
        check("okta:00u1_a+b,c", "okta=00u1_a+b,c");
        check("no-colon", "no-colon");
        check(&format!("i:{}", "a".repeat(62)), &format!("i={}", "a".repeat(62)));
    }

    // CRD-10
    #[test]
    fn what_is_changed_otherwise_carries_a_hash_of_all_of_it() {
        check(
            "google=ana@acme.example",
            "google=ana@acme.example-dnxnqsxrv2wz7smd",
        );
        check("github:repo/x", "github=repo_x-yu7yh6wdy7c7rjwc");
        check("i:\"*?${aws:username}", "i=_____aws=username_-zh7krob5v2mwlwmu");
        check("i:josé", "i=jos_-x4wnbav222e3qajn");
        check("target/lake", "target_lake-fulyv3nguu4zpfg4");
        check("", "-4oymiquy7qobjgx3");
        check("x", "x-fvyrmqvxe2yeialc");
        check(
            &"i:ä".repeat(100),
            "i=_i=_i=_i=_i=_i=_i=_i=_i=_i=_i=_i=_i=_i=_i=_i=-x3d4iybrbruuba5v",
        );
    }

    // CRD-10: the hash of another id, claimed as one's own name.
    #[test]
    fn an_id_that_looks_hashed_is_hashed() {
        let hashed = attribution_name("github:repo/x");
        let claimed = hashed.replacen('=', ":", 1);
        assert_ne!(attribution_name(&claimed), hashed);
        assert_ne!(attribution_name(&hashed), hashed);
    }

    fn ids() -> impl Strategy<Value = String> {
        // Few letters, so that ids are near to each other; and any at all.
        prop_oneof![
            "[a:=/_*\"-]{0,5}",
            "[a-z:=ä'\\\\-]{55,70}",
            "i:[a/_]{48,300}",
            any::<String>()
        ]
    }

    // CRD-10
    #[test]
    fn a_tag_says_what_its_characters_allow_and_hashes_the_rest() {
        let check = |text: &str, value: &str| assert_eq!(&*tag_value(text), value, "{text:?}");
        check("google:ana@acme.example", "google:ana@acme.example");
        check(
            "https://acme.okta.com/oauth2/default",
            "https://acme.okta.com/oauth2/default",
        );
        for text in [
            "",
            "a b",
            "i:\"*?${aws:username}",
            "i:josé",
            "i:a,b",
            "i:\u{1f30a}",
            &"x".repeat(257),
        ] {
            let value = tag_value(text);
            assert!(
                (2..=256).contains(&value.len()) && ends_like_a_hash(&value),
                "{value}"
            );
            assert_ne!(tag_value(&value), value, "what looks hashed is hashed");
        }
        assert_eq!(tag_value(&"x".repeat(256)).len(), 256);
    }

    proptest! {
        // CRD-10
        #[test]
        fn no_two_texts_have_the_same_tag(one in ids(), other in ids()) {
            prop_assume!(one != other);
            prop_assert_ne!(tag_value(&one), tag_value(&other));
        }

        // CRD-10
        #[test]
        fn no_two_ids_have_the_same_name(one in ids(), other in ids()) {
            prop_assume!(one != other);
            prop_assert_ne!(attribution_name(&one), attribution_name(&other));
            // What was made of another one is nobody else's either.
            let name = attribution_name(&other);
            prop_assert!(*name == *other || attribution_name(&name) != name);
        }

        #[test]
        fn every_name_is_one_that_clouds_take(id in ids()) {
            let name = attribution_name(&id);
            prop_assert!(LENGTHS.contains(&name.len()) && name.chars().all(is_allowed), "{}", name);
            if is_clean(&id) {
                prop_assert_eq!(name.replace('=', ":"), id);
            } else {
                prop_assert!(ends_like_a_hash(&name));
            }
        }
    }
}
