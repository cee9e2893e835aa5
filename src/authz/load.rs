//! Loading: from a file per bucket to policies that can decide, or a list of everything that is wrong.
//!
//! All or nothing: one bad file refuses the whole load, so that a reload keeps what was good. Strict validation is
//! what makes evaluation errors rare: a name or a type that does not exist is found here, not at the first request.

use super::file::{PolicyFile, Subject};
use super::finding::{Finding, Lines, PolicyError, PolicyWarning};
use super::index::Index;
use super::lint::Names;
use super::schema::{SCHEMA, TRUST_SCHEMA, Vocabulary};
use super::trust::Trust;
use crate::config::{Bucket, Role};
use crate::operation::BucketName;
use aws_lc_rs::digest;
use cedar_policy::{Authorizer, PolicySet};
use std::collections::BTreeMap;
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::sync::Arc;

/// Largest policy file, in bytes: ten thousand rules of 400 bytes.
pub const MAX_POLICY_FILE: u64 = 4 << 20;

/// Stack for parsing and validating, in bytes. Both recurse; the tests load the deepest policies that `shape` lets
/// through, in the build without optimisation. Only pages that are touched take memory.
const STACK: usize = 256 << 20;

/// The policies of every bucket, loaded together. Immutable.
pub struct Policies {
    pub(super) vocabulary: &'static Vocabulary,
    pub(super) authorizer: Authorizer,
    pub(super) buckets: BTreeMap<BucketName, BucketPolicies>,
    pub(super) roles: BTreeMap<Box<str>, Trust>,
    warnings: Vec<PolicyWarning>,
    generation_id: Box<str>,
}

/// A bucket and its policies.
pub(super) struct BucketPolicies {
    pub(super) bucket: Arc<Bucket>,
    /// `None` without a policy file: everything is denied.
    pub(super) index: Option<Index>,
    version: Option<Box<str>>,
}

impl std::fmt::Debug for Policies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Policies")
            .field("generation_id", &self.generation_id)
            .field("buckets", &self.buckets.keys())
            .finish_non_exhaustive()
    }
}

impl Policies {
    /// Reads, parses and validates the policy file of every bucket, and the trust policy of every role.
    ///
    /// A bucket or role whose file does not exist is loaded without policies, which denies everything, with a warning.
    /// So does a policy that speaks of something that is not among `names`.
    ///
    /// # Errors
    /// Everything that is wrong in any of the files, in the order of buckets and lines.
    pub fn load(
        buckets: &BTreeMap<BucketName, Arc<Bucket>>,
        roles: &BTreeMap<Box<str>, Arc<Role>>,
        names: &Names,
    ) -> Result<Self, Vec<PolicyError>> {
        let defect = |message: String| vec![Finding::of_file(Path::new("(policies)"), message, None)];
        std::thread::scope(|scope| {
            let builder = std::thread::Builder::new()
                .name("load-policies".to_owned())
                .stack_size(STACK);
            let loading = builder.spawn_scoped(scope, || Self::load_here(buckets, roles, names));
            let loading = loading.map_err(|error| defect(format!("no thread can be started: {error}")))?;
            let finished = loading.join();
            finished.unwrap_or_else(|_| Err(defect("cannot be loaded: the parser failed".to_owned())))
        })
    }

    fn load_here(
        buckets: &BTreeMap<BucketName, Arc<Bucket>>,
        roles: &BTreeMap<Box<str>, Arc<Role>>,
        names: &Names,
    ) -> Result<Self, Vec<PolicyError>> {
        let vocabulary = Vocabulary::shared()
            .map_err(|message| vec![Finding::of_file(Path::new("(built-in schema)"), message, None)])?;
        let mut errors = Vec::new();
        let mut warnings = Vec::new();
        let mut loaded = BTreeMap::new();
        let mut generation = digest::Context::new(&digest::SHA256);
        feed(&mut generation, SCHEMA.as_bytes());
        for (name, bucket) in buckets {
            let file = &*bucket.policy;
            let text = match read(file) {
                Ok(text) => text,
                Err(error) => {
                    errors.push(error);
                    continue;
                }
            };
            feed(&mut generation, name.as_str().as_bytes());
            feed(&mut generation, &[u8::from(text.is_some())]);
            feed(&mut generation, text.as_deref().unwrap_or_default().as_bytes());
            let index = match &text {
                None => {
                    let message = format!("does not exist: everything in bucket `{name}` is denied");
                    warnings.push(Finding::of_file(file, message, None));
                    None
                }
                Some(text) => {
                    let source = PolicyFile::new(file, text, Subject::Bucket(bucket));
                    match source.policies(vocabulary, names, &mut warnings) {
                        Ok(policies) => Some(Index::new(vocabulary, policies)),
                        Err(found) => {
                            errors.extend(found);
                            continue;
                        }
                    }
                }
            };
            let version = text.map(|text| named(&digest::digest(&digest::SHA256, text.as_bytes())));
            let bucket = Arc::clone(bucket);
            loaded.insert(
                name.clone(),
                BucketPolicies {
                    bucket,
                    index,
                    version,
                },
            );
        }
        let mut trusts = BTreeMap::new();
        feed(&mut generation, TRUST_SCHEMA.as_bytes());
        for (name, role) in roles {
            match trust(vocabulary, role, names, &mut generation, &mut warnings) {
                Ok(trust) => drop(trusts.insert(name.clone(), trust)),
                Err(found) => errors.extend(found),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Self {
            roles: trusts,
            vocabulary,
            authorizer: Authorizer::new(),
            buckets: loaded,
            warnings,
            generation_id: named(&generation.finish()),
        })
    }

    /// What is accepted, but rarely meant; missing files among it.
    pub fn warnings(&self) -> &[PolicyWarning] {
        &self.warnings
    }

    /// Buckets without a policy file.
    pub fn without_file(&self) -> impl Iterator<Item = &BucketName> {
        let missing = self.buckets.iter().filter(|(_, loaded)| loaded.index.is_none());
        missing.map(|(name, _)| name)
    }

    /// `sha256:…` over the schema and all files: the same on all replicas that decide alike.
    pub fn generation_id(&self) -> &str {
        &self.generation_id
    }

    /// `sha256:…` of the file of a bucket: the same as `sha256sum` prints. `None` without a file.
    pub fn version(&self, bucket: &BucketName) -> Option<&str> {
        self.buckets.get(bucket)?.version.as_deref()
    }

    /// How many policies there are.
    pub fn count(&self) -> usize {
        let indexes = self.buckets.values().filter_map(|loaded| loaded.index.as_ref());
        indexes.map(Index::len).sum()
    }
}

/// The trust policy of a role.
fn trust(
    vocabulary: &Vocabulary,
    role: &Role,
    names: &Names,
    generation: &mut digest::Context,
    warnings: &mut Vec<PolicyWarning>,
) -> Result<Trust, Vec<PolicyError>> {
    let (name, file) = (&*role.name, &*role.trust);
    let text = read(file).map_err(|error| vec![error])?;
    feed(generation, name.as_bytes());
    feed(generation, &[u8::from(text.is_some())]);
    feed(generation, text.as_deref().unwrap_or_default().as_bytes());
    let Some(text) = text else {
        let message = format!("does not exist: nobody may take on role `{name}`");
        warnings.push(Finding::of_file(file, message, None));
        return Ok(Trust { policies: None });
    };
    let source = PolicyFile::new(file, &text, Subject::Role(name));
    let policies = source
        .policies(vocabulary, names, warnings)?
        .into_iter()
        .map(|(policy, _)| policy);
    let policies = PolicySet::from_policies(policies)
        .map_err(|error| vec![Finding::of_file(file, error.to_string(), None)])?;
    Ok(Trust {
        policies: Some(policies),
    })
}

/// `None` if there is no such file.
fn read(file: &Path) -> Result<Option<String>, PolicyError> {
    let fail = |message: String, help| Finding::of_file(file, message, help);
    let unreadable = |error: std::io::Error| fail(format!("cannot be read: {error}"), None);
    // Looked at before it is opened: opening a pipe would wait for a writer.
    match std::fs::metadata(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
        Ok(metadata) if !metadata.is_file() => return Err(fail("is not a file".to_owned(), None)),
        Ok(_) => {}
    }
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(file).map_err(unreadable)?;
    opened
        .take(MAX_POLICY_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > MAX_POLICY_FILE) {
        let help = Some("grant to groups rather than to each principal");
        return Err(fail(format!("is larger than {MAX_POLICY_FILE} bytes"), help));
    }
    if bytes.starts_with(b"\xef\xbb\xbf") {
        let help = Some("save it as UTF-8 without one");
        return Err(fail("starts with a byte order mark".to_owned(), help));
    }
    String::from_utf8(bytes).map(Some).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let before = String::from_utf8_lossy(error.as_bytes().get(..valid).unwrap_or_default()).into_owned();
        fail("is not UTF-8".to_owned(), None).at(&Lines::new(&before), valid)
    })
}

/// Length first, so that no two lists of contents give the same bytes.
fn feed(context: &mut digest::Context, content: &[u8]) {
    context.update(&(content.len() as u64).to_be_bytes());
    context.update(content);
}

fn named(digest: &digest::Digest) -> Box<str> {
    format!("sha256:{}", data_encoding::HEXLOWER.encode(digest.as_ref())).into()
}
