//! The query of the JSON API: decoded once, and nothing in it that is not known.
//!
//! Besides its own parameters every method takes some that are about the answer or about who pays. What would be another
//! way to say who one is, or to have the answer run as a script, is refused (CLS-10).
//!
//! Spec: <https://cloud.google.com/storage/docs/json_api/v1/parameters>

use super::error::GcsError;
use super::mask;
use crate::dialect::s3::uri;
use crate::operation::gcs::{Answer, Row, Sent};
use std::borrow::Cow;

/// Parameters of one request: no method has as many. Each is compared with all others, also of who is not known yet.
const MOST: usize = 64;
/// How often `permissions` may come besides.
const MOST_PERMISSIONS: usize = 100;

/// The decoded parameters in the order of the wire.
#[derive(Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

/// Said of the answer's form, of who pays, or by habit: read here, or left out on purpose.
const OF_ANY_METHOD: [&str; 12] = [
    "$alt",
    "$.xgafv",
    "$prettyPrint",
    "alt",
    "prettyPrint",
    "pp",
    // What an answer shows of rights is nothing here, whatever is asked for.
    "projection",
    "provisionalUserProject",
    "quotaUser",
    "userIp",
    "userProject",
    "uploadType",
];

impl Query {
    /// Parses the raw query, without `?`. A `+` is a space, as in forms: that is how Google's libraries write it.
    ///
    /// # Errors
    /// `invalid` for broken encoding, for too many, and for a name that comes twice; `permissions` may.
    pub(crate) fn parse(raw: Option<&str>) -> Result<Self, GcsError> {
        let mut parameters: Vec<(String, String)> = Vec::new();
        let mut permissions = 0_usize;
        for pair in raw.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (text(name)?, text(value)?);
            if name == "permissions" {
                permissions += 1;
            } else if parameters.len().saturating_sub(permissions) >= MOST {
                return Err(GcsError::invalid(format!(
                    "the query has more than {MOST} parameters"
                )));
            }
            if permissions > MOST_PERMISSIONS {
                return Err(GcsError::invalid(format!(
                    "the query asks for more than {MOST_PERMISSIONS} `permissions`: ask for them in several requests"
                )));
            }
            let again = parameters.iter().any(|(n, _)| n.eq_ignore_ascii_case(&name));
            if again && name != "permissions" {
                return Err(GcsError::invalid(format!(
                    "the query parameter `{name}` is given twice; give it once"
                )));
            }
            parameters.push((name, value));
        }
        Ok(Self(parameters))
    }

    /// The value of a parameter.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }

    /// Every value of a parameter.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(move |(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }

    /// Refuses all but what any request may say.
    ///
    /// # Errors
    /// `invalid` for a parameter of a method, and for those that never cross.
    pub(crate) fn of_no_method(&self) -> Result<(), GcsError> {
        let names = self.0.iter().map(|(name, _)| name.as_str());
        match names.into_iter().find(|name| !OF_ANY_METHOD.contains(name)) {
            Some(name) => Err(unknown(name)),
            None => Ok(()),
        }
    }

    /// The parameters that cross to the target.
    ///
    /// # Errors
    /// `invalid` for a parameter that is not known, and for those that never cross.
    pub(crate) fn crossing(&self, row: &Row) -> Result<Vec<(&'static str, Box<str>)>, GcsError> {
        let mut crossing = Vec::new();
        for (name, value) in &self.0 {
            if let Some(known) = row.parameters.iter().find(|known| **known == name.as_str()) {
                crossing.push((*known, checked(known, value)?.into()));
            } else if name == "fields" {
                // What was stored is held against what was sent, whatever the caller wants to see of it.
                let shown = matches!(row.answer, Answer::Object | Answer::Objects | Answer::Rewrite);
                if shown && row.sent != Sent::Media && !value.is_empty() {
                    crossing.push(("fields", fields(row, value)?.as_ref().into()));
                }
            } else if !OF_ANY_METHOD.contains(&name.as_str()) && !row.own.contains(&name.as_str()) {
                return Err(unknown(name));
            }
        }
        if !matches!(self.get("alt"), None | Some("json" | "media")) {
            return Err(GcsError::invalid("`alt` is `json` or `media`"));
        }
        Ok(crossing)
    }
}

fn unknown(name: &str) -> GcsError {
    GcsError::invalid(match name {
        "access_token" | "oauth_token" | "bearer_token" => {
            "a token in the address ends up in logs: send it as `Authorization: Bearer`".to_owned()
        }
        "callback" => "answers are not made into scripts: leave `callback` out".to_owned(),
        "key" => "API keys mean nothing here: send a token as `Authorization: Bearer`, and leave `key` out"
            .to_owned(),
        _ => format!("`{name}` is not a parameter of this method; leave it out"),
    })
}

/// Numbers are numbers and flags are flags: nobody behind is asked to guess. Python writes `True`.
fn checked<'v>(name: &str, value: &'v str) -> Result<&'v str, GcsError> {
    let (fits, expected) = match name {
        "versions"
        | "softDeleted"
        | "includeTrailingDelimiter"
        | "includeFoldersAsPrefixes"
        | "copySourceAcl"
        | "overrideUnlockedRetention" => {
            let mut flags = ["true", "false"].into_iter();
            let flag = flags.find(|flag| value.eq_ignore_ascii_case(flag));
            return flag.ok_or_else(|| invalid(name, "`true` or `false`"));
        }
        // An empty one would hide that of the metadata from whoever decides.
        "kmsKeyName" | "destinationKmsKeyName" => (
            is_key_name(value),
            "the resource name of a key, of at most 512 characters",
        ),
        "generation" | "sourceGeneration" | "maxResults" | "pageSize" | "maxBytesRewrittenPerCall" => {
            (is_number(value), "a number")
        }
        _ if name.starts_with("if") => (is_number(value), "a number"),
        _ => (!value.contains(['\0', '\r', '\n']), "text without line ends"),
    };
    match fits {
        true => Ok(value),
        false => Err(invalid(name, expected)),
    }
}

fn is_number(value: &str) -> bool {
    (1..=20).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_digit())
}

/// The resource name of a key in Cloud KMS, as far as it is one: it is kept in upload ids.
fn is_key_name(value: &str) -> bool {
    (1..=512).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_graphic())
}

fn invalid(name: &str, expected: &str) -> GcsError {
    let message = format!("Invalid value for `{name}`: it is {expected}");
    GcsError::new(400, "invalidParameter", message)
}

/// The mask of members as the target gets it.
fn fields<'m>(row: &Row, mask: &'m str) -> Result<Cow<'m, str>, GcsError> {
    if !mask::is_valid(mask) {
        let expected = "a mask such as `items(name,size),nextPageToken`, of at most 2048 characters";
        return Err(invalid("fields", expected));
    }
    Ok(match row.answer {
        Answer::Objects => mask::with_names(mask),
        _ => mask.into(),
    })
}

fn text(raw: &str) -> Result<String, GcsError> {
    let decoded = uri::decode(&raw.replace('+', " "))
        .ok_or_else(|| GcsError::invalid("the query has a `%` that is not followed by two hex digits"))?;
    String::from_utf8(decoded).map_err(|_| GcsError::invalid("the query is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    // LIM-09
    #[test]
    fn there_are_no_more_parameters_than_a_request_may_have() {
        let many = |count: usize| (0..count).map(|n| format!("p{n}=v&")).collect::<String>();
        let parsed = |query: String| Query::parse(Some(&query)).map_err(|error| error.status);
        assert!(parsed(many(MOST)).is_ok());
        assert_eq!(parsed(many(MOST + 1)).err(), Some(400));
        let permissions = |count| "permissions=storage.objects.get&".repeat(count);
        let most = parsed(many(MOST) + &permissions(MOST_PERMISSIONS)).unwrap();
        assert_eq!(most.all("permissions").count(), MOST_PERMISSIONS);
        assert_eq!(parsed(permissions(MOST_PERMISSIONS + 1)).err(), Some(400));
        assert_eq!(parsed("a=1&A=2".to_owned()).err(), Some(400));
    }
}
