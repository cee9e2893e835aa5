//! Sealing: state that callers carry for us, unreadable and unchangeable.
//!
//! A sealed text is base64url of `version ‖ length of key id ‖ key id ‖ salt ‖ AES-256-GCM(plaintext)`. Each has
//! a key of its own, derived from the ring key's sub-key for the purpose and 32 random bytes, so there is no
//! nonce to run out of. Version, purpose and key id are authenticated with it: a text sealed for one purpose
//! does not open for another, nor under another key's name.
//!
//! Failing to open is final. There is no other reading of the same bytes, no older format to fall back to.

use super::key_ring::{KeyRing, Purpose, RingKey};
use aws_lc_rs::{
    aead::{self, Aad, LessSafeKey, Nonce, UnboundKey},
    error::Unspecified,
    rand,
};
use data_encoding::BASE64URL_NOPAD;

/// Seals `plaintext` with `key` for `purpose`.
///
/// # Errors
/// Only if the system's random generator fails.
pub(super) fn seal(key: &RingKey, purpose: Purpose, plaintext: &[u8]) -> Result<String, Unspecified> {
    let mut salt = [0; SALT_BYTES];
    rand::fill(&mut salt)?;
    let id_length = u8::try_from(key.id().len()).map_err(|_| Unspecified)?;

    let mut ciphertext = plaintext.to_vec();
    text_key(key, purpose, &salt)?.seal_in_place_append_tag(
        only_nonce(),
        associated_data(purpose, key),
        &mut ciphertext,
    )?;

    let mut text = Vec::with_capacity(2 + key.id().len() + SALT_BYTES + ciphertext.len());
    text.extend([VERSION, id_length]);
    text.extend(key.id().as_bytes());
    text.extend(salt);
    text.extend(ciphertext);
    Ok(BASE64URL_NOPAD.encode(&text))
}

/// Opens `text` if one of the ring's keys sealed it for `purpose`. Returns that key and the plaintext.
///
/// # Errors
/// A reason for the log; the caller learns only that it did not open.
pub(super) fn open<'r>(
    ring: &'r KeyRing,
    purpose: Purpose,
    text: &str,
) -> Result<(&'r RingKey, Vec<u8>), &'static str> {
    // Strict: no padding, no stray bits, so that each sealed text has one spelling only.
    let bytes = BASE64URL_NOPAD
        .decode(text.as_bytes())
        .map_err(|_| "is not base64url")?;
    let (&[version, id_length], rest) = bytes.split_first_chunk().ok_or("is too short")?;
    if version != VERSION {
        return Err("has an unknown version");
    }
    let (id, rest) = rest
        .split_at_checked(usize::from(id_length))
        .ok_or("is too short")?;
    let (salt, ciphertext) = rest.split_first_chunk::<SALT_BYTES>().ok_or("is too short")?;
    let key = ring.find(id).ok_or("is sealed by an unknown key")?;

    let mut buffer = ciphertext.to_vec();
    let plaintext_length = text_key(key, purpose, salt)
        .and_then(|text_key| text_key.open_in_place(only_nonce(), associated_data(purpose, key), &mut buffer))
        .map_err(|_| "does not open")?
        .len();
    buffer.truncate(plaintext_length);
    Ok((key, buffer))
}

/// HKDF-Expand of the purpose's sub-key, with the salt as context.
fn text_key(key: &RingKey, purpose: Purpose, salt: &[u8; SALT_BYTES]) -> Result<LessSafeKey, Unspecified> {
    let derivation = &key.sub_keys(purpose).derivation;
    let unbound = UnboundKey::from(derivation.expand(&[b"one text", salt], &aead::AES_256_GCM)?);
    Ok(LessSafeKey::new(unbound))
}

/// INVARIANT: a key from [`text_key`] encrypts once, so that one nonce is all it needs.
fn only_nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; aead::NONCE_LEN])
}

/// `version ‖ length of label ‖ label ‖ key id`: no two inputs share an encoding.
fn associated_data(purpose: Purpose, key: &RingKey) -> Aad<Vec<u8>> {
    let label = purpose.label();
    let mut data = Vec::with_capacity(2 + label.len() + key.id().len());
    data.push(VERSION);
    data.push(label.len() as u8);
    data.extend(label);
    data.extend(key.id().as_bytes());
    Aad::from(data)
}

const VERSION: u8 = 1;
const SALT_BYTES: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    fn sealed(ring: &KeyRing, purpose: Purpose, plaintext: &[u8]) -> String {
        seal(ring.sealing(Timestamp::UNIX_EPOCH).unwrap(), purpose, plaintext).unwrap()
    }

    #[test]
    fn what_was_sealed_opens() {
        let ring = KeyRing::for_test(1);
        for plaintext in [&b""[..], b"x", &[7; 5000]] {
            let text = sealed(&ring, Purpose::Session, plaintext);
            assert_eq!(open(&ring, Purpose::Session, &text).unwrap().1, plaintext);
        }
    }

    #[test]
    fn sealing_twice_gives_different_texts() {
        // SES-04: neither salt nor ciphertext repeats.
        let ring = KeyRing::for_test(1);
        let texts: std::collections::BTreeSet<_> = (0..500)
            .map(|_| sealed(&ring, Purpose::Session, b"same"))
            .collect();
        let salts: std::collections::BTreeSet<_> = texts
            .iter()
            .map(|text| BASE64URL_NOPAD.decode(text.as_bytes()).unwrap()[12..44].to_vec())
            .collect();
        assert_eq!((texts.len(), salts.len()), (500, 500));
    }

    #[test]
    fn purposes_do_not_open_each_other() {
        // SES-03
        let ring = KeyRing::for_test(1);
        let purposes = Purpose::ALL;
        for made_for in purposes {
            let text = sealed(&ring, made_for, b"x");
            for opened_for in purposes {
                assert_eq!(open(&ring, opened_for, &text).is_ok(), made_for == opened_for);
            }
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        // SES-04: on the bytes, and on the text, where bits beyond the last byte would make a second spelling.
        let ring = KeyRing::for_test(1);
        let text = sealed(&ring, Purpose::Session, b"seventeen bytes..");
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let changed = BASE64URL_NOPAD.encode(&changed);
            assert!(open(&ring, Purpose::Session, &changed).is_err(), "bit {bit}");
        }
        for position in 0..text.len() {
            for replacement in ('\0'..='\u{7f}').chain(['é']) {
                let mut changed: Vec<char> = text.chars().collect();
                if changed[position] == replacement {
                    continue;
                }
                changed[position] = replacement;
                let changed: String = changed.into_iter().collect();
                assert!(open(&ring, Purpose::Session, &changed).is_err());
            }
        }
    }

    #[test]
    fn shorter_and_longer_texts_are_refused() {
        // SES-04
        let ring = KeyRing::for_test(1);
        let text = sealed(&ring, Purpose::Session, b"plaintext");
        for length in 0..text.len() {
            assert!(open(&ring, Purpose::Session, &text[..length]).is_err());
            assert!(open(&ring, Purpose::Session, &text[length + 1..]).is_err());
        }
        for more in ["A", "AA", "AAAA", "=", "==", "\n", " "] {
            assert!(open(&ring, Purpose::Session, &format!("{text}{more}")).is_err());
        }
        assert!(open(&ring, Purpose::Session, &"_".repeat(10_000)).is_err());
    }

    #[test]
    fn another_ring_does_not_open_it() {
        // SES-04: neither a ring that lacks the id, nor one with the same id and another secret.
        let (ours, theirs) = (KeyRing::for_test(1), KeyRing::for_test(2));
        let text = sealed(&ours, Purpose::Session, b"x");
        assert_eq!(
            open(&theirs, Purpose::Session, &text).err(),
            Some("is sealed by an unknown key")
        );
        let mut bytes = BASE64URL_NOPAD.decode(text.as_bytes()).unwrap();
        bytes[2..12].copy_from_slice(b"testkey002");
        assert_eq!(
            open(&theirs, Purpose::Session, &BASE64URL_NOPAD.encode(&bytes)).err(),
            Some("does not open")
        );
    }
}
