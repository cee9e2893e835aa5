//! What a certificate says of itself: its names, and from when to when it is valid. Nothing is verified here.
//!
//! Reads DER that may be anybody's: what is not as expected is no certificate, and never a panic.
//!
//! Spec: <https://www.rfc-editor.org/rfc/rfc5280#section-4.1>

use jiff::{Timestamp, civil, tz::TimeZone};
use std::net::IpAddr;

/// A certificate, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Certificate {
    /// From the subject's alternative names, in lower case.
    pub(super) names: Vec<String>,
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
}

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
const BOOLEAN: u8 = 0x01;
const OCTETS: u8 = 0x04;
const OBJECT_ID: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const DNS_NAME: u8 = 0x82;
const IP_ADDRESS: u8 = 0x87;
/// 2.5.29.17
const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1d, 0x11];

impl Certificate {
    /// Reads it. `None` if it is none.
    pub(super) fn parse(der: &[u8]) -> Option<Self> {
        let mut certificate = Der(Der(der).one(SEQUENCE)?);
        let mut body = Der(certificate.one(SEQUENCE)?);
        if body.peek() == Some(VERSION) {
            body.any()?;
        }
        // Serial number, algorithm, issuer.
        for _ in 0..3 {
            body.any()?;
        }
        let mut validity = Der(body.one(SEQUENCE)?);
        let (not_before, not_after) = (time(validity.any()?)?, time(validity.any()?)?);
        let mut names = Vec::new();
        while let Some((tag, content)) = body.any() {
            if tag == EXTENSIONS {
                names = alternative_names(content)?;
            }
        }
        Some(Self {
            names,
            not_before,
            not_after,
        })
    }

    /// Whether it is good for `host`.
    pub(super) fn covers(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        self.names.iter().any(|name| match name.strip_prefix("*.") {
            None => *name == host,
            // A wildcard stands for one label.
            Some(parent) => host.split_once('.').is_some_and(|(_, rest)| rest == parent),
        })
    }
}

fn alternative_names(extensions: &[u8]) -> Option<Vec<String>> {
    let mut extensions = Der(Der(extensions).one(SEQUENCE)?);
    while let Some((SEQUENCE, extension)) = extensions.any() {
        let mut extension = Der(extension);
        let id = extension.one(OBJECT_ID)?;
        if extension.peek() == Some(BOOLEAN) {
            extension.any()?;
        }
        if id == ALTERNATIVE_NAMES {
            let mut all = Der(Der(extension.one(OCTETS)?).one(SEQUENCE)?);
            let mut names = Vec::new();
            while let Some(name) = all.any() {
                names.extend(name_of(name));
            }
            return Some(names);
        }
    }
    Some(Vec::new())
}

fn name_of((tag, content): (u8, &[u8])) -> Option<String> {
    match tag {
        DNS_NAME if content.iter().all(u8::is_ascii_graphic) => {
            Some(String::from_utf8_lossy(content).to_ascii_lowercase())
        }
        IP_ADDRESS => {
            let v4 = <[u8; 4]>::try_from(content).map(IpAddr::from);
            let v6 = <[u8; 16]>::try_from(content).map(IpAddr::from);
            Some(v4.or(v6).ok()?.to_string())
        }
        _ => None,
    }
}

fn time((tag, content): (u8, &[u8])) -> Option<Timestamp> {
    let text = std::str::from_utf8(content).ok()?;
    let whole = match tag {
        GENERALIZED_TIME => text.to_owned(),
        // Of two digits, those below 50 are of this century.
        UTC_TIME => match text.get(..2)?.parse::<u8>().ok()? {
            ..50 => format!("20{text}"),
            _ => format!("19{text}"),
        },
        _ => return None,
    };
    let at = civil::DateTime::strptime("%Y%m%d%H%M%SZ", &whole).ok()?;
    Some(at.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// What is left to read.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// The next element, which must have this tag.
    fn one(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.any()
            .filter(|(found, _)| *found == tag)
            .map(|(_, content)| content)
    }

    /// The next element: its tag and its content.
    fn any(&mut self) -> Option<(u8, &'a [u8])> {
        let (tag, rest) = self.0.split_first()?;
        let (first, rest) = rest.split_first()?;
        let (length, rest) = match *first {
            short @ ..=0x7f => (usize::from(short), rest),
            // Four bytes of length are more than any certificate has.
            long @ 0x81..=0x84 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
                let length = bytes
                    .iter()
                    .fold(0usize, |sum, byte| (sum << 8) | usize::from(*byte));
                (length, rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((*tag, content))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(names: &[&str]) -> Vec<u8> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut parameters = rcgen::CertificateParams::new(names).unwrap();
        parameters.not_before = rcgen::date_time_ymd(2026, 1, 2);
        parameters.not_after = rcgen::date_time_ymd(2061, 3, 4);
        let key = rcgen::KeyPair::generate().unwrap();
        parameters.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn names_and_times_are_read() {
        let read = Certificate::parse(&made(&["s3.acme.example", "*.S3.acme.example", "192.0.2.1"])).unwrap();
        assert_eq!(read.names, ["s3.acme.example", "*.s3.acme.example", "192.0.2.1"]);
        assert_eq!(read.not_before.to_string(), "2026-01-02T00:00:00Z");
        assert_eq!(read.not_after.to_string(), "2061-03-04T00:00:00Z");
        for (host, covered) in [
            ("s3.acme.example", true),
            ("lake.S3.acme.example", true),
            ("192.0.2.1", true),
            ("a.lake.s3.acme.example", false),
            ("acme.example", false),
        ] {
            assert_eq!(read.covers(host), covered, "{host}");
        }
    }

    #[test]
    fn whatever_the_bytes_are_nothing_panics() {
        let good = made(&["a.example"]);
        for length in 0..good.len() {
            assert_eq!(Certificate::parse(&good[..length]), None, "{length}");
        }
        for at in 0..good.len() {
            for wrong in [0x00, 0x30, 0x7f, 0x80, 0x84, 0xff] {
                let mut bytes = good.clone();
                bytes[at] = wrong;
                let _ = Certificate::parse(&bytes);
            }
        }
    }
}
