//! Sums over the payload, updated while it passes: each algorithm runs once, however often it was declared, and not
//! at all if everything that needs it is left to the target.

use crate::operation::{ChecksumAlgorithm, Declaration, DeclaredPayload, Enforced};
use aws_lc_rs::digest;
use crc_fast::CrcAlgorithm;
use md5::{Digest as _, Md5};

/// The running sums that one payload needs.
pub(crate) struct Sums(Vec<(ChecksumAlgorithm, Sum)>);

enum Sum {
    Crc32(crc_fast::Digest),
    Crc64(crc_fast::Digest),
    Sha(digest::Context),
    Md5(Md5),
}

impl Sums {
    /// Everything that was declared and is not `left` to the target, and `extra` for what is sent on. What cannot be
    /// computed has no sum, and so never matches.
    pub(crate) fn new(declared: &DeclaredPayload, left: Enforced, extra: Option<ChecksumAlgorithm>) -> Self {
        let ours = declared
            .declarations()
            .filter(|declaration| !left.holds(*declaration));
        let algorithms = ours.map(|declaration| match declaration {
            Declaration::Literal => ChecksumAlgorithm::Sha256,
            Declaration::Header(algorithm) | Declaration::Trailer(algorithm) => algorithm,
        });
        let mut sums: Vec<(ChecksumAlgorithm, Sum)> = Vec::new();
        for algorithm in algorithms.chain(extra) {
            if !sums.iter().any(|(known, _)| *known == algorithm) {
                sums.extend(Sum::new(algorithm).map(|sum| (algorithm, sum)));
            }
        }
        Self(sums)
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        for (_, sum) in &mut self.0 {
            match sum {
                Sum::Crc32(crc) | Sum::Crc64(crc) => crc.update(bytes),
                Sum::Sha(sha) => sha.update(bytes),
                Sum::Md5(md5) => md5.update(bytes),
            }
        }
    }

    /// The sum of everything so far; `None` if it was not among those asked for.
    pub(crate) fn value(&self, algorithm: ChecksumAlgorithm) -> Option<Vec<u8>> {
        let (_, sum) = self.0.iter().find(|(known, _)| *known == algorithm)?;
        Some(match sum {
            // The CRC is right-aligned in 64 bits; on the wire it is big-endian at its own width.
            Sum::Crc32(crc) => (crc.finalize() as u32).to_be_bytes().to_vec(),
            Sum::Crc64(crc) => crc.finalize().to_be_bytes().to_vec(),
            Sum::Sha(sha) => sha.clone().finish().as_ref().to_vec(),
            Sum::Md5(md5) => md5.clone().finalize().to_vec(),
        })
    }
}

impl Sum {
    fn new(algorithm: ChecksumAlgorithm) -> Option<Self> {
        Some(match algorithm {
            ChecksumAlgorithm::Crc32 => Self::Crc32(crc_fast::Digest::new(CrcAlgorithm::Crc32IsoHdlc)),
            ChecksumAlgorithm::Crc32c => Self::Crc32(crc_fast::Digest::new(CrcAlgorithm::Crc32Iscsi)),
            ChecksumAlgorithm::Crc64Nvme => Self::Crc64(crc_fast::Digest::new(CrcAlgorithm::Crc64Nvme)),
            ChecksumAlgorithm::Sha1 => Self::Sha(digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY)),
            ChecksumAlgorithm::Sha256 => Self::Sha(digest::Context::new(&digest::SHA256)),
            ChecksumAlgorithm::Sha512 => Self::Sha(digest::Context::new(&digest::SHA512)),
            ChecksumAlgorithm::Md5 | ChecksumAlgorithm::AmzMd5 => Self::Md5(Md5::new()),
            ChecksumAlgorithm::XxHash64 | ChecksumAlgorithm::XxHash3 | ChecksumAlgorithm::XxHash128 => {
                return None;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::PayloadMode;
    use data_encoding::HEXLOWER;

    // The check values of the CRC catalogue, and of FIPS 180 and RFC 1321, over `123456789`.
    #[test]
    fn every_algorithm_gives_its_published_check_value() {
        for (algorithm, expected) in [
            (ChecksumAlgorithm::Crc32, "cbf43926"),
            (ChecksumAlgorithm::Crc32c, "e3069283"),
            (ChecksumAlgorithm::Crc64Nvme, "ae8b14860a799888"),
            (
                ChecksumAlgorithm::Sha1,
                "f7c3bc1d808e04732adf679965ccc34ca7ae3441",
            ),
            (
                ChecksumAlgorithm::Sha256,
                "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
            ),
            (
                ChecksumAlgorithm::Sha512,
                "d9e6762dd1c8eaf6d61b3c6192fc408d4d6d5f1176d0c29169bc24e71c3f274a\
                 d27fcd5811b313d681f7e55ec02d73d499c95455b6b5bb503acf574fba8ffe85",
            ),
            (ChecksumAlgorithm::Md5, "25f9e794323b453885f5181f1b624d0b"),
            (ChecksumAlgorithm::AmzMd5, "25f9e794323b453885f5181f1b624d0b"),
        ] {
            let mut sums = Sums::new(&DeclaredPayload::none(), Enforced::NONE, Some(algorithm));
            sums.update(b"1234");
            sums.update(b"56789");
            let value = sums.value(algorithm).unwrap();
            assert_eq!(value.len(), algorithm.length());
            assert_eq!(HEXLOWER.encode(&value), expected, "{algorithm:?}");
        }
    }

    #[test]
    fn an_algorithm_runs_once_however_often_it_is_declared() {
        let declared = DeclaredPayload {
            mode: PayloadMode::Literal([0; 32]),
            trailer: Some(ChecksumAlgorithm::Sha256),
            ..DeclaredPayload::none()
        };
        let sums = |left| {
            Sums::new(&declared, left, Some(ChecksumAlgorithm::Sha256))
                .0
                .len()
        };
        assert_eq!(sums(Enforced::NONE), 1);
        let left = |left| Sums::new(&declared, left, None).0.len();
        assert_eq!(
            left(Enforced::NONE.with(Declaration::Literal)),
            1,
            "the trailer needs it"
        );
        assert_eq!(left(Enforced::by_s3()), 0);
    }

    #[test]
    fn exactly_the_algorithms_that_say_so_are_computed() {
        for algorithm in ChecksumAlgorithm::AMZ.into_iter().chain([ChecksumAlgorithm::Md5]) {
            assert_eq!(
                Sum::new(algorithm).is_some(),
                algorithm.is_computed(),
                "{algorithm:?}"
            );
        }
    }
}
