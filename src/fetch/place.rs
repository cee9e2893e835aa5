//! Where a URL leads, taken apart by `http::Uri`, which normalises nothing.

use super::FetchError;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Uri, header, uri::PathAndQuery};
use http_body_util::Full;

/// Where a URL leads.
pub(super) struct Place {
    pub(super) tls: bool,
    /// Without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// As it stands in the URL: the `Host` header.
    authority: String,
    path: PathAndQuery,
}

impl Place {
    pub(super) fn parse(url: &str, allow_plain: bool) -> Result<Self, FetchError> {
        // `http::Uri` drops a fragment without a word.
        if url.contains('#') {
            return Err(FetchError::Url("it has a fragment"));
        }
        let uri: Uri = url.parse().map_err(|_| FetchError::Url("it is malformed"))?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") if allow_plain => false,
            _ => return Err(FetchError::Url("it must begin with `https://`")),
        };
        let authority = uri.authority().ok_or(FetchError::Url("it has no host"))?;
        if authority.as_str().contains('@') {
            return Err(FetchError::Url("it has a user name"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(FetchError::Url("it has no host"));
        }
        let port = match authority.port() {
            Some(port) => port.as_u16(),
            None if authority.as_str().ends_with(authority.host()) => {
                if tls {
                    443
                } else {
                    80
                }
            }
            None => return Err(FetchError::Url("its port is malformed")),
        };
        Ok(Self {
            tls,
            host: host.to_owned(),
            port,
            authority: authority.as_str().to_owned(),
            path: uri
                .path_and_query()
                .cloned()
                .unwrap_or_else(|| PathAndQuery::from_static("/")),
        })
    }

    pub(super) fn request(
        &self,
        method: Method,
        body: Bytes,
        headers: &[(HeaderName, HeaderValue)],
    ) -> Result<Request<Full<Bytes>>, FetchError> {
        let unusable = |_| FetchError::Url("it is malformed");
        let mut request = Request::builder()
            .method(&method)
            .uri(Uri::from(self.path.clone()))
            .header(header::HOST, &self.authority)
            .header(
                header::USER_AGENT,
                concat!("tidegate/", env!("CARGO_PKG_VERSION")),
            )
            .header(header::ACCEPT, "*/*");
        if method == Method::POST {
            request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        let mut request = request.body(Full::new(body)).map_err(unusable)?;
        for (name, value) in headers {
            request.headers_mut().insert(name.clone(), value.clone());
        }
        Ok(request)
    }
}
