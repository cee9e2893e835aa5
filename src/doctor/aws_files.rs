//! The files of AWS's SDKs: which profiles lead to the gateway, and what in them leads elsewhere.
//!
//! An SDK says nothing about where its keys came from. A profile with keys of its own beats `credential_process`, and one
//! without `endpoint_url` sends the gateway's keys to Amazon.
//!
//! Spec: <https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html>

use super::{Line, Side};
use crate::config::Environment;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// The settings of each profile.
type Profiles = BTreeMap<String, BTreeMap<String, String>>;

const CHECK: &str = "aws profile";
const LARGEST: u64 = 1 << 20;

/// Looks at every profile that has to do with `endpoint`.
pub(super) fn examine(environment: &Environment, endpoint: &str) -> Vec<Line> {
    let home = environment.get("HOME").map(PathBuf::from);
    let file = |variable: &str, name: &str| {
        let said = environment.get(variable).map(PathBuf::from);
        said.or_else(|| Some(home.as_ref()?.join(".aws").join(name)))
    };
    let (config, keys) = (
        file("AWS_CONFIG_FILE", "config"),
        file("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
    );
    let profiles = config.as_deref().map(|path| read(path, true)).unwrap_or_default();
    let with_keys = keys.as_deref().map(|path| read(path, false)).unwrap_or_default();
    let shown = |path: &Option<PathBuf>| {
        path.as_ref()
            .map(|path| path.display().to_string())
            .unwrap_or_default()
    };
    let mut lines: Vec<Line> = profiles
        .iter()
        .filter_map(|(name, settings)| {
            let has_keys = settings.contains_key("aws_access_key_id")
                || with_keys
                    .get(name)
                    .is_some_and(|keys| keys.contains_key("aws_access_key_id"));
            of_profile(
                name,
                settings,
                has_keys,
                endpoint,
                (&shown(&config), &shown(&keys)),
            )
        })
        .collect();
    if lines.is_empty() {
        let why = format!(
            "none in `{}` leads to the gateway; `tidegate snippet aws` prints one",
            shown(&config)
        );
        lines.push(Line::skip(CHECK, "", why));
    }
    lines
}

/// `None` for a profile that has nothing to do with the gateway.
fn of_profile(
    name: &str,
    settings: &BTreeMap<String, String>,
    has_keys: bool,
    endpoint: &str,
    (config, keys): (&str, &str),
) -> Option<Line> {
    let leads_here = settings
        .get("endpoint_url")
        .is_some_and(|url| is_same(url, endpoint));
    let process = settings.get("credential_process");
    let asks_us = process.is_some_and(|command| command.contains("tidegate"));
    if !leads_here && !asks_us {
        return None;
    }
    let fail = |said: String, remedy: String| Line::fail(CHECK, name, said, Side::ThisMachine, remedy);
    Some(if has_keys && asks_us {
        fail(
            "it has keys of its own, which beat `credential_process`".to_owned(),
            format!("take `aws_access_key_id` of `{name}` out of `{keys}` and `{config}`"),
        )
    } else if asks_us && !leads_here {
        let said = match settings.get("endpoint_url") {
            Some(other) => format!("it sends the gateway's keys to `{}`", other.escape_debug()),
            None => "it has no `endpoint_url`: the gateway's keys are sent to Amazon".to_owned(),
        };
        fail(
            said,
            format!("`endpoint_url = {endpoint}` in `[profile {name}]` of `{config}`"),
        )
    } else if !asks_us && !has_keys {
        let remedy =
            format!("`credential_process = tidegate credential-process` in `[profile {name}]` of `{config}`");
        fail(
            "it leads to the gateway and has no keys for it".to_owned(),
            remedy,
        )
        .as_warning()
    } else if settings.get("region").is_none() {
        let remedy = format!(
            "`region = {}` in `[profile {name}]` of `{config}`",
            crate::client::REGION
        );
        fail("it has no `region`, on which SDKs insist".to_owned(), remedy).as_warning()
    } else {
        let from = if asks_us {
            "asks tidegate for keys"
        } else {
            "has keys of its own"
        };
        Line::ok(CHECK, name, format!("leads to the gateway and {from}"))
    })
}

fn is_same(url: &str, endpoint: &str) -> bool {
    url.trim_end_matches('/').eq_ignore_ascii_case(endpoint)
}

/// What stands in a file. What cannot be read has no profiles.
fn read(path: &Path, is_config: bool) -> Profiles {
    let mut text = String::new();
    let opened = std::fs::File::open(path);
    if opened
        .and_then(|file| file.take(LARGEST).read_to_string(&mut text))
        .is_err()
    {
        return Profiles::new();
    }
    parse(&text, is_config)
}

fn parse(text: &str, is_config: bool) -> Profiles {
    let mut profiles = Profiles::new();
    let mut current: Option<String> = None;
    for line in text.lines() {
        // What is nested (`s3 =` and lines that begin with a blank) is of no matter here.
        if line.starts_with([' ', '\t', '#', ';']) {
            continue;
        }
        let line = line.trim();
        if let Some(section) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            let section = section.trim();
            current = match (section.strip_prefix("profile "), is_config) {
                (Some(name), true) => Some(name.trim().trim_matches('"').to_owned()),
                (None, true) if section != "default" => None,
                _ => Some(section.to_owned()),
            };
        } else if let (Some(name), Some((key, value))) = (&current, line.split_once('=')) {
            let settings = profiles.entry(name.clone()).or_default();
            settings.insert(key.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    profiles
}

#[cfg(test)]
mod tests {
    use super::super::Outcome;
    use super::*;

    const ENDPOINT: &str = "https://s3.acme.example";

    fn check(config: &str, keys: &str, expected: &[(Outcome, &str, &str)]) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(".aws")).unwrap();
        std::fs::write(folder.path().join(".aws/config"), config).unwrap();
        std::fs::write(folder.path().join(".aws/credentials"), keys).unwrap();
        let environment = Environment::of([("HOME", folder.path().to_str().unwrap())]);
        let lines = examine(&environment, ENDPOINT);
        let found: Vec<_> = lines.iter().map(|line| (line.outcome, &*line.about)).collect();
        let wanted: Vec<_> = expected
            .iter()
            .map(|(outcome, about, _)| (*outcome, *about))
            .collect();
        assert_eq!(found, wanted, "{lines:?}");
        for (line, (_, _, said)) in lines.iter().zip(expected) {
            assert!(line.to_string().contains(said), "{line}");
            assert!(!line.to_string().contains("SECRET"), "{line}");
        }
    }

    #[test]
    fn each_profile_that_leads_to_the_gateway_is_looked_at() {
        use Outcome::*;
        let process = "credential_process = /usr/bin/tidegate credential-process";
        check("", "", &[(Skip, "", "tidegate snippet aws")]);
        check(
            "[profile other]\nregion = eu-west-1\n",
            "",
            &[(Skip, "", "none in")],
        );
        let right = format!(
            "[profile lake]\n{process}\nendpoint_url = {ENDPOINT}/\nregion = gateway\ns3 =\n  addressing_style = path\n"
        );
        check(&right, "", &[(Ok, "lake", "asks tidegate for keys")]);
        check(
            &right,
            "[lake]\naws_access_key_id = AKIA\naws_secret_access_key = SECRET\n",
            &[(Fail, "lake", "beat `credential_process`")],
        );
        check(
            &format!("[default]\n{process}\nregion = gateway\n"),
            "",
            &[(Fail, "default", "sent to Amazon")],
        );
        check(
            &format!("[profile \"lake\"]\n{process}\nendpoint_url=https://elsewhere.example\n"),
            "",
            &[(Fail, "lake", "to `https://elsewhere.example`")],
        );
        check(
            &format!("[profile lake]\nendpoint_url = {ENDPOINT}\n"),
            "",
            &[(Warn, "lake", "has no keys for it")],
        );
        check(
            &format!("[profile lake]\n{process}\nendpoint_url = {ENDPOINT}\n"),
            "",
            &[(Warn, "lake", "no `region`")],
        );
        check(
            &format!("[profile lake]\nendpoint_url = {ENDPOINT}\nregion = gateway\n"),
            "[lake]\naws_access_key_id = TGSK\naws_secret_access_key = SECRET\n",
            &[(Ok, "lake", "has keys of its own")],
        );
    }
}
