//! The environment's `tidegate.toml`: written once in full, afterwards only its addresses.
//!
//! Whoever tries Tidegate edits this file, so it is never rendered a second time: an address that must change is
//! replaced where it stands. The file is also where the addresses are kept. The issuer's port is part of `iss`, which
//! makes it part of the identity of every caller: it should be the same after a restart.

use super::{DevError, serving};
use serde::Deserialize;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};
use toml::Spanned;

/// The text of a new environment; its addresses are replaced before it is written.
const TEMPLATE: &str = include_str!("samples/tidegate.toml");
/// The issuer that is ours, by its name in the file.
const ISSUER: &str = "dev";
/// What tokens are for: `audiences` in the file.
pub(super) const AUDIENCE: &str = "tidegate-dev";

/// What the machine decides rather than the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Addresses {
    /// Where callers connect.
    pub(super) data: SocketAddr,
    /// Where health and metrics are.
    pub(super) admin: SocketAddr,
    /// `iss` of the identity provider.
    pub(super) issuer: String,
    /// The URL of the store.
    pub(super) store: String,
    /// The URL of the store that speaks Google's protocols; `None` in an environment of before there was one.
    pub(super) google: Option<String>,
    /// Where browsers reach Tidegate; `None` in an environment of before there was a login.
    pub(super) login: Option<String>,
}

/// The file, as far as it is understood here.
#[derive(Debug)]
pub(super) struct Configuration {
    path: PathBuf,
    text: String,
    places: Places,
    addresses: Addresses,
}

impl Configuration {
    /// The file at `path`, or a new one that is not written yet.
    ///
    /// # Errors
    /// A file that cannot be read, or in which the addresses are not where they were.
    pub(super) fn read_or_new(path: PathBuf) -> Result<Self, DevError> {
        match Self::read(path.clone())? {
            Some(kept) => Ok(kept),
            None => Self::parse(path, TEMPLATE.to_owned()),
        }
    }

    /// The file at `path`; `None` if there is none.
    ///
    /// # Errors
    /// As [`Self::read_or_new`].
    pub(super) fn read(path: PathBuf) -> Result<Option<Self>, DevError> {
        match std::fs::read_to_string(&path) {
            Ok(text) => Self::parse(path, text).map(Some),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(DevError::file(path)(error)),
        }
    }

    /// As they stand in the file.
    pub(super) fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the file with other addresses. A file that says so already is not touched.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub(super) fn keep(&mut self, addresses: Addresses) -> Result<(), DevError> {
        if self.addresses == addresses && self.path.exists() {
            return Ok(());
        }
        let places = &self.places;
        let mut changes = vec![
            (&places.data, addresses.data.to_string()),
            (&places.admin, addresses.admin.to_string()),
            (&places.issuer, addresses.issuer.clone()),
            (&places.store, addresses.store.clone()),
        ];
        changes.extend(places.google.as_ref().zip(addresses.google.clone()));
        changes.extend(places.login.as_ref().zip(addresses.login.clone()));
        changes.sort_by_key(|(place, _)| std::cmp::Reverse(place.span().start));
        let mut text = self.text.clone();
        // From the last to the first: those before keep their places. No address has anything to escape.
        for (place, value) in changes {
            text.replace_range(place.span(), &format!("\"{value}\""));
        }
        let changed = Self::parse(self.path.clone(), text)?;
        if changed.addresses != addresses {
            return Err(changed.problem("its addresses cannot be replaced"));
        }
        serving::replace_private(&self.path, changed.text.as_bytes()).map_err(DevError::file(&self.path))?;
        *self = changed;
        Ok(())
    }

    fn parse(path: PathBuf, text: String) -> Result<Self, DevError> {
        let failed = |problem: String| DevError::Configuration {
            path: path.clone(),
            problem,
        };
        // The message alone: `Display` would show the line, and what is in it may be a secret.
        let file: File = toml::from_str(&text).map_err(|error| failed(error.message().to_owned()))?;
        let address = |key: &str, value: &Spanned<String>| {
            value
                .get_ref()
                .parse::<SocketAddr>()
                .map_err(|_| failed(format!("`{key}` is not an address such as `127.0.0.1:8443`")))
        };
        let issuer = file.issuers.into_iter().find(|issuer| issuer.name == ISSUER);
        let issuer = issuer
            .ok_or_else(|| failed(format!("it has no issuer `{ISSUER}`")))?
            .issuer;
        let addresses = Addresses {
            data: address("server.listen", &file.server.listen)?,
            admin: address("admin.listen", &file.admin.listen)?,
            issuer: issuer.get_ref().clone(),
            store: file.targets.store.endpoint.get_ref().clone(),
            google: file
                .targets
                .google
                .as_ref()
                .map(|google| google.endpoint.get_ref().clone()),
            login: file.login.as_ref().map(|login| login.url.get_ref().clone()),
        };
        let places = Places {
            data: file.server.listen,
            admin: file.admin.listen,
            issuer,
            store: file.targets.store.endpoint,
            google: file.targets.google.map(|google| google.endpoint),
            login: file.login.map(|login| login.url),
        };
        Ok(Self {
            path,
            text,
            places,
            addresses,
        })
    }

    fn problem(&self, problem: &str) -> DevError {
        DevError::Configuration {
            path: self.path.clone(),
            problem: problem.to_owned(),
        }
    }
}

/// The port of a URL; `None` if it has none that can be asked for.
pub(super) fn port_of(url: &str) -> Option<u16> {
    let uri: http::Uri = url.parse().ok()?;
    uri.port_u16().filter(|port| *port != 0)
}

/// Where the addresses stand in the text.
#[derive(Debug)]
struct Places {
    data: Spanned<String>,
    admin: Spanned<String>,
    issuer: Spanned<String>,
    store: Spanned<String>,
    google: Option<Spanned<String>>,
    login: Option<Spanned<String>>,
}

/// What is read of the file; the rest is Tidegate's.
#[derive(Deserialize)]
struct File {
    server: Listener,
    admin: Listener,
    issuers: Vec<Issuer>,
    targets: Targets,
    login: Option<Login>,
}

#[derive(Deserialize)]
struct Login {
    url: Spanned<String>,
}

#[derive(Deserialize)]
struct Listener {
    listen: Spanned<String>,
}

#[derive(Deserialize)]
struct Issuer {
    name: String,
    issuer: Spanned<String>,
}

#[derive(Deserialize)]
struct Targets {
    store: Target,
    google: Option<Target>,
}

#[derive(Deserialize)]
struct Target {
    endpoint: Spanned<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(data: &str) -> Addresses {
        Addresses {
            data: data.parse().unwrap(),
            admin: "127.0.0.1:9091".parse().unwrap(),
            issuer: "https://localhost:40001".into(),
            store: "http://127.0.0.1:40002".into(),
            google: Some("http://127.0.0.1:40004".into()),
            login: Some("https://localhost:40003".into()),
        }
    }

    #[test]
    fn a_new_file_differs_from_the_template_in_its_addresses_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tidegate.toml");
        let mut new = Configuration::read_or_new(path.clone()).unwrap();
        assert!(!path.exists());
        new.keep(addresses("127.0.0.1:8444")).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let differing: Vec<_> = text
            .lines()
            .zip(TEMPLATE.lines())
            .filter(|(a, b)| a != b)
            .collect();
        assert_eq!(differing.len(), 6, "{differing:?}");
        assert!(differing.iter().all(|(_, line)| line.contains("(*)")));
        assert_eq!(text.lines().count(), TEMPLATE.lines().count());
        let read = Configuration::read(path).unwrap().unwrap();
        assert_eq!(*read.addresses(), addresses("127.0.0.1:8444"));
    }

    #[test]
    fn what_the_user_wrote_stays_when_an_address_changes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tidegate.toml");
        let mut new = Configuration::read_or_new(path.clone()).unwrap();
        new.keep(addresses("127.0.0.1:8444")).unwrap();
        let edited = format!(
            "# mine\n{}\n[buckets.mine]\ntarget = 'store'\n",
            std::fs::read_to_string(&path).unwrap()
        );
        std::fs::write(&path, &edited).unwrap();
        let mut kept = Configuration::read_or_new(path.clone()).unwrap();
        kept.keep(addresses("127.0.0.1:10")).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, edited.replace("127.0.0.1:8444", "127.0.0.1:10"));
    }

    #[test]
    fn a_file_that_is_right_is_not_touched() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tidegate.toml");
        let mut new = Configuration::read_or_new(path.clone()).unwrap();
        new.keep(addresses("127.0.0.1:8444")).unwrap();
        let before = std::fs::metadata(&path).unwrap().modified().unwrap();
        new.keep(addresses("127.0.0.1:8444")).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().modified().unwrap(), before);
    }

    #[test]
    fn a_file_of_before_there_was_a_second_store_stays_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tidegate.toml");
        let (before, after) = TEMPLATE.split_once("# A second place").unwrap();
        let (_, after) = after.split_once("# The names that callers use.").unwrap();
        let (after, _) = after.split_once("[buckets.models]").unwrap();
        std::fs::write(&path, format!("{before}#{after}")).unwrap();
        let mut kept = Configuration::read_or_new(path.clone()).unwrap();
        assert_eq!(kept.addresses().google, None);
        let wanted = Addresses {
            google: None,
            ..addresses("127.0.0.1:8444")
        };
        kept.keep(wanted.clone()).unwrap();
        assert_eq!(*Configuration::read(path).unwrap().unwrap().addresses(), wanted);
    }

    #[test]
    fn a_file_without_the_addresses_is_named_with_the_way_out() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tidegate.toml");
        let error = |text: &str| {
            std::fs::write(&path, text).unwrap();
            Configuration::read(path.clone()).unwrap_err().to_string()
        };
        assert!(error("[server]").contains("delete it to have it made anew"));
        let renamed = TEMPLATE.replace("name      = \"dev\"", "name = \"mine\"");
        assert!(error(&renamed).contains("no issuer `dev`"));
        let unread = TEMPLATE.replace("127.0.0.1:8443", "everywhere");
        assert!(error(&unread).contains("`server.listen` is not an address"));
    }

    #[test]
    fn ports_come_from_urls() {
        assert_eq!(port_of("https://localhost:40001"), Some(40001));
        assert_eq!(port_of("https://localhost:0"), None);
        assert_eq!(port_of("https://localhost"), None);
        assert_eq!(port_of("no url"), None);
    }
}
