//! What a refused head seems to say: enough to answer in the words of whoever sent it, and to record it.
//!
//! A reader of bytes that have more than one reading decides nothing by them, and neither does anybody with an outline.

use http::{HeaderMap, HeaderName, Method, Request, header};

/// A request that is not served, as far as it can be told what it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// The verb, also one that is not served.
    pub method: Option<Method>,
    /// The path, without the query; of a long one, the first 1,024 bytes.
    pub path: Box<str>,
    /// `Host` and `User-Agent`, where they are there.
    pub headers: HeaderMap,
}

/// Bytes of a verb, a path or a header that are kept.
const LONGEST: usize = 1024;

const KEPT: [HeaderName; 2] = [header::HOST, header::USER_AGENT];

impl Outline {
    /// Of a request that could be parsed.
    pub(super) fn of_request<B>(request: &Request<B>) -> Self {
        let (uri, mut headers) = (request.uri(), HeaderMap::new());
        for name in KEPT {
            if let Some(value) = request.headers().get(&name) {
                headers.insert(name, value.clone());
            }
        }
        Self {
            method: Some(request.method().clone()),
            path: kept(uri.path().as_bytes()),
            headers,
        }
    }

    /// Of the bytes of a head, which may be cut off anywhere.
    pub(super) fn of_bytes(head: &[u8]) -> Self {
        let mut lines = head
            .split(|byte| *byte == b'\n')
            .map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let mut words = lines.next().unwrap_or_default().split(|byte| *byte == b' ');
        let method = words.next().filter(|verb| verb.len() <= LONGEST);
        let target = words.next().unwrap_or_default();
        let path = target.split(|byte| *byte == b'?').next().unwrap_or_default();
        let mut headers = HeaderMap::new();
        for line in lines.take_while(|line| !line.is_empty()) {
            let mut halves = line.splitn(2, |byte| *byte == b':');
            let (Some(name), Some(value)) = (halves.next(), halves.next()) else {
                continue;
            };
            let known = KEPT
                .iter()
                .find(|known| name.eq_ignore_ascii_case(known.as_str().as_bytes()));
            if let Some(known) = known
                && let Ok(value) = kept(value.trim_ascii()).parse()
            {
                headers.entry(known).or_insert(value);
            }
        }
        Self {
            method: method.and_then(|verb| Method::from_bytes(verb).ok()),
            path: kept(path),
            headers,
        }
    }
}

/// The beginning of `bytes`, up to what is not printable.
fn kept(bytes: &[u8]) -> Box<str> {
    let printable = bytes
        .iter()
        .take(LONGEST)
        .take_while(|byte| matches!(byte, 0x20..=0x7e));
    printable.map(|byte| char::from(*byte)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(head: &[u8]) -> (String, String, String) {
        let outline = Outline::of_bytes(head);
        let host = outline
            .headers
            .get("host")
            .map_or("-", |host| host.to_str().unwrap());
        let verb = outline.method.as_ref().map_or("-", Method::as_str);
        (verb.into(), outline.path.into(), host.into())
    }

    #[test]
    fn an_outline_says_what_a_head_seems_to_ask() {
        for (head, verb, path, host) in [
            (
                &b"PUT /lake/a?x=1 HTTP/1.1\r\nhOST:  h:1 \r\n\r\n"[..],
                "PUT",
                "/lake/a",
                "h:1",
            ),
            (
                b"GET /storage/v1/b HTTP/1.1\nHost: h\nHost: i\n\n",
                "GET",
                "/storage/v1/b",
                "h",
            ),
            (b"PATCH /a", "PATCH", "/a", "-"),
            (b"BREW /pot\0/b HTCPCP/1.0\r\nHost", "BREW", "/pot", "-"),
            (
                b"G\xc3T /\xff HTTP/1.1\r\n: a\r\n\r\nHost: late\r\n",
                "-",
                "/",
                "-",
            ),
            (b"\r\n", "-", "", "-"),
            (b"", "-", "", "-"),
        ] {
            let expected = (verb.to_owned(), path.to_owned(), host.to_owned());
            assert_eq!(told(head), expected, "{}", head.escape_ascii());
        }
        let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(20_000));
        assert_eq!(Outline::of_bytes(long.as_bytes()).path.len(), LONGEST);
    }

    #[test]
    fn a_request_has_the_same_outline_as_its_bytes() {
        let request = Request::put("/lake/a?x=1")
            .header("host", "h")
            .header("user-agent", "restic");
        let bytes =
            b"PUT /lake/a?x=1 HTTP/1.1\r\nHost: h\r\nUser-Agent: restic\r\nAuthorization: secret\r\n\r\n";
        let request = request.header("authorization", "secret").body(()).unwrap();
        assert_eq!(Outline::of_request(&request), Outline::of_bytes(bytes));
    }
}
