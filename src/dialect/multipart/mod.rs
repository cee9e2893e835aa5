//! What is the same in every kind of multipart: the parameters of its headers, and the search for the line between parts.
//!
//! The kinds differ in everything else (which line ends, how many parts, what a part means), and each is read in the
//! dialect that has it.

mod parameters;
mod search;

pub(crate) use parameters::parameters;
pub(crate) use search::Search;

/// By RFC 2046. Long boundaries are for those who want to be parsed in two ways.
const LONGEST: usize = 70;

/// Whether a text can be a boundary.
///
/// Spec: <https://www.rfc-editor.org/rfc/rfc2046#section-5.1.1>
pub(crate) fn is_boundary(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&b);
    (1..=LONGEST).contains(&text.len()) && text.bytes().all(fits) && !text.ends_with(' ')
}
