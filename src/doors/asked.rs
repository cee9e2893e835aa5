//! What the address of a door asks for: `?role=exporter&duration=3600&tag=audit=CHG-1042`.
//!
//! Clients of these doors have a setting for the address and none for anything else.

use super::DoorError;
use crate::parameters::{Parameters, Repeated};
use crate::sts::wish::{self, RoleWish, Wish};

/// Reads the query of a door that issues something.
///
/// # Errors
/// [`DoorError`] for a parameter that is not known, is there twice or is malformed.
pub(super) fn wish(query: Option<&str>) -> Result<Wish, DoorError> {
    let mut parameters =
        Parameters::read(query, b"", &["tag"]).map_err(|Repeated(name)| DoorError::Repeated(name))?;
    let malformed = |parameter, expected| DoorError::Parameter { parameter, expected };
    let role = match parameters.take("role") {
        None => RoleWish::Own,
        Some(name) if wish::is_role_name(&name) => RoleWish::Named(name.into()),
        Some(_) => return Err(malformed("role", "the name of a role, such as `exporter`")),
    };
    let lifetime = parameters.take("duration").map(|text| wish::lifetime(&text));
    let mut tags = Vec::new();
    for tag in parameters.take_all("tag") {
        let (name, value) = tag
            .split_once('=')
            .ok_or(malformed("tag", "of the form `NAME=VALUE`"))?;
        wish::add_tag(&mut tags, name, value).map_err(|rule| malformed("tag", rule))?;
    }
    let wish = Wish {
        role,
        lifetime: lifetime.transpose().map_err(|rule| malformed("duration", rule))?,
        tags,
        ..Wish::default()
    };
    match parameters.unknown(|_| false) {
        None => Ok(wish),
        Some(parameter) => Err(DoorError::Unknown {
            parameter,
            known: "`role`, `duration` and `tag`",
        }),
    }
}

/// For the doors that take no parameters at all.
///
/// # Errors
/// [`DoorError::Unknown`] for any.
pub(super) fn nothing(query: Option<&str>) -> Result<(), DoorError> {
    match query.unwrap_or_default() {
        "" => Ok(()),
        _ => Err(DoorError::Unknown {
            parameter: "of the query".into(),
            known: "none",
        }),
    }
}
