//! The small languages inside of values: durations, names, hosts, URLs.

use super::Endpoint;
use std::time::Duration;

/// The units of a duration, from long to short, in milliseconds.
const UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Reads `15m`, `1h30m`, `90s`: numbers with units (`d`, `h`, `m`, `s`, `ms`), the longest first, each unit once.
///
/// # Errors
/// What is wrong with it, for a message.
pub fn duration(text: &str) -> Result<Duration, &'static str> {
    const WRONG: &str = "not a duration, such as \"90s\", \"15m\" or \"1h30m\"";
    let mut units = UNITS.iter();
    let mut total = 0_u64;
    let mut rest = text;
    if rest.is_empty() {
        return Err(WRONG);
    }
    while !rest.is_empty() {
        let (digits, tail) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).ok_or(WRONG)?);
        let (unit, tail) = tail.split_at(tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len()));
        // Units that were passed over are used up: `1m1h` and `1h1h` are mistakes.
        let (_, millis) = units.find(|(name, _)| *name == unit).ok_or(WRONG)?;
        let count: u64 = digits.parse().map_err(|_| WRONG)?;
        total = count
            .checked_mul(*millis)
            .and_then(|t| t.checked_add(total))
            .ok_or("too long")?;
        rest = tail;
    }
    Ok(Duration::from_millis(total))
}

/// The inverse of [`duration`].
pub(super) fn show(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut out = String::new();
    for (unit, millis) in UNITS.iter().filter(|(unit, _)| *unit != "d") {
        let count = rest / millis;
        if count > 0 {
            out.push_str(&format!("{count}{unit}"));
        }
        rest %= millis;
    }
    if out.is_empty() { "0s".to_owned() } else { out }
}

/// A name of our own: `[a-z0-9-]{1,32}`.
pub(super) fn name(text: &str) -> Result<Box<str>, &'static str> {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    match text.len() {
        0 => Err("empty"),
        1..=32 if text.bytes().all(inner) => Ok(text.into()),
        1..=32 => Err("has other characters than `a-z`, `0-9` and `-`"),
        _ => Err("longer than 32 characters"),
    }
}

/// A text without spaces and control characters, of at most `most` bytes.
pub(super) fn word(text: &str, most: usize) -> Result<Box<str>, &'static str> {
    if text.is_empty() {
        Err("empty")
    } else if text.len() > most {
        Err("too long")
    } else if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        Err("has a space or a control character")
    } else {
        Ok(text.into())
    }
}

/// A path as it stands.
pub(super) fn path(text: &str) -> Result<Box<str>, &'static str> {
    match text {
        "" => Err("empty"),
        _ if text.contains('\0') => Err("has a NUL character"),
        _ => Ok(text.into()),
    }
}

/// A host name in lower case, or an IPv4 address.
pub(super) fn host_name(text: &str) -> Result<Box<str>, &'static str> {
    if text.is_empty() {
        return Err("empty");
    }
    if text.contains("://") || text.contains('/') {
        return Err("a URL, not a host name");
    }
    if text.contains(':') {
        return Err("has a port or is an IPv6 address");
    }
    if text.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err("has upper-case letters");
    }
    if text.ends_with('.') {
        return Err("ends with a dot");
    }
    if text.starts_with("*.") {
        return Err("a wildcard, which is implied: buckets are served as `<bucket>.<domain>`");
    }
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let label = |l: &str| {
        (1..=63).contains(&l.len()) && l.bytes().all(inner) && !l.starts_with('-') && !l.ends_with('-')
    };
    if text.len() <= 253 && text.split('.').all(label) {
        Ok(text.into())
    } else {
        Err("not a host name")
    }
}

/// The URL of a service: scheme, host, optional port.
pub(super) fn endpoint(text: &str) -> Result<Endpoint, &'static str> {
    let (tls, rest) = match text.split_once("://") {
        Some(("https", rest)) => (true, rest),
        Some(("http", rest)) => (false, rest),
        Some(_) => return Err("its scheme is neither `https` nor `http`"),
        None => return Err("not a URL"),
    };
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = self::authority(authority)?;
    let port = port.unwrap_or(if tls { 443 } else { 80 });
    Ok(Endpoint { tls, host, port })
}

/// The URL of an issuer, which is compared byte for byte: nothing in it is changed.
pub(super) fn issuer(text: &str) -> Result<Box<str>, &'static str> {
    let Some(rest) = text.strip_prefix("https://") else {
        return Err("not an `https` URL");
    };
    if text.contains('?') {
        return Err("has a query");
    }
    if text.contains('#') {
        return Err("has a fragment");
    }
    let (authority, _path) = rest.split_once('/').unwrap_or((rest, ""));
    self::authority(authority)?;
    word(text, 512)
}

fn authority(text: &str) -> Result<(Box<str>, Option<u16>), &'static str> {
    if text.contains('@') {
        return Err("has a user name or password");
    }
    if text.contains(['?', '#']) {
        return Err("has a query or fragment");
    }
    if text.contains('/') {
        return Err("has a path");
    }
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or("has no host")?;
            let address: std::net::Ipv6Addr =
                host.parse().map_err(|_| "not an IPv6 address in its brackets")?;
            let port = match after.strip_prefix(':') {
                Some(port) => Some(port),
                None if after.is_empty() => None,
                None => return Err("has characters after the address"),
            };
            (address.to_string().into(), port)
        }
        None => {
            let (host, port) = text
                .split_once(':')
                .map_or((text, None), |(host, port)| (host, Some(port)));
            if host.is_empty() {
                return Err("has no host");
            }
            (host_name(&host.to_ascii_lowercase())?, port)
        }
    };
    match port.map(str::parse::<u16>) {
        None => Ok((host, None)),
        Some(Ok(port)) if port > 0 => Ok((host, Some(port))),
        Some(_) => Err("its port is not a number from 1 to 65535"),
    }
}

/// How a text is shown in a message: bounded, and a URL without what may be a secret in it.
pub(super) fn shown(text: &str) -> String {
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), text),
    };
    let mut out = match rest.rsplit_once('@') {
        Some((user, host)) if !scheme.is_empty() || user.contains(':') => format!("{scheme}…@{host}"),
        Some(_) | None => text.to_owned(),
    };
    if let Some((before, _)) = out.split_once('?').filter(|_| !scheme.is_empty()) {
        out = format!("{before}?…");
    }
    match out.char_indices().nth(100) {
        Some((end, _)) => format!("{}…", out.get(..end).unwrap_or_default()),
        None => out,
    }
}

/// The known word that `unknown` was probably meant to be.
pub(super) fn nearest<'a>(unknown: &str, known: &[&'a str]) -> Option<&'a str> {
    let near = known.iter().map(|word| (distance(unknown, word), *word)).min()?;
    // One typing error for a short word, a few for a long one; two letters swapped are two.
    let allowed = (near.1.len() / 2).clamp(1, 3);
    (near.0 <= allowed && unknown.len() <= 64).then_some(near.1)
}

/// Levenshtein's distance, in bytes.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(b.bytes()) {
            let best = (diagonal + usize::from(x != y)).min(left + 1).min(*cell + 1);
            diagonal = *cell;
            *cell = best;
            left = best;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(a.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_numbers_with_units() {
        for (text, seconds) in [
            ("90s", 90),
            ("15m", 900),
            ("1h30m", 5400),
            ("1d", 86_400),
            ("0s", 0),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(duration("1s500ms"), Ok(Duration::from_millis(1500)));
        for text in [
            "", "90", "m", "1h1h", "1m1h", "1.5h", "-1s", "1 h", "1H", "1h ", "９s",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert_eq!(duration("99999999999999999999s"), duration(""));
        assert_eq!(duration("999999999999999999d"), Err("too long"));
        for text in ["1h30m", "12h", "24h", "15m", "1s500ms", "0s"] {
            assert_eq!(show(duration(text).unwrap()), text);
        }
    }

    #[test]
    fn host_names_are_bare_and_in_lower_case() {
        for good in ["localhost", "s3.tidegate.test", "127.0.0.1", "a-b.c"] {
            assert_eq!(host_name(good).as_deref(), Ok(good));
        }
        for bad in [
            "",
            "S3.test",
            "s3.test:443",
            "https://s3.test",
            "s3.test.",
            "*.s3.test",
            "[::1]",
            "a..b",
            "-a.b",
            "a_b",
            "ä.b",
        ] {
            assert!(host_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn endpoints_have_a_scheme_a_host_and_perhaps_a_port() {
        for (text, tls, host, port) in [
            ("https://127.0.0.1:9000", true, "127.0.0.1", 9000),
            ("http://store", false, "store", 80),
            (
                "https://S3.eu-west-2.amazonaws.com/",
                true,
                "s3.eu-west-2.amazonaws.com",
                443,
            ),
            ("https://[::1]:9000", true, "::1", 9000),
            ("http://[2001:DB8::1]", false, "2001:db8::1", 80),
        ] {
            let expected = Endpoint {
                tls,
                host: host.into(),
                port,
            };
            assert_eq!(endpoint(text), Ok(expected), "{text}");
        }
        for bad in [
            "",
            "store",
            "ftp://store",
            "https://",
            "https://:80",
            "https://a/b",
            "https://a//",
            "https://u:p@a",
            "https://a?x",
            "https://a:0",
            "https://a:99999",
            "https://a:",
            "https://[::1",
            "https://[::1]x",
            "https://[g]",
            "https://a b",
            "HTTPS://a",
        ] {
            assert!(endpoint(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_may_be_secret_in_a_url_is_not_shown() {
        assert_eq!(shown("https://ana:pass@store/?sig=abc"), "https://…@store/?…");
        assert_eq!(shown("https://a@b@c"), "https://…@c");
        assert_eq!(shown("ana:pass@store:9000"), "…@store:9000");
        assert_eq!(shown("ana@acme.com"), "ana@acme.com");
        assert_eq!(shown("https://store/a"), "https://store/a");
        assert_eq!(shown(&"x".repeat(200)).chars().count(), 101);
    }

    #[test]
    fn typing_errors_are_recognised() {
        let known = ["listen", "domains", "key", "keys", "max_connections"];
        for (written, meant) in [
            ("lisen", Some("listen")),
            ("domain", Some("domains")),
            ("max_conections", Some("max_connections")),
            ("kye", None),
            ("something", None),
            ("", None),
        ] {
            assert_eq!(nearest(written, &known), meant, "{written}");
        }
    }
}
