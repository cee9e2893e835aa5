//! The query string: decoded once, each name at most once.

use super::error::S3Error;
use super::uri;

/// Parameters of one request: no operation has as many, signature included. Each is compared with all others, also of who is
/// not known yet.
const MOST: usize = 64;

/// The decoded parameters in the order of the wire.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(Vec<Parameter>);

#[derive(Clone, Debug)]
struct Parameter {
    name: String,
    value: String,
}

impl Query {
    /// Parses the raw query, without `?`. A `+` is a plus; `name` equals `name=`.
    ///
    /// # Errors
    /// `InvalidURI` for broken encoding, `InvalidArgument` for too many, and for a name that comes twice (CLS-08, FRM-07).
    pub(crate) fn parse(raw: Option<&str>) -> Result<Self, S3Error> {
        let mut parameters: Vec<Parameter> = Vec::new();
        for pair in raw.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (text(name)?, text(value)?);
            if parameters.len() == MOST {
                return Err(S3Error::invalid_argument(format!(
                    "the query has more than {MOST} parameters"
                )));
            }
            if parameters.iter().any(|p| p.name.eq_ignore_ascii_case(&name)) {
                return Err(S3Error::invalid_argument(format!(
                    "the query parameter `{name}` is given twice; give it once"
                )));
            }
            parameters.push(Parameter { name, value });
        }
        Ok(Self(parameters))
    }

    /// The value of a parameter.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|p| p.name == name).map(|p| p.value.as_str())
    }

    /// Names and values in the order of the wire.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|p| (p.name.as_str(), p.value.as_str()))
    }

    /// The same in Amazon's words, where callers of Google's XML API say it in theirs: a generation is a version, and on
    /// whose bill something is read is not theirs to say. `None` if there is nothing of Google's.
    ///
    /// # Errors
    /// `InvalidArgument` for a version in both words.
    pub(crate) fn heard(&self) -> Result<Option<Self>, S3Error> {
        let is_googles = |p: &Parameter| matches!(&*p.name, "generation" | "userProject");
        if !self.0.iter().any(is_googles) {
            return Ok(None);
        }
        if self.get("generation").is_some() && self.get("versionId").is_some() {
            return Err(S3Error::invalid_argument(
                "`generation` and `versionId` are the same: give one of them",
            ));
        }
        let mut heard = self.clone();
        heard.0.retain(|p| p.name != "userProject");
        for parameter in heard.0.iter_mut().filter(|p| p.name == "generation") {
            "versionId".clone_into(&mut parameter.name);
        }
        Ok(Some(heard))
    }

    /// The canonical query string: encoded, sorted, without `X-Amz-Signature`.
    pub(crate) fn canonical(&self) -> String {
        let mut encoded: Vec<(String, String)> = self
            .0
            .iter()
            .filter(|p| p.name != "X-Amz-Signature")
            .map(|p| {
                let (mut name, mut value) = (String::new(), String::new());
                uri::encode_query(p.name.as_bytes(), &mut name);
                uri::encode_query(p.value.as_bytes(), &mut value);
                (name, value)
            })
            .collect();
        encoded.sort_unstable();
        let pairs: Vec<String> = encoded
            .into_iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        pairs.join("&")
    }
}

fn text(raw: &str) -> Result<String, S3Error> {
    uri::decode(raw)
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| S3Error::invalid_uri("the query string is not valid percent-encoded UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_canonical_query_is_sorted_and_encoded_one_way() {
        for (raw, canonical) in [
            ("", ""),
            ("uploads", "uploads="),
            ("uploadId=UP1&partNumber=2", "partNumber=2&uploadId=UP1"),
            (
                "prefix=a%2fb+c%20d&list-type=2",
                "list-type=2&prefix=a%2Fb%2Bc%20d",
            ),
            ("a=%7E&X-Amz-Signature=00", "a=~"),
            ("a-b=1&a=2", "a=2&a-b=1"),
        ] {
            assert_eq!(
                Query::parse(Some(raw)).map(|q| q.canonical()),
                Ok(canonical.to_owned()),
                "{raw}"
            );
        }
    }

    // LIM-09
    #[test]
    fn there_are_no_more_parameters_than_a_request_may_have() {
        let many = |count: usize| (0..count).map(|n| format!("p{n}=v&")).collect::<String>();
        assert!(Query::parse(Some(&many(MOST))).is_ok());
        assert_eq!(
            Query::parse(Some(&many(MOST + 1)))
                .map_err(|e| e.code)
                .err()
                .as_deref(),
            Some("InvalidArgument")
        );
    }

    // CLS-08
    #[test]
    fn a_parameter_given_twice_is_refused() {
        for raw in [
            "prefix=a&prefix=b",
            "versionId=1&VersionID=2",
            "X-Amz-Date=1&x-amz-date=2",
            "acl&acl=",
        ] {
            assert_eq!(
                Query::parse(Some(raw)).map_err(|e| e.code).err().as_deref(),
                Some("InvalidArgument"),
                "{raw}"
            );
        }
        assert_eq!(
            Query::parse(Some("a=%f")).map_err(|e| e.code).err().as_deref(),
            Some("InvalidURI")
        );
    }
}
