//! Tokens in files: of whatever keeps one fresh, and of a pod.
//!
//! Spec: <https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#serviceaccount-token-volume-projection>

use super::error::FILE;
use super::{IdentityError, Source, token};
use crate::client::jwt;
use crate::client::settings::IdentityKind;
use crate::config::Environment;
use crate::secret::Secret;
use std::io;
use std::path::{Path, PathBuf};
use tokio::io::AsyncReadExt;

/// Where our documentation mounts the projected token. The one at `/var/run/secrets/kubernetes.io` is for the API server:
/// whoever gets it can act as the pod there, so it is sent nowhere else.
const PROJECTED: &str = "/var/run/secrets/tidegate/token";

impl Source {
    pub(super) async fn token_of_file(&self) -> Result<Secret, IdentityError> {
        read(&path(self.kind, self.token_file.as_deref(), &self.environment)?).await
    }
}

/// Which file it is.
pub(super) fn path(
    kind: IdentityKind,
    named: Option<&Path>,
    environment: &Environment,
) -> Result<PathBuf, IdentityError> {
    let of_sdks = || environment.get("AWS_WEB_IDENTITY_TOKEN_FILE").map(PathBuf::from);
    match (named, kind) {
        (Some(path), _) => Ok(path.to_owned()),
        (None, IdentityKind::Kubernetes) => Ok(PROJECTED.into()),
        (None, _) => of_sdks().ok_or(IdentityError::Missing {
            name: "TIDEGATE_TOKEN_FILE",
            meaning: "neither it nor `--token-file` says where the token is",
        }),
    }
}

/// Reads it anew: it is replaced by whatever keeps it fresh.
pub(super) async fn read(path: &Path) -> Result<Secret, IdentityError> {
    let failed = |source: io::Error| IdentityError::File {
        path: path.to_owned(),
        source,
    };
    let mut text = String::new();
    let file = tokio::fs::File::open(path).await.map_err(failed)?;
    file.take(jwt::LONGEST as u64 + 2)
        .read_to_string(&mut text)
        .await
        .map_err(failed)?;
    token(FILE, &text)
}
