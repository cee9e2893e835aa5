//! What the browser is told: S3's empty 204, the document of a 201, or a way back to where the form came from.

use super::super::documents::post_response;
use super::super::error::S3Error;
use super::super::uri;
use super::fields::Fields;
use crate::body::{self, Body};
use crate::operation::{BucketName, ObjectName};
use http::{HeaderValue, Response, StatusCode, Uri, header};

/// What a form asks to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    object: ObjectName,
    then: Then,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Then {
    Status(StatusCode),
    /// An absolute `http` or `https` URL.
    Redirect(Box<str>),
}

impl Answer {
    /// Reads `success_action_redirect` (`redirect` in old forms) and `success_action_status`.
    ///
    /// # Errors
    /// `InvalidArgument` for a redirect that is not the absolute URL of a page.
    pub(super) fn read(fields: &Fields, object: ObjectName) -> Result<Self, S3Error> {
        let redirects = ["success_action_redirect", "redirect"].map(|name| fields.get(name));
        let then = match redirects.into_iter().flatten().next() {
            // Where to is the policy's word, as every field is: whoever signed it chose the place.
            Some(url) if is_page(url) => Then::Redirect(url.into()),
            Some(_) => {
                return Err(S3Error::invalid_argument(
                    "`success_action_redirect` must be an absolute http or https URL without a fragment",
                )
                .with("ArgumentName", "success_action_redirect"));
            }
            None => Then::Status(match fields.get("success_action_status") {
                Some("200") => StatusCode::OK,
                Some("201") => StatusCode::CREATED,
                // As at S3, whatever else it says.
                Some(_) | None => StatusCode::NO_CONTENT,
            }),
        };
        Ok(Self { object, then })
    }

    /// Where the file went.
    pub(crate) fn bucket(&self) -> &BucketName {
        &self.object.bucket
    }

    /// Makes the answer to the form of the answer to the upload. `bucket_url` is where the caller finds the bucket.
    pub(crate) fn to(self, uploaded: Response<Body>, bucket_url: &str) -> Response<Body> {
        let (mut head, _) = uploaded.into_parts();
        let etag = head
            .headers
            .get(header::ETAG)
            .and_then(|etag| etag.to_str().ok())
            .unwrap_or_default();
        let mut location = format!("{bucket_url}/");
        uri::encode_path(self.object.key.as_str().as_bytes(), &mut location);
        let (bucket, key) = (self.object.bucket.as_str(), self.object.key.as_str());
        let (status, location, document) = match self.then {
            Then::Status(StatusCode::CREATED) => {
                let document = post_response(&location, bucket, key, etag);
                (StatusCode::CREATED, location, Some(document))
            }
            Then::Status(status) => (status, location, None),
            Then::Redirect(url) => (
                StatusCode::SEE_OTHER,
                back(&url, &[("bucket", bucket), ("key", key), ("etag", etag)]),
                None,
            ),
        };
        head.status = status;
        head.headers.remove(header::CONTENT_LENGTH);
        head.headers.remove(header::CONTENT_TYPE);
        if let Ok(location) = HeaderValue::from_str(&location) {
            head.headers.insert(header::LOCATION, location);
        }
        if document.is_some() {
            head.headers
                .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        }
        let body = document.map_or_else(body::empty, body::full);
        Response::from_parts(head, body)
    }
}

/// `url` with more parameters.
fn back(url: &str, parameters: &[(&str, &str)]) -> String {
    let mut back = url.to_owned();
    let mut separator = if url.contains('?') { '&' } else { '?' };
    for (name, value) in parameters {
        back.push(separator);
        back.push_str(name);
        back.push('=');
        uri::encode_query(value.as_bytes(), &mut back);
        separator = '&';
    }
    back
}

/// Whether a URL leads a browser to a page and nowhere else: no script, no credentials, nothing it would mend.
fn is_page(url: &str) -> bool {
    let plain = url
        .bytes()
        .all(|b| b.is_ascii_graphic() && !matches!(b, b'\\' | b'#' | b'"' | b'<' | b'>'));
    let Ok(parsed) = url.parse::<Uri>() else {
        return false;
    };
    let page = matches!(parsed.scheme_str(), Some("http" | "https"));
    let host = parsed
        .authority()
        .is_some_and(|authority| !authority.as_str().contains('@') && !authority.host().is_empty());
    plain && page && host
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::ObjectKey;

    fn answer(form: &[(&str, &str)]) -> Result<Answer, String> {
        let mut fields = Fields::default();
        for (name, value) in form {
            fields.insert(name, value).unwrap();
        }
        let object = ObjectName {
            bucket: BucketName::parse("lake").unwrap(),
            key: ObjectKey::parse("in/ä &".as_bytes()).unwrap(),
        };
        Answer::read(&fields, object).map_err(|error| error.code.into_owned())
    }

    fn check(form: &[(&str, &str)], status: u16, location: &str) {
        let mut uploaded = Response::new(body::empty());
        uploaded
            .headers_mut()
            .insert("etag", HeaderValue::from_static("\"e\""));
        uploaded
            .headers_mut()
            .insert("content-length", HeaderValue::from_static("0"));
        let response = answer(form)
            .unwrap()
            .to(uploaded, "https://s3.tidegate.test/lake");
        assert_eq!(response.status().as_u16(), status);
        assert_eq!(response.headers()["location"], location);
        assert_eq!(response.headers()["etag"], "\"e\"");
        assert!(!response.headers().contains_key("content-length"));
    }

    #[test]
    fn the_form_says_how_it_is_answered() {
        let here = "https://s3.tidegate.test/lake/in/%C3%A4%20%26";
        check(&[], 204, here);
        check(&[("success_action_status", "200")], 200, here);
        check(&[("success_action_status", "201")], 201, here);
        check(&[("success_action_status", "204")], 204, here);
        check(&[("success_action_status", "302")], 204, here);
        let query = "bucket=lake&key=in%2F%C3%A4%20%26&etag=%22e%22";
        let redirect = |url: &str, expected: String| {
            check(&[("success_action_redirect", url)], 303, &expected);
            check(
                &[("redirect", url), ("success_action_status", "201")],
                303,
                &expected,
            );
        };
        redirect(
            "https://shop.test/done",
            format!("https://shop.test/done?{query}"),
        );
        redirect(
            "http://shop.test:8080/?a=b",
            format!("http://shop.test:8080/?a=b&{query}"),
        );
    }

    #[test]
    fn a_redirect_leads_to_a_page() {
        for url in [
            "",
            "/done",
            "//shop.test/done",
            "shop.test",
            "javascript:alert(1)",
            "data:text/html,x",
            "ftp://shop.test/",
            "https://",
            "https:///done",
            "https://user@shop.test/",
            "https://shop.test/\r\nset-cookie: a=b",
            "https://shop.test/a b",
            "https://shop.test\\evil.test/",
            "https://shop.test/#top",
            "https://shop.test/\"><script>",
        ] {
            assert_eq!(
                answer(&[("success_action_redirect", url)]),
                Err("InvalidArgument".into()),
                "{url}"
            );
        }
    }
}
