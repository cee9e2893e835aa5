//! A certificate authority for one machine. Its key stays in the development folder.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use std::{io, path::Path};

/// Makes certificates that only those who are told to will trust.
pub struct CertificateAuthority {
    certificate_pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl CertificateAuthority {
    /// Loads the authority from `dir`, or makes one there.
    ///
    /// # Errors
    /// Files that cannot be read or written, or that do not hold what they should.
    pub fn load_or_create(dir: &Path) -> io::Result<Self> {
        let (certificate, key) = (dir.join("ca.pem"), dir.join("ca.key"));
        if !certificate.exists() {
            std::fs::create_dir_all(dir)?;
            let pair = KeyPair::generate().map_err(io::Error::other)?;
            let made = authority_parameters()
                .self_signed(&pair)
                .map_err(io::Error::other)?;
            std::fs::write(&certificate, made.pem())?;
            super::serving::write_private(&key, pair.serialize_pem().as_bytes())?;
        }
        let certificate_pem = std::fs::read_to_string(&certificate)?;
        let pair = KeyPair::from_pem(&std::fs::read_to_string(&key)?).map_err(io::Error::other)?;
        Ok(Self {
            certificate_pem,
            issuer: Issuer::new(authority_parameters(), pair),
        })
    }

    /// The authority's certificate, for those who shall trust it.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// Writes a server certificate for `names` (host names or IP addresses) and its key.
    ///
    /// # Errors
    /// Names that no certificate can carry; files that cannot be written.
    pub fn issue(&self, names: &[&str], certificate: &Path, key: &Path) -> io::Result<()> {
        let pair = KeyPair::generate().map_err(io::Error::other)?;
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut parameters = CertificateParams::new(names).map_err(io::Error::other)?;
        parameters
            .distinguished_name
            .push(DnType::CommonName, "Tidegate development server");
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        parameters.use_authority_key_identifier_extension = true;
        let made = parameters
            .signed_by(&pair, &self.issuer)
            .map_err(io::Error::other)?;
        std::fs::write(certificate, made.pem())?;
        super::serving::write_private(key, pair.serialize_pem().as_bytes())
    }
}

fn authority_parameters() -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters
        .distinguished_name
        .push(DnType::CommonName, "Tidegate development CA");
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    parameters
}
