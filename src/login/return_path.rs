//! Where a browser goes after its login.
//!
//! The path comes from a link, so from anybody. Browsers turn `//evil.test`, `/\evil.test` and `/<tab>/evil.test` into
//! addresses of other hosts, and resolve `..` whether or not it is encoded (OID-06). So the path is not looked at for
//! what is dangerous: it is made of characters that mean only themselves, or it is refused.

/// A page of ours: an absolute path below `/_tidegate/`, perhaps with a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ReturnPath(Box<str>);

/// Every page is below it.
pub(super) const ROOT: &str = "/_tidegate/";
/// It is kept in a cookie.
const LONGEST: usize = 512;
/// What logs in or out is nothing to return to.
const NOT_PAGES: [&str; 3] = ["login", "logout", "callback"];

impl ReturnPath {
    /// The first page.
    pub(super) fn home() -> Self {
        Self(ROOT.into())
    }

    /// Reads a path from a parameter that is already decoded; `None` for whatever is not plainly a page of ours.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let below = text.strip_prefix(ROOT).filter(|_| text.len() <= LONGEST)?;
        let (path, query) = below.split_once('?').unwrap_or((below, ""));
        let mut segments = path.split('/').peekable();
        if segments.peek().is_some_and(|first| NOT_PAGES.contains(first)) {
            return None;
        }
        while let Some(segment) = segments.next() {
            let last = segments.peek().is_none();
            let dots = segment.bytes().all(|b| b == b'.');
            if !segment.bytes().all(is_unreserved) || (dots && !(segment.is_empty() && last)) {
                return None;
            }
        }
        query
            .bytes()
            .all(|b| is_unreserved(b) || b"=&%+,:@/".contains(&b))
            .then(|| Self(text.into()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Spec: <https://www.rfc-editor.org/rfc/rfc3986#section-2.3>
fn is_unreserved(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"-._~".contains(&b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, accepted: bool) {
        let found = ReturnPath::parse(text);
        assert_eq!(found.is_some(), accepted, "{text:?}");
        assert!(found.is_none_or(|path| path.as_str() == text));
    }

    // OID-06
    #[test]
    fn only_pages_of_our_own_are_returned_to() {
        check("/_tidegate/", true);
        check("/_tidegate/buckets", true);
        check("/_tidegate/buckets/lake/", true);
        check("/_tidegate/buckets/lake?prefix=a%2Fb&page=2", true);
        check("/_tidegate/...x", true);
        for refused in [
            "",
            "/",
            "/_tidegate",
            "/_tidegate//",
            "/_tidegate//evil.test",
            "/_tidegate/../lake/secret",
            "/_tidegate/./x",
            "/_tidegate/...",
            "/_tidegate/%2e%2e/lake",
            "/_tidegate/%09/x",
            "/_tidegate/a\\b",
            "/_tidegate/a b",
            "/_tidegate/a\r\nset-cookie: x=y",
            "/_tidegate/a\tb",
            "/_tidegate/ä",
            "/_tidegate/?a=<script>",
            "/_tidegate/?a=b#c",
            "/_tidegate/?a=\"",
            "/_tidegate/login",
            "/_tidegate/login?to=/_tidegate/",
            "/_tidegate/logout",
            "/_tidegate/callback/idp?code=x",
            "/_TIDEGATE/",
            "//evil.test",
            "//evil.test/_tidegate/",
            "/\\evil.test",
            "/%09/evil.test",
            "/\t/evil.test",
            "\\/evil.test",
            "https://evil.test",
            "https:/_tidegate/",
            "javascript:alert(1)",
            " /_tidegate/",
            "/lake/object",
            "_tidegate/",
        ] {
            check(refused, false);
        }
        check(&format!("/_tidegate/{}", "x".repeat(LONGEST - ROOT.len())), true);
        check(
            &format!("/_tidegate/{}", "x".repeat(LONGEST + 1 - ROOT.len())),
            false,
        );
    }
}
