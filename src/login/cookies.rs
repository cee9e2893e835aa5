//! Cookies, in and out.
//!
//! Every cookie of ours begins with `__Host-`: browsers keep such a cookie only if this very host set it over TLS for
//! all paths, so a bucket's host below ours cannot plant one (OID-07). What comes in is still anybody's text: a name
//! that is there twice is two answers to one question, and neither is taken.
//!
//! Spec: <https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc6265bis#section-4.1.3.2>

use http::{HeaderMap, HeaderValue, header};
use std::time::Duration;

/// The session of a browser.
pub(super) const SESSION: &str = "__Host-tidegate";
/// A login that was begun; the rest of the name says which.
pub(super) const ATTEMPT: &str = "__Host-tidegate-login-";
/// What browsers keep of a cookie with its name, value and attributes; a longer one they drop without a word.
pub(super) const LARGEST: usize = 4096;

/// The cookies of a request, as sent.
pub(super) struct Cookies<'a>(Vec<(&'a str, &'a str)>);

/// A cookie that cannot be told from another one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Twice;

impl<'a> Cookies<'a> {
    /// Reads all `Cookie` headers: HTTP/2 may send one for each cookie.
    pub(super) fn of(headers: &'a HeaderMap) -> Self {
        let values = headers
            .get_all(header::COOKIE)
            .into_iter()
            .filter_map(|value| value.to_str().ok());
        let pairs = values
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim_ascii().split_once('='));
        Self(pairs.filter(|(name, _)| name.starts_with(SESSION)).collect())
    }

    /// The session's cookie.
    ///
    /// # Errors
    /// [`Twice`] if there are two.
    pub(super) fn session(&self) -> Result<Option<&'a str>, Twice> {
        self.one(SESSION)
    }

    /// The cookie of the login `id`.
    ///
    /// # Errors
    /// [`Twice`] if there are two.
    pub(super) fn attempt(&self, id: &str) -> Result<Option<&'a str>, Twice> {
        self.one(&attempt_name(id))
    }

    /// The logins that were begun: name of the cookie, and value.
    pub(super) fn attempts(&self) -> impl Iterator<Item = (&'a str, &'a str)> + '_ {
        let all = self.0.iter().copied();
        all.filter(|(name, _)| name.starts_with(ATTEMPT))
    }

    fn one(&self, name: &str) -> Result<Option<&'a str>, Twice> {
        let mut found = self.0.iter().filter(|(n, _)| *n == name);
        match (found.next(), found.next()) {
            (found, None) => Ok(found.map(|(_, value)| *value)),
            (_, Some(_)) => Err(Twice),
        }
    }
}

/// The name of the cookie of the login `id`.
pub(super) fn attempt_name(id: &str) -> String {
    format!("{ATTEMPT}{id}")
}

/// `Set-Cookie` for a sealed value; `None` if browsers would not keep it.
pub(super) fn set(name: &str, value: &str, lifetime: Duration) -> Option<HeaderValue> {
    let cookie = format!("{name}={value}; Max-Age={}; {ATTRIBUTES}", lifetime.as_secs());
    if cookie.len() > LARGEST {
        return None;
    }
    sensitive(&cookie)
}

/// `Set-Cookie` that removes a cookie of ours. A name that is not one removes nothing.
pub(super) fn clear(name: &str) -> Option<HeaderValue> {
    sensitive(&format!("{name}=; Max-Age=0; {ATTRIBUTES}"))
}

/// Lax, so that the cookies come along when the identity provider sends the browser back.
const ATTRIBUTES: &str = "Path=/; Secure; HttpOnly; SameSite=Lax";

fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        let pairs = values.iter().map(|v| (header::COOKIE, v.parse().unwrap()));
        pairs.collect()
    }

    fn check(values: &[&str], session: Result<Option<&str>, Twice>) {
        assert_eq!(Cookies::of(&headers(values)).session(), session, "{values:?}");
    }

    // OID-07
    #[test]
    fn one_session_is_one_cookie_of_exactly_this_name() {
        check(&[], Ok(None));
        check(&["a=b"], Ok(None));
        check(&["__Host-tidegate=x"], Ok(Some("x")));
        check(&["a=b; __Host-tidegate=x=y; c=d"], Ok(Some("x=y")));
        check(&["a=b", "__Host-tidegate=x"], Ok(Some("x")));
        check(&["__Host-tidegate=x;__Host-tidegate=x"], Err(Twice));
        check(&["__Host-tidegate=x", "__Host-tidegate=y"], Err(Twice));
        check(&["__host-tidegate=x"], Ok(None));
        check(&["tidegate=x"], Ok(None));
        check(&["__Host-tidegate2=x"], Ok(None));
        check(&["__Host-tidegate"], Ok(None));
        check(&["__Host-tidegate-login-abc=x"], Ok(None));
    }

    #[test]
    fn logins_have_a_cookie_each() {
        let headers = headers(&["__Host-tidegate-login-a=1; __Host-tidegate-login-b=2; __Host-tidegate=3"]);
        let cookies = Cookies::of(&headers);
        assert_eq!(cookies.attempts().count(), 2);
        assert_eq!(cookies.attempt("b"), Ok(Some("2")));
        assert_eq!(cookies.attempt("c"), Ok(None));
        assert_eq!(cookies.attempt(""), Ok(None));
    }

    // OID-07
    #[test]
    fn cookies_are_for_this_host_over_tls_and_not_for_scripts() {
        let cookie = set(SESSION, "sealed", Duration::from_secs(3600)).unwrap();
        assert_eq!(
            cookie.to_str().unwrap(),
            "__Host-tidegate=sealed; Max-Age=3600; Path=/; Secure; HttpOnly; SameSite=Lax"
        );
        assert_eq!(
            clear(SESSION).unwrap().to_str().unwrap(),
            "__Host-tidegate=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax"
        );
        assert!(set(SESSION, &"x".repeat(4010), Duration::from_secs(3600)).is_some());
        assert!(set(SESSION, &"x".repeat(4096), Duration::from_secs(3600)).is_none());
        assert!(set(SESSION, "a\r\nb", Duration::from_secs(3600)).is_none());
    }
}
