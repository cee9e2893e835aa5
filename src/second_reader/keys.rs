//! Keys, from a caller's path to the target's and back, byte for byte.

use super::cases::Random;
use super::numbers;
use crate::dialect::s3::{address, uri};
use crate::fuzzing::outward::{self, STORE, Style};
use crate::operation::{Api, BucketName, Detail, KeyError, ObjectKey, ObjectName, Operation, Resource};
use std::fmt::Write as _;

/// Sends `key` through: every spelling is read as these bytes, and these bytes arrive; or it is refused in every
/// spelling, for the reason that keys have.
fn check(key: &[u8]) {
    let (mut encoded, mut canonical) = (String::new(), String::new());
    key.iter()
        .for_each(|byte| write!(encoded, "%{byte:02x}").unwrap());
    uri::encode_path(key, &mut canonical);
    let plain = std::str::from_utf8(key).ok().filter(|key| !key.contains('%'));
    for spelt in [Some(&*encoded), Some(&*canonical), plain].into_iter().flatten() {
        for (host, path) in [
            (STORE, format!("/lake/{spelt}")),
            ("lake.store.test", format!("/{spelt}")),
        ] {
            let read = address::parse(host, &path, &[STORE.into()]).map(|address| address.resource);
            match ObjectKey::parse(key) {
                Ok(expected) => match read {
                    Ok(Resource::Object(object)) => assert_eq!(object.key, expected, "{path}"),
                    other => panic!("{path}: {other:?}"),
                },
                // A path without a key is that of the bucket.
                Err(KeyError::Empty) => assert!(matches!(read, Ok(Resource::Bucket(_))), "{path}"),
                Err(_) => assert!(read.is_err(), "{path}"),
            }
        }
    }
    let Ok(expected) = ObjectKey::parse(key) else {
        return;
    };
    for style in [Style::Path, Style::Host] {
        let object = ObjectName {
            bucket: BucketName::parse("lake").unwrap(),
            key: expected.clone(),
        };
        let operation = Operation::new(
            Api::GetObject,
            Resource::Object(object),
            vec![],
            vec![],
            Detail::None,
        )
        .unwrap();
        let sent = outward::request(&operation, style, b"").unwrap();
        let path = uri::decode(sent.uri().path()).unwrap();
        let bucket: &[u8] = if style == Style::Path { b"/lake/" } else { b"/" };
        assert_eq!(path.strip_prefix(bucket), Some(key), "{}", sent.uri());
        assert_eq!(sent.uri().query(), None, "{}", sent.uri());
    }
}

// CLS-05
#[test]
fn every_key_of_one_or_two_bytes_arrives_or_is_refused() {
    check(b"");
    for first in 0..=255 {
        check(&[first]);
        for second in 0..=255 {
            check(&[first, second]);
        }
    }
}

// CLS-05
#[test]
fn every_pair_of_bytes_within_a_key_arrives_or_is_refused() {
    for first in 0..128 {
        for second in 0..128 {
            check(&[b'a', first, second, b'/', b'z']);
        }
    }
}

// CLS-05
#[test]
fn long_and_odd_keys_arrive_or_are_refused() {
    for number in numbers(2000) {
        let mut random = Random(number);
        let texts = 1 + random.below(40);
        let key: String = (0..texts).map(|_| random.text()).collect();
        check(key.as_bytes());
        let bytes: Vec<u8> = (0..random.below(8))
            .flat_map(|_| random.next().to_le_bytes())
            .collect();
        check(&bytes);
    }
    for length in [1023, 1024, 1025] {
        check(
            "ä".repeat(length)
                .get(..length & !1)
                .unwrap_or_default()
                .as_bytes(),
        );
        check("k".repeat(length).as_bytes());
    }
}
