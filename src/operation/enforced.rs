//! Who holds a payload against what its caller declared: the set of declarations that a target enforces.

use super::ChecksumAlgorithm;

/// Something that a caller says about its payload and that can be held against it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Declaration {
    /// The SHA-256 in `x-amz-content-sha256`.
    Literal,
    /// A checksum in a header.
    Header(ChecksumAlgorithm),
    /// A checksum in a trailer.
    Trailer(ChecksumAlgorithm),
}

/// The declarations that a target holds a payload against by itself: one that does not hold makes no object there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Enforced {
    literal: bool,
    headers: bool,
    trailers: bool,
    /// One bit for each algorithm.
    algorithms: u16,
}

impl Enforced {
    /// None: everything is verified on the way.
    pub const NONE: Self = Self {
        literal: false,
        headers: false,
        trailers: false,
        algorithms: 0,
    };

    /// What S3 enforced for years, and stores that are like it do.
    pub fn by_s3() -> Self {
        use ChecksumAlgorithm::{Crc32, Crc32c, Crc64Nvme, Md5, Sha1, Sha256};
        let headers = [Crc32, Crc32c, Crc64Nvme, Md5, Sha1, Sha256].map(Declaration::Header);
        headers
            .into_iter()
            .chain([Declaration::Literal, Declaration::Trailer(Crc32)])
            .fold(Self::NONE, Self::with)
    }

    /// The same and one more. Trailers are enforced for every algorithm that is enforced in headers.
    pub fn with(mut self, declaration: Declaration) -> Self {
        match declaration {
            Declaration::Literal => self.literal = true,
            Declaration::Header(algorithm) => {
                self.headers = true;
                self.algorithms |= algorithm.bit();
            }
            Declaration::Trailer(_) => self.trailers = true,
        }
        self
    }

    /// Whether it is among them.
    pub fn holds(self, declaration: Declaration) -> bool {
        match declaration {
            Declaration::Literal => self.literal,
            Declaration::Header(algorithm) => self.headers && self.knows(algorithm),
            Declaration::Trailer(algorithm) => self.trailers && self.knows(algorithm),
        }
    }

    /// Those of them that are about a framed payload: what a target does with headers beside a trailer is not known.
    pub fn of_framed(self) -> Self {
        Self {
            literal: false,
            headers: false,
            ..self
        }
    }

    /// Those of them that Tidegate cannot verify.
    pub fn beyond_us(self) -> Self {
        let kept = ChecksumAlgorithm::AMZ.into_iter().filter(|a| !a.is_computed());
        Self {
            literal: false,
            headers: self.headers,
            trailers: self.trailers,
            algorithms: kept.fold(0, |bits, algorithm| bits | algorithm.bit()) & self.algorithms,
        }
    }

    fn knows(self, algorithm: ChecksumAlgorithm) -> bool {
        self.algorithms & algorithm.bit() != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trailer_is_enforced_where_trailers_are_and_its_algorithm_is() {
        use ChecksumAlgorithm::{Crc32, XxHash3};
        let headers = Enforced::NONE.with(Declaration::Header(Crc32));
        assert!(headers.holds(Declaration::Header(Crc32)));
        assert!(!headers.holds(Declaration::Trailer(Crc32)));
        let both = headers.with(Declaration::Trailer(Crc32));
        assert!(both.holds(Declaration::Trailer(Crc32)));
        assert!(!both.holds(Declaration::Trailer(XxHash3)));
        assert!(!both.holds(Declaration::Literal));
        assert!(Enforced::by_s3().holds(Declaration::Literal));
        assert!(!Enforced::by_s3().holds(Declaration::Header(XxHash3)));
        assert!(!Enforced::by_s3().beyond_us().holds(Declaration::Header(Crc32)));
        let framed = Enforced::by_s3().of_framed();
        assert!(framed.holds(Declaration::Trailer(Crc32)));
        assert!(!framed.holds(Declaration::Header(Crc32)) && !framed.holds(Declaration::Literal));
        let newer = Enforced::by_s3().with(Declaration::Header(XxHash3));
        assert!(newer.beyond_us().holds(Declaration::Trailer(XxHash3)));
    }
}
