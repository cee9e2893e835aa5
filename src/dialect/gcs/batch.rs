//! Batches: what the request around the calls may be, and what each of its calls may ask.
//!
//! Each call is a request of its own that is read like any other. What a part could say otherwise than the request around
//! it is refused rather than preferred: another caller, another host, another method than the one on its first line
//! (GCS-01). Bytes of objects are sent and fetched outside of batches, as at Google.
//!
//! Spec: <https://cloud.google.com/storage/docs/batch>

use super::error::GcsError;
use super::multipart::{BatchError, Boundary, Part};
use super::query::Query;
use super::{Draft, Family, Head, headers};
use crate::dialect::s3;
use crate::operation::gcs::Call;
use http::{HeaderMap, HeaderValue, header};

/// Bytes of a batch, as at Google.
pub(crate) const LIMIT: usize = 10 << 20;

/// Whether a request is a batch.
pub(crate) fn is_batch(path: &str) -> bool {
    matches!(Family::of(path), Some((Family::Batch, _)))
}

/// The boundary between the calls, of a request that may be a batch.
///
/// # Errors
/// `methodNotAllowed`, and `invalid` for headers and parameters that are not known, and for another body.
pub(crate) fn boundary(head: Head<'_>) -> Result<Boundary, GcsError> {
    if head.method != "POST" {
        return Err(GcsError::method_not_allowed("a batch is sent with POST").allowing("POST"));
    }
    headers::check(head.headers)?;
    Query::parse(head.query)?.of_no_method()?;
    let mut types = head.headers.get_all(header::CONTENT_TYPE).iter();
    let content_type = match (types.next(), types.next()) {
        (Some(content_type), None) => content_type.to_str().unwrap_or_default(),
        _ => {
            return Err(GcsError::invalid(
                "a batch has one Content-Type, `multipart/mixed` with its boundary",
            ));
        }
    };
    Boundary::of_mixed(content_type).map_err(|error| GcsError::invalid(error.to_string()))
}

/// What the request around a call says for it.
#[derive(Clone, Copy)]
pub(crate) struct Around<'a> {
    /// Who it says it comes from.
    pub(crate) authorization: Option<&'a HeaderValue>,
    /// The host names that are served.
    pub(crate) domains: &'a [Box<str>],
}

impl Around<'_> {
    /// The call of a part.
    ///
    /// # Errors
    /// Google's own error for what is not a call, or none that is made in a batch.
    pub(crate) fn call(self, part: &Part) -> Result<Call, GcsError> {
        self.same_host(part)?;
        self.same_caller(part)?;
        refuse_coding(&part.headers)?;
        match Family::of(&part.path) {
            Some((Family::Plain, _)) => {}
            Some((Family::Batch, _)) => return Err(nested()),
            Some((Family::Upload | Family::Download, _)) => return Err(no_bytes()),
            None => return Err(GcsError::invalid("the calls of a batch are below `/storage/v1/`")),
        }
        match super::parse(Head::of_part(part))? {
            Draft::Ready(call) if call.is_download() => Err(no_bytes()),
            Draft::Ready(_) if !part.body.iter().all(u8::is_ascii_whitespace) => {
                Err(GcsError::invalid("this method takes no body"))
            }
            Draft::Ready(call) => Ok(call),
            Draft::Document(draft) if part.body.len() > draft.limit() => Err(GcsError::too_large(format!(
                "the body has more than {} bytes",
                draft.limit()
            ))),
            Draft::Document(draft) => draft.complete(&part.body),
        }
    }

    /// That a part which names its host names ours.
    fn same_host(self, part: &Part) -> Result<(), GcsError> {
        let header = part
            .headers
            .get(header::HOST)
            .map(|host| host.to_str().unwrap_or_default());
        for named in part.authority.as_deref().into_iter().chain(header) {
            if !s3::address::is_service_host(&named.to_ascii_lowercase(), self.domains) {
                return Err(GcsError::invalid(
                    "a call of a batch is for the host that the batch is sent to: leave the host out, or name this one",
                ));
            }
        }
        Ok(())
    }

    /// That a part which names its caller names that of the batch: Google's library for Java says it with every call.
    fn same_caller(self, part: &Part) -> Result<(), GcsError> {
        match part.headers.get(header::AUTHORIZATION) {
            None => Ok(()),
            Some(inner) if Some(inner) == self.authorization => Ok(()),
            Some(_) => Err(GcsError::invalid(
                "all calls of a batch are its caller's: leave `Authorization` out of them",
            )),
        }
    }
}

impl<'a> Head<'a> {
    /// That of a call in a batch.
    pub(crate) fn of_part(part: &'a Part) -> Self {
        Self {
            method: part.method.as_str(),
            path: &part.path,
            query: part.query.as_deref(),
            headers: &part.headers,
        }
    }
}

/// That no call is a batch again: who counts calls would count it as one.
///
/// # Errors
/// `invalid`.
pub(crate) fn refuse_nested(parts: &[Part]) -> Result<(), GcsError> {
    match parts.iter().any(|part| is_batch(&part.path)) {
        true => Err(nested()),
        false => Ok(()),
    }
}

fn nested() -> GcsError {
    GcsError::invalid("a batch has no batches in it")
}

fn no_bytes() -> GcsError {
    GcsError::invalid("the bytes of objects are not sent or fetched in a batch: make this call on its own")
}

/// A call is not packed: what is around it may be, and is unpacked already.
fn refuse_coding(headers: &HeaderMap) -> Result<(), GcsError> {
    let coding = headers.get(header::CONTENT_ENCODING);
    match coding.is_none_or(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        true => Ok(()),
        false => Err(GcsError::invalid(
            "a call of a batch has no `Content-Encoding`: pack the batch around it",
        )),
    }
}

impl From<BatchError> for GcsError {
    fn from(error: BatchError) -> Self {
        Self::invalid(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    const BEARER: &str = "Bearer outer";

    fn called(line: &str, headers: &[(&str, &str)], body: &'static str) -> Result<String, (u16, String)> {
        let (method, target) = line.split_once(' ').unwrap();
        let (authority, rest) = match target.strip_prefix("https://") {
            Some(rest) => rest
                .split_once('/')
                .map(|(host, path)| (Some(host), format!("/{path}")))
                .unwrap(),
            None => (None, target.to_owned()),
        };
        let (path, query) = match rest.split_once('?') {
            Some((path, query)) => (path.to_owned(), Some(query)),
            None => (rest, None),
        };
        let headers = headers.iter();
        let part = Part {
            content_id: None,
            method: method.parse().unwrap(),
            authority: authority.map(Into::into),
            path: path.into(),
            query: query.map(Into::into),
            headers: headers
                .map(|(name, value)| {
                    (
                        name.parse::<header::HeaderName>().unwrap(),
                        value.parse().unwrap(),
                    )
                })
                .collect(),
            body: Bytes::from_static(body.as_bytes()),
        };
        let around = Around {
            authorization: Some(&HeaderValue::from_static(BEARER)),
            domains: &["tidegate.test".into()],
        };
        let call = around
            .call(&part)
            .map_err(|error| (error.status, error.message.into_owned()))?;
        Ok(call.method().id().to_owned())
    }

    // GCS-01
    #[test]
    fn calls_of_a_batch_are_calls_of_the_batchs_caller_at_this_host() {
        let good = |line: &str, headers: &[(&str, &str)], body: &'static str, expected: &str| {
            assert_eq!(called(line, headers, body).as_deref(), Ok(expected), "{line}");
        };
        let object = "/storage/v1/b/lake/o/a%2Fb";
        good(&format!("DELETE {object}"), &[], "", "storage.objects.delete");
        good(
            &format!("DELETE https://tidegate.test:8443{object}?generation=1"),
            &[],
            "\n",
            "storage.objects.delete",
        );
        good(
            &format!("GET {object}"),
            &[("host", "TIDEGATE.test")],
            "",
            "storage.objects.get",
        );
        good(
            &format!("GET {object}"),
            &[("authorization", BEARER)],
            "",
            "storage.objects.get",
        );
        good(
            &format!("PATCH {object}"),
            &[],
            r#"{"contentType":"text/csv"}"#,
            "storage.objects.patch",
        );
        good(
            &format!("POST {object}/copyTo/b/lake/o/c"),
            &[],
            "",
            "storage.objects.copy",
        );

        let bad = |line: &str, headers: &[(&str, &str)], body: &'static str, words: &str| {
            let (status, message) = called(line, headers, body).expect_err(line);
            assert!(
                (400..=413).contains(&status) && message.contains(words),
                "{line}: {status} {message}"
            );
        };
        bad(
            &format!("DELETE https://storage.googleapis.com{object}"),
            &[],
            "",
            "host",
        );
        bad(
            &format!("DELETE https://lake.tidegate.test{object}"),
            &[],
            "",
            "host",
        );
        bad(&format!("DELETE {object}"), &[("host", "evil.test")], "", "host");
        bad(
            &format!("DELETE {object}"),
            &[("authorization", "Bearer inner")],
            "",
            "Authorization",
        );
        bad(
            &format!("POST {object}"),
            &[("x-http-method-override", "DELETE")],
            "",
            "override",
        );
        bad(&format!("GET {object}?alt=media"), &[], "", "bytes");
        bad(&format!("GET /download{object}?alt=media"), &[], "", "bytes");
        bad(
            "POST /upload/storage/v1/b/lake/o?uploadType=media&name=a",
            &[],
            "x",
            "bytes",
        );
        bad("POST /batch/storage/v1", &[], "", "batch");
        bad("DELETE /lake/a", &[], "", "/storage/v1/");
        bad(&format!("DELETE {object}"), &[], "x", "no body");
        bad(
            &format!("PATCH {object}"),
            &[("content-encoding", "gzip")],
            "x",
            "Content-Encoding",
        );
        bad(&format!("GET {object}?access_token=a"), &[], "", "Authorization");
    }
}
