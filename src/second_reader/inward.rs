//! The way in: callers spell as they like, and both readers must read the same, or one must refuse.

use super::cases::{self, Random};
use super::reader::{CALLS, Reader};
use super::{Differences, authorized, forwarded, numbers};
use crate::dialect::s3::{self, Draft, Glimpse};
use crate::fuzzing::outward::{self, STORE, Style};
use crate::operation::{Api, Operation};
use bytes::Bytes;
use http::{HeaderValue, Request};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What Tidegate reads.
fn ours(request: &Request<Bytes>) -> Option<Operation> {
    let (head, body) = request.clone().into_parts();
    match s3::parse(&head, &[STORE.into()], &mut Glimpse::default())
        .ok()?
        .draft
    {
        Draft::Ready(operation) => Some(operation),
        Draft::Document(draft) => draft.complete(&body).ok(),
    }
}

/// The same request in another spelling, and sometimes with something wrong. `None` if HTTP has no such request.
fn respelt(random: &mut Random, request: Request<Bytes>) -> Option<Request<Bytes>> {
    let (mut head, body) = request.into_parts();
    let mut pairs: Vec<(String, Option<String>)> = Vec::new();
    for pair in head
        .uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
    {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let plain = value.is_empty() && random.one_in(2);
        pairs.push((
            respell(random, name, false),
            (!plain).then(|| respell(random, value, false)),
        ));
    }
    // Any order will do.
    for i in (1..pairs.len()).rev() {
        pairs.swap(i, random.below(i + 1));
    }
    if random.one_in(8) {
        mutate(random, &mut pairs, &mut head.method);
    }
    let mut target = respell(random, head.uri.path(), true);
    for (i, (name, value)) in pairs.iter().enumerate() {
        target.push(if i == 0 { '?' } else { '&' });
        target.push_str(name);
        if let Some(value) = value {
            target.push('=');
            target.push_str(value);
        }
    }
    head.uri = target.parse().ok()?;
    if let Some(source) = head.headers.get("x-amz-copy-source") {
        let source = source.to_str().ok()?;
        let (path, version) = source
            .split_once("?versionId=")
            .map_or((source, None), |(p, v)| (p, Some(v)));
        let mut spelt = String::from(random.pick(&["", "/"])) + &respell(random, path, true);
        if let Some(version) = version {
            spelt = spelt + "?versionId=" + &respell(random, version, false);
        }
        head.headers
            .insert("x-amz-copy-source", HeaderValue::from_str(&spelt).ok()?);
    }
    Some(Request::from_parts(head, body))
}

/// Percent-encoded text with other bytes encoded than were, or the same ones in other letters.
fn respell(random: &mut Random, encoded: &str, keep_slash: bool) -> String {
    let bytes = s3::uri::decode(encoded).unwrap();
    let mut spelt = String::new();
    for (i, byte) in bytes.iter().copied().enumerate() {
        // A raw `+` of a query is left out: `s3s` reads it as a space, as forms have it, and S3 and Tidegate as a
        // plus. Tidegate never sends one.
        let may_be_plain = match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => true,
            b'/' => true,
            b'!' | b'$' | b'\'' | b'(' | b')' | b'*' | b',' | b':' | b';' | b'@' | b'=' | b'+' | b'&' => {
                keep_slash
            }
            _ => false,
        };
        // The first slash of a path makes it one.
        let stays = (keep_slash && i == 0) || !random.one_in(6);
        match (may_be_plain && stays, random.one_in(2)) {
            (true, _) => spelt.push(byte.into()),
            (false, true) => write!(spelt, "%{byte:02X}").unwrap(),
            (false, false) => write!(spelt, "%{byte:02x}").unwrap(),
        }
    }
    spelt
}

/// Something that a careless or a cunning caller does.
fn mutate(random: &mut Random, pairs: &mut Vec<(String, Option<String>)>, method: &mut http::Method) {
    let at = |random: &mut Random, pairs: &Vec<_>| (!pairs.is_empty()).then(|| random.below(pairs.len()));
    match random.below(6) {
        0 => {
            let rows = Api::ALL.iter().flat_map(|api| api.row().required).copied();
            let names: Vec<&str> = rows.collect();
            pairs.push(((random.pick(&names)).to_owned(), None));
        }
        1 => {
            let names = [
                "versionId",
                "partNumber",
                "uploadId",
                "prefix",
                "x-id",
                "unknown",
                "VersionId",
            ];
            pairs.push(((random.pick(&names)).to_owned(), Some("7".to_owned())));
        }
        2 => {
            if let Some(i) = at(random, pairs) {
                pairs.push(pairs[i].clone());
            }
        }
        3 => {
            if let Some(i) = at(random, pairs) {
                pairs.swap_remove(i);
            }
        }
        4 => {
            if let Some(i) = at(random, pairs) {
                pairs[i].0 = pairs[i].0.to_ascii_uppercase();
            }
        }
        _ => {
            let methods = ["GET", "PUT", "POST", "DELETE"];
            *method = random.pick(&methods).parse().unwrap();
        }
    }
}

// CLS-01, CLS-08
#[test]
fn both_readers_read_a_callers_request_alike_or_one_refuses() {
    let (reader, apis) = (Reader::new(STORE), forwarded());
    let (mut alike, mut only_ours, mut only_theirs) = (0, BTreeMap::new(), 0);
    let mut differences = Differences::default();
    let numbers = numbers(3000);
    for number in numbers.clone() {
        let mut random = Random(number);
        let operation = cases::operation(&mut random, &apis);
        let style = random.pick(&[Style::Path, Style::Host]);
        let request = outward::request(&operation, style, b"x").unwrap();
        let Some(request) = respelt(&mut random, request) else {
            continue;
        };
        let case = format!("case {number}: {} {}", request.method(), request.uri());
        match (ours(&request), reader.read(request)) {
            // Calls that `s3s` does not know it takes for others, whose parameters it would ignore.
            (Some(ours), Ok(theirs)) if CALLS.contains(&ours.api().name()) => {
                differences.check(&case, Ok::<_, ()>(theirs), authorized(&ours, ""));
                alike += 1;
            }
            (Some(ours), _) => *only_ours.entry(ours.api().name()).or_insert(0) += 1,
            (None, Ok(_)) => only_theirs += 1,
            (None, Err(_)) => {}
        }
    }
    differences.none();
    println!("alike {alike}, read by us alone {only_ours:?}, by s3s alone {only_theirs}");
    let all = numbers.end - numbers.start;
    assert!(
        alike * 10 > all * 7,
        "of {all} requests only {alike} were read by both"
    );
}
