//! TLS towards callers: which versions and ciphers, and a certificate that can be replaced while serving.
//!
//! A certificate that cannot be used never replaces one that can: reloading either succeeds in full or changes
//! nothing and says which file is wrong.

use crate::config::Server;
use arc_swap::ArcSwap;
use rustls::{
    CipherSuite, InconsistentKeys, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
    server::{ClientHello, NoServerSessionStorage, ResolvesServerCert},
    sign::CertifiedKey,
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// Why TLS cannot be served with these files.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read or is not PEM.
    #[error("cannot read `{path}` as PEM")]
    Pem {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: pem::Error,
    },
    /// No certificate.
    #[error("`{path}` holds no certificate, it must hold the chain with the server's own certificate first")]
    NoCertificate {
        /// Which file.
        path: PathBuf,
    },
    /// No private key.
    #[error("`{path}` holds no private key (PKCS#8, PKCS#1 or SEC1, not encrypted)")]
    NoKey {
        /// Which file.
        path: PathBuf,
    },
    /// A key that cannot sign.
    #[error(
        "the private key in `{path}` cannot be used, it must be RSA (2048 bits or more), ECDSA or Ed25519"
    )]
    Key {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls::Error,
    },
    /// A certificate that does not parse.
    #[error("certificate {number} in `{path}` is not a valid X.509 certificate")]
    Certificate {
        /// Which file.
        path: PathBuf,
        /// Which one in it, counted from 1.
        number: usize,
        /// Why.
        #[source]
        source: rustls::Error,
    },
    /// Two halves of different pairs.
    #[error("the private key in `{key}` does not belong to the first certificate in `{certificate}`")]
    Mismatch {
        /// The chain.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
    },
    /// rustls does not take the settings.
    #[error("cannot set up TLS")]
    Setup(#[source] rustls::Error),
}

/// The server's certificate and key, as files and as they are in use.
#[derive(Debug)]
pub struct CertificateStore {
    certificate: PathBuf,
    key: PathBuf,
    provider: Arc<CryptoProvider>,
    current: ArcSwap<CertifiedKey>,
}

impl CertificateStore {
    /// Loads the files that `server` names.
    ///
    /// # Errors
    /// [`TlsError`] names the file and what is wrong with it.
    pub fn load(server: &Server) -> Result<Self, TlsError> {
        let provider = Arc::new(provider());
        let current = load(&server.certificate, &server.key, &provider)?;
        Ok(Self {
            certificate: server.certificate.clone(),
            key: server.key.clone(),
            provider,
            current: ArcSwap::from_pointee(current),
        })
    }

    /// Reads the files again. New connections get the new certificate, open ones are not touched.
    ///
    /// # Errors
    /// [`TlsError`]; then the certificate that was in use stays.
    pub fn reload(&self) -> Result<(), TlsError> {
        let fresh = load(&self.certificate, &self.key, &self.provider)?;
        self.current.store(Arc::new(fresh));
        Ok(())
    }

    /// The settings of the listener: TLS 1.2 and 1.3, authenticated ciphers with forward secrecy only, tickets,
    /// no early data, HTTP/2 and HTTP/1.1.
    ///
    /// # Errors
    /// [`TlsError::Setup`] if there is no randomness for ticket keys.
    pub(super) fn server_config(self: &Arc<Self>) -> Result<ServerConfig, TlsError> {
        let mut config = ServerConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Setup)?
            .with_no_client_auth()
            .with_cert_resolver(self.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // Our order counts, not the caller's.
        config.ignore_client_order = true;
        // Tickets carry the session, so there is nothing to keep here; early data could be replayed.
        config.ticketer = aws_lc_rs::Ticketer::new().map_err(TlsError::Setup)?;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.max_early_data_size = 0;
        Ok(config)
    }
}

impl ResolvesServerCert for CertificateStore {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

/// Checks the files that `server` names, without serving them.
///
/// # Errors
/// [`TlsError`] names the file and what is wrong with it.
pub fn validate(server: &Server) -> Result<(), TlsError> {
    load(&server.certificate, &server.key, &provider()).map(drop)
}

/// aws-lc-rs with its suites, all of them AEAD and ephemeral, those with AES-128 first: measured 0.84 to 1.0 of the
/// time of AES-256.
fn provider() -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites.sort_by_key(|suite| match suite.suite() {
        CipherSuite::TLS13_AES_128_GCM_SHA256 => 0,
        CipherSuite::TLS13_AES_256_GCM_SHA384 => 1,
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => 2,
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
        | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => 3,
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
        | CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 => 4,
        _ => 5,
    });
    provider
}

fn load(certificate: &Path, key: &Path, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    let chain = read_chain(certificate)?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|source| match source {
        pem::Error::NoItemsFound => TlsError::NoKey { path: key.into() },
        source => TlsError::Pem {
            path: key.into(),
            source,
        },
    })?;
    let signer = provider
        .key_provider
        .load_private_key(private)
        .map_err(|source| TlsError::Key {
            path: key.into(),
            source,
        })?;
    let certified = CertifiedKey::new(chain, signer);
    match certified.keys_match() {
        // A key that cannot show its public half cannot be compared.
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
        Err(rustls::Error::InconsistentKeys(_)) => Err(TlsError::Mismatch {
            certificate: certificate.into(),
            key: key.into(),
        }),
        Err(source) => Err(TlsError::Certificate {
            path: certificate.into(),
            number: 1,
            source,
        }),
    }
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = |source| match source {
        pem::Error::NoItemsFound => TlsError::NoCertificate { path: path.into() },
        source => TlsError::Pem {
            path: path.into(),
            source,
        },
    };
    let chain: Vec<_> = CertificateDer::pem_file_iter(path)
        .map_err(pem)?
        .collect::<Result<_, _>>()
        .map_err(pem)?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate { path: path.into() });
    }
    for (index, certificate) in chain.iter().enumerate() {
        rustls::server::ParsedCertificate::try_from(certificate).map_err(|source| TlsError::Certificate {
            path: path.into(),
            number: index + 1,
            source,
        })?;
    }
    Ok(chain)
}
