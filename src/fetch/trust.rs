//! Whose certificates are believed.

use super::FetchError;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use std::path::Path;
use std::sync::Arc;

/// What a TLS client of ours trusts: `ca` alone, or the machine's roots without one. No ALPN.
///
/// # Errors
/// [`FetchError::Ca`] or [`FetchError::NoRoots`].
pub(crate) fn tls_client_config(ca: Option<&Path>) -> Result<rustls::ClientConfig, FetchError> {
    let mut roots = rustls::RootCertStore::empty();
    match ca {
        Some(path) => add_certificates(&mut roots, path)?,
        // A bundle may hold a few certificates that nobody can use; one that can be used is enough.
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    client_config(roots)
}

/// Adds all of the certificates in a file, of which there is at least one.
pub(super) fn add_certificates(roots: &mut rustls::RootCertStore, path: &Path) -> Result<(), FetchError> {
    let unreadable = |cause: String| FetchError::Ca {
        path: path.to_owned(),
        cause,
    };
    let mut found = false;
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| unreadable(error.to_string()))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| unreadable(error.to_string()))?;
        roots
            .add(certificate)
            .map_err(|error| unreadable(error.to_string()))?;
        found = true;
    }
    if found {
        Ok(())
    } else {
        Err(unreadable("it contains no certificate".to_owned()))
    }
}

pub(super) fn client_config(roots: rustls::RootCertStore) -> Result<rustls::ClientConfig, FetchError> {
    if roots.is_empty() {
        return Err(FetchError::NoRoots);
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions =
        rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = versions.map_err(|_| FetchError::NoRoots)?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
