//! The line between the parts of a form, from `Content-Type`.

use super::super::error::S3Error;
use crate::dialect::multipart::{is_boundary, parameters};

/// `multipart/form-data` alone: other kinds of multipart have parts of another meaning.
const FORM: &str = "multipart/form-data";

/// What separates the parts: CRLF, two dashes and the boundary.
///
/// INVARIANT: the only carriage return in it is its first byte, as
/// [`Search`](crate::dialect::multipart::Search) needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Delimiter(Box<[u8]>);

impl Delimiter {
    /// Reads the boundary of a form's `Content-Type`.
    ///
    /// # Errors
    /// `PreconditionFailed` for another type, as at S3; `MalformedPOSTRequest` for a boundary that cannot be one.
    pub(super) fn of(content_type: &str) -> Result<Self, S3Error> {
        if !is_form(content_type) {
            return Err(S3Error::precondition_failed(
                "Bucket POST must be of the enclosure-type multipart/form-data",
            ));
        }
        let malformed = || {
            S3Error::malformed_post_request(
                "the Content-Type of a form needs one boundary of 1 to 70 letters, digits, spaces and `'()+_,-./:=?`",
            )
        };
        let (_, rest) = content_type.split_once(';').ok_or_else(malformed)?;
        let parameters = parameters(rest).ok_or_else(malformed)?;
        let mut boundaries = parameters.iter().filter(|(name, _)| name == "boundary");
        let (Some((_, boundary)), None) = (boundaries.next(), boundaries.next()) else {
            return Err(malformed());
        };
        if !is_boundary(boundary) {
            return Err(malformed());
        }
        Ok(Self(format!("\r\n--{boundary}").into_bytes().into()))
    }

    /// The whole delimiter.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// What a form begins with: the delimiter without the line end that is before all others.
    pub(super) fn first(&self) -> &[u8] {
        self.0.get(2..).unwrap_or_default()
    }

    /// What a form ends with.
    pub(super) fn closing(&self) -> Box<[u8]> {
        [&*self.0, b"--\r\n"].concat().into()
    }
}

/// Whether a `Content-Type` is that of a form.
pub(super) fn is_form(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case(FORM)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boundary_is_read_strictly() {
        let good = |content_type: &str, boundary: &str| {
            let delimiter = Delimiter::of(content_type).unwrap();
            assert_eq!(
                delimiter.bytes(),
                format!("\r\n--{boundary}").as_bytes(),
                "{content_type}"
            );
            assert_eq!(delimiter.first(), format!("--{boundary}").as_bytes());
        };
        good("multipart/form-data; boundary=x", "x");
        good("Multipart/Form-Data;boundary=x", "x");
        good("multipart/form-data; charset=utf-8; boundary=\"a b:c\"", "a b:c");
        good("multipart/form-data; boundary=----=_Part_1(2)", "----=_Part_1(2)");
        good("multipart/form-data; BOUNDARY=x ; a=\"b;boundary=y\"", "x");
        let seventy = "b".repeat(70);
        good(&format!("multipart/form-data; boundary={seventy}"), &seventy);

        let bad = |content_type: &str, code: &str| {
            assert_eq!(
                Delimiter::of(content_type).unwrap_err().code,
                code,
                "{content_type}"
            );
        };
        for other in [
            "",
            "text/plain",
            "multipart/mixed; boundary=x",
            "multipart/form-data2; boundary=x",
        ] {
            bad(other, "PreconditionFailed");
        }
        for malformed in [
            "multipart/form-data",
            "multipart/form-data;",
            "multipart/form-data; boundary",
            "multipart/form-data; boundary=",
            "multipart/form-data; boundary=\"\"",
            "multipart/form-data; boundary=\"x",
            "multipart/form-data; boundary=\"x \"",
            "multipart/form-data; boundary=\"x\ty\"",
            "multipart/form-data; boundary=a;boundary=b",
            "multipart/form-data; boundary=ä",
            "multipart/form-data; boundary=a*b",
            &format!("multipart/form-data; boundary={seventy}b"),
        ] {
            bad(malformed, "MalformedPOSTRequest");
        }
    }
}
