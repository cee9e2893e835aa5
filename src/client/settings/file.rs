//! `config.toml`, as it is written.

use super::SettingsError;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// The file: keys that hold for all profiles, and the profiles.
#[derive(Clone, Debug, Default)]
pub(super) struct File {
    default_profile: Option<String>,
    top: Profile,
    profiles: BTreeMap<String, Profile>,
}

/// Makes the shape of a profile and that of the file, which has the same keys and two more: an unknown key is only found
/// where every key has its place.
macro_rules! keys {
    ($($name:ident: $kind:ty),* $(,)?) => {
        /// One profile.
        #[derive(Clone, Debug, Default, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(super) struct Profile {
            $(pub(super) $name: Option<$kind>,)*
            #[serde(default)]
            pub(super) tags: BTreeMap<String, String>,
        }

        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Raw {
            default_profile: Option<String>,
            #[serde(default)]
            profiles: BTreeMap<String, Profile>,
            $($name: Option<$kind>,)*
            #[serde(default)]
            tags: BTreeMap<String, String>,
        }

        impl From<Raw> for File {
            fn from(raw: Raw) -> Self {
                Self {
                    default_profile: raw.default_profile,
                    profiles: raw.profiles,
                    top: Profile { $($name: raw.$name,)* tags: raw.tags },
                }
            }
        }

        impl Profile {
            /// This profile, and what `below` says where it says nothing.
            fn over(&self, below: &Self) -> Self {
                let mut tags = below.tags.clone();
                tags.extend(self.tags.clone());
                Self { $($name: self.$name.clone().or_else(|| below.$name.clone()),)* tags }
            }
        }
    };
}

keys! {
    endpoint: String,
    ca: PathBuf,
    issuer_ca: PathBuf,
    issuer: String,
    client_id: String,
    client_secret: String,
    redirect: String,
    identity: String,
    role: String,
    duration: String,
    audience: String,
    token_file: PathBuf,
    azure_client_id: String,
    aws_sts_endpoint: String,
    login: String,
    store: String,
    region: String,
}

/// Reads it. One that is not there says nothing.
///
/// # Errors
/// [`SettingsError::File`], with the line.
pub(super) fn read(path: &Path) -> Result<File, SettingsError> {
    let wrong = |line, problem: String| SettingsError::File {
        file: path.display().to_string(),
        line,
        problem,
    };
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(File::default()),
        Err(error) => return Err(wrong(1, format!("cannot be read: {error}"))),
    };
    let raw: Raw = toml::from_str(&text).map_err(|error| {
        let before = error
            .span()
            .and_then(|span| text.get(..span.start))
            .unwrap_or_default();
        wrong(
            before.matches('\n').count() + 1,
            error.message().replace('\n', " "),
        )
    })?;
    Ok(raw.into())
}

impl File {
    pub(super) fn default_profile(&self) -> Option<String> {
        self.default_profile.clone()
    }

    /// The profile of this name, or what holds without one.
    pub(super) fn profile(&self, name: Option<&str>, file: Option<&Path>) -> Result<Profile, SettingsError> {
        let Some(name) = name else {
            return Ok(self.top.clone());
        };
        match self.profiles.get(name) {
            Some(profile) => Ok(profile.over(&self.top)),
            None => {
                let known: Vec<String> = self.profiles.keys().map(|name| format!("`{name}`")).collect();
                Err(SettingsError::NoProfile {
                    name: name.to_owned(),
                    file: file.map(|file| file.display().to_string()).unwrap_or_default(),
                    known: if known.is_empty() {
                        "none: there are no profiles in it".to_owned()
                    } else {
                        known.join(", ")
                    },
                })
            }
        }
    }
}
