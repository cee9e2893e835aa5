//! Compose: the objects that become one, and what the one is to be.
//!
//! Every source is read on behalf of the caller (GCS-02), so each is a name that is decided about.

use super::{DocumentError, LIMIT, ObjectFields};
use crate::json::{Json, Object};
use crate::operation::ObjectKey;
use crate::parameters::printable;

/// As at Google.
const MOST_SOURCES: usize = 32;

/// The body of `objects.compose`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ComposeRequest {
    /// What is said of the object that comes out.
    pub(crate) destination: ObjectFields,
    /// 1 to 32, in the order of their bytes.
    pub(crate) sources: Vec<Source>,
    /// Whether the sources are to be deleted.
    pub(crate) delete_sources: bool,
}

/// One object that is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    /// As the caller calls it.
    pub(crate) name: ObjectKey,
    /// A version.
    pub(crate) generation: Option<i64>,
    /// The version that the live one has to be.
    pub(crate) if_generation_match: Option<i64>,
}

impl ComposeRequest {
    /// Reads a body.
    ///
    /// # Errors
    /// [`DocumentError`] for a document that is not understood to the last member.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, DocumentError> {
        if body.len() > LIMIT {
            return Err(DocumentError::Malformed);
        }
        let mut request = Self {
            destination: ObjectFields::default(),
            sources: Vec::new(),
            delete_sources: false,
        };
        let document = Object::parse(body).map_err(|_| DocumentError::Malformed)?;
        for (member, value) in document.into_members() {
            match (&*member, value) {
                ("kind", _) | ("destination" | "deleteSourceObjects", Json::Null) => {}
                ("destination", Json::Object(object)) => request.destination = ObjectFields::of(object)?,
                ("destination", _) => return Err(DocumentError::Value("destination", "an object")),
                ("deleteSourceObjects", Json::Bool(flag)) => request.delete_sources = flag,
                ("deleteSourceObjects", _) => {
                    return Err(DocumentError::Value("deleteSourceObjects", "true or false"));
                }
                ("sourceObjects", Json::Array(sources)) if sources.len() <= MOST_SOURCES => {
                    request.sources = sources.into_iter().map(source).collect::<Result<_, _>>()?;
                }
                ("sourceObjects", _) => return Err(DocumentError::Sources),
                (other, _) => return Err(DocumentError::UnknownMember(printable(other))),
            }
        }
        match request.sources.is_empty() {
            true => Err(DocumentError::Sources),
            false => Ok(request),
        }
    }
}

fn source(value: Json) -> Result<Source, DocumentError> {
    let Json::Object(object) = value else {
        return Err(DocumentError::Value("sourceObjects", "an array of objects"));
    };
    let (mut name, mut generation, mut if_generation_match) = (None, None, None);
    for (member, value) in object.into_members() {
        match (&*member, value) {
            ("name", Json::String(text)) => name = Some(ObjectKey::parse(text.as_bytes())?),
            ("generation", value) => generation = number("sourceObjects.generation", value)?,
            ("objectPreconditions", Json::Null) => {}
            ("objectPreconditions", Json::Object(conditions)) => {
                for (member, value) in conditions.into_members() {
                    if *member != *"ifGenerationMatch" {
                        return Err(unknown("sourceObjects.objectPreconditions", &member));
                    }
                    if_generation_match =
                        number("sourceObjects.objectPreconditions.ifGenerationMatch", value)?;
                }
            }
            ("name" | "objectPreconditions", _) => {
                return Err(DocumentError::Value(
                    "sourceObjects",
                    "an array of objects with `name`, a string, and perhaps `objectPreconditions`, an object",
                ));
            }
            (other, _) => return Err(unknown("sourceObjects", other)),
        }
    }
    Ok(Source {
        name: name.ok_or(DocumentError::Value(
            "sourceObjects",
            "an array of objects with `name`",
        ))?,
        generation,
        if_generation_match,
    })
}

/// A number of 64 bits, which JSON clients write as a string.
fn number(name: &'static str, value: Json) -> Result<Option<i64>, DocumentError> {
    let number = match value {
        Json::Null => return Ok(None),
        Json::Integer(number) => Some(number),
        Json::String(text) => {
            let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            text.parse().ok().filter(|_| digits)
        }
        _ => None,
    };
    let number = number.filter(|number| *number >= 0);
    Ok(Some(number.ok_or(DocumentError::Value(name, "a number"))?))
}

fn unknown(within: &str, member: &str) -> DocumentError {
    DocumentError::UnknownMember(format!("{within}.{}", printable(member)).into())
}
