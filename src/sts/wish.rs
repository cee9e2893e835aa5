//! What a caller wants its session to be, whichever door it came by.
//!
//! A wish is correct in form and nothing more: whether a role is to be had, a tag may be chosen and a lifetime is in
//! range is for the service to say.

use std::time::Duration;

/// What is asked of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// Which role it carries.
    pub role: RoleWish,
    /// The caller's own name for it: `[\w+=,.@-]{2,64}`.
    pub name: Option<Box<str>>,
    /// How long it lasts; the service has limits and a default.
    pub lifetime: Option<Duration>,
    /// A policy in JSON that narrows it.
    pub policy: Option<Box<str>>,
    /// Tags of the caller's choice; no name twice.
    pub tags: Vec<Tag>,
}

/// A name and its value.
pub type Tag = (Box<str>, Box<str>);

/// Which role is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RoleWish {
    /// None: the caller's own identity.
    #[default]
    Own,
    /// The one that an ARN ends with, if there is one of that name. SDKs insist on sending an ARN, so any other means
    /// the caller's own identity.
    Arn(Box<str>),
    /// This one and no other.
    Named(Box<str>),
}

impl RoleWish {
    /// The name of the role in `arn:aws:iam::ANY:role/[path/]NAME`.
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::Own => None,
            Self::Named(name) => Some(name),
            Self::Arn(arn) => {
                let rest = arn.strip_prefix("arn:")?;
                let mut parts = rest.splitn(5, ':');
                let (_, service, region, _, resource) = (
                    parts.next()?,
                    parts.next()?,
                    parts.next()?,
                    parts.next()?,
                    parts.next()?,
                );
                let path = resource.strip_prefix("role/")?;
                let name = path.rsplit('/').next()?;
                (service == "iam" && region.is_empty() && is_role_name(name)).then_some(name)
            }
        }
    }
}

/// Why something asked for is not acceptable in form: the rule, as a noun phrase.
pub(crate) type Rule = &'static str;

/// Whole seconds.
pub(crate) fn lifetime(text: &str) -> Result<Duration, Rule> {
    // Digits only: `u32` alone would take a plus sign.
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<u32>() {
        Ok(seconds) if digits => Ok(Duration::from_secs(seconds.into())),
        _ => Err("a whole number of seconds"),
    }
}

/// Adds a tag to `tags`.
pub(crate) fn add_tag(tags: &mut Vec<Tag>, name: &str, value: &str) -> Result<(), Rule> {
    let characters = |text: &str| text.chars().count();
    let printable = |text: &str| !text.contains(char::is_control);
    if !(1..=MAX_TAG_NAME).contains(&characters(name)) || !printable(name) {
        return Err("names of 1 to 128 characters");
    }
    if characters(value) > MAX_TAG_VALUE || !printable(value) {
        return Err("values of at most 256 characters");
    }
    if tags.iter().any(|(known, _)| **known == *name) {
        return Err("names that are there once each");
    }
    if tags.len() >= MAX_TAGS {
        return Err("at most 50 of them");
    }
    tags.push((name.into(), value.into()));
    Ok(())
}

/// The name of a role, as the configuration takes it and as it can end an ARN.
pub(crate) fn is_role_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.chars().all(is_name_character)
}

/// Whether `name` can be a `RoleSessionName`, and the last part of an ARN.
pub(crate) fn is_session_name(name: &str) -> bool {
    (2..=64).contains(&name.len()) && name.chars().all(is_name_character)
}

/// `[\w+=,.@-]`, in ASCII.
pub(crate) fn is_name_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_+=,.@-".contains(c)
}

const MAX_TAGS: usize = 50;
const MAX_TAG_NAME: usize = 128;
const MAX_TAG_VALUE: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_names_a_role_by_its_last_part() {
        for (arn, name) in [
            ("arn:aws:iam::000000000000:role/exporter", Some("exporter")),
            ("arn:aws:iam::any:role/team/nightly/exporter", Some("exporter")),
            ("arn:aws-cn:iam::1:role/exporter", Some("exporter")),
            ("arn:minio:iam:::role/exporter", Some("exporter")),
            ("arn:aws:iam::1:role/", None),
            ("arn:aws:iam::1:role/exporter/", None),
            ("arn:aws:iam::1:user/exporter", None),
            ("arn:aws:iam::1:role", None),
            ("arn:aws:s3:::role/exporter", None),
            ("arn:aws:iam:eu-1:1:role/exporter", None),
            ("arn:aws:iam::1:role/a:exporter", None),
            ("arn:aws:iam::1:role/ex porter", None),
            ("exporter", None),
            ("role/exporter", None),
        ] {
            assert_eq!(RoleWish::Arn(arn.into()).name(), name, "{arn}");
        }
        assert_eq!(RoleWish::Named("exporter".into()).name(), Some("exporter"));
        assert_eq!(RoleWish::Own.name(), None);
    }

    #[test]
    fn tags_are_short_and_have_names_of_their_own() {
        let add =
            |name: &str, value: &str| add_tag(&mut vec![("audit".into(), "x".into())], name, value).is_ok();
        assert!(add("case", "") && add(&"ü".repeat(128), &"ü".repeat(256)));
        for (name, value) in [("", "x"), ("audit", "y"), ("a\n", "x"), ("a", "x\u{7f}")] {
            assert!(!add(name, value), "{name:?} {value:?}");
        }
        assert!(!add(&"n".repeat(129), "x") && !add("n", &"v".repeat(257)));
        let mut tags = Vec::new();
        let added = (0..60).filter(|n| add_tag(&mut tags, &format!("t{n}"), "v").is_ok());
        assert_eq!(added.count(), 50);
    }
}
