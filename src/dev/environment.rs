//! The folder of a development environment: made once, reused afterwards, never reset.
//!
//! Everything that lets somebody in is in here: the key of the certificate authority, the key that signs identity
//! tokens, the store's key pair, the tokens themselves. So the folder is its owner's alone, each of those files too,
//! and it keeps itself out of Git. What the user may have changed is written only where it is missing.

use super::{
    CertificateAuthority, DevError, IdentityProvider, StoreKeys, configuration::Configuration, serving,
};
use crate::authn::KeyRing;
use crate::clock::Clock;
use aws_lc_rs::rand;
use data_encoding::{BASE32_NOPAD, BASE64, BASE64URL_NOPAD};
use std::{
    fs::{self, File, TryLockError},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

/// The folder, and the right to serve from it: nobody else has it until this is dropped.
pub(super) struct Environment {
    folder: Folder,
    authority: CertificateAuthority,
    provider: IdentityProvider,
    store_keys: StoreKeys,
    google_token: String,
    made: bool,
    _lock: File,
}

/// Where things are in the folder.
#[derive(Clone, Debug)]
pub(super) struct Folder(PathBuf);

impl Environment {
    /// Takes the folder `dir`, and makes what is missing in it.
    ///
    /// # Errors
    /// A folder that somebody else serves from, or files that cannot be made or read.
    pub(super) fn open_or_make(dir: &Path, clock: &Clock) -> Result<Self, DevError> {
        make_folder(dir)?;
        let folder = Folder(fs::canonicalize(dir).map_err(DevError::file(dir))?);
        let lock = lock(&folder)?;
        let made = !folder.configuration().exists();
        for part in [
            "certs", "secrets", "policies", "store", "google", "audit", "tokens",
        ] {
            make_folder(&folder.path(part))?;
        }
        write_missing(&folder.path(".gitignore"), "*\n")?;
        let authority = make_certificates(&folder)?;
        let identities = folder.path("idp");
        let provider = IdentityProvider::load_or_create(&identities).map_err(DevError::file(identities))?;
        let store_keys = make_store_keys(&folder)?;
        let google_token = make_google_token(&folder)?;
        let ring = folder.path("secrets/session-keys.toml");
        if !ring.exists() {
            KeyRing::create(&ring, clock).map_err(|error| DevError::KeyRing(Box::new(error)))?;
        }
        make_policies(&folder)?;
        make_objects(&folder)?;
        Ok(Self {
            folder,
            authority,
            provider,
            store_keys,
            google_token,
            made,
            _lock: lock,
        })
    }

    pub(super) fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Whether this is its first start.
    pub(super) fn is_new(&self) -> bool {
        self.made
    }

    pub(super) fn authority(&self) -> &CertificateAuthority {
        &self.authority
    }

    pub(super) fn provider(&self) -> &IdentityProvider {
        &self.provider
    }

    pub(super) fn store_keys(&self) -> &StoreKeys {
        &self.store_keys
    }

    /// The token that opens the store which speaks Google's protocols.
    pub(super) fn google_token(&self) -> &str {
        &self.google_token
    }
}

impl Folder {
    /// The folder of an environment that is there already, served or not.
    ///
    /// # Errors
    /// [`DevError::Missing`], or an identity provider that cannot be read.
    pub(super) fn existing(dir: &Path) -> Result<(Self, Configuration, IdentityProvider), DevError> {
        let missing = || DevError::Missing(dir.to_owned());
        let folder = Self(fs::canonicalize(dir).map_err(|_| missing())?);
        let configuration = Configuration::read(folder.configuration())?.ok_or_else(missing)?;
        let identities = folder.path("idp");
        if !identities.join("signing.key").exists() {
            return Err(missing());
        }
        let provider = IdentityProvider::load_or_create(&identities).map_err(DevError::file(identities))?;
        Ok((folder, configuration, provider))
    }

    /// A file or folder in it; absolute.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(super) fn root(&self) -> &Path {
        &self.0
    }

    pub(super) fn configuration(&self) -> PathBuf {
        self.path("tidegate.toml")
    }

    /// The certificate that callers must trust.
    pub(super) fn ca(&self) -> PathBuf {
        self.path("ca/ca.pem")
    }

    /// Where the identity provider's certificate and key are.
    pub(super) fn identity_provider(&self) -> PathBuf {
        self.path("idp")
    }

    /// The store's root: a folder for each bucket.
    pub(super) fn store(&self) -> PathBuf {
        self.path("store")
    }

    /// The root of the store that speaks Google's protocols.
    pub(super) fn google(&self) -> PathBuf {
        self.path("google")
    }

    /// The file that has a fresh token of a sample identity in it.
    pub(super) fn token(&self, name: &str) -> PathBuf {
        self.0.join("tokens").join(format!("{name}.jwt"))
    }

    /// Whether the policy of `bucket` is no longer the one that came with the environment.
    pub(super) fn policy_was_edited(&self, bucket: &str) -> bool {
        let shipped = POLICIES.iter().find(|(name, _)| *name == bucket);
        let path = self.0.join("policies").join(format!("{bucket}.cedar"));
        shipped.is_none_or(|(_, text)| fs::read_to_string(path).map_or(true, |found| found != *text))
    }
}

/// The policies of a new environment, by bucket.
const POLICIES: [(&str, &str); 3] = [
    ("lake", include_str!("samples/lake.cedar")),
    ("backups", include_str!("samples/backups.cedar")),
    ("models", include_str!("samples/models.cedar")),
];

/// The bucket at the store that speaks Google's protocols.
pub(super) const GOOGLE_BUCKET: &str = "acme-models";
/// Its objects: name, type and content.
pub(super) const GOOGLE_OBJECTS: [(&str, &str, &str); 1] = [(
    "released/iris.json",
    "application/json",
    include_str!("samples/iris.json"),
)];

/// The objects of a new environment: the bucket's name at the store, key and content.
const OBJECTS: [(&str, &[(&str, &str)]); 2] = [
    (
        "lake",
        &[
            ("raw/orders.csv", include_str!("samples/orders.csv")),
            ("raw/welcome.txt", include_str!("samples/welcome.txt")),
        ],
    ),
    ("backups", &[]),
];

/// Names that the server's certificate is for. Some TLS libraries match no wildcard right under a top-level name, so
/// the sample buckets are listed for virtual-host addressing.
const SERVER_NAMES: [&str; 7] = [
    "localhost",
    "lake.localhost",
    "backups.localhost",
    "models.localhost",
    "*.localhost",
    "127.0.0.1",
    "::1",
];

fn lock(folder: &Folder) -> Result<File, DevError> {
    let path = folder.path(".lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(DevError::file(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(DevError::Busy(folder.root().to_owned())),
        Err(TryLockError::Error(error)) => Err(DevError::file(path)(error)),
    }
}

fn make_certificates(folder: &Folder) -> Result<CertificateAuthority, DevError> {
    let (certificate, key) = (folder.path("certs/server.pem"), folder.path("certs/server.key"));
    // A certificate of an authority that is gone is trusted by nobody.
    let is_served = folder.ca().exists() && certificate.exists() && key.exists();
    let dir = folder.path("ca");
    let authority = CertificateAuthority::load_or_create(&dir).map_err(DevError::file(dir))?;
    if !is_served {
        let issued = authority.issue(&SERVER_NAMES, &certificate, &key);
        issued.map_err(DevError::file(certificate))?;
    }
    Ok(authority)
}

/// The store's only key pair, random. The configuration refers to these two files.
fn make_store_keys(folder: &Folder) -> Result<StoreKeys, DevError> {
    let (id, secret) = (
        folder.path("secrets/store-access-key-id"),
        folder.path("secrets/store-secret-access-key"),
    );
    if !(id.exists() && secret.exists()) {
        let mut random = [0; 40];
        rand::fill(&mut random).map_err(|_| DevError::file(&secret)(io::Error::other("no randomness")))?;
        let (first, second) = random.split_at(10);
        serving::replace_private(&id, format!("TGDV{}\n", BASE32_NOPAD.encode(first)).as_bytes())
            .map_err(DevError::file(&id))?;
        serving::replace_private(&secret, format!("{}\n", BASE64.encode(second)).as_bytes())
            .map_err(DevError::file(&secret))?;
    }
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).map_err(DevError::file(path))?;
        Ok::<_, DevError>(text.trim_end().to_owned())
    };
    Ok(StoreKeys {
        access_key_id: read(id)?,
        secret_access_key: read(secret)?,
    })
}

/// The only token of the store that speaks Google's protocols, random. The configuration refers to this file.
fn make_google_token(folder: &Folder) -> Result<String, DevError> {
    let path = folder.path("secrets/google-token");
    if !path.exists() {
        let mut random = [0; 30];
        rand::fill(&mut random).map_err(|_| DevError::file(&path)(io::Error::other("no randomness")))?;
        let token = format!("tgdv.{}\n", BASE64URL_NOPAD.encode(&random));
        serving::replace_private(&path, token.as_bytes()).map_err(DevError::file(&path))?;
    }
    let token = fs::read_to_string(&path).map_err(DevError::file(path))?;
    Ok(token.trim_end().to_owned())
}

fn make_policies(folder: &Folder) -> Result<(), DevError> {
    for (bucket, text) in POLICIES {
        write_missing(&folder.path(&format!("policies/{bucket}.cedar")), text)?;
    }
    Ok(())
}

/// Only in a bucket that is not there: what was deleted stays deleted.
fn make_objects(folder: &Folder) -> Result<(), DevError> {
    for (bucket, objects) in OBJECTS {
        let bucket = folder.store().join(bucket);
        if bucket.exists() {
            continue;
        }
        make_folder(&bucket)?;
        for (key, content) in objects {
            let path = bucket.join(key);
            if let Some(parent) = path.parent() {
                make_folder(parent)?;
            }
            write_missing(&path, content)?;
        }
    }
    Ok(())
}

fn make_folder(path: &Path) -> Result<(), DevError> {
    let mut builder = fs::DirBuilder::new();
    let made = builder.recursive(true).mode(0o700).create(path);
    made.map_err(DevError::file(path))
}

/// Writes a file that nobody may find half-written, unless there is one.
fn write_missing(path: &Path, content: &str) -> Result<(), DevError> {
    if path.exists() {
        return Ok(());
    }
    serving::replace_private(path, content.as_bytes()).map_err(DevError::file(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn clock() -> Clock {
        Clock::fixed("2026-11-20T10:00:00Z".parse().unwrap())
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn everything_is_made_and_what_opens_doors_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("deep/tidegate-dev");
        let environment = Environment::open_or_make(&root, &clock()).unwrap();
        assert!(environment.is_new());
        for file in [
            "ca/ca.pem",
            "certs/server.pem",
            "policies/lake.cedar",
            "policies/backups.cedar",
            "policies/models.cedar",
            "google",
            "store/lake/raw/orders.csv",
            "store/backups",
        ] {
            assert!(root.join(file).exists(), "{file}");
        }
        assert_eq!(mode(&root), 0o700);
        for file in [
            "ca/ca.key",
            "certs/server.key",
            "idp/signing.key",
            "secrets/session-keys.toml",
            "secrets/store-access-key-id",
            "secrets/store-secret-access-key",
            "secrets/google-token",
        ] {
            assert_eq!(mode(&root.join(file)), 0o600, "{file}");
        }
        assert_eq!(fs::read_to_string(root.join(".gitignore")).unwrap(), "*\n");
        let keys = environment.store_keys();
        assert_eq!((keys.access_key_id.len(), keys.secret_access_key.len()), (20, 40));
    }

    #[test]
    fn a_second_start_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let files = [
            "ca/ca.pem",
            "certs/server.pem",
            "idp/signing.key",
            "policies/lake.cedar",
            "secrets/session-keys.toml",
            "secrets/store-secret-access-key",
            "secrets/google-token",
        ];
        let content = || files.map(|file| fs::read(dir.path().join(file)).unwrap());
        drop(Environment::open_or_make(dir.path(), &clock()).unwrap());
        fs::write(dir.path().join("policies/lake.cedar"), "// mine").unwrap();
        fs::remove_file(dir.path().join("store/lake/raw/orders.csv")).unwrap();
        let before = content();
        let again = Environment::open_or_make(dir.path(), &clock()).unwrap();
        assert_eq!(content(), before);
        assert!(!dir.path().join("store/lake/raw/orders.csv").exists());
        assert!(again.folder().policy_was_edited("lake"));
        assert!(!again.folder().policy_was_edited("backups"));
    }

    #[test]
    fn a_new_authority_issues_a_new_server_certificate() {
        let dir = tempfile::tempdir().unwrap();
        drop(Environment::open_or_make(dir.path(), &clock()).unwrap());
        let before = fs::read(dir.path().join("certs/server.pem")).unwrap();
        fs::remove_dir_all(dir.path().join("ca")).unwrap();
        drop(Environment::open_or_make(dir.path(), &clock()).unwrap());
        assert_ne!(fs::read(dir.path().join("certs/server.pem")).unwrap(), before);
    }

    #[test]
    fn two_cannot_serve_from_one_folder() {
        let dir = tempfile::tempdir().unwrap();
        let first = Environment::open_or_make(dir.path(), &clock()).unwrap();
        let second = Environment::open_or_make(dir.path(), &clock());
        assert!(matches!(second.err(), Some(DevError::Busy(_))));
        drop(first);
        assert!(Environment::open_or_make(dir.path(), &clock()).is_ok());
    }

    #[test]
    fn an_environment_that_was_never_served_is_missing() {
        let dir = tempfile::tempdir().unwrap();
        for missing in [dir.path().join("nowhere"), dir.path().to_owned()] {
            let error = Folder::existing(&missing).err().unwrap();
            assert!(error.to_string().contains("run `tidegate dev` first"), "{error}");
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
