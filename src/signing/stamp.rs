//! The stamp: what a request towards a target says of the request that it serves.
//!
//! Whoever runs the target logs it, so that the provider's own log names the caller, and an entry without a stamp of
//! ours is somebody who went around the proxy (`tidegate audit reconcile`). A user agent is said by whoever asks, so a
//! stamp proves nothing by itself: it is compared with the audit record.
//!
//! Google logs what `x-goog-custom-audit-*` headers say with the request, at most four of them, whose names have at most
//! 64 and whose values at most 1,200 characters. Where requests are signed, they are signed with them.
//!
//! Spec: <https://cloud.google.com/storage/docs/audit-logging#add-custom-metadata>

use super::SigningError;
use crate::config::Profile;
use http::header::USER_AGENT;
use http::{HeaderMap, HeaderName, HeaderValue};
use ulid::Ulid;

const PRODUCT: &str = concat!("tidegate/", env!("CARGO_PKG_VERSION"));
/// What stands before our request id in a user agent.
pub(crate) const TOKEN: &str = "tidegate-request/";
/// Google's name for our request id.
pub(crate) const GOOGLE_REQUEST: &str = "x-goog-custom-audit-tidegate-request";
const REQUEST: HeaderName = HeaderName::from_static(GOOGLE_REQUEST);
const PRINCIPAL: HeaderName = HeaderName::from_static("x-goog-custom-audit-tidegate-principal");

/// What ties a target's log to our record.
#[derive(Clone, Copy, Debug)]
pub struct Stamp<'a> {
    /// Of the record; the caller is told the same one.
    pub request_id: Ulid,
    /// The principal, by [`attribution_name`](crate::authn::attribution_name).
    pub attribution: &'a str,
}

impl Stamp<'_> {
    /// Puts it into the headers of a request that is not signed yet.
    ///
    /// INVARIANT: nobody else says these headers; what was there before is replaced.
    pub(super) fn put(self, profile: Profile, headers: &mut HeaderMap) -> Result<(), SigningError> {
        let agent = format!("{PRODUCT} {TOKEN}{}", self.request_id);
        let text = |text: &str| HeaderValue::from_str(text).map_err(http::Error::from);
        headers.insert(USER_AGENT, text(&agent)?);
        match profile {
            Profile::Aws | Profile::Plain => {}
            Profile::Gcs => {
                headers.insert(REQUEST, text(&self.request_id.to_string())?);
                headers.insert(PRINCIPAL, text(self.attribution)?);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamped(profile: Profile) -> Vec<(String, String)> {
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST, HeaderValue::from_static("somebody else's"));
        headers.remove(REQUEST);
        headers.insert(
            USER_AGENT,
            HeaderValue::from_static("tidegate/9 tidegate-request/9"),
        );
        let stamp = Stamp {
            request_id: Ulid::from_parts(1, 2),
            attribution: "idp=etl",
        };
        stamp.put(profile, &mut headers).unwrap();
        let pairs = headers.iter();
        pairs
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect()
    }

    // CRD-10
    #[test]
    fn every_target_is_told_the_request_and_google_the_principal() {
        let agent = format!(
            "tidegate/{} tidegate-request/00000000010000000000000002",
            env!("CARGO_PKG_VERSION")
        );
        let amazon = vec![("user-agent".to_owned(), agent)];
        assert_eq!(stamped(Profile::Aws), amazon);
        assert_eq!(stamped(Profile::Plain), amazon);
        let google = stamped(Profile::Gcs);
        let custom: Vec<_> = google.iter().filter(|(name, _)| name != "user-agent").collect();
        assert_eq!(custom.len(), 2);
        for (name, value) in custom {
            assert!(name.len() <= 64 && value.len() <= 1200, "{name}: {value}");
        }
        assert!(google.contains(&(PRINCIPAL.to_string(), "idp=etl".to_owned())));
        assert!(google.contains(&(GOOGLE_REQUEST.to_owned(), "00000000010000000000000002".to_owned())));
    }
}
