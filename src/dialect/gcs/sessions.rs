//! Answers to the steps of a resumable upload.
//!
//! At Google the address of such an upload is a key to it: whoever has it goes on without a token (GCS-04). So the target's
//! address ends here. A caller gets one at our own origin, with an upload id that is good for one principal and one object;
//! it names the object, because that is what is decided about when somebody comes back.
//!
//! Spec: <https://cloud.google.com/storage/docs/performing-resumable-uploads>

use super::answer::{Destination, success};
use super::documents::segment;
use crate::body::{self, Body};
use crate::dialect::s3::documents::place;
use crate::dialect::s3::uri;
use crate::error::Error;
use crate::operation::gcs::{Sending, Session};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header, response::Parts};

const UPLOAD_ID: &str = "x-guploader-uploadid";
const NO_308: &str = "x-guploader-no-308";
const STATUS_OVERRIDE: &str = "x-http-status-code-override";

/// The answer to a step, or to the beginning.
pub(super) async fn relay(head: &Parts, body: Body, to: Destination<'_>) -> Result<Response<Body>, Error> {
    let sending = to.permit.operation().sending();
    match (sending, head.status.as_u16()) {
        (Some(Sending::Begin { .. }), 200..=299) => begun(&head.headers, to),
        (Some(Sending::Begin { .. }), _) => Err(Error::TargetAnswer(
            "it answers the beginning of an upload with the end",
        )),
        (Some(Sending::Cancel), _) => Ok(bare(StatusCode::from_u16(499).unwrap_or(StatusCode::NO_CONTENT))),
        (_, 308) => incomplete(&head.headers),
        (_, 200..=299) => success(head.clone(), body, to).await,
        (_, _) => Err(Error::TargetAnswer("it gives up an upload that was to go on")),
    }
}

/// Where the upload goes on.
fn begun(headers: &HeaderMap, to: Destination<'_>) -> Result<Response<Body>, Error> {
    let call = to.permit.operation();
    let (Some(object), Some(bucket)) = (call.object(), to.permit.bucket()) else {
        return Err(Error::Internal("an upload of no object"));
    };
    let target_id = target_id(headers).ok_or(Error::TargetAnswer(
        "an upload began, and it does not say where it goes on",
    ))?;
    let session = Session {
        target_id: target_id.into(),
        wishes: call.wishes().clone(),
    };
    let sealed = to
        .addressee
        .handles
        .seal_session(&place(bucket), object.key.as_str(), &session);
    let sealed = sealed.map_err(|error| {
        tracing::error!(request_id = to.request_id, %error, "an upload began that nobody can go on with");
        Error::TargetAnswer("what it gave out to go on with the upload cannot be sealed")
    })?;
    let location = format!(
        "{}/upload/storage/v1/b/{}/o?uploadType=resumable&name={}&upload_id={sealed}",
        to.addressee.origin,
        object.bucket,
        segment::encode(object.key.as_str()),
    );
    let mut response = bare(StatusCode::OK);
    let value =
        |text: &str| HeaderValue::from_str(text).map_err(|_| Error::Internal("an address that is no header"));
    response.headers_mut().insert(header::LOCATION, value(&location)?);
    response.headers_mut().insert(UPLOAD_ID, value(&sealed)?);
    Ok(response)
}

/// The target's id, out of the address that it gave or beside it.
fn target_id(headers: &HeaderMap) -> Option<String> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let of_address = || {
        let (_, query) = text("location")?.split_once('?')?;
        let raw = query
            .split('&')
            .find_map(|pair| pair.strip_prefix("upload_id="))?;
        String::from_utf8(uri::decode(raw)?).ok()
    };
    let id = of_address().or_else(|| text(UPLOAD_ID).map(str::to_owned))?;
    (!id.is_empty()).then_some(id)
}

/// There is more to come. What the target has so far is all that its answer says.
fn incomplete(headers: &HeaderMap) -> Result<Response<Body>, Error> {
    let mut response = bare(StatusCode::PERMANENT_REDIRECT);
    if let Some(range) = headers.get(header::RANGE) {
        let digits = range.to_str().ok().and_then(|text| text.strip_prefix("bytes=0-"));
        let fits =
            digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()));
        if !fits {
            return Err(Error::TargetAnswer(
                "it does not say how much of the upload it has",
            ));
        }
        response.headers_mut().insert(header::RANGE, range.clone());
    }
    Ok(response)
}

/// The answer for a client that takes a 308 for a redirect and says so, as Google's for Go do: the same, called 200.
pub(crate) fn without_308(asked: &HeaderMap, mut answer: Response<Body>) -> Response<Body> {
    let refuses = asked
        .get(NO_308)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"yes"));
    if refuses && answer.status() == StatusCode::PERMANENT_REDIRECT {
        *answer.status_mut() = StatusCode::OK;
        answer
            .headers_mut()
            .insert(STATUS_OVERRIDE, HeaderValue::from_static("308"));
    }
    answer
}

fn bare(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(body::empty());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_s_id_is_found_wherever_it_stands() {
        let check = |location: Option<&str>, beside: Option<&str>, expected: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.extend(location.map(|value| (header::LOCATION, value.parse::<HeaderValue>().unwrap())));
            if let Some(value) = beside {
                headers.insert(UPLOAD_ID, value.parse().unwrap());
            }
            assert_eq!(
                target_id(&headers).as_deref(),
                expected,
                "{location:?} {beside:?}"
            );
        };
        let google = "https://storage.googleapis.com/upload/storage/v1/b/b/o?uploadType=resumable&name=a&upload_id=AB-c_1";
        check(Some(google), Some("AB-c_1"), Some("AB-c_1"));
        check(Some("http://store/o?upload_id=a%2Fb"), None, Some("a/b"));
        check(Some("http://store/upload/resumable/1"), Some("1"), Some("1"));
        check(None, Some("1"), Some("1"));
        check(Some("http://store/o?upload_id="), None, None);
        check(Some("http://store/o"), None, None);
        check(None, None, None);
    }

    #[test]
    fn how_far_an_upload_is_crosses_and_nothing_else() {
        let answer = |range: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.extend(range.map(|value| (header::RANGE, value.parse::<HeaderValue>().unwrap())));
            headers.insert(
                header::LOCATION,
                HeaderValue::from_static("https://storage.googleapis.com/x"),
            );
            incomplete(&headers)
        };
        let some = answer(Some("bytes=0-262143")).unwrap();
        assert_eq!(some.status(), 308);
        assert_eq!(some.headers()["range"], "bytes=0-262143");
        assert!(!some.headers().contains_key("location"));
        assert!(!answer(None).unwrap().headers().contains_key("range"));
        for odd in ["bytes=1-2", "bytes=0-", "0-262143", "bytes=0-1,5-6"] {
            assert!(answer(Some(odd)).is_err(), "{odd}");
        }
    }

    #[test]
    fn a_308_is_called_200_for_whoever_cannot_have_one() {
        let check = |asked: Option<&'static str>, status: u16, expected: (u16, Option<&str>)| {
            let mut headers = HeaderMap::new();
            headers.extend(asked.map(|value| {
                (
                    http::HeaderName::from_static(NO_308),
                    HeaderValue::from_static(value),
                )
            }));
            let answer = without_308(&headers, bare(StatusCode::from_u16(status).unwrap()));
            let said = answer.headers().get(STATUS_OVERRIDE);
            let said = said.map(|value| value.to_str().unwrap());
            assert_eq!((answer.status().as_u16(), said), expected, "{asked:?} {status}");
        };
        check(Some("yes"), 308, (200, Some("308")));
        check(Some("no"), 308, (308, None));
        check(None, 308, (308, None));
        check(Some("yes"), 200, (200, None));
        check(Some("yes"), 503, (503, None));
    }
}
