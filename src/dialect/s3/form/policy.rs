//! The policy of a form: what the holder of a session signed for others to fill in.
//!
//! The form comes from somebody who need not be known to anybody; the policy is all that binds it. So a field that no
//! condition speaks of is refused, a condition whose field is missing is not met, and a document that could be read
//! in two ways is none.
//!
//! Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html>

use super::super::error::S3Error;
use super::fields::Fields;
use crate::json::{Json, Object};
use data_encoding::BASE64;
use jiff::Timestamp;

/// Fields that no condition need speak of: they are the signature, what it is made of, and the file itself.
const UNCOVERED: [&str; 3] = ["file", "policy", "x-amz-signature"];
/// Fields that are nobody's business.
const IGNORED: &str = "x-ignore-";

/// A policy that was read; who signed it is another matter.
#[derive(Debug)]
pub(super) struct Policy {
    expiration: Timestamp,
    conditions: Vec<Condition>,
}

#[derive(Debug)]
enum Condition {
    Field { name: Box<str>, rule: Rule },
    ContentLength { least: u64, most: u64 },
}

#[derive(Debug)]
enum Rule {
    Equals(Box<str>),
    StartsWith(Box<str>),
}

impl Policy {
    /// Reads the base64 of a policy document.
    ///
    /// # Errors
    /// `InvalidPolicyDocument`.
    pub(super) fn parse(encoded: &str) -> Result<Self, S3Error> {
        let document = BASE64.decode(encoded.as_bytes());
        let document = document.map_err(|_| invalid("it is not base64"))?;
        // The parser says where, and never what: the session token is among the values.
        let document = Object::parse(&document)
            .map_err(|error| invalid(&format!("it is not JSON as expected: {error}")))?;
        let known = ["expiration", "conditions"];
        if document
            .members()
            .iter()
            .any(|(name, _)| !known.contains(&&**name))
        {
            return Err(invalid(
                "it has another member than `expiration` and `conditions`",
            ));
        }
        let expiration = document
            .text("expiration")
            .ok_or_else(|| invalid("Policy missing expiration."))?;
        let expiration = instant(expiration)
            .ok_or_else(|| invalid("`expiration` is not a time such as `2030-01-01T12:00:00.000Z`"))?;
        let Some(Json::Array(conditions)) = document.get("conditions") else {
            return Err(invalid("Policy missing conditions."));
        };
        let conditions = conditions.iter().map(Condition::read).collect::<Result<_, _>>()?;
        Ok(Self {
            expiration,
            conditions,
        })
    }

    /// The last instant at which it counts.
    pub(super) fn expiration(&self) -> Timestamp {
        self.expiration
    }

    /// Holds the fields against the conditions. `bucket` is the one that the request addresses: a policy must speak
    /// of it as of any other field, or it would be good for every bucket.
    ///
    /// # Errors
    /// `AccessDenied`, in S3's words.
    pub(super) fn check(&self, fields: &Fields, bucket: &str) -> Result<(), S3Error> {
        let value = |name: &str| match name {
            // INVARIANT: never the form's own word (CVE-2023-28434).
            "bucket" => Some(bucket),
            name => fields.get(name),
        };
        for condition in &self.conditions {
            if let Condition::Field { name, rule } = condition
                && !value(name).is_some_and(|value| rule.is_met(name, value))
            {
                return Err(against(&format!(
                    "Policy Condition failed: {}",
                    condition.shown()
                )));
            }
        }
        let covered = |field: &str| {
            let is_of = |condition: &Condition| matches!(condition, Condition::Field { name, .. } if **name == *field);
            self.conditions.iter().any(is_of)
        };
        let mut extra: Vec<&str> = fields
            .iter()
            .map(|(name, _)| name)
            .filter(|name| *name != "bucket")
            .chain(["bucket"])
            .filter(|name| !UNCOVERED.contains(name) && !name.starts_with(IGNORED) && !covered(name))
            .collect();
        if extra.is_empty() {
            return Ok(());
        }
        extra.sort_unstable();
        Err(against(&format!("Extra input fields: {}", extra.join(", "))))
    }

    /// Holds the size of the file against the conditions.
    ///
    /// # Errors
    /// `EntityTooLarge` and `EntityTooSmall`.
    pub(super) fn check_length(&self, length: u64) -> Result<(), S3Error> {
        for condition in &self.conditions {
            let Condition::ContentLength { least, most } = condition else {
                continue;
            };
            if length > *most {
                return Err(S3Error::entity_too_large(
                    "Your proposed upload exceeds the maximum allowed size",
                )
                .with("ProposedSize", length.to_string())
                .with("MaxSizeAllowed", most.to_string()));
            }
            if length < *least {
                return Err(S3Error::entity_too_small(
                    "Your proposed upload is smaller than the minimum allowed size",
                )
                .with("ProposedSize", length.to_string())
                .with("MinSizeAllowed", least.to_string()));
            }
        }
        Ok(())
    }
}

impl Condition {
    fn read(json: &Json) -> Result<Self, S3Error> {
        match json {
            Json::Object(object) => match object.members() {
                [(name, Json::String(value))] => Self::field(name, Rule::Equals(value.clone())),
                _ => Err(invalid(
                    "Simple-Conditions must have exactly one property specified, with a string",
                )),
            },
            Json::Array(items) => match &**items {
                [Json::String(operator), Json::String(name), Json::String(value)] => {
                    let rule = match &**operator {
                        "eq" => Rule::Equals(value.clone()),
                        "starts-with" => Rule::StartsWith(value.clone()),
                        _ => {
                            return Err(invalid(
                                "a condition has an operator other than eq, starts-with and content-length-range",
                            ));
                        }
                    };
                    let name = name
                        .strip_prefix('$')
                        .ok_or_else(|| invalid("the field of a condition begins with `$`"))?;
                    Self::field(name, rule)
                }
                [Json::String(operator), Json::Integer(least), Json::Integer(most)]
                    if **operator == *"content-length-range" =>
                {
                    match (u64::try_from(*least), u64::try_from(*most)) {
                        (Ok(least), Ok(most)) if least <= most => Ok(Self::ContentLength { least, most }),
                        _ => Err(invalid(
                            "a content-length-range is not two sizes, the smaller one first",
                        )),
                    }
                }
                _ => Err(invalid(
                    "a condition is not `[\"eq\" or \"starts-with\", \"$field\", \"value\"]` or \
                     `[\"content-length-range\", least, most]`",
                )),
            },
            Json::Null | Json::Bool(_) | Json::Integer(_) | Json::OtherNumber | Json::String(_) => {
                Err(invalid("a condition is neither an object nor an array"))
            }
        }
    }

    fn field(name: &str, rule: Rule) -> Result<Self, S3Error> {
        if name.is_empty() {
            return Err(invalid("a condition names no field"));
        }
        let name = name.to_ascii_lowercase().into();
        Ok(Self::Field { name, rule })
    }

    /// For the caller and the audit record. Values of `x-amz-` fields stay out: one is the session token.
    fn shown(&self) -> String {
        match self {
            Self::Field { name, rule } => {
                let (operator, value) = match rule {
                    Rule::Equals(value) => ("eq", value),
                    Rule::StartsWith(value) => ("starts-with", value),
                };
                let value = if name.starts_with("x-amz-") { "…" } else { value };
                format!("[\"{operator}\", \"${name}\", \"{value}\"]")
            }
            Self::ContentLength { least, most } => format!("[\"content-length-range\", {least}, {most}]"),
        }
    }
}

impl Rule {
    fn is_met(&self, name: &str, value: &str) -> bool {
        match self {
            Self::Equals(wanted) => **wanted == *value,
            // A list of types begins with the prefix only if each of them does.
            Self::StartsWith(prefix) if name == "content-type" && value.contains(',') => {
                value.split(',').all(|one| one.trim().starts_with(&**prefix))
            }
            Self::StartsWith(prefix) => value.starts_with(&**prefix),
        }
    }
}

/// RFC 3339 in UTC, to the second or to fractions of it.
fn instant(text: &str) -> Option<Timestamp> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let shaped = |text: &str, separator: u8, at: [usize; 2]| {
        text.bytes().enumerate().all(|(i, b)| match at.contains(&i) {
            true => b == separator,
            false => b.is_ascii_digit(),
        })
    };
    let (clock, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let plain = date.len() == 10
        && shaped(date, b'-', [4, 7])
        && clock.len() == 8
        && shaped(clock, b':', [2, 5])
        && (1..=9).contains(&fraction.len())
        && fraction.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

fn invalid(what: &str) -> S3Error {
    S3Error::invalid_policy_document(format!("Invalid Policy: {what}"))
}

fn against(what: &str) -> S3Error {
    S3Error::access_denied(format!("Invalid according to Policy: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(conditions: &str) -> Result<Policy, String> {
        let document = format!(r#"{{"expiration": "2030-01-01T00:00:00.000Z", "conditions": {conditions}}}"#);
        Policy::parse(&BASE64.encode(document.as_bytes())).map_err(|error| error.code.into_owned())
    }

    /// Of a form with these fields for bucket `lake`: what it is refused for.
    fn check(conditions: &str, form: &[(&str, &str)], expected: Option<&str>) {
        let mut fields = Fields::default();
        for (name, value) in form {
            fields.insert(name, value).unwrap();
        }
        let of_bucket = conditions
            .replacen('[', r#"[{"bucket": "lake"}, "#, 1)
            .replace(", ]", "]");
        let refused = policy(&of_bucket).unwrap().check(&fields, "lake").err();
        let message = refused.as_ref().map(|error| {
            assert_eq!(error.code, "AccessDenied");
            error
                .message
                .strip_prefix("Invalid according to Policy: ")
                .unwrap()
        });
        assert_eq!(message, expected, "{conditions} {form:?}");
    }

    // AUZ-14
    #[test]
    fn every_field_is_covered_and_every_condition_met() {
        let failed = |condition: &str| format!("Policy Condition failed: {condition}");
        check(r#"[{"key": "a"}]"#, &[("key", "a")], None);
        check(r#"[{"Key": "a"}]"#, &[("KEY", "a")], None);
        check(r#"[["eq", "$key", "a"]]"#, &[("key", "a")], None);
        check(r#"[["starts-with", "$key", "in/"]]"#, &[("key", "in/a")], None);
        check(r#"[["starts-with", "$key", ""]]"#, &[("key", "anything")], None);
        check(
            r#"[["starts-with", "$key", "in/"], {"key": "in/a"}]"#,
            &[("key", "in/a")],
            None,
        );
        check(
            r#"[{"key": "a"}]"#,
            &[("key", "A")],
            Some(&failed(r#"["eq", "$key", "a"]"#)),
        );
        check(r#"[{"key": "a"}]"#, &[], Some(&failed(r#"["eq", "$key", "a"]"#)));
        let prefix = failed(r#"["starts-with", "$key", "in/"]"#);
        check(
            r#"[["starts-with", "$key", "in/"]]"#,
            &[("key", "in")],
            Some(&prefix),
        );
        check(
            r#"[["starts-with", "$key", "in/"]]"#,
            &[("key", "other/in/")],
            Some(&prefix),
        );
        let both = r#"[["starts-with", "$key", "in/"], {"key": "b"}]"#;
        check(both, &[("key", "b")], Some(&prefix));
        // A condition on a field that is not there is not met, not even by nothing.
        let absent = failed(r#"["starts-with", "$content-type", ""]"#);
        check(r#"[["starts-with", "$Content-Type", ""]]"#, &[], Some(&absent));
        check("[]", &[("key", "a")], Some("Extra input fields: key"));
        check(
            "[]",
            &[("key", "a"), ("acl", "private")],
            Some("Extra input fields: acl, key"),
        );
        check(
            "[]",
            &[("x-amz-meta-a", "1")],
            Some("Extra input fields: x-amz-meta-a"),
        );
        check(
            "[]",
            &[
                ("x-ignore-a", "1"),
                ("policy", "p"),
                ("x-amz-signature", "s"),
                ("file", ""),
            ],
            None,
        );
        let token = failed(r#"["eq", "$x-amz-security-token", "…"]"#);
        check(
            r#"[{"x-amz-security-token": "SECRET"}]"#,
            &[("x-amz-security-token", "")],
            Some(&token),
        );
    }

    // AUZ-14: CVE-2023-28434, CVE-2021-21362
    #[test]
    fn the_bucket_of_a_policy_is_the_one_that_is_addressed() {
        let check = |conditions: &str, form: &[(&str, &str)], addressed: &str, accepted: bool| {
            let mut fields = Fields::default();
            for (name, value) in form {
                fields.insert(name, value).unwrap();
            }
            let outcome = policy(conditions).unwrap().check(&fields, addressed);
            assert_eq!(
                outcome.is_ok(),
                accepted,
                "{conditions} {form:?} {addressed}: {outcome:?}"
            );
        };
        check(r#"[{"bucket": "lake"}]"#, &[], "lake", true);
        check(r#"[["starts-with", "$bucket", "la"]]"#, &[], "lake", true);
        check(r#"[{"bucket": "lake"}]"#, &[("bucket", "lake")], "other", false);
        check(r#"[{"bucket": "lake"}]"#, &[], "other", false);
        check(r#"[]"#, &[], "lake", false);
        check(r#"[]"#, &[("bucket", "lake")], "lake", false);
    }

    #[test]
    fn a_list_of_types_begins_with_a_prefix_only_as_a_whole() {
        let images = r#"[["starts-with", "$Content-Type", "image/"]]"#;
        let failed = r#"Policy Condition failed: ["starts-with", "$content-type", "image/"]"#;
        for (value, expected) in [
            ("image/png", None),
            ("image/png,image/gif", None),
            ("image/png, image/gif", None),
            ("image/png,text/html", Some(failed)),
            ("text/html,image/png", Some(failed)),
            ("image/png,", Some(failed)),
        ] {
            check(images, &[("content-type", value)], expected);
        }
    }

    #[test]
    fn the_size_of_a_file_is_held_against_every_range() {
        let policy = policy(r#"[["content-length-range", 2, 10], ["content-length-range", 0, 8]]"#).unwrap();
        for (length, code) in [
            (1, Some("EntityTooSmall")),
            (2, None),
            (8, None),
            (9, Some("EntityTooLarge")),
            (u64::MAX, Some("EntityTooLarge")),
        ] {
            let refused = policy
                .check_length(length)
                .err()
                .map(|error| error.code.into_owned());
            assert_eq!(refused.as_deref(), code, "{length}");
        }
    }

    // AUZ-14
    #[test]
    fn a_policy_that_is_not_clear_is_none() {
        for conditions in [
            "{}",
            "null",
            "[1]",
            "[\"eq\"]",
            "[null]",
            "[{}]",
            r#"[{"key": 1}]"#,
            r#"[{"key": "a", "key": "b"}]"#,
            r#"[{"key": "a", "acl": "b"}]"#,
            r#"[{"": "a"}]"#,
            r#"[[]]"#,
            r#"[["eq", "$key"]]"#,
            r#"[["eq", "key", "a"]]"#,
            r#"[["eq", "$", "a"]]"#,
            r#"[["eq", "$key", "a", "b"]]"#,
            r#"[["eq", "$key", 1]]"#,
            r#"[["EQ", "$key", "a"]]"#,
            r#"[["ends-with", "$key", "a"]]"#,
            r#"[["in", "$key", ["a"]]]"#,
            r#"[["content-length-range", "1", "2"]]"#,
            r#"[["content-length-range", -1, 2]]"#,
            r#"[["content-length-range", 2, 1]]"#,
            r#"[["content-length-range", 1.0, 2]]"#,
            r#"[["content-length-range", 1]]"#,
            r#"[["content-length-range", 0, 99999999999999999999]]"#,
            r#"[], "conditions": []"#,
            r#"[], "Conditions": []"#,
            r#"[]}, {"a": 1"#,
        ] {
            assert_eq!(
                policy(conditions).map(|_| ()),
                Err("InvalidPolicyDocument".to_owned()),
                "{conditions}"
            );
        }
        let whole =
            |document: &str| Policy::parse(&BASE64.encode(document.as_bytes())).map_err(|error| error.code);
        for document in [
            "",
            "{}",
            "[]",
            r#"{"conditions": []}"#,
            r#"{"expiration": "2030-01-01T00:00:00Z"}"#,
        ] {
            assert_eq!(
                whole(document).map(|_| ()),
                Err("InvalidPolicyDocument".into()),
                "{document}"
            );
        }
        for encoded in ["", "e30", "e3 0=", "{}", "e30=\n"] {
            assert!(Policy::parse(encoded).is_err(), "{encoded}");
        }
    }

    #[test]
    fn an_expiration_is_a_time_in_utc() {
        let read = |text: &str| {
            let document = format!(r#"{{"expiration": "{text}", "conditions": []}}"#);
            Policy::parse(&BASE64.encode(document.as_bytes()))
                .map(|policy| policy.expiration().to_string())
                .ok()
        };
        for good in [
            "2030-01-01T12:00:00Z",
            "2030-01-01T12:00:00.000Z",
            "2030-01-01T12:00:00.123456Z",
        ] {
            assert!(
                read(good).is_some_and(|at| at.starts_with("2030-01-01T12:00:00")),
                "{good}"
            );
        }
        for bad in [
            "",
            "2030-01-01",
            "2030-01-01T12:00:00",
            "2030-01-01T12:00:00z",
            "2030-01-01T12:00:00+01:00",
            "2030-01-01t12:00:00Z",
            "2030-01-01 12:00:00Z",
            "2030-13-01T12:00:00Z",
            "2030-01-01T25:00:00Z",
            "2030-01-01T12:00:00.Z",
            "2030-01-01T12:00Z",
            "+02030-01-01T12:00:00Z",
            "2030-01-01T12:00:00[UTC]Z",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
