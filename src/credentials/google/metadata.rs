//! `google-metadata`: the service account of the machine, from the server that every machine of Google's has.
//!
//! The hazard is a server that is none: on a machine elsewhere the name may lead anywhere. So every answer has to say
//! `Metadata-Flavor: Google`, as every question does, which a page in a browser could not be made to send.
//!
//! Spec: <https://cloud.google.com/compute/docs/metadata/querying-metadata>

use super::{GoogleError, Line, Service, answer::Answer};
use crate::clock::Clock;
use crate::config::Metadata;
use crate::credentials::{Credential, SourceError};
use http::{HeaderName, HeaderValue};

pub(super) struct MetadataSource {
    line: Line,
    clock: Clock,
}

const FLAVOR: HeaderName = HeaderName::from_static("metadata-flavor");
const GOOGLE: HeaderValue = HeaderValue::from_static("Google");

impl MetadataSource {
    /// # Errors
    /// None that is known; a client has to be made.
    pub(super) fn new(settings: &Metadata, clock: &Clock) -> Result<Self, SourceError> {
        // The configuration takes no account with a character that means something in a path.
        let path = format!(
            "/computeMetadata/v1/instance/service-accounts/{}/token",
            settings.service_account
        );
        Ok(Self {
            line: Line::new(Service::MetadataServer, &settings.endpoint, &path, None)?,
            clock: clock.clone(),
        })
    }

    /// Asks for the token of now. The server keeps one until five minutes before its end, and gives the same until then.
    pub(super) async fn ask(&self) -> Result<Credential, GoogleError> {
        let asked_at = self.clock.now();
        let fetched = self.line.get(&[(FLAVOR, GOOGLE)]).await?;
        // Before anything that it says is believed, or shown.
        if fetched.headers.get(FLAVOR) != Some(&GOOGLE) {
            return Err(GoogleError::NoFlavor);
        }
        let answer = Answer {
            service: self.line.service,
            fetched: &fetched,
            asked_at,
            sent: &[],
        };
        answer.access_token()
    }
}
