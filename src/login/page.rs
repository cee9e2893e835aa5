//! The pages, as HTML without a script, and the headers that they are served with.
//!
//! The pages know who somebody is and can log them out, so nothing else may read or frame them or act in their place:
//! no script, no frame, no reference to them, no copy in a cache, no other origin (OID-08, OID-12), and a window that
//! one of them opens in has no hold on it.

use super::error::Words;
use super::html::{Escaped, encoded};
use super::return_path::{ROOT, ReturnPath};
use crate::authn::Principal;
use crate::body::{self, Body};
use data_encoding::BASE64;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use std::fmt::Write as _;
use std::sync::LazyLock;

/// A page before its headers.
pub(super) struct Page {
    pub(super) status: u16,
    title: &'static str,
    main: String,
}

/// Who is logged in, and how to log out.
pub(super) fn home(principal: &Principal, issuer_name: &str, form_token: &str) -> Page {
    let session = principal.session();
    let mut main = String::from("<dl>");
    let mut row = |name: &str, value: &str| {
        let _ = write!(main, "<dt>{name}</dt><dd>{}</dd>", Escaped(value));
    };
    row("You are", principal.id());
    row("Kind", principal.kind().name());
    row("Identity provider", issuer_name);
    row("Issuer", principal.issuer());
    row("Subject there", principal.subject());
    if let Some(role) = principal.role() {
        row("Role", role);
    }
    row("Logged in at", &format!("{:.0}", session.issued_at));
    row("Until", &format!("{:.0}", session.expires_at));
    row("Session", &session.id);
    main.push_str("</dl><h2>Groups</h2>");
    list(
        &mut main,
        principal.groups().iter().map(|group| group.to_string()),
    );
    main.push_str("<h2>Tags</h2>");
    let tags = principal.tags().iter();
    list(&mut main, tags.map(|(name, value)| format!("{name} = {value}")));
    let _ = write!(
        main,
        "<form method=\"post\" action=\"{ROOT}logout\"><input type=\"hidden\" name=\"token\" value=\"{token}\">\
         <button type=\"submit\">Log out</button> <a href=\"{ROOT}login?issuer={issuer}&amp;account=other\">Switch \
         account</a></form>",
        token = Escaped(form_token),
        issuer = Escaped(&encoded(issuer_name)),
    );
    Page {
        status: 200,
        title: "Who you are",
        main,
    }
}

/// With whom to log in.
pub(super) fn choice<'a>(issuers: impl Iterator<Item = &'a str>, to: &ReturnPath) -> Page {
    let mut main = String::from("<ul class=\"choice\">");
    for name in issuers {
        let _ = write!(
            main,
            "<li><a href=\"{ROOT}login?issuer={value}&amp;to={to}\">Log in with {name}</a></li>",
            value = Escaped(&encoded(name)),
            to = Escaped(&encoded(to.as_str())),
            name = Escaped(name),
        );
    }
    main.push_str("</ul>");
    Page {
        status: 200,
        title: "Log in",
        main,
    }
}

/// After a logout.
pub(super) fn logged_out() -> Page {
    Page {
        status: 200,
        title: "You are logged out",
        main: format!(
            "<p>You are logged out here. The identity provider may still know you: on a machine that is not yours, log \
             out there too.</p><p><a href=\"{ROOT}login\">Log in</a></p>"
        ),
    }
}

/// Whatever went wrong. `origin` is where logins begin.
pub(super) fn refusal(status: u16, words: &Words, origin: &str, request_id: &str) -> Page {
    let mut main = format!("<p>{}</p>", Escaped(&words.text));
    if words.again {
        // Absolute: under another name of this host the browser's cookies would be others.
        let _ = write!(
            main,
            "<p><a href=\"{}{ROOT}login\">Log in</a></p>",
            Escaped(origin)
        );
    }
    let _ = write!(
        main,
        "<p class=\"id\">Number of this request: <code>{}</code></p>",
        Escaped(request_id)
    );
    Page {
        status,
        title: words.title,
        main,
    }
}

impl Page {
    /// The page as a response. Without its body for HEAD.
    pub(super) fn render(&self, head: bool) -> Response<Body> {
        let html = format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
             <title>{title} · Tidegate</title><style>{STYLE}</style></head>\
             <body><header>Tidegate</header><main><h1>{title}</h1>{main}</main></body></html>\n",
            title = Escaped(self.title),
            main = self.main,
        );
        let mut response = Response::new(if head { body::empty() } else { body::full(html) });
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let html = HeaderValue::from_static("text/html; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, html);
        protect(response.headers_mut());
        response
    }
}

/// An answer that sends the browser elsewhere, with GET.
pub(super) fn redirect(to: &str) -> Option<Response<Body>> {
    let mut response = Response::new(body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let mut location = HeaderValue::from_str(to).ok()?;
    // It carries a state.
    location.set_sensitive(true);
    response.headers_mut().insert(header::LOCATION, location);
    protect(response.headers_mut());
    Some(response)
}

/// INVARIANT: on every answer of this room. There is no `Access-Control-…` among them, and never will be.
fn protect(headers: &mut HeaderMap) {
    for (name, value) in PROTECTION {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(policy) = HeaderValue::from_str(&POLICY) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
}

const PROTECTION: [(HeaderName, &str); 6] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

/// The one style is named by its digest; nothing else is loaded, framed or sent elsewhere.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, STYLE.as_bytes());
    format!(
        "default-src 'none'; style-src 'sha256-{}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        BASE64.encode(digest.as_ref())
    )
});

fn list(main: &mut String, items: impl ExactSizeIterator<Item = String>) {
    if items.len() == 0 {
        main.push_str("<p>None.</p>");
        return;
    }
    main.push_str("<ul>");
    for item in items {
        let _ = write!(main, "<li>{}</li>", Escaped(&item));
    }
    main.push_str("</ul>");
}

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1b2733;--soft:#5b6b7b;--line:#d5dde5;--paper:#fff;--back:#f3f6f9;--sea:#0b5c7a}\
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9aa9b8;--line:#33414f;--paper:#16202a;--back:#0d141b;\
--sea:#5cc2e6}}\
*{box-sizing:border-box}\
body{margin:0;background:var(--back);color:var(--ink);font:1rem/1.5 system-ui,sans-serif}\
header{padding:1rem 1.5rem;border-bottom:1px solid var(--line);color:var(--sea);font-weight:700;letter-spacing:.02em}\
main{max-width:42rem;margin:2rem auto;padding:1.5rem 2rem 2rem;background:var(--paper);border:1px solid var(--line);\
border-radius:.5rem}\
h1{margin:0 0 1rem;font-size:1.5rem;line-height:1.25}\
h2{margin:1.5rem 0 .25rem;font-size:1.05rem}\
dl{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1.25rem;margin:0}\
dt{color:var(--soft)}\
dd{margin:0;overflow-wrap:anywhere}\
ul{margin:0;padding-left:1.25rem;overflow-wrap:anywhere}\
ul.choice{padding:0;list-style:none}\
ul.choice a{display:block;margin:.5rem 0;padding:.75rem 1rem;border:1px solid var(--line);border-radius:.375rem}\
a{color:var(--sea)}\
form{margin-top:1.75rem}\
button{margin-right:1rem;padding:.5rem 1.25rem;border:0;border-radius:.375rem;background:var(--sea);\
color:var(--paper);font:inherit;font-weight:600;cursor:pointer}\
a:focus-visible,button:focus-visible{outline:3px solid var(--sea);outline-offset:2px}\
.id{margin-top:1.5rem;color:var(--soft);font-size:.875rem}\
@media(max-width:34rem){main{margin:0;border:0;border-radius:0;padding:1.25rem}\
dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:.5rem}}";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authn::PrincipalKind;

    fn check(page: Page, names: &[&str]) {
        let html = page.main;
        for name in names {
            assert!(html.contains(name), "{name}: {html}");
        }
        for live in ["<script", "onload=\"", "javascript:"] {
            assert!(!html.contains(live), "{html}");
        }
    }

    // OID-05
    #[test]
    fn what_others_wrote_is_text() {
        let hostile = "idp:<script>alert(1)</script>\" onload=\"x";
        let principal = Principal::for_test(PrincipalKind::User, hostile, &[hostile]);
        check(
            home(&principal, "idp", "token"),
            &["&lt;script&gt;alert(1)", "&quot; onload=&quot;x"],
        );
        let words = Words {
            title: "No",
            text: hostile.into(),
            again: true,
        };
        let page = refusal(400, &words, "https://s3.test", "<script>");
        check(
            page,
            &["https://s3.test/_tidegate/login", "&lt;script&gt;</code>"],
        );
    }

    // OID-08, OID-12
    #[test]
    fn pages_allow_nothing_but_their_own_style() {
        let response = logged_out().render(false);
        let headers = response.headers();
        let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(
            policy.starts_with("default-src 'none'; style-src 'sha256-"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe"), "{policy}");
        assert!(
            headers
                .keys()
                .all(|name| !name.as_str().starts_with("access-control"))
        );
        assert!(
            redirect("/_tidegate/")
                .unwrap()
                .headers()
                .contains_key(header::CONTENT_SECURITY_POLICY)
        );
        assert!(redirect("/a\r\nb").is_none());
    }
}
