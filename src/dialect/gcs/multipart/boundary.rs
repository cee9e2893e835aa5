//! The boundary of a multipart body, from `Content-Type`, and one of our own.

use crate::body::PayloadError;
use crate::dialect::multipart::{is_boundary, parameters};
use aws_lc_rs::rand;
use data_encoding::HEXLOWER;

/// What separates the parts, without dashes and line ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Boundary(Box<str>);

impl Boundary {
    /// Of `multipart/related`.
    ///
    /// # Errors
    /// [`PayloadError::Multipart`] for another type, or a boundary that cannot be one.
    pub(crate) fn of_related(content_type: &str) -> Result<Self, PayloadError> {
        Self::of(
            content_type,
            "multipart/related",
            "an upload of this kind is `multipart/related`",
        )
    }

    /// Of `multipart/mixed`.
    ///
    /// # Errors
    /// As for `multipart/related`.
    pub(crate) fn of_mixed(content_type: &str) -> Result<Self, PayloadError> {
        Self::of(content_type, "multipart/mixed", "a batch is `multipart/mixed`")
    }

    /// One that nobody can know beforehand, and so cannot have put into what is to be separated.
    ///
    /// `None` without random bytes.
    pub(crate) fn random() -> Option<Self> {
        let mut random = [0; 24];
        rand::fill(&mut random).ok()?;
        Some(Self(format!("tidegate_{}", HEXLOWER.encode(&random)).into()))
    }

    /// The boundary as it is in `Content-Type`.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    fn of(content_type: &str, wanted: &str, other: &'static str) -> Result<Self, PayloadError> {
        const MALFORMED: PayloadError = PayloadError::Multipart(
            "its Content-Type needs one boundary of 1 to 70 letters, digits, spaces and `'()+_,-./:=?`",
        );
        let (media_type, rest) = content_type.split_once(';').unwrap_or((content_type, ""));
        if !media_type.trim().eq_ignore_ascii_case(wanted) {
            return Err(PayloadError::Multipart(other));
        }
        let parameters = parameters(rest).ok_or(MALFORMED)?;
        let mut boundaries = parameters.iter().filter(|(name, _)| name == "boundary");
        let (Some((_, boundary)), None) = (boundaries.next(), boundaries.next()) else {
            return Err(MALFORMED);
        };
        // gcloud means them as quotes. By RFC 2046 they would be part of the boundary, which no client means.
        let boundary = boundary
            .strip_prefix('\'')
            .and_then(|rest| rest.strip_suffix('\''))
            .unwrap_or(boundary);
        match is_boundary(boundary) {
            true => Ok(Self(boundary.into())),
            false => Err(MALFORMED),
        }
    }
}

#[cfg(test)]
impl Boundary {
    pub(crate) fn for_test(text: &str) -> Self {
        Self(text.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boundaries_of_real_clients_are_read_and_others_refused() {
        let good = |content_type: &str, boundary: &str| {
            let read = Boundary::of_related(content_type).unwrap_or_else(|e| panic!("{content_type}: {e}"));
            assert_eq!(read.as_str(), boundary, "{content_type}");
        };
        // google-cloud-storage of Python, gcloud, gcsfs, the Go and the Java client.
        good(
            "multipart/related; boundary=\"===============1234567890123456789==\"",
            "===============1234567890123456789==",
        );
        good(
            "multipart/related; boundary='===============1234567890123456789=='",
            "===============1234567890123456789==",
        );
        good("multipart/related; boundary=\"==0==\"", "==0==");
        good("multipart/related; boundary=0a1b2c", "0a1b2c");
        good(
            "multipart/related; boundary=__END_OF_PART__a-b__",
            "__END_OF_PART__a-b__",
        );
        good("Multipart/Related;type=\"application/json\"; Boundary=x", "x");
        good("multipart/related; boundary=it's", "it's");
        for bad in [
            "",
            "multipart/related",
            "multipart/related; boundary=",
            "multipart/related; boundary=''",
            "multipart/related; boundary=\"a b \"",
            "multipart/related; boundary=a; boundary=a",
            "multipart/related; boundary=ä",
            "multipart/related; boundary=\"a",
            "multipart/related2; boundary=a",
            "multipart/mixed; boundary=a",
            "multipart/form-data; boundary=a",
            &format!("multipart/related; boundary={}", "b".repeat(71)),
        ] {
            let error = Boundary::of_related(bad);
            assert!(matches!(error, Err(PayloadError::Multipart(_))), "{bad}");
        }
        assert!(Boundary::of_mixed("multipart/mixed; boundary=a").is_ok());
        assert!(Boundary::of_mixed("multipart/related; boundary=a").is_err());
    }

    #[test]
    fn our_own_boundary_is_valid_and_never_the_same() {
        let one = Boundary::random().unwrap();
        assert!(is_boundary(one.as_str()));
        assert_ne!(one, Boundary::random().unwrap());
    }
}
