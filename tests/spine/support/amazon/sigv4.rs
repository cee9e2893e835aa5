//! Signatures, verified by the specification and by other means than the code under test.

use super::Asked;
use aws_lc_rs::{digest, hmac};
use data_encoding::HEXLOWER;
use jiff::Timestamp;

/// What a signature claims.
pub(in crate::support) struct Claimed {
    pub(in crate::support) access_key_id: String,
    date: String,
    region: String,
    service: String,
    signed: String,
    signature: String,
    pub(in crate::support) at: Timestamp,
    time: String,
}

/// Why a signature is not taken.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::support) enum Wrong {
    Missing,
    Malformed,
    Mismatch,
}

pub(in crate::support) fn claimed(asked: &Asked) -> Result<Claimed, Wrong> {
    let text = asked.header("authorization").ok_or(Wrong::Missing)?;
    let rest = text.strip_prefix("AWS4-HMAC-SHA256 ").ok_or(Wrong::Malformed)?;
    let part = |name: &str| {
        let parts = rest.split(',').map(str::trim);
        let value = parts.filter_map(|part| part.strip_prefix(name)).next();
        value.map(str::to_owned).ok_or(Wrong::Malformed)
    };
    let credential = part("Credential=")?;
    let scope: Vec<&str> = credential.split('/').collect();
    let [id, date, region, service, "aws4_request"] = scope[..] else {
        return Err(Wrong::Malformed);
    };
    let time = asked.header("x-amz-date").ok_or(Wrong::Malformed)?.to_owned();
    let at = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", &time).map_err(|_| Wrong::Malformed)?;
    let at = at.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp();
    if !time.starts_with(date) {
        return Err(Wrong::Malformed);
    }
    Ok(Claimed {
        access_key_id: id.into(),
        date: date.into(),
        region: region.into(),
        service: service.into(),
        signed: part("SignedHeaders=")?,
        signature: part("Signature=")?,
        at,
        time,
    })
}

/// Whether `asked` was signed with `secret` for this service and region.
pub(in crate::support) fn verify(
    asked: &Asked,
    claimed: &Claimed,
    (service, region): (&str, &str),
    secret: &str,
) -> Result<(), Wrong> {
    if claimed.service != service || claimed.region != region {
        return Err(Wrong::Malformed);
    }
    let names: Vec<&str> = claimed.signed.split(';').collect();
    let covered = |name: &str| names.contains(&name);
    let amazons = asked
        .headers
        .keys()
        .filter(|name| name.as_str().starts_with("x-amz-"));
    if !covered("host") || !amazons.into_iter().all(|name| covered(name.as_str())) {
        return Err(Wrong::Malformed);
    }
    let payload = match asked.header("x-amz-content-sha256") {
        Some(hash) => hash.to_owned(),
        None => sha(&asked.body),
    };
    let (path, query) = asked.target.split_once('?').unwrap_or((&asked.target, ""));
    let mut query: Vec<String> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            if pair.contains('=') {
                pair.to_owned()
            } else {
                format!("{pair}=")
            }
        })
        .collect();
    query.sort();
    let mut canonical = format!("{}\n{path}\n{}\n", asked.method, query.join("&"));
    for name in &names {
        let value = asked.header(name).ok_or(Wrong::Malformed)?;
        canonical.push_str(&format!("{name}:{}\n", value.trim()));
    }
    canonical.push_str(&format!("\n{}\n{payload}", claimed.signed));
    let scope = format!("{}/{region}/{service}/aws4_request", claimed.date);
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n{}\n{scope}\n{}",
        claimed.time,
        sha(canonical.as_bytes())
    );
    let key = [&claimed.date, region, service, "aws4_request"]
        .iter()
        .fold(format!("AWS4{secret}").into_bytes(), |key, part| mac(&key, part));
    match HEXLOWER.encode(&mac(&key, &to_sign)) == claimed.signature {
        true => Ok(()),
        false => Err(Wrong::Mismatch),
    }
}

fn sha(bytes: &[u8]) -> String {
    HEXLOWER.encode(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
}
