//! What a canary found, for the log, for `tidegate check` and for the requests that follow.

use super::Understanding;
use crate::config::Profile;
use crate::operation::{ChecksumAlgorithm, Declaration, Enforced};
use std::fmt;

/// What became of a checksum in a trailer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trailers {
    /// The object has the right bytes.
    Understood,
    /// The framing became part of the object: with profile `aws` every upload of that kind would be damaged.
    StoredAsData,
    /// They are refused, with this answer.
    Refused(String),
}

/// What became of `If-None-Match: *` on a key that was there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Conditions {
    /// The object stayed as it was.
    Honoured,
    /// The object was overwritten.
    Ignored,
    /// Such requests are refused, with this answer.
    Refused(String),
}

/// Everything that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) trailers: Trailers,
    /// Whether an upload with a right `x-amz-checksum-crc32` is taken.
    pub(crate) checksums: bool,
    pub(crate) conditions: Conditions,
    pub(crate) enforces: Enforced,
    /// Keys that could not be deleted.
    pub(crate) left_behind: Vec<String>,
}

impl Finding {
    /// What follows for requests.
    pub(crate) fn understanding(&self) -> Understanding {
        match (&self.trailers, self.checksums) {
            (Trailers::Understood, true) => Understanding {
                profile: Profile::Aws,
                enforces: self.enforces,
            },
            (Trailers::Understood | Trailers::StoredAsData | Trailers::Refused(_), _) => {
                Understanding::of(Profile::Plain)
            }
        }
    }

    /// What callers of S3 may count on and this target does not enforce, as names of headers.
    pub(crate) fn unenforced(&self) -> Vec<&'static str> {
        let expected = [
            (Declaration::Literal, "x-amz-content-sha256"),
            (Declaration::Header(ChecksumAlgorithm::Md5), "content-md5"),
            (Declaration::Header(ChecksumAlgorithm::Crc32), "x-amz-checksum-*"),
            (Declaration::Trailer(ChecksumAlgorithm::Crc32), "x-amz-trailer"),
        ];
        let missing = expected
            .into_iter()
            .filter(|(declaration, _)| !self.enforces.holds(*declaration));
        missing.map(|(_, name)| name).collect()
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "profile `{}`: ", self.understanding().profile.name())?;
        match &self.trailers {
            Trailers::Understood => f.write_str("checksums in trailers are understood")?,
            Trailers::StoredAsData => f.write_str("the framing of trailers is stored as if it were data")?,
            Trailers::Refused(answer) => write!(f, "trailers are refused ({answer})")?,
        }
        if !self.checksums {
            f.write_str(", checksums in headers are refused")?;
        }
        match self.unenforced().as_slice() {
            [] => f.write_str("; wrong checksums are refused")?,
            missing => write!(f, "; not enforced: {}", missing.join(", "))?,
        }
        match &self.conditions {
            Conditions::Honoured => f.write_str("; `If-None-Match` is honoured"),
            Conditions::Ignored => f.write_str("; `If-None-Match` is ignored: conditional uploads overwrite"),
            Conditions::Refused(answer) => write!(f, "; `If-None-Match` is refused ({answer})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_like_aws_if_it_understands_headers_and_trailers() {
        let mut finding = Finding {
            trailers: Trailers::Understood,
            checksums: true,
            conditions: Conditions::Honoured,
            enforces: Enforced::by_s3(),
            left_behind: Vec::new(),
        };
        assert_eq!(finding.understanding(), Understanding::of(Profile::Aws));
        assert_eq!(
            finding.to_string(),
            "profile `aws`: checksums in trailers are understood; wrong checksums are refused; `If-None-Match` is honoured"
        );
        finding.enforces = Enforced::NONE;
        assert_eq!(finding.understanding().enforces, Enforced::NONE);
        finding.checksums = false;
        assert_eq!(finding.understanding(), Understanding::of(Profile::Plain));
        finding.checksums = true;
        for trailers in [Trailers::StoredAsData, Trailers::Refused("400".into())] {
            finding.trailers = trailers;
            assert_eq!(finding.understanding(), Understanding::of(Profile::Plain));
        }
        finding.conditions = Conditions::Ignored;
        assert_eq!(
            finding.to_string(),
            "profile `plain`: trailers are refused (400); not enforced: x-amz-content-sha256, content-md5, \
             x-amz-checksum-*, x-amz-trailer; `If-None-Match` is ignored: conditional uploads overwrite"
        );
    }
}
